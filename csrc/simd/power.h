// Functions of two Vec<float> that compute in double: pow and hypot; fmod and atan2. On Vec<double>
// hypot and atan2 go through libm, and so does pow without fused products. Special values as in C.
// Must not know arrays or kernels.
#pragma once

#include "simd/trig.h"

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

// Lane by lane through a scalar function of two operands.
template <class T, class F>
PYCORE_INLINE Vec<T> map_pairs(Vec<T> a, Vec<T> b, F f) {
  T x[kLanes<T>], y[kLanes<T>];
  memcpy(x, &a, sizeof(x));
  memcpy(y, &b, sizeof(y));
  for (int i = 0; i < kLanes<T>; ++i) x[i] = f(x[i], y[i]);
  return load<T>(x);
}

// ---- pow ----

// 2 ** (b * log2(a)) for normal a > 0, as exact as a float result wants it: log2 to 39 bits, which
// leaves 31 of a product of up to 150, and 31 bits of the power. Powers beyond the floats come out
// as such.
PYCORE_INLINE Vec<double> pow_positive(Vec<double> a, Vec<double> b) {
  const auto [e, m] = scale_near_one<double>(a);
  const Vec<double> s = (m - 1.0) / (m + 1.0), z = s * s;  // log(m) = 2 atanh(s), by its series
  const Vec<double> series =
      poly<double>(z, 1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13);
  Vec<double> y = b * (e + s * (series * (2 * 1.44269504088896340736)));
  y = max<double>(splat<double>(-200.0), min<double>(splat<double>(200.0), y));
  const Vec<double> whole = round_to<double, Rounding::even>(y);
  const Vec<double> r = (y - whole) * 0.69314718055994530942;
  const Vec<double> power = poly<double>(r, 1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120,
                                         1.0 / 720, 1.0 / 5040, 1.0 / 40320);
  // whole as an integer, from the low bits of a sum, goes to the exponent.
  const Mask<double> steps = as_int<double>(whole + 0x1.8p52) << 52;
  return as_float<double>(as_int<double>(power) + steps);
}
#if defined(__FMA__) || defined(__aarch64__)
// A product and what its rounding took away. The barrier keeps compilers from contracting it with
// what follows, which would count the difference twice.
struct Product {
  Vec<double> value, error;
};
PYCORE_INLINE Product exact_product(Vec<double> a, Vec<double> b) {
  Vec<double> p = a * b;
#if defined(__aarch64__)
  asm("" : "+w"(p));
  Vec<double> error;
  for (int i = 0; i < kLanes<double>; ++i) error[i] = __builtin_fma(a[i], b[i], -p[i]);
  return {p, error};
#else
  asm("" : "+v"(p));
#if defined(__AVX512F__)
  return {p, (Vec<double>)_mm512_fmsub_pd((__m512d)a, (__m512d)b, (__m512d)p)};
#else
  return {p, (Vec<double>)_mm256_fmsub_pd((__m256d)a, (__m256d)b, (__m256d)p)};
#endif
#endif
}
// exp(b log(a)) for normal a > 0 and finite b, within 0.63 units in the last place: the logarithm
// is the sum of two doubles, exact to 64 bits, since its errors grow with the power.
PYCORE_INLINE Vec<double> pow_plain(Vec<double> a, Vec<double> b) {
  using F = Float<double>;
  const auto [e, m] = scale_near_one<double>(a);
  // log(m) = 2 atanh(s), s = (m - 1) / (m + 1), by its series: 2 s + s z (2/3 + z (2/5 + ...)).
  const Vec<double> d = m - 1.0, q = m + 1.0, inverse = 1.0 / q, s = d * inverse;
  const Product sq = exact_product(s, q);
  const Vec<double> s_low = (d - sq.value - sq.error - s * (m - (q - 1.0))) * inverse;
  const Product zz = exact_product(s, s);
  const Vec<double> z = zz.value, z_low = zz.error + 2.0 * s * s_low;
  const Vec<double> z2 = z * z;  // even and odd terms apart: half as long a chain
  const Vec<double> tail =
      poly<double>(z2, 2.0 / 5, 2.0 / 9, 2.0 / 13, 2.0 / 17, 2.0 / 21, 2.0 / 25) +
      z * poly<double>(z2, 2.0 / 7, 2.0 / 11, 2.0 / 15, 2.0 / 19, 2.0 / 23);
  constexpr double kThirds = 2.0 / 3, kThirdsLow = 0x1.5555555555555p-55;
  const Product zt = exact_product(z, tail);
  const Vec<double> c = kThirds + zt.value;
  const Vec<double> c_low = (zt.value - (c - kThirds)) + (kThirdsLow + z_low * tail);
  const Product sz = exact_product(s, z), cube = exact_product(sz.value, c);
  const Vec<double> cube_low =
      cube.error + (sz.value * c_low + (sz.error + (s * z_low + s_low * z)) * c);
  // Larger terms first; each rest is exact.
  const Vec<double> whole_log = e * F::kLn2Hi, twice = 2.0 * s;
  const Vec<double> sum = whole_log + twice, sum_low = twice - (sum - whole_log);
  const Vec<double> high = sum + cube.value;
  const Vec<double> low =
      (cube.value - (high - sum)) + (sum_low + (2.0 * s_low + (cube_low + e * F::kLn2Lo)));
  const Product power = exact_product(b, high);
  constexpr double kFar = 800.0;  // beyond the exponents of doubles
  const Vec<double> y =
      max<double>(splat<double>(-kFar), min<double>(splat<double>(kFar), power.value));
  const Vec<double> y_low = select<double>(y == power.value, power.error + b * low, Vec<double>{});
  const Vec<double> k = round_to<double, Rounding::even>(y * 1.44269504088896340736);
  const Vec<double> r = y - k * F::kLn2Hi, r_low = y_low - k * F::kLn2Lo;  // the first is exact
  const Vec<double> t = r + r_low, t_low = r_low - (t - r);
  const Vec<double> series =
      poly<double>(t, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,
                   1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800);
  const Vec<double> rest = t * t * series + (t_low + t * t_low);
  const Vec<double> one = 1.0 + t, result = one + ((t - (one - 1.0)) + rest);
  // By two powers of two, since one may not be a double.
  const Vec<double> half = round_to<double, Rounding::even>(k * 0.5);
  const auto two_to = [](Vec<double> n) {
    return as_float<double>((as_int<double>(n + (0x1.8p52 + F::kBias)) << F::kMantissa));
  };
  return result * two_to(half) * two_to(k - half);
}
#endif

