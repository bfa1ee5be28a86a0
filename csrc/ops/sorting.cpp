// Ordering along a dimension: sort, argsort, topk, kthvalue, median, mode. Must not know Python.
#include "ops/sorting.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>
#include <optional>

#include "kernels/cast.h"
#include "ops/element.h"
#include "ops/indexing.h"
#include "ops/lines.h"
#include "ops/ranks.h"

namespace pycore {

constexpr uint32_t kOrder = kFunction | kMethod | kOut;

namespace {

int64_t size_along(const Tensor& t, int64_t dim) { return t.dim() == 0 ? 1 : t.sizes()[dim]; }

// The gradient of values that were selected along a dimension goes back to where they came from.
struct Selected {
  Dims sizes;
  int64_t dim = 0;
  bool dropped = false;  // the dimension is missing in the result
  Saved indices;
  void operator()(Backward& b) {
    Tensor g = b.grad(), i = b.get(indices);
    if (dropped && !sizes.empty()) {
      g = unsqueeze(g, dim);
      i = unsqueeze(i, dim);
    }
    Tensor zero = zeros(sizes, g.dtype());
    b.set(0, recording(g) ? scatter_add(zero, dim, i, g) : scatter_add_(zero, dim, i, g));
  }
};
#define PC_SELECTED(NAME)                                 \
  struct NAME : Selected {                                \
    NAME() = default;                                     \
    explicit NAME(Selected s) : Selected(std::move(s)) {} \
    static constexpr const char* name = #NAME;            \
  };
PC_SELECTED(SortBackward0)
PC_SELECTED(SortBackward1)
PC_SELECTED(TopkBackward0)
PC_SELECTED(KthvalueBackward0)
PC_SELECTED(MedianBackward1)
PC_SELECTED(NanmedianBackward1)
PC_SELECTED(ModeBackward0)
#undef PC_SELECTED

using Pair = std::tuple<Tensor, Tensor>;

// Lets `choose(line)` name the first of `count` ranks in each line of the input: the result's
// values and places.
template <class Choose>
Pair order_lines(const Tensor& input, int64_t dim, int64_t count, bool descending,
                 const Choose& choose) {
  Dims sizes = input.sizes();
  int64_t n = size_along(input, dim);
  if (input.dim() > 0) sizes[dim] = count;
  Tensor values = empty(sizes, input.dtype()), indices = empty(sizes, DType::int64);
  if (values.numel() == 0) return {values, indices};
  Lines from = lines_of(input, input.sizes(), dim), to = lines_of(values, sizes, dim);
  dispatch_all(input.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* x = input.data<T>();
    T* v = values.data<T>();
    auto* p = indices.data<int64_t>();
    for_line_blocks(from, [&](int64_t ob, int64_t oe, int64_t ib, int64_t ie) {
      with_ranks<T>(n, [&](auto& room) {
        for (int64_t o = ob; o < oe; ++o)
          for (int64_t i = ib; i < ie; ++i) {
            RankedLine line(x + from.start(o, i), from.stride, n, descending, room);
            const auto* chosen = choose(line);
            int64_t at = to.start(o, i);
            for (int64_t k = 0; k < count; ++k, at += to.stride) {
              p[at] = line.place(chosen[k]);
              v[at] = line.value(p[at]);
            }
          }
      });
    });
  });
  return {values, indices};
}

// Calls body(sorter, x, stride, at) for each line of the input, which the sorter has put in order:
// x is its first value, `at` where the line begins in `out`, whose stride along dim is out_stride.
template <class T, class Body>
void for_sorted_lines(const Tensor& input, const Tensor& out, int64_t dim, bool descending,
                      const Body& body) {
  const int64_t n = size_along(input, dim);
  const Lines from = lines_of(input, input.sizes(), dim), to = lines_of(out, out.sizes(), dim);
  for_line_blocks(from, [&](int64_t ob, int64_t oe, int64_t ib, int64_t ie) {
    LineSorter sorter(n);
    for (int64_t o = ob; o < oe; ++o)
      for (int64_t i = ib; i < ie; ++i) {
        const T* x = input.data<T>() + from.start(o, i);
        sorter.sort(x, from.stride, n, descending);
        body(sorter, x, from.stride, to.start(o, i), to.stride);
      }
  });
}

// The least of n integers, if 32 bits tell how far the others exceed it: so it is with labels and
// numbers of rows.
std::optional<int64_t> short_range(const int64_t* x, int64_t n) {
  constexpr int64_t kPart = 1 << 15;
  std::atomic<int64_t> least = x[0], most = x[0];
  parallel_for(n, kPart, [&](int64_t b, int64_t e) {
    int64_t low = least, high = most;
    if (static_cast<uint64_t>(high) - static_cast<uint64_t>(low) > UINT32_MAX) return;
    for (int64_t i = b; i < e; ++i) {
      low = std::min(low, x[i]);
      high = std::max(high, x[i]);
    }
    for (int64_t seen = least; low < seen && !least.compare_exchange_weak(seen, low);) continue;
    for (int64_t seen = most; high > seen && !most.compare_exchange_weak(seen, high);) continue;
  });
  if (static_cast<uint64_t>(most) - static_cast<uint64_t>(least) > UINT32_MAX) return {};
  return least.load();
}

// Sorts lines whose keys have 32 bits or fewer in vector registers (OrderKernels::sort_places).
class PlacedSort {
 public:
  PlacedSort(const Tensor& input, int64_t dim, bool descending, const Tensor& values,
             const Tensor& indices, int64_t least = 0)
      : input_(input),
        values_(values),
        indices_(indices),
        n_(size_along(input, dim)),
        item_(input.item_size()),
        least_(least),
        flip_((descending ? ~uint32_t{0} : 0) ^ uint32_t{1} << 31),
        from_(lines_of(input, input.sizes(), dim)),
        to_(lines_of(values, input.sizes(), dim)) {}

