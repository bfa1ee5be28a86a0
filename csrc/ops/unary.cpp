// Element-wise functions of one tensor: forward and derivative of each side by side. Must not know
// Python.
#include "kernels/unary.h"

#include <cmath>
#include <limits>

#include "kernels/binary.h"
#include "kernels/gradient.h"
#include "ops/result_order.h"

namespace pycore {
namespace {

using kernels::Gradient;
using kernels::Predicate;
using kernels::Unary;

constexpr uint32_t kUnary = kFunction | kMethod | kInplace | kOut | kPointwise;
constexpr double kPi = 3.14159265358979323846;

// The composite formula where it must be differentiable itself, the fused kernel elsewhere.
#define PC_FUSED(KERNEL, COMPOSITE) \
  (grad_enabled() ? (COMPOSITE) : gradient_pointwise(Gradient::KERNEL, g, v))

}  // namespace

// NAME(x) for floating x (integers convert first). SAVE is `input` or `result`: what the derivative
// calls v; g is the incoming gradient.
#define PC_UNARY_SAVE_input(in, out) Saved(in)
#define PC_UNARY_SAVE_result(in, out) Saved::output(out)
#define PC_UNARY_FLAGS_input kUnary
#define PC_UNARY_FLAGS_result (kUnary | kOverwritable)
// RESULT gives the dtype of the result from that of the input.
#define PC_UNARY_AS(NAME, NODE, RESULT, SAVE, DERIVATIVE, DOC)                        \
  namespace {                                                                         \
  struct NODE {                                                                       \
    static constexpr const char* name = #NODE;                                        \
    Saved saved;                                                                      \
    void operator()(Backward& b) {                                                    \
      [[maybe_unused]] Tensor v = b.get(saved);                                       \
      const Tensor& g = b.grad();                                                     \
      b.set(0, DERIVATIVE);                                                           \
    }                                                                                 \
  };                                                                                  \
  }                                                                                   \
  Tensor NAME(const Tensor& input) {                                                  \
    Tensor out = unary_pointwise(Unary::NAME, input, RESULT(input.dtype()));          \
    if (recording(input)) record(out, NODE{PC_UNARY_SAVE_##SAVE(input, out)}, input); \
    return out;                                                                       \
  }                                                                                   \
  PYCORE_OP(#NAME "(Tensor input) -> Tensor", NAME, PC_UNARY_FLAGS_##SAVE, DOC);
#define PC_UNARY(NAME, NODE, SAVE, DERIVATIVE, DOC) \
  PC_UNARY_AS(NAME, NODE, to_floating, SAVE, DERIVATIVE, DOC)

PC_UNARY(exp, ExpBackward0, result, mul(g, v), R"(
The exponential function.

>>> pycore.exp(pycore.tensor([0., 1.]))
tensor([1.0000, 2.7183])
)")
PC_UNARY(exp2, Exp2Backward0, result, mul(mul(g, v), std::log(2.0)), R"(
Two to the power of each element.

>>> pycore.exp2(pycore.tensor([0., 3.]))
tensor([1., 8.])
)")
PC_UNARY(expm1, Expm1Backward0, result, mul(g, add(v, 1)), R"(
``exp(x) - 1``, exact for small x.

>>> pycore.expm1(pycore.tensor([0., 1.]))
tensor([0.0000, 1.7183])
)")
PC_UNARY(log, LogBackward0, input, PC_FUSED(log, div(g, v)), R"(
The natural logarithm.

>>> pycore.log(pycore.tensor([1., 10.]))
tensor([0.0000, 2.3026])
)")
PC_UNARY(log2, Log2Backward0, input, div(g, mul(v, std::log(2.0))), R"(
The logarithm to base 2.

>>> pycore.log2(pycore.tensor([1., 8.]))
tensor([0., 3.])
)")
PC_UNARY(log10, Log10Backward0, input, div(g, mul(v, std::log(10.0))), R"(
The logarithm to base 10.

>>> pycore.log10(pycore.tensor([1., 100.]))
tensor([0., 2.])
)")
PC_UNARY(log1p, Log1PBackward0, input, PC_FUSED(log1p, div(g, add(v, 1))), R"(
``log(1 + x)``, exact for small x.

>>> pycore.log1p(pycore.tensor([0., 1.]))
tensor([0.0000, 0.6931])
)")
PC_UNARY(sqrt, SqrtBackward0, result, PC_FUSED(sqrt, div(g, mul(v, 2))), R"(
The square root; NaN for negative elements.

>>> pycore.sqrt(pycore.tensor([4., 9.]))
tensor([2., 3.])
)")
PC_UNARY(rsqrt, RsqrtBackward0, result, PC_FUSED(rsqrt, mul(mul(g, -0.5), mul(v, mul(v, v)))), R"(
One over the square root.

>>> pycore.rsqrt(pycore.tensor([4., 16.]))
tensor([0.5000, 0.2500])
)")
PC_UNARY(reciprocal, ReciprocalBackward0, result, PC_FUSED(reciprocal, neg(mul(g, mul(v, v)))), R"(
One over each element.

>>> pycore.reciprocal(pycore.tensor([2., 4.]))
tensor([0.5000, 0.2500])
)")
PC_UNARY(sin, SinBackward0, input, PC_FUSED(sin, mul(g, cos(v))), R"(
The sine of angles in radians.

>>> pycore.sin(pycore.tensor([0., 1.]))
tensor([0.0000, 0.8415])
)")
PC_UNARY(cos, CosBackward0, input, PC_FUSED(cos, neg(mul(g, sin(v)))), R"(
The cosine of angles in radians.

>>> pycore.cos(pycore.tensor([0., 1.]))
tensor([1.0000, 0.5403])
)")
PC_UNARY(tan, TanBackward0, result, mul(g, add(mul(v, v), 1)), R"(
The tangent of angles in radians.

>>> pycore.tan(pycore.tensor([0., 1.]))
tensor([0.0000, 1.5574])
)")
PC_UNARY(asin, AsinBackward0, input, mul(g, rsqrt(1.0 - mul(v, v))), R"(
The inverse sine, in radians.

>>> pycore.asin(pycore.tensor([0., 1.]))
tensor([0.0000, 1.5708])
)")
PC_UNARY(acos, AcosBackward0, input, neg(mul(g, rsqrt(1.0 - mul(v, v)))), R"(
The inverse cosine, in radians.

>>> pycore.acos(pycore.tensor([1., 0.]))
tensor([0.0000, 1.5708])
)")
PC_UNARY(atan, AtanBackward0, input, div(g, add(mul(v, v), 1)), R"(
The inverse tangent, in radians.

>>> pycore.atan(pycore.tensor([0., 1.]))
tensor([0.0000, 0.7854])
)")
namespace {
Tensor cosh_of(const Tensor& x);
Tensor sinh_of(const Tensor& x);
}  // namespace
PC_UNARY(sinh, SinhBackward0, input, mul(g, cosh_of(v)), R"(
The hyperbolic sine.

>>> pycore.sinh(pycore.tensor([0., 1.]))
tensor([0.0000, 1.1752])
)")
PC_UNARY(cosh, CoshBackward0, input, mul(g, sinh_of(v)), R"(
The hyperbolic cosine.

>>> pycore.cosh(pycore.tensor([0., 1.]))
tensor([1.0000, 1.5431])
)")
namespace {
Tensor cosh_of(const Tensor& x) { return cosh(x); }
Tensor sinh_of(const Tensor& x) { return sinh(x); }
}  // namespace
PC_UNARY(tanh, TanhBackward0, result, PC_FUSED(tanh, sub(g, mul(g, mul(v, v)))), R"(
The hyperbolic tangent.

>>> pycore.tanh(pycore.tensor([0., 1.]))
tensor([0.0000, 0.7616])
)")
PC_UNARY(asinh, AsinhBackward0, input, mul(g, rsqrt(add(mul(v, v), 1))), R"(
The inverse hyperbolic sine.

>>> pycore.asinh(pycore.tensor([0., 1.]))
tensor([0.0000, 0.8814])
)")
PC_UNARY(acosh, AcoshBackward0, input, mul(g, rsqrt(sub(mul(v, v), 1))), R"(
The inverse hyperbolic cosine; NaN below 1.

>>> pycore.acosh(pycore.tensor([1., 2.]))
tensor([0.0000, 1.3170])
)")
PC_UNARY(atanh, AtanhBackward0, input, div(g, 1.0 - mul(v, v)), R"(
The inverse hyperbolic tangent; NaN outside [-1, 1].

>>> pycore.atanh(pycore.tensor([0., 0.5]))
tensor([0.0000, 0.5493])
)")
PC_UNARY(sigmoid, SigmoidBackward0, result, PC_FUSED(sigmoid, mul(g, sub(v, mul(v, v)))), R"(
The logistic function ``1 / (1 + exp(-x))``.

>>> pycore.sigmoid(pycore.tensor([0., 1.]))
tensor([0.5000, 0.7311])
)")
PC_UNARY(erf, ErfBackward0, input,
         PC_FUSED(erf, mul(mul(g, 2 / std::sqrt(kPi)), exp(neg(mul(v, v))))), R"(
The error function.

>>> pycore.erf(pycore.tensor([0., 1.]))
tensor([0.0000, 0.8427])
)")
PC_UNARY(erfc, ErfcBackward0, input, mul(mul(g, -2 / std::sqrt(kPi)), exp(neg(mul(v, v)))), R"(
One minus the error function.

>>> pycore.erfc(pycore.tensor([0., 1.]))
tensor([1.0000, 0.1573])
)")
PC_UNARY(erfinv, ErfinvBackward0, result, mul(mul(g, std::sqrt(kPi) / 2), exp(mul(v, v))), R"(
The inverse of the error function.

>>> pycore.erfinv(pycore.tensor([0., 0.5]))
tensor([0.0000, 0.4769])
)")

// --- functions that keep integers
// -----------------------------------------------------------------------------------

// Of bool, abs is refused and the square is an integer, as in PyTorch.
static DType abs_dtype(DType t) {
  PC_CHECK_IMPLEMENTED(t != DType::bool_, "\"abs_cpu\" not implemented for 'Bool'");
  return t;
}
static DType square_dtype(DType t) { return t == DType::bool_ ? DType::int64 : t; }

PC_UNARY_AS(abs, AbsBackward0, abs_dtype, input, PC_FUSED(abs, mul(g, sign(v))), R"(
The absolute value.

>>> pycore.abs(pycore.tensor([-1, 2]))
tensor([1, 2])
)")
PC_UNARY_AS(square, PowBackward0, square_dtype, input, PC_FUSED(square, mul(g, mul(v, 2))), R"(
The square.

>>> pycore.square(pycore.tensor([-1., 3.]))
tensor([1., 9.])
)")
PYCORE_OP("absolute(Tensor input) -> Tensor", abs, kUnary, "Alias of :func:`abs`.");

namespace {
struct NegBackward0 {
  static constexpr const char* name = "NegBackward0";
  static constexpr bool saves = false;
  void operator()(Backward& b) { b.set(0, neg(b.grad())); }
};
// Piecewise constant functions.
template <int N>
struct ZeroBackward {
  static constexpr const char* names[] = {"SignBackward0", "FloorBackward0", "CeilBackward0",
                                          "RoundBackward0", "TruncBackward0"};
  static constexpr const char* name = names[N];
  static constexpr bool saves = false;
  void operator()(Backward& b) { b.set(0, zeros_like(b.grad())); }
};
struct FracBackward0 {
  static constexpr const char* name = "FracBackward0";
  static constexpr bool saves = false;
  void operator()(Backward& b) { b.set(0, b.grad()); }
};

Tensor unary_copy(const Tensor& input) {
  Tensor out = empty_for_result_of(input, input.dtype());
  copy_data(out, input);
  return out;
}

template <class Rule>
Tensor keep_dtype(Unary f, const Tensor& input) {
  Tensor out = is_floating(input.dtype()) || f == Unary::neg || f == Unary::sign
                   ? unary_pointwise(f, input, input.dtype())
                   : unary_copy(input);  // integers are whole already
  if (recording(input)) record(out, Rule{}, input);
  return out;
}
}  // namespace

Tensor neg(const Tensor& input) {
  PC_CHECK(input.dtype() != DType::bool_,
           "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
           "invert a mask, use the "
           "`~` or `logical_not()` operator instead.");
  return keep_dtype<NegBackward0>(Unary::neg, input);
}
PYCORE_OP("neg(Tensor input) -> Tensor", neg, kUnary | kOverwritable, R"(
The negative of each element.

>>> pycore.neg(pycore.tensor([-1, 2]))
tensor([ 1, -2])
)");
PYCORE_OP("negative(Tensor input) -> Tensor", neg, kUnary | kOverwritable, "Alias of :func:`neg`.");
Tensor sign(const Tensor& input) {
  if (input.dtype() == DType::bool_) return unary_copy(input);
  return keep_dtype<ZeroBackward<0>>(Unary::sign, input);
}
PYCORE_OP("sign(Tensor input) -> Tensor", sign, kUnary | kOverwritable, R"(
-1, 0 or 1 by the sign of each element.

>>> pycore.sign(pycore.tensor([-2., 0., 3.]))
tensor([-1.,  0.,  1.])
)");
PYCORE_OP("sgn(Tensor input) -> Tensor", sign, kUnary | kOverwritable,
          "Alias of :func:`sign` for real numbers.");

#define PC_ROUNDING(NAME, RULE, DOC)                                                            \
  static Tensor NAME##_op(const Tensor& input) { return keep_dtype<RULE>(Unary::NAME, input); } \
  PYCORE_OP(#NAME "(Tensor input) -> Tensor", NAME##_op, kUnary | kOverwritable, DOC);
PC_ROUNDING(floor, ZeroBackward<1>, R"(
The largest whole number not above each element.

>>> pycore.floor(pycore.tensor([-1.5, 1.5]))
tensor([-2.,  1.])
)")
PC_ROUNDING(ceil, ZeroBackward<2>, R"(
The smallest whole number not below each element.

>>> pycore.ceil(pycore.tensor([-1.5, 1.5]))
tensor([-1.,  2.])
)")
PC_ROUNDING(trunc, ZeroBackward<4>, R"(
Each element without its fraction.

>>> pycore.trunc(pycore.tensor([-1.5, 1.5]))
tensor([-1.,  1.])
)")
PC_ROUNDING(frac, FracBackward0, R"(
The fraction of each element, with its sign.

>>> pycore.frac(pycore.tensor([-1.5, 1.25]))
tensor([-0.5000,  0.2500])
)")
PYCORE_OP("fix(Tensor input) -> Tensor", trunc_op, kUnary | kOverwritable,
          "Alias of :func:`trunc`.");

static Tensor round_op(const Tensor& input, int64_t decimals) {
  if (decimals == 0 || !is_floating(input.dtype()))
    return keep_dtype<ZeroBackward<3>>(Unary::round, input);
  GradGuard off(false);
  double scale = std::pow(10.0, static_cast<double>(std::abs(decimals)));
  Tensor x = decimals > 0 ? mul(input, scale) : div(input, scale);
  Tensor r = unary_pointwise(Unary::round, x, x.dtype());
  return decimals > 0 ? div(r, scale) : mul(r, scale);
}
PYCORE_OP("round(Tensor input, *, int decimals=0) -> Tensor", round_op,
          kFunction | kMethod | kInplace | kOut, R"(
The nearest whole number, halves to the even one; ``decimals`` digits are kept.

>>> pycore.round(pycore.tensor([0.5, 1.5, 2.7]))
tensor([0., 2., 3.])
)");

// --- special functions
// ------------------------------------------------------------------------------------------------

static Tensor digamma_raw(const Tensor& x) {
  return unary_pointwise(Unary::digamma, x, to_floating(x.dtype()));
}
PC_UNARY(digamma, DigammaBackward0, input, mul(g, polygamma(1, v)), R"(
The logarithmic derivative of the gamma function.

>>> pycore.digamma(pycore.tensor([1.]))
tensor([-0.5772])
)")
PC_UNARY(lgamma, LgammaBackward0, input, mul(g, grad_enabled() ? digamma(v) : digamma_raw(v)), R"(
The logarithm of the absolute value of the gamma function.

>>> pycore.lgamma(pycore.tensor([3.]))
tensor([0.6931])
)")
PC_UNARY(deg2rad, Deg2RadBackward0, input, mul(g, kPi / 180), "Degrees to radians.")
PC_UNARY(rad2deg, Rad2DegBackward0, input, mul(g, 180 / kPi), "Radians to degrees.")
PC_UNARY(sinc, SincBackward0, input,
         where(eq(v, 0.0), 0.0,
               mul(g, div(sub(cos(mul(v, kPi)), div(sin(mul(v, kPi)), mul(v, kPi))), v))),
         "``sin(pi x) / (pi x)``, 1 at zero.")

#define PC_ALIAS(ALIAS, TARGET) \
  PYCORE_OP(#ALIAS "(Tensor input) -> Tensor", TARGET, kUnary, "Alias of :func:`" #TARGET "`.")
PC_ALIAS(arcsin, asin);
PC_ALIAS(arccos, acos);
PC_ALIAS(arctan, atan);
PC_ALIAS(arcsinh, asinh);
PC_ALIAS(arccosh, acosh);
PC_ALIAS(arctanh, atanh);
PYCORE_OP("special.expit(Tensor input) -> Tensor", sigmoid, kFunction, "Alias of :func:`sigmoid`.");
PYCORE_OP("special.erf(Tensor input) -> Tensor", erf, kFunction, "Alias of :func:`erf`.");
PYCORE_OP("special.expm1(Tensor input) -> Tensor", expm1, kFunction, "Alias of :func:`expm1`.");

// --- logit
// ---------------------------------------------------------------------------------------------------------------

namespace {
struct LogitBackward0 {
  static constexpr const char* name = "LogitBackward0";
  Saved x;
  double eps = -1;
  void operator()(Backward& b) {
    Tensor v = b.get(x);
    const Tensor d = div(b.grad(), mul(v, 1.0 - v));
    // Outside of [0, 1] there is no value and no slope; what eps limits does not move.
    const double low = eps >= 0 ? eps : 0;
    const Scalar outside = eps >= 0 ? 0.0 : std::numeric_limits<double>::quiet_NaN();
    b.set(0, where(logical_and(logical_not(lt(v, low)), logical_not(gt(v, 1 - low))), d, outside));
  }
};
}  // namespace
static Tensor logit(const Tensor& input, std::optional<double> eps) {
  double e = eps.value_or(-1);
  Tensor out = unary_pointwise(Unary::logit, input, to_floating(input.dtype()), &e);
  if (recording(input)) record(out, LogitBackward0{Saved(input), e}, input);
  return out;
}
PYCORE_OP("logit(Tensor input, float? eps=None) -> Tensor", logit, kUnary, R"(
``log(x / (1 - x))``; with ``eps`` the input is first clamped to [eps, 1 - eps].

>>> pycore.logit(pycore.tensor([0.5, 0.9]))
tensor([0.0000, 2.1972])
)");

// --- clamp
// ---------------------------------------------------------------------------------------------------------------

namespace {
struct ClampBackward1 {
  static constexpr const char* name = "ClampBackward1";
  Saved x;
  double lo = 0, hi = 0;
  void operator()(Backward& b) {
    Tensor v = b.get(x);
    const double bounds[2] = {lo, hi};
    if (!grad_enabled()) {
      b.set(0, gradient_pointwise(Gradient::clamp, b.grad(), v, bounds));
      return;
    }
    b.set(0, mul(b.grad(), to_dtype(logical_and(ge(v, lo), le(v, hi)), v.dtype())));
  }
};
}  // namespace

// Whether an integer is the same in `t` and in a kernel's parameter, which is a double.
static bool is_exact(const Scalar& s, DType t) {
  const int64_t v = s.to_int(), bits = t == DType::uint8 ? 8 : 8 * item_size(t) - 1;
  const int64_t most = (int64_t{1} << std::min<int64_t>(bits, 53)) - 1;
  return v <= most && v >= (t == DType::uint8 ? 0 : -most - 1);
}

Tensor clamp(const Tensor& input, std::optional<Scalar> min, std::optional<Scalar> max) {
  PC_CHECK(min || max, "torch.clamp: At least one of 'min' or 'max' must not be None");
  DType dtype = input.dtype();
  if (min) dtype = promote_scalar(dtype, *min);
  if (max) dtype = promote_scalar(dtype, *max);
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const double bounds[2] = {min ? min->to_double() : -kInf, max ? max->to_double() : kInf};
  Tensor out;
  const bool at_once = is_floating(dtype) || (dtype != DType::bool_ && min && max &&
                                              is_exact(*min, dtype) && is_exact(*max, dtype));
  if (at_once) {
    out = unary_pointwise(Unary::clamp, input, dtype, bounds);
  } else {
    out = input;
    if (min) out = binary_pointwise(kernels::Binary::maximum, out, *min, dtype);
    if (max) out = binary_pointwise(kernels::Binary::minimum, out, *max, dtype);
  }
  if (recording(input)) record(out, ClampBackward1{Saved(input), bounds[0], bounds[1]}, input);
  return out;
}
static Tensor clamp_op(const Tensor& input, std::optional<Scalar> min, std::optional<Scalar> max) {
  return clamp(input, min, max);
}
PYCORE_OP("clamp(Tensor input, Scalar? min=None, Scalar? max=None) -> Tensor", clamp_op,
          kFunction | kMethod | kInplace | kOut, R"(
Limits every element to [min, max]; NaN stays NaN.

>>> pycore.clamp(pycore.tensor([-1., 0.5, 2.]), 0, 1)
tensor([0.0000, 0.5000, 1.0000])
)");
PYCORE_OP("clip(Tensor input, Scalar? min=None, Scalar? max=None) -> Tensor", clamp_op,
          kFunction | kMethod | kInplace | kOut, "Alias of :func:`clamp`.");
namespace {
// The gradient goes to the bound that the input passes, else to the input: also where they are
// equal, unlike that of maximum and minimum, which share it. Of crossed bounds the upper one wins.
struct ClampBackward0 {
  static constexpr const char* name = "ClampBackward0";
  ToInput to_x, to_lo, to_hi;
  Saved x, lo, hi;
  void operator()(Backward& b) {
    const Tensor v = detach(b.get(x)), low = b.get(lo), high = b.get(hi);
    const auto part = [&](const Tensor& mine) { return where(mine, b.grad(), 0.0); };
    if (b.needs(0)) {
      Tensor inside = low.defined() ? ge(v, low) : le(v, high);
      if (low.defined() && high.defined()) inside = logical_and(inside, le(v, high));
      b.set(0, to_x(part(inside)));
    }
    if (b.needs(1)) {
      const Tensor below = lt(v, low);
      b.set(1, to_lo(part(high.defined() ? logical_and(below, lt(low, high)) : below)));
    }
    if (b.needs(2)) {
      Tensor within = logical_not(gt(v, high));
      if (low.defined()) within = logical_and(within, logical_not(lt(high, low)));
      b.set(2, to_hi(part(logical_not(within))));
    }
  }
};
}  // namespace
static Tensor clamp_tensor(const Tensor& input, const Tensor& min, const Tensor& max) {
  PC_CHECK(min.defined() || max.defined(),
           "torch.clamp: At least one of 'min' or 'max' must not be None");
  Tensor out = input;
  {
    GradGuard off(false);
    if (min.defined()) out = maximum(out, min);
    if (max.defined()) {
      const Tensor low = out;
      const auto upper = [&] { return minimum(low, max); };
      if (!min.defined() || (input->standard && min->standard && max->standard)) {
        out = upper();
      } else {
        const DType dtype = result_type(low, max);
        const PointwiseArg operands[3] = {input, min, max};
        out = made_in(
            empty_in_order_of(broadcast_shapes(low.sizes(), max.sizes()), dtype, operands, dtype),
            upper);
      }
    }
  }
  if (recording(input, min, max)) {
    const auto to = [&](const Tensor& t) { return t.defined() ? ToInput(t, out) : ToInput(); };
    record(out, ClampBackward0{to(input), to(min), to(max), Saved(input), Saved(min), Saved(max)},
           input, min, max);
  }
  return out;
}
PYCORE_OP("clamp(Tensor input, Tensor? min=None, Tensor? max=None) -> Tensor", clamp_tensor,
          kFunction | kMethod | kInplace | kOut, "");
PYCORE_OP("clip(Tensor input, Tensor? min=None, Tensor? max=None) -> Tensor", clamp_tensor,
          kFunction | kMethod | kInplace | kOut, "");
static Tensor clamp_min(const Tensor& input, Scalar min) { return clamp(input, min, std::nullopt); }
PYCORE_OP("clamp_min(Tensor input, Scalar min) -> Tensor", clamp_min,
          kFunction | kMethod | kInplace, R"(
Raises every element to at least ``min``.

>>> pycore.clamp_min(pycore.tensor([-1., 2.]), 0)
tensor([0., 2.])
)");
static Tensor clamp_max(const Tensor& input, Scalar max) { return clamp(input, std::nullopt, max); }
PYCORE_OP("clamp_max(Tensor input, Scalar max) -> Tensor", clamp_max,
          kFunction | kMethod | kInplace, R"(
Lowers every element to at most ``max``.

>>> pycore.clamp_max(pycore.tensor([-1., 2.]), 0)
tensor([-1.,  0.])
)");

// --- nan_to_num, predicates
// --------------------------------------------------------------------------------------------

namespace {
struct NanToNumBackward0 {
  static constexpr const char* name = "NanToNumBackward0";
  Saved x;
  void operator()(Backward& b) {
    b.set(0, mul(b.grad(), to_dtype(predicate_pointwise(Predicate::isfinite, detach(b.get(x))),
                                    b.grad().dtype())));
  }
};
}  // namespace
static Tensor nan_to_num(const Tensor& input, std::optional<double> nan,
                         std::optional<double> posinf, std::optional<double> neginf) {
  if (!is_floating(input.dtype())) return copy_like(input);
  double limit = input.dtype() == DType::float64   ? std::numeric_limits<double>::max()
                 : input.dtype() == DType::float16 ? 65504.0
                 : input.dtype() == DType::bfloat16
                     ? 3.3895313892515355e38
                     : static_cast<double>(std::numeric_limits<float>::max());
  const double params[3] = {nan.value_or(0), posinf.value_or(limit), neginf.value_or(-limit)};
  Tensor out = unary_pointwise(Unary::nan_to_num, input, input.dtype(), params);
  if (recording(input)) record(out, NanToNumBackward0{Saved(input)}, input);
  return out;
}
PYCORE_OP(
    "nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor",
    nan_to_num, kUnary, R"(
Replaces NaN (by 0) and infinities (by the largest finite values).

>>> pycore.nan_to_num(pycore.tensor([float('nan'), 1.]))
tensor([0., 1.])
)");

#define PC_PREDICATE(NAME, KERNEL, FLAGS, DOC)            \
  static Tensor NAME##_op(const Tensor& input) {          \
    return predicate_pointwise(Predicate::KERNEL, input); \
  }                                                       \
  PYCORE_OP(#NAME "(Tensor input) -> Tensor", NAME##_op, FLAGS, DOC);
PC_PREDICATE(isnan, isnan, kFunction | kMethod, "True where an element is NaN.")
// Integers are finite.
#define PC_FINITENESS(NAME, OF_INTEGERS, DOC)                                           \
  static Tensor NAME##_op(const Tensor& input) {                                        \
    if (is_floating(input.dtype())) return predicate_pointwise(Predicate::NAME, input); \
    Tensor out = empty_like(input, DType::bool_);                                       \
    fill_data(out, OF_INTEGERS);                                                        \
    return out;                                                                         \
  }                                                                                     \
  PYCORE_OP(#NAME "(Tensor input) -> Tensor", NAME##_op, kFunction | kMethod, DOC);
PC_FINITENESS(isinf, false, "True where an element is infinite.")
PC_FINITENESS(isfinite, true, "True where an element is neither infinite nor NaN.")
PC_PREDICATE(isposinf, isposinf, kFunction | kMethod | kOut,
             "True where an element is positive infinity.")
PC_PREDICATE(isneginf, isneginf, kFunction | kMethod | kOut,
             "True where an element is negative infinity.")
PC_PREDICATE(signbit, signbit, kFunction | kMethod | kOut, "True where the sign bit is set.")

Tensor logical_not(const Tensor& input) {
  return predicate_pointwise(Predicate::logical_not, input);
}
PYCORE_OP("logical_not(Tensor input) -> Tensor", logical_not, kFunction | kMethod | kInplace | kOut,
          R"(
True where an element is zero.

>>> pycore.logical_not(pycore.tensor([0, 2]))
tensor([ True, False])
)");
static Tensor bitwise_not(const Tensor& input) {
  PC_CHECK(!is_floating(input.dtype()),
           "~ (operator.invert) is only implemented on integer and Boolean-type tensors");
  return unary_pointwise(Unary::bitwise_not, input, input.dtype());
}
PYCORE_OP("bitwise_not(Tensor input) -> Tensor", bitwise_not, kUnary, R"(
Inverts the bits of integers, or the truth of bool.

>>> pycore.bitwise_not(pycore.tensor([True, False]))
tensor([False,  True])
)");

}  // namespace pycore
