// pycore.tensor(), from_numpy(), frombuffer() and the buffer protocol. Must not know operators.
#include "python/data.h"

#include <pybind11/stl.h>

#include <cmath>

#include "autograd/meta.h"
#include "ops/ops.h"
#include "python/dtype_object.h"
#include "python/parser.h"

namespace pycore::python {
namespace {

// --- nested sequences
// ---------------------------------------------------------------------------------------------------

// A sequence that becomes a dimension: lists, tuples and anything sized and indexable that is no
// string, buffer or tensor.
bool is_sequence(PyObject* o) {
  if (PyList_Check(o) || PyTuple_Check(o)) return true;
  return !is_tensor(o) && !PyUnicode_Check(o) && !PyBytes_Check(o) && !PyDict_Check(o) &&
         PySequence_Check(o) && !PyObject_CheckBuffer(o);
}

struct Shape {
  Dims sizes;
  DType dtype = DType::bool_;  // the weakest that holds all values
  bool any = false;

  void see(DType t) {
    dtype = any ? promote(dtype, t) : t;
    any = true;
  }
};

DType leaf_dtype(PyObject* o, const Shape& shape) {
  Value v;
  if (is_tensor(o)) return unwrap(o).dtype();
  if (PyUnicode_Check(o)) {
    PC_CHECK_VALUE(shape.sizes.empty(), "too many dimensions 'str'");
    fail(ErrorKind::type, "new(): invalid data type 'str'");
  }
  if (!number_value(o, v))
    fail(ErrorKind::runtime, "Could not infer dtype of ", Py_TYPE(o)->tp_name);
  // NumPy scalars keep their width.
  if (!PyFloat_CheckExact(o) && !PyLong_CheckExact(o) && !PyBool_Check(o) &&
      PyObject_CheckBuffer(o)) {
    return tensor_from_buffer(o, "tensor").dtype();
  }
  return v.as_scalar().tensor_dtype();
}

// Shape from the first item at each depth; dtype from all leaves.
void inspect(PyObject* o, Shape& shape, int64_t depth, bool infer_dtype) {
  if (depth > 128) fail(ErrorKind::value, "too many dimensions in nested sequence");
  if (is_sequence(o)) {
    Py_ssize_t n = PySequence_Size(o);
    if (n < 0) throw py::error_already_set();
    PC_CHECK_TYPE(!shape.any || depth < shape.sizes.size(), "'", Py_TYPE(o)->tp_name,
                  "' object cannot be interpreted as an integer");
    if (depth == shape.sizes.size())
      shape.sizes.push_back(n);
    else
      PC_CHECK_VALUE(
          depth < shape.sizes.size() && shape.sizes[depth] == n, "expected sequence of length ",
          depth < shape.sizes.size() ? shape.sizes[depth] : 0, " at dim ", depth, " (got ", n, ")");
    for (Py_ssize_t i = 0; i < n; ++i) {
      auto item = py::reinterpret_steal<py::object>(PySequence_GetItem(o, i));
      if (!item) throw py::error_already_set();
      inspect(item.ptr(), shape, depth + 1, infer_dtype);
    }
    return;
  }
  bool array = (is_tensor(o) && unwrap(o).dim() > 0) || (!is_tensor(o) && PyObject_CheckBuffer(o));
  if (array) {
    Tensor t = is_tensor(o) ? unwrap(o) : tensor_from_buffer(o, "tensor");
    for (int64_t i = 0; i < t.dim(); ++i) {
      if (depth + i == shape.sizes.size())
        shape.sizes.push_back(t.sizes()[i]);
      else
        PC_CHECK_VALUE(shape.sizes[depth + i] == t.sizes()[i], "expected sequence of length ",
                       shape.sizes[depth + i], " at dim ", depth + i, " (got ", t.sizes()[i], ")");
    }
    shape.see(t.dtype());
    return;
  }
  PC_CHECK_VALUE(depth == shape.sizes.size(), "expected sequence of length ", shape.sizes[depth],
                 " at dim ", depth, " (got a number)");
  if (infer_dtype) shape.see(leaf_dtype(o, shape));
}

void store(PyObject* o, const Tensor& out, int64_t depth, char* p) {
  if (depth == out.dim() && !is_tensor(o)) {
    Value v;
    PC_CHECK_TYPE(!PyUnicode_Check(o), "new(): invalid data type 'str'");
    PC_CHECK_TYPE(number_value(o, v), "tensor: expected a number, got ", Py_TYPE(o)->tp_name);
    if (v.kind == Value::Kind::number && !is_floating(out.dtype()) && out.dtype() != DType::bool_)
      PC_CHECK(std::isfinite(v.d), "value cannot be converted to type ", name(out.dtype()),
               " without overflow");
    scalar_bytes(v.as_scalar(), out.dtype(), p);
    return;
  }
  if (is_sequence(o)) {
    int64_t step = out.strides()[depth] * out.item_size();
    for (int64_t i = 0; i < out.sizes()[depth]; ++i) {
      auto item = py::reinterpret_steal<py::object>(PySequence_GetItem(o, i));
      if (!item) throw py::error_already_set();
      store(item.ptr(), out, depth + 1, p + i * step);
    }
    return;
  }
  Tensor t = is_tensor(o) ? unwrap(o) : tensor_from_buffer(o, "tensor");
  Dims sizes, strides;
  for (int64_t i = depth; i < out.dim(); ++i) {
    sizes.push_back(out.sizes()[i]);
    strides.push_back(out.strides()[i]);
  }
  copy_data(make_alias(out->storage, out.dtype(), sizes, strides,
                       (p - out->storage->data) / out.item_size()),
            t);
}

// --- buffers
// ----------------------------------------------------------------------------------------------------------------

std::optional<DType> format_dtype(const char* format, Py_ssize_t item) {
  if (!format) return item == 1 ? std::optional(DType::uint8) : std::nullopt;
  if (*format == '@' || *format == '=' || *format == '<') ++format;
  if (!*format || format[1]) return std::nullopt;
  bool is_unsigned = false;
  switch (*format) {
    case '?':
      return DType::bool_;
    case 'e':
      return DType::float16;
    case 'f':
      return DType::float32;
    case 'd':
      return DType::float64;
    case 'B':
      return DType::uint8;
    case 'H':
    case 'I':
    case 'L':
    case 'Q':
    case 'N':
      is_unsigned = true;
      break;
    case 'b':
    case 'h':
    case 'i':
    case 'l':
    case 'q':
    case 'n':
      break;
    default:
      return std::nullopt;
  }
  if (is_unsigned) return std::nullopt;
  switch (item) {
    case 1:
      return DType::int8;
    case 2:
      return DType::int16;
    case 4:
      return DType::int32;
    default:
      return DType::int64;
  }
}
const char* dtype_format(DType t) {
  constexpr const char* formats[kDTypes] = {"B", "b", "h", "i", "q", "e", nullptr, "f", "d", "?"};
  return formats[static_cast<int>(t)];
}

void release_buffer(void* owner) {
  if (!Py_IsInitialized()) return;
  PyGILState_STATE gil = PyGILState_Ensure();
  auto* view = static_cast<Py_buffer*>(owner);
  PyBuffer_Release(view);
  delete view;
  PyGILState_Release(gil);
}

}  // namespace

Tensor tensor_from_buffer(PyObject* o, const char* what) {
  auto view = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(o, view.get(), PyBUF_FULL_RO) != 0) throw py::error_already_set();
  struct Guard {
    std::unique_ptr<Py_buffer>& v;
    ~Guard() {
      if (v) PyBuffer_Release(v.get());
    }
  } guard{view};
  auto dtype = format_dtype(view->format, view->itemsize);
  PC_CHECK_TYPE(dtype, what, ": can't convert a buffer of element type '",
                view->format ? view->format : "?",
                "'. The only supported types are: float64, float32, float16, int64, int32, int16, "
                "int8, uint8, and bool.");
  Dims sizes, strides;
  for (int i = 0; i < view->ndim; ++i) {
    sizes.push_back(view->shape[i]);
    Py_ssize_t bytes = view->strides ? view->strides[i] : 0;
    PC_CHECK_VALUE(bytes >= 0 || view->shape[i] <= 1,
                   "At least one stride in the given numpy array is negative, and tensors with "
                   "negative strides are not "
                   "currently supported. (You can probably work around this by making a copy of "
                   "your array with array.copy().)");
    PC_CHECK_VALUE(bytes % view->itemsize == 0,
                   "given numpy array strides not a multiple of the element byte size. Copy the "
                   "numpy array to reallocate the memory.");
    strides.push_back(bytes / view->itemsize);
  }
  if (!view->strides) contiguous_strides(sizes, strides);
  int64_t last = 0;
  bool none = false;
  for (int64_t i = 0; i < sizes.size(); ++i) {
    none |= sizes[i] == 0;
    last += (sizes[i] - 1) * strides[i];
  }
  int64_t bytes = none ? 0 : (last + 1) * view->itemsize;
  void* data = view->buf;
  Py_buffer* owner = view.release();
  return make_alias(wrap_storage(data, bytes, owner, release_buffer), *dtype, sizes, strides, 0);
}

