// Element-wise functions of one operand. Must not know tensors; loops are in pointwise.h, vector
// mathematics in simd/.
#include "kernels/unary.h"

#include "kernels/pointwise.h"
#include "kernels/special.h"
#include "simd/error_function.h"
#include "simd/gamma.h"
#include "simd/hyperbolic.h"
#include "simd/trig.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

namespace v = simd;
using simd::kInf;
using simd::kNan;
using simd::Vec;

// A functor `name`_op on Vec<T> x with parameters p.
#define VEC_OP(name, count, ...)                                                     \
  struct name##_op {                                                                 \
    static constexpr int params = count;                                             \
    template <class T>                                                               \
    static PYCORE_INLINE Vec<T> run(Vec<T> x, [[maybe_unused]] const Params<T>& p) { \
      __VA_ARGS__                                                                    \
    }                                                                                \
  };

VEC_OP(neg, 0, return -x;)
VEC_OP(abs, 0, return v::abs<T>(x);)
VEC_OP(sign, 0, const Vec<T> one = v::splat<T>(T(1)); const Vec<T> zero{};
       return v::select<T>(x > zero, one, v::select<T>(x < zero, -one, zero));)
VEC_OP(sqrt, 0, return v::sqrt<T>(x);)
VEC_OP(rsqrt, 0, return T(1) / v::sqrt<T>(x);)
VEC_OP(reciprocal, 0, return T(1) / x;)
VEC_OP(square, 0, return x * x;)
VEC_OP(exp, 0, return v::exp<T>(x);)
VEC_OP(exp2, 0, return v::exp2<T>(x);)
VEC_OP(expm1, 0, return v::expm1<T>(x);)
VEC_OP(log, 0, return v::log<T>(x);)
VEC_OP(log2, 0, return v::log2<T>(x);)
VEC_OP(log10, 0, return v::log10<T>(x);)
VEC_OP(log1p, 0, return v::log1p<T>(x);)
VEC_OP(sin, 0, return v::sin<T>(x);)
VEC_OP(cos, 0, return v::cos<T>(x);)
VEC_OP(tan, 0, return v::tan<T>(x);)
VEC_OP(asin, 0, return v::asin(x);)
VEC_OP(acos, 0, return v::acos(x);)
VEC_OP(atan, 0, return v::atan(x);)
VEC_OP(sinh, 0, return v::sinh<T>(x);)
VEC_OP(cosh, 0, return v::cosh<T>(x);)
VEC_OP(asinh, 0, return v::asinh<T>(x);)
VEC_OP(acosh, 0, return v::acosh<T>(x);)
VEC_OP(atanh, 0, return v::atanh<T>(x);)
VEC_OP(tanh, 0, return v::tanh<T>(x);)
VEC_OP(erf, 0, return v::erf(x);)
VEC_OP(floor, 0, return v::round_to<T, v::Rounding::floor>(x);)
VEC_OP(ceil, 0, return v::round_to<T, v::Rounding::ceil>(x);)
VEC_OP(round, 0, return v::round_to<T, v::Rounding::even>(x);)
VEC_OP(trunc, 0, return v::round_to<T, v::Rounding::trunc>(x);)
VEC_OP(frac, 0, return x - v::round_to<T, v::Rounding::trunc>(x);)
VEC_OP(sigmoid, 0, return v::sigmoid<T>(x);)
VEC_OP(
    logit, 1, if (p[0] >= 0) {
      x = v::max<T>(v::splat<T>(p[0]), v::min<T>(v::splat<T>(1 - p[0]), x));
    } return v::log<T>(x / (T(1) - x));)
VEC_OP(relu, 0, return v::max<T>(Vec<T>{}, x);)
VEC_OP(leaky_relu, 1, return v::select<T>(x > T(0), x, x* p[0]);)
VEC_OP(elu, 3, return v::select<T>(x <= T(0), v::expm1<T>(x* p[2]) * (p[0] * p[1]), x* p[1]);)
VEC_OP(gelu_erf, 0, return x * T(0.5) * (T(1) + v::erf_fast(x * T(0.70710678118654752440)));)
VEC_OP(gelu_tanh, 0, const Vec<T> inner = T(0.79788456080286535588) * (x + T(0.044715) * x * x * x);
       return T(0.5) * x * (T(1) + v::tanh<T>(inner));)
