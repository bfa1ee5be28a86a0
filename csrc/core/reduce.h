// Drives reduction kernels over strided tensors of any dtype. Must not know which function a kernel
// computes.
#pragma once

#include "core/cpu.h"
#include "core/tensor.h"
#include "kernels/reduce.h"

namespace pycore {

// The dimensions to reduce as a mask: all if `dims` is empty and `empty_means_all`. Errors on
// repeated dims.
SmallVec<bool, 6> reduced_dims(const Tensor& t, IntSpan dims, bool empty_means_all = true);
// The shape after reducing.
Dims reduced_shape(const Tensor& t, const SmallVec<bool, 6>& mask, bool keepdim);

// Reduces t over the masked dimensions; the result is contiguous with shape `reduced_shape(t, mask,
// keepdim)`. `result` is what the kernel writes ([same], int64 or bool of kernels/reduce.h);
// float16 and bfloat16 are computed in float32 and converted back. out2 (if any) is made with dtype
// `result2`.
Tensor run_reduce(kernels::Reduce f, const Tensor& t, const SmallVec<bool, 6>& mask, bool keepdim,
                  DType result, const double* params = nullptr, Tensor* out2 = nullptr,
                  DType result2 = DType::int64);

}  // namespace pycore
