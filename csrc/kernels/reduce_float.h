// Reduction operations on float32 and float64 for reduce_driver.h. Must not know threads or shapes.
// Sums run in four registers over blocks of 32 steps, whose sums are added in turn; chunks meet in
// double.
#pragma once

#include <math.h>

#include "kernels/reduce_driver.h"
#include "kernels/rows.h"
#include "simd/power.h"

namespace pycore::kernels {
namespace {

// Calls body(k-th vector's offset, lanes) over the columns, four registers at a time where
// possible.
template <class T, class Body4, class Body1>
PYCORE_INLINE void over_columns(int64_t cols, Body4 four, Body1 one) {
  constexpr int kL = v::kLanes<T>;
  int64_t j = 0;
  for (; j + 4 * kL <= cols; j += 4 * kL) four(j);
  for (; j < cols; j += kL) one(j, cols - j < kL ? static_cast<int>(cols - j) : kL);
}

// kRegisters neighbouring vectors of column sums; the last one may be partial when there is one
// only.
template <class T, int kRegisters, class Map>
PYCORE_INLINE void sum_columns(const T* p, int64_t rows, int64_t stride, int lanes,
                               v::Vec<T>* total, Map map) {
  constexpr int kL = v::kLanes<T>;
  for (int k = 0; k < kRegisters; ++k) total[k] = v::Vec<T>{};
  for (int64_t r = 0; r < rows;) {
    v::Vec<T> acc[kRegisters] = {};
    const int64_t end = r + 32 < rows ? r + 32 : rows;
    for (; r < end; ++r)
      for (int k = 0; k < kRegisters; ++k)
        acc[k] += map(kRegisters == 1 ? load_upto<T>(p + r * stride, lanes)
                                      : v::load<T>(p + r * stride + k * kL),
                      k);
    for (int k = 0; k < kRegisters; ++k) total[k] += acc[k];
  }
}
// ---- sums of a function of x ----

template <class T, class Map>
struct SumCore {
  using In = T;
  using Acc = double;
  static Acc row(const T* p, int64_t n, int64_t, const double* params) {
    const T q = Map::uses_params ? static_cast<T>(params[0]) : T(0);
    return sum_row<T>(p, n, Map::template zero<T>(q),
                      [q](v::Vec<T> x) { return Map::template run<T>(x, q); });
  }
  static void columns(const T* p, int64_t rows, int64_t stride, int64_t cols, int64_t, Acc* out,
                      const double* params) {
    constexpr int kL = v::kLanes<T>;
    const T q = Map::uses_params ? static_cast<T>(params[0]) : T(0);
    const auto map = [q](v::Vec<T> x, int) { return Map::template run<T>(x, q); };
    over_columns<T>(
        cols,
        [&](int64_t j) {
          v::Vec<T> total[4];
          sum_columns<T, 4>(p + j, rows, stride, kL, total, map);
          for (int k = 0; k < 4; ++k) store_lanes<T>(total[k], kL, out + j + k * kL);
        },
        [&](int64_t j, int lanes) {
          v::Vec<T> total[1];
          sum_columns<T, 1>(p + j, rows, stride, lanes, total, map);
          store_lanes<T>(total[0], lanes, out + j);
        });
  }
};
template <class T, class Map, class Finish>
struct SumOf {
  using In = T;
  using Acc = double;
  using Core = SumCore<T, Map>;
  static Acc identity() { return 0; }
  static Acc combine(Acc a, Acc b, const double*) { return a + b; }
  static void finish(Acc acc, int64_t red, void* out, void*, int64_t i, const double* params) {
    typed<T>(out)[i] = static_cast<T>(Finish::run(acc, red, params));
  }
};

// Not inlined: a large function in many places.
template <class V>
__attribute__((noinline)) V power_of_abs(V x, V q) {
  return v::pow(x < 0 ? -x : x, q);
}

#define SUM_MAP(name, with_params, zero_value, ...)                         \
  struct name {                                                             \
    static constexpr bool uses_params = with_params;                        \
    template <class T>                                                      \
    static PYCORE_INLINE T zero([[maybe_unused]] T q) {                     \
      return zero_value;                                                    \
    }                                                                       \
    template <class T>                                                      \
    static PYCORE_INLINE v::Vec<T> run(v::Vec<T> x, [[maybe_unused]] T q) { \
      __VA_ARGS__                                                           \
    }                                                                       \
  };
SUM_MAP(MapIdentity, false, T(0), return x;)
SUM_MAP(MapNonNan, false, T(0), return v::select<T>(x == x, x, v::Vec<T>{});)
SUM_MAP(MapSquare, false, T(0), return x * x;)
SUM_MAP(MapAbs, false, T(0), return v::abs<T>(x);)
SUM_MAP(MapPower, true, q > 0 ? T(0) : v::kInf<T>, return power_of_abs(x, v::splat<T>(q));)
#undef SUM_MAP

struct FinishSum {
  static double run(double a, int64_t, const double*) { return a; }
};
struct FinishMean {
  static double run(double a, int64_t red, const double*) { return a / static_cast<double>(red); }
};
struct FinishRoot {
  static double run(double a, int64_t, const double*) { return ::sqrt(a); }
};
struct FinishPower {
  static double run(double a, int64_t, const double* params) { return ::pow(a, 1 / params[0]); }
};

// ---- products ----

template <class T>
struct Product {
  using Core = Product;
  using In = T;
  using Acc = T;
  static Acc identity() { return 1; }
  static Acc combine(Acc a, Acc b, const double*) { return a * b; }
  static Acc row(const T* p, int64_t n, int64_t, const double*) {
    constexpr int kL = v::kLanes<T>;
    v::Vec<T> a = v::splat<T>(1), b = a;
    for (; n >= 2 * kL; n -= 2 * kL, p += 2 * kL) {
      a *= v::load<T>(p);
      b *= v::load<T>(p + kL);
    }
    for (; n > 0; n -= kL, p += kL) a *= load_filled<T>(p, n, T(1));
    return v::fold<T>(a * b, [](auto x, auto y) { return x * y; });
  }
  static void columns(const T* p, int64_t rows, int64_t stride, int64_t cols, int64_t, Acc* out,
                      const double*) {
    for (int64_t j = 0; j < cols; ++j) out[j] = 1;
    for (int64_t r = 0; r < rows; ++r)
#pragma GCC ivdep
      for (int64_t j = 0; j < cols; ++j) out[j] *= p[r * stride + j];
  }
  static void finish(Acc acc, int64_t, void* out, void*, int64_t i, const double*) {
    typed<T>(out)[i] = acc;
  }
};

// ---- log of a sum of exponentials ----

struct LogSum {
  double max, sum;  // sum of exp(x - max)
};
template <class T>
struct LogSumExp {
  using Core = LogSumExp;
  using In = T;
  using Acc = LogSum;
  static Acc identity() { return {-v::kInf<double>, 0}; }
  static Acc combine(Acc a, Acc b, const double*) {
    if (!(a.max >= b.max)) {
      const Acc swapped = a;
      a = b;
      b = swapped;
    }
    // Equal infinities (or NaN in a sum) need no scaling.
    const double scale = a.max == b.max ? 1 : ::exp(b.max - a.max);
    return {a.max, a.sum + b.sum * scale};
  }
  // Infinite maxima are not subtracted: inf - inf.
  static PYCORE_INLINE v::Vec<T> shift_of(v::Vec<T> max) {
    return v::select<T>(v::abs<T>(max) == v::kInf<T>, v::Vec<T>{}, max);
  }
  static Acc row(const T* p, int64_t n, int64_t, const double*) {
    constexpr int kL = v::kLanes<T>;
    v::Vec<T> top = v::splat<T>(-v::kInf<T>);
    for (int64_t i = 0; i < n; i += kL)
      top = v::max<T>(load_filled<T>(p + i, n - i, -v::kInf<T>), top);
    const T max = v::fold<T>(top, [](auto x, auto y) { return x > y ? x : y; });
    const v::Vec<T> shift = shift_of(v::splat<T>(max));
    const T sum = sum_row<T>(p, n, -v::kInf<T>, [&](v::Vec<T> x) { return v::exp<T>(x - shift); });
    return {shift[0], sum};
  }
  static void columns(const T* p, int64_t rows, int64_t stride, int64_t cols, int64_t, Acc* out,
                      const double*) {
    constexpr int kL = v::kLanes<T>;
    for (int64_t j = 0; j < cols; j += kL) {
      const int lanes = cols - j < kL ? static_cast<int>(cols - j) : kL;
      v::Vec<T> top = v::splat<T>(-v::kInf<T>);
      for (int64_t r = 0; r < rows; ++r)
        top = v::max<T>(load_upto<T>(p + r * stride + j, lanes), top);
      const v::Vec<T> shift = shift_of(top);
      v::Vec<T> total[1];
      sum_columns<T, 1>(p + j, rows, stride, lanes, total,
                        [&](v::Vec<T> x, int) { return v::exp<T>(x - shift); });
      for (int i = 0; i < lanes; ++i) out[j + i] = {shift[i], total[0][i]};
    }
  }
  static void finish(Acc acc, int64_t, void* out, void*, int64_t i, const double*) {
    typed<T>(out)[i] = static_cast<T>(acc.sum == 0 ? -v::kInf<double> : acc.max + ::log(acc.sum));
  }
};

// ---- variance: two passes per chunk, chunks combined by Chan's formula ----

struct Moments {
  double count, mean, m2;
};
template <class T>
struct VarianceCore {
  using In = T;
  using Acc = Moments;
  // The second pass also sums the deviations themselves: they repair the rounding of the mean.
  static Acc moments(double n, T mean, double deviations, double squares) {
    const double shift = deviations / n;
    return {n, static_cast<double>(mean) + shift, squares - deviations * shift};
  }
  static Acc row(const T* p, int64_t n, int64_t, const double*) {
    const T mean = sum_row<T>(p, n, T(0), [](v::Vec<T> x) { return x; }) / static_cast<T>(n);
    const v::Vec<T> m = v::splat<T>(mean);
    v::Vec<T> deviations{};
    const T squares = sum_row<T>(p, n, mean, [&](v::Vec<T> x) {
      const v::Vec<T> d = x - m;
      deviations += d;
      return d * d;
    });
    return moments(static_cast<double>(n), mean, v::sum_lanes<T>(deviations), squares);
  }
  static void columns(const T* p, int64_t rows, int64_t stride, int64_t cols, int64_t, Acc* out,
                      const double*) {
    over_columns<T>(
        cols, [&](int64_t j) { some_columns<4>(p + j, rows, stride, v::kLanes<T>, out + j); },
        [&](int64_t j, int lanes) { some_columns<1>(p + j, rows, stride, lanes, out + j); });
  }
  template <int kRegisters>
  static PYCORE_INLINE void some_columns(const T* p, int64_t rows, int64_t stride, int lanes,
                                         Acc* out) {
    v::Vec<T> mean[kRegisters], deviations[kRegisters] = {}, squares[kRegisters];
    sum_columns<T, kRegisters>(p, rows, stride, lanes, mean, [](v::Vec<T> x, int) { return x; });
    for (int k = 0; k < kRegisters; ++k) mean[k] /= static_cast<T>(rows);
    sum_columns<T, kRegisters>(p, rows, stride, lanes, squares, [&](v::Vec<T> x, int k) {
      const v::Vec<T> d = x - mean[k];
      deviations[k] += d;
      return d * d;
    });
    for (int k = 0; k < kRegisters; ++k)
      for (int i = 0; i < lanes; ++i)
        out[k * v::kLanes<T> + i] =
            moments(static_cast<double>(rows), mean[k][i], deviations[k][i], squares[k][i]);
  }
};
template <class T, bool kRoot>
struct Variance {
  using In = T;
  using Acc = Moments;
  using Core = VarianceCore<T>;
  static Acc identity() { return {0, v::kNan<double>, 0}; }
  static Acc combine(Acc a, Acc b, const double*) {
    const double n = a.count + b.count, delta = b.mean - a.mean, part = b.count / n;
    return {n, a.mean + delta * part, a.m2 + b.m2 + delta * delta * (a.count * part)};
  }
  static void finish(Acc acc, int64_t, void* out, void* out2, int64_t i, const double* params) {
    const double freedom = acc.count - params[0];
    const double var = acc.m2 / (freedom > 0 ? freedom : 0);
    typed<T>(out)[i] = static_cast<T>(kRoot ? ::sqrt(var) : var);
    if (out2 != nullptr) typed<T>(out2)[i] = static_cast<T>(acc.mean);
  }
};

}  // namespace
}  // namespace pycore::kernels
