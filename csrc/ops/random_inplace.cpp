// Operators that overwrite a tensor with random numbers: uniform_, normal_, random_, bernoulli_,
// exponential_ and others. The numbers themselves are made in core/distributions and core/sampling.
// Must not know Python.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/distributions.h"
#include "core/sampling.h"
#include "ops/random.h"

namespace pycore {

Tensor in_memory_order(const Tensor& t) {
  // Dimensions of one element have no place of their own: they go first, out of the way of the
  // sort.
  std::vector<int64_t> order;
  for (int64_t d = 0; d < t.dim(); ++d)
    if (t.sizes()[d] == 1) order.push_back(d);
  const auto first = static_cast<std::ptrdiff_t>(order.size());
  for (int64_t d = 0; d < t.dim(); ++d)
    if (t.sizes()[d] != 1) order.push_back(d);
  std::stable_sort(order.begin() + first, order.end(),
                   [&](int64_t a, int64_t b) { return t.strides()[a] > t.strides()[b]; });
  Dims sizes, strides;
  for (int64_t d : order) {
    sizes.push_back(t.sizes()[d]);
    strides.push_back(t.strides()[d]);
  }
  return make_alias(t->storage, t.dtype(), sizes, strides, t.offset());
}

namespace {

PC_ZERO_RULE(UniformBackward0);
PC_ZERO_RULE(NormalBackward0);
PC_ZERO_RULE(RandomBackward0);
PC_ZERO_RULE(RandomBackward1);
PC_ZERO_RULE(RandomBackward2);
PC_ZERO_RULE(BernoulliBackward1);
PC_ZERO_RULE(BernoulliBackward2);
PC_ZERO_RULE(ExponentialBackward0);
PC_ZERO_RULE(GeometricBackward0);
PC_ZERO_RULE(CauchyBackward0);
PC_ZERO_RULE(LogNormalBackward0);

double greatest_of(DType t) {
  switch (t) {
    case DType::float16:
      return 65504.0;
    case DType::bfloat16:
      return 3.3895313892515355e38;
    case DType::float32:
      return std::numeric_limits<float>::max();
    default:
      return std::numeric_limits<double>::max();
  }
}

template <class Rule, class Fill>
Tensor fill_floating(const Tensor& input, const char* op, const Fill& fill) {
  dispatch_floating(input, op, [](auto) {});  // the error, before anything changes
  return overwrite<Rule>(input, [&] {
    dispatch_floating(input, op, [&](auto tag) {
      using T = typename decltype(tag)::type;
      fill_in_memory_order<T>(input, [&](T* data, int64_t n) { fill(data, n); });
    });
  });
}

}  // namespace

// --- continuous
// ------------------------------------------------------------------------------------------------------

Tensor uniform_(const Tensor& input, double from, double to, Generator* generator) {
  PC_CHECK(from <= to, "uniform_ expects to return a [from, to) range, but found from=", from,
           " > to=", to);
  PC_CHECK(!input.is_floating() || to - from <= greatest_of(input.dtype()),
           "uniform_ expects to-from <= the greatest number of ", input.dtype(),
           ", but found to=", to, " and from=", from,
           " which result in to-from to exceed the limit");
  Generator& g = generator_or_default(generator);
  return fill_floating<UniformBackward0>(input, "check_uniform_bounds", [&](auto* data, int64_t n) {
    fill_uniform(g, data, n, from, to);
  });
}
PYCORE_OP(
    "uniform_(Tensor input, float from=0.0, float to=1.0, *, Generator? generator=None) -> Tensor",
    uniform_, kMethod, R"(
Overwrites the tensor with numbers evenly distributed over [from, to).

>>> _ = pycore.manual_seed(0)
>>> pycore.empty(2).uniform_(-1, 1)
tensor([-0.0075,  0.5364])
)");

Tensor normal_(const Tensor& input, double mean, double std, Generator* generator) {
  PC_CHECK(std >= 0, "normal expects std >= 0.0, but found std ", std);
  Generator& g = generator_or_default(generator);
  const bool block = input.is_contiguous();
  return fill_floating<NormalBackward0>(input, "normal_kernel_cpu", [&](auto* data, int64_t n) {
    if (block)
      fill_normal(g, data, n, mean, std);
    else
      fill_normal_serial(g, data, n, mean, std);
  });
}
PYCORE_OP(
    "normal_(Tensor input, float mean=0.0, float std=1.0, *, Generator? generator=None) -> Tensor",
    normal_, kMethod, R"(
Overwrites the tensor with normally distributed numbers.

>>> _ = pycore.manual_seed(0)
>>> pycore.empty(2).normal_()
tensor([ 1.5410, -0.2934])
)");

static Tensor exponential_(const Tensor& input, double lambd, Generator* generator) {
  PC_CHECK(lambd > 0, "exponential_ expects lambda > 0.0, but found lambda=", lambd);
  Generator& g = generator_or_default(generator);
  return fill_floating<ExponentialBackward0>(
      input, "exponential_", [&](auto* data, int64_t n) { fill_exponential(g, data, n, lambd); });
}
PYCORE_OP("exponential_(Tensor input, float lambd=1.0, *, Generator? generator=None) -> Tensor",
          exponential_, kMethod,
          R"(
Overwrites the tensor with exponentially distributed numbers of rate ``lambd``.

>>> bool((pycore.empty(100).exponential_() >= 0).all())
True
)");

static Tensor cauchy_(const Tensor& input, double median, double sigma, Generator* generator) {
  PC_CHECK(sigma > 0, "cauchy_ expects sigma > 0.0, but found sigma=", sigma);
  Generator& g = generator_or_default(generator);
  return fill_floating<CauchyBackward0>(
      input, "cauchy_cpu", [&](auto* data, int64_t n) { fill_cauchy(g, data, n, median, sigma); });
}
PYCORE_OP(
    "cauchy_(Tensor input, float median=0.0, float sigma=1.0, *, Generator? generator=None) -> "
    "Tensor",
    cauchy_, kMethod, "Overwrites the tensor with numbers from the Cauchy distribution.");

static Tensor log_normal_(const Tensor& input, double mean, double std, Generator* generator) {
  PC_CHECK(std > 0, "log_normal_ expects std > 0.0, but found std=", std);
  Generator& g = generator_or_default(generator);
  return fill_floating<LogNormalBackward0>(input, "log_normal_cpu", [&](auto* data, int64_t n) {
    fill_log_normal(g, data, n, mean, std);
  });
}
PYCORE_OP(
    "log_normal_(Tensor input, float mean=1.0, float std=2.0, *, Generator? generator=None) -> "
    "Tensor",
    log_normal_, kMethod,
    "Overwrites the tensor with numbers whose logarithms are normally distributed with ``mean`` "
    "and ``std``.");

// --- discrete
// --------------------------------------------------------------------------------------------------------

namespace {

// What PyTorch's bounds errors call the element types.
const char* cpp_name(DType t) {
  switch (t) {
    case DType::uint8:
      return "unsigned char";
    case DType::int8:
      return "signed char";
    case DType::int16:
      return "short";
    case DType::int32:
      return "int";
    case DType::int64:
      return "int64_t";
    case DType::float16:
      return "c10::Half";
    case DType::bfloat16:
      return "c10::BFloat16";
    case DType::float32:
      return "float";
    case DType::float64:
      return "double";
    case DType::bool_:
      return "bool";
  }
  return "?";
}

template <class T>
void check_bound(int64_t bound, const char* name, DType dtype) {
  bool fits;
  if constexpr (std::is_integral_v<T>)
    fits = bound >= static_cast<int64_t>(std::numeric_limits<T>::min()) &&
           bound <= static_cast<int64_t>(std::numeric_limits<T>::max());
  else
    fits = std::fabs(static_cast<double>(bound)) <= greatest_of(dtype);
  PC_CHECK(fits, name, " is out of bounds for ", cpp_name(dtype));
}

template <class Rule>
Tensor random_range(const Tensor& input, int64_t from, std::optional<int64_t> to,
                    Generator* generator) {
  Generator& g = generator_or_default(generator);
  uint64_t range = 0;
  dispatch_all(input.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    check_bound<T>(from, "from", input.dtype());
    int64_t end;  // inclusive
    if (to) {
      PC_CHECK(from < *to, "random_ expects 'from' to be less than 'to', but got from=", from,
               " >= to=", *to);
      check_bound<T>(*to - 1, "to - 1", input.dtype());
      end = *to - 1;
    } else {
      end = greatest_random<T>();
      PC_CHECK(
          from <= end,
          "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to "
          "dtype, but got from=",
          from, " > to_inc=", end);
    }
    if constexpr (!std::is_integral_v<T>) {
      if (to) {
        auto [low, high] = representable_range<T>(from, *to);
        PC_CHECK(low < high,
                 "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but "
                 "got from=",
                 low, " >= to=", high);
        from = low;
        end = high - 1;
      }
    }
    range = static_cast<uint64_t>(end) - static_cast<uint64_t>(from) + 1;
  });
  return overwrite<Rule>(input, [&] {
    dispatch_all(input.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      fill_in_memory_order<T>(input, [&](T* data, int64_t n) {
        if (range == 0)  // all of int64
          fill_random_64_bits(g, data, n);
        else
          fill_random_range(g, data, n, range, from);
      });
    });
  });
}

}  // namespace

