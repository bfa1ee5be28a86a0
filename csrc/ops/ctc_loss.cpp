// Connectionist temporal classification (Graves et al. 2006): ctc_loss, by the forward-backward
// algorithm on logarithms. Must not know Python.
#include <cmath>
#include <limits>
#include <vector>

#include "ops/indexing.h"
#include "ops/kernel_support.h"

namespace pycore {
namespace {

// Where a sample's numbers lie. Its path has 2 * target + 1 states: blanks around every label.
struct CtcShape {
  int64_t steps = 0, batch = 0, classes = 0, blank = 0;
  std::vector<int64_t> inputs, targets;  // lengths
  std::vector<int64_t> first;            // a sample's first label in `labels`
  std::vector<int64_t> labels;           // all labels, checked
  int64_t states = 1;                    // of the longest target
};

template <class T>
constexpr T kNever = -std::numeric_limits<T>::infinity();

template <class T>
T log_sum(T a, T b) {
  const T high = std::max(a, b);
  return high == kNever<T> ? high : high + std::log1p(std::exp(std::min(a, b) - high));
}
template <class T>
T log_sum(T a, T b, T c) {
  const T high = std::max(std::max(a, b), c);
  if (high == kNever<T>) return high;
  return high + std::log(std::exp(a - high) + std::exp(b - high) + std::exp(c - high));
}

struct Path {
  const int64_t* labels;
  int64_t length, blank;
  int64_t states() const { return 2 * length + 1; }
  int64_t label(int64_t state) const { return state % 2 ? labels[state / 2] : blank; }
  // Whether state s may be entered from s - 2: a label that is not the previous one.
  bool skips(int64_t s) const { return s % 2 && s >= 3 && labels[s / 2] != labels[s / 2 - 1]; }
};
Path path_of(const CtcShape& shape, int64_t n) {
  const auto i = static_cast<size_t>(n);
  return {shape.labels.data() + shape.first[i], shape.targets[i], shape.blank};
}

// alpha[t][s]: the logarithm of the probability of having come to state s with step t. Returns the
// negative logarithm of the probability of the target.
template <class T>
T forward_path(const CtcShape& shape, int64_t n, const T* log_probs, T* alpha) {
  const Path path = path_of(shape, n);
  const int64_t length = shape.inputs[static_cast<size_t>(n)], states = path.states();
  if (length == 0) return path.length == 0 ? T{0} : -kNever<T>;
  const auto row = [&](int64_t t) { return log_probs + (t * shape.batch + n) * shape.classes; };
  for (int64_t s = 0; s < states; ++s) alpha[s] = s < 2 ? row(0)[path.label(s)] : kNever<T>;
  for (int64_t t = 1; t < length; ++t) {
    const T* from = alpha + (t - 1) * shape.states;
    T* to = alpha + t * shape.states;
    for (int64_t s = 0; s < states; ++s) {
      const T one = s > 0 ? from[s - 1] : kNever<T>;
      const T two = path.skips(s) ? from[s - 2] : kNever<T>;
      to[s] = log_sum(from[s], one, two) + row(t)[path.label(s)];
    }
  }
  const T* last = alpha + (length - 1) * shape.states;
  return -(states == 1 ? last[0] : log_sum(last[states - 1], last[states - 2]));
}

// grad[t][c] = (exp(log_probs) - share of the paths through class c) * scale: the derivative where
// log_probs comes from log_softmax, as PyTorch has it.
template <class T>
void backward_path(const CtcShape& shape, int64_t n, const T* log_probs, const T* alpha, T loss,
                   T scale, T* grad) {
  const Path path = path_of(shape, n);
  const int64_t length = shape.inputs[static_cast<size_t>(n)], states = path.states();
  std::vector<T> beta(static_cast<size_t>(states)), next(beta);
  for (int64_t t = length - 1; t >= 0; --t) {
    const int64_t at = (t * shape.batch + n) * shape.classes;
    const T* row = log_probs + at;
    T* g = grad + at;
    for (int64_t s = 0; s < states; ++s) {
      const auto i = static_cast<size_t>(s);
      if (t == length - 1) {
        beta[i] = s + 2 >= states ? row[path.label(s)] : kNever<T>;
        continue;
      }
      const T one = s + 1 < states ? next[i + 1] : kNever<T>;
      const T two = s + 2 < states && path.skips(s + 2) ? next[i + 2] : kNever<T>;
      beta[i] = log_sum(next[i], one, two) + row[path.label(s)];
    }
    std::fill_n(g, shape.classes, kNever<T>);
    for (int64_t s = 0; s < states; ++s) {
      T& sum = g[path.label(s)];
      sum = log_sum(sum, alpha[t * shape.states + s] + beta[static_cast<size_t>(s)]);
    }
    for (int64_t c = 0; c < shape.classes; ++c)
      g[c] = (std::exp(row[c]) - std::exp(g[c] + loss - row[c])) * scale;
    std::swap(beta, next);
  }
}

struct CtcLossBackward0 {
  static constexpr const char* name = "CtcLossBackward0";
  std::shared_ptr<const CtcShape> shape;
  bool zero_infinity = false;
  Saved log_probs;
  Tensor alpha, loss;

