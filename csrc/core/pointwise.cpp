// The loops around element-wise kernels: merge dimensions, walk rows, convert blocks, split over
// threads.
#include "core/pointwise.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/cache.h"
#include "core/layout.h"
#include "core/parallel.h"
#include "kernels/binary.h"
#include "kernels/cast.h"
#include "kernels/select.h"
#include "kernels/unary.h"

namespace pycore {
namespace {

constexpr int kMaxArgs = PointwiseKernel::kMaxInputs + 1;  // slot 0 is the output
constexpr int64_t kBlock = 1024;        // elements converted at a time: stays in the L1 cache
constexpr int64_t kStreamBlock = 2048;  // bytes on their way past the caches

// A loop nest over all operands with merged dimensions; strides in elements of each operand.
struct Nest {
  int dims = 0;
  int64_t sizes[64];
  int64_t strides[64][kMaxArgs];
  int args = 0;
  char* data[kMaxArgs];
  DType dtype[kMaxArgs];
  int64_t numel = 1;
};

int64_t arg_stride(const PointwiseArg& a, int64_t d, int64_t out_dims) {
  int64_t i = d - (out_dims - static_cast<int64_t>(a.sizes.size()));
  return i < 0 || a.sizes[static_cast<size_t>(i)] == 1 ? 0 : a.strides[static_cast<size_t>(i)];
}

void build(Nest& nest, const Tensor& out, const PointwiseArg* args, int inputs) {
  PC_CHECK(out.dim() <= 64, "tensors with more than 64 dimensions are not supported");
  nest.args = inputs + 1;
  nest.data[0] = out->data;
  nest.dtype[0] = out.dtype();
  for (int a = 0; a < inputs; ++a) {
    nest.data[a + 1] = args[a].data;
    nest.dtype[a + 1] = args[a].dtype;
  }
  int64_t d = out.dim();
  // Order dimensions by the output's strides so that the innermost loop writes consecutively.
  int order[64];
  for (int i = 0; i < d; ++i) order[i] = i;
  if (!out.is_contiguous()) {
    for (int i = 1; i < d; ++i)
      for (int k = i; k > 0 && out.strides()[order[k - 1]] < out.strides()[order[k]]; --k)
        std::swap(order[k - 1], order[k]);
  }
  for (int k = 0; k < d; ++k) {
    int i = order[k];
    int64_t size = out.sizes()[i];
    nest.numel *= size;
    if (size == 1) continue;
    int64_t s[kMaxArgs];
    s[0] = out.strides()[i];
    for (int a = 0; a < inputs; ++a) s[a + 1] = arg_stride(args[a], i, d);
    // Merge with the dimension outside if every operand steps through both as through one.
    if (nest.dims > 0) {
      bool merge = true;
      for (int a = 0; a < nest.args; ++a) merge &= nest.strides[nest.dims - 1][a] == s[a] * size;
      if (merge) {
        nest.sizes[nest.dims - 1] *= size;
        for (int a = 0; a < nest.args; ++a) nest.strides[nest.dims - 1][a] = s[a];
        continue;
      }
    }
    nest.sizes[nest.dims] = size;
    for (int a = 0; a < nest.args; ++a) nest.strides[nest.dims][a] = s[a];
    ++nest.dims;
  }
  if (nest.dims == 0) {
    nest.sizes[0] = 1;
    for (int a = 0; a < nest.args; ++a) nest.strides[0][a] = 0;
    nest.dims = 1;
  }
}

// One row: straight into the kernel, or through blocks where a dtype differs.
void run_row(const PointwiseKernel& k, char* const* ptr, const DType* dtype, const int64_t* strides,
             int64_t n, bool convert) {
  if (!convert) {
    k.run(k, ptr + 1, ptr[0], n, strides + 1, strides[0]);
    return;
  }
  const auto& cast = kernels_now().cast->cast;
  alignas(64) char buffer[kMaxArgs][kBlock * 8];
  char* in[kMaxArgs];
  int64_t in_strides[kMaxArgs];
  for (int64_t at = 0; at < n; at += kBlock) {
    int64_t m = std::min(kBlock, n - at);
    for (int a = 0; a < k.inputs; ++a) {
      char* p = ptr[a + 1] + at * strides[a + 1] * item_size(dtype[a + 1]);
      if (dtype[a + 1] == k.in[a]) {
        in[a] = p;
        in_strides[a] = strides[a + 1];
      } else {
        bool single = strides[a + 1] == 0;
        cast[static_cast<int>(dtype[a + 1])][static_cast<int>(k.in[a])](
            p, buffer[a], single ? 1 : m, strides[a + 1], 1);
        in[a] = buffer[a];
        in_strides[a] = single ? 0 : 1;
      }
    }
    char* out = ptr[0] + at * strides[0] * item_size(dtype[0]);
    if (dtype[0] == k.out) {
      k.run(k, in, out, m, in_strides, strides[0]);
    } else {
      char* temporary = buffer[kMaxArgs - 1];
      k.run(k, in, temporary, m, in_strides, 1);
      cast[static_cast<int>(k.out)][static_cast<int>(dtype[0])](temporary, out, m, 1, strides[0]);
    }
  }
}

// A row whose results go past the caches, by way of a block in the first-level cache: no kernel
// needs a second kind of store.
void stream_row(const PointwiseKernel& k, char* const* ptr, const DType* dtype,
                const int64_t* strides, int64_t n, bool convert) {
  const auto& table = *kernels_now().cast;
  alignas(64) char block[kStreamBlock];
  const int64_t item = item_size(dtype[0]);
  // Blocks end where lines of the cache do.
  int64_t m =
      (kStreamBlock - static_cast<int64_t>(reinterpret_cast<uintptr_t>(ptr[0]) % 64)) / item;
  char* at[kMaxArgs];
  for (int a = 0; a <= k.inputs; ++a) at[a] = ptr[a];
  for (; n > 0; n -= m, m = kStreamBlock / item) {
    m = std::min(m, n);
    char* out = std::exchange(at[0], block);
    run_row(k, at, dtype, strides, m, convert);
    table.stream(block, out, m * item);
    at[0] = out;
    for (int a = 0; a <= k.inputs; ++a) at[a] += m * strides[a] * item_size(dtype[a]);
  }
}

// Elements [begin, end) of the nest in row-major order.
void run_range(const PointwiseKernel& k, const Nest& nest, int64_t begin, int64_t end, bool convert,
               bool stream) {
  const int last = nest.dims - 1;
  const int64_t row = nest.sizes[last];
  int64_t index[64];
  int64_t rest = begin;
  for (int d = last; d >= 0; --d) {
    index[d] = rest % nest.sizes[d];
    rest /= nest.sizes[d];
  }
  char* ptr[kMaxArgs];
  int64_t item[kMaxArgs];
  for (int a = 0; a < nest.args; ++a) {
    int64_t offset = 0;
    for (int d = 0; d <= last; ++d) offset += index[d] * nest.strides[d][a];
    item[a] = item_size(nest.dtype[a]);
    ptr[a] = nest.data[a] + offset * item[a];
  }
  const auto move = [&](int d, int64_t steps) {
    for (int a = 0; a < nest.args; ++a) ptr[a] += steps * nest.strides[d][a] * item[a];
  };
  for (int64_t at = begin; at < end;) {
    const int64_t m = std::min(row - index[last], end - at);
    (stream ? stream_row : run_row)(k, ptr, nest.dtype, nest.strides[last], m, convert);
    at += m;
    if (at >= end) break;
    // Back to the row's start, then carry into the outer dimensions.
    if (index[last] != 0) move(last, -index[last]);
    index[last] = 0;
    for (int d = last - 1; d >= 0; --d) {
      ++index[d];
      move(d, 1);
      if (index[d] < nest.sizes[d]) break;
      move(d, -nest.sizes[d]);
      index[d] = 0;
    }
  }
  if (stream) kernels_now().cast->stream_done();
}

// Does operand a step far along the innermost dimension, and by one along the dimension around it?
bool is_transposed(const Nest& nest, int a) {
  const int last = nest.dims - 1;
  const int64_t step = nest.strides[last][a];
  return step != 0 && step != 1 && nest.strides[last - 1][a] == 1;
}
bool worth_tiling(const PointwiseKernel& k, const Nest& nest) {
  constexpr int64_t kFewest =
      16384;  // elements; fewer stay in the nearest cache whatever the order
  const int last = nest.dims - 1;
  if (last < 1 || nest.numel < kFewest || nest.sizes[last] < 16 || nest.sizes[last - 1] < 8)
    return false;
  bool found = false;
  for (int a = 1; a <= k.inputs; ++a) found |= is_transposed(nest, a);
  return found;
}

// Rows in blocks of as many as a line of the cache has elements, a piece of each at a time: that
// much of a transposed operand is put in order first, so that no line of it is fetched twice.
void run_tiled(const PointwiseKernel& k, const Nest& nest, bool convert) {
  constexpr int64_t kLine = 64, kColumns = 256;
  const auto& transpose = kernels_now().cast->transpose;
  const int last = nest.dims - 1;
  const int64_t rows = nest.sizes[last - 1], columns = nest.sizes[last];
  int64_t item[kMaxArgs], block = kLine;
  bool transposed[kMaxArgs] = {};
  for (int a = 0; a < nest.args; ++a) {
    item[a] = item_size(nest.dtype[a]);
    transposed[a] = a > 0 && is_transposed(nest, a);
    if (transposed[a]) block = std::min(block, kLine / item[a]);
  }
  const int64_t blocks = (rows + block - 1) / block;
  const int64_t grain = std::max<int64_t>(1, k.grain / (block * columns));
  parallel_for(nest.numel / (rows * columns) * blocks, grain, [&](int64_t begin, int64_t end) {
    alignas(kLine) char tile[PointwiseKernel::kMaxInputs][kLine * kColumns];
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b % blocks * block, count = std::min(block, rows - first);
      char* start[kMaxArgs];
      for (int a = 0; a < nest.args; ++a) {
        int64_t rest = b / blocks, offset = first * nest.strides[last - 1][a];
        for (int d = last - 2; d >= 0; --d) {
          offset += rest % nest.sizes[d] * nest.strides[d][a];
          rest /= nest.sizes[d];
        }
        start[a] = nest.data[a] + offset * item[a];
      }
      for (int64_t c = 0; c < columns; c += kColumns) {
        const int64_t n = std::min(kColumns, columns - c);
        char* ptr[kMaxArgs];
        int64_t row_bytes[kMaxArgs], strides[kMaxArgs];
        for (int a = 0; a < nest.args; ++a) {
          strides[a] = nest.strides[last][a];
          ptr[a] = start[a] + c * strides[a] * item[a];
          row_bytes[a] = nest.strides[last - 1][a] * item[a];
          if (!transposed[a]) continue;
          transpose[std::countr_zero(static_cast<unsigned>(item[a]))](ptr[a], tile[a - 1], n, count,
                                                                      strides[a], kColumns);
          strides[a] = 1;
          ptr[a] = tile[a - 1];
          row_bytes[a] = kColumns * item[a];
        }
        for (int64_t r = 0; r < count; ++r) {
          run_row(k, ptr, nest.dtype, strides, n, convert);
          for (int a = 0; a < nest.args; ++a) ptr[a] += row_bytes[a];
        }
      }
    }
  });
}

// Does a call that moves so many bytes leave nothing of its results in the caches, or little? A
// store that fetches the line first then moves half as much again for nothing. Below this, chains
// of calls lose more than a single one gains.
bool exceeds_caches(int64_t bytes) {
  static const int64_t limit = last_level_cache() * 3 / 2;
  return bytes >= limit && kernels_now().cast->stream;
}

bool worth_streaming(const PointwiseKernel& k, const Nest& nest) {
  const int64_t* strides = nest.strides[nest.dims - 1];
  if (strides[0] != 1 || nest.sizes[nest.dims - 1] * item_size(nest.dtype[0]) < 2 * kStreamBlock)
    return false;
  int64_t bytes = 0;  // what operands that repeat cost is little
  for (int a = 0; a <= k.inputs; ++a)
    if (strides[a] != 0) bytes += nest.numel * item_size(nest.dtype[a]);
  for (int a = 1; a <= k.inputs; ++a)  // what is overwritten is in the nearest cache by then
    if (nest.data[a] == nest.data[0]) return false;
  return exceeds_caches(bytes);
}

// What is not the fast case: contiguous operands of the kernel's own dtypes, work for all threads.
void explain(const PointwiseKernel& k, const Tensor& out, const PointwiseArg* args) {
  explain_kernel_now(k.name, k.in[0]);
  const auto converted = [](DType from, DType to) {
    explain_note(std::string(name(from)) + " converted to " + name(to) + " in blocks");
  };
  bool dense = is_dense(out);
  for (int a = 0; a < k.inputs; ++a) {
    if (args[a].dtype != k.in[a]) converted(args[a].dtype, k.in[a]);
    if (!args[a].sizes.empty())
      dense = dense && same(args[a].sizes, out.sizes()) && same(args[a].strides, out.strides());
  }
  if (out.dtype() != k.out) converted(k.out, out.dtype());
  if (!dense) explain_note("operands broadcast or not contiguous: row by row");
  if (num_threads() > 1 && out.numel() <= k.grain && out.numel() > k.grain / 8)
    explain_note("one thread: a task has " + std::to_string(k.grain) + " elements");
}

}  // namespace

