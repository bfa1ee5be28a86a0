// Planes [D][H]W of convolution and pooling: how one is prepared (padded, split by the stride) so
// that neighbouring outputs read neighbouring inputs, and where outputs and taps then lie in it.
// Must not know what is computed there, register tiles or tasks.
#pragma once

#include "simd/shuffle.h"

namespace pycore {
namespace {
namespace planes {

using namespace simd;  // NOLINT: an unnamed namespace, and these are its words

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

  // Everything around the copied planes; once per scratch, since copy() leaves it alone.
  template <class T>
  void clear(T* dst, int64_t count, T outside = T{0}) const {
    if (volume(padded) == volume(size) && pitch() == padded[2]) return;
    for (int64_t i = 0, n = count * plane(); i < n; ++i) dst[i] = outside;
  }

  // Copies one plane from the source, or back to it.
  template <class T>
  void copy(const T* src, T* dst) const {
    copy_rows(src, dst, 0, padded[1]);
  }
  // The same for padded rows [first, last) of every depth.
  template <class T>
  void copy_rows(const T* src, T* dst, int64_t first, int64_t last) const {
    if (phases == 1) {
      const int64_t width = size[2];
      for_rows<T>(dst + low[2], first, last,
                  [=](T* row, int64_t offset) { copy_row(row, src + offset, width); });
      return;
    }
    for_rows<T>(dst, first, last, [&](T* row, int64_t offset) {
      const T* from = src + offset;
      if (phases == 2) {
        split_row(from, row);
        return;
      }
      if (phases == 4) {
        split_row_in_four(from, row);
        return;
      }
      if (phases % kLanes<T> == 0 && low[2] == 0) {
        split_patches(from, row);
        return;
      }
      for_phases(row, [&](T* out, int64_t first_place, int64_t count) {
        for (int64_t o = 0; o < count; ++o) out[o] = from[first_place + o * phases];
      });
    });
  }
  template <class T>
  void copy_back(const T* src, T* dst) const {
    if (phases == 1) {
      const int64_t width = size[2];
      for_rows<const T>(src + low[2], 0, padded[1],
                        [=](const T* row, int64_t offset) { copy_row(dst + offset, row, width); });
      return;
    }
    for_rows<const T>(src, 0, padded[1], [&](const T* row, int64_t offset) {
      T* to = dst + offset;
      if (phases == 2) {
        join_row(row, to);
        return;
      }
      for_phases(row, [&](const T* in, int64_t first, int64_t count) {
        for (int64_t o = 0; o < count; ++o) to[first + o * phases] = in[o];
      });
    });
  }

