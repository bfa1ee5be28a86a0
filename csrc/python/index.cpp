// x[...] and x[...] = v: translates Python's index expressions into views and index operators. Must
// not know kernels.
#include <string.h>

#include <cmath>

#include "ops/indexing.h"
#include "ops/write_support.h"
#include "python/data.h"
#include "python/parser.h"

namespace pycore::python {
namespace {

bool is_int_index(PyObject* o) { return PyLong_Check(o) && !PyBool_Check(o); }

int64_t int_index(PyObject* o) {
  int overflow;
  int64_t i = PyLong_AsLongLongAndOverflow(o, &overflow);
  PC_CHECK_VALUE(!overflow, "Overflow when unpacking long long: the index does not fit in 64 bits");
  return i;
}

// `removed`: how many dimensions before this one the same expression has taken away.
Tensor select_index(const Tensor& t, int64_t dim, int64_t i, int64_t removed = 0) {
  PC_CHECK_INDEX(t.dim() > 0,
                 "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a "
                 "0-dim tensor to a number");
  int64_t size = t.size(dim);
  PC_CHECK_INDEX(i >= -size && i < size, "index ", i, " is out of bounds for dimension ",
                 dim + removed, " with size ", size);
  return select(t, dim, i);
}

Tensor apply_slice(const Tensor& t, int64_t dim, PyObject* s) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(s, &start, &stop, &step) < 0) throw py::error_already_set();
  PC_CHECK_VALUE(step > 0, "step must be greater than zero");
  PC_CHECK_INDEX(t.dim() > dim, "slice() cannot be applied to a 0-dim tensor.");
  return slice(t, dim, start, stop, step);
}

bool is_full_slice(PyObject* o) {
  auto* s = reinterpret_cast<PySliceObject*>(o);
  return s->start == Py_None && s->stop == Py_None && s->step == Py_None;
}

// --- one element of an index expression
// ------------------------------------------------------------------------------

struct Item {
  enum Kind : uint8_t { integer, slice, none, ellipsis, boolean, tensor };
  Kind kind;
  int64_t i = 0;               // the integer, or the truth value
  PyObject* object = nullptr;  // the slice, borrowed
  Tensor index;
  // How many dimensions of the tensor it uses up.
  int64_t dims() const {
    return kind == integer || kind == slice ? 1
           : kind == tensor                 ? (is_mask() ? index.dim() : 1)
                                            : 0;
  }
  bool is_mask() const { return index.dtype() == DType::bool_ || index.dtype() == DType::uint8; }
};

[[noreturn]] void invalid_index(PyObject* o) {
  fail(ErrorKind::index,
       "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
       "indices (got ",
       Py_TYPE(o)->tp_name, ")");
}

// A 0-d integer tensor acts as an int, a 0-d boolean one as a bool.
Item tensor_item(const Tensor& t) {
  if (t.dim() == 0 && !t.is_floating()) {
    Scalar s = read_scalar(t->data, t.dtype());
    bool truth = t.dtype() == DType::bool_ || t.dtype() == DType::uint8;
    return {truth ? Item::boolean : Item::integer, truth ? s.to_bool() : s.to_int(), nullptr, {}};
  }
  return {Item::tensor, 0, nullptr, t};
}

Item sequence_item(PyObject* o) {
  Tensor t;
  try {
    t = tensor_from_data(o, std::nullopt);
  } catch (const Error& e) {
    // Text in a list is a bad value for tensor(), but a bad type of index.
    if (e.kind != ErrorKind::value || !strstr(e.what(), "'str'")) throw;
    fail(ErrorKind::type, "new(): invalid data type 'str'");
  }
  if (t.numel() == 0 && t.is_floating())
    t = empty(t.sizes(), DType::int64);  // [] has no dtype of its own
  // Lists hold Python ints, NumPy arrays any integer type.
  if (is_integral(t.dtype()) && t.dtype() != DType::uint8 && t.dtype() != DType::int64)
    t = to_dtype(t, DType::int64);
  return tensor_item(t);
}

