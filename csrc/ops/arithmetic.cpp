// Binary arithmetic, comparisons and logic: forward and derivative of each side by side. Must not
// know Python.
#include <cmath>
#include <numbers>

#include "kernels/binary.h"
#include "kernels/unary.h"
#include "ops/result_order.h"

namespace pycore {
namespace {

using kernels::Binary;
using kernels::Compare;

constexpr uint32_t kArithmetic = kFunction | kMethod | kInplace | kOut | kPointwise;

void check_no_bool_sub(const Operand& a, const Operand& b) {
  auto is_bool = [](const Operand& o) {
    return o.is_tensor() ? o.tensor().dtype() == DType::bool_ : o.scalar().is_bool();
  };
  PC_CHECK(!(is_bool(a) && is_bool(b)),
           "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
           "`logical_xor()` "
           "operator instead.");
  PC_CHECK(!is_bool(a) && !is_bool(b),
           "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
           "to invert a mask, use "
           "the `~` or `logical_not()` operator instead.");
}

void check_alpha(const Scalar& alpha, DType result) {
  PC_CHECK(is_floating(result) || !alpha.is_floating(),
           "For integral input tensors, argument alpha must not be a floating point number.");
  PC_CHECK(!alpha.is_bool() || result == DType::bool_,
           "Boolean alpha only supported for Boolean results.");
}

ToInput to_input(const Operand& o, const Tensor& out) {
  return o.is_tensor() ? ToInput(o.tensor(), out) : ToInput();
}

// g * scale without a multiplication where scale is 1.
Tensor scaled(const Tensor& g, const Scalar& scale) { return scale.equals(1) ? g : mul(g, scale); }

}  // namespace

// --- add
// ---------------------------------------------------------------------------------------------------------------

namespace {
struct AddBackward0 {
  static constexpr const char* name = "AddBackward0";
  static constexpr bool saves = false;
  ToInput to_a, to_b;
  Scalar alpha;
  void operator()(Backward& b) {
    if (b.needs(0)) b.set(0, to_a(b.grad()));
    if (b.needs(1)) b.set(1, to_b(scaled(b.grad(), alpha)));
  }
};
}  // namespace

Tensor add(const Operand& a, const Operand& b, const Scalar& alpha) {
  DType dtype = result_type(a, b);
  Tensor out;
  if (alpha.equals(1)) [[likely]] {
    out = binary_pointwise(Binary::add, a, b, dtype);
  } else {
    check_alpha(alpha, dtype);
    double scale = alpha.to_double();
    out = binary_pointwise(Binary::add_scaled, a, b, dtype, &scale);
  }
  const Tensor &x = tensor_or_none(a), &y = tensor_or_none(b);
  if (recording(x, y)) record(out, AddBackward0{to_input(a, out), to_input(b, out), alpha}, x, y);
  return out;
}
PYCORE_OP("add(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor", add,
          kArithmetic | kOverwritable, R"(
Adds ``other``, scaled by ``alpha``, to ``input``, element by element: ``input + alpha * other``.

Shapes broadcast and dtypes promote. Integers wrap around.

>>> pycore.add(pycore.tensor([1., 2.]), pycore.tensor([10., 20.]), alpha=2)
tensor([21., 42.])
)");

// --- sub, rsub
// ---------------------------------------------------------------------------------------------------------

namespace {
struct SubBackward0 {
  static constexpr const char* name = "SubBackward0";
  static constexpr bool saves = false;
  ToInput to_a, to_b;
  Scalar alpha;
  void operator()(Backward& b) {
    if (b.needs(0)) b.set(0, to_a(b.grad()));
    if (b.needs(1)) b.set(1, to_b(mul(b.grad(), -alpha)));
  }
};
struct RsubBackward1 {
  static constexpr const char* name = "RsubBackward1";
  static constexpr bool saves = false;
  ToInput to_b;
  Scalar alpha;
  void operator()(Backward& b) {
    b.set(1, to_b(alpha.equals(1) ? neg(b.grad()) : mul(b.grad(), -alpha)));
  }
};
}  // namespace

Tensor sub(const Operand& a, const Operand& b, const Scalar& alpha) {
  check_no_bool_sub(a, b);
  DType dtype = result_type(a, b);
  Tensor out;
  if (alpha.equals(1)) [[likely]] {
    out = binary_pointwise(Binary::sub, a, b, dtype);
  } else {
    check_alpha(alpha, dtype);
    double scale = -alpha.to_double();
    out = binary_pointwise(Binary::add_scaled, a, b, dtype, &scale);
  }
  const Tensor &x = tensor_or_none(a), &y = tensor_or_none(b);
  if (recording(x, y)) {
    if (a.is_tensor())
      record(out, SubBackward0{to_input(a, out), to_input(b, out), alpha}, x, y);
    else
      record(out, RsubBackward1{to_input(b, out), alpha}, x, y);
  }
  return out;
}
PYCORE_OP("sub(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor", sub,
          kArithmetic | kOverwritable, R"(
Subtracts ``other``, scaled by ``alpha``, from ``input``, element by element. Not for bool.

>>> pycore.sub(pycore.tensor([1., 2.]), 1)
tensor([0., 1.])
)");
PYCORE_OP("subtract(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor", sub,
          kArithmetic | kOverwritable, "Alias of :func:`sub`.");

static Tensor rsub(const Tensor& input, const Operand& other, const Scalar& alpha) {
  return sub(other, input, alpha);
}
PYCORE_OP("rsub(Tensor input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor", rsub, kFunction,
          R"(
``other - alpha * input``.

>>> pycore.rsub(pycore.tensor([1., 2.]), 3)
tensor([2., 1.])
)");

// --- mul
// ---------------------------------------------------------------------------------------------------------------

namespace {
struct MulBackward0 {
  static constexpr const char* name = "MulBackward0";
  ToInput to_a, to_b;
  Saved a, b;    // kept only if the other side wants its gradient
  Scalar scale;  // when the other side is a number
  bool by_scalar = false;
  void operator()(Backward& w) {
    if (by_scalar) {
      if (w.needs(0)) w.set(0, to_a(mul(w.grad(), scale)));
      if (w.needs(1)) w.set(1, to_b(mul(w.grad(), scale)));
      return;
    }
    if (w.needs(0)) w.set(0, to_a(mul(w.grad(), w.get(b))));
    if (w.needs(1)) w.set(1, to_b(mul(w.grad(), w.get(a))));
  }
};
}  // namespace

Tensor mul(const Operand& a, const Operand& b) {
  Tensor out = binary_pointwise(Binary::mul, a, b, result_type(a, b));
  const Tensor &x = tensor_or_none(a), &y = tensor_or_none(b);
  if (recording(x, y)) {
    MulBackward0 rule{to_input(a, out), to_input(b, out), {}, {}, {}};
    if (!a.is_tensor() || !b.is_tensor()) {
      rule.by_scalar = true;
      rule.scale = a.is_tensor() ? b.scalar() : a.scalar();
    } else {
      if (y.requires_grad()) rule.a = Saved(x);
      if (x.requires_grad()) rule.b = Saved(y);
    }
    record(out, std::move(rule), x, y);
  }
  return out;
}
PYCORE_OP("mul(Tensor|Scalar input, Tensor|Scalar other) -> Tensor", mul, kArithmetic, R"(
Multiplies element by element. Shapes broadcast, dtypes promote.

>>> pycore.mul(pycore.tensor([1., 2.]), 3)
tensor([3., 6.])
)");
PYCORE_OP("multiply(Tensor|Scalar input, Tensor|Scalar other) -> Tensor", mul, kArithmetic,
          "Alias of :func:`mul`.");

// --- div
// ---------------------------------------------------------------------------------------------------------------

namespace {
struct DivBackward0 {
  static constexpr const char* name = "DivBackward0";
  ToInput to_a, to_b;
  Saved a, b;
  Scalar divisor;
  bool by_scalar = false;
  void operator()(Backward& w) {
    if (by_scalar) {
      w.set(0, to_a(div(w.grad(), divisor)));
      return;
    }
    Tensor d = w.get(b);
    if (w.needs(0)) w.set(0, to_a(div(w.grad(), d)));
    if (w.needs(1)) w.set(1, to_b(mul(neg(w.grad()), div(div(w.get(a), d), d))));
  }
};
// number / tensor, which PyTorch writes as reciprocal times number.
struct ReciprocalScaled {
  static constexpr const char* name = "MulBackward0";
  ToInput to_b;
  Saved b;
  Scalar numerator;
  void operator()(Backward& w) {
    Tensor r = reciprocal(w.get(b));
    w.set(1, to_b(mul(mul(w.grad(), -numerator), mul(r, r))));
  }
};
}  // namespace

Tensor div(const Operand& a, const Operand& b) {
  const DType dtype = to_floating(result_type(a, b));
  const Tensor &x = tensor_or_none(a), &y = tensor_or_none(b);
  const auto compute = [&] { return binary_pointwise(Binary::div, a, b, dtype); };
  Tensor out;
  if (x.defined() || !y.defined() || y->standard) [[likely]] {
    out = compute();
  } else {
    // In the order of the reciprocal's product with the number.
    const Tensor inverse = empty_for_result_of(y, dtype);
    const PointwiseArg product[2] = {inverse, {nullptr, dtype}};
    out = made_in(empty_in_order_of(y.sizes(), dtype, product, dtype), compute);
  }
  if (recording(x, y)) {
    if (!a.is_tensor()) {
      record(out, ReciprocalScaled{to_input(b, out), Saved(y), a.scalar()}, x, y);
    } else {
      DivBackward0 rule{to_input(a, out), to_input(b, out), {}, {}, {}};
      if (!b.is_tensor()) {
        rule.by_scalar = true;
        rule.divisor = b.scalar();
      } else {
        rule.b = Saved(y);
        if (y.requires_grad()) rule.a = Saved(x);
      }
      record(out, std::move(rule), x, y);
    }
  }
  return out;
}

namespace {
// Rounded division has derivative zero almost everywhere.
struct ZeroGradient {
  static constexpr const char* name = "DivBackward1";
  static constexpr bool saves = false;
  ToInput to_a, to_b;
  void operator()(Backward& b) {
    if (b.needs(0)) b.set(0, to_a(zeros_like(b.grad())));
    if (b.needs(1)) b.set(1, to_b(zeros_like(b.grad())));
  }
};
}  // namespace

// Integers raise on a zero divisor, as in Python, if there is anything to divide.
static void check_divisor(const Operand& a, const Operand& b, DType dtype) {
  if (is_floating(dtype) || (a.is_tensor() && a.tensor().numel() == 0)) return;
  bool zero;
  if (b.is_tensor()) {
    Tensor d = contiguous(to_dtype(detach(b.tensor()), dtype));
    auto has_zero = kernels_now().binary->has_zero[static_cast<int>(dtype)];
    zero = has_zero && has_zero(d->data, d.numel(), 1);
  } else {
    zero = b.scalar().to_int() == 0;
  }
  PC_CHECK(!zero, "ZeroDivisionError");
}

static Tensor integer_like(Binary f, const Operand& a, const Operand& b) {
  DType dtype = result_type(a, b);
  PC_CHECK_IMPLEMENTED(dtype != DType::bool_, "\"div_floor_cpu\" not implemented for 'Bool'");
  check_divisor(a, b, dtype);
  return binary_pointwise(f, a, b, dtype);
}

Tensor floor_divide(const Operand& a, const Operand& b) {
  Tensor out = integer_like(Binary::floor_divide, a, b);
  const Tensor &x = tensor_or_none(a), &y = tensor_or_none(b);
  if (recording(x, y)) record(out, ZeroGradient{to_input(a, out), to_input(b, out)}, x, y);
  return out;
}
PYCORE_OP("floor_divide(Tensor|Scalar input, Tensor|Scalar other) -> Tensor", floor_divide,
          kArithmetic | kOverwritable, R"(
Divides and rounds towards negative infinity. An integer divided by zero raises.

>>> pycore.floor_divide(pycore.tensor([-7., 7.]), 2)
tensor([-4.,  3.])
)");

static Tensor div_mode(const Operand& a, const Operand& b,
                       std::optional<std::string_view> rounding_mode) {
  if (!rounding_mode) return div(a, b);
  if (*rounding_mode == "floor") return floor_divide(a, b);
  PC_CHECK(*rounding_mode == "trunc",
           "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '",
           *rounding_mode, "'");
  Tensor out = integer_like(Binary::trunc_divide, a, b);
  const Tensor &x = tensor_or_none(a), &y = tensor_or_none(b);
  if (recording(x, y)) record(out, ZeroGradient{to_input(a, out), to_input(b, out)}, x, y);
  return out;
}
PYCORE_OP("div(Tensor|Scalar input, Tensor|Scalar other, *, str? rounding_mode=None) -> Tensor",
          div_mode, kArithmetic, R"(
Divides element by element; integers give floating results. ``rounding_mode`` 'trunc' or 'floor' rounds and keeps integer
dtypes.

>>> pycore.div(pycore.tensor([1., 2.]), 2)
tensor([0.5000, 1.0000])
)");
PYCORE_OP("divide(Tensor|Scalar input, Tensor|Scalar other, *, str? rounding_mode=None) -> Tensor",
          div_mode, kArithmetic, "Alias of :func:`div`.");
PYCORE_OP("true_divide(Tensor|Scalar input, Tensor|Scalar other) -> Tensor", div, kArithmetic,
          "Alias of :func:`div` without rounding.");

// --- remainder, fmod
// -----------------------------------------------------------------------------------------------------

namespace {
struct RemainderBackward0 {
  static constexpr const char* name = "RemainderBackward0";
  ToInput to_a, to_b;
  Saved a, b;
  bool truncate = false;  // fmod
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, to_a(w.grad()));
    if (w.needs(1)) {
      Tensor q = div_mode(w.get(a), w.get(b), truncate ? "trunc" : "floor");
      w.set(1, to_b(mul(neg(w.grad()), q)));
    }
  }
};