void run_pointwise(const PointwiseKernel& k, const Tensor& out, const PointwiseArg* args) {
  int64_t n = out.numel();
  if (n == 0) return;
  if (explaining()) [[unlikely]]
    explain(k, out, args);
  bool convert = out.dtype() != k.out;
  bool flat = out->standard;
  for (int a = 0; a < k.inputs; ++a) {
    convert |= args[a].dtype != k.in[a];
    flat =
        flat && (args[a].sizes.empty() || (args[a].standard && same(args[a].sizes, out.sizes())));
  }
  if (flat && !convert && n <= k.grain) [[likely]] {
    // The whole of a small call: no loop nest, no threads.
    char* in[kMaxArgs];
    int64_t strides[kMaxArgs];
    for (int a = 0; a < k.inputs; ++a) {
      in[a] = args[a].data;
      strides[a] = args[a].sizes.empty() ? 0 : 1;
    }
    k.run(k, in, out->data, n, strides, 1);
    return;
  }
  Nest nest;
  build(nest, out, args, k.inputs);
  if (worth_tiling(k, nest)) return run_tiled(k, nest, convert);
  const bool stream = worth_streaming(k, nest);
  if (n <= k.grain) return run_range(k, nest, 0, n, convert, stream);
  parallel_for(n, k.grain, [&](int64_t begin, int64_t end) {
    run_range(k, nest, begin, end, convert, stream);
  });
}

