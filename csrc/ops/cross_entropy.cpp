// Losses of classes: cross entropy and negative log likelihood. Must not know Python.
#include "kernels/softmax.h"
#include "ops/loss_support.h"
#include "ops/stepwise.h"

namespace pycore {
namespace {

using kernels::ClassTargets;

// Class targets against an input whose classes lie along dimension 1 (0 for a single sample).
struct ClassProblem {
  Tensor input, target, weight;  // as kernels take them
  int64_t dim = 0;
  int64_t ignore_index = -100;

  ClassTargets view() const {
    const Slices s(input, dim);
    return {target.data<int64_t>(), data_or_null(weight), ignore_index, s.outer, s.n, s.inner};
  }
};

void check_targets(const Tensor& input, const Tensor& target, const Tensor& weight) {
  PC_CHECK_VALUE(input.dim() >= 1, "Expected 1 or more dimensions (got ", input.dim(), ")");
  PC_CHECK_VALUE(input.dim() == 1 || target.dim() == 0 || input.sizes()[0] == target.sizes()[0],
                 "Expected input batch_size (", input.sizes()[0], ") to match target batch_size (",
                 target.dim() ? target.sizes()[0] : 0, ").");
  if (input.dim() <= 2) {
    PC_CHECK(target.dim() <= 1, "0D or 1D target tensor expected, multi-target not supported");
    PC_CHECK(input.dim() == 2 ? target.dim() == 1 : target.numel() == 1,
             "size mismatch (got input: ", input.sizes(), ", target: ", target.sizes(), ")");
  } else {
    Dims expected = input.sizes();
    expected.erase(1);
    PC_CHECK(target.sizes() == expected, "Expected target size ", expected, ", got ",
             target.sizes());
  }
  PC_CHECK(target.dtype() == DType::int64 || target.dtype() == DType::uint8,
           "expected target dtype to be Long or Byte, but got ", scalar_type_name(target.dtype()));
  const int64_t classes = input.sizes()[input.dim() == 1 ? 0 : 1];
  if (!weight.defined()) return;
  PC_CHECK(weight.dim() == 1 && weight.numel() == classes,
           "weight tensor should be defined either for all ", classes,
           " classes or no classes but got weight tensor of shape: ", weight.sizes());
  PC_CHECK(weight.dtype() == input.dtype(), "expected scalar type ",
           scalar_type_name(input.dtype()), " but found ", scalar_type_name(weight.dtype()));
}

ClassProblem problem_of(const Tensor& input, const Tensor& target, const Tensor& weight,
                        int64_t ignore_index) {
  check_targets(input, target, weight);
  const DType compute = compute_dtype(input.dtype());
  return {kernel_input(input, compute), kernel_input(target, DType::int64),
          kernel_input(weight, compute), input.dim() == 1 ? 0 : 1, ignore_index};
}

[[noreturn]] void fail_target(const ClassProblem& p, int64_t row) {
  fail(ErrorKind::index, "Target ", p.target.data<int64_t>()[row], " is out of bounds.");
}

// The derivative of the mean, sum or list of losses of rows. kLogits: x are logits (cross entropy);
// else log-probabilities (nll).
template <bool kLogits>
struct ClassLossRule {
  Saved input, target, weight;
  // Ours: the largest logit and the log of the sum of exp(x - largest) (logits only; apart, since a
  // large logit would drown the logarithm), weight of every row, the sum of the weights (mean
  // only).
  Tensor lse, weights, total;
  int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;