VEC_OP(silu, 0, return x / (T(1) + v::exp<T>(-x));)
// tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2).
VEC_OP(mish, 0, const Vec<T> e = v::exp<T>(v::min<T>(v::splat<T>(T(40)), x));
       const Vec<T> n = e * (e + T(2)); return x * (n / (n + T(2)));)
VEC_OP(softplus, 2, const Vec<T> s = x * p[0];
       return v::select<T>(s > p[1], x, v::log1p<T>(v::exp<T>(s)) / p[0]);)
VEC_OP(clamp, 2, return v::min<T>(v::splat<T>(p[1]), v::max<T>(v::splat<T>(p[0]), x));)
VEC_OP(hardsigmoid, 0,
       return v::min<T>(v::splat<T>(T(6)), v::max<T>(Vec<T>{}, x + T(3))) * T(1.0 / 6);)
VEC_OP(hardswish, 0,
       return x * v::min<T>(v::splat<T>(T(6)), v::max<T>(Vec<T>{}, x + T(3))) * T(1.0 / 6);)
VEC_OP(softsign, 0, return x / (T(1) + v::abs<T>(x));)
VEC_OP(hardshrink, 1, return v::select<T>(v::abs<T>(x) <= p[0], Vec<T>{}, x);)
VEC_OP(softshrink, 1,
       return v::select<T>(x > p[0], x - p[0], v::select<T>(x < -p[0], x + p[0], x* T(0)));)
VEC_OP(threshold, 2, return v::select<T>(x <= p[0], v::splat<T>(p[1]), x);)
VEC_OP(logsigmoid, 0, return v::min<T>(Vec<T>{}, x) - v::log1p<T>(v::exp<T>(-v::abs<T>(x)));)
VEC_OP(nan_to_num, 3, Vec<T> r = v::select<T>(x == kInf<T>, v::splat<T>(p[1]), x);
       r = v::select<T>(x == -kInf<T>, v::splat<T>(p[2]), r);
       return v::select<T>(x != x, v::splat<T>(p[0]), r);)
VEC_OP(deg2rad, 0, return x * T(0.017453292519943295769);)
VEC_OP(rad2deg, 0, return x * T(57.295779513082320877);)
VEC_OP(lgamma, 0, return v::lgamma(x);)
VEC_OP(digamma, 0, return v::digamma(x);)
VEC_OP(erfc, 0, return v::erfc(x);)
VEC_OP(erfinv, 0, return v::erfinv(x);)
VEC_OP(sinc, 0, const Vec<T> y = x * T(3.14159265358979323846);
       return v::select<T>(x == T(0), v::splat<T>(T(1)), v::sin<T>(y) / y);)
VEC_OP(scale_shift, 2, return x * p[0] + p[1];)

// A functor `name`_op on a scalar x of type T.
#define SCALAR_OP(name, count, ...)                                           \
  struct name##_op {                                                          \
    static constexpr int params = count;                                      \
    template <class T>                                                        \
    static PYCORE_INLINE auto run(T x, [[maybe_unused]] const Params<T>& p) { \
      __VA_ARGS__                                                             \
    }                                                                         \
  };
// The C library's function for both float types.
#define LIBM_OP(name, float_fn, double_fn)                                      \
  struct name##_op {                                                            \
    static constexpr int params = 0;                                            \
    static float run(float x, const Params<float>&) { return float_fn(x); }     \
    static double run(double x, const Params<double>&) { return double_fn(x); } \
  };

LIBM_OP(libm_asin, asinf, ::asin)
LIBM_OP(libm_acos, acosf, ::acos)
LIBM_OP(libm_atan, atanf, ::atan)
LIBM_OP(libm_erfc, erfcf, ::erfc)

SCALAR_OP(scalar_lgamma, 0, int sign; return lgamma_r(x, &sign);)
SCALAR_OP(scalar_erfinv, 0, return erfinv(x);)

// Integers; unsigned arithmetic where overflow wraps.
SCALAR_OP(int_neg, 0, return static_cast<T>(0 - static_cast<uint64_t>(x));)
SCALAR_OP(int_abs, 0, return x < 0 ? static_cast<T>(0 - static_cast<uint64_t>(x)) : x;)
SCALAR_OP(int_sign, 0, return static_cast<T>((x > 0) - (x < 0));)
SCALAR_OP(int_square, 0,
          return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(x));)