template <class T>
__attribute__((noinline)) Vec<T> pow_special(Vec<T> a, Vec<T> b) {
  return map_pairs<T>(a, b, [](T x, T y) {
    return sizeof(T) == 4 ? static_cast<T>(powf(static_cast<float>(x), static_cast<float>(y)))
                          : static_cast<T>(::pow(x, y));
  });
}
PYCORE_INLINE Vec<float> pow_plain(Vec<float> a, Vec<float> b) {
  return narrow(pow_positive(widen<0>(a), widen<0>(b)), pow_positive(widen<1>(a), widen<1>(b)));
}
template <class T>
PYCORE_INLINE Vec<T> pow_of(Vec<T> a, Vec<T> b) {
  const Vec<T> base = abs<T>(a);
  // Infinities, NaN and zero to negative powers are rare; zero itself comes out of relu.
  const Mask<T> zero = base == T(0);
  Mask<T> plain = (~zero | (b > T(0))) & (base < kInf<T>)&(abs<T>(b) < kInf<T>);
  if constexpr (sizeof(T) == 8) plain &= zero | (base >= Float<T>::kMinNormal);
  if (__builtin_expect(any(~plain), 0)) return pow_special<T>(a, b);
  Vec<T> r = select<T>(zero, Vec<T>{}, pow_plain(base, b));
  const Mask<T> negative = (as_int<T>(a) & kSignBit<T>) != 0;
  if (any(negative)) {
    // Of a negative base only whole powers exist, and odd ones are negative.
    const Vec<T> half = b * T(0.5);
    const Mask<T> whole = round_to<T, Rounding::trunc>(b) == b;
    const Mask<T> odd = whole & (round_to<T, Rounding::trunc>(half) != half);
    r = select<T>(negative & odd, -r, r);
    r = select<T>(negative & ~whole & ~zero, splat<T>(kNan<T>), r);
  }
  return r;
}
PYCORE_INLINE Vec<float> pow(Vec<float> a, Vec<float> b) { return pow_of<float>(a, b); }
#if defined(__FMA__) || defined(__aarch64__)
[[maybe_unused]] __attribute__((noinline)) Vec<double> pow(Vec<double> a, Vec<double> b) {
  return pow_of<double>(a, b);
}
#else
PYCORE_INLINE Vec<double> pow(Vec<double> a, Vec<double> b) { return pow_special<double>(a, b); }
#endif

// ---- hypot ----