Tensor remainder_like(Binary f, const Operand& a, const Operand& b) {
  DType dtype = result_type(a, b);
  check_divisor(a, b, dtype);
  Tensor out = binary_pointwise(f, a, b, dtype);
  const Tensor &x = tensor_or_none(a), &y = tensor_or_none(b);
  if (recording(x, y)) {
    RemainderBackward0 rule{to_input(a, out), to_input(b, out), {}, {}, f == Binary::fmod};
    if (y.defined() && y.requires_grad()) {
      rule.a = Saved(as_tensor(a, dtype));
      rule.b = Saved(y);
    }
    record(out, std::move(rule), x, y);
  }
  return out;
}
}  // namespace

static Tensor remainder(const Operand& a, const Operand& b) {
  return remainder_like(Binary::remainder, a, b);
}
PYCORE_OP("remainder(Tensor|Scalar input, Tensor|Scalar other) -> Tensor", remainder, kArithmetic,
          R"(
The remainder of the division with the divisor's sign, as Python's ``%``.

>>> pycore.remainder(pycore.tensor([-3., 3.]), 2)
tensor([1., 1.])
)");
static Tensor fmod(const Operand& a, const Operand& b) {
  return remainder_like(Binary::fmod, a, b);
}
PYCORE_OP("fmod(Tensor input, Tensor|Scalar other) -> Tensor", fmod, kArithmetic, R"(
The remainder of the division with the dividend's sign, as C's ``fmod``.

>>> pycore.fmod(pycore.tensor([-3., 3.]), 2)
tensor([-1.,  1.])
)");

