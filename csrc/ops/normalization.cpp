// Layer, RMS and group normalisation: forward and derivative of each side by side. Must not know
// Python.
#include "kernels/norm.h"
#include "ops/norm_support.h"

namespace pycore {
namespace {

// The last dimensions of x, over which layer and RMS norm run, and the others.
struct RowShape {
  int64_t rows = 1, n = 1;
  Dims normalized, leading;  // dimension numbers
  RowShape(const Tensor& x, int64_t count) {
    for (int64_t i = 0; i < x.dim(); ++i) {
      const bool last = i >= x.dim() - count;
      (last ? n : rows) *= x.sizes()[i];
      (last ? normalized : leading).push_back(i);
    }
  }
};

// Both rules keep the statistics of the rows, in the dtype that is computed in.
struct RowRule {
  Saved input, weight;
  Tensor mean, rstd;
  int64_t dims = 1;
  double eps = 1e-5;

  template <bool kCenter>
  void run(Backward& b) const {
    const Tensor x = b.get(input), w = b.get(weight);
    const Tensor& g = b.grad();
    const RowShape shape(x, dims);
    if (grad_enabled()) return composite<kCenter>(b, shape, x, w);
    const DType compute = compute_dtype(x.dtype());
    const Tensor xc = kernel_input(x, compute), gc = kernel_input(g, compute),
                 wc = kernel_input(w, compute);
    Dims tail;
    for (int64_t i : shape.normalized) tail.push_back(x.sizes()[i]);
    Tensor dx, dw, db;
    void* px = made_or_null(b.needs(0), dx, x.sizes(), compute);
    void* pw = made_or_null(b.needs(1), dw, tail, compute);
    const auto& k = *kernels_for(kCenter ? "layer_norm" : "rms_norm", compute).norm;
    const int d = static_cast<int>(compute);
    if constexpr (kCenter) {
      void* pb = made_or_null(b.needs(2), db, tail, compute);
      k.layer_norm_backward[d](context_for(x), gc->data, xc->data, data_or_null(wc), mean->data,
                               rstd->data, px, pw, pb, shape.rows, shape.n);
    } else {
      k.rms_norm_backward[d](context_for(x), gc->data, xc->data, data_or_null(wc), rstd->data, px,
                             pw, shape.rows, shape.n);
    }
    const DType of_parameters = w.defined() ? w.dtype() : compute;
    if (px) b.set(0, kernel_output(dx, x.dtype()));
    if (pw) b.set(1, kernel_output(dw, of_parameters));
    if (db.defined()) b.set(2, kernel_output(db, of_parameters));
  }

