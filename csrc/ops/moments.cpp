// Variance, standard deviation, norms, logsumexp: forward and derivative of each side by side. Must
// not know Python.
#include <cmath>
#include <limits>

#include "kernels/reduce.h"
#include "ops/reduce_support.h"

namespace pycore {
namespace {

using kernels::Reduce;
constexpr uint32_t kReduction = kFunction | kMethod | kOut;
constexpr double kInf = std::numeric_limits<double>::infinity();

// --- variance
// ------------------------------------------------------------------------------------------

// d var / dx = 2 (x - mean) / (n - correction)
Tensor variance_gradient(const Tensor& g, const Tensor& x, const Reduced& reduced,
                         double correction) {
  const double count = static_cast<double>(reduced.count());
  const Tensor mean = div(reduced.sum(x), count);
  const double freedom = std::max(0.0, count - correction);
  return mul(mul(g, 2 / freedom), sub(x, mean));
}
struct VarBackward0 {
  static constexpr const char* name = "VarBackward0";
  Saved input;
  Reduced reduced;
  double correction = 1;
  void operator()(Backward& b) {
    b.set(0, variance_gradient(reduced.with_ones(b.grad()), b.get(input), reduced, correction));
  }
};
Tensor over_twice_std(const Tensor& g, const Tensor& std) {
  return where(eq(std, 0.0), 0.0, div(g, mul(std, 2.0)));
}
struct StdBackward0 {
  static constexpr const char* name = "StdBackward0";
  Saved input, result;
  Reduced reduced;
  double correction = 1;
  void operator()(Backward& b) {
    const Tensor g = over_twice_std(b.grad(), b.get(result));
    b.set(0, variance_gradient(reduced.with_ones(g), b.get(input), reduced, correction));
  }
};
// Two results: variance (or its root) and mean.
struct PairBackward {
  Saved input, root;
  Reduced reduced;
  double correction = 1;
  void operator()(Backward& b) {
    const Tensor x = b.get(input);
    Tensor total;
    if (b.has_grad(0)) {
      const Tensor g = root.defined() ? over_twice_std(b.grad(0), b.get(root)) : b.grad(0);
      total = variance_gradient(reduced.with_ones(g), x, reduced, correction);
    }
    if (b.has_grad(1)) {
      const Tensor of_mean = reduced.spread(div(b.grad(1), static_cast<double>(reduced.count())));
      total = total.defined() ? add(total, of_mean) : of_mean;
    }
    b.set(0, total);
  }
};
struct VarMeanBackward0 : PairBackward {
  static constexpr const char* name = "VarMeanBackward0";
};
struct StdMeanBackward0 : PairBackward {
  static constexpr const char* name = "StdMeanBackward0";
};

Tensor variance(bool root, const Tensor& x, std::optional<IntSpan> dim, double correction,
                bool keepdim) {
  PC_CHECK(x.is_floating(), "std and var only support floating point and complex dtypes");
  DimMask mask = reduced_dims(x, dim.value_or(IntSpan()));
  Tensor out =
      run_reduce(root ? Reduce::std : Reduce::var, x, mask, keepdim, x.dtype(), &correction);
  if (recording(x)) {
    Reduced reduced(x, std::move(mask), keepdim);
    if (root)
      record(out, StdBackward0{Saved(x), Saved::output(out), std::move(reduced), correction}, x);
    else
      record(out, VarBackward0{Saved(x), std::move(reduced), correction}, x);
  }
  return out;
}
std::tuple<Tensor, Tensor> variance_and_mean(bool root, const Tensor& x, std::optional<IntSpan> dim,
                                             double correction, bool keepdim) {
  PC_CHECK(x.is_floating(), root ? "std" : "var",
           "_mean only support floating point and complex dtypes");
  DimMask mask = reduced_dims(x, dim.value_or(IntSpan()));
  Tensor mean;
  Tensor out = run_reduce(root ? Reduce::std : Reduce::var, x, mask, keepdim, x.dtype(),
                          &correction, &mean, x.dtype());
  if (recording(x)) {
    const Tensor outs[2] = {out, mean}, inputs[1] = {x};
    Reduced reduced(x, std::move(mask), keepdim);
    if (root)
      record_many(outs,
                  StdMeanBackward0{{Saved(x), Saved::output(out), std::move(reduced), correction}},
                  inputs);
    else
      record_many(outs, VarMeanBackward0{{Saved(x), Saved(), std::move(reduced), correction}},
                  inputs);
  }
  return {std::move(out), std::move(mean)};
}

}  // namespace

#define PC_MOMENT(NAME, ROOT, WHAT, EXAMPLE)                                                       \
  static Tensor NAME##_all(const Tensor& x, bool unbiased) {                                       \
    return variance(ROOT, x, std::nullopt, unbiased, false);                                       \
  }                                                                                                \
  PYCORE_OP(#NAME "(Tensor input, bool unbiased=True) -> Tensor", NAME##_all, kReduction,          \
            "The " WHAT                                                                            \
            " of all elements, or along dimensions, with n - ``correction`` in the\n"              \
            "denominator (``unbiased=True`` is ``correction=1``).\n\n" EXAMPLE);                   \
  static Tensor NAME##_dim(const Tensor& x, std::optional<IntSpan> dim, bool unbiased,             \
                           bool keepdim) {                                                         \
    return variance(ROOT, x, dim, unbiased, keepdim);                                              \
  }                                                                                                \
  PYCORE_OP(#NAME "(Tensor input, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor", \
            NAME##_dim, kReduction, "");                                                           \
  static Tensor NAME##_correction(const Tensor& x, std::optional<IntSpan> dim,                     \
                                  std::optional<double> correction, bool keepdim) {                \
    return variance(ROOT, x, dim, correction.value_or(1), keepdim);                                \
  }                                                                                                \
  PYCORE_OP(#NAME                                                                                  \
            "(Tensor input, int[1]? dim=None, *, float? correction=None, bool keepdim=False)"      \
            " -> Tensor",                                                                          \
            NAME##_correction, kReduction, "");                                                    \
  static std::tuple<Tensor, Tensor> NAME##_mean_all(const Tensor& x, bool unbiased) {              \
    return variance_and_mean(ROOT, x, std::nullopt, unbiased, false);                              \
  }                                                                                                \
  PYCORE_OP(#NAME "_mean(Tensor input, bool unbiased=True) -> (Tensor, Tensor)", NAME##_mean_all,  \
            kFunction, "The " WHAT " and the mean; arguments as in :func:`" #NAME "`.");           \
  static std::tuple<Tensor, Tensor> NAME##_mean_dim(const Tensor& x, std::optional<IntSpan> dim,   \
                                                    bool unbiased, bool keepdim) {                 \
    return variance_and_mean(ROOT, x, dim, unbiased, keepdim);                                     \
  }                                                                                                \
  PYCORE_OP(#NAME                                                                                  \
            "_mean(Tensor input, int[1]? dim, bool unbiased=True, bool keepdim=False) -> "         \
            "(Tensor, Tensor)",                                                                    \
            NAME##_mean_dim, kFunction, "");                                                       \
  static std::tuple<Tensor, Tensor> NAME##_mean_correction(                                        \
      const Tensor& x, std::optional<IntSpan> dim, std::optional<double> correction,               \
      bool keepdim) {                                                                              \
    return variance_and_mean(ROOT, x, dim, correction.value_or(1), keepdim);                       \
  }                                                                                                \
  PYCORE_OP(#NAME                                                                                  \
            "_mean(Tensor input, int[1]? dim=None, *, float? correction=None, "                    \
            "bool keepdim=False) -> (Tensor, Tensor)",                                             \
            NAME##_mean_correction, kFunction, "");

PC_MOMENT(var, false, "variance", R"(>>> pycore.tensor([1., 2., 4.]).var()
tensor(2.3333)
)")
PC_MOMENT(std, true, "standard deviation", R"(>>> pycore.tensor([1., 2., 4.]).std()
tensor(1.5275)
)")

// --- norms
// -----------------------------------------------------------------------------------------------

namespace {
struct LinalgVectorNormBackward0 {
  static constexpr const char* name = "LinalgVectorNormBackward0";
  Saved input, result;
  Reduced reduced;
  double p = 2;
  void operator()(Backward& b) {
    const Tensor x = b.get(input);
    const Tensor g = reduced.with_ones(b.grad());
    if (p == 0) return b.set(0, zeros_like(x));
    if (p == 1) return b.set(0, mul(g, sign(x)));
    const Tensor norm = reduced.with_ones(b.get(result));
    const Tensor zero = eq(norm, 0.0);
    if (p == 2) return b.set(0, mul(x, where(zero, 0.0, div(g, norm))));
    if (std::isinf(p)) {
      // Shared equally among the elements of that magnitude.
      const Tensor hit = to_dtype(eq(abs(detach(x)), detach(norm)), x.dtype());
      return b.set(0, mul(mul(sign(x), hit), div(g, reduced.sum(hit))));
    }
    const Tensor safe = where(zero, 1.0, norm);
    if (p < 2) {
      // |x|^(p-1) sign(x): no division by |x|, which may be zero.
      const Tensor magnitude = where(eq(x, 0.0), 1.0, abs(x));
      const Tensor powers = where(eq(x, 0.0), 0.0, pow(magnitude, p - 1));
      return b.set(0, mul(mul(sign(x), powers), where(zero, 0.0, div(g, pow(safe, p - 1)))));
    }
    b.set(0, mul(mul(x, pow(abs(x), p - 2)), where(zero, 0.0, div(g, pow(safe, p - 1)))));
  }
};

Reduce norm_kind(double p) {
  if (p == 2) return Reduce::norm2;
  if (p == 1) return Reduce::sum_abs;
  if (p == kInf) return Reduce::max_abs;
  if (p == -kInf) return Reduce::min_abs;
  if (p == 0) return Reduce::count_nonzero;
  return Reduce::norm_p;
}
}  // namespace

Tensor vector_norm(const Tensor& input, double p, std::optional<IntSpan> dim, bool keepdim,
                   std::optional<DType> dtype) {
  PC_CHECK(input.is_floating(),
           "linalg.vector_norm: Expected a floating point or complex tensor as input. Got ",
           scalar_type_name(input.dtype()));
  PC_CHECK(!dtype || is_floating(*dtype),
           "linalg.vector_norm: dtype should be floating point or complex. Got ",
           scalar_type_name(dtype.value_or(DType::int64)));
  const Tensor x = dtype ? to_dtype(input, *dtype) : input;
  DimMask mask = reduced_dims(x, dim.value_or(IntSpan()));
  if ((std::isinf(p) || p < 0) && x.numel() == 0) {
    PC_CHECK(dim && !dim->empty(), "linalg.vector_norm cannot compute the ",
             p == kInf ? "inf" : str(p),
             " norm on an empty tensor because the operation does not have an identity");
    for (int64_t i = 0; i < x.dim(); ++i)
      PC_CHECK(!mask[i] || x.sizes()[i] != 0, "linalg.vector_norm cannot compute the ",
               p == kInf ? "inf" : str(p), " norm on the dimension ", i,
               "because this dimension is empty and the operation does not have an identity");
  }
  Tensor out;
  if (p == 0) {
    out = to_dtype(run_reduce(Reduce::count_nonzero, x, mask, keepdim, DType::int64), x.dtype());
  } else {
    out = run_reduce(norm_kind(p), x, mask, keepdim, x.dtype(), &p);
  }
  if (recording(x))
    record(out,
           LinalgVectorNormBackward0{Saved(x), Saved::output(out),
                                     Reduced(x, std::move(mask), keepdim), p},
           x);
  return out;
}
static Tensor vector_norm_op(const Tensor& x, const Scalar& ord, std::optional<IntSpan> dim,
                             bool keepdim, std::optional<DType> dtype) {
  return vector_norm(x, ord.to_double(), dim, keepdim, dtype);
}
PYCORE_OP(
    "linalg.vector_norm(Tensor input, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, "
    "dtype? dtype=None) -> Tensor",
    vector_norm_op, kFunction | kOut, R"(
``(sum(|x|^ord))^(1/ord)`` over all elements or along dimensions; ``ord`` may be infinite (the largest
magnitude) or 0 (the number of nonzero elements).

>>> pycore.linalg.vector_norm(pycore.tensor([3., 4.]))
tensor(5.)
)");
static Tensor norm_number(const Tensor& x, const Scalar& p, std::optional<IntSpan> dim,
                          bool keepdim, std::optional<DType> dtype) {
  return vector_norm(x, p.to_double(), dim, keepdim, dtype);
}
PYCORE_OP(
    "norm(Tensor input, Scalar p=2, int[1]? dim=None, bool keepdim=False, dtype? dtype=None)"
    " -> Tensor",
    norm_number, kReduction, R"(
The p-norm of all elements, or along dimensions.

>>> pycore.tensor([3., 4.]).norm()
tensor(5.)
)");
static Tensor norm_text(const Tensor& x, std::optional<std::string_view> p,
                        std::optional<IntSpan> dim, bool keepdim, std::optional<DType> dtype) {
  PC_CHECK_VALUE(!p || *p == "fro" || *p == "nuc", "norm: unknown p '", p.value_or(""),
                 "'; expected a number, 'fro' or 'nuc'");
  PC_CHECK_IMPLEMENTED(!p || *p == "fro", "norm: the nuclear norm is not implemented");
  return vector_norm(x, 2, dim, keepdim, dtype);
}
PYCORE_OP(
    "norm(Tensor input, str? p, int[1]? dim=None, bool keepdim=False, dtype? dtype=None) -> "
    "Tensor",
    norm_text, kReduction, "");

// --- logsumexp
// ---------------------------------------------------------------------------------------------

namespace {
struct LogsumexpBackward0 {
  static constexpr const char* name = "LogsumexpBackward0";
  Saved input, result;
  Reduced reduced;
  void operator()(Backward& b) {
    const Tensor top = reduced.with_ones(b.get(result));
    b.set(0, mul(reduced.with_ones(b.grad()), exp(sub(b.get(input), top))));
  }
};
}  // namespace
Tensor logsumexp(const Tensor& input, IntSpan dim, bool keepdim) {
  const Tensor x = to_dtype(input, to_floating(input.dtype()));
  DimMask mask = reduced_dims(x, dim);
  Tensor out = run_reduce(Reduce::logsumexp, x, mask, keepdim, x.dtype());
  if (recording(x))
    record(out,
           LogsumexpBackward0{Saved(x), Saved::output(out), Reduced(x, std::move(mask), keepdim)},
           x);
  return out;
}
PYCORE_OP("logsumexp(Tensor input, int[1] dim, bool keepdim=False) -> Tensor", logsumexp,
          kReduction,
          R"(
``log(sum(exp(x)))`` along dimensions, without overflow.

>>> pycore.tensor([0., 1000.]).logsumexp(0)
tensor(1000.)
)");
PYCORE_OP("special.logsumexp(Tensor input, int[1] dim, bool keepdim=False) -> Tensor", logsumexp,
          kFunction, "Alias of :func:`logsumexp`.");

}  // namespace pycore
