// Vec<T>: one hardware register of T, built on the GCC/Clang vector extensions, plus the few
// operations that the extensions lack. It must not know tensors, kernels or dtypes; the ISA is
// whatever the including file is compiled for.
//
// Everything lives in an unnamed namespace on purpose: a kernel source is compiled once per ISA
// level, and an inline function with external linkage would let the linker keep the AVX-512 copy of
// it for everybody.
#pragma once

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#endif
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace pycore {
namespace {  // NOLINT: internal linkage is the point, see above
namespace simd {

#if defined(__AVX512F__)
inline constexpr int kRegisterBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kRegisterBytes = 32;
#else
inline constexpr int kRegisterBytes = 16;
#endif

#define PYCORE_INLINE inline __attribute__((always_inline))

template <class T>
inline constexpr int kLanes = kRegisterBytes / static_cast<int>(sizeof(T));

// The raw vector type: supports + - * / & | ^ ~ << >> and comparisons lane by lane, and mixes with
// scalars.
template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(kRegisterBytes)));
};
template <class T>
using Vec = typename VecOf<T>::type;

// The integer vector of the same lane width: what comparisons give (0 or -1 per lane).
template <class T>
struct LaneInt;
template <>
struct LaneInt<float> {
  using type = int32_t;
};
template <>
struct LaneInt<double> {
  using type = int64_t;
};
template <>
struct LaneInt<int32_t> {
  using type = int32_t;
};
template <>
struct LaneInt<int64_t> {
  using type = int64_t;
};
template <class T>
using Mask = Vec<typename LaneInt<T>::type>;

template <class T>
PYCORE_INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  memcpy(&v, p, sizeof(v));
  return v;
}
template <class T>
PYCORE_INLINE void store(T* p, Vec<T> v) {
  memcpy(p, &v, sizeof(v));
}
template <class T>
PYCORE_INLINE Vec<T> splat(T x) {
  return x - Vec<T>{};
}

// Partial load and store of the first n lanes (0 <= n <= kLanes); lanes beyond n read as zero,
// memory beyond n is never touched. Cheap enough for inner loops where kCheapPartial says so
// (masked instructions).
#if defined(__AVX2__)
inline constexpr bool kCheapPartial = true;
#else
inline constexpr bool kCheapPartial = false;
#endif
#if defined(__AVX2__) && !defined(__AVX512F__)
// Sliding window over this table gives the mask of the first n lanes.
alignas(32) inline constexpr int32_t kPartialMask32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
alignas(32) inline constexpr int64_t kPartialMask64[8] = {-1, -1, -1, -1};
#endif
template <class T>
PYCORE_INLINE Vec<T> load_partial(const T* p, int n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm512_maskz_loadu_epi32((__mmask16)((1u << n) - 1), p);
  } else if constexpr (sizeof(T) == 8) {
    return (Vec<T>)_mm512_maskz_loadu_epi64((__mmask8)((1u << n) - 1), p);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm256_maskload_epi32(
        (const int*)p, _mm256_loadu_si256((const __m256i*)(kPartialMask32 + 8 - n)));
  } else if constexpr (sizeof(T) == 8) {
    return (Vec<T>)_mm256_maskload_epi64(
        (const long long*)p, _mm256_loadu_si256((const __m256i*)(kPartialMask64 + 4 - n)));
  }
#endif
  Vec<T> v{};
  if constexpr (kLanes<T> <= 4) {
    for (int i = 0; i < kLanes<T>; ++i)
      if (i < n) v[i] = p[i];
  } else {
    memcpy(&v, p, sizeof(T) * static_cast<size_t>(n));
  }
  return v;
}
template <class T>
PYCORE_INLINE void store_partial(T* p, Vec<T> v, int n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_epi32(p, (__mmask16)((1u << n) - 1), (__m512i)v);
    return;
  } else if constexpr (sizeof(T) == 8) {
    _mm512_mask_storeu_epi64(p, (__mmask8)((1u << n) - 1), (__m512i)v);
    return;
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    _mm256_maskstore_epi32((int*)p, _mm256_loadu_si256((const __m256i*)(kPartialMask32 + 8 - n)),
                           (__m256i)v);
    return;
  } else if constexpr (sizeof(T) == 8) {
    _mm256_maskstore_epi64(
        (long long*)p, _mm256_loadu_si256((const __m256i*)(kPartialMask64 + 4 - n)), (__m256i)v);
    return;
  }
#endif
  if constexpr (kLanes<T> <= 4) {
    for (int i = 0; i < kLanes<T>; ++i)
      if (i < n) p[i] = v[i];
  } else {
    memcpy(p, &v, sizeof(T) * static_cast<size_t>(n));
  }
}

// a * b + c, rounded once where the machine can (compilers contract this form under
// -ffp-contract=fast).
template <class T>
PYCORE_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
  return a * b + c;
}

template <class T>
PYCORE_INLINE Vec<T> select(Mask<T> m, Vec<T> yes, Vec<T> no) {
  return m ? yes : no;
}