 private:
  template <bool kCenter>
  void composite(Backward& b, const RowShape& shape, const Tensor& input,
                 const Tensor& weight) const {
    const Tensor x = widened(input), w = widened(weight), g = widened(b.grad());
    const Normalized z = Normalized::of(x, shape.normalized, eps, kCenter);
    const auto of_parameter = [&](const Tensor& t) {
      return to_dtype(shape.leading.empty() ? t : sum_dims(t, shape.leading, false),
                      weight.defined() ? weight.dtype() : t.dtype());
    };
    if (b.needs(0)) {
      b.set(0, to_dtype(z.gradient(mul_or_same(g, w), shape.normalized, kCenter), input.dtype()));
    }
    if (b.needs(1)) b.set(1, of_parameter(mul(g, z.hat)));
    if (kCenter && b.needs(2)) b.set(2, of_parameter(g));
  }
};
struct NativeLayerNormBackward0 : RowRule {
  static constexpr const char* name = "NativeLayerNormBackward0";
  void operator()(Backward& b) { run<true>(b); }
};
struct RmsNormBackward : RowRule {
  static constexpr const char* name = "MulBackward0";  // PyTorch composes it
  void operator()(Backward& b) { run<false>(b); }
};

Dims list(IntSpan s) { return Dims(s); }

void check_rows(const Tensor& input, IntSpan normalized_shape, const Tensor& weight,
                const Tensor& bias) {
  PC_CHECK(!normalized_shape.empty(),
           "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
           "element, but got normalized_shape = []");
  PC_CHECK(!weight.defined() || same(weight.sizes(), normalized_shape),
           "Expected weight to be of same shape as normalized_shape, but got weight of shape ",
           weight.defined() ? weight.sizes() : Dims(),
           " and normalized_shape = ", list(normalized_shape));
  PC_CHECK(!bias.defined() || same(bias.sizes(), normalized_shape),
           "Expected bias to be of same shape as normalized_shape, but got bias of shape ",
           bias.defined() ? bias.sizes() : Dims(),
           " and normalized_shape = ", list(normalized_shape));
  const int64_t k = static_cast<int64_t>(normalized_shape.size());
  bool fits = input.dim() >= k;
  for (int64_t i = 0; fits && i < k; ++i)
    fits = input.sizes()[input.dim() - k + i] == normalized_shape[static_cast<size_t>(i)];
  if (!fits) {
    std::string wanted;
    for (int64_t n : normalized_shape) wanted += str(", ", n);
    fail(ErrorKind::runtime, "Given normalized_shape=", list(normalized_shape),
         ", expected input with shape [*", wanted, "], but got input of size", input.sizes());
  }
  PC_CHECK_IMPLEMENTED(input.is_floating(), "\"LayerNormKernelImpl\" not implemented for '",
                       scalar_type_name(input.dtype()), "'");
  check_parameter_dtype(input, weight);
  check_parameter_dtype(input, bias);
}

template <class Rule, bool kCenter>
Tensor normalize_rows(const Tensor& input, IntSpan normalized_shape, const Tensor& weight,
                      const Tensor& bias, double eps) {
  const int64_t dims = static_cast<int64_t>(normalized_shape.size());
  const RowShape shape(input, dims);
  const DType compute = compute_dtype(input.dtype());
  const Tensor x = kernel_input(input, compute), w = kernel_input(weight, compute),
               b = kernel_input(bias, compute);
  const int64_t per_row[1] = {shape.rows};
  Tensor out = empty(x.sizes(), compute), rstd = empty(per_row, compute), mean;
  const auto& k = *kernels_for(kCenter ? "layer_norm" : "rms_norm", compute).norm;
  const int d = static_cast<int>(compute);
  if constexpr (kCenter) {
    mean = empty(per_row, compute);
    k.layer_norm[d](context_for(x), x->data, data_or_null(w), data_or_null(b), out->data,
                    mean->data, rstd->data, shape.rows, shape.n, eps);
  } else {
    k.rms_norm[d](context_for(x), x->data, data_or_null(w), out->data, rstd->data, shape.rows,
                  shape.n, eps);
  }
  out = kernel_output(out, input.dtype());
  if (recording(input, weight, bias))
    record(out, Rule{{Saved(input), Saved(weight), mean, rstd, dims, eps}}, input, weight, bias);
  return out;
}

}  // namespace

Tensor layer_norm(const Tensor& input, IntSpan normalized_shape, const Tensor& weight,
                  const Tensor& bias, double eps) {
  check_rows(input, normalized_shape, weight, bias);
  return normalize_rows<NativeLayerNormBackward0, true>(input, normalized_shape, weight, bias, eps);
}
PYCORE_OP(
    "nn.layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, "
    "Tensor? bias=None, float eps=1e-05) -> Tensor",
    layer_norm, kFunction, R"(
``(x - mean) / sqrt(var + eps) * weight + bias`` with statistics over the last dimensions, which have
the shape ``normalized_shape`` (Ba, Kiros, Hinton 2016).

>>> pycore.nn.functional.layer_norm(pycore.tensor([1., 3.]), (2,))
tensor([-1.0000,  1.0000])
)");

static Tensor rms_norm(const Tensor& input, IntSpan normalized_shape, const Tensor& weight,
                       std::optional<double> eps) {
  check_rows(input, normalized_shape, weight, Tensor());
  // Machine epsilon of the dtype that is computed in.
  const double epsilon = compute_dtype(input.dtype()) == DType::float64 ? 0x1p-52 : 0x1p-23;
  return normalize_rows<RmsNormBackward, false>(input, normalized_shape, weight, Tensor(),
                                                eps.value_or(epsilon));
}
PYCORE_OP(
    "nn.rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> "
    "Tensor",
    rms_norm, kFunction, R"(
``x / sqrt(mean(x^2) + eps) * weight`` over the last dimensions (Zhang, Sennrich 2019); ``eps`` is the
machine epsilon when not given.

>>> pycore.nn.functional.rms_norm(pycore.tensor([3., 3.]), (2,))
tensor([1., 1.])
)");

// --- group norm
// ----------------------------------------------------------------------------------------------

namespace {
struct NativeGroupNormBackward0 {
  static constexpr const char* name = "NativeGroupNormBackward0";
  Saved input, weight;
  Tensor mean, rstd;
  int64_t groups = 1;
  double eps = 1e-5;

