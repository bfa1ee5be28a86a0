// Attributes and methods of Tensor that are not operators: geometry, dtype, gradient slots,
// conversion to Python values. The rest of the class is Python (pycore/_tensor.py).
#include "autograd/engine.h"
#include "autograd/meta.h"
#include "ops/ops.h"
#include "python/autograd_object.h"
#include "python/dtype_object.h"
#include "python/node_object.h"
#include "python/parser.h"

namespace pycore::python {
namespace {

PyObject* boolean(bool x) { return PyBool_FromLong(x); }

// --- attributes
// -------------------------------------------------------------------------------------------------------

PyObject* get_shape(PyObject* self, void*) {
  PC_PYTHON_TRY
  return make_size(unwrap(self).sizes());
  PC_PYTHON_CATCH(nullptr)
}
PyObject* get_version(PyObject* self, void*) {
  PC_PYTHON_TRY
  const Tensor& t = unwrap(self);
  PC_CHECK(!t->inference, "Inference tensors do not track version counter.");
  return PyLong_FromLong(t.version());
  PC_PYTHON_CATCH(nullptr)
}

PyObject* get_grad(PyObject* self, void*) {
  PC_PYTHON_TRY
  const Tensor& t = unwrap(self);
  if (!grad(t).defined() && t->autograd && t->autograd->grad_fn && !t->autograd->retains_grad &&
      PyErr_WarnEx(PyExc_UserWarning,
                   "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. "
                   "Its .grad attribute won't be populated during autograd.backward(). Call "
                   ".retain_grad() on it before backward() if its gradient is wanted; if this is "
                   "not the tensor you meant, look at the leaf it was computed from.",
                   1) < 0)
    return nullptr;
  return wrap(grad(t));
  PC_PYTHON_CATCH(nullptr)
}
int set_grad_attr(PyObject* self, PyObject* value, void*) {
  PC_PYTHON_TRY
  if (!value || value == Py_None) {
    set_grad(unwrap(self), {});
    return 0;
  }
  PC_CHECK_TYPE(is_tensor(value),
                "assigned grad expected to be a Tensor or None but got grad of type ",
                Py_TYPE(value)->tp_name);
  set_grad(unwrap(self), unwrap(value));
  return 0;
  PC_PYTHON_CATCH(-1)
}
int set_requires_grad_attr(PyObject* self, PyObject* value, void*) {
  PC_PYTHON_TRY
  PC_CHECK(value && PyBool_Check(value), "requires_grad must be a bool");
  set_requires_grad(unwrap(self), value == Py_True);
  return 0;
  PC_PYTHON_CATCH(-1)
}
PyObject* get_grad_fn(PyObject* self, void*) {
  PC_PYTHON_TRY
  return wrap_node(grad_fn(unwrap(self)));
  PC_PYTHON_CATCH(nullptr)
}
// The same memory without history, and without a say in version checks.
PyObject* get_data(PyObject* self, void*) {
  PC_PYTHON_TRY
  Tensor t = alias(unwrap(self));
  t->own_version = true;
  return wrap(std::move(t));
  PC_PYTHON_CATCH(nullptr)
}
int set_data(PyObject* self, PyObject* value, void*) {
  PC_PYTHON_TRY
  PC_CHECK_TYPE(value && is_tensor(value), "Variable data has to be a tensor, but got ",
                value ? Py_TYPE(value)->tp_name : "nothing");
  const Tensor &t = unwrap(self), &v = unwrap(value);
  PC_CHECK(!t.requires_grad() || is_floating(v.dtype()),
           "data set to a tensor that requires gradients must be floating point or complex dtype");
  set_storage(t.impl(), v.impl());
  return 0;
  PC_PYTHON_CATCH(-1)
}
PyObject* get_transposed(PyObject* self, void*) {
  PC_PYTHON_TRY
  const Tensor& x = unwrap(self);
  Dims order;
  for (int64_t i = x.dim() - 1; i >= 0; --i) order.push_back(i);
  return wrap(permute(x, order));
  PC_PYTHON_CATCH(nullptr)
}
PyObject* get_matrix_transposed(PyObject* self, void*) {
  PC_PYTHON_TRY
  const Tensor& x = unwrap(self);
  PC_CHECK(x.dim() >= 2, "tensor.mT is only supported on matrices or batches of matrices. Got ",
           x.dim(), "-D tensor.");
  return wrap(transpose(x, -2, -1));
  PC_PYTHON_CATCH(nullptr)
}
PyObject* get_base(PyObject* self, void*) {
  PC_PYTHON_TRY
  const Tensor& x = unwrap(self);
  return wrap(x->base ? Tensor(x->base) : Tensor());
  PC_PYTHON_CATCH(nullptr)
}

#define PC_GETTER(expr)                              \
  [](PyObject* self, void*) -> PyObject* {           \
    PC_PYTHON_TRY                                    \
    [[maybe_unused]] const Tensor& t = unwrap(self); \
    return expr;                                     \
    PC_PYTHON_CATCH(nullptr)                         \
  }

// What is written into the dictionary may close a cycle, as an attribute may.
PyObject* get_dict(PyObject* self, void* closure) {
  PyObject* dict = PyObject_GenericGetDict(self, closure);
  if (dict && !PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
  return dict;
}

}  // namespace

PyGetSetDef tensor_getset[] = {
    {"shape", get_shape, nullptr, "The sizes of the dimensions.", nullptr},
    {"dtype", PC_GETTER(Py_NewRef(dtype_object(t.dtype()))), nullptr, "The type of the elements.",
     nullptr},
    {"device", PC_GETTER(Py_NewRef(cpu_device())), nullptr, "Always the CPU.", nullptr},
    {"ndim", PC_GETTER(PyLong_FromLongLong(t.dim())), nullptr, "The number of dimensions.",
     nullptr},
    {"requires_grad", PC_GETTER(boolean(t.requires_grad())), set_requires_grad_attr,
     "Whether gradients are recorded.", nullptr},
    {"is_leaf", PC_GETTER(boolean(is_leaf(t))), nullptr,
     "True unless the tensor is the result of a recorded operator.", nullptr},
    {"grad", get_grad, set_grad_attr, "The accumulated gradient, or None.", nullptr},
    {"grad_fn", get_grad_fn, nullptr, "The node that made this tensor, or None.", nullptr},
    {"data", get_data, set_data, "The same memory without gradient history.", nullptr},
    {"retains_grad", PC_GETTER(boolean(t->autograd && t->autograd->retains_grad)), nullptr, nullptr,
     nullptr},
    {"output_nr", PC_GETTER(PyLong_FromLong(t->autograd ? t->autograd->output_nr : 0)), nullptr,
     nullptr, nullptr},
    {"_version", get_version, nullptr, "How often the memory has been written in place.", nullptr},
    {"_base", get_base, nullptr, "The tensor this one is a view of, or None.", nullptr},
    {"T", get_transposed, nullptr, "The dimensions in reverse order.", nullptr},
    {"mT", get_matrix_transposed, nullptr, "The last two dimensions swapped.", nullptr},
    {"H", get_matrix_transposed, nullptr, nullptr, nullptr},
    {"real", PC_GETTER(Py_NewRef(self)), nullptr, nullptr, nullptr},
    {"itemsize", PC_GETTER(PyLong_FromLong(t.item_size())), nullptr, "Bytes per element.", nullptr},
    {"nbytes", PC_GETTER(PyLong_FromLongLong(t.numel() * t.item_size())), nullptr,
     "Bytes of all elements.", nullptr},
    {"is_cpu", PC_GETTER(boolean(true)), nullptr, nullptr, nullptr},
    {"is_cuda", PC_GETTER(boolean(false)), nullptr, nullptr, nullptr},
    {"is_mps", PC_GETTER(boolean(false)), nullptr, nullptr, nullptr},
    {"is_xpu", PC_GETTER(boolean(false)), nullptr, nullptr, nullptr},
    {"is_meta", PC_GETTER(boolean(false)), nullptr, nullptr, nullptr},
    {"is_sparse", PC_GETTER(boolean(false)), nullptr, nullptr, nullptr},
    {"is_quantized", PC_GETTER(boolean(false)), nullptr, nullptr, nullptr},
    {"is_nested", PC_GETTER(boolean(false)), nullptr, nullptr, nullptr},
    {"__dict__", get_dict, PyObject_GenericSetDict, "Attributes set from Python.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

namespace {

// --- methods
// ------------------------------------------------------------------------------------------------------------

PyObject* dims_or_one(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames,
                      bool strides) {
  PC_PYTHON_TRY
  const Tensor& t = unwrap(self);
  Py_ssize_t total = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
  if (total == 0 || args[0] == Py_None) {
    if (!strides) return make_size(t.sizes());
    PyObject* tuple = PyTuple_New(t.dim());
    if (!tuple) return nullptr;
    for (int64_t i = 0; i < t.dim(); ++i)
      PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(t.strides()[i]));
    return tuple;
  }
  PC_CHECK_TYPE(PyIndex_Check(args[0]), strides ? "stride" : "size",
                "(): argument 'dim' must be int, not ", Py_TYPE(args[0])->tp_name);
  Py_ssize_t d = PyNumber_AsSsize_t(args[0], PyExc_IndexError);
  if (d == -1 && PyErr_Occurred()) return nullptr;
  return PyLong_FromLongLong(strides ? t.stride(d) : t.size(d));
  PC_PYTHON_CATCH(nullptr)
}
PyObject* size(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return dims_or_one(self, args, nargs, kwnames, false);
}
PyObject* stride(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return dims_or_one(self, args, nargs, kwnames, true);
}

PyObject* item(PyObject* self, PyObject*) {
  PC_PYTHON_TRY
  const Tensor& t = unwrap(self);
  PC_CHECK(t.numel() == 1, "a Tensor with ", t.numel(), " elements cannot be converted to Scalar");
  return scalar_to_python(read_scalar(t->data, t.dtype()));
  PC_PYTHON_CATCH(nullptr)
}

PyObject* to_list(const Tensor& t, int64_t dim, const char* p) {
  if (dim == t.dim()) return scalar_to_python(read_scalar(p, t.dtype()));
  int64_t n = t.sizes()[dim], step = t.strides()[dim] * t.item_size();
  PyObject* list = PyList_New(n);
  if (!list) throw py::error_already_set();
  for (int64_t i = 0; i < n; ++i) PyList_SET_ITEM(list, i, to_list(t, dim + 1, p + i * step));
  return list;
}
PyObject* tolist(PyObject* self, PyObject*) {
  PC_PYTHON_TRY
  return to_list(unwrap(self), 0, unwrap(self)->data);
  PC_PYTHON_CATCH(nullptr)
}

PyObject* requires_grad_(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                         PyObject* kwnames) {
  PC_PYTHON_TRY
  bool value = true;
  if (nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0) > 0) {
    PC_CHECK_TYPE(PyBool_Check(args[0]),
                  "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not ",
                  Py_TYPE(args[0])->tp_name);
    value = args[0] == Py_True;
  }
  set_requires_grad(unwrap(self), value);
  return Py_NewRef(self);
  PC_PYTHON_CATCH(nullptr)
}

PyObject* retain_grad_method(PyObject* self, PyObject*) {
  PC_PYTHON_TRY
  retain_grad(unwrap(self));
  Py_RETURN_NONE;
  PC_PYTHON_CATCH(nullptr)
}

PyObject* make_subclass(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  PC_PYTHON_TRY
  PC_CHECK_TYPE(
      nargs >= 2 && PyType_Check(args[0]) && is_tensor(args[1]) &&
          PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(args[0]), tensor_type),
      "_make_subclass(cls, data, require_grad=False): expected a Tensor subclass and a Tensor");
  bool grad = false;
  if (nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0) > 2) grad = PyObject_IsTrue(args[2]);
  Tensor t = alias(unwrap(args[1]));
  if (grad) set_requires_grad(t, true);
  return wrap_as(std::move(t), reinterpret_cast<PyTypeObject*>(args[0]));
  PC_PYTHON_CATCH(nullptr)
}

PyObject* as_subclass(PyObject* self, PyObject* type) {
  PC_PYTHON_TRY
  PC_CHECK_TYPE(
      PyType_Check(type) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), tensor_type),
      "as_subclass(cls): cls must be a subclass of Tensor");
  // A view of everything, so that gradients flow.
  return wrap_as(view(unwrap(self), unwrap(self).sizes()), reinterpret_cast<PyTypeObject*>(type));
  PC_PYTHON_CATCH(nullptr)
}

