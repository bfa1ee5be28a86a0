// The logarithm of the gamma function and its derivative, digamma. Computed in double also for
// Vec<float>. Must not know arrays or kernels.
#pragma once

#include "simd/power.h"

namespace pycore {
namespace {
namespace simd {

inline constexpr double kPi = 3.14159265358979323846;

// The part of x beyond the nearest whole number, as an angle: pi * (x - round(x)).
PYCORE_INLINE Vec<double> angle_past_whole(Vec<double> x) {
  return (x - round_to<double, Rounding::even>(x)) * kPi;
}

// For x > 0: Stirling's series (Abramowitz and Stegun 6.1.41), which needs x >= 8; smaller
// arguments are raised by 8 and the product of what was passed is taken away.
PYCORE_INLINE Vec<double> lgamma_positive(Vec<double> x) {
  const Mask<double> small = x < 8.0;
  Vec<double> passed = x;
  for (int i = 1; i < 8; ++i) passed *= x + static_cast<double>(i);
  const Vec<double> big = select<double>(small, x + 8.0, x);
  const Vec<double> inverse = 1.0 / big, z = inverse * inverse;
  const Vec<double> series =
      inverse * poly<double>(z, 1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188,
                             -691.0 / 360360, 1.0 / 156);
  const Vec<double> r = (big - 0.5) * log<double>(big) - big + (0.91893853320467274178 + series);
  return select<double>(small, r - log<double>(passed), r);
}
PYCORE_INLINE Vec<double> lgamma_reflected(Vec<double> x) {
  const Vec<double> sine = abs<double>(sin<double>(angle_past_whole(x)));
  return 1.14472988584940017414 - log<double>(sine) - lgamma_positive(1.0 - x);
}
template <int kHalf>
PYCORE_INLINE Vec<double> lgamma_half(Vec<float> v) {
  const Vec<double> x = widen<kHalf>(v);
  const Mask<double> left = x <= 0.0;
  const Vec<double> r = lgamma_positive(select<double>(left, splat<double>(1.0), x));
  return any(left) ? select<double>(left, lgamma_reflected(x), r) : r;
}
PYCORE_INLINE Vec<float> lgamma(Vec<float> x) {
  Vec<float> r = narrow(lgamma_half<0>(x), lgamma_half<1>(x));
  r = select<float>((x == 1.0f) | (x == 2.0f), Vec<float>{}, r);
  return select<float>(abs<float>(x) == kInf<float>, splat<float>(kInf<float>), r);
}

// For x > 0: the asymptotic series (Abramowitz and Stegun 6.3.18), which needs x >= 10; smaller
// arguments are raised by 10, and 1/x + 1/(x + 1) + ... of what was passed, as one fraction, is
// taken away.
PYCORE_INLINE Vec<double> digamma_positive(Vec<double> x) {
  const Mask<double> small = x < 10.0;
  Vec<double> passed = x, sums = splat<double>(1.0);
  for (int i = 1; i < 10; ++i) {
    const Vec<double> next = x + static_cast<double>(i);
    sums = sums * next + passed;
    passed *= next;
  }
  const Vec<double> big = select<double>(small, x + 10.0, x);
  const Vec<double> inverse = 1.0 / big, z = inverse * inverse;
  const Vec<double> series = z * poly<double>(z, 1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240,
                                              1.0 / 132, -691.0 / 32760, 1.0 / 12);
  const Vec<double> r = log<double>(big) - 0.5 * inverse - series;
  return select<double>(small, r - sums / passed, r);
}
PYCORE_INLINE Vec<double> digamma(Vec<double> x) {
  const Mask<double> left = x <= 0.0;
  Vec<double> r = digamma_positive(select<double>(left, 1.0 - x, x));
  if (any(left)) {
    const Vec<double> angle = angle_past_whole(x);
    r = select<double>(left, r - kPi * (cos<double>(angle) / sin<double>(angle)), r);
    // A pole is approached from above and from below, but zero has a sign.
    r = select<double>(left & (angle == 0.0), splat<double>(kNan<double>), r);
    r = select<double>(x == 0.0, with_sign<double>(splat<double>(kInf<double>), -x), r);
    r = select<double>(x == -kInf<double>, splat<double>(kNan<double>), r);
  }
  return r;
}
PYCORE_INLINE Vec<float> digamma(Vec<float> x) {
  return narrow(digamma(widen<0>(x)), digamma(widen<1>(x)));
}

}  // namespace simd
}  // namespace
}  // namespace pycore