Tensor tensor_from_data(PyObject* data, std::optional<DType> dtype) {
  if (is_tensor(data)) {
    const Tensor& t = unwrap(data);
    Tensor out = empty(t.sizes(), dtype.value_or(t.dtype()));
    copy_data(out, t);
    return out;
  }
  if (!is_sequence(data) && PyObject_CheckBuffer(data) && !PyBytes_Check(data)) {
    Tensor t = tensor_from_buffer(data, "tensor");
    Tensor out = empty(t.sizes(), dtype.value_or(t.dtype()));
    copy_data(out, t);
    return out;
  }
  Shape shape;
  inspect(data, shape, 0, !dtype);
  DType t = dtype.value_or(shape.any ? shape.dtype : default_dtype());
  Tensor out = empty(shape.sizes, t);
  if (out.numel() > 0) store(data, out, 0, out->data);
  return out;
}

int tensor_getbuffer(PyObject* self, Py_buffer* view, int flags) {
  PC_PYTHON_TRY
  const Tensor& t = unwrap(self);
  view->obj = nullptr;
  const char* format = dtype_format(t.dtype());
  if (t.requires_grad() || !format) {
    PyErr_Format(PyExc_BufferError,
                 t.requires_grad()
                     ? "Can't export a Tensor that requires grad. Use tensor.detach() first."
                     : "Python's buffers have no %s",
                 name(t.dtype()));
    return -1;
  }
  if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES && !t.is_contiguous()) {
    PyErr_SetString(PyExc_BufferError, "the tensor is not contiguous");
    return -1;
  }
  if (!t->storage->shared) share_with_others(t->storage.get());
  // shape and strides live as long as the view.
  auto* dims = new Py_ssize_t[static_cast<size_t>(2 * t.dim() + 1)];
  for (int64_t i = 0; i < t.dim(); ++i) {
    dims[i] = t.sizes()[i];
    dims[t.dim() + i] = t.strides()[i] * t.item_size();
  }
  view->obj = Py_NewRef(self);
  view->buf = t->data;
  view->len = t.numel() * t.item_size();
  view->readonly = 0;
  view->itemsize = t.item_size();
  view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(format) : nullptr;
  view->ndim = static_cast<int>(t.dim());
  view->shape = (flags & PyBUF_ND) ? dims : nullptr;
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? dims + t.dim() : nullptr;
  view->suboffsets = nullptr;
  view->internal = dims;
  return 0;
  PC_PYTHON_CATCH(-1)
}
void tensor_releasebuffer(PyObject*, Py_buffer* view) {
  delete[] static_cast<Py_ssize_t*>(view->internal);
}

