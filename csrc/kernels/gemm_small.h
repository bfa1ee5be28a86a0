// Products with a few rows, straight from the operands: nothing is packed or allocated. They are
// bound by the speed at which B arrives, so B is read once and in long runs.
// Must not know batches or dtypes other than the template's.
#pragma once

#include "kernels/gemm_tiles.h"

namespace pycore {
namespace {
namespace gemm {

inline constexpr int kShortVectors = 24;

template <int N>
struct Int {
  static constexpr int value = N;
};

// Dot products of R rows of A with C columns of B at once, U vectors along k per step: enough
// independent sums to hide the latency of fma, and few enough streams for the prefetcher; a single
// row takes the columns one after the other, which is the order of memory where they lie side by
// side, and asks for what follows. Where k
// is short, the sums of a single row are all of different columns: nothing is to be fetched ahead,
// and there is less to add up.
template <class T, int R, bool kShort>
struct DotShape {
  static constexpr int kSums = kRegisterBytes == 64 ? 16 : 8;
  static constexpr int kAll = kLanes<T> / R;  // columns of one dot_tile
  static constexpr int kWish = kShort ? kAll : R == 1 ? 1 : R == 2 ? kSums / 4 : kSums / R;
  static constexpr int C = kWish < kAll ? kWish : kAll;
  static constexpr int U = kSums / (R * C) < 8 ? kSums / (R * C) : 8;
};

// Adds up the first N rows of `acc` in its first. By a constant number, since an index that is only
// known at run time would keep all of them in memory.
template <class T, int N, int Width>
PYCORE_INLINE void add_rows(Vec<T> (*acc)[Width]) {
  if constexpr (N > 1) {
#pragma GCC unroll 8
    for (int u = 0; u < N / 2; ++u) {
#pragma GCC unroll 16
      for (int j = 0; j < Width; ++j) acc[u][j] += acc[u + N / 2][j];
    }
    add_rows<T, N / 2, Width>(acc);
  }
}

// sums[i * stride + j] = the lanes of row i times column j.
template <class T, int R, class Op, bool kShort>
PYCORE_INLINE void dot_streams(int64_t k, const T* a, int64_t ars,
                               const typename Op::B* const* columns, Vec<T>* sums, int stride) {
  constexpr int L = kLanes<T>, C = DotShape<T, R, kShort>::C, U = DotShape<T, R, kShort>::U;
  Vec<T> acc[U][R * C] = {};
  const auto step = [&](const auto& load_a, const auto& load_b, int u) {
    Vec<T> av[R];
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) av[i] = load_a(i);
#pragma GCC unroll 16
    for (int j = 0; j < C; ++j) {
      const Vec<T> bv = load_b(j);
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) acc[u][i * C + j] = Op::add(av[i], bv, acc[u][i * C + j]);
    }
  };
  int64_t p = 0;
  for (; p + U * L <= k; p += U * L) {
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) {
      const int64_t at = p + u * L;
      if constexpr (R * C == 1) __builtin_prefetch(columns[0] + at + 32 * L);
      step([&](int i) { return load(a + i * ars + at); },
           [&](int j) { return Op::load_b(columns[j] + at); }, u);
    }
  }
  for (; p + L <= k; p += L) {
    step([&](int i) { return load(a + i * ars + p); },
         [&](int j) { return Op::load_b(columns[j] + p); }, 0);
  }
  if (p < k) {
    const int n = static_cast<int>(k - p);
    step([&](int i) { return load_partial(a + i * ars + p, n); },
         [&](int j) { return Op::load_b(columns[j] + p, n); }, 0);
  }
  add_rows<T, U, R * C>(acc);
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < C; ++j) sums[i * stride + j] = acc[0][i * C + j];
  }
}

