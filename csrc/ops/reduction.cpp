// Reductions: forward and derivative of each side by side. Must not know Python.
#include "core/reduce.h"

#include "ops/ops.h"

namespace pycore {

using kernels::Reduce;
constexpr uint32_t kReduction = kFunction | kMethod | kOut;

// --- sum -----------------------------------------------------------------------------------------------------------

namespace {
// The gradient of a sum, repeated along the summed dimensions.
struct SumBackward {
  Dims sizes;
  SmallVec<bool, 6> mask;
  bool keepdim = false;
  void operator()(Backward& b) {
    Tensor g = b.grad();
    if (!keepdim && g.dim() != sizes.size()) {
      Dims with_ones;
      for (int64_t i = 0; i < sizes.size(); ++i) with_ones.push_back(mask[i] ? 1 : sizes[i]);
      g = reshape(g, with_ones);
    }
    b.set(0, expand(g, sizes));
  }
};
struct SumBackward0 : SumBackward {
  static constexpr const char* name = "SumBackward0";
  static constexpr bool saves = false;
};
struct SumBackward1 : SumBackward {
  static constexpr const char* name = "SumBackward1";
  static constexpr bool saves = false;
};

Tensor sum_masked(const Tensor& t, const SmallVec<bool, 6>& mask, bool keepdim, std::optional<DType> dtype, bool all) {
  DType result = dtype.value_or(is_floating(t.dtype()) ? t.dtype() : DType::int64);
  Tensor x = dtype && is_floating(*dtype) ? to_dtype(t, *dtype) : t;
  Tensor out = run_reduce(Reduce::sum, x, mask, keepdim, is_floating(x.dtype()) ? x.dtype() : DType::int64);
  if (recording(x)) {
    if (all)
      record(out, SumBackward0{{x.sizes(), mask, keepdim}}, x);
    else
      record(out, SumBackward1{{x.sizes(), mask, keepdim}}, x);
  }
  return to_dtype(out, result);
}
}  // namespace

Tensor sum_all(const Tensor& t) { return sum_masked(t, reduced_dims(t, {}), false, std::nullopt, true); }
Tensor sum_dims(const Tensor& t, IntSpan dims, bool keepdim) {
  return sum_masked(t, reduced_dims(t, dims), keepdim, std::nullopt, false);
}
static Tensor sum_op(const Tensor& t, std::optional<DType> dtype) { return sum_masked(t, reduced_dims(t, {}), false, dtype, true); }
PYCORE_OP("sum(Tensor input, *, dtype? dtype=None) -> Tensor", sum_op, kReduction, R"(
The sum of all elements, or along dimensions. Integers and bool sum to int64. Floats are summed pairwise.

>>> pycore.tensor([[1., 2.], [3., 4.]]).sum()
tensor(10.)
>>> pycore.tensor([[1., 2.], [3., 4.]]).sum(dim=0)
tensor([4., 6.])
)");
static Tensor sum_dim_op(const Tensor& t, std::optional<IntSpan> dim, bool keepdim, std::optional<DType> dtype) {
  return sum_masked(t, reduced_dims(t, dim.value_or(IntSpan())), keepdim, dtype, false);
}
PYCORE_OP("sum(Tensor input, int[1]? dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor", sum_dim_op, kReduction, "");

Tensor sum_to(const Tensor& t, IntSpan shape) {
  if (same(t.sizes(), shape)) return t;
  Dims dims;
  int64_t lead = t.dim() - static_cast<int64_t>(shape.size());
  for (int64_t i = 0; i < t.dim(); ++i)
    if (i < lead || (shape[static_cast<size_t>(i - lead)] == 1 && t.sizes()[i] != 1)) dims.push_back(i);
  Tensor out = dims.empty() ? t : sum_dims(t, dims, true);
  return lead > 0 ? reshape(out, shape) : out;
}

// Undoes broadcasting and promotion for a gradient (declared in autograd/node.h).
Tensor ToInput::operator()(Tensor grad) const {
  if (shape_) grad = sum_to(grad, *shape_);
  return grad.dtype() == dtype_ ? grad : to_dtype(grad, dtype_);
}

}  // namespace pycore
