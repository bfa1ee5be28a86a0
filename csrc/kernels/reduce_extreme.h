// Largest and smallest elements, their positions, and absolute extremes for reduce_driver.h. NaN
// wins everywhere. Must not know threads or shapes.
#pragma once

#include "kernels/reduce_float.h"

namespace pycore::kernels {
namespace {

template <class T>
inline constexpr bool kIsFloat = __is_same(T, float) || __is_same(T, double);

template <class T>
constexpr T lowest() {
  if constexpr (kIsFloat<T>)
    return -v::kInf<T>;
  else if constexpr (T(-1) > T(0))
    return 0;
  else
    return static_cast<T>(T(1) << (8 * sizeof(T) - 1));
}
template <class T>
constexpr T highest() {
  if constexpr (kIsFloat<T>)
    return v::kInf<T>;
  else
    return static_cast<T>(~lowest<T>());
}

// kMax: larger wins. kAbs: of |x| (floats only).
template <class T, bool kMax, bool kAbs = false>
struct Extreme {
  using Core = Extreme;
  using In = T;
  using Acc = T;
  static constexpr T kWorst = kMax ? (kAbs ? T(0) : lowest<T>()) : highest<T>();

  static PYCORE_INLINE T better(T a, T b) { return kMax ? (b > a ? b : a) : (b < a ? b : a); }
  static Acc identity() { return kWorst; }
  static Acc combine(Acc a, Acc b, const double*) { return a != a ? a : b != b ? b : better(a, b); }

  // The running extreme ignores NaN, which is tracked aside.
  struct State {
    v::Vec<T> best;
    v::Mask<T> nan;
  };
  static PYCORE_INLINE void step(State& s, v::Vec<T> x) {
    if constexpr (kAbs) x = v::abs<T>(x);
    s.nan |= x != x;
    s.best = kMax ? v::max<T>(x, s.best) : v::min<T>(x, s.best);
  }
  static PYCORE_INLINE State start() { return {v::splat<T>(kWorst), v::Mask<T>{}}; }
  static PYCORE_INLINE v::Vec<T> value(const State& s) {
    return v::select<T>(s.nan, v::splat<T>(v::kNan<T>), s.best);
  }

  static Acc row(const T* p, int64_t n, int64_t, const double*) {
    if constexpr (kIsFloat<T>) {
      constexpr int kL = v::kLanes<T>;
      State s[4] = {start(), start(), start(), start()};
      for (; n >= 4 * kL; n -= 4 * kL, p += 4 * kL)
        for (int k = 0; k < 4; ++k) step(s[k], v::load<T>(p + k * kL));
      for (; n > 0; n -= kL, p += kL) step(s[0], load_filled<T>(p, n, kWorst));
      for (int k = 1; k < 4; ++k) {
        step(s[0], s[k].best);
        s[0].nan |= s[k].nan;
      }
      if (v::any(s[0].nan)) return v::kNan<T>;
      return v::fold<T>(s[0].best, [](auto a, auto b) {
        if constexpr (kMax)
          return b > a ? b : a;
        else
          return b < a ? b : a;
      });
    } else {
      T best = kWorst;
      for (int64_t i = 0; i < n; ++i) best = better(best, p[i]);
      return best;
    }
  }
  static void columns(const T* p, int64_t rows, int64_t stride, int64_t cols, int64_t, Acc* out,
                      const double*) {
    if constexpr (kIsFloat<T>) {
      constexpr int kL = v::kLanes<T>;
      over_columns<T>(
          cols,
          [&](int64_t j) {
            State s[4] = {start(), start(), start(), start()};
            for (int64_t r = 0; r < rows; ++r)
              for (int k = 0; k < 4; ++k) step(s[k], v::load<T>(p + r * stride + j + k * kL));
            for (int k = 0; k < 4; ++k) v::store<T>(out + j + k * kL, value(s[k]));
          },
          [&](int64_t j, int lanes) {
            State s = start();
            for (int64_t r = 0; r < rows; ++r) step(s, load_upto<T>(p + r * stride + j, lanes));
            store_lanes<T>(value(s), lanes, out + j);
          });
    } else {
      for (int64_t j = 0; j < cols; ++j) out[j] = kWorst;
      for (int64_t r = 0; r < rows; ++r)
#pragma GCC ivdep
        for (int64_t j = 0; j < cols; ++j) out[j] = better(out[j], p[r * stride + j]);
    }
  }
  static void finish(Acc acc, int64_t, void* out, void*, int64_t i, const double*) {
    typed<T>(out)[i] = acc;
  }
};

// The extreme and the position of its first occurrence. kIndexOnly: argmax and argmin.
template <class T>
struct Place {
  T value;
  int64_t index;
};
template <class T, bool kMax>
struct Position {
  using Core = Position;
  using In = T;
  using Acc = Place<T>;
  using Value = Extreme<T, kMax>;
  static PYCORE_INLINE bool beats(T x, T best) {
    return (kMax ? x > best : x < best) || (x != x && best == best);
  }
  static Acc identity() { return {Value::kWorst, 0}; }
  static Acc combine(Acc a, Acc b, const double*) { return beats(b.value, a.value) ? b : a; }

