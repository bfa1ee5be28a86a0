// The Winograd form of 3x3 convolutions of step 1, F(2x2, 3x3) in the names of Lavin and Gray
// (arXiv:1509.09308): 4x4 inputs and the weights are transformed by additions, so that 16 products
// at as many points give 2x2 outputs, for which the plain sum has 36. Each point is a matrix
// product, weights times tiles. Must not know which pass of a convolution this is.
//
// Sums of inputs meet sums of weights, so the rounding errors are those of the largest numbers of a
// tile, and an infinity or NaN spreads over all of it: run() says when it met one.
#pragma once

#include "kernels/conv_product.h"

namespace pycore {
namespace {
namespace conv {

using kernels::Kept;

constexpr int64_t kPoints = 16;
constexpr int64_t kFewTiles = 256;         // for which weights are transformed where they are used
constexpr int64_t kWeightWork = 256;       // multiplications for which a weight is transformed
constexpr int64_t kTileBytes = 768 << 10;  // transformed inputs that one task holds
constexpr int64_t kHeldTileBytes = 1 << 20;  // and at most, where few tiles are not cut into chunks
constexpr int64_t kChunkBytes = 384 << 10;   // of so many
// At the baseline it is left out: the library would be larger for processors of before 2013.
#if defined(__AVX2__) || defined(__aarch64__)
template <class T>
constexpr bool kWinograd = sizeof(T) == 4;
#else
template <class T>
constexpr bool kWinograd = false;
#endif

// Weights of one group, element (row, channel, tap) at w[row * row_step + channel * channel_step +
// tap], taps in reverse order where `flipped`.
template <class T>
struct TileWeights {
  const T* w;
  int64_t row_step, channel_step;
  bool flipped;

  // u[point, c - c0, row - first] of rows [first, first + count), count <= kMr.
  void transform(int64_t first, int count, int64_t c0, int64_t c1, T* u) const {
    constexpr int64_t kChunk = 16;
    alignas(64) T taps[kChunk * 9 * kMr + kLanes<T>];
    const int64_t pitch = (c1 - c0) * kMr;
    for (int64_t c = c0; c < c1; c += kChunk) {
      const int64_t here = min_of(kChunk, c1 - c);
      const T* from = w + first * row_step + c * channel_step;
      if (channel_step == 9) {
        gemm::pack_panel<T, kMr>(from, row_step, 1, count, here * 9, taps);
      } else {
        for (int64_t i = 0; i < here; ++i, from += channel_step) {
          for (int64_t j = 0; j < count * 9; j += 64 / int64_t{sizeof(T)}) {
            __builtin_prefetch(from + kAhead * channel_step + j);
          }
          gemm::pack_panel<T, kMr>(from, row_step, 1, count, 9, taps + i * 9 * kMr);
        }
      }
      for (int64_t i = 0; i < here; ++i) {
        for (int g = 0; g < kMr; g += kLanes<T>) {
          transform_one(taps + i * 9 * kMr + g, u + (c - c0 + i) * kMr + g, pitch, g);
        }
      }
    }
  }

 private:
  static constexpr int64_t kAhead = 8;  // channels whose weights are asked for

