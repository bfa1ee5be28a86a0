// Dot products of a few rows with columns that are contiguous along k, straight from the operands:
// they are bound by the speed at which B arrives, so B is read once, in the order of memory.
// Must not know batches or dtypes other than the template's.
#pragma once

#include "kernels/gemm_tiles.h"

namespace pycore {
namespace {
namespace gemm {

template <int N>
struct Int {
  static constexpr int value = N;
};

// How dot products read: a step takes kStep elements along k, a vector of B and kPlanes of A. The
// last may have n of them only, of which B is read with zeros behind, and A as its kind lays it
// out.
template <class T>
struct PlainDots {
  using Lane = T;  // of A and of the sums
  using B = T;
  static constexpr int kStep = kLanes<T>, kPlanes = 1, kColumns = 1;
  static PYCORE_INLINE Vec<T> load_a(const T* p, int n) { return load_partial(p, n); }
  static PYCORE_INLINE Vec<T> load_b(const T* p) { return load(p); }
  static PYCORE_INLINE Vec<T> load_b(const T* p, int n) { return load_partial(p, n); }
  static PYCORE_INLINE Vec<T> add(const Vec<T>* a, Vec<T> b, Vec<T> sum) {
    return fma<T>(a[0], b, sum);
  }
};

#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr bool kManyRegisters = true;
#else
inline constexpr bool kManyRegisters = false;
#endif

// R rows times C columns at once, U steps apart: enough independent sums to hide the latency of
// fma, and few enough streams for the prefetcher. A single row takes as few columns (kColumns) as
// there are loads to spare for A; one column after the other is the order of memory where they lie
// side by side, so what follows is asked for.
template <class Op, int R>
struct DotShape {
  static constexpr int kAll = kLanes<typename Op::Lane> / R;  // columns of one dot_tile
  static constexpr int kWish = R == 1 ? Op::kColumns : kRegisterBytes == 64 ? 4 : 2;
  static constexpr int C = kWish < kAll ? kWish : kAll;
  static constexpr int kDeep = kRegisterBytes == 64 ? 4 : 8;  // of one sum: four cache lines
  static constexpr int U = R == 1 ? kDeep / C : R == 2 ? 2 : 1;
  static constexpr int kRegisters = kManyRegisters ? 32 : 16;
  static constexpr bool kHoldA = C > 1 && R*(C* U + Op::kPlanes) + 2 <= kRegisters;
};

// Steps of k that several rows take together, so that their part of A stays in L1.
inline constexpr int64_t kDotSteps = kRegisterBytes == 64 ? 64 : 128;
inline constexpr int kBytesAhead = 2048;

// Makes the compiler load a value that is used several times once; it would rather make it an
// operand in memory of each use, and loads are what these loops wait for.
template <class T>
PYCORE_INLINE Vec<T> in_register(Vec<T> v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__SSE2__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
  return v;
}

// v[0] = the sum of v[0 .. N) in a tree. Unrolled by hand: arrays of vectors stay in registers only
// if no index is left to the running program.
template <int N, int C, class V>
PYCORE_INLINE void add_up(V (*v)[C]) {
  if constexpr (N > 1) {
#pragma GCC unroll 4
    for (int u = 0; u < N / 2; ++u) {
#pragma GCC unroll 16
      for (int j = 0; j < C; ++j) v[u][j] += v[u + N / 2][j];
    }
    add_up<N / 2, C>(v);
  }
}

// sums[i * stride + j] = the lanes of row i times column j.
template <class Op, int R>
PYCORE_INLINE void dot_streams(int64_t k, const typename Op::Lane* a, int64_t ars,
                               const typename Op::B* const* columns, Vec<typename Op::Lane>* sums,
                               int stride) {
  using T = typename Op::Lane;
  using Shape = DotShape<Op, R>;
  constexpr int L = kLanes<T>, C = Shape::C, U = Shape::U, P = Op::kPlanes;
  Vec<T> acc[U][R * C];
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u) {
#pragma GCC unroll 16
    for (int j = 0; j < R * C; ++j) acc[u][j] = Vec<T>{};
  }
  const auto step = [&](const auto& load_a, const auto& load_b, int u) {
    Vec<T> av[R][P];
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) {
        const Vec<T> x = load_a(i, p * L);
        av[i][p] = Shape::kHoldA ? in_register<T>(x) : x;
      }
    }
#pragma GCC unroll 16
    for (int j = 0; j < C; ++j) {
      const auto bv = load_b(j);
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) acc[u][i * C + j] = Op::add(av[i], bv, acc[u][i * C + j]);
    }
  };
  const int64_t steps = k / Op::kStep;
  // The rest first, while no sums wait in registers.
  if (const int n = static_cast<int>(k - steps * Op::kStep); n > 0) {
    step([&](int i, int at) { return Op::load_a(a + i * ars + steps * P * L + at, n); },
         [&](int j) { return Op::load_b(columns[j] + steps * Op::kStep, n); }, 0);
  }
  const auto whole = [&](int64_t s, int u) {
    step([&](int i, int at) { return load(a + i * ars + s * P * L + at); },
         [&](int j) { return Op::load_b(columns[j] + s * Op::kStep); }, u);
  };
  int64_t s = 0;
  for (; s + U <= steps; s += U) {
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) {
      constexpr int kStepBytes = Op::kStep * static_cast<int>(sizeof(typename Op::B));
      if (R * C == 1 && u * kStepBytes % 64 == 0) {
        __builtin_prefetch(reinterpret_cast<const char*>(columns[0] + (s + u) * Op::kStep) +
                           kBytesAhead);
      }
      whole(s + u, u);
    }
  }
  for (; s < steps; ++s) whole(s, 0);
  add_up<U, R * C>(acc);
