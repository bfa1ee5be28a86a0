// Views: other shapes of the same memory. Each is a differentiable alias of its base. Must not know
// kernels or Python.
#include <algorithm>

#include "ops/ops.h"
#include "ops/view_support.h"

namespace pycore {

constexpr uint32_t kView = kFunction | kMethod;

Tensor make_view(const Tensor& base, IntSpan sizes, IntSpan strides, int64_t offset) {
  Tensor out = make_alias(base->storage, base.dtype(), sizes, strides, offset);
  mark_view(out, base);
  return out;
}

// --- view, reshape
// ---------------------------------------------------------------------------------------------------

Dims infer_size(IntSpan sizes, int64_t numel) {
  Dims out(sizes);
  int64_t known = 1, unknown = -1;
  for (int64_t i = 0; i < out.size(); ++i) {
    if (out[i] == -1) {
      PC_CHECK(unknown < 0, "only one dimension can be inferred");
      unknown = i;
    } else {
      PC_CHECK(out[i] >= 0, "invalid shape dimension ", out[i]);
      PC_CHECK(!__builtin_mul_overflow(known, out[i], &known), "shape '", out,
               "' is invalid for input of size ", numel);
    }
  }
  if (unknown >= 0) {
    PC_CHECK(known != 0 || numel != 0, "cannot reshape tensor of 0 elements into shape ", out,
             " because the unspecified dimension size -1 can be any value and is ambiguous");
    PC_CHECK(known != 0 && numel % known == 0, "shape '", out, "' is invalid for input of size ",
             numel);
    out[unknown] = numel / known;
  } else {
    PC_CHECK(known == numel, "shape '", out, "' is invalid for input of size ", numel);
  }
  return out;
}

// Strides that show t's elements in the new shape without moving them, if there are any.
static std::optional<Dims> view_strides(const Tensor& t, const Dims& sizes) {
  Dims strides(sizes.size());
  if (t.is_contiguous() || t.numel() == 0) {
    contiguous_strides(sizes, strides);
    return strides;
  }
  // Walk both shapes from the right; a run of old dimensions that steps evenly can be cut anew.
  int64_t d = sizes.size() - 1;
  int64_t run = 1, used = 1, base = t.strides()[t.dim() - 1];
  for (int64_t i = t.dim() - 1; i >= 0; --i) {
    run *= t.sizes()[i];
    bool ends = i == 0 || (t.sizes()[i - 1] != 1 && t.strides()[i - 1] != run * base);
    if (!ends) continue;
    while (d >= 0 && (used < run || sizes[d] == 1)) {
      strides[d] = used * base;
      used *= sizes[d];
      --d;
    }
    if (used != run) return std::nullopt;
    if (i > 0) {
      base = t.strides()[i - 1];
      run = used = 1;
    }
  }
  if (d != -1) return std::nullopt;
  return strides;
}

namespace {
struct ViewBackward0 {
  static constexpr const char* name = "ViewBackward0";
  static constexpr bool saves = false;
  Dims sizes;
  void operator()(Backward& b) { b.set(0, reshape(b.grad(), sizes)); }
};
}  // namespace

static Tensor view_as(const Tensor& t, const Dims& sizes, const Dims& strides) {
  Tensor out = make_view(t, sizes, strides, t.offset());
  if (recording(t)) record(out, ViewBackward0{t.sizes()}, t);
  return out;
}

Tensor view(const Tensor& t, IntSpan size) {
  Dims sizes = infer_size(size, t.numel());
  auto strides = view_strides(t, sizes);
  PC_CHECK(strides,
           "view size is not compatible with input tensor's size and stride (at least one "
           "dimension spans across two "
           "contiguous subspaces). Use .reshape(...) instead. view: got size ",
           t.sizes(), " with strides ", t.strides(), ", asked for ", sizes);
  return view_as(t, sizes, *strides);
}
PYCORE_OP("view(Tensor input, int[] size) -> Tensor", view, kMethod, R"(
The same memory in another shape; one dimension may be -1. RuntimeError if the strides don't allow it.

>>> pycore.arange(6).view(2, -1)
tensor([[0, 1, 2],
        [3, 4, 5]])
)");

Tensor reshape(const Tensor& t, IntSpan shape) {
  Dims sizes = infer_size(shape, t.numel());
  if (auto strides = view_strides(t, sizes)) return view_as(t, sizes, *strides);
  Tensor copy = contiguous(t);
  Dims strides;
  contiguous_strides(sizes, strides);
  return view_as(copy, sizes, strides);
}
PYCORE_OP("reshape(Tensor input, int[] shape) -> Tensor", reshape, kView, R"(
Another shape of the same elements: a view where the strides allow it, else a copy.

>>> pycore.arange(4).reshape(2, 2)
tensor([[0, 1],
        [2, 3]])
)");
static Tensor view_as_other(const Tensor& t, const Tensor& other) { return view(t, other.sizes()); }
PYCORE_OP("view_as(Tensor input, Tensor other) -> Tensor", view_as_other, kMethod, R"(
``input.view(other.size())``.

>>> pycore.arange(4).view_as(pycore.zeros(2, 2))
tensor([[0, 1],
        [2, 3]])
)");
static Tensor reshape_as(const Tensor& t, const Tensor& other) { return reshape(t, other.sizes()); }
PYCORE_OP("reshape_as(Tensor input, Tensor other) -> Tensor", reshape_as, kMethod, R"(
``input.reshape(other.size())``.

>>> pycore.arange(4).reshape_as(pycore.zeros(2, 2))
tensor([[0, 1],
        [2, 3]])
)");

namespace {
struct AliasBackward0 {
  static constexpr const char* name = "AliasBackward0";
  static constexpr bool saves = false;
  void operator()(Backward& b) { b.set(0, b.grad()); }
};
}  // namespace
Tensor alias_view(const Tensor& t) {
  Tensor out = make_view(t, t.sizes(), t.strides(), t.offset());
  if (recording(t)) record(out, AliasBackward0{}, t);
  return out;
}

static Tensor view_dtype(const Tensor& t, DType dtype) {
  if (dtype == t.dtype()) return detach(t);
  PC_CHECK(!recording(t),
           "view: changing the dtype of a tensor that requires grad is not supported");
  PC_CHECK(item_size(dtype) == t.item_size() || (t.is_contiguous() && t.dim() > 0),
           "self.stride(-1) must be 1 to view ", t.dtype(), " as ", dtype,
           " (different element sizes)");
  Dims sizes = t.sizes(), strides = t.strides();
  int64_t offset = t.offset();
  if (item_size(dtype) != t.item_size()) {
    int64_t bytes = sizes.back() * t.item_size();
    PC_CHECK(bytes % item_size(dtype) == 0 && (offset * t.item_size()) % item_size(dtype) == 0,
             "self.size(-1) must be divisible by ", item_size(dtype) / t.item_size(), " to view ",
             t.dtype(), " as ", dtype);
    sizes[sizes.size() - 1] = bytes / item_size(dtype);
    contiguous_strides(sizes, strides);
    offset = offset * t.item_size() / item_size(dtype);
  }
  return make_alias(t->storage, dtype, sizes, strides, offset);
}
PYCORE_OP("view(Tensor input, dtype dtype) -> Tensor", view_dtype, kMethod, "");

Tensor flatten(const Tensor& t, int64_t start, int64_t end) {
  start = wrap_dim(start, t.dim());
  end = wrap_dim(end, t.dim());
  PC_CHECK(start <= end, "flatten() has invalid args: start_dim cannot come after end_dim");
  if (t.dim() == 0) return reshape(t, {{1}});
  if (start == end) return t;
  Dims sizes;
  for (int64_t i = 0; i < t.dim(); ++i) {
    if (i > start && i <= end)
      sizes.back() *= t.sizes()[i];
    else
      sizes.push_back(t.sizes()[i]);
  }
  return reshape(t, sizes);
}
PYCORE_OP("flatten(Tensor input, int start_dim=0, int end_dim=-1) -> Tensor", flatten, kView, R"(
Merges the dimensions from ``start_dim`` to ``end_dim`` into one.

>>> pycore.zeros(2, 3, 4).flatten(1).shape
pycore.Size([2, 12])
)");
static Tensor ravel(const Tensor& t) { return reshape(t, {{-1}}); }
PYCORE_OP("ravel(Tensor input) -> Tensor", ravel, kView, R"(
All elements in one dimension.

>>> pycore.ravel(pycore.tensor([[1, 2], [3, 4]]))
tensor([1, 2, 3, 4])
)");

static Tensor unflatten(const Tensor& t, int64_t dim, IntSpan sizes) {
  dim = wrap_dim(dim, t.dim());
  Dims inferred = infer_size(sizes, t.size(dim));
  Dims out;
  for (int64_t i = 0; i < t.dim(); ++i) {
    if (i != dim) {
      out.push_back(t.sizes()[i]);
      continue;
    }
    for (int64_t s : inferred) out.push_back(s);
  }
  return view(t, out);
}
PYCORE_OP("unflatten(Tensor input, int dim, int[] sizes) -> Tensor", unflatten, kView, R"(
Splits one dimension into several.

>>> pycore.zeros(4, 6).unflatten(1, (2, 3)).shape
pycore.Size([4, 2, 3])
)");

// --- as_strided
// --------------------------------------------------------------------------------------------------------

Tensor as_strided(const Tensor& t, IntSpan sizes, IntSpan strides, std::optional<int64_t> offset) {
  PC_CHECK(sizes.size() == strides.size(), "mismatch in length of strides and shape");
  int64_t o = offset.value_or(t.offset()), last = o;
  for (size_t i = 0; i < sizes.size(); ++i) {
    PC_CHECK(sizes[i] >= 0, "Trying to create tensor with negative dimension ", sizes[i], ": ",
             Dims(sizes));
    PC_CHECK(strides[i] >= 0,
             "as_strided: Negative strides are not supported at the moment, got strides: ",
             Dims(strides));
    int64_t reach = 0;
    PC_CHECK(!__builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) &&
                 !__builtin_add_overflow(last, reach, &last),
             "as_strided: sizes ", Dims(sizes), " and strides ", Dims(strides),
             " reach past what 64 bits count");
  }
  bool is_empty = std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
  PC_CHECK(o >= 0, "Tensor: invalid storage offset ", o);
  PC_CHECK(is_empty || last < t->storage->bytes / t.item_size(), "setStorage: sizes ", Dims(sizes),
           ", strides ", Dims(strides), ", storage offset ", o, ", and itemsize ", t.item_size(),
           " requiring a storage size of ",
           (static_cast<uint64_t>(last) + 1) * static_cast<uint64_t>(t.item_size()),
           " are out of bounds for storage of size ", t->storage->bytes);
  Tensor out = make_view(t, sizes, strides, o);
  if (recording(t)) record(out, as_strided_rule(t, out), t);
  return out;
}
PYCORE_OP("as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
          as_strided, kView, R"(
A view with the given sizes, strides and offset (in elements) on the tensor's storage.

>>> pycore.as_strided(pycore.arange(6), (2, 2), (1, 2))
tensor([[0, 2],
        [1, 3]])
)");

