// Activation functions: forward and derivative of each side by side. Must not know Python.
#include <cmath>

#include "kernels/gradient.h"
#include "kernels/unary.h"
#include "ops/inplace.h"
#include "ops/result_order.h"
#include "ops/stepwise.h"

namespace pycore {
namespace {

using kernels::Gradient;
using kernels::Unary;

constexpr uint32_t kPlain = kFunction;  // lives in nn.functional only
constexpr uint32_t kEverywhere = kFunction | kMethod | kInplace | kPointwise;
constexpr double kRootHalf = 0.70710678118654752440;
constexpr double kGeluBeta = 0.79788456080286535588;  // sqrt(2 / pi)

void check_floating(const Tensor& x, const char* kernel) {
  PC_CHECK_IMPLEMENTED(x.is_floating(), "\"", kernel, "\" not implemented for '",
                       scalar_type_name(x.dtype()), "'");
}

// A rule that keeps the input (or the output) as v and up to three numbers p. The fused kernel
// where nobody differentiates the derivative, the composite formula elsewhere.
#define PC_RULE(NODE, KERNEL, COMPOSITE)                                                         \
  struct NODE {                                                                                  \
    static constexpr const char* name = #NODE;                                                   \
    Saved saved;                                                                                 \
    double p[3] = {};                                                                            \
    void operator()(Backward& b) {                                                               \
      const Tensor v = b.get(saved);                                                             \
      const Tensor& g = b.grad();                                                                \
      b.set(0,                                                                                   \
            grad_enabled() ? Tensor(COMPOSITE) : gradient_pointwise(Gradient::KERNEL, g, v, p)); \
    }                                                                                            \
  };

template <class Rule>
Tensor activate(Unary f, const char* kernel, const Tensor& x, double p0 = 0, double p1 = 0,
                double p2 = 0) {
  check_floating(x, kernel);
  const double p[3] = {p0, p1, p2};
  Tensor out = unary_pointwise(f, x, x.dtype(), p);
  if (recording(x)) record(out, Rule{Saved(x), {p0, p1, p2}}, x);
  return out;
}

}  // namespace

// --- relu
// ------------------------------------------------------------------------------------------

namespace {
PC_RULE(ReluBackward0, relu, stepwise(b, 0, where(le(v, 0.0), 0.0, g)))
}
Tensor relu(const Tensor& input) {
  PC_CHECK(input.dtype() != DType::bool_, "Boolean inputs not supported for relu");
  Tensor out = unary_pointwise(Unary::relu, input, input.dtype());
  if (recording(input)) record(out, ReluBackward0{Saved::output(out), {}}, input);
  return out;
}
PYCORE_OP("relu(Tensor input) -> Tensor", relu, kEverywhere | kOverwritable, R"(
``max(x, 0)``.

>>> pycore.relu(pycore.tensor([-1., 2.]))
tensor([0., 2.])
)");
static Tensor nn_relu(const Tensor& input, bool inplace) {
  return inplace ? call_inplace_as<relu, kPointwise | kOverwritable>(input) : relu(input);
}
PYCORE_OP("nn.relu(Tensor input, bool inplace=False) -> Tensor", nn_relu, kPlain, R"(
``max(x, 0)``, of any dtype but bool.

>>> pycore.nn.functional.relu(pycore.tensor([-1., 2.]))
tensor([0., 2.])
)");

namespace {
PC_RULE(LeakyReluBackward0, leaky_relu, stepwise(b, 0, where(gt(v, 0.0), g, mul(g, p[0]))))
}
static Tensor leaky_relu(const Tensor& input, double negative_slope) {
  return activate<LeakyReluBackward0>(Unary::leaky_relu, "leaky_relu_cpu", input, negative_slope);
}
static Tensor nn_leaky_relu(const Tensor& input, double negative_slope, bool inplace) {
  return inplace ? call_inplace_as<leaky_relu, kPointwise>(input, negative_slope)
                 : leaky_relu(input, negative_slope);
}
PYCORE_OP("nn.leaky_relu(Tensor input, float negative_slope=0.01, bool inplace=False) -> Tensor",
          nn_leaky_relu, kPlain, R"(
``x`` where positive, ``negative_slope * x`` elsewhere.

>>> pycore.nn.functional.leaky_relu(pycore.tensor([-1., 2.]), 0.1)
tensor([-0.1000,  2.0000])
)");

// --- limits
// ----------------------------------------------------------------------------------------

namespace {
PC_RULE(HardtanhBackward0, hardtanh,
        stepwise(b, 0, where(logical_and(gt(v, p[0]), lt(v, p[1])), g, 0.0)))
}
static Tensor hardtanh(const Tensor& input, double min_val, double max_val) {
  if (!input.is_floating()) {
    PC_CHECK(input.dtype() != DType::bool_, "Bool inputs not supported for hardtanh");
    return clamp(input, Scalar(static_cast<int64_t>(min_val)),
                 Scalar(static_cast<int64_t>(max_val)));
  }
  const auto compute = [&] {
    return activate<HardtanhBackward0>(Unary::clamp, "hardtanh_cpu", input, min_val, max_val);
  };
  return input->standard ? compute() : made_in(empty_like(input), compute);
}
static Tensor nn_hardtanh(const Tensor& input, double min_val, double max_val, bool inplace) {
  PC_CHECK_VALUE(min_val <= max_val, "min_val cannot be greater than max_val");
  return inplace ? call_inplace_as<hardtanh, kPointwise>(input, min_val, max_val)
                 : hardtanh(input, min_val, max_val);
}
PYCORE_OP(
    "nn.hardtanh(Tensor input, float min_val=-1., float max_val=1., bool inplace=False) -> "
    "Tensor",
    nn_hardtanh, kPlain, R"(
``x`` limited to [min_val, max_val].

>>> pycore.nn.functional.hardtanh(pycore.tensor([-2., 0.5]))
tensor([-1.0000,  0.5000])
)");
static Tensor nn_relu6(const Tensor& input, bool inplace) {
  return nn_hardtanh(input, 0, 6, inplace);
}
PYCORE_OP("nn.relu6(Tensor input, bool inplace=False) -> Tensor", nn_relu6, kPlain, R"(
``min(max(x, 0), 6)``.

>>> pycore.nn.functional.relu6(pycore.tensor([-1., 7.]))
tensor([0., 6.])
)");

namespace {
PC_RULE(HardsigmoidBackward0, hardsigmoid,
        stepwise(b, 0, where(logical_and(gt(v, -3.0), lt(v, 3.0)), div(g, 6.0), 0.0)))
PC_RULE(HardswishBackward0, hardswish,
        where(le(v, -3.0), 0.0, where(ge(v, 3.0), g, mul(g, add(div(v, 3.0), 0.5)))))
}  // namespace
static Tensor hardsigmoid(const Tensor& input) {
  return activate<HardsigmoidBackward0>(Unary::hardsigmoid, "hardsigmoid_cpu", input);
}
static Tensor nn_hardsigmoid(const Tensor& input, bool inplace) {
  return inplace ? call_inplace_as<hardsigmoid, kPointwise>(input) : hardsigmoid(input);
}
PYCORE_OP("nn.hardsigmoid(Tensor input, bool inplace=False) -> Tensor", nn_hardsigmoid, kPlain, R"(
``min(max(x + 3, 0), 6) / 6``.

>>> pycore.nn.functional.hardsigmoid(pycore.tensor([-4., 0.]))
tensor([0.0000, 0.5000])
)");
static Tensor hardswish(const Tensor& input) {
  return activate<HardswishBackward0>(Unary::hardswish, "hardswish_cpu", input);
}
static Tensor nn_hardswish(const Tensor& input, bool inplace) {
  return inplace ? call_inplace_as<hardswish, kPointwise>(input) : hardswish(input);
}
PYCORE_OP("nn.hardswish(Tensor input, bool inplace=False) -> Tensor", nn_hardswish, kPlain, R"(
``x * min(max(x + 3, 0), 6) / 6`` (Howard et al. 2019).

>>> pycore.nn.functional.hardswish(pycore.tensor([-4., 3.]))
tensor([-0.,  3.])
)");

// --- exponential linear units
// ------------------------------------------------------------------------

namespace {
// p: alpha, scale, input scale. The exponential of a positive v is never used; the limit keeps it
// finite, and the slope at 0 constant.
PC_RULE(EluBackward0, elu,
        where(le(v, 0.0),
              mul(mul(g, p[0] * p[1] * p[2]), exp(mul(where(lt(v, 0.0), v, 0.0), p[2]))),
              mul(g, p[1])))
}  // namespace
struct CeluBackward0 : EluBackward0 {
  static constexpr const char* name = "CeluBackward0";
};
static Tensor elu_general(const Tensor& input, double alpha, double scale, double input_scale) {
  return activate<EluBackward0>(Unary::elu, "elu_cpu", input, alpha, scale, input_scale);
}
static Tensor celu(const Tensor& input, double alpha) {
  PC_CHECK(alpha != 0, "ZeroDivisionError: alpha cannot be 0 for CELU");
  check_floating(input, "elu_cpu");
  const double p[3] = {alpha, 1, 1 / alpha};
  Tensor out = unary_pointwise(Unary::elu, input, input.dtype(), p);
  if (recording(input)) record(out, CeluBackward0{{Saved(input), {p[0], p[1], p[2]}}}, input);
  return out;
}
static Tensor elu_maybe_inplace(const Tensor& input, double alpha, double scale, double input_scale,
                                bool inplace) {
  return inplace ? call_inplace_as<elu_general, kPointwise>(input, alpha, scale, input_scale)
                 : elu_general(input, alpha, scale, input_scale);
}
static Tensor nn_elu(const Tensor& input, double alpha, bool inplace) {
  return elu_maybe_inplace(input, alpha, 1, 1, inplace);
}
PYCORE_OP("nn.elu(Tensor input, float alpha=1.0, bool inplace=False) -> Tensor", nn_elu, kPlain, R"(
``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere (Clevert, Unterthiner, Hochreiter 2015).

>>> pycore.nn.functional.elu(pycore.tensor([-1., 2.]))
tensor([-0.6321,  2.0000])
)");
constexpr double kSeluAlpha = 1.6732632423543772848170429916717;
constexpr double kSeluScale = 1.0507009873554804934193349852946;
static Tensor selu(const Tensor& input) { return elu_general(input, kSeluAlpha, kSeluScale, 1); }
PYCORE_OP("selu(Tensor input) -> Tensor", selu, kFunction | kInplace | kPointwise,
          "See :func:`pycore.nn.functional.selu`.");
static Tensor nn_selu(const Tensor& input, bool inplace) {
  return elu_maybe_inplace(input, kSeluAlpha, kSeluScale, 1, inplace);
}
PYCORE_OP("nn.selu(Tensor input, bool inplace=False) -> Tensor", nn_selu, kPlain, R"(
ELU with the slope and scale that keep activations normalised (Klambauer et al. 2017).

>>> pycore.nn.functional.selu(pycore.tensor([-1., 2.]))
tensor([-1.1113,  2.1014])
)");
PYCORE_OP("celu(Tensor input, float alpha=1.0) -> Tensor", celu, kFunction | kInplace | kPointwise,
          "See :func:`pycore.nn.functional.celu`.");
static Tensor nn_celu(const Tensor& input, double alpha, bool inplace) {
  return inplace ? call_inplace_as<celu, kPointwise>(input, alpha) : celu(input, alpha);
}
PYCORE_OP("nn.celu(Tensor input, float alpha=1.0, bool inplace=False) -> Tensor", nn_celu, kPlain,
          R"(
``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`` (Barron 2017).

>>> pycore.nn.functional.celu(pycore.tensor([-1., 2.]))
tensor([-0.6321,  2.0000])
)");

// --- smooth units
// --------------------------------------------------------------------------------------

namespace {
struct GeluBackward0 {
  static constexpr const char* name = "GeluBackward0";
  Saved saved;
  bool by_tanh = false;
  void operator()(Backward& b) {
    const Tensor x = b.get(saved);
    const Tensor& g = b.grad();
    if (!grad_enabled()) {
      b.set(0, gradient_pointwise(by_tanh ? Gradient::gelu_tanh : Gradient::gelu_erf, g, x));
    } else if (by_tanh) {
      Tensor square_x = mul(x, x);
      Tensor t = tanh(mul(add(x, mul(mul(square_x, x), 0.044715)), kGeluBeta));
      Tensor inner = mul(add(mul(square_x, 3 * 0.044715), 1.0), kGeluBeta);
      Tensor slope = mul(mul(x, 0.5), mul(1.0 - mul(t, t), inner));
      b.set(0, mul(g, add(mul(add(t, 1.0), 0.5), slope)));
    } else {
      Tensor cdf = mul(add(erf(mul(x, kRootHalf)), 1.0), 0.5);
      Tensor pdf = mul(exp(mul(mul(x, x), -0.5)), kGeluBeta / 2);
      b.set(0, mul(g, add(cdf, mul(x, pdf))));
    }
  }
};
}  // namespace
static Tensor gelu(const Tensor& input, std::string_view approximate) {
  PC_CHECK(approximate == "none" || approximate == "tanh",
           "approximate argument must be either none or tanh.");
  check_floating(input, "GeluKernelImpl");
  const bool by_tanh = approximate == "tanh";
  Tensor out = unary_pointwise(by_tanh ? Unary::gelu_tanh : Unary::gelu_erf, input, input.dtype());
  if (recording(input)) record(out, GeluBackward0{Saved(input), by_tanh}, input);
  return out;
}
PYCORE_OP("nn.gelu(Tensor input, *, str approximate='none') -> Tensor", gelu, kPlain, R"(
``x * Phi(x)``, Phi the normal distribution function (Hendrycks, Gimpel 2016); ``approximate='tanh'``
takes their approximation of it.

>>> pycore.nn.functional.gelu(pycore.tensor([-1., 1.]))
tensor([-0.1587,  0.8413])
)");

namespace {
Tensor silu_slope(const Tensor& v) {
  Tensor s = sigmoid(v);
  return mul(s, add(mul(v, 1.0 - s), 1.0));
}
PC_RULE(SiluBackward0, silu, mul(g, silu_slope(v)))
}  // namespace
static Tensor silu(const Tensor& input) {
  return activate<SiluBackward0>(Unary::silu, "silu_cpu", input);
}
static Tensor nn_silu(const Tensor& input, bool inplace) {
  return inplace ? call_inplace_as<silu, kPointwise>(input) : silu(input);
}
PYCORE_OP("nn.silu(Tensor input, bool inplace=False) -> Tensor", nn_silu, kPlain, R"(
``x * sigmoid(x)``, also known as swish.

>>> pycore.nn.functional.silu(pycore.tensor([-1., 1.]))
tensor([-0.2689,  0.7311])
)");

namespace {
PC_RULE(SoftplusBackward0, softplus,
        where(gt(mul(v, p[0]), p[1]), g, mul(g, sigmoid(mul(v, p[0])))))
}
static Tensor softplus(const Tensor& input, double beta, double threshold) {
  return activate<SoftplusBackward0>(Unary::softplus, "softplus_cpu", input, beta, threshold);
}
PYCORE_OP("nn.softplus(Tensor input, float beta=1.0, float threshold=20.0) -> Tensor", softplus,
          kPlain, R"(
``log(1 + exp(beta * x)) / beta``, a smooth relu; ``x`` itself where ``beta * x > threshold``.

>>> pycore.nn.functional.softplus(pycore.tensor([0., 30.]))
tensor([ 0.6931, 30.0000])
)");

namespace {
Tensor mish_slope(const Tensor& v) {
  Tensor t = tanh(softplus(v, 1, 20));
  return add(t, mul(mul(v, sigmoid(v)), 1.0 - mul(t, t)));
}
PC_RULE(MishBackward0, mish, mul(g, mish_slope(v)))
}  // namespace
static Tensor mish(const Tensor& input) {
  return activate<MishBackward0>(Unary::mish, "mish_cpu", input);
}
static Tensor nn_mish(const Tensor& input, bool inplace) {
  return inplace ? call_inplace_as<mish, kPointwise>(input) : mish(input);
}
PYCORE_OP("nn.mish(Tensor input, bool inplace=False) -> Tensor", nn_mish, kPlain, R"(
``x * tanh(softplus(x))`` (Misra 2019).

>>> pycore.nn.functional.mish(pycore.tensor([-1., 1.]))
tensor([-0.3034,  0.8651])
)");

namespace {
PC_RULE(LogSigmoidBackward0, logsigmoid, mul(g, sigmoid(neg(v))))
}
Tensor logsigmoid(const Tensor& input) {
  const auto compute = [&] {
    return activate<LogSigmoidBackward0>(Unary::logsigmoid, "log_sigmoid_cpu", input);
  };
  // Row-major, as in PyTorch.
  return input->standard ? compute() : made_in(empty(input.sizes(), input.dtype()), compute);
}
PYCORE_OP("nn.logsigmoid(Tensor input) -> Tensor", logsigmoid, kPlain, R"(
``log(sigmoid(x))`` without overflow.

>>> pycore.nn.functional.logsigmoid(pycore.tensor([0., 30.]))
tensor([-6.9315e-01, -9.3576e-14])
)");

namespace {
struct SoftsignBackward0 {
  static constexpr const char* name = "DivBackward0";  // PyTorch composes it
  Saved saved;
  void operator()(Backward& b) {
    const Tensor x = b.get(saved);
    if (!grad_enabled()) return b.set(0, gradient_pointwise(Gradient::softsign, b.grad(), x));
    Tensor d = add(abs(x), 1.0);
    b.set(0, div(b.grad(), mul(d, d)));
  }
};
}  // namespace
static Tensor softsign(const Tensor& input) {
  Tensor out = unary_pointwise(Unary::softsign, input, to_floating(input.dtype()));
  if (recording(input)) record(out, SoftsignBackward0{Saved(input)}, input);
  return out;
}
PYCORE_OP("nn.softsign(Tensor input) -> Tensor", softsign, kPlain, R"(
``x / (1 + |x|)``.

>>> pycore.nn.functional.softsign(pycore.tensor([-1., 3.]))
tensor([-0.5000,  0.7500])
)");
static Tensor tanhshrink(const Tensor& input) { return sub(input, tanh(input)); }
PYCORE_OP("nn.tanhshrink(Tensor input) -> Tensor", tanhshrink, kPlain, R"(
``x - tanh(x)``.

>>> pycore.nn.functional.tanhshrink(pycore.tensor([0., 1.]))
tensor([0.0000, 0.2384])
)");
PYCORE_OP("nn.sigmoid(Tensor input) -> Tensor", sigmoid, kPlain, R"(
See :func:`pycore.sigmoid`.

>>> pycore.nn.functional.sigmoid(pycore.zeros(2))
tensor([0.5000, 0.5000])
)");
PYCORE_OP("nn.tanh(Tensor input) -> Tensor", tanh, kPlain, R"(
See :func:`pycore.tanh`.

>>> pycore.nn.functional.tanh(pycore.zeros(2))
tensor([0., 0.])
)");

// --- thresholds
// ----------------------------------------------------------------------------------------

namespace {
PC_RULE(HardshrinkBackward0, hardshrink, stepwise(b, 0, where(le(abs(v), p[0]), 0.0, g)))
PC_RULE(SoftshrinkBackward0, hardshrink, stepwise(b, 0, where(le(abs(v), p[0]), 0.0, g)))
PC_RULE(ThresholdBackward0, threshold, stepwise(b, 0, where(le(v, p[0]), 0.0, g)))
}  // namespace
static Tensor hardshrink(const Tensor& input, double lambd) {
  return activate<HardshrinkBackward0>(Unary::hardshrink, "hardshrink_cpu", input, lambd);
}
PYCORE_OP("hardshrink(Tensor input, float lambd=0.5) -> Tensor", hardshrink, kFunction | kMethod,
          "See :func:`pycore.nn.functional.hardshrink`.");
PYCORE_OP("nn.hardshrink(Tensor input, float lambd=0.5) -> Tensor", hardshrink, kPlain, R"(
``x`` where ``|x| > lambd``, else 0.

>>> pycore.nn.functional.hardshrink(pycore.tensor([-1., 0.2]))
tensor([-1.,  0.])
)");
static Tensor softshrink(const Tensor& input, double lambd) {
  check_floating(input, "softshrink_check");
  PC_CHECK(lambd >= 0, "lambda must be in range [0, ",
           input.dtype() == DType::float64 ? 1.7976931348623157e308 : 3.40282e+38,
           "] for input dtype ", scalar_type_name(input.dtype()), ", but found ", lambd);
  return activate<SoftshrinkBackward0>(Unary::softshrink, "softshrink_cpu", input, lambd);
}
PYCORE_OP("nn.softshrink(Tensor input, float lambd=0.5) -> Tensor", softshrink, kPlain, R"(
``x`` moved towards zero by ``lambd``, 0 where ``|x| <= lambd``.

>>> pycore.nn.functional.softshrink(pycore.tensor([-1., 0.2]))
tensor([-0.5000,  0.0000])
)");
static Tensor threshold(const Tensor& input, double threshold, double value) {
  if (!input.is_floating())
    return to_dtype(where(le(input, threshold), Scalar(static_cast<int64_t>(value)), input),
                    input.dtype());
  return activate<ThresholdBackward0>(Unary::threshold, "threshold_cpu", input, threshold, value);
}
PYCORE_OP("threshold(Tensor input, float threshold, float value) -> Tensor", threshold,
          kFunction | kInplace | kPointwise, "See :func:`pycore.nn.functional.threshold`.");
static Tensor nn_threshold(const Tensor& input, double limit, double value, bool inplace) {
  return inplace ? call_inplace_as<threshold, kPointwise>(input, limit, value)
                 : threshold(input, limit, value);
}
PYCORE_OP("nn.threshold(Tensor input, float threshold, float value, bool inplace=False) -> Tensor",
          nn_threshold, kPlain, R"(
``x`` where above ``threshold``, else ``value``.

>>> pycore.nn.functional.threshold(pycore.tensor([-1., 2.]), 0., 9.)
tensor([9., 2.])
)");

// --- learned and gated
// ---------------------------------------------------------------------------------

namespace {
struct PreluKernelBackward0 {
  static constexpr const char* name = "PreluKernelBackward0";
  Saved input, weight;
  ToInput to_weight;
  void operator()(Backward& b) {
    const Tensor x = b.get(input), w = b.get(weight);
    const Tensor& g = b.grad();
    const Tensor positive = gt(x, 0.0);
    if (b.needs(0)) b.set(0, stepwise(b, 0, where(positive, g, mul(g, w))));
    if (b.needs(1)) b.set(1, to_weight(where(positive, 0.0, mul(g, x))));
  }
};
}  // namespace
static Tensor prelu(const Tensor& input, const Tensor& weight) {
  PC_CHECK(input.dtype() == weight.dtype(), "prelu: Type promoting not supported. Got ",
           scalar_type_name(input.dtype()), " and ", scalar_type_name(weight.dtype()));
  Tensor w = weight;
  if (weight.numel() != 1) {
    PC_CHECK(input.dim() > 0, "Not allow zero-dim input tensor.");
    const int64_t channels = input.dim() >= 2 ? input.sizes()[1] : 1;
    PC_CHECK(channels == weight.numel(),
             "Mismatch of parameter numbers and input channel size. Found parameter numbers = ",
             weight.numel(), " and channel size = ", channels, ".");
  }
  PC_CHECK(weight.dim() <= 1,
           "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = ", weight.dim());
  Dims shape(input.dim(), 1);
  if (input.dim() >= 2) shape[1] = weight.numel();
  w = reshape(weight, shape);
  Tensor out;
  {
    GradGuard off(false);
    out = where(gt(input, 0.0), input, mul(input, w));
  }
  if (recording(input, w))
    record(out, PreluKernelBackward0{Saved(input), Saved(w), ToInput(w, out)}, input, w);
  return out;
}
PYCORE_OP("prelu(Tensor input, Tensor weight) -> Tensor", prelu, kFunction | kMethod,
          "See :func:`pycore.nn.functional.prelu`.");
PYCORE_OP("nn.prelu(Tensor input, Tensor weight) -> Tensor", prelu, kPlain, R"(
Leaky relu with a learned slope: one number, or one per channel (dimension 1) (He et al. 2015).

>>> pycore.nn.functional.prelu(pycore.tensor([-2., 2.]), pycore.tensor([0.25]))
tensor([-0.5000,  2.0000])
)");

static Tensor glu(const Tensor& input, int64_t dim) {
  PC_CHECK(input.dim() > 0, "glu does not support scalars because halving size must be even");
  check_floating(input, "glu_cpu");
  dim = wrap_dim(dim, input.dim());
  const int64_t size = input.sizes()[dim];
  PC_CHECK(size % 2 == 0, "Halving dimension must be even, but dimension ", dim, " is size ", size);
  return mul(narrow(input, dim, 0, size / 2), sigmoid(narrow(input, dim, size / 2, size / 2)));
}
PYCORE_OP("nn.glu(Tensor input, int dim=-1) -> Tensor", glu, kPlain, R"(
Gated linear unit: the first half along ``dim`` times the sigmoid of the second (Dauphin et al. 2016).

>>> pycore.nn.functional.glu(pycore.tensor([2., 0.]))
tensor([1.])
)");

}  // namespace pycore
