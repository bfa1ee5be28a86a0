// Triangles and diagonals of matrices: tril, triu, their indices, diag, diag_embed, diagflat,
// trace, vander. Must not know kernels or Python.
#include <string.h>

#include <algorithm>

#include "core/parallel.h"
#include "ops/ops.h"

namespace pycore {
namespace {

constexpr uint32_t kBoth = kFunction | kMethod;

// A copy of x with the elements above (lower) or below the diagonal set to zero.
Tensor triangle(const Tensor& x, int64_t diagonal, bool lower, const char* name) {
  PC_CHECK(x.dim() >= 2, name, ": input tensor must have at least 2 dimensions");
  int64_t rows = x.sizes()[x.dim() - 2], columns = x.sizes()[x.dim() - 1];
  // Beyond the corners nothing changes, and the sums below can't overflow.
  int64_t k = std::clamp(diagonal, -rows - 1, columns + 1);
  Tensor out = clone_data(x);
  if (out.numel() == 0) return out;
  int64_t item = out.item_size(), row_bytes = columns * item;
  parallel_for(out.numel() / columns, std::max<int64_t>(1, 65536 / row_bytes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) {
                   // Columns [0, keep) belong to the lower triangle, the diagonal included (for
                   // tril) or not (for triu).
                   int64_t keep = std::clamp<int64_t>(r % rows + k + (lower ? 1 : 0), 0, columns);
                   char* row = out->data + r * row_bytes;
                   if (lower)
                     memset(row + keep * item, 0, static_cast<size_t>((columns - keep) * item));
                   else
                     memset(row, 0, static_cast<size_t>(keep * item));
                 }
               });
  return out;
}

struct TrilBackward0 {
  static constexpr const char* name = "TrilBackward0";
  static constexpr bool saves = false;
  int64_t diagonal;
  void operator()(Backward& b) { b.set(0, tril(b.grad(), diagonal)); }
};
struct TriuBackward0 {
  static constexpr const char* name = "TriuBackward0";
  static constexpr bool saves = false;
  int64_t diagonal;
  void operator()(Backward& b) { b.set(0, triu(b.grad(), diagonal)); }
};

}  // namespace

// --- tril, triu
// ------------------------------------------------------------------------------------------------------

Tensor tril(const Tensor& x, int64_t diagonal) {
  Tensor out = triangle(x, diagonal, true, "tril");
  if (recording(x)) record(out, TrilBackward0{diagonal}, x);
  return out;
}
PYCORE_OP("tril(Tensor input, int diagonal=0) -> Tensor", tril, kBoth | kInplace | kOut, R"(
The lower triangle of matrices; everything above the diagonal (shifted right by ``diagonal``) is zero.

>>> pycore.tril(pycore.ones(2, 3))
tensor([[1., 0., 0.],
        [1., 1., 0.]])
)");
Tensor triu(const Tensor& x, int64_t diagonal) {
  Tensor out = triangle(x, diagonal, false, "triu");
  if (recording(x)) record(out, TriuBackward0{diagonal}, x);
  return out;
}
PYCORE_OP("triu(Tensor input, int diagonal=0) -> Tensor", triu, kBoth | kInplace | kOut, R"(
The upper triangle of matrices; everything below the diagonal (shifted right by ``diagonal``) is zero.

>>> pycore.triu(pycore.ones(2, 3))
tensor([[1., 1., 1.],
        [0., 1., 1.]])
)");

// --- tril_indices, triu_indices
// --------------------------------------------------------------------------------------

