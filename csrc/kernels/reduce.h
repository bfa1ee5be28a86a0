// Reductions along one axis of a [outer, red, inner] view. The kernels run their own threads
// through Context; results are the same bits for any number of them. Must not know tensors.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

// Output type in brackets; (same) is the input's. float16 and bfloat16 go through float32.
enum class Reduce : uint8_t {
  sum,            // [floats same, others int64]
  mean,           // [same] floats
  prod,           // [floats same, others int64]
  max,            // [same] NaN wins
  min,            // [same]
  argmax,         // [int64] index of the first; NaN wins
  argmin,         // [int64]
  max_indices,    // [same], out2: int64 index of the first
  min_indices,    // [same], out2: int64
  any,            // [bool]
  all,            // [bool]
  count_nonzero,  // [int64]
  nansum,         // [same] floats
  sum_squares,    // [same] floats
  sum_abs,        // [same] floats: the 1-norm
  max_abs,        // [same] floats: the inf-norm
  min_abs,        // [same] floats: the -inf-norm
  norm2,          // [same] floats: sqrt(sum of squares)
  norm_p,         // [same] floats: params[0] = p, any p except 0, 1, 2, +-inf
  logsumexp,      // [same] floats
  var,            // [same] floats: params[0] = correction; out2: the mean, or null
  std,            // [same] floats: as var
  count,
};

// Strides in elements. The output is contiguous [outer, inner]. red == 0 gives the neutral element
// (nan for mean, var, std); max, min and the arg forms must not be called with it.
struct ReduceShape {
  int64_t outer, red, inner;
  int64_t stride_outer, stride_red, stride_inner;
  // The reduced axis may consist of equal pieces, stride_piece apart, if inner is 1.
  int64_t pieces = 1, stride_piece = 0;
};

using ReduceFn = void (*)(const Context& ctx, const void* in, void* out, void* out2,
                          const ReduceShape& shape, const double* params);

struct ReduceKernels {
  ReduceFn fn[static_cast<int>(Reduce::count)][kDTypes];
};

}  // namespace pycore::kernels