PyObject* set_(PyObject* self, PyObject* source) {
  PC_PYTHON_TRY
  PC_CHECK_TYPE(is_tensor(source), "set_(): argument 'source' must be Tensor, not ",
                Py_TYPE(source)->tp_name);
  set_storage(unwrap(self).impl(), unwrap(source).impl());
  return Py_NewRef(self);
  PC_PYTHON_CATCH(nullptr)
}

#define PC_METHOD(expr)                              \
  [](PyObject* self, PyObject*) -> PyObject* {       \
    PC_PYTHON_TRY                                    \
    [[maybe_unused]] const Tensor& t = unwrap(self); \
    return expr;                                     \
    PC_PYTHON_CATCH(nullptr)                         \
  }
#define PC_FAST(f) \
  reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f)), METH_FASTCALL | METH_KEYWORDS

}  // namespace

PyMethodDef tensor_methods[] = {
    {"size", PC_FAST(size), "size(dim=None): the Size, or the size of one dimension."},
    {"stride", PC_FAST(stride),
     "stride(dim=None): the steps in elements between neighbours of each dimension, or of one."},
    {"dim", PC_METHOD(PyLong_FromLongLong(t.dim())), METH_NOARGS, "The number of dimensions."},
    {"ndimension", PC_METHOD(PyLong_FromLongLong(t.dim())), METH_NOARGS,
     "The number of dimensions."},
    {"numel", PC_METHOD(PyLong_FromLongLong(t.numel())), METH_NOARGS, "The number of elements."},
    {"nelement", PC_METHOD(PyLong_FromLongLong(t.numel())), METH_NOARGS, "The number of elements."},
    {"element_size", PC_METHOD(PyLong_FromLong(t.item_size())), METH_NOARGS, "Bytes per element."},
    {"storage_offset", PC_METHOD(PyLong_FromLongLong(t.offset())), METH_NOARGS,
     "The first element's place in the storage, in elements."},
    {"data_ptr", PC_METHOD((share_with_others(t->storage.get()), PyLong_FromVoidPtr(t->data))),
     METH_NOARGS, "The address of the first element."},
    {"_storage_ptr", PC_METHOD(PyLong_FromVoidPtr(t->storage->data)), METH_NOARGS,
     "The address of the shared storage."},
    {"_storage_nbytes", PC_METHOD(PyLong_FromLongLong(t->storage->bytes)), METH_NOARGS,
     "The size of the shared storage."},
    {"is_contiguous",
     reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(
         +[](PyObject* self, PyObject* const*, Py_ssize_t, PyObject*) -> PyObject* {
           return PyBool_FromLong(unwrap(self).is_contiguous());
         })),
     METH_FASTCALL | METH_KEYWORDS, "Whether the elements lie in row-major order without gaps."},
    {"is_floating_point", PC_METHOD(boolean(is_floating(t.dtype()))), METH_NOARGS, nullptr},
    {"is_complex", PC_METHOD(boolean(false)), METH_NOARGS, nullptr},
    {"is_signed", PC_METHOD(boolean(is_signed(t.dtype()))), METH_NOARGS, nullptr},
    {"is_inference", PC_METHOD(boolean(t->inference)), METH_NOARGS, nullptr},
    {"_is_view", PC_METHOD(boolean(static_cast<bool>(t->base))), METH_NOARGS, nullptr},
    {"get_device", PC_METHOD(PyLong_FromLong(-1)), METH_NOARGS, "-1: tensors live on the CPU."},
    {"item", item, METH_NOARGS, "The only element as a Python number."},
    {"tolist", tolist, METH_NOARGS, "The elements as nested lists (a number for 0-d tensors)."},
    {"requires_grad_", PC_FAST(requires_grad_),
     "requires_grad_(requires_grad=True): records gradients from now on; returns self."},
    {"retain_grad", retain_grad_method, METH_NOARGS,
     "Keeps the gradient of this non-leaf tensor in .grad."},
    {"_make_subclass", PC_FAST(make_subclass), nullptr},
    {"as_subclass", as_subclass, METH_O, "The same data as an instance of a subclass."},
    {"set_", set_, METH_O, "Makes the tensor share memory and geometry with another one."},
    {nullptr, nullptr, 0, nullptr},
};

[[maybe_unused]] static const bool g_static_method = [] {
  for (auto* m = tensor_methods; m->ml_name; ++m)
    if (std::string_view(m->ml_name) == "_make_subclass") m->ml_flags |= METH_STATIC;
  return true;
}();

}  // namespace pycore::python
