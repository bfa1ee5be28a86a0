// Looking values up and counting them: searchsorted, bucketize, isin, bincount, histc, quantile.
// Must not know Python.
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/element.h"
#include "ops/indexing.h"
#include "ops/lines.h"
#include "ops/sorting.h"

namespace pycore {
namespace {

// How many of n values, which are ascending, lie before the place of v: the first of them that
// `stays(value)` calls one to stay behind it. Halves of any luck cost the same: no branch depends
// on what is compared.
template <class T, class Stays>
int64_t place_among(const T* p, const int64_t* order, int64_t n, const Stays& stays) {
  if (n == 0) return 0;
  const auto value = [&](int64_t i) { return widen(p[order ? order[i] : i]); };
  int64_t base = 0;
  while (n > 1) {
    const int64_t half = n / 2;
    const int64_t next = base + half;
    base = stays(value(next - 1)) ? base : next;
    n -= half;
  }
  return base + (stays(value(base)) ? 0 : 1);
}
// Comparisons as PyTorch makes them: NaN belongs at the end.
template <class T>
int64_t lower_place(const T* p, const int64_t* order, int64_t n, T v) {
  return place_among(p, order, n, [w = widen(v)](auto x) { return x >= w; });
}
template <class T>
int64_t upper_place(const T* p, const int64_t* order, int64_t n, T v) {
  return place_among(p, order, n, [w = widen(v)](auto x) { return x > w; });
}

// As many searches side by side: each step of one waits for the step before.
constexpr int64_t kAbreast = 8;
// place_among for kAbreast values, which are the same halves for all.
template <class T, class Stays>
void places_abreast(const Wide<T>* p, int64_t n, const T* values, int64_t* out,
                    const Stays& stays) {
  Wide<T> v[kAbreast];
  const Wide<T>* base[kAbreast];
  for (int64_t j = 0; j < kAbreast; ++j) {
    v[j] = widen(values[j]);
    base[j] = p;
  }
  for (int64_t left = n; left > 1;) {
    const int64_t half = left / 2;
#pragma GCC unroll 8
    for (int64_t j = 0; j < kAbreast; ++j)  // an addition, where a choice might become a branch
      base[j] += half & -static_cast<int64_t>(!stays(base[j][half - 1], v[j]));
    left -= half;
  }
  for (int64_t j = 0; j < kAbreast; ++j) out[j] = base[j] - p + (stays(*base[j], v[j]) ? 0 : 1);
}
// The places of values [b, e) in one line.
template <class T>
void places_in_line(const T* p, int64_t n, const T* values, int64_t* out, int64_t b, int64_t e,
                    bool right) {
  std::vector<Wide<T>> wide;
  const Wide<T>* line;
  if constexpr (std::is_same_v<T, Wide<T>> || std::is_same_v<T, bool>) {
    line = p;
  } else {
    wide.resize(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) wide[static_cast<size_t>(i)] = widen(p[i]);
    line = wide.data();
  }
  for (; e - b >= kAbreast; b += kAbreast) {
    if (right)
      places_abreast<T>(line, n, values + b, out + b, [](auto x, auto v) { return x > v; });
    else
      places_abreast<T>(line, n, values + b, out + b, [](auto x, auto v) { return x >= v; });
  }
  for (; b < e; ++b)
    out[b] = right ? upper_place(p, nullptr, n, values[b]) : lower_place(p, nullptr, n, values[b]);
}

Tensor search(const Tensor& sequence, const Operand& input, bool out_int32, bool right,
              const Tensor* sorter) {
  DType t = result_type(sequence, input);
  Tensor s = contiguous(to_dtype(detach(sequence), t));
  Tensor v = contiguous(detach(as_tensor(input, t)));
  Tensor order = sorter ? contiguous(*sorter) : Tensor();
  int64_t n = s.dim() == 0 ? 1 : s.sizes().back();
  PC_CHECK(!out_int32 || n < (int64_t{1} << 31),
           "torch.searchsorted(): the size of the boundaries' last dimension should be less than ",
           "2^31 for out_int32, got ", n);
  // Values per line of boundaries: all of them for one line.
  int64_t per_line = s.dim() <= 1 ? v.numel() : v.sizes().back();
  Tensor out = empty(v.sizes(), DType::int64);
  auto* to = out.data<int64_t>();
  dispatch_all(t, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T *boundaries = s.data<T>(), *values = v.data<T>();
    const int64_t* places = sorter ? order.data<int64_t>() : nullptr;
    parallel_for(v.numel(), 2048, [&](int64_t b, int64_t e) {
      // Few values for many boundaries are not worth a copy of these.
      if (s.dim() <= 1 && !places && n > 0 && n <= e - b)
        return places_in_line(boundaries, n, values, to, b, e, right);
      for (int64_t i = b; i < e; ++i) {
        int64_t line = s.dim() <= 1 ? 0 : i / per_line * n;
        const int64_t* p = places ? places + line : nullptr;
        to[i] = right ? upper_place(boundaries + line, p, n, values[i])
                      : lower_place(boundaries + line, p, n, values[i]);
      }
    });
  });
  return out_int32 ? to_dtype(out, DType::int32) : out;
}

}  // namespace

