// The common part of normalisations: the derivative composed of differentiable operators. Must not
// know which one it is.
#pragma once

#include "ops/kernel_support.h"
#include "ops/ops.h"

namespace pycore {

// x with statistics over some of its dimensions (kept as ones), as differentiable tensors.
struct Normalized {
  Tensor hat, rstd;

  // From x's own mean and variance over `dims`.
  static Normalized of(const Tensor& x, IntSpan dims, double eps, bool center = true) {
    const Tensor centered = center ? sub(x, mean_dims(x, dims, true)) : x;
    Tensor rstd = rsqrt(add(mean_dims(mul(centered, centered), dims, true), eps));
    return {mul(centered, rstd), rstd};
  }
  // The gradient of x from that of `hat`, through mean and variance too.
  Tensor gradient(const Tensor& g_hat, IntSpan dims, bool center = true) const {
    Tensor d = sub(g_hat, mul(hat, mean_dims(mul(g_hat, hat), dims, true)));
    if (center) d = sub(d, mean_dims(g_hat, dims, true));
    return mul(d, rstd);
  }
};

// weight and bias of a normalisation: floating, of the input's dtype (or float32 next to a reduced
// float).
inline void check_parameter_dtype(const Tensor& input, const Tensor& parameter) {
  if (!parameter.defined() || parameter.dtype() == input.dtype()) return;
  PC_CHECK(is_reduced_float(input.dtype()) && parameter.dtype() == DType::float32,
           "mixed dtype (CPU): expect parameter to have scalar type of Float");
}
// In the dtype that is computed in, and differentiably: also the composed derivatives of reduced
// floats are computed in float32, where squares do not overflow.
inline Tensor widened(const Tensor& t) {
  return t.defined() ? to_dtype(t, compute_dtype(t.dtype())) : t;
}
inline Tensor mul_or_same(const Tensor& g, const Tensor& weight) {
  return weight.defined() ? mul(g, weight) : g;
}
inline void* made_or_null(bool wanted, Tensor& t, IntSpan sizes, DType dtype) {
  if (!wanted) return nullptr;
  t = empty(sizes, dtype);
  return t->data;
}

}  // namespace pycore
