// Products of a few rows with a B that is contiguous along its rows, straight from the operands:
// nothing is packed or allocated. They are bound by the speed at which B arrives, so B is read once
// and in long runs.
// Must not know batches or dtypes other than the template's.
#pragma once

#include "kernels/gemm_dots.h"

namespace pycore {
namespace {
namespace gemm {

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
inline constexpr int kSpreadDepth = 64;          // rows of B that stay in L2 for all rows of A
inline constexpr int64_t kSmallBytes = 1 << 18;  // of a matrix that stays in L2

// Whether rows of B, whose elements are multiplied as T's, are so long that a tile's part of them
// would be read slowly: a page apart, and more than stays near.
template <class T>
bool better_spread(int64_t m, int64_t n, int64_t k) {
  const int64_t row_bytes = n * static_cast<int64_t>(sizeof(T));
  return k * row_bytes > kSmallBytes && (m == 1 || (m <= kSpreadRows && row_bytes >= 4096));
}

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