 private:
  template <class T, class F>
  void for_rows(T* prepared, int64_t first, int64_t last, const F& f) const {
    const int64_t pitch = this->pitch(), width = size[2];
    const int64_t begin = max_of(0, first - low[1]), end = min_of(size[1], last - low[1]);
    for (int64_t d = 0; d < size[0]; ++d) {
      T* row = prepared + ((d + low[0]) * padded[1] + low[1] + begin) * pitch;
      int64_t offset = (d * size[1] + begin) * width;
      for (int64_t h = begin; h < end; ++h, offset += width, row += pitch) f(row, offset);
    }
  }
  // f(place of source element `first`, first, how many elements first, first + phases, ...).
  template <class T, class F>
  void for_phases(T* row, const F& f) const {
    for (int64_t p = 0; p < phases; ++p) {
      const int64_t first = ((p - low[2]) % phases + phases) % phases;
      if (first >= size[2]) continue;
      f(row + p * phase_len() + (low[2] + first) / phases, first,
        ceil_div(size[2] - first, phases));
    }
  }
  template <class T>
  void split_row(const T* src, T* row) const {
    constexpr int L = kLanes<T>;
    T* even = row + low[2] % 2 * phase_len() + low[2] / 2;
    T* odd = row + (low[2] + 1) % 2 * phase_len() + (low[2] + 1) / 2;
    int64_t i = 0;
    for (; i + 2 * L <= size[2]; i += 2 * L) {
      Vec<T> x = load(src + i), y = load(src + i + L);
      deinterleave<T>(x, y);
      store(even + i / 2, x);
      store(odd + i / 2, y);
    }
    if (const int left = static_cast<int>(size[2] - i)) {
      Vec<T> x = left < L ? load_partial(src + i, left) : load(src + i);
      Vec<T> y = left > L ? load_partial(src + i + L, left - L) : Vec<T>{};
      deinterleave<T>(x, y);
      store_partial(even + i / 2, x, (left + 1) / 2);
      store_partial(odd + i / 2, y, left / 2);
    }
  }
  template <class T>
  void split_row_in_four(const T* src, T* row) const {
    constexpr int L = kLanes<T>;
    T* phase[4];
    for (int64_t q = 0; q < 4; ++q)
      phase[q] = row + (low[2] + q) % 4 * phase_len() + (low[2] + q) / 4;
    int64_t i = 0;
    while (size[2] >= 4 * L && i + 4 <= size[2]) {
      // The last whole vectors are moved back, over some of those before.
      const int64_t at = min_of(i, (size[2] - 4 * L) / 4 * 4);
      Vec<T> a = load(src + at), b = load(src + at + L);
      Vec<T> c = load(src + at + 2 * L), d = load(src + at + 3 * L);
      deinterleave<T>(a, b);  // even and odd elements
      deinterleave<T>(c, d);
      deinterleave<T>(a, c);
      deinterleave<T>(b, d);
      store(phase[0] + at / 4, a);
      store(phase[1] + at / 4, b);
      store(phase[2] + at / 4, c);
      store(phase[3] + at / 4, d);
      i = at + 4 * L;
    }
    for (; i < size[2]; ++i) phase[i % 4][i / 4] = src[i];
  }
  // Phases of whole vectors: square blocks are transposed.
  template <class T>
  void split_patches(const T* src, T* row) const {
    constexpr int L = kLanes<T>;
    const int64_t length = phase_len(), whole = size[2] / phases;
    for (int64_t o = 0; o < whole; o += L) {
      const int n = static_cast<int>(min_of(L, whole - o));
      for (int64_t p = 0; p < phases; p += L) {
        Vec<T> block[L];
        for (int i = 0; i < L; ++i) {
          block[i] = i < n ? load(src + (o + i) * phases + p) : Vec<T>{};
        }
        transpose<T>(block);
        for (int i = 0; i < L; ++i) store_partial(row + (p + i) * length + o, block[i], n);
      }
    }
    for (int64_t i = whole * phases; i < size[2]; ++i) {
      row[i % phases * length + i / phases] = src[i];
    }
  }
  template <class T>
  void join_row(const T* row, T* dst) const {
    constexpr int L = kLanes<T>;
    const T* even = row + low[2] % 2 * phase_len() + low[2] / 2;
    const T* odd = row + (low[2] + 1) % 2 * phase_len() + (low[2] + 1) / 2;
    int64_t i = 0;
    for (; i + 2 * L <= size[2]; i += 2 * L) {
      Vec<T> x = load(even + i / 2), y = load(odd + i / 2);
      interleave<T>(x, y);
      store(dst + i, x);
      store(dst + i + L, y);
    }
    if (const int left = static_cast<int>(size[2] - i)) {
      Vec<T> x = load_partial(even + i / 2, (left + 1) / 2);
      Vec<T> y = load_partial(odd + i / 2, left / 2);
      interleave<T>(x, y);
      store_partial(dst + i, x, left < L ? left : L);
      if (left > L) store_partial(dst + i + L, y, left - L);
    }
  }
  template <class T>
  static void copy_row(T* dst, const T* src, int64_t width) {
    constexpr int L = kLanes<T>;
    int64_t i = 0;
    for (; i + L <= width; i += L) store(dst + i, load(src + i));
    if (i < width) {
      const int left = static_cast<int>(width - i);
      store_partial(dst + i, load_partial(src + i, left), left);
    }
  }
};

// One vector of output positions, neighbours in the prepared input. It may run over the end of an
// output row into the next one; what lies between two rows is computed in vain and not stored. Or
// it is put together of two rows: lanes from `split` on are read at `second`.
inline constexpr int kMaxPieces = 4;
struct Piece {
  int64_t out;   // offset in the output plane
  int32_t from;  // first lane
  int32_t len;
};
struct Segment {
  int64_t in;      // offset of the first position in the prepared input plane
  int64_t second;  // the same for the second row, as if its lanes began at 0
  int32_t split;
  int32_t pieces;
  Piece piece[kMaxPieces];
};

// How a grid is cut into segments: row by row, the last of a row moved back to be full where the
// row allows; flat over all rows of a depth, gaps included; or joined, one output after the other.
enum class Cut { rows, flat, joined };

// The outputs of one pass: an extent, and how input and output advance along it.
struct Grid {
  int64_t size[3];
  int64_t in_base = 0, in_step[2];  // depth and height; along the width the input step is 1
  int64_t out_base = 0, out_step[3];

  int64_t rows() const { return size[0] * size[1]; }
  int64_t in_at(int64_t d, int64_t h) const { return in_base + d * in_step[0] + h * in_step[1]; }
  int64_t out_at(int64_t d, int64_t h) const {
    return out_base + d * out_step[0] + h * out_step[1];
  }

