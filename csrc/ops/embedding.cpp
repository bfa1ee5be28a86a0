// Rows of a table by number: embedding and one_hot. Must not know Python.
#include <cmath>
#include <cstring>

#include "kernels/binary.h"
#include "ops/element.h"
#include "ops/indexing.h"
#include "ops/lines.h"

namespace pycore {
namespace {

// How often each row is asked for.
std::vector<int64_t> row_counts(const Tensor& index, int64_t rows) {
  std::vector<int64_t> counts(static_cast<size_t>(rows), 0);
  const auto* p = index.data<int64_t>();
  for (int64_t i = 0; i < index.numel(); ++i) ++counts[static_cast<size_t>(p[i])];
  return counts;
}

// Sums rows of g into a fresh table. Each task owns a range of table rows and walks all indices, so
// that the order of additions does not depend on the number of threads.
Tensor sum_rows(const Tensor& index, const Tensor& g, int64_t rows, int64_t padding,
                const std::vector<int64_t>& counts) {
  int64_t width = g.sizes().back(), n = index.numel();
  Tensor dense = contiguous(g);
  Tensor out = empty({{rows, width}}, g.dtype());
  const auto* p = index.data<int64_t>();
  int64_t work = (n + rows) * width;
  const RowCombiner add(kernels::Binary::add, g.dtype());
  const bool by_rows = counts.empty() && add;
  int64_t tasks = std::min<int64_t>(work < (1 << 16) ? 1 : 8, std::max<int64_t>(rows, 1));
  dispatch_all(g.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = dense.data<T>();
    T* to = out.data<T>();
    parallel_for(tasks, 1, [&](int64_t task, int64_t) {
      int64_t low = rows * task / tasks, high = rows * (task + 1) / tasks;
      memset(static_cast<void*>(to + low * width), 0,
             static_cast<size_t>((high - low) * width) * sizeof(T));
      for (int64_t i = 0; i < n; ++i) {
        int64_t row = p[i];
        if (row < low || row >= high || row == padding) continue;
        T* x = to + row * width;
        const T* y = from + i * width;
        if (by_rows) {
          add(x, y, width);
        } else if (counts.empty()) {
          for (int64_t k = 0; k < width; ++k) x[k] = sum_of(x[k], y[k]);
        } else if constexpr (!std::is_integral_v<T>) {
          auto scale =
              static_cast<Wide<T>>(1.0 / static_cast<double>(counts[static_cast<size_t>(row)]));
          for (int64_t k = 0; k < width; ++k)
            x[k] = narrow_to<T>(widen(x[k]) + widen(y[k]) * scale);
        }
      }
    });
  });
  return out;
}

struct EmbeddingBackward0 {
  static constexpr const char* name = "EmbeddingBackward0";
  Dims weight_sizes;
  int64_t padding = -1;
  bool by_frequency = false;
  Saved index;

  void operator()(Backward& b) {
    Tensor g = b.grad();
    Tensor i = contiguous(to_dtype(b.get(index), DType::int64));
    std::vector<int64_t> counts;
    if (by_frequency) counts = row_counts(i, weight_sizes[0]);
    if (!recording(g)) return b.set(1, sum_rows(i, g, weight_sizes[0], padding, counts));
    Tensor scale = ones(i.sizes(), g.dtype());
    if (padding >= 0) scale = where(eq(i, padding), 0.0, scale);
    if (by_frequency) {
      Tensor table = empty({{weight_sizes[0]}}, DType::int64);
      memcpy(table->data, counts.data(), counts.size() * sizeof(int64_t));
      scale = scale / take(table, i);
    }
    const Tensor list[1] = {i};
    b.set(1, index_put(zeros(weight_sizes, g.dtype()), list, g * unsqueeze(scale, -1), true));
  }
};

// Shrinks the rows that are asked for to a norm of at most max_norm, in place.
void renormalize(const Tensor& weight, const Tensor& index, double max_norm, double p) {
  check_inplace(weight);
  const Tensor table = weight.is_contiguous() ? weight : contiguous(detach(weight));
  std::vector<int64_t> counts = row_counts(index, weight.sizes()[0]);
  int64_t width = weight.sizes()[1];
  dispatch_all(weight.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>) {
      for (size_t row = 0; row < counts.size(); ++row) {
        if (counts[row] == 0) continue;
        T* x = table.data<T>() + static_cast<int64_t>(row) * width;
        double norm = 0;
        for (int64_t k = 0; k < width; ++k) {
          double a = std::fabs(static_cast<double>(widen(x[k])));
          norm = std::isinf(p) ? std::max(norm, a) : norm + std::pow(a, p);
        }
        if (!std::isinf(p)) norm = std::pow(norm, 1 / p);
        if (norm <= max_norm) continue;
        auto scale = static_cast<Wide<T>>(max_norm / (norm + 1e-7));
        for (int64_t k = 0; k < width; ++k) x[k] = narrow_to<T>(widen(x[k]) * scale);
      }
    } else {
      fail(ErrorKind::runtime, "embedding: max_norm needs a floating point weight, got ",
           weight.dtype());
    }
  });
  if (!table.is(weight)) copy_data(weight, table);
  weight.bump_version();
}

}  // namespace

