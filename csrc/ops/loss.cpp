// Losses of values: squared, absolute, Huber, binary cross entropy, Kullback-Leibler. Must not know
// Python.
#include "kernels/loss.h"

#include <cmath>

#include "ops/loss_support.h"

namespace pycore {
namespace {

constexpr uint32_t kLoss = kFunction;

using kernels::PairLoss;

// --- losses of pairs in one pass
// ---------------------------------------------------------------------------

bool fit_together(const Tensor& input, const Tensor& target) {
  return input.sizes() == target.sizes() && input.dtype() == target.dtype();
}
// Both as kernels take them, element beside element and without gaps, or undefined where they have
// to be broadcast or converted first.
struct Pair {
  Tensor x, t;
  Pair() = default;
  Pair(const Tensor& input, const Tensor& target) {
    if (!fit_together(input, target)) return;
    const bool as_they_lie = input.strides() == target.strides() && is_dense(input) &&
                             input.dtype() == compute_dtype(input.dtype());
    x = as_they_lie ? input : kernel_input(input);
    t = as_they_lie ? target : kernel_input(target);
  }
};
const kernels::LossKernels& table() { return *kernels_now().loss; }

// Every loss, in the order of input and target.
Tensor fused_losses(PairLoss loss, const Tensor& input, const Tensor& target, double parameter) {
  const DType compute = compute_dtype(input.dtype());
  const double params[1] = {parameter};
  const PointwiseArg args[2] = {input, target};
  Tensor out = empty_result(input.sizes(), input.dtype(), args, input.dtype());
  run_pointwise(binary_kernel(table().value[static_cast<int>(loss)][static_cast<int>(compute)],
                              compute, compute, params),
                out, args);
  return out;
}
Tensor fused_loss(PairLoss loss, const Tensor& input, const Tensor& target, double parameter,
                  Reduction reduction) {
  if (reduction == Reduction::none) return fused_losses(loss, input, target, parameter);
  const Pair pair(input, target);
  const int i = static_cast<int>(loss), d = static_cast<int>(pair.x.dtype());
  const double params[1] = {parameter};
  const int64_t n = pair.x.numel();
  double sum = table().sum[i][d](context_for(pair.x), pair.x->data, pair.t->data, n, params);
  if (reduction == Reduction::mean) sum /= static_cast<double>(n);
  return scalar_tensor(sum, input.dtype());
}
// d loss / d input for a gradient g of the reduced loss (a number), or of every loss.
Tensor fused_slope(PairLoss loss, const Pair& pair, double parameter, Reduction reduction,
                   const Tensor& g, DType dtype) {
  const int i = static_cast<int>(loss), d = static_cast<int>(pair.x.dtype());
  double params[2] = {parameter, 1};
  if (reduction != Reduction::none) params[1] = read_scalar(g->data, g.dtype()).to_double();
  if (reduction == Reduction::mean) params[1] /= static_cast<double>(pair.x.numel());
  Tensor out = empty_like(pair.x);
  const PointwiseArg args[2] = {pair.x, pair.t};
  run_pointwise(binary_kernel(table().slope[i][d], pair.x.dtype(), pair.x.dtype(), params), out,
                args);
  out = kernel_output(out, dtype);
  return reduction == Reduction::none ? mul(out, g) : out;
}

// --- losses of input - target
// ------------------------------------------------------------------------------

// value(d) and slope(d) of each, from the difference d. The limited difference c makes Huber's two
// cases one: c * (d - c / 2) is d^2 / 2 inside the limit and limit * (|d| - limit / 2) outside.
struct Squared {
  static constexpr const char* name = "MseLossBackward0";
  static constexpr PairLoss kernel = PairLoss::squared;
  static Tensor value(const Tensor& d, double) { return mul(d, d); }
  static Tensor slope(const Tensor& d, double) { return mul(d, 2.0); }
};
Tensor limited(const Tensor& d, double limit) { return clamp(d, -limit, limit); }
// The same as a slope: with derivative 0 from the limit on, the limit included.
Tensor limited_slope(const Tensor& d, double limit) {
  return where(lt(abs(d), limit), d, limited(detach(d), limit));
}
struct SmoothL1 {
  static constexpr const char* name = "SmoothL1LossBackward0";
  static constexpr PairLoss kernel = PairLoss::smooth_l1;
  static Tensor value(const Tensor& d, double beta) {
    const Tensor c = limited(d, beta);
    return mul(mul(c, 1 / beta), sub(d, c, 0.5));
  }
  static Tensor slope(const Tensor& d, double beta) { return div(limited_slope(d, beta), beta); }
};
struct Huber {
  static constexpr const char* name = "HuberLossBackward0";
  static constexpr PairLoss kernel = PairLoss::huber;
  static Tensor value(const Tensor& d, double delta) {
    const Tensor c = limited(d, delta);
    return mul(c, sub(d, c, 0.5));
  }
  static Tensor slope(const Tensor& d, double delta) { return limited_slope(d, delta); }
};

template <class Kind>
struct DifferenceBackward {
  static constexpr const char* name = Kind::name;
  Saved input, target;
  ToInput to_input, to_target;
  double parameter = 0;
  Reduction reduction = Reduction::mean;
  void operator()(Backward& b) {
    const Tensor x = b.get(input), t = b.get(target);
    Tensor dx;
    const Pair pair = grad_enabled() ? Pair() : Pair(x, t);
    if (pair.x.defined()) {
      dx = fused_slope(Kind::kernel, pair, parameter, reduction, b.grad(), x.dtype());
    } else {
      const Tensor d = sub(x, t);
      dx = mul(Kind::slope(d, parameter), unreduced_gradient(b.grad(), reduction, d.numel()));
    }
    if (b.needs(0)) b.set(0, to_input(dx));
    if (b.needs(1)) b.set(1, to_target(neg(dx)));
  }
};

// A tensor of the two's common shape, for its sizes only.
Tensor broadcast_like(const Tensor& a, const Tensor& b) {
  if (a.sizes() == b.sizes()) return a;
  return expand(detach(a), broadcast_shapes(a.sizes(), b.sizes()));
}

template <class Kind>
Tensor difference_loss(const Tensor& input, const Tensor& target, const char* kernel,
                       double parameter, Reduction reduction) {
  warn_if_broadcast(input, target);
  const DType dtype = result_type(input, target);
  PC_CHECK_IMPLEMENTED(is_floating(dtype), "\"", kernel, "\" not implemented for '",
                       scalar_type_name(dtype), "'");
  Tensor out;
  if (fit_together(input, target)) {
    out = fused_loss(Kind::kernel, input, target, parameter, reduction);
  } else {
    GradGuard off(false);
    out = reduce_loss(Kind::value(sub(input, target), parameter), reduction);
  }
  if (recording(input, target)) {
    const Tensor full = reduction == Reduction::none ? out : broadcast_like(input, target);
    record(out,
           DifferenceBackward<Kind>{Saved(input), Saved(target), ToInput(input, full),
                                    ToInput(target, full), parameter, reduction},
           input, target);
  }
  return out;
}

Tensor weighted(const Tensor& loss, const Tensor& weight, Reduction reduction, bool by_weight) {
  const Tensor w = mul(loss, weight);
  if (reduction == Reduction::mean && by_weight) return div(sum_all(w), sum_all(weight));
  return reduce_loss(w, reduction);
}

#define PC_LOSS_ARGS "bool? size_average=None, bool? reduce=None, str reduction='mean'"

}  // namespace

static Tensor mse_loss(const Tensor& input, const Tensor& target, std::optional<bool> size_average,
                       std::optional<bool> reduce, std::string_view reduction,
                       const Tensor& weight) {
  const Reduction r = reduction_of(reduction, size_average, reduce);
  if (weight.defined())
    return weighted(difference_loss<Squared>(input, target, "mse_cpu", 0, Reduction::none), weight,
                    r, true);
  return difference_loss<Squared>(input, target, "mse_cpu", 0, r);
}
PYCORE_OP("nn.mse_loss(Tensor input, Tensor target, " PC_LOSS_ARGS
          ", Tensor? weight=None) -> Tensor",
          mse_loss, kLoss, R"(
Squared differences: their mean, sum, or all of them (``reduction`` 'mean', 'sum', 'none').

>>> pycore.nn.functional.mse_loss(pycore.tensor([1., 2.]), pycore.tensor([1., 4.]))
tensor(2.)
)");

static Tensor l1_loss(const Tensor& input, const Tensor& target, std::optional<bool> size_average,
                      std::optional<bool> reduce, std::string_view reduction,
                      const Tensor& weight) {
  const Reduction r = reduction_of(reduction, size_average, reduce);
  warn_if_broadcast(input, target);
  const Tensor loss = abs(sub(input, target));
  return weight.defined() ? weighted(loss, weight, r, true) : reduce_loss(loss, r);
}
PYCORE_OP("nn.l1_loss(Tensor input, Tensor target, " PC_LOSS_ARGS
          ", Tensor? weight=None) -> Tensor",
          l1_loss, kLoss, R"(
Absolute differences: their mean, sum, or all of them.

>>> pycore.nn.functional.l1_loss(pycore.tensor([1., 2.]), pycore.tensor([1., 4.]))
tensor(1.)
)");

static Tensor smooth_l1_loss(const Tensor& input, const Tensor& target,
                             std::optional<bool> size_average, std::optional<bool> reduce,
                             std::string_view reduction, double beta) {
  PC_CHECK(beta >= 0, "smooth_l1_loss does not support negative values for beta.");
  if (beta == 0) return l1_loss(input, target, size_average, reduce, reduction, Tensor());
  return difference_loss<SmoothL1>(input, target, "smooth_l1_cpu", beta,
                                   reduction_of(reduction, size_average, reduce));
}
PYCORE_OP("nn.smooth_l1_loss(Tensor input, Tensor target, " PC_LOSS_ARGS
          ", float beta=1.0) -> "
          "Tensor",
          smooth_l1_loss, kLoss, R"(
``d^2 / (2 beta)`` where ``|d| < beta``, else ``|d| - beta / 2`` (Girshick 2015).

>>> pycore.nn.functional.smooth_l1_loss(pycore.tensor([1., 2.]), pycore.tensor([1., 4.]))
tensor(0.7500)
)");

static Tensor huber_loss(const Tensor& input, const Tensor& target, std::string_view reduction,
                         double delta, const Tensor& weight) {
  PC_CHECK(delta > 0, "huber_loss does not support non-positive values for delta.");
  const Reduction r = reduction_of(reduction, std::nullopt, std::nullopt);
  if (weight.defined())
    return weighted(difference_loss<Huber>(input, target, "huber_cpu", delta, Reduction::none),
                    weight, r, false);
  return difference_loss<Huber>(input, target, "huber_cpu", delta, r);
}
PYCORE_OP(
    "nn.huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0, "
    "Tensor? weight=None) -> Tensor",
    huber_loss, kLoss, R"(
``d^2 / 2`` where ``|d| < delta``, else ``delta * (|d| - delta / 2)`` (Huber 1964).

>>> pycore.nn.functional.huber_loss(pycore.tensor([1., 2.]), pycore.tensor([1., 4.]))
tensor(0.7500)
)");

// --- binary cross entropy
// ------------------------------------------------------------------------------------

namespace {
// Logarithms count at least -100, so that a certain wrong answer has a finite loss.
Tensor bounded_log(const Tensor& x) { return clamp(log(x), -100.0, std::nullopt); }
struct BinaryCrossEntropyBackward0 {
  static constexpr const char* name = "BinaryCrossEntropyBackward0";
  Saved input, target, weight;
  ToInput to_target;
  Reduction reduction = Reduction::mean;
  void operator()(Backward& b) {
    const Tensor x = b.get(input), t = b.get(target);
    if (!grad_enabled() && !weight.defined() && !b.needs(1))
      return b.set(0, fused_slope(PairLoss::bce, Pair(x, t), 0, reduction, b.grad(), x.dtype()));
    Tensor g = unreduced_gradient(b.grad(), reduction, x.numel());
    if (weight.defined()) g = mul(g, b.get(weight));
    if (b.needs(0)) {
      const Tensor spread = clamp(mul(x, 1.0 - x), 1e-12, std::nullopt);
      b.set(0, mul(g, div(sub(x, t), spread)));
    }
    if (b.needs(1)) b.set(1, to_target(mul(g, sub(bounded_log(1.0 - x), bounded_log(x)))));
  }
};
}  // namespace
static Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                                   std::optional<bool> size_average, std::optional<bool> reduce,
                                   std::string_view reduction) {
  const Reduction r = reduction_of(reduction, size_average, reduce);
  PC_CHECK_VALUE(input.sizes() == target.sizes(), "Using a target size (", size_text(target),
                 ") that is different to the input size (", size_text(input),
                 ") is deprecated. Please ensure they have the same size.");
  check_floating(input, "binary_cross_entropy");
  PC_CHECK(target.dtype() == input.dtype(), "Found dtype ", scalar_type_name(target.dtype()),
           " but expected ", scalar_type_name(input.dtype()));
  Tensor out;
  {
    GradGuard off(false);
    bool checked = false;
    if (!weight.defined()) {
      out = fused_loss(PairLoss::bce, input, target, 0, r);
      // A number outside [0, 1] makes the sum NaN, so only then is there anything to look for.
      checked =
          r != Reduction::none && !std::isnan(read_scalar(out->data, out.dtype()).to_double());
    }
    if (!checked && input.numel() > 0) {
      const Tensor low = amin(input, {}, false), high = amax(input, {}, false);
      PC_CHECK(read_scalar(low->data, low.dtype()).to_double() >= 0 &&
                   read_scalar(high->data, high.dtype()).to_double() <= 1,
               "all elements of input should be between 0 and 1");
    }
    if (weight.defined()) {
      const Tensor x = to_dtype(input, compute_dtype(input.dtype()));
      const Tensor loss =
          neg(add(mul(target, bounded_log(x)), mul(1.0 - target, bounded_log(1.0 - x))));
      out = to_dtype(reduce_loss(mul(loss, weight), r), input.dtype());
    }
  }
  if (recording(input, target))
    record(out,
           BinaryCrossEntropyBackward0{Saved(input), Saved(target), Saved(weight),
                                       ToInput(target, input), r},
           input, target);
  return out;
}
PYCORE_OP("nn.binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, " PC_LOSS_ARGS
          ") -> Tensor",
          binary_cross_entropy, kLoss, R"(
``-(t log(x) + (1 - t) log(1 - x))`` for probabilities ``x`` in [0, 1]; logarithms count at least -100.

>>> pycore.nn.functional.binary_cross_entropy(pycore.tensor([0.5]), pycore.tensor([1.]))
tensor(0.6931)
)");

