// What a tile product packs: the kinds of factors, and panels of 16 rows of A or 16 columns of B
// (its "lines") that tiles are loaded from front to back. Must not know blocks or tasks.
#pragma once

#include "kernels/dtype.h"
#include "kernels/tile_unit.h"

namespace pycore {
namespace {
namespace gemm {

// To nearest even, as the upper half of a float32; the largest values become infinite.
PYCORE_INLINE Vec<uint32_t> nearest_bfloat16(Vec<float> x) {
  const Vec<uint32_t> bits = (Vec<uint32_t>)x, odd = bits >> 16 & splat<uint32_t>(1);
  const Vec<uint32_t> sum = bits + splat<uint32_t>(0x7fff) + odd;
  return (x == x ? sum : splat<uint32_t>(0x7fc00000)) & splat<uint32_t>(0xffff0000);
}

// Rows of a tile from lines of narrow factors, which lie as the tile wants them.
template <class S>
PYCORE_INLINE void copy_lines(const S* src, int64_t stride, char* tile) {
  for (int i = 0; i < kTileRows; ++i)
    memcpy(tile + i * kTileRowBytes, src + i * stride, kTileRowBytes);
}

// A kind of factors. A lane of 32 bits holds kGroup neighbours along k, a tile is 16 lines by 16
// lanes (a "step" along k), and a step of a panel holds `parts` tiles, at most kParts. pack_lines
// and pack_across write the tiles of one step, from lines that are contiguous along k and from
// lines side by side; the former's rows are lines and the latter's rows are lanes. load and store
// turn sums into results and back, the first n of 16.
struct BFloat16Tiles {
  using Source = BFloat16;  // of A and B
  using Result = BFloat16;  // of C and the biases
  using Lane = float;
  static constexpr Factors kFactors = Factors::bfloat16;
  static constexpr int kGroup = 2, kParts = 1;

  static PYCORE_INLINE Vec<float> load(const BFloat16* p, int n) {
    const __m256i x = _mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1), p);
    return (Vec<float>)(_mm512_cvtepu16_epi32(x) << 16);
  }
  static PYCORE_INLINE void store(BFloat16* p, Vec<float> x, int n) {
    const __m512i top = (__m512i)(nearest_bfloat16(x) >> 16);
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1u << n) - 1), _mm512_cvtepi32_epi16(top));
  }
  static PYCORE_INLINE void pack_lines(const BFloat16* src, int64_t stride, int, char* tile) {
    copy_lines(src, stride, tile);
  }
  static PYCORE_INLINE void pack_across(const BFloat16* src, int64_t stride, int, char* tile) {
    const auto at = [&](int p) {
      __m256i x;
      memcpy(&x, src + p * stride, sizeof(x));
      return (Vec<int32_t>)_mm512_cvtepu16_epi32(x);
    };
    for (int p = 0; p < kTileRows; ++p) {
      const Vec<int32_t> lanes = at(2 * p) | at(2 * p + 1) << 16;
      memcpy(tile + p * kTileRowBytes, &lanes, sizeof(lanes));
    }
  }
};

struct ByteTiles {
  using Source = int8_t;
  using Result = int32_t;
  using Lane = int32_t;
  static constexpr Factors kFactors = Factors::int8;
  static constexpr int kGroup = 4, kParts = 1;

  static PYCORE_INLINE Vec<int32_t> load(const int32_t* p, int n) { return load_partial(p, n); }
  static PYCORE_INLINE void store(int32_t* p, Vec<int32_t> x, int n) { store_partial(p, x, n); }
  static PYCORE_INLINE void pack_lines(const int8_t* src, int64_t stride, int, char* tile) {
    copy_lines(src, stride, tile);
  }
  static PYCORE_INLINE void pack_across(const int8_t* src, int64_t stride, int, char* tile) {
    const auto at = [&](int p) {
      __m128i x;
      memcpy(&x, src + p * stride, sizeof(x));
      return (Vec<int32_t>)_mm512_cvtepu8_epi32(x);
    };
    for (int p = 0; p < kTileRows; ++p) {
      const Vec<int32_t> lanes =
          at(4 * p) | at(4 * p + 1) << 8 | at(4 * p + 2) << 16 | at(4 * p + 3) << 24;
      memcpy(tile + p * kTileRowBytes, &lanes, sizeof(lanes));
    }
  }
};

// float32 as a sum of bfloat16: the nearest one, the one nearest to the rest, and what is then
// left, which fits exactly (8 + 8 + 8 bits and two signs hold 24). Several parts only for values in
// range, see FloatRange; one part is a conversion to bfloat16.
struct FloatTiles {
  using Source = float;
  using Result = float;
  using Lane = float;
  static constexpr Factors kFactors = Factors::bfloat16;
  static constexpr int kGroup = 2, kParts = 3;