// --- pow
// ---------------------------------------------------------------------------------------------------------------

namespace {
// tensor ** number
struct PowBackward0 {
  static constexpr const char* name = "PowBackward0";
  Saved x;
  Scalar exponent;
  void operator()(Backward& b) {
    double e = exponent.to_double();
    if (e == 0)
      b.set(0, zeros_like(b.grad()));
    else if (e == 2)
      b.set(0, mul(b.grad(), mul(b.get(x), 2)));
    else
      b.set(0, mul(b.grad(), mul(pow(b.get(x), Scalar(e - 1)), exponent)));
  }
};
// any ** tensor
struct PowBackward1 {
  static constexpr const char* name = "PowBackward1";
  ToInput to_a, to_b;
  Saved x, e, y;
  Scalar base;  // when x is a number
  void operator()(Backward& b) {
    const Tensor& g = b.grad();
    Tensor exponent = b.get(e);
    if (b.needs(0)) {
      // 0 ** 0 has derivative 0, not 0 * inf.
      Tensor d = mul(exponent, pow(b.get(x), sub(exponent, 1)));
      b.set(0, to_a(mul(g, where(eq(exponent, 0), 0.0, d))));
    }
    if (b.needs(1)) {
      Tensor result = b.get(y);
      if (x.defined()) {
        Tensor v = b.get(x);
        Tensor zero = logical_and(eq(v, 0), ge(exponent, 0));
        b.set(1, to_b(mul(g, where(zero, 0.0, mul(result, log(v))))));
      } else {
        double v = base.to_double();
        Tensor d = mul(result, Scalar(std::log(v)));
        if (v == 0) d = where(ge(exponent, 0), 0.0, d);
        b.set(1, to_b(mul(g, d)));
      }
    }
  }
};
}  // namespace

