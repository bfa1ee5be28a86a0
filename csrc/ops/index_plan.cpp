// Index tensors turned into checked offsets, and the loops that move elements by them. Must not
// know derivatives or Python.
#include "ops/index_plan.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/cpu.h"
#include "core/parallel.h"
#include "kernels/binary.h"
#include "kernels/cast.h"
#include "kernels/indexing.h"
#include "ops/element.h"

namespace pycore {
namespace {

constexpr int64_t kMoveGrain = 16384;  // elements per task

// What one index tensor contributes: its shape and an offset per element.
struct Component {
  int64_t dim, count;
  Tensor offsets;
};

Tensor mask_offsets(const Tensor& self, int64_t dim, const Tensor& mask) {
  int64_t m = mask.dim(), last = dim + m - 1;
  bool even = true;  // the masked dimensions step evenly through memory
  for (int64_t d = dim; d < last; ++d)
    even &= self.strides()[d] == self.strides()[d + 1] * self.sizes()[d + 1];
  Tensor dense = contiguous(mask);
  if (even) return set_positions(dense, self.strides()[last]);
  Tensor flat = set_positions(dense);
  auto* p = flat.data<int64_t>();
  for (int64_t i = 0; i < flat.numel(); ++i) {
    int64_t rest = p[i], offset = 0;
    for (int64_t d = last; d >= dim; --d) {
      offset += rest % self.sizes()[d] * self.strides()[d];
      rest /= self.sizes()[d];
    }
    p[i] = offset;
  }
  return flat;
}

std::vector<Component> components(const Tensor& self, TensorList indices) {
  std::vector<Component> out;
  out.reserve(indices.size());
  int64_t dim = 0;
  for (auto& t : indices) {
    if (!t.defined()) {
      ++dim;
      continue;
    }
    PC_CHECK_INDEX(is_mask(t) || t.dtype() == DType::int64 || t.dtype() == DType::int32,
                   "tensors used as indices must be long, int, byte or bool tensors, got ",
                   t.dtype());
    int64_t count = is_mask(t) ? t.dim() : 1;
    PC_CHECK_INDEX(count > 0,
                   "a boolean index tensor without dimensions can't stand in a list of indices");
    PC_CHECK_INDEX(dim + count <= self.dim(), "too many indices for tensor of dimension ",
                   self.dim());
    if (is_mask(t)) {
      for (int64_t i = 0; i < count; ++i)
        PC_CHECK_INDEX(t.sizes()[i] == self.sizes()[dim + i], "The shape of the mask ", t.sizes(),
                       " at index ", i, " does not match the shape of the indexed tensor ",
                       self.sizes(), " at index ", dim + i);
      out.push_back({dim, count, mask_offsets(self, dim, t)});
    } else {
      out.push_back({dim, count, checked_offsets(t, self.sizes()[dim], self.strides()[dim], dim)});
    }
    dim += count;
  }
  PC_CHECK_INDEX(dim <= self.dim(), "too many indices for tensor of dimension ", self.dim());
  return out;
}

Tensor combined(const std::vector<Component>& parts) {
  Tensor sum = parts[0].offsets;
  for (size_t i = 1; i < parts.size(); ++i) {
    const Dims &a = sum.sizes(), &b = parts[i].offsets.sizes();
    for (int64_t k = 1; k <= std::min(a.size(), b.size()); ++k) {
      int64_t x = a[a.size() - k], y = b[b.size() - k];
      if (x == y || x == 1 || y == 1) continue;
      std::string shapes;
      for (auto& p : parts) shapes += (shapes.empty() ? "" : ", ") + str(p.offsets.sizes());
      fail(ErrorKind::index,
           "shape mismatch: indexing tensors could not be broadcast together with shapes ", shapes);
    }
    sum = sum + parts[i].offsets;
  }
  return contiguous(sum);  // where sizes of 1 have odd strides, the sum may lie in another order
}

// Calls f(start, picked, row, count) for runs of rows [begin, end) of (outer, picked) pairs: rows
// row, row + 1 ... of the result lie at start + picked[0], start + picked[1] ... of self.
template <class F>
void for_rows(const IndexPlan& plan, int64_t begin, int64_t end, const F& f) {
  const int64_t *outer = plan.outer.data(), *picked = plan.picked.data();
  int64_t o = begin / plan.picked.n, k = begin % plan.picked.n;
  for (int64_t row = begin; row < end; ++o, k = 0) {
    const int64_t count = std::min(plan.picked.n - k, end - row);
    f(outer[o], picked + k, row, count);
    row += count;
  }
}

// Calls move(T* element of self, T* element of the result) for rows [begin, end) of (outer, picked)
// pairs and columns [left, right) of inner.
template <class T, class Move>
void for_elements(const IndexPlan& plan, T* self, T* result, int64_t begin, int64_t end,
                  int64_t left, int64_t right, const Move& move) {
  const int64_t *inner = plan.inner.data(), width = plan.inner.n;
  for_rows(plan, begin, end, [&](int64_t start, const int64_t* picked, int64_t row, int64_t count) {
    if (width == 1) {
      T *base = self + start + inner[0], *to = result + row;
      for (int64_t k = 0; k < count; ++k) move(base + picked[k], to + k);
      return;
    }
    for (int64_t k = 0; k < count; ++k) {
      T *from = self + start + picked[k], *to = result + (row + k) * width;
      if (plan.inner_dense)
        for (int64_t i = left; i < right; ++i) move(from + i, to + i);
      else
        for (int64_t i = left; i < right; ++i) move(from + inner[i], to + i);
    }
  });
}

// Tasks never share an element of self even if an index occurs twice: they split outer or inner,
// not picked. One thread takes whole rows; the order of writes to an element is the same.
template <class Body>
void split_for_writing(const IndexPlan& plan, const Body& body) {
  int64_t rows = plan.outer.n * plan.picked.n, per_outer = plan.picked.n * plan.inner.n;
  constexpr int64_t kColumns = 64;
  if (plan.outer.n > 1) {
    parallel_for(
        plan.outer.n, std::max<int64_t>(1, kMoveGrain / std::max<int64_t>(1, per_outer)),
        [&](int64_t b, int64_t e) { body(b * plan.picked.n, e * plan.picked.n, 0, plan.inner.n); });
  } else if (plan.inner.n >= 2 * kColumns && per_outer > kMoveGrain && num_threads() > 1) {
    parallel_for(plan.inner.n, std::max(kColumns, (plan.inner.n + 255) / 256 * kColumns),
                 [&](int64_t b, int64_t e) { body(0, rows, b, e); });
  } else {
    body(0, rows, 0, plan.inner.n);
  }
}

}  // namespace

const int64_t* Offsets::data() const {
  static const int64_t zero = 0;
  return memory.defined() ? memory.data<int64_t>() : &zero;
}

Offsets strided_offsets(IntSpan sizes, IntSpan strides) {
  int64_t n = numel_of(sizes);
  if (n == 1) return {};
  Offsets out{empty({{n}}, DType::int64), n};
  if (n == 0) return out;
  // Grows from the last dimension: what is there is repeated once per step of the next one.
  auto* p = out.memory.data<int64_t>();
  p[0] = 0;
  int64_t have = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    for (int64_t i = 1; i < sizes[d]; ++i)
      for (int64_t k = 0; k < have; ++k) p[i * have + k] = p[k] + i * strides[d];
    have *= sizes[d];
  }
  return out;
}

