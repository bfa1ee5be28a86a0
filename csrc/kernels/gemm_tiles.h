// The register tiles of the matrix product: block sizes per ISA, micro-kernels and their epilogue.
// Must not know tasks, packing or dtypes other than the template's.
//
// Tiles and packing live in the level's own namespace, not in an unnamed one as other kernels do:
// products, convolutions, recurrent layers and attention use the same ones, and the linker keeps
// one copy of each.
#pragma once

#include "simd/shuffle.h"

namespace pycore::kernels::PYCORE_ISA::tiles {

using namespace simd;  // NOLINT: an unnamed namespace, and these are its words

// One place for the machine model. A micro-tile of kMr rows by kNv vectors fills the register file;
// kKc rows of a B panel (kNv registers wide) stay in the L1 cache and kMc x kKc of A in L2.
#if defined(__AVX512F__)  // 32 registers: 28 accumulators, 2 of B
inline constexpr int kMr = 14, kNv = 2, kKc = 256, kMc = kMr * 16;
#elif defined(__AVX2__)     // 16 registers: 12 accumulators, 2 of B, 1 broadcast
inline constexpr int kMr = 6, kNv = 2, kKc = 256, kMc = kMr * 24;
#elif defined(__aarch64__)  // 32 registers: 24 accumulators, 3 of B
inline constexpr int kMr = 8, kNv = 3, kKc = 384, kMc = kMr * 16;
#else                       // SSE2: 16 registers and no fused multiply-add, which needs one more
inline constexpr int kMr = 6, kNv = 2, kKc = 384, kMc = kMr * 16;
#endif
template <class T>
inline constexpr int kNr = kNv * kLanes<T>;
// Wide tiles for a few rows: enough independent accumulators to hide the latency of fma.
inline constexpr int kWide = 2 * kNv;
inline constexpr int kWideRows = kMr / 2;

// Most products that one sum adds up in a row. Rounding errors grow with the square root of their
// number; sums of sums add few. Longer products go through C after each chain.
inline constexpr int64_t kChain = 192;
inline int64_t chains_of(int64_t k) { return k > kChain ? (k + kChain - 1) / kChain : 1; }

// What happens to a tile of sums on its way to C. Biases are already moved to the tile.
template <class T>
struct Epilogue {
  const T* bias_row = nullptr;
  const T* bias_col = nullptr;
  bool accumulate = false;
  bool relu = false;

  bool plain() const { return !bias_row && !relu; }
  // Of chain t of `chains`: the others only add up.
  Epilogue of_chain(int64_t t, int64_t chains) const {
    Epilogue e = t + 1 == chains ? *this : Epilogue{};
    e.accumulate = t > 0 || accumulate;
    return e;
  }
  Epilogue at(int64_t i, int64_t j) const {
    return {bias_row ? bias_row + i : nullptr, bias_col ? bias_col + j : nullptr, accumulate, relu};
  }
};

template <class T>
PYCORE_INLINE Vec<T> relu_of(Vec<T> x) {
  return select<T>(x < Vec<T>{}, Vec<T>{}, x);  // a NaN compares false and stays
}

// Any tile through memory: rows x cols sums at t (row stride ts) to C.
template <class T>
__attribute__((noinline)) void store_tile(const T* t, int64_t ts, T* c, int64_t crs, int rows,
                                          int cols, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < cols; j += L) {
      const int n = cols - j < L ? cols - j : L;
      Vec<T> x = load(t + i * ts + j);
      if (e.bias_col) x += load_partial(e.bias_col + j, n);
      if (e.bias_row) x += e.bias_row[i];
      if (e.accumulate) x += load_partial(c + i * crs + j, n);
      if (e.relu) x = relu_of<T>(x);
      if (n == L) {
        store(c + i * crs + j, x);
      } else {
        store_partial(c + i * crs + j, x, n);
      }
    }
  }
}

// How a tile reads B and adds a product to a sum. Other operations read B from a narrower type, or
// multiply lanes that hold several narrow factors.
template <class T>
struct Plain {
  using Lane = T;  // of A and of the sums
  using B = T;
  static PYCORE_INLINE Vec<T> load_b(const T* p) { return load(p); }
  static PYCORE_INLINE Vec<T> load_b(const T* p, int n) { return load_partial(p, n); }
  static PYCORE_INLINE Vec<T> add(Vec<T> a, Vec<T> b, Vec<T> sum) { return fma<T>(a, b, sum); }
};

