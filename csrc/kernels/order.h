// Values as ranks that order like them (ops/ranks.h), and searches among values by rank. Plain
// function pointers on raw memory; must not know tensors.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

// Elements of spare room that a sort wants beyond as many as it sorts.
inline constexpr int64_t kSortSpare = 512;

// Arrays are indexed by dtype; null where a key does not fit 32 bits (int64, float64). A key of a
// value is an unsigned integer of the value's size: NaN is the largest, -0 equals 0. `flip` is
// added to keys bit by bit, as far as they have these bits: all ones for descending order, else 0;
// and the highest bit of 32 the other way round where keys are to be signed.
struct OrderKernels {
  // out[i] = (key of x[i * stride]) ^ flip
  void (*keys[kDTypes])(const void* x, int64_t n, int64_t stride, uint32_t flip, int32_t* out);
  // From keys, put in order line by line, to values. Values of 32 bits take the place of their
  // keys: `keys` is not read. Zeros and NaNs, whose keys do not tell their bits, are read from x,
  // in which lines of n values begin `step` apart; places count from the beginning of a line.
  void (*values[kDTypes])(const int32_t* keys, const int64_t* places, int64_t lines, int64_t n,
                          const void* x, int64_t step, int64_t stride, uint32_t flip, void* values);
  // out[i] = keys[i] << 32 | first + i
  void (*ranks)(const int32_t* keys, int64_t n, int64_t first, uint64_t* out);
  // The first i in [begin, n) with (key of x[i]) ^ flip < bound, or n.
  int64_t (*first_below[kDTypes])(const void* x, int64_t begin, int64_t n, uint32_t flip,
                                  uint32_t bound);

  // What follows sorts in vector registers and is null at levels that cannot (kernels/vector_sort).
  // Puts each of several lines of n signed keys, one after the other, in order, equal ones in the
  // order of their places, which are counted from the line's beginning. `keys` is overwritten and
  // has kSortSpare more room; `spare` has room for 3 * (n + kSortSpare).
  void (*sort_places)(const Context& ctx, int32_t* keys, int64_t lines, int64_t n, int32_t* sorted,
                      int64_t* places, int32_t* spare);
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
