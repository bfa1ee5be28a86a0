// Tensor: a counted handle on sizes, strides, a dtype and shared storage. Must not know operators,
// kernels or Python (it keeps one opaque slot for its Python object).
#pragma once

#include <optional>
#include <tuple>
#include <vector>

#include "core/check.h"
#include "core/dtype.h"
#include "core/scalar.h"
#include "core/small_vec.h"
#include "core/storage.h"

namespace pycore {

struct AutogradMeta;  // autograd/meta.h
struct TensorImpl;
void retain(TensorImpl* t);
void release(TensorImpl* t) noexcept;

struct TensorImpl {
  std::atomic<int32_t> refs{1};
  DType dtype = DType::float32;
  bool contiguous = true;    // row-major without gaps; kept by set_geometry
  bool standard = true;      // the strides of a fresh tensor, also where a size is 1
  bool inference = false;    // made in inference mode
  bool own_version = false;  // from .data: in-place writes do not concern saved tensors
  bool multi_output_view =
      false;  // a view among several of one call (split, unbind): no in-place on it with grad
  char* data = nullptr;  // first element (storage->data + offset * item size)
  int64_t numel = 0;
  Ref<Storage> storage;
  int64_t offset = 0;  // in elements
  Dims sizes, strides;
  AutogradMeta* autograd = nullptr;  // owned; null for most tensors
  Ref<TensorImpl> base;              // what this is a differentiable view of
  uint32_t view_version =
      0;                  // storage version at which the autograd history of this view was right
  void* pyobj = nullptr;  // its Python object, see python/tensor_object
  bool owns_pyobj =
      false;  // the Python object outlived its last Python reference and is kept by us
};

// Row-major strides; returns the number of elements.
int64_t contiguous_strides(IntSpan sizes, Dims& strides);
int64_t numel_of(IntSpan sizes);

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

  bool defined() const { return static_cast<bool>(impl_); }
  explicit operator bool() const = delete;  // ambiguous: defined() or item()?
  TensorImpl* impl() const { return impl_.get(); }
  TensorImpl* operator->() const { return impl_.get(); }
  Ref<TensorImpl>& ref() { return impl_; }
  bool is(const Tensor& o) const { return impl_ == o.impl_; }

  DType dtype() const { return impl_->dtype; }
  int64_t dim() const { return impl_->sizes.size(); }
  int64_t numel() const { return impl_->numel; }
  const Dims& sizes() const { return impl_->sizes; }
  const Dims& strides() const { return impl_->strides; }
  int64_t size(int64_t d) const;  // d may be negative; IndexError when out of range
  int64_t stride(int64_t d) const;
  int64_t offset() const { return impl_->offset; }
  int item_size() const { return pycore::item_size(impl_->dtype); }
  bool is_contiguous() const { return impl_->contiguous; }
  bool is_floating() const { return pycore::is_floating(impl_->dtype); }
  template <class T = void>
  T* data() const {
    return reinterpret_cast<T*>(impl_->data);
  }
  uint32_t version() const { return impl_->storage->version.load(std::memory_order_relaxed); }
  // To be called for every write to memory that existed before.
  void bump_version() const {
    Storage* s = impl_->storage.get();
    if (s->kept.load(std::memory_order_relaxed)) [[unlikely]]
      drop_kept(s);
    if (!impl_->own_version) s->version.fetch_add(1, std::memory_order_relaxed);
  }
  bool shares_storage(const Tensor& o) const { return impl_->storage == o.impl_->storage; }

  bool requires_grad() const;  // autograd/meta.cpp

 private:
  Ref<TensorImpl> impl_;
};

// A fresh tensor, uninitialised and contiguous. Negative sizes are an error.
Tensor empty(IntSpan sizes, DType dtype);
// A tensor on existing storage; no autograd relation. offset in elements.
Tensor make_alias(const Ref<Storage>& storage, DType dtype, IntSpan sizes, IntSpan strides,
                  int64_t offset);
// Another handle on the same memory and geometry, without autograd history.
Tensor alias(const Tensor& t);
// Changes the geometry of an impl in place (resize_, set_).
void set_geometry(TensorImpl* t, IntSpan sizes, IntSpan strides, int64_t offset);
// Points `t` at the storage and geometry of `source` (set_, .data = , out= that has to grow).
void set_storage(TensorImpl* t, const TensorImpl* source);

// d in [-dim, dim) to [0, dim); IndexError otherwise. 0-d tensors have one imaginary dimension, as
// in PyTorch.
int64_t wrap_dim(int64_t d, int64_t dim);
// Broadcasts two shapes; RuntimeError with PyTorch's words if they don't fit.
Dims broadcast_shapes(IntSpan a, IntSpan b);
bool is_expandable(IntSpan from, IntSpan to);
// True if two elements of the geometry may be the same memory (expanded tensors).
bool has_overlap(const Tensor& t);

// Called for a dying impl that has autograd data or a Python object; set by the layers above.
extern void (*destroy_autograd_meta)(TensorImpl*) noexcept;
extern void (*release_pyobj)(TensorImpl*) noexcept;

using TensorList = std::span<const Tensor>;

}  // namespace pycore
