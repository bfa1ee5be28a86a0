// A few rows times B as it lies, for narrow types: how each type is read, and the product of one
// row with a B that is contiguous along its rows. Must not know batches, tasks or epilogues.
#pragma once

#include "kernels/dtype.h"
#include "kernels/gemm_dots.h"
#include "simd/widen.h"

namespace pycore {
namespace {
namespace gemm {

// The first n of a register's elements, zeros behind them.
template <class S>
PYCORE_INLINE Vec<int32_t> load_first(const S* p, int n) {
#if defined(__AVX512BW__)
  if constexpr (sizeof(S) == 2) {
    return (Vec<int32_t>)_mm512_maskz_loadu_epi16(_bzhi_u32(~0u, n), p);
  } else {
    return (Vec<int32_t>)_mm512_maskz_loadu_epi8(_bzhi_u64(~uint64_t{0}, n), p);
  }
#else
  S some[kRegisterBytes / sizeof(S)] = {};
  memcpy(some, p, sizeof(S) * static_cast<size_t>(n));
  return load(reinterpret_cast<const int32_t*>(some));
#endif
}
template <class S>
PYCORE_INLINE Vec<int32_t> load_bits(const S* p) {
  Vec<int32_t> v;
  memcpy(&v, p, sizeof(v));
  return v;
}

#if defined(__SSE2__)
// Two rows of 16-bit elements as pairs of neighbours along k. Columns come in fours: pairs[0] holds
// the first, third, ... four, pairs[1] the others; order_fours() undoes that.
PYCORE_INLINE void pair_up(Vec<int32_t> even, Vec<int32_t> odd, Vec<int32_t>* pairs) {
#if defined(__AVX512BW__)
  pairs[0] = (Vec<int32_t>)_mm512_unpacklo_epi16((__m512i)even, (__m512i)odd);
  pairs[1] = (Vec<int32_t>)_mm512_unpackhi_epi16((__m512i)even, (__m512i)odd);
#elif defined(__AVX2__)
  pairs[0] = (Vec<int32_t>)_mm256_unpacklo_epi16((__m256i)even, (__m256i)odd);
  pairs[1] = (Vec<int32_t>)_mm256_unpackhi_epi16((__m256i)even, (__m256i)odd);
#else
  pairs[0] = (Vec<int32_t>)_mm_unpacklo_epi16((__m128i)even, (__m128i)odd);
  pairs[1] = (Vec<int32_t>)_mm_unpackhi_epi16((__m128i)even, (__m128i)odd);
#endif
}
template <class T>
PYCORE_INLINE void order_fours([[maybe_unused]] Vec<T>* s) {
#if defined(__AVX2__)
  const Vec<T> low = s[0], high = s[1];
#if defined(__AVX512F__)
  s[0] = __builtin_shufflevector(low, high, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  s[1] = __builtin_shufflevector(low, high, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29,
                                 30, 31);
#else
  s[0] = __builtin_shufflevector(low, high, 0, 1, 2, 3, 8, 9, 10, 11);
  s[1] = __builtin_shufflevector(low, high, 4, 5, 6, 7, 12, 13, 14, 15);
#endif
#endif
}
// The products of Rows::kRows rows that load_b() reads as 16-bit elements, by pairs of rows.
template <class Rows, class Op>
PYCORE_INLINE void spread_pairs(const Vec<typename Rows::Lane>* x,
                                const typename Rows::B* const* rows, int64_t j,
                                Vec<typename Rows::Lane>* s) {
  using V = Vec<typename Rows::Lane>;
#pragma GCC unroll 2
  for (int r = 0; r < Rows::kRows; r += 2) {
    Vec<int32_t> pairs[2];
    pair_up((Vec<int32_t>)Rows::load_b(rows[r] + j), (Vec<int32_t>)Rows::load_b(rows[r + 1] + j),
            pairs);
    s[0] = Op::add(x[r / 2], (V)pairs[0], s[0]);
    s[1] = Op::add(x[r / 2], (V)pairs[1], s[1]);
  }
}
#endif

// Factors of 16 bits, kRows of them as pairs.
template <class F, class T, int R>
PYCORE_INLINE void splat_pairs(const F* a, Vec<T>* x) {
#pragma GCC unroll 2
  for (int r = 0; r < R; r += 2) {
    int32_t pair;
    memcpy(&pair, a + r, sizeof(pair));
    x[r / 2] = (Vec<T>)splat<int32_t>(pair);
  }
}

// What few rows ask of a type, beside what dot_columns does (see PlainDots):
//
//   prepare(p, n, planes)  n <= kStep elements of A as dot products want them
//   kShifted              B's bytes are read as unsigned, 128 too large: from a row's sums,
//                         128 times the sum of the row's elements is to be taken
//
// and where a row may be spread over columns (kSpreads): kRows rows of B are added to the sums of
// 2 * kLanes columns, which keep the order that order() undoes.
//
//   factors(a, x)         the elements of A, converted by factor(), for kRows rows
//   spread(x, rows, j, s) adds the products of columns [j, j + 2 * kLanes) to s[0], s[1]

template <class T>
struct PaddedRows {
  using Lane = T;
  static PYCORE_INLINE Vec<T> load_a(const T* p, int) { return load(p); }  // zeros up to a step
};

// float16 becomes float32 as it is read.
struct HalfRows : PaddedRows<float> {
  using B = Half;
  using Factor = float;
  static constexpr int kStep = kLanes<float>, kPlanes = 1, kColumns = 4, kRows = 4;
  static constexpr bool kShifted = false, kSpreads = true;
  static PYCORE_INLINE Vec<float> load_b(const Half* p) { return load_halves(&p->bits); }
  static PYCORE_INLINE Vec<float> load_b(const Half* p, int n) {
    Half some[kStep] = {};
    memcpy(some, p, sizeof(Half) * static_cast<size_t>(n));
    return load_b(some);
  }
  static PYCORE_INLINE void prepare(const Half* p, int n, Vec<float>* planes) {
    planes[0] = load_b(p, n);
  }
  static PYCORE_INLINE Vec<float> add(const Vec<float>* a, Vec<float> b, Vec<float> sum) {
    return fma<float>(a[0], b, sum);
  }

  static float factor(Half a) { return half_to_float(a.bits); }
  static PYCORE_INLINE void factors(const float* a, Vec<float>* x) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) x[r] = splat<float>(a[r]);
  }
  static PYCORE_INLINE void spread(const Vec<float>* x, const Half* const* rows, int64_t j,
                                   Vec<float>* s) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      s[0] = fma<float>(x[r], load_b(rows[r] + j), s[0]);
      s[1] = fma<float>(x[r], load_b(rows[r] + j + kStep), s[1]);
    }
  }
  static PYCORE_INLINE void order(Vec<float>*) {}
};

