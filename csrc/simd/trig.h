// sin, cos, tan, erf, asin, acos and atan on Vec<float> (the first four on Vec<double> too),
// errors below 2 units in the last place; large or non-finite angles go through libm. Must not know
// arrays or kernels.
#pragma once

#include "simd/math.h"

namespace pycore {
namespace {
namespace simd {

PYCORE_INLINE float scalar_sin(float x) { return sinf(x); }
PYCORE_INLINE double scalar_sin(double x) { return ::sin(x); }
PYCORE_INLINE float scalar_cos(float x) { return cosf(x); }
PYCORE_INLINE double scalar_cos(double x) { return ::cos(x); }
PYCORE_INLINE float scalar_tan(float x) { return tanf(x); }
PYCORE_INLINE double scalar_tan(double x) { return ::tan(x); }

// sin and cos of r = x - q * pi/2, |r| <= pi/4; the quadrant is in the low bits of q.
template <class T>
struct SinCos {
  Vec<T> sin, cos;
  Mask<T> q;
};
template <class T>
PYCORE_INLINE SinCos<T> sin_cos_reduced(Vec<T> x) {
  const Vec<T> k = x * static_cast<T>(0.63661977236758134308) + Float<T>::kMagic;
  const Vec<T> n = k - Float<T>::kMagic;
  // The parts of pi/2 are so short that n * part is exact up to the limit below.
  if constexpr (sizeof(T) == 4) {
    Vec<T> r = x - n * 1.5703125f - n * 0.0004837512969970703f;
    r = r - n * 7.549533620476723e-08f - n * 2.5633440682570896e-12f;
    const Vec<T> z = r * r;
    const Vec<T> s = poly<T>(z, -0.16666654f, 0.00833211f, -0.0001950858f);
    const Vec<T> c = poly<T>(z, 0.041666646f, -0.0013887301f, 2.4430696e-05f);
    return {r + r * z * s, T(1) + (z * z * c - T(0.5) * z), as_int<T>(k)};
  } else {
    Vec<T> r = x - n * 1.570796325802803 - n * 9.920935791635221e-10;
    r = r - n * 5.17018297889025e-19 - n * 2.9038559739793605e-28;
    const Vec<T> z = r * r;
    const Vec<T> s = poly<T>(z, -0.16666666666666666, 0.008333333333333099, -0.0001984126984105581,
                             2.7557319129230367e-06, -2.5052086127735754e-08,
                             1.6056288699515764e-10, -7.487730448457741e-13);
    const Vec<T> c = poly<T>(z, 0.041666666666666664, -0.0013888888888888438,
                             2.4801587301249478e-05, -2.755731909643614e-07, 2.087673091118657e-09,
                             -1.146793018920544e-11, 4.642423220427673e-14);
    const Vec<T> half = T(0.5) * z;
    const Vec<T> w = T(1) - half;
    return {r + r * z * s, w + ((T(1) - w - half) + z * z * c), as_int<T>(k)};
  }
}
template <class T>
PYCORE_INLINE Mask<T> angle_too_large(Vec<T> x) {
  return ~(abs<T>(x) < (sizeof(T) == 4 ? T(10000) : T(1000000)));
}
template <class T, class F>
__attribute__((noinline)) Vec<T> large_angles(Vec<T> x, Vec<T> result, Mask<T> large, F f) {
  return select<T>(large, map_lanes<T>(x, f), result);
}

template <class T>
PYCORE_INLINE Vec<T> sin(Vec<T> x) {
  const SinCos<T> p = sin_cos_reduced<T>(x);
  const Vec<T> v = select<T>((p.q & 1) != 0, p.cos, p.sin);
  const Vec<T> r = as_float<T>(as_int<T>(v) ^ ((p.q << (8 * sizeof(T) - 2)) & kSignBit<T>));
  const Mask<T> large = angle_too_large<T>(x);
  if (__builtin_expect(any(large), 0))
    return large_angles<T>(x, r, large, [](T a) { return scalar_sin(a); });
  return r;
}
template <class T>
PYCORE_INLINE Vec<T> cos(Vec<T> x) {
  const SinCos<T> p = sin_cos_reduced<T>(x);
  const Vec<T> v = select<T>((p.q & 1) != 0, p.sin, p.cos);
  const Vec<T> r = as_float<T>(as_int<T>(v) ^ (((p.q + 1) << (8 * sizeof(T) - 2)) & kSignBit<T>));
  const Mask<T> large = angle_too_large<T>(x);
  if (__builtin_expect(any(large), 0))
    return large_angles<T>(x, r, large, [](T a) { return scalar_cos(a); });
  return r;
}
template <class T>
PYCORE_INLINE Vec<T> tan(Vec<T> x) {
  const SinCos<T> p = sin_cos_reduced<T>(x);
  const Mask<T> odd = (p.q & 1) != 0;
  const Vec<T> r = select<T>(odd, -p.cos, p.sin) / select<T>(odd, p.sin, p.cos);
  const Mask<T> large = angle_too_large<T>(x);
  if (__builtin_expect(any(large), 0))
    return large_angles<T>(x, r, large, [](T a) { return scalar_tan(a); });
  return r;
}

// x * P(x^2) below 1; 1 - exp(-Q(x)) above, Q a fit to -log(erfc).
PYCORE_INLINE Vec<float> erf(Vec<float> x) {
  using T = float;
  const Vec<T> z = x * x;
  const Vec<T> small = x + x * poly<T>(z, 0.12837917f, -0.3761263f, 0.11283619f, -0.026855176f,
                                       0.0051908526f, -0.00080319436f, 7.924603e-05f);
  const Vec<T> t = min<T>(splat<T>(4.0f), abs<T>(x));
  const Vec<T> q = poly<T>(t, -0.00018891519f, 1.1295823f, 0.63321275f, 0.108425766f, -0.025212498f,
                           0.00420603f, -0.00044161253f, 2.1708622e-05f);
  const ExpParts<T> e = exp_parts<T>(-q);
  const Vec<T> scale = as_float<T>((e.bits - (Float<T>::kMagicBits - Float<T>::kBias)) << 23);
  const Vec<T> large = (T(1) - scale) - scale * expm1_reduced<T>(e.r);
  return select<T>(t < T(1), small, with_sign<T>(large, x));
}
// For gelu, whose sum with 1 hides the last bits anyway: x * P(x^2) / Q(x^2) up to where erf rounds
// to 1, within 4 units in the last place; twice as fast. All coefficients are positive, so nothing
// cancels.
PYCORE_INLINE Vec<float> erf_fast(Vec<float> x) {
  using T = float;
  const T limit = 3.9243f;
  const Vec<T> y = max<T>(splat<T>(-limit), min<T>(splat<T>(limit), x));
  const Vec<T> z = y * y;
  const Vec<T> p = poly<T>(z, 1.1283791457976682f, 0.19056489488140763f, 0.05276608113926914f,
                           0.003771471155258169f, 0.00028484748765726127f, 2.0466271064588944e-06f);
  const Vec<T> q = poly<T>(z, 1.0f, 0.5022164729724924f, 0.11417133702625573f,
                           0.014981020863768109f, 0.001163648192272263f, 3.805417251778155e-05f);
  const Vec<T> r = y * p / q;
  return max<T>(splat<T>(-1.0f), min<T>(splat<T>(1.0f), r));
}
// x * P(x^2) below 1; 1 - exp(-x^2) R(1 / (1 + 0.4 x)) above, up to where erf rounds to 1. P and R
// interpolate at Chebyshev's points.
PYCORE_INLINE Vec<double> erf(Vec<double> x) {
  using T = double;
  const Vec<T> z = x * x;
  const Vec<T> small =
      x + x * poly<T>(z, 0.1283791670955126, -0.3761263890318375, 0.11283791670954879,
                      -0.026866170645076792, 0.0052239776248180145, -0.000854832698083379,
                      0.0001205533111164271, -1.4925595266831182e-05, 1.6461000484121368e-06,
                      -1.6350312701054695e-07, 1.4659775274047436e-08, -1.1372848856791674e-09,
                      5.957176147748911e-11);
  const Vec<T> t = min<T>(splat<T>(6.0), abs<T>(x));
  const Vec<T> u = 4.76 / (T(1) + T(0.4) * t) - 2.4;  // from -1 to 1
  const Vec<T> r = poly<T>(u, 0.21394805165754288, 0.15798058438192047, 0.04499721517041165,
                           0.009374321292819175, 0.0012493997404180494, 5.053711010065196e-05,
                           -1.4819868337719933e-05, -1.9887464434159513e-06, 2.3120236305540374e-07,
                           5.139835408777203e-08, -6.150780388050397e-09, -1.2856630606650748e-09,
                           2.3591444936182627e-10, 2.6735971530694944e-11, -9.676861510440885e-12,
                           -1.8957068751698897e-13, 3.17573442453833e-13);
  const Vec<T> large = T(1) - exp<T>(-t * t) * r;
  return select<T>(t < T(1), small, with_sign<T>(large, x));
}
PYCORE_INLINE Vec<double> erf_fast(Vec<double> x) { return erf(x); }

PYCORE_INLINE Vec<float> atan(Vec<float> x) {
  using T = float;
  const Vec<T> a = abs<T>(x);
  const Mask<T> large = a > T(1);
  const Vec<T> y = select<T>(large, T(-1) / a, a);
  const Vec<T> z = y * y;
  const Vec<T> p = poly<T>(z, -0.33333302f, 0.19998631f, -0.14265174f, 0.10957237f, -0.084185466f,
                           0.05821995f, -0.031441964f, 0.011057421f, -0.0018257098f);
  const Vec<T> r = y + y * z * p;
  return with_sign<T>(select<T>(large, r + T(1.57079632679), r), x);
}
// asin on [0, 1/2]; z is x^2.
PYCORE_INLINE Vec<float> asin_small(Vec<float> x, Vec<float> z) {
  return x + x * z *
                 poly<float>(z, 0.1666666f, 0.07500518f, 0.04451458f, 0.0318258f, 0.014375206f,
                             0.037599888f);
}
PYCORE_INLINE Vec<float> asin(Vec<float> x) {
  using T = float;
  const Vec<T> a = abs<T>(x);
  const Mask<T> large = a > T(0.5);
  const Vec<T> z = select<T>(large, T(0.5) - T(0.5) * a, a * a);
  const Vec<T> r = asin_small(select<T>(large, sqrt<T>(z), a), z);
  const Vec<T> upper = T(1.57079632679) - T(2) * r;
  return with_sign<T>(select<T>(large, upper, r), x);
}
PYCORE_INLINE Vec<float> acos(Vec<float> x) {
  using T = float;
  const Vec<T> a = abs<T>(x);
  const Mask<T> large = a > T(0.5);
  const Vec<T> z = select<T>(large, T(0.5) - T(0.5) * a, a * a);
  const Vec<T> r = asin_small(select<T>(large, sqrt<T>(z), a), z);
  const Vec<T> outer = select<T>(x < T(0), T(3.14159265359) - T(2) * r, T(2) * r);
  const Vec<T> inner = T(1.57079632679) - (with_sign<T>(r, x) - T(-4.37113883e-08));
  return select<T>(large, outer, inner);
}

}  // namespace simd
}  // namespace
}  // namespace pycore
