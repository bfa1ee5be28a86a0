// Elementary functions on Vec<float> and Vec<double>: exp, log and their family, tanh, rounding.
// Errors are below 2 units in the last place, special values as in C. Must not know arrays or
// kernels.
//
// Method: argument reduction with the constants split in two or more parts (Cody and Waite), then a
// minimax polynomial (weighted least squares, reweighted until level; coefficients rounded one by
// one).
#pragma once

#include <math.h>

#include "simd/vec.h"

namespace pycore {
namespace {
namespace simd {

template <class T>
struct Float;
template <>
struct Float<float> {
  using Bits = int32_t;
  static constexpr int kMantissa = 23;
  static constexpr Bits kBias = 127;
  // 1.5 * 2^23: adding it rounds to an integer (half to even), which then sits in the low bits.
  static constexpr float kMagic = 12582912.0f;
  static constexpr Bits kMagicBits = 0x4b400000;
  static constexpr Bits kOneBits = 0x3f800000;
  static constexpr Bits kSqrtHalfBits = 0x3f3504f3;
  static constexpr float kMinNormal = 1.17549435e-38f;
  static constexpr float kExpMax = 89.0f, kExpMin = -104.0f, kExpm1Min = -18.0f;
  static constexpr float kLn2Hi = 0.693115234375f, kLn2Lo = 3.194618329871446e-05f;
};
template <>
struct Float<double> {
  using Bits = int64_t;
  static constexpr int kMantissa = 52;
  static constexpr Bits kBias = 1023;
  static constexpr double kMagic = 6755399441055744.0;
  static constexpr Bits kMagicBits = 0x4338000000000000;
  static constexpr Bits kOneBits = 0x3ff0000000000000;
  static constexpr Bits kSqrtHalfBits = 0x3fe6a09e667f3bcd;
  static constexpr double kMinNormal = 2.2250738585072014e-308;
  static constexpr double kExpMax = 710.0, kExpMin = -746.0, kExpm1Min = -38.0;
  static constexpr double kLn2Hi = 0.6931471803691238, kLn2Lo = 1.9082149292705877e-10;
};
template <class T>
inline constexpr T kInf = static_cast<T>(__builtin_inf());
template <class T>
inline constexpr T kNan = static_cast<T>(__builtin_nan(""));

// c0 + c1 x + c2 x^2 + ...
template <class T>
PYCORE_INLINE Vec<T> poly(Vec<T>, T c0) {
  return splat<T>(c0);
}
template <class T, class... Rest>
PYCORE_INLINE Vec<T> poly(Vec<T> x, T c0, Rest... rest) {
  return poly<T>(x, rest...) * x + c0;
}

// Logical right shift of the bits (arithmetic 64-bit shifts do not exist below AVX-512).
template <class T>
PYCORE_INLINE Mask<T> shift_right(Mask<T> v, int count) {
  typedef typename VecOf<T>::type Like;
  if constexpr (sizeof(T) == 4) {
    typedef uint32_t U __attribute__((vector_size(sizeof(Like))));
    return (Mask<T>)((U)v >> static_cast<uint32_t>(count));
  } else {
    typedef uint64_t U __attribute__((vector_size(sizeof(Like))));
    return (Mask<T>)((U)v >> static_cast<uint64_t>(count));
  }
}

// ---- rounding ----

enum class Rounding { even = 0, floor = 1, ceil = 2, trunc = 3 };
template <class T, Rounding kMode>
PYCORE_INLINE Vec<T> round_to(Vec<T> x) {
#if defined(__AVX512F__)
  constexpr int kImm = static_cast<int>(kMode) | _MM_FROUND_NO_EXC;
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_roundscale_ps((__m512)x, kImm);
  else
    return (Vec<T>)_mm512_roundscale_pd((__m512d)x, kImm);
#elif defined(__AVX2__)
  constexpr int kImm = static_cast<int>(kMode) | _MM_FROUND_NO_EXC;
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm256_round_ps((__m256)x, kImm);
  else
    return (Vec<T>)_mm256_round_pd((__m256d)x, kImm);
#else
  const T limit = static_cast<T>(1ll << Float<T>::kMantissa);  // from here all are integers
  const Vec<T> a = abs<T>(x);
  Vec<T> r = with_sign<T>((a + limit) - limit, x);
  if (kMode == Rounding::floor) r = select<T>(r > x, r - T(1), r);
  if (kMode == Rounding::ceil) r = select<T>(r < x, r + T(1), r);
  if (kMode == Rounding::trunc)
    r = select<T>(abs<T>(r) > a, r - with_sign<T>(splat<T>(T(1)), x), r);
  return select<T>(a < limit, with_sign<T>(abs<T>(r), x), x);
#endif
}

// ---- exponentials ----

// x = n * ln 2 + r with |r| <= ln 2 / 2; `bits` holds n in its low bits (on top of kMagicBits).
template <class T>
struct ExpParts {
  Vec<T> r, n;
  Mask<T> bits;
};
template <class T>
PYCORE_INLINE ExpParts<T> exp_parts(Vec<T> x) {
  using F = Float<T>;
  const Vec<T> k = x * static_cast<T>(1.4426950408889634) + F::kMagic;
  const Vec<T> n = k - F::kMagic;
  return {x - n * F::kLn2Hi - n * F::kLn2Lo, n, as_int<T>(k)};
}
// exp(r) - 1 on the reduced range.
template <class T>
PYCORE_INLINE Vec<T> expm1_reduced(Vec<T> r) {
  if constexpr (sizeof(T) == 4) {
    const Vec<T> p = poly<T>(r, 0.5f, 0.16666506f, 0.041666415f, 0.008370355f, 0.0013939773f);
    return r * r * p + r;
  } else {
    const Vec<T> p = poly<T>(r, 0.5, 0.16666666666666688, 0.0416666666666667, 0.008333333333313707,
                             0.0013888888888865093, 0.00019841269904443407, 2.480158736590428e-05,
                             2.755722695591296e-06, 2.75572375778277e-07, 2.5114748318882122e-08,
                             2.0926113103396264e-09);
    return r * r * p + r;
  }
}
// p * 2^n, also where 2^n or the result is no normal number. -1100 <= n <= 1100.
template <class T>
PYCORE_INLINE Vec<T> scale_by(Vec<T> p, [[maybe_unused]] Vec<T> n, [[maybe_unused]] Mask<T> bits) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_scalef_ps((__m512)p, (__m512)n);
  else
    return (Vec<T>)_mm512_scalef_pd((__m512d)p, (__m512d)n);
#else
  using F = Float<T>;
  constexpr typename F::Bits kEven = 2048;
  // n + 2048 > 0; of the low bits only, so that those of a NaN do not overflow.
  const Mask<T> shifted = ((bits & (2 * kEven - 1)) + kEven) & (2 * kEven - 1);
  const Mask<T> half = shift_right<T>(shifted, 1);
  const Mask<T> rest = shifted - half;
  const Vec<T> scale1 = as_float<T>((half + (F::kBias - kEven / 2)) << F::kMantissa);
  const Vec<T> scale2 = as_float<T>((rest + (F::kBias - kEven / 2)) << F::kMantissa);
  return p * scale1 * scale2;
#endif
}

template <class T>
PYCORE_INLINE Vec<T> exp(Vec<T> x) {
  x = max<T>(splat<T>(Float<T>::kExpMin), min<T>(splat<T>(Float<T>::kExpMax), x));
  const ExpParts<T> e = exp_parts<T>(x);
  return scale_by<T>(expm1_reduced<T>(e.r) + T(1), e.n, e.bits);
}

template <class T>
PYCORE_INLINE Vec<T> exp2(Vec<T> x) {
  using F = Float<T>;
  const T limit = sizeof(T) == 4 ? T(151) : T(1076);
  x = max<T>(splat<T>(-limit), min<T>(splat<T>(limit), x));
  const Vec<T> k = x + F::kMagic;
  const Vec<T> n = k - F::kMagic;
  const Vec<T> r = (x - n) * static_cast<T>(0.6931471805599453);
  return scale_by<T>(expm1_reduced<T>(r) + T(1), n, as_int<T>(k));
}

template <class T>
PYCORE_INLINE Vec<T> expm1(Vec<T> x) {
  using F = Float<T>;
  x = max<T>(splat<T>(F::kExpm1Min), min<T>(splat<T>(F::kExpMax), x));
  const ExpParts<T> e = exp_parts<T>(x);
  const Vec<T> p = expm1_reduced<T>(e.r);
  // Half of 2^n keeps n = 128 (1024) representable.
  constexpr typename F::Bits kLow = 4095;  // all that the shift leaves; those of a NaN may be any
  const Vec<T> half_scale = as_float<T>(((e.bits & kLow) + (F::kBias - 1)) << F::kMantissa);
  return T(2) * (p * half_scale + (half_scale - T(0.5)));
}

template <class T>
PYCORE_INLINE Vec<T> tanh(Vec<T> x) {
  const Vec<T> t = expm1<T>(abs<T>(x) * T(-2));
  return with_sign<T>(abs<T>(t) / (t + T(2)), x);
}

template <class T>
PYCORE_INLINE Vec<T> sigmoid(Vec<T> x) {
  return T(1) / (T(1) + exp<T>(-x));
}

// ---- logarithms ----

// x = 2^e * m with m in [sqrt(1/2), sqrt(2)), for normal positive x.
template <class T>
struct Scaled {
  Vec<T> e, m;
};
template <class T>
PYCORE_INLINE Scaled<T> scale_near_one(Vec<T> x) {
  using F = Float<T>;
  constexpr typename F::Bits kFraction = (typename F::Bits(1) << F::kMantissa) - 1;
  const Mask<T> bits = as_int<T>(x) + (F::kOneBits - F::kSqrtHalfBits);
  const Mask<T> exponent = shift_right<T>(bits, F::kMantissa);
  return {as_float<T>(exponent + F::kMagicBits) - (F::kMagic + static_cast<T>(F::kBias)),
          as_float<T>((bits & kFraction) + F::kSqrtHalfBits)};
}

// x = 2^e * (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), for finite positive x.
template <class T>
struct LogParts {
  Vec<T> e, f;
};
template <class T>
PYCORE_INLINE LogParts<T> log_parts(Vec<T> x) {
  using F = Float<T>;
  const T lift = static_cast<T>(1ll << (F::kMantissa + 1));
  const Mask<T> tiny = x < F::kMinNormal;
  x = select<T>(tiny, x * lift, x);
  const Scaled<T> scaled = scale_near_one<T>(x);
  const Vec<T> e = select<T>(tiny, scaled.e - static_cast<T>(F::kMantissa + 1), scaled.e);
  return {e, scaled.m - T(1)};
}
// log(1 + f) + low for the reduced f.
template <class T>
PYCORE_INLINE Vec<T> log1p_reduced(Vec<T> f, Vec<T> low) {
  const Vec<T> f2 = f * f;
  if constexpr (sizeof(T) == 4) {
    const Vec<T> p = poly<T>(f, 0.3333331f, -0.24999987f, 0.20002224f, -0.16669253f, 0.14218721f,
                             -0.12384295f, 0.11872421f, -0.11790181f, 0.069173135f);
    return f + (f2 * (f * p - 0.5f) + low);
  } else {
    // log(1 + f) = 2 atanh(s), s = f / (2 + f), written so that the leading terms stay exact.
    const Vec<T> s = f / (f + 2.0);
    const Vec<T> z = s * s;
    const Vec<T> p = z * poly<T>(z, 0.6666666666666745, 0.39999999999336755, 0.28571428761095663,
                                 0.2222219652525621, 0.18183676866462625, 0.15311026704593653,
                                 0.1482755197732749);
    const Vec<T> half = 0.5 * f2;
    return f - (half - (s * (half + p) + low));
  }
}
// What a logarithm gives outside (0, inf).
template <class T>
PYCORE_INLINE Vec<T> log_special(Vec<T> x, Vec<T> result) {
  const Mask<T> good = (x > T(0)) & (x < kInf<T>);
  if (__builtin_expect(any(~good), 0)) {
    const Vec<T> other = select<T>(x < T(0), splat<T>(kNan<T>), x);
    result = select<T>(good, result, select<T>(x == T(0), splat<T>(-kInf<T>), other));
  }
  return result;
}

template <class T>
PYCORE_INLINE Vec<T> log(Vec<T> x) {
  const LogParts<T> p = log_parts<T>(x);
  return log_special<T>(x, p.e * Float<T>::kLn2Hi + log1p_reduced<T>(p.f, p.e * Float<T>::kLn2Lo));
}
template <class T>
PYCORE_INLINE Vec<T> log2(Vec<T> x) {
  const LogParts<T> p = log_parts<T>(x);
  const Vec<T> m = log1p_reduced<T>(p.f, Vec<T>{});
  // log2(e) - 1 apart: the product's rounding error then stays small.
  return log_special<T>(x, p.e + (m + m * static_cast<T>(0.44269504088896340736)));
}
template <class T>
PYCORE_INLINE Vec<T> log10(Vec<T> x) {
  const LogParts<T> p = log_parts<T>(x);
  const Vec<T> m = log1p_reduced<T>(p.f, Vec<T>{});
  const T hi = sizeof(T) == 4 ? T(0.301025390625) : T(0.3010299955494702);
  const T lo = sizeof(T) == 4 ? T(4.605038981195214e-06) : T(1.1451100898021838e-10);
  return log_special<T>(x, p.e * hi + (m * static_cast<T>(0.43429448190325182765) + p.e * lo));
}
template <class T>
PYCORE_INLINE Vec<T> log1p(Vec<T> x) {
  const Vec<T> u = x + T(1);
  const Vec<T> back = u - T(1);
  const Vec<T> lost = (T(1) - (u - back)) + (x - back);  // what rounding 1 + x took away
  const LogParts<T> p = log_parts<T>(u);
  const Vec<T> low = p.e * Float<T>::kLn2Lo + lost / u;
  const Vec<T> r = p.e * Float<T>::kLn2Hi + log1p_reduced<T>(p.f, low);
  return log_special<T>(u, r);
}

}  // namespace simd
}  // namespace
}  // namespace pycore
