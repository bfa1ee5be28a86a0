// Joining tensors into one and cutting one into parts: cat, stack, block_diag, tensor_split and
// their kin. Must not know kernels or Python.
#include <string.h>

#include "ops/ops.h"

namespace pycore {
namespace {

constexpr uint32_t kJoin = kFunction | kOut;
constexpr uint32_t kSplit = kFunction | kMethod;
// Below this many bytes one thread copies faster than two can start.
constexpr int64_t kParallelBytes = 1 << 18;
// From this many on there is a kernel for rows.
constexpr int64_t kManyRows = 1 << 14;

DType common_dtype(TensorList tensors) {
  DType t = tensors[0].dtype();
  for (auto& x : tensors) t = promote(t, x.dtype());
  return t;
}

// Fills the contiguous `out` with `outer` rows, each made of one chunk of every tensor in turn.
// `place(i, at)` gives the part of `out` that tensor i, `at` elements into a row, belongs to.
template <class Place>
void join(const Tensor& out, int64_t outer, TensorList tensors, const Place& place) {
  if (out.numel() == 0) return;
  int64_t row = out.numel() / outer, at = 0, item = out.item_size();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    int64_t chunk = x.numel() / outer;
    if (chunk == 0) continue;
    if (x.dtype() == out.dtype() && x.is_contiguous() &&
        x.numel() * item < (outer > 1 ? kManyRows : kParallelBytes)) {
      const char* from = x->data;
      char* to = out->data + at * item;
      auto bytes = static_cast<size_t>(chunk * item);
      for (int64_t r = 0; r < outer; ++r)
        memcpy(to + r * row * item, from + r * chunk * item, bytes);
    } else {
      copy_data(place(i, at), x);
    }
    at += chunk;
  }
}

int64_t outer_size(IntSpan sizes, int64_t dim) {
  return numel_of(sizes.subspan(0, static_cast<size_t>(dim)));
}

// --- cat
// -------------------------------------------------------------------------------------------------------------

struct CatBackward0 {
  static constexpr const char* name = "CatBackward0";
  static constexpr bool saves = false;
  struct Part {
    int64_t start, length;
    DType dtype;
    bool legacy_empty;
  };
  int64_t dim = 0;
  std::vector<Part> parts;
  void operator()(Backward& b) {
    for (uint32_t i = 0; i < parts.size(); ++i) {
      if (!b.needs(i)) continue;
      const Part& p = parts[i];
      b.set(i, p.legacy_empty
                   ? zeros({{0}}, p.dtype)
                   : to_dtype(slice(b.grad(), dim, p.start, p.start + p.length), p.dtype));
    }
  }
};

// PyTorch lets an empty 1-d tensor join tensors of any shape.
bool is_legacy_empty(const Tensor& t) { return t.dim() == 1 && t.numel() == 0; }

}  // namespace

Tensor cat(TensorList tensors, int64_t dim) {
  PC_CHECK_VALUE(!tensors.empty(), "torch.cat(): expected a non-empty list of Tensors");
  const Tensor* model = nullptr;
  for (size_t i = 0; i < tensors.size(); ++i) {
    PC_CHECK(tensors[i].dim() > 0, "zero-dimensional tensor (at position ", i,
             ") cannot be concatenated");
    if (!model && !is_legacy_empty(tensors[i])) model = &tensors[i];
  }
  if (!model) model = &tensors[0];
  dim = wrap_dim(dim, model->dim());
  Dims sizes = model->sizes();
  int64_t total = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    if (is_legacy_empty(x)) continue;
    PC_CHECK(x.dim() == model->dim(), "Tensors must have same number of dimensions: got ",
             model->dim(), " and ", x.dim());
    for (int64_t d = 0; d < x.dim(); ++d)
      PC_CHECK(d == dim || x.sizes()[d] == sizes[d],
               "Sizes of tensors must match except in dimension ", dim, ". Expected size ",
               sizes[d], " but got size ", x.sizes()[d], " for tensor number ", i, " in the list.");
    total += x.sizes()[dim];
  }
  sizes[dim] = total;
  Tensor out = empty(sizes, common_dtype(tensors));
  int64_t inner = numel_of(IntSpan(sizes).subspan(static_cast<size_t>(dim) + 1));
  join(out, outer_size(sizes, dim), tensors, [&](size_t i, int64_t at) {
    Dims part = sizes;
    part[dim] = tensors[i].sizes()[dim];
    return make_alias(out->storage, out.dtype(), part, out.strides(),
                      at / inner * out.strides()[dim]);
  });
  if (recording(tensors)) {
    CatBackward0 rule;
    rule.dim = dim;
    int64_t at = 0;
    for (auto& x : tensors) {
      bool skip = is_legacy_empty(x) && model->dim() != 1;
      int64_t length = skip ? 0 : x.sizes()[dim];
      rule.parts.push_back({at, length, x.dtype(), skip});
      at += length;
    }
    record_many({&out, 1}, std::move(rule), tensors);
  }
  return out;
}
PYCORE_OP("cat(Tensor[] tensors, int dim=0) -> Tensor", cat, kJoin, R"(
Joins tensors along an existing dimension. All other sizes must agree; dtypes promote. ValueError for an empty list,
RuntimeError for shapes that don't fit.

>>> pycore.cat([pycore.tensor([[1, 2]]), pycore.tensor([[3, 4]])], dim=0)
tensor([[1, 2],
        [3, 4]])
)");
PYCORE_OP("concat(Tensor[] tensors, int dim=0) -> Tensor", cat, kJoin, "Alias of :func:`cat`.");
PYCORE_OP("concatenate(Tensor[] tensors, int dim=0) -> Tensor", cat, kJoin,
          "Alias of :func:`cat`.");

