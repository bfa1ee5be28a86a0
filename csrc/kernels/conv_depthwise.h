// Depthwise convolution: every channel has a kernel of its own, so a plane is correlated with a few
// weights that stay in registers. Must not know other forms of convolution.
#pragma once

#include "kernels/context.h"
#include "kernels/conv_plan.h"

namespace pycore {
namespace {
namespace conv {

using kernels::Context;
using kernels::run_tasks;
using kernels::Scratch;

constexpr int64_t kDepthwiseWork = 1 << 16;  // multiply-adds that are worth a task
constexpr int kTapGroup = 9;                 // taps whose sums or weights are held in registers

inline bool is_depthwise(const ConvArgs& g) {
  return g.groups > 1 && g.in_channels == g.groups && g.out_channels == g.groups;
}

// Calls f(first, last) on ranges of planes, each worth a task.
template <class F>
void for_planes(const Context& ctx, int64_t planes, int64_t work, const F& f) {
  const int64_t per_task = max_of(1, kDepthwiseWork / max_of(1, work));
  run_tasks(ctx, ceil_div(planes, per_task),
            [&](int64_t t) { f(t * per_task, min_of(planes, (t + 1) * per_task)); });
}

// Where the rows of one output plane lie. In a dense plane rows follow each other, so that a vector
// may run into the next row, which is written later.
struct RowPlace {
  int64_t base, depth, row;  // offsets
  bool dense;
};

// y = bias + the sum of w[t] * x[. + taps[t]] over one prepared plane. Taps: how many; 0 for any.
template <class T, int Taps>
void correlate_plane(const Grid& grid, int64_t tap_count, const int64_t* taps, const T* w, T bias,
                     const T* x, const RowPlace& place, T* y) {
  constexpr int L = kLanes<T>;
  const int64_t width = grid.size[2], size = grid.rows() * width;
  const auto at = [&](const T* in) {
    Vec<T> sum = splat<T>(bias);
    if constexpr (Taps > 0) {
#pragma GCC unroll 9
      for (int t = 0; t < Taps; ++t) sum = fma<T>(splat<T>(w[t]), load(in + taps[t]), sum);
    } else {
      for (int64_t t = 0; t < tap_count; ++t) {
        sum = fma<T>(splat<T>(w[t]), load(in + taps[t]), sum);
      }
    }
    return sum;
  };
  for (int64_t d = 0; d < grid.size[0]; ++d) {
    for (int64_t h = 0; h < grid.size[1]; ++h) {
      const T* in = x + grid.in_at(d, h);
      const int64_t start = place.base + d * place.depth + h * place.row;
      T* out = y + start;
      int64_t c = 0;
      for (; c + 2 * L <= width; c += 2 * L) {
        const Vec<T> first = at(in + c), second = at(in + c + L);
        store(out + c, first);
        store(out + c + L, second);
      }
      for (; c + L <= width; c += L) store(out + c, at(in + c));
      if (c == width) continue;
      if (width >= L) {  // the last vector of a row begins earlier
        store(out + width - L, at(in + width - L));
      } else if (place.dense && start + L <= size) {
        store(out, at(in));
      } else {
        store_partial(out, at(in), static_cast<int>(width));
      }
    }
  }
}

template <class T>
void correlate_plane(const Grid& grid, int64_t tap_count, const int64_t* taps, const T* w, T bias,
                     const T* x, const RowPlace& place, T* y) {
  if (tap_count == 9) {
    correlate_plane<T, 9>(grid, tap_count, taps, w, bias, x, place, y);
  } else {
    correlate_plane<T, 0>(grid, tap_count, taps, w, bias, x, place, y);
  }
}

template <class T>
void depthwise_forward(const Context& ctx, const ConvArgs& g, const T* x, const T* w, const T* bias,
                       T* y) {
  const Prepared prepared = prepared_input(g);
  const Grid grid = output_grid(g, prepared);
  const int64_t tap_count = volume(g.kernel), in = volume(g.in), out = volume(g.out);
  const Scratch<int64_t> taps(ctx, tap_count);
  input_taps(g, prepared, taps.get());
  const RowPlace place{0, grid.out_step[0], grid.out_step[1], true};
  for_planes(ctx, g.batch * g.groups, in + out * tap_count, [&](int64_t first, int64_t last) {
    const int64_t size = prepared.plane();
    const Scratch<T> scratch(ctx, size + kLanes<T>);
    prepared.clear(scratch.get(), 1);
    memset(scratch.get() + size, 0, sizeof(Vec<T>));
    for (int64_t p = first; p < last; ++p) {
      const int64_t c = p % g.groups;
      prepared.copy(x + p * in, scratch.get());
      correlate_plane<T>(grid, tap_count, taps.get(), w + c * tap_count, bias ? bias[c] : T{},
                         scratch.get(), place, y + p * out);
    }
  });
}

template <class T>
void depthwise_backward_input(const Context& ctx, const ConvArgs& g, const T* gy, const T* w,
                              const T* bias, T* gx) {
  const Prepared prepared = prepared_grad(g);
  Prepared split{};  // grad_x with the residues of a row side by side
  for (int d = 0; d < 3; ++d) split.size[d] = split.padded[d] = g.in[d];
  split.phases = g.in[2] > 1 ? g.stride[2] : 1;
  const bool direct = split.phases == 1;  // then there is no need of it
  const int64_t tap_count = volume(g.kernel), in = volume(g.in), out = volume(g.out);
  const int64_t residues = volume(g.stride);
  // Every tap belongs to one residue: they share these lists.
  const Scratch<int64_t> taps(ctx, tap_count), places(ctx, tap_count);
  struct Part {
    Grid grid;
    RowPlace place;
    int64_t first, count;  // of the taps
  };
  const Scratch<Part> parts(ctx, residues);
  int64_t used = 0, part_count = 0;
  for (int64_t i = 0; i < residues; ++i) {
    const Residue r{
        {i / (g.stride[1] * g.stride[2]), i / g.stride[2] % g.stride[1], i % g.stride[2]}};
    const int64_t n = residue_taps(g, prepared, r, taps.get() + used, places.get() + used);
    const Grid grid = residue_grid(g, prepared, r);
    const int64_t pitch = direct ? g.in[2] : split.pitch();
    const RowPlace place{(r.f[0] * g.in[1] + r.f[1]) * pitch + r.f[2] * split.phase_len(),
                         g.stride[0] * g.in[1] * pitch, g.stride[1] * pitch,
                         direct && residues == 1};
    if (volume(grid.size) > 0) parts.get()[part_count++] = {grid, place, used, n};
    used += n;
  }
  for_planes(ctx, g.batch * g.groups, in + out * tap_count, [&](int64_t first, int64_t last) {
    const int64_t size = prepared.plane();
    const Scratch<T> scratch(ctx, size + kLanes<T>), grads(ctx, direct ? 0 : split.plane());
    const Scratch<T> weights(ctx, tap_count);
    prepared.clear(scratch.get(), 1);
    memset(scratch.get() + size, 0, sizeof(Vec<T>));
    for (int64_t p = first; p < last; ++p) {
      const int64_t c = p % g.groups;
      for (int64_t t = 0; t < used; ++t) weights.get()[t] = w[c * tap_count + places.get()[t]];
      prepared.copy(gy + p * out, scratch.get());
      T* to = direct ? gx + p * in : grads.get();
      for (int64_t i = 0; i < part_count; ++i) {
        const Part& part = parts.get()[i];
        correlate_plane<T>(part.grid, part.count, taps.get() + part.first,
                           weights.get() + part.first, bias ? bias[c] : T{}, scratch.get(),
                           part.place, to);
      }
      if (!direct) split.copy_back(grads.get(), gx + p * in);
    }
  });
}

// sums[t] += the sum over positions of gy * x[. + taps[t]], for one plane and kTapGroup taps.
template <class T>
void tap_group_sums(const Grid& grid, const int64_t* taps, const T* x, const T* gy, Vec<T>* sums) {
  constexpr int L = kLanes<T>;
  const int64_t width = grid.size[2];
  Vec<T> acc[kTapGroup];
#pragma GCC unroll 9
  for (int t = 0; t < kTapGroup; ++t) acc[t] = sums[t];
  for (int64_t d = 0; d < grid.size[0]; ++d) {
    for (int64_t h = 0; h < grid.size[1]; ++h, gy += width) {
      const T* in = x + grid.in_at(d, h);
      int64_t c = 0;
      for (; c + L <= width; c += L) {
        const Vec<T> grad = load(gy + c);
#pragma GCC unroll 9
        for (int t = 0; t < kTapGroup; ++t) acc[t] = fma<T>(grad, load(in + c + taps[t]), acc[t]);
      }
      if (c == width) continue;
      // Zeros on both sides: what lies beyond a row may be infinite.
      const int left = static_cast<int>(width - c);
      const Vec<T> grad = load_partial(gy + c, left);
#pragma GCC unroll 9
      for (int t = 0; t < kTapGroup; ++t) {
        acc[t] = fma<T>(grad, load_partial(in + c + taps[t], left), acc[t]);
      }
    }
  }
#pragma GCC unroll 9
  for (int t = 0; t < kTapGroup; ++t) sums[t] = acc[t];
}

// grad_weight: tasks take channels, each adds up its images in order.
template <class T>
void depthwise_backward_weight(const Context& ctx, const ConvArgs& g, const T* x, const T* gy,
                               T* dw) {
  constexpr int L = kLanes<T>;
  const Prepared prepared = prepared_input(g);
  const Grid grid = output_grid(g, prepared);
  const int64_t tap_count = volume(g.kernel), in = volume(g.in), out = volume(g.out);
  const int64_t groups = ceil_div(tap_count, kTapGroup), held = groups * kTapGroup;
  const Scratch<int64_t> taps(ctx, held);
  input_taps(g, prepared, taps.get());
  for (int64_t t = tap_count; t < held; ++t) taps.get()[t] = 0;  // their sums are not used
  for_planes(ctx, g.groups, g.batch * (in + out * tap_count), [&](int64_t first, int64_t last) {
    const Scratch<T> scratch(ctx, prepared.plane());
    const Scratch<Vec<T>> sums(ctx, held);
    prepared.clear(scratch.get(), 1);
    for (int64_t c = first; c < last; ++c) {
      for (int64_t t = 0; t < held; ++t) sums.get()[t] = Vec<T>{};
      for (int64_t b = 0; b < g.batch; ++b) {
        prepared.copy(x + (b * g.groups + c) * in, scratch.get());
        for (int64_t t = 0; t < held; t += kTapGroup) {
          tap_group_sums<T>(grid, taps.get() + t, scratch.get(), gy + (b * g.groups + c) * out,
                            sums.get() + t);
        }
      }
      for (int64_t t = 0; t < tap_count; t += L) {
        Vec<T> block[L];
        for (int64_t l = 0; l < L; ++l) {
          block[l] = t + l < tap_count ? sums.get()[t + l] : Vec<T>{};
        }
        store_partial(dw + c * tap_count + t, sum_each<T>(block),
                      static_cast<int>(min_of(L, tap_count - t)));
      }
    }
  });
}

}  // namespace conv
}  // namespace
}  // namespace pycore
