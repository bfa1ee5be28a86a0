// Running sums, products, extremes and log-sums: forward and derivative of each side by side. Must
// not know Python.
#include "kernels/scan.h"

#include <limits>

#include "kernels/reduce.h"
#include "ops/indexing.h"
#include "ops/kernel_support.h"
#include "ops/reduce_support.h"

namespace pycore {
namespace {

using kernels::ScanFn;
constexpr uint32_t kScan = kFunction | kMethod | kOut;

Tensor run_scan(const ScanFn* table, const Tensor& input, int64_t dim, DType result,
                Tensor* indices = nullptr) {
  const Tensor x = kernel_input(input, compute_dtype(result));
  const Slices s(x, dim);
  const ScanFn fn = table[static_cast<int>(x.dtype())];
  PC_CHECK_IMPLEMENTED(fn != nullptr, "\"scan\" not implemented for '", scalar_type_name(result),
                       "'");
  explain_kernel("scan", x.dtype());
  Tensor out = empty(x.sizes(), x.dtype());
  if (indices) *indices = empty(x.sizes(), DType::int64);
  fn(context_for(x), x->data, out->data, indices ? indices->data<int64_t>() : nullptr, s.outer, s.n,
     s.inner);
  return kernel_output(out, result);
}
const kernels::ScanKernels& table() { return *kernels_now().scan; }
DType summed_dtype(const Tensor& x, std::optional<DType> dtype) {
  return dtype.value_or(x.is_floating() ? x.dtype() : DType::int64);
}

// The order of the elements along dim turned round.
Tensor reversed(const Tensor& input, int64_t dim) {
  const Tensor x = kernel_input(input, input.dtype());
  const Slices s(x, dim);
  Tensor out = empty(x.sizes(), x.dtype());
  const int64_t bytes = s.inner * x.item_size();
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t i = 0; i < s.n; ++i)
      memcpy(out->data + (o * s.n + i) * bytes, x->data + (o * s.n + s.n - 1 - i) * bytes,
             static_cast<size_t>(bytes));
  return out;
}

}  // namespace

// --- cumsum
// ------------------------------------------------------------------------------------------------

namespace {
Tensor cumsum_from(const Tensor& x, int64_t dim, bool backwards);
struct CumsumBackward0 {
  static constexpr const char* name = "CumsumBackward0";
  static constexpr bool saves = false;
  int64_t dim = 0;
  bool backwards = false;
  void operator()(Backward& b) { b.set(0, cumsum_from(b.grad(), dim, !backwards)); }
};
// Sums of x from its start, or from its end.
Tensor cumsum_from(const Tensor& x, int64_t dim, bool backwards) {
  Tensor out = backwards ? reversed(run_scan(table().cumsum, reversed(x, dim), dim, x.dtype()), dim)
                         : run_scan(table().cumsum, x, dim, x.dtype());
  if (recording(x)) record(out, CumsumBackward0{dim, backwards}, x);
  return out;
}
}  // namespace
Tensor cumsum(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  dim = wrap_dim(dim, input.dim());
  const DType result = summed_dtype(input, dtype);
  if (is_floating(result)) return cumsum_from(to_dtype(input, result), dim, false);
  return to_dtype(run_scan(table().cumsum, input, dim, DType::int64), result);
}
PYCORE_OP("cumsum(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", cumsum, kScan | kInplace,
          R"(
Running sums along ``dim``. Integers and bool sum to int64.

>>> pycore.tensor([1., 2., 3.]).cumsum(0)
tensor([1., 3., 6.])
)");

// --- cumprod
// -------------------------------------------------------------------------------------------------

namespace {
struct CumprodBackward0 {
  static constexpr const char* name = "CumprodBackward0";
  Saved input, result;
  int64_t dim = 0;
  void operator()(Backward& b);
};
Tensor cumprod_floating(const Tensor& x, int64_t dim) {
  Tensor out = run_scan(table().cumprod, x, dim, x.dtype());
  if (recording(x)) record(out, CumprodBackward0{Saved(x), Saved::output(out), dim}, x);
  return out;
}
void CumprodBackward0::operator()(Backward& b) {
  const Tensor x = b.get(input);
  const Tensor& g = b.grad();
  if (x.dim() == 0 || x.numel() == 0) return b.set(0, g);
  bool zero;
  {
    GradGuard off(false);
    zero = run_reduce(kernels::Reduce::all, x, all_dims(x), false, DType::bool_)->data[0] == 0;
  }
  if (!zero) return b.set(0, div(cumsum_from(mul(g, b.get(result)), dim, true), x));
  // dx_i = sum over k >= i of g_k * product of x_j, j <= k, j != i: a table over (i, k).
  const int64_t n = x.sizes()[dim];
  const Tensor last = transpose(x, dim, -1), g_last = transpose(g, dim, -1);
  const Tensor diagonal = square_mask(n, [](int64_t i, int64_t k) { return i == k; });
  const Tensor upper = square_mask(n, [](int64_t i, int64_t k) { return k >= i; });
  Dims shape = last.sizes();
  shape.push_back(n);
  const Tensor products =
      cumprod_floating(where(diagonal, 1.0, expand(unsqueeze(last, -2), shape)), shape.size() - 1);
  const Tensor terms = mul(where(upper, products, 0.0), unsqueeze(g_last, -2));
  const int64_t dims[1] = {-1};
  b.set(0, transpose(sum_dims(terms, dims, false), dim, -1));
}
}  // namespace
static Tensor cumprod(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  dim = wrap_dim(dim, input.dim());
  const DType result = summed_dtype(input, dtype);
  if (is_floating(result)) return cumprod_floating(to_dtype(input, result), dim);
  return to_dtype(run_scan(table().cumprod, input, dim, DType::int64), result);
}
PYCORE_OP("cumprod(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", cumprod,
          kScan | kInplace, R"(
Running products along ``dim``. Integers and bool multiply to int64.

>>> pycore.tensor([1., 2., 3.]).cumprod(0)
tensor([1., 2., 6.])
)");

