// Max and min pooling with torch's rules: the first of equal values wins, a NaN wins over all.
// Must not know tasks or dtypes other than the template's.
#pragma once

#include "kernels/planes.h"
#include "kernels/pool.h"

namespace pycore {
namespace {
namespace pool {

using kernels::PoolArgs;
using namespace planes;  // NOLINT: an unnamed namespace

template <class T>
constexpr bool kFloat = T(0.5) != T(0);

// The value that loses against everything.
template <class T, bool Min>
constexpr T loser() {
  if constexpr (kFloat<T>) {
    return static_cast<T>(Min ? __builtin_inf() : -__builtin_inf());
  } else if constexpr (T(-1) < T(0)) {
    constexpr T low = static_cast<T>(uint64_t{1} << (8 * sizeof(T) - 1));
    return Min ? static_cast<T>(~low) : low;
  } else {
    return Min ? static_cast<T>(-1) : T{0};
  }
}

// The positions start, start + step, ... < end of one window in one dimension.
struct Span {
  int64_t start, end, step;
};
inline Span window(const PoolArgs& g, int d, int64_t o) {
  const int64_t step = g.dilation[d], first = o * g.stride[d] - g.pad[d];
  const int64_t skip = first < 0 ? ceil_div(-first, step) * step : 0;
  const int64_t start = first + skip, end = min_of(first + (g.kernel[d] - 1) * step + 1, g.in[d]);
  // A dilated window may step over the whole input: keep the index that it reports inside.
  return {min_of(start, g.in[d] - 1), start < g.in[d] ? end : 0, step};
}
inline Span adaptive_window(const PoolArgs& g, int d, int64_t o) {
  return {o * g.in[d] / g.out[d], ceil_div((o + 1) * g.in[d], g.out[d]), 1};
}

// One plane, any type and any windows.
template <class T, bool Min, class WindowOf>
void max_plane(const PoolArgs& g, const T* x, T* y, int64_t* indices, const WindowOf& window_of) {
  int64_t out = 0;
  for (int64_t od = 0; od < g.out[0]; ++od) {
    const Span d = window_of(g, 0, od);
    for (int64_t oh = 0; oh < g.out[1]; ++oh) {
      const Span h = window_of(g, 1, oh);
      for (int64_t ow = 0; ow < g.out[2]; ++ow, ++out) {
        const Span w = window_of(g, 2, ow);
        T best = loser<T, Min>();
        int64_t where = (d.start * g.in[1] + h.start) * g.in[2] + w.start;
        for (int64_t i = d.start; i < d.end; i += d.step) {
          for (int64_t j = h.start; j < h.end; j += h.step) {
            const int64_t row = (i * g.in[1] + j) * g.in[2];
            for (int64_t k = w.start; k < w.end; k += w.step) {
              const T v = x[row + k];
              if ((Min ? v < best : v > best) || v != v) {
                best = v;
                where = row + k;
              }
            }
          }
        }
        y[out] = best;
        if (indices) indices[out] = where;
      }
    }
  }
}

// The same for floats on a prepared plane, a vector of neighbouring outputs at a time.
template <class T, bool Min>
struct MaxVectors {
  using Index = Vec<typename LaneInt<T>::type>;

  const PoolArgs& g;
  const Prepared& prepared;
  const Grid& grid;
  int64_t tap_count;
  const int64_t* taps;                     // in the prepared plane
  const int64_t* offsets;                  // in the input plane, from the window's first position
  const typename LaneInt<T>::type* first;  // per output column: its first column inside the input
  const typename LaneInt<T>::type* start;  // per output column: the window's first column