// --- stack
// -----------------------------------------------------------------------------------------------------------

namespace {
struct StackBackward0 {
  static constexpr const char* name = "StackBackward0";
  static constexpr bool saves = false;
  int64_t dim = 0;
  std::vector<DType> dtypes;
  void operator()(Backward& b) {
    for (uint32_t i = 0; i < dtypes.size(); ++i)
      if (b.needs(i)) b.set(i, to_dtype(select(b.grad(), dim, i), dtypes[i]));
  }
};
}  // namespace

Tensor stack(TensorList tensors, int64_t dim) {
  PC_CHECK(!tensors.empty(), "stack expects a non-empty TensorList");
  const Dims& part = tensors[0].sizes();
  dim = wrap_dim(dim, part.size() + 1);
  for (size_t i = 1; i < tensors.size(); ++i)
    PC_CHECK(tensors[i].sizes() == part, "stack expects each tensor to be equal size, but got ",
             part, " at entry 0 and ", tensors[i].sizes(), " at entry ", i);
  Dims sizes = part;
  sizes.insert(dim, static_cast<int64_t>(tensors.size()));
  Tensor out = empty(sizes, common_dtype(tensors));
  Dims strides = out.strides();
  strides.erase(dim);
  join(out, outer_size(sizes, dim), tensors, [&](size_t, int64_t at) {
    return make_alias(out->storage, out.dtype(), part, strides, at);
  });
  if (recording(tensors)) {
    StackBackward0 rule;
    rule.dim = dim;
    for (auto& x : tensors) rule.dtypes.push_back(x.dtype());
    record_many({&out, 1}, std::move(rule), tensors);
  }
  return out;
}
PYCORE_OP("stack(Tensor[] tensors, int dim=0) -> Tensor", stack, kJoin, R"(
Joins tensors of one shape along a new dimension. RuntimeError if the shapes differ.

>>> pycore.stack([pycore.tensor([1, 2]), pycore.tensor([3, 4])], dim=1)
tensor([[1, 3],
        [2, 4]])
)");

// --- hstack, vstack, dstack, column_stack
// ----------------------------------------------------------------------------

namespace {
template <class F>
std::vector<Tensor> each(TensorList tensors, const F& f) {
  std::vector<Tensor> out;
  out.reserve(tensors.size());
  for (auto& x : tensors) out.push_back(f(x));
  return out;
}
}  // namespace

Tensor atleast_1d(const Tensor& x) { return x.dim() > 0 ? x : reshape(x, {{1}}); }
Tensor atleast_2d(const Tensor& x) {
  return x.dim() > 1 ? x : x.dim() == 1 ? unsqueeze(x, 0) : reshape(x, {{1, 1}});
}
Tensor atleast_3d(const Tensor& x) {
  return x.dim() > 2    ? x
         : x.dim() == 2 ? unsqueeze(x, -1)
         : x.dim() == 1 ? unsqueeze(unsqueeze(x, 0), -1)
                        : reshape(x, {{1, 1, 1}});
}

