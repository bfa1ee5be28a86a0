// Where the elements lie that an index expression picks: the checked, flattened form of integer and
// boolean index tensors. Must not know derivatives or Python.
#pragma once

#include <algorithm>

#include "kernels/binary.h"
#include "kernels/cast.h"
#include "ops/ops.h"

namespace pycore {

// Offsets in elements of the indexed tensor.
struct Offsets {
  Tensor memory;  // int64; undefined for the single offset zero
  int64_t n = 1;
  const int64_t* data() const;
};
// The offsets of all elements of a geometry in row-major order.
Offsets strided_offsets(IntSpan sizes, IntSpan strides);
// The step between those offsets, if it is always the same one.
std::optional<int64_t> even_step(IntSpan sizes, IntSpan strides);

// The least and the greatest element of a contiguous int64 tensor; low > high if it is empty.
struct IndexRange {
  int64_t low = INT64_MAX, high = INT64_MIN;
};
IndexRange range_of(const Tensor& index);
// Whether all elements of it lie in [low, high).
bool all_within(const Tensor& index, int64_t low, int64_t high);

// Element (o, k, i) of the result is self[outer[o] + picked[k] + inner[i]].
struct IndexPlan {
  Dims sizes;  // of the result
  Offsets outer, picked, inner;
  bool inner_dense = false;  // inner[i] == i
};

// `indices` holds one tensor per dimension of self from the left (a boolean mask stands for as many
// dimensions as it has); undefined tensors take a whole dimension. The shape follows NumPy: picked
// dimensions stand where the index tensors were if those are neighbours, else first. IndexError if
// a shape does not fit or an index is out of bounds.
IndexPlan plan_index(const Tensor& self, TensorList indices);

// Wraps negative indices, checks all of them against `size` and multiplies by `stride`: int64 of
// the index's shape, maybe the index itself. `dim` is named in the error.
Tensor checked_offsets(const Tensor& index, int64_t size, int64_t stride, int64_t dim);
// How many elements of a contiguous bool or uint8 mask are set.
int64_t count_set(const Tensor& mask);
// The positions of the set elements of a contiguous mask, times `scale`: one-dimensional int64.
Tensor set_positions(const Tensor& mask, int64_t scale = 1);

// Moves elements by plan; `result` is contiguous with plan.sizes: result = self[...].
void pick_elements(const IndexPlan& plan, const Tensor& self, const Tensor& result);
// self[...] = values, or += if accumulate. `values` has one element or is contiguous with
// plan.sizes; it has self's dtype and no memory in common with it. Where an element is hit twice,
// the last value stays.
void put_elements(const IndexPlan& plan, const Tensor& self, const Tensor& values, bool accumulate);

// self[...] = f(self[...], values), in order where an entry is hit more than once; false, with
// nothing done, if no kernel combines rows of this plan and dtype. Otherwise as put_elements.
bool combine_rows(const IndexPlan& plan, const Tensor& self, const Tensor& values,
                  kernels::Binary f);

// x[i] = f(x[i], y[i]) for neighbours in memory; rounded each time if they are 16-bit floats.
class RowCombiner {
 public:
  RowCombiner(kernels::Binary f, DType t);
  explicit operator bool() const { return fn_ != nullptr; }  // whether there is a kernel
  void operator()(void* x, const void* y, int64_t n) const;

 private:
  kernels::BinaryFn fn_ = nullptr;
  kernels::CastFn widen_ = nullptr, narrow_ = nullptr;  // of 16-bit floats, to and from float32
};

// Asks for the beginning of a piece of memory that is the next one's turn: pieces in no order, or
// far from each other, are not foreseen by the processor, which follows one once it has met its
// first lines.
inline void prefetch_row(const void* row, int64_t bytes) {
  constexpr int64_t kLine = 64, kMost = 16 * kLine;
  for (int64_t i = 0; i < std::min(bytes, kMost); i += kLine)
    __builtin_prefetch(static_cast<const char*>(row) + i, 0, 3);
}

inline bool is_mask(const Tensor& t) {
  return t.dtype() == DType::bool_ || t.dtype() == DType::uint8;
}

}  // namespace pycore
