// Derivatives that are constant but for steps: relu, pooling, padding. Must not know particular
// operators.
#pragma once

#include "autograd/node.h"

namespace pycore {

// `gradient` of input i, where it depends on the input only by which branch or place was taken. Its
// own derivative by the input is then zero, and not absent: second derivatives of a model of such
// layers exist. Differs from `gradient` only if this backward is itself recorded.
Tensor stepwise(Backward& b, uint32_t i, const Tensor& gradient);

}  // namespace pycore
