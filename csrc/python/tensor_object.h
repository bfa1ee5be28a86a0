// The Python object of a tensor: a C type with one object per tensor for its life, and the
// conversions to and from it. Must not know operators.
#pragma once

#include <pybind11/pybind11.h>

#include "core/pointwise.h"
#include "core/tensor.h"

namespace pycore::python {

namespace py = pybind11;

struct TensorObject {
  PyObject_HEAD
      // Counted, except while the tensor owns this object (impl->owns_pyobj): then it is borrowed.
      TensorImpl* impl;
  PyObject* dict;
  PyObject* weakrefs;
};

extern PyTypeObject* tensor_type;

inline bool is_tensor(PyObject* o) {
  return Py_TYPE(o) == tensor_type || PyType_IsSubtype(Py_TYPE(o), tensor_type);
}
// The tensor behind a Python object that is_tensor(); borrowed, never null.
inline const Tensor& unwrap(PyObject* o) {
  return reinterpret_cast<const Tensor&>(reinterpret_cast<TensorObject*>(o)->impl);
}
// A new reference to the tensor's Python object (made if missing); None for an undefined tensor.
PyObject* wrap(Tensor t);
// The same as an instance of a subclass; the tensor must not have a Python object yet.
PyObject* wrap_as(Tensor t, PyTypeObject* type);

// Creates the type and adds it to the module.
void init_tensor_type(py::module_& m);
// Slots, methods and attributes that are not operators (tensor_methods.cpp, number_slots.cpp,
// index.cpp).
extern PyMethodDef tensor_methods[];
extern PyGetSetDef tensor_getset[];
void add_number_slots(std::vector<PyType_Slot>& slots);
PyObject* tensor_getitem(PyObject* self, PyObject* index);
int tensor_setitem(PyObject* self, PyObject* index, PyObject* value);

// Turns the C++ exception being handled into a Python error.
void set_python_error() noexcept;
#define PC_PYTHON_TRY try {
#define PC_PYTHON_CATCH(result)           \
  }                                       \
  catch (...) {                           \
    ::pycore::python::set_python_error(); \
    return result;                        \
  }

}  // namespace pycore::python

namespace pybind11::detail {
// Lets every pybind11 function take and return tensors; None is the undefined tensor.
template <>
struct type_caster<pycore::Tensor> {
  PYBIND11_TYPE_CASTER(pycore::Tensor, const_name("Tensor"));
  bool load(handle src, bool) {
    if (src.is_none()) {
      value = pycore::Tensor();
      return true;
    }
    if (!pycore::python::is_tensor(src.ptr())) return false;
    value = pycore::python::unwrap(src.ptr());
    return true;
  }
  static handle cast(pycore::Tensor t, return_value_policy, handle) {
    return pycore::python::wrap(std::move(t));
  }
};
}  // namespace pybind11::detail