// bfloat16 is the upper half of a float32: of two neighbours in 32 bits the second is one but for
// bits below it, the first is one shifted up. No lane moves, so even and odd elements stay apart.
struct BFloat16Rows : PaddedRows<float> {
  using B = BFloat16;
  using Factor = float;
  struct Halves {
    Vec<float> even, odd;
  };
  static constexpr int kStep = 2 * kLanes<float>, kPlanes = 2, kColumns = 2, kRows = 4;
  static constexpr bool kShifted = false, kSpreads = true;
  static PYCORE_INLINE Halves halves_of(Vec<int32_t> pairs) {
    return {(Vec<float>)(pairs << 16), (Vec<float>)(pairs & static_cast<int32_t>(0xffff0000u))};
  }
  static PYCORE_INLINE Halves load_b(const BFloat16* p) { return halves_of(load_bits(p)); }
  static PYCORE_INLINE Halves load_b(const BFloat16* p, int n) {
    return halves_of(load_first(p, n));
  }
  static PYCORE_INLINE void prepare(const BFloat16* p, int n, Vec<float>* planes) {
    const Halves h = load_b(p, n);
    planes[0] = h.even;
    planes[1] = h.odd;
  }
  static PYCORE_INLINE Vec<float> add(const Vec<float>* a, const Halves& b, Vec<float> sum) {
    return fma<float>(a[1], b.odd, fma<float>(a[0], b.even, sum));
  }

  static float factor(BFloat16 a) { return bfloat16_to_float(a.bits); }
  static PYCORE_INLINE void factors(const float* a, Vec<float>* x) { HalfRows::factors(a, x); }
  static PYCORE_INLINE void spread(const Vec<float>* x, const BFloat16* const* rows, int64_t j,
                                   Vec<float>* s) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const Halves h = load_b(rows[r] + j);
      s[0] = fma<float>(x[r], h.even, s[0]);
      s[1] = fma<float>(x[r], h.odd, s[1]);
    }
  }
  static PYCORE_INLINE void order(Vec<float>* s) { interleave<float>(s[0], s[1]); }
};

inline constexpr int kFewRows = 8;
inline constexpr int kRowColumns = 1024;  // most columns whose sums stay in L1

// out[0, columns) = a[k] * B[k, columns], columns <= kRowColumns; out has room for a whole cache
// line of B.
template <class Op>
void spread_row(int64_t k, const typename Op::Factor* a, const typename Op::B* b, int64_t brs,
                int columns, typename Op::Lane* out) {
  using T = typename Op::Lane;
  using S = typename Op::B;
  constexpr int L = kLanes<T>, kSpan = 2 * L, R = Op::kRows;
  constexpr int kLine =
      64 / static_cast<int>(sizeof(S)) > kSpan ? 64 / static_cast<int>(sizeof(S)) : kSpan;
  static const S kNothing[kRowColumns] = {};
  alignas(64) T y[kRowColumns + kLine], all[kRowColumns + kLine];
  const auto clear = [&](T* sums) { memset(sums, 0, sizeof(y)); };
  clear(y);
  clear(all);
  for (int64_t p = 0; p < k; p += R) {
    if (p > 0 && p % (kChain / R * R) == 0) {
      for (int j = 0; j < columns + kSpan - 1; ++j) all[j] += y[j];
      clear(y);
    }
    Vec<T> x[R];
    Op::factors(a + p, x);  // zeros behind k
    const S* rows[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) rows[r] = p + r < k ? b + (p + r) * brs : kNothing;
    const auto at = [&](const S* const* from, int j, T* to) {
      Vec<T> s[2] = {load(to), load(to + L)};
      Op::spread(x, from, j, s);
      store(to, s[0]);
      store(to + L, s[1]);
    };
    int j = 0;
    for (; j + kLine <= columns; j += kLine) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) __builtin_prefetch(b + (p + R + r) * brs + j);  // rows to come
#pragma GCC unroll 4
      for (int v = 0; v < kLine; v += kSpan) at(rows, j + v, y + j + v);
    }
    for (; j + kSpan <= columns; j += kSpan) at(rows, j, y + j);
    if (j < columns) {
      S rest[R][kSpan] = {};
      const S* from[R];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        memcpy(rest[r], rows[r] + j, sizeof(S) * static_cast<size_t>(columns - j));
        from[r] = rest[r];
      }
      at(from, 0, y + j);
    }
  }
  for (int j = 0; j < columns; j += kSpan) {
    Vec<T> s[2] = {load(all + j) + load(y + j), load(all + j + L) + load(y + j + L)};
    Op::order(s);
    store(out + j, s[0]);
    store(out + j + L, s[1]);
  }
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
