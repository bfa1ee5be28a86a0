// Attention without history: the kernels on tensors, and the same composed of differentiable
// operators. Must not know Python.
#include <cmath>
#include <limits>

#include "kernels/attention.h"
#include "ops/attention.h"
#include "ops/kernel_support.h"
#include "ops/matrix.h"
#include "ops/random.h"

namespace pycore {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A tensor whose rows are contiguous, as the kernels want them.
Tensor with_dense_rows(const Tensor& t) {
  return t.strides().back() == 1 || t.sizes().back() <= 1 ? t : clone_data(t);
}

// Where the matrices of a batch begin, in elements; batch dimensions of `t` broadcast to `batch`.
std::vector<int64_t> starts_of(const Tensor& t, IntSpan batch) {
  const size_t dims = batch.size();
  const size_t own = static_cast<size_t>(t.dim()) - 2;
  std::vector<int64_t> strides(dims, 0), starts;
  for (size_t i = 0; i < own; ++i) {
    const int64_t d = static_cast<int64_t>(i);
    if (t.sizes()[d] != 1) strides[dims - own + i] = t.strides()[d];
  }
  int64_t count = 1;
  for (int64_t n : batch) count *= n;
  starts.reserve(static_cast<size_t>(count));
  std::vector<int64_t> index(dims, 0);
  int64_t at = 0;
  for (int64_t c = 0; c < count; ++c) {
    starts.push_back(at);
    for (size_t i = dims; i-- > 0;) {
      at += strides[i];
      if (++index[i] < batch[i]) break;
      at -= strides[i] * batch[i];
      index[i] = 0;
    }
  }
  return starts;
}

// A tensor as a batch of matrices, with the table of their starts and a dense copy if it took one.
struct Matrices {
  Tensor tensor;
  std::vector<int64_t> starts;
  kernels::MatrixBatch view;

  Matrices(const Tensor& t, IntSpan batch) : tensor(t) {
    if (!t.defined()) return;
    starts = starts_of(t, batch);
    view = {t->data, starts.data(), t.strides()[t.dim() - 2]};
  }
};

Dims batch_of(const Tensor& t) { return Dims(t.sizes().begin(), t.sizes().end() - 2); }

// The arguments of a kernel call and what they point to.
struct Call {
  Dims batch;
  Matrices q, k, v, mask, out;
  kernels::AttentionArgs args{};

  Call(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionOptions& options,
       const Tensor& result, const Tensor& lse)
      : batch(batch_of(result)),
        q(with_dense_rows(query), batch),
        k(with_dense_rows(key), batch),
        v(with_dense_rows(value), batch),
        mask(matrix_mask(options.mask), batch),
        out(result, batch) {
    args.batch = static_cast<int64_t>(out.starts.size());
    args.queries = query.size(-2);
    args.keys = key.size(-2);
    args.depth = query.size(-1);
    args.value_depth = value.size(-1);
    args.scale = options.scale;
    args.causal = options.causal;
    args.q = q.view;
    args.k = k.view;
    args.v = v.view;
    args.out = out.view;
    args.keep = data_or_null(options.keep);
    args.lse = lse.defined() ? lse->data : nullptr;
    if (const Tensor& m = mask.tensor; m.defined()) {
      args.mask = mask.view;
      if (m.size(-2) == 1) args.mask.row = 0;
      args.mask_col = m.size(-1) == 1 ? 0 : m.stride(-1);
    }
  }

 private:
  static Tensor matrix_mask(const Tensor& m) {
    if (!m.defined() || m.dim() >= 2) return m;
    Dims sizes{1, 1}, strides{0, 0};
    if (m.dim() == 1) {
      sizes[1] = m.sizes()[0];
      strides[1] = m.strides()[0];
    }
    return make_alias(m->storage, m.dtype(), sizes, strides, m.offset());
  }
};

const kernels::Context& context_of(const kernels::AttentionArgs& a) {
  const int64_t work = a.batch * a.queries * a.keys * (a.depth + a.value_depth);
  return work > (1 << 19) ? kernel_context() : serial_context();
}

}  // namespace

