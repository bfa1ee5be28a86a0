// Which elements a place reads and with what weight, a register of places at a time. The rules at
// the edges are PyTorch's. Must not know planes, channels or threads.
#pragma once

#include "kernels/grid_sample.h"
#include "kernels/rows.h"
#include "simd/lookup.h"

namespace pycore {
namespace {
namespace grid_sample {

using namespace simd;  // NOLINT: an unnamed namespace, and these are its words
using kernels::Context;
using kernels::GridSampleArgs;
using kernels::SampleMode;
using kernels::SamplePadding;

// A coordinate in elements, and how fast it moves with the given one.
template <class T>
struct Place {
  Vec<T> at, slope;
};

template <class T>
PYCORE_INLINE Vec<T> clip(Vec<T> x, T high) {
  return min<T>(max<T>(x, Vec<T>{}), splat<T>(high));  // NaN becomes 0
}
// The place folded back at the edges of [0, size - 1] or [-0.5, size - 0.5] until it lies inside.
template <class T>
PYCORE_INLINE Place<T> reflect(Vec<T> x, int64_t size, bool align_corners) {
  const T low = align_corners ? T(0) : T(-0.5);
  const T span = static_cast<T>(align_corners ? size - 1 : size);
  if (span <= 0) return {Vec<T>{}, Vec<T>{}};
  const Vec<T> away = abs<T>(x - low);
  const Vec<T> inside = away - round_to<T, Rounding::trunc>(away / (2 * span)) * (2 * span);
  const Mask<T> turned = inside > span;
  const Vec<T> sign = select<T>(x < low, splat<T>(-1), splat<T>(1));
  return {select<T>(turned, 2 * span - inside, inside) + low, select<T>(turned, -sign, sign)};
}
template <class T>
PYCORE_INLINE Vec<T> unnormalized(Vec<T> x, int64_t size, bool align_corners) {
  const T n = static_cast<T>(size);
  return align_corners ? (x + 1) / 2 * (n - 1) : ((x + 1) * n - 1) / 2;
}
// At the very edge the slope counts as that of the outside: 0.
template <class T>
PYCORE_INLINE Place<T> padded(Vec<T> x, int64_t size, const GridSampleArgs& g) {
  Place<T> p{x, splat<T>(1)};
  if (g.padding == SamplePadding::zeros) return p;
  if (g.padding == SamplePadding::reflection) p = reflect<T>(x, size, g.align_corners);
  const T high = static_cast<T>(size - 1);
  p.slope = select<T>((p.at > 0) & (p.at < high), p.slope, Vec<T>{});
  p.at = clip<T>(p.at, high);
  return p;
}

// Taps of one dimension. `index` is only meaningful where `inside` is set.
template <class T, int K>
struct AxisTaps {
  Mask<T> index[K], inside[K];
  Vec<T> weight[K];
  Vec<T> slope[K];  // of the weight, by the given coordinate
};

template <class T>
PYCORE_INLINE void cubic_weights(Vec<T> t, Vec<T>* w) {
  constexpr T a = T(-0.75);
  const auto near = [](Vec<T> x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  const auto far = [](Vec<T> x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  w[0] = far(t + 1);
  w[1] = near(t);
  w[2] = near(1 - t);
  w[3] = far(2 - t);
}
template <class T>
PYCORE_INLINE void cubic_slopes(Vec<T> t, Vec<T>* d) {
  constexpr T a = T(-0.75);
  const auto near = [](Vec<T> x) { return (3 * (a + 2) * x - 2 * (a + 3)) * x; };
  const auto far = [](Vec<T> x) { return (3 * a * x - 10 * a) * x + 8 * a; };
  d[0] = far(t + 1);
  d[1] = near(t);
  d[2] = -near(1 - t);
  d[3] = -far(2 - t);
}

// x: the given coordinates of one dimension, in [-1, 1] over the input.
template <class T, SampleMode kMode, int K>
PYCORE_INLINE AxisTaps<T, K> axis_taps(Vec<T> x, int64_t size, const GridSampleArgs& g,
                                       bool slopes) {
  AxisTaps<T, K> taps;
  const T n = static_cast<T>(size);
  Place<T> p{unnormalized<T>(x, size, g.align_corners), splat<T>(1)};
  if constexpr (kMode != SampleMode::cubic) p = padded<T>(p.at, size, g);
  const Vec<T> below = kMode == SampleMode::nearest ? round_to<T, Rounding::even>(p.at)
                                                    : round_to<T, Rounding::floor>(p.at);
  const Vec<T> t = p.at - below;
  if constexpr (kMode == SampleMode::nearest) {
    taps.weight[0] = splat<T>(1);
  } else if constexpr (kMode == SampleMode::linear) {
    taps.weight[0] = 1 - t;
    taps.weight[1] = t;
  } else {
    cubic_weights<T>(t, taps.weight);
  }
  if (slopes) {
    const Vec<T> scale = p.slope * ((g.align_corners ? n - 1 : n) / 2);
    if constexpr (kMode == SampleMode::nearest) {
      taps.slope[0] = Vec<T>{};
    } else if constexpr (kMode == SampleMode::linear) {
      taps.slope[0] = -scale;
      taps.slope[1] = scale;
    } else {
      cubic_slopes<T>(t, taps.slope);
      for (int k = 0; k < K; ++k) taps.slope[k] = taps.slope[k] * scale;
    }
  }
  // Far outside is as good as just outside, and fits an integer; NaN goes there too.
  const Vec<T> base = min<T>(max<T>(below, splat<T>(-4)), splat<T>(n + 4));
  for (int k = 0; k < K; ++k) {
    Vec<T> at = base + static_cast<T>(K == 4 ? k - 1 : k);
    if constexpr (kMode == SampleMode::cubic) {
      // The element itself is sought beyond the edge, from where the place really is.
      if (g.padding != SamplePadding::zeros)
        at = round_to<T, Rounding::trunc>(padded<T>(below + static_cast<T>(k - 1), size, g).at);
    }
    taps.inside[k] = (at >= 0) & (at < n);
    taps.index[k] = __builtin_convertvector(at, Mask<T>);
  }
  return taps;
}

constexpr int taps_of(SampleMode mode) {
  return mode == SampleMode::nearest ? 1 : mode == SampleMode::linear ? 2 : 4;
}
constexpr int power(int base, int exponent) {
  return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

// All taps of a register of places in the plane: offsets (-1: outside) and weights. With kSlopes
// also the derivatives of the weights by each coordinate of the grid (x first).
template <class T, SampleMode kMode, int D, bool kSlopes>
struct PlaneTaps {
  static constexpr int K = taps_of(kMode), kCount = power(K, D);
  Mask<T> offset[kCount];
  Vec<T> weight[kCount];
  Vec<T> slope[kSlopes ? D : 1][kSlopes ? kCount : 1];

  // `n` places from grid on; lanes beyond them are harmless.
  void find(const GridSampleArgs& g, const T* grid, int n) {
    T coordinate[D][kLanes<T>] = {};
    for (int l = 0; l < n; ++l)
      for (int d = 0; d < D; ++d) coordinate[d][l] = grid[l * D + d];
    AxisTaps<T, K> axis[D];  // width first, like the grid
    for (int d = 0; d < D; ++d)
      axis[d] = axis_taps<T, kMode, K>(load(coordinate[d]), g.in[2 - d], g, kSlopes);
    for (int c = 0; c < kCount; ++c) {
      int k[D];
      for (int d = 0, rest = c; d < D; ++d, rest /= K) k[d] = rest % K;
      Mask<T> at = axis[D - 1].index[k[D - 1]], inside = axis[D - 1].inside[k[D - 1]];
      Vec<T> w = axis[D - 1].weight[k[D - 1]];
      for (int d = D - 2; d >= 0; --d) {
        using I = typename LaneInt<T>::type;
        at = at * static_cast<I>(g.in[2 - d]) + axis[d].index[k[d]];
        inside &= axis[d].inside[k[d]];
        w = w * axis[d].weight[k[d]];
      }
      offset[c] = inside ? at : at * 0 - 1;
      weight[c] = w;
      if constexpr (kSlopes) {
        for (int d = 0; d < D; ++d) {
          Vec<T> s = axis[d].slope[k[d]];
          for (int e = 0; e < D; ++e)
            if (e != d) s = s * axis[e].weight[k[e]];
          slope[d][c] = s;
        }
      }
    }
  }
  // Elements of tap c; what lies outside is 0.
  PYCORE_INLINE Vec<T> read(const T* plane, int c) const {
    const Mask<T> inside = offset[c] >= 0;
    return select<T>(inside, gather<T>(plane, offset[c] & inside), Vec<T>{});
  }
};

}  // namespace grid_sample
}  // namespace
}  // namespace pycore
