// Reading along a dimension: gather, take_along_dim, take, index_select. Must not know Python.
#include <atomic>
#include <bit>

#include "core/cpu.h"
#include "kernels/indexing.h"
#include "ops/indexing.h"
#include "ops/lines.h"
#include "ops/write_support.h"

namespace pycore {

constexpr uint32_t kReader = kFunction | kMethod | kOut;

// --- gather
// --------------------------------------------------------------------------------------------------------------

namespace {
Tensor dense_index(const char* op, const Tensor& index) {
  PC_CHECK(index.dtype() == DType::int64 || index.dtype() == DType::int32, op,
           "(): Expected dtype int32/int64 for index, got ", index.dtype());
  return contiguous(to_dtype(index, DType::int64));
}
// Says which index is out of bounds, once it is known that there is one.
void blame_index(const Tensor& index, int64_t size, int64_t dim) {
  const auto* p = index.data<int64_t>();
  for (int64_t i = 0; i < index.numel(); ++i)
    PC_CHECK(p[i] >= 0 && p[i] < size, "index ", p[i], " is out of bounds for dimension ", dim,
             " with size ", size);
}
}  // namespace

Tensor line_index(const char* op, const Tensor& index, int64_t size, int64_t dim) {
  Tensor dense = dense_index(op, index);
  if (!all_within(dense, 0, size)) blame_index(dense, size, dim);
  return dense;
}

namespace {
int64_t rank(const Tensor& t) { return std::max<int64_t>(1, t.dim()); }
int64_t size_along(const Tensor& t, int64_t dim) { return t.dim() == 0 ? 1 : t.sizes()[dim]; }

// out[o, k, i] = input's element index[o, k, i] of line (o, i). Indices are checked a piece at a
// time, just before they are used; false if one is out of bounds, with nothing read from there.
bool gather_lines(const Lines& lines, const Tensor& input, const Tensor& index, const Tensor& out) {
  std::atomic<bool> fine{true};
  dispatch_size(input.item_size(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto pick = kernels_now().indexing->pick[std::countr_zero(sizeof(T))];
    constexpr int64_t kPiece = 2048;  // indices that stay in the nearest cache from check to use
    constexpr int64_t kShort = 64;
    const T* from = input.data<T>();
    T* to = out.data<T>();
    const auto* p = index.data<int64_t>();
    const int64_t stride = lines.stride;
    const auto within = [&](int64_t first, int64_t n) {
      const bool good = kernels_now().indexing->within(p + first, n, lines.span);
      if (!good) fine = false;
      return good;
    };
    if (lines.outer.n == 1 && lines.inner.n == 1) {
      // Reading has no order to keep, so that a single line may be cut.
      return parallel_for(lines.length, 16384, [&](int64_t b, int64_t e) {
        for (; b < e; b += kPiece) {
          const int64_t n = std::min(kPiece, e - b);
          if (within(b, n)) pick(from + lines.start(0, 0), p + b, n, stride, 0, to + b);
        }
      });
    }
    const int64_t *outer = lines.outer.data(), *inner = lines.inner.data();
    // Lines of one element come by once: nothing of them needs to stay in the cache.
    const int64_t rows = lines.length == 1 ? 1 : lines.span;
    for_line_blocks(lines, [&](int64_t ob, int64_t oe, int64_t ib, int64_t ie) {
      // Short runs of indices are neighbours of each other and checked all at once.
      const bool whole =
          ie - ib == lines.inner.n && (lines.inner.n == 1 ? lines.length : lines.inner.n) < kShort;
      if (whole && !within(lines.flat(ob, 0, 0), (oe - ob) * lines.length * lines.inner.n)) return;
      for (int64_t o = ob; o < oe; ++o)
        for_cached_columns(ib, ie, rows, sizeof(T), [&](int64_t left, int64_t right) {
          for (int64_t k = 0; k < lines.length; ++k) {
            const int64_t at = lines.flat(o, k, left);
            if (!whole && !within(at, lines.inner.n == 1 ? lines.length : right - left)) return;
            if (lines.inner.n == 1) {
              pick(from + outer[o], p + at, lines.length, stride, 0, to + at);
              break;
            }
            if (k + 2 < lines.length) {
              const int64_t later = lines.flat(o, k + 2, left);
              prefetch_row(p + later, (right - left) * static_cast<int64_t>(sizeof(*p)));
              prefetch_row(to + later, (right - left) * static_cast<int64_t>(sizeof(T)));
            }
            const T* base = from + outer[o];
            if (lines.inner_step) {
              pick(base + inner[left], p + at, right - left, stride, *lines.inner_step, to + at);
            } else {
              for (int64_t i = 0; i < right - left; ++i)
                to[at + i] = base[p[at + i] * stride + inner[left + i]];
            }
          }
        });
    });
  });
  return fine;
}

struct GatherBackward0 {
  static constexpr const char* name = "GatherBackward0";
  Dims sizes;
  int64_t dim;
  Saved index;
  void operator()(Backward& b) {
    Tensor zero = zeros(sizes, b.grad().dtype());
    b.set(0, recording(b.grad()) ? scatter_add(zero, dim, b.get(index), b.grad())
                                 : scatter_add_(zero, dim, b.get(index), b.grad()));
  }
};
}  // namespace

Tensor gather(const Tensor& input, int64_t dim, const Tensor& index) {
  dim = wrap_dim(dim, input.dim());
  if (index.numel() > 0 || rank(index) == rank(input)) {
    PC_CHECK(
        rank(index) == rank(input),
        "Index tensor must have the same number of dimensions as input tensor; gather: got index ",
        index.sizes(), " and input ", input.sizes());
    for (int64_t d = 0; d < index.dim(); ++d)
      PC_CHECK(d == dim || index.sizes()[d] <= size_along(input, d),
               "Size does not match at dimension ", d, " expected index ", index.sizes(),
               " to be no larger than self ", input.sizes(), " apart from dimension ", dim);
  }
  Tensor out;
  if (const Tensor line = shared_line(index, dim); line.defined()) {
    const Tensor checked = line_index("gather", line, size_along(input, dim), dim);
    GradGuard off(false);
    out = index_select(named_part(input, index.sizes(), dim), dim, checked);
  } else {
    Tensor dense = dense_index("gather", index);
    out = empty(index.sizes(), input.dtype());
    if (out.numel() > 0 &&
        !gather_lines(merged(lines_of(input, index.sizes(), dim)), input, dense, out))
      blame_index(dense, size_along(input, dim), dim);
  }
  if (recording(input)) record(out, GatherBackward0{input.sizes(), dim, Saved(index)}, input);
  return out;
}
static Tensor gather_op(const Tensor& input, int64_t dim, const Tensor& index, bool) {
  return gather(input, dim, index);
}
PYCORE_OP("gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
          gather_op, kReader, R"(
Along ``dim``, the elements that ``index`` names: ``out[i, j] = input[index[i, j], j]`` for ``dim=0``.

``index`` (int64 or int32, without negative values) has the rank of ``input`` and is no larger in the other dimensions; the
result has its shape. RuntimeError otherwise, or for an index out of bounds.

>>> pycore.gather(pycore.tensor([[1, 2], [3, 4]]), 1, pycore.tensor([[0, 0], [1, 0]]))
tensor([[1, 1],
        [4, 3]])
)");

// --- take_along_dim
// ------------------------------------------------------------------------------------------------------

static Tensor take_along_dim(const Tensor& input, const Tensor& indices,
                             std::optional<int64_t> dim) {
  PC_CHECK(indices.dtype() == DType::int64 || indices.dtype() == DType::int32,
           "gather(): Expected dtype int32/int64 for index, got ", indices.dtype());
  Tensor x = dim ? input : reshape(input, {{-1}}), i = dim ? indices : reshape(indices, {{-1}});
  PC_CHECK(x.dim() == i.dim(),
           "torch.take_along_dim(): input and indices should have the same number of dimensions, "
           "but got ",
           x.dim(), " dimensions for input, and ", i.dim(), " dimensions for indices");
  int64_t d = wrap_dim(dim.value_or(0), x.dim());
  if (x.dim() == 0) return gather(x, d, i);
  int64_t size = x.sizes()[d];
  Dims index_sizes = i.sizes(), sizes = x.sizes();
  index_sizes[d] = sizes[d] = 1;
  Dims shape = broadcast_shapes(sizes, index_sizes);
  index_sizes = sizes = shape;
  index_sizes[d] = i.sizes()[d];
  sizes[d] = size;
  // Unlike gather, negative indices count from the end.
  Tensor wrapped = checked_offsets(i, size, 1, d);
  return gather(expand(x, sizes), d, expand(wrapped, index_sizes));
}
PYCORE_OP("take_along_dim(Tensor input, Tensor indices, int? dim=None) -> Tensor", take_along_dim,
          kReader, R"(
As :func:`gather`, with broadcasting and negative indices; on the flattened tensors if ``dim`` is None. Takes what
``argsort`` and ``argmax`` give.

>>> t = pycore.tensor([[3, 1, 2]])
>>> pycore.take_along_dim(t, t.argsort(1), 1)
tensor([[1, 2, 3]])
)");

// --- take
// ----------------------------------------------------------------------------------------------------------------

namespace {
Tensor flat_offsets(const char* op, const Tensor& index, int64_t n) {
  PC_CHECK(index.dtype() == DType::int64, op, "(): Expected a long tensor for index, but got ",
           scalar_type_name(index.dtype()));
  Tensor out = contiguous(index);
  const auto* p = out.data<int64_t>();
  PC_CHECK_INDEX(n > 0 || out.numel() == 0, op, "(): tried to take from an empty tensor");
  if (!all_within(out, -n, n))
    for (int64_t i = 0; i < out.numel(); ++i)
      PC_CHECK_INDEX(p[i] >= -n && p[i] < n, "out of range: tried to access index ", p[i],
                     " on a tensor of ", n, " elements.");
  return checked_offsets(out, n, 1, 0);
}

struct TakeBackward0 {
  static constexpr const char* name = "TakeBackward0";
  Dims sizes;
  Saved index;
  void operator()(Backward& b) {
    b.set(0, put(zeros(sizes, b.grad().dtype()), b.get(index), b.grad(), true));
  }
};
struct PutBackward0 {
  static constexpr const char* name = "PutBackward0";
  Saved index;
  Dims source_sizes;
  bool accumulate = false;
  void operator()(Backward& b) {
    Tensor i = b.get(index);
    if (b.needs(0))
      b.set(0, accumulate ? b.grad() : put(b.grad(), i, zeros(i.sizes(), b.grad().dtype()), false));
    if (b.needs(1)) b.set(1, reshape(take(b.grad(), i), source_sizes));
  }
};
}  // namespace

Tensor take(const Tensor& input, const Tensor& index) {
  Tensor offsets = flat_offsets("take", index, input.numel());
  Tensor dense = contiguous(detach(input));
  Tensor out = empty(index.sizes(), input.dtype());
  const int64_t item = input.item_size();
  const auto pick = kernels_now().indexing->pick[std::countr_zero(static_cast<uint64_t>(item))];
  const auto* p = offsets.data<int64_t>();
  parallel_for(out.numel(), 16384, [&](int64_t b, int64_t e) {
    pick(dense->data, p + b, e - b, 1, 0, out->data + b * item);
  });
  if (recording(input)) record(out, TakeBackward0{input.sizes(), Saved(index)}, input);
  return out;
}
PYCORE_OP("take(Tensor input, Tensor index) -> Tensor", take, kReader, R"(
The elements of the flattened tensor that ``index`` (int64) names; negative ones count from the end.

>>> pycore.take(pycore.tensor([[4, 3], [5, 7]]), pycore.tensor([0, -1]))
tensor([4, 7])
)");

Tensor put(const Tensor& input, const Tensor& index, const Tensor& source, bool accumulate) {
  PC_CHECK(input.dtype() == source.dtype(),
           "put_(): self and source expected to have the same dtype, but got self.dtype = ",
           scalar_type_name(input.dtype()),
           " and source.dtype = ", scalar_type_name(source.dtype()));
  PC_CHECK_INDEX(index.numel() == source.numel(),
                 "put_(): Expected source and index to have the same number of elements, but got "
                 "source.numel() = ",
                 source.numel(), ", index.numel() = ", index.numel());
  Tensor offsets = flat_offsets("put_", index, input.numel());
  return write_part(
      input, Form::copy, [&] { return PutBackward0{Saved(index), source.sizes(), accumulate}; },
      [&](const Tensor& target) {
        IndexPlan plan;
        plan.sizes = {index.numel()};
        plan.picked = {offsets, offsets.numel()};
        plan.inner_dense = true;
        put_elements(plan, target, contiguous(detach(source)), accumulate);
      },
      source);
}
PYCORE_OP("put(Tensor input, Tensor index, Tensor source, bool accumulate=False) -> Tensor", put,
          kFunction | kMethod | kInplace, R"(
A copy in which the elements of the flattened tensor that ``index`` names are those of ``source``, or grow by them.

>>> pycore.put(pycore.zeros(2, 2), pycore.tensor([1, -1]), pycore.tensor([5., 6.]))
tensor([[0., 5.],
        [0., 6.]])
)");

// --- index_select
// ----------------------------------------------------------------------------------------------------------

namespace {
struct IndexSelectBackward0 {
  static constexpr const char* name = "IndexSelectBackward0";
  Dims sizes;
  int64_t dim;
  Saved index;
  void operator()(Backward& b) {
    Tensor g = b.grad(), i = b.get(index);
    if (sizes.empty()) return b.set(0, g);
    b.set(0, index_add(zeros(sizes, g.dtype()), dim, reshape(i, {{-1}}), g, 1));
  }
};
}  // namespace

Tensor index_select(const Tensor& input, int64_t dim, const Tensor& index) {
  dim = wrap_dim(dim, input.dim());
  PC_CHECK_INDEX(index.dim() <= 1, "index_select(): Index is supposed to be a vector, got shape ",
                 index.sizes());
  PC_CHECK(index.dtype() == DType::int64 || index.dtype() == DType::int32,
           "index_select(): Expected dtype int32 or int64 for index, got ", index.dtype());
  PC_CHECK(input.dim() > 0 || index.numel() == 1,
           "index_select(): Index to scalar can have only 1 value, got ", index.numel(),
           " value(s)");
  int64_t size = size_along(input, dim);
  Tensor dense = reshape(contiguous(to_dtype(index, DType::int64)), {{-1}}), out;
  bool fine = true;
  if (input.dim() == 1) {
    out = empty(dense.sizes(), input.dtype());
    fine = out.numel() == 0 || gather_lines(lines_of(input, dense.sizes(), 0), input, dense, out);
  } else {
    fine = all_within(dense, 0, size);
  }
  if (!fine)
    for (int64_t i = 0; i < dense.numel(); ++i) {
      int64_t at = dense.data<int64_t>()[i];
      PC_CHECK_INDEX(at >= 0 && at < size, "index out of range in self: index_select got index ",
                     at, " for dimension ", dim, " with size ", size);
    }
  if (input.dim() == 0) {
    out = clone_data(input);
  } else if (input.dim() > 1) {
    std::vector<Tensor> indices(static_cast<size_t>(dim) + 1);
    indices.back() = dense;
    IndexPlan plan = plan_index(input, indices);
    out = empty(plan.sizes, input.dtype());
    pick_elements(plan, input, out);
  }
  if (recording(input)) record(out, IndexSelectBackward0{input.sizes(), dim, Saved(index)}, input);
  return out;
}
PYCORE_OP("index_select(Tensor input, int dim, Tensor index) -> Tensor", index_select, kReader, R"(
The entries along ``dim`` that ``index`` (a vector of int64 or int32) names, in its order. IndexError out of bounds.

>>> pycore.index_select(pycore.tensor([[1, 2], [3, 4]]), 0, pycore.tensor([1, 1]))
tensor([[3, 4],
        [3, 4]])
)");

}  // namespace pycore
