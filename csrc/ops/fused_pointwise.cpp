// Element-wise operators of three operands (lerp, addcmul, addcdiv), the rarer ones of two (xlogy,
// copysign, float_power, ldexp), and comparisons of whole tensors. Must not know Python.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/binary.h"
#include "kernels/select.h"
#include "ops/matrix.h"
#include "ops/ops.h"
#include "ops/stepwise.h"

namespace pycore {
namespace {

using kernels::Binary;
using kernels::Ternary;

constexpr uint32_t kFused = kFunction | kMethod | kInplace | kOut | kPointwise;

ToInput to_input(const Operand& o, const Tensor& out) {
  return o.is_tensor() ? ToInput(o.tensor(), out) : ToInput();
}

Tensor ternary_pointwise(Ternary f, const Tensor& a, const Tensor& b, const Tensor& c, DType result,
                         double value) {
  DType compute = compute_dtype(result);
  auto fn = kernels_now().select->ternary[static_cast<int>(f)][static_cast<int>(compute)];
  const PointwiseArg args[3] = {a, b, c};
  Tensor out = empty_result(broadcast_shapes(broadcast_shapes(a.sizes(), b.sizes()), c.sizes()),
                            result, args, result);
  run_pointwise(ternary_kernel(fn, compute, &value), out, args);
  return out;
}

}  // namespace

// --- lerp
// ------------------------------------------------------------------------------------------------------------

namespace {
struct LerpBackward0 {
  static constexpr const char* name = "LerpBackward0";
  static constexpr bool saves = false;
  ToInput to_a, to_b;
  Scalar weight;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, to_a(mul(w.grad(), Scalar(1 - weight.to_double()))));
    if (w.needs(1)) w.set(1, to_b(mul(w.grad(), weight)));
  }
};
struct LerpBackward1 {
  static constexpr const char* name = "LerpBackward1";
  ToInput to_a, to_b, to_weight;
  Saved a, b, weight;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, to_a(mul(w.grad(), sub(1, w.get(weight)))));
    if (w.needs(1)) w.set(1, to_b(mul(w.grad(), w.get(weight))));
    if (w.needs(2)) w.set(2, to_weight(mul(w.grad(), sub(w.get(b), w.get(a)))));
  }
};

void check_same_dtype(const Tensor& a, const Tensor& b, const char* argument) {
  PC_CHECK(a.dtype() == b.dtype(), "expected dtype ", cpp_type_name(a.dtype()), " for `", argument,
           "` but got dtype ", cpp_type_name(b.dtype()));
}

Tensor lerp(const Tensor& a, const Tensor& end, const Operand& weight) {
  check_same_dtype(a, end, "end");
  PC_CHECK_IMPLEMENTED(is_floating(a.dtype()), "\"lerp_kernel_scalar\" not implemented for '",
                       scalar_type_name(a.dtype()), "'");
  if (!weight.is_tensor()) {
    double w = weight.scalar().to_double();
    Tensor out = binary_pointwise(Binary::lerp, a, end, a.dtype(), &w);
    if (recording(a, end))
      record(out, LerpBackward0{ToInput(a, out), ToInput(end, out), weight.scalar()}, a, end);
    return out;
  }
  const Tensor& w = weight.tensor();
  if (w.dim() > 0) check_same_dtype(a, w, "weight");
  Tensor out = ternary_pointwise(Ternary::lerp, a, end, w, a.dtype(), 1);
  if (recording(a, end, w)) {
    LerpBackward1 rule{ToInput(a, out), ToInput(end, out), ToInput(w, out), {}, {}, {}};
    if (w.requires_grad()) {
      rule.a = Saved(a);
      rule.b = Saved(end);
    }
    if (a.requires_grad() || end.requires_grad()) rule.weight = Saved(w);
    record(out, std::move(rule), a, end, w);
  }
  return out;
}
PYCORE_OP("lerp(Tensor input, Tensor end, Tensor|Scalar weight) -> Tensor", lerp, kFused, R"(
Goes from ``input`` towards ``end`` by the fraction ``weight``: ``input + weight * (end - input)``. Floating dtypes, the same
for all tensors; shapes broadcast.

>>> pycore.lerp(pycore.tensor([0., 10.]), pycore.tensor([10., 20.]), 0.25)
tensor([ 2.5000, 12.5000])
)");
}  // namespace

// --- addcmul, addcdiv
// ------------------------------------------------------------------------------------------------

