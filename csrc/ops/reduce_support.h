// What reductions share: gradients spread back over the reduced dimensions, checks. Must not know
// which reduction runs.
#pragma once

#include "core/reduce.h"
#include "ops/ops.h"

namespace pycore {

using DimMask = SmallVec<bool, 6>;

// The dimensions of one call and the shape they came from, kept by derivative rules.
struct Reduced {
  Dims sizes;
  DimMask mask;
  bool keepdim = false;

  Reduced() = default;
  Reduced(const Tensor& x, DimMask m, bool keep)
      : sizes(x.sizes()), mask(std::move(m)), keepdim(keep) {}
  // t (of the reduced shape) with its reduced dimensions as ones, so that it broadcasts against the
  // input.
  Tensor with_ones(const Tensor& t) const {
    if (keepdim || t.dim() == sizes.size()) return t;
    Dims shape;
    for (int64_t i = 0; i < sizes.size(); ++i) shape.push_back(mask[i] ? 1 : sizes[i]);
    return reshape(t, shape);
  }
  // Repeated along the reduced dimensions.
  Tensor spread(const Tensor& t) const { return expand(with_ones(t), sizes); }
  // How many elements went into one result.
  int64_t count() const {
    int64_t n = 1;
    for (int64_t i = 0; i < sizes.size(); ++i)
      if (mask[i]) n *= sizes[i];
    return n;
  }
  // The reduced dimensions as a list.
  Dims dims() const {
    Dims d;
    for (int64_t i = 0; i < sizes.size(); ++i)
      if (mask[i]) d.push_back(i);
    return d;
  }
  // Sums t, which has the input's shape, over them (ones are kept); differentiable.
  Tensor sum(const Tensor& t) const {
    Dims d = dims();
    return d.empty() ? t : sum_dims(t, d, true);
  }
};

inline DimMask one_dim(const Tensor& t, int64_t dim) {
  const int64_t dims[1] = {dim};
  return reduced_dims(t, dims);
}
inline DimMask all_dims(const Tensor& t) { return reduced_dims(t, {}); }

// An (n, n) mask of f(row, column).
template <class F>
Tensor square_mask(int64_t n, F f) {
  Tensor mask = empty(Dims{n, n}, DType::bool_);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < n; ++k) mask->data[i * n + k] = f(i, k);
  return mask;
}

// For reductions without a neutral element: errors for an empty one.
inline void check_not_empty(const char* name, const Tensor& t, const DimMask& mask) {
  for (int64_t i = 0; i < t.dim(); ++i)
    PC_CHECK_INDEX(!mask[i] || t.sizes()[i] != 0, name, "(): Expected reduction dim ", i,
                   " to have non-zero size.");
}

}  // namespace pycore
