// C++ faces of the operators that move elements by index. Must not know Python.
#pragma once

#include "ops/ops.h"

namespace pycore {

// Undefined index tensors take a whole dimension (see index_plan.h).
Tensor index(const Tensor& self, TensorList indices);
Tensor index_put(const Tensor& self, TensorList indices, const Tensor& values, bool accumulate);
Tensor index_put_(const Tensor& self, TensorList indices, const Tensor& values, bool accumulate);

Tensor gather(const Tensor& input, int64_t dim, const Tensor& index);
// `src` may be a number or a 0-d tensor (read as a number).
Tensor scatter(const Tensor& self, int64_t dim, const Tensor& index, const Operand& src);
Tensor scatter_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src);
Tensor scatter_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src);
Tensor scatter_reduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                      std::string_view reduce, bool include_self);
Tensor take(const Tensor& input, const Tensor& index);
Tensor put(const Tensor& input, const Tensor& index, const Tensor& source, bool accumulate);
Tensor index_select(const Tensor& input, int64_t dim, const Tensor& index);
Tensor index_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                 const Scalar& alpha);
Tensor index_fill(const Tensor& self, int64_t dim, const Tensor& index, const Operand& value);
Tensor slice_scatter(const Tensor& self, const Tensor& src, int64_t dim,
                     std::optional<int64_t> start, std::optional<int64_t> end, int64_t step);
Tensor nonzero(const Tensor& input);
Tensor masked_scatter(const Tensor& input, const Tensor& mask, const Tensor& source);
Tensor masked_select(const Tensor& input, const Tensor& mask);

// An index for gather and its kin as contiguous int64, checked to lie in [0, size).
Tensor line_index(const char* op, const Tensor& index, int64_t size, int64_t dim);
// out = condition ? a : b without history; the shapes of all broadcast to out's.
void where_data(const Tensor& out, const Tensor& condition, const Tensor& a, const Tensor& b);

}  // namespace pycore
