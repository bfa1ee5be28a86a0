// One optimizer step on flat parameter arrays, in PyTorch's formulas and order of rounding.
// Plain ranges (the caller splits them over threads); must not know tensors or parameter groups.
#pragma once

#include "kernels/dtype.h"

namespace pycore::kernels {

struct SgdStep {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
  bool first;  // the momentum buffer is not yet initialised
};

struct AdamStep {
  double lr, beta1, beta2, eps, weight_decay;
  int64_t step;    // 1 for the first
  bool decoupled;  // AdamW: the decay acts on the parameter, not on the gradient
  bool maximize;
};

struct OptimKernels {
  // float32 and float64. momentum may be null when step.momentum == 0; grad is not changed.
  void (*sgd[kDTypes])(void* param, const void* grad, void* momentum, int64_t n,
                       const SgdStep& step);
  // max_exp_avg_sq: AMSGrad when not null.
  void (*adam[kDTypes])(void* param, const void* grad, void* exp_avg, void* exp_avg_sq,
                        void* max_exp_avg_sq, int64_t n, const AdamStep& step);
};

}  // namespace pycore::kernels
