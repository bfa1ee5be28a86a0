// The product form of convolution: weights times patches, for many channels, where the weights are
// what costs: positions of all images stand side by side, so that small planes fill the tiles, and
// the sum is cut so that a block of the weights stays in the cache. Patches are packed a panel at a
// time, never as a matrix. Must not know which pass of a convolution this is.
#pragma once

#include "kernels/conv_direct.h"
#include "kernels/gemm_pack.h"
#include "kernels/gemm_small.h"

namespace pycore {
namespace {
namespace conv {

using gemm::kNr;

constexpr int64_t kPreparedBytes = 8 << 20;  // images that are prepared at a time
constexpr int64_t kPatchBytes = 2 << 20;     // patches that are packed at a time for few positions
constexpr int64_t kPackWork = 1 << 13;       // elements of patches that are worth a task
constexpr int64_t kFewPositions = 512;       // that are not worth packing the weights
constexpr int64_t kLargeWeights = 1 << 18;   // elements of a group
constexpr int64_t kMostLone = 4;             // positions that do not get a vector
constexpr int64_t kDirectDepth = 640;        // products per output that run_direct does well
constexpr int64_t kSumBytes = 384 << 10;     // sums that one task holds

// Prepares the planes of images [first, first + count) one behind the other.
template <class T>
void prepare_images(const Context& ctx, const Prepared& prepared, int64_t channels, const T* src,
                    int64_t first, int64_t count, T* dst) {
  const int64_t source = volume(prepared.size), plane = prepared.plane();
  const int64_t per_task = max_of(1, (kTaskWork / 4) / plane);
  run_tasks(ctx, ceil_div(count * channels, per_task), [&](int64_t t) {
    for (int64_t c = t * per_task; c < min_of(count * channels, (t + 1) * per_task); ++c) {
      prepared.copy(src + (first * channels + c) * source, dst + c * plane);
    }
  });
}

// One group of some images: y[rows, positions] = w[rows, k] * patches[k, positions].
template <class T>
struct Product {
  static constexpr int64_t N = kNr<T>;

  const Grid& grid;
  int64_t rows, per;  // per panel of rows
  int64_t k;
  const int64_t* offsets;  // of the rows of patches, in the prepared planes
  int64_t reach;           // the largest of them
  const T* w;              // packed in panels, or row-major with w_row from row to row
  int64_t w_row;           // 0 where packed
  const T* bias;
  const T* x;
  int64_t x_image, x_size;  // elements from image to image, and that may be read
  T* y;
  int64_t plane, y_image;
  int64_t positions;
  bool takes_lone;   // whether positions that would hardly fill another vector stand alone
  int64_t lone = 0;  // so many at the end stand in no panel

  int64_t row_panels() const { return ceil_div(rows, per); }
  int64_t panels() const { return ceil_div(positions - lone, N); }
  int64_t columns(int64_t panel) const { return min_of(N, positions - lone - panel * N); }
  int64_t k_block() const { return ceil_div(k, ceil_div(k, gemm::kKc)); }

  // dst[i - k0, lane] for rows [k0, k1) of the patches.
  void pack(int64_t panel, int64_t k0, int64_t k1, T* dst) const {
    constexpr int L = kLanes<T>;
    Run runs[N];
    const int64_t count = columns(panel);
    const int n = runs_of(grid, x_image, 0, panel * N, count, L, runs);
    if (count < N) memset(dst, 0, sizeof(T) * static_cast<size_t>((k1 - k0) * N));
    // What a run writes beyond its end is overwritten by the next one, in all rows but the last.
    const int64_t careful = reach + runs[n - 1].in + L > x_size ? k0 : k1 - 1;
    if (n <= kHeldRuns) {
      copy_runs<kHeldRuns>(n, runs, k0, careful, dst);
    } else {
      for (int64_t i = k0; i < careful; ++i) {
        const T* from = x + offsets[i];
        T* to = dst + (i - k0) * N;
        for (int r = 0; r < n; ++r) store(to + runs[r].from, load(from + runs[r].in));
      }
    }
    for (int64_t i = careful; i < k1; ++i) {
      T* to = dst + (i - k0) * N;
      for (int r = 0; r < n; ++r) {
        store_partial(to + runs[r].from, load_partial(x + offsets[i] + runs[r].in, runs[r].len),
                      runs[r].len);
      }
    }
  }