  template <bool Indices>
  void run(const T* x, T* y, int64_t* indices) const {
    constexpr int L = kLanes<T>;
    using I = typename LaneInt<T>::type;
    for (int64_t row = 0, d = 0, h = 0; row < grid.rows(); ++row) {
      const T* in = x + d * grid.in_step[0] + h * grid.in_step[1];
      T* out = y + row * g.out[2];
      I valid = 0, corner = 0;  // row offsets of the first valid and of the first position
      if constexpr (Indices) {
        valid = static_cast<I>((window(g, 0, d).start * g.in[1] + window(g, 1, h).start) * g.in[2]);
        corner = static_cast<I>(
            ((d * g.stride[0] - g.pad[0]) * g.in[1] + h * g.stride[1] - g.pad[1]) * g.in[2]);
      }
      for (int64_t c = 0; c < g.out[2]; c += L) {
        const int n = static_cast<int>(min_of(L, g.out[2] - c));
        if (n < L && g.out[2] >= L) c = g.out[2] - L;  // a full vector at the row's end
        Vec<T> best = splat<T>(loser<T, Min>());
        Index where{}, base{};
        if constexpr (Indices) {
          where = load(first + c) + valid;
          base = load(start + c) + corner;
        }
        for (int64_t t = 0; t < tap_count; ++t) {
          const Vec<T> v = load(in + c + taps[t]);
          const Mask<T> wins = (Min ? v < best : v > best) | (v != v);
          best = select<T>(wins, v, best);
          if constexpr (Indices) where = wins ? base + static_cast<I>(offsets[t]) : where;
        }
        if (n == L || g.out[2] >= L) {
          store(out + c, best);
          if constexpr (Indices) {
            alignas(64) I lanes[L];
            store(lanes, where);
            for (int l = 0; l < L; ++l) indices[row * g.out[2] + c + l] = lanes[l];
          }
        } else {
          store_partial(out + c, best, n);
          if constexpr (Indices) {
            alignas(64) I lanes[L];
            store(lanes, where);
            for (int l = 0; l < n; ++l) indices[row * g.out[2] + c + l] = lanes[l];
          }
        }
      }
      if (++h == g.out[1]) h = 0, ++d;
    }
  }
};

// Windows of 2x2 side by side, the most usual of all, floats: straight from the plane, two vectors
// of each of its rows at a time.
inline bool is_halving(const PoolArgs& g) {
  for (int d = 1; d < 3; ++d) {
    if (g.kernel[d] != 2 || g.stride[d] != 2 || g.dilation[d] != 1 || g.pad[d] != 0 ||
        2 * g.out[d] > g.in[d]) {
      return false;
    }
  }
  return g.in[0] == 1 && g.out[0] == 1 && g.kernel[0] == 1 && g.pad[0] == 0;
}
template <class T, bool Min, bool Indices>
struct Halving {
  static constexpr int L = kLanes<T>;
  using I = typename LaneInt<T>::type;

  int64_t width, columns, rows;  // of the input; of the output
  Vec<I> steps;                  // 0, 2, 4, ...

  explicit Halving(const PoolArgs& g) : width(g.in[2]), columns(g.out[2]), rows(g.out[1]) {
    for (int l = 0; l < L; ++l) steps[l] = static_cast<I>(2 * l);
  }

  // n outputs from `corner` of plane x on, whole vectors where n is a constant L.
  template <class Load>
  PYCORE_INLINE Vec<T> best(const T* x, int64_t corner, const Load& load_two, Vec<I>& where) const {
    Vec<T> taps[4];
    load_two(x + corner, taps[0], taps[1]);
    load_two(x + corner + width, taps[2], taps[3]);
    deinterleave<T>(taps[0], taps[1]);
    deinterleave<T>(taps[2], taps[3]);
    Vec<T> top = taps[0];
    if constexpr (!Indices) {  // `max` takes the second operand where either is NaN, or both are 0
#pragma GCC unroll 4
      for (int t = 1; t < 4; ++t) {
        const Vec<T> more = Min ? simd::min<T>(taps[t], top) : simd::max<T>(taps[t], top);
        top = select<T>(taps[t] != taps[t], taps[t], more);
      }
      return top;
    }
    const Vec<I> first = steps + static_cast<I>(corner);
    const I offsets[4] = {0, 1, static_cast<I>(width), static_cast<I>(width + 1)};
    where = first;
#pragma GCC unroll 4
    for (int t = 1; t < 4; ++t) {
      const Mask<T> wins = (Min ? taps[t] < top : taps[t] > top) | (taps[t] != taps[t]);
      top = select<T>(wins, taps[t], top);
      where = wins ? first + offsets[t] : where;
    }
    return top;
  }
  static void put_indices(int64_t* to, Vec<I> where, int n) {
    alignas(64) I lanes[L];
    store(lanes, where);
    for (int l = 0; l < n; ++l) to[l] = lanes[l];
  }