namespace {
struct BinaryCrossEntropyWithLogitsBackward0 {
  static constexpr const char* name = "BinaryCrossEntropyWithLogitsBackward0";
  Saved input, target, weight, pos_weight;
  ToInput to_target;
  Reduction reduction = Reduction::mean;
  void operator()(Backward& b) {
    const Tensor x = b.get(input), t = b.get(target);
    if (!grad_enabled() && !weight.defined() && !pos_weight.defined() && !b.needs(1)) {
      const Pair pair(x, t);
      if (pair.x.defined())
        return b.set(0, fused_slope(PairLoss::bce_logits, pair, 0, reduction, b.grad(), x.dtype()));
    }
    Tensor g = unreduced_gradient(b.grad(), reduction, x.numel());
    if (weight.defined()) g = mul(g, b.get(weight));
    const Tensor p = pos_weight.defined() ? b.get(pos_weight) : Tensor();
    if (b.needs(0)) {
      if (p.defined()) {
        const Tensor tp = mul(t, p);
        b.set(0, mul(sub(mul(sub(add(tp, 1.0), t), sigmoid(x)), tp), g));
      } else {
        b.set(0, mul(sub(sigmoid(x), t), g));
      }
    }
    if (b.needs(1)) {
      const Tensor yes = p.defined() ? mul(logsigmoid(x), p) : logsigmoid(x);
      b.set(1, to_target(mul(sub(logsigmoid(neg(x)), yes), g)));
    }
  }
};
}  // namespace
static Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                               const Tensor& weight,
                                               std::optional<bool> size_average,
                                               std::optional<bool> reduce,
                                               std::string_view reduction,
                                               const Tensor& pos_weight) {
  const Reduction r = reduction_of(reduction, size_average, reduce);
  PC_CHECK_VALUE(input.sizes() == target.sizes(), "Target size (", size_text(target),
                 ") must be the same as input size (", size_text(input), ")");
  Tensor out;
  if (!weight.defined() && !pos_weight.defined() && input.is_floating() &&
      fit_together(input, target)) {
    out = fused_loss(PairLoss::bce_logits, input, target, 0, r);
  } else {
    GradGuard off(false);
    Tensor log_yes = logsigmoid(input);
    if (pos_weight.defined()) log_yes = mul(log_yes, add(mul(sub(pos_weight, 1.0), target), 1.0));
    Tensor loss = sub(mul(1.0 - target, input), log_yes);
    if (weight.defined()) loss = mul(loss, weight);
    out = reduce_loss(loss, r);
  }
  if (recording(input, target))
    record(out,
           BinaryCrossEntropyWithLogitsBackward0{Saved(input), Saved(target), Saved(weight),
                                                 Saved(pos_weight), ToInput(target, input), r},
           input, target);
  return out;
}
PYCORE_OP(
    "nn.binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? "
    "weight=None, " PC_LOSS_ARGS ", Tensor? pos_weight=None) -> Tensor",
    binary_cross_entropy_with_logits, kLoss, R"(
Binary cross entropy of ``sigmoid(x)``, without overflow; ``pos_weight`` multiplies the loss of targets 1.

>>> pycore.nn.functional.binary_cross_entropy_with_logits(pycore.tensor([0.]), pycore.tensor([1.]))
tensor(0.6931)
)");

