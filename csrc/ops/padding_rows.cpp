#include "ops/padding_rows.h"

#include <string.h>

#include <algorithm>

#include "core/parallel.h"

namespace pycore {
namespace {

// Which input index the padded index i shows, for a dimension of n padded by a and b.
struct Source {
  PadMode mode;
  int64_t n, a, b;

  int64_t operator()(int64_t i) const {
    int64_t at = i - a;
    if (mode == PadMode::replicate) return std::clamp<int64_t>(at, 0, n - 1);
    if (mode == PadMode::reflect) return at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at;
    // Around goes what negative padding leaves.
    const int64_t first = std::max<int64_t>(-a, 0);
    const int64_t left = n - first + std::min<int64_t>(b, 0);
    at = (at - first) % left;
    return first + (at < 0 ? at + left : at);
  }
};

// Calls f(plane, depth, height, row) for the rows of planes of extent[0] x extent[1] rows.
template <class F>
void each_row(int64_t outer, const int64_t* extent, const F& f) {
  const int64_t rows = extent[0] * extent[1];
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, extent[2]));
  parallel_for(outer * rows, grain, [&](int64_t begin, int64_t end) {
    if (begin == end) return;
    int64_t plane = begin / rows, d = begin % rows / extent[1], h = begin % extent[1];
    for (int64_t row = begin; row < end; ++row) {
      f(plane, d, h, row);
      if (++h < extent[1]) continue;
      h = 0;
      if (++d == extent[0]) d = 0, ++plane;
    }
  });
}

// memcpy of short rows without a call.
inline void copy_row(char* to, const char* from, size_t bytes) {
  constexpr size_t kChunk = 16;
  if (bytes < kChunk || bytes > 16 * kChunk) {
    memcpy(to, from, bytes);
    return;
  }
  for (size_t i = 0; i + kChunk < bytes; i += kChunk) memcpy(to + i, from + i, kChunk);
  memcpy(to + bytes - kChunk, from + bytes - kChunk, kChunk);
}

template <class U>
void pad_rows_of(const PadMaps& maps, const char* from, char* to) {
  const U* x = reinterpret_cast<const U*>(from);
  U* y = reinterpret_cast<U*>(to);
  const int64_t width = maps.n[2], size = maps.size[2], low = maps.low, high = low + maps.middle;
  const int64_t* column = maps.source[2].data();
  const auto bytes = sizeof(U) * static_cast<size_t>(maps.middle);
  each_row(maps.outer, maps.size, [=, &maps](int64_t plane, int64_t d, int64_t h, int64_t row) {
    const int64_t depth = plane * maps.n[0] + maps.source[0][static_cast<size_t>(d)];
    const U* in = x + (depth * maps.n[1] + maps.source[1][static_cast<size_t>(h)]) * width;
    U* out = y + row * size;
    for (int64_t i = 0; i < low; ++i) out[i] = in[column[i]];
    copy_row(reinterpret_cast<char*>(out + low), reinterpret_cast<const char*>(in + maps.from),
             bytes);
    for (int64_t i = high; i < size; ++i) out[i] = in[column[i - maps.middle]];
  });
}

// Of one dimension: the padded indices that show each input index, in their order.
struct Shown {
  std::vector<int64_t> first, all;  // those of i are all[first[i]] .. all[first[i + 1] - 1]

  Shown(const std::vector<int64_t>& source, int64_t n)
      : first(static_cast<size_t>(n) + 2), all(source.size()) {
    for (int64_t i : source) ++first[static_cast<size_t>(i) + 2];
    for (size_t i = 2; i < first.size(); ++i) first[i] += first[i - 1];
    int64_t o = 0;  // first[i + 1] is where the next one of i goes, and becomes the end of i
    for (int64_t i : source) {
      all[static_cast<size_t>(first[static_cast<size_t>(i) + 1]++)] = o++;
    }
  }
};

}  // namespace

PadMaps::PadMaps(const PadPlan& plan) {
  const int64_t dims = plan.sizes.size();
  for (int64_t d = 0; d < dims - 3; ++d) outer *= plan.sizes[d];
  for (int k = 0; k < 3; ++k) {
    const int64_t d = dims - 3 + k;
    int64_t a = 0, b = 0;
    if (d >= 0) {
      n[k] = plan.sizes[d];
      a = pad_before(plan.pad, d, dims), b = pad_after(plan.pad, d, dims);
    }
    size[k] = n[k] + a + b;
    const Source shown{plan.mode, n[k], a, b};
    low = std::clamp<int64_t>(a, 0, size[k]);  // of the columns, at last
    from = std::max<int64_t>(-a, 0);
    middle = std::max<int64_t>(0, std::min(n[k] - from, size[k] - low));
    for (int64_t i = 0; i < size[k]; ++i) {
      const bool inside = i >= low && i < low + middle;
      if (k == 2 && inside) i = low + middle;  // columns may be many
      if (i < size[k]) source[k].push_back(inside && k < 2 ? i - a : shown(i));
    }
  }
}

Dims PadMaps::sizes(const Tensor& x, const int64_t* last) const {
  Dims s = x.sizes();
  for (int64_t k = 2, d = s.size() - 1; k >= 0 && d >= 0; --k, --d) s[d] = last[k];
  return s;
}

void pad_rows(const PadMaps& maps, int64_t item, const char* from, char* to) {
  const auto rows = item == 1   ? pad_rows_of<uint8_t>
                    : item == 2 ? pad_rows_of<uint16_t>
                    : item == 4 ? pad_rows_of<uint32_t>
                                : pad_rows_of<uint64_t>;
  rows(maps, from, to);
}

template <class T>
void unpad_rows(const PadMaps& maps, const T* g, T* x) {
  const Shown depths(maps.source[0], maps.n[0]), heights(maps.source[1], maps.n[1]);
  const int64_t width = maps.n[2], size = maps.size[2], low = maps.low, middle = maps.middle;
  const int64_t* column = maps.source[2].data();
  each_row(maps.outer, maps.n, [&](int64_t plane, int64_t d, int64_t h, int64_t row) {
    T* to = x + row * width;
    memset(to, 0, sizeof(T) * static_cast<size_t>(width));
    bool whole = true;
    for (int64_t i = depths.first[d]; i < depths.first[d + 1]; ++i) {
      for (int64_t j = heights.first[h]; j < heights.first[h + 1]; ++j) {
        const T* in =
            g + ((plane * maps.size[0] + depths.all[i]) * maps.size[1] + heights.all[j]) * size;
        if (whole) {
          memcpy(to + maps.from, in + low, sizeof(T) * static_cast<size_t>(middle));
        } else {
          for (int64_t k = 0; k < middle; ++k) to[maps.from + k] += in[low + k];
        }
        whole = false;
        for (int64_t k = 0; k < low; ++k) to[column[k]] += in[k];
        for (int64_t k = low + middle; k < size; ++k) to[column[k - middle]] += in[k];
      }
    }
  });
}
template void unpad_rows(const PadMaps&, const float*, float*);
template void unpad_rows(const PadMaps&, const double*, double*);

}  // namespace pycore