  // G g G^T lane by lane, with G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1].
  PYCORE_INLINE void transform_one(const T* taps, T* u, int64_t pitch, int g) const {
    const int64_t step = flipped ? -kMr : kMr;
    if (flipped) taps += 8 * kMr;
    Vec<T> rows[4][3];
#pragma GCC unroll 4
    for (int s = 0; s < 3; ++s) {
      const Vec<T> a = load(taps + s * step), b = load(taps + (s + 3) * step);
      const Vec<T> c = load(taps + (s + 6) * step), half = (a + c) * T{0.5};
      rows[0][s] = a;
      rows[1][s] = half + b * T{0.5};
      rows[2][s] = half - b * T{0.5};
      rows[3][s] = c;
    }
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      const Vec<T> a = rows[r][0], b = rows[r][1], c = rows[r][2], half = (a + c) * T{0.5};
      put(u + (4 * r + 0) * pitch, a, g);
      put(u + (4 * r + 1) * pitch, half + b * T{0.5}, g);
      put(u + (4 * r + 2) * pitch, half - b * T{0.5}, g);
      put(u + (4 * r + 3) * pitch, c, g);
    }
  }
  static PYCORE_INLINE void put(T* to, Vec<T> v, int g) {
    if (kMr - g >= kLanes<T>) {
      store(to, v);
    } else {
      gemm::store_first<T, kMr % kLanes<T>>(to, v);
    }
  }
};

// Whether the form is faster than the others, which multiply by all taps at all positions. This one
// multiplies at all points of whole tiles, and needs `extra` multiplications' time for each weight.
template <class T>
bool winograd_pays(int64_t batch, int64_t channels, int64_t rows, const int64_t* out,
                   int64_t extra) {
  if (channels < 16 || rows < 16) return false;
  const int64_t taps = 9 * out[0] * out[1];
  const int64_t points = kPoints * ceil_div(out[0], 2) * ceil_div(out[1], 2);
  const int64_t lanes = ceil_div(batch * points, kPoints * kLanes<T>) * kPoints * kLanes<T>;
  return 5 * points <= 4 * taps && batch * taps - lanes >= extra;
}

// One correlation of many planes: dst[b, rows, out] = src[b, channels, in] with 3x3 weights.
template <class T>
struct WinogradJob {
  int64_t batch, groups, channels, rows;  // of a group
  int64_t in[2], out[2], pad[2];
  TileWeights<T> weights;  // of the first group
  int64_t weight_group;    // from group to group
  const T* src;
  const T* bias;
  T* dst;

  // For an input gradient the other forms have to bring the weights into order, too.
  bool pays() const {
    return winograd_pays<T>(batch, channels, rows, out, weights.flipped ? 0 : kWeightWork);
  }
  // The tiles are where a 4x4 kernel of stride 2 would stand.
  ConvArgs tiles() const {
    ConvArgs g;
    for (int d = 0; d < 2; ++d) {
      g.in[d + 1] = in[d], g.pad[d + 1] = pad[d], g.out[d + 1] = ceil_div(out[d], 2);
      g.kernel[d + 1] = 4, g.stride[d + 1] = 2;
    }
    return g;
  }
};

// B^T d B of a vector of tiles, with B^T = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1], to the first
// `lanes` of v[point].
template <class T>
PYCORE_INLINE void transform_tile(const T* x, const int64_t* taps, T* v, int64_t pitch, int lanes) {
  Vec<T> rows[4][4];
#pragma GCC unroll 4
  for (int s = 0; s < 4; ++s) {
    const Vec<T> a = load(x + taps[s]), b = load(x + taps[4 + s]);
    const Vec<T> c = load(x + taps[8 + s]), d = load(x + taps[12 + s]);
    rows[0][s] = a - c;
    rows[1][s] = b + c;
    rows[2][s] = c - b;
    rows[3][s] = b - d;
  }
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) {
    const Vec<T>* d = rows[r];
    const Vec<T> points[4] = {d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]};
#pragma GCC unroll 4
    for (int s = 0; s < 4; ++s) {
      if (lanes == kLanes<T>) {
        store(v + (4 * r + s) * pitch, points[s]);
      } else {
        store_partial(v + (4 * r + s) * pitch, points[s], lanes);
      }
    }
  }
}

// A group of all images.
template <class T>
class TileProduct {
 public:
  TileProduct(const WinogradJob<T>& job, const Prepared& prepared, const Grid& grid,
              const int64_t* taps, int64_t group, bool few)
      : job_(job), prepared_(prepared), grid_(grid), taps_(taps) {
    x_ = job.src + group * job.channels * x_plane();
    bias_ = job.bias ? job.bias + group * job.rows : nullptr;
    y_ = job.dst + group * job.rows * y_plane();
    weights_ = job.weights;
    weights_.w += group * job.weight_group;
    tiles_ = job.batch * volume(grid.size);
    const int64_t rest = tiles_ % kLanes<T>;
    lone_ = few && tiles_ > kLanes<T> && rest <= kMostLone ? rest : 0;
    tiles_ -= lone_;
  }