PointwiseKernel unary_kernel(kernels::UnaryFn fn, DType in, DType out, const double* params) {
  PointwiseKernel k;
  k.run = [](const PointwiseKernel& self, char* const* a, char* o, int64_t n, const int64_t* s,
             int64_t so) {
    reinterpret_cast<kernels::UnaryFn>(const_cast<void*>(self.fn))(a[0], o, n, s[0], so,
                                                                   self.params);
  };
  k.fn = reinterpret_cast<const void*>(fn);
  k.params = params;
  k.inputs = 1;
  k.in[0] = in;
  k.out = out;
  return k;
}

PointwiseKernel binary_kernel(kernels::BinaryFn fn, DType in, DType out, const double* params) {
  PointwiseKernel k;
  k.run = [](const PointwiseKernel& self, char* const* a, char* o, int64_t n, const int64_t* s,
             int64_t so) {
    reinterpret_cast<kernels::BinaryFn>(const_cast<void*>(self.fn))(a[0], a[1], o, n, s[0], s[1],
                                                                    so, self.params);
  };
  k.fn = reinterpret_cast<const void*>(fn);
  k.params = params;
  k.inputs = 2;
  k.in[0] = k.in[1] = in;
  k.out = out;
  return k;
}

PointwiseKernel ternary_kernel(kernels::TernaryFn fn, DType in, const double* params) {
  PointwiseKernel k;
  k.run = [](const PointwiseKernel& self, char* const* a, char* o, int64_t n, const int64_t* s,
             int64_t so) {
    reinterpret_cast<kernels::TernaryFn>(const_cast<void*>(self.fn))(a[0], a[1], a[2], o, n, s[0],
                                                                     s[1], s[2], so, self.params);
  };
  k.fn = reinterpret_cast<const void*>(fn);
  k.params = params;
  k.inputs = 3;
  k.in[0] = k.in[1] = k.in[2] = in;
  k.out = in;
  return k;
}