  // Long lines of few different keys are left to the radix sort.
  static bool suits(DType dtype, int64_t n) {
    constexpr int64_t kMost = 8192;
    const auto& order = *kernels_now().order;
    return order.sort_places && order.keys[static_cast<int>(dtype)] && n >> 30 == 0 &&
           (item_size(dtype) == 4 || n <= kMost);
  }
  // The same for int64: the least value, if the keys are what the others exceed it by.
  static std::optional<int64_t> suits_integers(const Tensor& input, int64_t n) {
    if (!kernels_now().order->sort_places || input.dtype() != DType::int64 || n >> 30 != 0 ||
        !input.is_contiguous())
      return {};
    return short_range(input.data<int64_t>(), input.numel());
  }

  void run() const {
    const bool rows = from_.inner.n == 1;
    for_line_blocks(from_, [&](int64_t ob, int64_t oe, int64_t ib, int64_t ie) {
      if (rows)
        sort_rows(ob, oe);
      else
        sort_columns(ob, oe, ib, ie);
    });
  }

 private:
  using Ints = kernels::Scratch<int32_t>;

  // Lines at x, `step` apart, of values `stride` apart.
  struct Group {
    const char* x;
    int64_t count, step, stride;
  };
  // Their values at `values` and places at `places`, line by line; keys has room for all of them,
  // and so has `sorted`, which is the same memory as `values` where these have 32 bits.
  void sort(const Group& group, int32_t* keys, int32_t* sorted, void* values, int64_t* places,
            int32_t* spare) const {
    const bool whole = group.stride == 1 && group.step == n_;  // no gap between the lines
    if (group.count == 1 || whole)
      parallel_for(group.count * n_, kPart, [&](int64_t b, int64_t e) {
        write_keys(group.x + b * group.stride * item_, e - b, group.stride, keys + b);
      });
    else
      for (int64_t j = 0; j < group.count; ++j)
        write_keys(group.x + j * group.step * item_, n_, group.stride, keys + j * n_);
    kernels_now().order->sort_places(kernel_context(), keys, group.count, n_, sorted, places,
                                     spare);
    if (group.count > 1) return write_values(sorted, places, n_, group, values);
    parallel_for(n_, kPart, [&](int64_t b, int64_t e) {
      write_values(sorted + b, places + b, e - b, group, static_cast<char*>(values) + b * item_);
    });
  }
  void write_keys(const char* x, int64_t n, int64_t stride, int32_t* keys) const {
    if (item_ < 8) {
      const auto dtype = static_cast<size_t>(input_.dtype());
      return kernels_now().order->keys[dtype](x, n, stride, flip_, keys);
    }
    const auto* from = static_cast<const int64_t*>(static_cast<const void*>(x));
    for (int64_t i = 0; i < n; ++i)
      keys[i] = static_cast<int32_t>(static_cast<uint32_t>(from[i * stride] - least_) ^ flip_);
  }
  // Of n values per line.
  void write_values(const int32_t* keys, const int64_t* places, int64_t n, const Group& group,
                    void* values) const {
    if (item_ < 8) {
      const auto dtype = static_cast<size_t>(input_.dtype());
      return kernels_now().order->values[dtype](keys, places, group.count, n, group.x, group.step,
                                                group.stride, flip_, values);
    }
    auto* to = static_cast<int64_t*>(values);
    for (int64_t i = 0; i < group.count * n; ++i)
      to[i] = static_cast<int64_t>(static_cast<uint32_t>(keys[i]) ^ flip_) + least_;
  }