void init_data(py::module_& m) {
  m.def(
      "tensor",
      [](py::object data, py::object dtype, py::object device, bool requires_grad, bool) {
        std::optional<DType> t;
        if (!dtype.is_none()) {
          t = as_dtype(dtype.ptr());
          PC_CHECK_TYPE(t, "tensor(): argument 'dtype' must be a dtype, not ",
                        Py_TYPE(dtype.ptr())->tp_name);
        }
        if (!device.is_none())
          PC_CHECK_TYPE(check_device(device.ptr()), "tensor(): argument 'device' must be a device");
        Tensor out = tensor_from_data(data.ptr(), t);
        if (requires_grad) set_requires_grad(out, true);
        return out;
      },
      py::arg("data"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false, py::arg("pin_memory") = false,
      "tensor(data, *, dtype=None, device=None, requires_grad=False) -> Tensor\n\nA new tensor "
      "with a copy of the data: a number, "
      "nested lists, a NumPy array or a tensor.\n\n>>> pycore.tensor([[1, 2], [3, "
      "4]])\ntensor([[1, 2],\n        [3, 4]])\n");
  m.def(
      "from_numpy",
      [](py::object array) {
        PC_CHECK_TYPE(
            PyObject_CheckBuffer(array.ptr()) && py::hasattr(array, "__array_interface__"),
            "expected np.ndarray (got ", Py_TYPE(array.ptr())->tp_name, ")");
        return tensor_from_buffer(array.ptr(), "from_numpy");
      },
      py::arg("ndarray"), "A tensor that shares the memory of a NumPy array.");
  m.def(
      "frombuffer",
      [](py::object buffer, py::object dtype, int64_t count, int64_t offset, bool requires_grad) {
        auto t = as_dtype(dtype.ptr());
        PC_CHECK_TYPE(t, "frombuffer(): dtype must be a dtype");
        auto view = std::make_unique<Py_buffer>();
        if (PyObject_GetBuffer(buffer.ptr(), view.get(), PyBUF_SIMPLE) != 0)
          throw py::error_already_set();
        int64_t item = item_size(*t), len = view->len;
        bool good = offset >= 0 && offset <= len && (count >= 0 || (len - offset) % item == 0) &&
                    (count < 0 || count <= (len - offset) / item);
        if (!good) {
          PyBuffer_Release(view.get());
          fail(ErrorKind::value, "frombuffer: requested buffer length (", count, " * ", item,
               " bytes) after offset (", offset,
               " bytes) must not be greater than actual buffer length (", len,
               " bytes), which must be a multiple of the element size");
        }
        int64_t n = count >= 0 ? count : (len - offset) / item;
        void* data = static_cast<char*>(view->buf) + offset;
        Tensor out = make_alias(wrap_storage(data, n * item, view.release(), release_buffer), *t,
                                {{n}}, {{1}}, 0);
        if (requires_grad) set_requires_grad(out, true);
        return out;
      },
      py::arg("buffer"), py::kw_only(), py::arg("dtype"), py::arg("count") = -1,
      py::arg("offset") = 0, py::arg("requires_grad") = false,
      "A one-dimensional tensor on the memory of an object with the buffer protocol.");
}

}  // namespace pycore::python
