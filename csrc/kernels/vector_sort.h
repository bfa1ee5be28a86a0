// Sorting signed integers lane by lane: a quicksort whose partition packs the lanes on either side
// of the pivot, and networks of minima and maxima for what fits in registers. Must not know which
// values the integers stand for.
// Empty at levels without instructions for it.
#pragma once

#include <limits.h>

#include "kernels/context.h"
#include "kernels/order.h"
#include "simd/shuffle.h"

namespace pycore::kernels {
namespace {

#if defined(__AVX2__)

using simd::kLanes;
using simd::Vec;

template <class T>
inline constexpr T kGreatest =
    sizeof(T) == 4 ? static_cast<T>(INT32_MAX) : static_cast<T>(INT64_MAX);

// --- packing lanes

#if defined(__AVX512F__)

// One bit per lane: v < bound?
template <class T>
PYCORE_INLINE unsigned lanes_below(Vec<T> v, Vec<T> bound) {
  if constexpr (sizeof(T) == 4)
    return _mm512_cmplt_epi32_mask((__m512i)v, (__m512i)bound);
  else
    return _mm512_cmplt_epi64_mask((__m512i)v, (__m512i)bound);
}
// The lanes whose bits are set, moved to the front.
template <class T>
PYCORE_INLINE Vec<T> pack_lanes(Vec<T> v, unsigned lanes) {
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_maskz_compress_epi32(static_cast<__mmask16>(lanes), (__m512i)v);
  else
    return (Vec<T>)_mm512_maskz_compress_epi64(static_cast<__mmask8>(lanes), (__m512i)v);
}

#else

template <class T>
PYCORE_INLINE unsigned lanes_below(Vec<T> v, Vec<T> bound) {
  if constexpr (sizeof(T) == 4)
    return static_cast<unsigned>(_mm256_movemask_ps((__m256)(v < bound)));
  else
    return static_cast<unsigned>(_mm256_movemask_pd((__m256d)(v < bound)));
}
// For each set of lanes of 32 or 64 bits: which ones of 32 bits to take, those of the set first.
struct PackTables {
  uint8_t narrow[256][8] = {};
  alignas(32) int32_t wide[16][8] = {};
  constexpr PackTables() {
    for (unsigned set = 0; set < 256; ++set)
      for (int lane = 0, at = 0; lane < 8; ++lane)
        if ((set >> lane & 1) != 0) narrow[set][at++] = static_cast<uint8_t>(lane);
    for (unsigned set = 0; set < 16; ++set)
      for (int lane = 0, at = 0; lane < 8; ++lane)
        if ((set >> (lane / 2) & 1) != 0) wide[set][at++] = lane;
  }
};
inline constexpr PackTables kPackTables;

template <class T>
PYCORE_INLINE Vec<T> pack_lanes(Vec<T> v, unsigned lanes) {
  __m256i take;
  if constexpr (sizeof(T) == 4)
    take = _mm256_cvtepu8_epi32(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPackTables.narrow[lanes])));
  else
    take = _mm256_load_si256(reinterpret_cast<const __m256i*>(kPackTables.wide[lanes]));
  return (Vec<T>)_mm256_permutevar8x32_epi32((__m256i)v, take);
}

#endif

// --- networks: rows of lanes, kRows registers

template <class T>
PYCORE_INLINE void order_rows(Vec<T>& a, Vec<T>& b) {
  const Vec<T> least = a < b ? a : b;
  b = a < b ? b : a;
  a = least;
}

// The networks are those of the next power of two, kSpan. Rows from kRows on would hold the
// greatest value, which no comparison moves down: these rows and what compares with them are left
// out.
constexpr int span_of(int rows) { return rows <= 1 ? 1 : 2 * span_of((rows + 1) / 2); }

// Batcher's odd-even merge of rows kFirst, kFirst + kStep, ...; and the sort made of it, which puts
// each column in order (Knuth, The Art of Computer Programming 3, 5.3.4).
template <class T, int kRows, int kFirst, int kSpan, int kStep>
PYCORE_INLINE void merge_rows(Vec<T>* v) {
  if constexpr (2 * kStep < kSpan) {
    merge_rows<T, kRows, kFirst, kSpan, 2 * kStep>(v);
    merge_rows<T, kRows, kFirst + kStep, kSpan, 2 * kStep>(v);
#pragma GCC unroll 32
    for (int i = kFirst + kStep; i + kStep < kFirst + kSpan; i += 2 * kStep)
      if (i + kStep < kRows) order_rows<T>(v[i], v[i + kStep]);
  } else if constexpr (kFirst + kStep < kRows) {
    order_rows<T>(v[kFirst], v[kFirst + kStep]);
  }
}
template <class T, int kRows, int kFirst, int kSpan>
PYCORE_INLINE void sort_columns(Vec<T>* v) {
  if constexpr (kSpan > 1 && kFirst + 1 < kRows) {
    sort_columns<T, kRows, kFirst, kSpan / 2>(v);
    sort_columns<T, kRows, kFirst + kSpan / 2, kSpan / 2>(v);
    merge_rows<T, kRows, kFirst, kSpan, 1>(v);
  }
}

