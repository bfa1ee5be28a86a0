// What element-wise operators share: promotion, result allocation, calling the kernels. Must not
// know derivatives.
#include <bit>

#include "kernels/binary.h"
#include "kernels/gradient.h"
#include "kernels/unary.h"
#include "ops/ops.h"

namespace pycore {

static DType combine(DType strong, DType weak) {
  return category(weak) > category(strong) ? promote(strong, weak) : strong;
}

DType result_type(const Operand& a, const Operand& b) {
  if (a.is_tensor() && b.is_tensor()) {
    const Tensor &x = a.tensor(), &y = b.tensor();
    if (x.dtype() == y.dtype()) return x.dtype();
    // A 0-d tensor lifts the category only, like a number.
    if ((x.dim() == 0) == (y.dim() == 0)) return promote(x.dtype(), y.dtype());
    return x.dim() > 0 ? combine(x.dtype(), y.dtype()) : combine(y.dtype(), x.dtype());
  }
  if (a.is_tensor()) return promote_scalar(a.tensor().dtype(), b.scalar());
  if (b.is_tensor()) return promote_scalar(b.tensor().dtype(), a.scalar());
  return promote(a.scalar().tensor_dtype(), b.scalar().tensor_dtype());
}

Tensor empty_result(IntSpan sizes, DType dtype, std::span<const PointwiseArg> operands,
                    DType common) {
  if (t_out_target.tensor) [[unlikely]] {
    const Tensor& target = *std::exchange(t_out_target.tensor, nullptr);
    if (target.dtype() == dtype && same(target.sizes(), sizes)) return alias(target);
  }
  bool standard = true;
  for (const PointwiseArg& a : operands) standard &= a.standard;
  if (standard) [[likely]] {
    Tensor out = empty(sizes, dtype);
    if (out.numel() > 0 || operands.empty()) [[likely]]
      return out;
  }
  return empty_in_order_of(sizes, dtype, operands, common);
}

const Tensor& tensor_or_none(const Operand& o) {
  static const Tensor none;
  return o.is_tensor() ? o.tensor() : none;
}

Tensor as_tensor(const Operand& o, DType t) {
  return o.is_tensor() ? to_dtype(o.tensor(), t) : scalar_tensor(o.scalar(), t);
}

namespace {

// A number becomes one element of the compute dtype next to the call; a tensor is passed on.
struct ArgHolder {
  alignas(8) char bytes[8];
  PointwiseArg arg;
  ArgHolder(const Operand& o, DType compute) {
    if (o.is_tensor()) {
      arg = PointwiseArg(o.tensor());
    } else {
      scalar_bytes(o.scalar(), compute, bytes);
      arg = PointwiseArg(bytes, compute);
    }
  }
  ArgHolder(const ArgHolder&) = delete;
};

template <class Fn>
Fn checked(Fn fn, const char* what, DType t) {
  PC_CHECK_IMPLEMENTED(fn != nullptr, "\"", what, "\" not implemented for '", scalar_type_name(t),
                       "'");
  return fn;
}

Tensor run_binary(kernels::BinaryFn fn, const Operand& a, const Operand& b, DType compute,
                  DType kernel_out, DType result, DType common, const double* params) {
  ArgHolder x(a, compute), y(b, compute);
  const PointwiseArg args[2] = {x.arg, y.arg};
  if (a.is_tensor() && b.is_tensor() && !(a.tensor().sizes() == b.tensor().sizes())) {
    Tensor out = empty_result(broadcast_shapes(a.tensor().sizes(), b.tensor().sizes()), result,
                              args, common);
    run_pointwise(binary_kernel(fn, compute, kernel_out, params), out, args);
    return out;
  }
  Tensor out = empty_result(a.is_tensor()   ? IntSpan(a.tensor().sizes())
                            : b.is_tensor() ? IntSpan(b.tensor().sizes())
                                            : IntSpan(),
                            result, args, common);
  run_pointwise(binary_kernel(fn, compute, kernel_out, params), out, args);
  return out;
}

}  // namespace

Tensor unary_pointwise(kernels::Unary f, const Tensor& a, DType result, const double* params) {
  const auto& kernels = kernels_now().unary->fn[static_cast<int>(f)];
  // A few functions take 16-bit floats as they are.
  const bool as_is = kernels[static_cast<int>(result)] && a.dtype() == result;
  DType compute = as_is ? result : compute_dtype(result);
  auto fn = checked(kernels[static_cast<int>(compute)], "unary operator", result);
  PointwiseArg arg(a);
  Tensor out = empty_result(a.sizes(), result, {&arg, 1}, result);
  run_pointwise(unary_kernel(fn, compute, compute, params), out, &arg);
  return out;
}

Tensor predicate_pointwise(kernels::Predicate f, const Tensor& a) {
  DType compute = compute_dtype(a.dtype());
  auto fn = checked(kernels_now().unary->predicate[static_cast<int>(f)][static_cast<int>(compute)],
                    "predicate", a.dtype());
  PointwiseArg arg(a);
  Tensor out = empty_result(a.sizes(), DType::bool_, {&arg, 1}, a.dtype());
  run_pointwise(unary_kernel(fn, compute, DType::bool_), out, &arg);
  return out;
}

Tensor binary_pointwise(kernels::Binary f, const Operand& a, const Operand& b, DType result,
                        const double* params) {
  DType compute = compute_dtype(result);
  auto fn = checked(kernels_now().binary->fn[static_cast<int>(f)][static_cast<int>(compute)],
                    "binary operator", result);
  return run_binary(fn, a, b, compute, compute, result, result, params);
}

Tensor compare_pointwise(kernels::Compare f, const Operand& a, const Operand& b) {
  DType common = result_type(a, b), compute = compute_dtype(common);
  auto fn = checked(kernels_now().binary->compare[static_cast<int>(f)][static_cast<int>(compute)],
                    "comparison", common);
  return run_binary(fn, a, b, compute, DType::bool_, DType::bool_, common, nullptr);
}

Tensor gradient_pointwise(kernels::Gradient f, const Tensor& dy, const Tensor& v,
                          const double* params) {
  DType compute = compute_dtype(v.dtype());
  auto fn = checked(kernels_now().gradient->fn[static_cast<int>(f)][static_cast<int>(compute)],
                    "gradient", v.dtype());
  return run_binary(fn, dy, v, compute, compute, v.dtype(), v.dtype(), params);
}

}  // namespace pycore
