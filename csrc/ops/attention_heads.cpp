// Attention on projections that hold several heads side by side, with the masks of multi-head
// attention: one operator between the projections, so that no head is ever copied. Must not know
// the projections or Python.
#include <cmath>

#include "ops/attention.h"
#include "ops/kernel_support.h"
#include "ops/matrix.h"

namespace pycore {
namespace {

// How queries, keys and values of [B, L, width] (or [L, B, width]) tensors lie: all in the first,
// keys and values in the second, or each in its own.
struct Layout {
  int64_t embedding = 0, heads = 0;
  bool batch_first = false;
  int tensors = 1;  // 1, 2 or 3

  int64_t batch(const Tensor& t) const { return t.sizes()[batch_first ? 0 : 1]; }
  int64_t length(const Tensor& t) const { return t.sizes()[batch_first ? 1 : 0]; }
  // Of queries (0), keys (1) and values (2): which tensor, and how many embeddings come before.
  int tensor_of(int part) const { return std::min(part, tensors - 1); }
  int64_t before(int part) const { return part - tensor_of(part); }
  int64_t width(int tensor) const { return embedding * (tensor == tensors - 1 ? 4 - tensors : 1); }

  // One part as [B, heads, L, depth], a view without history.
  Tensor heads_of(const Tensor& t, int part) const {
    const int64_t depth = embedding / heads, step = t.strides()[2];
    const Dims sizes{batch(t), heads, length(t), depth};
    const Dims strides{t.strides()[batch_first ? 0 : 1], depth * step,
                       t.strides()[batch_first ? 1 : 0], step};
    return make_alias(t->storage, t.dtype(), sizes, strides,
                      t.offset() + before(part) * embedding * step);
  }
  // The same, differentiable; and back, from heads to [B, L, embedding].
  Tensor split(const Tensor& t, int part) const {
    const Tensor one = narrow(t, 2, before(part) * embedding, embedding);
    const Dims sizes{t.sizes()[0], t.sizes()[1], heads, embedding / heads};
    const int64_t order[4] = {batch_first ? 0 : 1, 2, batch_first ? 1 : 0, 3};
    return permute(reshape(one, sizes), order);
  }
  Tensor merge(const Tensor& t) const {
    const int64_t order[4] = {batch_first ? 0 : 2, batch_first ? 2 : 0, 1, 3};
    const Tensor lined = permute(t, order);
    return reshape(lined, {{lined.sizes()[0], lined.sizes()[1], embedding}});
  }
};

Tensor dense_rows(const Tensor& t, DType dtype) {
  return t.dtype() == dtype && t.strides()[2] == 1 ? t : kernel_input(t, dtype);
}

struct HeadsBackward {
  // Of PyTorch's composition, whose views this takes in.
  static constexpr const char* name = "ScaledDotProductFlashAttentionForCpuBackward0";
  Saved input[3];
  Saved mask, result;
  Tensor lse, keep, wide;
  Layout layout, plain;  // of the inputs and of the result
  bool causal = false;

  void operator()(Backward& b) {
    Tensor in[3];
    for (int i = 0; i < layout.tensors; ++i) in[i] = b.get(input[i]);
    const Tensor out = wide.defined() ? wide : b.get(result);
    const DType t = out.dtype();
    const double depth = static_cast<double>(layout.embedding / layout.heads);
    const AttentionOptions options{b.get(mask), keep, 1 / std::sqrt(depth), causal};
    if (grad_enabled()) return composed(b, in, options, t);
    Tensor grads[3], part[3], grad_part[3];
    for (int i = 0; i < layout.tensors; ++i) {
      in[i] = dense_rows(in[i], t);
      if (b.needs(static_cast<uint32_t>(i))) grads[i] = empty(in[i].sizes(), t);
    }
    for (int p = 0; p < 3; ++p) {
      const int i = layout.tensor_of(p);
      part[p] = layout.heads_of(in[i], p);
      if (grads[i].defined()) grad_part[p] = layout.heads_of(grads[i], p);
    }
    attention_gradients_data(part[0], part[1], part[2], options, plain.heads_of(out, 0), lse,
                             plain.heads_of(dense_rows(b.grad(), t), 0), grad_part[0], grad_part[1],
                             grad_part[2]);
    for (int i = 0; i < layout.tensors; ++i) {
      if (grads[i].defined())
        b.set(static_cast<uint32_t>(i), kernel_output(grads[i], input[i].peek().dtype()));
    }
  }

