// Geometry of the direct convolution and its input gradient: where every tap and output row lies in
// the prepared planes. Must not know register tiles or tasks.
#pragma once

#include "kernels/conv.h"
#include "kernels/planes.h"

namespace pycore {
namespace {
namespace conv {

using kernels::ConvArgs;
using namespace planes;  // NOLINT: an unnamed namespace

// The forward pass: x is prepared, the outputs are one grid.
inline Prepared prepared_input(const ConvArgs& g) {
  Prepared p{};
  for (int d = 0; d < 3; ++d) {
    p.size[d] = g.in[d];
    p.low[d] = g.pad[d];
    const int64_t reach = (g.out[d] - 1) * g.stride[d] + g.dilation[d] * (g.kernel[d] - 1) + 1;
    p.padded[d] = max_of(g.pad[d] + g.in[d], reach);
  }
  p.phases = g.out[2] > 1 ? g.stride[2] : 1;  // a single column never steps
  return p;
}

// The input gradient: for x position i and kernel position k, y position (i + pad - k * dilation) /
// stride where that is whole. So the x positions of one residue i % stride form a grid of their own
// that reads grad_y with steps of 1, through the taps that fit the residue.
struct Residue {
  int64_t f[3];

  static int64_t shift(const ConvArgs& g, int d, int64_t f, int64_t k) {
    return f + g.pad[d] - k * g.dilation[d];
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

// Neighbouring positions of one output row: where they start in the prepared images and in the
// output, and the lanes of the panel that they fill.
struct Run {
  int64_t in, out;
  int32_t from, len;
};

// Runs of positions [first, first + count) of a grid that is repeated for every image; none is
// longer than `longest`. Returns their number.
inline int runs_of(const Grid& grid, int64_t in_image, int64_t out_image, int64_t first,
                   int64_t count, int64_t longest, Run* runs) {
  const int64_t w = grid.size[2], rows = grid.rows();
  int n = 0;
  int64_t row = first / w, at = first % w, lane = 0;
  while (lane < count) {
    const int64_t image = row / rows, d = row % rows / grid.size[1], h = row % grid.size[1];
    const int64_t len = min_of(min_of(longest, w - at), count - lane);
    runs[n++] = {image * in_image + grid.in_at(d, h) + at,
                 image * out_image + grid.out_at(d, h) + at * grid.out_step[2],
                 static_cast<int32_t>(lane), static_cast<int32_t>(len)};
    lane += len;
    at += len;
    if (at == w) at = 0, ++row;
  }
  return n;
}

}  // namespace conv
}  // namespace
}  // namespace pycore
