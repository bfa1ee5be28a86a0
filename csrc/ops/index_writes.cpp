// Writing whole entries along a dimension: index_add, index_copy, index_fill, index_reduce; and
// replacing the part that a view would show: select_scatter and its kin. Must not know Python.
#include "ops/index_plan.h"
#include "ops/indexing.h"
#include "ops/write_support.h"

namespace pycore {
namespace {

constexpr uint32_t kWriter = kFunction | kMethod;

// The index as a vector of int64 with values in [0, size).
Tensor entry_index(const char* op, ErrorKind kind, const Tensor& index, int64_t size, int64_t dim) {
  if (index.dim() > 1)
    fail(ErrorKind::index, op, "(): Index is supposed to be a vector, but got dim: ", index.dim(),
         " with type: ", scalar_type_name(index.dtype()), " and size: ", index.sizes());
  PC_CHECK(index.dtype() == DType::int64 || index.dtype() == DType::int32, op,
           "(): Expected dtype int32/int64 for index but got: ", scalar_type_name(index.dtype()));
  Tensor dense = reshape(contiguous(to_dtype(index, DType::int64)), {{-1}});
  const bool fine = all_within(dense, 0, size);
  for (int64_t i = 0; i < dense.numel() && !fine; ++i) {
    int64_t at = dense.data<int64_t>()[i];
    if (at < 0 || at >= size)
      fail(kind, kind == ErrorKind::index ? op : "", kind == ErrorKind::index ? "(): " : "",
           "index ", at, " is out of bounds for dimension ", dim, " with size ", size);
  }
  return dense;
}

int64_t size_along(const Tensor& t, int64_t dim) { return t.dim() == 0 ? 1 : t.sizes()[dim]; }

// target[..., index, ...] (op)= values, where values has the shape of that part or one element.
void write_entries(const Tensor& target, int64_t dim, const Tensor& index, const Tensor& values,
                   bool accumulate) {
  // A 0-d tensor is written as a vector of one.
  Tensor t = target.dim() == 0
                 ? make_alias(target->storage, target.dtype(), {{1}}, {{1}}, target.offset())
                 : target;
  std::vector<Tensor> indices(static_cast<size_t>(dim) + 1);
  indices.back() = index;
  IndexPlan plan = plan_index(t, indices);
  put_elements(plan, t, unshared(contiguous(detach(values)), target), accumulate);
}

// source must look like self but for `dim`, where it has one entry per index.
bool entries_match(const Tensor& self, const Tensor& source, int64_t dim) {
  if (self.dim() <= 1 && source.dim() <= 1) return true;
  if (self.dim() != source.dim()) return false;
  for (int64_t d = 0; d < self.dim(); ++d)
    if (d != dim && self.sizes()[d] != source.sizes()[d]) return false;
  return true;
}

// Gradients that come as a part of a 0-d tensor are 0-d or have one entry.
Tensor part_of(const Tensor& g, int64_t dim, const Tensor& index, const Dims& sizes) {
  Tensor part = index_select(g, dim, index);
  return part.sizes() == sizes ? part : reshape(part, sizes);
}

struct IndexAddBackward0 {
  static constexpr const char* name = "IndexAddBackward0";
  int64_t dim;
  Saved index;
  Dims source_sizes;
  Scalar alpha;
  void operator()(Backward& b) {
    if (b.needs(0)) b.set(0, b.grad());
    if (b.needs(1)) {
      Tensor part = part_of(b.grad(), dim, b.get(index), source_sizes);
      b.set(1, alpha.equals(1) ? part : mul(part, alpha));
    }
  }
};
struct IndexCopyBackward0 {
  static constexpr const char* name = "IndexCopyBackward0";
  int64_t dim;
  Saved index;
  Dims source_sizes;
  void operator()(Backward& b) {
    Tensor i = b.get(index);
    if (b.needs(0)) b.set(0, index_fill(b.grad(), dim, i, 0));
    if (b.needs(1)) b.set(1, part_of(b.grad(), dim, i, source_sizes));
  }
};
template <int N>
struct IndexFillBackward {
  static constexpr const char* name = N == 0 ? "IndexFillBackward0" : "IndexFillBackward1";
  int64_t dim;
  Saved index;
  void operator()(Backward& b) {
    Tensor i = b.get(index);
    if (b.needs(0)) b.set(0, index_fill(b.grad(), dim, i, 0));
    if (b.needs(1)) b.set(1, sum_all(index_select(b.grad(), dim, i)));
  }
};

// --- index_add
// -----------------------------------------------------------------------------------------------------------

Tensor add_entries(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                   const Scalar& alpha, Form form) {
  dim = wrap_dim(dim, self.dim());
  PC_CHECK(self.dtype() == source.dtype(), "index_add_(): self (", scalar_type_name(self.dtype()),
           ") and source (", scalar_type_name(source.dtype()), ") must have the same scalar type");
  PC_CHECK(is_floating(self.dtype()) || !alpha.is_floating(),
           "For integral input tensors, argument alpha must not be a floating point number.");
  Tensor i = entry_index("index_add_", ErrorKind::runtime, index, size_along(self, dim), dim);
  PC_CHECK(i.numel() == size_along(source, std::min(dim, std::max<int64_t>(source.dim() - 1, 0))),
           "index_add_(): Number of indices (", i.numel(),
           ") should be equal to source.size(dim): (", source.dim() > dim ? source.sizes()[dim] : 1,
           "), for dim: ", dim);
  PC_CHECK(entries_match(self, source, dim),
           "source tensor shape must match self tensor shape, excluding the specified dimension. "
           "Got self.shape = ",
           self.sizes(), " source.shape = ", source.sizes());
  return write_part(
      self, form, [&] { return IndexAddBackward0{dim, Saved(index), source.sizes(), alpha}; },
      [&](const Tensor& target) {
        GradGuard guard(false);
        const Tensor values =
            alpha.equals(1) ? detach(source) : to_dtype(mul(source, alpha), self.dtype());
        combine_wide(target, values.numel(), [&](const Tensor& t) {
          write_entries(t, dim, i, to_dtype(values, t.dtype()), true);
        });
      },
      source);
}

}  // namespace

Tensor index_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                 const Scalar& alpha) {
  return add_entries(self, dim, index, source, alpha, Form::copy);
}
PYCORE_OP(
    "index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
    index_add, kWriter | kOut, R"(
A copy in which ``alpha * source`` has been added to the entries along ``dim`` that the vector ``index`` names; an entry that
is named twice gets both. RuntimeError for other dtypes, shapes that don't match, or an index out of bounds.

>>> pycore.index_add(pycore.zeros(3), 0, pycore.tensor([0, 0, 2]), pycore.ones(3))
tensor([2., 0., 1.])
)");
static Tensor index_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                         const Scalar& alpha) {
  return add_entries(self, dim, index, source, alpha, Form::in_place);
}
PYCORE_OP(
    "index_add_(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
    index_add_, kMethod, "In-place form of :func:`index_add`.");