namespace {
struct AddcmulBackward0 {
  static constexpr const char* name = "AddcmulBackward0";
  ToInput to_a, to_b, to_c;
  Saved b, c;
  Scalar value;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, to_a(w.grad()));
    if (w.needs(1)) w.set(1, to_b(mul(w.grad(), mul(w.get(c), value))));
    if (w.needs(2)) w.set(2, to_c(mul(w.grad(), mul(w.get(b), value))));
  }
};
struct AddcdivBackward0 {
  static constexpr const char* name = "AddcdivBackward0";
  ToInput to_a, to_b, to_c;
  Saved b, c;
  Scalar value;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, to_a(w.grad()));
    if (w.needs(1)) w.set(1, to_b(mul(w.grad(), div(value, w.get(c)))));
    if (w.needs(2)) {
      Tensor d = w.get(c);
      w.set(2, to_c(mul(neg(w.grad()), div(mul(w.get(b), value), mul(d, d)))));
    }
  }
};

DType result_type3(const Tensor& a, const Tensor& b, const Tensor& c) {
  // 0-d tensors lift the category only: the widest dtype of those with dimensions decides first.
  bool any = a.dim() || b.dim() || c.dim();
  DType strong = DType::bool_, weak = DType::bool_;
  for (auto* t : {&a, &b, &c}) {
    DType& to = !any || t->dim() > 0 ? strong : weak;
    to = promote(to, t->dtype());
  }
  return category(weak) > category(strong) ? promote(strong, weak) : strong;
}

Tensor addcmul(const Tensor& a, const Tensor& b, const Tensor& c, const Scalar& value) {
  DType dtype = result_type3(a, b, c);
  if (!is_floating(dtype)) {
    PC_CHECK(!value.is_floating(),
             "value cannot be converted to type int64_t without overflow: addcmul of ", dtype,
             " needs an integer value, got ", value.to_double());
    PC_CHECK_IMPLEMENTED(dtype != DType::bool_, "\"addcmul_cpu_out\" not implemented for 'Bool'");
    // Three steps: the first must not take the target that the last is meant for.
    t_out_target.tensor = nullptr;
    return to_dtype(add(a, mul(mul(b, c), value)), dtype);
  }
  Tensor out = ternary_pointwise(Ternary::addcmul, a, b, c, dtype, value.to_double());
  if (recording(a, b, c)) {
    AddcmulBackward0 rule{ToInput(a, out), ToInput(b, out), ToInput(c, out), {}, {}, value};
    if (c.requires_grad()) rule.b = Saved(b);
    if (b.requires_grad()) rule.c = Saved(c);
    record(out, std::move(rule), a, b, c);
  }
  return out;
}
PYCORE_OP("addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
          addcmul, kFused | kOverwritable, R"(
``input + value * tensor1 * tensor2``, element by element. Shapes broadcast, dtypes promote.

>>> pycore.addcmul(pycore.tensor([1., 1.]), pycore.tensor([1., 2.]), pycore.tensor([3., 4.]), value=2)
tensor([ 7., 17.])
)");

Tensor addcdiv(const Tensor& a, const Tensor& b, const Tensor& c, const Scalar& value) {
  PC_CHECK(is_floating(b.dtype()) || is_floating(c.dtype()),
           "Integer division with addcdiv is no longer supported: got ", b.dtype(), " / ",
           c.dtype(),
           "; convert one of them to a floating dtype, or use torch.div with rounding_mode");
  DType dtype = result_type3(a, b, c);
  Tensor out = ternary_pointwise(Ternary::addcdiv, a, b, c, dtype, value.to_double());
  if (recording(a, b, c)) {
    AddcdivBackward0 rule{ToInput(a, out), ToInput(b, out), ToInput(c, out), {}, Saved(c), value};
    if (c.requires_grad()) rule.b = Saved(b);
    record(out, std::move(rule), a, b, c);
  }
  return out;
}
PYCORE_OP("addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
          addcdiv, kFused | kOverwritable, R"(
``input + value * tensor1 / tensor2``, element by element. RuntimeError if both are integers.

>>> pycore.addcdiv(pycore.tensor([1., 1.]), pycore.tensor([1., 3.]), pycore.tensor([2., 4.]), value=2)
tensor([2.0000, 2.5000])
)");
}  // namespace

// --- xlogy, copysign
// -------------------------------------------------------------------------------------------------