template <class T, int kFlip, int... I>
PYCORE_INLINE Vec<T> exchange(Vec<T> v, simd::Lanes<I...>) {
  return __builtin_shufflevector(v, v, (I ^ kFlip)...);
}
// One bit per lane whose number has the bit kHigh.
template <int kHigh, int... I>
constexpr unsigned lanes_with(simd::Lanes<I...>) {
  return (((I & kHigh) != 0 ? 1u << I : 0u) | ...);
}
// Compares each lane with lane ^ kFlip; the one without the bit kHigh gets the smaller value.
template <class T, int kFlip, int kHigh>
PYCORE_INLINE void order_lanes(Vec<T>& v) {
  using All = typename simd::MakeLanes<kLanes<T>>::type;
  const Vec<T> other = exchange<T, kFlip>(v, All{});
#if defined(__AVX512F__)
  // The greater ones straight into their lanes.
  if constexpr (sizeof(T) == 4)
    v = (Vec<T>)_mm512_mask_max_epi32(_mm512_min_epi32((__m512i)v, (__m512i)other),
                                      lanes_with<kHigh>(All{}), (__m512i)v, (__m512i)other);
  else
    v = (Vec<T>)_mm512_mask_max_epi64(_mm512_min_epi64((__m512i)v, (__m512i)other),
                                      lanes_with<kHigh>(All{}), (__m512i)v, (__m512i)other);
#else
  v = simd::blend_by_bit<T, kHigh>(v < other ? v : other, v < other ? other : v, All{});
#endif
}
template <class T, int kRows, int kDistance>
PYCORE_INLINE void order_within_rows(Vec<T>* v) {
  if constexpr (kDistance >= 1) {
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) order_lanes<T, kDistance, kDistance>(v[i]);
    order_within_rows<T, kRows, kDistance / 2>(v);
  }
}
template <class T, int kRows, int kSize, int kFlip>
PYCORE_INLINE void order_between_rows(Vec<T>* v) {
  if constexpr (kSize > 1) {
    using All = typename simd::MakeLanes<kLanes<T>>::type;
#pragma GCC unroll 32
    for (int first = 0; first < kRows; first += kSize)
#pragma GCC unroll 32
      for (int i = 0; i < kSize / 2; ++i) {
        const int last = first + kSize - 1 - i;
        if (last >= kRows) continue;
        v[last] = exchange<T, kFlip>(v[last], All{});
        order_rows<T>(v[first + i], v[last]);
      }
    order_between_rows<T, kRows, kSize / 2, kFlip>(v);
  }
}
// Groups of kWidth columns are in order, row by row; merges pairs of them until there is one. The
// second of a pair is read backwards, so that the two are a bitonic sequence, and a half-cleaner
// meets row i with row kSpan - 1 - i and lane j with lane j ^ (2 kWidth - 1).
template <class T, int kRows, int kWidth>
PYCORE_INLINE void merge_columns(Vec<T>* v) {
  if constexpr (kWidth < kLanes<T>) {
    order_between_rows<T, kRows, span_of(kRows), 2 * kWidth - 1>(v);
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) order_lanes<T, 2 * kWidth - 1, kWidth>(v[i]);
    order_within_rows<T, kRows, kWidth / 2>(v);
    merge_columns<T, kRows, 2 * kWidth>(v);
  }
}

template <class T, int... I>
PYCORE_INLINE Vec<T> counting_lanes(simd::Lanes<I...>) {
  return Vec<T>{I...};
}
// More values than fill kFull registers, and no more than fill kRows.
template <class T, int kRows, int kFull>
__attribute__((noinline)) void sort_few(T* p, int64_t n) {
  constexpr int kL = kLanes<T>;
  const auto lanes = counting_lanes<T>(typename simd::MakeLanes<kL>::type{});
  Vec<T> v[kRows];
  int count[kRows];  // lanes of this row that are values; the others go to the end
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) {
    const int64_t left = n - i * kL;
    count[i] = static_cast<int>(left < 0 ? 0 : left < kL ? left : kL);
    if (i < kFull)
      v[i] = simd::load<T>(p + i * kL);
    else
      v[i] = lanes < simd::splat<T>(static_cast<T>(count[i]))
                 ? simd::load_partial<T>(p + i * kL, count[i])
                 : simd::splat<T>(kGreatest<T>);
  }
  sort_columns<T, kRows, 0, span_of(kRows)>(v);
  merge_columns<T, kRows, 1>(v);
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) {
    if (i < kFull)
      simd::store<T>(p + i * kL, v[i]);
    else
      simd::store_partial<T>(p + i * kL, v[i], count[i]);
  }
}