  int64_t per_row(int64_t lanes) const { return ceil_div(size[2], lanes); }
  int64_t per_depth(int64_t lanes) const {
    return ceil_div((size[1] - 1) * in_step[1] + size[2], lanes);
  }
  int64_t segments(Cut cut, int64_t lanes) const {
    return volume(size) == 0    ? 0
           : cut == Cut::joined ? ceil_div(volume(size), lanes)
           : cut == Cut::flat   ? size[0] * per_depth(lanes)
                                : rows() * per_row(lanes);
  }
  // The cut with the fewest segments; `join` says whether they may be joined of two rows.
  Cut best_cut(int64_t lanes, bool join) const {
    if (volume(size) == 0) return Cut::rows;
    const bool fits = (lanes - 1) / in_step[1] + 2 <= kMaxPieces;
    const bool flat = fits && per_depth(lanes) * 21 < per_row(lanes) * size[1] * 20;
    const Cut cut = flat ? Cut::flat : Cut::rows;
    return join && segments(Cut::joined, lanes) * 21 < segments(cut, lanes) * 20 && joins(lanes)
               ? Cut::joined
               : cut;
  }
  void cut_into(Cut cut, int64_t lanes, Segment* to) const {
    if (volume(size) == 0) return;
    if (cut == Cut::joined) {
      cut_joined(lanes, to);
      return;
    }
    const int32_t whole = static_cast<int32_t>(lanes);
    for (int64_t d = 0; d < size[0]; ++d) {
      if (cut == Cut::rows) {
        for (int64_t h = 0; h < size[1]; ++h) {
          for (int64_t at = 0; at < size[2]; at += lanes) {
            const int64_t w = size[2] >= lanes ? min_of(at, size[2] - lanes) : at;
            const int64_t in = in_at(d, h) + w;
            const auto len = static_cast<int32_t>(min_of(lanes, size[2] - w));
            to->in = to->second = in;
            to->split = whole, to->pieces = 1;
            to++->piece[0] = {out_at(d, h) + w * out_step[2], 0, len};
          }
        }
        continue;
      }
      int64_t row = 0, first = 0;  // the first row that ends behind `first`
      for (int64_t i = 0, n = per_depth(lanes); i < n; ++i, first += lanes) {
        while (row * in_step[1] + size[2] <= first && row + 1 < size[1]) ++row;
        Segment& s = *to++;
        s.in = s.second = in_at(d, 0) + first;
        s.split = whole, s.pieces = 0;
        for (int64_t h = row; h < size[1] && h * in_step[1] < first + lanes; ++h) {
          const int64_t start = max_of(first, h * in_step[1]);
          const int64_t end = min_of(first + lanes, h * in_step[1] + size[2]);
          if (start >= end) continue;
          s.piece[s.pieces++] = {out_at(d, h) + (start - h * in_step[1]) * out_step[2],
                                 static_cast<int32_t>(start - first),
                                 static_cast<int32_t>(end - start)};
        }
      }
    }
  }

 private:
  // Whether outputs are neighbours in memory, and no vector of them is of more than two rows.
  bool joins(int64_t lanes) const {
    const int64_t width = size[2], total = volume(size);
    if (out_step[2] != 1 || out_step[1] != width || total < lanes ||
        (size[0] > 1 && out_step[0] != size[1] * width)) {
      return false;
    }
    if (width >= lanes) return true;
    if (2 * width < lanes) return false;
    int64_t at = 0;  // the column that a vector begins at
    for (int64_t i = 0; i + lanes <= total; i += lanes) {
      if (2 * width - at < lanes) return false;
      at += lanes;
      while (at >= width) at -= width;
    }
    return 2 * width - (total - lanes) % width >= lanes;
  }
  void cut_joined(int64_t lanes, Segment* to) const {
    const int64_t width = size[2], total = volume(size);
    int64_t d = 0, h = 0, at = 0;
    for (int64_t i = 0; i < total; i += lanes) {
      if (i + lanes > total) {  // the last one is moved back to be full
        i = total - lanes;
        d = i / width / size[1], h = i / width % size[1], at = i % width;
      }
      const bool last = h + 1 == size[1];
      Segment& s = *to++;
      s.in = in_at(d, h) + at;
      s.split = static_cast<int32_t>(min_of(lanes, width - at)), s.pieces = 1;
      s.second = s.split < lanes ? in_at(last ? d + 1 : d, last ? 0 : h + 1) - s.split : s.in;
      s.piece[0] = {out_base + i, 0, static_cast<int32_t>(lanes)};
      for (at += lanes; at >= width; at -= width) {
        if (++h == size[1]) h = 0, ++d;
      }
    }
  }
};

// The outputs of ConvArgs or PoolArgs over their prepared input.
template <class Args>
inline Grid output_grid(const Args& g, const Prepared& p) {
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
template <class Args>
inline void input_taps(const Args& g, const Prepared& p, int64_t* taps) {
  for (int64_t d = 0; d < g.kernel[0]; ++d) {
    for (int64_t h = 0; h < g.kernel[1]; ++h) {
      for (int64_t w = 0; w < g.kernel[2]; ++w) {
        *taps++ = p.at(d * g.dilation[0], h * g.dilation[1], w * g.dilation[2]);
      }
    }
  }
}

}  // namespace planes
}  // namespace
}  // namespace pycore
