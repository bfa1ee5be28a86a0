// Register tiles of the direct convolution: a few channels by a few vectors of one output row.
// Must not know batches, groups, tasks or how the input was prepared.
#pragma once

#include "kernels/gemm_tiles.h"
#include "kernels/planes.h"

namespace pycore {
namespace {
namespace conv {

using namespace simd;  // NOLINT: an unnamed namespace, and these are its words
using gemm::kMr;
using planes::Cut;
using planes::Piece;
using planes::Segment;

// Vectors in a tile of R output channels: accumulators, inputs and one temporary fill the
// registers.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int kRegisters = 32;
#else
inline constexpr int kRegisters = 16;
#endif
template <int R>
inline constexpr int kVectors = [] {
  const int fit = (kRegisters - (kRegisters == 32 ? 1 : 2)) / (R + 1);
  return fit >= 8 ? 8 : fit >= 6 ? 6 : fit >= 4 ? 4 : fit < 1 ? 1 : fit;
}();

// One correlation: y[r, q] = bias[r] + sum over channels c and taps t of w[c, t, r] * x[c, q + t].
template <class T>
struct Correlation {
  const T* x;
  int64_t channels, channel_step;  // of x
  const int64_t* taps;             // offsets in a plane of x
  int64_t tap_count;
  const T* w;  // [channels, tap_count, kMr]
  const T* bias;
  T* y;
  int64_t plane;  // elements from channel to channel of y
  int64_t step;   // and from position to position of a segment; 1 but for strided gradients
};

template <class T>
__attribute__((noinline)) void store_strided(const T* t, T* y, int64_t step, int len) {
  for (int l = 0; l < len; ++l) y[l * step] = t[l];
}

// Whether tiles of R channels have time for the second load of segments that are joined of two
// rows; the masks that join them are cheap only where they have registers of their own.
template <class T, int R>
inline constexpr bool kJoins = kRegisterBytes == 64 && sizeof(T) == 4 && R >= 5;

template <class T, int R, bool Joined>
void correlate(const Correlation<T>& q, const Segment* s, int count) {
  constexpr int L = kLanes<T>, NV = kVectors<R>;
  const T *in[NV], *second[NV];
  Mask<T> from_second[NV];
#pragma GCC unroll 8
  for (int v = 0; v < NV; ++v) {
    const Segment& segment = s[v < count ? v : count - 1];
    in[v] = q.x + segment.in;
    if constexpr (Joined) {
      second[v] = q.x + segment.second;
      Mask<T> lane;
      for (int l = 0; l < L; ++l) lane[l] = l;
      from_second[v] = lane >= segment.split;
    }
  }
  bool whole = q.step == 1;
  for (int v = 0; v < count; ++v) whole = whole && s[v].pieces == 1 && s[v].piece[0].len == L;
  if (whole) {  // where the results go is fetched while they are computed
    for (int v = 0; v < count; ++v) {
      const T* y = q.y + s[v].piece[0].out;
      for (int i = 0; i < R; ++i) __builtin_prefetch(y + i * q.plane, 1);
    }
  }
  Vec<T> acc[R][NV] = {};
  const T* w = q.w;
  for (int64_t c = 0; c < q.channels; ++c) {
    const int64_t base = c * q.channel_step;
    for (int64_t t = 0; t < q.tap_count; ++t) {
      const int64_t off = base + q.taps[t];
      Vec<T> x[NV];
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) {
        x[v] = load(in[v] + off);
        if constexpr (Joined) x[v] = select<T>(from_second[v], load(second[v] + off), x[v]);
      }
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) {
        const Vec<T> wi = splat<T>(w[i]);
#pragma GCC unroll 8
        for (int v = 0; v < NV; ++v) acc[i][v] = fma<T>(wi, x[v], acc[i][v]);
      }
      w += kMr;
    }
  }
  if (q.bias) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) acc[i][v] += q.bias[i];
    }
  }
  if (whole) {
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) {
      if (v >= count) break;
      T* y = q.y + s[v].piece[0].out;
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) store(y + i * q.plane, acc[i][v]);
    }
    return;
  }
  // Not unrolled in v: the tile goes through memory, so that the code stays small.
  alignas(64) T sums[(R * NV + 1) * L];  // pieces read past their end
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) store(sums + (v * R + i) * L, acc[i][v]);
  }
  for (int v = 0; v < count; ++v) {
    for (int p = 0; p < s[v].pieces; ++p) {
      const Piece& piece = s[v].piece[p];
      T* y = q.y + piece.out;
      const T* t = sums + v * R * L + piece.from;
      if (q.step != 1) {
        for (int i = 0; i < R; ++i) store_strided(t + i * L, y + i * q.plane, q.step, piece.len);
      } else if (piece.len == L) {
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) store(y + i * q.plane, load(t + i * L));
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) store_partial(y + i * q.plane, load(t + i * L), piece.len);
      }
    }
  }
}