static Tensor searchsorted(const Tensor& sequence, const Operand& input, bool out_int32, bool right,
                           std::optional<std::string_view> side, const Tensor& sorter) {
  if (side) {
    PC_CHECK(*side == "left" || *side == "right",
             "torch.searchsorted(): side can only be 'left' or 'right' but got ", *side);
    PC_CHECK(!(right && *side == "left"),
             "torch.searchsorted(): side and right can't be set to opposites, got side of ", *side,
             " while right was True");
    right = *side == "right";
  }
  PC_CHECK(sequence.dim() > 0,
           "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 "
           "dimension");
  if (sequence.dim() > 1) {
    bool same_lines = input.is_tensor() && input.tensor().dim() == sequence.dim();
    for (int64_t d = 0; same_lines && d < sequence.dim() - 1; ++d)
      same_lines = sequence.sizes()[d] == input.tensor().sizes()[d];
    PC_CHECK(same_lines,
             "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
             "dimensions of boundaries tensor "
             "and input value tensor must match, but we got boundaries tensor ",
             sequence.sizes(), " and input value ",
             input.is_tensor() ? str("tensor ", input.tensor().sizes()) : "a number");
  }
  if (sorter.defined()) {
    PC_CHECK(sorter.sizes() == sequence.sizes(),
             "torch.searchsorted(): boundary and sorter must have the same size, but got boundary "
             "tensor ",
             sequence.sizes(), " and got sorter tensor ", sorter.sizes());
    PC_CHECK(sorter.dtype() == DType::int64,
             "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype ",
             sorter.dtype());
    Tensor p = contiguous(sorter);
    for (int64_t i = 0; i < p.numel(); ++i)
      PC_CHECK(p.data<int64_t>()[i] >= 0 && p.data<int64_t>()[i] < sequence.sizes().back(),
               "torch.searchsorted(): sorter index out of range");
  }
  return search(sequence, input, out_int32, right, sorter.defined() ? &sorter : nullptr);
}
PYCORE_OP(
    "searchsorted(Tensor sorted_sequence, Tensor|Scalar input, *, bool out_int32=False, bool "
    "right=False, str? side=None, "
    "Tensor? sorter=None) -> Tensor",
    searchsorted, kFunction | kOut, R"(
Where each value would have to be inserted into the ascending last dimension of ``sorted_sequence``: before values equal to
it, or after them if ``right`` (``side='right'``). A sequence of several lines takes values of the same leading shape.
``sorter`` holds the places that put an unsorted sequence in order.

>>> pycore.searchsorted(pycore.tensor([1, 3, 5]), pycore.tensor([3, 6]))
tensor([1, 3])
)");

static Tensor bucketize(const Operand& input, const Tensor& boundaries, bool out_int32,
                        bool right) {
  PC_CHECK(boundaries.dim() == 1, "boundaries tensor must be 1 dimension, but got dim(",
           boundaries.dim(), ")");
  return search(boundaries, input, out_int32, right, nullptr);
}
PYCORE_OP(
    "bucketize(Tensor|Scalar input, Tensor boundaries, *, bool out_int32=False, bool right=False) "
    "-> Tensor",
    bucketize, kFunction | kOut, R"(
The number of the bucket that each value falls into: :func:`searchsorted` with the arguments swapped.

>>> pycore.bucketize(pycore.tensor([0., 2.5]), pycore.tensor([1., 2., 3.]))
tensor([0, 2])
)");

// --- isin
// ------------------------------------------------------------------------------------------------------------------

