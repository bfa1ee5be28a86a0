// Largest and smallest elements and their positions: forward and derivative of each side by side.
// Must not know Python.
#include "kernels/reduce.h"
#include "ops/reduce_support.h"

namespace pycore {
namespace {

using kernels::Reduce;
constexpr uint32_t kReduction = kFunction | kMethod | kOut;

// Gradients of ties are shared equally.
Tensor shared_among_ties(const Tensor& g, const Tensor& x, const Tensor& extreme,
                         const Reduced& reduced) {
  GradGuard guard(grad_enabled());
  const Tensor best = reduced.with_ones(detach(extreme)), v = detach(x);
  // A NaN extreme belongs to the NaN elements.
  Tensor hit = eq(v, best);
  {
    GradGuard off(false);
    hit = where(ne(best, best), ne(v, v), hit);
  }
  const Tensor share = to_dtype(hit, g.dtype());
  return mul(reduced.with_ones(g), div(share, reduced.sum(share)));
}

struct ExtremeOfAllBackward {
  Saved input, result;
  Reduced reduced;
  void operator()(Backward& b) {
    b.set(0, shared_among_ties(b.grad(), b.get(input), b.get(result), reduced));
  }
};
#define PC_EXTREME_RULE(NODE)                  \
  struct NODE : ExtremeOfAllBackward {         \
    static constexpr const char* name = #NODE; \
  };
PC_EXTREME_RULE(MaxBackward1)
PC_EXTREME_RULE(MinBackward1)
PC_EXTREME_RULE(AmaxBackward0)
PC_EXTREME_RULE(AminBackward0)

template <class Rule>
Tensor extreme_over(Reduce f, const char* name, const Tensor& x, DimMask mask, bool keepdim,
                    bool all) {
  if (all) {
    PC_CHECK(x.numel() > 0, name,
             "(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
             "reduction dim with the 'dim' argument.");
  } else {
    check_not_empty(name, x, mask);
  }
  Tensor out = run_reduce(f, x, mask, keepdim, x.dtype());
  if (recording(x))
    record(out, Rule{{Saved(x), Saved::output(out), Reduced(x, std::move(mask), keepdim)}}, x);
  return out;
}

// Puts the gradient at the chosen position of every row.
struct PickBackward {
  Saved indices;
  Reduced reduced;
  void operator()(Backward& b) {
    const Tensor& g = b.grad();
    if (reduced.sizes.size() == 0) return b.set(0, g);
    const Dims dims = reduced.dims();
    b.set(0, where(positions_mask(reduced.with_ones(b.get(indices)), reduced.sizes, dims[0]),
                   reduced.with_ones(g), 0.0));
  }
};
struct MaxBackward0 : PickBackward {
  static constexpr const char* name = "MaxBackward0";
};
struct MinBackward0 : PickBackward {
  static constexpr const char* name = "MinBackward0";
};
template <class Rule>
std::tuple<Tensor, Tensor> extreme_along(Reduce f, const char* name, const Tensor& x, int64_t dim,
                                         bool keepdim) {
  DimMask mask = one_dim(x, dim);
  check_not_empty(name, x, mask);
  Tensor indices;
  Tensor values = run_reduce(f, x, mask, keepdim, x.dtype(), nullptr, &indices);
  if (recording(x)) record(values, Rule{{Saved(indices), Reduced(x, std::move(mask), keepdim)}}, x);
  return {std::move(values), std::move(indices)};
}

}  // namespace

Tensor positions_mask(const Tensor& indices, IntSpan sizes, int64_t dim) {
  Dims shape(static_cast<int64_t>(sizes.size()), 1);
  shape[dim] = sizes[static_cast<size_t>(dim)];
  Tensor places = empty(shape, DType::int64);
  for (int64_t i = 0; i < places.numel(); ++i) places.data<int64_t>()[i] = i;
  return eq(indices, places);
}

#define PC_EXTREME(NAME, NODE_ALL, NODE_DIM, NODE_AMAX, ARG, BINARY, DOC)                     \
  static Tensor NAME##_all(const Tensor& x) {                                                 \
    return extreme_over<NODE_ALL>(Reduce::NAME, #NAME, x, all_dims(x), false, true);          \
  }                                                                                           \
  PYCORE_OP(#NAME "(Tensor input) -> Tensor", NAME##_all, kReduction, DOC);                   \
  static std::tuple<Tensor, Tensor> NAME##_dim(const Tensor& x, int64_t dim, bool keepdim) {  \
    return extreme_along<NODE_DIM>(Reduce::NAME##_indices, #NAME, x, dim, keepdim);           \
  }                                                                                           \
  PYCORE_OP(#NAME                                                                             \
            "(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", \
            NAME##_dim, kReduction, "");                                                      \
  PYCORE_OP(#NAME "(Tensor input, Tensor other) -> Tensor", BINARY, kReduction, "");          \
  Tensor a##NAME(const Tensor& x, IntSpan dim, bool keepdim) {                                \
    return extreme_over<NODE_AMAX>(Reduce::NAME, "a" #NAME, x, reduced_dims(x, dim), keepdim, \
                                   dim.empty());                                              \
  }

PC_EXTREME(max, MaxBackward1, MaxBackward0, AmaxBackward0, argmax, maximum, R"(
The largest element; with ``dim`` the largest ones along it and their positions (of the first among
equals); with a second tensor the larger of each pair. NaN wins.

>>> pycore.tensor([1., 3., 2.]).max()
tensor(3.)
>>> pycore.tensor([[1., 3.], [5., 2.]]).max(dim=1).indices
tensor([1, 0])
)")
PC_EXTREME(min, MinBackward1, MinBackward0, AminBackward0, argmin, minimum, R"(
The smallest element; with ``dim`` the smallest ones along it and their positions (of the first among
equals); with a second tensor the smaller of each pair. NaN wins.

>>> pycore.tensor([1., 3., 2.]).min()
tensor(1.)
>>> pycore.tensor([[1., 3.], [5., 2.]]).min(dim=1).indices
tensor([0, 1])
)")
static Tensor amax_op(const Tensor& x, std::optional<IntSpan> dims, bool keepdim) {
  return amax(x, dims.value_or(IntSpan()), keepdim);
}
PYCORE_OP("amax(Tensor input, int[1]? dim=None, bool keepdim=False) -> Tensor", amax_op, kReduction,
          R"(
The largest elements along dimensions, without positions; ties share their gradient.

>>> pycore.tensor([[1., 3.], [5., 2.]]).amax(0)
tensor([5., 3.])
)");
static Tensor amin_op(const Tensor& x, std::optional<IntSpan> dims, bool keepdim) {
  return amin(x, dims.value_or(IntSpan()), keepdim);
}
PYCORE_OP("amin(Tensor input, int[1]? dim=None, bool keepdim=False) -> Tensor", amin_op, kReduction,
          R"(
The smallest elements along dimensions, without positions; ties share their gradient.

>>> pycore.tensor([[1., 3.], [5., 2.]]).amin(0)
tensor([1., 2.])
)");

static std::tuple<Tensor, Tensor> aminmax(const Tensor& x, std::optional<int64_t> dim,
                                          bool keepdim) {
  PC_CHECK(dim || x.numel() > 0,
           "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
           "identity.");
  Dims dims;
  if (dim) dims.push_back(*dim);
  Tensor low = amin(x, dims, keepdim), high = amax(x, dims, keepdim);
  if (!dim && keepdim) {
    const Dims ones(x.dim(), 1);
    low = reshape(low, ones);
    high = reshape(high, ones);
  }
  return {low, high};
}
PYCORE_OP("aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)",
          aminmax, kReduction, R"(
The smallest and the largest elements.

>>> pycore.tensor([1., 3., 2.]).aminmax()
pycore.return_types.aminmax(
min=tensor(1.),
max=tensor(3.))
)");

static Tensor position(Reduce f, const char* name, const Tensor& x, std::optional<int64_t> dim,
                       bool keepdim) {
  PC_CHECK(x.dtype() != DType::bool_, name, "(): does not support bool input");
  const DimMask mask = dim ? one_dim(x, *dim) : all_dims(x);
  if (!dim) {
    PC_CHECK_INDEX(x.numel() > 0, name,
                   "(): Expected reduction dim to be specified for input.numel() == 0.");
  } else {
    check_not_empty(name, x, mask);
  }
  return run_reduce(f, x, mask, keepdim, DType::int64);
}
static Tensor argmax(const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  return position(Reduce::argmax, "argmax", x, dim, keepdim);
}
static Tensor argmin(const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  return position(Reduce::argmin, "argmin", x, dim, keepdim);
}
PYCORE_OP("argmax(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", argmax, kReduction,
          R"(
The position of the largest element (the first of equals), in the flattened tensor or along ``dim``.

>>> pycore.tensor([[1., 3.], [5., 2.]]).argmax(dim=1)
tensor([1, 0])
)");
PYCORE_OP("argmin(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", argmin, kReduction,
          R"(
The position of the smallest element (the first of equals), in the flattened tensor or along ``dim``.

>>> pycore.tensor([[1., 3.], [5., 2.]]).argmin(dim=1)
tensor([0, 1])
)");

}  // namespace pycore
