// Values as ranks that order like them (ops/ranks.h), and searches among values by rank. Plain
// function pointers on raw memory; must not know tensors.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

// Elements of spare room that a sort wants beyond as many as it sorts.
inline constexpr int64_t kSortSpare = 256;

// Arrays are indexed by dtype; null where a key does not fit 32 bits (int64, float64). A key of a
// value is an unsigned integer of the value's size: NaN is the largest, -0 equals 0. `flip` is
// added to keys bit by bit: all ones for descending order, else 0.
struct OrderKernels {
  // out[i] = (key of x[i * stride] ^ flip) << 32 | i
  void (*ranks[kDTypes])(const void* x, int64_t n, int64_t stride, uint32_t flip, uint64_t* out);
  // The first i in [begin, n) with (key of x[i]) ^ flip < bound, or n.
  int64_t (*first_below[kDTypes])(const void* x, int64_t begin, int64_t n, uint32_t flip,
                                  uint32_t bound);
  // Back from ranks: values[i] is the value with the key of ranks[i] (flip as above), places[i] the
  // low half. Zeros and NaNs, whose keys do not tell their bits, are read from x.
  void (*unrank[kDTypes])(const uint64_t* ranks, int64_t n, const void* x, int64_t stride,
                          uint32_t flip, void* values, int64_t* places);

  // What follows sorts in vector registers and is null at levels that cannot (kernels/vector_sort).
  // Keys as signed integers: out[i] is the key of x[i * stride] ^ flip; here flip also turns the
  // highest bit of 32, and types with fewer bits leave out the bits that they lack.
  void (*keys[kDTypes])(const void* x, int64_t n, int64_t stride, uint32_t flip, int32_t* out);
  // Puts each of several lines of n such keys, one after the other, in order, equal ones in the
  // order of their places, which are counted from the line's beginning. `keys` is overwritten;
  // `spare` has room for 3 * n + 2 * kSortSpare.
  void (*sort_places)(const Context& ctx, int32_t* keys, int64_t lines, int64_t n, int32_t* sorted,
                      int64_t* places, int32_t* spare);
  // From sorted keys to values. Values of 32 bits take the place of their keys: `keys` is not read.
  // Zeros and NaNs are read from x, in which lines begin `step` apart.
  void (*values[kDTypes])(const int32_t* keys, const int64_t* places, int64_t lines, int64_t n,
                          const void* x, int64_t step, int64_t stride, uint32_t flip, void* values);
  // Integers in ascending order.
  void (*sort_integers)(const Context& ctx, int64_t* p, int64_t n, int64_t* spare);
  // Faster than three passes of a radix sort up to so many of them, and from so many on again,
  // when the caches no longer hold the streams of its passes.
  int64_t sort_up_to, sort_from;
  // Values `stride` apart in order at `out`, NaN as the greatest; 32 and 64 bits wide.
  void (*sort_values[kDTypes])(const Context& ctx, const void* x, int64_t n, int64_t stride,
                               bool descending, void* out, void* spare);
};

}  // namespace pycore::kernels
