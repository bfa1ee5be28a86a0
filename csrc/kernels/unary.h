// Element-wise functions of one operand: tables indexed by [function][dtype]; nullptr where there
// is no kernel. Plain function pointers on raw memory; must not know tensors. float16 and bfloat16
// go through float32.
#pragma once

#include "kernels/dtype.h"

namespace pycore::kernels {

// In brackets: what params points to (params may be null for the others). Every function exists for
// float32 and float64; neg, abs, sign, square, relu and bitwise_not for the integers too (unsigned
// neg wraps), bitwise_not for bool as well (logical not).
enum class Unary : uint8_t {
  neg,
  abs,
  sign,
  sqrt,
  rsqrt,
  reciprocal,
  square,
  exp,
  exp2,
  expm1,
  log,
  log2,
  log10,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  erf,
  erfc,
  erfinv,
  lgamma,
  digamma,
  floor,
  ceil,
  round,  // half to even
  trunc,
  frac,
  sigmoid,
  logit,  // [eps], eps < 0: no clamping
  relu,
  leaky_relu,  // [slope]
  elu,         // [alpha, scale, input_scale]
  gelu_erf,
  gelu_tanh,
  silu,
  mish,
  softplus,  // [beta, threshold]
  clamp,     // [min, max]; +-inf where there is no bound; NaN propagates
  hardswish,
  hardsigmoid,
  softsign,
  hardshrink,  // [lambda]
  softshrink,  // [lambda]
  threshold,   // [threshold, value]
  logsigmoid,
  bitwise_not,
  nan_to_num,  // [nan, posinf, neginf]
  deg2rad,
  rad2deg,
  sinc,
  scale_shift,  // [scale, shift]: x * scale + shift; integers too
  count,
};

// Functions whose output is bool (one byte, 0 or 1). All dtypes except float16 and bfloat16.
enum class Predicate : uint8_t {
  isnan,
  isinf,
  isfinite,
  isposinf,
  isneginf,
  signbit,
  logical_not,
  count,
};

// out[i * stride_out] = f(a[i * stride_a]); strides in elements, any value. out may be a (same
// stride).
using UnaryFn = void (*)(const void* a, void* out, int64_t n, int64_t stride_a, int64_t stride_out,
                         const double* params);

struct UnaryKernels {
  UnaryFn fn[static_cast<int>(Unary::count)][kDTypes];
  UnaryFn predicate[static_cast<int>(Predicate::count)][kDTypes];
};

}  // namespace pycore::kernels