#pragma GCC unroll 4
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < C; ++j) sums[i * stride + j] = acc[0][i * C + j];
  }
}

// C[i, j] for R rows and up to kLanes / R columns: dot products along a contiguous k.
template <class Op, int R>
__attribute__((noinline)) void dot_tile(int64_t k, const typename Op::Lane* a, int64_t ars,
                                        const typename Op::B* b, int64_t bcs, typename Op::Lane* c,
                                        int64_t crs, int cols,
                                        const Epilogue<typename Op::Lane>& e) {
  using T = typename Op::Lane;
  constexpr int L = kLanes<T>, kAll = L / R, C = DotShape<Op, R>::C;
  Vec<T> lanes[L];
  if (cols < kAll) memset(lanes, 0, sizeof(lanes));
  for (int j0 = 0; j0 < cols; j0 += C) {
    const typename Op::B* columns[C];
#pragma GCC unroll 16
    for (int j = 0; j < C; ++j) columns[j] = b + (j0 + j < cols ? j0 + j : 0) * bcs;
    dot_streams<Op, R>(k, a, ars, columns, lanes + j0, kAll);
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
template <class T, class Op = PlainDots<T>>
void dot_columns(int64_t m, int64_t k, const T* a, int64_t ars, const typename Op::B* b,
                 int64_t bcs, T* c, int64_t crs, int64_t j0, int64_t j1, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  const int64_t steps = (k + Op::kStep - 1) / Op::kStep;
  // Every lane of every accumulator is a sum of its own.
  const int64_t most = m == 1 ? kChain * DotShape<Op, 1>::U : kDotSteps;
  const int64_t chains = steps > most ? (steps + most - 1) / most : 1;
  for (int64_t first = j0; first < j1; first += L) {
    const int64_t last = first + L < j1 ? first + L : j1;
    for (int64_t t = 0; t < chains; ++t) {
      const int64_t s = t * steps / chains, end = (t + 1) * steps / chains * Op::kStep;
      const int64_t p = s * Op::kStep, depth = (end < k ? end : k) - p;
      int64_t i = 0;
      const auto rows = [&](auto size) {
        constexpr int R = decltype(size)::value;
        for (int64_t j = first; j < last; j += L / R) {
          const int cols = static_cast<int>(last - j < L / R ? last - j : L / R);
          dot_tile<Op, R>(depth, a + i * ars + s * Op::kPlanes * L, ars, b + j * bcs + p, bcs,
                          c + i * crs + j, crs, cols, e.at(i, j).of_chain(t, chains));
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
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
