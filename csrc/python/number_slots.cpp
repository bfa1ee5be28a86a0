// Python's operators on tensors (a + b, a @ b, a < b, -a ...) as type slots that go straight to the
// operator.
#include "python/explain.h"
#include "python/op_function.h"
#include "python/subclass.h"

namespace pycore::python {
namespace {

const Op* op_of(const char* name) {
  const OpGroup* g = find_group("", name);
  return g ? g->ops[0] : nullptr;
}

bool operand(PyObject* o, Value& v) {
  if (is_tensor(o)) {
    v.kind = Value::Kind::tensor;
    v.tensor = unwrap(o).impl();
    return true;
  }
  return number_value(o, v);
}

// The method of a type slot as Python sees it (Tensor.__add__), for __torch_function__.
PyObject* slot_method(const char* name) {
  return py::handle(reinterpret_cast<PyObject*>(tensor_type)).attr(name).ptr();
}

// Runs the operator on one or two operands; NotImplemented where an operand is neither a tensor nor
// a number.
PyObject* run_plain(const Op& op, PyObject* const* operands, size_t n, bool inplace) {
  Value args[Frame::kMaxParams];
  for (size_t i = 0; i < n; ++i)
    if (!operand(operands[i], args[i])) Py_RETURN_NOTIMPLEMENTED;
  for (size_t i = n; i < op.params.size(); ++i) args[i] = op.params[i].default_value;
  ExplainScope entry(op.name.c_str());
  Result result;
  if (inplace)
    call_inplace(op, args, result);
  else
    op.invoke(args, result);
  PyObject* made = to_python(result, op);
  if (!entry) [[likely]]
    return made;
  return explained(entry, operands, static_cast<Py_ssize_t>(n), made);
}

// The same under the rules for subclasses among the operands.
PyObject* run(const Op& op, PyObject* const* operands, size_t n) {
  SubclassCall subclass = find_subclass(operands, static_cast<Py_ssize_t>(n));
  if (!subclass.result_type) [[likely]]
    return run_plain(op, operands, n, false);
  if (subclass.handler)
    return call_handler(subclass.handler, slot_method(op.name.c_str()), operands,
                        static_cast<Py_ssize_t>(n), nullptr);
  PyObject* r = run_plain(op, operands, n, false);
  return r == Py_NotImplemented ? r : adopt_result(r, subclass.result_type);
}

// A slot per operator name; the operator is looked up when first used.
template <size_t N>
struct Name {
  char text[N];
  constexpr Name(const char (&s)[N]) { std::copy(s, s + N, text); }
};
template <Name name>
const Op& op_named() {
  static const Op* op = op_of(name.text);
  if (!op) fail(ErrorKind::not_implemented, name.text, ": operator not available");
  return *op;
}
template <Name name>
PyObject* binary(PyObject* a, PyObject* b) {
  PC_PYTHON_TRY
  PyObject* operands[] = {a, b};
  return run(op_named<name>(), operands, 2);
  PC_PYTHON_CATCH(nullptr)
}
template <Name name>
PyObject* inplace(PyObject* a, PyObject* b) {
  PC_PYTHON_TRY
  PyObject* operands[] = {a, b};
  return run_plain(op_named<name>(), operands, 2, true);
  PC_PYTHON_CATCH(nullptr)
}
template <Name name>
PyObject* unary(PyObject* a) {
  PC_PYTHON_TRY
  return run(op_named<name>(), &a, 1);
  PC_PYTHON_CATCH(nullptr)
}
// The only slot whose operator takes no numbers.
PyObject* matrix_product(PyObject* a, PyObject* b) {
  if (!is_tensor(a) || !is_tensor(b)) Py_RETURN_NOTIMPLEMENTED;
  return binary<"matmul">(a, b);
}
PyObject* power(PyObject* a, PyObject* b, PyObject*) { return binary<"pow">(a, b); }
PyObject* power_inplace(PyObject* a, PyObject* b, PyObject*) { return inplace<"pow">(a, b); }

PyObject* compare(PyObject* a, PyObject* b, int how) {
  PyObject* r = nullptr;
  // Both sides must be numbers or tensors; `t == None` and `t == "x"` are False, as for any object.
  switch (how) {
    case Py_EQ:
      r = binary<"eq">(a, b);
      break;
    case Py_NE:
      r = binary<"ne">(a, b);
      break;
    case Py_LT:
      r = binary<"lt">(a, b);
      break;
    case Py_LE:
      r = binary<"le">(a, b);
      break;
    case Py_GT:
      r = binary<"gt">(a, b);
      break;
    case Py_GE:
      r = binary<"ge">(a, b);
      break;
  }
  return r;
}

Scalar single(PyObject* self, const char* what) {
  const Tensor& t = unwrap(self);
  if (t.numel() != 1) {
    if (std::string_view(what) == "bool")
      fail(ErrorKind::runtime,
           t.numel() == 0 ? "Boolean value of Tensor with no values is ambiguous"
                          : "Boolean value of Tensor with more than one value is ambiguous");
    fail(ErrorKind::runtime, "a Tensor with ", t.numel(),
         " elements cannot be converted to Scalar");
  }
  return read_scalar(t->data, t.dtype());
}

int truth(PyObject* self) {
  PC_PYTHON_TRY
  return single(self, "bool").to_bool();
  PC_PYTHON_CATCH(-1)
}
PyObject* to_float(PyObject* self) {
  PC_PYTHON_TRY
  return PyFloat_FromDouble(single(self, "float").to_double());
  PC_PYTHON_CATCH(nullptr)
}
PyObject* to_int(PyObject* self) {
  PC_PYTHON_TRY
  Scalar s = single(self, "int");
  return s.is_floating() ? PyLong_FromDouble(s.to_double()) : PyLong_FromLongLong(s.to_int());
  PC_PYTHON_CATCH(nullptr)
}
PyObject* to_index(PyObject* self) {
  PC_PYTHON_TRY
  const Tensor& t = unwrap(self);
  PC_CHECK_TYPE(t.numel() == 1 && !is_floating(t.dtype()),
                "only integer tensors of a single element can be converted to an index");
  return PyLong_FromLongLong(read_scalar(t->data, t.dtype()).to_int());
  PC_PYTHON_CATCH(nullptr)
}

PyObject* divmod(PyObject* a, PyObject* b) {
  PyObject* q = binary<"floor_divide">(a, b);
  PyObject* r = q ? binary<"remainder">(a, b) : nullptr;
  if (!r) {
    Py_XDECREF(q);
    return nullptr;
  }
  return Py_BuildValue("(NN)", q, r);
}

Py_ssize_t length(PyObject* self) {
  const Tensor& t = unwrap(self);
  if (t.dim() == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
  }
  return static_cast<Py_ssize_t>(t.sizes()[0]);
}

}  // namespace

void add_number_slots(std::vector<PyType_Slot>& slots) {
  auto add = [&](int slot, auto* f) { slots.push_back({slot, reinterpret_cast<void*>(f)}); };
  add(Py_nb_add, binary<"add">);
  add(Py_nb_subtract, binary<"sub">);
  add(Py_nb_multiply, binary<"mul">);
  add(Py_nb_true_divide, binary<"true_divide">);
  add(Py_nb_floor_divide, binary<"floor_divide">);
  add(Py_nb_remainder, binary<"remainder">);
  add(Py_nb_divmod, divmod);
  add(Py_nb_power, power);
  add(Py_nb_matrix_multiply, matrix_product);
  add(Py_nb_and, binary<"bitwise_and">);
  add(Py_nb_or, binary<"bitwise_or">);
  add(Py_nb_xor, binary<"bitwise_xor">);
  add(Py_nb_lshift, binary<"bitwise_left_shift">);
  add(Py_nb_rshift, binary<"bitwise_right_shift">);
  add(Py_nb_inplace_add, inplace<"add">);
  add(Py_nb_inplace_subtract, inplace<"sub">);
  add(Py_nb_inplace_multiply, inplace<"mul">);
  add(Py_nb_inplace_true_divide, inplace<"true_divide">);
  add(Py_nb_inplace_floor_divide, inplace<"floor_divide">);
  add(Py_nb_inplace_remainder, inplace<"remainder">);
  add(Py_nb_inplace_power, power_inplace);
  add(Py_nb_inplace_and, inplace<"bitwise_and">);
  add(Py_nb_inplace_or, inplace<"bitwise_or">);
  add(Py_nb_inplace_xor, inplace<"bitwise_xor">);
  add(Py_nb_inplace_lshift, inplace<"bitwise_left_shift">);
  add(Py_nb_inplace_rshift, inplace<"bitwise_right_shift">);
  add(Py_nb_negative, unary<"neg">);
  add(Py_nb_positive, +[](PyObject* a) { return Py_NewRef(a); });
  add(Py_nb_absolute, unary<"abs">);
  add(Py_nb_invert, unary<"bitwise_not">);
  add(Py_nb_bool, truth);
  add(Py_nb_float, to_float);
  add(Py_nb_int, to_int);
  add(Py_nb_index, to_index);
  add(Py_tp_richcompare, compare);
  add(Py_mp_length, length);
  add(Py_sq_length, length);
}

}  // namespace pycore::python
