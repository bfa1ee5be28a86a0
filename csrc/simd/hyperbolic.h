// sinh, cosh and the inverse hyperbolic functions on Vec<float> and Vec<double>, errors of a few
// units in the last place. Must not know arrays or kernels.
#pragma once

#include "simd/math.h"

namespace pycore {
namespace {
namespace simd {

// (exp(a) - 1) / 4 for a >= 0, finite until after exp(a) / 2 has overflowed.
template <class T>
PYCORE_INLINE Vec<T> quarter_expm1(Vec<T> a) {
  using F = Float<T>;
  a = min<T>(splat<T>(sizeof(T) == 4 ? T(89.7) : T(710.8)), a);
  const ExpParts<T> e = exp_parts<T>(a);
  const Vec<T> scale = as_float<T>((e.bits - (F::kMagicBits - F::kBias + 2)) << F::kMantissa);
  return expm1_reduced<T>(e.r) * scale + (scale - T(0.25));
}
template <class T>
PYCORE_INLINE Vec<T> sinh(Vec<T> x) {
  const Vec<T> q = quarter_expm1<T>(abs<T>(x));
  return with_sign<T>(T(2) * (q + q / (T(4) * q + T(1))), x);
}
template <class T>
PYCORE_INLINE Vec<T> cosh(Vec<T> x) {
  const Vec<T> e = quarter_expm1<T>(abs<T>(x)) + T(0.25);
  return T(2) * (e + T(1.0 / 16) / e);
}

// log(y + 1), plus log 2 where x is so large that y stands for x instead of 2x.
template <class T>
PYCORE_INLINE Vec<T> log_doubled(Vec<T> x, Vec<T> y) {
  const Mask<T> large = x > (sizeof(T) == 4 ? T(1e9) : T(1e18));
  const Vec<T> r = log1p<T>(select<T>(large, x, y));
  return select<T>(large, r + T(0.69314718055994530942), r);
}
template <class T>
PYCORE_INLINE Vec<T> asinh(Vec<T> x) {
  const Vec<T> a = abs<T>(x), square = a * a;
  const Vec<T> y = a + square / (T(1) + sqrt<T>(square + T(1)));
  return with_sign<T>(log_doubled<T>(a, y), x);
}
template <class T>
PYCORE_INLINE Vec<T> acosh(Vec<T> x) {
  const Vec<T> t = x - T(1);
  const Vec<T> r = log_doubled<T>(x, t + sqrt<T>(t * (t + T(2))));
  return select<T>(t < T(0), splat<T>(kNan<T>), r);
}
template <class T>
PYCORE_INLINE Vec<T> atanh(Vec<T> x) {
  const Vec<T> a = abs<T>(x);
  const Vec<T> r = T(0.5) * log1p<T>((a + a) / (T(1) - a));
  return as_float<T>(as_int<T>(r) | (as_int<T>(x) & kSignBit<T>));
}

}  // namespace simd
}  // namespace
}  // namespace pycore
