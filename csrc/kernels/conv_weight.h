// The gradient of a convolution's weights, as sums over positions (few channels) or as a product of
// packed panels (many), and of its bias. Must not know the 1x1 case.
#pragma once

#include "kernels/conv_product.h"

namespace pycore {
namespace {
namespace conv {

// grad_bias[c] = the sum of grad_y over images and positions, in a fixed order.
template <class T>
void bias_gradient(const Context& ctx, const ConvArgs& g, const T* gy, T* out) {
  constexpr int L = kLanes<T>;
  const int64_t plane = volume(g.out);
  const int64_t per_task = max_of(1, kTaskWork / max_of(1, plane * g.batch));
  run_tasks(ctx, ceil_div(g.out_channels, per_task), [&](int64_t t) {
    for (int64_t c = t * per_task; c < min_of(g.out_channels, (t + 1) * per_task); ++c) {
      Vec<T> sum[L] = {};
      for (int64_t b = 0; b < g.batch; ++b) {
        const T* p = gy + (b * g.out_channels + c) * plane;
        int64_t i = 0;
        for (; i + 2 * L <= plane; i += 2 * L) {
          sum[0] += load(p + i);
          sum[1] += load(p + i + L);
        }
        for (; i < plane; i += L) {
          const int64_t n = min_of(L, plane - i);
          sum[0] += n == L ? load(p + i) : load_partial(p + i, static_cast<int>(n));
        }
      }
      sum[0] += sum[1];
      sum[1] = Vec<T>{};
      out[c] = sum_each<T>(sum)[0];
    }
  });
}

// The weight gradient of some images into dw[out_channels of the group, k] (added to it): tiles
// [first, last) of the grid of row tiles x tap tiles.
template <class T>
struct WeightTiles {
  int64_t rows, k;
  const int64_t* offsets;  // k offsets in the prepared image
  TapSums<T> sums;

  int64_t row_tiles() const { return ceil_div(rows, kGradRows); }
  int64_t tap_tiles() const { return ceil_div(k, kGradTaps); }
  int64_t count() const { return row_tiles() * tap_tiles(); }

