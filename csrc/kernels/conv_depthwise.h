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

constexpr int64_t kDepthwiseWork = 1 << 18;  // multiply-adds that are worth a task
constexpr int64_t kPlaneBytes = 16 << 10;    // of prepared planes at a time: they stay in L1
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

// Planes that are prepared at a time. Several, since what was just written cannot yet be read at
// other alignments without delay.
template <class T>
int64_t planes_at_once(const Prepared& p, int64_t most) {
  return max_of(1, min_of(most, kPlaneBytes / (p.plane() * static_cast<int64_t>(sizeof(T)))));
}

// Where the rows of one output plane lie. In a dense plane rows follow each other, so that a vector
// may run into the next row, which is written later.
struct RowPlace {
  int64_t base, depth, row;  // offsets
  bool dense;
};

// y = bias + the sum of w[t] * x[. + taps[t]] over one prepared plane.
template <class T, class Sums>
void each_row(const Grid& grid, const T* x, const RowPlace& place, T* y, const Sums sums) {
  constexpr int L = kLanes<T>, R = Sums::kRows;
  const int64_t width = grid.size[2], size = grid.rows() * width;
  for (int64_t d = 0; d < grid.size[0]; ++d) {
    for (int64_t h = 0; h < grid.size[1]; h += R) {
      const int rows = static_cast<int>(min_of(R, grid.size[1] - h));
      const T* in = x + grid.in_at(d, h);
      const int64_t start = place.base + d * place.depth + h * place.row;
      for (int64_t c = 0; c < width; c += L) {
        // The last vector of a row begins earlier, if that is long enough.
        const int64_t at = width - c < L && width >= L ? width - L : c;
        Vec<T> sum[R];
        sums(in + at, rows, sum);
        for (int r = 0; r < rows; ++r) {
          const int64_t to = start + r * place.row + at;
          if (width >= L || (place.dense && to + L <= size)) {
            store(y + to, sum[r]);
          } else {
            store_partial(y + to, sum[r], static_cast<int>(width));
          }
        }
      }
    }
  }
}

// Any taps.
template <class T>
struct AnyTaps {
  static constexpr int kRows = 1;
  int64_t count;
  const int64_t* taps;
  const T* w;
  T bias;
  PYCORE_INLINE void operator()(const T* in, int, Vec<T>* sum) const {
    sum[0] = splat<T>(bias);
    for (int64_t t = 0; t < count; ++t) sum[0] = fma<T>(splat<T>(w[t]), load(in + taps[t]), sum[0]);
  }
};

// 3x3 taps where the next output row begins Step (1 or 2) rows of taps further: two rows share what
// they read.
template <class T, int Step>
struct NineTaps {
  static constexpr int kRows = 2;
  int64_t corner, step, column[3];
  Vec<T> w[9];
  T bias;
  NineTaps(const int64_t* taps, const T* weights, T b) : bias(b) {
    const bool flip = taps[3] < taps[0];  // a gradient's taps go backwards
    corner = taps[flip ? 8 : 0];
    step = flip ? taps[0] - taps[3] : taps[3] - taps[0];
    for (int c = 0; c < 3; ++c) column[c] = taps[flip ? 8 - c : c] - corner;
    for (int t = 0; t < 9; ++t) w[t] = splat<T>(weights[flip ? 8 - t : t]);
  }
  // Whether the taps are so.
  static bool fits(const Grid& grid, int64_t count, const int64_t* taps) {
    if (count != 9) return false;
    const int64_t step = taps[3] - taps[0];
    for (int t = 3; t < 9; ++t) {
      if (taps[t] - taps[t - 3] != step) return false;
    }
    return Step * (step > 0 ? step : -step) == grid.in_step[1];
  }
  PYCORE_INLINE void operator()(const T* in, int rows, Vec<T>* sum) const {
    Vec<T> first = splat<T>(bias), second = first;
    const T* row = in + corner;
#pragma GCC unroll 3
    for (int r = 0; r < 3; ++r) {
#pragma GCC unroll 3
      for (int c = 0; c < 3; ++c) {
        const Vec<T> v = load(row + column[c]);
        first = fma<T>(w[3 * r + c], v, first);
        if (r >= Step) second = fma<T>(w[3 * (r - Step) + c], v, second);
      }
      row += step;
    }
    sum[0] = first;
    if (rows == 1) return;
#pragma GCC unroll 3
    for (int r = 3; r < 3 + Step; ++r) {
#pragma GCC unroll 3
      for (int c = 0; c < 3; ++c) {
        second = fma<T>(w[3 * (r - Step) + c], load(row + column[c]), second);
      }
      row += step;
    }
    sum[1] = second;
  }
};