IndexRange range_of(const Tensor& index) {
  const auto* p = index.data<int64_t>();
  const int64_t n = index.numel();
  constexpr int64_t kPart = int64_t{1} << 16;
  const auto range = kernels_now().indexing->range;
  IndexRange all;
  if (n <= kPart) {
    range(p, n, &all.low, &all.high);
    return all;
  }
  std::vector<IndexRange> parts(static_cast<size_t>((n + kPart - 1) / kPart));
  parallel_for(n, kPart, [&](int64_t b, int64_t e) {
    IndexRange& part = parts[static_cast<size_t>(b / kPart)];
    range(p + b, e - b, &part.low, &part.high);
  });
  for (const IndexRange& part : parts) {
    all.low = std::min(all.low, part.low);
    all.high = std::max(all.high, part.high);
  }
  return all;
}

std::optional<int64_t> even_step(IntSpan sizes, IntSpan strides) {
  int64_t step = 0, next = 0;
  for (size_t d = sizes.size(); d-- > 0;) {
    if (sizes[d] == 1) continue;
    if (next == 0)
      step = strides[d];
    else if (strides[d] != next)
      return std::nullopt;
    next = strides[d] * sizes[d];
    if (next == 0) return std::nullopt;  // one element for all
  }
  return step;
}

bool all_within(const Tensor& index, int64_t low, int64_t high) {
  const IndexRange range = range_of(index);
  return index.numel() == 0 || (range.low >= low && range.high < high);
}

Tensor checked_offsets(const Tensor& index, int64_t size, int64_t stride, int64_t dim) {
  Tensor dense = contiguous(to_dtype(index, DType::int64));
  const auto* p = dense.data<int64_t>();
  const int64_t n = dense.numel();
  // The range first, without branches; who is to blame only if it is broken.
  const IndexRange range = range_of(dense);
  if (n > 0 && (range.low < -size || range.high >= size)) {
    PC_CHECK_INDEX(size > 0, "index is out of bounds for dimension with size 0");
    for (int64_t i = 0; i < n; ++i)
      PC_CHECK_INDEX(p[i] >= -size && p[i] < size, "index ", p[i],
                     " is out of bounds for dimension ", dim, " with size ", size);
  }
  if (stride == 1 && range.low >= 0) return dense;
  Tensor out = empty(index.sizes(), DType::int64);
  auto* to = out.data<int64_t>();
  parallel_for(n, kMoveGrain, [&](int64_t b, int64_t e) {
    kernels_now().indexing->offsets(p + b, e - b, size, stride, to + b);
  });
  return out;
}