namespace {
struct XlogyBackward {
  ToInput to_a, to_b;
  Saved a, b;
  Scalar x, y;
  bool second_is_tensor = true;
  void operator()(Backward& w) {
    // Asked for even if it is gone, so that a second backward is refused.
    Tensor t = second_is_tensor ? w.get(b) : Tensor();
    if (w.needs(0)) {
      // log(y) where x is not 0: at 0 the product stays 0 for every y but NaN.
      Tensor v = w.get(a);
      Tensor log_y =
          second_is_tensor ? log(t) : scalar_tensor(std::log(y.to_double()), w.grad().dtype());
      Tensor keep = second_is_tensor ? logical_and(eq(v, 0), le(t, 0))
                                     : logical_and(eq(v, 0), Scalar(y.to_double() <= 0));
      w.set(0, to_a(mul(w.grad(), where(keep, 0.0, log_y))));
    }
    if (w.needs(1))
      w.set(1, to_b(a.defined() ? mul(w.grad(), div(w.get(a), t)) : mul(w.grad(), div(x, t))));
  }
};
struct XlogyBackward0 : XlogyBackward {
  static constexpr const char* name = "XlogyBackward0";
};

}  // namespace

Tensor xlogy(const Operand& a, const Operand& b) {
  PC_CHECK_TYPE(a.is_tensor() || b.is_tensor(),
                "xlogy(): expected at least one tensor, got two numbers");
  Tensor out = binary_pointwise(Binary::xlogy, a, b, to_floating(result_type(a, b)));
  const Tensor &x = tensor_or_none(a), &y = tensor_or_none(b);
  if (recording(x, y)) {
    XlogyBackward0 rule{{to_input(a, out), to_input(b, out), {}, {}, {}, {}, b.is_tensor()}};
    if (a.is_tensor())
      rule.a = Saved(x);
    else
      rule.x = a.scalar();
    if (b.is_tensor())
      rule.b = Saved(y);
    else
      rule.y = b.scalar();
    Ref<Node> node = record(out, std::move(rule), x, y);
    node->name = !a.is_tensor()   ? "XlogyBackward1"
                 : !b.is_tensor() ? "XlogyBackward2"
                                  : "XlogyBackward0";
  }
  return out;
}
PYCORE_OP("xlogy(Tensor|Scalar input, Tensor|Scalar other) -> Tensor", xlogy, kFused, R"(
``input * log(other)``, with 0 where ``input`` is 0 (NaN where ``other`` is NaN). One of the two may be a number.

>>> pycore.xlogy(pycore.tensor([0., 2.]), pycore.tensor([0., 1.]))
tensor([0., 0.])
)");
PYCORE_OP("special.xlogy(Tensor|Scalar input, Tensor|Scalar other) -> Tensor", xlogy, kFunction,
          "Alias of :func:`xlogy`.");

namespace {

struct CopysignBackward0 {
  static constexpr const char* name = "CopysignBackward0";
  ToInput to_a, to_b;
  Saved a, out;
  void operator()(Backward& w) {
    if (w.needs(0)) {
      Tensor x = detach(w.get(a));
      Tensor ratio = div(detach(w.get(out)), x);
      w.set(0, stepwise(w, 0, to_a(mul(w.grad(), where(eq(x, 0), 0.0, ratio)))));
    }
    if (w.needs(1)) w.set(1, to_b(zeros_like(w.grad())));
  }
};

Tensor copysign(const Tensor& a, const Operand& b) {
  Tensor out = binary_pointwise(Binary::copysign, a, b, to_floating(result_type(a, b)));
  const Tensor& y = tensor_or_none(b);
  if (recording(a, y)) {
    Ref<Node> node = record(
        out, CopysignBackward0{ToInput(a, out), to_input(b, out), Saved(a), Saved::output(out)}, a,
        y);
    if (!b.is_tensor()) node->name = "CopysignBackward1";
  }
  return out;
}
PYCORE_OP("copysign(Tensor input, Tensor|Scalar other) -> Tensor", copysign, kFused, R"(
The magnitude of ``input`` with the sign of ``other`` (-0.0 is negative).

>>> pycore.copysign(pycore.tensor([1., -2.]), -1)
tensor([-1., -2.])
)");

// --- float_power, ldexp
// ----------------------------------------------------------------------------------------------

Tensor float_power(const Operand& a, const Operand& b) {
  PC_CHECK_TYPE(a.is_tensor() || b.is_tensor(),
                "float_power(): expected at least one tensor, got two numbers");
  auto wide = [](const Operand& o) {
    return o.is_tensor() ? Operand(o.tensor()) : Operand(o.scalar().to_double());
  };
  Tensor x = a.is_tensor() ? to_dtype(a.tensor(), DType::float64) : Tensor();
  Tensor y = b.is_tensor() ? to_dtype(b.tensor(), DType::float64) : Tensor();
  return pow(a.is_tensor() ? Operand(x) : wide(a), b.is_tensor() ? Operand(y) : wide(b));
}
PYCORE_OP("float_power(Tensor|Scalar input, Tensor|Scalar exponent) -> Tensor", float_power,
          kFunction | kMethod | kInplace | kOut, R"(
:func:`pow` computed in float64, whatever the dtypes.

>>> pycore.float_power(pycore.tensor([2, 3]), -1)
tensor([0.5000, 0.3333], dtype=pycore.float64)
)");

Tensor ldexp(const Tensor& a, const Tensor& b) { return mul(a, pow(2.0, b)); }
PYCORE_OP("ldexp(Tensor input, Tensor other) -> Tensor", ldexp,
          kFunction | kMethod | kInplace | kOut, R"(
``input * 2 ** other``.

>>> pycore.ldexp(pycore.tensor([1.]), pycore.tensor([3]))
tensor([8.])
)");
}  // namespace