static Tensor embedding(const Tensor& input, const Tensor& weight,
                        std::optional<int64_t> padding_idx, std::optional<double> max_norm,
                        double norm_type, bool scale_grad_by_freq, bool) {
  PC_CHECK(weight.dim() == 2, "'weight' must be 2-D, got shape ", weight.sizes());
  PC_CHECK(input.dtype() == DType::int64 || input.dtype() == DType::int32,
           "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
           "Long, Int; but got ",
           legacy_type_name(input.dtype()), " instead (while checking arguments for embedding)");
  int64_t rows = weight.sizes()[0], width = weight.sizes()[1];
  int64_t padding = padding_idx.value_or(-1);
  if (padding_idx) {
    PC_CHECK(padding >= -rows && padding < rows, "Padding_idx must be within num_embeddings: got ",
             padding, " and ", rows, " rows");
    if (padding < 0) padding += rows;
  }
  Tensor index = contiguous(to_dtype(input, DType::int64));
  const auto* p = index.data<int64_t>();
  if (!all_within(index, 0, rows))
    for (int64_t i = 0; i < index.numel(); ++i)
      PC_CHECK_INDEX(p[i] >= 0 && p[i] < rows, "index out of range in self: embedding got index ",
                     p[i], " for a table of ", rows, " rows");
  if (max_norm) {
    GradGuard guard(false);
    renormalize(weight, index, *max_norm, norm_type);
  }
  Tensor table = contiguous(detach(weight));
  Dims sizes = input.sizes();
  sizes.push_back(width);
  Tensor out = empty(sizes, weight.dtype());
  int64_t bytes = width * weight.item_size();
  if (out.numel() > 0)
    parallel_for(index.numel(), std::max<int64_t>(1, 65536 / bytes), [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i)
        memcpy(out->data + i * bytes, table->data + p[i] * bytes, static_cast<size_t>(bytes));
    });
  if (recording(weight))
    record(out, EmbeddingBackward0{weight.sizes(), padding, scale_grad_by_freq, Saved(input)},
           input, weight);
  return out;
}
PYCORE_OP(
    "nn.embedding(Tensor input, Tensor weight, int? padding_idx=None, float? max_norm=None, float "
    "norm_type=2.0, "
    "bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
    embedding, kFunction, R"(
The rows of ``weight`` (num_embeddings, dim) that ``input`` (int64 or int32, any shape) names: shape ``input.shape + (dim,)``.

Row ``padding_idx`` gets no gradient. ``max_norm`` first shrinks the rows in question, in place, to that ``norm_type``-norm.
``scale_grad_by_freq`` divides gradients by how often a row occurs. ``sparse`` is accepted; gradients are dense. IndexError
for numbers outside the table.

>>> pycore.nn.functional.embedding(pycore.tensor([1, 1]), pycore.tensor([[0., 1.], [2., 3.]]))
tensor([[2., 3.],
        [2., 3.]])
)");

static Tensor embedding_renorm_(const Tensor& input, const Tensor& indices, double max_norm,
                                double norm_type) {
  PC_CHECK(input.dim() == 2, "embedding_renorm_: expected a table of two dimensions, got ",
           input.sizes());
  const Tensor index = line_index("embedding_renorm_", indices, input.sizes()[0], 0);
  GradGuard guard(false);
  renormalize(input, index, max_norm, norm_type);
  return input;
}
PYCORE_OP(
    "embedding_renorm_(Tensor input, Tensor indices, float max_norm, float norm_type) -> Tensor",
    embedding_renorm_, kFunction, R"(
Shrinks the rows of ``input`` that ``indices`` name, in place, to a ``norm_type``-norm of at most ``max_norm``.

>>> pycore.embedding_renorm_(pycore.tensor([[3., 4.], [3., 4.]]), pycore.tensor([1]), 1.0, 2.0)
tensor([[3.0000, 4.0000],
        [0.6000, 0.8000]])
)");

static Tensor one_hot(const Tensor& input, int64_t num_classes) {
  PC_CHECK(input.dtype() == DType::int64,
           "one_hot is only applicable to index tensor of type LongTensor.");
  Tensor index = contiguous(input);
  const auto* p = index.data<int64_t>();
  int64_t n = index.numel(), classes = num_classes;
  PC_CHECK(n > 0 || classes != -1, "Can not infer total number of classes from empty tensor.");
  PC_CHECK(n > 0 || classes > 0, "one_hot: num_classes should be positive, got ", classes);
  int64_t highest = -1;
  for (int64_t i = 0; i < n; ++i) {
    PC_CHECK(p[i] >= 0, "Class values must be non-negative.");
    highest = std::max(highest, p[i]);
  }
  if (classes == -1) classes = highest + 1;
  PC_CHECK(classes > highest, "Class values must be smaller than num_classes.");
  Dims sizes = input.sizes();
  sizes.push_back(classes);
  Tensor out = zeros(sizes, DType::int64);
  for (int64_t i = 0; i < n; ++i) out.data<int64_t>()[i * classes + p[i]] = 1;
  return out;
}
PYCORE_OP("nn.one_hot(Tensor input, int num_classes=-1) -> Tensor", one_hot, kFunction, R"(
Vectors of zeros with a one at the place that ``input`` (int64) names; int64 of shape ``input.shape + (num_classes,)``.
``num_classes=-1`` takes the largest value plus one.

>>> pycore.nn.functional.one_hot(pycore.tensor([0, 2]))
tensor([[1, 0, 0],
        [0, 0, 1]])
)");

}  // namespace pycore
