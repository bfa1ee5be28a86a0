// Reading lanes at computed places: from two registers, or from memory. Must not know kernels; like
// vec.h it works for whatever ISA the including file is compiled for.
#pragma once

#include "simd/vec.h"

namespace pycore {
namespace {  // NOLINT: internal linkage, see vec.h
namespace simd {

// True where lookup() below is a few instructions rather than a loop over lanes.
template <class T>
inline constexpr bool kFastLookup =
#if defined(__AVX512F__)
    sizeof(T) >= 4;
#elif defined(__AVX2__)
    sizeof(T) == 4;
#else
    false;
#endif

// Lane l of the result is element at[l] of the two registers laid end to end
// (0 <= at < 2 * kLanes).
template <class T>
PYCORE_INLINE Vec<T> lookup(Vec<T> low, Vec<T> high, Mask<T> at) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_permutex2var_epi32((__m512i)low, (__m512i)at, (__m512i)high);
  else
    return (Vec<T>)_mm512_permutex2var_epi64((__m512i)low, (__m512i)at, (__m512i)high);
#else
#if defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    const __m256i a = _mm256_permutevar8x32_epi32((__m256i)low, (__m256i)at);
    const __m256i b = _mm256_permutevar8x32_epi32((__m256i)high, (__m256i)at);
    return (Vec<T>)_mm256_blendv_epi8(a, b, (__m256i)(at > 7));
  }
#endif
  T all[2 * kLanes<T>];
  store(all, low);
  store(all + kLanes<T>, high);
  Vec<T> r{};
  for (int l = 0; l < kLanes<T>; ++l) r[l] = all[at[l]];
  return r;
#endif
}

// Lane l of the result is p[at[l]].
template <class T>
PYCORE_INLINE Vec<T> gather(const T* p, Mask<T> at) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_i32gather_epi32((__m512i)at, p, 4);
  else
    return (Vec<T>)_mm512_i64gather_epi64((__m512i)at, p, 8);
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm256_i32gather_epi32(reinterpret_cast<const int*>(p), (__m256i)at, 4);
  else
    return (Vec<T>)_mm256_i64gather_epi64(reinterpret_cast<const long long*>(p), (__m256i)at, 8);
#else
  Vec<T> r{};
  for (int l = 0; l < kLanes<T>; ++l) r[l] = p[at[l]];
  return r;
#endif
}

}  // namespace simd
}  // namespace
}  // namespace pycore
