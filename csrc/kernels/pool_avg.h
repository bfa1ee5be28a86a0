// Average pooling, forward and backward, with torch's divisors.
// Must not know tasks or dtypes other than the template's.
#pragma once

#include "kernels/pool_max.h"

namespace pycore {
namespace {
namespace pool {

// Positions of one window that count in its divisor, in one dimension.
inline int64_t counted(const PoolArgs& g, int d, int64_t o) {
  const int64_t start = o * g.stride[d] - g.pad[d];
  const int64_t end = min_of(start + g.kernel[d], g.in[d] + g.pad[d]);
  return g.count_include_pad ? end - start : min_of(end, g.in[d]) - max_of(start, 0);
}

template <class T>
struct AvgVectors {
  const PoolArgs& g;
  const Grid& grid;
  int64_t tap_count;
  const int64_t* taps;
  const T* columns;  // counted() per output column, and a vector of ones behind

  // Calls f(offset of the prepared row, output row, the divisor's part of depth and height).
  template <class F>
  void for_rows(const F& f) const {
    for (int64_t d = 0, row = 0; d < g.out[0]; ++d) {
      for (int64_t h = 0; h < g.out[1]; ++h, ++row) {
        f(d * grid.in_step[0] + h * grid.in_step[1], row * g.out[2],
          static_cast<T>(counted(g, 0, d) * counted(g, 1, h)));
      }
    }
  }
  PYCORE_INLINE Vec<T> divisors(T rest, int64_t column) const {
    return g.divisor ? splat<T>(static_cast<T>(g.divisor)) : load(columns + column) * rest;
  }

  void forward(const T* x, T* y) const {
    constexpr int L = kLanes<T>;
    for_rows([&](int64_t in, int64_t out, T rest) {
      for (int64_t c = 0; c < g.out[2]; c += L) {
        const int n = static_cast<int>(min_of(L, g.out[2] - c));
        Vec<T> sum{};
        for (int64_t t = 0; t < tap_count; ++t) sum += load(x + in + c + taps[t]);
        sum = sum / divisors(rest, c);
        if (n == L) {
          store(y + out + c, sum);
        } else {
          store_partial(y + out + c, sum, n);
        }
      }
    });
  }

  // Adds every output's share to the prepared plane dx.
  void backward(const T* gy, T* dx) const {
    constexpr int L = kLanes<T>;
    for_rows([&](int64_t in, int64_t out, T rest) {
      for (int64_t c = 0; c < g.out[2]; c += L) {
        const int n = static_cast<int>(min_of(L, g.out[2] - c));
        const Vec<T> gv = n == L ? load(gy + out + c) : load_partial(gy + out + c, n);
        const Vec<T> share = gv / divisors(rest, c);
        for (int64_t t = 0; t < tap_count; ++t) {
          T* p = dx + in + c + taps[t];
          store(p, load(p) + share);  // lanes beyond n add zero
        }
      }
    });
  }
};

// Windows along one dimension, and their part in the divisor: ordinary ones, and adaptive ones, of
// which all positions count.
struct OrdinaryWindows {
  const PoolArgs& g;
  Span operator()(int d, int64_t o) const { return window(g, d, o); }
  int64_t count(int d, int64_t o) const {
    return !g.divisor ? counted(g, d, o) : d == 0 ? g.divisor : 1;
  }
};
struct AdaptiveWindows {
  const PoolArgs& g;
  Span operator()(int d, int64_t o) const { return adaptive_window(g, d, o); }
  int64_t count(int d, int64_t o) const {
    const Span s = adaptive_window(g, d, o);
    return s.end - s.start;
  }
};
template <class T>
struct WindowOfColumns {
  int64_t start, end;
  T count;
};

// One plane, whole rows at a time: the rows of a row of windows are added up first, then what falls
// into each window; backward, shares are spread the other way round. `columns` are the windows of a
// row, `line` holds a row.
template <class T, bool Backward, class Windows>
void avg_plane_by_rows(const PoolArgs& g, const Windows& windows, const WindowOfColumns<T>* columns,
                       const T* from, T* to, T* line) {
  constexpr int L = kLanes<T>;
  const int64_t width = g.in[2];
  // Calls f(row, column, n) for n <= L columns of all rows of windows (od, oh).
  const auto over = [&](const Span& d, const Span& h, int64_t c, const auto& f) {
    const int n = static_cast<int>(min_of(L, width - c));
    for (int64_t i = d.start; i < d.end; ++i) {
      for (int64_t j = h.start; j < h.end; ++j) f((i * g.in[1] + j) * width + c, n);
    }
  };
  int64_t out = 0;
  for (int64_t od = 0; od < g.out[0]; ++od) {
    const Span d = windows(0, od);
    for (int64_t oh = 0; oh < g.out[1]; ++oh) {
      const Span h = windows(1, oh);
      const T rest = static_cast<T>(windows.count(0, od) * windows.count(1, oh));
      if constexpr (Backward) {
        memset(line, 0, sizeof(T) * static_cast<size_t>(width));
        for (int64_t ow = 0; ow < g.out[2]; ++ow, ++out) {
          const WindowOfColumns<T>& w = columns[ow];
          const T share = from[out] / (rest * w.count);
          for (int64_t k = w.start; k < w.end; ++k) line[k] += share;
        }
        for (int64_t c = 0; c < width; c += L) {
          const Vec<T> shares = load(line + c);
          over(d, h, c, [&](int64_t at, int n) {
            if (n == L) {
              store(to + at, load(to + at) + shares);
            } else {
              store_partial(to + at, load_partial(to + at, n) + shares, n);
            }
          });
        }
      } else {
        for (int64_t c = 0; c < width; c += L) {
          Vec<T> sum{};
          over(d, h, c, [&](int64_t at, int n) {
            sum += n == L ? load(from + at) : load_partial(from + at, n);
          });
          store(line + c, sum);
        }
        for (int64_t ow = 0; ow < g.out[2]; ++ow, ++out) {
          const WindowOfColumns<T>& w = columns[ow];
          T sum{};
          for (int64_t k = w.start; k < w.end; ++k) sum += line[k];
          to[out] = sum / (rest * w.count);
        }
      }
    }
  }
}

// Global pooling: means of `planes` planes of n elements, each through four accumulators and a
// fixed tree; the last step takes a vector of planes at once.
template <class T>
void means_of(const T* x, int64_t planes, int64_t n, T* out) {
  constexpr int L = kLanes<T>;
  for (int64_t p = 0; p < planes; p += L) {
    const int here = static_cast<int>(min_of(L, planes - p));
    Vec<T> sums[L] = {};
    for (int l = 0; l < here; ++l) {
      const T* plane = x + (p + l) * n;
      Vec<T> sum[4] = {};
      int64_t i = 0;
      for (; i + 4 * L <= n; i += 4 * L) {
#pragma GCC unroll 4
        for (int a = 0; a < 4; ++a) sum[a] += load(plane + i + a * L);
      }
      for (; i + L <= n; i += L) sum[0] += load(plane + i);
      if (i < n) sum[0] += load_partial(plane + i, static_cast<int>(n - i));
      sums[l] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
    store_partial(out + p, sum_each<T>(sums) / static_cast<T>(n), here);
  }
}

}  // namespace pool
}  // namespace
}  // namespace pycore
