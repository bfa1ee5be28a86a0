// Loops over one contiguous row, whole registers and a partial last one. Must not know shapes or
// threads.
#pragma once

#include "simd/math.h"

namespace pycore::kernels {
namespace {

namespace v = simd;

template <class T>
PYCORE_INLINE T* typed(void* p) {
  return static_cast<T*>(p);
}

// Lanes from n on are replaced by `fill`.
template <class T>
PYCORE_INLINE v::Vec<T> load_filled(const T* p, int64_t n, T fill) {
  if (n >= v::kLanes<T>) return v::load<T>(p);
  v::Mask<T> lane{};
  for (int i = 0; i < v::kLanes<T>; ++i) lane[i] = i;
  const auto limit = static_cast<typename v::LaneInt<T>::type>(n);
  return v::select<T>(lane < limit, v::load_partial<T>(p, static_cast<int>(n)), v::splat<T>(fill));
}
template <class T>
PYCORE_INLINE v::Vec<T> load_upto(const T* p, int64_t n) {
  if (n >= v::kLanes<T>) return v::load<T>(p);
  return n > 0 ? v::load_partial<T>(p, static_cast<int>(n)) : v::Vec<T>{};
}

// Sum of map(x) over n contiguous elements, in four registers over blocks of 32 steps, whose sums
// are added in turn, so that rounding errors stay small; `zero` is an x that map sends to 0.
template <class T, class Map>
PYCORE_INLINE T sum_row(const T* p, int64_t n, T zero, Map map) {
  constexpr int kL = v::kLanes<T>;
  v::Vec<T> total{};
  while (n >= 4 * kL) {
    v::Vec<T> a{}, b{}, c{}, d{};
    int64_t steps = n / (4 * kL);
    if (steps > 32) steps = 32;
    n -= steps * 4 * kL;
    for (; steps > 0; --steps, p += 4 * kL) {
      a += map(v::load<T>(p));
      b += map(v::load<T>(p + kL));
      c += map(v::load<T>(p + 2 * kL));
      d += map(v::load<T>(p + 3 * kL));
    }
    total += (a + b) + (c + d);
  }
  for (; n > 0; n -= kL, p += kL) total += map(load_filled<T>(p, n, zero));
  return v::sum_lanes<T>(total);
}

template <class T, class Out>
PYCORE_INLINE void store_lanes(v::Vec<T> x, int lanes, Out* out) {
  T values[v::kLanes<T>];
  v::store<T>(values, x);
  for (int i = 0; i < lanes; ++i) out[i] = values[i];
}

// Calls body(offset, lanes) for each register of a row of n elements; lanes < kLanes for the last
// one only.
template <class T, class Body>
PYCORE_INLINE void over_row(int64_t n, Body body) {
  constexpr int kL = v::kLanes<T>;
  int64_t i = 0;
  for (; i + kL <= n; i += kL) body(i, kL);
  if (i < n) body(i, static_cast<int>(n - i));
}
template <class T>
PYCORE_INLINE v::Vec<T> load_n(const T* p, int lanes) {
  return lanes == v::kLanes<T> ? v::load<T>(p) : v::load_partial<T>(p, lanes);
}
template <class T>
PYCORE_INLINE void store_n(T* p, v::Vec<T> x, int lanes) {
  if (lanes == v::kLanes<T>)
    v::store<T>(p, x);
  else
    v::store_partial<T>(p, x, lanes);
}

// Two sums in one pass: of a[i] and of b[i], where body(offset, lanes) gives {a, b} (zero beyond
// lanes).
template <class T>
struct Two {
  v::Vec<T> a, b;
};
template <class T, class Body>
PYCORE_INLINE void sum_two(int64_t n, T* sum_a, T* sum_b, Body body) {
  constexpr int kL = v::kLanes<T>;
  v::Vec<T> a{}, b{};
  for (int64_t i = 0; i < n;) {
    const int64_t end = i + 64 * kL < n ? i + 64 * kL : n;
    v::Vec<T> a0{}, b0{}, a1{}, b1{};
    for (; i + 2 * kL <= end; i += 2 * kL) {
      const Two<T> x = body(i, kL), y = body(i + kL, kL);
      a0 += x.a;
      b0 += x.b;
      a1 += y.a;
      b1 += y.b;
    }
    for (; i < end; i += kL) {
      const Two<T> x = body(i, end - i < kL ? static_cast<int>(end - i) : kL);
      a0 += x.a;
      b0 += x.b;
    }
    a += a0 + a1;
    b += b0 + b1;
  }
  *sum_a = v::sum_lanes<T>(a);
  *sum_b = v::sum_lanes<T>(b);
}

template <class T>
PYCORE_INLINE T row_max(const T* p, int64_t n) {
  constexpr int kL = v::kLanes<T>;
  v::Vec<T> a = v::splat<T>(-v::kInf<T>), b = a;
  for (; n >= 2 * kL; n -= 2 * kL, p += 2 * kL) {
    a = v::max<T>(v::load<T>(p), a);
    b = v::max<T>(v::load<T>(p + kL), b);
  }
  for (; n > 0; n -= kL, p += kL) a = v::max<T>(load_filled<T>(p, n, -v::kInf<T>), a);
  return v::fold<T>(v::max<T>(a, b), [](auto x, auto y) { return x > y ? x : y; });
}

}  // namespace
}  // namespace pycore::kernels
