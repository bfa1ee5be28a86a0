// Vec<T>: one hardware register of T, built on the GCC/Clang vector extensions, plus the few operations that the
// extensions lack. It must not know tensors, kernels or dtypes; the ISA is whatever the including file is compiled for.
//
// Everything lives in an unnamed namespace on purpose: a kernel source is compiled once per ISA level, and an inline
// function with external linkage would let the linker keep the AVX-512 copy of it for everybody.
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

// The raw vector type: supports + - * / & | ^ ~ << >> and comparisons lane by lane, and mixes with scalars.
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

// Partial load and store of the first n lanes (0 <= n <= kLanes); lanes beyond n read as zero, memory beyond n is
// never touched. Cheap enough for inner loops where kCheapPartial says so (masked instructions).
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
  memcpy(&v, p, sizeof(T) * static_cast<size_t>(n));
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
    _mm256_maskstore_epi64((long long*)p,
                           _mm256_loadu_si256((const __m256i*)(kPartialMask64 + 4 - n)),
                           (__m256i)v);
    return;
  }
#endif
  memcpy(p, &v, sizeof(T) * static_cast<size_t>(n));
}

// a * b + c, rounded once where the machine can (compilers contract this form under -ffp-contract=fast).
template <class T>
PYCORE_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
  return a * b + c;
}

template <class T>
PYCORE_INLINE Vec<T> select(Mask<T> m, Vec<T> yes, Vec<T> no) {
  return m ? yes : no;
}

}  // namespace simd
}  // namespace
}  // namespace pycore
