// Resampling of contiguous planes along up to three dimensions by sparse weights: interpolation of
// every kind, and its adjoint, which is a resampling with transposed weights.
// Must not know tensors or how weights come about; shapes are checked before.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

// One dimension. Output o is the sum of weight[o * taps + k] * input[first[o] + k] over
// k < count[o]. `first` never falls. Without weights every count is 1 and elements are copied.
struct ResampleAxis {
  int64_t in = 1, out = 1;
  int64_t taps = 1;  // largest count
  const int64_t* first = nullptr;
  const int32_t* count = nullptr;
  const double* weight = nullptr;
  bool identity = true;  // out == in, each output its input; the pointers are not read
};

struct ResampleArgs {
  int64_t planes = 0;    // batch * channels
  ResampleAxis axis[3];  // depth, height, width
};

struct ResampleKernels {
  // float32 and float64: with or without weights. Types of 1 and 2 bytes: without weights only.
  void (*run[kDTypes])(const Context&, const ResampleArgs&, const void* x, void* y);
  // uint8 in fixed-point arithmetic, each pass rounded and clamped to a byte; height and width.
  void (*run_fixed)(const Context&, const ResampleArgs&, const uint8_t* x, uint8_t* y);
};

}  // namespace pycore::kernels