static Tensor hstack(TensorList tensors) {
  PC_CHECK(!tensors.empty(), "hstack expects a non-empty TensorList");
  auto parts = each(tensors, atleast_1d);
  return cat(parts, parts[0].dim() == 1 ? 0 : 1);
}
PYCORE_OP("hstack(Tensor[] tensors) -> Tensor", hstack, kJoin, R"(
Joins tensors side by side: along dimension 1, or 0 for vectors.

>>> pycore.hstack([pycore.tensor([1, 2]), pycore.tensor([3])])
tensor([1, 2, 3])
)");
static Tensor vstack(TensorList tensors) {
  PC_CHECK(!tensors.empty(), "vstack expects a non-empty TensorList");
  return cat(each(tensors, atleast_2d), 0);
}
PYCORE_OP("vstack(Tensor[] tensors) -> Tensor", vstack, kJoin, R"(
Joins tensors below each other; vectors count as rows.

>>> pycore.vstack([pycore.tensor([1, 2]), pycore.tensor([3, 4])])
tensor([[1, 2],
        [3, 4]])
)");
PYCORE_OP("row_stack(Tensor[] tensors) -> Tensor", vstack, kJoin, "Alias of :func:`vstack`.");
static Tensor dstack(TensorList tensors) {
  PC_CHECK(!tensors.empty(), "dstack expects a non-empty TensorList");
  return cat(each(tensors, atleast_3d), 2);
}
PYCORE_OP("dstack(Tensor[] tensors) -> Tensor", dstack, kJoin, R"(
Joins tensors along the third dimension, which is added where it is missing.

>>> pycore.dstack([pycore.tensor([1, 2]), pycore.tensor([3, 4])])
tensor([[[1, 3],
         [2, 4]]])
)");
static Tensor column_stack(TensorList tensors) {
  PC_CHECK(!tensors.empty(), "column_stack expects a non-empty TensorList");
  return hstack(each(
      tensors, [](const Tensor& x) { return x.dim() > 1 ? x : reshape(x, {{x.numel(), 1}}); }));
}
PYCORE_OP("column_stack(Tensor[] tensors) -> Tensor", column_stack, kJoin, R"(
Joins tensors side by side; vectors count as columns.

>>> pycore.column_stack([pycore.tensor([1, 2]), pycore.tensor([3, 4])])
tensor([[1, 3],
        [2, 4]])
)");

// --- block_diag
// ------------------------------------------------------------------------------------------------------

namespace {
struct BlockDiagBackward0 {
  static constexpr const char* name = "BlockDiagBackward0";
  static constexpr bool saves = false;
  std::vector<Dims> sizes;
  std::vector<DType> dtypes;
  void operator()(Backward& b) {
    int64_t row = 0, column = 0;
    for (uint32_t i = 0; i < sizes.size(); ++i) {
      int64_t n = sizes[i].size();
      int64_t rows = n == 2 ? sizes[i][0] : 1, columns = n == 0 ? 1 : sizes[i].back();
      if (b.needs(i))
        b.set(i, to_dtype(
                     reshape(narrow(narrow(b.grad(), 0, row, rows), 1, column, columns), sizes[i]),
                     dtypes[i]));
      row += rows;
      column += columns;
    }
  }
};
}  // namespace

static Tensor block_diag(TensorList tensors) {
  if (tensors.empty()) return empty({{1, 0}}, default_dtype());
  int64_t rows = 0, columns = 0;
  std::vector<Tensor> blocks;
  BlockDiagBackward0 rule;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    PC_CHECK(x.dim() <= 2,
             "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input ", i, " has ",
             x.dim(), " dimensions");
    blocks.push_back(atleast_2d(detach(x)));
    rows += blocks[i].sizes()[0];
    columns += blocks[i].sizes()[1];
    rule.sizes.push_back(x.sizes());
    rule.dtypes.push_back(x.dtype());
  }
  Tensor out = zeros({{rows, columns}}, common_dtype(tensors));
  int64_t offset = 0;
  for (auto& x : blocks) {
    copy_data(make_alias(out->storage, out.dtype(), x.sizes(), out.strides(), offset), x);
    offset += x.sizes()[0] * columns + x.sizes()[1];
  }
  if (recording(tensors)) record_many({&out, 1}, std::move(rule), tensors);
  return out;
}
PYCORE_OP("block_diag(Tensor[*] tensors) -> Tensor", block_diag, kFunction, R"(
A matrix with the given matrices (vectors count as rows) on its diagonal and zeros elsewhere.

>>> pycore.block_diag(pycore.tensor([[1, 2]]), pycore.tensor([[3]]))
tensor([[1, 2, 0],
        [0, 0, 3]])
)");

// --- tensor_split and its kin
// ------------------------------------------------------------------------------------------

