// Sorting 32-bit keys together with their places, stably, at nearly the speed of keys alone: a
// block of keys is sorted as integers of 32 bits too, which hold what a key exceeds the least one
// by, or the highest bits of that, above its place in the block. Must not know what keys stand for.
// Empty at levels without instructions for it.
#pragma once

#include "kernels/vector_sort.h"

namespace pycore::kernels {
namespace {

#if defined(__AVX2__)

// Blocks of up to so many are sorted at once even if 32 bits cannot tell all their keys apart.
// Longer ones are tried, too, where no places stand beside the keys yet.
inline constexpr int64_t kPlaceBlock = 8192, kPlaceWhole = 16384;

// What is being sorted, and room for it; all of one length or a few registers more (kSortSpare).
// The result goes to sorted and sorted_places, which overlap nothing else.
struct Placed {
  int32_t *keys, *places;  // places null: 0, 1, 2, ...
  int32_t *spare_keys, *spare_places;
  int32_t* sorted;
  int64_t* sorted_places;

  // From one key on, with the spare room that lies beside it or `slack` elements further.
  Placed from(int64_t first, int64_t slack = 0) const {
    return {keys + first,
            places + first,
            spare_keys + first + slack,
            spare_places + first + slack,
            sorted + first,
            sorted_places + first};
  }
  int64_t place(int64_t i) const { return places ? places[i] : i; }
};

// What keys there are: none below `least`, above `most`, or between `below` and `above`, the gap
// around zero, in which nearly all keys of floating-point numbers lie that are hardly ever met.
struct KeyRange {
  int32_t least, most, below, above;
  // From what a key exceeds the least one by, the gap left out, to the key and back.
  uint32_t gap() const { return static_cast<uint32_t>(above) - static_cast<uint32_t>(below) - 1; }
  uint32_t width() const {
    return static_cast<uint32_t>(most) - static_cast<uint32_t>(least) - (most > below ? gap() : 0);
  }
};
PYCORE_INLINE int32_t lesser(int32_t a, int32_t b) { return a < b ? a : b; }
PYCORE_INLINE int32_t greater(int32_t a, int32_t b) { return a > b ? a : b; }
__attribute__((noinline)) KeyRange key_range(const int32_t* keys, int64_t n) {
  constexpr int64_t kL = kLanes<int32_t>;
  constexpr int kAtOnce = 2;
  using V = Vec<int32_t>;
  const V lowest = simd::splat<int32_t>(INT32_MIN), highest = simd::splat<int32_t>(INT32_MAX);
  V least[kAtOnce], most[kAtOnce], below[kAtOnce], above[kAtOnce];
  for (int k = 0; k < kAtOnce; ++k) {
    least[k] = above[k] = highest;
    most[k] = below[k] = lowest;
  }
  const auto see = [&](int k, V v, V if_below, V if_above) {
    least[k] = v < least[k] ? v : least[k];
    most[k] = v > most[k] ? v : most[k];
    below[k] = if_below > below[k] ? if_below : below[k];
    above[k] = if_above < above[k] ? if_above : above[k];
  };
  int64_t i = 0;
  for (; i + kAtOnce * kL <= n; i += kAtOnce * kL)
#pragma GCC unroll 2
    for (int k = 0; k < kAtOnce; ++k) {
      const V v = simd::load<int32_t>(keys + i + k * kL);
      see(k, v, v < 0 ? v : lowest, v < 0 ? highest : v);
    }
  const auto fold_lesser = [](auto a, auto b) { return a < b ? a : b; };
  const auto fold_greater = [](auto a, auto b) { return a > b ? a : b; };
  KeyRange range{simd::fold<int32_t>(fold_lesser(least[0], least[1]), fold_lesser),
                 simd::fold<int32_t>(fold_greater(most[0], most[1]), fold_greater),
                 simd::fold<int32_t>(fold_greater(below[0], below[1]), fold_greater),
                 simd::fold<int32_t>(fold_lesser(above[0], above[1]), fold_lesser)};
  for (; i < n; ++i) {
    const int32_t key = keys[i];
    range.least = lesser(range.least, key);
    range.most = greater(range.most, key);
    if (key < 0)
      range.below = greater(range.below, key);
    else
      range.above = lesser(range.above, key);
  }
  // Where all keys have one sign there is no gap between them.
  if (range.least >= 0) range.below = range.above - 1;
  if (range.most < 0) range.above = range.below + 1;
  return range;
}
inline int bit_width(uint32_t x) { return x == 0 ? 0 : 32 - __builtin_clz(x); }

// For what the fast way cannot do: whole keys above places. They are built where the sorted places
// go to.
__attribute__((noinline)) void sort_wide_ranks(const Placed& s, int64_t n) {
  int64_t* ranks = s.sorted_places;
  for (int64_t i = 0; i < n; ++i)
    ranks[i] = static_cast<int64_t>(static_cast<uint64_t>(static_cast<uint32_t>(s.keys[i])) << 32 |
                                    static_cast<uint64_t>(s.place(i)));
  if (n <= kPlaceBlock) {
    int64_t spare[kPlaceBlock + kLanes<int64_t>];
    quicksort<int64_t>(ranks, n, spare, 64);
  } else {
    heap_sort<int64_t>(ranks, n);
  }
  for (int64_t i = 0; i < n; ++i) {
    s.sorted[i] = static_cast<int32_t>(ranks[i] >> 32);
    ranks[i] &= 0xffffffff;
  }
}

// Keys that differ only in bits that were left out stand in the order of their places: puts them
// right one by one, or returns false if these are too many for that.
__attribute__((noinline)) bool order_neighbours(int32_t* keys, int64_t* places, int64_t n) {
  constexpr int64_t kL = kLanes<int32_t>;
  int64_t moves = 4 * n;
  // From the key at i, which is less than the one before it, to one that is not.
  const auto insert = [&](int64_t i) {
    do {
      const int32_t key = keys[i];
      const int64_t place = places[i];
      int64_t k = i;
      for (; k > 0 && keys[k - 1] > key; --k) {
        keys[k] = keys[k - 1];
        places[k] = places[k - 1];
      }
      keys[k] = key;
      places[k] = place;
      moves -= i - k;
      ++i;
    } while (i < n && keys[i] < keys[i - 1]);
  };
  int64_t i = 1;
  for (; i + 2 * kL <= n && moves > 0; i += 2 * kL) {
    const auto falls = [&](int64_t k) {
      return lanes_below<int32_t>(simd::load<int32_t>(keys + k), simd::load<int32_t>(keys + k - 1));
    };
    for (uint32_t at = falls(i) | falls(i + kL) << kL; at != 0 && moves > 0; at &= at - 1) {
      const int64_t k = i + __builtin_ctz(at);
      if (keys[k] < keys[k - 1]) insert(k);
    }
  }
  for (; i < n && moves > 0; ++i)
    if (keys[i] < keys[i - 1]) insert(i);
  return moves > 0;
}

// sorted[i] = keys[p] and sorted_places[i] = places[p], or p itself, where p stands in the low bits
// of both[i]. One load at a time: gathers are no faster, and far slower on some processors.
template <bool kKeys, bool kPlaces>
__attribute__((noinline)) void take(const int32_t* __restrict both, int64_t n, uint32_t mask,
                                    const int32_t* __restrict keys,
                                    const int32_t* __restrict places, int32_t* __restrict sorted,
                                    int64_t* __restrict sorted_places) {
  for (int64_t i = 0; i < n; ++i) sorted_places[i] = static_cast<uint32_t>(both[i]) & mask;
  if constexpr (kKeys || kPlaces) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < n; ++i) {
      int64_t at = sorted_places[i];
      asm volatile("" : "+r"(at));  // or the compiler makes gathers of the loads
      if constexpr (kKeys) sorted[i] = keys[at];
      if constexpr (kPlaces) sorted_places[i] = static_cast<uint32_t>(places[at]);
    }
  }
}

