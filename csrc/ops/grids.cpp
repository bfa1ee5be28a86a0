// Tensors brought to common shapes and grids made of vectors: broadcast_tensors, meshgrid,
// cartesian_prod, combinations, atleast_*; and shape changes in place (t_, transpose_, squeeze_
// ...). Must not know kernels or Python.
#include "ops/ops.h"

namespace pycore {
namespace {

constexpr uint32_t kBoth = kFunction | kMethod;
using Tensors = std::vector<Tensor>;

Tensors broadcast_tensors(TensorList tensors) {
  Dims sizes;
  for (auto& x : tensors) sizes = broadcast_shapes(sizes, x.sizes());
  Tensors out;
  for (auto& x : tensors) out.push_back(x.sizes() == sizes ? x : expand(x, sizes));
  return out;
}
PYCORE_OP("broadcast_tensors(Tensor[*] tensors) -> Tensor[]", broadcast_tensors, kFunction, R"(
Views of the tensors expanded to their common shape. RuntimeError if there is none.

>>> a, b = pycore.broadcast_tensors(pycore.ones(2, 1), pycore.ones(3))
>>> a.shape, b.shape
(pycore.Size([2, 3]), pycore.Size([2, 3]))
)");

// --- meshgrid
// ----------------------------------------------------------------------------------------------------------

Tensors meshgrid(TensorList tensors, std::string_view indexing) {
  PC_CHECK(!tensors.empty(), "meshgrid expects a non-empty TensorList");
  PC_CHECK(indexing == "ij" || indexing == "xy",
           "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: ", indexing);
  bool swap = indexing == "xy" && tensors.size() >= 2;
  auto place = [&](size_t i) { return swap && i < 2 ? 1 - i : i; };
  Dims sizes(static_cast<int64_t>(tensors.size()), 1);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    PC_CHECK(
        x.dim() <= 1,
        "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: a tensor of shape ",
        x.sizes());
    PC_CHECK(x.dtype() == tensors[0].dtype(),
             "meshgrid expects all tensors to have the same dtype; got ", tensors[0].dtype(),
             " and ", x.dtype());
    sizes[static_cast<int64_t>(place(i))] = x.numel();
  }
  Tensors out;
  for (size_t i = 0; i < tensors.size(); ++i) {
    Dims own(sizes.size(), 1);
    own[static_cast<int64_t>(place(i))] = tensors[i].numel();
    out.push_back(expand(view(tensors[i], own), sizes));
  }
  return out;
}
PYCORE_OP("meshgrid(Tensor[*] tensors, *, str indexing='ij') -> Tensor[]", meshgrid, kFunction, R"(
The coordinates of all points of a grid, one tensor per axis, as views. ``indexing='xy'`` exchanges the first two dimensions.

>>> pycore.meshgrid(pycore.tensor([1, 2]), pycore.tensor([3, 4, 5]), indexing='ij')
(tensor([[1, 1, 1],
        [2, 2, 2]]), tensor([[3, 4, 5],
        [3, 4, 5]]))
)");

Tensor cartesian_prod(TensorList tensors) {
  for (auto& x : tensors) PC_CHECK(x.dim() == 1, "Expect a 1D vector, but got shape ", x.sizes());
  PC_CHECK(!tensors.empty(), "cartesian_prod expects a non-empty TensorList");
  if (tensors.size() == 1) return tensors[0];
  Tensors columns;
  for (auto& grid : meshgrid(tensors, "ij")) columns.push_back(reshape(grid, {{-1}}));
  return stack(columns, 1);
}
PYCORE_OP("cartesian_prod(Tensor[*] tensors) -> Tensor", cartesian_prod, kFunction, R"(
All tuples with one element of each vector, as rows.

>>> pycore.cartesian_prod(pycore.tensor([1, 2]), pycore.tensor([3, 4]))
tensor([[1, 3],
        [1, 4],
        [2, 3],
        [2, 4]])
)");

// --- atleast
// -------------------------------------------------------------------------------------------------------------

template <Tensor (*F)(const Tensor&)>
Tensors atleast(TensorList tensors) {
  Tensors out;
  for (auto& x : tensors) out.push_back(F(x));
  return out;
}
#define PC_ATLEAST(NAME, DOC)                                        \
  PYCORE_OP(#NAME "(Tensor input) -> Tensor", NAME, kFunction, DOC); \
  PYCORE_OP(#NAME "(Tensor[*] tensors) -> Tensor[]", atleast<NAME>, kFunction, "");
PC_ATLEAST(atleast_1d, R"(
The tensor with at least one dimension; several tensors give a tuple.

>>> pycore.atleast_1d(pycore.tensor(1))
tensor([1])
)")
PC_ATLEAST(atleast_2d, R"(
The tensor with at least two dimensions (new ones in front); several tensors give a tuple.

>>> pycore.atleast_2d(pycore.tensor([1, 2]))
tensor([[1, 2]])
)")
PC_ATLEAST(atleast_3d, R"(
The tensor with at least three dimensions (a vector becomes 1 x n x 1); several tensors give a tuple.

>>> pycore.atleast_3d(pycore.tensor([1, 2])).shape
pycore.Size([1, 2, 1])
)")

// --- in-place changes of shape
// -----------------------------------------------------------------------------------------

// `self` becomes the view that f makes of it: same memory, other geometry, one more node of
// history.
template <class F>
Tensor reshaped(const Tensor& self, const char* node_name, const F& f) {
  check_inplace(self);
  Tensor changed = f(self);
  Ref<Node> node = grad_fn(changed);
  uint32_t nr = node ? changed->autograd->output_nr : 0;
  // What was saved for backward has this very object in hand: its old shape is gone.
  self.bump_version();
  set_geometry(self.impl(), changed.sizes(), changed.strides(), changed.offset());
  if (node && changed.requires_grad()) {
    node->name = node_name;
    set_history(self, node, nr);
  }
  self->view_version = self.version();
  return self;
}

Tensor t_inplace(const Tensor& x) {
  return reshaped(x, "TBackward1", [](const Tensor& v) { return t(v); });
}
PYCORE_OP("t_(Tensor input) -> Tensor", t_inplace, kMethod,
          "In-place form of :meth:`t`: the tensor itself changes its shape.");
Tensor transpose_inplace(const Tensor& x, int64_t a, int64_t b) {
  return reshaped(x, "TransposeBackward1", [&](const Tensor& v) { return transpose(v, a, b); });
}
PYCORE_OP("transpose_(Tensor input, int dim0, int dim1) -> Tensor", transpose_inplace, kMethod,
          "In-place form of :meth:`transpose`.");
PYCORE_OP("swapdims_(Tensor input, int dim0, int dim1) -> Tensor", transpose_inplace, kMethod,
          "Alias of :meth:`transpose_`.");
PYCORE_OP("swapaxes_(Tensor input, int axis0, int axis1) -> Tensor", transpose_inplace, kMethod,
          "Alias of :meth:`transpose_`.");
Tensor unsqueeze_inplace(const Tensor& x, int64_t dim) {
  return reshaped(x, "UnsqueezeBackward1", [&](const Tensor& v) { return unsqueeze(v, dim); });
}
PYCORE_OP("unsqueeze_(Tensor input, int dim) -> Tensor", unsqueeze_inplace, kMethod,
          "In-place form of :meth:`unsqueeze`.");
Tensor squeeze_inplace(const Tensor& x) {
  return reshaped(x, "SqueezeBackward3", [](const Tensor& v) {
    Dims all;
    for (int64_t d = 0; d < v.dim(); ++d) all.push_back(d);
    return squeeze_dims(v, all);
  });
}
PYCORE_OP("squeeze_(Tensor input) -> Tensor", squeeze_inplace, kMethod,
          "In-place form of :meth:`squeeze`.");
Tensor squeeze_dims_inplace(const Tensor& x, IntSpan dims) {
  return reshaped(x, "SqueezeBackward5", [&](const Tensor& v) { return squeeze_dims(v, dims); });
}
PYCORE_OP("squeeze_(Tensor input, int[1] dim) -> Tensor", squeeze_dims_inplace, kMethod, "");
Tensor as_strided_inplace(const Tensor& x, IntSpan sizes, IntSpan strides,
                          std::optional<int64_t> offset) {
  return reshaped(x, "AsStridedBackward1",
                  [&](const Tensor& v) { return as_strided(v, sizes, strides, offset); });
}
PYCORE_OP("as_strided_(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
          as_strided_inplace, kBoth, "In-place form of :meth:`as_strided`.");

}  // namespace
}  // namespace pycore