Tensor pow(const Operand& a, const Operand& b) {
  PC_CHECK_TYPE(a.is_tensor() || b.is_tensor(),
                "pow(): expected at least one Tensor, got two numbers");
  DType dtype = result_type(a, b);
  if (!b.is_tensor()) {
    double e = b.scalar().to_double();
    const Tensor& x = a.tensor();
    PC_CHECK(is_floating(dtype) || e >= 0, "Integers to negative integer powers are not allowed.");
    // Of truth values: x ** True is x, x ** False is True.
    if (dtype == DType::bool_) return e == 0 ? full(x.sizes(), true, dtype) : copy_like(x);
    Tensor out = e == 2                           ? binary_pointwise(Binary::mul, a, a, dtype)
                 : e == 0.5 && is_floating(dtype) ? unary_pointwise(kernels::Unary::sqrt, x, dtype)
                 : x->standard                    ? binary_pointwise(Binary::pow, a, b, dtype)
                                                  : made_in(empty_for_result_of(x, dtype), [&] {
                                   return binary_pointwise(Binary::pow, a, b, dtype);
                                 });
    if (recording(x)) record(out, PowBackward0{Saved(x), b.scalar()}, x);
    return out;
  }
  PC_CHECK_IMPLEMENTED(dtype != DType::bool_, "\"pow\" not implemented for 'Bool'");
  const Tensor &x = tensor_or_none(a), &y = b.tensor();
  const auto compute = [&] { return binary_pointwise(Binary::pow, a, b, dtype); };
  // Of a number the result is row-major, as in PyTorch.
  Tensor out = x.defined() || y->standard ? compute() : made_in(empty(y.sizes(), dtype), compute);
  if (recording(x, y)) {
    PowBackward1 rule{to_input(a, out), to_input(b, out), Saved(x), Saved(y), {}, {}};
    if (!a.is_tensor()) rule.base = a.scalar();
    if (y.requires_grad()) rule.y = Saved::output(out);
    record(out, std::move(rule), x, y);
  }
  return out;
}
PYCORE_OP("pow(Tensor|Scalar input, Tensor|Scalar exponent) -> Tensor", pow, kArithmetic, R"(
Raises ``input`` to the power ``exponent``, element by element; one of the two may be a number.

>>> pycore.pow(pycore.tensor([1., 2., 3.]), 2)
tensor([1., 4., 9.])
)");

