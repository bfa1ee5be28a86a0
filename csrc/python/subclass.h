// Subclasses of Tensor in operator calls: results take the subclass, and a class that defines
// __torch_function__ handles the call itself. Must not know particular operators.
#pragma once

#include "python/tensor_object.h"

namespace pycore::python {

// While true (inside the default __torch_function__), subclasses are treated as plain tensors.
extern thread_local bool t_subclasses_plain;

// What a call with these arguments has to respect.
struct SubclassCall {
  // Its results become this type (null: plain tensors).
  PyTypeObject* result_type = nullptr;
  // Its class method takes the call over (null: nobody's); borrowed from the type.
  PyTypeObject* handler = nullptr;
};

SubclassCall find_subclass_slow(PyObject* const* args, Py_ssize_t n);
// Cheap when all tensors are plain, which is the common case.
inline SubclassCall find_subclass(PyObject* const* args, Py_ssize_t n) {
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyTypeObject* type = Py_TYPE(args[i]);
    if (type == tensor_type || type == &PyLong_Type || type == &PyFloat_Type ||
        type == &PyBool_Type)
      continue;
    return find_subclass_slow(args, n);
  }
  return {};
}

// handler.__torch_function__(func, types, args, kwargs)
PyObject* call_handler(PyTypeObject* handler, PyObject* func, PyObject* const* args,
                       Py_ssize_t nargs, PyObject* kwnames);
// An object that defines __torch_function__ without being a tensor, among arguments that fit no
// overload.
PyTypeObject* foreign_handler(PyObject* const* args, Py_ssize_t n);
// Turns plain tensors of a fresh result (also inside tuples) into instances of `type`; steals and
// returns the reference.
PyObject* adopt_result(PyObject* result, PyTypeObject* type);

void init_subclass(py::module_& m);

}  // namespace pycore::python