namespace {

// Matrices whose fast dimensions differ between the two sides: worth a blocked transpose.
bool try_transpose(const Tensor& dst, const Tensor& src) {
  constexpr int64_t kGrain = 32768, kColumns = 64;
  if (dst.dim() < 2 || !dst.is_contiguous() || !(dst.sizes() == src.sizes())) return false;
  const Dims &sizes = dst.sizes(), &from = src.strides();
  // The rows of src: the last dimensions, as far as one step leads through them.
  int64_t first = dst.dim() - 1;
  while (first > 0 && sizes[first] == 1) --first;
  int64_t rows = sizes[first];
  const int64_t row_step = from[first];
  for (; first > 0 && (sizes[first - 1] == 1 || from[first - 1] == rows * row_step); --first)
    rows *= sizes[first - 1];
  // Its columns: whichever other dimension has neighbours in memory.
  int64_t across = first - 1;
  while (across >= 0 && (sizes[across] == 1 || from[across] != 1)) --across;
  if (across < 0 || rows < 8 || row_step <= 1 || sizes[across] < 8) return false;

  const auto transpose =
      kernels_now().cast->transpose[std::countr_zero(static_cast<unsigned>(dst.item_size()))];
  explain_kernel("transpose", dst.dtype());
  const int64_t item = dst.item_size(), cols = sizes[across], to_step = dst.strides()[across];
  const int64_t width = num_threads() == 1 ? cols : kColumns, parts = (cols + width - 1) / width;
  const int64_t batch = dst.numel() / (rows * cols);
  parallel_for(batch * parts, std::max<int64_t>(1, kGrain / (rows * width)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t left = i % parts * width;
                   int64_t in = left, out = left * to_step, rest = i / parts;
                   for (int64_t d = first - 1; d >= 0; --d) {
                     if (d == across) continue;
                     in += rest % sizes[d] * from[d];
                     out += rest % sizes[d] * dst.strides()[d];
                     rest /= sizes[d];
                   }
                   transpose(src->data + in * item, dst->data + out * item, rows,
                             std::min(width, cols - left), row_step, to_step);
                 }
               });
  return true;
}