  int64_t panels() const { return ceil_div(tiles_, N); }
  int64_t row_panels() const { return ceil_div(job_.rows, kMr); }
  int64_t rows_per() const { return ceil_div(job_.rows, row_panels()); }
  int64_t weight_panel() const { return kPoints * job_.channels * kMr; }
  // Elements of transformed tiles, and of the sums of `rows` rows, for so many panels of tiles.
  int64_t tile_size(int64_t panels) const { return kPoints * panels * panel_size(); }
  int64_t sum_size(int64_t rows, int64_t panels) const { return kPoints * sum_pitch(rows, panels); }

  // Transformed weights of panels of rows [r0, r1), all channels.
  void transform_weights(int64_t r0, int64_t r1, T* u) const {
    for (int64_t r = r0; r < r1; ++r, u += weight_panel()) {
      for (int64_t c = 0; c < job_.channels; c += depth()) {
        transform_weights(r, c, min_of(job_.channels, c + depth()), u + c * kPoints * kMr);
      }
    }
  }

  // What tiles [first, last) read of one channel, prepared: rows of their images' planes. A task
  // has its own, which stays in its nearest cache: planes that all tasks shared would go from core
  // to core, and so would the lines that they are written to.
  class Window {
   public:
    Window(const Context& ctx, const TileProduct& product, int64_t first, int64_t last)
        : of_(product),
          image_(first / of_.image_tiles()),
          first_(first - image_ * of_.image_tiles()),
          last_(last - image_ * of_.image_tiles()),
          planes_(ctx, ceil_div(last_, of_.image_tiles()) * of_.prepared_.plane() + kLanes<T>) {
      const int64_t pitch = of_.prepared_.pitch();
      each([&](int64_t image, int64_t row, int64_t end) {
        memset(planes_.get() + image * of_.prepared_.plane() + row * pitch, 0,
               sizeof(T) * static_cast<size_t>((end - row) * pitch + kLanes<T>));
      });
    }
    const T* channel(int64_t c) {
      const int64_t image_size = of_.job_.groups * of_.job_.channels * of_.x_plane();
      each([&](int64_t image, int64_t row, int64_t end) {
        of_.prepared_.copy_rows(of_.x_ + (image_ + image) * image_size + c * of_.x_plane(),
                                planes_.get() + image * of_.prepared_.plane(), row, end);
      });
      return planes_.get();
    }
    int runs(int64_t tile, int64_t count, Run* runs) const {
      return runs_of(of_.grid_, of_.prepared_.plane(), 0, tile - image_ * of_.image_tiles(), count,
                     kLanes<T>, runs);
    }

   private:
    // Calls f(image from image_ on, first row, end) for what is read.
    template <class F>
    void each(const F& f) {
      const int64_t tiles = of_.image_tiles(), columns = of_.grid_.size[2];
      for (int64_t image = 0; image * tiles < last_; ++image) {
        const int64_t begin = image == 0 ? first_ : 0, end = min_of(last_ - image * tiles, tiles);
        f(image, begin / columns * 2, ceil_div(end, columns) * 2 + 2);
      }
    }

    const TileProduct& of_;
    int64_t image_, first_, last_;  // counted from image_ on
    Scratch<T> planes_;
  };

