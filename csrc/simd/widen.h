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

// n elements, a constant where the caller is inlined; the compiler makes vectors of the loops.
PYCORE_INLINE void bfloat16s_to_floats(const uint16_t* in, float* out, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = bfloat16_to_float(in[i]);
}
PYCORE_INLINE void floats_to_bfloat16s(const float* in, uint16_t* out, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = float_to_bfloat16(in[i]);
}

}  // namespace simd
}  // namespace
}  // namespace pycore
