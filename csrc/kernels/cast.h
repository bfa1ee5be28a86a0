// Moving elements: conversion between dtypes, strided copies, transposing copies, fills.
// Plain function pointers on raw memory; must not know tensors.
#pragma once

#include "kernels/dtype.h"

namespace pycore::kernels {

// out[i * stride_out] = convert(in[i * stride_in]); strides in elements of each side's type.
using CastFn = void (*)(const void* in, void* out, int64_t n, int64_t stride_in,
                        int64_t stride_out);

struct CastKernels {
  // [from][to], all pairs; the diagonal copies. C semantics; to bool: != 0; to the reduced floats:
  // nearest, ties to even.
  CastFn cast[kDTypes][kDTypes];
  // By element size, index log2(bytes).
  CastFn copy[4];
  // out[r * row_out + i * stride_out] = in[r * row_in + i * stride_in] for r < rows, i < n.
  void (*copy_rows[4])(const void* in, void* out, int64_t rows, int64_t n, int64_t row_in,
                       int64_t row_out, int64_t stride_in, int64_t stride_out);
  // out[c * stride_out + r] = in[r * stride_in + c] for r < rows, c < cols; blocked for the caches.
  void (*transpose[4])(const void* in, void* out, int64_t rows, int64_t cols, int64_t stride_in,
                       int64_t stride_out);
  // out[i * stride_out] = *value.
  void (*fill[4])(void* out, int64_t n, int64_t stride_out, const void* value);
  // Copies bytes past the caches: out is not read first and displaces nothing. Other threads may
  // see them after stream_done() only. Null where the machine has no such stores.
  void (*stream)(const void* in, void* out, int64_t bytes);
  void (*stream_done)();
};

}  // namespace pycore::kernels