  // Transforms `count` panels of tiles.
  void transform_tiles(const Context& ctx, int64_t panel, int64_t count, T* v) const {
    constexpr int L = kLanes<T>;
    const int64_t pitch = count * panel_size();
    Window window(ctx, *this, panel * N, min_of(tiles_, (panel + count) * N));
    const Scratch<Run> runs(ctx, count * N);
    const Scratch<int> lengths(ctx, count);
    for (int64_t p = 0; p < count; ++p) {
      lengths.get()[p] = window.runs((panel + p) * N, columns(panel + p), runs.get() + p * N);
    }
    for (int64_t c = 0; c < job_.channels; ++c) {
      const T* x = window.channel(c);
      for (int64_t p = 0; p < count; ++p) {
        T* to = v + p * panel_size() + c * N;
        const int64_t lanes = columns(panel + p);
        if (lanes % L) {  // no tiles there: zeros
          for (int64_t q = 0; q < kPoints; ++q) store(to + q * pitch + lanes / L * L, Vec<T>{});
        }
        const Run* run = runs.get() + p * N;
        for (const Run* end = run + lengths.get()[p]; run != end; ++run) {
          // What a run writes beyond its end is overwritten by the next one, or the next channel's
          // first.
          transform_tile(x + run->in, taps_, to + run->from, pitch,
                         c + 1 < job_.channels ? L : run->len);
        }
      }
    }
  }