  void operator()(Backward& b) {
    const Tensor x = b.get(input);
    Tensor g = b.grad();
    if (reduction == Reduction::mean) g = div(g, total);
    const int64_t dim = x.dim() == 1 ? 0 : 1;
    const Tensor t = b.get(target);
    if (grad_enabled()) {
      const Tensor coefficient = unsqueeze(reshape(mul(weights, g), row_shape(x, dim)), dim);
      const Tensor places = unsqueeze(reshape(to_dtype(t, DType::int64), row_shape(x, dim)), dim);
      const Tensor hit = to_dtype(positions_mask(places, x.sizes(), dim), x.dtype());
      const Tensor dx = mul(kLogits ? sub(softmax(x, dim), hit) : neg(hit), coefficient);
      const Tensor gradient = to_dtype(dx, x.dtype());
      b.set(0, kLogits ? gradient : stepwise(b, 0, gradient));
      return;
    }
    const ClassProblem p = problem_of(x, t, b.get(weight), ignore_index);
    const DType compute = p.input.dtype();
    const Tensor scale = kernel_input(g, compute);
    const int64_t stride = reduction == Reduction::none ? 1 : 0;
    Tensor dx = empty(x.sizes(), compute);
    const auto& k = *kernels_for("class loss", compute).softmax;
    const int d = static_cast<int>(compute);
    if constexpr (kLogits)
      k.cross_entropy_backward[d](context_for(dx), p.view(), p.input->data, lse->data, scale->data,
                                  stride, dx->data);
    else
      k.nll_backward[d](context_for(dx), p.view(), scale->data, stride, dx->data);
    b.set(0, kernel_output(dx, x.dtype()));
  }
  static Dims row_shape(const Tensor& x, int64_t dim) {
    Dims shape = x.sizes();
    shape.erase(dim);
    return shape;
  }
};
template <bool kLogits>
struct NllLossBackward0 : ClassLossRule<kLogits> {
  static constexpr const char* name = "NllLossBackward0";
};
template <bool kLogits>
struct NllLoss2DBackward0 : ClassLossRule<kLogits> {
  static constexpr const char* name = "NllLoss2DBackward0";
};

// kernels -> losses and weights of the rows -> reduced, recorded.
template <bool kLogits>
Tensor class_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                  int64_t ignore_index, Reduction reduction) {
  const ClassProblem p = problem_of(input, target, weight, ignore_index);
  const DType compute = p.input.dtype();
  PC_CHECK_IMPLEMENTED(is_floating(compute), "\"",
                       kLogits ? "log_softmax_lastdim_kernel_impl" : "nll_loss_out_frame",
                       "\" not implemented for '", scalar_type_name(compute), "'");
  Tensor losses = empty(target.sizes(), compute), weights = empty(target.sizes(), compute), lse;
  const auto& k = *kernels_for("class loss", compute).softmax;
  const int d = static_cast<int>(compute);
  int64_t bad;
  if constexpr (kLogits) {
    lse = empty({{2, target.numel()}}, compute);
    bad = k.cross_entropy[d](context_for(p.input), p.view(), p.input->data, lse->data, losses->data,
                             weights->data);
  } else {
    bad = k.nll[d](context_for(p.input), p.view(), p.input->data, losses->data, weights->data);
  }
  if (bad >= 0) fail_target(p, bad);
  Tensor out, total;
  {
    GradGuard off(false);
    out = losses;
    if (reduction != Reduction::none) out = sum_all(losses);
    if (reduction == Reduction::mean) {
      total = sum_all(weights);
      out = div(out, total);
    }
    out = kernel_output(out, input.dtype());
  }
  if (recording(input)) {
    ClassLossRule<kLogits> rule{Saved(input), Saved(target), Saved(weight), lse,
                                weights,      total,         ignore_index,  reduction};
    if (input.dim() <= 2)
      record(out, NllLossBackward0<kLogits>{std::move(rule)}, input);
    else
      record(out, NllLoss2DBackward0<kLogits>{std::move(rule)}, input);
  }
  return out;
}

// Class weights shaped to multiply an input.
Tensor along_classes(const Tensor& weight, const Tensor& input, int64_t dim) {
  Dims shape(input.dim(), 1);
  shape[dim] = weight.numel();
  return reshape(weight, shape);
}

Tensor of_probabilities(const Tensor& input, const Tensor& target, const Tensor& weight,
                        int64_t ignore_index, Reduction reduction, double smoothing) {
  PC_CHECK(target.is_floating(),
           "Expected floating point type for target with class probabilities, got ",
           scalar_type_name(target.dtype()));
  PC_CHECK(ignore_index < 0, "ignore_index is not supported for floating point target");
  const int64_t dim = input.dim() == 1 ? 0 : 1, classes = input.dim() ? input.sizes()[dim] : 1;
  PC_CHECK(!weight.defined() || (weight.dim() == 1 && weight.numel() == classes),
           "cross_entropy: weight tensor should be defined either for all ", classes,
           " classes or no classes but got weight tensor of shape: ", weight.sizes());
  Tensor t = target;
  if (smoothing > 0) t = add(mul(t, 1 - smoothing), smoothing / static_cast<double>(classes));
  Tensor terms = mul(log_softmax(input, dim), t);
  if (weight.defined()) terms = mul(terms, along_classes(weight, input, dim));
  if (reduction == Reduction::none) {
    const int64_t dims[1] = {dim};
    return neg(sum_dims(terms, dims, false));
  }
  const Tensor sum = neg(sum_all(terms));
  if (reduction == Reduction::sum) return sum;
  return div(sum, static_cast<double>(input.numel()) / static_cast<double>(classes));
}

// (1 - e) * nll + e * mean over the classes of -log p.
Tensor smoothed(const Tensor& input, const Tensor& target, const Tensor& weight,
                int64_t ignore_index, Reduction reduction, double smoothing) {
  const int64_t dim = input.dim() == 1 ? 0 : 1;
  const Tensor log_p = log_softmax(input, dim);
  const Tensor nll = class_loss<false>(log_p, target, weight, ignore_index, reduction);
  const Tensor terms = weight.defined() ? mul(log_p, along_classes(weight, input, dim)) : log_p;
  const int64_t dims[1] = {dim};
  const Tensor ignored = eq(target, ignore_index);
  const Tensor rows = reshape(neg(sum_dims(terms, dims, false)), target.sizes());
  Tensor smooth = where(ignored, 0.0, rows);
  if (reduction != Reduction::none) smooth = sum_all(smooth);
  if (reduction == Reduction::mean) {
    const ClassProblem p = problem_of(log_p, target, weight, ignore_index);
    Tensor losses = empty(target.sizes(), p.input.dtype()),
           weights = empty(target.sizes(), p.input.dtype());
    kernels_for("class loss", p.input.dtype())
        .softmax->nll[static_cast<int>(p.input.dtype())](serial_context(), p.view(), p.input->data,
                                                         losses->data, weights->data);
    smooth = div(smooth, to_dtype(sum_all(weights), input.dtype()));
  }
  const double classes = static_cast<double>(input.sizes()[dim]);
  return add(mul(nll, 1 - smoothing), mul(smooth, smoothing / classes));
}

}  // namespace

static Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                       std::optional<bool> size_average, int64_t ignore_index,
                       std::optional<bool> reduce, std::string_view reduction) {
  return class_loss<false>(input, target, weight, ignore_index,
                           reduction_of(reduction, size_average, reduce));
}
PYCORE_OP(
    "nn.nll_loss(Tensor input, Tensor target, Tensor? weight=None, bool? size_average=None, "
    "int ignore_index=-100, bool? reduce=None, str reduction='mean') -> Tensor",
    nll_loss, kFunction, R"(
``-weight[t] * x[t]`` for log-probabilities ``x`` of shape (N, C, ...) or (C) and classes ``t`` of shape
(N, ...) or (); the mean divides by the sum of the weights. Targets ``ignore_index`` do not count.

>>> pycore.nn.functional.nll_loss(pycore.tensor([[-1., -2.]]), pycore.tensor([1]))
tensor(2.)
)");

static Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                            std::optional<bool> size_average, int64_t ignore_index,
                            std::optional<bool> reduce, std::string_view reduction,
                            double label_smoothing) {
  const Reduction r = reduction_of(reduction, size_average, reduce);
  PC_CHECK(label_smoothing >= 0 && label_smoothing <= 1,
           "label_smoothing must be between 0.0 and 1.0. Got: ", label_smoothing);
  if (target.sizes() == input.sizes())
    return of_probabilities(input, target, weight, ignore_index, r, label_smoothing);
  if (label_smoothing > 0) return smoothed(input, target, weight, ignore_index, r, label_smoothing);
  return class_loss<true>(input, target, weight, ignore_index, r);
}
PYCORE_OP(
    "nn.cross_entropy(Tensor input, Tensor target, Tensor? weight=None, "
    "bool? size_average=None, int ignore_index=-100, bool? reduce=None, "
    "str reduction='mean', float label_smoothing=0.0) -> Tensor",
    cross_entropy, kFunction, R"(
Cross entropy of ``softmax(x)`` for logits ``x`` of shape (N, C, ...) or (C): against classes of shape
(N, ...) or (), or against class probabilities of the shape of ``x``.

>>> pycore.nn.functional.cross_entropy(pycore.tensor([[0., 0.]]), pycore.tensor([1]))
tensor(0.6931)
)");

}  // namespace pycore