Item parse_item(PyObject* o) {
  if (is_int_index(o)) return {Item::integer, int_index(o), nullptr, {}};
  if (PySlice_Check(o)) return {Item::slice, 0, o, {}};
  if (o == Py_None) return {Item::none, 0, nullptr, {}};
  if (o == Py_Ellipsis) return {Item::ellipsis, 0, nullptr, {}};
  if (PyBool_Check(o)) return {Item::boolean, o == Py_True, nullptr, {}};
  if (is_tensor(o)) return tensor_item(unwrap(o));
  bool array = PyObject_CheckBuffer(o) && !PyBytes_Check(o) && !PyByteArray_Check(o);
  if (array && !PyIndex_Check(o) && !PySequence_Check(o)) {
    // A NumPy scalar: bool acts as a bool, a float is no index.
    Tensor t = tensor_from_buffer(o, "index");
    if (t.dtype() != DType::bool_) invalid_index(o);
    return tensor_item(t);
  }
  if (PyUnicode_Check(o)) fail(ErrorKind::type, "new(): invalid data type 'str'");
  if (PyDict_Check(o) || PyBytes_Check(o)) invalid_index(o);
  if (PySequence_Check(o)) return sequence_item(o);
  if (PyIndex_Check(o)) {
    auto n = py::reinterpret_steal<py::object>(PyNumber_Index(o));
    if (!n) throw py::error_already_set();
    return {Item::integer, int_index(n.ptr()), nullptr, {}};
  }
  invalid_index(o);
}

// PyTorch still reads a short list that holds tensors, sequences, slices, Ellipsis or None as if it
// were a tuple.
bool acts_as_tuple(PyObject* o) {
  if (PyTuple_Check(o)) return true;
  if (!PyList_Check(o) || PyList_GET_SIZE(o) >= 32) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(o); ++i) {
    PyObject* item = PyList_GET_ITEM(o, i);
    bool structured = item == Py_None || item == Py_Ellipsis || PySlice_Check(item) ||
                      is_tensor(item) ||
                      (PySequence_Check(item) && !PyUnicode_Check(item) && !PyBytes_Check(item));
    if (!structured) continue;
    if (PyErr_WarnEx(PyExc_UserWarning,
                     "Using a non-tuple sequence for multidimensional indexing is deprecated: "
                     "x[[a, b]] is read as x[a, b]; "
                     "write x[tuple(indices)], or x[tensor(indices)] for an index tensor",
                     1) < 0)
      throw py::error_already_set();
    return true;
  }
  return false;
}

// --- whole expressions
// -----------------------------------------------------------------------------------------------

// The views an expression asks for, and the index tensors that remain (one per dimension from the
// left).
struct Indexed {
  Tensor part;
  std::vector<Tensor> indices;
};

void set_index(Indexed& x, int64_t dim, Tensor t) {
  if (static_cast<int64_t>(x.indices.size()) <= dim) x.indices.resize(static_cast<size_t>(dim) + 1);
  x.indices[static_cast<size_t>(dim)] = std::move(t);
}

void apply_items(Indexed& x, const std::vector<Item>& items, int64_t rest) {
  int64_t dim = 0;  // of x.part
  int64_t removed = 0;
  int64_t position = 0;  // in x.indices, where a mask takes one place for all its dimensions
  for (auto& item : items) {
    switch (item.kind) {
      case Item::integer:
        x.part = select_index(x.part, dim, item.i, removed++);
        break;
      case Item::slice:
        if (!is_full_slice(item.object)) x.part = apply_slice(x.part, dim, item.object);
        ++dim, ++position;
        break;
      case Item::none:
        x.part = unsqueeze(x.part, dim++), ++position;
        break;
      case Item::ellipsis:
        dim += rest, position += rest;
        break;
      case Item::boolean:
        x.part = unsqueeze(x.part, dim++);
        set_index(x, position++, item.i ? zeros({{1}}, DType::int64) : empty({{0}}, DType::int64));
        break;
      case Item::tensor:
        set_index(x, position++, item.index);
        dim += item.dims();
        break;
    }
  }
}

Indexed resolve(const Tensor& self, PyObject* index) {
  Indexed x{self, {}};
  if (is_int_index(index)) {
    x.part = select_index(self, 0, int_index(index));
    return x;
  }
  if (PySlice_Check(index)) {
    x.part = apply_slice(self, 0, index);
    return x;
  }
  std::vector<Item> items;
  // Iterates over a copy of the references: converting an item may run Python code that changes a
  // list.
  py::object keep;
  if (acts_as_tuple(index)) {
    keep = py::reinterpret_steal<py::object>(PySequence_Tuple(index));
    if (!keep) throw py::error_already_set();
    Py_ssize_t n = PyTuple_GET_SIZE(keep.ptr());
    PC_CHECK_INDEX(n <= 64 + 2 * self.dim(), "too many indices for tensor of dimension ",
                   self.dim());
    items.reserve(static_cast<size_t>(n));
    for (Py_ssize_t i = 0; i < n; ++i) items.push_back(parse_item(PyTuple_GET_ITEM(keep.ptr(), i)));
  } else {
    items.push_back(parse_item(index));
  }
  int64_t used = 0;
  bool slices_nothing = false;
  for (auto& item : items) {
    used += item.dims();
    slices_nothing |= item.kind == Item::slice && self.dim() == 0;
  }
  if (items.size() == 1 && self.dim() == 0 && slices_nothing)
    fail(ErrorKind::index, "slice() cannot be applied to a 0-dim tensor.");
  PC_CHECK_INDEX(used <= self.dim(), "too many indices for tensor of dimension ", self.dim());
  apply_items(x, items, self.dim() - used);
  return x;
}