static Tensor isin(const Operand& elements, const Operand& test_elements, bool, bool invert) {
  PC_CHECK_TYPE(elements.is_tensor() || test_elements.is_tensor(),
                "isin() received an invalid combination of arguments - got two numbers; "
                "one of elements and test_elements must be a Tensor");
  DType t = result_type(elements, test_elements);
  Tensor x = contiguous(detach(as_tensor(elements, t)));
  Tensor pool = std::get<0>(sort(reshape(detach(as_tensor(test_elements, t)), {{-1}}), 0, false));
  Tensor out = empty(x.sizes(), DType::bool_);
  auto* to = out.data<bool>();
  dispatch_all(t, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T *values = x.data<T>(), *sorted = pool.data<T>();
    int64_t n = pool.numel();
    if constexpr (std::is_integral_v<T>) {
      // Integers close together are marked in a table.
      const auto low = n > 0 ? static_cast<uint64_t>(sorted[0]) : 0;
      const auto span = n > 0 ? static_cast<uint64_t>(sorted[n - 1]) - low : 0;
      if (n > 0 && span <= 4 * static_cast<uint64_t>(n + x.numel())) {
        std::vector<uint8_t> there(span + 1, 0);
        for (int64_t i = 0; i < n; ++i) there[static_cast<uint64_t>(sorted[i]) - low] = 1;
        return parallel_for(x.numel(), 16384, [&](int64_t b, int64_t e) {
          for (int64_t i = b; i < e; ++i) {
            const uint64_t at = static_cast<uint64_t>(values[i]) - low;
            to[i] = (at <= span && there[at] != 0) != invert;
          }
        });
      }
    }
    parallel_for(x.numel(), 2048, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) {
        int64_t at = lower_place(sorted, nullptr, n, values[i]);
        to[i] = (at < n && widen(sorted[at]) == widen(values[i])) != invert;
      }
    });
  });
  return out;
}
PYCORE_OP(
    "isin(Tensor|Scalar elements, Tensor|Scalar test_elements, *, bool assume_unique=False, bool "
    "invert=False) -> Tensor",
    isin, kFunction | kOut, R"(
Whether each element occurs in ``test_elements`` (or does not, if ``invert``).

>>> pycore.isin(pycore.tensor([1, 2, 3]), pycore.tensor([2]))
tensor([False,  True, False])
)");

// --- counting
// --------------------------------------------------------------------------------------------------------------

static Tensor bincount(const Tensor& input, const Tensor& weights, int64_t minlength) {
  PC_CHECK_IMPLEMENTED(is_integral(input.dtype()), "\"bincount_cpu\" not implemented for '",
                       scalar_type_name(input.dtype()), "'");
  PC_CHECK(minlength >= 0, "minlength should be >= 0, got ", minlength);
  PC_CHECK(input.dim() == 1, "bincount only supports 1-d non-negative integral inputs., got shape ",
           input.sizes());
  PC_CHECK(!weights.defined() || weights.sizes() == input.sizes(),
           "weights should be 1-d and have the same length as input, got ",
           weights.defined() ? weights.sizes() : Dims(), " and ", input.sizes());
  Tensor x = contiguous(to_dtype(input, DType::int64));
  const auto* p = x.data<int64_t>();
  const IndexRange range = x.numel() > 0 ? range_of(x) : IndexRange{0, -1};
  PC_CHECK(range.low >= 0, "bincount only supports 1-d non-negative integral inputs., got ",
           range.low);
  PC_CHECK(range.high < INT64_MAX, "bincount: the value ", range.high,
           " is too large to count up to");
  const int64_t n = x.numel(), size = std::max(minlength, range.high + 1);
  if (!weights.defined()) {
    Tensor out = zeros({{size}}, DType::int64);
    auto* counts = out.data<int64_t>();
    for (int64_t i = 0; i < n; ++i) ++counts[p[i]];
    return out;
  }
  DType t = weights.dtype() == DType::float32 ? DType::float32 : DType::float64;
  Tensor w = contiguous(to_dtype(detach(weights), t)), out = zeros({{size}}, t);
  auto add_up = [&](auto* to, const auto* from) {
    for (int64_t i = 0; i < x.numel(); ++i) to[p[i]] += from[i];
  };
  if (t == DType::float32)
    add_up(out.data<float>(), w.data<float>());
  else
    add_up(out.data<double>(), w.data<double>());
  return out;
}
PYCORE_OP("bincount(Tensor input, Tensor? weights=None, int minlength=0) -> Tensor", bincount,
          kFunction | kMethod, R"(
How often each of 0, 1, 2 ... occurs in a vector of non-negative integers, or the sum of its ``weights``; at least
``minlength`` long.

>>> pycore.bincount(pycore.tensor([1, 1, 3]))
tensor([0, 2, 0, 1])
)");