// Plain, with a packed A that comes from memory: it asks for what it reads so many steps later. The
// processor looks ahead too late for tiles, which read A a few bytes at a time.
template <class T>
struct StreamedA : Plain<T> {
  static constexpr int kStepsAhead = 64;
};

// C[R, cols] = epilogue(sum over p of A[i, p] * B[p, :]), 0 < cols <= NV * kLanes.
// A[i, p] sits at a[i * ars + p * acs]; when packed that is a[i + p * kMr].
// B[p, :] are NV vectors at b + p * brs. Packed panels of B are padded; otherwise the last vector
// is read through a mask, so that nothing behind the matrix is touched. Not inlined: a caller that
// chooses among all heights would hold a copy of each.
template <class T, int R, int NV, bool PackedA, bool PackedB, class Op = Plain<T>>
__attribute__((noinline)) void tile(int64_t k, const T* a, int64_t ars, int64_t acs,
                                    const typename Op::B* b, int64_t brs, T* c, int64_t crs,
                                    int cols, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  constexpr int kGroups = (R + 2) / 3;  // three rows share a pointer: base, base + s, base + 2s
  const int last = cols - (NV - 1) * L;
  Vec<T> acc[R][NV] = {};
  const T* group[kGroups];
#pragma GCC unroll 8
  for (int g = 0; g < kGroups; ++g) group[g] = a + 3 * g * ars;
  for (int64_t p = 0; p < k; ++p) {
    Vec<T> bv[NV];
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) {
      bv[v] = PackedB || v + 1 < NV ? Op::load_b(b + v * L) : Op::load_b(b + v * L, last);
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const T x = PackedA ? a[i] : group[i / 3][(i % 3) * ars];
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) acc[i][v] = Op::add(splat<T>(x), bv[v], acc[i][v]);
    }
    b += brs;
    if constexpr (PackedA) {
      if constexpr (requires { Op::kStepsAhead; }) __builtin_prefetch(a + kMr * Op::kStepsAhead);
      a += kMr;
    } else {
#pragma GCC unroll 8
      for (int g = 0; g < kGroups; ++g) group[g] += acs;
    }
  }
  if (last == L && e.plain()) {
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) {
      const Vec<T> bias = e.bias_col ? load(e.bias_col + v * L) : Vec<T>{};
      if (e.accumulate) {
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
          T* to = c + i * crs + v * L;
          store(to, acc[i][v] + bias + load(to));
        }
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) store(c + i * crs + v * L, acc[i][v] + bias);
      }
    }
    return;
  }
  alignas(64) T sums[R * NV * L];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) store(sums + (i * NV + v) * L, acc[i][v]);
  }
  store_tile<T>(sums, NV * L, c, crs, R, cols, e);
}

template <class T, class B = T>
using TileFn = void (*)(int64_t k, const T* a, int64_t ars, int64_t acs, const B* b, int64_t brs,
                        T* c, int64_t crs, int cols, const Epilogue<T>& e);

// The tile of 1 <= rows <= kMr (kWideRows for NV == kWide).
template <class T, int NV, bool PackedA, bool PackedB, int R = (NV == kWide ? kWideRows : kMr),
          class Op = Plain<T>>
inline TileFn<T, typename Op::B> tile_of(int rows) {
  if constexpr (R == 1) {
    return tile<T, 1, NV, PackedA, PackedB, Op>;
  } else {
    if (rows == R) return tile<T, R, NV, PackedA, PackedB, Op>;
    return tile_of<T, NV, PackedA, PackedB, R - 1, Op>(rows);
  }
}

// For packed operands, of which A is read from memory. Low tiles are rare, and do without.
template <class T, int NV, int R = kMr>
inline TileFn<T> streaming_tile_of(int rows) {
  if constexpr (R + 3 <= kMr) {
    return tile_of<T, NV, true, true>(rows);
  } else {
    if (rows == R) return tile<T, R, NV, true, true, StreamedA<T>>;
    return streaming_tile_of<T, NV, R - 1>(rows);
  }
}

}  // namespace pycore::kernels::PYCORE_ISA::tiles

namespace pycore {
namespace {
namespace gemm {
using namespace kernels::PYCORE_ISA::tiles;  // NOLINT: these are its words
}  // namespace gemm
}  // namespace
}  // namespace pycore
