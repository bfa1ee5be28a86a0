// The weight gradient of 3x3 convolutions of step 1 in the Winograd form: the adjoint of
// conv_winograd.h. The transformed tiles of x meet transforms of grad_y's 2x2 tiles; their products
// are summed over all tiles, at 16 points, and transformed to 3x3 weights at the end.
// Must not know other forms.
#pragma once

#include "kernels/conv_winograd.h"

namespace pycore {
namespace {
namespace conv {

constexpr int64_t kLocalSums =
    128 * 128;                     // weights of a group of which every task has its own sums
constexpr int64_t kSumChunks = 8;  // such tasks, at most, and the tiles that are worth one
constexpr int64_t kChunkTiles = 48;

// One group. Tiles stand in rows of all images, and are taken some rows at a time.
template <class T>
class WeightTilesProduct {
 public:
  WeightTilesProduct(const ConvArgs& g, const T* x, const T* gy, T* dw, int64_t group)
      : in_{g.in[1], g.in[2]}, out_{g.out[1], g.out[2]}, pad_{g.pad[1], g.pad[2]} {
    channels_ = g.in_channels / g.groups, rows_ = g.out_channels / g.groups;
    x_image_ = g.in_channels * volume(g.in), y_image_ = g.out_channels * volume(g.out);
    x_ = x + group * channels_ * volume(g.in);
    gy_ = gy + group * rows_ * volume(g.out);
    dw_ = dw + group * rows_ * channels_ * 9;
    down_ = ceil_div(out_[0], 2), across_ = ceil_div(out_[1], 2);
    tile_rows_ = g.batch * down_;
    for (int64_t i = 0; i < kPoints; ++i) taps_[i] = (i / 4 * padded() + i % 4) * N;
  }

  // False if a result is not finite.
  bool run(const Context& ctx) const {
    return rows_ * channels_ <= kLocalSums ? run_chunks(ctx) : run_channels(ctx);
  }

 private:
  static constexpr int64_t N = kNr<T>;

  int64_t in_[2], out_[2], pad_[2];
  int64_t channels_, rows_, x_image_, y_image_;
  const T *x_, *gy_;
  T* dw_;
  int64_t down_, across_, tile_rows_;
  int64_t taps_[kPoints];

  int64_t padded() const { return 2 * across_ + 2; }
  int64_t panels() const { return ceil_div(channels_, N); }
  int64_t row_panels() const { return ceil_div(rows_, kMr); }
  int64_t rows_per() const { return ceil_div(rows_, row_panels()); }
  // Rows of tiles that are taken together, of about so many tiles.
  int64_t together(int64_t tiles) const { return min_of(tile_rows_, max_of(1, tiles / across_)); }
  // Elements from point to point; with lines more than need be for the sets of the caches.
  int64_t tile_pitch(int64_t rows) const { return rows * across_ * N + 16; }
  int64_t gradient_row(int64_t rows) const { return rows * across_ + kLanes<T>; }
  int64_t gradient_pitch(int64_t rows) const { return rows_ * gradient_row(rows) + 16; }
  int64_t plane_size(int64_t rows) const { return (2 * rows + 2) * padded() * N; }
  static constexpr int64_t kSumPitch = kMr * N;
  static constexpr int64_t kPanelSums = kPoints * kSumPitch;  // of a panel of rows and one of lanes

  // A gy A^T for rows of tiles [t0, t1) and rows [i0, i1) of grad_y, with A = [1 0; 1 1; 1 -1; 0
  // -1], to u[point, row, tile].
  void transform_gradient(int64_t t0, int64_t t1, int64_t i0, int64_t i1, T* u) const {
    constexpr int L = kLanes<T>;
    const int64_t pitch = gradient_pitch(t1 - t0), width = out_[1];
    for (int64_t i = i0; i < i1; ++i) {
      for (int64_t t = t0; t < t1; ++t) {
        const int64_t h = 2 * (t % down_);
        const T* top = gy_ + t / down_ * y_image_ + (i * out_[0] + h) * width;
        T* to = u + i * gradient_row(t1 - t0) + (t - t0) * across_;
        for (int64_t w = 0; w < width; w += 2 * L, to += L) {
          const int64_t here = min_of(2 * L, width - w);
          Vec<T> a, b, c = {}, d = {};
          split(top + w, here, a, b);
          if (h + 1 < out_[0]) split(top + width + w, here, c, d);
          const Vec<T> left[4] = {a, a + c, a - c, -c}, right[4] = {b, b + d, b - d, -d};
          // What goes beyond the end of the row is overwritten by the next, or is nobody's.
#pragma GCC unroll 4
          for (int r = 0; r < 4; ++r) {
            store(to + (4 * r + 0) * pitch, left[r]);
            store(to + (4 * r + 1) * pitch, left[r] + right[r]);
            store(to + (4 * r + 2) * pitch, left[r] - right[r]);
            store(to + (4 * r + 3) * pitch, -right[r]);
          }
        }
      }
    }
  }
  static PYCORE_INLINE void split(const T* from, int64_t count, Vec<T>& even, Vec<T>& odd) {
    constexpr int L = kLanes<T>;
    const int n = static_cast<int>(count);
    even = n < L ? load_partial(from, n) : load(from);
    odd = n < 2 * L ? load_partial(from + L, n > L ? n - L : 0) : load(from + L);
    deinterleave<T>(even, odd);
  }

