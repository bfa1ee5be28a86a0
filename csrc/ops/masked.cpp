// Selecting and writing by mask, and the positions of what is not zero. Must not know Python.
#include <cstring>

#include "ops/indexing.h"
#include "ops/lines.h"
#include "ops/write_support.h"

namespace pycore {
namespace {

// The elements of contiguous `from` where contiguous `mask` is set, one after the other. Chunks are
// counted first, so that each knows where its part begins.
template <class T>
void compress(const T* from, const uint8_t* mask, int64_t n, const int64_t* starts, int64_t chunk,
              T* to) {
  parallel_for(n, chunk, [&](int64_t b, int64_t e) {
    constexpr int64_t kBlock = 1024;
    T kept[kBlock + 1];
    T* out = to + starts[b / chunk];
    for (int64_t i = b; i < e; i += kBlock) {
      // Writes first and decides then whether to keep it: no branch to mispredict.
      int64_t count = 0, stop = std::min(e, i + kBlock);
      for (int64_t k = i; k < stop; ++k) {
        kept[count] = from[k];
        count += mask[k] != 0;
      }
      memcpy(static_cast<void*>(out), kept, static_cast<size_t>(count) * sizeof(T));
      out += count;
    }
  });
}

struct MaskedSelectBackward0 {
  static constexpr const char* name = "MaskedSelectBackward0";
  ToInput to_input;
  Dims shape;
  Saved mask;
  void operator()(Backward& b) {
    b.set(0, to_input(masked_scatter(zeros(shape, b.grad().dtype()), b.get(mask), b.grad())));
  }
};

struct MaskedScatterBackward0 {
  static constexpr const char* name = "MaskedScatterBackward0";
  ToInput to_input;
  Dims source_sizes;
  Saved mask;
  void operator()(Backward& b) {
    Tensor m = b.get(mask);
    if (b.needs(0)) b.set(0, to_input(where(m, 0.0, b.grad())));
    if (b.needs(1)) {
      Tensor used = masked_select(b.grad(), m);
      Tensor all = zeros({{numel_of(source_sizes)}}, used.dtype());
      b.set(1, reshape(slice_scatter(all, used, 0, 0, used.numel(), 1), source_sizes));
    }
  }
};

}  // namespace

Tensor masked_select(const Tensor& input, const Tensor& mask) {
  PC_CHECK(mask.dtype() == DType::bool_, "masked_select: expected BoolTensor for mask, got ",
           mask.dtype());
  Dims shape = broadcast_shapes(mask.sizes(), input.sizes());
  Tensor x = contiguous(expand(detach(input), shape)), m = contiguous(expand(mask, shape));
  int64_t n = x.numel();
  constexpr int64_t kChunk = 1 << 16;
  std::vector<int64_t> starts(static_cast<size_t>(n / kChunk) + 2, 0);
  const auto* p = m.data<uint8_t>();
  parallel_for(n, kChunk, [&](int64_t b, int64_t e) {
    int64_t count = 0;
    for (int64_t i = b; i < e; ++i) count += p[i] != 0;
    starts[static_cast<size_t>(b / kChunk) + 1] = count;
  });
  for (size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
  Tensor out = empty({{starts.back()}}, input.dtype());
  dispatch_size(x.item_size(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    compress(x.data<T>(), p, n, starts.data(), kChunk, out.data<T>());
  });
  if (recording(input)) {
    MaskedSelectBackward0 rule{{}, shape, Saved(mask)};
    rule.to_input = ToInput(input, x);
    record(out, std::move(rule), input);
  }
  return out;
}
PYCORE_OP("masked_select(Tensor input, Tensor mask) -> Tensor", masked_select,
          kFunction | kMethod | kOut, R"(
A vector of the elements of ``input`` where the boolean ``mask`` is true; the two broadcast.

>>> pycore.masked_select(pycore.tensor([1, 2, 3]), pycore.tensor([True, False, True]))
tensor([1, 3])
)");

Tensor masked_scatter(const Tensor& input, const Tensor& mask, const Tensor& source) {
  PC_CHECK(input.dtype() == source.dtype(),
           "masked_scatter: expected self and source to have same dtypes but got ",
           scalar_type_name(input.dtype()), " and ", scalar_type_name(source.dtype()));
  PC_CHECK(mask.dtype() == DType::bool_,
           "masked_scatter_ only supports boolean masks, but got mask with dtype ",
           scalar_type_name(mask.dtype()));
  Dims shape = broadcast_shapes(input.sizes(), mask.sizes());
  Tensor out = clone_data(expand(detach(input), shape));
  Tensor positions = set_positions(contiguous(expand(mask, shape)));
  Tensor values = contiguous(detach(source));
  int64_t n = positions.numel();
  PC_CHECK(n <= values.numel(), "Number of elements of source < number of ones in mask: got ",
           values.numel(), " and ", n);
  dispatch_size(out.item_size(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* at = positions.data<int64_t>();
    const T* from = values.data<T>();
    T* to = out.data<T>();
    for (int64_t i = 0; i < n; ++i) to[at[i]] = from[i];
  });
  if (input.is_floating() && recording(input, source))
    record(out, MaskedScatterBackward0{ToInput(input, out), source.sizes(), Saved(mask)}, input,
           source);
  return out;
}
PYCORE_OP("masked_scatter(Tensor input, Tensor mask, Tensor source) -> Tensor", masked_scatter,
          kFunction | kMethod | kInplace, R"(
A copy whose elements under the boolean ``mask`` are taken from ``source``, one after the other.

>>> pycore.masked_scatter(pycore.zeros(3), pycore.tensor([True, False, True]), pycore.tensor([5., 6.]))
tensor([5., 0., 6.])
)");

// --- nonzero
// -------------------------------------------------------------------------------------------------------------

namespace {

Tensor nonzero_positions(const Tensor& input) {
  Tensor x = detach(input);
  Tensor mask = x.dtype() == DType::bool_ ? x : ne(x, 0);
  return set_positions(contiguous(mask));
}

// One column per dimension, in memory of stride `step`. Positions ascend: those of one row of the
// last dimension follow each other and share the other coordinates.
void split_positions(const Tensor& positions, const Dims& sizes, int64_t* out, int64_t column,
                     int64_t step) {
  const auto* p = positions.data<int64_t>();
  const int64_t last = sizes.size() - 1, width = sizes[last];
  parallel_for(positions.numel(), 16384, [&](int64_t b, int64_t e) {
    for (int64_t i = b, end; i < e; i = end) {
      int64_t row = p[i] / width;
      const int64_t begin = row * width;
      for (end = i + 1; end < e && p[end] - begin < width;) ++end;
      int64_t* to = out + last * column;
      if (last == 1 && step == 2) {
        for (int64_t k = i; k < end; ++k) {
          out[2 * k] = row;
          out[2 * k + 1] = p[k] - begin;
        }
        continue;
      }
      for (int64_t k = i; k < end; ++k) to[k * step] = p[k] - begin;
      for (int64_t d = last - 1; d >= 0; --d) {
        to -= column;
        const int64_t at = row % sizes[d];
        row /= sizes[d];
        for (int64_t k = i; k < end; ++k) to[k * step] = at;
      }
    }
  });
}

std::vector<Tensor> nonzero_tuple(const Tensor& input) {
  Tensor positions = nonzero_positions(input);
  Dims sizes = input.dim() == 0 ? Dims{1} : input.sizes();
  if (sizes.size() == 1) return {positions};
  int64_t n = positions.numel();
  Tensor all = empty({{sizes.size(), n}}, DType::int64);
  split_positions(positions, sizes, all.data<int64_t>(), n, 1);
  std::vector<Tensor> out;
  for (int64_t d = 0; d < sizes.size(); ++d)
    out.push_back(make_alias(all->storage, DType::int64, {{n}}, {{1}}, d * n));
  return out;
}

}  // namespace

Tensor nonzero(const Tensor& input) {
  Tensor positions = nonzero_positions(input);
  Tensor out = empty({{positions.numel(), input.dim()}}, DType::int64);
  if (input.dim() == 1) return reshape(positions, out.sizes());
  if (input.dim() > 0)
    split_positions(positions, input.sizes(), out.data<int64_t>(), 1, input.dim());
  return out;
}
PYCORE_OP("nonzero(Tensor input) -> Tensor", nonzero, kFunction | kMethod | kOut, R"(
The positions of all elements that are not zero, one per row; with ``as_tuple=True`` one vector per dimension, as indexing
takes them.

>>> pycore.nonzero(pycore.tensor([[0, 1], [2, 0]]))
tensor([[0, 1],
        [1, 0]])
)");
static Result nonzero_op(const Tensor& input, bool as_tuple) {
  Result r;
  if (as_tuple)
    r.set(nonzero_tuple(input));
  else
    r.set(nonzero(input));
  return r;
}
PYCORE_OP("nonzero(Tensor input, *, bool as_tuple) -> Tensor[]", nonzero_op, kFunction | kMethod,
          "");
PYCORE_OP("argwhere(Tensor input) -> Tensor", nonzero, kFunction | kMethod, R"(
As :func:`nonzero`.

>>> pycore.argwhere(pycore.tensor([0, 5, 6]))
tensor([[1],
        [2]])
)");
PYCORE_OP("where(Tensor condition) -> Tensor[]", nonzero_tuple, kFunction,
          "``nonzero(condition, as_tuple=True)``.");

}  // namespace pycore
