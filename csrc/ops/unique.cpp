// The distinct values of a tensor: unique and unique_consecutive. Must not know Python.
#include <algorithm>
#include <numeric>

#include "ops/element.h"
#include "ops/lines.h"
#include "ops/ranks.h"

namespace pycore {
namespace {

// Distinct entries as runs in an order of the entries.
struct Runs {
  std::vector<int64_t> first;   // the first entry of each run, or
  std::vector<int64_t> values;  // the values themselves, where integers have been counted
  Tensor inverse;               // which run each entry is in
  Tensor counts;
};

// order[k] is the k-th entry; differs(a, b) says whether entries a and b are not equal.
template <class Differs>
Runs find_runs(const std::vector<int64_t>& order, const Differs& differs) {
  auto n = static_cast<int64_t>(order.size());
  Runs runs;
  runs.inverse = empty({{n}}, DType::int64);
  std::vector<int64_t> counts;
  for (size_t k = 0; k < order.size(); ++k) {
    if (k == 0 || differs(order[k - 1], order[k])) {
      runs.first.push_back(order[k]);
      counts.push_back(0);
    }
    ++counts.back();
    runs.inverse.data<int64_t>()[order[k]] = static_cast<int64_t>(counts.size()) - 1;
  }
  runs.counts = empty({{static_cast<int64_t>(counts.size())}}, DType::int64);
  std::copy(counts.begin(), counts.end(), runs.counts.data<int64_t>());
  return runs;
}

// Integers in a range not much larger than their number are counted instead of sorted. False if
// they are not.
template <class T>
bool count_runs(const T* p, int64_t n, bool with_inverse, Runs& runs) {
  if constexpr (!std::is_integral_v<T>) {
    return false;
  } else {
    if (n == 0) return false;
    T least = p[0], most = p[0];
    for (int64_t i = 1; i < n; ++i) {
      least = std::min(least, p[i]);
      most = std::max(most, p[i]);
    }
    const auto low = static_cast<int64_t>(least), high = static_cast<int64_t>(most);
    uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    if (range > 4 * static_cast<uint64_t>(n) + 1024 || n >> 32 != 0) return false;
    // How often each value occurs, and then its rank.
    std::vector<uint32_t> count(range + 1, 0);
    const auto slot = [&](int64_t i) {
      return static_cast<size_t>(static_cast<int64_t>(p[i]) - low);
    };
    for (int64_t i = 0; i < n; ++i) ++count[slot(i)];
    std::vector<int64_t> counts;
    for (size_t v = 0; v <= range; ++v) {
      if (count[v] == 0) continue;
      const auto rank = static_cast<uint32_t>(counts.size());
      counts.push_back(count[v]);
      runs.values.push_back(low + static_cast<int64_t>(v));
      count[v] = rank;
    }
    if (with_inverse) {
      runs.inverse = empty({{n}}, DType::int64);
      auto* inverse = runs.inverse.data<int64_t>();
      for (int64_t i = 0; i < n; ++i) inverse[i] = count[slot(i)];
    }
    runs.counts = empty({{static_cast<int64_t>(counts.size())}}, DType::int64);
    std::copy(counts.begin(), counts.end(), runs.counts.data<int64_t>());
    return true;
  }
}

// Entries are rows of `width` elements: single values, or what lies at one index of a dimension.
template <class T>
Runs runs_of(const T* p, int64_t n, int64_t width, bool consecutive, bool with_inverse) {
  Runs counted;
  if (width == 1 && !consecutive && count_runs(p, n, with_inverse, counted)) return counted;
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  if (width == 1 && !consecutive) {
    LineSorter sorter(n);
    sorter.sort(p, 1, n, false);
    for (int64_t k = 0; k < n; ++k) order[static_cast<size_t>(k)] = sorter.place(k);
  } else if (!consecutive) {
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      for (int64_t i = 0; i < width; ++i) {
        T x = p[a * width + i], y = p[b * width + i];
        if (less_nan_last(x, y)) return true;
        if (less_nan_last(y, x)) return false;
      }
      return false;
    });
  }
  return find_runs(order, [&](int64_t a, int64_t b) {
    for (int64_t i = 0; i < width; ++i)
      if (widen(p[a * width + i]) != widen(p[b * width + i])) return true;
    return false;
  });
}