SCALAR_OP(int_relu, 0, return x > 0 ? x : T(0);)
SCALAR_OP(int_clamp, 2, const T low = x < p[0] ? p[0] : x; return low > p[1] ? p[1] : low;)
SCALAR_OP(int_not, 0, return static_cast<T>(~x);)
SCALAR_OP(int_scale_shift, 2,
          return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(p[0]) +
                                static_cast<uint64_t>(p[1]));)

// 16-bit floats by their bits. What is above infinity's, without the sign, is NaN.
SCALAR_OP(bits_neg, 0, return static_cast<T>(x ^ 0x8000);)
SCALAR_OP(bits_abs, 0, return static_cast<T>(x & 0x7fff);)
template <uint16_t Infinity>
struct bits_relu_op {
  static constexpr int params = 0;
  template <class T>
  static PYCORE_INLINE T run(T x, const Params<T>&) {
    return static_cast<T>(x - 0x8001) < Infinity ? T(0) : x;  // below -0, to -infinity
  }
};

SCALAR_OP(isnan, 0, return x != x;)
SCALAR_OP(isinf, 0, return x == kInf<T> || x == -kInf<T>;)
SCALAR_OP(isfinite, 0, return x - x == 0;)
SCALAR_OP(isposinf, 0, return x == kInf<T>;)
SCALAR_OP(isneginf, 0, return x == -kInf<T>;)
SCALAR_OP(signbit, 0, return __builtin_signbit(x) != 0;)
SCALAR_OP(int_signbit, 0, return x < 0;)
SCALAR_OP(logical_not, 0, return x == 0;)
SCALAR_OP(never, 0, return static_cast<void>(x), false;)
SCALAR_OP(always, 0, return static_cast<void>(x), true;)

constexpr int kF32 = static_cast<int>(DType::float32);
constexpr int kF64 = static_cast<int>(DType::float64);
constexpr int kBool = static_cast<int>(DType::bool_);

template <class T>
constexpr void set_integer(UnaryKernels& k, DType dtype) {
  const int d = static_cast<int>(dtype);
  const auto set = [&](Unary op, UnaryFn fn) { k.fn[static_cast<int>(op)][d] = fn; };
  set(Unary::neg, unary_scalar<int_neg_op, T, T>);
  set(Unary::abs, unary_scalar<int_abs_op, T, T>);
  set(Unary::sign, unary_scalar<int_sign_op, T, T>);
  set(Unary::square, unary_scalar<int_square_op, T, T>);
  set(Unary::relu, unary_scalar<int_relu_op, T, T>);
  set(Unary::clamp, unary_scalar<int_clamp_op, T, T>);
  set(Unary::bitwise_not, unary_scalar<int_not_op, T, T>);
  set(Unary::scale_shift, unary_scalar<int_scale_shift_op, T, T>);
  const auto set_predicate = [&](Predicate op, UnaryFn fn) {
    k.predicate[static_cast<int>(op)][d] = fn;
  };
  // These read nothing but need an element type of the right size.
  set_predicate(Predicate::isnan, unary_scalar<never_op, T, uint8_t>);
  set_predicate(Predicate::isinf, unary_scalar<never_op, T, uint8_t>);
  set_predicate(Predicate::isposinf, unary_scalar<never_op, T, uint8_t>);
  set_predicate(Predicate::isneginf, unary_scalar<never_op, T, uint8_t>);
  set_predicate(Predicate::isfinite, unary_scalar<always_op, T, uint8_t>);
  set_predicate(Predicate::signbit, unary_scalar<int_signbit_op, T, uint8_t>);
  set_predicate(Predicate::logical_not, unary_scalar<logical_not_op, T, uint8_t>);
}

