// Packing of padded sequences, step by step without the padding, and back. Must not know recurrent
// layers or Python.
#include <algorithm>

#include "autograd/meta.h"
#include "ops/indexing.h"
#include "ops/ops.h"

namespace pycore {
namespace {

Tensor with_name(const Tensor& t, const char* name) {
  if (t.requires_grad()) grad_fn(t)->name = name;
  return t;
}

Tensor vector_of(int64_t n) { return empty({{n}}, DType::int64); }

// Where a batch [steps, batch, ...] or [batch, steps, ...] has step t of sequence b, as a row.
struct Grid {
  int64_t steps, batch;
  bool batch_first;
  int64_t row(int64_t t, int64_t b) const { return batch_first ? b * steps + t : t * batch + b; }
};

std::tuple<Tensor, Tensor> pack_padded_sequence(const Tensor& input, const Tensor& lengths,
                                                bool batch_first) {
  PC_CHECK_INDEX(input.dim() >= 2,
                 "Dimension out of range (expected to be in range of [-1, 0], but got 1)");
  PC_CHECK(input.numel() > 0, "Cannot pack empty tensors.");
  PC_CHECK(lengths.dim() == 1 && lengths.dtype() == DType::int64,
           "'lengths' argument should be a 1D CPU int64 tensor, but got ", lengths.dim(), "D cpu ",
           scalar_type_name(lengths.dtype()), " tensor");
  const Grid grid{input.sizes()[batch_first ? 1 : 0], input.sizes()[batch_first ? 0 : 1],
                  batch_first};
  PC_CHECK(lengths.numel() == grid.batch,
           "Expected `len(lengths)` to be equal to batch_size, but got ", lengths.numel(),
           " (batch_size=", grid.batch, ")");
  const Tensor dense = contiguous(lengths);
  const int64_t* n = dense.data<int64_t>();
  PC_CHECK(std::all_of(n, n + grid.batch, [](int64_t x) { return x > 0; }),
           "Length of all samples has to be greater than 0, but found an element in 'lengths' that "
           "is <= 0");
  PC_CHECK(std::is_sorted(n, n + grid.batch, std::greater<int64_t>()),
           "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
           "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
           "sidestep this requirement if you do not need ONNX exportability.");
  PC_CHECK(n[0] <= grid.steps, "pack_padded_sequence: a length exceeds the padded sequences; got ",
           n[0], "; expected at most ", grid.steps);

  int64_t rows = 0;
  for (int64_t b = 0; b < grid.batch; ++b) rows += n[b];
  const Tensor sizes = vector_of(n[0]), index = vector_of(rows);
  int64_t* to = index.data<int64_t>();
  int64_t running = grid.batch;
  for (int64_t t = 0; t < n[0]; ++t) {
    while (n[running - 1] <= t) --running;
    sizes.data<int64_t>()[t] = running;
    for (int64_t b = 0; b < running; ++b) *to++ = grid.row(t, b);
  }
  Dims shape{grid.steps * grid.batch};
  for (int64_t d = 2; d < input.dim(); ++d) shape.push_back(input.sizes()[d]);
  return {with_name(index_select(reshape(input, shape), 0, index), "PackPaddedSequenceBackward0"),
          sizes};
}
PYCORE_OP(
    "_pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first) -> (Tensor, Tensor)",
    pack_padded_sequence, kFunction, R"(
The steps of padded sequences of falling length without their padding, and how many sequences still run
at each step. See ``nn.utils.rnn.pack_padded_sequence``.
)");

std::tuple<Tensor, Tensor> pad_packed_sequence(const Tensor& data, const Tensor& batch_sizes,
                                               bool batch_first, const Scalar& padding_value,
                                               int64_t total_length) {
  PC_CHECK(
      batch_sizes.dim() == 1 && batch_sizes.numel() > 0 && batch_sizes.dtype() == DType::int64,
      "pad_packed_sequence: batch_sizes must be a 1D int64 tensor with one size per step; got ",
      batch_sizes.dim(), "D ", scalar_type_name(batch_sizes.dtype()), " of shape ",
      batch_sizes.sizes());
  PC_CHECK(data.dim() >= 1, "pad_packed_sequence: data must have a dimension of rows; got a 0-d ",
           "tensor");
  const Tensor dense = contiguous(batch_sizes);
  const int64_t* sizes = dense.data<int64_t>();
  const int64_t steps = dense.numel(), rows = data.sizes()[0];
  PC_CHECK(total_length >= steps,
           "Expected total_length to be at least the length of the longest sequence in input, but "
           "got total_length=",
           total_length, " and max sequence length being ", steps);
  int64_t sum = 0;
  for (int64_t t = 0; t < steps; ++t) {
    PC_CHECK(sizes[t] > 0 && sizes[t] <= (t ? sizes[t - 1] : rows) && sizes[t] <= rows - sum,
             "pad_packed_sequence: batch_sizes must be positive, never grow and add up to the rows "
             "of data; got ",
             sizes[t], " at step ", t, " with ", rows, " rows");
    sum += sizes[t];
  }
  PC_CHECK(sum == rows, "pad_packed_sequence: batch_sizes must add up to the rows of data; got ",
           sum, "; expected ", rows);

  // Time comes first in memory, as in PyTorch; the last row of the source is padding.
  const int64_t batch = sizes[0];
  const int64_t cells[2] = {total_length, batch};
  const Tensor index = vector_of(numel_of(cells)), lengths = vector_of(batch);
  int64_t first = 0;
  for (int64_t t = 0; t < total_length; ++t) {
    const int64_t running = t < steps ? sizes[t] : 0;
    for (int64_t b = 0; b < batch; ++b) {
      index.data<int64_t>()[t * batch + b] = b < running ? first + b : rows;
      if (b < running) lengths.data<int64_t>()[b] = t + 1;
    }
    first += running;
  }
  Dims one(data.sizes()), shape{total_length, batch};
  one[0] = 1;
  for (int64_t d = 1; d < data.dim(); ++d) shape.push_back(data.sizes()[d]);
  const Tensor source = cat(std::vector<Tensor>{data, full(one, padding_value, data.dtype())}, 0);
  Tensor out = reshape(index_select(source, 0, index), shape);
  if (batch_first) out = transpose(out, 0, 1);
  return {out, lengths};
}
PYCORE_OP(
    "_pad_packed_sequence(Tensor data, Tensor batch_sizes, bool batch_first, Scalar padding_value, "
    "int total_length) -> (Tensor, Tensor)",
    pad_packed_sequence, kFunction, R"(
Packed sequences as a padded tensor, and their lengths. See ``nn.utils.rnn.pad_packed_sequence``.
)");

}  // namespace
}  // namespace pycore