  void operator()(Backward& b) {
    const Tensor x = b.get(input), w = b.get(weight);
    const Tensor& g = b.grad();
    const int64_t n = x.sizes()[0], c = x.sizes()[1];
    const int64_t s = n * c == 0 ? 0 : x.numel() / (n * c);
    const DType compute = compute_dtype(x.dtype());
    const DType of_parameters = w.defined() ? w.dtype() : compute;
    if (grad_enabled()) {
      const Dims grouped{n, groups, c / groups * s}, channels{n, c, s};
      const int64_t last[1] = {2}, others[2] = {0, 2};
      const Normalized z = Normalized::of(reshape(widened(x), grouped), last, eps);
      const Tensor gc = reshape(widened(g), channels);
      if (b.needs(0)) {
        const Dims per{1, c, 1};
        const Tensor gw = mul_or_same(gc, w.defined() ? reshape(widened(w), per) : w);
        const Tensor dx = z.gradient(reshape(gw, grouped), last);
        b.set(0, to_dtype(reshape(dx, x.sizes()), x.dtype()));
      }
      if (b.needs(1)) {
        const Tensor dw = sum_dims(mul(gc, reshape(z.hat, channels)), others, false);
        b.set(1, to_dtype(dw, of_parameters));
      }
      if (b.needs(2)) b.set(2, to_dtype(sum_dims(gc, others, false), of_parameters));
      return;
    }
    const Tensor xc = kernel_input(x, compute), gc = kernel_input(g, compute),
                 wc = kernel_input(w, compute);
    const int64_t per[1] = {c};
    Tensor dx, dw, db;
    void* px = made_or_null(b.needs(0), dx, x.sizes(), compute);
    void* pw = made_or_null(b.needs(1), dw, per, compute);
    void* pb = made_or_null(b.needs(2), db, per, compute);
    kernels_for("group_norm", compute)
        .norm->group_norm_backward[static_cast<int>(compute)](
            context_for(x), gc->data, xc->data, data_or_null(wc), mean->data, rstd->data, px, pw,
            pb, n, c, s, groups);
    if (px) b.set(0, kernel_output(dx, x.dtype()));
    if (pw) b.set(1, kernel_output(dw, of_parameters));
    if (pb) b.set(2, kernel_output(db, of_parameters));
  }
};
}  // namespace

static Tensor group_norm(const Tensor& input, int64_t num_groups, const Tensor& weight,
                         const Tensor& bias, double eps) {
  PC_CHECK(input.dim() >= 2, "Expected at least 2 dimensions for input tensor but received ",
           input.dim());
  const int64_t n = input.sizes()[0], c = input.sizes()[1];
  PC_CHECK(num_groups > 0, "Expected num groups to be greater than 0, got ", num_groups);
  PC_CHECK(c % num_groups == 0,
           "Expected number of channels in input to be divisible by num_groups, but got input of "
           "shape ",
           input.sizes(), " and num_groups=", num_groups);
  const auto check = [&](const char* what, const Tensor& t) {
    PC_CHECK(!t.defined() || (t.dim() == 1 && t.numel() == c), "Expected ", what,
             " to be a vector of size equal to the number of channels in input, but got ", what,
             " of shape ", t.defined() ? t.sizes() : Dims(), " and input of shape ", input.sizes());
  };
  check("weight", weight);
  check("bias", bias);
  PC_CHECK_IMPLEMENTED(input.is_floating(), "\"GroupNormKernelImpl\" not implemented for '",
                       scalar_type_name(input.dtype()), "'");
  check_parameter_dtype(input, weight);
  check_parameter_dtype(input, bias);
  const int64_t s = n * c == 0 ? 0 : input.numel() / (n * c);
  if (n == 1 && c / num_groups * s == 1) {
    Dims shape = input.sizes();
    fail(ErrorKind::value, "Expected more than 1 value per channel when training, got input size ",
         shape);
  }
  const DType compute = compute_dtype(input.dtype());
  const Tensor x = kernel_input(input, compute), w = kernel_input(weight, compute),
               b = kernel_input(bias, compute);
  const int64_t per_group[1] = {n * num_groups};
  Tensor out = empty(x.sizes(), compute), mean = empty(per_group, compute),
         rstd = empty(per_group, compute);
  kernels_for("group_norm", compute)
      .norm->group_norm[static_cast<int>(compute)](context_for(x), x->data, data_or_null(w),
                                                   data_or_null(b), out->data, mean->data,
                                                   rstd->data, n, c, s, num_groups, eps);
  out = kernel_output(out, input.dtype());
  if (recording(input, weight, bias))
    record(out, NativeGroupNormBackward0{Saved(input), Saved(weight), mean, rstd, num_groups, eps},
           input, weight, bias);
  return out;
}
PYCORE_OP(
    "nn.group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, "
    "float eps=1e-05) -> Tensor",
    group_norm, kFunction, R"(
Normalises groups of neighbouring channels of (N, C, ...) by their own mean and variance (Wu, He 2018).

>>> pycore.nn.functional.group_norm(pycore.tensor([[1., 3.]]), 1)
tensor([[-1.0000,  1.0000]])
)");

}  // namespace pycore
