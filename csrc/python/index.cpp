// x[...] and x[...] = v: translates Python's index expressions into views and index operators.
#include "ops/ops.h"
#include "python/data.h"
#include "python/parser.h"

namespace pycore::python {
namespace {

// One step of an index expression after parsing.
bool is_int_index(PyObject* o) { return PyLong_Check(o) && !PyBool_Check(o); }

int64_t int_index(PyObject* o) {
  Py_ssize_t i = PyNumber_AsSsize_t(o, PyExc_IndexError);
  if (i == -1 && PyErr_Occurred()) throw py::error_already_set();
  return i;
}

// How many dimensions of the tensor an index element uses up.
int64_t consumed(PyObject* o) {
  if (o == Py_None || o == Py_Ellipsis || PyBool_Check(o)) return 0;
  return 1;
}

Tensor apply_slice(const Tensor& t, int64_t dim, PyObject* s) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(s, &start, &stop, &step) < 0) throw py::error_already_set();
  PC_CHECK_VALUE(step > 0, "step must be greater than zero");
  PC_CHECK_INDEX(t.dim() > dim, "slice() cannot be applied to a 0-dim tensor.");
  return slice(t, dim, start, stop, step);
}

// The views of an index expression; advanced (tensor) indices are refused here.
Tensor view_of(const Tensor& self, PyObject* index) {
  if (is_int_index(index)) {
    PC_CHECK_INDEX(self.dim() > 0, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim tensor to a number");
    return select(self, 0, int_index(index));
  }
  PyObject* single[1] = {index};
  PyObject** items = single;
  Py_ssize_t n = 1;
  if (PyTuple_Check(index)) {
    items = PySequence_Fast_ITEMS(index);
    n = PyTuple_GET_SIZE(index);
  }
  int64_t used = 0;
  for (Py_ssize_t i = 0; i < n; ++i) used += consumed(items[i]);
  PC_CHECK_INDEX(used <= self.dim(), "too many indices for tensor of dimension ", self.dim());
  Tensor t = self;
  int64_t dim = 0;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* o = items[i];
    if (is_int_index(o)) {
      t = select(t, dim, int_index(o));
    } else if (PySlice_Check(o)) {
      t = apply_slice(t, dim++, o);
    } else if (o == Py_None) {
      t = unsqueeze(t, dim++);
    } else if (o == Py_Ellipsis) {
      dim += self.dim() - used;
    } else {
      fail(ErrorKind::not_implemented, "indexing with ", Py_TYPE(o)->tp_name, " is not available");
    }
  }
  return t.is(self) ? view(self, self.sizes()) : t;
}

}  // namespace

PyObject* tensor_getitem(PyObject* self, PyObject* index) {
  PC_PYTHON_TRY
  return wrap(view_of(unwrap(self), index));
  PC_PYTHON_CATCH(nullptr)
}

int tensor_setitem(PyObject* self, PyObject* index, PyObject* value) {
  PC_PYTHON_TRY
  PC_CHECK_TYPE(value, "Tensor does not support deleting items");
  Tensor part = view_of(unwrap(self), index);
  Value v;
  if (is_tensor(value))
    copy_(part, unwrap(value));
  else if (number_value(value, v))
    fill_(part, v.as_scalar());
  else
    copy_(part, tensor_from_data(value, part.dtype()));
  return 0;
  PC_PYTHON_CATCH(-1)
}

}  // namespace pycore::python