  static PYCORE_INLINE Vec<float> load(const float* p, int n) { return load_partial(p, n); }
  static PYCORE_INLINE void store(float* p, Vec<float> x, int n) { store_partial(p, x, n); }
  // Lane by lane: the parts of a pair of neighbours, to tile + part * kTileBytes.
  static PYCORE_INLINE void split(Vec<float> even, Vec<float> odd, int parts, char* tile) {
    for (int part = 0; part < parts; ++part) {
      const Vec<uint32_t> e = nearest_bfloat16(even), o = nearest_bfloat16(odd);
      const Vec<uint32_t> lanes = e >> 16 | o;
      memcpy(tile + part * kTileBytes, &lanes, sizeof(lanes));
      even -= (Vec<float>)e;
      odd -= (Vec<float>)o;
    }
  }
  static PYCORE_INLINE void pack_lines(const float* src, int64_t stride, int parts, char* tile) {
    for (int i = 0; i < kTileRows; ++i) {
      Vec<float> even = simd::load(src + i * stride);
      Vec<float> odd = simd::load(src + i * stride + kTileRows);
      deinterleave<float>(even, odd);
      split(even, odd, parts, tile + i * kTileRowBytes);
    }
  }
  static PYCORE_INLINE void pack_across(const float* src, int64_t stride, int parts, char* tile) {
    for (int p = 0; p < kTileRows; ++p) {
      split(simd::load(src + 2 * p * stride), simd::load(src + (2 * p + 1) * stride), parts,
            tile + p * kTileRowBytes);
    }
  }
};

template <class K>
inline constexpr int64_t kStepDepth = kTileRows * K::kGroup;  // elements along k of a step

inline __attribute__((noinline)) void transpose_tile(char* tile) {
  Vec<float> rows[kTileRows];
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; ++i)
    rows[i] = load(reinterpret_cast<float*>(tile) + i * kTileRows);
  transpose<float>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; ++i)
    store(reinterpret_cast<float*>(tile) + i * kTileRows, rows[i]);
}

// One step of one panel: `lines` lines (at most 16) by `depth` elements along k (at most a step's),
// element (i, p) at src[i * is + p * ps]. Tile rows are lines (A) or lanes (B); zeros fill up.
template <class K, bool RowsAreLines>
void pack_step(const typename K::Source* src, int64_t is, int64_t ps, int64_t lines, int64_t depth,
               int parts, char* tile) {
  using Source = typename K::Source;
  const bool whole = lines >= kTileRows && depth == kStepDepth<K>;
  const bool across = whole && is == 1 && ps != 1;
  if (across) {
    K::pack_across(src, ps, parts, tile);
  } else if (whole && ps == 1) {
    K::pack_lines(src, is, parts, tile);
  } else {
    Source stage[kTileRows][kStepDepth<K>] = {};
    for (int64_t i = 0; i < lines && i < kTileRows; ++i) {
      if (ps == 1) {
        memcpy(stage[i], src + i * is, sizeof(Source) * static_cast<size_t>(depth));
      } else {
        for (int64_t p = 0; p < depth; ++p) stage[i][p] = src[i * is + p * ps];
      }
    }
    K::pack_lines(stage[0], kStepDepth<K>, parts, tile);
  }
  if (across == RowsAreLines) {
    for (int part = 0; part < parts; ++part) transpose_tile(tile + part * kTileBytes);
  }
}

// Panels [first, last) of a block of `lines` lines by k; panel t starts at dst + t * panel_bytes.
// Lines side by side: some panels at a time, since their rows are often a page apart, and one
// panel's part of them is less than a cache line or two.
template <class K, bool RowsAreLines>
void pack_tiles(const typename K::Source* src, int64_t is, int64_t ps, int64_t lines, int64_t k,
                int parts, char* dst, int64_t panel_bytes, int64_t first, int64_t last) {
  const int64_t together = ps == 1 ? 1 : 8;
  for (int64_t t0 = first; t0 < last; t0 += together) {
    for (int64_t p = 0; p < k; p += kStepDepth<K>) {
      const int64_t depth = k - p < kStepDepth<K> ? k - p : kStepDepth<K>;
      for (int64_t t = t0; t < last && t < t0 + together; ++t) {
        pack_step<K, RowsAreLines>(src + t * kTileRows * is + p * ps, is, ps, lines - t * kTileRows,
                                   depth, parts,
                                   dst + t * panel_bytes + p / kStepDepth<K> * parts * kTileBytes);
      }
    }
  }
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
