// Attention on tensors without history: what the operators of attention share. Must not know
// derivatives or Python.
#pragma once

#include "kernels/attention.h"
#include "ops/ops.h"

namespace pycore {

// What attention computes besides its three matrices. Tensors may be undefined.
struct AttentionOptions {
  Tensor mask;  // added to the scores; broadcasts to [batch.., queries, keys]
  Tensor keep;  // dropout factors of the probabilities, dense [batch.., queries, keys]
  double scale = 1;
  bool causal = false;
};

// out = softmax(scale * q k^T + mask) v, and lse = log(sum(exp(scores))) [batch.., queries]. All of
// one dtype, float32 or float64: q [.., L, E], k [.., S, E], v [.., S, Ev], out [.., L, Ev]; batch
// dimensions broadcast to those of out. lse may be undefined.
void attention_data(const Tensor& q, const Tensor& k, const Tensor& v,
                    const AttentionOptions& options, const Tensor& out, const Tensor& lse);
// Gradients from that of out, into dq, dk and dv of the batch of out; undefined ones are skipped.
void attention_gradients_data(const Tensor& q, const Tensor& k, const Tensor& v,
                              const AttentionOptions& options, const Tensor& out, const Tensor& lse,
                              const Tensor& grad, const Tensor& dq, const Tensor& dk,
                              const Tensor& dv);

// The same composed of differentiable operators, with queries, keys and values of one batch.
struct AttentionMath {
  Tensor probabilities;  // before dropout
  Tensor out;
};
AttentionMath attention_math(const Tensor& q, const Tensor& k, const Tensor& v,
                             const AttentionOptions& options);
struct AttentionGrads {
  Tensor q, k, v;  // of the batch of the gradient
};
AttentionGrads attention_gradients_math(const Tensor& q, const Tensor& k, const Tensor& v,
                                        const AttentionOptions& options, const Tensor& grad);

// Which implementations scaled_dot_product_attention may choose from, one bit per number of
// SDPBackend. Those of other hardware have bits and no meaning.
inline constexpr int64_t kAttentionMath = 1 << 0, kAttentionFused = 1 << 1,
                         kAttentionBackends = 0x1f;
int64_t attention_backends();
void set_attention_backends(int64_t bits);

// A mask as what is added to scores of dtype t: False becomes -inf.
Tensor additive_mask(const Tensor& mask, DType t);
// Factors 0 and 1 / (1 - p) for probabilities of the given shape, drawn in order.
Tensor attention_dropout(IntSpan sizes, DType t, double p);

}  // namespace pycore