Tensor random_from_to_(const Tensor& input, int64_t from, std::optional<int64_t> to,
                       Generator* generator) {
  return random_range<RandomBackward0>(input, from, to, generator);
}
static Tensor random_to_(const Tensor& input, int64_t to, Generator* generator) {
  return random_range<RandomBackward1>(input, 0, to, generator);
}
static Tensor random_(const Tensor& input, Generator* generator) {
  Generator& g = generator_or_default(generator);
  return overwrite<RandomBackward2>(input, [&] {
    dispatch_all(input.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      fill_in_memory_order<T>(input, [&](T* data, int64_t n) { fill_random(g, data, n); });
    });
  });
}
PYCORE_OP("random_(Tensor input, *, Generator? generator=None) -> Tensor", random_, kMethod, R"(
Overwrites the tensor with integers: from ``from`` (0) up to but not including ``to``; without bounds, up to the
greatest integer of the dtype (for floating dtypes, up to where integers stop being exact).

>>> _ = pycore.manual_seed(0)
>>> pycore.empty(3, dtype=pycore.int64).random_(10)
tensor([4, 9, 3])
)");
PYCORE_OP("random_(Tensor input, int to, *, Generator? generator=None) -> Tensor", random_to_,
          kMethod, "");
PYCORE_OP("random_(Tensor input, int from, int? to, *, Generator? generator=None) -> Tensor",
          random_from_to_, kMethod, "");

