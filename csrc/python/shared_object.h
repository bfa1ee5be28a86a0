// A Python object that C++ may copy and drop without holding the interpreter lock.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>

namespace pycore::python {

class SharedObject {
 public:
  SharedObject() = default;
  explicit SharedObject(pybind11::object o)
      : p_(o.release().ptr(), [](PyObject* x) {
          if (!x || !Py_IsInitialized()) return;
          PyGILState_STATE gil = PyGILState_Ensure();
          Py_DECREF(x);
          PyGILState_Release(gil);
        }) {}
  pybind11::handle get() const { return p_.get(); }
  explicit operator bool() const { return static_cast<bool>(p_); }
  const std::shared_ptr<PyObject>& pointer() const { return p_; }

 private:
  std::shared_ptr<PyObject> p_;
};

}  // namespace pycore::python