  // A few runs, whose places stay in registers.
  static constexpr int kHeldRuns = N < 7 ? N : 7;
  template <int Runs>
  void copy_runs(int n, const Run* runs, int64_t k0, int64_t k1, T* dst) const {
    if constexpr (Runs > 1) {
      if (n < Runs) {
        copy_runs<Runs - 1>(n, runs, k0, k1, dst);
        return;
      }
    }
    const T* in[Runs];
    T* to[Runs];
#pragma GCC unroll 8
    for (int r = 0; r < Runs; ++r) in[r] = x + runs[r].in, to[r] = dst + runs[r].from;
    for (int64_t i = k0; i < k1; ++i) {
      const int64_t from = offsets[i], row = (i - k0) * N;
#pragma GCC unroll 8
      for (int r = 0; r < Runs; ++r) store(to[r] + row, load(in[r] + from));
    }
  }

  // sums[row, .] of panels of rows [r0, r1) for one panel of patches, rows [k0, k1) of it.
  void multiply(int64_t r0, int64_t r1, int64_t k0, int64_t k1, const T* patches, int64_t cols,
                T* sums, int64_t pitch) const {
    const gemm::Epilogue<T> e{nullptr, nullptr, k0 > 0, false};
    for (int64_t p = r0; p < r1; ++p) {
      const int here = static_cast<int>(min_of(per, rows - p * per));
      const T* a = w_row ? w + p * per * w_row + k0 : w + (p * k + k0) * kMr;
      tile(here, cols)(k1 - k0, a, w_row, 1, patches, N, sums + p * per * pitch, pitch,
                       static_cast<int>(cols <= kLanes<T> ? kLanes<T> : N), e);
    }
  }
  gemm::TileFn<T> tile(int here, int64_t cols) const {
    if (cols <= kLanes<T>) {
      return w_row ? gemm::tile_of<T, 1, false, true>(here) : gemm::streaming_tile_of<T, 1>(here);
    }
    return w_row ? gemm::tile_of<T, gemm::kNv, false, true>(here)
                 : gemm::streaming_tile_of<T, gemm::kNv>(here);
  }

  // Finished sums of rows [i0, i1) of `count` positions from `first` on to where they belong.
  void finish(const Context& ctx, int64_t first, int64_t count, int64_t i0, int64_t i1,
              const T* sums, int64_t pitch) const {
    constexpr int L = kLanes<T>;
    Grid out = grid;
    if (grid.out_step[2] == 1 && grid.out_step[1] == grid.size[2] &&
        grid.rows() * grid.size[2] == plane) {
      out.size[0] = out.size[1] = 1;  // all rows of an image are one
      out.size[2] = plane;
    }
    const Scratch<Run> runs(ctx, count);
    const int n = runs_of(out, 0, y_image, first, count, count, runs.get());
    const int64_t step = out.out_step[2];
    for (int64_t i = i0; i < i1; ++i) {
      const T add = bias ? bias[i] : T{};
      const T* from = sums + i * pitch;
      T* to = y + i * plane;
      for (int r = 0; r < n; ++r) {
        const Run& run = runs.get()[r];
        const T* s = from + run.from;
        T* d = to + run.out;
        int j = 0;
        if (step != 1) {
          for (; j < run.len; ++j) d[j * step] = s[j] + add;
          continue;
        }
        for (; j + L <= run.len; j += L) store(d + j, load(s + j) + splat<T>(add));
        for (; j < run.len; ++j) d[j] = s[j] + add;
      }
    }
  }

  // Asks for a share of the weights that the next panel of rows reads, as they lie.
  void prefetch_rows(int64_t r, int64_t k0, int64_t k1, int64_t share) const {
    const int64_t begin = r * per, here = min_of(per, rows - begin), count = panels();
    for (int64_t i = share * here / count; i < (share + 1) * here / count; ++i) {
      const T* row = w + (begin + i) * w_row;
      for (int64_t j = k0; j < k1; j += 64 / int64_t{sizeof(T)}) __builtin_prefetch(row + j, 0, 2);
    }
  }

