// Sums, means, products, counts: forward and derivative of each side by side. Must not know Python.
#include "kernels/reduce.h"
#include "ops/reduce_support.h"

namespace pycore {

using kernels::Reduce;
constexpr uint32_t kReduction = kFunction | kMethod | kOut;

// --- sum
// -----------------------------------------------------------------------------------------------------------

namespace {
// The gradient of a sum, repeated along the summed dimensions.
struct SumBackward {
  Reduced reduced;
  void operator()(Backward& b) { b.set(0, reduced.spread(b.grad())); }
};
struct SumBackward0 : SumBackward {
  static constexpr const char* name = "SumBackward0";
  static constexpr bool saves = false;
};
struct SumBackward1 : SumBackward {
  static constexpr const char* name = "SumBackward1";
  static constexpr bool saves = false;
};

// Elements are cast before they are summed or multiplied; from one integer type to another only the
// result needs to be.
Tensor cast_first(const Tensor& t, std::optional<DType> dtype) {
  return dtype && (is_floating(*dtype) || t.is_floating()) ? to_dtype(t, *dtype) : t;
}

Tensor sum_masked(const Tensor& t, const SmallVec<bool, 6>& mask, bool keepdim,
                  std::optional<DType> dtype, bool all) {
  DType result = dtype.value_or(is_floating(t.dtype()) ? t.dtype() : DType::int64);
  Tensor x = cast_first(t, dtype);
  Tensor out =
      run_reduce(Reduce::sum, x, mask, keepdim, is_floating(x.dtype()) ? x.dtype() : DType::int64);
  if (recording(x)) {
    if (all)
      record(out, SumBackward0{{Reduced(x, mask, keepdim)}}, x);
    else
      record(out, SumBackward1{{Reduced(x, mask, keepdim)}}, x);
  }
  return to_dtype(out, result);
}
}  // namespace

Tensor sum_all(const Tensor& t) {
  return sum_masked(t, reduced_dims(t, {}), false, std::nullopt, true);
}
Tensor sum_dims(const Tensor& t, IntSpan dims, bool keepdim) {
  return sum_masked(t, reduced_dims(t, dims), keepdim, std::nullopt, false);
}
static Tensor sum_op(const Tensor& t, std::optional<DType> dtype) {
  return sum_masked(t, reduced_dims(t, {}), false, dtype, true);
}
PYCORE_OP("sum(Tensor input, *, dtype? dtype=None) -> Tensor", sum_op, kReduction, R"(
The sum of all elements, or along dimensions. Integers and bool sum to int64. Floats are summed pairwise.

>>> pycore.tensor([[1., 2.], [3., 4.]]).sum()
tensor(10.)
>>> pycore.tensor([[1., 2.], [3., 4.]]).sum(dim=0)
tensor([4., 6.])
)");
static Tensor sum_dim_op(const Tensor& t, std::optional<IntSpan> dim, bool keepdim,
                         std::optional<DType> dtype) {
  return sum_masked(t, reduced_dims(t, dim.value_or(IntSpan())), keepdim, dtype, false);
}
PYCORE_OP("sum(Tensor input, int[1]? dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
          sum_dim_op, kReduction, "");

Tensor sum_to(const Tensor& t, IntSpan shape) {
  if (same(t.sizes(), shape)) return t;
  Dims dims;
  int64_t lead = t.dim() - static_cast<int64_t>(shape.size());
  for (int64_t i = 0; i < t.dim(); ++i)
    if (i < lead || (shape[static_cast<size_t>(i - lead)] == 1 && t.sizes()[i] != 1))
      dims.push_back(i);
  Tensor out = dims.empty() ? t : sum_dims(t, dims, true);
  return lead > 0 ? reshape(out, shape) : out;
}

// --- mean
// ----------------------------------------------------------------------------------------------------------

namespace {
struct MeanBackward {
  Reduced reduced;
  void operator()(Backward& b) {
    b.set(0, reduced.spread(div(b.grad(), static_cast<double>(reduced.count()))));
  }
};
struct MeanBackward0 : MeanBackward {
  static constexpr const char* name = "MeanBackward0";
  static constexpr bool saves = false;
};
struct MeanBackward1 : MeanBackward {
  static constexpr const char* name = "MeanBackward1";
  static constexpr bool saves = false;
};
Tensor mean_masked(const Tensor& input, DimMask mask, bool keepdim, std::optional<DType> dtype,
                   bool all) {
  const DType result = dtype.value_or(input.dtype());
  PC_CHECK(is_floating(result), "mean(): could not infer output dtype. ",
           dtype ? "Optional dtype must be either a floating point or complex dtype. Got: "
                 : "Input dtype must be either a floating point or complex dtype. Got: ",
           scalar_type_name(result));
  const Tensor x = to_dtype(input, result);
  Tensor out = run_reduce(Reduce::mean, x, mask, keepdim, result);
  if (recording(x)) {
    Reduced reduced(x, std::move(mask), keepdim);
    if (all)
      record(out, MeanBackward0{{std::move(reduced)}}, x);
    else
      record(out, MeanBackward1{{std::move(reduced)}}, x);
  }
  return out;
}
}  // namespace

Tensor mean_all(const Tensor& x) { return mean_masked(x, all_dims(x), false, std::nullopt, true); }
Tensor mean_dims(const Tensor& x, IntSpan dims, bool keepdim) {
  return mean_masked(x, reduced_dims(x, dims), keepdim, std::nullopt, false);
}
static Tensor mean_op(const Tensor& x, std::optional<DType> dtype) {
  return mean_masked(x, all_dims(x), false, dtype, true);
}
PYCORE_OP("mean(Tensor input, *, dtype? dtype=None) -> Tensor", mean_op, kReduction, R"(
The mean of all elements, or along dimensions; of floating dtypes only. NaN for no elements.

>>> pycore.tensor([[1., 2.], [3., 4.]]).mean()
tensor(2.5000)
>>> pycore.tensor([[1., 2.], [3., 4.]]).mean(dim=0)
tensor([2., 3.])
)");
static Tensor mean_dim_op(const Tensor& x, std::optional<IntSpan> dim, bool keepdim,
                          std::optional<DType> dtype) {
  return mean_masked(x, reduced_dims(x, dim.value_or(IntSpan())), keepdim, dtype, false);
}
PYCORE_OP("mean(Tensor input, int[1]? dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
          mean_dim_op, kReduction, "");

// --- sums that skip NaN
// ----------------------------------------------------------------------------------------------

namespace {
struct NansumBackward0 {
  static constexpr const char* name = "NansumBackward0";
  Saved input;
  Reduced reduced;
  void operator()(Backward& b) {
    const Tensor x = detach(b.get(input));
    b.set(0, where(eq(x, x), reduced.spread(b.grad()), 0.0));
  }
};
Tensor nansum_masked(const Tensor& input, DimMask mask, bool keepdim, std::optional<DType> dtype) {
  const Tensor x = dtype ? to_dtype(input, *dtype) : input;
  if (!x.is_floating()) return sum_masked(x, mask, keepdim, dtype, false);
  Tensor out = run_reduce(Reduce::nansum, x, mask, keepdim, x.dtype());
  if (recording(x)) record(out, NansumBackward0{Saved(x), Reduced(x, std::move(mask), keepdim)}, x);
  return out;
}
}  // namespace
static Tensor nansum(const Tensor& x, std::optional<IntSpan> dim, bool keepdim,
                     std::optional<DType> dtype) {
  return nansum_masked(x, reduced_dims(x, dim.value_or(IntSpan())), keepdim, dtype);
}
PYCORE_OP(
    "nansum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> "
    "Tensor",
    nansum, kReduction, R"(
The sum of all elements that are not NaN.

>>> pycore.tensor([1., float('nan'), 2.]).nansum()
tensor(3.)
)");
static Tensor nanmean(const Tensor& x, std::optional<IntSpan> dim, bool keepdim,
                      std::optional<DType> dtype) {
  PC_CHECK(x.is_floating(),
           "nanmean(): expected input to have floating point or complex dtype but got ",
           scalar_type_name(x.dtype()));
  const Tensor v = detach(x);
  const Tensor count = sum_dims(to_dtype(eq(v, v), x.dtype()), dim.value_or(IntSpan()), keepdim);
  return div(nansum(x, dim, keepdim, dtype), count);
}
PYCORE_OP(
    "nanmean(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> "
    "Tensor",
    nanmean, kReduction, R"(
The mean of all elements that are not NaN.

>>> pycore.tensor([1., float('nan'), 2.]).nanmean()
tensor(1.5000)
)");

// --- products
// ----------------------------------------------------------------------------------------------------------

namespace {
Tensor prod_masked(const Tensor& input, DimMask mask, bool keepdim, std::optional<DType> dtype,
                   bool all);

// The product of all others, for every element along the last dimension of x: an (n, n) product
// with ones on the diagonal. Only where zeros forbid to divide.
Tensor products_without(const Tensor& x) {
  const int64_t n = x.sizes().back();
  Dims shape = x.sizes();
  shape.push_back(n);
  const Tensor diagonal = square_mask(n, [](int64_t i, int64_t k) { return i == k; });
  const Tensor table = where(diagonal, 1.0, expand(unsqueeze(x, -2), shape));
  return prod_masked(table, one_dim(table, -1), false, std::nullopt, false);
}
bool has_zero(const Tensor& x) {
  GradGuard off(false);
  const Tensor zero = run_reduce(Reduce::all, x, all_dims(x), false, DType::bool_);
  return zero->data[0] == 0;
}

struct ProdBackward {
  Saved input, result;
  Reduced reduced;
  void operator()(Backward& b) {
    const Tensor x = b.get(input), g = reduced.with_ones(b.grad());
    if (x.dim() == 0) return b.set(0, b.grad());
    if (x.numel() == 0) return b.set(0, zeros_like(x));
    if (!has_zero(x)) return b.set(0, div(mul(g, reduced.with_ones(b.get(result))), x));
    // One dimension at a time, moved to the end.
    const Dims dims = reduced.dims();
    if (dims.size() == 1)
      return b.set(0, mul(g, transpose(products_without(transpose(x, dims[0], -1)), dims[0], -1)));
    const int64_t flat[1] = {x.numel()};
    b.set(0, mul(g, reshape(products_without(reshape(x, flat)), x.sizes())));
  }
};
struct ProdBackward0 : ProdBackward {
  static constexpr const char* name = "ProdBackward0";
};
struct ProdBackward1 : ProdBackward {
  static constexpr const char* name = "ProdBackward1";
};

Tensor prod_masked(const Tensor& input, DimMask mask, bool keepdim, std::optional<DType> dtype,
                   bool all) {
  const DType result = dtype.value_or(input.is_floating() ? input.dtype() : DType::int64);
  const Tensor x = cast_first(input, dtype);
  Tensor out =
      run_reduce(Reduce::prod, x, mask, keepdim, is_floating(result) ? result : DType::int64);
  if (recording(x)) {
    Reduced reduced(x, std::move(mask), keepdim);
    if (all)
      record(out, ProdBackward0{{Saved(x), Saved::output(out), std::move(reduced)}}, x);
    else
      record(out, ProdBackward1{{Saved(x), Saved::output(out), std::move(reduced)}}, x);
  }
  return to_dtype(out, result);
}
}  // namespace
static Tensor prod_op(const Tensor& x, std::optional<DType> dtype) {
  return prod_masked(x, all_dims(x), false, dtype, true);
}
PYCORE_OP("prod(Tensor input, *, dtype? dtype=None) -> Tensor", prod_op, kReduction, R"(
The product of all elements, or along a dimension.

>>> pycore.tensor([[1., 2.], [3., 4.]]).prod()
tensor(24.)
)");
static Tensor prod_dim_op(const Tensor& x, int64_t dim, bool keepdim, std::optional<DType> dtype) {
  return prod_masked(x, one_dim(x, dim), keepdim, dtype, false);
}
PYCORE_OP("prod(Tensor input, int dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
          prod_dim_op, kReduction, "");

// --- truth and counts
// ----------------------------------------------------------------------------------------------------

static Tensor truth(Reduce f, const Tensor& x, const DimMask& mask, bool keepdim) {
  Tensor out = run_reduce(f, x, mask, keepdim, DType::bool_);
  return x.dtype() == DType::uint8 ? to_dtype(out, DType::uint8) : out;  // as PyTorch
}
static Tensor any_op(const Tensor& x) { return truth(Reduce::any, x, all_dims(x), false); }
static Tensor any_dim(const Tensor& x, std::optional<IntSpan> dim, bool keepdim) {
  return truth(Reduce::any, x, reduced_dims(x, dim.value_or(IntSpan())), keepdim);
}
static Tensor all_op(const Tensor& x) { return truth(Reduce::all, x, all_dims(x), false); }
static Tensor all_dim(const Tensor& x, std::optional<IntSpan> dim, bool keepdim) {
  return truth(Reduce::all, x, reduced_dims(x, dim.value_or(IntSpan())), keepdim);
}
PYCORE_OP("any(Tensor input) -> Tensor", any_op, kReduction, R"(
True if any element is nonzero, over all elements or along dimensions.

>>> pycore.tensor([0, 3]).any()
tensor(True)
)");
PYCORE_OP("any(Tensor input, int[1]? dim, bool keepdim=False) -> Tensor", any_dim, kReduction, "");
PYCORE_OP("all(Tensor input) -> Tensor", all_op, kReduction, R"(
True if all elements are nonzero, over all elements or along dimensions.

>>> pycore.tensor([0, 3]).all()
tensor(False)
)");
PYCORE_OP("all(Tensor input, int[1]? dim, bool keepdim=False) -> Tensor", all_dim, kReduction, "");

static Tensor count_nonzero(const Tensor& x, std::optional<IntSpan> dim) {
  return run_reduce(Reduce::count_nonzero, x, reduced_dims(x, dim.value_or(IntSpan())), false,
                    DType::int64);
}
PYCORE_OP("count_nonzero(Tensor input, int[1]? dim=None) -> Tensor", count_nonzero,
          kFunction | kMethod, R"(
How many elements are nonzero, over all or along dimensions, as int64.

>>> pycore.tensor([0, 3, 4]).count_nonzero()
tensor(2)
)");

// Undoes broadcasting and promotion for a gradient (declared in autograd/node.h).
Tensor ToInput::operator()(Tensor grad) const {
  if (shape_) grad = sum_to(grad, *shape_);
  return grad.dtype() == dtype_ ? grad : to_dtype(grad, dtype_);
}

}  // namespace pycore