void attention_data(const Tensor& q, const Tensor& k, const Tensor& v,
                    const AttentionOptions& options, const Tensor& out, const Tensor& lse) {
  const Call call(q, k, v, options, out, lse);
  kernels_for("attention", q.dtype())
      .attention->forward[static_cast<int>(q.dtype())](context_of(call.args), call.args);
}

void attention_gradients_data(const Tensor& q, const Tensor& k, const Tensor& v,
                              const AttentionOptions& options, const Tensor& out, const Tensor& lse,
                              const Tensor& grad, const Tensor& dq, const Tensor& dk,
                              const Tensor& dv) {
  const Call call(q, k, v, options, out, lse);
  const Matrices g(with_dense_rows(grad), call.batch), gq(dq, call.batch), gk(dk, call.batch),
      gv(dv, call.batch);
  const kernels::AttentionGradients grads{g.view, gq.view, gk.view, gv.view};
  kernels_for("attention gradient", q.dtype())
      .attention->backward[static_cast<int>(q.dtype())](context_of(call.args), call.args, grads);
}

namespace {

// -inf where the key comes after the query, else 0.
Tensor future_mask(int64_t queries, int64_t keys, DType t) {
  const GradGuard off(false);
  return triu(full({{queries, keys}}, Scalar(-kInfinity), t), 1);
}

Tensor masked_scores(const Tensor& q, const Tensor& k, const AttentionOptions& options) {
  Tensor scores = matmul(mul(q, options.scale), transpose(k, -2, -1));
  if (options.mask.defined()) scores = add(scores, options.mask);
  if (!options.causal) return scores;
  return add(scores, future_mask(scores.size(-2), scores.size(-1), scores.dtype()));
}

// softmax over the last dimension; zeros where all of a row is -inf.
Tensor safe_softmax(const Tensor& scores) {
  if (scores.numel() == 0) return softmax(scores, -1);
  const int64_t last[1] = {scores.dim() - 1};
  Tensor unseen;
  {
    GradGuard off(false);
    unseen = eq(amax(detach(scores), last, true), -kInfinity);
  }
  return where(unseen, 0.0, softmax(where(unseen, 0.0, scores), -1));
}

Tensor kept(const Tensor& probabilities, const AttentionOptions& options) {
  return options.keep.defined() ? mul(probabilities, options.keep) : probabilities;
}

}  // namespace

AttentionMath attention_math(const Tensor& q, const Tensor& k, const Tensor& v,
                             const AttentionOptions& options) {
  AttentionMath r;
  r.probabilities = safe_softmax(masked_scores(q, k, options));
  r.out = matmul(kept(r.probabilities, options), v);
  return r;
}

AttentionGrads attention_gradients_math(const Tensor& q, const Tensor& k, const Tensor& v,
                                        const AttentionOptions& options, const Tensor& grad) {
  const int64_t last[1] = {grad.dim() - 1};
  const Tensor p = safe_softmax(masked_scores(q, k, options));
  AttentionGrads r;
  r.v = matmul(transpose(kept(p, options), -2, -1), grad);
  const Tensor dp = kept(matmul(grad, transpose(v, -2, -1)), options);
  const Tensor ds = mul(mul(p, sub(dp, sum_dims(mul(dp, p), last, true))), options.scale);
  r.q = matmul(ds, k);
  r.k = matmul(transpose(ds, -2, -1), q);
  return r;
}

Tensor additive_mask(const Tensor& mask, DType t) {
  if (mask.dtype() != DType::bool_) return to_dtype(mask, t);
  return where(mask, scalar_tensor(0.0, t), scalar_tensor(-kInfinity, t));
}

Tensor attention_dropout(IntSpan sizes, DType t, double p) {
  if (p == 1) return zeros(sizes, t);
  const Tensor factors = empty(sizes, t);
  fill_dropout(factors, p);
  return factors;
}

}  // namespace pycore