// --- index_copy
// ------------------------------------------------------------------------------------------------------------

static Tensor index_copy(const Tensor& self, int64_t dim, const Tensor& index,
                         const Tensor& source) {
  dim = wrap_dim(dim, self.dim());
  PC_CHECK(self.dtype() == source.dtype(),
           "index_copy_(): self and source expected to have the same dtype, but got (self) ",
           scalar_type_name(self.dtype()), " and (source) ", scalar_type_name(source.dtype()));
  PC_CHECK(
      entries_match(self, source, dim),
      "index_copy_(): Source/destination tensor must have same slice shapes. Destination shape: ",
      self.sizes(), " at dimension ", dim, " and source shape: ", source.sizes());
  Tensor i = entry_index("index_copy_", ErrorKind::index, index, size_along(self, dim), dim);
  PC_CHECK_INDEX(i.numel() == size_along(source, dim), "index_copy_(): Number of indices (",
                 i.numel(), ") should be equal to source.size(dim) (", size_along(source, dim),
                 ")");
  return write_part(
      self, Form::copy, [&] { return IndexCopyBackward0{dim, Saved(index), source.sizes()}; },
      [&](const Tensor& target) { write_entries(target, dim, i, source, false); }, source);
}
PYCORE_OP("index_copy(Tensor input, int dim, Tensor index, Tensor source) -> Tensor", index_copy,
          kWriter | kInplace | kOut, R"(
A copy in which the entries along ``dim`` that the vector ``index`` names are those of ``source``.

>>> pycore.index_copy(pycore.zeros(3), 0, pycore.tensor([2, 0]), pycore.tensor([5., 6.]))
tensor([6., 0., 5.])
)");