int64_t count_set(const Tensor& mask) {
  const auto* p = mask.data<uint8_t>();
  int64_t total = 0;
  for (int64_t i = 0; i < mask.numel(); ++i) total += p[i] != 0;
  return total;
}

Tensor set_positions(const Tensor& mask, int64_t scale) {
  int64_t total = count_set(mask);
  const auto* p = mask.data<uint8_t>();
  // One place more than needed: the loop writes first and decides then whether to keep it.
  Tensor room = empty({{total + 1}}, DType::int64);
  auto* out = room.data<int64_t>();
  const int64_t n = mask.numel();
  int64_t kept = 0, i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t eight;
    memcpy(&eight, p + i, sizeof(eight));
    if (eight == 0) continue;  // often so in a sparse mask, hardly ever in others
    for (int64_t k = i; k < i + 8; ++k) {
      out[kept] = k * scale;
      kept += p[k] != 0;
    }
  }
  for (; i < n; ++i) {
    out[kept] = i * scale;
    kept += p[i] != 0;
  }
  return make_alias(room->storage, DType::int64, {{total}}, {{1}}, 0);
}

IndexPlan plan_index(const Tensor& self, TensorList indices) {
  std::vector<Component> parts = components(self, indices);
  IndexPlan plan;
  Dims free_sizes, free_strides;  // dimensions that are taken whole
  if (parts.empty()) {
    plan.sizes = self.sizes();
    plan.inner = strided_offsets(self.sizes(), self.strides());
    plan.inner_dense = self.is_contiguous();
    return plan;
  }
  bool neighbours = true;
  for (size_t i = 1; i < parts.size(); ++i)
    neighbours &= parts[i].dim == parts[i - 1].dim + parts[i - 1].count;
  Tensor picked = combined(parts);
  plan.picked = {picked, picked.numel()};

  auto take = [&](int64_t begin, int64_t end) {
    for (int64_t d = begin; d < end; ++d) {
      free_sizes.push_back(self.sizes()[d]);
      free_strides.push_back(self.strides()[d]);
      plan.sizes.push_back(self.sizes()[d]);
    }
  };
  if (neighbours && parts[0].dim > 0) {
    take(0, parts[0].dim);
    plan.outer = strided_offsets(free_sizes, free_strides);
    free_sizes.clear();
    free_strides.clear();
  }
  for (int64_t s : picked.sizes()) plan.sizes.push_back(s);
  int64_t at = neighbours ? parts[0].dim : 0;
  for (auto& p : parts) {
    take(at, p.dim);
    at = p.dim + p.count;
  }
  take(at, self.dim());
  plan.inner = strided_offsets(free_sizes, free_strides);
  Dims dense;
  contiguous_strides(free_sizes, dense);
  plan.inner_dense = true;
  for (int64_t d = 0; d < dense.size(); ++d)
    plan.inner_dense &= free_sizes[d] == 1 || free_strides[d] == dense[d];
  return plan;
}

void pick_elements(const IndexPlan& plan, const Tensor& self, const Tensor& result) {
  if (result.numel() == 0) return;
  const int64_t *inner = plan.inner.data(), width = plan.inner.n;
  dispatch_size(self.item_size(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    auto *from = self.data<T>(), *to = result.data<T>();
    const auto pick = kernels_now().indexing->pick[std::countr_zero(sizeof(T))];
    parallel_for(
        plan.outer.n * plan.picked.n, std::max<int64_t>(1, kMoveGrain / width),
        [&](int64_t b, int64_t e) {
          for_rows(
              plan, b, e, [&](int64_t start, const int64_t* picked, int64_t row, int64_t count) {
                const T* base = from + start;
                T* out = to + row * width;
                if (width == 1) {
                  pick(base + inner[0], picked, count, 1, 0, out);
                } else if (plan.inner_dense) {
                  for (int64_t k = 0; k < count; ++k, out += width) {
                    if (k + 1 < count)
                      prefetch_row(base + picked[k + 1], width * static_cast<int64_t>(sizeof(T)));
                    memcpy(out, base + picked[k], static_cast<size_t>(width) * sizeof(T));
                  }
                } else {
                  for (int64_t k = 0; k < count; ++k, out += width)
                    for (int64_t i = 0; i < width; ++i) out[i] = base[picked[k] + inner[i]];
                }
              });
        });
  });
}

