// Values as ranks that order like them (ops/ranks.h), and searches among values by rank. Plain
// function pointers on raw memory; must not know tensors.
#pragma once

#include "kernels/dtype.h"

namespace pycore::kernels {

// Arrays are indexed by dtype; null where a key does not fit 32 bits (int64, float64). A key of a
// value is an unsigned integer of the value's size: NaN is the largest, -0 equals 0. `flip` is
// added to keys bit by bit: all ones for descending order, else 0.
struct OrderKernels {
  // out[i] = (key of x[i * stride] ^ flip) << 32 | i
  void (*ranks[kDTypes])(const void* x, int64_t n, int64_t stride, uint32_t flip, uint64_t* out);
  // The first i in [begin, n) with (key of x[i]) ^ flip < bound, or n.
  int64_t (*first_below[kDTypes])(const void* x, int64_t begin, int64_t n, uint32_t flip,
                                  uint32_t bound);
};

}  // namespace pycore::kernels