// --- expand
// --------------------------------------------------------------------------------------------------------------

namespace {
struct ExpandBackward0 {
  static constexpr const char* name = "ExpandBackward0";
  static constexpr bool saves = false;
  Dims sizes;
  void operator()(Backward& b) { b.set(0, sum_to(b.grad(), sizes)); }
};
}  // namespace

Tensor expand(const Tensor& t, IntSpan size) {
  int64_t lead = static_cast<int64_t>(size.size()) - t.dim();
  PC_CHECK(lead >= 0, "expand(torch.", legacy_type_name(t.dtype()) + 6, "{", t.sizes(),
           "}, size=", Dims(size), "): the number of sizes provided (", size.size(),
           ") must be greater or equal to the number of dimensions in the tensor (", t.dim(), ")");
  Dims sizes(size), strides(static_cast<int64_t>(size.size()), 0);
  for (int64_t i = 0; i < sizes.size(); ++i) {
    if (i < lead) {
      PC_CHECK(sizes[i] >= 0, "The expanded size of the tensor (", sizes[i],
               ") isn't allowed in a leading, non-existing dimension ", i);
      continue;
    }
    int64_t have = t.sizes()[i - lead];
    if (sizes[i] == -1) sizes[i] = have;
    PC_CHECK(sizes[i] == have || have == 1, "The expanded size of the tensor (", sizes[i],
             ") must match the existing size (", have, ") at non-singleton dimension ", i,
             ".  Target sizes: ", Dims(size), ".  Tensor sizes: ", t.sizes());
    PC_CHECK(sizes[i] >= 0, "Trying to create tensor with negative dimension ", sizes[i], ": ",
             sizes);
    strides[i] = sizes[i] == have ? t.strides()[i - lead] : 0;
  }
  Tensor out = make_view(t, sizes, strides, t.offset());
  if (recording(t)) record(out, ExpandBackward0{t.sizes()}, t);
  return out;
}
static Tensor expand_op(const Tensor& t, IntSpan size, bool) { return expand(t, size); }
PYCORE_OP("expand(Tensor input, int[] size, *, bool implicit=False) -> Tensor", expand_op, kMethod,
          R"(
A view with dimensions of size 1 repeated without copying; -1 keeps a size.

>>> pycore.tensor([[1], [2]]).expand(2, 3)
tensor([[1, 1, 1],
        [2, 2, 2]])
)");
static Tensor expand_as(const Tensor& t, const Tensor& other) { return expand(t, other.sizes()); }
PYCORE_OP("expand_as(Tensor input, Tensor other) -> Tensor", expand_as, kMethod, R"(
``input.expand(other.size())``.

>>> pycore.tensor([1, 2]).expand_as(pycore.zeros(2, 2))
tensor([[1, 2],
        [1, 2]])
)");
static Tensor broadcast_to(const Tensor& t, IntSpan size) { return expand(t, size); }
PYCORE_OP("broadcast_to(Tensor input, int[] size) -> Tensor", broadcast_to, kView, R"(
``input.expand(size)``.

>>> pycore.broadcast_to(pycore.tensor([1, 2]), (2, 2))
tensor([[1, 2],
        [1, 2]])
)");