  void sort_rows(int64_t begin, int64_t end) const {
    constexpr int64_t kElements = 2048;
    const bool even = from_.outer_step.has_value();
    const int64_t most = even ? std::clamp<int64_t>(kElements / n_, 1, end - begin) : 1;
    Ints keys(kernel_context(), most * n_ + kernels::kSortSpare), spare = spare_room();
    Ints sorted_keys(kernel_context(), item_ != 4 ? most * n_ : 0);
    for (int64_t o = begin; o < end; o += most) {
      char* values = values_->data + o * n_ * item_;
      auto* places = indices_.data<int64_t>() + o * n_;
      int32_t* sorted =
          item_ != 4 ? sorted_keys.get() : static_cast<int32_t*>(static_cast<void*>(values));
      const int64_t count = std::min(most, end - o);
      if (most > 1 && from_.stride == 1 && o + most < end) {  // to arrive while these are sorted
        const char* next = at(o + most, 0);
        for (int64_t i = 0; i < most * n_ * item_; i += 64) __builtin_prefetch(next + i, 0, 2);
      }
      sort({at(o, 0), count, from_.outer_step.value_or(0), from_.stride}, keys.get(), sorted,
           values, places, spare.get());
    }
  }

  // Columns of a matrix, as many at once as lie in one line of the cache, become rows and come
  // back.
  void sort_columns(int64_t ob, int64_t oe, int64_t ib, int64_t ie) const {
    constexpr int64_t kElements = 1 << 20, kColumns = 16;
    const auto& transpose = kernels_now().cast->transpose;
    const int size = std::countr_zero(static_cast<uint64_t>(item_));
    const int64_t most = std::min(std::clamp<int64_t>(kElements / n_, 1, kColumns), ie - ib);
    Ints keys(kernel_context(), most * n_ + kernels::kSortSpare), spare = spare_room();
    Ints sorted(kernel_context(), most * n_);
    kernels::Scratch<int64_t> places(kernel_context(), most * n_);
    kernels::Scratch<char> rows(kernel_context(), most * n_ * item_);
    kernels::Scratch<char> apart(kernel_context(), item_ != 4 ? most * n_ * item_ : 0);
    void* values = item_ != 4 ? static_cast<void*>(apart.get()) : sorted.get();
    for (int64_t o = ob; o < oe; ++o)
      for (int64_t i = ib, count = 1; i < ie; i += count) {
        Group group = {at(o, i), count = 1, 0, from_.stride};
        if (most > 1 && from_.inner_step == 1) {
          count = std::min(most, ie - i);
          transpose[size](group.x, rows.get(), n_, count, from_.stride, n_);
          group = {rows.get(), count, n_, 1};
        }
        sort(group, keys.get(), sorted.get(), values, places.get(), spare.get());
        const int64_t first = to_.start(o, i);
        transpose[size](values, values_->data + first * item_, count, n_, n_, to_.stride);
        transpose[3](places.get(), indices_.data<int64_t>() + first, count, n_, n_, to_.stride);
      }
  }

