// Scaled dot product attention, and the same on projections that hold several heads side by side.
// Must not know Python.
#include "ops/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "ops/kernel_support.h"
#include "ops/matrix.h"

namespace pycore {
namespace {

std::atomic<int64_t> g_backends{kAttentionBackends};
bool fused_allowed() { return g_backends & kAttentionFused; }

Dims batch_of(const Tensor& t) { return Dims(t.sizes().begin(), t.sizes().end() - 2); }
Dims with_matrix(Dims batch, int64_t rows, int64_t cols) {
  batch.push_back(rows);
  batch.push_back(cols);
  return batch;
}
int64_t product(const Dims& d) {
  int64_t n = 1;
  for (int64_t x : d) n *= x;
  return n;
}
double scale_of(const Tensor& query, std::optional<double> scale) {
  return scale.value_or(1 / std::sqrt(static_cast<double>(query.size(-1))));
}

// --- one head after the other
// -----------------------------------------------------------------------------------------

// A tensor without gaps whose dimensions are ordered in memory as those of `like`, if that leaves
// rows dense: heads that are views of one projection then give a result that is one, too.
Tensor result_like(const Tensor& like, IntSpan sizes, DType t) {
  if (!same(like.sizes(), sizes) || like.is_contiguous()) return empty(sizes, t);
  Dims order;
  for (int64_t d = 0; d < like.dim(); ++d) order.push_back(d);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t x, int64_t y) { return like.strides()[x] > like.strides()[y]; });
  if (order.back() != like.dim() - 1) return empty(sizes, t);
  Dims sorted, back(like.dim(), 0);
  for (int64_t i = 0; i < like.dim(); ++i) {
    sorted.push_back(like.sizes()[order[i]]);
    back[order[i]] = i;
  }
  const Tensor dense = empty(sorted, t);
  Dims strides;
  for (int64_t d : back) strides.push_back(dense.strides()[d]);
  return make_alias(dense->storage, t, sizes, strides, 0);
}

// The kernel's derivative; composed of operators where the gradient is to be differentiated again.
struct ScaledDotProductFlashAttentionForCpuBackward0 {
  static constexpr const char* name = "ScaledDotProductFlashAttentionForCpuBackward0";
  Saved q, k, v, mask, result;
  Tensor lse, keep, wide;  // wide: the result in the dtype that is computed in, if it is another
  double scale = 1;
  bool causal = false;

  void operator()(Backward& b) {
    const Tensor query = b.get(q), key = b.get(k), value = b.get(v);
    const Tensor out = wide.defined() ? wide : b.get(result);
    const DType t = out.dtype();
    const AttentionOptions options{b.get(mask), keep, scale, causal};
    AttentionGrads r;
    if (grad_enabled()) {
      r = attention_gradients_math(to_dtype(query, t), to_dtype(key, t), to_dtype(value, t),
                                   options, to_dtype(b.grad(), t));
    } else {
      const Dims batch = batch_of(out);
      const auto made = [&](uint32_t i, const Tensor& like) {
        return b.needs(i) ? result_like(like, with_matrix(batch, like.size(-2), like.size(-1)), t)
                          : Tensor();
      };
      r = {made(0, query), made(1, key), made(2, value)};
      attention_gradients_data(kernel_dtype(query, t), kernel_dtype(key, t), kernel_dtype(value, t),
                               options, out, lse, kernel_dtype(b.grad(), t), r.q, r.k, r.v);
    }
    if (b.needs(0)) b.set(0, to_dtype(sum_to(r.q, query.sizes()), query.dtype()));
    if (b.needs(1)) b.set(1, to_dtype(sum_to(r.k, key.sizes()), key.dtype()));
    if (b.needs(2)) b.set(2, to_dtype(sum_to(r.v, value.sizes()), value.dtype()));
  }

  static Tensor kernel_dtype(const Tensor& t, DType dtype) {
    return t.dtype() == dtype ? t : kernel_input(t, dtype);
  }
};
using Rule = ScaledDotProductFlashAttentionForCpuBackward0;