// C[i, j] for R rows and up to kLanes / R columns: dot products along a contiguous k.
template <class T, int R, class Op, bool kShort>
void dot_tile(int64_t k, const T* a, int64_t ars, const typename Op::B* b, int64_t bcs, T* c,
              int64_t crs, int cols, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>, kAll = L / R, C = DotShape<T, R, kShort>::C;
  Vec<T> lanes[L];
  if (cols < kAll) {
    for (Vec<T>& v : lanes) v = Vec<T>{};
  }
  for (int j0 = 0; j0 < cols; j0 += C) {
    const typename Op::B* columns[C];
    for (int j = 0; j < C; ++j) columns[j] = b + (j0 + j < cols ? j0 + j : 0) * bcs;
    dot_streams<T, R, Op, kShort>(k, a, ars, columns, lanes + j0, kAll);
  }
  Vec<T> sums = sum_each<T>(lanes);
  if constexpr (R == 1) {
    if (e.bias_col) sums += load_partial(e.bias_col, cols);
    if (e.bias_row) sums += e.bias_row[0];
    if (e.accumulate) sums += load_partial(c, cols);
    if (e.relu) sums = relu_of<T>(sums);
    store_partial(c, sums, cols);
  } else {
    alignas(64) T t[2 * L] = {};  // store_tile reads whole vectors
    store(t, sums);
    store_tile<T>(t, kAll, c, crs, R, cols, e);
  }
}

// Columns [j0, j1) of C = A * B where both operands are contiguous along k. The columns of a block
// stay in the cache for all rows.
template <class T, class Op = Plain<T>>
void dot_columns(int64_t m, int64_t k, const T* a, int64_t ars, const typename Op::B* b,
                 int64_t bcs, T* c, int64_t crs, int64_t j0, int64_t j1, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  const bool is_short = k <= kShortVectors * L;
  for (int64_t first = j0; first < j1; first += L) {
    const int64_t last = first + L < j1 ? first + L : j1;
    int64_t i = 0;
    const auto rows = [&](auto size) {
      constexpr int R = decltype(size)::value;
      for (int64_t j = first; j < last; j += L / R) {
        const int cols = static_cast<int>(last - j < L / R ? last - j : L / R);
        const bool of_columns = R == 1 && is_short;
        const auto fn = of_columns ? dot_tile<T, R, Op, R == 1> : dot_tile<T, R, Op, false>;
        // Every lane of every accumulator is a sum of its own.
        constexpr int64_t kDepth = kChain * L * DotShape<T, R, false>::U;
        const int64_t chains = k > kDepth ? (k + kDepth - 1) / kDepth : 1;
        for (int64_t t = 0; t < chains; ++t) {
          const int64_t p = t * kDepth, depth = k - p < kDepth ? k - p : kDepth;
          fn(depth, a + i * ars + p, ars, b + j * bcs + p, bcs, c + i * crs + j, crs, cols,
             e.at(i, j).of_chain(t, chains));
        }
      }
      i += R;
    };
    if constexpr (L >= 8) {
      while (i + 4 <= m) rows(Int<4>{});
    }
    while (i + 2 <= m) rows(Int<2>{});
    if (i < m) rows(Int<1>{});
  }
}

// Columns [j0, j1) of one row of C = a * B where B is contiguous along its rows and small.
template <class T>
void row_columns(int64_t k, const T* a, int64_t acs, const T* b, int64_t brs, T* c, int64_t j0,
                 int64_t j1, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  const int64_t chains = chains_of(k);
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
    for (int64_t t = 0, p = 0; t < chains; ++t) {
      const int64_t end = (t + 1) * k / chains;
      fn(end - p, a + p * acs, 0, acs, b + p * brs + j, brs, c + j, 0, done,
         e.at(0, j).of_chain(t, chains));
      p = end;
    }
    j += done;
  }
}

inline constexpr int kSpreadRows = 8;  // most rows that spread_columns takes
inline constexpr int kSpreadColumns = 512;
inline constexpr int kSpreadDepth = 64;  // rows of B that stay in L2 for all rows of A