  const char* at(int64_t o, int64_t i) const { return input_->data + from_.start(o, i) * item_; }
  Ints spare_room() const { return Ints(kernel_context(), 3 * (n_ + kernels::kSortSpare)); }

  static constexpr int64_t kPart = 1 << 16;  // values of a task
  const Tensor &input_, &values_, &indices_;
  int64_t n_, item_, least_;
  uint32_t flip_;
  Lines from_, to_;
};

Pair sort_data(const Tensor& input, int64_t dim, bool descending) {
  const int64_t n = size_along(input, dim);
  Tensor values = empty(input.sizes(), input.dtype());
  Tensor indices = empty(input.sizes(), DType::int64);
  if (values.numel() == 0) return {values, indices};
  if (PlacedSort::suits(input.dtype(), n)) {
    PlacedSort(input, dim, descending, values, indices).run();
    return {values, indices};
  }
  if (const auto least = PlacedSort::suits_integers(input, n)) {
    PlacedSort(input, dim, descending, values, indices, *least).run();
    return {values, indices};
  }
  dispatch_all(input.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* v = values.data<T>();
    auto* p = indices.data<int64_t>();
    for_sorted_lines<T>(
        input, values, dim, descending,
        [&](const LineSorter& sorter, const T* x, int64_t stride, int64_t at, int64_t out_stride) {
          sorter.write(x, stride, n, descending, v + at, p + at, out_stride);
        });
  });
  return {values, indices};
}

template <class Rule>
Pair recorded(Pair result, const Tensor& input, int64_t dim, bool dropped) {
  if (recording(input) && input.is_floating())
    record(std::get<0>(result),
           Rule(Selected{input.sizes(), dim, dropped, Saved(std::get<1>(result))}), input);
  return result;
}

template <class Rule>
Pair sorted(const Tensor& input, int64_t dim, bool descending) {
  dim = wrap_dim(dim, input.dim());
  return recorded<Rule>(sort_data(input, dim, descending), input, dim, false);
}

}  // namespace

Pair sort(const Tensor& input, int64_t dim, bool descending) {
  return sorted<SortBackward0>(input, dim, descending);
}
PYCORE_OP(
    "sort(Tensor input, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
    sort, kOrder, R"(
The values along ``dim`` in order, and where they were. NaN counts as the largest value. Equal values always keep their
order (``stable`` is accepted and changes nothing).

>>> pycore.sort(pycore.tensor([3, 1, 2])).indices
tensor([1, 2, 0])
)");
static Pair sort_stable(const Tensor& input, std::optional<bool>, int64_t dim, bool descending) {
  return sorted<SortBackward1>(input, dim, descending);
}
PYCORE_OP(
    "sort(Tensor input, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, "
    "Tensor indices)",
    sort_stable, kOrder, "");

static Tensor argsort(const Tensor& input, int64_t dim, bool descending, bool) {
  return std::get<1>(sort_data(input, wrap_dim(dim, input.dim()), descending));
}
PYCORE_OP("argsort(Tensor input, int dim=-1, bool descending=False, bool stable=False) -> Tensor",
          argsort, kFunction | kMethod, R"(
The indices that sort along ``dim`` (see :func:`sort`).

>>> pycore.argsort(pycore.tensor([3, 1, 2]), descending=True)
tensor([0, 2, 1])
)");