// The order of dimensions that brings `dim` to the front, and the one that takes it back.
Dims first_dim(int64_t n, int64_t dim) {
  Dims order{wrap_dim(dim, n)};
  for (int64_t d = 0; d < n; ++d)
    if (d != order[0]) order.push_back(d);
  return order;
}
Dims back_dim(int64_t n, int64_t dim) {
  Dims order = first_dim(n, dim), inverse(n);
  for (int64_t d = 0; d < n; ++d) inverse[order[d]] = d;
  return inverse;
}

Result distinct(const char* op, const Tensor& input, bool consecutive, bool with_inverse,
                bool with_counts, std::optional<int64_t> dim) {
  Tensor x = detach(input);
  int64_t n = x.numel(), width = 1;
  if (dim) {
    PC_CHECK_INDEX(x.dim() > 0, "Dimension specified as ", *dim, " but tensor has no dimensions");
    n = x.size(*dim);
    x = permute(x, first_dim(x.dim(), *dim));
    for (int64_t i = 1; i < x.dim(); ++i) width *= x.sizes()[i];
    PC_CHECK(n == 0 || width > 0, op,
             ": There are 0 sized dimensions, and they aren't selected by `dim`, so unique cannot "
             "be applied");
  }
  x = contiguous(x);
  Tensor values;
  Runs runs;
  dispatch_all(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* p = x.data<T>();
    runs = runs_of(p, n, width, consecutive, with_inverse);
    const int64_t m = runs.counts.numel();
    Dims sizes = dim ? x.sizes() : Dims{m};
    sizes[0] = m;
    values = empty(sizes, x.dtype());
    T* to = values.data<T>();
    if constexpr (std::is_integral_v<T>)
      for (size_t k = 0; k < runs.values.size(); ++k) to[k] = static_cast<T>(runs.values[k]);
    for (int64_t k = 0; k < static_cast<int64_t>(runs.first.size()); ++k)
      std::copy_n(p + runs.first[static_cast<size_t>(k)] * width, width, to + k * width);
  });
  if (dim) values = contiguous(permute(values, back_dim(x.dim(), *dim)));
  if (!dim && with_inverse) runs.inverse = reshape(runs.inverse, input.sizes());
  Result r;
  if (!with_inverse && !with_counts) {
    r.set(std::move(values));
    return r;
  }
  std::vector<Tensor> out{values};
  if (with_inverse) out.push_back(runs.inverse);
  if (with_counts) out.push_back(runs.counts);
  r.set(std::move(out));
  return r;
}

}  // namespace

static Result unique(const Tensor& input, bool, bool return_inverse, bool return_counts,
                     std::optional<int64_t> dim) {
  return distinct("unique()", input, false, return_inverse, return_counts, dim);
}
PYCORE_OP(
    "unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False, "
    "int? dim=None) -> Tensor",
    unique, kFunction | kMethod, R"(
The distinct values in ascending order; with ``dim`` the distinct entries along it. ``return_inverse`` adds where each input
element went, ``return_counts`` how often each value occurs: the result is then a tuple. Not differentiable.

>>> pycore.unique(pycore.tensor([3, 1, 3]), return_counts=True)
(tensor([1, 3]), tensor([1, 2]))
)");

static Result unique_consecutive(const Tensor& input, bool return_inverse, bool return_counts,
                                 std::optional<int64_t> dim) {
  return distinct("unique_consecutive()", input, true, return_inverse, return_counts, dim);
}
PYCORE_OP(
    "unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? "
    "dim=None) -> Tensor",
    unique_consecutive, kFunction | kMethod, R"(
As :func:`unique`, merging only neighbours and keeping the order.

>>> pycore.unique_consecutive(pycore.tensor([1, 1, 2, 1]))
tensor([1, 2, 1])
)");

}  // namespace pycore
