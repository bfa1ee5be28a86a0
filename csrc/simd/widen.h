// Vectors of float32 read from 16-bit floats. Must not know kernels.
#pragma once

#include "simd/half.h"

namespace pycore {
namespace {  // NOLINT: internal linkage, see vec.h
namespace simd {

// kLanes<float> elements as float32.
PYCORE_INLINE Vec<float> load_halves(const uint16_t* p) {
#if defined(__AVX512F__)
  return (Vec<float>)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
#elif defined(__F16C__)
  return (Vec<float>)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
#else
  Vec<float> v;
  for (int i = 0; i < kLanes<float>; ++i) v[i] = half_to_float(p[i]);
  return v;
#endif
}
PYCORE_INLINE Vec<float> load_bfloat16s(const uint16_t* p) {
#if defined(__AVX512F__)
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
  return (Vec<float>)_mm512_slli_epi32(wide, 16);
#elif defined(__AVX2__)
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
  return (Vec<float>)_mm256_slli_epi32(wide, 16);
#elif defined(__SSE2__)
  const __m128i low = _mm_loadl_epi64((const __m128i*)p);
  return (Vec<float>)_mm_unpacklo_epi16(_mm_setzero_si128(), low);
#else
  Vec<float> v;
  for (int i = 0; i < kLanes<float>; ++i) v[i] = bfloat16_to_float(p[i]);
  return v;
#endif
}

// The first n of them (0 <= n <= kLanes<float>), zeros behind; memory beyond n is never touched.
#if defined(__AVX512BW__)
PYCORE_INLINE Vec<float> load_halves(const uint16_t* p, int n) {
  return (Vec<float>)_mm512_cvtph_ps(
      _mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1), p));
}
PYCORE_INLINE Vec<float> load_bfloat16s(const uint16_t* p, int n) {
  const __m256i some = _mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1), p);
  return (Vec<float>)_mm512_slli_epi32(_mm512_cvtepu16_epi32(some), 16);
}
#else
PYCORE_INLINE Vec<float> load_halves(const uint16_t* p, int n) {
  uint16_t some[kLanes<float>] = {};
  memcpy(some, p, sizeof(uint16_t) * static_cast<size_t>(n));
  return load_halves(some);
}
PYCORE_INLINE Vec<float> load_bfloat16s(const uint16_t* p, int n) {
  uint16_t some[kLanes<float>] = {};
  memcpy(some, p, sizeof(uint16_t) * static_cast<size_t>(n));
  return load_bfloat16s(some);
}
#endif

// Two vectors side by side as 2 * kLanes<float> elements, rounded as float_to_bfloat16 does.
PYCORE_INLINE void store_bfloat16s(uint16_t* p, Vec<float> low, Vec<float> high) {
  const auto rounded = [](Vec<float> x) {  // in the upper halves
    const Vec<int32_t> u = (Vec<int32_t>)x;
    return x == x ? u + 0x7fff + ((u >> 16) & 1) : splat<int32_t>(0x7fc00000);
  };
  const Vec<int32_t> a = rounded(low), b = rounded(high);
#if defined(__AVX512BW__)
  const __m512i odd = _mm512_add_epi16(
      _mm512_set1_epi16(1),
      _mm512_slli_epi16(_mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17,
                                         16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                        1));
  _mm512_storeu_si512(p, _mm512_permutex2var_epi16((__m512i)a, odd, (__m512i)b));
#elif defined(__AVX2__)
  const __m256i packed =
      _mm256_packs_epi32(_mm256_srai_epi32((__m256i)a, 16), _mm256_srai_epi32((__m256i)b, 16));
  _mm256_storeu_si256((__m256i*)p, _mm256_permute4x64_epi64(packed, 0xd8));
#elif defined(__SSE2__)
  _mm_storeu_si128((__m128i*)p,
                   _mm_packs_epi32(_mm_srai_epi32((__m128i)a, 16), _mm_srai_epi32((__m128i)b, 16)));
#else
  for (int i = 0; i < kLanes<float>; ++i) {
    p[i] = static_cast<uint16_t>(a[i] >> 16);
    p[i + kLanes<float>] = static_cast<uint16_t>(b[i] >> 16);
  }
#endif
}

// n elements.
PYCORE_INLINE void bfloat16s_to_floats(const uint16_t* in, float* out, int64_t n) {
  int64_t i = 0;
#if defined(__AVX2__)
  for (; i + kLanes<float> <= n; i += kLanes<float>) store<float>(out + i, load_bfloat16s(in + i));
#endif
#pragma GCC ivdep
  for (; i < n; ++i) out[i] = bfloat16_to_float(in[i]);
}
PYCORE_INLINE void floats_to_bfloat16s(const float* in, uint16_t* out, int64_t n) {
  int64_t i = 0;
#if defined(__AVX2__)
  // Compilers pack such lanes by many more instructions.
  constexpr int kL = kLanes<float>;
  for (; i + 2 * kL <= n; i += 2 * kL)
    store_bfloat16s(out + i, load<float>(in + i), load<float>(in + i + kL));
#endif
#pragma GCC ivdep
  for (; i < n; ++i) out[i] = float_to_bfloat16(in[i]);
}

}  // namespace simd
}  // namespace
}  // namespace pycore