// --- permute, transpose
// ----------------------------------------------------------------------------------------------------

namespace {
struct PermuteBackward0 {
  static constexpr const char* name = "PermuteBackward0";
  static constexpr bool saves = false;
  Dims inverse;
  void operator()(Backward& b) { b.set(0, permute(b.grad(), inverse)); }
};
struct TransposeBackward0 {
  static constexpr const char* name = "TransposeBackward0";
  static constexpr bool saves = false;
  int64_t a, c;
  void operator()(Backward& b) { b.set(0, transpose(b.grad(), a, c)); }
};
struct TBackward0 {
  static constexpr const char* name = "TBackward0";
  static constexpr bool saves = false;
  void operator()(Backward& b) { b.set(0, t(b.grad())); }
};
}  // namespace

Tensor permute(const Tensor& t, IntSpan dims) {
  int64_t n = t.dim();
  PC_CHECK(static_cast<int64_t>(dims.size()) == n,
           "permute(sparse_coo): number of dimensions in the tensor input does not match the "
           "length of the desired ordering of "
           "dimensions i.e. input.dim() = ",
           n, " is not equal to len(dims) = ", dims.size());
  Dims sizes(n), strides(n), inverse(n, -1);
  for (int64_t i = 0; i < n; ++i) {
    int64_t d = wrap_dim(dims[static_cast<size_t>(i)], n);
    PC_CHECK(inverse[d] < 0, "permute(): duplicate dims are not allowed.");
    inverse[d] = i;
    sizes[i] = t.sizes()[d];
    strides[i] = t.strides()[d];
  }
  Tensor out = make_view(t, sizes, strides, t.offset());
  if (recording(t)) record(out, PermuteBackward0{inverse}, t);
  return out;
}
PYCORE_OP("permute(Tensor input, int[] dims) -> Tensor", permute, kView, R"(
A view with the dimensions in another order.

>>> pycore.zeros(2, 3, 5).permute(2, 0, 1).shape
pycore.Size([5, 2, 3])
)");

