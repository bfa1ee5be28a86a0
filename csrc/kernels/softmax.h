// Softmax, log-softmax, cross entropy and their derivatives along the middle axis of contiguous
// [outer, n, inner] arrays. Threads through Context; must not know tensors.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

using SoftmaxFn = void (*)(const Context& ctx, const void* in, void* out, int64_t outer, int64_t n,
                           int64_t inner);
// dx from dy and the forward's output y.
using SoftmaxBackwardFn = void (*)(const Context& ctx, const void* dy, const void* y, void* dx,
                                   int64_t outer, int64_t n, int64_t inner);

// Class indices of a loss. Row r = o * inner + i looks at x[o, :, i] and target[r].
struct ClassTargets {
  const int64_t* target;
  const void* weight;  // [n] of the data's type, or null: all ones
  int64_t ignore_index;
  int64_t outer, n, inner;
};

struct SoftmaxKernels {
  // float32 and float64.
  SoftmaxFn softmax[kDTypes];
  SoftmaxFn log_softmax[kDTypes];
  SoftmaxBackwardFn softmax_backward[kDTypes];
  SoftmaxBackwardFn log_softmax_backward[kDTypes];

  // losses[r] = -w[t] * log_softmax(x)[t], weights[r] = w[t]; both 0 where t == ignore_index. lse:
  // the largest x of every row, then the log of each sum of exp(x - largest). Returns the place of
  // the first target outside [0, n) but not ignore_index; -1: all are good, outputs are complete.
  int64_t (*cross_entropy[kDTypes])(const Context& ctx, const ClassTargets& targets, const void* x,
                                    void* lse, void* losses, void* weights);
  // dx = scale[r] * w[t] * (softmax(x) - onehot(t)); scale has stride 0 or 1.
  void (*cross_entropy_backward[kDTypes])(const Context& ctx, const ClassTargets& targets,
                                          const void* x, const void* lse, const void* scale,
                                          int64_t stride_scale, void* dx);
  // The same on log-probabilities: losses[r] = -w[t] * x[t].
  int64_t (*nll[kDTypes])(const Context& ctx, const ClassTargets& targets, const void* x,
                          void* losses, void* weights);
  // dx[t] = -scale[r] * w[t], 0 elsewhere.
  void (*nll_backward[kDTypes])(const Context& ctx, const ClassTargets& targets, const void* scale,
                                int64_t stride_scale, void* dx);
};

}  // namespace pycore::kernels
