// Walking an index tensor line by line along one dimension: what gather, scatter, sort and their
// kin share. Must not know derivatives or Python.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "core/parallel.h"
#include "ops/index_plan.h"

namespace pycore {

// Element (o, k, i) of a contiguous tensor of shape `sizes` cut at `dim`, and where the line (o, i)
// starts in another tensor of the same rank.
struct Lines {
  Offsets outer, inner;  // of the other tensor
  int64_t length = 1;    // along dim
  int64_t stride = 1;    // of the other tensor along dim
  int64_t span = 1;      // its size along dim
  // The step between the starts of neighbouring lines, if there is one (even if so).
  std::optional<int64_t> outer_step = 0, inner_step = 0;
  int64_t flat(int64_t o, int64_t k, int64_t i) const { return (o * length + k) * inner.n + i; }
  int64_t start(int64_t o, int64_t i) const { return outer.data()[o] + inner.data()[i]; }
};

// `sizes` must be no larger than t's sizes except along `dim`. 0-d tensors count as one element.
inline Lines lines_of(const Tensor& t, IntSpan sizes, int64_t dim) {
  Lines lines;
  if (t.dim() == 0) {
    for (int64_t s : sizes) lines.length = s;
    return lines;
  }
  auto d = static_cast<size_t>(dim);
  IntSpan strides = t.strides();
  lines.stride = strides[d];
  lines.span = t.sizes()[dim];
  if (sizes.empty()) return lines;
  lines.outer = strided_offsets(sizes.first(d), strides.first(d));
  lines.inner = strided_offsets(sizes.subspan(d + 1), strides.subspan(d + 1));
  lines.outer_step = even_step(sizes.first(d), strides.first(d));
  lines.inner_step = even_step(sizes.subspan(d + 1), strides.subspan(d + 1));
  lines.length = sizes[d];
  return lines;
}

// Lines of one element each are one run of neighbours.
inline Lines merged(Lines lines) {
  if (lines.length == 1 && lines.inner.n == 1) {
    std::swap(lines.outer, lines.inner);
    std::swap(lines.outer_step, lines.inner_step);
  }
  return lines;
}

// The one vector of indices that all lines share, if the index was expanded from it and the lines'
// elements lie so that whole rows of neighbours can be moved; else undefined.
inline Tensor shared_line(const Tensor& index, int64_t dim) {
  constexpr int64_t kRow = 8;  // neighbours that are worth it
  int64_t row = 1;
  for (int64_t d = 0; d < index.dim(); ++d) {
    if (d == dim) continue;
    if (index.sizes()[d] > 1 && index.strides()[static_cast<size_t>(d)] != 0) return {};
    if (d > dim) row *= index.sizes()[d];
  }
  if (row < kRow || index.numel() == 0) return {};
  return make_alias(index->storage, index.dtype(), {{index.sizes()[dim]}},
                    {{index.strides()[static_cast<size_t>(dim)]}}, index.offset());
}
// The part of t that an index of these sizes can name, which may be smaller but along `dim`.
inline Tensor named_part(const Tensor& t, IntSpan sizes, int64_t dim) {
  Tensor part = detach(t);
  for (int64_t d = 0; d < t.dim(); ++d)
    if (d != dim && sizes[static_cast<size_t>(d)] < t.sizes()[d])
      part = narrow(part, d, 0, sizes[static_cast<size_t>(d)]);
  return part;
}

// Calls body(o_begin, o_end, i_begin, i_end) on pieces that together cover all lines; pieces run in
// parallel and a line is never cut, so that writes along a line keep their order.
template <class Body>
void for_line_blocks(const Lines& lines, const Body& body) {
  constexpr int64_t kGrain = 16384;  // elements
  constexpr int64_t kColumns = 128;  // neighbours in memory that should stay in one piece
  int64_t outer = lines.outer.n, inner = lines.inner.n;
  if (outer * inner * lines.length == 0) return;
  if (outer > 1)
    parallel_for(outer, std::max<int64_t>(1, kGrain / (inner * lines.length)),
                 [&](int64_t b, int64_t e) { body(b, e, int64_t{0}, inner); });
  else
    parallel_for(inner, std::max<int64_t>(kColumns, kGrain / lines.length),
                 [&](int64_t b, int64_t e) { body(int64_t{0}, int64_t{1}, b, e); });
}

// Calls f(begin, end) on pieces of the columns [begin, end), few enough that `rows` elements of
// `item` bytes in each of them stay in the second-level cache, but no fewer: every piece walks
// through all pages of the tensors again.
template <class F>
void for_cached_columns(int64_t begin, int64_t end, int64_t rows, int64_t item, const F& f) {
  constexpr int64_t kCache = 512 << 10, kLine = 64;
  const int64_t most = std::max(kLine / item, kCache / std::max<int64_t>(1, rows * item));
  for (int64_t i = begin; i < end; i += most) f(i, std::min(end, i + most));
}

// Calls f(o, i) for every line, in parallel.
template <class F>
void for_each_line(const Lines& lines, const F& f) {
  for_line_blocks(lines, [&](int64_t ob, int64_t oe, int64_t ib, int64_t ie) {
    for (int64_t o = ob; o < oe; ++o)
      for (int64_t i = ib; i < ie; ++i) f(o, i);
  });
}

}  // namespace pycore
