// Lane exchanges on Vec<T>: in-register transposition and sums of whole vectors.
// Must not know kernels; like vec.h it works for whatever ISA the including file is compiled for.
#pragma once

#include "simd/vec.h"

namespace pycore {
namespace {  // NOLINT: internal linkage, see vec.h
namespace simd {

template <int... I>
struct Lanes {};
template <int N, int... I>
struct MakeLanes : MakeLanes<N - 1, N - 1, I...> {};
template <int... I>
struct MakeLanes<0, I...> {
  using type = Lanes<I...>;
};

// Lane l of the result: keep ? x[l] : y[l], where keep says that bit D of l is not set.
template <class T, int D, int... I>
PYCORE_INLINE Vec<T> blend_by_bit(Vec<T> x, Vec<T> y, Lanes<I...>) {
  return __builtin_shufflevector(x, y, ((I & D) ? I + kLanes<T> : I)...);
}
// The same with the lanes of each source exchanged by l ^ D.
template <class T, int D, int... I>
PYCORE_INLINE Vec<T> blend_swapped(Vec<T> x, Vec<T> y, Lanes<I...>) {
  return __builtin_shufflevector(x, y, ((I & D) ? (I ^ D) + kLanes<T> : (I ^ D))...);
}
// Lane l: bit D of l set ? y[l] : x[l ^ D] ... the two halves of one butterfly of a transposition.
template <class T, int D, int... I>
PYCORE_INLINE Vec<T> butterfly_low(Vec<T> x, Vec<T> y, Lanes<I...>) {
  return __builtin_shufflevector(x, y, ((I & D) ? (I ^ D) + kLanes<T> : I)...);
}
template <class T, int D, int... I>
PYCORE_INLINE Vec<T> butterfly_high(Vec<T> x, Vec<T> y, Lanes<I...>) {
  return __builtin_shufflevector(x, y, ((I & D) ? I + kLanes<T> : (I ^ D))...);
}

// Elements 0, 2, 4, ... (Odd = 1: 1, 3, 5, ...) of the two vectors x, y laid end to end.
template <class T, int Odd, int... I>
PYCORE_INLINE Vec<T> every_second(Vec<T> x, Vec<T> y, Lanes<I...>) {
  return __builtin_shufflevector(x, y, (2 * I + Odd)...);
}
// Splits two vectors end to end into their even and their odd elements, and puts them back.
template <class T>
PYCORE_INLINE void deinterleave(Vec<T>& x, Vec<T>& y) {
  using All = typename MakeLanes<kLanes<T>>::type;
  const Vec<T> even = every_second<T, 0>(x, y, All{});
  y = every_second<T, 1>(x, y, All{});
  x = even;
}
template <class T, int From, int... I>
PYCORE_INLINE Vec<T> alternate(Vec<T> even, Vec<T> odd, Lanes<I...>) {
  return __builtin_shufflevector(even, odd, (From + I / 2 + (I % 2) * kLanes<T>)...);
}
template <class T>
PYCORE_INLINE void interleave(Vec<T>& even, Vec<T>& odd) {
  using All = typename MakeLanes<kLanes<T>>::type;
  const Vec<T> x = alternate<T, 0>(even, odd, All{});
  odd = alternate<T, kLanes<T> / 2>(even, odd, All{});
  even = x;
}

// Transposes the square block of kLanes vectors in place.
template <class T, int D = 1>
PYCORE_INLINE void transpose(Vec<T>* v) {
  if constexpr (D < kLanes<T>) {
    using All = typename MakeLanes<kLanes<T>>::type;
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; ++i) {
      if (i & D) continue;
      const Vec<T> x = v[i], y = v[i | D];
      v[i] = butterfly_low<T, D>(x, y, All{});
      v[i | D] = butterfly_high<T, D>(x, y, All{});
    }
    transpose<T, 2 * D>(v);
  }
}

// Lane l of the result is the sum of all lanes of v[l]; v is overwritten. A fixed tree.
template <class T, int D = 1>
PYCORE_INLINE Vec<T> sum_each(Vec<T>* v) {
  if constexpr (D == kLanes<T>) {
    return v[0];
  } else {
    using All = typename MakeLanes<kLanes<T>>::type;
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; i += 2 * D) {
      v[i] = blend_by_bit<T, D>(v[i], v[i + D], All{}) + blend_swapped<T, D>(v[i], v[i + D], All{});
    }
    return sum_each<T, 2 * D>(v);
  }
}

}  // namespace simd
}  // namespace
}  // namespace pycore
