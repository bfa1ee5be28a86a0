// nn.Module's attribute look-up (parameters, buffers and children live in tables of their own) and
// its call without hooks. In Python these two cost more than a small layer's arithmetic.
#include "python/module_type.h"

#include "python/tensor_object.h"

namespace pycore::python {
namespace {

PyObject *g_parameters, *g_buffers, *g_modules, *g_forward, *g_has_hooks, *g_call_hooked;
PyObject* g_note_place = nullptr;  // called with (error, module) when a call fails

PyObject* find_in(PyObject* self, PyObject* table_name, PyObject* name) {
  PyObject* table = _PyObject_GenericGetAttrWithDict(self, table_name, nullptr, 1);
  if (!table) return nullptr;
  PyObject* found =
      PyDict_Check(table) ? Py_XNewRef(PyDict_GetItemWithError(table, name)) : nullptr;
  Py_DECREF(table);
  return found;
}

PyObject* get_attribute(PyObject* self, PyObject* name) {
  PyObject* r = _PyObject_GenericGetAttrWithDict(self, name, nullptr, 1);
  if (r || PyErr_Occurred()) return r;
  for (PyObject* table : {g_parameters, g_modules, g_buffers}) {
    r = find_in(self, table, name);
    if (r || PyErr_Occurred()) return r;
  }
  PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute '%U'",
               Py_TYPE(self)->tp_name, name);
  return nullptr;
}

// forward(*args, **kwargs) without a bound method in between.
PyObject* call_forward(PyObject* self, PyObject* args, PyObject* kwargs) {
  constexpr Py_ssize_t kInline = 8;
  Py_ssize_t n = PyTuple_GET_SIZE(args);
  if (n + 1 > kInline || (kwargs && PyDict_GET_SIZE(kwargs) > 0)) {
    PyObject* forward = PyObject_GetAttr(self, g_forward);
    if (!forward) return nullptr;
    PyObject* r = PyObject_Call(forward, args, kwargs);
    Py_DECREF(forward);
    return r;
  }
  PyObject* stack[kInline];
  stack[0] = self;
  for (Py_ssize_t i = 0; i < n; ++i) stack[i + 1] = PyTuple_GET_ITEM(args, i);
  return PyObject_VectorcallMethod(g_forward, stack, static_cast<size_t>(n + 1), nullptr);
}

void note_place(PyObject* self) {
  if (!g_note_place) return;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace) PyException_SetTraceback(value, trace);
  PyObject* args[] = {value, self};
  PyObject* r = PyErr_GivenExceptionMatches(type, PyExc_Exception)
                    ? PyObject_Vectorcall(g_note_place, args, 2, nullptr)
                    : Py_NewRef(Py_None);
  if (!r) PyErr_Clear();
  Py_XDECREF(r);
  PyErr_Restore(type, value, trace);
}

PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) {
  if (Py_EnterRecursiveCall(" while calling a module")) return nullptr;
  PyObject* hooked = PyObject_GetAttr(self, g_has_hooks);
  PyObject* r = nullptr;
  if (hooked) {
    if (hooked == Py_False) {
      r = call_forward(self, args, kwargs);
    } else {
      PyObject* empty = kwargs ? Py_NewRef(kwargs) : PyDict_New();
      r = empty ? PyObject_CallMethodObjArgs(self, g_call_hooked, args, empty, nullptr) : nullptr;
      Py_XDECREF(empty);
    }
    Py_DECREF(hooked);
  }
  Py_LeaveRecursiveCall();
  if (!r) note_place(self);
  return r;
}

}  // namespace

void init_module_type(py::module_& m) {
  g_parameters = PyUnicode_InternFromString("_parameters");
  g_buffers = PyUnicode_InternFromString("_buffers");
  g_modules = PyUnicode_InternFromString("_modules");
  g_forward = PyUnicode_InternFromString("forward");
  g_has_hooks = PyUnicode_InternFromString("_has_hooks");
  g_call_hooked = PyUnicode_InternFromString("_call_hooked");
  PyType_Slot slots[] = {
      {Py_tp_getattro, reinterpret_cast<void*>(get_attribute)},
      {Py_tp_call, reinterpret_cast<void*>(call)},
      {Py_tp_doc, const_cast<char*>("Attribute access and call of modules; see pycore.nn.Module.")},
      {0, nullptr},
  };
  PyType_Spec spec{"pycore._C._ModuleBase", sizeof(PyObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  m.attr("_ModuleBase") = py::reinterpret_steal<py::object>(type);
  m.def("_set_module_error_note", [](py::object f) { g_note_place = f.release().ptr(); });
}

}  // namespace pycore::python