  void composed(Backward& b, const Tensor* in, const AttentionOptions& options, DType t) const {
    const Layout whole{layout.embedding, layout.heads, layout.batch_first, 3};
    Tensor part[3];
    for (int p = 0; p < 3; ++p) part[p] = layout.split(to_dtype(in[layout.tensor_of(p)], t), p);
    const AttentionGrads r = attention_gradients_math(part[0], part[1], part[2], options,
                                                      plain.split(to_dtype(b.grad(), t), 0));
    const Tensor merged[3] = {whole.merge(r.q), whole.merge(r.k), whole.merge(r.v)};
    for (int i = 0, p = 0; i < layout.tensors; ++i) {
      const int parts = i == layout.tensors - 1 ? 4 - layout.tensors : 1;
      if (b.needs(static_cast<uint32_t>(i)))
        b.set(static_cast<uint32_t>(i),
              to_dtype(cat({merged + p, static_cast<size_t>(parts)}, 2), in[i].dtype()));
      p += parts;
    }
  }
};

// A mask in which True hides, as what is added to scores of dtype t.
Tensor hiding_mask(const Tensor& mask, DType t) {
  return additive_mask(mask.dtype() == DType::bool_ ? logical_not(mask) : mask, t);
}

void check_masks(const Tensor& attn_mask, const Tensor& key_padding_mask, int64_t batch,
                 int64_t heads, int64_t queries, int64_t keys) {
  if (attn_mask.defined()) {
    const Dims two{queries, keys}, three{batch * heads, queries, keys};
    PC_CHECK(attn_mask.sizes() == (attn_mask.dim() == 3 ? three : two), "The shape of the ",
             attn_mask.dim(), "D attn_mask is ", attn_mask.sizes(), ", but should be ",
             attn_mask.dim() == 3 ? three : two, ".");
  }
  if (key_padding_mask.defined()) {
    const Dims wanted{batch, keys};
    PC_CHECK(key_padding_mask.sizes() == wanted, "_attention_heads: key_padding_mask has shape ",
             key_padding_mask.sizes(), ", expected ", wanted);
  }
}

Tensor merged_mask(const Tensor& attn_mask, const Tensor& key_padding_mask, int64_t batch,
                   int64_t heads, DType t) {
  Tensor mask;
  if (attn_mask.defined()) {
    mask = hiding_mask(attn_mask, t);
    if (mask.dim() == 3) mask = reshape(mask, {{batch, heads, mask.sizes()[1], mask.sizes()[2]}});
  }
  if (key_padding_mask.defined()) {
    const Tensor padding =
        reshape(hiding_mask(key_padding_mask, t), {{batch, 1, 1, key_padding_mask.sizes()[1]}});
    mask = mask.defined() ? add(mask, padding) : padding;
  }
  return mask;
}

Tensor attention_heads(const Tensor& query, const Tensor& key, const Tensor& value,
                       int64_t num_heads, const Tensor& attn_mask, const Tensor& key_padding_mask,
                       double dropout_p, bool is_causal, bool batch_first,
                       bool result_batch_first) {
  Layout layout;
  layout.heads = num_heads;
  layout.batch_first = batch_first;
  layout.tensors = value.defined() ? 3 : key.defined() ? 2 : 1;
  const Tensor* const in[3] = {&query, &key, &value};
  PC_CHECK(layout.tensors != 3 || key.defined(), "_attention_heads: value without key");
  PC_CHECK(query.is_floating(), "_attention_heads: expected floating tensors, got ",
           scalar_type_name(query.dtype()));
  const int64_t last = query.dim() == 3 ? query.sizes()[2] : 0;
  layout.embedding = layout.tensors == 1 ? last / 3 : last;
  PC_CHECK(num_heads > 0 && layout.embedding % num_heads == 0, "_attention_heads: an embedding of ",
           layout.embedding, " cannot be divided into ", num_heads, " heads");
  for (int i = 0; i < layout.tensors; ++i) {
    const Tensor& t = *in[i];
    PC_CHECK(t.dim() == 3 && t.sizes()[2] == layout.width(i) &&
                 layout.batch(t) == layout.batch(query) && t.dtype() == query.dtype() &&
                 (i < 2 || layout.length(t) == layout.length(key)),
             "_attention_heads: tensor ", i, " of shape ", t.sizes(), " and dtype ", t.dtype(),
             " does not fit the first, of shape ", query.sizes(), " and dtype ", query.dtype());
  }
  PC_CHECK(dropout_p >= 0 && dropout_p <= 1,
           "dropout probability has to be between 0 and 1, but got ", dropout_p);
  const int64_t batch = layout.batch(query), queries = layout.length(query);
  const int64_t keys = layout.length(*in[layout.tensor_of(1)]);
  check_masks(attn_mask, key_padding_mask, batch, num_heads, queries, keys);
  PC_CHECK(!recording(attn_mask, key_padding_mask),
           "_attention_heads: masks that require grad are not supported");

  const DType t = compute_dtype(query.dtype());
  const double depth = static_cast<double>(layout.embedding / num_heads);
  const Layout plain{layout.embedding, num_heads, result_batch_first, 3};
  Tensor out, lse;
  AttentionOptions options{Tensor(), Tensor(), 1 / std::sqrt(depth), is_causal};
  const bool record_it = recording(query, key, value);
  {
    const GradGuard off(false);
    options.mask = merged_mask(attn_mask, key_padding_mask, batch, num_heads, t);
    if (dropout_p > 0)
      options.keep = attention_dropout({{batch, num_heads, queries, keys}}, t, dropout_p);
    Tensor part[3];
    for (int p = 0; p < 3; ++p) {
      const Tensor dense = dense_rows(*in[layout.tensor_of(p)], t);
      part[p] = layout.heads_of(dense, p);
    }
    const Dims sizes = result_batch_first ? Dims{batch, queries, layout.embedding}
                                          : Dims{queries, batch, layout.embedding};
    out = empty(sizes, t);
    if (record_it) lse = empty({{batch, num_heads, queries}}, t);
    attention_data(part[0], part[1], part[2], options, plain.heads_of(out, 0), lse);
  }
  const Tensor result = kernel_output(out, query.dtype());
  if (record_it) {
    HeadsBackward rule;
    for (int i = 0; i < layout.tensors; ++i) rule.input[i] = Saved(*in[i]);
    rule.mask = Saved(options.mask);
    rule.result = Saved::output(result);
    rule.lse = lse;
    rule.keep = options.keep;
    if (t != query.dtype()) rule.wide = out;
    rule.layout = layout;
    rule.plain = plain;
    rule.causal = is_causal;
    record(result, std::move(rule), query, key, value);
  }
  return result;
}
// Queries, keys and values side by side in `query`; or keys and values in `key`; or each apart.
// Masks are those of multi-head attention (True hides): [L, S] or [B * heads, L, S], and [B, S].
PYCORE_OP(
    "nn._attention_heads(Tensor query, Tensor? key, Tensor? value, int num_heads, "
    "Tensor? attn_mask=None, Tensor? key_padding_mask=None, float dropout_p=0.0, "
    "bool is_causal=False, bool batch_first=True, bool result_batch_first=True) -> Tensor",
    attention_heads, kFunction, "");

}  // namespace
}  // namespace pycore