  // Whole vectors; one that would run over a row's end begins earlier.
  void wide(const T* x, T* y, int64_t* indices) const {
    const auto two = [](const T* from, Vec<T>& a, Vec<T>& b) {
      a = load(from), b = load(from + L);
    };
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t at = 0; at < columns; at += L) {
        const int64_t c = min_of(at, columns - L), to = row * columns + c;
        Vec<I> where;
        store(y + to, best(x, 2 * row * width + 2 * c, two, where));
        if constexpr (Indices) put_indices(indices + to, where, L);
      }
    }
  }
  // A row does not fill a vector. What is stored beyond its end is overwritten by the next one, so
  // only the last rows need parts of vectors.
  void narrow(const T* x, T* y, int64_t* indices) const {
    const int n = static_cast<int>(columns);
    const int low = min_of(2 * n, L), high = 2 * n - low;
    const auto two = [=](const T* from, Vec<T>& a, Vec<T>& b) {
      a = load_partial(from, low);
      b = high > 0 ? load_partial(from + L, high) : Vec<T>{};
    };
    const auto whole = [](const T* from, Vec<T>& a, Vec<T>& b) {
      a = load(from), b = load(from + L);
    };
    int64_t row = 0;
    // Rows whose loads and stores, with all lanes, end within the planes.
    const int64_t reads = 2 * rows * width - width - 2 * L, writes = rows * columns - L;
    for (; 2 * row * width <= reads && row * columns <= writes; ++row) {
      Vec<I> where;
      store(y + row * columns, best(x, 2 * row * width, whole, where));
      if constexpr (Indices) put_indices(indices + row * columns, where, n);
    }
    for (; row < rows; ++row) {
      Vec<I> where;
      store_partial(y + row * columns, best(x, 2 * row * width, two, where), n);
      if constexpr (Indices) put_indices(indices + row * columns, where, n);
    }
  }
};
template <class T, bool Min, bool Indices>
void halve_plane(const PoolArgs& g, const T* x, T* y, int64_t* indices) {
  const Halving<T, Min, Indices> halving(g);
  g.out[2] < kLanes<T> ? halving.narrow(x, y, indices) : halving.wide(x, y, indices);
}

// Adaptive windows of uneven sizes, floats: first the maximum of every column over the rows of a
// window, a vector at a time, then over its columns. `best` and `rows` hold one entry per column:
// the maximum and the row that it was found in.
template <class T>
void adaptive_max_plane(const PoolArgs& g, const T* x, T* y, int64_t* indices, T* best,
                        typename LaneInt<T>::type* rows) {
  constexpr int L = kLanes<T>;
  using I = typename LaneInt<T>::type;
  const int64_t width = g.in[2];
  int64_t out = 0;
  for (int64_t od = 0; od < g.out[0]; ++od) {
    const Span d = adaptive_window(g, 0, od);
    for (int64_t oh = 0; oh < g.out[1]; ++oh) {
      const Span h = adaptive_window(g, 1, oh);
      const I first_row = static_cast<I>(d.start * g.in[1] + h.start);
      for (int64_t c = 0; c < width; c += L) {
        const int n = static_cast<int>(min_of(L, width - c));
        Vec<T> top = splat<T>(loser<T, false>());
        Vec<I> where = Vec<I>{} + first_row;
        for (int64_t i = d.start; i < d.end; ++i) {
          for (int64_t j = h.start; j < h.end; ++j) {
            const I row = static_cast<I>(i * g.in[1] + j);
            const T* from = x + row * width + c;
            const Vec<T> v = n == L ? load(from) : load_partial(from, n);
            const Mask<T> wins = (v > top) | (v != v);
            top = select<T>(wins, v, top);
            where = wins ? Vec<I>{} + row : where;
          }
        }
        store_partial(best + c, top, n);
        store_partial(rows + c, where, n);
      }
      // Of equal values the first in the order of rows wins, of NaNs the last.
      for (int64_t ow = 0; ow < g.out[2]; ++ow, ++out) {
        const Span w = adaptive_window(g, 2, ow);
        T top = loser<T, false>();
        I row = first_row;
        int64_t column = w.start;
        for (int64_t k = w.start; k < w.end; ++k) {
          const T v = best[k];
          const bool wins =
              v > top || (v == top && rows[k] < row) || (v != v && !(top != top && rows[k] < row));
          if (wins) top = v, row = rows[k], column = k;
        }
        y[out] = top;
        if (indices) indices[out] = row * width + column;
      }
    }
  }
}

}  // namespace pool
}  // namespace
}  // namespace pycore
