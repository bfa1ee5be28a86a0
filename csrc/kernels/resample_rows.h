// Rows of a resampling: along the row by table, and across rows by weights.
// Must not know planes, tasks or threads.
#pragma once

#include "kernels/resample.h"
#include "kernels/rows.h"
#include "simd/lookup.h"

namespace pycore {
namespace {
namespace resample {

using namespace simd;  // NOLINT: an unnamed namespace, and these are its words
using kernels::Context;
using kernels::ResampleArgs;
using kernels::ResampleAxis;
using kernels::run_tasks;
using kernels::Scratch;

inline int64_t min_of(int64_t x, int64_t y) { return x < y ? x : y; }
inline int64_t max_of(int64_t x, int64_t y) { return x > y ? x : y; }

// The table of one axis for whole registers of outputs: where lane l of tap k reads, relative to
// the block's base, and with what weight. Lanes with fewer taps than their block have weight 0.
template <class T>
class RowTable {
  static constexpr int kL = kLanes<T>;
  using I = typename LaneInt<T>::type;
  struct Block {
    int64_t base;
    int32_t taps;
    bool near;     // all taps lie within two registers from base
    bool uniform;  // every lane has all taps
  };

 public:
  RowTable(const Context& ctx, const ResampleAxis& axis)
      : axis_(axis),
        count_((axis.out + kL - 1) / kL),
        blocks_(ctx, axis.identity ? 0 : count_),
        at_(ctx, axis.identity ? 0 : count_ * axis.taps * kL),
        weight_(ctx, axis.identity || !axis.weight ? 0 : count_ * axis.taps * kL) {
    if (axis.identity) return;
    for (int64_t b = 0; b < count_; ++b) fill(b);
  }
  // Rows shorter than this must be followed by readable memory up to it.
  static constexpr int64_t kReach = 2 * kL;

  template <bool Weighted>
  void run(const T* x, T* y) const {
    for (int64_t b = 0; b < count_; ++b) {
      const Block& block = blocks_.get()[b];
      const int64_t left = axis_.out - b * kL;
      const Vec<T> v = !block.near     ? far_block<Weighted>(x, b, block)
                       : block.uniform ? near_block<Weighted, true>(x, b, block)
                                       : near_block<Weighted, false>(x, b, block);
      if (left >= kL)
        store(y + b * kL, v);
      else
        store_partial(y + b * kL, v, static_cast<int>(left));
    }
  }

 private:
  void fill(int64_t b) {
    Block& block = blocks_.get()[b];
    const int64_t begin = b * kL, end = min_of(axis_.out, begin + kL);
    const int64_t* first = axis_.first + begin;
    const int32_t* count = axis_.count + begin;
    int64_t low = axis_.in, high = 0;
    block.taps = 0;
    for (int64_t l = 0; l < end - begin; ++l) {
      if (count[l] == 0) continue;
      low = min_of(low, first[l]);
      high = max_of(high, first[l] + count[l] - 1);
      if (count[l] > block.taps) block.taps = count[l];
    }
    if (block.taps == 0) low = high = 0;
    low = max_of(0, min_of(low, axis_.in - kReach));
    block.base = low;
    block.near = kFastLookup<T> && high - low < kReach;
    block.uniform = true;
    for (int64_t k = 0; k < axis_.taps; ++k) {
      I* at = at_.get() + (b * axis_.taps + k) * kL;
      T* weight = axis_.weight ? weight_.get() + (b * axis_.taps + k) * kL : nullptr;
      for (int64_t l = 0; l < kL; ++l) {
        const bool there = l < end - begin && k < count[l];
        at[l] = there ? static_cast<I>(first[l] + k - low) : I{0};
        if (weight)
          weight[l] = there ? static_cast<T>(axis_.weight[(begin + l) * axis_.taps + k]) : T{0};
        if (!there && k < block.taps && l < end - begin) block.uniform = false;
      }
    }
  }

