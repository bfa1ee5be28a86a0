// Moving elements by a list of places: gather, scatter and their kin on one line. Plain function
// pointers on raw memory; must not know tensors.
#pragma once

#include <stdint.h>

namespace pycore::kernels {

// Arrays are indexed by element size: log2(bytes). Strides and steps in elements, any value.
struct IndexingKernels {
  // Lowers *low and raises *high to take in p[0 .. n).
  void (*range)(const int64_t* p, int64_t n, int64_t* low, int64_t* high);
  // Do all of them lie in [0, size)?
  bool (*within)(const int64_t* p, int64_t n, int64_t size);
  // out[i] = (at[i] < 0 ? at[i] + size : at[i]) * stride
  void (*offsets)(const int64_t* at, int64_t n, int64_t size, int64_t stride, int64_t* out);
  // to[i] = from[at[i] * stride + i * step]
  void (*pick[4])(const void* from, const int64_t* at, int64_t n, int64_t stride, int64_t step,
                  void* to);
  // to[at[i] * stride + i * step] = from[i * from_step], in order
  void (*put[4])(void* to, const int64_t* at, int64_t n, int64_t stride, int64_t step,
                 const void* from, int64_t from_step);
};

}  // namespace pycore::kernels