template <class T>
struct CorrelateFn {
  void (*run)(const Correlation<T>&, const Segment*, int count);
  int vectors;  // segments per call
};
template <class T, int R = kMr>
inline CorrelateFn<T> correlate_of(int64_t rows, bool joined) {
  if constexpr (R == 1) {
    return {correlate<T, 1, false>, kVectors<1>};
  } else {
    if (rows != R) return correlate_of<T, R - 1>(rows, joined);
    if constexpr (kJoins<T, R>) {
      if (joined) return {correlate<T, R, true>, kVectors<R>};
    }
    return {correlate<T, R, false>, kVectors<R>};
  }
}
// Whether panels of so many rows take joined segments; all panels of `rows` rows have `per` but
// the last.
template <class T>
inline bool takes_joined(int64_t rows, int64_t per) {
  return kJoins<T, kMr> && per >= 5 && (rows % per == 0 || rows % per >= 5);
}

// The weight gradient's tile: R channels of grad_y against V taps of x, summed over positions that
// lie side by side in both. Lanes are positions; they are added up at the very end.
#if defined(__AVX512F__)
inline constexpr int kGradRows = 6, kGradTaps = 4;
#elif defined(__aarch64__)
inline constexpr int kGradRows = 6, kGradTaps = 3;
#else
inline constexpr int kGradRows = 3, kGradTaps = 3;
#endif

// rows of grad_y at gy + i * plane, taps of x at x + offset[v]; `lines` describes the output rows:
// line l starts at gy + l * gy_line and x + line_in[l].
template <class T>
struct TapSums {
  int64_t images, gy_image, x_image;  // and the distance from image to image
  int64_t lines, width, gy_line;
  const int64_t* line_in;
  const T* gy;
  int64_t plane;
  const T* x;
};

template <class T, int R>
void tap_sums(const TapSums<T>& q, const int64_t* offsets, T* sums) {
  constexpr int L = kLanes<T>, V = kGradTaps;
  Vec<T> acc[R * V + L] = {};  // the rest stays zero for sum_each
  const int tail = static_cast<int>(q.width % L);
  for (int64_t b = 0; b < q.images; ++b) {
    for (int64_t l = 0; l < q.lines; ++l) {
      const T* gy = q.gy + b * q.gy_image + l * q.gy_line;
      const T* x = q.x + b * q.x_image + q.line_in[l];
      int64_t p = 0;
      for (; p + L <= q.width; p += L) {
        Vec<T> xv[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) xv[v] = load(x + offsets[v] + p);
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) {
          const Vec<T> g = load(gy + i * q.plane + p);
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) acc[i * V + v] = fma<T>(g, xv[v], acc[i * V + v]);
        }
      }
      if (tail) {
        Vec<T> xv[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) xv[v] = load_partial(x + offsets[v] + p, tail);
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) {
          const Vec<T> g = load_partial(gy + i * q.plane + p, tail);
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) acc[i * V + v] = fma<T>(g, xv[v], acc[i * V + v]);
        }
      }
    }
  }
  alignas(64) T out[(R * V + L - 1) / L * L];
#pragma GCC unroll 8
  for (int g = 0; g < R * V; g += L) store(out + g, sum_each<T>(acc + g));
  memcpy(sums, out, sizeof(T) * R * V);
}

template <class T>
using TapSumsFn = void (*)(const TapSums<T>&, const int64_t* offsets, T* sums);
template <class T, int R = kGradRows>
inline TapSumsFn<T> tap_sums_of(int64_t rows) {
  if constexpr (R == 1) {
    return tap_sums<T, 1>;
  } else {
    if (rows == R) return tap_sums<T, R>;
    return tap_sums_of<T, R - 1>(rows);
  }
}

}  // namespace conv
}  // namespace
}  // namespace pycore