static Tensor histc(const Tensor& input, int64_t bins, const Scalar& min, const Scalar& max) {
  PC_CHECK_IMPLEMENTED(input.is_floating(), "\"histogram_cpu\" not implemented for '",
                       scalar_type_name(input.dtype()), "'");
  PC_CHECK(bins > 0, "torch.histogram(): bins must be > 0, but got ", bins, " for dimension 0");
  Tensor x = contiguous(detach(input));
  Tensor counts = zeros({{bins}}, input.dtype());
  dispatch_all(input.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>) {
      using W = Wide<T>;
      W low = static_cast<W>(min.to_double()), high = static_cast<W>(max.to_double());
      const T* p = x.data<T>();
      int64_t n = x.numel();
      if (low == high && n > 0) {
        low = high = widen(p[0]);
        for (int64_t i = 0; i < n; ++i) {
          W v = widen(p[i]);
          low = std::isnan(v) || v < low ? v : low;
          high = std::isnan(v) || v > high ? v : high;
        }
      }
      if (low == high) {
        low -= 1;
        high += 1;
      }
      PC_CHECK(std::isfinite(low) && std::isfinite(high), "torch.histc: range of [", low, ", ",
               high, "] is not finite");
      PC_CHECK(low < high, "torch.histc: max must be larger than min, got min ", low, " and max ",
               high);
      std::vector<int64_t> found(static_cast<size_t>(bins), 0);
      for (int64_t i = 0; i < n; ++i) {
        W v = widen(p[i]);
        if (!(v >= low && v <= high)) continue;
        auto bin = static_cast<int64_t>((v - low) * static_cast<W>(bins) / (high - low));
        ++found[static_cast<size_t>(std::min(bin, bins - 1))];
      }
      for (int64_t k = 0; k < bins; ++k)
        counts.data<T>()[k] = narrow_to<T>(static_cast<W>(found[static_cast<size_t>(k)]));
    }
  });
  return counts;
}
PYCORE_OP("histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", histc,
          kFunction | kMethod | kOut, R"(
How many elements fall into each of ``bins`` equal bins between ``min`` and ``max`` (between the extremes of the data if the
two are equal); others are not counted.

>>> pycore.histc(pycore.tensor([1., 2., 1.]), bins=4, min=0, max=3)
tensor([0., 2., 1., 0.])
)");

// --- quantile
// --------------------------------------------------------------------------------------------------------------