// --- Kullback-Leibler
// ------------------------------------------------------------------------------------------

static Tensor kl_div(const Tensor& input, const Tensor& target, std::optional<bool> size_average,
                     std::optional<bool> reduce, std::string_view reduction, bool log_target) {
  const bool batch_mean = reduction == "batchmean" && !size_average && !reduce;
  const Reduction r = batch_mean ? Reduction::sum : reduction_of(reduction, size_average, reduce);
  if (r == Reduction::mean)
    warn(
        "reduction: 'mean' divides the total loss by both the batch size and the support size."
        "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
        "'mean' will be changed to behave the same as 'batchmean' in the next major release.");
  Tensor loss;
  if (log_target) {
    loss = mul(exp(target), sub(target, input));
  } else {
    loss = sub(xlogy(target, target), mul(target, input));  // 0 log 0 is 0
  }
  Tensor out = reduce_loss(loss, r);
  if (batch_mean && input.dim() > 0) out = div(out, static_cast<double>(input.sizes()[0]));
  return out;
}
PYCORE_OP("nn.kl_div(Tensor input, Tensor target, " PC_LOSS_ARGS
          ", bool log_target=False) -> Tensor",
          kl_div, kLoss, R"(
``t (log t - x)`` for log-probabilities ``x`` and probabilities ``t`` (or their logarithms with
``log_target``); ``reduction='batchmean'`` is the divergence per sample.

>>> import pycore.nn.functional as F
>>> F.kl_div(pycore.tensor([[-1., -1.]]), pycore.tensor([[0.5, 0.5]]), reduction='batchmean')
tensor(0.3069)
)");

}  // namespace pycore