Tensor sort_values(const Tensor& input, int64_t dim, bool descending) {
  dim = wrap_dim(dim, input.dim());
  const auto sort_line = kernels_now().order->sort_values[static_cast<int>(input.dtype())];
  if (!sort_line || input.numel() == 0 || recording(input))
    return std::get<0>(sort(input, dim, descending));
  if (input.dim() > 1 && dim != input.dim() - 1) {
    const Tensor lines = contiguous(transpose(detach(input), dim, -1));
    return contiguous(transpose(sort_values(lines, -1, descending), dim, -1));
  }
  const int64_t n = size_along(input, dim), item = input.item_size();
  Tensor values = empty(input.sizes(), input.dtype());
  const Lines from = lines_of(input, input.sizes(), dim), to = lines_of(values, input.sizes(), dim);
  for_line_blocks(from, [&](int64_t ob, int64_t oe, int64_t ib, int64_t ie) {
    const Tensor spare = empty({{n + kernels::kSortSpare}}, input.dtype());
    for (int64_t o = ob; o < oe; ++o)
      for (int64_t i = ib; i < ie; ++i)
        sort_line(kernel_context(), input->data + from.start(o, i) * item, n, from.stride,
                  descending, values->data + to.start(o, i) * item, spare->data);
  });
  return values;
}

static Tensor msort(const Tensor& input) { return sort_values(input, 0, false); }
PYCORE_OP("msort(Tensor input) -> Tensor", msort, kOrder, R"(
The values in order along the first dimension.

>>> pycore.msort(pycore.tensor([2, 1]))
tensor([1, 2])
)");

// --- topk, kthvalue
// ------------------------------------------------------------------------------------------------------

static Pair topk(const Tensor& input, int64_t k, int64_t dim, bool largest, bool) {
  dim = wrap_dim(dim, input.dim());
  PC_CHECK(k >= 0 && k <= size_along(input, dim), "selected index k out of range: topk got k = ", k,
           " for dimension ", dim, " of size ", size_along(input, dim));
  if (input.dim() == 0) k = 1;  // the result is 0-d as well
  Pair result = order_lines(input, dim, k, largest, [&](auto& line) {
    auto* ranks = line.ranks;
    if (k * 16 > line.n) {
      line.fill();
      return least_ranks(ranks, line.other, k, line.n);
    }
    constexpr int64_t kShort = 4096;
    if constexpr (sizeof(*ranks) == 16) {
      // Of wide values, keys alone are compared: that of an equal value further on is no less.
      line.fill_part(0, k, ranks);
      std::make_heap(ranks, ranks + k);
      uint64_t bound = line.key(ranks[0]);
      for (int64_t i = k; i < line.n; ++i)
        if (__builtin_expect(line.key_at(i) < bound, 0)) {
          replace_greatest(ranks, k, line.rank(i));
          bound = line.key(ranks[0]);
        }
      std::sort_heap(ranks, ranks + k);
      return static_cast<decltype(least_ranks(ranks, ranks, k, k))>(ranks);
    } else if (line.n <= kShort) {
      // All ranks at once, and the best so far as a heap, the worst of them on top.
      auto* best = line.other;
      line.fill();
      std::copy_n(ranks, k, best);
      std::make_heap(best, best + k);
      for (int64_t i = k; i < line.n; ++i)
        if (__builtin_expect(ranks[i] < best[0], 0)) replace_greatest(best, k, ranks[i]);
      std::sort_heap(best, best + k);
      return static_cast<decltype(least_ranks(ranks, ranks, k, k))>(best);
    }
    line.fill_part(0, k, ranks);
    std::make_heap(ranks, ranks + k);
    constexpr int64_t kBlock = 64;
    std::remove_pointer_t<decltype(ranks)> block[kBlock];
    for (int64_t i = k; (i = line.first_below(i, ranks[0])) < line.n;) {
      const int64_t end = std::min(line.n, i + kBlock);
      line.fill_part(i, end, block);
      for (int64_t j = 0; j < end - i; ++j)
        if (block[j] < ranks[0]) replace_greatest(ranks, k, block[j]);
      i = end;
    }
    std::sort_heap(ranks, ranks + k);
    return static_cast<decltype(least_ranks(ranks, ranks, k, k))>(ranks);
  });
  return recorded<TopkBackward0>(std::move(result), input, dim, false);
}
PYCORE_OP(
    "topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, "
    "Tensor indices)",
    topk, kOrder, R"(
The ``k`` largest (or smallest) values along ``dim`` in order, and where they are; of equal values the first.

>>> pycore.topk(pycore.tensor([1., 5., 3.]), 2).values
tensor([5., 3.])
)");