// Many short rows: without the general loop nest around each of them.
bool try_copy_rows(const Tensor& dst, const Tensor& src) {
  constexpr int64_t kLongRow = 4096, kGrain = 32768;  // elements
  Nest nest;
  PointwiseArg arg(src);
  build(nest, dst, &arg, 1);
  if (nest.dims < 2 || nest.sizes[nest.dims - 1] > kLongRow) return false;
  const int last = nest.dims - 1;
  const int64_t item = dst.item_size(), n = nest.sizes[last], inner = nest.sizes[last - 1];
  const int64_t *row = nest.strides[last - 1], *step = nest.strides[last];
  const auto copy = kernels_now().cast->copy_rows[std::countr_zero(static_cast<unsigned>(item))];
  // Rows [begin, end) of all, counted through the outer dimensions.
  const auto run = [&](int64_t begin, int64_t end) {
    while (begin < end) {
      int64_t at = begin % inner, rest = begin / inner;
      int64_t to = at * row[0], from = at * row[1];
      for (int d = last - 2; d >= 0; --d) {
        to += rest % nest.sizes[d] * nest.strides[d][0];
        from += rest % nest.sizes[d] * nest.strides[d][1];
        rest /= nest.sizes[d];
      }
      const int64_t rows = std::min(inner - at, end - begin);
      copy(nest.data[1] + from * item, nest.data[0] + to * item, rows, n, row[1], row[0], step[1],
           step[0]);
      begin += rows;
    }
  };
  parallel_for(nest.numel / n, std::max<int64_t>(1, kGrain / n), run);
  return true;
}

bool try_stream_copy(const Tensor& dst, const Tensor& src) {
  constexpr int64_t kGrain = 1 << 18;  // bytes
  const int64_t bytes = dst.numel() * dst.item_size();
  if (!dst.is_contiguous() || !src.is_contiguous() || dst.numel() != src.numel() ||
      src->data == dst->data || !exceeds_caches(2 * bytes))
    return false;
  const auto& table = *kernels_now().cast;
  explain_kernel("streaming copy", dst.dtype());
  parallel_for(bytes, kGrain, [&](int64_t begin, int64_t end) {
    table.stream(src->data + begin, dst->data + begin, end - begin);
    table.stream_done();
  });
  return true;
}

}  // namespace

