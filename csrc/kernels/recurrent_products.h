// The products of a recurrent layer's step: its weights in panels, and tiles of rows times a panel
// that hand their sums on while they are in the cache. Must not know cells' arithmetic or the order
// of steps.
#pragma once

#include "kernels/gemm_pack.h"
#include "kernels/recurrent_cells.h"

namespace pycore::kernels {
namespace {
namespace recurrent {

using gemm::TileFn;

inline int64_t min_of(int64_t x, int64_t y) { return x < y ? x : y; }
inline int64_t max_of(int64_t x, int64_t y) { return x > y ? x : y; }
inline int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }

// --- tiles of products
// ----------------------------------------------------------------------------

// sums[rows, NV vectors] = a[rows, k] * panel[k, NV vectors]: accumulators, the panel's vectors and
// one broadcast fill the registers.
template <int NV>
inline constexpr int kTileRows = kRegisterBytes == 64 ? (NV == 2   ? 14
                                                         : NV == 3 ? 9
                                                         : NV == 4 ? 7
                                                                   : 1)
                                                      : (NV == 2   ? 6
                                                         : NV == 3 ? 4
                                                         : NV == 4 ? 3
                                                                   : 1);
inline constexpr int kTileVectors = 32;

// Asks for `vectors` vectors from column u on of each of `groups` groups of `hidden` columns, in n
// rows. A cell's rows lie pages apart and are met once per step, so no hardware looks ahead; the
// products of the tile hide the way.
template <class T>
PYCORE_INLINE void fetch(const Rows<T>& rows, int64_t first, int64_t n, int64_t hidden, int groups,
                         int64_t u, int vectors) {
  if (!rows) return;
  for (int64_t r = first; r < first + n; ++r) {
    for (int g = 0; g < groups; ++g) {
      for (int v = 0; v < vectors; ++v) {
        __builtin_prefetch(rows[r] + g * hidden + u + v * kLanes<T>);
      }
    }
  }
}

// Calls f(first row, rows, sums) for all rows of a, and before(first row, rows) ahead of a tile's
// products.
template <class T, int NV, class Before, class F>
PYCORE_INLINE void over_tiles(int64_t rows, int64_t k, Rows<const T> a, const T* panel,
                              const Before& before, const F& f) {
  constexpr int L = kLanes<T>, W = NV * L, R = kTileRows<NV>;
  if (rows <= 0) return;
  const int64_t tiles = ceil_div(rows, R), least = rows / tiles;
  const auto tile = [](int64_t r) {
    return gemm::tile_of<T, NV, false, true, R>(static_cast<int>(r));
  };
  const TileFn<T> fn[2] = {tile(least), tile(least + (rows % tiles != 0))};
  alignas(64) T sums[kTileVectors * L];
  for (int64_t t = 0; t < tiles; ++t) {  // of the same height or one row more
    const int64_t i = t * rows / tiles, n = (t + 1) * rows / tiles - i;
    before(i, n);
    fn[n - least](k, a[i], a.stride, 1, panel, W, sums, W, W, {});
    f(i, n, Sums<T>{sums, W});
  }
}

inline constexpr auto nothing = [](auto...) {};  // to be done before

// One row whose k falls into kSegments parts of length k: sums[2 vectors]. Every part has
// accumulators of its own, since two alone would wait for each other.
template <class T, int kSegments>
PYCORE_INLINE void segments_tile(int64_t k, const T* a, const T* panel, T* sums) {
  constexpr int L = kLanes<T>;
  Vec<T> acc[kSegments][2] = {};
  for (int64_t p = 0; p < k; ++p, panel += 2 * kSegments * L) {
#pragma GCC unroll 4
    for (int s = 0; s < kSegments; ++s) {
      const Vec<T> x = splat<T>(a[s * k + p]);
      acc[s][0] = fma<T>(x, load(panel + 2 * s * L), acc[s][0]);
      acc[s][1] = fma<T>(x, load(panel + (2 * s + 1) * L), acc[s][1]);
    }
  }
#pragma GCC unroll 4
  for (int s = 1; s < kSegments; ++s) {
    acc[0][0] += acc[s][0];
    acc[0][1] += acc[s][1];
  }
  store(sums, acc[0][0]);
  store(sums + L, acc[0][1]);
}

// --- panels of weights
// ----------------------------------------------------------------------------

inline constexpr int kBackBlocks = 2;  // vectors of columns in a panel of backward

// Runs f(panel number) for all panels; tasks only where there is enough to move.
template <class F>
void pack(const Context& ctx, int64_t panels, int64_t elements_each, const F& f) {
  const int64_t tasks = min_of(panels, min_of(16, panels * elements_each >> 16));
  run_tasks(ctx, max_of(tasks, 1), [&](int64_t t) {
    const int64_t n = max_of(tasks, 1);
    for (int64_t p = t * panels / n; p < (t + 1) * panels / n; ++p) f(p);
  });
}

// Panel p of W [gates * hidden, k]^T: the gates of `blocks` vectors of units. Units beyond the last
// repeat it; nobody reads their sums.
template <class T>
void pack_gates(const T* w, int gates, int blocks, int64_t hidden, int64_t k, int64_t p, T* to) {
  constexpr int L = kLanes<T>;
  for (int v = 0; v < blocks * gates; ++v) {
    const int64_t first = (p * blocks + v / gates) * L;
    const T* rows[L];
    for (int i = 0; i < L; ++i)
      rows[i] = w + (v % gates * hidden + min_of(first + i, hidden - 1)) * k;
    gemm::pack_lanes<T>(rows, k, to + v * L, static_cast<int64_t>(gates) * blocks * L);
  }
}

// Panel p of W [segments * k, columns]: kBackBlocks vectors of columns of row 0, then of the row
// one segment further, and so on (segments = 1: rows in order).
template <class T>
void pack_columns(const T* w, int64_t segments, int64_t k, int64_t columns, int64_t p, T* to) {
  constexpr int W = kBackBlocks * kLanes<T>;
  const int64_t n = min_of(W, columns - p * W);
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t s = 0; s < segments; ++s, to += W) {
      const T* from = w + (s * k + i) * columns + p * W;
      if (n == W) {
        memcpy(to, from, sizeof(T) * W);
      } else {
        for (int j = 0; j < W; ++j) to[j] = j < n ? from[j] : T(0);
      }
    }
  }
}

}  // namespace recurrent
}  // namespace
}  // namespace pycore::kernels
