// Convolutions with 1x1 kernels that step over positions: those which they see are gathered, and
// the rest is a convolution without strides. Must not know products.
#pragma once

#include "kernels/context.h"
#include "kernels/conv_plan.h"

namespace pycore {
namespace {
namespace conv {

using kernels::Context;
using kernels::run_tasks;

// Whether a 1x1 kernel steps over positions; `thin` becomes the geometry of those that it sees.
inline bool steps_over(const ConvArgs& g, ConvArgs& thin) {
  bool strided = false;
  for (int d = 0; d < 3; ++d) {
    if (g.kernel[d] != 1 || g.pad[d] != 0) return false;
    if ((g.out[d] - 1) * g.stride[d] >= g.in[d]) return false;
    strided = strided || g.in[d] != g.out[d];
  }
  thin = g;
  for (int d = 0; d < 3; ++d) thin.in[d] = g.out[d], thin.stride[d] = 1;
  return strided;
}

// Calls f(plane, end) for all planes of x, in tasks; planes before `end` are the same task's, in
// order.
template <class F>
void each_plane(const Context& ctx, const ConvArgs& g, const F& f) {
  const int64_t planes = g.batch * g.in_channels;
  const int64_t per_task = max_of(1, (1 << 16) / max_of(1, volume(g.in)));
  run_tasks(ctx, ceil_div(planes, per_task), [&](int64_t t) {
    const int64_t end = min_of(planes, (t + 1) * per_task);
    for (int64_t p = t * per_task; p < end; ++p) f(p, end);
  });
}

// Calls f(offset in x, offset in the thin plane) for the rows of one plane that are seen.
template <class F>
void seen_rows(const ConvArgs& g, const F& f) {
  int64_t thin = 0;
  for (int64_t d = 0; d < g.out[0]; ++d) {
    for (int64_t h = 0; h < g.out[1]; ++h, thin += g.out[2]) {
      f((d * g.stride[0] * g.in[1] + h * g.stride[1]) * g.in[2], thin);
    }
  }
}

template <class T>
void gather_seen(const Context& ctx, const ConvArgs& g, const T* x, T* thin) {
  const int64_t in = volume(g.in), out = volume(g.out), step = g.stride[2];
  if (step == 2) {
    // The even elements of two vectors at a time; what is stored beyond a row is overwritten by the
    // next one, or by the next plane of the task.
    constexpr int64_t L = kLanes<T>, kAhead = 2048 / sizeof(T);
    const int64_t size = g.batch * g.in_channels * in;
    each_plane(ctx, g, [&](int64_t p, int64_t end) {
      const int64_t readable = size - p * in - 2 * L, writable = (end - p) * out - L;
      seen_rows(g, [&](int64_t from, int64_t to) {
        const T* a = x + p * in + from;
        T* b = thin + p * out + to;
        int64_t w = 0;
        for (int64_t i = 0; i < 2 * g.out[2]; i += 64 / int64_t{sizeof(T)}) {
          __builtin_prefetch(a + kAhead + i);
        }
        for (; w < g.out[2] && from + 2 * w <= readable && to + w <= writable; w += L) {
          Vec<T> even = load(a + 2 * w), odd = load(a + 2 * w + L);
          deinterleave<T>(even, odd);
          store(b + w, even);
        }
        for (; w < g.out[2]; ++w) b[w] = a[2 * w];
      });
    });
    return;
  }
  each_plane(ctx, g, [&](int64_t p, int64_t) {
    seen_rows(g, [&](int64_t from, int64_t to) {
      const T* a = x + p * in + from;
      T* b = thin + p * out + to;
      for (int64_t w = 0; w < g.out[2]; ++w) b[w] = a[w * step];
    });
  });
}

// The rest of x becomes its channel's bias, or 0.
template <class T>
void spread_seen(const Context& ctx, const ConvArgs& g, const T* thin, const T* bias, T* x) {
  const int64_t in = volume(g.in), out = volume(g.out), step = g.stride[2];
  each_plane(ctx, g, [&](int64_t p, int64_t) {
    const T fill = bias ? bias[p % g.in_channels] : T{};
    T* plane = x + p * in;
    for (int64_t i = 0; i < in; ++i) plane[i] = fill;
    seen_rows(g, [&](int64_t to, int64_t from) {
      const T* a = thin + p * out + from;
      for (int64_t w = 0; w < g.out[2]; ++w) plane[to + w * step] = a[w];
    });
  });
}

}  // namespace conv
}  // namespace
}  // namespace pycore