void copy_data(const Tensor& dst, const Tensor& src) {
  PC_CHECK(is_expandable(src.sizes(), dst.sizes()), "The size of tensor a (", dst.sizes(),
           ") must match the size of tensor b (", src.sizes(), ") in copy_");
  if (dst.numel() == 0) return;
  const auto& table = *kernels_now().cast;
  if (src.shares_storage(dst) &&
      !(src->data == dst->data && src.strides() == dst.strides() && src.dtype() == dst.dtype())) {
    // The two may overlap: go through a copy.
    Tensor snapshot = empty(src.sizes(), src.dtype());
    copy_data(snapshot, alias(src));
    return copy_data(dst, snapshot);
  }
  bool same_dtype = src.dtype() == dst.dtype();
  if (same_dtype &&
      (try_transpose(dst, src) || try_stream_copy(dst, src) || try_copy_rows(dst, src)))
    return;
  PointwiseKernel k = unary_kernel(nullptr, src.dtype(), dst.dtype());
  k.name = same_dtype ? "copy" : "cast";
  k.fn = reinterpret_cast<const void*>(
      same_dtype ? table.copy[std::countr_zero(static_cast<unsigned>(src.item_size()))]
                 : table.cast[static_cast<int>(src.dtype())][static_cast<int>(dst.dtype())]);
  k.run = [](const PointwiseKernel& self, char* const* a, char* o, int64_t n, const int64_t* s,
             int64_t so) {
    reinterpret_cast<kernels::CastFn>(const_cast<void*>(self.fn))(a[0], o, n, s[0], so);
  };
  PointwiseArg arg(src);
  run_pointwise(k, dst, &arg);
}

void scalar_bytes(const Scalar& value, DType t, void* out) {
  dispatch_all(t, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T x;
    if constexpr (std::is_same_v<T, Half>)
      x = Half{float_to_half(static_cast<float>(value.to_double()))};
    else if constexpr (std::is_same_v<T, BFloat16>)
      x = BFloat16{float_to_bfloat16(static_cast<float>(value.to_double()))};
    else if constexpr (std::is_same_v<T, bool>)
      x = value.to_bool();
    else if constexpr (std::is_floating_point_v<T>)
      x = static_cast<T>(value.to_double());
    else
      x = static_cast<T>(value.to_int());
    memcpy(out, &x, sizeof(T));
  });
}

Scalar read_scalar(const void* p, DType t) {
  return dispatch_all(t, [&](auto tag) -> Scalar {
    using T = typename decltype(tag)::type;
    T x;
    memcpy(&x, p, sizeof(T));
    if constexpr (std::is_same_v<T, Half>)
      return Scalar(static_cast<double>(half_to_float(x.bits)));
    else if constexpr (std::is_same_v<T, BFloat16>)
      return Scalar(static_cast<double>(bfloat16_to_float(x.bits)));
    else if constexpr (std::is_same_v<T, bool>)
      return Scalar(x);
    else if constexpr (std::is_floating_point_v<T>)
      return Scalar(static_cast<double>(x));
    else
      return Scalar(static_cast<int64_t>(x));
  });
}

void fill_data(const Tensor& dst, const Scalar& value) {
  alignas(8) char bytes[8];
  scalar_bytes(value, dst.dtype(), bytes);
  auto fill = kernels_now().cast->fill[std::countr_zero(static_cast<unsigned>(dst.item_size()))];
  PointwiseKernel k;
  k.name = "fill";
  k.run = [](const PointwiseKernel& self, char* const* a, char* o, int64_t n, const int64_t*,
             int64_t so) {
    reinterpret_cast<void (*)(void*, int64_t, int64_t, const void*)>(const_cast<void*>(self.fn))(
        o, n, so, a[0]);
  };
  k.fn = reinterpret_cast<const void*>(fill);
  k.inputs = 1;
  k.in[0] = k.out = dst.dtype();
  PointwiseArg arg(bytes, dst.dtype());
  run_pointwise(k, dst, &arg);
}

}  // namespace pycore