namespace {

Tensor quantile(const char* op, const Tensor& input, const Tensor& q, std::optional<int64_t> dim,
                bool keepdim, std::string_view interpolation, bool ignore_nan) {
  PC_CHECK(input.numel() > 0, op, "() input tensor must be non-empty");
  PC_CHECK(input.dtype() == DType::float32 || input.dtype() == DType::float64, op,
           "() input tensor must be either float or double dtype, got ", input.dtype());
  PC_CHECK(q.dim() <= 1, op, "() q must be a scalar or 1D tensor, got shape ", q.sizes());
  PC_CHECK(q.dtype() == input.dtype(), op,
           "() q tensor must be same dtype as the input tensor, got ", q.dtype(), " and ",
           input.dtype());
  bool linear = interpolation == "linear", midpoint = interpolation == "midpoint";
  PC_CHECK(linear || midpoint || interpolation == "lower" || interpolation == "higher" ||
               interpolation == "nearest",
           op,
           "() interpolation must be one of linear, lower, higher, midpoint or nearest, but got ",
           interpolation);
  // The reduced dimension last, in order.
  int64_t d = dim ? wrap_dim(*dim, input.dim()) : 0;
  Tensor x =
      dim && input.dim() > 0 ? transpose(unsqueeze(input, -1), d, -1) : reshape(input, {{-1}});
  Tensor sorted = sort_values(x, -1, false);
  int64_t n = sorted.sizes().back(), lines = sorted.numel() / n, m = q.numel();
  Tensor places = contiguous(to_dtype(detach(q), DType::float64));
  Tensor numbers = contiguous(to_dtype(detach(sorted), DType::float64));
  // For every line and every q: the two neighbours in order, and the weight of the upper one.
  Dims shape = sorted.sizes();
  shape[shape.size() - 1] = m;
  Tensor below = empty(shape, DType::int64), above = empty(shape, DType::int64),
         weight = empty(shape, input.dtype());
  for (int64_t line = 0; line < lines; ++line) {
    const double* p = numbers.data<double>() + line * n;
    int64_t valid = n;
    while (valid > 0 && std::isnan(p[valid - 1])) --valid;
    for (int64_t k = 0; k < m; ++k) {
      double want = places.data<double>()[k];
      PC_CHECK(want >= 0 && want <= 1, op, "() q must be in the range [0, 1] but got ", want);
      double rank;
      if (valid < n && (!ignore_nan || valid == 0)) {
        rank = static_cast<double>(n - 1);  // where a NaN is
      } else if (input.dtype() == DType::float32) {
        rank = static_cast<float>(want) * static_cast<float>(valid - 1);
      } else {
        rank = want * static_cast<double>(valid - 1);
      }
      if (interpolation == "lower") rank = std::floor(rank);
      if (interpolation == "higher") rank = std::ceil(rank);
      if (interpolation == "nearest") rank = std::nearbyint(rank);
      auto low = static_cast<int64_t>(rank);
      double part = midpoint ? 0.5 : rank - static_cast<double>(low);
      auto high = static_cast<int64_t>(std::ceil(rank));
      int64_t at = line * m + k;
      below.data<int64_t>()[at] = low;
      above.data<int64_t>()[at] = std::min(high, n - 1);
      if (input.dtype() == DType::float32)
        weight.data<float>()[at] = static_cast<float>(part);
      else
        weight.data<double>()[at] = part;
    }
  }
  Tensor low = gather(sorted, -1, below), out = low;
  if (linear || midpoint) {
    Tensor high = gather(sorted, -1, above), step = high - low;
    // From the nearer end, as lerp does.
    out = where(lt(weight, 0.5), low + step * weight, high - step * (1.0 - weight));
  }
  // The quantiles come first; the reduced dimension goes or stays as 1.
  Dims reduced = input.sizes();
  if (!dim) {
    for (auto& s : reduced) s = 1;
  } else if (input.dim() > 0) {
    reduced[d] = 1;
  }
  Dims result = keepdim ? reduced : Dims();
  if (!keepdim && dim && input.dim() > 0) {
    result = input.sizes();
    result.erase(d);
  }
  Tensor first = transpose(reshape(out, {{lines, m}}), 0, 1);
  // Lines run over the dimensions before and after d, with the unit dimension in d's place: the
  // order of `result`.
  if (q.dim() > 0) result.insert(0, m);
  return reshape(first, result);
}

Tensor q_tensor(const Operand& q, const Tensor& input) {
  if (q.is_tensor()) return q.tensor();
  double x = q.scalar().to_double();
  PC_CHECK(x >= 0 && x <= 1, "quantile() q must be in the range [0, 1] but got ", x);
  return scalar_tensor(x, input.dtype());
}

}  // namespace

static Tensor quantile_op(const Tensor& input, const Operand& q, std::optional<int64_t> dim,
                          bool keepdim, std::string_view interpolation) {
  return quantile("quantile", input, q_tensor(q, input), dim, keepdim, interpolation, false);
}
PYCORE_OP(
    "quantile(Tensor input, Tensor|Scalar q, int? dim=None, bool keepdim=False, *, str "
    "interpolation='linear') -> Tensor",
    quantile_op, kFunction | kMethod | kOut, R"(
The ``q``-th quantiles (0 to 1) of all elements or along ``dim``; several of them come in a new first dimension. Between two
values ``interpolation`` is 'linear', 'lower', 'higher', 'midpoint' or 'nearest'. NaN wherever there is a NaN.

>>> pycore.quantile(pycore.tensor([0., 1., 2., 3.]), 0.5)
tensor(1.5000)
)");
static Tensor nanquantile_op(const Tensor& input, const Operand& q, std::optional<int64_t> dim,
                             bool keepdim, std::string_view interpolation) {
  return quantile("nanquantile", input, q_tensor(q, input), dim, keepdim, interpolation, true);
}
PYCORE_OP(
    "nanquantile(Tensor input, Tensor|Scalar q, int? dim=None, bool keepdim=False, *, str "
    "interpolation='linear') -> Tensor",
    nanquantile_op, kFunction | kMethod | kOut, R"(
As :func:`quantile`, leaving NaN out.

>>> pycore.nanquantile(pycore.tensor([0., float('nan'), 2.]), 0.5)
tensor(1.)
)");

}  // namespace pycore
