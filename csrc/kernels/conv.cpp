// Direct convolution, forward and backward, on the tiles of conv_tiles.h: no im2col matrix, only
// one padded copy of an image where padding or a stride asks for it. 1x1 kernels are matrix
// products. Must not know tensors. Tasks and partial sums depend on the problem, never on the
// threads.
#include "kernels/conv.h"

#include "kernels/conv_plan.h"
#include "kernels/conv_tiles.h"
#include "kernels/gemm.h"
#include "kernels/gemm_pack.h"

namespace pycore::kernels::PYCORE_ISA {
extern const GemmKernels gemm_kernels;
extern const ConvKernels conv_kernels;
}  // namespace pycore::kernels::PYCORE_ISA

namespace pycore {
namespace {
namespace conv {

using kernels::Context;
using kernels::GemmArgs;
using kernels::run_tasks;
using kernels::Scratch;

constexpr int64_t kTaskWork = 1 << 18;      // multiply-adds that are worth a task
constexpr int64_t kBlockBytes = 256 << 10;  // of input that stays in L2 while all channels pass
constexpr int64_t kMaxSegments = 48;        // of a block; divisible by most tile widths

template <class T>
constexpr DType kType = sizeof(T) == 4 ? DType::float32 : DType::float64;

// One grid of outputs with its taps and packed weights [groups, panels, channels, taps, kMr].
template <class T>
struct Pass {
  Grid grid;
  int64_t tap_count;
  const int64_t* taps;
  const T* w;
};

// What forward and backward_input have in common: correlate `channels` prepared planes of every
// item (an image's group) into `rows` planes of the output.
template <class T>
struct Job {
  Prepared prepared;
  const T* src;
  int64_t items, groups, channels;
  T* dst;
  int64_t rows, plane;  // output channels of an item, elements of one
  const T* bias;        // groups * rows, or null
  int64_t passes;
  const Pass<T>* pass;