  static Acc row(const T* p, int64_t n, int64_t first, const double* params) {
    const T best = Value::row(p, n, first, params);
    int64_t i = 0;
    if (best != best) {
      while (p[i] == p[i]) ++i;
    } else {
      while (i + 64 <= n) {  // a block at a time, then within the block
        uint32_t found = 0;
        for (int j = 0; j < 64; ++j) found |= p[i + j] == best ? 1u : 0u;
        if (found != 0) break;
        i += 64;
      }
      while (p[i] != best) ++i;
    }
    return {best, first + i};
  }
  static void columns(const T* p, int64_t rows, int64_t stride, int64_t cols, int64_t first,
                      Acc* out, const double*) {
    if constexpr (kIsFloat<T>) {
      constexpr int kL = v::kLanes<T>;
      using Lane = typename v::LaneInt<T>::type;
      for (int64_t j = 0; j < cols; j += kL) {
        const int lanes = cols - j < kL ? static_cast<int>(cols - j) : kL;
        v::Vec<T> best = load_upto<T>(p + j, lanes);
        v::Mask<T> index{};
        for (int64_t r = 1; r < rows; ++r) {
          const v::Vec<T> x = load_upto<T>(p + r * stride + j, lanes);
          const v::Mask<T> win = (kMax ? x > best : x < best) | ((x != x) & (best == best));
          best = v::select<T>(win, x, best);
          index = win ? index - index + static_cast<Lane>(r) : index;
        }
        for (int i = 0; i < lanes; ++i) out[j + i] = {best[i], first + index[i]};
      }
    } else {
      // Row numbers as wide as the elements, in blocks of as many rows as they count.
      using Index = decltype([] {
        if constexpr (sizeof(T) == 1)
          return uint8_t{};
        else if constexpr (sizeof(T) == 2)
          return uint16_t{};
        else if constexpr (sizeof(T) == 4)
          return uint32_t{};
        else
          return uint64_t{};
      }());
      constexpr int64_t kRows = int64_t{1} << (sizeof(T) < 4 ? 8 * sizeof(T) : 32);
      T best[kColumnBlock];
      Index index[kColumnBlock];
      for (int64_t top = 0; top < rows; top += kRows) {
        const T* q = p + top * stride;
        memcpy(best, q, sizeof(T) * static_cast<size_t>(cols));
        memset(index, 0, sizeof(index));
        for (int64_t r = 1; r < smaller(rows - top, kRows); ++r) {
#pragma GCC ivdep
          for (int64_t j = 0; j < cols; ++j) {
            const T x = q[r * stride + j];
            const bool win = beats(x, best[j]);
            best[j] = win ? x : best[j];
            index[j] = win ? static_cast<Index>(r) : index[j];
          }
        }
        for (int64_t j = 0; j < cols; ++j) {
          asm volatile("");  // a few of these: vectors of them would be a lot of code
          if (top == 0 || beats(best[j], out[j].value))
            out[j] = {best[j], first + top + static_cast<int64_t>(index[j])};
        }
      }
    }
  }
  // out: values or null, out2: indices.
  static void finish(Acc acc, int64_t, void* out, void* out2, int64_t i, const double*) {
    if (out != nullptr) typed<T>(out)[i] = acc.value;
    typed<int64_t>(out2)[i] = acc.index;
  }
};

template <class Op>
void reduce_positions(const Context& ctx, const void* in, void* out, void*, const ReduceShape& s,
                      const double* params) {
  reduce<Op>(ctx, in, nullptr, out, s, params);
}

}  // namespace
}  // namespace pycore::kernels
