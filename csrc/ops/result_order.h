// Results whose dimensions lie otherwise than the element-wise kernel behind them would lay them:
// where PyTorch computes in other steps. Must not know Python.
#pragma once

#include "ops/ops.h"

namespace pycore {

// Runs make(), whose first element-wise result goes into `fresh`, unless an in-place or out= call
// has said where it is to go.
template <class Make>
Tensor made_in(const Tensor& fresh, const Make& make) {
  if (t_out_target.tensor) return make();
  struct Target {
    explicit Target(const Tensor& t) { t_out_target.tensor = &t; }
    ~Target() { t_out_target.tensor = nullptr; }
  } target(fresh);
  return make();
}

// A fresh tensor in the order of an element-wise function's result of t alone.
inline Tensor empty_for_result_of(const Tensor& t, DType dtype) {
  const PointwiseArg arg(t);
  return t->standard ? empty(t.sizes(), dtype)
                     : empty_in_order_of(t.sizes(), dtype, {&arg, 1}, dtype);
}

}  // namespace pycore
