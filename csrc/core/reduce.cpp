// Brings a tensor into the [outer, reduced, inner] form that reduction kernels take, by merging
// dimensions where the strides allow it and by a permuted copy where not.
#include "core/reduce.h"

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

struct Group {
  int64_t size, stride;
  bool reduced;
};

// True and the kernel's shape if t already has the form (or is a single run of it).
bool direct_shape(const Tensor& t, const SmallVec<bool, 6>& mask, kernels::ReduceShape& s) {
  SmallVec<Group, 6> groups;
  for (int64_t i = 0; i < t.dim(); ++i) {
    int64_t size = t.sizes()[i], stride = t.strides()[i];
    if (size == 1) continue;
    if (!groups.empty() && groups.back().reduced == mask[i] &&
        groups.back().stride == stride * size) {
      groups.back().size *= size;
      groups.back().stride = stride;
    } else {
      groups.push_back({size, stride, mask[i]});
    }
  }
  s = {1, 1, 1, 0, 0, 0, 1, 0};
  int64_t n = groups.size(), at = 0;
  // Channels between batch and plane: each one's elements lie in pieces.
  constexpr int64_t kLeastPiece = 16;
  if (n == 3 && groups[0].reduced && !groups[1].reduced && groups[2].reduced &&
      groups[2].size >= kLeastPiece) {
    s = {groups[1].size,
         groups[0].size * groups[2].size,
         1,
         groups[1].stride,
         groups[2].stride,
         0,
         groups[0].size,
         groups[0].stride};
    return true;
  }
  if (at < n && !groups[at].reduced && n > 1) {
    s.outer = groups[at].size;
    s.stride_outer = groups[at].stride;
    ++at;
  }
  if (at < n && groups[at].reduced) {
    s.red = groups[at].size;
    s.stride_red = groups[at].stride;
    ++at;
  }
  if (at < n && !groups[at].reduced) {
    s.inner = groups[at].size;
    s.stride_inner = groups[at].stride;
    ++at;
  }
  return at == n;
}

Tensor permuted_copy(const Tensor& t, const SmallVec<bool, 6>& mask) {
  Dims sizes, strides;
  for (bool reduced : {false, true})
    for (int64_t i = 0; i < t.dim(); ++i)
      if (mask[i] == reduced) {
        sizes.push_back(t.sizes()[i]);
        strides.push_back(t.strides()[i]);
      }
  Tensor copy = empty(sizes, t.dtype());
  copy_data(copy, make_alias(t->storage, t.dtype(), sizes, strides, t.offset()));
  return copy;
}

}  // namespace

Tensor run_reduce(kernels::Reduce f, const Tensor& input, const SmallVec<bool, 6>& mask,
                  bool keepdim, DType result, const double* params, Tensor* out2, DType result2) {
  Tensor t = input;
  DType compute = compute_dtype(t.dtype());
  if (compute != t.dtype()) {
    if (explaining()) explain_note(std::string(name(t.dtype())) + " converted first");
    t = empty(input.sizes(), compute);
    copy_data(t, input);
  }
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
    Tensor copy;
    if (t.numel() == 0) {
      s = {out.numel(), 0, 1, 0, 0, 0, 1, 0};
    } else if (!direct_shape(t, mask, s)) {
      copy = permuted_copy(t, mask);
      if (explaining()) explain_note("copied first: the reduced dimensions do not lie together");
      s = {out.numel(), t.numel() / out.numel(), 1, t.numel() / out.numel(), 1, 0, 1, 0};
      t = copy;
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