Tensor fused(const Tensor& query, const Tensor& key, const Tensor& value, const Dims& batch,
             const AttentionOptions& options, const char* node_name) {
  const DType t = compute_dtype(query.dtype());
  const bool record_it = recording(query, key, value);
  Tensor out = result_like(query, with_matrix(batch, query.size(-2), value.size(-1)), t), lse;
  if (record_it) {
    Dims rows(batch);
    rows.push_back(query.size(-2));
    lse = empty(rows, t);
  }
  attention_data(Rule::kernel_dtype(query, t), Rule::kernel_dtype(key, t),
                 Rule::kernel_dtype(value, t), options, out, lse);
  Tensor result = kernel_output(out, query.dtype());
  if (record_it) {
    const bool same_dtype = out.dtype() == query.dtype();
    Rule rule{Saved(query),          Saved(key),    Saved(value), Saved(options.mask),
              Saved::output(result), lse,           options.keep, same_dtype ? Tensor() : out,
              options.scale,         options.causal};
    Ref<Node> node = record(result, std::move(rule), query, key, value);
    node->name = node_name;
  }
  return result;
}

void check_inputs(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask) {
  PC_CHECK(q.dtype() == k.dtype() && q.dtype() == v.dtype(),
           "Expected query, key, and value to have the same dtype, but got query.dtype: ",
           cpp_type_name(q.dtype()), " key.dtype: ", cpp_type_name(k.dtype()),
           " and value.dtype: ", cpp_type_name(v.dtype()), " instead.");
  PC_CHECK(q.dim() >= 2 && k.dim() >= 2 && v.dim() >= 2,
           "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: ",
           q.dim(), " key.dim: ", k.dim(), " and value.dim: ", v.dim(), " instead.");
  PC_CHECK(!mask.defined() || mask.dtype() == DType::bool_ || mask.dtype() == DType::float32 ||
               mask.dtype() == q.dtype(),
           "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
           "attn_mask.dtype: ",
           mask.defined() ? cpp_type_name(mask.dtype()) : "",
           " and  query.dtype: ", cpp_type_name(q.dtype()), " instead.");
  PC_CHECK(q.is_floating(),
           "scaled_dot_product_attention: expected floating query, key and value, got ",
           scalar_type_name(q.dtype()));
}

// The batch of the scores and of the result; the words are those of the matrix products.
Dims common_batch(const Tensor& q, const Tensor& k, const Tensor& v) {
  const Dims scores = broadcast_shapes(batch_of(q), batch_of(k));
  PC_CHECK(q.size(-1) == k.size(-1),
           "Expected size for first two dimensions of batch2 tensor to be: [", product(scores),
           ", ", q.size(-1), "] but got: [", product(scores), ", ", k.size(-1), "].");
  const Dims all = broadcast_shapes(scores, batch_of(v));
  PC_CHECK(k.size(-2) == v.size(-2),
           "Expected size for first two dimensions of batch2 tensor to be: [", product(all), ", ",
           k.size(-2), "] but got: [", product(all), ", ", v.size(-2), "].");
  return all;
}

void check_mask(const Tensor& mask, const Dims& batch, const Tensor& q, const Tensor& k) {
  if (!mask.defined()) return;
  const Dims scores = with_matrix(batch, q.size(-2), k.size(-2));
  const Dims both = broadcast_shapes(scores, mask.sizes());
  PC_CHECK(both == scores, "output with shape ", scores, " doesn't match the broadcast shape ",
           both);
}

Tensor grouped(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask,
               double dropout_p, bool causal, std::optional<double> scale);

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value,
                 const Tensor& attn_mask, double dropout_p, bool is_causal,
                 std::optional<double> scale, bool enable_gqa) {
  check_inputs(query, key, value, attn_mask);
  PC_CHECK(dropout_p >= 0 && dropout_p <= 1,
           "dropout probability has to be between 0 and 1, but got ", dropout_p);
  const bool mask_grad = attn_mask.defined() && recording(attn_mask);
  // What PyTorch hands to its own fused kernel takes both.
  const bool flash = query.dim() == 4 && key.dim() == 4 && value.dim() == 4 && dropout_p == 0 &&
                     !mask_grad && query.size(-1) == value.size(-1);
  PC_CHECK(!is_causal || !attn_mask.defined() || flash,
           "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
           "is_causal=True");
  PC_CHECK(g_backends & (kAttentionFused | kAttentionMath),
           "No viable backend for scaled_dot_product_attention was found. This is likely due to "
           "turning off both the math kernel and the fused kernels.");
  if (enable_gqa && (query.size(-3) != key.size(-3) || query.size(-3) != value.size(-3)))
    return grouped(query, key, value, attn_mask, dropout_p, is_causal, scale);

  const Dims batch = common_batch(query, key, value);
  check_mask(attn_mask, batch, query, key);
  const DType t = compute_dtype(query.dtype());
  AttentionOptions options{Tensor(), Tensor(), scale_of(query, scale), is_causal};
  if (attn_mask.defined()) options.mask = additive_mask(attn_mask, t);
  if (dropout_p > 0)
    options.keep =
        attention_dropout(with_matrix(batch, query.size(-2), key.size(-2)), t, dropout_p);
  if (mask_grad || !fused_allowed()) {
    PC_CHECK(g_backends & kAttentionMath, "No available kernel. Aborting execution.");
    return to_dtype(
        attention_math(to_dtype(query, t), to_dtype(key, t), to_dtype(value, t), options).out,
        query.dtype());
  }
  // Otherwise its composition ends in a product of matrices.
  const char* name = flash ? Rule::name : batch.size() == 0 ? "MmBackward0" : "UnsafeViewBackward0";
  return fused(query, key, value, batch, options, name);
}

