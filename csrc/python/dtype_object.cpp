// dtype singletons, the device class and the Size tuple. Must not know operators.
#include "python/dtype_object.h"

#include <string>

#include "core/check.h"

namespace pycore::python {

PyTypeObject* size_type = nullptr;

namespace {

// --- dtype
// -------------------------------------------------------------------------------------------------------------

struct DTypeObject {
  PyObject_HEAD DType dtype;
};
PyTypeObject* g_dtype_type = nullptr;
PyObject* g_dtypes[kDTypes];

DType dtype_of(PyObject* o) { return reinterpret_cast<DTypeObject*>(o)->dtype; }

PyObject* dtype_repr(PyObject* o) { return PyUnicode_FromFormat("pycore.%s", name(dtype_of(o))); }
// Pickled by name: `pycore.float32`.
PyObject* dtype_reduce(PyObject* o, PyObject*) { return PyUnicode_FromString(name(dtype_of(o))); }

PyMethodDef dtype_methods[] = {
    {"__reduce__", dtype_reduce, METH_NOARGS, nullptr},
    {"to_real", [](PyObject* o, PyObject*) { return Py_NewRef(o); }, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef dtype_getset[] = {
    {"is_floating_point",
     [](PyObject* o, void*) { return PyBool_FromLong(is_floating(dtype_of(o))); }, nullptr, nullptr,
     nullptr},
    {"is_complex", [](PyObject*, void*) { return PyBool_FromLong(0); }, nullptr, nullptr, nullptr},
    {"is_signed", [](PyObject* o, void*) { return PyBool_FromLong(is_signed(dtype_of(o))); },
     nullptr, nullptr, nullptr},
    {"itemsize", [](PyObject* o, void*) { return PyLong_FromLong(item_size(dtype_of(o))); },
     nullptr, nullptr, nullptr},
    {"__module__", [](PyObject*, void*) { return PyUnicode_FromString("pycore"); }, nullptr,
     nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

void init_dtypes(py::module_& m) {
  PyType_Slot slots[] = {
      {Py_tp_repr, reinterpret_cast<void*>(dtype_repr)},
      {Py_tp_methods, dtype_methods},
      {Py_tp_getset, dtype_getset},
      {Py_tp_doc, const_cast<char*>("The type of a tensor's elements.")},
      {0, nullptr},
  };
  PyType_Spec spec{"pycore.dtype", sizeof(DTypeObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  g_dtype_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!g_dtype_type) throw py::error_already_set();
  m.attr("dtype") = py::handle(reinterpret_cast<PyObject*>(g_dtype_type));
  for (int i = 0; i < kDTypes; ++i) {
    auto* o = PyObject_New(DTypeObject, g_dtype_type);
    o->dtype = static_cast<DType>(i);
    g_dtypes[i] = reinterpret_cast<PyObject*>(o);
    m.attr(name(o->dtype)) = py::handle(g_dtypes[i]);
  }
  auto alias = [&](const char* short_name, DType t) {
    m.attr(short_name) = py::handle(dtype_object(t));
  };
  alias("float", DType::float32);
  alias("double", DType::float64);
  alias("half", DType::float16);
  alias("long", DType::int64);
  alias("int", DType::int32);
  alias("short", DType::int16);
}

// --- Size
// ----------------------------------------------------------------------------------------------------------------

PyObject* size_from_tuple(PyObject* tuple) {
  if (!tuple || !PyTuple_Check(tuple)) return tuple;
  Py_ssize_t n = PyTuple_GET_SIZE(tuple);
  PyObject* s = size_type->tp_alloc(size_type, n);
  if (s)
    for (Py_ssize_t i = 0; i < n; ++i)
      PyTuple_SET_ITEM(s, i, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
  Py_DECREF(tuple);
  return s;
}

PyObject* size_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PyObject* s = PyTuple_Type.tp_new(type, args, kwargs);
  if (!s) return nullptr;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(s); ++i) {
    PyObject* x = PyTuple_GET_ITEM(s, i);
    if (PyLong_Check(x)) continue;
    PyObject* n = PyIndex_Check(x) ? PyNumber_Index(x) : nullptr;
    if (!n) {
      PyErr_Format(PyExc_TypeError, "pycore.Size() takes an iterable of 'int' (item %zd is '%s')",
                   i, Py_TYPE(x)->tp_name);
      Py_DECREF(s);
      return nullptr;
    }
    PyTuple_SET_ITEM(s, i, n);
    Py_DECREF(x);
  }
  return s;
}
PyObject* size_repr(PyObject* s) {
  std::string text = "pycore.Size([";
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(s); ++i)
    text += (i ? ", " : "") + std::to_string(PyLong_AsLongLong(PyTuple_GET_ITEM(s, i)));
  return PyUnicode_FromString((text + "])").c_str());
}
PyObject* size_numel(PyObject* s, PyObject*) {
  long long n = 1;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(s); ++i)
    n *= PyLong_AsLongLong(PyTuple_GET_ITEM(s, i));
  return PyLong_FromLongLong(n);
}
PyObject* size_reduce(PyObject* s, PyObject*) {
  PyObject* plain = PySequence_Tuple(s);
  PyObject* exact = PyTuple_New(PyTuple_GET_SIZE(s));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(s); ++i)
    PyTuple_SET_ITEM(exact, i, Py_NewRef(PyTuple_GET_ITEM(plain, i)));
  Py_DECREF(plain);
  return Py_BuildValue("(O(N))", size_type, exact);
}
PyMethodDef size_methods[] = {
    {"numel", size_numel, METH_NOARGS, "The number of elements of a tensor of this size."},
    {"__reduce__", size_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

void init_size(py::module_& m) {
  PyType_Slot slots[] = {
      {Py_tp_base, &PyTuple_Type},
      {Py_tp_new, reinterpret_cast<void*>(size_new)},
      {Py_tp_repr, reinterpret_cast<void*>(size_repr)},
      {Py_tp_methods, size_methods},
      {Py_sq_concat, reinterpret_cast<void*>(+[](PyObject* a, PyObject* b) -> PyObject* {
         if (!PyTuple_Check(a) || !PyTuple_Check(b)) {
           PyErr_Format(PyExc_TypeError, "can only concatenate tuple (not \"%s\") to pycore.Size",
                        Py_TYPE(b)->tp_name);
           return nullptr;
         }
         return size_from_tuple(PyTuple_Type.tp_as_sequence->sq_concat(a, b));
       })},
      {Py_sq_repeat, reinterpret_cast<void*>(+[](PyObject* a, Py_ssize_t n) {
         return size_from_tuple(PyTuple_Type.tp_as_sequence->sq_repeat(a, n));
       })},
      {Py_mp_subscript, reinterpret_cast<void*>(+[](PyObject* a, PyObject* i) {
         PyObject* r = PyTuple_Type.tp_as_mapping->mp_subscript(a, i);
         return PySlice_Check(i) ? size_from_tuple(r) : r;
       })},
      {Py_tp_doc, const_cast<char*>("The sizes of a tensor: a tuple of ints.")},
      {0, nullptr},
  };
  PyType_Spec spec{"pycore.Size", 0, 0, Py_TPFLAGS_DEFAULT, slots};
  size_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!size_type) throw py::error_already_set();
  m.attr("Size") = py::handle(reinterpret_cast<PyObject*>(size_type));
}

// --- device
// ----------------------------------------------------------------------------------------------------------------

// Any device can be named (`device("cuda")` is used in conditions); only the CPU can hold tensors.
struct Device {
  std::string type;
  std::optional<int> index;
};

Device parse_device(const std::string& text) {
  static const char* known[] = {"cpu", "cuda", "mps",    "xpu",    "meta",
                                "xla", "hpu",  "mkldnn", "vulkan", "privateuseone"};
  auto colon = text.find(':');
  Device d{text.substr(0, colon), std::nullopt};
  bool ok = false;
  for (auto* k : known) ok |= d.type == k;
  PC_CHECK(ok, "Expected one of cpu, cuda, mps, xpu, meta device type at start of device string: ",
           text);
  if (colon != std::string::npos) {
    std::string digits = text.substr(colon + 1);
    PC_CHECK(!digits.empty() && digits.size() < 5 &&
                 digits.find_first_not_of("0123456789") == std::string::npos,
             "Invalid device string: '", text, "'");
    d.index = std::stoi(digits);
  }
  return d;
}
PyObject* g_cpu = nullptr;
PyObject* g_device_type = nullptr;

}  // namespace

PyObject* dtype_object(DType t) { return g_dtypes[static_cast<int>(t)]; }

std::optional<DType> as_dtype(PyObject* o) {
  if (Py_TYPE(o) == g_dtype_type) return dtype_of(o);
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::float64;
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::int64;
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::bool_;
  return std::nullopt;
}

PyObject* make_size(IntSpan sizes) {
  auto n = static_cast<Py_ssize_t>(sizes.size());
  PyObject* s = size_type->tp_alloc(size_type, n);
  if (!s) throw py::error_already_set();
  for (Py_ssize_t i = 0; i < n; ++i)
    PyTuple_SET_ITEM(s, i, PyLong_FromLongLong(sizes[static_cast<size_t>(i)]));
  return s;
}

PyObject* cpu_device() { return g_cpu; }

bool check_device(PyObject* o) {
  Device d;
  if (PyUnicode_Check(o))
    d = parse_device(py::cast<std::string>(py::handle(o)));
  else if (Py_TYPE(o) == reinterpret_cast<PyTypeObject*>(g_device_type))
    d = py::cast<Device>(py::handle(o));
  else if (PyLong_CheckExact(o))
    d = {"cuda", static_cast<int>(PyLong_AsLong(o))};
  else
    return false;
  if (d.type == "cpu") return true;
  if (d.type == "cuda") {
    PyErr_SetString(PyExc_AssertionError,
                    "Torch not compiled with CUDA enabled: pycore runs on the CPU only");
    throw py::error_already_set();
  }
  fail(ErrorKind::runtime, "device '", d.type, "' is not available: pycore runs on the CPU only");
}

void init_dtype_objects(py::module_& m) {
  init_dtypes(m);
  init_size(m);
  auto text = [](const Device& d) {
    return d.type + (d.index ? ":" + std::to_string(*d.index) : "");
  };
  auto cls =
      py::class_<Device>(m, "device")
          .def(py::init([](const std::string& s) { return parse_device(s); }), py::arg("device"))
          .def(py::init([](const Device& d) { return d; }), py::arg("device"))
          .def(
              py::init([](const std::string& type, int index) {
                Device d = parse_device(type);
                PC_CHECK(
                    !d.index,
                    "type (string) must not include an index because index was passed explicitly: ",
                    type);
                PC_CHECK(index >= 0, "Device index must not be negative");
                d.index = index;
                return d;
              }),
              py::arg("type"), py::arg("index"))
          .def(py::init([](int index) { return Device{"cuda", index}; }), py::arg("index"))
          .def_property_readonly("type", [](const Device& d) { return d.type; })
          .def_property_readonly("index", [](const Device& d) { return d.index; })
          .def("__str__", text)
          .def("__repr__",
               [](const Device& d) {
                 return "device(type='" + d.type + "'" +
                        (d.index ? ", index=" + std::to_string(*d.index) : "") + ")";
               })
          .def("__eq__",
               [](const Device& a, py::object b) {
                 if (!py::isinstance<Device>(b)) return false;
                 auto o = b.cast<Device>();
                 return a.type == o.type && a.index == o.index;
               })
          .def("__hash__", [text](const Device& d) { return py::hash(py::str(text(d))); })
          .def("__reduce__", [text](py::object self) {
            return py::make_tuple(self.attr("__class__"),
                                  py::make_tuple(text(self.cast<Device>())));
          });
  cls.attr("__module__") = "pycore";
  g_device_type = cls.ptr();
  g_cpu = py::cast(Device{"cpu", std::nullopt}).release().ptr();
}

}  // namespace pycore::python