namespace {

// Picks one value per line. `position(line)` says which place in ascending order; the place may
// depend on NaNs.
template <class Rule, class Position>
Pair select_one(const char* op, const Tensor& input, int64_t dim, bool keepdim,
                const Position& position) {
  if (input.dim() > 0)
    PC_CHECK_INDEX(input.sizes()[dim] > 0, op, "(): Expected reduction dim ", dim,
                   " to have non-zero size.");
  auto [values, indices] = order_lines(input, dim, 1, false, [&](auto& line) {
    line.fill();
    return nth_rank(line.ranks, line.other, position(line), line.n);
  });
  if (!keepdim && input.dim() > 0) {
    Dims shape = input.sizes();
    shape.erase(dim);
    values = reshape(values, shape);
    indices = reshape(indices, shape);
  }
  return recorded<Rule>({values, indices}, input, dim, !keepdim);
}

constexpr auto kMiddle = [](auto& line) {
  // A line with NaN has no median: the first NaN comes right after all numbers.
  const int64_t nans = line.nans();
  return nans > 0 ? line.n - nans : (line.n - 1) / 2;
};
constexpr auto kMiddleOfNumbers = [](auto& line) {
  return std::max<int64_t>(0, line.n - line.nans() - 1) / 2;
};

// The median of all elements; its gradient is shared by the elements that equal it.
template <int IgnoreNan>
struct MedianOfAll {
  static constexpr const char* name = IgnoreNan ? "NanmedianBackward0" : "MedianBackward0";
  Saved input, result;
  void operator()(Backward& b) {
    Tensor x = b.get(input), r = b.get(result);
    Tensor hit = to_dtype(where(ne(r, r), ne(x, x), eq(x, r)), x.dtype());
    b.set(0, b.grad() * hit / sum_all(hit));
  }
};
template <int IgnoreNan, class Position>
Tensor median_of_all(const Tensor& input, const Position& position) {
  Tensor flat = reshape(detach(input), {{-1}});
  Tensor out;
  if (flat.numel() == 0) {
    PC_CHECK(is_floating(input.dtype()), "median: an empty tensor of ", input.dtype(),
             " has no median");
    out = scalar_tensor(std::numeric_limits<double>::quiet_NaN(), input.dtype());
  } else {
    out = std::get<0>(select_one<MedianBackward1>("median", flat, 0, false, position));
  }
  if (recording(input))
    record(out, MedianOfAll<IgnoreNan>{Saved(input), Saved::output(out)}, input);
  return out;
}

}  // namespace

