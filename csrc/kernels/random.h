// Kernels of the random number generator: mt19937 state updates and the block form of the normal
// distribution. They know plain arrays only; who owns the generator and in which order it is asked
// is core/rng's business.
#pragma once

#include <stdint.h>

namespace pycore::kernels {

inline constexpr int kMtWords = 624;  // 32-bit words of mt19937's state, and numbers per refill

struct RandomKernels {
  // Replaces the 624 state words by the next 624 (Matsumoto and Nishimura, 1998).
  void (*mt_advance)(uint32_t* state);
  // out[i] = tempered state[i], i < n. Separate from mt_advance because a saved state holds raw
  // words.
  void (*mt_temper)(const uint32_t* state, uint32_t* out, int64_t n);
  // Uniform numbers of 24 or 53 random bits (for doubles out[i] takes words 2i, high half, and 2i +
  // 1), stretched to [from, to) with one rounding; a result that rounds up to `to` becomes `from`.
  void (*uniform_f32)(const uint32_t* words, float* out, int64_t n, float from, float to);
  void (*uniform_f64)(const uint32_t* words, double* out, int64_t n, double from, double to);
  // Turns uniform [0, 1) numbers in place into normal ones by Box and Muller (1958), 16 at a time:
  // elements 0-7 of a block give the radius, 8-15 the angle. Bits do not depend on the ISA level:
  // every fused step is spelled out.
  void (*box_muller_f32)(float* data, int64_t blocks, float mean, float std);
};

}  // namespace pycore::kernels
