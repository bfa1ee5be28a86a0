// float16 and bfloat16 to float32 and back, round to nearest even: scalar bit code, and blocks of 8
// or 16 where the machine has instructions. Must not know arrays or kernels.
#pragma once

#include "simd/vec.h"

namespace pycore {
namespace {
namespace simd {

PYCORE_INLINE uint32_t float_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof(u));
  return u;
}
PYCORE_INLINE float bits_float(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof(x));
  return x;
}

PYCORE_INLINE float half_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  const uint32_t rest = h & 0x7fff;
  // Place the 15 bits as a float with a too small exponent; one multiplication by 2^112 corrects
  // it, for half denormals as well.
  const float scaled = bits_float(rest << 13) * 0x1p112f;
  const uint32_t special = 0x7f800000u | (rest << 13);
  const uint32_t quiet = rest > 0x7c00 ? 0x400000u : 0u;
  return bits_float(sign | (rest >= 0x7c00 ? special | quiet : float_bits(scaled)));
}

PYCORE_INLINE uint16_t float_to_half(float x) {
  const uint32_t u = float_bits(x);
  const uint32_t sign = (u >> 16) & 0x8000;
  const uint32_t a = u & 0x7fffffff;
  uint32_t h;
  if (a >= 0x7f800000) {
    h = a > 0x7f800000 ? 0x7e00 | ((a >> 13) & 0x3ff) : 0x7c00;
  } else if (a >= 0x477ff000) {  // rounds to 2^16 or more
    h = 0x7c00;
  } else if (a < 0x38800000) {  // a denormal half: the addition aligns and rounds
    h = float_bits(bits_float(a) + 0.5f) - float_bits(0.5f);
  } else {
    h = (a - 0x38000000 + 0xfff + ((a >> 13) & 1)) >> 13;
  }
  return static_cast<uint16_t>(sign | h);
}

PYCORE_INLINE float bfloat16_to_float(uint16_t b) {
  return bits_float(static_cast<uint32_t>(b) << 16);
}
PYCORE_INLINE uint16_t float_to_bfloat16(float x) {
  const uint32_t u = float_bits(x);
  const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  return static_cast<uint16_t>((u & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
}

// n elements; the vector part converts what it can, the bit code the rest.
PYCORE_INLINE void halves_to_floats(const uint16_t* in, float* out, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16)
    _mm512_storeu_ps(out + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)(in + i))));
#endif
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(in + i))));
#endif
  for (; i < n; ++i) out[i] = half_to_float(in[i]);
}
PYCORE_INLINE void floats_to_halves(const float* in, uint16_t* out, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256((__m256i*)(out + i),
                        _mm512_cvtps_ph(_mm512_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
#endif
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128((__m128i*)(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; ++i) out[i] = float_to_half(in[i]);
}

}  // namespace simd
}  // namespace
}  // namespace pycore
