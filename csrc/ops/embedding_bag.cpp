// Sums, means and maxima of rows of a table, bag by bag: embedding_bag. Must not know Python.
#include <limits>
#include <tuple>
#include <vector>

#include "kernels/binary.h"
#include "ops/element.h"
#include "ops/indexing.h"
#include "ops/kernel_support.h"
#include "ops/lines.h"

namespace pycore {
namespace {

enum class BagMode { sum, mean, max };

// What the bags hold: bag b is the indices from start[b] to start[b + 1].
struct Bags {
  Tensor index;   // int64 [n], checked
  Tensor bag_of;  // int64 [n]
  Tensor size;    // int64 [bags], without padding
  std::vector<int64_t> start;
  int64_t rows = 0;
  int64_t padding = -1;  // -1: none
  int64_t bags() const { return static_cast<int64_t>(start.size()) - 1; }
};

Bags read_bags(const Tensor& weight, const Tensor& indices, const Tensor& offsets,
               bool include_last_offset, std::optional<int64_t> padding_idx) {
  for (const auto& [what, t] : {std::pair{"indices", indices}, std::pair{"offsets", offsets}}) {
    PC_CHECK(t.dtype() == DType::int64 || t.dtype() == DType::int32,
             "Expected tensor for argument #1 '", what,
             "' to have one of the following scalar types: Long, Int; but got ",
             legacy_type_name(t.dtype()), " instead (while checking arguments for embedding_bag)");
    PC_CHECK(t.dim() == 1, "embedding_bag: ", what, " has to be a 1D Tensor, got shape ",
             t.sizes());
  }
  PC_CHECK(weight.is_floating(),
           "Expected tensor for argument #1 'weight' to have one of the following scalar types: "
           "Half, BFloat16, Float, Double; but got ",
           legacy_type_name(weight.dtype()),
           " instead (while checking arguments for embedding_bag)");
  PC_CHECK(weight.dim() == 2, "embedding_bag: weight has to be a 2D Tensor, got shape ",
           weight.sizes());
  Bags b;
  b.rows = weight.sizes()[0];
  if (padding_idx) {
    PC_CHECK(*padding_idx >= -b.rows && *padding_idx < b.rows,
             "padding_idx must be within the number of embeddings, ", -b.rows, " through ",
             b.rows - 1, ", but got ", *padding_idx);
    b.padding = *padding_idx < 0 ? *padding_idx + b.rows : *padding_idx;
  }
  b.index = contiguous(to_dtype(detach(indices), DType::int64));
  const int64_t n = b.index.numel();
  const auto* at = b.index.data<int64_t>();
  for (int64_t i = 0; i < n; ++i)
    PC_CHECK(at[i] >= 0 && at[i] < b.rows, "Index ", i, " of input takes value ", at[i],
             " which is not in the valid range [0, ", b.rows, ")");
  const Tensor first = contiguous(to_dtype(detach(offsets), DType::int64));
  const auto* o = first.data<int64_t>();
  const int64_t count = first.numel();
  PC_CHECK(!include_last_offset || count >= 1,
           "include_last_offset: number of offset should be at least 1");
  PC_CHECK(count == 0 || o[0] == 0,
           "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
           "position 0. However, got ",
           o[0]);
  PC_CHECK(count == 0 || o[count - 1] <= n, "offsets[-1] can not be greater than input's length ",
           n, " but got offsets[-1] of ", count ? o[count - 1] : 0);
  for (int64_t i = 1; i < count; ++i)
    PC_CHECK(o[i] >= o[i - 1], "embedding_bag: offsets must not fall; got ", o[i - 1],
             " followed by ", o[i]);
  b.start.assign(o, o + count);
  if (!include_last_offset) b.start.push_back(count ? n : 0);
  b.bag_of = zeros(b.index.sizes(), DType::int64);
  b.size = zeros({{b.bags()}}, DType::int64);
  for (int64_t bag = 0; bag < b.bags(); ++bag)
    for (int64_t i = b.start[static_cast<size_t>(bag)]; i < b.start[static_cast<size_t>(bag) + 1];
         ++i) {
      b.bag_of.data<int64_t>()[i] = bag;
      b.size.data<int64_t>()[bag] += at[i] != b.padding;
    }
  return b;
}
// Indices behind the last offset belong to no bag.
int64_t used_indices(const Bags& b) { return b.start.back(); }

template <class F>
void for_bags(const Bags& b, int64_t width, const F& f) {
  const int64_t per_bag = (b.index.numel() / std::max<int64_t>(1, b.bags()) + 1) * width;
  parallel_for(b.bags(), std::max<int64_t>(1, 16384 / std::max<int64_t>(1, per_bag)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t bag = begin; bag < end; ++bag) f(bag);
               });
}

// out[bag] = the sum of scale[i] * table[index[i]]; float32 or float64, null scales are ones.
template <class T>
void sum_bags(const Bags& b, const T* table, const T* scale, bool mean, int64_t width, T* out) {
  const auto add =
      kernels_now().binary->fn[static_cast<int>(kernels::Binary::add)]
                              [static_cast<int>(sizeof(T) == 4 ? DType::float32 : DType::float64)];
  const auto* at = b.index.data<int64_t>();
  const double one = 1;
  for_bags(b, width, [&](int64_t bag) {
    T* y = out + bag * width;
    std::fill_n(y, width, T{0});
    for (int64_t i = b.start[static_cast<size_t>(bag)]; i < b.start[static_cast<size_t>(bag) + 1];
         ++i) {
      if (at[i] == b.padding) continue;
      const T* x = table + at[i] * width;
      if (scale) {
        for (int64_t k = 0; k < width; ++k) y[k] += scale[i] * x[k];
      } else {
        add(y, x, y, width, 1, 1, 1, &one);
      }
    }
    const int64_t count = b.size.data<int64_t>()[bag];
    if (mean && count > 1)
      for (int64_t k = 0; k < width; ++k) y[k] /= static_cast<T>(count);
  });
}

// The first maximum of every column wins, NaN over everything; rows of padding never do.
template <class T>
void max_bags(const Bags& b, const T* table, int64_t width, T* out, int64_t* where) {
  const auto* at = b.index.data<int64_t>();
  for_bags(b, width, [&](int64_t bag) {
    T* y = out + bag * width;
    int64_t* w = where + bag * width;
    std::fill_n(y, width, T{0});
    std::fill_n(w, width, int64_t{-1});
    for (int64_t i = b.start[static_cast<size_t>(bag)]; i < b.start[static_cast<size_t>(bag) + 1];
         ++i) {
      if (at[i] == b.padding) continue;
      const T* x = table + at[i] * width;
      for (int64_t k = 0; k < width; ++k)
        if (w[k] < 0 || x[k] > y[k] || (x[k] != x[k] && y[k] == y[k])) {
          y[k] = x[k];
          w[k] = at[i];
        }
    }
  });
}

struct EmbeddingBagBackward0 {
  static constexpr const char* name = "EmbeddingBagBackward0";
  BagMode mode = BagMode::mean;
  bool by_frequency = false;
  std::shared_ptr<const Bags> bags;
  Saved weight, per_sample;
  Tensor where;  // of max: the row that won, -1 for none

