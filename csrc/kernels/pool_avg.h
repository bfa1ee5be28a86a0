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

// Adaptive windows of uneven sizes, one plane.
template <class T, bool Backward>
void adaptive_avg_plane(const PoolArgs& g, const T* from, T* to) {
  int64_t out = 0;
  for (int64_t od = 0; od < g.out[0]; ++od) {
    const Span d = adaptive_window(g, 0, od);
    for (int64_t oh = 0; oh < g.out[1]; ++oh) {
      const Span h = adaptive_window(g, 1, oh);
      for (int64_t ow = 0; ow < g.out[2]; ++ow, ++out) {
        const Span w = adaptive_window(g, 2, ow);
        const T count = static_cast<T>((d.end - d.start) * (h.end - h.start) * (w.end - w.start));
        T sum{};
        const T share = Backward ? from[out] / count : T{};
        for (int64_t i = d.start; i < d.end; ++i) {
          for (int64_t j = h.start; j < h.end; ++j) {
            const int64_t row = (i * g.in[1] + j) * g.in[2];
            for (int64_t k = w.start; k < w.end; ++k) {
              if constexpr (Backward) {
                to[row + k] += share;
              } else {
                sum += from[row + k];
              }
            }
          }
        }
        if constexpr (!Backward) to[out] = sum / count;
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
