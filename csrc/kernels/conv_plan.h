// Geometry of the direct convolution: how a plane is prepared (padded, split by the stride) so that
// neighbouring outputs read neighbouring inputs, and where every tap and output row then lies.
// Must not know register tiles or tasks.
#pragma once

#include "kernels/conv.h"
#include "kernels/conv_tiles.h"

namespace pycore {
namespace {
namespace conv {

using kernels::ConvArgs;

inline int64_t min_of(int64_t x, int64_t y) { return x < y ? x : y; }
inline int64_t max_of(int64_t x, int64_t y) { return x > y ? x : y; }
inline int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }
inline int64_t volume(const int64_t* d) { return d[0] * d[1] * d[2]; }

// A plane with zeros around it. With a stride s along the width, every row is stored as s phases:
// elements 0, s, 2s, ... first, then 1, s + 1, ...; so a step of s is a step of 1 in memory.
struct Prepared {
  int64_t size[3];    // of the source
  int64_t low[3];     // zeros in front
  int64_t padded[3];  // size with all zeros
  int64_t phases = 1;

  int64_t phase_len() const { return ceil_div(padded[2], phases); }
  int64_t pitch() const { return phases * phase_len(); }
  int64_t plane() const { return padded[0] * padded[1] * pitch(); }
  bool is_source() const {
    return phases == 1 && padded[0] == size[0] && padded[1] == size[1] && padded[2] == size[2];
  }
  // Offset of padded position (d, h, w).
  int64_t at(int64_t d, int64_t h, int64_t w) const {
    return (d * padded[1] + h) * pitch() + w % phases * phase_len() + w / phases;
  }

  template <class T>
  void fill(const T* src, T* dst) const {
    if (volume(padded) != volume(size) || phases > 1) {
      memset(dst, 0, sizeof(T) * static_cast<size_t>(plane()));
    }
    for (int64_t d = 0; d < size[0]; ++d) {
      for (int64_t h = 0; h < size[1]; ++h, src += size[2]) {
        T* row = dst + ((d + low[0]) * padded[1] + h + low[1]) * pitch();
        if (phases == 1) {
          copy_row(row + low[2], src);
          continue;
        }
        for (int64_t f = 0; f < phases; ++f) {
          // padded position w = low + i belongs to phase w % phases, place w / phases
          const int64_t first = ((f - low[2]) % phases + phases) % phases;
          T* out = row + f * phase_len() + (low[2] + first) / phases;
          for (int64_t i = first, o = 0; i < size[2]; i += phases, ++o) out[o] = src[i];
        }
      }
    }
  }

 private:
  template <class T>
  void copy_row(T* dst, const T* src) const {
    constexpr int L = kLanes<T>;
    int64_t i = 0;
    for (; i + L <= size[2]; i += L) store(dst + i, load(src + i));
    if (i < size[2])
      store_partial(dst + i, load_partial(src + i, static_cast<int>(size[2] - i)),
                    static_cast<int>(size[2] - i));
  }
};

// The outputs q of one correlation: an extent, and how input and output advance along it.
struct Grid {
  int64_t size[3];
  int64_t in_base = 0, in_step[2];  // depth and height; along the width the input step is 1
  int64_t out_base = 0, out_step[3];