  // Tiles at the end that would hardly fill another vector (49 = 3 * 16 + 1): they stand alone, as
  // v[point, tile, channel].
  void transform_lone(const Context& ctx, T* v) const {
    constexpr int L = kLanes<T>;
    Window window(ctx, *this, tiles_, tiles_ + lone_);
    Run runs[kMostLone];
    const int n = window.runs(tiles_, lone_, runs);
    alignas(64) T points[kPoints * L];
    for (int64_t c = 0; c < job_.channels; ++c) {
      const T* x = window.channel(c);
      for (int r = 0; r < n; ++r) {
        transform_tile(x + runs[r].in, taps_, points, L, L);
        for (int64_t q = 0; q < kPoints; ++q) {
          for (int64_t l = 0; l < runs[r].len; ++l) {
            v[(q * lone_ + runs[r].from + l) * job_.channels + c] = points[q * L + l];
          }
        }
      }
    }
  }
  // Their sums m[point, tile, row] of one panel of rows, whose weights are the vectors.
  void multiply_lone(int64_t c0, int64_t c1, const T* u, const T* v, T* m) const {
    constexpr int L = kLanes<T>;
    for (int64_t i = 0; i < kPoints * lone_; ++i, m += kLoneRows) {
      const T *a = u + i / lone_ * (c1 - c0) * kMr, *x = v + i * job_.channels;
#pragma GCC unroll 4
      for (int g = 0; g < kMr; g += L) {
        const auto weights = [&](int64_t c) {
          const T* from = a + (c - c0) * kMr + g;
          return kMr - g >= L ? load(from) : load_partial(from, kMr % L);
        };
        Vec<T> sum[4] = {};
        int64_t c = c0;
        for (; c + 4 <= c1; c += 4) {
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) sum[j] = fma<T>(weights(c + j), splat<T>(x[c + j]), sum[j]);
        }
        for (; c < c1; ++c) sum[0] = fma<T>(weights(c), splat<T>(x[c]), sum[0]);
        sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        store(m + g, c0 > 0 ? sum[0] + load(m + g) : sum[0]);
      }
    }
  }
  bool finish_lone(int64_t i0, int64_t i1, const T* m) const {
    constexpr int L = kLanes<T>;
    Vec<T> zero = {};
    for (int64_t j = 0; j < lone_; ++j) {
      const Block block = block_at(tiles_ + j, 1);
      for (int64_t i = i0; i < i1; i += L) {
        const int here = static_cast<int>(min_of(L, i1 - i));
        const Vec<T> bias = bias_ ? load_partial(bias_ + i, here) : Vec<T>{};
        alignas(64) T rows[2][2 * L];
        zero = combine(m + j * kLoneRows + i - i0, lone_ * kLoneRows, bias, rows[0], rows[1], zero);
        for (int l = 0; l < here; ++l) {
          T* to = y_ + (i + l) * y_plane() + block.out;
          for (int s = 0; s < block.width; ++s) {
            to[s] = rows[0][2 * l + s];
            if (block.both) to[job_.out[1] + s] = rows[1][2 * l + s];
          }
        }
      }
    }
    return !any<Mask<T>>(zero != zero);
  }

  // The outputs of panels of tiles [p0, p1), transformed at v, in rows [i0, i1) of one panel of
  // rows whose sums are at m. False if any is not finite.
  bool finish(int64_t p0, int64_t p1, int64_t i0, int64_t i1, const T* m) const {
    constexpr int L = kLanes<T>;
    const int64_t pitch = sum_pitch(i1 - i0, p1 - p0), width = (p1 - p0) * N;
    Vec<T> zero = {};
    for (int64_t p = p0; p < p1; ++p) {
      Block blocks[N];
      const int n = blocks_of(p, blocks);
      const int64_t lanes = columns(p);
      for (int64_t i = i0; i < i1; ++i) {
        const T* sums = m + (i - i0) * width + (p - p0) * N;
        const Vec<T> bias = splat<T>(bias_ ? bias_[i] : T{});
        alignas(64) T rows[2][2 * N + L];
        for (int64_t l = 0; l < lanes; l += L) {
          zero = combine(sums + l, pitch, bias, rows[0] + 2 * l, rows[1] + 2 * l, zero);
        }
        T* to = y_ + i * y_plane();
        for (int b = 0; b < n; ++b) {
          copy(to + blocks[b].out, rows[0] + blocks[b].from, blocks[b].width);
          if (blocks[b].both) {
            copy(to + blocks[b].out + job_.out[1], rows[1] + blocks[b].from, blocks[b].width);
          }
        }
      }
    }
    return !any<Mask<T>>(zero != zero);
  }

  // Sums of panels of rows [r0, r1), channels [c0, c1), for `count` panels of tiles from `panel`
  // on. The weights of the r-th panel are at u + r * u_panel.
  void multiply(int64_t r0, int64_t r1, int64_t c0, int64_t c1, const T* u, int64_t u_panel,
                int64_t panel, int64_t count, const T* v, T* m) const {
    const gemm::Epilogue<T> e{nullptr, nullptr, c0 > 0, false};
    const int64_t per = rows_per(), first = r0 * per, end = min_of(job_.rows, r1 * per);
    const int64_t pitch = sum_pitch(end - first, count);
    for (int64_t q = 0; q < kPoints; ++q) {
      for (int64_t p = 0; p < count; ++p) {
        const T* b = v + (q * count + p) * panel_size() + c0 * N;
        const int cols = columns(panel + p) <= kLanes<T> ? kLanes<T> : static_cast<int>(N);
        for (int64_t r = r0; r < r1; ++r) {
          const int here = static_cast<int>(min_of(per, job_.rows - r * per));
          if (here <= 0) break;
          const auto tile = cols < N ? gemm::streaming_tile_of<T, 1>(here)
                                     : gemm::streaming_tile_of<T, gemm::kNv>(here);
          tile(c1 - c0, u + (r - r0) * u_panel + q * (c1 - c0) * kMr, 0, 0, b, N,
               m + q * pitch + (r * per - first) * count * N + p * N, count * N, cols, e);
        }
      }
    }
  }

  // Few tiles: tasks take rows and panels of tiles, transform these tiles for themselves, since
  // sending them from one core's cache to another's takes longer, and some at a time, so that they
  // stay in the cache; and the weights that they use, unless these are transformed at `kept`.
  void run_few(const Context& ctx, const T* kept, bool* finite) const {
    const int64_t per = rows_per(), rows = ceil_div(job_.rows, per), all = panels();
    const Split split = split_of(rows, all, ctx.threads, !kept);
    const int64_t channels = job_.channels, depth = this->depth();
    run_tasks(ctx, split.rows * split.tiles, [&](int64_t t) {
      const int64_t part = t / split.tiles, piece = t % split.tiles;
      const int64_t r0 = part * rows / split.rows, r1 = (part + 1) * rows / split.rows;
      const int64_t p0 = piece * all / split.tiles, p1 = (piece + 1) * all / split.tiles;
      const int64_t chunks = chunks_of(p1 - p0), most = ceil_div(p1 - p0, chunks);
      const int64_t lone = piece + 1 == split.tiles ? lone_ : 0;
      const int64_t u_panel = kPoints * depth * kMr, lone_panel = kPoints * lone * kLoneRows;
      const Scratch<T> v(ctx, tile_size(most)), m(ctx, sum_size(kPair * per, most));
      const Scratch<T> lone_v(ctx, kPoints * lone * channels), lone_m(ctx, kPair * lone_panel);
      // Weights that pass several chunks are transformed once.
      const bool hold = !kept && chunks > 1;
      const Scratch<T> own(
          ctx, kept ? 0 : kLanes<T> + (hold ? (r1 - r0) * weight_panel() : kPair * u_panel));
      if (hold) transform_weights(r0, r1, own.get());
      if (lone) transform_lone(ctx, lone_v.get());
      bool good = true;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        const int64_t first = p0 + chunk * (p1 - p0) / chunks;
        const int64_t count = p0 + (chunk + 1) * (p1 - p0) / chunks - first;
        const bool with_lone = lone && chunk + 1 == chunks;
        transform_tiles(ctx, first, count, v.get());
        // Two panels of rows for each panel of tiles that comes from the next cache.
        for (int64_t r = r0; r < r1; r += kPair) {
          const int64_t next = min_of(r + kPair, r1), end = min_of(job_.rows, next * per);
          for (int64_t c0 = 0; c0 < channels; c0 += depth) {
            const int64_t c1 = min_of(channels, c0 + depth);
            const bool whole = kept || hold;
            const T* u = own.get();
            if (whole)
              u = (kept ? kept + r * weight_panel() : u + (r - r0) * weight_panel()) +
                  c0 * kPoints * kMr;
            for (int64_t i = r; !whole && i < next; ++i) {
              transform_weights(i, c0, c1, own.get() + (i - r) * u_panel);
            }
            const int64_t pitch = whole ? weight_panel() : u_panel;
            multiply(r, next, c0, c1, u, pitch, first, count, v.get(), m.get());
            for (int64_t i = r; with_lone && i < next; ++i) {
              multiply_lone(c0, c1, u + (i - r) * pitch, lone_v.get(),
                            lone_m.get() + (i - r) * lone_panel);
            }
          }
          good &= finish(first, first + count, r * per, end, m.get());
          for (int64_t i = r; with_lone && i < next; ++i) {
            good &= finish_lone(i * per, min_of(end, (i + 1) * per),
                                lone_m.get() + (i - r) * lone_panel);
          }
        }
      }
      if (!good) mark(finite);
    });
  }

  // Many tiles: tasks take some, and read the weights, transformed at u, from the next cache.
  void run_many(const Context& ctx, const T* u, bool* finite) const {
    const int64_t count = panels(), channels = job_.channels, depth = this->depth();
    const int64_t fit = kTileBytes / (kPoints * channels * N * static_cast<int64_t>(sizeof(T)));
    const int64_t most = max_of(2, min_of(128 / N, fit));
    const int64_t tasks = ceil_div(ceil_div(count, most), 2) * 2;  // two threads get the same
    const int64_t per = rows_per(), rows = ceil_div(job_.rows, per);
    run_tasks(ctx, tasks, [&](int64_t t) {
      const int64_t p0 = t * count / tasks, p1 = (t + 1) * count / tasks;
      if (p0 == p1) return;
      const Scratch<T> v(ctx, tile_size(p1 - p0)), m(ctx, sum_size(per, p1 - p0));
      transform_tiles(ctx, p0, p1 - p0, v.get());
      bool good = true;
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c0 = 0; c0 < channels; c0 += depth) {
          const T* panel = u + r * weight_panel() + c0 * kPoints * kMr;
          multiply(r, r + 1, c0, min_of(channels, c0 + depth), panel, 0, p0, p1 - p0, v.get(),
                   m.get());
        }
        good &= finish(p0, p1, r * per, min_of(job_.rows, (r + 1) * per), m.get());
      }
      if (!good) mark(finite);
    });
  }

 private:
  static constexpr int64_t N = kNr<T>;
  static constexpr int64_t kLoneRows = (kMr + kLanes<T> - 1) / kLanes<T> * kLanes<T>;

  const WinogradJob<T>& job_;
  const Prepared& prepared_;
  const Grid& grid_;
  const int64_t* taps_;
  const T* x_;
  const T* bias_;
  T* y_;
  TileWeights<T> weights_;
  int64_t tiles_, lone_;  // in panels, and behind them

  int64_t y_plane() const { return job_.out[0] * job_.out[1]; }
  int64_t x_plane() const { return job_.in[0] * job_.in[1]; }
  int64_t image_tiles() const { return volume(grid_.size); }
  int64_t columns(int64_t panel) const { return min_of(N, tiles_ - panel * N); }

  static constexpr int64_t kPair = 2;  // panels of rows that are multiplied together
  // Into how many parts `panels` of transformed tiles are taken one after the other.
  int64_t chunks_of(int64_t panels) const {
    const int64_t bytes = tile_size(panels) * static_cast<int64_t>(sizeof(T));
    return bytes <= kHeldTileBytes ? 1 : min_of(panels, ceil_div(bytes, kChunkBytes));
  }
  // Parts of the rows and of the tiles, a task for each pair: those that end first on so many
  // threads, by the time of a panel of weights times one of tiles in relation to that of the
  // transforms, which each task makes for itself. How work is split does not show in the bits.
  struct Split {
    int64_t rows, tiles;
  };
  static Split split_of(int64_t rows, int64_t tiles, int64_t threads, bool weights) {
    constexpr int64_t kProduct = 224, kTiles = 100, kWeights = 80;
    Split best{1, 1};
    int64_t least = INT64_MAX;
    for (int64_t r = 1; r <= min_of(rows, threads); ++r) {
      for (int64_t s = 1; s <= min_of(tiles, 2 * threads); ++s) {
        const int64_t high = ceil_div(rows, r), wide = ceil_div(tiles, s);
        const int64_t one = high * wide * kProduct + wide * kTiles + weights * high * kWeights;
        const int64_t all = ceil_div(r * s, threads) * one;
        if (all < least) least = all, best = {r, s};
      }
    }
    return best;
  }
  // Of one sum: short, since the rounding errors of sums are what this form has more of.
  int64_t depth() const { return ceil_div(job_.channels, ceil_div(job_.channels, 128)); }
  // With a line more than need be, so that the points' panels don't meet in one set of the cache.
  int64_t panel_size() const { return job_.channels * N + 16; }
  static int64_t sum_pitch(int64_t rows, int64_t panels) { return rows * panels * N + 16; }
  static void mark(bool* finite) { __atomic_store_n(finite, false, __ATOMIC_RELAXED); }

  void transform_weights(int64_t r, int64_t c0, int64_t c1, T* u) const {
    const int64_t row = r * rows_per();
    weights_.transform(row, static_cast<int>(min_of(rows_per(), job_.rows - row)), c0, c1, u);
  }

  // A^T m A of a vector of tiles, with A^T = [1 1 1 0; 0 1 -1 -1], to two rows of outputs. Returns
  // `zero`, with NaN where an output is not finite.
  static PYCORE_INLINE Vec<T> combine(const T* m, int64_t pitch, Vec<T> bias, T* row0, T* row1,
                                      Vec<T> zero) {
    Vec<T> top[4], bottom[4];
#pragma GCC unroll 4
    for (int s = 0; s < 4; ++s) {
      const Vec<T> a = load(m + s * pitch), b = load(m + (4 + s) * pitch);
      const Vec<T> c = load(m + (8 + s) * pitch), d = load(m + (12 + s) * pitch);
      top[s] = a + b + c;
      bottom[s] = b - c - d;
    }
    const auto put = [&](const Vec<T>* t, T* row) {
      Vec<T> even = t[0] + t[1] + t[2] + bias, odd = t[1] - t[2] - t[3] + bias;
      zero = fma<T>(even, Vec<T>{}, zero);
      zero = fma<T>(odd, Vec<T>{}, zero);
      interleave<T>(even, odd);
      store(row, even);
      store(row + kLanes<T>, odd);
    };
    put(top, row0);
    put(bottom, row1);
    return zero;
  }

  // Where the outputs of neighbouring tiles lie: `width` of them in one row or in both.
  struct Block {
    int64_t out;
    int32_t from, width;
    bool both;
  };
  // As many of `count` tiles as stand in the row of the first.
  Block block_at(int64_t tile, int64_t count) const {
    const int64_t columns = grid_.size[2], row = tile / columns, w = tile % columns;
    const int64_t image = row / grid_.size[1], h = row % grid_.size[1];
    const int64_t width = min_of(2 * min_of(count, columns - w), job_.out[1] - 2 * w);
    return {image * job_.groups * job_.rows * y_plane() + 2 * h * job_.out[1] + 2 * w, 0,
            static_cast<int32_t>(width), 2 * h + 1 < job_.out[0]};
  }
  int blocks_of(int64_t panel, Block* blocks) const {
    const int64_t count = columns(panel);
    int n = 0;
    for (int64_t done = 0; done < count; done += ceil_div(blocks[n++].width, 2)) {
      blocks[n] = block_at(panel * N + done, count - done);
      blocks[n].from = static_cast<int32_t>(2 * done);
    }
    return n;
  }
  static PYCORE_INLINE void copy(T* to, const T* from, int count) {
    constexpr int L = kLanes<T>;
    if (count < L) return store_partial(to, load(from), count);
    const int last = count - L;
#pragma GCC novector
    for (int i = 0; i < last; i += L) store(to + i, load(from + i));
    store(to + last, load(from + last));  // over part of the one before
  }
};