  // c[j * rows + i] of the lone positions j, whose patches lie `step` apart, for one panel of rows
  // and rows [k0, k1) of the patches: their dot products with the rows of weights.
  void multiply_lone(int64_t r, int64_t k0, int64_t k1, const T* patches, int64_t step,
                     T* c) const {
    const int64_t here = min_of(per, rows - r * per), depth = k1 - k0;
    if (w_row != 0) {
      gemm::dot_columns<T>(lone, depth, patches, step, w + r * per * w_row + k0, w_row, c, rows, 0,
                           here, {nullptr, nullptr, k0 > 0, false});
      return;
    }
    // In the order of dot_columns, which takes four, two or one at a time.
    static_assert(kLanes<T> <= 2 || gemm::kKc / kLanes<T> <= gemm::kDotSteps);
    int64_t j = 0;
    const auto some = [&](auto size) {
      constexpr int R = decltype(size)::value;
      for (const int64_t end = j + R; j < end; ++j) {
        dots_of_panel<gemm::DotShape<gemm::PlainDots<T>, R>::U>(
            depth, patches + j * step, w + (r * k + k0) * kMr, static_cast<int>(here), k0 > 0,
            c + j * rows);
      }
    };
    if constexpr (kLanes<T> >= 8) {
      while (j + 4 <= lone) some(gemm::Int<4>{});
    }
    while (j + 2 <= lone) some(gemm::Int<2>{});
    if (j < lone) some(gemm::Int<1>{});
  }
  // What gemm::dot_tile makes of U sums at a time, with a lane for each row instead of one for each
  // step along k, since the weights are packed: the same sums, added up in the same order.
  template <int U>
  static void dots_of_panel(int64_t depth, const T* x, const T* panel, int count, bool accumulate,
                            T* c) {
    constexpr int L = kLanes<T>;
    const int64_t steps = depth / L, rest = depth % L;
    for (int g = 0; g < count; g += L) {
      const auto add = [&](int64_t i, Vec<T> sum) {
        const T* a = panel + i * kMr + g;
        return fma<T>(splat<T>(x[i]), kMr - g >= L ? load(a) : load_partial(a, kMr % L), sum);
      };
      Vec<T> lanes[L];
      for (int l = 0; l < L; ++l) {
        Vec<T> sums[U][1] = {};
        if (l < rest) sums[0][0] = add(steps * L + l, sums[0][0]);
        int64_t s = 0;
        for (; s + U <= steps; s += U) {
#pragma GCC unroll 8
          for (int u = 0; u < U; ++u) sums[u][0] = add((s + u) * L + l, sums[u][0]);
        }
        for (; s < steps; ++s) sums[0][0] = add(s * L + l, sums[0][0]);
        gemm::add_up<U, 1>(sums);
        lanes[l] = sums[0][0];
      }
      for (int d = 1; d < L; d *= 2) {
        for (int l = 0; l < L; l += 2 * d) lanes[l] += lanes[l + d];
      }
      const int here = count - g < L ? count - g : L;
      store_partial(c + g, accumulate ? lanes[0] + load_partial(c + g, here) : lanes[0], here);
    }
  }