static Tensor swapped(const Tensor& x, int64_t a, int64_t b) {
  Dims sizes = x.sizes(), strides = x.strides();
  if (x.dim() > 0) {
    std::swap(sizes[a], sizes[b]);
    std::swap(strides[a], strides[b]);
  }
  return make_view(x, sizes, strides, x.offset());
}

Tensor transpose(const Tensor& x, int64_t a, int64_t b) {
  a = wrap_dim(a, x.dim());
  b = wrap_dim(b, x.dim());
  Tensor out = swapped(x, a, b);
  if (recording(x)) record(out, TransposeBackward0{a, b}, x);
  return out;
}
PYCORE_OP("transpose(Tensor input, int dim0, int dim1) -> Tensor", transpose, kView, R"(
A view with two dimensions swapped.

>>> pycore.zeros(2, 3).transpose(0, 1).shape
pycore.Size([3, 2])
)");
PYCORE_OP("swapaxes(Tensor input, int axis0, int axis1) -> Tensor", transpose, kView,
          "Alias of :func:`transpose`.");
PYCORE_OP("swapdims(Tensor input, int dim0, int dim1) -> Tensor", transpose, kView,
          "Alias of :func:`transpose`.");

Tensor t(const Tensor& x) {
  PC_CHECK(x.dim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is ", x.dim(), "D");
  Tensor out = x.dim() == 2 ? swapped(x, 0, 1) : make_view(x, x.sizes(), x.strides(), x.offset());
  if (recording(x)) record(out, TBackward0{}, x);
  return out;
}
PYCORE_OP("t(Tensor input) -> Tensor", t, kView, R"(
The transpose of a matrix; vectors and 0-d tensors as they are.

>>> pycore.tensor([[1, 2], [3, 4]]).t()
tensor([[1, 3],
        [2, 4]])
)");

static Tensor movedim(const Tensor& x, IntSpan source, IntSpan destination) {
  PC_CHECK(source.size() == destination.size(),
           "movedim: Invalid source or destination dims: source (", Dims(source),
           " dims) should contain the same number of dims as destination (", Dims(destination),
           " dims)");
  int64_t n = x.dim();
  Dims order(n, -1), used(n, 0);
  for (size_t i = 0; i < source.size(); ++i) {
    int64_t s = wrap_dim(source[i], n), d = wrap_dim(destination[i], n);
    PC_CHECK(!used[s] && order[d] < 0, "movedim: repeated dim in `source` or `destination`");
    used[s] = 1;
    order[d] = s;
  }
  int64_t next = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (order[i] >= 0) continue;
    while (used[next]) ++next;
    order[i] = next++;
  }
  return permute(x, order);
}
PYCORE_OP("movedim(Tensor input, int[1] source, int[1] destination) -> Tensor", movedim, kView, R"(
Moves dimensions to other places; the rest keeps its order.

>>> pycore.zeros(2, 3, 4).movedim(0, -1).shape
pycore.Size([3, 4, 2])
)");
PYCORE_OP("moveaxis(Tensor input, int[1] source, int[1] destination) -> Tensor", movedim, kView,
          "Alias of :func:`movedim`.");