// --- values to assign
// --------------------------------------------------------------------------------------------------

void check_fits(const Value& v, DType t) {
  if (is_floating(t) || t == DType::bool_) return;
  bool fits = true;
  if (v.kind == Value::Kind::number) {
    fits = std::isfinite(v.d) && std::fabs(v.d) < 9.2e18;
    if (!fits)
      fail(ErrorKind::runtime, "value cannot be converted to type ", name(t), " without overflow");
  }
  int64_t x = v.as_scalar().to_int(), bits = 8 * item_size(t);
  if (t == DType::uint8)
    fits = x >= -255 && x <= 255;  // negative ones wrap around, as in PyTorch
  else if (bits < 64)
    fits = x >= -(int64_t{1} << (bits - 1)) && x < (int64_t{1} << (bits - 1));
  PC_CHECK(fits, "value cannot be converted to type ", name(t), " without overflow: got ", x);
}

// The value as a tensor, without leading dimensions of size 1 beyond `dims`.
Tensor value_tensor(PyObject* value, DType dtype) {
  if (is_tensor(value)) return unwrap(value);
  PC_CHECK_TYPE(!PyUnicode_Check(value) && value != Py_None && !PyDict_Check(value),
                "can't assign a ", Py_TYPE(value)->tp_name, " to a ", legacy_type_name(dtype));
  return tensor_from_data(value, dtype);
}
Tensor without_leading_ones(const Tensor& t, int64_t dims) {
  int64_t drop = 0;
  while (t.dim() - drop > dims && t.sizes()[drop] == 1) ++drop;
  return drop ? reshape(t, {t.sizes().begin() + drop, t.sizes().end()}) : t;
}

// x[i] += v writes through the view x[i] and then assigns that view to x[i]: nothing is left to do.
bool is_same_view(const Tensor& a, const Tensor& b) {
  return a->base && a->base == b->base && a->data == b->data && a.dtype() == b.dtype() &&
         a.sizes() == b.sizes() && a.strides() == b.strides();
}

}  // namespace

PyObject* tensor_getitem(PyObject* self, PyObject* index) {
  PC_PYTHON_TRY
  const Tensor& t = unwrap(self);
  // The two most frequent expressions need no list of items.
  if (is_int_index(index)) return wrap(select_index(t, 0, int_index(index)));
  if (PySlice_Check(index)) return wrap(apply_slice(t, 0, index));
  Indexed x = resolve(t, index);
  if (!x.indices.empty()) return wrap(pycore::index(x.part, x.indices));
  return wrap(x.part.is(t) ? alias_view(t) : std::move(x.part));
  PC_PYTHON_CATCH(nullptr)
}

int tensor_setitem(PyObject* self, PyObject* index, PyObject* value) {
  PC_PYTHON_TRY
  PC_CHECK_TYPE(value, "Tensor does not support deleting items");
  Tensor t = unwrap(self);
  Indexed x = resolve(t, index);
  Value number;
  bool is_number = !is_tensor(value) && number_value(value, number);
  if (is_number) check_fits(number, t.dtype());
  if (x.indices.empty()) {
    if (is_number) {
      check_no_overlap(x.part);
      fill_(x.part, number.as_scalar());
      return 0;
    }
    Tensor v = without_leading_ones(value_tensor(value, t.dtype()), x.part.dim());
    if (is_same_view(v, x.part)) return 0;
    if (!is_expandable(v.sizes(), x.part.sizes())) expand(v, x.part.sizes());  // raises
    check_no_overlap(x.part);
    copy_(x.part, v);
    return 0;
  }
  if (is_number) {
    index_put_(x.part, x.indices, scalar_tensor(number.as_scalar(), t.dtype()), false);
    return 0;
  }
  index_put_(x.part, x.indices, without_leading_ones(value_tensor(value, t.dtype()), 0), false);
  return 0;
  PC_PYTHON_CATCH(-1)
}

}  // namespace pycore::python