// --- comparisons of whole tensors
// --------------------------------------------------------------------------------------

namespace {
bool all_true(const Tensor& t) {
  Tensor c = contiguous(t);
  return std::all_of(c.data<uint8_t>(), c.data<uint8_t>() + c.numel(),
                     [](uint8_t x) { return x != 0; });
}

bool equal(const Tensor& a, const Tensor& b) {
  if (!(a.sizes() == b.sizes())) return false;
  return all_true(eq(detach(a), detach(b)));
}
PYCORE_OP("equal(Tensor input, Tensor other) -> bool", equal, kFunction | kMethod, R"(
Whether two tensors have the same shape and the same elements; NaN differs from everything.

>>> pycore.equal(pycore.tensor([1, 2]), pycore.tensor([1, 2]))
True
)");

Tensor isclose(const Tensor& input, const Tensor& other, double rtol, double atol, bool equal_nan) {
  PC_CHECK(input.dtype() == other.dtype(), scalar_type_name(input.dtype()), " did not match ",
           scalar_type_name(other.dtype()));
  PC_CHECK(rtol >= 0, "rtol must be greater than or equal to zero, but got ", rtol);
  PC_CHECK(atol >= 0, "atol must be greater than or equal to zero, but got ", atol);
  GradGuard off(false);
  Tensor a = detach(input), b = detach(other);
  Tensor close = eq(a, b);
  if (is_floating(a.dtype()) && equal_nan)
    close =
        logical_not(logical_and(logical_not(close), logical_not(logical_and(ne(a, a), ne(b, b)))));
  if (rtol == 0 && atol == 0) return close;
  DType t = is_floating(a.dtype()) ? a.dtype() : DType::float64;
  Tensor x = to_dtype(a, t), y = to_dtype(b, t);
  Tensor allowed = add(abs(mul(y, rtol)), atol), error = abs(sub(x, y));
  Tensor finite = lt(error, std::numeric_limits<double>::infinity());
  Tensor near = logical_and(finite, le(error, allowed));
  return logical_not(logical_and(logical_not(close), logical_not(near)));
}
PYCORE_OP(
    "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) "
    "-> Tensor",
    isclose, kFunction | kMethod, R"(
Whether ``abs(input - other) <= atol + rtol * abs(other)``, element by element. RuntimeError if the dtypes differ.

>>> pycore.isclose(pycore.tensor([1., 2.]), pycore.tensor([1., 2.1]))
tensor([ True, False])
)");
bool allclose(const Tensor& input, const Tensor& other, double rtol, double atol, bool equal_nan) {
  return all_true(isclose(input, other, rtol, atol, equal_nan));
}
PYCORE_OP(
    "allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool "
    "equal_nan=False) -> bool",
    allclose, kFunction | kMethod, R"(
Whether all elements are close: see :func:`isclose`.

>>> pycore.allclose(pycore.tensor([1.]), pycore.tensor([1. + 1e-7]))
True
)");

bool is_same_size(const Tensor& input, const Tensor& other) {
  return input.sizes() == other.sizes();
}
PYCORE_OP("is_same_size(Tensor input, Tensor other) -> bool", is_same_size, kFunction | kMethod, R"(
Whether two tensors have the same shape.

>>> pycore.ones(2).is_same_size(pycore.zeros(2))
True
)");
}  // namespace

}  // namespace pycore
