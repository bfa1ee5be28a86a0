// Softmax and log-softmax: forward and derivative of each side by side. Must not know Python.
#include "kernels/softmax.h"

#include "core/parallel.h"
#include "ops/kernel_support.h"
#include "ops/ops.h"

namespace pycore {
namespace {

using kernels::SoftmaxKernels;

template <class Fn>
Tensor run_forward(const Fn* table, const Tensor& input, int64_t dim) {
  const Tensor x = kernel_input(input);
  const Slices s(x, dim);
  explain_kernel("softmax", x.dtype());
  Tensor out = empty(x.sizes(), x.dtype());
  table[static_cast<int>(x.dtype())](context_for(x), x->data, out->data, s.outer, s.n, s.inner);
  return kernel_output(out, input.dtype());
}
template <class Fn>
Tensor run_backward(const Fn* table, const Tensor& grad, const Tensor& result, int64_t dim) {
  const Tensor g = kernel_input(grad), y = kernel_input(result);
  const Slices s(y, dim);
  explain_kernel("softmax", y.dtype());
  Tensor out = empty(y.sizes(), y.dtype());
  table[static_cast<int>(y.dtype())](context_for(y), g->data, y->data, out->data, s.outer, s.n,
                                     s.inner);
  return kernel_output(out, result.dtype());
}
const SoftmaxKernels& table() { return *kernels_now().softmax; }

struct SoftmaxBackward0 {
  static constexpr const char* name = "SoftmaxBackward0";
  Saved result;
  int64_t dim = 0;
  void operator()(Backward& b) {
    Tensor y = b.get(result);
    const Tensor& g = b.grad();
    if (!grad_enabled()) return b.set(0, run_backward(table().softmax_backward, g, y, dim));
    const int64_t dims[1] = {dim};
    const DType dtype = y.dtype();
    y = to_dtype(y, compute_dtype(dtype));  // like the kernel, rounds once
    const Tensor gy = mul(to_dtype(g, y.dtype()), y);
    const Tensor dx = sub(gy, mul(y, y.dim() == 0 ? gy : sum_dims(gy, dims, true)));
    b.set(0, to_dtype(dx, dtype));
  }
};
struct LogSoftmaxBackward0 {
  static constexpr const char* name = "LogSoftmaxBackward0";
  Saved result;
  int64_t dim = 0;
  void operator()(Backward& b) {
    const Tensor y = b.get(result);
    Tensor g = b.grad();
    if (!grad_enabled()) return b.set(0, run_backward(table().log_softmax_backward, g, y, dim));
    const int64_t dims[1] = {dim};
    g = to_dtype(g, compute_dtype(y.dtype()));
    const Tensor sum = y.dim() == 0 ? g : sum_dims(g, dims, true);
    b.set(0, to_dtype(sub(g, mul(exp(to_dtype(y, g.dtype())), sum)), y.dtype()));
  }
};

Tensor prepared(const Tensor& input, std::optional<DType> dtype, const char* kernel) {
  Tensor x = dtype ? to_dtype(input, *dtype) : input;
  PC_CHECK_IMPLEMENTED(x.is_floating(), "\"", kernel, "\" not implemented for '",
                       scalar_type_name(x.dtype()), "'");
  return x;
}

}  // namespace

Tensor softmax(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  dim = wrap_dim(dim, input.dim());
  const Tensor x = prepared(input, dtype, "softmax_lastdim_kernel_impl");
  Tensor out = run_forward(table().softmax, x, dim);
  if (recording(x)) record(out, SoftmaxBackward0{Saved::output(out), dim}, x);
  return out;
}
PYCORE_OP("softmax(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", softmax,
          kFunction | kMethod | kOut, R"(
``exp(x) / sum(exp(x))`` along ``dim``, without overflow. ``dtype`` converts the input first.

>>> pycore.softmax(pycore.tensor([0., 0., 1.]), 0)
tensor([0.2119, 0.2119, 0.5761])
)");
PYCORE_OP("special.softmax(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", softmax,
          kFunction, "Alias of :func:`softmax`.");

Tensor log_softmax(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  dim = wrap_dim(dim, input.dim());
  const Tensor x = prepared(input, dtype, "log_softmax_lastdim_kernel_impl");
  Tensor out = run_forward(table().log_softmax, x, dim);
  if (recording(x)) record(out, LogSoftmaxBackward0{Saved::output(out), dim}, x);
  return out;
}
PYCORE_OP("log_softmax(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", log_softmax,
          kFunction | kMethod | kOut, R"(
The logarithm of :func:`softmax`, exact where that underflows.

>>> pycore.log_softmax(pycore.tensor([0., 0., 1.]), 0)
tensor([-1.5514, -1.5514, -0.5514])
)");
PYCORE_OP("special.log_softmax(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", log_softmax,
          kFunction, "Alias of :func:`log_softmax`.");

}  // namespace pycore