  // B^T d B for rows of tiles [t0, t1) and a panel of channels, to v[point, tile, channel]. `plane`
  // holds the positions of one image that are seen, channels in the lanes.
  void transform_tiles(int64_t t0, int64_t t1, int64_t panel, T* plane, T* v) const {
    const int64_t pitch = tile_pitch(t1 - t0), line = padded() * N;
    const int count = static_cast<int>(min_of(N, channels_ - panel * N));
    for (int64_t t = t0; t < t1;) {
      const int64_t image = t / down_, h0 = 2 * (t % down_) - pad_[0];
      const int64_t end = min_of(t1, (image + 1) * down_), lines = 2 * (end - t) + 2;
      const T* x = x_ + image * x_image_ + panel * N * in_[0] * in_[1];
      const int64_t seen = max_of(0, min_of(in_[1], padded() - pad_[1]));
      for (int64_t l = 0; l < lines; ++l) {
        T* to = plane + l * line;
        const int64_t h = h0 + l;
        if (h < 0 || h >= in_[0]) {
          memset(to, 0, sizeof(T) * static_cast<size_t>(line));
          continue;
        }
        const int64_t left = min_of(pad_[1], padded());
        memset(to, 0, sizeof(T) * static_cast<size_t>(left * N));
        memset(to + (left + seen) * N, 0,
               sizeof(T) * static_cast<size_t>((padded() - left - seen) * N));
        gemm::pack_rows<T, N>([&](int i) { return x + (i * in_[0] + h) * in_[1]; }, count, seen,
                              to + left * N);
      }
      for (const T* from = plane; t < end; ++t, from += 2 * line) {
        for (int64_t w = 0; w < across_; ++w, v += N) {
          for (int g = 0; g < count; g += kLanes<T>) {
            transform_tile(from + 2 * w * N + g, taps_, v + g, pitch, kLanes<T>);
          }
        }
      }
    }
  }

  // Sums over the tiles of `rows` rows for one panel of rows and one of channels:
  // m[point, row, channel].
  void multiply(int64_t r, int64_t panel, int64_t rows, const T* u, const T* v, T* m,
                bool accumulate) const {
    const gemm::Epilogue<T> e{nullptr, nullptr, accumulate, false};
    const int64_t row = r * rows_per(), tiles = rows * across_;
    const int here = static_cast<int>(min_of(rows_per(), rows_ - row));
    const bool half = channels_ - panel * N <= kLanes<T>;
    const auto tile = half ? gemm::tile_of<T, 1, false, true>(here)
                           : gemm::tile_of<T, gemm::kNv, false, true>(here);
    for (int64_t q = 0; q < kPoints; ++q) {
      tile(tiles, u + q * gradient_pitch(rows) + row * gradient_row(rows), gradient_row(rows), 1,
           v + q * tile_pitch(rows), N, m + q * kSumPitch, N,
           static_cast<int>(half ? kLanes<T> : N), e);
    }
  }

  // The weights of one panel of rows and one of channels: G^T m G, of the sum of `parts` sums that
  // lie `step` apart.
  bool finish(int64_t r, int64_t panel, const T* m, int64_t parts, int64_t step) const {
    constexpr int L = kLanes<T>;
    Vec<T> zero = {};
    const int64_t end = min_of(rows_, (r + 1) * rows_per());
    for (int64_t i = r * rows_per(); i < end; ++i, m += N) {
      for (int64_t g = 0; g < N && panel * N + g < channels_; g += L) {
        const auto sum = [&](int q) {
          const T* from = m + q * kSumPitch + g;
          Vec<T> s = load(from);
          for (int64_t part = 1; part < parts; ++part) s += load(from + part * step);
          return s;
        };
        Vec<T> rows[3][4];
#pragma GCC unroll 4
        for (int s = 0; s < 4; ++s) {
          const Vec<T> a = sum(s), b = sum(4 + s), c = sum(8 + s), d = sum(12 + s);
          const Vec<T> half = (b + c) * T{0.5};
          rows[0][s] = a + half;
          rows[1][s] = (b - c) * T{0.5};
          rows[2][s] = half + d;
        }
        Vec<T> taps[L > 9 ? L : 9] = {};
#pragma GCC unroll 4
        for (int t = 0; t < 3; ++t) {
          const Vec<T>* w = rows[t];
          const Vec<T> half = (w[1] + w[2]) * T{0.5};
          taps[3 * t] = w[0] + half;
          taps[3 * t + 1] = (w[1] - w[2]) * T{0.5};
          taps[3 * t + 2] = half + w[3];
        }
#pragma GCC unroll 16
        for (int t = 0; t < 9; ++t) zero = fma<T>(taps[t], Vec<T>{}, zero);
        const int64_t c = panel * N + g;
        put(taps, static_cast<int>(min_of(L, channels_ - c)), dw_ + (i * channels_ + c) * 9);
      }
    }
    return !any<Mask<T>>(zero != zero);
  }
  // to[lane * 9 + tap] of the first `count` lanes.
  static PYCORE_INLINE void put(Vec<T>* taps, int count, T* to) {
    constexpr int L = kLanes<T>;
    if constexpr (L > 9) {
      transpose<T>(taps);
      for (int l = 0; l < count; ++l) store_partial(to + l * 9, taps[l], 9);
    } else {
      alignas(64) T last[L];
      store(last, taps[8]);
#pragma GCC unroll 4
      for (int t = 0; t < 8; t += L) {
        transpose<T>(taps + t);
        for (int l = 0; l < count; ++l) store(to + l * 9 + t, taps[t + l]);
      }
      for (int l = 0; l < count; ++l) to[l * 9 + 8] = last[l];
    }
  }