inline constexpr int kMostRows = 24;
template <class T>
inline constexpr int64_t kFew = kMostRows * kLanes<T>;

template <class T>
inline void sort_small(T* p, int64_t n) {
  constexpr int64_t kL = kLanes<T>;
  if (n <= kL) return sort_few<T, 1, 0>(p, n);
  if (n <= 2 * kL) return sort_few<T, 2, 1>(p, n);
  if (n <= 4 * kL) return sort_few<T, 4, 2>(p, n);
  if (n <= 8 * kL) return sort_few<T, 8, 4>(p, n);
  if (n <= 16 * kL) return sort_few<T, 16, 8>(p, n);
  return sort_few<T, kMostRows, 16>(p, n);
}

// --- quicksort

// The first n lanes, all of them or fewer.
constexpr unsigned first_lanes(int n) { return (1u << n) - 1; }

// Where values wait while others are put in order, and the same for what moves along with them, if
// anything does. Room for as many, and a register more.
template <class T>
struct Lot {
  T *values, *spare;
  T *places = nullptr, *spare_places = nullptr;
};

// Values below the pivot first, each part in the order it had; returns their number. The others
// wait in the spare room. Whole registers are stored: what lies beyond the packed lanes is either
// overwritten or has been read.
template <class T, bool kPlaces>
__attribute__((noinline)) int64_t partition(const Lot<T> lot, int64_t n, T pivot) {
  constexpr int kL = kLanes<T>, kUnroll = 4, kOf = kPlaces ? 2 : 1;
  const Vec<T> bound = simd::splat<T>(pivot);
  T* const p[2] = {lot.values, lot.places};
  T* const spare[2] = {lot.spare, lot.spare_places};
  int64_t low = 0, high = 0, i = 0;
  for (; i + kUnroll * kL <= n; i += kUnroll * kL) {
    Vec<T> v[kOf][kUnroll];
    unsigned below[kUnroll];
#pragma GCC unroll 2
    for (int of = 0; of < kOf; ++of)
#pragma GCC unroll 4
      for (int k = 0; k < kUnroll; ++k) v[of][k] = simd::load<T>(p[of] + i + k * kL);
#pragma GCC unroll 4
    for (int k = 0; k < kUnroll; ++k) below[k] = lanes_below<T>(v[0][k], bound);
#pragma GCC unroll 4
    for (int k = 0; k < kUnroll; ++k) {
#pragma GCC unroll 2
      for (int of = 0; of < kOf; ++of) {
        simd::store<T>(p[of] + low, pack_lanes<T>(v[of][k], below[k]));
        simd::store<T>(spare[of] + high, pack_lanes<T>(v[of][k], ~below[k] & first_lanes(kL)));
      }
      const int64_t count = __builtin_popcount(below[k]);
      low += count;
      high += kL - count;
    }
  }
#pragma GCC unroll 1
  for (; i < n; i += kL) {
    const int left = n - i < kL ? static_cast<int>(n - i) : kL;
    unsigned below = 0;
    int count = 0;
#pragma GCC unroll 2
    for (int of = 0; of < kOf; ++of) {
      const Vec<T> v = simd::load_partial<T>(p[of] + i, left);
      if (of == 0) {
        below = lanes_below<T>(v, bound) & first_lanes(left);
        count = __builtin_popcount(below);
      }
      simd::store_partial<T>(p[of] + low, pack_lanes<T>(v, below), count);
      simd::store<T>(spare[of] + high, pack_lanes<T>(v, ~below & first_lanes(left)));
    }
    low += count;
    high += left - count;
  }
#pragma GCC unroll 2
  for (int of = 0; of < kOf; ++of) {
    const T *from = spare[of], *end = from + high;
    T* to = p[of] + low;
#pragma GCC unroll 1
    for (; from + kL <= end; from += kL, to += kL) simd::store<T>(to, simd::load<T>(from));
    const int left = static_cast<int>(end - from);
    simd::store_partial<T>(to, simd::load<T>(from), left);
  }
  return low;
}

