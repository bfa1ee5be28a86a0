// What view operators share: making views, and gradients of strided parts. Must not know Python.
#pragma once

#include "ops/ops.h"

namespace pycore {

Tensor make_view(const Tensor& base, IntSpan sizes, IntSpan strides, int64_t offset);
// Replaces one -1 by what numel asks for; RuntimeError if the sizes don't fit.
Dims infer_size(IntSpan sizes, int64_t numel);

// A flat tensor of `extent` zeros into which g has been added at the given strides and offset.
// Differentiable.
Tensor embed_strided(const Tensor& g, int64_t extent, IntSpan strides, int64_t offset);
// Zeros of shape `sizes` with g put where the part with these strides lies in a contiguous tensor
// of that shape.
Tensor embed_part(const Tensor& g, IntSpan sizes, IntSpan strides, int64_t offset);

// The derivative of any strided view: through a flat buffer that spans both geometries. Elements of
// the input that lie in one place share its gradient evenly.
struct AsStridedBackward0 {
  static constexpr const char* name = "AsStridedBackward0";
  static constexpr bool saves = false;
  Dims in_sizes, in_strides, out_strides;
  int64_t in_offset = 0, out_offset = 0, extent = 0;
  void operator()(Backward& b);
};
AsStridedBackward0 as_strided_rule(const Tensor& input, const Tensor& output);

}  // namespace pycore