  // What each index contributes with, apart from its own weight: [n] of the given dtype.
  Tensor scales(DType dtype) const {
    const Bags& b = *bags;
    const Tensor s = zeros(b.index.sizes(), DType::float64);
    const auto* at = b.index.data<int64_t>();
    std::vector<int64_t> counts(static_cast<size_t>(by_frequency ? b.rows : 0), 0);
    if (by_frequency)
      for (int64_t i = 0; i < b.index.numel(); ++i) ++counts[static_cast<size_t>(at[i])];
    for (int64_t i = 0; i < used_indices(b); ++i) {
      if (at[i] == b.padding) continue;
      double scale = 1;
      if (mode == BagMode::mean)
        scale /= static_cast<double>(b.size.data<int64_t>()[b.bag_of.data<int64_t>()[i]]);
      if (by_frequency) scale /= static_cast<double>(counts[static_cast<size_t>(at[i])]);
      s.data<double>()[i] = scale;
    }
    return to_dtype(s, dtype);
  }

  // Each task owns a range of rows and walks all indices: the order of additions is fixed.
  template <class T>
  Tensor summed(const Tensor& g, const T* scale, const Tensor& like) const {
    const Bags& b = *bags;
    const int64_t width = like.sizes()[1], n = used_indices(b);
    const Tensor out = zeros(like.sizes(), g.dtype());
    const auto *at = b.index.data<int64_t>(), *bag = b.bag_of.data<int64_t>();
    const int64_t tasks =
        std::min<int64_t>((n + b.rows) * width < (1 << 16) ? 1 : 8, std::max<int64_t>(b.rows, 1));
    parallel_for(tasks, 1, [&](int64_t task, int64_t) {
      const int64_t low = b.rows * task / tasks, high = b.rows * (task + 1) / tasks;
      for (int64_t i = 0; i < n; ++i) {
        if (at[i] < low || at[i] >= high || at[i] == b.padding) continue;
        const T* from = g.data<T>() + bag[i] * width;
        T* to = out.data<T>() + at[i] * width;
        for (int64_t k = 0; k < width; ++k) to[k] += scale[i] * from[k];
      }
    });
    return out;
  }

