// Operators that make random tensors: rand, randn, randint, randperm, normal, bernoulli,
// multinomial, poisson, dropout. Must not know Python.
#include "ops/random.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/sampling.h"

namespace pycore {
namespace {

#define PC_RANDOM_ARGS                                                                         \
  "*, Generator? generator=None, dtype? dtype=None, layout layout=None, device? device=None, " \
  "bool pin_memory=False, bool requires_grad=False"
#define PC_RANDOM_LIKE_ARGS                                                                    \
  "*, Generator? generator=None, dtype? dtype=None, layout layout=None, device? device=None, " \
  "bool pin_memory=False, bool requires_grad=False, memory_format memory_format=None"

using Dtype = std::optional<DType>;
using Ignored = std::optional<int64_t>;

Tensor like(const Tensor& t, Dtype dtype, Ordering order) {
  const DType to = dtype.value_or(t.dtype());
  return order.row_major ? empty(t.sizes(), to) : empty_like(t, to);
}
Tensor finish(Tensor t, bool requires_grad) {
  if (requires_grad) set_requires_grad(t, true);
  return t;
}

// --- rand, randn, randint
// ------------------------------------------------------------------------------------------

Tensor rand(IntSpan size, Generator* g, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  return finish(uniform_(empty(size, dtype.value_or(default_dtype())), 0, 1, g), grad);
}
PYCORE_OP("rand(int[] size, " PC_RANDOM_ARGS ") -> Tensor", rand, kFunction | kOut, R"(
Numbers evenly distributed over [0, 1).

>>> _ = pycore.manual_seed(0)
>>> pycore.rand(3)
tensor([0.4963, 0.7682, 0.0885])
)");
Tensor randn(IntSpan size, Generator* g, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  return finish(normal_(empty(size, dtype.value_or(default_dtype())), 0, 1, g), grad);
}
PYCORE_OP("randn(int[] size, " PC_RANDOM_ARGS ") -> Tensor", randn, kFunction | kOut, R"(
Numbers from the standard normal distribution (Box and Muller, 1958).

>>> _ = pycore.manual_seed(0)
>>> pycore.randn(3)
tensor([ 1.5410, -0.2934, -2.1788])
)");
Tensor rand_like(const Tensor& t, Generator* g, Dtype dtype, Ignored, Ignored, bool, bool grad,
                 Ordering order) {
  return finish(uniform_(like(t, dtype, order), 0, 1, g), grad);
}
PYCORE_OP("rand_like(Tensor input, " PC_RANDOM_LIKE_ARGS ") -> Tensor", rand_like, kFunction, R"(
Numbers evenly distributed over [0, 1), in the shape and dtype of ``input``.

>>> pycore.rand_like(pycore.ones(2, 3)).shape
pycore.Size([2, 3])
)");
Tensor randn_like(const Tensor& t, Generator* g, Dtype dtype, Ignored, Ignored, bool, bool grad,
                  Ordering order) {
  return finish(normal_(like(t, dtype, order), 0, 1, g), grad);
}
PYCORE_OP("randn_like(Tensor input, " PC_RANDOM_LIKE_ARGS ") -> Tensor", randn_like, kFunction, R"(
Numbers from the standard normal distribution, in the shape and dtype of ``input``.

>>> pycore.randn_like(pycore.ones(2, 3)).shape
pycore.Size([2, 3])
)");

Tensor randint_low(int64_t low, int64_t high, IntSpan size, Generator* g, Dtype dtype, Ignored,
                   Ignored, bool, bool grad) {
  return finish(random_from_to_(empty(size, dtype.value_or(DType::int64)), low, high, g), grad);
}
Tensor randint(int64_t high, IntSpan size, Generator* g, Dtype dtype, Ignored a, Ignored b, bool c,
               bool grad) {
  return randint_low(0, high, size, g, dtype, a, b, c, grad);
}
PYCORE_OP("randint(int high, int[] size, " PC_RANDOM_ARGS ") -> Tensor", randint, kFunction | kOut,
          R"(
Integers from ``low`` (0) up to but not including ``high``.

>>> _ = pycore.manual_seed(0)
>>> pycore.randint(10, (3,))
tensor([4, 9, 3])
)");
PYCORE_OP("randint(int low, int high, int[] size, " PC_RANDOM_ARGS ") -> Tensor", randint_low,
          kFunction | kOut, "");

Tensor randint_like_low(const Tensor& t, int64_t low, int64_t high, Generator* g, Dtype dtype,
                        Ignored, Ignored, bool, bool grad, Ordering order) {
  return finish(random_from_to_(like(t, dtype, order), low, high, g), grad);
}
Tensor randint_like(const Tensor& t, int64_t high, Generator* g, Dtype dtype, Ignored a, Ignored b,
                    bool c, bool grad, Ordering d) {
  return randint_like_low(t, 0, high, g, dtype, a, b, c, grad, d);
}
PYCORE_OP("randint_like(Tensor input, int high, " PC_RANDOM_LIKE_ARGS ") -> Tensor", randint_like,
          kFunction, R"(
Integers from ``low`` (0) up to but not including ``high``, in the shape and dtype of ``input``.

>>> pycore.randint_like(pycore.ones(2, 3), 5).shape
pycore.Size([2, 3])
)");
PYCORE_OP("randint_like(Tensor input, int low, int high, " PC_RANDOM_LIKE_ARGS ") -> Tensor",
          randint_like_low, kFunction, "");

Tensor randperm(int64_t n, Generator* g, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  const DType t = dtype.value_or(DType::int64);
  Tensor order = empty({{n}}, DType::int64);  // refuses negative sizes
  dispatch_all(t, [&](auto tag) {
    using T = typename decltype(tag)::type;
    PC_CHECK(n <= greatest_random<T>(), "value cannot be converted to type ", name(t),
             " without overflow: randperm(", n,
             ") needs numbers that the result's dtype does not have");
  });
  fill_permutation(generator_or_default(g), order.data<int64_t>(), n);
  return finish(to_dtype(order, t), grad);
}
PYCORE_OP(
    "randperm(int n, *, Generator? generator=None, dtype? dtype=None, layout layout=None, device? "
    "device=None, "
    "bool pin_memory=False, bool requires_grad=False) -> Tensor",
    randperm, kFunction | kOut, R"(
The numbers 0 to n - 1 in random order.

>>> _ = pycore.manual_seed(0)
>>> pycore.randperm(4)
tensor([0, 1, 3, 2])
)");

// --- normal
// ----------------------------------------------------------------------------------------------------------

void check_std(const Tensor& std) {
  const Tensor row = contiguous(to_dtype(detach(std), DType::float64));
  for (int64_t i = 0; i < row.numel(); ++i) {
    PC_CHECK(row.data<double>()[i] >= 0, "normal expects all elements of std >= 0.0");
  }
}
Tensor normal_size(double mean, double std, IntSpan size, Generator* g, Dtype dtype, Ignored,
                   Ignored, bool, bool grad) {
  return finish(normal_(empty(size, dtype.value_or(default_dtype())), mean, std, g), grad);
}
Tensor normal_mean(const Tensor& mean, double std, Generator* g) {
  Tensor out = normal_(empty_like(mean, mean.dtype()), 0, std, g);
  return add(out, detach(mean));
}
Tensor normal_std(double mean, const Tensor& std, Generator* g) {
  check_std(std);
  Tensor out = normal_(empty_like(std, std.dtype()), 0, 1, g);
  return add(mul(out, detach(std)), Scalar(mean));
}
Tensor normal_both(const Tensor& mean, const Tensor& std, Generator* g) {
  check_std(std);
  Tensor out = normal_(empty(broadcast_shapes(mean.sizes(), std.sizes()), mean.dtype()), 0, 1, g);
  return add(mul(out, detach(std)), detach(mean));
}
PYCORE_OP("normal(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor", normal_both,
          kFunction | kOut, R"(
Normally distributed numbers; ``mean`` and ``std`` are tensors, or numbers together with a ``size``.

>>> _ = pycore.manual_seed(0)
>>> pycore.normal(10.0, 0.5, (2,))
tensor([10.7705,  9.8533])
)");
PYCORE_OP("normal(Tensor mean, float std=1.0, *, Generator? generator=None) -> Tensor", normal_mean,
          kFunction | kOut, "");
PYCORE_OP("normal(float mean, Tensor std, *, Generator? generator=None) -> Tensor", normal_std,
          kFunction | kOut, "");
PYCORE_OP("normal(float mean, float std, int[] size, " PC_RANDOM_ARGS ") -> Tensor", normal_size,
          kFunction | kOut, "");

// --- bernoulli, poisson, multinomial
// ----------------------------------------------------------------------------------

PC_ZERO_RULE(BernoulliBackward0);
PC_ZERO_RULE(PoissonBackward0);

const Op& op_named(std::string_view name, std::string_view second_type) {
  for (const Op* op : all_ops()) {
    if (op->name == name && op->params.size() > 1 &&
        (second_type == "Tensor" ? op->params[1].type == ArgType::tensor
                                 : op->params[1].type == ArgType::operand)) {
      return *op;
    }
  }
  fail(ErrorKind::runtime, "no operator ", std::string(name));
}

Tensor bernoulli(const Tensor& input, Generator* g) {
  Tensor out = empty(input.sizes(), input.dtype());
  static const Op& each = op_named("bernoulli_", "Tensor");
  Value args[3];
  args[0].kind = args[1].kind = Value::Kind::tensor;
  args[0].tensor = out.impl();
  args[1].tensor = input.impl();
  if (g) {
    args[2].kind = Value::Kind::pointer;
    args[2].list = g;
  }
  Result ignored;
  each.invoke(args, ignored);
  if (recording(input)) record(out, BernoulliBackward0{}, input);
  return out;
}
Tensor bernoulli_p(const Tensor& input, double p, Generator* g) {
  return bernoulli_(empty_like(input, input.dtype()), p, g);
}
PYCORE_OP("bernoulli(Tensor input, *, Generator? generator=None) -> Tensor", bernoulli,
          kFunction | kMethod | kOut, R"(
Ones with the probabilities in ``input`` (or all with probability ``p``), and zeros.

>>> pycore.bernoulli(pycore.tensor([0.0, 1.0]))
tensor([0., 1.])
)");
PYCORE_OP("bernoulli(Tensor input, float p, *, Generator? generator=None) -> Tensor", bernoulli_p,
          kFunction | kMethod, "");

Tensor poisson(const Tensor& input, Generator* g) {
  const Tensor rates = contiguous(detach(input));
  Tensor out = empty(input.sizes(), input.dtype());
  dispatch_floating(input, "poisson_cpu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    fill_poisson(generator_or_default(g), out.data<T>(), rates.data<T>(), out.numel());
  });
  if (recording(input)) record(out, PoissonBackward0{}, input);
  return out;
}
PYCORE_OP("poisson(Tensor input, Generator? generator=None) -> Tensor", poisson, kFunction, R"(
Counts from Poisson distributions with the rates in ``input``.

>>> pycore.poisson(pycore.zeros(3))
tensor([0., 0., 0.])
)");

void check_weights(const Tensor& weights) {
  const Tensor row = contiguous(to_dtype(weights, DType::float64));
  const auto* p = row.data<double>();
  const int64_t categories = row.size(-1);
  for (int64_t begin = 0; begin < row.numel(); begin += categories) {
    double sum = 0;
    for (int64_t i = begin; i < begin + categories; ++i) {
      PC_CHECK(p[i] >= 0 && std::isfinite(p[i]),
               "probability tensor contains either `inf`, `nan` or element < 0");
      sum += p[i];
    }
    PC_CHECK(sum > 0, "invalid multinomial distribution (sum of probabilities <= 0)");
  }
}

Tensor multinomial(const Tensor& input, int64_t num_samples, bool replacement, Generator* g) {
  PC_CHECK(input.dim() > 0 && input.dim() <= 2, "prob_dist must be 1 or 2 dim");
  PC_CHECK(input.is_floating(), "multinomial only supports floating-point dtypes for input, got: ",
           scalar_type_name(input.dtype()));
  PC_CHECK(num_samples > 0, "cannot sample n_sample <= 0 samples");
  const int64_t categories = input.size(-1);
  PC_CHECK(replacement || num_samples <= categories,
           "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  PC_CHECK(categories <= (int64_t{1} << 24), "number of categories cannot exceed 2^24");
  Dims sizes(input.sizes());
  sizes[sizes.size() - 1] = num_samples;
  Tensor out = empty(sizes, DType::int64);
  if (out.numel() == 0) return out;
  const Tensor weights = contiguous(detach(input));
  const bool race = !replacement || num_samples == 1;
  if (race) check_weights(weights);
  dispatch_floating(weights, "multinomial", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto sample = race ? sample_without_replacement<T> : sample_with_replacement<T>;
    sample(generator_or_default(g), weights.data<T>(), weights.numel() / categories, categories,
           num_samples, out.data<int64_t>());
  });
  return out;
}
PYCORE_OP(
    "multinomial(Tensor input, int num_samples, bool replacement=False, *, Generator? "
    "generator=None) -> Tensor",
    multinomial, kFunction | kMethod | kOut, R"(
Indices chosen with the weights in each row of ``input``, with or without replacement.

>>> pycore.multinomial(pycore.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
tensor([1, 1])
)");

// --- dropout
// ---------------------------------------------------------------------------------------------------------

Tensor dropout_mask(const Tensor& input, double p) {
  Tensor mask = empty_like(input, input.dtype());
  fill_dropout(in_memory_order(mask), p);
  return mask;
}
Tensor dropout(const Tensor& input, double p, bool training, bool inplace) {
  PC_CHECK_VALUE(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
  if (p == 0 || !training || input.numel() == 0) return input;
  const Tensor mask = p == 1 ? zeros({}, input.dtype()) : dropout_mask(input, p);
  if (!inplace) return mul(input, mask);
  static const Op& mul_op = op_named("mul", "Tensor|Scalar");
  Value args[2];
  args[0].kind = args[1].kind = Value::Kind::tensor;
  args[0].tensor = input.impl();
  args[1].tensor = mask.impl();
  Result result;
  call_inplace(mul_op, args, result);
  return input;
}
PYCORE_OP("nn.dropout(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
          dropout, kFunction,
          R"(
Zeroes each element with probability ``p`` and scales the others by 1 / (1 - p) (Srivastava et al., 2014).

>>> pycore.nn.functional.dropout(pycore.ones(2), p=1.0)
tensor([0., 0.])
)");
}  // namespace

Tensor dropout(const Tensor& input, double p, bool train) {
  return dropout(input, p, train, false);
}
PYCORE_OP("dropout(Tensor input, float p, bool train) -> Tensor",
          static_cast<Tensor (*)(const Tensor&, double, bool)>(dropout), kFunction,
          "Dropout as a function of the top namespace; see ``nn.functional.dropout``.");

void fill_dropout(const Tensor& dense, double p) {
  dispatch_floating(dense, "bernoulli_scalar_cpu_", [&](auto tag) {
    using T = typename decltype(tag)::type;
    T keep;
    scalar_bytes(Scalar(dense.dtype() == DType::float64
                            ? 1 / (1 - p)
                            : static_cast<double>(1.0f / static_cast<float>(1 - p))),
                 dense.dtype(), &keep);
    fill_bernoulli(default_generator(), dense.data<T>(), dense.numel(), 1 - p, keep);
  });
}

}  // namespace pycore
