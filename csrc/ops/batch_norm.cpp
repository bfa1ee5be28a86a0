// Batch normalisation: forward, running statistics, derivative. Must not know Python.
#include <cmath>

#include "kernels/norm.h"
#include "ops/norm_support.h"

namespace pycore {
namespace {

struct ChannelShape {
  int64_t n, c, s;
  explicit ChannelShape(const Tensor& x) : n(x.sizes()[0]), c(x.sizes()[1]), s(1) {
    for (int64_t i = 2; i < x.dim(); ++i) s *= x.sizes()[i];
  }
};

// A tensor [c] so that it multiplies an input [n, c, ...].
Tensor per_channel(const Tensor& t, const Tensor& x) {
  if (!t.defined()) return t;
  Dims shape(x.dim(), 1);
  shape[1] = t.numel();
  return reshape(t, shape);
}

struct NativeBatchNormBackward0 {
  static constexpr const char* name = "NativeBatchNormBackward0";
  Saved input, weight;
  Tensor mean, rstd;  // ours, in the dtype that is computed in
  double eps = 1e-5;
  bool training = false;

  void operator()(Backward& b) {
    const Tensor x = b.get(input), w = b.get(weight);
    const Tensor& g = b.grad();
    if (grad_enabled()) return composite(b, x, w);
    const ChannelShape shape(x);
    const DType compute = compute_dtype(x.dtype());
    const Tensor xc = kernel_input(x, compute), gc = kernel_input(g, compute),
                 wc = kernel_input(w, compute);
    const int64_t channels[1] = {shape.c};
    Tensor dx, dw, db;
    void* px = made_or_null(b.needs(0), dx, x.sizes(), compute);
    void* pw = made_or_null(b.needs(1), dw, channels, compute);
    void* pb = made_or_null(b.needs(2), db, channels, compute);
    kernels_for("batch_norm", compute)
        .norm->batch_backward[static_cast<int>(compute)](
            context_for(x), gc->data, xc->data, mean->data, rstd->data, data_or_null(wc), px, pw,
            pb, shape.n, shape.c, shape.s, training);
    const DType of_parameters = w.defined() ? w.dtype() : compute;
    if (px) b.set(0, kernel_output(dx, x.dtype()));
    if (pw) b.set(1, kernel_output(dw, of_parameters));
    if (pb) b.set(2, kernel_output(db, of_parameters));
  }