// --- binary functions with smooth derivatives
// ------------------------------------------------------------------------------

// NAME(a, b) for floating tensors: GA and GB are the factors on the gradient for either side, in
// terms of x, y and the saved output o.
#define PC_BINARY_SMOOTH(NAME, NODE, GA, GB, DOC)                                                 \
  namespace {                                                                                     \
  struct NODE {                                                                                   \
    static constexpr const char* name = #NODE;                                                    \
    ToInput to_a, to_b;                                                                           \
    Saved a, b, out;                                                                              \
    void operator()(Backward& w) {                                                                \
      Tensor x = w.get(a), y = w.get(b), o = w.get(out);                                          \
      const Tensor& g = w.grad();                                                                 \
      if (w.needs(0)) w.set(0, to_a(GA));                                                         \
      if (w.needs(1)) w.set(1, to_b(GB));                                                         \
    }                                                                                             \
  };                                                                                              \
  Tensor NAME##_op(const Tensor& a, const Tensor& b) {                                            \
    Tensor out = binary_pointwise(Binary::NAME, a, b, to_floating(result_type(a, b)));            \
    if (recording(a, b))                                                                          \
      record(out, NODE{ToInput(a, out), ToInput(b, out), Saved(a), Saved(b), Saved::output(out)}, \
             a, b);                                                                               \
    return out;                                                                                   \
  }                                                                                               \
  PYCORE_OP(#NAME "(Tensor input, Tensor other) -> Tensor", NAME##_op, kArithmetic, DOC);         \
  }