  int64_t rows() const { return size[0] * size[1]; }
  // Segments of `lanes` positions; the last of a row moves back to be full where the row allows.
  int64_t per_row(int64_t lanes) const { return ceil_div(size[2], lanes); }
  Segment segment(int64_t i, int64_t lanes) const {
    const int64_t row = i / per_row(lanes), d = row / size[1], h = row % size[1];
    int64_t w = i % per_row(lanes) * lanes;
    if (size[2] >= lanes) w = min_of(w, size[2] - lanes);
    return {in_base + d * in_step[0] + h * in_step[1] + w,
            out_base + d * out_step[0] + h * out_step[1] + w * out_step[2],
            static_cast<int32_t>(min_of(lanes, size[2] - w))};
  }
};

// The forward pass: x is prepared, the outputs are one grid.
inline Prepared prepared_input(const ConvArgs& g) {
  Prepared p{};
  for (int d = 0; d < 3; ++d) {
    p.size[d] = g.in[d];
    p.low[d] = g.pad_low[d];
    p.padded[d] = g.in[d] + g.pad_low[d] + g.pad_high[d];
  }
  p.phases = g.out[2] > 1 ? g.stride[2] : 1;  // a single column never steps
  return p;
}

inline Grid output_grid(const ConvArgs& g, const Prepared& p) {
  Grid q{};
  for (int d = 0; d < 3; ++d) q.size[d] = g.out[d];
  q.in_step[0] = g.stride[0] * p.padded[1] * p.pitch();
  q.in_step[1] = g.stride[1] * p.pitch();
  q.out_step[0] = g.out[1] * g.out[2];
  q.out_step[1] = g.out[2];
  q.out_step[2] = 1;
  return q;
}

// Offset of every kernel position in the prepared input, in the weight's order.
inline void input_taps(const ConvArgs& g, const Prepared& p, int64_t* taps) {
  for (int64_t d = 0; d < g.kernel[0]; ++d) {
    for (int64_t h = 0; h < g.kernel[1]; ++h) {
      for (int64_t w = 0; w < g.kernel[2]; ++w) {
        *taps++ = p.at(d * g.dilation[0], h * g.dilation[1], w * g.dilation[2]);
      }
    }
  }
}

// The input gradient: for x position i and kernel position k, y position (i + pad - k * dilation) /
// stride where that is whole. So the x positions of one residue i % stride form a grid of their own
// that reads grad_y with steps of 1, through the taps that fit the residue.
struct Residue {
  int64_t f[3];

  static int64_t shift(const ConvArgs& g, int d, int64_t f, int64_t k) {
    return f + g.pad_low[d] - k * g.dilation[d];
  }
  bool fits(const ConvArgs& g, int d, int64_t k) const {
    return shift(g, d, f[d], k) % g.stride[d] == 0;
  }
  int64_t extent(const ConvArgs& g, int d) const {
    return f[d] < g.in[d] ? ceil_div(g.in[d] - f[d], g.stride[d]) : 0;
  }
};

inline Prepared prepared_grad(const ConvArgs& g) {
  Prepared p{};
  for (int d = 0; d < 3; ++d) {
    p.size[d] = g.out[d];
    int64_t low = 0, high = g.out[d] - 1;  // the y positions that any x position asks for
    for (int64_t f = 0; f < min_of(g.stride[d], g.in[d]); ++f) {
      const Residue r{{f, f, f}};
      for (int64_t k = 0; k < g.kernel[d]; ++k) {
        if (!r.fits(g, d, k)) continue;
        const int64_t shift = Residue::shift(g, d, f, k) / g.stride[d];
        low = min_of(low, shift);
        high = max_of(high, shift + r.extent(g, d) - 1);
      }
    }
    p.low[d] = -low;
    p.padded[d] = high - low + 1;
  }
  return p;
}

inline Grid residue_grid(const ConvArgs& g, const Prepared& p, const Residue& r) {
  Grid q{};
  for (int d = 0; d < 3; ++d) q.size[d] = r.extent(g, d);
  q.in_step[0] = p.padded[1] * p.pitch();
  q.in_step[1] = p.pitch();
  q.out_base = (r.f[0] * g.in[1] + r.f[1]) * g.in[2] + r.f[2];
  q.out_step[0] = g.stride[0] * g.in[1] * g.in[2];
  q.out_step[1] = g.stride[1] * g.in[2];
  q.out_step[2] = g.stride[2];
  return q;
}

// The taps of one residue: their offsets, and their places in the weight. Returns how many.
inline int64_t residue_taps(const ConvArgs& g, const Prepared& p, const Residue& r, int64_t* taps,
                            int64_t* places) {
  int64_t n = 0;
  for (int64_t d = 0; d < g.kernel[0]; ++d) {
    for (int64_t h = 0; h < g.kernel[1]; ++h) {
      for (int64_t w = 0; w < g.kernel[2]; ++w) {
        if (!r.fits(g, 0, d) || !r.fits(g, 1, h) || !r.fits(g, 2, w)) continue;
        taps[n] = p.at(p.low[0] + Residue::shift(g, 0, r.f[0], d) / g.stride[0],
                       p.low[1] + Residue::shift(g, 1, r.f[1], h) / g.stride[1],
                       p.low[2] + Residue::shift(g, 2, r.f[2], w) / g.stride[2]);
        places[n++] = (d * g.kernel[1] + h) * g.kernel[2] + w;
      }
    }
  }
  return n;
}

}  // namespace conv
}  // namespace
}  // namespace pycore