// Each head of keys and values serves several neighbouring heads of queries.
Tensor grouped(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask,
               double dropout_p, bool causal, std::optional<double> scale) {
  const int64_t heads = query.size(-3), keys = key.size(-3), values = value.size(-3);
  PC_CHECK(keys > 0 && values > 0 && heads % keys == 0 && heads % values == 0,
           "Number of heads in key and value must divide the number of heads in query; got ", keys,
           " and ", values, " for ", heads);
  const auto split = [](const Tensor& t, int64_t groups) {  // [.., groups, heads of one, .., ..]
    Dims sizes(t.sizes());
    const int64_t each = t.size(-3) / groups, rows = t.size(-2), cols = t.size(-1);
    sizes.resize(sizes.size() - 3);
    for (int64_t n : {groups, each, rows, cols}) sizes.push_back(n);
    return reshape(t, sizes);
  };
  const auto spread = [&](const Tensor& t, int64_t to) {  // repeats each head
    if (t.size(-3) == to) return t;
    Tensor s = split(t, t.size(-3));
    Dims sizes(s.sizes());
    sizes[static_cast<int64_t>(sizes.size()) - 3] = to / t.size(-3);
    s = expand(s, sizes);
    Dims merged(t.sizes());
    merged[static_cast<int64_t>(merged.size()) - 3] = to;
    return reshape(s, merged);
  };
  const int64_t groups = std::max(keys, values);
  const bool nested = groups % std::min(keys, values) == 0;
  const Tensor k = spread(key, nested ? groups : heads), v = spread(value, nested ? groups : heads);
  Tensor m = mask;
  if (m.defined() && m.dim() >= 3)
    m = m.size(-3) == heads ? split(m, nested ? groups : heads) : unsqueeze(m, -3);
  const Tensor out = attention(split(query, nested ? groups : heads), split(k, k.size(-3)),
                               split(v, v.size(-3)), m, dropout_p, causal, scale, false);
  return flatten(out, -4, -3);
}
PYCORE_OP(
    "nn.scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, "
    "Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, "
    "bool enable_gqa=False) -> Tensor",
    attention, kFunction, R"(
``softmax(scale * query @ key.T + mask) @ value`` for each matrix of a batch (Vaswani et al., 2017), computed
tile by tile without the matrix of scores (FlashAttention: Dao et al., 2022; Dao, 2023).

``query`` (..., L, E), ``key`` (..., S, E) and ``value`` (..., S, Ev), floating and of one dtype, give (..., L, Ev);
leading dimensions broadcast. ``attn_mask`` broadcasts to (..., L, S): a bool one is True where a query may look, a
floating one is added to the scores. ``is_causal`` lets query i see the keys 0 to i. ``dropout_p`` zeroes
probabilities, whether training or not. ``scale`` is 1 / sqrt(E) when not given. With ``enable_gqa`` each head
(dimension -3) of key and value serves several neighbouring heads of queries. A query that may see no key gets zeros.
Derivatives of every order exist. RuntimeError for dtypes, shapes or masks that do not fit.

>>> q, k, v = pycore.zeros(1, 4), pycore.ones(3, 4), pycore.tensor([[1.], [2.], [6.]])
>>> pycore.nn.functional.scaled_dot_product_attention(q, k, v)
tensor([[3.]])
>>> pycore.nn.functional.scaled_dot_product_attention(q, k, v, pycore.tensor([[True, True, False]]))
tensor([[1.5000]])
)");

}  // namespace

int64_t attention_backends() { return g_backends; }
void set_attention_backends(int64_t bits) { g_backends = bits; }

}  // namespace pycore