// --- squeeze, unsqueeze
// ------------------------------------------------------------------------------------------------------

namespace {
struct UnsqueezeBackward0 {
  static constexpr const char* name = "UnsqueezeBackward0";
  static constexpr bool saves = false;
  int64_t dim;
  void operator()(Backward& b) { b.set(0, squeeze_dims(b.grad(), {{dim}})); }
};
template <int N>
struct SqueezeBackward {
  static constexpr const char* names[] = {"SqueezeBackward0", "SqueezeBackward1",
                                          "SqueezeBackward2"};
  static constexpr const char* name = names[N];
  static constexpr bool saves = false;
  Dims sizes;
  void operator()(Backward& b) { b.set(0, reshape(b.grad(), sizes)); }
};

template <int N>
Tensor squeeze_where(const Tensor& x, const Dims& drop) {
  Dims sizes, strides;
  for (int64_t i = 0; i < x.dim(); ++i) {
    if (drop[i] && x.sizes()[i] == 1) continue;
    sizes.push_back(x.sizes()[i]);
    strides.push_back(x.strides()[i]);
  }
  Tensor out = make_view(x, sizes, strides, x.offset());
  if (recording(x)) record(out, SqueezeBackward<N>{x.sizes()}, x);
  return out;
}
}  // namespace

Tensor unsqueeze(const Tensor& x, int64_t dim) {
  dim = wrap_dim(dim, x.dim() + 1);
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t stride = dim < x.dim() ? sizes[dim] * strides[dim] : 1;
  sizes.insert(dim, 1);
  strides.insert(dim, stride);
  Tensor out = make_view(x, sizes, strides, x.offset());
  if (recording(x)) record(out, UnsqueezeBackward0{dim}, x);
  return out;
}
PYCORE_OP("unsqueeze(Tensor input, int dim) -> Tensor", unsqueeze, kView, R"(
A view with a new dimension of size 1.

>>> pycore.tensor([1, 2]).unsqueeze(0)
tensor([[1, 2]])
)");

