// Matrix products on tensors without history: what the operators of linalg, convolution and
// recurrent layers share. Must not know derivatives or Python.
#pragma once

#include "core/parallel.h"
#include "kernels/gemm.h"
#include "ops/ops.h"

namespace pycore {

// out = a @ b, out += a @ b, out = a @ b + bias. a [..., m, k], b [..., k, n], out [..., m, n] with
// any strides; batch dimensions of a and b broadcast to those of out. All of one dtype, or int8
// into int32; `bias` (n elements) may be null.
void multiply_into(const Tensor& out, const Tensor& a, const Tensor& b, const void* bias = nullptr,
                   bool accumulate = false);
// The same into a fresh tensor of the given shape, which may drop or split dimensions of [..., m,
// n].
Tensor multiply_data(const Tensor& a, const Tensor& b, IntSpan batch, IntSpan shape,
                     const Tensor& bias = Tensor());

// PyTorch's words: "float", "double", "long int".
const char* cpp_type_name(DType t);

// Public operators for other families (linalg.cpp, matmul.cpp).
Tensor mm(const Tensor& a, const Tensor& b);
Tensor bmm(const Tensor& a, const Tensor& b);
Tensor mv(const Tensor& a, const Tensor& x);
Tensor dot(const Tensor& a, const Tensor& b);
Tensor outer(const Tensor& a, const Tensor& b);
Tensor matmul(const Tensor& a, const Tensor& b);
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias);
Tensor einsum(std::string_view equation, TensorList tensors);

}  // namespace pycore
