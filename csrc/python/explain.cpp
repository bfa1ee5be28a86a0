#include "python/explain.h"

#include <pybind11/stl.h>

#include "python/tensor_object.h"

namespace py = pybind11;

namespace pycore::python {
namespace {

// Of a tensor, or of those in a list or tuple; broadcast elements count once.
int64_t bytes_of(PyObject* o) {
  if (!o) return 0;
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    int64_t n = t.item_size();
    for (int64_t d = 0; d < t.dim(); ++d) n *= t.strides()[d] == 0 ? 1 : t.sizes()[d];
    return n;
  }
  int64_t sum = 0;
  if (PyTuple_Check(o) || PyList_Check(o)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
      PyObject* item = PySequence_Fast_ITEMS(o)[i];
      if (is_tensor(item)) sum += bytes_of(item);
    }
  }
  return sum;
}

}  // namespace

PyObject* explained(ExplainScope& entry, PyObject* const* args, Py_ssize_t n, PyObject* result) {
  for (Py_ssize_t i = 0; i < n; ++i) entry.add_bytes(bytes_of(args[i]));
  entry.add_bytes(bytes_of(result));
  return result;
}

void init_explain(py::module_& m) {
  m.def("_explain_start", &explain_start, "Begins to listen; returns a mark for _explain_stop.");
  m.def(
      "_explain_stop",
      [](size_t mark) {
        py::list entries;
        for (const ExplainEntry& e : explain_stop(mark))
          entries.append(py::make_tuple(e.name, e.depth, py::cast(e.kernels), py::cast(e.notes),
                                        e.threads, e.bytes, e.seconds));
        return entries;
      },
      py::arg("mark"),
      "What ran since the mark: name, depth, kernels, notes, threads, bytes, seconds.");
}

}  // namespace pycore::python
