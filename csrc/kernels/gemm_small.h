// Products with a few rows, straight from the operands: nothing is packed or allocated.
// Must not know batches or dtypes other than the template's.
#pragma once

#include "kernels/gemm_tiles.h"

namespace pycore {
namespace {
namespace gemm {

// C[i, j] for R rows and up to kLanes / R columns: dot products along a contiguous k.
// One accumulator per element of C, all reduced together by one tree.
template <class T, int R>
void dot_tile(int64_t k, const T* a, int64_t ars, const T* b, int64_t bcs, T* c, int64_t crs,
              int cols, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  constexpr int C = L / R;
  const T* rows[C];
#pragma GCC unroll 16
  for (int j = 0; j < C; ++j) rows[j] = b + (j < cols ? j : 0) * bcs;
  Vec<T> acc[L] = {};
  int64_t p = 0;
  for (; p + L <= k; p += L) {
    Vec<T> av[R];
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) av[i] = load(a + i * ars + p);
#pragma GCC unroll 16
    for (int j = 0; j < C; ++j) {
      const Vec<T> bv = load(rows[j] + p);
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) acc[i * C + j] = fma<T>(av[i], bv, acc[i * C + j]);
    }
  }
  if (p < k) {
    const int n = static_cast<int>(k - p);
    Vec<T> av[R];
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) av[i] = load_partial(a + i * ars + p, n);
#pragma GCC unroll 16
    for (int j = 0; j < C; ++j) {
      const Vec<T> bv = load_partial(rows[j] + p, n);
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) acc[i * C + j] = fma<T>(av[i], bv, acc[i * C + j]);
    }
  }
  Vec<T> sums = sum_each<T>(acc);
  if constexpr (R == 1) {
    if (e.bias_col) sums += load_partial(e.bias_col, cols);
    if (e.bias_row) sums += e.bias_row[0];
    if (e.accumulate) sums += load_partial(c, cols);
    if (e.relu) sums = relu_of<T>(sums);
    store_partial(c, sums, cols);
  } else {
    alignas(64) T t[2 * L] = {};  // store_tile reads whole vectors
    store(t, sums);
    store_tile<T>(t, C, c, crs, R, cols, e);
  }
}

// Columns [j0, j1) of C = A * B where both operands are contiguous along k.
template <class T>
void dot_columns(int64_t m, int64_t k, const T* a, int64_t ars, const T* b, int64_t bcs, T* c,
                 int64_t crs, int64_t j0, int64_t j1, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  if constexpr (L >= 8) {
    for (; i + 4 <= m; i += 4) {
      for (int64_t j = j0; j < j1; j += L / 4) {
        const int cols = static_cast<int>(j1 - j < L / 4 ? j1 - j : L / 4);
        dot_tile<T, 4>(k, a + i * ars, ars, b + j * bcs, bcs, c + i * crs + j, crs, cols,
                       e.at(i, j));
      }
    }
  }
  for (; i + 2 <= m; i += 2) {
    for (int64_t j = j0; j < j1; j += L / 2) {
      const int cols = static_cast<int>(j1 - j < L / 2 ? j1 - j : L / 2);
      dot_tile<T, 2>(k, a + i * ars, ars, b + j * bcs, bcs, c + i * crs + j, crs, cols, e.at(i, j));
    }
  }
  for (; i < m; ++i) {
    for (int64_t j = j0; j < j1; j += L) {
      const int cols = static_cast<int>(j1 - j < L ? j1 - j : L);
      dot_tile<T, 1>(k, a + i * ars, ars, b + j * bcs, bcs, c + i * crs + j, crs, cols, e.at(i, j));
    }
  }
}

// Columns [j0, j1) of one row of C = a * B where B is contiguous along its rows.
template <class T>
void row_columns(int64_t k, const T* a, int64_t acs, const T* b, int64_t brs, T* c, int64_t j0,
                 int64_t j1, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  for (int64_t j = j0; j < j1;) {
    const int64_t left = j1 - j;
    const int cols = static_cast<int>(left < 8 * L ? left : 8 * L);
    const TileFn<T> fn =
        left > 4 * L   ? (left > 7 * L ? tile<T, 1, 8, false, false> : tile<T, 1, 4, false, false>)
        : left > 3 * L ? tile<T, 1, 4, false, false>
        : left > L     ? tile<T, 1, 2, false, false>
                       : tile<T, 1, 1, false, false>;
    const int width = left > 7 * L ? 8 : left > 3 * L ? 4 : left > L ? 2 : 1;
    const int done = cols < width * L ? cols : width * L;
    fn(k, a, 0, acs, b + j, brs, c + j, 0, done, e.at(0, j));
    j += done;
  }
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