// The middle one of a sample.
template <class T>
T choose_pivot(const T* p, int64_t n) {
  constexpr int64_t kMost = 4 * kLanes<T>;
  T sample[kMost];
  const int64_t count = n > 8 * kFew<T> ? kMost : kLanes<T>, step = n / count;
  for (int64_t i = 0; i < count; ++i) sample[i] = p[i * step + step / 2];
  sort_small<T>(sample, count);
  return sample[count / 2];
}

template <class T>
void sift_down(T* p, int64_t root, int64_t n) {
  for (int64_t child; (child = 2 * root + 1) < n; root = child) {
    if (child + 1 < n && p[child] < p[child + 1]) ++child;
    if (p[child] <= p[root]) return;
    const T x = p[root];
    p[root] = p[child];
    p[child] = x;
  }
}
// For inputs made against the choice of pivots: never more than n log n steps.
template <class T>
__attribute__((noinline)) void heap_sort(T* p, int64_t n) {
  for (int64_t i = n / 2; i-- > 0;) sift_down<T>(p, i, n);
  for (int64_t i = n; i-- > 1;) {
    const T x = p[0];
    p[0] = p[i];
    p[i] = x;
    sift_down<T>(p, 0, i);
  }
}

// One step: where the second of two parts begins that can be sorted on their own. *done says that
// the values of the first part are all equal.
template <class T, bool kPlaces>
int64_t split(const Lot<T>& lot, int64_t n, bool* done) {
  const T pivot = choose_pivot<T>(lot.values, n);
  const int64_t below = partition<T, kPlaces>(lot, n, pivot);
  *done = below == 0;
  if (below > 0) return below;
  // No value is less than the pivot: part from it those that equal it.
  return pivot == kGreatest<T> ? n : partition<T, kPlaces>(lot, n, static_cast<T>(pivot + 1));
}

template <class T>
void quicksort(T* p, int64_t n, T* spare, int depth) {
  while (n > kFew<T>) {
    if (depth-- == 0) return heap_sort<T>(p, n);
    bool done = false;
    const int64_t first = split<T, false>({p, spare}, n, &done);
    if (!done) quicksort<T>(p, first, spare, depth);
    p += first;
    n -= first;
  }
  if (n > 1) sort_small<T>(p, n);
}

inline int depth_limit(int64_t n) {
  return 2 * (64 - __builtin_clzll(static_cast<unsigned long long>(n) | 1));
}

// Cuts n values into parts that can be sorted on their own and calls sort(first, count, i, same)
// for each, part i in the order of memory, on several threads if there are any; `same` says that
// the values are all equal. Each round cuts all long parts in two, at the same time.
template <class T, bool kPlaces, class Sort>
void sort_parts(const Context& ctx, const Lot<T>& lot, int64_t n, const Sort& sort) {
  constexpr int64_t kAlone = kPlaces ? 1 << 12 : 1 << 14;  // values that one thread takes
  constexpr int kRounds = 4, kMost = 1 << kRounds;         // parts, a register more room for each
  static_assert(kMost * kLanes<T> <= kSortSpare);
  struct Part {
    int64_t first, n;
    bool same = false;
    int64_t lower = 0;  // how many of them are in the first of its two parts; 0: not cut
  } parts[kMost] = {{0, n}}, cut[kMost];
  const int64_t longest = n / 6 > kAlone ? n / 6 : kAlone;
  int count = 1;
  bool again = ctx.threads > 1 && n > 2 * kAlone;
  for (int round = 0; round < kRounds && again; ++round) {
    run_tasks(ctx, count, [&](int64_t i) {
      Part& part = parts[i];
      if (part.same || part.n <= longest) return;
      const int64_t at = part.first, spare = at + i * kLanes<T>;
      Lot<T> rest{lot.values + at, lot.spare + spare};
      if constexpr (kPlaces) {
        rest.places = lot.places + at;
        rest.spare_places = lot.spare_places + spare;
      }
      part.lower = split<T, kPlaces>(rest, part.n, &part.same);
    });
    int now = 0;
    again = false;
    for (int i = 0; i < count; ++i) {
      const Part& part = parts[i];
      const int64_t lower = part.lower > 0 ? part.lower : part.n;
      cut[now++] = {part.first, lower, part.same};
      if (lower < part.n) cut[now++] = {part.first + lower, part.n - lower};
      again |= part.lower > 0;
    }
    count = now;
    for (int i = 0; i < count; ++i) parts[i] = cut[i];
  }
  run_tasks(ctx, count, [&](int64_t i) { sort(parts[i].first, parts[i].n, i, parts[i].same); });
}

