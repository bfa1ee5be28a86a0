// Gradients of strided views, and how an in-place write through a view rewrites the history of its
// base (the "CopySlices" of PyTorch). Must not know Python.
#include <algorithm>

#include "ops/view_support.h"

namespace pycore {
namespace {

int64_t extent_of(IntSpan sizes, IntSpan strides, int64_t offset) {
  int64_t last = offset;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return offset;
    last += (sizes[i] - 1) * strides[i];
  }
  return last + 1;
}

// out[offset + strided index] += g for geometries that visit an element more than once.
void add_overlapping(const Tensor& g, char* out, IntSpan strides) {
  dispatch_all(g.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      Dims index(g.dim(), 0);
      const T* p = g.data<T>();
      T* q = reinterpret_cast<T*>(out);
      for (int64_t n = 0; n < g.numel(); ++n) {
        int64_t from = 0, to = 0;
        for (int64_t d = 0; d < g.dim(); ++d) {
          from += index[d] * g.strides()[d];
          to += index[d] * strides[static_cast<size_t>(d)];
        }
        q[to] = static_cast<T>(q[to] + p[from]);
        for (int64_t d = g.dim() - 1; d >= 0 && ++index[d] == g.sizes()[d]; --d) index[d] = 0;
      }
    } else {
      fail(ErrorKind::not_implemented, "as_strided: the derivative of an overlapping view of ",
           g.dtype());
    }
  });
}

struct EmbedBackward0 {
  static constexpr const char* name = "AsStridedScatterBackward0";
  static constexpr bool saves = false;
  Dims sizes, strides;
  int64_t offset;
  void operator()(Backward& b) {
    const Tensor g = contiguous(b.grad());  // may lie inside of a larger storage
    b.set(0, as_strided(g, sizes, strides, g.offset() + offset));
  }
};

struct CopySlices {
  static constexpr const char* name = "CopySlices";
  Ref<Node> inner;  // the in-place operator, as if it had been applied to the part alone
  uint32_t nr = 0;
  Dims base_sizes, base_strides, view_sizes, view_strides;
  int64_t base_offset = 0, view_offset = 0, extent = 0;

  void operator()(Backward& b) {
    PC_CHECK(inner,
             "Trying to backward through the graph a second time (CopySlices). Specify "
             "retain_graph=True.");
    // A private copy of the base's gradient, laid out like the base, and the part in it that the
    // view shows.
    Tensor flat = zeros({{extent}}, b.grad().dtype());
    Tensor whole = as_strided(flat, base_sizes, base_strides, base_offset);
    copy_(whole, b.grad());
    Tensor part = as_strided(flat, view_sizes, view_strides, view_offset);
    std::vector<Tensor> grads(inner->num_outputs), results(inner->num_edges);
    grads[nr] = clone(part);
    auto needed = std::make_unique<bool[]>(inner->num_edges);
    for (uint32_t i = 0; i < inner->num_edges; ++i) needed[i] = b.needs(i);
    Backward inside(inner.get(), grads.data(), results.data(), needed.get());
    inner->type->apply(inner.get(), inside);
    if (b.needs(0)) {
      if (results[0].defined())
        copy_(part, results[0]);
      else
        fill_(part, 0);
      b.set(0, as_strided(flat, base_sizes, base_strides, base_offset));
    }
    for (uint32_t i = 1; i < inner->num_edges; ++i) b.set(i, results[i]);
  }
};

Ref<Node> make_view_node(const Tensor& base, const Tensor& view) {
  Ref<Node> node = make_node(as_strided_rule(base, view));
  node->set_num_edges(1);
  node->edges[0] = gradient_edge(base);
  return node;
}

Ref<Node> make_copy_slices(const Tensor& base, const Tensor& view, const Ref<Node>& inner,
                           uint32_t nr) {
  CopySlices rule;
  rule.inner = inner;
  rule.nr = nr;
  rule.base_sizes = base.sizes();
  rule.base_strides = base.strides();
  rule.view_sizes = view.sizes();
  rule.view_strides = view.strides();
  int64_t low = std::min(base.offset(), view.offset());
  rule.base_offset = base.offset() - low;
  rule.view_offset = view.offset() - low;
  rule.extent = std::max(extent_of(base.sizes(), base.strides(), rule.base_offset),
                         extent_of(view.sizes(), view.strides(), rule.view_offset));
  Ref<Node> node = make_node(std::move(rule));
  node->set_num_edges(std::max<uint32_t>(1, inner->num_edges));
  node->edges[0] = gradient_edge(base);
  for (uint32_t i = 1; i < inner->num_edges; ++i) node->edges[i] = inner->edges[i];
  return node;
}

[[maybe_unused]] const bool g_installed = [] {
  history_rules = {make_view_node, make_copy_slices};
  return true;
}();

}  // namespace

Tensor embed_strided(const Tensor& g, int64_t extent, IntSpan strides, int64_t offset) {
  Tensor flat = zeros({{extent}}, g.dtype());
  Tensor part = make_alias(flat->storage, g.dtype(), g.sizes(), strides, offset);
  if (has_overlap(part)) {
    if (is_reduced_float(g.dtype())) {
      const Tensor wide = to_dtype(g, DType::float32);
      return to_dtype(embed_strided(wide, extent, strides, offset), g.dtype());
    }
    add_overlapping(g, part->data, strides);
  } else {
    copy_data(part, g);
  }
  if (recording(g)) record(flat, EmbedBackward0{g.sizes(), Dims(strides), offset}, g);
  return flat;
}

Tensor embed_part(const Tensor& g, IntSpan sizes, IntSpan strides, int64_t offset) {
  return view(embed_strided(g, numel_of(sizes), strides, offset), sizes);
}

AsStridedBackward0 as_strided_rule(const Tensor& input, const Tensor& output) {
  int64_t low = std::min(input.offset(), output.offset());
  AsStridedBackward0 rule;
  rule.in_sizes = input.sizes();
  rule.in_strides = input.strides();
  rule.out_strides = output.strides();
  rule.in_offset = input.offset() - low;
  rule.out_offset = output.offset() - low;
  rule.extent = std::max(extent_of(input.sizes(), input.strides(), rule.in_offset),
                         extent_of(output.sizes(), output.strides(), rule.out_offset));
  return rule;
}

void AsStridedBackward0::operator()(Backward& b) {
  Tensor flat = embed_strided(b.grad(), extent, out_strides, out_offset);
  Tensor gradient = as_strided(flat, in_sizes, in_strides, in_offset);
  if (has_overlap(gradient)) {
    const Tensor once = ones(in_sizes, flat.dtype());
    const Tensor times = embed_strided(once, extent, in_strides, in_offset);
    gradient = div(gradient, as_strided(times, in_sizes, in_strides, in_offset));
  }
  b.set(0, gradient);
}

}  // namespace pycore
