// Special functions without vector kernels: polygamma. Must not know Python.
#include <cmath>

#include "core/parallel.h"
#include "ops/result_order.h"

namespace pycore {
namespace {

// The Hurwitz zeta function sum over k >= 0 of (x + k)^-s, for whole s > 1: direct terms until the
// argument is large, then the Euler-Maclaurin formula (DLMF 25.11.5). Infinite at the poles.
double hurwitz_zeta(int64_t s, double x) {
  // B_2j / (2j)! for j = 1 .. 8.
  constexpr double kBernoulli[] = {1.0 / 12,
                                   -1.0 / 720,
                                   1.0 / 30240,
                                   -1.0 / 1209600,
                                   1.0 / 47900160,
                                   -691.0 / 1307674368000.0,
                                   1.0 / 74724249600.0,
                                   -3617.0 / 10670622842880000.0};
  const double p = static_cast<double>(s);
  if (std::isnan(x) || x == -INFINITY) return NAN;
  if (x == INFINITY) return 0;
  double sum = 0;
  // Far below zero the terms change sign around every pole; beyond this many nothing is left of x.
  if (x < -1e6) return NAN;
  while (x < 12) {
    if (x == 0) return INFINITY;
    sum += std::pow(x, -p);
    x += 1;
  }
  sum += std::pow(x, 1 - p) / (p - 1) + 0.5 * std::pow(x, -p);
  double factor = p, power = std::pow(x, -p - 1);
  for (int j = 0; j < 8; ++j) {
    sum += kBernoulli[j] * factor * power;
    factor *= (p + 2 * j + 1) * (p + 2 * j + 2);
    power /= x * x;
  }
  return sum;
}

struct PolygammaBackward0 {
  static constexpr const char* name = "PolygammaBackward0";
  Saved x;
  int64_t n = 0;
  void operator()(Backward& b) { b.set(0, mul(b.grad(), polygamma(n + 1, b.get(x)))); }
};

}  // namespace

Tensor polygamma(int64_t n, const Tensor& input) {
  PC_CHECK(n >= 0, "polygamma(n, x) does not support negative n.");
  if (n == 0) return digamma(input);
  DType dtype = to_floating(input.dtype());
  // In double precision, element by element: derivatives of gamma functions are no hot path.
  Tensor x = contiguous(to_dtype(detach(input), DType::float64));
  Tensor wide = empty(x.sizes(), DType::float64);
  const double* p = x.data<double>();
  double* q = wide.data<double>();
  double scale = std::tgamma(static_cast<double>(n) + 1) * (n % 2 ? 1 : -1);
  parallel_for(x.numel(), 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) q[i] = scale * hurwitz_zeta(n + 1, p[i]);
  });
  Tensor out = empty_for_result_of(input, dtype);
  copy_data(out, wide);
  if (recording(input)) record(out, PolygammaBackward0{Saved(input), n}, input);
  return out;
}
static Tensor polygamma_op(int64_t n, const Tensor& input) { return polygamma(n, input); }
PYCORE_OP("polygamma(int n, Tensor input) -> Tensor", polygamma_op, kFunction | kOut, R"(
The ``n``-th derivative of :func:`digamma`, for whole ``n`` >= 0, element by element; integers
become floating. RuntimeError for negative ``n``.

>>> pycore.polygamma(1, pycore.tensor([1., 0.5]))
tensor([1.6449, 4.9348])
)");
static Tensor polygamma_method(const Tensor& input, int64_t n) { return polygamma(n, input); }
PYCORE_OP("polygamma(Tensor input, int n) -> Tensor", polygamma_method, kMethod, "");

}  // namespace pycore