// --- index_fill
// ------------------------------------------------------------------------------------------------------------

Tensor index_fill(const Tensor& self, int64_t dim, const Tensor& index, const Operand& value) {
  dim = wrap_dim(dim, self.dim());
  PC_CHECK_INDEX(index.dtype() == DType::int64,
                 "index_fill_(): Expected dtype int64 for index, got ", index.dtype());
  PC_CHECK(index.dim() <= 1, "Index has to be a vector/scalar");
  PC_CHECK(!value.is_tensor() || value.tensor().dim() == 0,
           "index_fill_ only supports a 0-dimensional value tensor, but got tensor with ",
           value.is_tensor() ? value.tensor().dim() : 0, " dimension(s).");
  int64_t size = size_along(self, dim);
  // Negative indices count from the end here, unlike in index_copy.
  Tensor i = reshape(checked_offsets(index, size, 1, dim), {{-1}});
  Tensor v = as_tensor(value, self.dtype());
  auto write = [&](const Tensor& target) { write_entries(target, dim, i, v, false); };
  if (value.is_tensor())
    return write_part(
        self, Form::copy, [&] { return IndexFillBackward<1>{dim, Saved(i)}; }, write, v);
  return write_part(self, Form::copy, [&] { return IndexFillBackward<0>{dim, Saved(i)}; }, write);
}
PYCORE_OP("index_fill(Tensor input, int dim, Tensor index, Tensor|Scalar value) -> Tensor",
          index_fill, kWriter | kInplace, R"(
A copy in which the entries along ``dim`` that ``index`` (int64) names are ``value``.

>>> pycore.index_fill(pycore.zeros(2, 2), 1, pycore.tensor([0]), 7)
tensor([[7., 0.],
        [7., 0.]])
)");

// --- index_reduce
// ------------------------------------------------------------------------------------------------------------

static Tensor index_reduce(const Tensor& self, int64_t dim, const Tensor& index,
                           const Tensor& source, std::string_view reduce, bool include_self) {
  dim = wrap_dim(dim, self.dim());
  PC_CHECK(reduce == "prod" || reduce == "mean" || reduce == "amax" || reduce == "amin",
           "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got ", reduce,
           ".");
  PC_CHECK(self.dtype() == source.dtype(),
           "index_reduce(): Expected self and source to have the same dtype, got ", self.dtype(),
           " and ", source.dtype());
  PC_CHECK(entries_match(self, source, dim) && self.dim() == source.dim(),
           "index_reduce(): source tensor shape must match self tensor shape, excluding the "
           "specified dimension. Got self.shape = ",
           self.sizes(), " source.shape = ", source.sizes());
  Tensor i = entry_index("index_reduce", ErrorKind::index, index, size_along(self, dim), dim);
  PC_CHECK(i.numel() == size_along(source, dim), "index_reduce(): Number of indices (", i.numel(),
           ") should be equal to source.size(dim) (", size_along(source, dim), ")");
  if (self.dim() == 0) return scatter_reduce(self, 0, reshape(i, {}), source, reduce, include_self);
  Dims shape(self.dim(), 1);
  shape[dim] = i.numel();
  return scatter_reduce(self, dim, expand(reshape(i, shape), source.sizes()), source, reduce,
                        include_self);
}
PYCORE_OP(
    "index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool "
    "include_self=True) -> Tensor",
    index_reduce, kWriter | kInplace | kOut, R"(
As :func:`index_add`, combining by 'prod', 'mean', 'amax' or 'amin'.

>>> pycore.index_reduce(pycore.ones(2), 0, pycore.tensor([0, 0]), pycore.tensor([2., 3.]), 'prod')
tensor([6., 1.])
)");

