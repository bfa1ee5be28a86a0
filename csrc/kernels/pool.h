// Max, min, average and adaptive pooling over contiguous N[D][H]W planes, forward and backward.
// Must not know tensors; shapes are checked before.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

// `planes` is batch * channels. Dimensions are depth, height, width; unused leading ones are 1
// (kernel 1, stride 1, padding 0, dilation 1). The caller computes `out` (ceil_mode lives there).
struct PoolArgs {
  int64_t planes = 0;
  int64_t in[3] = {1, 1, 1};
  int64_t out[3] = {1, 1, 1};
  int64_t kernel[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1};
  int64_t pad[3] = {0, 0, 0};
  int64_t dilation[3] = {1, 1, 1};  // max and min only

  bool count_include_pad = true;  // average only
  int64_t divisor = 0;            // average only: divisor_override, 0 = none
};

// Index arrays are int64 offsets within the input plane, as torch's return_indices gives them: the
// first maximum wins, a NaN wins over everything (the last NaN of the window, as in torch).
struct PoolKernels {
  // Indexed by DType; integers too (not bool). `indices` may be null.
  void (*max[kDTypes])(const Context&, const PoolArgs&, const void* x, void* y, int64_t* indices);
  void (*min[kDTypes])(const Context&, const PoolArgs&, const void* x, void* y, int64_t* indices);
  // Windows [floor(i * in / out), ceil((i + 1) * in / out)); only planes, in and out are read.
  void (*adaptive_max[kDTypes])(const Context&, const PoolArgs&, const void* x, void* y,
                                int64_t* indices);
  // grad_x[indices] += grad_y, for all of the above: only planes, in and out are read.
  void (*scatter_grad[kDTypes])(const Context&, const PoolArgs&, const void* grad_y,
                                const int64_t* indices, void* grad_x);

  // float32 and float64 only.
  void (*avg[kDTypes])(const Context&, const PoolArgs&, const void* x, void* y);
  void (*avg_backward[kDTypes])(const Context&, const PoolArgs&, const void* grad_y, void* grad_x);
  void (*adaptive_avg[kDTypes])(const Context&, const PoolArgs&, const void* x, void* y);
  void (*adaptive_avg_backward[kDTypes])(const Context&, const PoolArgs&, const void* grad_y,
                                         void* grad_x);
};

}  // namespace pycore::kernels