  void run(int64_t first, int64_t last, T* dw) const {
    const int64_t per = ceil_div(rows, row_tiles());
    for (int64_t t = first; t < last; ++t) {
      const int64_t row = t / tap_tiles() * per, tap = t % tap_tiles() * kGradTaps;
      const int64_t here = min_of(per, rows - row), taps = min_of(kGradTaps, k - tap);
      if (here <= 0) continue;
      int64_t off[kGradTaps];
      for (int v = 0; v < kGradTaps; ++v) off[v] = offsets[tap + (v < taps ? v : 0)];
      TapSums<T> q = sums;
      q.gy += row * q.plane;
      T out[kGradRows * kGradTaps];
      tap_sums_of<T>(here)(q, off, out);
      for (int64_t i = 0; i < here; ++i) {
        for (int64_t v = 0; v < taps; ++v) dw[(row + i) * k + tap + v] += out[i * kGradTaps + v];
      }
    }
  }
};

template <class T>
void weight_by_sums(const Context& ctx, const ConvArgs& g, const T* x, const T* gy, T* dw) {
  const int64_t channels = g.in_channels / g.groups, rows = g.out_channels / g.groups;
  const int64_t tap_count = volume(g.kernel), k = channels * tap_count;
  const int64_t size = g.out_channels * k, out_plane = volume(g.out);
  const Prepared prepared = prepared_input(g);
  const Grid grid = output_grid(g, prepared);
  const int64_t source = volume(g.in), plane = prepared.plane();
  const bool copies = !prepared.is_source();
  const int64_t image = g.in_channels * plane;  // of a prepared image
  const Scratch<int64_t> lists(ctx, tap_count + k + grid.rows());
  int64_t *taps = lists.get(), *offsets = taps + tap_count, *lines = offsets + k;
  input_taps(g, prepared, taps);
  for (int64_t i = 0; i < k; ++i) offsets[i] = i / tap_count * plane + taps[i % tap_count];
  for (int64_t l = 0; l < grid.rows(); ++l) {
    lines[l] = grid.in_at(l / grid.size[1], l % grid.size[1]);
  }

  // Images [first, first + count) are prepared at xp.
  const auto tiles_of = [&](const T* xp, int64_t first, int64_t count, int64_t group) {
    return WeightTiles<T>{rows,
                          k,
                          offsets,
                          {count, g.out_channels * out_plane, image, grid.rows(), g.out[2],
                           g.out[2], lines, gy + (first * g.groups + group) * rows * out_plane,
                           out_plane, xp + group * channels * plane}};
  };
  const int64_t image_bytes =
      static_cast<int64_t>(sizeof(T)) * (image + g.out_channels * out_plane);
  const int64_t images = max_of(1, min_of(g.batch, 16 * kBlockBytes / image_bytes));
  const int64_t work = size * out_plane * g.batch;

  const int64_t chunks = min_of(min_of(g.batch, 8), max_of(1, work / kTaskWork));
  if (chunks >= 4 && size * chunks <= (int64_t{1} << 20)) {
    // Chunks of images, each with its own sum; then the sums in order.
    const Scratch<T> partial(ctx, size * chunks);
    run_tasks(ctx, chunks, [&](int64_t t) {
      T* sum = partial.get() + t * size;
      memset(sum, 0, sizeof(T) * static_cast<size_t>(size));
      const int64_t begin = t * g.batch / chunks, end = (t + 1) * g.batch / chunks;
      const Scratch<T> scratch(ctx, copies ? images * image : 0);
      if (copies) prepared.clear(scratch.get(), images * g.in_channels);
      for (int64_t b = begin; b < end; b += images) {
        const int64_t count = min_of(images, end - b);
        const T* xp = x + b * image;
        if (copies) {
          for (int64_t c = 0; c < count * g.in_channels; ++c) {
            prepared.copy(x + (b * g.in_channels + c) * source, scratch.get() + c * plane);
          }
          xp = scratch.get();
        }
        for (int64_t group = 0; group < g.groups; ++group) {
          const WeightTiles<T> tiles = tiles_of(xp, b, count, group);
          tiles.run(0, tiles.count(), sum + group * rows * k);
        }
      }
    });
    for (int64_t i = 0; i < size; ++i) {
      T sum = partial.get()[i];
      for (int64_t t = 1; t < chunks; ++t) sum += partial.get()[t * size + i];
      dw[i] = sum;
    }
    return;
  }
  memset(dw, 0, sizeof(T) * static_cast<size_t>(size));
  const Scratch<T> scratch(ctx, copies ? images * image : 0);
  if (copies) prepared.clear(scratch.get(), images * g.in_channels);
  for (int64_t b = 0; b < g.batch; b += images) {
    const int64_t count = min_of(images, g.batch - b);
    const T* xp = x + b * image;
    if (copies) {
      prepare_images(ctx, prepared, g.in_channels, x, b, count, scratch.get());
      xp = scratch.get();
    }
    const int64_t each = tiles_of(xp, b, count, 0).count(), total = each * g.groups;
    const int64_t tasks =
        min_of(total, min_of(32, max_of(1, size * out_plane * count / kTaskWork)));
    run_tasks(ctx, tasks, [&](int64_t t) {
      const int64_t begin = t * total / tasks, end = (t + 1) * total / tasks;
      for (int64_t group = begin / each; group * each < end; ++group) {
        tiles_of(xp, b, count, group)
            .run(max_of(begin - group * each, 0), min_of(end - group * each, each),
                 dw + group * rows * k);
      }
    });
  }
}

// dw[rows, k] = grad_y[rows, positions] * patches[k, positions]^T with both factors packed, kKc
// positions (of all images) at a time. Tasks share out the taps; every sum stays in one task.
template <class T>
void weight_by_product(const Context& ctx, const ConvArgs& g, const T* x, const T* gy, T* dw) {
  constexpr int64_t N = kNr<T>, kDepth = gemm::kKc;
  const int64_t channels = g.in_channels / g.groups, rows = g.out_channels / g.groups;
  const int64_t tap_count = volume(g.kernel), k = channels * tap_count, plane = volume(g.out);
  const Prepared prepared = prepared_input(g);
  const Grid grid = output_grid(g, prepared);
  const int64_t in_plane = prepared.plane(), in_image = g.in_channels * in_plane;
  const int64_t out_image = g.out_channels * plane, row_panels = ceil_div(rows, kMr);
  const Scratch<int64_t> lists(ctx, tap_count + k);
  int64_t *taps = lists.get(), *offsets = taps + tap_count;
  input_taps(g, prepared, taps);
  for (int64_t i = 0; i < k; ++i) offsets[i] = i / tap_count * in_plane + taps[i % tap_count];

  const int64_t image_bytes = static_cast<int64_t>(sizeof(T)) * (in_image + out_image);
  const int64_t at_once = max_of(1, min_of(g.batch, kPreparedBytes / image_bytes));
  const int64_t depth_blocks = ceil_div(at_once * plane, kDepth);
  const Scratch<T> images(ctx, at_once * in_image);
  const Scratch<T> a_pack(ctx, depth_blocks * row_panels * kDepth * kMr);
  prepared.clear(images.get(), at_once * g.in_channels);
  for (int64_t first = 0; first < g.batch; first += at_once) {
    const int64_t here = min_of(at_once, g.batch - first), positions = here * plane;
    const int64_t blocks = ceil_div(positions, kDepth);
    prepare_images(ctx, prepared, g.in_channels, x, first, here, images.get());
    for (int64_t group = 0; group < g.groups; ++group) {
      const T* xg = images.get() + group * channels * in_plane;
      const T* gg = gy + first * out_image + group * rows * plane;
      T* dg = dw + group * rows * k;
      run_tasks(ctx, blocks, [&](int64_t block) {
        Run runs[kDepth];
        const int n = runs_of(grid, in_image, out_image, block * kDepth,
                              min_of(kDepth, positions - block * kDepth), kDepth, runs);
        for (int64_t p = 0; p < row_panels; ++p) {
          T* to = a_pack.get() + (block * row_panels + p) * kDepth * kMr;
          const int count = static_cast<int>(min_of(kMr, rows - p * kMr));
          for (int r = 0; r < n; ++r) {
            gemm::pack_panel<T, kMr>(gg + p * kMr * plane + runs[r].out, plane, 1, count,
                                     runs[r].len, to + runs[r].from * kMr);
          }
        }
      });
      const int64_t tap_panels = ceil_div(k, N);
      const int64_t tasks = min_of(tap_panels, max_of(1, positions * k * rows / kTaskWork));
      run_tasks(ctx, tasks, [&](int64_t t) {
        const Scratch<T> b(ctx, kDepth * N);
        Run runs[kDepth];
        for (int64_t block = 0; block < blocks; ++block) {
          const int64_t depth = min_of(kDepth, positions - block * kDepth);
          const int n = runs_of(grid, in_image, out_image, block * kDepth, depth, kDepth, runs);
          const gemm::Epilogue<T> e{nullptr, nullptr, first > 0 || block > 0, false};
          for (int64_t j = t * tap_panels / tasks; j < (t + 1) * tap_panels / tasks; ++j) {
            const int cols = static_cast<int>(min_of(N, k - j * N));
            for (int r = 0; r < n; ++r) {
              gemm::pack_rows<T, N>([&](int i) { return xg + offsets[j * N + i] + runs[r].in; },
                                    cols, runs[r].len, b.get() + runs[r].from * N);
            }
            for (int64_t p = 0; p < row_panels; ++p) {
              const int count = static_cast<int>(min_of(kMr, rows - p * kMr));
              gemm::tile_of<T, gemm::kNv, true, true>(count)(
                  depth, a_pack.get() + (block * row_panels + p) * kDepth * kMr, 0, 0, b.get(), N,
                  dg + p * kMr * k + j * N, k, cols, e);
            }
          }
        }
      });
    }
  }
}

}  // namespace conv
}  // namespace
}  // namespace pycore
