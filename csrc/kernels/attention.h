// Softmax attention on pointers and strides, tile by tile: softmax(scale * Q K^T + mask) V and its
// derivatives. Must not know tensors, heads or how a mask came about; shapes are checked before.
//
// Method: FlashAttention (Dao et al. 2022, Dao 2023). The matrix of scores exists one tile at a
// time; a row keeps its running maximum and sum, and the derivative recomputes the probabilities
// from the logarithm of that sum.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

// A batch of row-major matrices whose rows are contiguous: element (r, c) of matrix b is
// data[at[b] + r * row + c].
struct MatrixBatch {
  void* data = nullptr;
  const int64_t* at = nullptr;
  int64_t row = 0;
};

struct AttentionArgs {
  int64_t batch = 0, queries = 0, keys = 0, depth = 0, value_depth = 0;
  double scale = 1;
  bool causal = false;   // query i sees the keys 0 .. i
  MatrixBatch q, k, v;   // [queries, depth], [keys, depth], [keys, value_depth]
  MatrixBatch mask;      // added to the scaled scores; data may be null
  int64_t mask_col = 0;  // its column stride; row and column strides of 0 broadcast
  const void* keep;      // factors of the probabilities (dropout), [batch, queries, keys], or null
  MatrixBatch out;       // [queries, value_depth]
  void* lse = nullptr;   // log(sum(exp(scores))), [batch, queries]; +inf where no key is seen
};

struct AttentionGradients {
  MatrixBatch out;  // gradient of `out`
  // Wanted gradients, overwritten; data is null where none is. No two matrices may overlap.
  MatrixBatch q, k, v;
};

struct AttentionKernels {
  // float32 and float64. A query that sees no key (all its scores are -inf) gets zeros. Results
  // don't depend on the number of threads.
  void (*forward[kDTypes])(const Context& ctx, const AttentionArgs& args);
  // Takes `out` and `lse` as the forward left them.
  void (*backward[kDTypes])(const Context& ctx, const AttentionArgs& args,
                            const AttentionGradients& gradients);
};

}  // namespace pycore::kernels
