// Finding the class that answers for an operator call, and giving results its type.
#include "python/subclass.h"

namespace pycore::python {

thread_local bool t_subclasses_plain = false;

namespace {

PyObject* g_name = nullptr;     // "__torch_function__"
PyObject* g_default = nullptr;  // Tensor's own
PyObject* g_disabled =
    nullptr;  // for classes whose operators give plain tensors, such as Parameter

PyObject* function_of(PyTypeObject* type) { return _PyType_Lookup(type, g_name); }

void look(PyObject* o, SubclassCall& found) {
  PyTypeObject* type = Py_TYPE(o);
  if (type == tensor_type || !is_tensor(o)) return;
  PyObject* f = function_of(type);
  if (f == g_disabled) return;
  // The most derived class decides.
  if (f && f != g_default) {
    if (!found.handler || PyType_IsSubtype(type, found.handler)) found.handler = type;
  }
  if (!found.result_type || PyType_IsSubtype(type, found.result_type)) found.result_type = type;
}

}  // namespace

SubclassCall find_subclass_slow(PyObject* const* args, Py_ssize_t n) {
  SubclassCall found;
  if (t_subclasses_plain) return found;
  for (Py_ssize_t i = 0; i < n; ++i) {
    look(args[i], found);
    if (PyList_CheckExact(args[i]) || PyTuple_CheckExact(args[i])) {
      PyObject** items = PySequence_Fast_ITEMS(args[i]);
      for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(args[i]); ++k) look(items[k], found);
    }
  }
  return found;
}

PyTypeObject* foreign_handler(PyObject* const* args, Py_ssize_t n) {
  for (Py_ssize_t i = 0; i < n; ++i)
    if (!is_tensor(args[i]) && function_of(Py_TYPE(args[i]))) return Py_TYPE(args[i]);
  return nullptr;
}

PyObject* call_handler(PyTypeObject* handler, PyObject* func, PyObject* const* args,
                       Py_ssize_t nargs, PyObject* kwnames) {
  py::tuple positional(static_cast<size_t>(nargs));
  for (Py_ssize_t i = 0; i < nargs; ++i) positional[static_cast<size_t>(i)] = py::handle(args[i]);
  py::dict named;
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k)
    named[py::handle(PyTuple_GET_ITEM(kwnames, k))] = py::handle(args[nargs + k]);
  py::list types;
  for (Py_ssize_t i = 0; i < nargs; ++i) {
    py::handle type(reinterpret_cast<PyObject*>(Py_TYPE(args[i])));
    if (function_of(Py_TYPE(args[i])) && Py_TYPE(args[i]) != tensor_type && !types.contains(type))
      types.append(type);
  }
  py::handle cls(reinterpret_cast<PyObject*>(handler));
  return cls.attr("__torch_function__")(py::handle(func), py::tuple(types), positional, named)
      .release()
      .ptr();
}

PyObject* adopt_result(PyObject* result, PyTypeObject* type) {
  if (!result) return nullptr;
  if (Py_TYPE(result) == tensor_type) {
    TensorObject* o = reinterpret_cast<TensorObject*>(result);
    // Only a fresh object may change its class: an operator that returns its argument returns it as
    // it is.
    if (Py_REFCNT(result) > 1) return result;
    Tensor t(Ref<TensorImpl>::share(o->impl));
    Py_DECREF(result);  // frees the plain object, not the tensor
    return wrap_as(std::move(t), type);
  }
  if (PyTuple_Check(result)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(result); ++i)
      reinterpret_cast<PyTupleObject*>(result)->ob_item[i] =
          adopt_result(PyTuple_GET_ITEM(result, i), type);
  }
  return result;
}

void init_subclass(py::module_& m) {
  g_name = PyUnicode_InternFromString("__torch_function__");
  m.def("_set_torch_function", [](py::object standard, py::object disabled) {
    // Stored and compared as they lie in the class dictionaries.
    g_default = standard.release().ptr();
    g_disabled = disabled.release().ptr();
  });
  m.def("_set_subclasses_plain", [](bool plain) {
    bool before = t_subclasses_plain;
    t_subclasses_plain = plain;
    return before;
  });
}

}  // namespace pycore::python