Tensor bernoulli_(const Tensor& input, double p, Generator* generator) {
  PC_CHECK(p >= 0 && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", p);
  Generator& g = generator_or_default(generator);
  return overwrite<BernoulliBackward2>(input, [&] {
    dispatch_all(input.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      fill_in_memory_order<T>(input, [&](T* data, int64_t n) { fill_bernoulli(g, data, n, p); });
    });
  });
}
static Tensor bernoulli_each_(const Tensor& input, const Tensor& p, Generator* generator) {
  Generator& g = generator_or_default(generator);
  dispatch_floating(p, "bernoulli_tensor_cpu_p_", [](auto) {});
  // The probabilities in the order in which the numbers are drawn.
  const Tensor wide = expand(detach(p), input.sizes());
  Tensor order = empty_like(input, p.dtype());
  copy_data(order, wide);
  const Tensor sorted = in_memory_order(order);
  dispatch_floating(p, "bernoulli_tensor_cpu_p_", [&](auto tag) {
    using P = typename decltype(tag)::type;
    const P* each = sorted.data<P>();
    if constexpr (std::is_same_v<P, float> || std::is_same_v<P, double>) {
      for (int64_t i = 0; i < sorted.numel(); ++i) {
        PC_CHECK(each[i] >= 0 && each[i] <= 1,
                 "Expected p_in >= 0 && p_in <= 1 to be true, but got p=", each[i]);
      }
    }
  });
  return overwrite<BernoulliBackward1>(input, [&] {
    dispatch_floating(p, "bernoulli_tensor_cpu_p_", [&](auto p_tag) {
      using P = typename decltype(p_tag)::type;
      dispatch_all(input.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        fill_in_memory_order<T>(
            input, [&](T* data, int64_t n) { fill_bernoulli_each(g, data, sorted.data<P>(), n); });
      });
    });
  });
}
PYCORE_OP("bernoulli_(Tensor input, float p=0.5, *, Generator? generator=None) -> Tensor",
          bernoulli_, kMethod, R"(
Overwrites the tensor with ones, each with probability ``p`` (a number or a tensor of probabilities), and zeros.

>>> pycore.empty(3).bernoulli_(1.0)
tensor([1., 1., 1.])
)");
PYCORE_OP("bernoulli_(Tensor input, Tensor p, *, Generator? generator=None) -> Tensor",
          bernoulli_each_, kMethod, "");

static Tensor geometric_(const Tensor& input, double p, Generator* generator) {
  PC_CHECK(p > 0 && p < 1, "geometric_ expects p to be in (0, 1), but got p=", p);
  PC_CHECK_IMPLEMENTED(input.dtype() != DType::bool_,
                       "\"geometric_cpu\" not implemented for 'Bool'");
  Generator& g = generator_or_default(generator);
  return overwrite<GeometricBackward0>(input, [&] {
    dispatch_all(input.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      fill_in_memory_order<T>(input, [&](T* data, int64_t n) { fill_geometric(g, data, n, p); });
    });
  });
}
PYCORE_OP(
    "geometric_(Tensor input, float p, *, Generator? generator=None) -> Tensor", geometric_,
    kMethod,
    "Overwrites the tensor with numbers of trials up to the first success of probability ``p``.");

}  // namespace pycore
