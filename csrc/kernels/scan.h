// Running sums, products, maxima along the middle axis of a contiguous [outer, n, inner] array.
// Threads over outer and inner through Context; must not know tensors.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

// indices (int64, same shape): cummax and cummin only. out may be in.
using ScanFn = void (*)(const Context& ctx, const void* in, void* out, int64_t* indices,
                        int64_t outer, int64_t n, int64_t inner);

struct ScanKernels {
  // float32, float64, int64 (cast the other integers first).
  ScanFn cumsum[kDTypes];
  ScanFn cumprod[kDTypes];
  // All but float16 and bfloat16. NaN wins; equal values: the last index, as torch.
  ScanFn cummax[kDTypes];
  ScanFn cummin[kDTypes];
  // float32, float64.
  ScanFn logcumsumexp[kDTypes];
};

}  // namespace pycore::kernels