  // Few weights: tasks take rows of tiles, and have sums of their own, which are added in order.
  bool run_chunks(const Context& ctx) const {
    const int64_t chunks =
        max_of(1, min_of(min_of(kSumChunks, tile_rows_), tile_rows_ * across_ / kChunkTiles));
    const int64_t rows = together(64), count = row_panels(), sums = panels() * count * kPanelSums;
    const Scratch<T> all(ctx, chunks * sums);
    run_tasks(ctx, chunks, [&](int64_t task) {
      const int64_t begin = task * tile_rows_ / chunks, end = (task + 1) * tile_rows_ / chunks;
      const Scratch<T> u(ctx, kPoints * gradient_pitch(rows)), v(ctx, kPoints * tile_pitch(rows));
      const Scratch<T> plane(ctx, plane_size(rows));
      T* m = all.get() + task * sums;
      for (int64_t t = begin; t < end; t += rows) {
        const int64_t here = min_of(rows, end - t);
        transform_gradient(t, t + here, 0, rows_, u.get());
        for (int64_t p = 0; p < panels(); ++p) {
          transform_tiles(t, t + here, p, plane.get(), v.get());
          for (int64_t r = 0; r < count; ++r) {
            multiply(r, p, here, u.get(), v.get(), m + (p * count + r) * kPanelSums, t > begin);
          }
        }
      }
    });
    bool finite = true;
    run_tasks(ctx, count, [&](int64_t r) {
      for (int64_t p = 0; p < panels(); ++p) {
        const T* m = all.get() + (p * count + r) * kPanelSums;
        if (!finish(r, p, m, chunks, sums)) __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
      }
    });
    return finite;
  }

  // Many weights: tasks take channels, and share the transforms of grad_y.
  bool run_channels(const Context& ctx) const {
    const int64_t rows = together(128), count = row_panels(), sums = count * kPanelSums;
    const bool once = rows == tile_rows_;
    const Scratch<T> u(ctx, kPoints * gradient_pitch(rows)), all(ctx, once ? 0 : panels() * sums);
    bool finite = true;
    for (int64_t t = 0; t < tile_rows_; t += rows) {
      const int64_t here = min_of(rows, tile_rows_ - t);
      const int64_t parts = min_of(16, rows_);
      run_tasks(ctx, parts, [&](int64_t part) {
        transform_gradient(t, t + here, part * rows_ / parts, (part + 1) * rows_ / parts, u.get());
      });
      run_tasks(ctx, panels(), [&](int64_t p) {
        const Scratch<T> v(ctx, kPoints * tile_pitch(here)), plane(ctx, plane_size(here));
        const Scratch<T> own(ctx, once ? kPanelSums : 0);
        transform_tiles(t, t + here, p, plane.get(), v.get());
        for (int64_t r = 0; r < count; ++r) {
          T* m = once ? own.get() : all.get() + p * sums + r * kPanelSums;
          multiply(r, p, here, u.get(), v.get(), m, t > 0);
          if (t + here == tile_rows_ && !finish(r, p, m, 1, 0)) {
            __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
          }
        }
      });
    }
    return finite;
  }
};

// False where another form has to do it.
template <class T>
bool winograd_weight(const Context& ctx, const ConvArgs& g, const T* x, const T* gy, T* dw) {
  for (int64_t group = 0; group < g.groups; ++group) {
    if (!WeightTilesProduct<T>(g, x, gy, dw, group).run(ctx)) return false;
  }
  return true;
}

}  // namespace conv
}  // namespace
}  // namespace pycore