namespace {
Tensor triangle_indices(int64_t rows, int64_t columns, int64_t offset, bool lower,
                        std::optional<DType> dtype, const char* name) {
  PC_CHECK(rows >= 0, "row must be non-negative, got", rows);
  PC_CHECK(columns >= 0, "col must be non-negative, got", columns);
  DType t = dtype.value_or(DType::int64);
  PC_CHECK_IMPLEMENTED(t == DType::int64 || t == DType::int32, "\"", name,
                       "\" not implemented for '", scalar_type_name(t), "'");
  int64_t cells;
  PC_CHECK(!__builtin_mul_overflow(rows, columns, &cells),
           "Storage size calculation overflowed with sizes=", Dims{rows, columns});
  offset = std::clamp(offset, -rows, columns);
  auto bounds = [&](int64_t r) {
    int64_t cut = std::clamp<int64_t>(r + offset + (lower ? 1 : 0), 0, columns);
    return lower ? std::pair<int64_t, int64_t>{0, cut} : std::pair{cut, columns};
  };
  int64_t n = 0;
  // Row by row would take forever for shapes that no memory can hold.
  PC_CHECK(rows < (int64_t{1} << 32),
           "Storage size calculation overflowed with sizes=", Dims{rows, columns});
  for (int64_t r = 0; r < rows; ++r) n += bounds(r).second - bounds(r).first;
  Tensor out = empty({{2, n}}, DType::int64);
  int64_t *row = out.data<int64_t>(), *column = row + n;
  for (int64_t r = 0; r < rows; ++r) {
    auto [first, last] = bounds(r);
    for (int64_t c = first; c < last; ++c) {
      *row++ = r;
      *column++ = c;
    }
  }
  return to_dtype(out, t);
}
using Ignored = std::optional<int64_t>;
Tensor tril_indices(int64_t rows, int64_t columns, int64_t offset, std::optional<DType> dtype,
                    Ignored, Ignored, bool) {
  return triangle_indices(rows, columns, offset, true, dtype, "tril_indices");
}
Tensor triu_indices(int64_t rows, int64_t columns, int64_t offset, std::optional<DType> dtype,
                    Ignored, Ignored, bool) {
  return triangle_indices(rows, columns, offset, false, dtype, "triu_indices");
}
#define PC_INDICES_ARGS                                                                 \
  "(int row, int col, int offset=0, *, dtype? dtype=None, layout layout=None, device? " \
  "device=None, bool pin_memory=False) -> Tensor"
PYCORE_OP("tril_indices" PC_INDICES_ARGS, tril_indices, kFunction, R"(
Rows and columns of the lower triangle of a ``row`` x ``col`` matrix, as a 2 x n integer tensor.

>>> pycore.tril_indices(2, 2)
tensor([[0, 1, 1],
        [0, 0, 1]])
)");
PYCORE_OP("triu_indices" PC_INDICES_ARGS, triu_indices, kFunction, R"(
Rows and columns of the upper triangle of a ``row`` x ``col`` matrix, as a 2 x n integer tensor.

>>> pycore.triu_indices(2, 2)
tensor([[0, 0, 1],
        [0, 1, 1]])
)");
}  // namespace

// --- diag_embed, diag, diagflat
// ----------------------------------------------------------------------------------------

namespace {
struct DiagEmbedBackward0 {
  static constexpr const char* name = "DiagEmbedBackward0";
  static constexpr bool saves = false;
  int64_t offset, dim1, dim2;
  void operator()(Backward& b) { b.set(0, diagonal(b.grad(), offset, dim1, dim2)); }
};
struct DiagonalCopyBackward0 {
  static constexpr const char* name = "DiagonalBackward0_copy";
  static constexpr bool saves = false;
  Dims sizes;
  int64_t offset;
  void operator()(Backward& b) {
    // The square that the diagonal spans, then cut or filled to the matrix.
    Tensor whole = diag_embed(b.grad(), offset, 0, 1);
    int64_t n = whole.sizes()[0];
    const int64_t pad[4] = {0, sizes[1] - n, 0, sizes[0] - n};
    b.set(0, b.grad().numel() == 0 ? zeros(sizes, b.grad().dtype()) : constant_pad(whole, pad, 0));
  }
};
}  // namespace