// --- cummax, cummin
// --------------------------------------------------------------------------------------------

namespace {
// Every result's gradient goes to the element it was taken from.
struct CumExtremeBackward {
  Saved indices;
  int64_t dim = 0;
  void operator()(Backward& b) {
    const Tensor& g = b.grad();
    if (g.dim() == 0 || g.numel() == 0) return b.set(0, g);
    b.set(0, scatter_add(zeros(g.sizes(), g.dtype()), dim, b.get(indices), g));
  }
};
struct CummaxBackward0 : CumExtremeBackward {
  static constexpr const char* name = "CummaxBackward0";
};
struct CumminBackward0 : CumExtremeBackward {
  static constexpr const char* name = "CumminBackward0";
};
template <class Rule>
std::tuple<Tensor, Tensor> cum_extreme(const ScanFn* table, const Tensor& x, int64_t dim) {
  dim = wrap_dim(dim, x.dim());
  Tensor indices;
  Tensor values = run_scan(table, x, dim, x.dtype(), &indices);
  if (recording(x)) record(values, Rule{{Saved(indices), dim}}, x);
  return {std::move(values), std::move(indices)};
}
}  // namespace
static std::tuple<Tensor, Tensor> cummax(const Tensor& x, int64_t dim) {
  return cum_extreme<CummaxBackward0>(table().cummax, x, dim);
}
static std::tuple<Tensor, Tensor> cummin(const Tensor& x, int64_t dim) {
  return cum_extreme<CumminBackward0>(table().cummin, x, dim);
}
PYCORE_OP("cummax(Tensor input, int dim) -> (Tensor values, Tensor indices)", cummax, kScan, R"(
Running maxima along ``dim`` and their positions.

>>> pycore.tensor([1., 3., 2.]).cummax(0).values
tensor([1., 3., 3.])
)");
PYCORE_OP("cummin(Tensor input, int dim) -> (Tensor values, Tensor indices)", cummin, kScan, R"(
Running minima along ``dim`` and their positions.

>>> pycore.tensor([3., 1., 2.]).cummin(0).values
tensor([3., 1., 1.])
)");

// --- logcumsumexp
// ------------------------------------------------------------------------------------------------

namespace {
struct LogcumsumexpBackward0 {
  static constexpr const char* name = "LogcumsumexpBackward0";
  Saved input, result;
  int64_t dim = 0;
  // dx = sum over k >= i of g_k * exp(x_i - y_k). The shift keeps the exponentials in range.
  void operator()(Backward& b) {
    const Tensor x = b.get(input), y = b.get(result);
    const Tensor& g = b.grad();
    if (x.dim() == 0 || x.numel() == 0) return b.set(0, g);
    const int64_t n = x.sizes()[dim];
    const Tensor xi = unsqueeze(transpose(x, dim, -1), -1);
    const Tensor yk = unsqueeze(transpose(y, dim, -1), -2);
    const Tensor upper = square_mask(n, [](int64_t i, int64_t k) { return k >= i; });
    const Tensor weights = exp(where(upper, sub(xi, yk), -std::numeric_limits<double>::infinity()));
    const Tensor terms = mul(weights, unsqueeze(transpose(g, dim, -1), -2));
    const int64_t dims[1] = {-1};
    b.set(0, transpose(sum_dims(terms, dims, false), dim, -1));
  }
};
}  // namespace
static Tensor logcumsumexp(const Tensor& x, int64_t dim) {
  dim = wrap_dim(dim, x.dim());
  PC_CHECK_IMPLEMENTED(x.is_floating(), "\"logcumsumexp_out_cpu\" not implemented for '",
                       scalar_type_name(x.dtype()), "'");
  Tensor out = run_scan(table().logcumsumexp, x, dim, x.dtype());
  if (recording(x)) record(out, LogcumsumexpBackward0{Saved(x), Saved::output(out), dim}, x);
  return out;
}
PYCORE_OP("logcumsumexp(Tensor input, int dim) -> Tensor", logcumsumexp, kScan, R"(
``log(cumsum(exp(x)))`` along ``dim``, without overflow.

>>> pycore.tensor([0., 0.]).logcumsumexp(0)
tensor([0.0000, 0.6931])
)");

}  // namespace pycore