// Sorts n values; `spare` has room for n and kSortSpare more.
template <class T>
void vector_sort(const Context& ctx, T* p, int64_t n, T* spare) {
  sort_parts<T, false>(ctx, {p, spare}, n, [&](int64_t first, int64_t size, int64_t i, bool same) {
    if (!same) quicksort<T>(p + first, size, spare + first + i * kLanes<T>, depth_limit(size));
  });
}

// --- values

// The signed integer that orders like the value with the bits b: itself, or for a floating-point
// number with the magnitude of negative ones turned around; NaN is the greatest, -0 equals 0. The
// same turn leads back.
template <class T>
PYCORE_INLINE T turned(T b) {
  return b ^ ((b >> (8 * sizeof(T) - 1)) & kGreatest<T>);
}
template <class T>
inline constexpr T kInfinity =
    sizeof(T) == 4 ? static_cast<T>(0x7f800000) : static_cast<T>(0x7ff0000000000000);
template <class T>
PYCORE_INLINE bool is_nan_bits(T b) {
  return (b & kGreatest<T>) > kInfinity<T>;
}
template <class T>
PYCORE_INLINE bool is_minus_zero(T b) {
  return b == static_cast<T>(~kGreatest<T>);
}
template <class T, bool kFloat>
PYCORE_INLINE T order_key(T b) {
  if constexpr (!kFloat) return b;
  const T key = is_minus_zero(b) ? T(0) : turned(b);
  return is_nan_bits(b) ? kGreatest<T> : key;
}

template <class T>
int64_t count_below(const T* p, int64_t n, T bound) {
  int64_t first = 0;
  while (n > 0) {
    const int64_t half = n / 2;
    if (p[first + half] < bound) {
      first += half + 1;
      n -= half + 1;
    } else {
      n = half;
    }
  }
  return first;
}
// Zeros and NaNs, whose keys do not tell their bits, in the order of x.
template <class T>
void restore_bits(const T* x, int64_t n, int64_t stride, T* zeros, T* nans) {
  for (int64_t i = 0; i < n; ++i) {
    const T b = x[i * stride];
    if (b == 0 || is_minus_zero(b)) *zeros++ = b;
    if (is_nan_bits(b)) *nans++ = b;
  }
}

template <class T, bool kFloat>
__attribute__((noinline)) void write_keys(const T* x, int64_t n, int64_t stride, T flip, T* out) {
  if (stride == 1)
    for (int64_t i = 0; i < n; ++i) out[i] = order_key<T, kFloat>(x[i]) ^ flip;
  else
#pragma GCC unroll 1
    for (int64_t i = 0; i < n; ++i) out[i] = order_key<T, kFloat>(x[i * stride]) ^ flip;
}
template <class T, bool kFloat>
__attribute__((noinline)) void keys_to_bits(T* p, int64_t n, T flip) {
  for (int64_t i = 0; i < n; ++i) p[i] = kFloat ? turned<T>(p[i] ^ flip) : p[i] ^ flip;
}

// Values `stride` apart, in order at `out`.
template <class T, bool kFloat>
void sort_values(const Context& ctx, const void* values, int64_t n, int64_t stride, bool descending,
                 void* sorted, void* spare) {
  constexpr int64_t kChunk = 1 << 15;
  const T* x = static_cast<const T*>(values);
  T* out = static_cast<T*>(sorted);
  const T flip = descending ? T(-1) : T(0);
  const int64_t tasks = (n + kChunk - 1) / kChunk;
  const auto size = [&](int64_t task) {
    return n - task * kChunk < kChunk ? n - task * kChunk : kChunk;
  };
  run_tasks(ctx, tasks, [&](int64_t task) {
    const int64_t first = task * kChunk;
    write_keys<T, kFloat>(x + first * stride, size(task), stride, flip, out + first);
  });
  vector_sort<T>(ctx, out, n, static_cast<T*>(spare));
  if (!kFloat && !descending) return;
  const T zero = flip, nan = kGreatest<T> ^ flip;
  const int64_t zeros = count_below<T>(out, n, zero), nans = count_below<T>(out, n, nan);
  const bool lost = (zeros < n && out[zeros] == zero) || (nans < n && out[nans] == nan);
  run_tasks(ctx, tasks,
            [&](int64_t task) { keys_to_bits<T, kFloat>(out + task * kChunk, size(task), flip); });
  if (kFloat && lost) restore_bits<T>(x, n, stride, out + zeros, out + nans);
}

#endif

}  // namespace
}  // namespace pycore::kernels