PYCORE_INLINE Vec<double> hypot(Vec<double> a, Vec<double> b) {
  return map_pairs<double>(a, b, [](double x, double y) { return ::hypot(x, y); });
}
PYCORE_INLINE Vec<float> hypot(Vec<float> a, Vec<float> b) {
  const Vec<double> a0 = widen<0>(a), a1 = widen<1>(a), b0 = widen<0>(b), b1 = widen<1>(b);
  const Vec<float> r = narrow(sqrt<double>(a0 * a0 + b0 * b0), sqrt<double>(a1 * a1 + b1 * b1));
  const Mask<float> infinite = (abs<float>(a) == kInf<float>) | (abs<float>(b) == kInf<float>);
  return select<float>(infinite, splat<float>(kInf<float>), r);
}

// ---- fmod ----

template <class T>
__attribute__((noinline)) Vec<T> fmod_special(Vec<T> a, Vec<T> b) {
  return map_pairs<T>(a, b, [](T x, T y) {
    return sizeof(T) == 4 ? static_cast<T>(fmodf(static_cast<float>(x), static_cast<float>(y)))
                          : static_cast<T>(::fmod(x, y));
  });
}
#if defined(__FMA__) || defined(__aarch64__)
// a - q b, where q is the whole part of the quotient or, if that was rounded up to a whole number,
// one more. The difference is a multiple of b's last place and less than b: a float, so it comes
// out of one rounding as it is.
template <class T>
PYCORE_INLINE Vec<T> fmod_by_quotient(Vec<T> a, Vec<T> b) {
  const Vec<T> x = abs<T>(a), y = abs<T>(b);
  const Vec<T> q = round_to<T, Rounding::trunc>(x / y);
  const Mask<T> none = (b == T(0)) | ~(x < kInf<T>) | (b != b);  // NaN
  const Mask<T> plain = q < static_cast<T>(1ll << (Float<T>::kMantissa - 1));
  if (__builtin_expect(any(~(plain | none)), 0)) return fmod_special<T>(a, b);
  Vec<T> r = fma<T>(-q, y, x);
  r = select<T>(r < T(0), r + y, r);
  r = select<T>(q == T(0), x, r);  // of an infinite b, too
  return select<T>(none, splat<T>(kNan<T>), with_sign<T>(abs<T>(r), a));
}
PYCORE_INLINE Vec<float> fmod(Vec<float> a, Vec<float> b) { return fmod_by_quotient<float>(a, b); }
PYCORE_INLINE Vec<double> fmod(Vec<double> a, Vec<double> b) {
  return fmod_by_quotient<double>(a, b);
}
#else
PYCORE_INLINE Vec<double> fmod(Vec<double> a, Vec<double> b) { return fmod_special<double>(a, b); }
PYCORE_INLINE Vec<double> fmod_exact(Vec<double> a, Vec<double> b) {
  return a - round_to<double, Rounding::trunc>(a / b) * b;
}
PYCORE_INLINE Vec<float> fmod(Vec<float> a, Vec<float> b) {
  // Below this quotient the double division can't be wrong about the whole part, and its product
  // with b is exact.
  const Mask<float> plain = (abs<float>(a / b) < 0x1p22f) & (abs<float>(b) < kInf<float>);
  if (__builtin_expect(any(~plain), 0)) return fmod_special<float>(a, b);
  const Vec<float> r =
      narrow(fmod_exact(widen<0>(a), widen<0>(b)), fmod_exact(widen<1>(a), widen<1>(b)));
  return with_sign<float>(abs<float>(r), a);
}
#endif

// ---- atan2 ----

PYCORE_INLINE Vec<double> atan2(Vec<double> y, Vec<double> x) {
  return map_pairs<double>(y, x, [](double a, double b) { return ::atan2(a, b); });
}
PYCORE_INLINE Vec<float> atan2(Vec<float> y, Vec<float> x) {
  using T = float;
  const Vec<T> ay = abs<T>(y), ax = abs<T>(x);
  const Mask<T> steep = ay > ax;
  const Vec<T> large = select<T>(steep, ay, ax), small = select<T>(steep, ax, ay);
  Vec<T> ratio = small / large;
  ratio = select<T>(large == T(0), Vec<T>{}, ratio);           // 0 / 0
  ratio = select<T>(small == kInf<T>, splat<T>(T(1)), ratio);  // inf / inf
  Vec<T> r = atan(ratio);
  r = select<T>(steep, T(1.57079632679) - r, r);
  // The sign bit counts: -0 is on the left.
  const Mask<T> left = (as_int<T>(x) & kSignBit<T>) != 0;
  r = select<T>(left, T(3.14159265359) - r, r);
  r = with_sign<T>(r, y);
  return select<T>((x != x) | (y != y), splat<T>(kNan<T>), r);
}

}  // namespace simd
}  // namespace
}  // namespace pycore