// False if a result is not finite: all have to be computed anew then. The transformed weights may
// stay in memory of `handle`.
template <class T>
bool run_winograd(const Context& ctx, const WinogradJob<T>& job, kernels::KeptOperand* handle) {
  const ConvArgs tiles = job.tiles();
  const Prepared prepared = prepared_input(tiles);
  const Grid grid = output_grid(tiles, prepared);
  int64_t taps[kPoints];
  input_taps(tiles, prepared, taps);
  const bool few = job.batch * volume(grid.size) <= kFewTiles;
  const auto product = [&](int64_t group) {
    return TileProduct<T>(job, prepared, grid, taps, group, few);
  };
  const TileProduct<T> shape = product(0);
  const int64_t panels = shape.row_panels(), group_size = panels * shape.weight_panel();
  const Kept<T> kept(ctx, handle, kernels::KeptLayout::conv_winograd,
                     job.groups * group_size + kLanes<T>, "weights kept transformed");
  const Scratch<T> scratch(ctx, few || kept.get() ? 0 : job.groups * group_size);
  T* const weights = kept.get() ? kept.get() : few ? nullptr : scratch.get();
  if (weights && !kept.filled()) {
    run_tasks(ctx, job.groups * panels, [&](int64_t t) {
      const int64_t group = t / panels, r = t % panels;
      if (r * shape.rows_per() >= job.rows) return;
      product(group).transform_weights(r, r + 1, weights + t * shape.weight_panel());
    });
    kept.done();
  }
  bool finite = true;
  for (int64_t group = 0; group < job.groups && finite; ++group) {
    const TileProduct<T> here = product(group);
    const T* u = weights ? weights + group * group_size : nullptr;
    few ? here.run_few(ctx, u, &finite) : here.run_many(ctx, u, &finite);
  }
  return finite;
}

}  // namespace conv
}  // namespace
}  // namespace pycore