  int64_t panels() const { return ceil_div(rows, kMr); }
  int64_t panel_rows() const { return ceil_div(rows, panels()); }
  int64_t src_item() const { return channels * volume(prepared.size); }
  int64_t work(const Pass<T>& p) const {
    return volume(p.grid.size) * rows * channels * (p.tap_count + 1);
  }
  int64_t work() const {
    int64_t sum = 0;
    for (int64_t i = 0; i < passes; ++i) sum += work(pass[i]);
    return sum;
  }
  int64_t segments(const Pass<T>& p) const { return p.grid.segments(kLanes<T>); }
  // Segments that one task handles at a time.
  int64_t block() const {
    const int64_t fit =
        kBlockBytes / static_cast<int64_t>(sizeof(simd::Vec<T>)) / max_of(1, channels);
    return min_of(kMaxSegments, max_of(8, fit));
  }
  // Whether the tiles may read the source in place: short rows read past their end.
  bool in_place(int64_t item) const {
    if (!prepared.is_source()) return false;
    int64_t reach = 0;
    for (int64_t i = 0; i < passes; ++i) {
      const Grid& g = pass[i].grid;
      if (volume(g.size) == 0 || pass[i].tap_count == 0) continue;
      int64_t tap = 0;
      for (int64_t t = 0; t < pass[i].tap_count; ++t) tap = max_of(tap, pass[i].taps[t]);
      reach = max_of(reach, g.segment(segments(pass[i]) - 1, kLanes<T>).in + tap +
                                (channels - 1) * volume(prepared.size) + kLanes<T>);
    }
    return item * src_item() + reach <= items * src_item();
  }
};

// Output blocks [first, last) of `blocks`, channel panels [panel0, panel1) of one item.
template <class T>
void run_blocks(const Job<T>& job, const Pass<T>& pass, int64_t item, const T* x, int64_t blocks,
                int64_t first, int64_t last, int64_t panel0, int64_t panel1) {
  const int64_t total = job.segments(pass), group = item % job.groups;
  const int64_t panel_size = job.channels * pass.tap_count * kMr, per = job.panel_rows();
  Segment segments[kMaxSegments];
  for (int64_t block = first; block < last; ++block) {
    const int64_t s0 = block * total / blocks;
    const int count = static_cast<int>((block + 1) * total / blocks - s0);
    for (int s = 0; s < count; ++s) segments[s] = pass.grid.segment(s0 + s, kLanes<T>);
    for (int64_t p = panel0; p < panel1; ++p) {
      const int64_t row = p * per;
      if (row >= job.rows) break;
      const Correlation<T> q{x,
                             job.channels,
                             job.prepared.plane(),
                             pass.taps,
                             pass.tap_count,
                             pass.w + (group * job.panels() + p) * panel_size,
                             job.bias ? job.bias + group * job.rows + row : nullptr,
                             job.dst + (item * job.rows + row) * job.plane,
                             job.plane,
                             pass.grid.out_step[2]};
      const CorrelateFn<T> tile = correlate_of<T>(min_of(per, job.rows - row));
      for (int s = 0; s < count; s += tile.vectors) {
        tile.run(q, segments + s, static_cast<int>(min_of(tile.vectors, count - s)));
      }
    }
  }
}

template <class T>
void run_job(const Context& ctx, const Job<T>& job) {
  const int64_t source = volume(job.prepared.size), plane = job.prepared.plane();
  const int64_t work = max_of(1, job.work());
  const auto blocks_of = [&](const Pass<T>& p) { return ceil_div(job.segments(p), job.block()); };
  if (job.items >= 8 || job.items * work < 4 * kTaskWork) {  // whole items per task
    const int64_t per_task = max_of(1, kTaskWork / work);
    run_tasks(ctx, ceil_div(job.items, per_task), [&](int64_t t) {
      const int64_t end = min_of(job.items, (t + 1) * per_task);
      const bool copies = !job.in_place(end - 1);
      const Scratch<T> scratch(ctx, copies ? job.channels * plane + kLanes<T> : 0);
      if (copies) job.prepared.clear(scratch.get(), job.channels);
      for (int64_t item = t * per_task; item < end; ++item) {
        const T* x = job.src + item * job.src_item();
        if (copies && !job.in_place(item)) {
          for (int64_t c = 0; c < job.channels; ++c) {
            job.prepared.copy(x + c * source, scratch.get() + c * plane);
          }
          x = scratch.get();
        }
        for (int64_t p = 0; p < job.passes; ++p) {
          const int64_t blocks = blocks_of(job.pass[p]);
          run_blocks(job, job.pass[p], item, x, blocks, 0, blocks, 0, job.panels());
        }
      }
    });
    return;
  }
  const bool copies = !job.in_place(job.items - 1);
  const Scratch<T> scratch(ctx, copies ? job.channels * plane + kLanes<T> : 0);
  if (copies) job.prepared.clear(scratch.get(), job.channels);
  for (int64_t item = 0; item < job.items; ++item) {  // few and large: share each item out
    const T* x = job.src + item * job.src_item();
    if (!job.in_place(item)) {
      const int64_t per_task = max_of(1, (kTaskWork / 4) / plane);
      run_tasks(ctx, ceil_div(job.channels, per_task), [&](int64_t t) {
        for (int64_t c = t * per_task; c < min_of(job.channels, (t + 1) * per_task); ++c) {
          job.prepared.copy(x + c * source, scratch.get() + c * plane);
        }
      });
      x = scratch.get();
    }
    for (int64_t p = 0; p < job.passes; ++p) {
      const Pass<T>& pass = job.pass[p];
      const int64_t blocks = blocks_of(pass);
      if (blocks == 0) continue;
      const int64_t want = max_of(1, job.work(pass) / kTaskWork);
      const int64_t parts = min_of(job.panels(), ceil_div(min_of(want, 16), blocks));
      const int64_t tasks = min_of(blocks, want);
      run_tasks(ctx, tasks * parts, [&](int64_t t) {
        const int64_t b = t / parts, part = t % parts;
        run_blocks(job, pass, item, x, blocks, b * blocks / tasks, (b + 1) * blocks / tasks,
                   part * job.panels() / parts, (part + 1) * job.panels() / parts);
      });
    }
  }
}

inline bool is_pointwise(const ConvArgs& g) {
  for (int d = 0; d < 3; ++d) {
    if (g.kernel[d] != 1 || g.stride[d] != 1 || g.pad[d] != 0 || g.in[d] != g.out[d]) {
      return false;
    }
  }
  return true;
}

template <class T>
void gemm_run(const Context& ctx, const GemmArgs& g) {
  kernels::PYCORE_ISA::gemm_kernels.run[static_cast<int>(kType<T>)](ctx, g);
}

// dst[b, g] = weights of g (rows x inner, any strides) * src[b, g] for a 1x1 kernel.
template <class T>
void pointwise(const Context& ctx, const ConvArgs& g, int64_t rows, int64_t inner, const T* w,
               int64_t w_row, int64_t w_col, const T* src, const T* bias, T* dst) {
  const int64_t plane = volume(g.out);
  for (int64_t group = 0; group < g.groups; ++group) {
    GemmArgs p;
    p.m = rows, p.n = plane, p.k = inner;
    p.a = w + group * rows * inner, p.a_row = w_row, p.a_col = w_col;
    p.b = src + group * inner * plane, p.b_row = plane, p.b_col = 1;
    p.c = dst + group * rows * plane, p.c_row = plane;
    p.batch[2] = g.batch;
    p.b_batch[2] = g.groups * inner * plane, p.c_batch[2] = g.groups * rows * plane;
    p.bias_row = bias ? bias + group * rows : nullptr;
    gemm_run<T>(ctx, p);
  }
}

template <class T>
void forward(const Context& ctx, const ConvArgs& g, const void* x, const void* weight,
             const void* bias, void* y) {
  const T* w = static_cast<const T*>(weight);
  const int64_t channels = g.in_channels / g.groups, rows = g.out_channels / g.groups;
  if (g.batch == 0 || volume(g.out) == 0 || rows == 0) return;
  if (is_pointwise(g)) {
    pointwise<T>(ctx, g, rows, channels, w, channels, 1, static_cast<const T*>(x),
                 static_cast<const T*>(bias), static_cast<T*>(y));
    return;
  }
  const int64_t tap_count = volume(g.kernel), k = channels * tap_count;
  const Prepared prepared = prepared_input(g);
  Job<T> job{prepared,
             static_cast<const T*>(x),
             g.batch * g.groups,
             g.groups,
             channels,
             static_cast<T*>(y),
             rows,
             volume(g.out),
             static_cast<const T*>(bias),
             1,
             nullptr};
  const int64_t panels = job.panels(), per = job.panel_rows();
  const Scratch<int64_t> taps(ctx, tap_count);
  input_taps(g, prepared, taps.get());
  const Scratch<T> packed(ctx, g.groups * panels * k * kMr);
  const int64_t per_task = max_of(1, kTaskWork / 4 / max_of(1, k * kMr));
  run_tasks(ctx, ceil_div(g.groups * panels, per_task), [&](int64_t t) {
    for (int64_t i = t * per_task; i < min_of(g.groups * panels, (t + 1) * per_task); ++i) {
      const int64_t row = i % panels * per, left = rows - row;
      if (left <= 0) continue;
      gemm::pack_panel<T, kMr>(w + (i / panels * rows + row) * k, k, 1,
                               static_cast<int>(min_of(left, per)), k, packed.get() + i * k * kMr);
    }
  });
  const Pass<T> pass{output_grid(g, prepared), tap_count, taps.get(), packed.get()};
  job.pass = &pass;
  run_job(ctx, job);
}

template <class T>
void backward_input(const Context& ctx, const ConvArgs& g, const void* grad_y, const void* weight,
                    const void* bias, void* grad_x) {
  const T* w = static_cast<const T*>(weight);
  const int64_t channels = g.out_channels / g.groups, rows = g.in_channels / g.groups;
  if (g.batch == 0 || volume(g.in) == 0 || rows == 0) return;
  if (is_pointwise(g)) {
    pointwise<T>(ctx, g, rows, channels, w, 1, rows, static_cast<const T*>(grad_y),
                 static_cast<const T*>(bias), static_cast<T*>(grad_x));
    return;
  }
  const int64_t tap_count = volume(g.kernel);
  const Prepared prepared = prepared_grad(g);
  Job<T> job{prepared,
             static_cast<const T*>(grad_y),
             g.batch * g.groups,
             g.groups,
             channels,
             static_cast<T*>(grad_x),
             rows,
             volume(g.in),
             static_cast<const T*>(bias),
             0,
             nullptr};
  const int64_t panels = job.panels(), per = job.panel_rows();
  const int64_t count = volume(g.stride);
  // For every tap exactly one residue per dimension fits: the residues share these lists.
  const Scratch<int64_t> taps(ctx, tap_count), places(ctx, tap_count);
  const Scratch<Pass<T>> pass_list(ctx, count);
  const int64_t panel_taps = channels * kMr;
  const Scratch<T> packed(ctx, tap_count * g.groups * panels * panel_taps);
  T* next = packed.get();
  int64_t* next_taps = taps.get();
  for (int64_t i = 0; i < count; ++i) {
    const Residue r{
        {i / (g.stride[1] * g.stride[2]), i / g.stride[2] % g.stride[1], i % g.stride[2]}};
    const int64_t n = residue_taps(g, prepared, r, next_taps, places.get());
    const Grid grid = residue_grid(g, prepared, r);
    if (volume(grid.size) == 0) continue;
    const int64_t work = max_of(1, channels * n * kMr);
    const int64_t per_task = max_of(1, kTaskWork / 4 / work);
    run_tasks(ctx, ceil_div(g.groups * panels, per_task), [&](int64_t t) {
      for (int64_t j = t * per_task; j < min_of(g.groups * panels, (t + 1) * per_task); ++j) {
        const int64_t row = j % panels * per, left = rows - row;
        if (left <= 0) continue;
        const int here = static_cast<int>(min_of(left, per));
        for (int64_t c = 0; c < channels; ++c) {
          const T* from = w + ((j / panels * channels + c) * rows + row) * tap_count;
          T* to = next + (j * channels + c) * n * kMr;
          if (n == tap_count) {
            gemm::pack_panel<T, kMr>(from, tap_count, 1, here, n, to);
          } else {
            for (int64_t q = 0; q < n; ++q) {
              for (int e = 0; e < here; ++e) {
                to[q * kMr + e] = from[e * tap_count + places.get()[q]];
              }
            }
          }
        }
      }
    });
    pass_list.get()[job.passes++] = {grid, n, next_taps, next};
    next += n * g.groups * panels * panel_taps;
    next_taps += n;
  }
  job.pass = pass_list.get();
  run_job(ctx, job);
}

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
void pointwise_weight(const Context& ctx, const ConvArgs& g, const T* x, const T* gy, T* dw) {
  const int64_t plane = volume(g.out), rows = g.out_channels / g.groups;
  const int64_t inner = g.in_channels / g.groups;
  for (int64_t group = 0; group < g.groups; ++group) {
    for (int64_t b = 0; b < g.batch; ++b) {
      GemmArgs p;
      p.m = rows, p.n = inner, p.k = plane;
      p.a = gy + (b * g.groups + group) * rows * plane, p.a_row = plane, p.a_col = 1;
      p.b = x + (b * g.groups + group) * inner * plane, p.b_row = 1, p.b_col = plane;
      p.c = dw + group * rows * inner, p.c_row = inner;
      p.accumulate = b > 0;
      gemm_run<T>(ctx, p);
    }
  }
}

template <class T>
void backward_weight(const Context& ctx, const ConvArgs& g, const void* input, const void* grad_y,
                     void* grad_weight, void* grad_bias) {
  const T* x = static_cast<const T*>(input);
  const T* gy = static_cast<const T*>(grad_y);
  T* dw = static_cast<T*>(grad_weight);
  if (grad_bias) bias_gradient<T>(ctx, g, gy, static_cast<T*>(grad_bias));
  if (!dw) return;
  const int64_t channels = g.in_channels / g.groups, rows = g.out_channels / g.groups;
  const int64_t tap_count = volume(g.kernel), k = channels * tap_count;
  const int64_t size = g.out_channels * k, out_plane = volume(g.out);
  if (g.batch == 0 || out_plane == 0) {
    memset(dw, 0, sizeof(T) * static_cast<size_t>(size));
    return;
  }
  if (is_pointwise(g)) {
    pointwise_weight<T>(ctx, g, x, gy, dw);
    return;
  }
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
      const int64_t planes = count * g.in_channels;
      const int64_t per_task = max_of(1, kTaskWork / 4 / plane);
      run_tasks(ctx, ceil_div(planes, per_task), [&](int64_t t) {
        for (int64_t c = t * per_task; c < min_of(planes, (t + 1) * per_task); ++c) {
          prepared.copy(x + (b * g.in_channels + c) * source, scratch.get() + c * plane);
        }
      });
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

}  // namespace conv
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {

#define PYCORE_FLOATS(f) \
  {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, f<float>, f<double>, nullptr}
const ConvKernels conv_kernels = {
    PYCORE_FLOATS(conv::forward),
    PYCORE_FLOATS(conv::backward_input),
    PYCORE_FLOATS(conv::backward_weight),
};
#undef PYCORE_FLOATS

}  // namespace pycore::kernels::PYCORE_ISA