  // Tasks take rows; the patches are packed before, some rows of them at a time. Positions that
  // would hardly fill another vector (7 x 7 = 3 * 16 + 1) may stand alone.
  void run_few(const Context& ctx) {
    constexpr int L = kLanes<T>;
    lone = takes_lone && positions > L && positions % L <= kMostLone ? positions % L : 0;
    const int64_t pitch = panels() * N, depth = k_block();
    const int64_t fit = kPatchBytes / static_cast<int64_t>(sizeof(T)) / pitch;
    const int64_t chunk = min_of(k, max_of(1, fit / depth) * depth), panel_size = chunk * N;
    const Scratch<T> sums(ctx, rows * (pitch + lone));
    const Scratch<T> patches(ctx, panels() * panel_size + lone * chunk);
    T *lone_sums = sums.get() + rows * pitch, *lone_patches = patches.get() + panels() * panel_size;
    Run ends[kMostLone + 1];
    runs_of(grid, x_image, y_image, positions - lone, lone, 1, ends);
    const int64_t tasks =
        min_of(min_of(row_panels(), 16), max_of(1, rows * pitch * min_of(k, chunk) / kTaskWork));
    for (int64_t c0 = 0; c0 < k; c0 += chunk) {
      const int64_t c1 = min_of(k, c0 + chunk);
      // Each task packs some channels, so that it reads the images in order.
      const int64_t parts = min_of(16, max_of(1, (c1 - c0) * (pitch + lone) / kPackWork));
      run_tasks(ctx, parts, [&](int64_t t) {
        const int64_t k0 = c0 + t * (c1 - c0) / parts, k1 = c0 + (t + 1) * (c1 - c0) / parts;
        for (int64_t p = 0; p < panels(); ++p) {
          pack(p, k0, k1, patches.get() + p * panel_size + (k0 - c0) * N);
        }
        for (int64_t i = k0; i < k1; ++i) {
          for (int64_t j = 0; j < lone; ++j) {
            lone_patches[j * chunk + i - c0] = x[offsets[i] + ends[j].in];
          }
        }
      });
      run_tasks(ctx, tasks, [&](int64_t t) {
        const int64_t r0 = t * row_panels() / tasks, r1 = (t + 1) * row_panels() / tasks;
        for (int64_t k0 = c0; k0 < c1; k0 += depth) {  // whose patches stay in L2 for all rows
          const int64_t k1 = min_of(c1, k0 + depth);
          for (int64_t r = r0; r < r1; ++r) {
            for (int64_t p = 0; p < panels(); ++p) {
              if (w_row != 0) prefetch_rows(r + 1, k0, k1, p);
              multiply(r, r + 1, k0, k1, patches.get() + p * panel_size + (k0 - c0) * N, columns(p),
                       sums.get() + p * N, pitch);
            }
            if (lone == 0) continue;
            multiply_lone(r, k0, k1, lone_patches + k0 - c0, chunk, lone_sums + r * per);
          }
        }
        if (c1 < k) return;
        const int64_t end = min_of(rows, r1 * per);
        finish(ctx, 0, positions - lone, r0 * per, end, sums.get(), pitch);
        for (int64_t j = 0; j < lone; ++j) {
          for (int64_t i = r0 * per; i < end; ++i) {
            y[i * plane + ends[j].out] = lone_sums[j * rows + i] + (bias ? bias[i] : T{});
          }
        }
      });
    }
  }