 private:
  void composite(Backward& b, const Tensor& input, const Tensor& weight) const {
    const Tensor x = widened(input), w = widened(weight), g = widened(b.grad());
    Dims dims;
    for (int64_t i = 0; i < x.dim(); ++i)
      if (i != 1) dims.push_back(i);
    Normalized z;
    if (training) {
      z = Normalized::of(x, dims, eps);
    } else {
      z.rstd = per_channel(rstd, x);
      z.hat = mul(sub(x, per_channel(mean, x)), z.rstd);
    }
    const Tensor gw = mul_or_same(g, per_channel(w, x));
    const DType of_parameters = weight.defined() ? weight.dtype() : x.dtype();
    if (b.needs(0))
      b.set(0, to_dtype(training ? z.gradient(gw, dims) : mul(gw, z.rstd), input.dtype()));
    if (b.needs(1)) b.set(1, to_dtype(sum_dims(mul(g, z.hat), dims, false), of_parameters));
    if (b.needs(2)) b.set(2, to_dtype(sum_dims(g, dims, false), of_parameters));
  }
};

// running = (1 - momentum) * running + momentum * value * scale
void update_running(const Tensor& running, const Tensor& value, double momentum, double scale) {
  if (!running.defined()) return;
  const DType compute = compute_dtype(running.dtype());
  const Tensor work = kernel_input(running, compute), v = kernel_input(value, compute);
  const auto update = [&](auto* r, const auto* x) {
    for (int64_t i = 0; i < running.numel(); ++i)
      r[i] = static_cast<std::remove_pointer_t<decltype(r)>>(
          momentum * scale * static_cast<double>(x[i]) +
          (1 - momentum) * static_cast<double>(r[i]));
  };
  if (compute == DType::float64)
    update(work.data<double>(), v.data<double>());
  else
    update(work.data<float>(), v.data<float>());
  if (!work.is(running)) copy_data(running, work);
  running.bump_version();
}

// 1 / sqrt(var + eps)
Tensor reciprocal_std(const Tensor& var, double eps) {
  Tensor out = empty(var.sizes(), var.dtype());
  for (int64_t i = 0; i < var.numel(); ++i) {
    if (var.dtype() == DType::float64)
      out.data<double>()[i] = 1 / std::sqrt(var.data<double>()[i] + eps);
    else
      out.data<float>()[i] = 1 / std::sqrt(var.data<float>()[i] + static_cast<float>(eps));
  }
  return out;
}

void check_channels(const char* what, const Tensor& t, int64_t channels) {
  PC_CHECK(!t.defined() || t.numel() == channels, what, " should contain ", channels,
           " elements not ", t.numel());
}

// Batch normalisation with any eps.
Tensor normalize_channels(const Tensor& input, const Tensor& running_mean,
                          const Tensor& running_var, const Tensor& weight, const Tensor& bias,
                          bool training, double momentum, double eps) {
  const int64_t channels = input.dim() > 1 ? input.sizes()[1] : 0;
  if (training) {
    PC_CHECK_VALUE(input.dim() < 2 || input.numel() != channels || channels == 0,
                   "Expected more than 1 value per channel when training, got input size "
                   "torch.Size(",
                   input.sizes(), ")");
  } else {
    PC_CHECK(running_mean.defined(), "running_mean must be defined in evaluation mode");
    PC_CHECK(running_var.defined(), "running_var must be defined in evaluation mode");
  }
  check_channels("running_mean", running_mean, channels);
  check_channels("running_var", running_var, channels);
  check_channels("weight", weight, channels);
  check_channels("bias", bias, channels);
  PC_CHECK(input.dim() >= 2, "batch_norm: expected at least 2 dimensions, got shape ",
           input.sizes());
  PC_CHECK_IMPLEMENTED(input.is_floating(), "\"batch_norm\" not implemented for '",
                       scalar_type_name(input.dtype()), "'");
  for (const Tensor* t : {&weight, &bias, &running_mean, &running_var})
    check_parameter_dtype(input, *t);

  const ChannelShape shape(input);
  const DType compute = compute_dtype(input.dtype());
  const auto& k = *kernels_for("batch_norm", compute).norm;
  const int d = static_cast<int>(compute);
  const Tensor x = kernel_input(input, input.dtype()), w = kernel_input(weight, compute),
               b = kernel_input(bias, compute);
  const int64_t per[1] = {shape.c};
  Tensor mean, var;
  if (training) {
    const Tensor wide = kernel_input(x, compute);
    mean = empty(per, compute);
    var = empty(per, compute);
    const double count = static_cast<double>(shape.n * shape.s);
    k.batch_stats[d](context_for(x), wide->data, mean->data, var->data, shape.n, shape.c, shape.s);
    if (count > 0) {
      update_running(running_mean, mean, momentum, 1);
      update_running(running_var, var, momentum, count / (count - 1));
    }
  } else {
    mean = kernel_input(running_mean, compute);
    if (mean.is(running_mean) && recording(input, weight, bias))
      mean = clone_data(mean);  // it may change before backward
    var = kernel_input(running_var, compute);
  }
  const Tensor rstd = reciprocal_std(var, eps);
  Tensor out = empty(x.sizes(), x.dtype());
  k.batch_transform[static_cast<int>(x.dtype())](context_for(x), x->data, mean->data, rstd->data,
                                                 data_or_null(w), data_or_null(b), out->data,
                                                 shape.n, shape.c, shape.s);
  if (recording(input, weight, bias))
    record(out, NativeBatchNormBackward0{Saved(input), Saved(weight), mean, rstd, eps, training},
           input, weight, bias);
  return out;
}

// A value per channel once for every sample.
Tensor for_samples(const Tensor& per_channel, int64_t samples) {
  const int64_t times[1] = {samples};
  return per_channel.defined() ? repeat(per_channel, times) : per_channel;
}

}  // namespace

Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var,
                  const Tensor& weight, const Tensor& bias, bool training, double momentum,
                  double eps) {
  PC_CHECK_VALUE(!training || eps > 0, "batch_norm eps must be positive during training, but got ",
                 eps);
  PC_CHECK_VALUE(!(eps < 0), "batch_norm eps must be non-negative, but got ", eps);
  return normalize_channels(input, running_mean, running_var, weight, bias, training, momentum,
                            eps);
}
PYCORE_OP(
    "nn.batch_norm(Tensor input, Tensor? running_mean, Tensor? running_var, "
    "Tensor? weight=None, Tensor? bias=None, bool training=False, float momentum=0.1, "
    "float eps=1e-05) -> Tensor",
    batch_norm, kFunction, R"(
``(x - mean) / sqrt(var + eps) * weight + bias`` for every channel (dimension 1). Training takes the
batch's statistics and moves the running ones towards them (the variance unbiased); evaluation takes
the running ones (Ioffe, Szegedy 2015).

>>> import pycore.nn.functional as F
>>> F.batch_norm(pycore.tensor([[1.], [3.]]), None, None, training=True)
tensor([[-1.0000],
        [ 1.0000]])
)");