static Tensor squeeze_all(const Tensor& x) { return squeeze_where<0>(x, Dims(x.dim(), 1)); }
PYCORE_OP("squeeze(Tensor input) -> Tensor", squeeze_all, kView, R"(
A view without the dimensions of size 1 (all of them, or those named).

>>> pycore.zeros(1, 2, 1).squeeze().shape
pycore.Size([2])
)");
static Tensor squeeze_dim(const Tensor& x, int64_t dim) {
  Dims drop(x.dim(), 0);
  dim = wrap_dim(dim, x.dim());
  if (x.dim() > 0) drop[dim] = 1;
  return squeeze_where<1>(x, drop);
}
PYCORE_OP("squeeze(Tensor input, int dim) -> Tensor", squeeze_dim, kView, "");
Tensor squeeze_dims(const Tensor& x, IntSpan dims) {
  Dims drop(x.dim(), 0);
  for (int64_t d : dims) {
    d = wrap_dim(d, x.dim());
    if (x.dim() > 0) drop[d] = 1;
  }
  return squeeze_where<2>(x, drop);
}
PYCORE_OP("squeeze(Tensor input, int[] dim) -> Tensor", squeeze_dims, kView, "");

// --- select, slice, diagonal
// -----------------------------------------------------------------------------------------------

namespace {
// The gradient of a part: zeros of the whole with the part put in.
template <int N>
struct PartBackward {
  static constexpr const char* names[] = {"SelectBackward0", "SliceBackward0", "DiagonalBackward0",
                                          "SplitBackward0"};
  static constexpr const char* name = names[N];
  static constexpr bool saves = false;
  Dims sizes;    // of the whole
  Dims strides;  // of the part in a contiguous whole
  int64_t offset;
  void operator()(Backward& b) { b.set(0, embed_part(b.grad(), sizes, strides, offset)); }
};

// `out` is a part of x that takes dim's steps: what is it in a contiguous tensor of x's shape?
template <int N, class MakePart>
void record_part(const Tensor& x, const Tensor& out, const MakePart& part) {
  Dims dense;
  contiguous_strides(x.sizes(), dense);
  Dims strides = dense;
  int64_t offset = part(strides);
  record(out, PartBackward<N>{x.sizes(), strides, offset}, x);
}
}  // namespace

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  PC_CHECK_INDEX(x.dim() > 0, "select() cannot be applied to a 0-dim tensor.");
  dim = wrap_dim(dim, x.dim());
  int64_t size = x.sizes()[dim];
  PC_CHECK_INDEX(index >= -size && index < size, "select(): index ", index,
                 " out of range for tensor of size ", x.sizes(), " at dimension ", dim);
  if (index < 0) index += size;
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t offset = x.offset() + index * strides[dim];
  sizes.erase(dim);
  strides.erase(dim);
  Tensor out = make_view(x, sizes, strides, offset);
  if (recording(x))
    record_part<0>(x, out, [&](Dims& s) {
      int64_t o = index * s[dim];
      s.erase(dim);
      return o;
    });
  return out;
}
PYCORE_OP("select(Tensor input, int dim, int index) -> Tensor", select, kView, R"(
A view of one index along a dimension, which disappears.

>>> pycore.tensor([[1, 2], [3, 4]]).select(0, 1)
tensor([3, 4])
)");

