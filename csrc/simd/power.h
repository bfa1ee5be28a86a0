// pow on Vec<float> (through double, correctly rounded but for rare ties) and Vec<double> (libm);
// special values as in C. Must not know arrays or kernels.
#pragma once

#include "simd/math.h"

namespace pycore {
namespace {
namespace simd {

// Half of a float register as doubles, and back.
template <int kHalf>
PYCORE_INLINE Vec<double> widen(Vec<float> v) {
  typedef float Half __attribute__((vector_size(kRegisterBytes / 2)));
  Half half;
  memcpy(&half, reinterpret_cast<const char*>(&v) + kHalf * sizeof(half), sizeof(half));
  return __builtin_convertvector(half, Vec<double>);
}
PYCORE_INLINE Vec<float> narrow(Vec<double> low, Vec<double> high) {
  typedef float Half __attribute__((vector_size(kRegisterBytes / 2)));
  const Half halves[2] = {__builtin_convertvector(low, Half), __builtin_convertvector(high, Half)};
  Vec<float> v;
  memcpy(&v, halves, sizeof(v));
  return v;
}

PYCORE_INLINE Vec<double> pow_positive(Vec<double> a, Vec<double> b) {
  const LogParts<double> p = log_parts<double>(a);
  const Vec<double> log_a =
      p.e * Float<double>::kLn2Hi + log1p_reduced<double>(p.f, p.e * Float<double>::kLn2Lo);
  return exp<double>(b * log_a);
}

PYCORE_INLINE Vec<double> pow(Vec<double> a, Vec<double> b) {
  double x[kLanes<double>], y[kLanes<double>];
  memcpy(x, &a, sizeof(x));
  memcpy(y, &b, sizeof(y));
  for (int i = 0; i < kLanes<double>; ++i) x[i] = ::pow(x[i], y[i]);
  return load<double>(x);
}

__attribute__((noinline)) Vec<float> pow_lanes(Vec<float> a, Vec<float> b) {
  float x[kLanes<float>], y[kLanes<float>];
  memcpy(x, &a, sizeof(x));
  memcpy(y, &b, sizeof(y));
  for (int i = 0; i < kLanes<float>; ++i) x[i] = powf(x[i], y[i]);
  return load<float>(x);
}
PYCORE_INLINE Vec<float> pow(Vec<float> a, Vec<float> b) {
  // Positive finite bases with finite exponents; everything else is rare.
  const Mask<float> plain = (a > 0.0f) & (a < kInf<float>)&(abs<float>(b) < kInf<float>);
  if (__builtin_expect(any(~plain), 0)) return pow_lanes(a, b);
  return narrow(pow_positive(widen<0>(a), widen<0>(b)), pow_positive(widen<1>(a), widen<1>(b)));
}

}  // namespace simd
}  // namespace
}  // namespace pycore