constexpr UnaryKernels make_kernels() {
  UnaryKernels k{};
  set_integer<uint8_t>(k, DType::uint8);
  set_integer<int8_t>(k, DType::int8);
  set_integer<int16_t>(k, DType::int16);
  set_integer<int32_t>(k, DType::int32);
  set_integer<int64_t>(k, DType::int64);
  set_integer<uint8_t>(k, DType::bool_);
  for (auto& row : k.fn) row[kBool] = nullptr;
  const auto set_bits = [&](DType dtype, UnaryFn relu) {
    const int d = static_cast<int>(dtype);
    k.fn[static_cast<int>(Unary::neg)][d] = unary_scalar<bits_neg_op, uint16_t, uint16_t>;
    k.fn[static_cast<int>(Unary::abs)][d] = unary_scalar<bits_abs_op, uint16_t, uint16_t>;
    k.fn[static_cast<int>(Unary::relu)][d] = relu;
  };
  set_bits(DType::bfloat16, unary_scalar<bits_relu_op<0x7f80>, uint16_t, uint16_t>);
  set_bits(DType::float16, unary_scalar<bits_relu_op<0x7c00>, uint16_t, uint16_t>);
  k.fn[static_cast<int>(Unary::bitwise_not)][kBool] =
      unary_scalar<logical_not_op, uint8_t, uint8_t>;

#define BOTH(name)                                                         \
  k.fn[static_cast<int>(Unary::name)][kF32] = unary_vec<name##_op, float>; \
  k.fn[static_cast<int>(Unary::name)][kF64] = unary_vec<name##_op, double>;
  BOTH(neg)
  BOTH(abs)
  BOTH(sign)
  BOTH(sqrt)
  BOTH(rsqrt)
  BOTH(reciprocal)
  BOTH(square)
  BOTH(exp)
  BOTH(exp2)
  BOTH(expm1)
  BOTH(log)
  BOTH(log2)
  BOTH(log10)
  BOTH(log1p)
  BOTH(sin)
  BOTH(cos)
  BOTH(tan)
  BOTH(tanh)
  BOTH(sinh)
  BOTH(cosh)
  BOTH(asinh)
  BOTH(acosh)
  BOTH(atanh)
  BOTH(erf)
  BOTH(floor)
  BOTH(ceil)
  BOTH(round)
  BOTH(trunc)
  BOTH(frac)
  BOTH(sigmoid)
  BOTH(logit)
  BOTH(relu)
  BOTH(leaky_relu)
  BOTH(elu)
  BOTH(gelu_erf)
  BOTH(gelu_tanh)
  BOTH(silu)
  BOTH(mish)
  BOTH(softplus)
  BOTH(clamp)
  BOTH(hardswish)
  BOTH(hardsigmoid)
  BOTH(softsign)
  BOTH(hardshrink)
  BOTH(softshrink)
  BOTH(threshold)
  BOTH(logsigmoid)
  BOTH(nan_to_num)
  BOTH(deg2rad)
  BOTH(rad2deg)
  BOTH(sinc)
  BOTH(digamma)
  BOTH(scale_shift)
#undef BOTH
  k.fn[static_cast<int>(Unary::lgamma)][kF32] = unary_vec<lgamma_op, float>;
  k.fn[static_cast<int>(Unary::lgamma)][kF64] = unary_scalar<scalar_lgamma_op, double, double>;
  k.fn[static_cast<int>(Unary::erfc)][kF32] = unary_vec<erfc_op, float>;
  k.fn[static_cast<int>(Unary::erfinv)][kF32] = unary_vec<erfinv_op, float>;
  k.fn[static_cast<int>(Unary::erfc)][kF64] = unary_scalar<libm_erfc_op, double, double>;
  k.fn[static_cast<int>(Unary::erfinv)][kF64] = unary_scalar<scalar_erfinv_op, double, double>;
  k.fn[static_cast<int>(Unary::asin)][kF32] = unary_vec<asin_op, float>;
  k.fn[static_cast<int>(Unary::acos)][kF32] = unary_vec<acos_op, float>;
  k.fn[static_cast<int>(Unary::atan)][kF32] = unary_vec<atan_op, float>;
  k.fn[static_cast<int>(Unary::asin)][kF64] = unary_scalar<libm_asin_op, double, double>;
  k.fn[static_cast<int>(Unary::acos)][kF64] = unary_scalar<libm_acos_op, double, double>;
  k.fn[static_cast<int>(Unary::atan)][kF64] = unary_scalar<libm_atan_op, double, double>;
#define PREDICATE(name)                                                                           \
  k.predicate[static_cast<int>(Predicate::name)][kF32] = unary_scalar<name##_op, float, uint8_t>; \
  k.predicate[static_cast<int>(Predicate::name)][kF64] = unary_scalar<name##_op, double, uint8_t>;
  PREDICATE(isnan)
  PREDICATE(isinf)
  PREDICATE(isfinite)
  PREDICATE(isposinf)
  PREDICATE(isneginf)
  PREDICATE(signbit)
  PREDICATE(logical_not)
#undef PREDICATE
  return k;
}

}  // namespace

extern const UnaryKernels unary_kernels;
constinit const UnaryKernels unary_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
