// Life and geometry of tensors. Must not know operators or Python.
#include "core/tensor.h"

#include <algorithm>
#include <new>

#include "core/inference.h"

namespace pycore {

thread_local bool t_inference_mode = false;
void (*destroy_autograd_meta)(TensorImpl*) noexcept = nullptr;
void (*release_pyobj)(TensorImpl*) noexcept = nullptr;

void retain(TensorImpl* t) { t->refs.fetch_add(1, std::memory_order_relaxed); }

static void destroy(TensorImpl* t) noexcept {
  if (t->owns_pyobj) release_pyobj(t);
  if (t->autograd) destroy_autograd_meta(t);
  t->~TensorImpl();
  deallocate(t, sizeof(TensorImpl));
}

void release(TensorImpl* t) noexcept {
  if (t->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(t);
}

static Tensor new_tensor() {
  Tensor t(Ref<TensorImpl>::adopt(new (allocate(sizeof(TensorImpl))) TensorImpl));
  t->inference = t_inference_mode;
  return t;
}

int64_t numel_of(IntSpan sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) {
    if (__builtin_mul_overflow(n, s, &n))
      fail(ErrorKind::runtime, "Storage size calculation overflowed with sizes=", Dims(sizes));
  }
  return n;
}

int64_t contiguous_strides(IntSpan sizes, Dims& strides) {
  int64_t d = static_cast<int64_t>(sizes.size());
  strides.resize(d);
  int64_t n = 1;
  bool has_zero = false;
  for (int64_t i = d - 1; i >= 0; --i) {
    strides[i] = n;
    int64_t s = sizes[static_cast<size_t>(i)];
    if (s == 0) {
      has_zero = true;
    } else if (__builtin_mul_overflow(n, s, &n)) {
      fail(ErrorKind::runtime, "Storage size calculation overflowed with sizes=", Dims(sizes));
    }
  }
  return has_zero ? 0 : n;
}

static void judge_strides(TensorImpl* t) {
  int64_t expected = 1;
  t->contiguous = t->standard = true;
  for (int64_t i = t->sizes.size() - 1; i >= 0; --i) {
    const bool matches = t->strides[i] == expected;
    t->standard &= matches;
    t->contiguous &= matches || t->sizes[i] == 1;
    if (t->sizes[i] > 1) expected *= t->sizes[i];
  }
  t->contiguous |= t->numel <= 1;
}

Tensor empty(IntSpan sizes, DType dtype) {
  for (int64_t s : sizes)
    PC_CHECK(s >= 0, "Trying to create tensor with negative dimension ", s, ": ", Dims(sizes));
  Tensor t = new_tensor();
  TensorImpl* p = t.impl();
  p->sizes = sizes;
  p->numel = contiguous_strides(sizes, p->strides);
  p->dtype = dtype;
  int64_t bytes;
  PC_CHECK(!__builtin_mul_overflow(p->numel, static_cast<int64_t>(item_size(dtype)), &bytes),
           "Storage size calculation overflowed with sizes=", Dims(sizes));
  p->storage = make_storage(bytes);
  p->data = p->storage->data;
  return t;
}

void set_geometry(TensorImpl* p, IntSpan sizes, IntSpan strides, int64_t offset) {
  p->sizes = sizes;
  p->strides = strides;
  p->numel = numel_of(sizes);
  p->offset = offset;
  p->data = p->storage->data + offset * item_size(p->dtype);
  judge_strides(p);
}

Tensor make_alias(const Ref<Storage>& storage, DType dtype, IntSpan sizes, IntSpan strides,
                  int64_t offset) {
  Tensor t = new_tensor();
  t->storage = storage;
  t->dtype = dtype;
  set_geometry(t.impl(), sizes, strides, offset);
  return t;
}

Tensor alias(const Tensor& x) {
  Tensor t = new_tensor();
  TensorImpl *p = t.impl(), *o = x.impl();
  p->inference = o->inference;
  p->storage = o->storage;
  p->dtype = o->dtype;
  p->sizes = o->sizes;
  p->strides = o->strides;
  p->numel = o->numel;
  p->offset = o->offset;
  p->data = o->data;
  p->contiguous = o->contiguous;
  p->standard = o->standard;
  return t;
}

void set_storage(TensorImpl* t, const TensorImpl* source) {
  t->storage = source->storage;
  t->dtype = source->dtype;
  set_geometry(t, source->sizes, source->strides, source->offset);
}

int64_t wrap_dim(int64_t d, int64_t dim) {
  int64_t range = std::max<int64_t>(dim, 1);
  PC_CHECK_INDEX(d >= -range && d < range, "Dimension out of range (expected to be in range of [",
                 -range, ", ", range - 1, "], but got ", d, ")");
  return d < 0 ? d + range : d;
}

int64_t Tensor::size(int64_t d) const {
  PC_CHECK_INDEX(dim() > 0, "Dimension specified as ", d, " but tensor has no dimensions");
  return impl_->sizes[wrap_dim(d, dim())];
}
int64_t Tensor::stride(int64_t d) const {
  PC_CHECK_INDEX(dim() > 0, "Dimension specified as ", d, " but tensor has no dimensions");
  return impl_->strides[wrap_dim(d, dim())];
}

Dims broadcast_shapes(IntSpan a, IntSpan b) {
  if (a.size() < b.size()) std::swap(a, b);
  Dims out(a);
  int64_t lead = static_cast<int64_t>(a.size() - b.size());
  for (int64_t i = static_cast<int64_t>(b.size()) - 1; i >= 0; --i) {
    int64_t x = out[lead + i], y = b[static_cast<size_t>(i)];
    if (x == y || y == 1) continue;
    PC_CHECK(x == 1, "The size of tensor a (", x, ") must match the size of tensor b (", y,
             ") at non-singleton dimension ", lead + i);
    out[lead + i] = y;
  }
  return out;
}

bool is_expandable(IntSpan from, IntSpan to) {
  if (from.size() > to.size()) return false;
  size_t lead = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] != to[lead + i] && from[i] != 1) return false;
  return true;
}

bool has_overlap(const Tensor& t) {
  if (t.is_contiguous()) return false;
  // Sort dimensions by stride: each must step over everything below it.
  SmallVec<int, 6> order;
  for (int i = 0; i < t.dim(); ++i)
    if (t.sizes()[i] > 1) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return t.strides()[a] < t.strides()[b]; });
  int64_t reach = 0;
  for (int i : order) {
    if (t.strides()[i] <= reach) return true;
    reach += t.strides()[i] * (t.sizes()[i] - 1);
  }
  return false;
}

}  // namespace pycore