PC_BINARY_SMOOTH(atan2, Atan2Backward0, mul(g, div(y, add(mul(x, x), mul(y, y)))),
                 mul(neg(g), div(x, add(mul(x, x), mul(y, y)))), R"(
The angle of the point (``other``, ``input``) in (-pi, pi].

>>> pycore.atan2(pycore.tensor([1.]), pycore.tensor([1.]))
tensor([0.7854])
)")
PC_BINARY_SMOOTH(hypot, HypotBackward0, mul(g, div(x, o)), mul(g, div(y, o)), R"(
The length of the hypotenuse: ``sqrt(input ** 2 + other ** 2)`` without overflow.

>>> pycore.hypot(pycore.tensor([3.]), pycore.tensor([4.]))
tensor([5.])
)")
PC_BINARY_SMOOTH(logaddexp, LogaddexpBackward0, mul(g, sigmoid(sub(x, y))),
                 mul(g, sigmoid(sub(y, x))), R"(
``log(exp(input) + exp(other))`` without overflow.

>>> pycore.logaddexp(pycore.tensor([-1.]), pycore.tensor([-1.]))
tensor([-0.3069])
)")
PC_BINARY_SMOOTH(logaddexp2, Logaddexp2Backward0,
                 mul(g, sigmoid(mul(sub(x, y), std::numbers::ln2))),
                 mul(g, sigmoid(mul(sub(y, x), std::numbers::ln2))), R"(
``log2(2 ** input + 2 ** other)`` without overflow.

>>> pycore.logaddexp2(pycore.tensor([1.]), pycore.tensor([1.]))
tensor([2.])
)")

// --- maximum, minimum
// ----------------------------------------------------------------------------------------------------

// The gradient goes to the larger (smaller) side; equal values share it, and NaN gives it to both.
#define PC_EXTREMUM(NAME, NODE, KERNEL, WINS, DOC)                                                 \
  namespace {                                                                                      \
  struct NODE {                                                                                    \
    static constexpr const char* name = #NODE;                                                     \
    ToInput to_a, to_b;                                                                            \
    Saved a, b;                                                                                    \
    void operator()(Backward& w) {                                                                 \
      Tensor x = detach(w.get(a)), y = detach(w.get(b));                                           \
      Tensor half = mul(to_dtype(eq(x, y), w.grad().dtype()), 0.5);                                \
      if (w.needs(0))                                                                              \
        w.set(0, to_a(mul(w.grad(), sub(to_dtype(logical_not(WINS(y, x)), half.dtype()), half)))); \
      if (w.needs(1))                                                                              \
        w.set(1, to_b(mul(w.grad(), sub(to_dtype(logical_not(WINS(x, y)), half.dtype()), half)))); \
    }                                                                                              \
  };                                                                                               \
  }                                                                                                \
  Tensor NAME(const Tensor& a, const Tensor& b) {                                                  \
    Tensor out = binary_pointwise(Binary::KERNEL, a, b, result_type(a, b));                        \
    if (recording(a, b))                                                                           \
      record(out, NODE{ToInput(a, out), ToInput(b, out), Saved(a), Saved(b)}, a, b);               \
    return out;                                                                                    \
  }                                                                                                \
  PYCORE_OP(#NAME "(Tensor input, Tensor other) -> Tensor", NAME,                                  \
            kFunction | kMethod | kOut | kPointwise, DOC);

