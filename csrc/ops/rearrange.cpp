// The same elements in another order or number: repeat, tile, repeat_interleave, flip, roll, rot90,
// narrow_copy. Must not know kernels or Python.
#include <algorithm>
#include <cstdlib>

#include "ops/ops.h"

namespace pycore {
namespace {

constexpr uint32_t kBoth = kFunction | kMethod;

// A strided look at t's memory for copy_data only: strides may be negative.
Tensor peek(const Tensor& t, IntSpan sizes, IntSpan strides, int64_t offset) {
  return make_alias(t->storage, t.dtype(), sizes, strides, offset);
}

}  // namespace

// --- repeat, tile
// ----------------------------------------------------------------------------------------------------

namespace {
// Shape (r0, s0, r1, s1, ...) in which repetitions and elements are dimensions of their own.
Dims interleaved(IntSpan repeats, IntSpan sizes) {
  Dims out;
  size_t lead = repeats.size() - sizes.size();
  for (size_t i = 0; i < repeats.size(); ++i) {
    out.push_back(repeats[i]);
    out.push_back(i < lead ? 1 : sizes[i - lead]);
  }
  return out;
}

struct RepeatBackward0 {
  static constexpr const char* name = "RepeatBackward0";
  static constexpr bool saves = false;
  Dims repeats, sizes;
  void operator()(Backward& b) {
    if (b.grad().numel() == 0) {
      b.set(0, zeros(sizes, b.grad().dtype()));
      return;
    }
    Dims dims;
    for (int64_t i = 0; i < repeats.size(); ++i) dims.push_back(2 * i);
    Tensor sum = sum_dims(reshape(b.grad(), interleaved(repeats, sizes)), dims, false);
    b.set(0, reshape(sum, sizes));
  }
};
}  // namespace

Tensor repeat(const Tensor& x, IntSpan repeats) {
  auto n = static_cast<int64_t>(repeats.size());
  PC_CHECK(n >= x.dim(),
           "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
           "tensor; got ",
           Dims(repeats), " for shape ", x.sizes());
  PC_CHECK(2 * n <= 64, "repeat: at most 32 dimensions are supported, got ", n);
  int64_t lead = n - x.dim();
  Dims sizes(repeats), strides;
  for (int64_t i = 0; i < n; ++i)
    PC_CHECK(i < lead || !__builtin_mul_overflow(sizes[i], x.sizes()[i - lead], &sizes[i]),
             "Storage size calculation overflowed with repeats=", Dims(repeats));
  Tensor out = empty(sizes, x.dtype());
  if (out.numel() > 0) {
    Dims nest = interleaved(repeats, x.sizes());
    for (int64_t i = 0; i < n; ++i) {
      strides.push_back(0);
      strides.push_back(i < lead ? 0 : x.strides()[i - lead]);
    }
    Dims dense;
    contiguous_strides(nest, dense);
    copy_data(peek(out, nest, dense, 0), peek(x, nest, strides, x.offset()));
  }
  if (recording(x)) record(out, RepeatBackward0{Dims(repeats), x.sizes()}, x);
  return out;
}
PYCORE_OP("repeat(Tensor input, int[] repeats) -> Tensor", repeat, kMethod, R"(
Repeats the tensor along each dimension; further dimensions come first.

>>> pycore.tensor([1, 2]).repeat(2, 2)
tensor([[1, 2, 1, 2],
        [1, 2, 1, 2]])
)");

static Tensor tile(const Tensor& x, IntSpan dims) {
  Dims all(std::max<int64_t>(0, x.dim() - static_cast<int64_t>(dims.size())), 1);
  for (int64_t d : dims) all.push_back(d);
  return repeat(x, all);
}
PYCORE_OP("tile(Tensor input, int[] dims) -> Tensor", tile, kBoth, R"(
As ``input.repeat(dims)``, with ones put before ``dims`` where there are fewer than dimensions.

>>> pycore.tensor([[1, 2]]).tile(2)
tensor([[1, 2, 1, 2]])
)");

// --- repeat_interleave
// -------------------------------------------------------------------------------------------------

namespace {
// out's rows along dim are x's rows, row i `counts[i]` times.
Tensor repeat_rows(const Tensor& x, const Tensor& counts, int64_t dim, int64_t total);

// The gradient of repeat_rows: sums every run of rows.
Tensor sum_runs(const Tensor& g, const Tensor& counts, int64_t dim);

struct SumRunsBackward0 {
  static constexpr const char* name = "SegmentReduceBackward0";
  static constexpr bool saves = false;
  Tensor counts;
  int64_t dim = 0, total = 0;
  void operator()(Backward& b) { b.set(0, repeat_rows(b.grad(), counts, dim, total)); }
};
struct RepeatInterleaveBackward0 {
  static constexpr const char* name = "IndexSelectBackward0";
  static constexpr bool saves = false;
  Tensor counts;
  int64_t dim = 0;
  void operator()(Backward& b) { b.set(0, sum_runs(b.grad(), counts, dim)); }
};

Tensor repeat_rows(const Tensor& x, const Tensor& counts, int64_t dim, int64_t total) {
  Dims sizes = x.sizes();
  sizes[dim] = total;
  Tensor out = empty(sizes, x.dtype());
  const int64_t* n = counts.data<int64_t>();
  Tensor from = detach(x), to = alias(out);
  int64_t at = 0;
  for (int64_t i = 0; i < counts.numel() && out.numel() > 0; at += n[i++])
    if (n[i] > 0) copy_data(narrow(to, dim, at, n[i]), narrow(from, dim, i, 1));
  if (recording(x)) record(out, RepeatInterleaveBackward0{counts, dim}, x);
  return out;
}

Tensor sum_runs(const Tensor& g, const Tensor& counts, int64_t dim) {
  Dims sizes = g.sizes();
  sizes[dim] = counts.numel();
  Tensor out = empty(sizes, g.dtype());
  const int64_t* n = counts.data<int64_t>();
  {
    GradGuard off(false);
    int64_t at = 0;
    for (int64_t i = 0; i < counts.numel(); at += n[i++])
      copy_data(narrow(out, dim, i, 1), sum_dims(narrow(g, dim, at, n[i]), {{dim}}, true));
  }
  if (recording(g)) record(out, SumRunsBackward0{counts, dim, g.sizes()[dim]}, g);
  return out;
}

Tensor repeat_interleave_counts(const Tensor& x, const Tensor& repeats, std::optional<int64_t> dim,
                                std::optional<int64_t> output_size) {
  PC_CHECK_IMPLEMENTED(repeats.dtype() == DType::int64 || repeats.dtype() == DType::int32,
                       "\"repeat_interleave_cpu\" not implemented for '",
                       scalar_type_name(repeats.dtype()), "'");
  PC_CHECK(repeats.dim() <= 1, "repeats must be 0-dim or 1-dim tensor");
  Tensor input = dim ? x : reshape(x, {{-1}});
  if (input.dim() == 0) input = reshape(input, {{1}});
  int64_t d = wrap_dim(dim.value_or(0), input.dim()), n = input.sizes()[d];
  Tensor counts = to_dtype(detach(repeats), DType::int64);
  if (repeats.dim() == 0 || repeats.numel() == 1) counts = expand(reshape(counts, {{1}}), {{n}});
  PC_CHECK(counts.numel() == n,
           "repeats must have the same size as input along dim, but got repeats.size(0) = ",
           counts.numel(), " and input.size(", d, ") = ", n);
  // A copy of our own: the node keeps it.
  counts = clone_data(counts);
  int64_t total = 0;
  for (int64_t i = 0; i < n; ++i) {
    int64_t c = counts.data<int64_t>()[i];
    PC_CHECK(c >= 0, "repeats can not be negative");
    PC_CHECK(!__builtin_add_overflow(total, c, &total),
             "Storage size calculation overflowed with repeats");
  }
  PC_CHECK(!output_size || *output_size == total,
           "allocated size does not match required size: got output_size=", output_size.value_or(0),
           ", expected ", total);
  return repeat_rows(input, counts, d, total);
}

Tensor repeat_interleave_each(const Tensor& x, int64_t repeats, std::optional<int64_t> dim,
                              std::optional<int64_t> output_size) {
  PC_CHECK(repeats >= 0, "Repeats must be non-negative");
  Tensor input = dim ? x : reshape(x, {{-1}});
  if (input.dim() == 0) input = reshape(input, {{1}});
  int64_t d = wrap_dim(dim.value_or(0), input.dim());
  Dims sizes = input.sizes(), merged = input.sizes();
  PC_CHECK(!__builtin_mul_overflow(merged[d], repeats, &merged[d]),
           "Storage size calculation overflowed with repeats=", repeats);
  PC_CHECK(!output_size || *output_size == merged[d],
           "repeat_interleave: Invalid output_size, expected ", merged[d], " but got ",
           output_size.value_or(0));
  sizes.insert(d + 1, repeats);
  return view(clone(expand(unsqueeze(input, d + 1), sizes), {.row_major = true}), merged);
}

Tensor repeat_interleave_positions(const Tensor& repeats, std::optional<int64_t> output_size) {
  PC_CHECK(repeats.dim() == 1, "repeat_interleave only accept 1D vector as repeat");
  Tensor positions = empty({{repeats.numel()}}, DType::int64);
  for (int64_t i = 0; i < repeats.numel(); ++i) positions.data<int64_t>()[i] = i;
  return repeat_interleave_counts(positions, repeats, 0, output_size);
}
}  // namespace

PYCORE_OP(
    "repeat_interleave(Tensor input, int repeats, int? dim=None, *, int? output_size=None) -> "
    "Tensor",
    repeat_interleave_each, kBoth, R"(
Repeats elements (or slices along ``dim``), each ``repeats`` times in a row; a tensor of ``repeats`` gives a number for each.

>>> pycore.tensor([1, 2]).repeat_interleave(2)
tensor([1, 1, 2, 2])
>>> pycore.repeat_interleave(pycore.tensor([1, 2]), pycore.tensor([1, 3]))
tensor([1, 2, 2, 2])
)");
PYCORE_OP(
    "repeat_interleave(Tensor input, Tensor repeats, int? dim=None, *, int? output_size=None) -> "
    "Tensor",
    repeat_interleave_counts, kBoth, "");
PYCORE_OP("repeat_interleave(Tensor repeats, *, int? output_size=None) -> Tensor",
          repeat_interleave_positions, kFunction, "");

// --- flip
// ------------------------------------------------------------------------------------------------------------

namespace {
struct FlipBackward0 {
  static constexpr const char* name = "FlipBackward0";
  static constexpr bool saves = false;
  Dims dims;
  void operator()(Backward& b) { b.set(0, flip(b.grad(), dims)); }
};
}  // namespace

Tensor flip(const Tensor& x, IntSpan dims) {
  Dims strides = x.strides(), seen(std::max<int64_t>(1, x.dim()), 0);
  int64_t offset = x.offset();
  for (int64_t d : dims) {
    d = wrap_dim(d, x.dim());
    PC_CHECK(!seen[d], "dim ", d, " appears multiple times in the list of dims");
    seen[d] = 1;
    if (x.dim() == 0) continue;
    offset += std::max<int64_t>(0, x.sizes()[d] - 1) * strides[d];
    strides[d] = -strides[d];
  }
  Tensor out = empty_like(x);
  if (out.numel() > 0) copy_data(out, peek(x, x.sizes(), strides, offset));
  if (recording(x)) record(out, FlipBackward0{Dims(dims)}, x);
  return out;
}
PYCORE_OP("flip(Tensor input, int[] dims) -> Tensor", flip, kBoth, R"(
A copy with the order reversed along the given dimensions.

>>> pycore.tensor([[1, 2], [3, 4]]).flip(0)
tensor([[3, 4],
        [1, 2]])
)");
static Tensor fliplr(const Tensor& x) {
  PC_CHECK(x.dim() >= 2, "Input must be >= 2-d.");
  return flip(x, {{1}});
}
PYCORE_OP("fliplr(Tensor input) -> Tensor", fliplr, kBoth, R"(
``input.flip(1)``: left and right exchanged. RuntimeError below two dimensions.

>>> pycore.tensor([[1, 2], [3, 4]]).fliplr()
tensor([[2, 1],
        [4, 3]])
)");
static Tensor flipud(const Tensor& x) {
  PC_CHECK(x.dim() >= 1, "Input must be >= 1-d.");
  return flip(x, {{0}});
}
PYCORE_OP("flipud(Tensor input) -> Tensor", flipud, kBoth, R"(
``input.flip(0)``: up and down exchanged. RuntimeError for a 0-d tensor.

>>> pycore.tensor([1, 2]).flipud()
tensor([2, 1])
)");

// --- roll
// ------------------------------------------------------------------------------------------------------------

namespace {
struct RollBackward0 {
  static constexpr const char* name = "RollBackward0";
  static constexpr bool saves = false;
  Dims shifts, dims;
  void operator()(Backward& b) {
    Dims back;
    for (int64_t s : shifts) back.push_back(-s);
    b.set(0, roll(b.grad(), back, dims));
  }
};

// Both halves along one dimension change places.
Tensor roll_data(const Tensor& x, int64_t shift, int64_t dim) {
  int64_t n = x.sizes()[dim];
  shift = n == 0 ? 0 : (shift % n + n) % n;
  Tensor out = empty(x.sizes(), x.dtype());
  if (n == 0) return out;
  copy_data(narrow(out, dim, shift, n - shift), narrow(x, dim, 0, n - shift));
  if (shift > 0) copy_data(narrow(out, dim, 0, shift), narrow(x, dim, n - shift, shift));
  return out;
}
}  // namespace

Tensor roll(const Tensor& x, IntSpan shifts, IntSpan dims) {
  PC_CHECK(!shifts.empty(), "`shifts` required");
  PC_CHECK(dims.size() == shifts.size() || (dims.empty() && shifts.size() == 1),
           "shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
  Tensor out;
  {
    GradGuard off(false);
    out = detach(x);
    if (dims.empty()) {
      out = view(roll_data(reshape(out, {{-1}}), shifts[0], 0), x.sizes());
    } else {
      for (size_t i = 0; i < dims.size(); ++i) {
        int64_t d = wrap_dim(dims[i], x.dim());
        out = x.dim() == 0 ? out : roll_data(out, shifts[i], d);
      }
    }
    // A result, not a view of a temporary (and never x's own memory).
    out = out.shares_storage(x) ? clone_data(out) : alias(out);
  }
  if (recording(x)) record(out, RollBackward0{Dims(shifts), Dims(dims)}, x);
  return out;
}
static Tensor roll_op(const Tensor& x, IntSpan shifts, std::optional<IntSpan> dims) {
  return roll(x, shifts, dims.value_or(IntSpan()));
}
PYCORE_OP("roll(Tensor input, int[1] shifts, int[1]? dims=None) -> Tensor", roll_op, kBoth, R"(
Shifts elements along dimensions; what leaves at one end comes in at the other. Without ``dims``, of the flattened tensor.

>>> pycore.arange(5).roll(2)
tensor([3, 4, 0, 1, 2])
)");

// --- rot90
// -----------------------------------------------------------------------------------------------------------

static Tensor rot90(const Tensor& x, int64_t k, IntSpan dims);
namespace {
struct Rot90Backward0 {
  static constexpr const char* name = "Rot90Backward0";
  static constexpr bool saves = false;
  int64_t k;
  Dims dims;
  void operator()(Backward& b) { b.set(0, rot90(b.grad(), -k, dims)); }
};
}  // namespace

static Tensor rot90(const Tensor& x, int64_t k, IntSpan dims) {
  PC_CHECK(dims.size() == 2, "expected total rotation dims == 2, but got dims = ", dims.size());
  PC_CHECK(x.dim() >= 2, "expected total dims >= 2, but got total dims = ", x.dim());
  PC_CHECK(dims[0] != dims[1] && std::abs(dims[0] - dims[1]) != x.dim(),
           "expected rotation dims to be different, but got dim0 = ", dims[0],
           " and dim1 = ", dims[1]);
  int64_t a = wrap_dim(dims[0], x.dim()), b = wrap_dim(dims[1], x.dim());
  Tensor out;
  {
    GradGuard off(false);
    k = (k % 4 + 4) % 4;
    out = k == 1   ? clone_data(transpose(flip(x, {{b}}), a, b))
          : k == 2 ? flip(x, {{a, b}})
          : k == 3 ? clone_data(transpose(flip(x, {{a}}), a, b))
                   : clone_data(x);
  }
  if (recording(x)) record(out, Rot90Backward0{k, Dims{a, b}}, x);
  return out;
}
PYCORE_OP("rot90(Tensor input, int k=1, int[] dims=[0,1]) -> Tensor", rot90, kBoth, R"(
Turns the plane of two dimensions by ``k`` quarters, from the first dimension towards the second.

>>> pycore.tensor([[1, 2], [3, 4]]).rot90()
tensor([[2, 4],
        [1, 3]])
)");

static Tensor narrow_copy(const Tensor& x, int64_t dim, int64_t start, int64_t length) {
  return clone(narrow(x, dim, start, length));
}
PYCORE_OP("narrow_copy(Tensor input, int dim, int start, int length) -> Tensor", narrow_copy,
          kBoth | kOut, R"(
:func:`narrow` with memory of its own.

>>> pycore.arange(5).narrow_copy(0, 1, 3)
tensor([1, 2, 3])
)");

}  // namespace pycore