  // One task takes panels [p0, p1) of positions, and packs each for itself.
  void run_panels(const Context& ctx, int64_t p0, int64_t p1) const {
    const int64_t pitch = (p1 - p0) * N, depth = k_block();
    const Scratch<T> sums(ctx, rows * pitch), patches(ctx, depth * N);
    for (int64_t k0 = 0; k0 < k; k0 += depth) {
      const int64_t k1 = min_of(k, k0 + depth);
      for (int64_t p = p0; p < p1; ++p) {
        pack(p, k0, k1, patches.get());
        multiply(0, row_panels(), k0, k1, patches.get(), columns(p), sums.get() + (p - p0) * N,
                 pitch);
      }
    }
    const int64_t first = p0 * N, last = min_of(p1 * N, positions);
    finish(ctx, first, last - first, 0, rows, sums.get(), pitch);
  }
  void run_many(const Context& ctx) const {
    const int64_t fit = kSumBytes / static_cast<int64_t>(sizeof(T)) / rows, count = panels();
    const int64_t most = max_of(128, min_of(384, fit)) / N;
    const int64_t tasks = ceil_div(ceil_div(count, most), 2) * 2;  // two threads get the same
    run_tasks(ctx, tasks,
              [&](int64_t t) { run_panels(ctx, t * count / tasks, (t + 1) * count / tasks); });
  }
};

// Whether a job is better served by a product than by run_direct: a panel of its weights does not
// stay in the L1 cache beside the input, or its rows fill the vectors badly.
template <class T>
bool by_product(const Job<T>& job) {
  if (job.rows < 2 * kMr) return false;
  int64_t taps = 0, positions = 0, lanes = 0;
  for (int64_t i = 0; i < job.passes; ++i) {
    const Pass<T>& pass = job.pass[i];
    if (pass.tap_count == 0) return false;  // nothing but a bias
    taps = max_of(taps, pass.tap_count);
    positions += volume(pass.grid.size);
    const Cut cut = pass.grid.best_cut(kLanes<T>, false);
    lanes += pass.grid.segments(cut, kLanes<T>) * kLanes<T>;
  }
  const bool deep = job.channels * taps > kDirectDepth;
  return deep || (job.channels >= 32 && 10 * positions < 9 * lanes);
}
// Whether packing weights [rows, k] would not pay: there are few positions, or the weights are
// large.
template <class T>
bool weights_as_they_lie(const Job<T>& job, int64_t k) {
  int64_t most = 0;
  for (int64_t i = 0; i < job.passes; ++i) most = max_of(most, volume(job.pass[i].grid.size));
  return job.items / job.groups * most <= kFewPositions || job.rows * k >= kLargeWeights;
}

// `w_row` is that of weights which are not packed, else 0. Whether lone positions are taken must
// not depend on that: it shows in the bits.
template <class T>
void run_product(const Context& ctx, const Job<T>& job, int64_t w_row, bool takes_lone) {
  const int64_t batch = job.items / job.groups, plane = job.prepared.plane();
  const int64_t planes = job.groups * job.channels, image = planes * plane;
  const int64_t image_bytes = image * static_cast<int64_t>(sizeof(T));
  const int64_t at_once = min_of(batch, max_of(1, kPreparedBytes / max_of(1, image_bytes)));
  int64_t most = 0;
  for (int64_t i = 0; i < job.passes; ++i) most = max_of(most, job.pass[i].tap_count);
  const Scratch<int64_t> offsets(ctx, job.channels * most);
  const bool copies = !job.prepared.is_source();
  const Scratch<T> images(ctx, copies ? at_once * image + kLanes<T> : 0);
  if (copies) {
    job.prepared.clear(images.get(), at_once * planes);
    memset(images.get() + at_once * image, 0, sizeof(simd::Vec<T>));
  }
  for (int64_t first = 0; first < batch; first += at_once) {
    const int64_t here = min_of(at_once, batch - first);
    if (copies) prepare_images(ctx, job.prepared, planes, job.src, first, here, images.get());
    const T* x = copies ? images.get() : job.src + first * image;
    const int64_t x_size = copies ? at_once * image + kLanes<T> : (batch - first) * image;
    for (int64_t i = 0; i < job.passes; ++i) {
      const Pass<T>& pass = job.pass[i];
      const int64_t k = job.channels * pass.tap_count;
      int64_t reach = 0, *next = offsets.get();
      for (int64_t c = 0; c < job.channels; ++c) {
        for (int64_t t = 0; t < pass.tap_count; ++t) {
          *next = c * plane + pass.taps[t];
          reach = max_of(reach, *next++);
        }
      }
      for (int64_t group = 0; group < job.groups; ++group) {
        Product<T> product{pass.grid,
                           job.rows,
                           job.panel_rows(),
                           k,
                           offsets.get(),
                           reach,
                           pass.w + group * (w_row ? job.rows * w_row : job.panels() * k * kMr),
                           w_row,
                           job.bias ? job.bias + group * job.rows : nullptr,
                           x + group * job.channels * plane,
                           image,
                           x_size - group * job.channels * plane,
                           job.dst + (first * job.groups + group) * job.rows * job.plane,
                           job.plane,
                           job.groups * job.rows * job.plane,
                           here * volume(pass.grid.size),
                           takes_lone};
        product.positions <= kFewPositions ? product.run_few(ctx) : product.run_many(ctx);
      }
    }
  }
}

}  // namespace conv
}  // namespace
}  // namespace pycore