  template <class T>
  void run(const Tensor& x, const Tensor& g, const Tensor& out) const {
    const CtcShape& s = *shape;
    parallel_for(s.batch, 1, [&](int64_t n, int64_t) {
      const T nll = loss.data<T>()[n];
      if (zero_infinity && nll == -kNever<T>) return;
      backward_path<T>(s, n, x.data<T>(), alpha.data<T>() + n * s.steps * s.states, nll,
                       g.data<T>()[n], out.data<T>());
    });
  }
  void operator()(Backward& b) {
    const Tensor x = kernel_input(b.get(log_probs)), g = kernel_input(b.grad());
    PC_CHECK_IMPLEMENTED(!recording(b.grad(), b.get(log_probs)),
                         "ctc_loss: the gradient cannot be differentiated (create_graph=True)");
    const Tensor out = zeros(x.sizes(), x.dtype());
    if (x.dtype() == DType::float32)
      run<float>(x, g, out);
    else
      run<double>(x, g, out);
    b.set(0, out);
  }
};

std::vector<int64_t> lengths_of(const Tensor& t, const char* what) {
  PC_CHECK(is_integral(t.dtype()), what, " must be integral");
  const Tensor list = contiguous(to_dtype(detach(t), DType::int64));
  return {list.data<int64_t>(), list.data<int64_t>() + list.numel()};
}

std::shared_ptr<const CtcShape> checked_shape(const Tensor& log_probs, const Tensor& targets,
                                              std::vector<int64_t> inputs,
                                              std::vector<int64_t> target_lengths, int64_t blank) {
  auto s = std::make_shared<CtcShape>();
  s->steps = log_probs.sizes()[0];
  s->batch = log_probs.sizes()[1];
  s->classes = log_probs.sizes()[2];
  s->blank = blank;
  PC_CHECK(targets.dtype() == DType::int64 || targets.dtype() == DType::int32,
           "Expected tensor for argument #2 'targets' to have one of the following scalar types: "
           "Long, Int; but got ",
           legacy_type_name(targets.dtype()),
           " instead (while checking arguments for ctc_loss_cpu)");
  PC_CHECK(blank >= 0 && blank < s->classes, "blank must be in label range");
  PC_CHECK(static_cast<int64_t>(inputs.size()) == s->batch,
           "input_lengths must be of size batch_size");
  PC_CHECK(static_cast<int64_t>(target_lengths.size()) == s->batch,
           "target_lengths must be of size batch_size");
  PC_CHECK(targets.dim() == 1 || targets.dim() == 2,
           "ctc_loss: expected targets of one or two dimensions, got ", targets.sizes());
  const Tensor all = contiguous(to_dtype(detach(targets), DType::int64));
  int64_t longest = 0, sum = 0;
  for (int64_t n = 0; n < s->batch; ++n) {
    const int64_t length = target_lengths[static_cast<size_t>(n)];
    const int64_t steps = inputs[static_cast<size_t>(n)];
    PC_CHECK(length >= 0, "Expected target_lengths to have value at least 0, but got value ",
             length, " (while checking arguments for ctc_loss_cpu)");
    PC_CHECK(steps >= 0, "Expected input_lengths to have value at least 0, but got value ", steps,
             " (while checking arguments for ctc_loss_cpu)");
    PC_CHECK(steps <= s->steps, "Expected input_lengths to have value at most ", s->steps,
             ", but got value ", steps, " (while checking arguments for ctc_loss_cpu)");
    PC_CHECK(length <= all.numel(), "Expected tensor to have size at least ", length,
             " at dimension 1, but got size ", targets.sizes().back(),
             " for argument #2 'targets' (while checking arguments for ctc_loss_cpu)");
    s->first.push_back(targets.dim() == 1 ? sum : n * targets.sizes()[1]);
    longest = std::max(longest, length);
    sum += length;
  }
  if (targets.dim() == 1) {
    PC_CHECK(all.numel() == sum, "Expected tensor to have size ", sum,
             " at dimension 0, but got size ", all.numel(),
             " for argument #2 'targets' (while checking arguments for ctc_loss_cpu)");
  } else {
    PC_CHECK(targets.sizes()[0] == s->batch, "Expected tensor to have size ", s->batch,
             " at dimension 0, but got size ", targets.sizes()[0],
             " for argument #2 'targets' (while checking arguments for ctc_loss_cpu)");
    PC_CHECK(targets.sizes()[1] >= longest, "Expected tensor to have size at least ", longest,
             " at dimension 1, but got size ", targets.sizes()[1],
             " for argument #2 'targets' (while checking arguments for ctc_loss_cpu)");
  }
  s->labels.assign(all.data<int64_t>(), all.data<int64_t>() + all.numel());
  for (int64_t n = 0; n < s->batch; ++n)
    for (int64_t i = 0; i < target_lengths[static_cast<size_t>(n)]; ++i) {
      const int64_t label = s->labels[static_cast<size_t>(s->first[static_cast<size_t>(n)] + i)];
      PC_CHECK(label >= 0 && label < s->classes, "ctc_loss: label ", label, " of sample ", n,
               " is not in [0, ", s->classes, ")");
    }
  s->states = 2 * longest + 1;
  s->inputs = std::move(inputs);
  s->targets = std::move(target_lengths);
  return s;
}

// The losses of all samples, [batch].
Tensor ctc_losses(const Tensor& log_probs, const std::shared_ptr<const CtcShape>& shape,
                  bool zero_infinity) {
  const CtcShape& s = *shape;
  const Tensor x = kernel_input(log_probs, log_probs.dtype());
  const Tensor loss = empty({{s.batch}}, x.dtype());
  const Tensor alpha = empty({{s.batch, s.steps, s.states}}, x.dtype());
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallel_for(s.batch, 1, [&](int64_t n, int64_t) {
      loss.data<T>()[n] =
          forward_path<T>(s, n, x.data<T>(), alpha.data<T>() + n * s.steps * s.states);
    });
  };
  if (x.dtype() == DType::float32)
    run(TypeTag<float>{});
  else
    run(TypeTag<double>{});
  if (!recording(log_probs)) return loss;
  const Tensor out = clone_data(loss);
  record(out, CtcLossBackward0{shape, zero_infinity, Saved(log_probs), alpha, loss}, log_probs);
  return out;
}

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, std::vector<int64_t> inputs,
                std::vector<int64_t> target_lengths, int64_t blank, int64_t reduction,
                bool zero_infinity) {
  PC_CHECK(log_probs.dim() == 2 || log_probs.dim() == 3,
           "ctc_loss: expected log_probs of shape (T, N, C) or (T, C), got ", log_probs.sizes());
  PC_CHECK_IMPLEMENTED(log_probs.dtype() == DType::float32 || log_probs.dtype() == DType::float64,
                       "\"ctc_loss_cpu\" not implemented for '",
                       scalar_type_name(log_probs.dtype()), "'");
  PC_CHECK_VALUE(reduction >= 0 && reduction <= 2, reduction,
                 " is not a valid value for reduction");
  const bool batched = log_probs.dim() == 3;
  const Tensor x = batched ? log_probs : unsqueeze(log_probs, 1);
  const Tensor labels = !batched && targets.dim() == 0 ? reshape(targets, {{1}}) : targets;
  PC_CHECK(x.sizes()[1] > 0, "ctc_loss: expected at least one sample, got log_probs of shape ",
           log_probs.sizes());
  const auto shape = checked_shape(x, labels, std::move(inputs), std::move(target_lengths), blank);
  Tensor loss = ctc_losses(x, shape, zero_infinity);
  if (zero_infinity) loss = where(eq(loss, std::numeric_limits<double>::infinity()), 0.0, loss);
  if (reduction == 1) {
    const Tensor divisor = empty(loss.sizes(), DType::float64);
    for (int64_t n = 0; n < shape->batch; ++n)
      divisor.data<double>()[n] =
          static_cast<double>(std::max<int64_t>(1, shape->targets[static_cast<size_t>(n)]));
    return mean_all(loss / to_dtype(divisor, loss.dtype()));
  }
  if (reduction == 2) return sum_all(loss);
  return batched ? loss : select(loss, 0, 0);
}

