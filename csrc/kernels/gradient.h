// Fused derivatives of element-wise functions: dx from (dy, x) or (dy, y). float32 and float64.
// Plain function pointers on raw memory; must not know tensors or the tape.
#pragma once

#include "kernels/binary.h"

namespace pycore::kernels {

// The operand after dy: (x) the input of the forward, (y) its output. In brackets: params, as in
// Unary.
enum class Gradient : uint8_t {
  abs,          // x: dy * sign(x)
  sqrt,         // y
  rsqrt,        // y
  reciprocal,   // y
  square,       // x
  log,          // x
  log1p,        // x
  sin,          // x
  cos,          // x
  tanh,         // y
  erf,          // x
  sigmoid,      // y
  relu,         // y (or x: the same sign)
  leaky_relu,   // x [slope]
  elu,          // x [alpha, scale, input_scale]
  elu_result,   // y [alpha, scale, input_scale]: for the in-place form
  gelu_erf,     // x
  gelu_tanh,    // x
  silu,         // x
  mish,         // x
  softplus,     // x [beta, threshold]
  clamp,        // x [min, max]: passes where min <= x <= max
  hardtanh,     // x [min, max]: passes where min < x < max
  hardswish,    // x
  hardsigmoid,  // x
  softsign,     // x
  hardshrink,   // x [lambda]; softshrink too
  threshold,    // x [threshold]
  logsigmoid,   // x
  count,
};

struct GradientKernels {
  // a is dy, b is x or y. exp is Binary::mul(dy, y).
  BinaryFn fn[static_cast<int>(Gradient::count)][kDTypes];
};

}  // namespace pycore::kernels