PC_EXTREMUM(maximum, MaximumBackward0, maximum, gt, R"(
The larger of the two, element by element; NaN wins.

>>> pycore.maximum(pycore.tensor([1, 5]), pycore.tensor([3, 2]))
tensor([3, 5])
)")
PC_EXTREMUM(minimum, MinimumBackward0, minimum, lt, R"(
The smaller of the two, element by element; NaN wins.

>>> pycore.minimum(pycore.tensor([1, 5]), pycore.tensor([3, 2]))
tensor([1, 2])
)")
// The same where NaN loses: it gets no gradient, and equal values give theirs to the first side.
#define PC_NUMBER_EXTREMUM(NAME, NODE, KERNEL, OF_INTEGERS, WINS, DOC)                             \
  namespace {                                                                                      \
  struct NODE {                                                                                    \
    static constexpr const char* name = #NODE;                                                     \
    ToInput to_a, to_b;                                                                            \
    Saved a, b;                                                                                    \
    void operator()(Backward& w) {                                                                 \
      Tensor x = detach(w.get(a)), y = detach(w.get(b));                                           \
      Tensor second = logical_and(logical_not(WINS(x, y)), eq(y, y));                              \
      if (w.needs(0)) w.set(0, to_a(where(second, 0.0, w.grad())));                                \
      if (w.needs(1)) w.set(1, to_b(where(second, w.grad(), 0.0)));                                \
    }                                                                                              \
  };                                                                                               \
  Tensor NAME##_op(const Tensor& a, const Tensor& b) {                                             \
    DType t = result_type(a, b);                                                                   \
    Tensor out = binary_pointwise(is_floating(t) ? Binary::KERNEL : Binary::OF_INTEGERS, a, b, t); \
    if (recording(a, b))                                                                           \
      record(out, NODE{ToInput(a, out), ToInput(b, out), Saved(a), Saved(b)}, a, b);               \
    return out;                                                                                    \
  }                                                                                                \
  PYCORE_OP(#NAME "(Tensor input, Tensor other) -> Tensor", NAME##_op,                             \
            kFunction | kMethod | kOut | kPointwise, DOC);                                         \
  }
PC_NUMBER_EXTREMUM(fmax, FmaxBackward0, fmax, maximum, ge, R"(
As :func:`maximum`, but a number wins over NaN.

>>> pycore.fmax(pycore.tensor([1., float('nan')]), pycore.tensor([3., 2.]))
tensor([3., 2.])
)")
PC_NUMBER_EXTREMUM(fmin, FminBackward0, fmin, minimum, le, R"(
As :func:`minimum`, but a number wins over NaN.

>>> pycore.fmin(pycore.tensor([1., float('nan')]), pycore.tensor([3., 2.]))
tensor([1., 2.])
)")

// --- comparisons and logic
// -------------------------------------------------------------------------------------------------

