// Reductions along one axis of a view of loops around it. The kernels run their own threads
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

// A dimension that is kept: `size` steps of `stride` elements in the input, `out` in the output.
struct ReduceLoop {
  int64_t size, stride, out;
};
// How elements lie in memory, if not in the type that is computed in: as 16-bit floats of float32.
enum class Stored : uint8_t { plain, half, bfloat16 };

// Strides in elements. red == 0 gives the neutral element (nan for mean, var, std); max, min and
// the arg forms must not be called with it.
struct ReduceShape {
  static constexpr int kLoops = 3;
  // Kept dimensions, the last one fastest; outer is the product of their sizes. At least one.
  ReduceLoop loop[kLoops] = {{1, 0, 0}};
  int loops = 1;
  int64_t outer = 1;
  // The reduced axis: `pieces` equal parts, stride_piece apart.
  int64_t red = 1, stride_red = 1, pieces = 1, stride_piece = 0;
  // A kept dimension whose elements go side by side; size 1: each output reads a run of its own.
  ReduceLoop inner = {1, 1, 1};
  Stored stored = Stored::plain;
};

using ReduceFn = void (*)(const Context& ctx, const void* in, void* out, void* out2,
                          const ReduceShape& shape, const double* params);

struct ReduceKernels {
  ReduceFn fn[static_cast<int>(Reduce::count)][kDTypes];
};

}  // namespace pycore::kernels