// n keys in the range, of which so many bits are left out that their places fit in. False if that
// left too many in the wrong order: the keys and places are as they were.
__attribute__((noinline)) bool sort_block(const Context& ctx, const Placed& s, int64_t n,
                                          const KeyRange range) {
  const int place_bits = bit_width(static_cast<uint32_t>(n - 1));
  const int key_bits = bit_width(range.width());
  const int lost = key_bits + place_bits > 32 ? key_bits + place_bits - 32 : 0;
  const uint32_t mask = (uint32_t{1} << place_bits) - 1, sign = uint32_t{1} << 31;
  const uint32_t gap = range.gap(), least = static_cast<uint32_t>(range.least);
  int32_t* __restrict both = s.spare_keys;
  int32_t* __restrict sorted = s.sorted;
  const int32_t* __restrict keys = s.keys;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t excess = static_cast<uint32_t>(keys[i]) - least - (keys[i] < 0 ? 0 : gap);
    both[i] =
        static_cast<int32_t>((excess >> lost << place_bits | static_cast<uint32_t>(i)) ^ sign);
  }
  constexpr int64_t kLine = 64, kNear = 2048;  // results of so many leave room in the nearest cache
  if (n <= kNear) {
    // The lines of the results come while the keys are sorted.
    for (int64_t i = 0; i < n; i += kLine / 4) __builtin_prefetch(sorted + i, 1);
    for (int64_t i = 0; i < n; i += kLine / 8) __builtin_prefetch(s.sorted_places + i, 1);
  }
  vector_sort<int32_t>(ctx, both, n, s.spare_places);
  if (lost == 0) {
    const uint32_t first_above = static_cast<uint32_t>(range.below) - least + 1;
    for (int64_t i = 0; i < n; ++i) {
      const uint32_t excess = (static_cast<uint32_t>(both[i]) ^ sign) >> place_bits;
      sorted[i] = static_cast<int32_t>(excess + least + (excess < first_above ? 0 : gap));
    }
  }
  const auto fill = lost == 0  ? s.places ? take<false, true> : take<false, false>
                     : s.places ? take<true, true>
                               : take<true, false>;
  fill(both, n, mask, keys, s.places, sorted, s.sorted_places);
  return lost == 0 || order_neighbours(sorted, s.sorted_places, n);
}

