// What complex numbers would make interesting and real ones make short: real, conj, adjoint, angle
// ... and positive. Must not know kernels or Python.
#include <numbers>

#include "ops/ops.h"

namespace pycore {
namespace {

constexpr uint32_t kBoth = kFunction | kMethod;

Tensor positive(const Tensor& x) {
  PC_CHECK(x.dtype() != DType::bool_, "The `+` operator, on a bool tensor is not supported.");
  return x;
}
PYCORE_OP("positive(Tensor input) -> Tensor", positive, kBoth, R"(
The tensor itself; RuntimeError for bool.

>>> pycore.positive(pycore.tensor([-1, 2]))
tensor([-1,  2])
)");

Tensor itself(const Tensor& x) { return x; }
PYCORE_OP("real(Tensor input) -> Tensor", itself, kFunction, R"(
The real part: the tensor itself.

>>> pycore.real(pycore.tensor([1., 2.]))
tensor([1., 2.])
)");
PYCORE_OP("conj(Tensor input) -> Tensor", itself, kBoth, R"(
The complex conjugate: the tensor itself.

>>> pycore.conj(pycore.tensor([1., 2.]))
tensor([1., 2.])
)");
PYCORE_OP("conj_physical(Tensor input) -> Tensor", itself, kBoth, "Alias of :func:`conj`.");
PYCORE_OP("resolve_conj(Tensor input) -> Tensor", itself, kBoth,
          "The tensor itself: nothing is conjugated lazily.");
PYCORE_OP("resolve_neg(Tensor input) -> Tensor", itself, kBoth,
          "The tensor itself: nothing is negated lazily.");

Tensor isreal(const Tensor& x) { return full(x.sizes(), true, DType::bool_); }
PYCORE_OP("isreal(Tensor input) -> Tensor", isreal, kBoth, R"(
True for every element.

>>> pycore.isreal(pycore.tensor([1., 2.]))
tensor([True, True])
)");

Tensor adjoint(const Tensor& x) {
  PC_CHECK(x.dim() >= 2 || x.dim() == 0,
           "tensor.adjoint() is only supported on matrices or batches of matrices. Got ", x.dim(),
           "-D tensor.");
  return x.dim() == 0 ? x : transpose(x, -2, -1);
}
PYCORE_OP("adjoint(Tensor input) -> Tensor", adjoint, kBoth, R"(
The transpose of the last two dimensions. RuntimeError for vectors.

>>> pycore.adjoint(pycore.tensor([[1, 2], [3, 4]]))
tensor([[1, 3],
        [2, 4]])
)");

struct AngleBackward0 {
  static constexpr const char* name = "AngleBackward0";
  static constexpr bool saves = false;
  void operator()(Backward& b) { b.set(0, zeros_like(b.grad())); }
};
Tensor angle(const Tensor& x) {
  DType t = to_floating(x.dtype());
  Tensor v = detach(x);
  Tensor out = where(lt(v, 0), scalar_tensor(std::numbers::pi, t), scalar_tensor(0.0, t));
  // NaN has no direction.
  if (x.is_floating()) out = where(eq(v, v), out, v);
  if (recording(x)) record(out, AngleBackward0{}, x);
  return out;
}
PYCORE_OP("angle(Tensor input) -> Tensor", angle, kBoth | kOut, R"(
The angle in the complex plane: 0, or pi for negative numbers; NaN for NaN.

>>> pycore.angle(pycore.tensor([2., -1.]))
tensor([0.0000, 3.1416])
)");

}  // namespace
}  // namespace pycore
