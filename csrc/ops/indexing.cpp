// Indexing with tensors: reading x[i, j] and writing into it, with derivatives. Must not know
// Python.
#include "ops/indexing.h"

#include "ops/index_plan.h"
#include "ops/write_support.h"

namespace pycore {
namespace {

using SavedList = std::vector<Saved>;

SavedList save(TensorList indices) {
  SavedList out;
  out.reserve(indices.size());
  for (auto& t : indices) out.emplace_back(t.defined() ? Saved(t) : Saved());
  return out;
}
std::vector<Tensor> get(Backward& b, const SavedList& list) {
  std::vector<Tensor> out;
  out.reserve(list.size());
  for (auto& s : list) out.push_back(b.get(s));
  return out;
}

struct IndexBackward0 {
  static constexpr const char* name = "IndexBackward0";
  Dims sizes;
  SavedList indices;
  void operator()(Backward& b) {
    const Tensor& g = b.grad();
    Tensor zero = zeros(sizes, g.dtype());
    // A fresh tensor of zeros may be written over unless somebody differentiates the write.
    b.set(0, recording(g) ? index_put(zero, get(b, indices), g, true)
                          : index_put_(zero, get(b, indices), g, true));
  }
};

struct IndexPutBackward0 {
  static constexpr const char* name = "IndexPutBackward0";
  Dims value_sizes;
  SavedList indices;
  bool accumulate = false;
  void operator()(Backward& b) {
    std::vector<Tensor> list = get(b, indices);
    const Tensor& g = b.grad();
    if (b.needs(0)) b.set(0, accumulate ? g : index_put(g, list, zeros({}, g.dtype()), false));
    if (b.needs(1)) b.set(1, sum_to(index(g, list), value_sizes));
  }
};

bool any_defined(TensorList indices) {
  for (auto& t : indices)
    if (t.defined()) return true;
  return false;
}

// x[mask] = number where the mask covers all of x: no need to know the positions.
bool fill_by_mask(const Tensor& self, TensorList indices, const Tensor& values, bool accumulate) {
  if (accumulate || values.numel() != 1 || indices.size() != 1 || !indices[0].defined())
    return false;
  const Tensor& mask = indices[0];
  if (mask.dtype() != DType::bool_ || !(mask.sizes() == self.sizes()) || mask.shares_storage(self))
    return false;
  where_data(self, mask, make_alias(values->storage, values.dtype(), {}, {}, values.offset()),
             self);
  return true;
}

void put_values(const Tensor& self, TensorList indices, const Tensor& values, bool accumulate) {
  PC_CHECK(values.dtype() == self.dtype(),
           "Index put requires the source and destination dtypes match, got ",
           scalar_type_name(self.dtype()), " for the destination and ",
           scalar_type_name(values.dtype()), " for the source.");
  if (fill_by_mask(self, indices, values, accumulate)) return;
  IndexPlan plan = plan_index(self, indices);
  PC_CHECK(is_expandable(values.sizes(), plan.sizes), "shape mismatch: value tensor of shape ",
           values.sizes(), " cannot be broadcast to indexing result of shape ", plan.sizes);
  Tensor v = values;
  if (v.numel() != 1 && (!v.is_contiguous() || !(v.sizes() == plan.sizes))) {
    v = empty(plan.sizes, self.dtype());
    copy_data(v, values);
  }
  put_elements(plan, self, unshared(v, self), accumulate);
}

Tensor put_form(const Tensor& self, TensorList indices, const Tensor& values, bool accumulate,
                Form form) {
  PC_CHECK_INDEX(static_cast<int64_t>(indices.size()) <= self.dim(),
                 "too many indices for tensor of dimension ", self.dim(), " (got ", indices.size(),
                 ")");
  PC_CHECK_INDEX(any_defined(indices), "index_put_: at least one index tensor is needed");
  return write_part(
      self, form, [&] { return IndexPutBackward0{values.sizes(), save(indices), accumulate}; },
      [&](const Tensor& target) { put_values(target, indices, values, accumulate); }, values);
}

}  // namespace

Tensor index(const Tensor& self, TensorList indices) {
  PC_CHECK_INDEX(static_cast<int64_t>(indices.size()) <= self.dim(),
                 "too many indices for tensor of dimension ", self.dim(), " (got ", indices.size(),
                 ")");
  IndexPlan plan = plan_index(self, indices);
  Tensor out = empty(plan.sizes, self.dtype());
  pick_elements(plan, self, out);
  if (recording(self)) record(out, IndexBackward0{self.sizes(), save(indices)}, self);
  return out;
}

Tensor index_put(const Tensor& self, TensorList indices, const Tensor& values, bool accumulate) {
  return put_form(self, indices, values, accumulate, Form::copy);
}
PYCORE_OP(
    "index_put(Tensor input, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor",
    index_put, kFunction | kMethod, R"(
A copy of ``input`` in which ``input[indices]`` is ``values``, or grows by them if ``accumulate``.

``indices`` holds one integer (int64, int32) or boolean tensor per dimension, broadcast together; ``values`` broadcasts to
the shape of ``input[indices]`` and has the dtype of ``input``. An index that occurs twice counts twice when accumulating;
else its last value stays. IndexError for indices out of bounds, RuntimeError for shapes and dtypes that don't fit.

>>> pycore.index_put(pycore.zeros(3), (pycore.tensor([0, 0, 2]),), pycore.ones(3), accumulate=True)
tensor([2., 0., 1.])
)");

Tensor index_put_(const Tensor& self, TensorList indices, const Tensor& values, bool accumulate) {
  return put_form(self, indices, values, accumulate, Form::in_place);
}
PYCORE_OP(
    "index_put_(Tensor input, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor",
    index_put_, kFunction | kMethod, R"(
In-place form of :func:`index_put`.

>>> pycore.zeros(3).index_put_((pycore.tensor([1]),), pycore.tensor(5.))
tensor([0., 5., 0.])
)");

}  // namespace pycore