Tensor slice(const Tensor& x, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end,
             int64_t step) {
  PC_CHECK(x.dim() > 0, "slice() cannot be applied to a 0-dim tensor.");
  dim = wrap_dim(dim, x.dim());
  PC_CHECK_VALUE(step > 0, "slice step must be positive");
  int64_t size = x.sizes()[dim], a = start.value_or(0), z = end.value_or(size);
  if (a < 0) a = std::max<int64_t>(a + size, 0);
  a = std::min(a, size);
  if (z < 0) z += size;
  z = std::min(std::max(z, a), size);
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t offset = x.offset() + a * strides[dim];
  // One step beyond the end is as good as any longer one, and cannot overflow.
  step = std::min(step, std::max<int64_t>(size, 1));
  sizes[dim] = (z - a + step - 1) / step;
  strides[dim] *= step;
  Tensor out = make_view(x, sizes, strides, offset);
  if (recording(x))
    record_part<1>(x, out, [&](Dims& s) {
      int64_t o = a * s[dim];
      s[dim] *= step;
      return o;
    });
  return out;
}

Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length) {
  PC_CHECK(x.dim() > 0, "narrow() cannot be applied to a 0-dim tensor.");
  PC_CHECK(length >= 0, "narrow(): length must be non-negative.");
  int64_t size = x.size(dim);
  PC_CHECK_INDEX(start >= -size && start <= size,
                 "start out of range (expected to be in range of [", -size, ", ", size,
                 "], but got ", start, ")");
  if (start < 0) start += size;
  PC_CHECK(start + length <= size, "start (", start, ") + length (", length,
           ") exceeds dimension size (", size, ").");
  return slice(x, dim, start, start + length);
}
PYCORE_OP("narrow(Tensor input, int dim, int start, int length) -> Tensor", narrow, kView, R"(
A view of ``length`` indices along a dimension.

>>> pycore.arange(5).narrow(0, 1, 3)
tensor([1, 2, 3])
)");