Tensor ctc_loss_lists(const Tensor& log_probs, const Tensor& targets, IntSpan input_lengths,
                      IntSpan target_lengths, int64_t blank, int64_t reduction,
                      bool zero_infinity) {
  return ctc_loss(log_probs, targets, {input_lengths.begin(), input_lengths.end()},
                  {target_lengths.begin(), target_lengths.end()}, blank, reduction, zero_infinity);
}
Tensor ctc_loss_tensors(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                        const Tensor& target_lengths, int64_t blank, int64_t reduction,
                        bool zero_infinity) {
  return ctc_loss(log_probs, targets, lengths_of(input_lengths, "input_lengths"),
                  lengths_of(target_lengths, "target_lengths"), blank, reduction, zero_infinity);
}

}  // namespace

PYCORE_OP(
    "ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int "
    "blank=0, int reduction=0, bool zero_infinity=False) -> Tensor",
    ctc_loss_lists, kFunction, R"(
The negative logarithm of the probability that ``log_probs`` (T, N, C) or (T, C), from log_softmax, spells ``targets``.

``targets`` holds labels (int64 or int32), padded (N, S) or all end to end; the lengths say how much of either is used.
``blank`` is the class that spells nothing. ``reduction`` 0: one loss per sample, 1: the mean of losses divided by target
lengths, 2: the sum. ``zero_infinity`` drops samples whose target does not fit. float32 and float64; once differentiable.

>>> log_probs = pycore.zeros(2, 1, 2).log_softmax(2)
>>> pycore.ctc_loss(log_probs, pycore.tensor([[1]]), [2], [1])
tensor([0.2877])
)");
PYCORE_OP(
    "ctc_loss(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int "
    "blank=0, int reduction=0, bool zero_infinity=False) -> Tensor",
    ctc_loss_tensors, kFunction, "");

}  // namespace pycore