template <class T>
void correlate_plane(const Grid& grid, int64_t tap_count, const int64_t* taps, const T* w, T bias,
                     const T* x, const RowPlace& place, T* y) {
  if (NineTaps<T, 1>::fits(grid, tap_count, taps)) {
    each_row<T>(grid, x, place, y, NineTaps<T, 1>(taps, w, bias));
  } else if (NineTaps<T, 2>::fits(grid, tap_count, taps)) {
    each_row<T>(grid, x, place, y, NineTaps<T, 2>(taps, w, bias));
  } else {
    each_row<T>(grid, x, place, y, AnyTaps<T>{tap_count, taps, w, bias});
  }
}

// Prepares planes [first, last) of src, some at a time, and calls f(p0, p1, the planes from p0 on).
template <class T, class F>
void over_prepared(const Context& ctx, const Prepared& prepared, const T* src, int64_t src_plane,
                   int64_t first, int64_t last, const F& f) {
  const int64_t size = prepared.plane(), most = planes_at_once<T>(prepared, last - first);
  const Scratch<T> scratch(ctx, most * size + kLanes<T>);
  prepared.clear(scratch.get(), most);
  memset(scratch.get() + most * size, 0, sizeof(Vec<T>));
  for (int64_t p0 = first; p0 < last; p0 += most) {
    const int64_t p1 = min_of(last, p0 + most);
    for (int64_t p = p0; p < p1; ++p) {
      prepared.copy(src + p * src_plane, scratch.get() + (p - p0) * size);
    }
    f(p0, p1, scratch.get());
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
    over_prepared(ctx, prepared, x, in, first, last, [&](int64_t p0, int64_t p1, const T* planes) {
      for (int64_t p = p0; p < p1; ++p) {
        const int64_t c = p % g.groups;
        correlate_plane<T>(grid, tap_count, taps.get(), w + c * tap_count, bias ? bias[c] : T{},
                           planes + (p - p0) * prepared.plane(), place, y + p * out);
      }
    });
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
    const Scratch<T> grads(ctx, direct ? 0 : split.plane()), weights(ctx, tap_count);
    over_prepared(ctx, prepared, gy, out, first, last,
                  [&](int64_t p0, int64_t p1, const T* planes) {
                    for (int64_t p = p0; p < p1; ++p) {
                      const int64_t c = p % g.groups;
                      for (int64_t t = 0; t < used; ++t)
                        weights.get()[t] = w[c * tap_count + places.get()[t]];
                      T* to = direct ? gx + p * in : grads.get();
                      for (int64_t i = 0; i < part_count; ++i) {
                        const Part& part = parts.get()[i];
                        correlate_plane<T>(part.grid, part.count, taps.get() + part.first,
                                           weights.get() + part.first, bias ? bias[c] : T{},
                                           planes + (p - p0) * prepared.plane(), part.place, to);
                      }
                      if (!direct) split.copy_back(to, gx + p * in);
                    }
                  });
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
    const int64_t size = prepared.plane(), most = planes_at_once<T>(prepared, g.batch);
    const Scratch<T> scratch(ctx, most * size);
    const Scratch<Vec<T>> sums(ctx, held);
    prepared.clear(scratch.get(), most);
    for (int64_t c = first; c < last; ++c) {
      for (int64_t t = 0; t < held; ++t) sums.get()[t] = Vec<T>{};
      for (int64_t b0 = 0; b0 < g.batch; b0 += most) {
        const int64_t b1 = min_of(g.batch, b0 + most);
        for (int64_t b = b0; b < b1; ++b) {
          prepared.copy(x + (b * g.groups + c) * in, scratch.get() + (b - b0) * size);
        }
        for (int64_t b = b0; b < b1; ++b) {
          for (int64_t t = 0; t < held; t += kTapGroup) {
            tap_group_sums<T>(grid, taps.get() + t, scratch.get() + (b - b0) * size,
                              gy + (b * g.groups + c) * out, sums.get() + t);
          }
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
