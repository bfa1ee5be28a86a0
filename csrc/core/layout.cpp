// Strides of fresh tensors. The rules are PyTorch's, found by comparing strides; see
// tests/parity/test_layout_parity.py.
#include "core/layout.h"

#include <utility>

namespace pycore {
namespace {

// Dimensions, innermost first.
using Order = SmallVec<int, 6>;

// Sorts dimensions by inside(a, b): positive if b belongs further inside than a, negative if it
// belongs outside, 0 if it does not matter. That relation is not transitive, so the order in which
// dimensions are compared is part of the rule: from the last to the first, each moves inwards past
// those that it belongs inside of, also over such that do not matter, until one says no.
template <class Inside>
Order sorted(int64_t dims, const Inside& inside) {
  Order order(dims);
  for (int64_t i = 0; i < dims; ++i) {
    const int moving = static_cast<int>(dims - 1 - i);
    int64_t at = i;
    order[i] = moving;
    for (int64_t k = i - 1; k >= 0; --k) {
      const int say = inside(order[k], moving);
      if (say < 0) break;
      if (say > 0) {
        std::swap(order[k], order[at]);
        at = k;
      }
    }
  }
  return order;
}

// What one operand's strides say of dimensions a and b of these sizes.
int compare(int64_t stride_a, int64_t stride_b, int64_t size_a, int64_t size_b) {
  if (stride_a == 0 || stride_b == 0) return 0;
  if (stride_a != stride_b) return stride_a > stride_b ? 1 : -1;
  return size_a > size_b ? 1 : 0;
}

Dims strides_in(const Order& order, IntSpan sizes) {
  Dims strides(order.size());
  int64_t next = 1;
  for (int d : order) {
    strides[d] = next;
    next *= sizes[static_cast<size_t>(d)];
  }
  return strides;
}

bool fill_memory(IntSpan sizes, IntSpan strides) {
  if (numel_of(sizes) == 0) return true;
  // Each stride must be the product of the sizes of all dimensions further inside.
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 1) continue;
    int64_t below = 1;
    for (size_t k = 0; k < sizes.size(); ++k)
      if (strides[k] < strides[i] || (strides[k] == strides[i] && k < i)) below *= sizes[k];
    if (strides[i] != below) return false;
  }
  return true;
}

Dims dense_strides(IntSpan sizes, IntSpan strides) {
  if (fill_memory(sizes, strides)) return Dims(strides);
  return strides_in(sorted(static_cast<int64_t>(sizes.size()),
                           [&](int a, int b) {
                             const auto x = static_cast<size_t>(a), y = static_cast<size_t>(b);
                             return compare(strides[x], strides[y], sizes[x], sizes[y]);
                           }),
                    sizes);
}

Tensor empty_strided(IntSpan sizes, IntSpan strides, DType dtype) {
  Tensor out = empty(sizes, dtype);
  set_geometry(out.impl(), sizes, strides, 0);
  return out;
}

// Do dimensions lie in this order without gaps?
bool lie_in(const Order& order, IntSpan sizes, IntSpan strides) {
  int64_t expected = 1;
  for (int d : order) {
    const auto i = static_cast<size_t>(d);
    if (sizes[i] != 1 && strides[i] != expected) return false;
    expected *= sizes[i];
  }
  return true;
}

Order row_major(int64_t dims) {
  Order order(dims);
  for (int64_t i = 0; i < dims; ++i) order[i] = static_cast<int>(dims - 1 - i);
  return order;
}

// Images whose channels lie innermost, as a memory format of its own.
Order channels_last() {
  Order order;
  for (int d : {1, 3, 2, 0}) order.push_back(d);
  return order;
}

// What the operands say of a result.
class Operands {
 public:
  Operands(IntSpan sizes, std::span<const PointwiseArg> args, DType common) : sizes_(sizes) {
    for (const PointwiseArg& a : args) {
      same_sizes_ = same_sizes_ && same(a.sizes, sizes);
      if (a.sizes.empty()) continue;
      Dims& own = strides_[count_];
      sizes_of_[count_++] = a.sizes;
      own = a.dtype == common ? Dims(a.strides) : dense_strides(a.sizes, a.strides);
    }
  }

  // Operands of one shape that agree keep exactly their strides, also along dimensions of one
  // element.
  bool agree(Dims& strides) const {
    if (!same_sizes_) return false;
    if (numel_of(sizes_) == 0 || all_lie_in(row_major(dims())))
      return contiguous_strides(sizes_, strides), true;
    if (dims() == 4 && all_lie_in(channels_last()))
      return strides = strides_in(channels_last(), sizes_), true;
    if (!all([&](int i) { return strides_[i] == strides_[0] && fill_memory(sizes_, strides_[i]); }))
      return false;
    return strides = strides_[0], true;
  }
  Order order() const {
    return sorted(dims(), [&](int a, int b) {
      for (int i = 0; i < count_; ++i)
        if (int say = compare(stride(i, a), stride(i, b), size(a), size(b))) return say;
      return 0;
    });
  }

 private:
  template <class F>
  bool all(const F& f) const {
    for (int i = 0; i < count_; ++i)
      if (!f(i)) return false;
    return true;
  }
  bool all_lie_in(const Order& order) const {
    return all([&](int i) { return lie_in(order, sizes_, strides_[i]); });
  }
  int64_t dims() const { return static_cast<int64_t>(sizes_.size()); }
  int64_t size(int d) const { return sizes_[static_cast<size_t>(d)]; }
  // Of operand i along dimension d of the result: 0 where it repeats itself.
  int64_t stride(int i, int d) const {
    const int64_t at = d - static_cast<int64_t>(sizes_.size() - sizes_of_[i].size());
    return at < 0 || sizes_of_[i][static_cast<size_t>(at)] != size(d) ? 0 : strides_[i][at];
  }

  IntSpan sizes_, sizes_of_[PointwiseKernel::kMaxInputs];
  Dims strides_[PointwiseKernel::kMaxInputs];
  int count_ = 0;  // those with dimensions
  bool same_sizes_ = true;
};

}  // namespace

bool is_dense(const Tensor& t) { return t.is_contiguous() || fill_memory(t.sizes(), t.strides()); }

Tensor empty_like(const Tensor& t, DType dtype) {
  if (t->standard) return empty(t.sizes(), dtype);
  return empty_strided(t.sizes(), dense_strides(t.sizes(), t.strides()), dtype);
}

Tensor empty_in_order_of(IntSpan sizes, DType dtype, std::span<const PointwiseArg> args,
                         DType common) {
  const Operands operands(sizes, args, common);
  Dims strides;
  if (!operands.agree(strides)) {
    const Order order = operands.order();
    if (order == row_major(order.size())) return empty(sizes, dtype);
    strides = strides_in(order, sizes);
  }
  return empty_strided(sizes, strides, dtype);
}

}  // namespace pycore
