// Brings a tensor into the form that reduction kernels take (loops around one axis), by merging
// dimensions where the strides allow it; tensors of too many loops are copied first.
#include "core/reduce.h"

#include <utility>

#include "core/parallel.h"
#include "core/pointwise.h"
#include "kernels/reduce.h"

namespace pycore {

SmallVec<bool, 6> reduced_dims(const Tensor& t, IntSpan dims, bool empty_means_all) {
  SmallVec<bool, 6> mask(t.dim(), dims.empty() && empty_means_all);
  for (int64_t d : dims) {
    d = wrap_dim(d, t.dim());
    if (t.dim() == 0) continue;
    PC_CHECK(!mask[d], "dim ", d, " appears multiple times in the list of dims");
    mask[d] = true;
  }
  return mask;
}

Dims reduced_shape(const Tensor& t, const SmallVec<bool, 6>& mask, bool keepdim) {
  Dims shape;
  for (int64_t i = 0; i < t.dim(); ++i) {
    if (!mask[i])
      shape.push_back(t.sizes()[i]);
    else if (keepdim)
      shape.push_back(1);
  }
  return shape;
}

namespace {

// Dimensions that can be walked as one. `out` is the step in the output of those that are kept.
struct Group {
  int64_t size, stride, out;
};
using Groups = SmallVec<Group, 6>;  // the fastest first

void add_group(Groups& groups, Group g) {
  if (!groups.empty() && g.stride == groups.back().stride * groups.back().size)
    groups.back().size *= g.size;
  else
    groups.push_back(g);
}

// The reduced dimensions, from small strides to large ones: the order in memory. Repeated elements
// (stride 0) come last, so that runs in memory stay long.
void sort_by_stride(Groups& groups) {
  const auto before = [](const Group& a, const Group& b) {
    return a.stride != 0 && (b.stride == 0 || a.stride < b.stride);
  };
  for (int64_t i = 1; i < groups.size(); ++i)
    for (int64_t j = i; j > 0 && before(groups[j], groups[j - 1]); --j)
      std::swap(groups[j], groups[j - 1]);
  Groups merged;
  for (const Group& g : groups) add_group(merged, g);
  groups = merged;
}

// True and the kernel's shape if it can read t as it lies. in_order: positions along the reduced
// axis matter.
bool direct_shape(const Tensor& t, const SmallVec<bool, 6>& mask, bool in_order,
                  kernels::ReduceShape& s) {
  Groups kept, reduced;
  int64_t outputs = 1;
  for (int64_t i = t.dim() - 1; i >= 0; --i) {
    const int64_t size = t.sizes()[i], stride = t.strides()[i];
    if (size == 1) continue;
    if (mask[i]) {
      add_group(reduced, {size, stride, 0});
    } else {
      add_group(kept, {size, stride, outputs});
      outputs *= size;
    }
  }
  if (!in_order && reduced.size() > 1) sort_by_stride(reduced);
  if (reduced.size() > 2) return false;
  if (!reduced.empty()) {
    s.red = reduced[0].size;
    s.stride_red = reduced[0].stride;
  }
  if (reduced.size() == 2) {
    s.pieces = reduced[1].size;
    s.stride_piece = reduced[1].stride;
    s.red *= s.pieces;
  }
  if (kept.empty()) return true;
  // Side by side go the outputs whose inputs lie closest to each other, unless the elements of each
  // lie closer and are more than a few.
  constexpr int64_t kShort = 8, kMany = 16;
  int64_t at = 0;
  for (int64_t i = 1; i < kept.size(); ++i)
    if (kept[at].stride == 0 || (kept[i].stride != 0 && kept[i].stride < kept[at].stride)) at = i;
  const Group closest = kept[at];
  const bool closer = reduced.empty() || s.stride_red == 0 ||
                      (closest.stride < s.stride_red && (closest.stride != 0 || s.stride_red != 1));
  if (closer || (s.red <= kShort && closest.size >= kMany)) {
    s.inner = {closest.size, closest.stride, closest.out};
    kept.erase(at);
  }
  if (kept.size() > kernels::ReduceShape::kLoops) return false;
  for (int64_t i = kept.size() - 1, to = 0; i >= 0; --i, ++to) {
    s.loop[to] = {kept[i].size, kept[i].stride, kept[i].out};
    s.loops = static_cast<int>(to) + 1;
    s.outer *= kept[i].size;
  }
  return true;
}

Tensor permuted_copy(const Tensor& t, const SmallVec<bool, 6>& mask, DType dtype) {
  Dims sizes, strides;
  for (bool reduced : {false, true})
    for (int64_t i = 0; i < t.dim(); ++i)
      if (mask[i] == reduced) {
        sizes.push_back(t.sizes()[i]);
        strides.push_back(t.strides()[i]);
      }
  Tensor copy = empty(sizes, dtype);
  copy_data(copy, make_alias(t->storage, t.dtype(), sizes, strides, t.offset()));
  return copy;
}

bool has_positions(kernels::Reduce f) {
  using kernels::Reduce;
  return f == Reduce::argmax || f == Reduce::argmin || f == Reduce::max_indices ||
         f == Reduce::min_indices;
}

kernels::Stored stored_as(DType t) {
  return t == DType::bfloat16  ? kernels::Stored::bfloat16
         : t == DType::float16 ? kernels::Stored::half
                               : kernels::Stored::plain;
}

}  // namespace

Tensor run_reduce(kernels::Reduce f, const Tensor& input, const SmallVec<bool, 6>& mask,
                  bool keepdim, DType result, const double* params, Tensor* out2, DType result2) {
  Tensor t = input;
  const DType compute = compute_dtype(t.dtype());
  auto fn =
      kernels_for("reduce", compute).reduce->fn[static_cast<int>(f)][static_cast<int>(compute)];
  PC_CHECK_IMPLEMENTED(fn, "\"reduction\" not implemented for '", scalar_type_name(input.dtype()),
                       "'");
  Dims shape = reduced_shape(input, mask, keepdim);
  DType raw = compute_dtype(result);
  Tensor out = empty(shape, raw);
  if (out2) *out2 = empty(shape, compute_dtype(result2));
  if (out.numel() > 0) {
    kernels::ReduceShape s;
    if (t.numel() == 0) {
      s.loop[0] = {out.numel(), 0, 1};
      s.outer = out.numel();
      s.red = 0;
    } else if (direct_shape(t, mask, has_positions(f), s)) {
      s.stored = stored_as(t.dtype());
    } else {
      if (explaining()) explain_note("copied first: too many dimensions that do not lie together");
      t = permuted_copy(t, mask, compute);
      s = {};
      s.red = t.numel() / out.numel();
      s.loop[0] = {out.numel(), s.red, 1};
      s.outer = out.numel();
    }
    fn(t.numel() > 16384 ? kernel_context() : serial_context(), t->data, out->data,
       out2 ? (*out2)->data : nullptr, s, params);
  }
  auto convert = [](Tensor x, DType to) {
    if (x.dtype() == to) return x;
    Tensor y = empty(x.sizes(), to);
    copy_data(y, x);
    return y;
  };
  if (out2) *out2 = convert(*out2, result2);
  return convert(out, result);
}

}  // namespace pycore