  void operator()(Backward& b) {
    const Tensor table = b.get(weight), g = b.grad();
    const Tensor own = per_sample.defined() ? b.get(per_sample) : Tensor();
    if (mode == BagMode::max) {
      const Tensor won = ge(where, 0);
      const Tensor share = pycore::where(won, g, 0.0);
      b.set(0, scatter_add(zeros(table.sizes(), g.dtype()), 0,
                           clamp(where, Scalar(0), std::nullopt), share));
      return;
    }
    const Bags& all = *bags;
    if (b.needs(0)) {
      if (recording(g, own)) {
        Tensor s = scales(g.dtype());
        if (own.defined()) s = s * own;
        b.set(0, index_add(zeros(table.sizes(), g.dtype()), 0, all.index,
                           index_select(g, 0, all.bag_of) * unsqueeze(s, -1), 1));
      } else {
        const DType inside = compute_dtype(g.dtype());
        Tensor s = scales(inside);
        if (own.defined()) s = s * to_dtype(own, inside);
        const Tensor seed = kernel_input(g, inside);
        const Tensor sum = inside == DType::float32 ? summed<float>(seed, s.data<float>(), table)
                                                    : summed<double>(seed, s.data<double>(), table);
        b.set(0, kernel_output(sum, table.dtype()));
      }
    }
    if (own.defined() && b.needs(1)) {
      const int64_t last[1] = {1};
      const Tensor rows = index_select(table, 0, all.index) * index_select(g, 0, all.bag_of);
      b.set(1, sum_dims(rows * unsqueeze(scales_of_presence(g.dtype()), -1), last, false));
    }
  }
  // Ones, and zeros at padding and behind the last bag.
  Tensor scales_of_presence(DType dtype) const {
    EmbeddingBagBackward0 plain = *this;
    plain.by_frequency = false;
    plain.mode = BagMode::sum;
    return plain.scales(dtype);
  }
};

std::tuple<Tensor, Tensor, Tensor, Tensor> embedding_bag(
    const Tensor& weight, const Tensor& indices, const Tensor& offsets, bool scale_grad_by_freq,
    int64_t mode_number, bool sparse, const Tensor& per_sample_weights, bool include_last_offset,
    std::optional<int64_t> padding_idx) {
  PC_CHECK(mode_number >= 0 && mode_number <= 2, "`mode` must be sum, mean, or max.");
  PC_CHECK_IMPLEMENTED(!sparse,
                       "embedding_bag: sparse gradients are not supported; use sparse=False");
  const auto mode = static_cast<BagMode>(mode_number);
  auto bags = std::make_shared<const Bags>(
      read_bags(weight, indices, offsets, include_last_offset, padding_idx));
  if (per_sample_weights.defined()) {
    PC_CHECK(mode == BagMode::sum,
             "embedding_bag: per_sample_weights only supported with mode='sum'");
    PC_CHECK(
        per_sample_weights.dtype() == weight.dtype(),
        "Expected tensor for argument #1 'weight' to have the same type as tensor for argument "
        "#1 'per_sample_weights'; but type ",
        legacy_type_name(weight.dtype()), " does not equal ",
        legacy_type_name(per_sample_weights.dtype()),
        " (while checking arguments for embedding_bag)");
    PC_CHECK(per_sample_weights.dim() == 1 && per_sample_weights.numel() == bags->index.numel(),
             "embedding_bag: expected per_sample_weights of the shape of the indices, [",
             bags->index.numel(), "], got ", per_sample_weights.sizes());
  }
  const int64_t width = weight.sizes()[1];
  const DType inside = compute_dtype(weight.dtype());
  const Tensor table = kernel_input(weight, inside);
  const Tensor scale = kernel_input(per_sample_weights, inside);
  Tensor out = empty({{bags->bags(), width}}, inside), where;
  if (mode == BagMode::max) where = empty(out.sizes(), DType::int64);
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (mode == BagMode::max)
      max_bags<T>(*bags, table.data<T>(), width, out.data<T>(), where.data<int64_t>());
    else
      sum_bags<T>(*bags, table.data<T>(), scale.defined() ? scale.data<T>() : nullptr,
                  mode == BagMode::mean, width, out.data<T>());
  };
  if (inside == DType::float32)
    run(TypeTag<float>{});
  else
    run(TypeTag<double>{});
  out = kernel_output(out, weight.dtype());
  if (recording(weight, per_sample_weights))
    record(out,
           EmbeddingBagBackward0{mode, scale_grad_by_freq, bags, Saved(weight),
                                 Saved(per_sample_weights), where},
           weight, per_sample_weights);
  return {out, bags->bag_of, bags->size,
          where.defined() ? where : zeros({{bags->bags()}}, DType::int64)};
}

}  // namespace

PYCORE_OP(
    "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, "
    "int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool "
    "include_last_offset=False, int? padding_idx=None) -> (Tensor, Tensor, Tensor, Tensor)",
    embedding_bag, kFunction, R"(
Sums (``mode`` 0), means (1) or maxima (2) of the rows of ``weight`` (rows, dim) that the bags name: (bags, dim).

``indices`` (int64 or int32, 1-d) holds all bags end to end; bag b begins at ``offsets[b]``. With ``include_last_offset`` the
last offset is the end of the last bag. Rows ``padding_idx`` do not count. ``per_sample_weights`` multiplies the rows of a sum.
Empty bags give zeros. Returned besides: the bag of every index, the sizes of the bags, and for maxima the winning rows (-1:
none). RuntimeError for indices outside the table and offsets that are out of order.

>>> pycore.embedding_bag(pycore.tensor([[1.], [2.], [4.]]), pycore.tensor([0, 2, 1]), pycore.tensor([0, 2]))[0]
tensor([[5.],
        [2.]])
)");

}  // namespace pycore
