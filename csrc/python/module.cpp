// The extension module pycore._C: puts the pieces together.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/allocator.h"
#include "core/cpu.h"
#include "core/kept.h"
#include "core/matmul_precision.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "ops/attention.h"
#include "ops/op.h"
#include "ops/ops.h"
#include "python/autograd_object.h"
#include "python/data.h"
#include "python/dtype_object.h"
#include "python/explain.h"
#include "python/module_type.h"
#include "python/op_function.h"
#include "python/optim.h"
#include "python/subclass.h"
#include "python/tensor_object.h"

namespace py = pybind11;
using namespace pycore;

namespace {

void init_errors() {
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error&) {
      python::set_python_error();
    }
  });
}

void init_runtime(py::module_& m) {
  m.def("get_num_threads", &num_threads, "How many threads operators may use.");
  m.def("set_num_threads", &set_num_threads, py::arg("num_threads"),
        "Limits the threads that operators use.");
  m.def(
      "_isa", [] { return std::string(kernels_now().isa); },
      "The instruction set level of the kernels in use.");
  m.def("_matmul_precision", [] { return static_cast<int>(matmul_precision()); });
  m.def("_set_matmul_precision", [](int level) {
    using Precision = kernels::GemmPrecision;
    set_matmul_precision(level == 0   ? Precision::highest
                         : level == 1 ? Precision::high
                                      : Precision::medium);
  });
  m.def("_supported_isas", &supported_isas, "The levels this machine can run, best first.");
  m.def("_attention_backends", &attention_backends);
  m.def("_set_attention_backends", &set_attention_backends, py::arg("bits"));
  m.def("get_default_dtype",
        [] { return py::reinterpret_borrow<py::object>(python::dtype_object(default_dtype())); });
  m.def("set_default_dtype", [](py::object d) {
    auto t = python::as_dtype(d.ptr());
    PC_CHECK_TYPE(
        t, "invalid dtype object: only floating-point types are supported as the default type");
    set_default_dtype(*t);
  });
  m.def("_memory_stats", [] {
    MemoryStats s = memory_stats();
    py::dict d;
    d["allocated_bytes"] = s.allocated_bytes;
    d["peak_allocated_bytes"] = s.peak_allocated_bytes;
    d["cached_bytes"] = s.cached_bytes;
    d["system_bytes"] = s.system_bytes;
    d["system_allocations"] = s.system_allocations;
    d["kept_bytes"] = kept_bytes();
    return d;
  });
  m.def("_empty_cache", &empty_cache);
  m.def("_reset_peak_memory_stats", &reset_peak_memory_stats);
  m.def(
      "_ops",
      [] {
        py::list l;
        for (auto* op : all_ops()) {
          py::dict d;
          d["schema"] = op->schema;
          d["name"] = op->name;
          d["space"] = op->space;
          d["doc"] = op->doc;
          d["function"] = (op->flags & kFunction) != 0;
          d["method"] = (op->flags & kMethod) != 0;
          d["inplace"] = (op->flags & kInplace) != 0;
          d["out"] = (op->flags & kOut) != 0;
          d["pointwise"] = (op->flags & kPointwise) != 0;
          l.append(d);
        }
        return l;
      },
      "What every operator declares: the source of stubs, documentation and tests.");
  m.def("result_type", [](py::object a, py::object b) {
    Value x, y;
    auto operand = [](py::object& o, Value& v) {
      if (python::is_tensor(o.ptr())) return Operand(python::unwrap(o.ptr()));
      PC_CHECK_TYPE(python::number_value(o.ptr(), v),
                    "result_type(): expected Tensor or Number, got ", Py_TYPE(o.ptr())->tp_name);
      return Operand(v.as_scalar());
    };
    return py::reinterpret_borrow<py::object>(
        python::dtype_object(result_type(operand(a, x), operand(b, y))));
  });
  m.def("promote_types", [](py::object a, py::object b) {
    auto x = python::as_dtype(a.ptr()), y = python::as_dtype(b.ptr());
    PC_CHECK_TYPE(x && y, "promote_types(): expected two dtypes");
    return py::reinterpret_borrow<py::object>(python::dtype_object(promote(*x, *y)));
  });
  m.def("can_cast", [](py::object a, py::object b) {
    auto x = python::as_dtype(a.ptr()), y = python::as_dtype(b.ptr());
    PC_CHECK_TYPE(x && y, "can_cast(): expected two dtypes");
    return can_cast(*x, *y);
  });
}

void init_generator(py::module_& m) {
  py::class_<Generator>(m, "Generator")
      .def(py::init([](py::object device) {
             if (!device.is_none()) python::check_device(device.ptr());
             return std::make_unique<Generator>();
           }),
           py::arg("device") = py::none())
      .def(
          "manual_seed",
          [](py::object self, py::object seed) {
            // Negative seeds count from 2^64, as in PyTorch.
            auto n = py::reinterpret_steal<py::object>(PyNumber_Index(seed.ptr()));
            if (!n) throw py::error_already_set();
            uint64_t s = PyLong_AsUnsignedLongLong(n.ptr());
            if (PyErr_Occurred()) {
              PyErr_Clear();
              s = static_cast<uint64_t>(PyLong_AsLongLong(n.ptr()));
            }
            if (PyErr_Occurred()) {
              PyErr_Clear();
              fail(ErrorKind::value,
                   "Overflow when unpacking long long: manual_seed takes integers of 64 bits");
            }
            self.cast<Generator&>().manual_seed(s);
            return self;
          },
          py::arg("seed"))
      .def("clone_state", [](const Generator& g) { return std::make_unique<Generator>(g); })
      .def("seed", &Generator::seed)
      .def("initial_seed", &Generator::initial_seed)
      .def("get_state",
           [](const Generator& g) {
             Tensor t = empty({{static_cast<int64_t>(Generator::kStateBytes)}}, DType::uint8);
             g.get_state(std::span<uint8_t, Generator::kStateBytes>(t.data<uint8_t>(),
                                                                    Generator::kStateBytes));
             return t;
           })
      .def(
          "set_state",
          [](py::object self, const Tensor& state) {
            PC_CHECK_TYPE(state.defined() && state.dtype() == DType::uint8,
                          "RNG state must be a torch.ByteTensor");
            Tensor s = contiguous(state);
            self.cast<Generator&>().set_state({s.data<uint8_t>(), static_cast<size_t>(s.numel())});
            return self;
          },
          py::arg("new_state"))
      .def_property_readonly("device", [](const Generator&) {
        return py::reinterpret_borrow<py::object>(python::cpu_device());
      });
  m.attr("default_generator") = py::cast(&default_generator(), py::return_value_policy::reference);
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  m.doc() = "The C++ part of pycore.";
  select_kernels();
  init_errors();
  python::init_dtype_objects(m);
  python::init_tensor_type(m);
  python::init_operators(m);
  python::init_autograd(m);
  python::init_data(m);
  python::init_optim(m);
  python::init_module_type(m);
  python::init_subclass(m);
  init_generator(m);
  init_runtime(m);
  python::init_explain(m);
}