Tensor diagonal(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  int64_t a = wrap_dim(dim1, x.dim()), b = wrap_dim(dim2, x.dim());
  PC_CHECK(a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  auto part = [&](Dims sizes, Dims& strides, Dims* out_sizes) {
    int64_t n = std::max<int64_t>(0, offset >= 0 ? std::min(sizes[a], sizes[b] - offset)
                                                 : std::min(sizes[a] + offset, sizes[b]));
    int64_t o = n == 0 ? 0 : offset >= 0 ? offset * strides[b] : -offset * strides[a];
    int64_t step = strides[a] + strides[b];
    for (int64_t d : {std::max(a, b), std::min(a, b)}) {
      sizes.erase(d);
      strides.erase(d);
    }
    sizes.push_back(n);
    strides.push_back(step);
    if (out_sizes) *out_sizes = sizes;
    return o;
  };
  Dims sizes, strides = x.strides();
  int64_t o = part(x.sizes(), strides, &sizes);
  Tensor out = make_view(x, sizes, strides, x.offset() + o);
  if (recording(x)) record_part<2>(x, out, [&](Dims& s) { return part(x.sizes(), s, nullptr); });
  return out;
}
PYCORE_OP("diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor", diagonal, kView,
          R"(
A view of the diagonal of two dimensions, as the last dimension.

>>> pycore.eye(3).diagonal()
tensor([1., 1., 1.])
)");

// --- unfold
// ------------------------------------------------------------------------------------------------------------------

static Tensor unfold(const Tensor& x, int64_t dimension, int64_t size, int64_t step) {
  int64_t d = wrap_dim(dimension, x.dim());
  int64_t have = x.dim() == 0 ? 1 : x.sizes()[d];
  PC_CHECK(size >= 0 && size <= have, "maximum size for tensor at dimension ", d, " is ", have,
           " but size is ", size);
  PC_CHECK(step > 0, "step is ", step, " but must be > 0");
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t stride = x.dim() == 0 ? 1 : strides[d];
  if (x.dim() > 0) {
    sizes[d] = (have - size) / step + 1;
    strides[d] *= step;
  }
  sizes.push_back(size);
  strides.push_back(stride);
  Tensor out = make_view(x, sizes, strides, x.offset());
  if (recording(x)) {
    // The gradient of an expanded x has a place of its own for each of its elements.
    AsStridedBackward0 rule;
    rule.in_sizes = x.sizes();
    rule.extent = contiguous_strides(x.sizes(), rule.in_strides);
    rule.out_strides = rule.in_strides;
    rule.out_strides.push_back(x.dim() == 0 ? 1 : rule.in_strides[d]);
    if (x.dim() > 0) rule.out_strides[d] *= step;
    record(out, std::move(rule), x);
  }
  return out;
}
PYCORE_OP("unfold(Tensor input, int dimension, int size, int step) -> Tensor", unfold, kMethod, R"(
A view of all windows of ``size`` elements along a dimension, ``step`` apart; the window is the last dimension.

>>> pycore.arange(5).unfold(0, 3, 1)
tensor([[0, 1, 2],
        [1, 2, 3],
        [2, 3, 4]])
)");

// --- split, chunk, unbind
// -------------------------------------------------------------------------------------------------------

// Parts of one call: each records its own part of the whole, and none may be written in place with
// grad.
static std::vector<Tensor> multi(std::vector<Tensor> parts) {
  for (auto& p : parts) p->multi_output_view = true;
  return parts;
}

static std::vector<Tensor> split_sizes(const Tensor& x, IntSpan sizes, int64_t dim) {
  PC_CHECK(x.dim() > 0, "split expects at least a 1-dimensional tensor");
  dim = wrap_dim(dim, x.dim());
  int64_t total = 0;
  for (int64_t s : sizes) {
    PC_CHECK(
        s >= 0,
        "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=",
        Dims(sizes));
    total += s;
  }
  PC_CHECK(total == x.sizes()[dim], "split_with_sizes expects split_sizes to sum exactly to ",
           x.sizes()[dim], " (input tensor's size at dimension ", dim,
           "), but got split_sizes=", Dims(sizes));
  std::vector<Tensor> parts;
  int64_t at = 0;
  for (int64_t s : sizes) {
    parts.push_back(slice(x, dim, at, at + s));
    at += s;
  }
  return multi(std::move(parts));
}
PYCORE_OP("split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensor[]", split_sizes,
          kView, R"(
Views of consecutive parts of the given sizes.

>>> pycore.split_with_sizes(pycore.arange(3), [1, 2])
(tensor([0]), tensor([1, 2]))
)");

static std::vector<Tensor> split_size(const Tensor& x, int64_t size, int64_t dim) {
  PC_CHECK(x.dim() > 0, "split expects at least a 1-dimensional tensor");
  PC_CHECK(size >= 0, "split expects split_size be non-negative, but got split_size=", size);
  int64_t total = x.size(dim);
  PC_CHECK(size > 0 || total == 0,
           "split_size can only be 0 if dimension size is 0, but got dimension size of ", total);
  std::vector<Tensor> parts;
  if (total == 0) parts.push_back(slice(x, dim, 0, 0));
  for (int64_t at = 0; at < total; at += size)
    parts.push_back(slice(x, dim, at, std::min(at + size, total)));
  return multi(std::move(parts));
}
PYCORE_OP("split(Tensor input, int split_size_or_sections, int dim=0) -> Tensor[]", split_size,
          kView, R"(
Views of consecutive parts: all of one size (the last may be smaller), or of the listed sizes.

>>> pycore.arange(5).split(2)
(tensor([0, 1]), tensor([2, 3]), tensor([4]))
)");
PYCORE_OP("split(Tensor input, int[] split_size_or_sections, int dim=0) -> Tensor[]", split_sizes,
          kView, "");

static std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int64_t dim) {
  PC_CHECK(x.dim() > 0, "chunk expects at least a 1-dimensional tensor");
  PC_CHECK(chunks > 0, "chunk expects `chunks` to be greater than 0, got: ", chunks);
  int64_t total = x.size(dim), size = std::max<int64_t>(1, (total + chunks - 1) / chunks);
  if (total == 0) {
    std::vector<Tensor> parts;
    for (int64_t i = 0; i < chunks; ++i) parts.push_back(slice(x, dim, 0, 0));
    return multi(std::move(parts));
  }
  return split_size(x, size, dim);
}
PYCORE_OP("chunk(Tensor input, int chunks, int dim=0) -> Tensor[]", chunk, kView, R"(
At most ``chunks`` views of equal size (the last may be smaller).

>>> pycore.arange(5).chunk(2)
(tensor([0, 1, 2]), tensor([3, 4]))
)");

static std::vector<Tensor> unbind(const Tensor& x, int64_t dim) {
  PC_CHECK_INDEX(x.dim() > 0, "Dimension specified as ", dim, " but tensor has no dimensions");
  dim = wrap_dim(dim, x.dim());
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < x.sizes()[dim]; ++i) parts.push_back(select(x, dim, i));
  return multi(std::move(parts));
}
PYCORE_OP("unbind(Tensor input, int dim=0) -> Tensor[]", unbind, kView, R"(
Views of all indices along a dimension, which disappears.

>>> pycore.tensor([[1, 2], [3, 4]]).unbind()
(tensor([1, 2]), tensor([3, 4]))
)");

}  // namespace pycore