Tensor diag_embed(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  int64_t n = x.dim() + 1;
  PC_CHECK(x.dim() >= 1,
           "diag_embed: expected a tensor with at least 1 dimension, but got a 0-d tensor");
  int64_t a = wrap_dim(dim1, n), b = wrap_dim(dim2, n);
  PC_CHECK(a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  int64_t length = x.sizes().back(), side;
  PC_CHECK(offset > -(int64_t{1} << 62) && offset < (int64_t{1} << 62) &&
               !__builtin_add_overflow(length, std::abs(offset), &side),
           "Storage size calculation overflowed with offset=", offset);
  Dims sizes(x.sizes().begin(), x.sizes().end() - 1);
  sizes.insert(std::min(a, b), side);
  sizes.insert(std::max(a, b), side);
  Tensor out = zeros(sizes, x.dtype());
  copy_data(detach(diagonal(out, offset, a, b)), x);
  if (recording(x)) record(out, DiagEmbedBackward0{offset, a, b}, x);
  return out;
}
PYCORE_OP("diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", diag_embed,
          kBoth, R"(
Matrices with the last dimension of ``input`` on a diagonal and zeros elsewhere.

>>> pycore.diag_embed(pycore.tensor([1, 2]))
tensor([[1, 0],
        [0, 2]])
)");

static Tensor diag(const Tensor& x, int64_t diagonal_) {
  PC_CHECK(x.dim() == 1 || x.dim() == 2, "diag(): Supports 1D or 2D tensors. Got ", x.dim(), "D");
  if (x.dim() == 1) return diag_embed(x, diagonal_, 0, 1);
  Tensor out;
  {
    GradGuard off(false);
    out = clone_data(diagonal(x, diagonal_, 0, 1));
  }
  if (recording(x)) record(out, DiagonalCopyBackward0{x.sizes(), diagonal_}, x);
  return out;
}
PYCORE_OP("diag(Tensor input, int diagonal=0) -> Tensor", diag, kBoth | kOut, R"(
A matrix with the vector on its diagonal, or the diagonal of a matrix (a copy). RuntimeError for other dimensions.

>>> pycore.diag(pycore.tensor([[1, 2], [3, 4]]))
tensor([1, 4])
)");
static Tensor diagflat(const Tensor& x, int64_t offset) {
  return diag_embed(reshape(x, {{-1}}), offset, 0, 1);
}
PYCORE_OP("diagflat(Tensor input, int offset=0) -> Tensor", diagflat, kBoth, R"(
A matrix with all elements of the tensor on its diagonal.

>>> pycore.diagflat(pycore.tensor([1, 2]), 1)
tensor([[0, 1, 0],
        [0, 0, 2],
        [0, 0, 0]])
)");

// --- trace, vander
// -------------------------------------------------------------------------------------------------------

namespace {
struct TraceBackward0 {
  static constexpr const char* name = "TraceBackward0";
  static constexpr bool saves = false;
  Dims sizes;
  void operator()(Backward& b) {
    int64_t n = std::min(sizes[0], sizes[1]);
    Tensor square = diag_embed(expand(b.grad(), {{n}}), 0, 0, 1);
    const int64_t pad[4] = {0, sizes[1] - n, 0, sizes[0] - n};
    b.set(0, constant_pad(square, pad, 0));
  }
};
}  // namespace

static Tensor trace(const Tensor& x) {
  PC_CHECK(x.dim() == 2, "trace: expected a matrix, but got tensor with dim ", x.dim());
  PC_CHECK_IMPLEMENTED(x.dtype() != DType::bool_, "\"trace\" not implemented for 'Bool'");
  Tensor out;
  {
    GradGuard off(false);
    out = sum_all(diagonal(x, 0, 0, 1));
  }
  if (recording(x)) record(out, TraceBackward0{x.sizes()}, x);
  return out;
}
PYCORE_OP("trace(Tensor input) -> Tensor", trace, kBoth, R"(
The sum of a matrix's diagonal.

>>> pycore.trace(pycore.tensor([[1., 2.], [3., 4.]]))
tensor(5.)
)");

static Tensor vander(const Tensor& x, std::optional<int64_t> N, bool increasing) {
  PC_CHECK(x.dim() == 1, "x must be a one-dimensional tensor.");
  int64_t n = N.value_or(x.sizes()[0]);
  PC_CHECK(n >= 0, "N must be non-negative.");
  Tensor base = is_floating(x.dtype()) ? x : to_dtype(x, DType::int64);
  Tensor column = unsqueeze(base, 1);
  Tensor exponents = empty({{n}}, DType::int64);
  for (int64_t i = 0; i < n; ++i) exponents.data<int64_t>()[i] = increasing ? i : n - 1 - i;
  return pow(column, exponents);
}
PYCORE_OP("vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", vander, kFunction, R"(
The matrix of powers of a vector's elements: column ``j`` is ``x ** (N - 1 - j)``, or ``x ** j`` if ``increasing``.

>>> pycore.vander(pycore.tensor([1, 2, 3]))
tensor([[1, 1, 1],
        [4, 2, 1],
        [9, 3, 1]])
)");

}  // namespace pycore
