// mt19937 and block Box-Muller kernels, ISA-free: plain loops of fixed length that the compiler
// vectorises. Compiled with -ffp-contract=off: the exact places where a step is fused are part of
// the promised bits.
#include "kernels/random.h"

#include <math.h>
#include <string.h>

namespace pycore::kernels::PYCORE_ISA {
namespace {

constexpr int kShift = 397;
constexpr int kHalfBlock = 8;

inline uint32_t mt_mix(uint32_t high, uint32_t low, uint32_t far) {
  const uint32_t y = (high & 0x80000000u) | (low & 0x7fffffffu);
  return far ^ (y >> 1) ^ ((0u - (low & 1u)) & 0x9908b0dfu);
}

void mt_advance(uint32_t* state) {
  // Two loops, so that the distance between a word and the words it needs is constant in each.
  for (int i = 0; i < kMtWords - kShift; ++i) {
    state[i] = mt_mix(state[i], state[i + 1], state[i + kShift]);
  }
  for (int i = kMtWords - kShift; i < kMtWords - 1; ++i) {
    state[i] = mt_mix(state[i], state[i + 1], state[i + kShift - kMtWords]);
  }
  state[kMtWords - 1] = mt_mix(state[kMtWords - 1], state[0], state[kShift - 1]);
}

void mt_temper(const uint32_t* state, uint32_t* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t y = state[i];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    out[i] = y ^ (y >> 18);
  }
}

void uniform_f32(const uint32_t* words, float* out, int64_t n, float from, float to) {
  const float width = to - from;
  for (int64_t i = 0; i < n; ++i) {
    const float unit = static_cast<float>(static_cast<int32_t>(words[i] & 0xffffffu)) * 0x1p-24f;
    const float x = __builtin_fmaf(unit, width, from);
    out[i] = x == to ? from : x;
  }
}

void uniform_f64(const uint32_t* words, double* out, int64_t n, double from, double to) {
  const double width = to - from;
  for (int64_t i = 0; i < n; ++i) {
    // 21 bits of the first word above the 32 bits of the second, joined exactly in floating point.
    const double unit = static_cast<double>(words[2 * i] & 0x1fffffu) * 0x1p-21 +
                        static_cast<double>(words[2 * i + 1]) * 0x1p-53;
    const double x = __builtin_fma(unit, width, from);
    out[i] = x == to ? from : x;
  }
}

inline float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof(x));
  return x;
}

inline uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  return bits;
}

inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

// ln(x) for 0 < x <= 1. Cephes' single precision scheme (Moshier): mantissa in [sqrt(1/2),
// sqrt(2)), a polynomial of degree 8 in m = mantissa - 1, and ln 2 in two parts so that exponent *
// ln 2 keeps its low bits.
inline float log_unit(float x) {
  x = x > 0x1p-126f ? x : 0x1p-126f;
  const uint32_t bits = to_bits(x);
  float m = from_bits((bits & 0x007fffffu) | 0x3f000000u);  // [0.5, 1)
  float e = static_cast<float>(static_cast<int32_t>(bits >> 23) - 126);
  const bool low = m < 0.70710678118654752440f;
  e -= low ? 1.0f : 0.0f;
  m = (m - 1.0f) + (low ? m : 0.0f);
  float p = fused(7.0376836292e-2f, m, -1.1514610310e-1f);
  p = fused(p, m, 1.1676998740e-1f);
  p = fused(p, m, -1.2420140846e-1f);
  p = fused(p, m, 1.4249322787e-1f);
  p = fused(p, m, -1.6668057665e-1f);
  p = fused(p, m, 2.0000714765e-1f);
  p = fused(p, m, -2.4999993993e-1f);
  p = fused(p, m, 3.3333331174e-1f);
  const float square = m * m;
  p = fused(p * m, square, e * -2.12194440e-4f);
  p = fused(-0.5f, square, p);
  return fused(e, 0.693359375f, m + p);
}

// sin(x) and cos(x) for 0 <= x < 2 pi, again Cephes' scheme: octant, three-part reduction by pi/4,
// two polynomials.
inline void sin_cos_turn(float x, float* sine, float* cosine) {
  const int32_t octant = (static_cast<int32_t>(x * 1.27323954473516f) + 1) & ~1;
  const float k = static_cast<float>(octant);
  x = fused(k, -0.78515625f, x);
  x = fused(k, -2.4187564849853515625e-4f, x);
  x = fused(k, -3.77489497744594108e-8f, x);
  const float square = x * x;
  float c = fused(2.443315711809948e-5f, square, -1.388731625493765e-3f);
  c = fused(c, square, 4.166664568298827e-2f);
  c = fused(c * square, square, square * -0.5f) + 1.0f;
  float s = fused(-1.9515295891e-4f, square, 8.3321608736e-3f);
  s = fused(s, square, -1.6666654611e-1f);
  s = fused(s * square, x, x);
  const bool swap = (octant & 2) != 0;
  const uint32_t sine_sign = static_cast<uint32_t>(octant & 4) << 29;
  const uint32_t cosine_sign = static_cast<uint32_t>(~(octant - 2) & 4) << 29;
  *sine = from_bits(to_bits(swap ? c : s) ^ sine_sign);
  *cosine = from_bits(to_bits(swap ? s : c) ^ cosine_sign);
}

void box_muller_f32(float* data, int64_t blocks, float mean, float std) {
  for (int64_t b = 0; b < blocks; ++b) {
    float* first = data + b * 2 * kHalfBlock;
    float* second = first + kHalfBlock;
    float in[2 * kHalfBlock];
    float out[2 * kHalfBlock];
    memcpy(in, first, sizeof(in));
    for (int j = 0; j < kHalfBlock; ++j) {
      const float radius = sqrtf(-2.0f * log_unit(1.0f - in[j]));
      float sine, cosine;
      sin_cos_turn(6.283185307179586f * in[j + kHalfBlock], &sine, &cosine);
      out[j] = fused(radius * cosine, std, mean);
      out[j + kHalfBlock] = fused(radius * sine, std, mean);
    }
    memcpy(first, out, sizeof(in) / 2);
    memcpy(second, out + kHalfBlock, sizeof(in) / 2);
  }
}

}  // namespace

extern const RandomKernels random_kernels;
const RandomKernels random_kernels = {mt_advance, mt_temper, uniform_f32, uniform_f64,
                                      box_muller_f32};

}  // namespace pycore::kernels::PYCORE_ISA