// --- select_scatter, slice_scatter, diagonal_scatter
// ---------------------------------------------------------------------

namespace {

// Replaces the part of self that `view` shows. The rule takes the same view of the gradient.
template <class Rule>
Tensor replace_view(const Tensor& self, const Tensor& src, const Rule& rule) {
  Tensor out = clone_data(self);
  Tensor part = rule.view(out);
  PC_CHECK(part.sizes() == src.sizes(),
           "expected src to have a size equal to the slice of self. src size = ", src.sizes(),
           ", slice size = ", part.sizes());
  copy_data(part, src);
  if (self.is_floating() && recording(self, src)) record(out, rule, self, src);
  return out;
}
template <class Self>
struct ReplaceView {
  static constexpr bool saves = false;
  void operator()(Backward& b) {
    auto& self = static_cast<Self&>(*this);
    if (b.needs(0)) {
      Tensor zero = zeros(self.view(b.grad()).sizes(), b.grad().dtype());
      b.set(0, replace_view(b.grad(), zero, self));
    }
    if (b.needs(1)) b.set(1, self.view(b.grad()));
  }
};
struct SelectScatterBackward0 : ReplaceView<SelectScatterBackward0> {
  static constexpr const char* name = "SelectScatterBackward0";
  int64_t dim = 0, index = 0;
  Tensor view(const Tensor& t) const { return select(t, dim, index); }
};
struct SliceScatterBackward0 : ReplaceView<SliceScatterBackward0> {
  static constexpr const char* name = "SliceScatterBackward0";
  int64_t dim = 0, step = 1;
  std::optional<int64_t> start, end;
  Tensor view(const Tensor& t) const { return slice(t, dim, start, end, step); }
};
struct DiagonalScatterBackward0 : ReplaceView<DiagonalScatterBackward0> {
  static constexpr const char* name = "DiagonalScatterBackward0";
  int64_t offset = 0, dim1 = 0, dim2 = 1;
  Tensor view(const Tensor& t) const { return diagonal(t, offset, dim1, dim2); }
};

}  // namespace

static Tensor select_scatter(const Tensor& self, const Tensor& src, int64_t dim, int64_t index) {
  SelectScatterBackward0 rule;
  rule.dim = dim;
  rule.index = index;
  return replace_view(self, src, rule);
}
PYCORE_OP("select_scatter(Tensor input, Tensor src, int dim, int index) -> Tensor", select_scatter,
          kWriter | kOut, R"(
A copy in which ``input.select(dim, index)`` is ``src``.

>>> pycore.select_scatter(pycore.zeros(2, 2), pycore.ones(2), 0, 1)
tensor([[0., 0.],
        [1., 1.]])
)");

Tensor slice_scatter(const Tensor& self, const Tensor& src, int64_t dim,
                     std::optional<int64_t> start, std::optional<int64_t> end, int64_t step) {
  SliceScatterBackward0 rule;
  rule.dim = dim;
  rule.start = start;
  rule.end = end;
  rule.step = step;
  return replace_view(self, src, rule);
}
PYCORE_OP(
    "slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int "
    "step=1) -> Tensor",
    slice_scatter, kWriter | kOut, R"(
A copy in which the slice ``start:end:step`` along ``dim`` is ``src``.

>>> pycore.slice_scatter(pycore.zeros(4), pycore.ones(2), start=1, step=2)
tensor([0., 1., 0., 1.])
)");

static Tensor diagonal_scatter(const Tensor& self, const Tensor& src, int64_t offset, int64_t dim1,
                               int64_t dim2) {
  DiagonalScatterBackward0 rule;
  rule.offset = offset;
  rule.dim1 = dim1;
  rule.dim2 = dim2;
  return replace_view(self, src, rule);
}
PYCORE_OP(
    "diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    diagonal_scatter, kWriter | kOut, R"(
A copy in which ``input.diagonal(offset, dim1, dim2)`` is ``src``.

>>> pycore.diagonal_scatter(pycore.zeros(2, 2), pycore.ones(2))
tensor([[1., 0.],
        [0., 1.]])
)");

}  // namespace pycore