// y[i, 0 .. columns) += P elements of each of R rows of A times P rows of B.
template <class T, int R, int P, class Op>
PYCORE_INLINE void spread_rows(const T* a, int64_t ars, int64_t acs, const typename Op::B* b,
                               int64_t brs, int columns, T* y) {
  constexpr int L = kLanes<T>;
  Vec<T> x[R][P];
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) x[i][p] = splat<T>(a[i * ars + p * acs]);
  }
  const auto at = [&](int j, const auto& load_b) {
    Vec<T> sum[R];
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) sum[i] = load(y + i * kSpreadColumns + j);
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const Vec<T> bv = load_b(b + p * brs + j);
      __builtin_prefetch(b + (P + p) * brs + j);  // rows to come
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) sum[i] = Op::add(x[i][p], bv, sum[i]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) store(y + i * kSpreadColumns + j, sum[i]);
  };
  int j = 0;
  for (; j + L <= columns; j += L) at(j, [](const auto* p) { return Op::load_b(p); });
  if (j < columns) at(j, [&](const auto* p) { return Op::load_b(p, columns - j); });
}

// y[i, 0 .. columns) += A[m, k] * B[k, columns]; a row of y is kSpreadColumns long.
template <class T, class Op>
void spread(int64_t m, int64_t k, const T* a, int64_t ars, int64_t acs, const typename Op::B* b,
            int64_t brs, int columns, T* y) {
  for (int64_t p0 = 0; p0 < k; p0 += kSpreadDepth) {
    const int64_t depth = k - p0 < kSpreadDepth ? k - p0 : kSpreadDepth;
    const auto rows = [&](auto size, int64_t i) {
      constexpr int R = decltype(size)::value;
      const T* from = a + i * ars + p0 * acs;
      const typename Op::B* to = b + p0 * brs;
      T* sums = y + i * kSpreadColumns;
      int64_t p = 0;
      for (; p + 4 <= depth; p += 4) {
        spread_rows<T, R, 4, Op>(from + p * acs, ars, acs, to + p * brs, brs, columns, sums);
      }
      for (; p < depth; ++p) {
        spread_rows<T, R, 1, Op>(from + p * acs, ars, acs, to + p * brs, brs, columns, sums);
      }
    };
    int64_t i = 0;
    if constexpr (kRegisterBytes == 64) {
      for (; i + 4 <= m; i += 4) rows(Int<4>{}, i);
    }
    for (; i + 2 <= m; i += 2) rows(Int<2>{}, i);
    if (i < m) rows(Int<1>{}, i);
  }
}

// Columns [j0, j1) of C = A * B for m <= kSpreadRows where B is contiguous along its rows: each row
// of B is spread over sums that stay in L1.
template <class T, class Op = Plain<T>>
void spread_columns(int64_t m, int64_t k, const T* a, int64_t ars, int64_t acs,
                    const typename Op::B* b, int64_t brs, T* c, int64_t crs, int64_t j0, int64_t j1,
                    const Epilogue<T>& e) {
  alignas(64) T y[kSpreadRows * kSpreadColumns];
  const int64_t chains = chains_of(k);
  for (int64_t j = j0; j < j1; j += kSpreadColumns) {
    const int columns = static_cast<int>(j1 - j < kSpreadColumns ? j1 - j : kSpreadColumns);
    for (int64_t t = 0; t < chains; ++t) {
      const int64_t p = t * kChain, depth = k - p < kChain ? k - p : kChain;
      memset(y, 0, sizeof(T) * kSpreadColumns * static_cast<size_t>(m));
      spread<T, Op>(m, depth, a + p * acs, ars, acs, b + p * brs + j, brs, columns, y);
      store_tile<T>(y, kSpreadColumns, c + j, crs, static_cast<int>(m), columns,
                    e.at(0, j).of_chain(t, chains));
    }
  }
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