static Pair kthvalue(const Tensor& input, int64_t k, int64_t dim, bool keepdim) {
  dim = wrap_dim(dim, input.dim());
  if (input.dim() > 0)
    PC_CHECK_INDEX(input.sizes()[dim] > 0, "kthvalue(): Expected reduction dim ", dim,
                   " to have non-zero size.");
  PC_CHECK(k >= 1 && k <= size_along(input, dim),
           "kthvalue(): selected number k out of range for dimension ", dim, ": got ", k, ", size ",
           size_along(input, dim));
  return select_one<KthvalueBackward0>("kthvalue", input, dim, keepdim,
                                       [&](auto&) { return k - 1; });
}
PYCORE_OP(
    "kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor "
    "indices)",
    kthvalue, kOrder, R"(
The ``k``-th smallest value along ``dim`` (counted from 1), and where it is.

>>> pycore.kthvalue(pycore.tensor([4., 1., 3.]), 2).values
tensor(3.)
)");

static Tensor median_all(const Tensor& input) { return median_of_all<0>(input, kMiddle); }
PYCORE_OP("median(Tensor input) -> Tensor", median_all, kFunction | kMethod, R"(
The median of all elements, or along a dimension with its place; of an even number of values the lower of the middle two.
NaN if there is a NaN.

>>> pycore.median(pycore.tensor([4., 1., 3., 2.]))
tensor(2.)
)");
static Pair median_dim(const Tensor& input, int64_t dim, bool keepdim) {
  return select_one<MedianBackward1>("median", input, wrap_dim(dim, input.dim()), keepdim, kMiddle);
}
PYCORE_OP("median(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
          median_dim, kOrder, "");
static Tensor nanmedian_all(const Tensor& input) {
  return median_of_all<1>(input, kMiddleOfNumbers);
}
PYCORE_OP("nanmedian(Tensor input) -> Tensor", nanmedian_all, kFunction | kMethod, R"(
As :func:`median`, leaving NaN out.

>>> pycore.nanmedian(pycore.tensor([4., float('nan'), 3.]))
tensor(3.)
)");
static Pair nanmedian_dim(const Tensor& input, int64_t dim, bool keepdim) {
  return select_one<NanmedianBackward1>("nanmedian", input, wrap_dim(dim, input.dim()), keepdim,
                                        kMiddleOfNumbers);
}
PYCORE_OP("nanmedian(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
          nanmedian_dim, kOrder, "");

// --- mode
// ------------------------------------------------------------------------------------------------------------------

static Pair mode(const Tensor& input, int64_t dim, bool keepdim) {
  dim = wrap_dim(dim, input.dim());
  if (input.dim() > 0)
    PC_CHECK_INDEX(input.sizes()[dim] > 0, "mode(): Expected reduction dim ", dim,
                   " to have non-zero size.");
  Dims shape = input.sizes();
  if (input.dim() > 0) shape[dim] = 1;
  Tensor values = empty(shape, input.dtype()), indices = empty(shape, DType::int64);
  if (values.numel() > 0) {
    const int64_t n = size_along(input, dim);
    dispatch_all(input.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_sorted_lines<T>(
          input, values, dim, false,
          [&](const LineSorter& sorter, const T* x, int64_t stride, int64_t at, int64_t) {
            const auto value = [&](int64_t k) { return x[sorter.place(k) * stride]; };
            int64_t best = 0, longest = 0, run = 0;
            for (int64_t k = 0; k < n; ++k) {
              // A NaN equals nothing.
              const bool again = k > 0 && widen(value(k)) == widen(value(k - 1));
              run = again ? run + 1 : 1;
              if (run > longest) {
                longest = run;
                best = k;
              }
            }
            values.data<T>()[at] = value(best);
            indices.data<int64_t>()[at] = sorter.place(best);
          });
    });
  }
  if (!keepdim && input.dim() > 0) {
    shape.erase(dim);
    values = reshape(values, shape);
    indices = reshape(indices, shape);
  }
  return recorded<ModeBackward0>({values, indices}, input, dim, !keepdim);
}
PYCORE_OP("mode(Tensor input, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
          mode, kOrder, R"(
The most frequent value along ``dim`` (the smallest of several), and where it occurs last.

>>> pycore.mode(pycore.tensor([2, 1, 2])).values
tensor(2)
)");

}  // namespace pycore
