// Selecting by a mask: where, masked_fill. Must not know Python.
#include <bit>

#include "kernels/select.h"
#include "ops/indexing.h"
#include "ops/ops.h"

namespace pycore {
namespace {

struct WhereBackward0 {
  static constexpr const char* name = "WhereBackward0";
  ToInput to_a, to_b;
  Saved condition;
  void operator()(Backward& w) {
    Tensor c = w.get(condition);
    if (w.needs(0)) w.set(0, to_a(where(c, w.grad(), 0.0)));
    if (w.needs(1)) w.set(1, to_b(where(c, 0.0, w.grad())));
  }
};

PointwiseKernel where_kernel(DType t) {
  PointwiseKernel k;
  k.run = [](const PointwiseKernel& self, char* const* in, char* out, int64_t n, const int64_t* s,
             int64_t so) {
    using Fn = void (*)(const uint8_t*, const void*, const void*, void*, int64_t, int64_t, int64_t,
                        int64_t, int64_t);
    reinterpret_cast<Fn>(const_cast<void*>(self.fn))(reinterpret_cast<const uint8_t*>(in[0]), in[1],
                                                     in[2], out, n, s[0], s[1], s[2], so);
  };
  k.fn = reinterpret_cast<const void*>(
      kernels_now().select->where[std::countr_zero(static_cast<unsigned>(item_size(t)))]);
  k.inputs = 3;
  k.in[0] = DType::bool_;
  k.in[1] = k.in[2] = k.out = t;
  return k;
}

}  // namespace

void where_data(const Tensor& out, const Tensor& condition, const Tensor& a, const Tensor& b) {
  const PointwiseArg args[3] = {condition, a, b};
  run_pointwise(where_kernel(out.dtype()), out, args);
}

Tensor where(const Tensor& condition, const Operand& a, const Operand& b) {
  PC_CHECK(condition.dtype() == DType::bool_ || condition.dtype() == DType::uint8,
           "where expected condition to be a boolean tensor, but got a tensor with dtype ",
           scalar_type_name(condition.dtype()));
  DType dtype = result_type(a, b);
  // A number stands as a 0-d tensor of the result's dtype.
  Tensor x = a.is_tensor() ? a.tensor() : scalar_tensor(a.scalar(), dtype);
  Tensor y = b.is_tensor() ? b.tensor() : scalar_tensor(b.scalar(), dtype);
  Dims shape = broadcast_shapes(broadcast_shapes(x.sizes(), y.sizes()), condition.sizes());
  PointwiseArg operands[3] = {condition, x, y};
  operands[0].dtype = dtype;  // is not converted
  Tensor out = empty_result(shape, dtype, operands, dtype);
  where_data(out, condition, x, y);
  if (recording(tensor_or_none(a), tensor_or_none(b)))
    record(out, WhereBackward0{ToInput(x, out), ToInput(y, out), Saved(condition)},
           tensor_or_none(a), tensor_or_none(b));
  return out;
}
PYCORE_OP("where(Tensor condition, Tensor|Scalar input, Tensor|Scalar other) -> Tensor", where,
          kFunction, R"(
Elements of ``input`` where ``condition`` is true, of ``other`` elsewhere. Shapes broadcast, dtypes promote.

>>> pycore.where(pycore.tensor([True, False]), 1.0, pycore.tensor([5., 6.]))
tensor([1., 6.])
)");
static Tensor where_method(const Tensor& input, const Tensor& condition, const Operand& other) {
  return where(condition, input, other);
}
PYCORE_OP("where(Tensor input, Tensor condition, Tensor|Scalar other) -> Tensor", where_method,
          kMethod, "");

// --- masked_fill
// ---------------------------------------------------------------------------------------------------------

namespace {
struct MaskedFillBackward0 {
  static constexpr const char* name = "MaskedFillBackward0";
  ToInput to_input, to_value;
  Saved mask;
  void operator()(Backward& b) {
    Tensor m = b.get(mask);
    if (b.needs(0)) b.set(0, to_input(where(m, 0.0, b.grad())));
    if (b.needs(1)) b.set(1, to_value(where(m, b.grad(), 0.0)));
  }
};
}  // namespace

static Tensor masked_fill(const Tensor& input, const Tensor& mask, const Operand& value) {
  PC_CHECK(mask.dtype() == DType::bool_,
           "masked_fill_ only supports boolean masks, but got mask with dtype ",
           name(mask.dtype()));
  PC_CHECK(!value.is_tensor() || value.tensor().dim() == 0,
           "masked_fill only supports a 0-dimensional value tensor, but got tensor with ",
           value.is_tensor() ? value.tensor().dim() : 0, " dimension(s).");
  Tensor v = as_tensor(value, input.dtype());
  // Row-major whatever the operands, as in PyTorch.
  Tensor out =
      empty_result(broadcast_shapes(input.sizes(), mask.sizes()), input.dtype(), {}, input.dtype());
  where_data(out, mask, v, input);
  if (recording(input, tensor_or_none(value)))
    record(out,
           MaskedFillBackward0{ToInput(input, out),
                               value.is_tensor() ? ToInput(value.tensor(), out) : ToInput(),
                               Saved(mask)},
           input, tensor_or_none(value));
  return out;
}
PYCORE_OP("masked_fill(Tensor input, Tensor mask, Tensor|Scalar value) -> Tensor", masked_fill,
          kFunction | kMethod | kInplace | kPointwise | kOverwritable, R"(
The tensor with ``value`` wherever ``mask`` is true.

>>> pycore.masked_fill(pycore.tensor([1., 2.]), pycore.tensor([True, False]), 9)
tensor([9., 2.])
)");

}  // namespace pycore
