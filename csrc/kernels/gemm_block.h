// One block of a product, tile by tile: what the matrix product and attention share.
// Must not know caches, packing, tasks or dtypes other than the template's.
#pragma once

#include "kernels/gemm_tiles.h"

namespace pycore {
namespace {
namespace gemm {

inline int64_t min_of(int64_t x, int64_t y) { return x < y ? x : y; }
inline int64_t max_of(int64_t x, int64_t y) { return x > y ? x : y; }
inline int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }
// `rows` shared out evenly among as few unpacked tiles as hold them.
inline int64_t rows_per_tile(int64_t rows) { return ceil_div(rows, ceil_div(rows, kMr)); }

// Rows [i0, i1) x columns [j0, j1) of one k-block. `a` and `b` point at the block's packed panels
// or, unpacked, at its first element. j0 is a multiple of kNr; i0 of rows_per (kMr when packed).
template <class T, bool PackedA, bool PackedB>
void block(int64_t kc, const T* a, int64_t ars, int64_t acs, int64_t rows_per, const T* b,
           int64_t brs, T* c, int64_t crs, int64_t i0, int64_t i1, int64_t j0, int64_t j1,
           const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  const int64_t rest = (i1 - i0) % rows_per;
  const auto pick = [](int64_t rows, int width) {
    if constexpr (!PackedB) {
      if (width == kWide) return tile_of<T, kWide, PackedA, PackedB>(static_cast<int>(rows));
    }
    return width == 1 ? tile_of<T, 1, PackedA, PackedB>(static_cast<int>(rows))
                      : tile_of<T, kNv, PackedA, PackedB>(static_cast<int>(rows));
  };
  for (int64_t j = j0; j < j1;) {
    int width = kNv;
    if (j1 - j <= L) {
      width = 1;
    } else if (!PackedB && rows_per <= kWideRows && j1 - j >= kWide * L) {
      width = kWide;
    }
    const int cols = static_cast<int>(min_of(j1 - j, width * L));
    const T* bp = PackedB ? b + j * kc : b + j;
    const TileFn<T> whole = pick(rows_per, width);
    int64_t i = i0;
    for (; i + rows_per <= i1; i += rows_per) {
      whole(kc, PackedA ? a + i * kc : a + i * ars, ars, acs, bp, PackedB ? kNr<T> : brs,
            c + i * crs + j, crs, cols, e.at(i, j));
    }
    if (rest) {
      pick(rest, width)(kc, PackedA ? a + i * kc : a + i * ars, ars, acs, bp,
                        PackedB ? kNr<T> : brs, c + i * crs + j, crs, cols, e.at(i, j));
    }
    j += cols;
  }
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