RowCombiner::RowCombiner(kernels::Binary f, DType t) {
  if (t == DType::bool_) return;
  constexpr auto kWide = static_cast<size_t>(DType::float32);
  const auto at = static_cast<size_t>(t);
  if (is_reduced_float(t)) {
    widen_ = kernels_now().cast->cast[at][kWide];
    narrow_ = kernels_now().cast->cast[kWide][at];
  }
  fn_ = kernels_now().binary->fn[static_cast<size_t>(f)][widen_ ? kWide : at];
}

void RowCombiner::operator()(void* x, const void* y, int64_t n) const {
  if (!widen_) return fn_(x, y, x, n, 1, 1, 1, nullptr);
  constexpr int64_t kBlock = 256;
  float a[kBlock], b[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = std::min(kBlock, n - i);
    auto* to = static_cast<uint16_t*>(x) + i;
    widen_(to, a, m, 1, 1);
    widen_(static_cast<const uint16_t*>(y) + i, b, m, 1, 1);
    fn_(a, b, a, m, 1, 1, 1, nullptr);
    narrow_(a, to, m, 1, 1);
  }
}

namespace {

constexpr int64_t kRow = 8;  // neighbours that are worth the call of a kernel

// put_elements, or combine_rows, where rows of self lie in one piece each: false if nothing moves
// rows of this dtype.
bool put_rows(const IndexPlan& plan, const Tensor& self, const Tensor& values,
              std::optional<kernels::Binary> combine) {
  const int64_t width = plan.inner.n, item = self.item_size();
  const auto write = [&](const auto& row) {
    const int64_t from = values.numel() == 1 ? 0 : item;
    split_for_writing(plan, [&](int64_t b, int64_t e, int64_t left, int64_t right) {
      for_rows(plan, b, e, [&](int64_t start, const int64_t* picked, int64_t at, int64_t count) {
        const char* y = values->data + (at * width + left) * from;
        for (int64_t k = 0; k < count; ++k, y += width * from) {
          if (k + 1 < count) {
            prefetch_row(self->data + (start + picked[k + 1] + left) * item, (right - left) * item);
            prefetch_row(y + width * from, (right - left) * from);
          }
          row(self->data + (start + picked[k] + left) * item, y, right - left);
        }
      });
    });
    return true;
  };
  if (!combine && values.numel() == 1) {
    const auto fill = kernels_now().cast->fill[std::countr_zero(static_cast<uint64_t>(item))];
    return write([&](char* x, const char* y, int64_t n) { fill(x, n, 1, y); });
  }
  if (!combine) {
    return write(
        [&](char* x, const char* y, int64_t n) { memcpy(x, y, static_cast<size_t>(n * item)); });
  }
  const RowCombiner row(*combine, self.dtype());
  return row && write(row);
}

// What is written must not change where the rest goes.
IndexPlan apart_from(const IndexPlan& plan, const Tensor& self) {
  IndexPlan safe = plan;
  if (safe.picked.memory.defined() && safe.picked.memory.shares_storage(self))
    safe.picked.memory = clone_data(plan.picked.memory);
  return safe;
}

}  // namespace

bool combine_rows(const IndexPlan& plan, const Tensor& self, const Tensor& values,
                  kernels::Binary f) {
  return plan.inner_dense && plan.inner.n >= kRow && values.numel() > 1 &&
         put_rows(apart_from(plan, self), self, values, f);
}

void put_elements(const IndexPlan& given, const Tensor& self, const Tensor& values,
                  bool accumulate) {
  if (numel_of(given.sizes) == 0) return;
  const IndexPlan plan = apart_from(given, self);
  const bool single = values.numel() == 1;
  if (accumulate
          ? combine_rows(plan, self, values, kernels::Binary::add)
          : plan.inner_dense && plan.inner.n >= kRow && put_rows(plan, self, values, std::nullopt))
    return;
  auto write = [&](auto* to, auto* from, const auto& store) {
    split_for_writing(plan, [&](int64_t b, int64_t e, int64_t left, int64_t right) {
      if (single) {
        auto v = *from;
        for_elements(plan, to, from, b, e, left, right, [&](auto* x, auto*) { store(x, v); });
      } else {
        for_elements(plan, to, from, b, e, left, right, [&](auto* x, auto* y) { store(x, *y); });
      }
    });
  };
  if (accumulate) {
    dispatch_all(self.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      write(self.data<T>(), values.data<T>(), [](T* x, T v) { *x = sum_of(*x, v); });
    });
  } else {
    dispatch_size(self.item_size(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      write(self.data<T>(), values.data<T>(), [](T* x, T v) { *x = v; });
    });
  }
}

}  // namespace pycore
