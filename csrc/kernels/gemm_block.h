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
// `rows` shared out evenly among as few unpacked tiles of at most `most` rows as hold them.
inline int64_t rows_per_tile(int64_t rows, int64_t most = kMr) {
  return ceil_div(rows, ceil_div(rows, most));
}

// Rows [i0, i1) x columns [j0, j1) of one k-block. `a` and `b` point at the block's packed panels
// or, unpacked, at its first element. j0 is a multiple of kNr; i0 of rows_per (kMr when packed).
template <class T, bool PackedA, bool PackedB, class Op = Plain<T>>
void block(int64_t kc, const T* a, int64_t ars, int64_t acs, int64_t rows_per,
           const typename Op::B* b, int64_t brs, T* c, int64_t crs, int64_t i0, int64_t i1,
           int64_t j0, int64_t j1, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  const int64_t chains = chains_of(kc);
  // Rows of C a page apart miss the TLB as well as the cache, and wait at the end of every tile.
  const bool apart = kc > 64 && crs * static_cast<int64_t>(sizeof(T)) >= 4096;  // a page
  // The part of B's panel that a chain reads stays in L1 for all packed rows; rows that lie apart
  // are read in runs as long as can be.
  const int64_t together = PackedA ? max_of(i1 - i0, 1) : rows_per;
  const int64_t b_step = PackedB ? kNr<T> : brs;
  // Operations of their own have tiles for few rows only: each height is code.
  constexpr int kMost = __is_same(Op, Plain<T>) ? kMr : kWideRows;
  const auto pick = [](int64_t rows, int width) {
    if constexpr (!PackedB) {
      if (width == kWide)
        return tile_of<T, kWide, PackedA, PackedB, kWideRows, Op>(static_cast<int>(rows));
    }
    return width == 1 ? tile_of<T, 1, PackedA, PackedB, kMost, Op>(static_cast<int>(rows))
                      : tile_of<T, kNv, PackedA, PackedB, kMost, Op>(static_cast<int>(rows));
  };
  for (int64_t j = j0; j < j1;) {
    int width = kNv;
    if (j1 - j <= L) {
      width = 1;
    } else if (!PackedB && rows_per <= kWideRows && j1 - j >= kWide * L) {
      width = kWide;
    }
    const int cols = static_cast<int>(min_of(j1 - j, width * L));
    const typename Op::B* bp = PackedB ? b + j * kc : b + j;
    const TileFn<T, typename Op::B> whole = pick(rows_per, width);
    for (int64_t first = i0; first < i1; first += together) {
      for (int64_t t = 0, p = 0; t < chains; ++t) {
        const int64_t end = (t + 1) * kc / chains;
        const T* ap = a + p * (PackedA ? kMr : acs);
        for (int64_t i = first; i < min_of(first + together, i1); i += rows_per) {
          const TileFn<T, typename Op::B> fn = i + rows_per <= i1 ? whole : pick(i1 - i, width);
          for (int64_t r = i; apart && r < min_of(i + rows_per, i1); ++r) {
            __builtin_prefetch(c + r * crs + j, 1);
            __builtin_prefetch(c + r * crs + j + cols - 1, 1);
          }
          fn(end - p, ap + i * (PackedA ? kc : ars), ars, acs, bp + p * b_step, b_step,
             c + i * crs + j, crs, cols, e.at(i, j).of_chain(t, chains));
        }
        p = end;
      }
    }
    j += cols;
  }
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
