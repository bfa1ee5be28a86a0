// The order in which the dimensions of fresh tensors lie in memory: copies and results computed
// element by element keep that of their operands. Must not know operators.
#pragma once

#include "core/pointwise.h"

namespace pycore {

// Does t fill a piece of memory, every place once, its dimensions in whatever order?
bool is_dense(const Tensor& t);

// A fresh tensor with the strides of t; if t has gaps or repeats itself, with its dimensions in the
// same order and without gaps.
Tensor empty_like(const Tensor& t, DType dtype);
inline Tensor empty_like(const Tensor& t) { return empty_like(t, t.dtype()); }

// A fresh tensor for the result of an element-wise function, with PyTorch's strides: the dimensions
// stand in the order of the strides of the first operand, where that leaves a choice (a stride of 0
// says nothing) of the next one, and else row-major. Operands of other dtypes than `common` count
// as converted to it first.
Tensor empty_in_order_of(IntSpan sizes, DType dtype, std::span<const PointwiseArg> operands,
                         DType common);

}  // namespace pycore