#define PC_COMPARE(NAME, DOC)                       \
  Tensor NAME(const Operand& a, const Operand& b) { \
    return compare_pointwise(Compare::NAME, a, b);  \
  }                                                 \
  PYCORE_OP(#NAME "(Tensor input, Tensor|Scalar other) -> Tensor", NAME, kArithmetic, DOC);

PC_COMPARE(eq, R"(
``input == other``, element by element, as bool.

>>> pycore.eq(pycore.tensor([1, 2]), 2)
tensor([False,  True])
)")
PC_COMPARE(ne, R"(
``input != other``, element by element, as bool.

>>> pycore.ne(pycore.tensor([1, 2]), 2)
tensor([ True, False])
)")
PC_COMPARE(lt, R"(
``input < other``, element by element, as bool.

>>> pycore.lt(pycore.tensor([1, 2]), 2)
tensor([ True, False])
)")
PC_COMPARE(le, R"(
``input <= other``, element by element, as bool.

>>> pycore.le(pycore.tensor([1, 2]), 1)
tensor([ True, False])
)")
PC_COMPARE(gt, R"(
``input > other``, element by element, as bool.

>>> pycore.gt(pycore.tensor([1, 2]), 1)
tensor([False,  True])
)")
PC_COMPARE(ge, R"(
``input >= other``, element by element, as bool.

>>> pycore.ge(pycore.tensor([1, 2]), 2)
tensor([False,  True])
)")
PC_COMPARE(logical_and, R"(
True where both are nonzero.

>>> pycore.logical_and(pycore.tensor([True, False]), pycore.tensor([True, True]))
tensor([ True, False])
)")
static PC_COMPARE(logical_or, R"(
True where at least one is nonzero.

>>> pycore.logical_or(pycore.tensor([True, False]), pycore.tensor([False, False]))
tensor([ True, False])
)") static PC_COMPARE(logical_xor, R"(
True where exactly one is nonzero.

>>> pycore.logical_xor(pycore.tensor([True, False]), pycore.tensor([True, True]))
tensor([False,  True])
)")

    PYCORE_OP("greater(Tensor input, Tensor|Scalar other) -> Tensor", gt, kArithmetic,
              "Alias of :func:`gt`.");
PYCORE_OP("greater_equal(Tensor input, Tensor|Scalar other) -> Tensor", ge, kArithmetic,
          "Alias of :func:`ge`.");
PYCORE_OP("less(Tensor input, Tensor|Scalar other) -> Tensor", lt, kArithmetic,
          "Alias of :func:`lt`.");
PYCORE_OP("less_equal(Tensor input, Tensor|Scalar other) -> Tensor", le, kArithmetic,
          "Alias of :func:`le`.");
PYCORE_OP("not_equal(Tensor input, Tensor|Scalar other) -> Tensor", ne, kArithmetic,
          "Alias of :func:`ne`.");

// --- integers
// --------------------------------------------------------------------------------------------------------------

#define PC_BITWISE(NAME, KERNEL, DOC)                                                              \
  static Tensor NAME(const Operand& a, const Operand& b) {                                         \
    DType t = result_type(a, b);                                                                   \
    auto* kernel =                                                                                 \
        kernels_now()                                                                              \
            .binary->fn[static_cast<int>(Binary::KERNEL)][static_cast<int>(compute_dtype(t))];     \
    PC_CHECK_IMPLEMENTED(kernel, "\"" #KERNEL "_cpu\" not implemented for '", scalar_type_name(t), \
                         "'");                                                                     \
    return binary_pointwise(Binary::KERNEL, a, b, t);                                              \
  }                                                                                                \
  PYCORE_OP(#NAME "(Tensor input, Tensor|Scalar other) -> Tensor", NAME, kArithmetic, DOC);

PC_BITWISE(bitwise_and, bitwise_and, "Bitwise and of integers; logical and of bool.")
PC_BITWISE(bitwise_or, bitwise_or, "Bitwise or of integers; logical or of bool.")
PC_BITWISE(bitwise_xor, bitwise_xor, "Bitwise exclusive or of integers; logical one of bool.")
PC_BITWISE(bitwise_left_shift, left_shift, "Shifts the bits of integers left.")
PC_BITWISE(bitwise_right_shift, right_shift, "Shifts the bits of integers right, keeping the sign.")
PC_BITWISE(gcd, gcd, "The greatest common divisor of integers, never negative.")
PC_BITWISE(lcm, lcm, "The least common multiple of integers, never negative.")
PC_BITWISE(nextafter, nextafter, "The next representable value after ``input`` towards ``other``.")
PC_BITWISE(heaviside, heaviside,
           "0 where ``input`` is negative, 1 where it is positive, ``other`` where it is zero.")

}  // namespace pycore
