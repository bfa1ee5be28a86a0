// Convolution (cross-correlation, as in PyTorch) on contiguous NC[D][H]W arrays, and its two
// gradients. Must not know tensors; shapes are checked before.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"
#include "kernels/kept.h"

namespace pycore::kernels {

// Three spatial dimensions, depth, height, width; a 1d or 2d problem leaves the first ones at size
// 1 (kernel 1, stride 1, pad 0, dilation 1). Zeros stand in front of the input, `pad` of them, and
// behind it as many as the last output asks for: `out` is free, so padding may be uneven.
struct ConvArgs {
  int64_t batch = 1;
  int64_t in_channels = 0, out_channels = 0;  // both divisible by groups
  int64_t groups = 1;
  int64_t in[3] = {1, 1, 1};
  int64_t kernel[3] = {1, 1, 1};
  int64_t out[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1};
  int64_t pad[3] = {0, 0, 0};
  int64_t dilation[3] = {1, 1, 1};
  KeptOperand* weight_kept =
      nullptr;  // of forward, where the weights may stay as kernels read them
};

// Layouts, all contiguous: x [batch, in_channels, in...], weight [out_channels, in_channels /
// groups, kernel...], y [batch, out_channels, out...], bias [out_channels].
//
// A transposed convolution is backward_input: its input plays grad_y, its output grad_x, and
// its weight [c_in, c_out / groups, kernel...] is `weight` with out_channels = c_in.
struct ConvKernels {
  // Each is indexed by DType; null except for float32 and float64. Results don't depend on the
  // number of threads. Empty arrays (a batch of 0) are allowed.
  //
  // y = conv(x, weight) + bias; bias may be null.
  void (*forward[kDTypes])(const Context&, const ConvArgs&, const void* x, const void* weight,
                           const void* bias, void* y);
  // grad_x = the gradient of x; bias (per channel of x, for transposed convolutions) may be null.
  void (*backward_input[kDTypes])(const Context&, const ConvArgs&, const void* grad_y,
                                  const void* weight, const void* bias, void* grad_x);
  // grad_weight, and grad_bias where not null (grad_weight may be null too).
  void (*backward_weight[kDTypes])(const Context&, const ConvArgs&, const void* x,
                                   const void* grad_y, void* grad_weight, void* grad_bias);
};

}  // namespace pycore::kernels
