// Packing of A and B into the panels that the micro-kernels read front to back.
// Must not know the epilogue, tasks or dtypes other than the template's.
#pragma once

#include "kernels/gemm_tiles.h"

namespace pycore::kernels::PYCORE_ISA::tiles {

template <class T, int N>
PYCORE_INLINE void store_first(T* p, Vec<T> v) {
  if constexpr (kRegisterBytes == 64) {
    store_partial(p, v, N);  // one masked store; memcpy would take two or three
  } else {
    memcpy(p, &v, sizeof(T) * N);
  }
}

// Lanes [g, g + kLanes) of pack_rows, of which the first `rows` exist, for n <= kLanes steps.
template <class T, int W, int G, class Row>
PYCORE_INLINE void pack_square(const Row& row, int rows, int64_t p, int n, T* dst) {
  constexpr int L = kLanes<T>, kStepsAhead = 256 / static_cast<int>(sizeof(T));
  Vec<T> block[L];
#pragma GCC unroll 16
  for (int i = 0; i < L; ++i) {
    block[i] = i >= rows ? Vec<T>{}
               : n == L  ? load(row(G + i) + p)
                         : load_partial(row(G + i) + p, n);
    if (i < rows) __builtin_prefetch(row(G + i) + p + kStepsAhead);
  }
  transpose<T>(block);
  T* d = dst + p * W + G;
  const auto put = [&](int j) {
    if constexpr (G + L <= W) {
      store(d + j * W, block[j]);
    } else {
      store_first<T, W % L>(d + j * W, block[j]);
    }
  };
  if (n == L) {
#pragma GCC unroll 16
    for (int j = 0; j < L; ++j) put(j);
  } else {
    for (int j = 0; j < n; ++j) put(j);
  }
}

// dst[p * W + i] = row(i)[p] for i < count <= W, 0 <= p < k: every lane comes from a contiguous
// run, wherever that is. Lanes beyond count become 0. Transposes square blocks in registers.
template <class T, int W, int G = 0, class Row>
PYCORE_INLINE void pack_rows(const Row& row, int count, int64_t k, T* dst) {
  constexpr int L = kLanes<T>, kRows = W - G < L ? W - G : L;
  int64_t p = 0;
  if (count >= G + kRows) {  // constants let the compiler drop the choices in the square
    for (; p + L <= k; p += L) pack_square<T, W, G>(row, kRows, p, L, dst);
  }
  const int rows = count - G < kRows ? (count > G ? count - G : 0) : kRows;
  for (; p < k; p += L) {
    pack_square<T, W, G>(row, rows, p, static_cast<int>(k - p < L ? k - p : L), dst);
  }
  if constexpr (G + L < W) pack_rows<T, W, G + L>(row, count, k, dst);
}

// dst[p * stride + i] = rows[i][p] for i < kLanes, 0 <= p < k: a vector of lanes of a panel whose
// width is not known before it runs.
template <class T>
__attribute__((noinline)) void pack_lanes(const T* const* rows, int64_t k, T* dst, int64_t stride) {
  constexpr int L = kLanes<T>;
  for (int64_t p = 0; p < k; p += L) {
    const int n = k - p < L ? static_cast<int>(k - p) : L;
    Vec<T> block[L];
    if (n == L) {
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) block[i] = load(rows[i] + p);
    } else {
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) block[i] = load_partial(rows[i] + p, n);
    }
    transpose<T>(block);
    T* d = dst + p * stride;
    if (n == L) {
#pragma GCC unroll 16
      for (int j = 0; j < L; ++j) store(d + j * stride, block[j]);
    } else {
      for (int j = 0; j < n; ++j) store(d + j * stride, block[j]);
    }
  }
}

// One panel: dst[p * W + i] = src[i * is + p * ps] for i < count <= W, 0 <= p < k. Lanes beyond
// count become 0. For A, i runs along rows and W is kMr; for B along columns and W is kNr.
template <class T, int W>
void pack_panel(const T* src, int64_t is, int64_t ps, int count, int64_t k, T* dst) {
  if (is == 1 && count == W) {
    for (int64_t p = 0; p < k; ++p) memcpy(dst + p * W, src + p * ps, sizeof(T) * W);
    return;
  }
  if (ps == 1 && 3 * k >= kLanes<T>) {
    pack_rows<T, W>([=](int i) { return src + i * is; }, count, k, dst);
    return;
  }
  if (is == 1) {
    for (int64_t p = 0; p < k; ++p) {
      for (int i = 0; i < count; ++i) dst[p * W + i] = src[p * ps + i];
      for (int i = count; i < W; ++i) dst[p * W + i] = 0;
    }
    return;
  }
  for (int64_t p = 0; p < k; ++p) {
    for (int i = 0; i < count; ++i) dst[p * W + i] = src[i * is + p * ps];
    for (int i = count; i < W; ++i) dst[p * W + i] = 0;
  }
}

// Panels [first, last) of a matrix with `count` lanes; panel t starts at dst + t * W * k.
template <class T, int W>
void pack_panels(const T* src, int64_t is, int64_t ps, int64_t count, int64_t k, T* dst,
                 int64_t first, int64_t last) {
  if (is == 1) {
    // Lanes side by side: some panels at a time, since rows are often a page apart and one panel's
    // part of them is less than a cache line.
    constexpr int kTogether = 8, kRowsAhead = 16;
    const int64_t whole = count / W < last ? count / W : last;
    for (; first + 1 < whole; first += kTogether) {
      const int64_t n = whole - first < kTogether ? whole - first : kTogether;
      const T* from = src + first * W;
      T* to = dst + first * W * k;
      for (int64_t p = 0; p < k; ++p) {
        // The next rows lie where no hardware looks ahead.
        const char* ahead = reinterpret_cast<const char*>(from + kRowsAhead * ps);
        for (size_t at = 0; at < sizeof(T) * W * n; at += 64) __builtin_prefetch(ahead + at);
        for (int64_t t = 0; t < n; ++t) memcpy(to + (t * k + p) * W, from + t * W, sizeof(T) * W);
        from += ps;
      }
    }
    if (first > whole) first = whole;
  }
  for (int64_t t = first; t < last; ++t) {
    const int64_t left = count - t * W;
    pack_panel<T, W>(src + t * W * is, is, ps, static_cast<int>(left < W ? left : W), k,
                     dst + t * W * k);
  }
}

}  // namespace pycore::kernels::PYCORE_ISA::tiles