inline void copy_same(const Placed& s, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    s.sorted[i] = s.keys[i];
    s.sorted_places[i] = s.places[i];
  }
}

// Parts from each other until they are short enough for sort_block. Places are there.
void sort_placed(const Context& alone, Placed s, int64_t n, int depth) {
  while (n > 0) {
    if (n <= kPlaceBlock) {
      if (!sort_block(alone, s, n, key_range(s.keys, n))) sort_wide_ranks(s, n);
      return;
    }
    if (depth-- == 0) return sort_wide_ranks(s, n);
    bool done = false;
    const int64_t first =
        split<int32_t, true>({s.keys, s.spare_keys, s.places, s.spare_places}, n, &done);
    if (done)
      copy_same(s, first);
    else
      sort_placed(alone, s, first, depth);
    s = s.from(first);
    n -= first;
  }
}

void sort_line(const Context& ctx, int32_t* keys, int64_t n, int32_t* sorted,
               int64_t* sorted_places, int32_t* spare) {
  Placed s{keys, nullptr, spare, spare + n + kSortSpare, sorted, sorted_places};
  const KeyRange range = key_range(keys, n);
  if (n <= kPlaceWhole ||
      bit_width(range.width()) + bit_width(static_cast<uint32_t>(n - 1)) <= 32) {
    if (sort_block(ctx, s, n, range)) return;
    if (n <= kPlaceBlock) return sort_wide_ranks(s, n);
  }
  s.places = spare + 2 * (n + kSortSpare);
  for (int64_t i = 0; i < n; ++i) s.places[i] = static_cast<int32_t>(i);
  Context alone = ctx;
  alone.threads = 1;
  sort_parts<int32_t, true>(ctx, {s.keys, s.spare_keys, s.places, s.spare_places}, n,
                            [&](int64_t first, int64_t size, int64_t i, bool same) {
                              const Placed part = s.from(first, i * kLanes<int32_t>);
                              if (same)
                                copy_same(part, size);
                              else
                                sort_placed(alone, part, size, depth_limit(size));
                            });
}

// Short lines lie side by side, one in each lane of registers that hold a key above its place.
inline constexpr int kShortLine = 16;

template <int kRows>
__attribute__((noinline)) void sort_short(const int32_t* keys, int64_t lines, int64_t n,
                                          int32_t* sorted, int64_t* places) {
  constexpr int kL = kLanes<int64_t>;
  alignas(64) int64_t lanes[kRows][kL] = {};
  for (int64_t line = 0; line < lines; line += kL) {
    const int64_t count = lines - line < kL ? lines - line : kL;
    for (int64_t j = 0; j < count; ++j)
      for (int64_t k = 0; k < n; ++k)
        lanes[k][j] = static_cast<int64_t>(
            static_cast<uint64_t>(static_cast<uint32_t>(keys[(line + j) * n + k])) << 32 |
            static_cast<uint64_t>(k));
    Vec<int64_t> v[kRows];
#pragma GCC unroll 16
    for (int k = 0; k < kRows; ++k)
      v[k] = k < n ? simd::load<int64_t>(lanes[k]) : simd::splat<int64_t>(INT64_MAX);
    sort_columns<int64_t, kRows, 0, span_of(kRows)>(v);
#pragma GCC unroll 16
    for (int k = 0; k < kRows; ++k) simd::store<int64_t>(lanes[k], v[k]);
    for (int64_t j = 0; j < count; ++j)
      for (int64_t k = 0; k < n; ++k) {
        sorted[(line + j) * n + k] = static_cast<int32_t>(lanes[k][j] >> 32);
        places[(line + j) * n + k] = lanes[k][j] & 0xffffffff;
      }
  }
}

// See OrderKernels.
void sort_places(const Context& ctx, int32_t* keys, int64_t lines, int64_t n, int32_t* sorted,
                 int64_t* places, int32_t* spare) {
  if (n > kShortLine)
    for (int64_t i = 0; i < lines * n; i += n)
      sort_line(ctx, keys + i, n, sorted + i, places + i, spare);
  else if (n > 8)
    sort_short<16>(keys, lines, n, sorted, places);
  else
    sort_short<8>(keys, lines, n, sorted, places);
}

#endif

}  // namespace
}  // namespace pycore::kernels