  template <bool Weighted, bool Uniform>
  PYCORE_INLINE Vec<T> near_block(const T* x, int64_t b, const Block& block) const {
    const Vec<T> low = load(x + block.base), high = load(x + block.base + kL);
    const I* at = at_.get() + b * axis_.taps * kL;
    if constexpr (!Weighted) return lookup<T>(low, high, load(at));
    const T* weight = weight_.get() + b * axis_.taps * kL;
    Vec<T> sum{};
    for (int32_t k = 0; k < block.taps; ++k, at += kL, weight += kL)
      sum = add_tap<Uniform>(sum, lookup<T>(low, high, load(at)), load(weight), k == 0);
    return sum;
  }
  template <bool Weighted>
  PYCORE_INLINE Vec<T> far_block(const T* x, int64_t b, const Block& block) const {
    const I* at = at_.get() + b * axis_.taps * kL;
    if constexpr (!Weighted) return gather<T>(x + block.base, load(at));
    const T* weight = weight_.get() + b * axis_.taps * kL;
    Vec<T> sum{};
    for (int32_t k = 0; k < block.taps; ++k, at += kL, weight += kL)
      sum = add_tap<false>(sum, gather<T>(x + block.base, load(at)), load(weight), k == 0);
    return sum;
  }
  // A lane whose tap does not exist must not meet the infinity that it happens to read.
  template <bool Uniform>
  PYCORE_INLINE static Vec<T> add_tap(Vec<T> sum, Vec<T> x, Vec<T> weight, bool first) {
    if constexpr (!Uniform) x = select<T>(weight == 0, Vec<T>{}, x);
    return first ? x * weight : fma<T>(x, weight, sum);
  }

  ResampleAxis axis_;
  int64_t count_;
  Scratch<Block> blocks_;
  Scratch<I> at_;
  Scratch<T> weight_;
};

// y = sum of weight[k] * rows[k] over n elements.
template <class T, int K>
PYCORE_INLINE void blend_fixed(const T* const* rows, const double* weight, int64_t n, T* y) {
  constexpr int kL = kLanes<T>;
  Vec<T> w[K];
  const T* row[K];
  for (int k = 0; k < K; ++k) {
    w[k] = splat<T>(static_cast<T>(weight[k]));
    row[k] = rows[k];
  }
  int64_t i = 0;
  for (; i + kL <= n; i += kL) {
    Vec<T> sum = load(row[0] + i) * w[0];
    for (int k = 1; k < K; ++k) sum = fma<T>(load(row[k] + i), w[k], sum);
    store(y + i, sum);
  }
  if (i < n) {
    const int left = static_cast<int>(n - i);
    Vec<T> sum = load_partial(row[0] + i, left) * w[0];
    for (int k = 1; k < K; ++k) sum = fma<T>(load_partial(row[k] + i, left), w[k], sum);
    store_partial(y + i, sum, left);
  }
}
template <class T>
void blend_rows(const T* const* rows, const double* weight, int64_t taps, int64_t n, T* y) {
  switch (taps) {
    case 0:
      memset(y, 0, sizeof(T) * static_cast<size_t>(n));
      return;
    case 1:
      return blend_fixed<T, 1>(rows, weight, n, y);
    case 2:
      return blend_fixed<T, 2>(rows, weight, n, y);
    case 3:
      return blend_fixed<T, 3>(rows, weight, n, y);
    case 4:
      return blend_fixed<T, 4>(rows, weight, n, y);
    default:
      break;
  }
  constexpr int kL = kLanes<T>;
  kernels::over_row<T>(n, [&](int64_t i, int lanes) {
    Vec<T> sum{};
    for (int64_t k = 0; k < taps; ++k) {
      const T w = static_cast<T>(weight[k]);
      const Vec<T> x = lanes == kL ? load(rows[k] + i) : load_partial(rows[k] + i, lanes);
      sum = fma<T>(x, splat<T>(w), sum);
    }
    kernels::store_n<T>(y + i, sum, lanes);
  });
}

}  // namespace resample
}  // namespace
}  // namespace pycore