static Tensor instance_norm(const Tensor& input, const Tensor& running_mean,
                            const Tensor& running_var, const Tensor& weight, const Tensor& bias,
                            bool use_input_stats, double momentum, double eps) {
  if (!use_input_stats)
    return normalize_channels(input, running_mean, running_var, weight, bias, false, momentum, eps);
  PC_CHECK(input.dim() >= 2, "instance_norm: expected at least 2 dimensions, got shape ",
           input.sizes());
  const int64_t samples = input.sizes()[0], channels = input.sizes()[1];
  PC_CHECK_VALUE(
      input.dim() == 2 || samples == 0 || channels == 0 || input.numel() != samples * channels,
      "Expected more than 1 spatial element when training, got input size torch.Size(",
      input.sizes(), ")");
  check_channels("running_mean", running_mean, channels);
  check_channels("running_var", running_var, channels);
  check_channels("weight", weight, channels);
  check_channels("bias", bias, channels);
  // Every channel of every sample becomes a channel of one big sample.
  Dims folded = input.sizes();
  folded[0] = 1;
  folded[1] = samples * channels;
  Tensor mean, var;
  {
    GradGuard off(false);
    mean = for_samples(running_mean, samples);
    var = for_samples(running_var, samples);
  }
  const Tensor out =
      normalize_channels(reshape(input, folded), mean, var, for_samples(weight, samples),
                         for_samples(bias, samples), true, momentum, eps);
  if (mean.defined() || var.defined()) {
    GradGuard off(false);
    const int64_t pairs[2] = {samples, channels}, first[1] = {0};
    if (mean.defined()) copy_(running_mean, mean_dims(reshape(mean, pairs), first, false));
    if (var.defined()) copy_(running_var, mean_dims(reshape(var, pairs), first, false));
  }
  return reshape(out, input.sizes());
}
PYCORE_OP(
    "nn.instance_norm(Tensor input, Tensor? running_mean=None, Tensor? running_var=None, "
    "Tensor? weight=None, Tensor? bias=None, bool use_input_stats=True, float momentum=0.1, "
    "float eps=1e-05) -> Tensor",
    instance_norm, kFunction, R"(
Normalise every channel of every sample of ``(N, C, *)`` by its own mean and variance, then scale
and shift by ``weight`` and ``bias`` of shape ``(C)`` (Ulyanov, Vedaldi, Lempitsky 2016). Running
statistics are moved towards the mean over the batch, and used instead of the input's own when
``use_input_stats`` is False.

>>> pycore.nn.functional.instance_norm(pycore.tensor([[[1., 3.]]]))
tensor([[[-1.0000,  1.0000]]])
)");

}  // namespace pycore