namespace {
using Parts = std::vector<Tensor>;

// Views between consecutive bounds; as parts of one call they may not be written in place with
// grad.
Parts cut(const Tensor& x, int64_t dim, const std::vector<std::pair<int64_t, int64_t>>& bounds) {
  Parts parts;
  parts.reserve(bounds.size());
  for (auto [start, end] : bounds) parts.push_back(slice(x, dim, start, end));
  for (auto& p : parts) p->multi_output_view = true;
  return parts;
}

Parts split_sections(const Tensor& x, int64_t sections, int64_t dim) {
  PC_CHECK(x.dim() > 0,
           "tensor_split expected at least a 1-dimensional tensor, but got a tensor with ", x.dim(),
           " dims");
  dim = wrap_dim(dim, x.dim());
  PC_CHECK(sections > 0, "number of sections must be larger than 0, got ", sections);
  int64_t n = x.sizes()[dim], base = n / sections, longer = n % sections, at = 0;
  std::vector<std::pair<int64_t, int64_t>> bounds;
  for (int64_t i = 0; i < sections; ++i) {
    int64_t end = at + base + (i < longer ? 1 : 0);
    bounds.emplace_back(at, end);
    at = end;
  }
  return cut(x, dim, bounds);
}
Parts split_indices(const Tensor& x, IntSpan indices, int64_t dim) {
  PC_CHECK(x.dim() > 0,
           "tensor_split expected at least a 1-dimensional tensor, but got a tensor with ", x.dim(),
           " dims");
  dim = wrap_dim(dim, x.dim());
  std::vector<std::pair<int64_t, int64_t>> bounds;
  int64_t at = 0;
  for (int64_t end : indices) {
    bounds.emplace_back(at, end);
    at = end;
  }
  bounds.emplace_back(at, x.sizes()[dim]);
  return cut(x, dim, bounds);
}
Parts split_tensor(const Tensor& x, const Tensor& where, int64_t dim) {
  PC_CHECK(where.dtype() == DType::int64,
           "tensor_split expected tensor_indices_or_sections to have dtype of long, but got ",
           scalar_type_name(where.dtype()));
  PC_CHECK(where.dim() <= 1,
           "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
           "one-dimensional tensor, but got a tensor with ",
           where.dim(), " dims");
  Tensor flat = contiguous(detach(where));
  if (where.dim() == 0) return split_sections(x, *flat.data<int64_t>(), dim);
  return split_indices(x, {flat.data<int64_t>(), static_cast<size_t>(flat.numel())}, dim);
}
PYCORE_OP("tensor_split(Tensor input, int sections, int dim=0) -> Tensor[]", split_sections, kSplit,
          R"(
Views of consecutive parts: ``sections`` of nearly equal size, or cut at the given indices.

>>> pycore.arange(5).tensor_split(2)
(tensor([0, 1, 2]), tensor([3, 4]))
>>> pycore.arange(5).tensor_split((1, 3))
(tensor([0]), tensor([1, 2]), tensor([3, 4]))
)");
PYCORE_OP("tensor_split(Tensor input, int[] indices, int dim=0) -> Tensor[]", split_indices, kSplit,
          "");
PYCORE_OP("tensor_split(Tensor input, Tensor tensor_indices_or_sections, int dim=0) -> Tensor[]",
          split_tensor, kSplit, "");

Parts even_split(const Tensor& x, const char* name, int64_t sections, int64_t dim) {
  PC_CHECK(sections > 0 && x.sizes()[dim] % sections == 0, "torch.", name,
           " attempted to split along dimension ", dim, ", but the size of the dimension ",
           x.sizes()[dim], " is not divisible by the split_size ", sections, "!");
  return split_sections(x, sections, dim);
}
void check_split_dims(const Tensor& x, const char* name, int64_t needed) {
  PC_CHECK(x.dim() >= needed, "torch.", name, " requires a tensor with at least ", needed,
           " dimension, but got a tensor with ", x.dim(), " dimensions!");
}
}  // namespace

#define PC_SPLIT(NAME, NEEDED, DIM, DOC)                                                     \
  static Parts NAME##_sections(const Tensor& x, int64_t sections) {                          \
    check_split_dims(x, #NAME, NEEDED);                                                      \
    return even_split(x, #NAME, sections, DIM);                                              \
  }                                                                                          \
  static Parts NAME##_indices(const Tensor& x, IntSpan indices) {                            \
    check_split_dims(x, #NAME, NEEDED);                                                      \
    return split_indices(x, indices, DIM);                                                   \
  }                                                                                          \
  PYCORE_OP(#NAME "(Tensor input, int sections) -> Tensor[]", NAME##_sections, kSplit, DOC); \
  PYCORE_OP(#NAME "(Tensor input, int[] indices) -> Tensor[]", NAME##_indices, kSplit, "");

PC_SPLIT(hsplit, 1, (x.dim() == 1 ? 0 : 1), R"(
Cuts side by side: along dimension 1, or 0 for vectors; into equal parts or at indices.

>>> pycore.arange(4).hsplit(2)
(tensor([0, 1]), tensor([2, 3]))
)")
PC_SPLIT(vsplit, 2, 0, R"(
Cuts along dimension 0, into equal parts or at indices.

>>> pycore.arange(4).view(2, 2).vsplit(2)
(tensor([[0, 1]]), tensor([[2, 3]]))
)")
PC_SPLIT(dsplit, 3, 2, R"(
Cuts along dimension 2, into equal parts or at indices.

>>> pycore.arange(2).view(1, 1, 2).dsplit(2)
(tensor([[[0]]]), tensor([[[1]]]))
)")

}  // namespace pycore