// The integer view of a float vector and back (same bits).
template <class T>
PYCORE_INLINE Mask<T> as_int(Vec<T> v) {
  return (Mask<T>)v;
}
template <class T>
PYCORE_INLINE Vec<T> as_float(Mask<T> v) {
  return (Vec<T>)v;
}

template <class T>
inline constexpr typename LaneInt<T>::type kSignBit =
    sizeof(T) == 4 ? static_cast<typename LaneInt<T>::type>(INT32_MIN)
                   : static_cast<typename LaneInt<T>::type>(INT64_MIN);
template <class T>
PYCORE_INLINE Vec<T> abs(Vec<T> v) {
  return as_float<T>(as_int<T>(v) & ~kSignBit<T>);
}
// magnitude with the sign of `sign`; magnitude must not be negative.
template <class T>
PYCORE_INLINE Vec<T> with_sign(Vec<T> magnitude, Vec<T> sign) {
  return as_float<T>(as_int<T>(magnitude) | (as_int<T>(sign) & kSignBit<T>));
}

// Is any lane of a comparison's result set?
template <class M>
PYCORE_INLINE bool any(M m) {
#if defined(__AVX512F__)
  return _mm512_test_epi64_mask((__m512i)m, (__m512i)m) != 0;
#elif defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)m, (__m256i)m);
#elif defined(__SSE2__)
  return _mm_movemask_epi8((__m128i)m) != 0;
#else
  int64_t words[2];
  memcpy(words, &m, sizeof(words));
  return (words[0] | words[1]) != 0;
#endif
}

// a < b ? a : b and a > b ? a : b: the second operand where either is NaN.
template <class T>
PYCORE_INLINE Vec<T> min(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_min_ps((__m512)a, (__m512)b);
  else
    return (Vec<T>)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm256_min_ps((__m256)a, (__m256)b);
  else
    return (Vec<T>)_mm256_min_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm_min_ps((__m128)a, (__m128)b);
  else
    return (Vec<T>)_mm_min_pd((__m128d)a, (__m128d)b);
#else
  return a < b ? a : b;
#endif
}
template <class T>
PYCORE_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_max_ps((__m512)a, (__m512)b);
  else
    return (Vec<T>)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm256_max_ps((__m256)a, (__m256)b);
  else
    return (Vec<T>)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm_max_ps((__m128)a, (__m128)b);
  else
    return (Vec<T>)_mm_max_pd((__m128d)a, (__m128d)b);
#else
  return a > b ? a : b;
#endif
}

template <class T>
PYCORE_INLINE Vec<T> sqrt(Vec<T> v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_sqrt_ps((__m512)v);
  else
    return (Vec<T>)_mm512_sqrt_pd((__m512d)v);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm256_sqrt_ps((__m256)v);
  else
    return (Vec<T>)_mm256_sqrt_pd((__m256d)v);
#elif defined(__SSE2__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm_sqrt_ps((__m128)v);
  else
    return (Vec<T>)_mm_sqrt_pd((__m128d)v);
#elif defined(__aarch64__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)vsqrtq_f32((float32x4_t)v);
  else
    return (Vec<T>)vsqrtq_f64((float64x2_t)v);
#else
  for (int i = 0; i < kLanes<T>; ++i) v[i] = __builtin_sqrt(v[i]);
  return v;
#endif
}

// Folds the lanes in a fixed tree of halves. f works on scalars and on vectors of any size.
template <class T, class F>
PYCORE_INLINE T fold(Vec<T> v, F f) {
  T lanes[kLanes<T>];
  memcpy(lanes, &v, sizeof(v));
  if constexpr (kRegisterBytes > 16) {
    typedef T Quad __attribute__((vector_size(16)));
    Quad q[kRegisterBytes / 16];
    memcpy(q, lanes, sizeof(v));
    for (int half = kRegisterBytes / 32; half >= 1; half /= 2)
      for (int i = 0; i < half; ++i) q[i] = f(q[i], q[i + half]);
    memcpy(lanes, q, 16);
  }
  constexpr int kLast = 16 / static_cast<int>(sizeof(T));
  for (int half = kLast / 2; half >= 1; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] = f(lanes[i], lanes[i + half]);
  return lanes[0];
}
template <class T>
PYCORE_INLINE T sum_lanes(Vec<T> v) {
  return fold<T>(v, [](auto a, auto b) { return a + b; });
}

// Lane by lane through a scalar function; for rare ones.
template <class T, class F>
PYCORE_INLINE Vec<T> map_lanes(Vec<T> v, F f) {
  T lanes[kLanes<T>];
  memcpy(lanes, &v, sizeof(v));
  for (int i = 0; i < kLanes<T>; ++i) lanes[i] = f(lanes[i]);
  memcpy(&v, lanes, sizeof(v));
  return v;
}

}  // namespace simd
}  // namespace
}  // namespace pycore
