// matmul with all its shapes, and linear. Must not know Python.
#include "core/kept.h"
#include "core/matmul_precision.h"
#include "kernels/gemm.h"
#include "ops/matrix.h"

namespace pycore {

// --- matmul
// --------------------------------------------------------------------------------------------------------------

namespace {

// Vectors count as a row (left) or a column (right) while their product is formed.
Tensor left_matrix(const Tensor& a) { return a.dim() == 1 ? unsqueeze(a, 0) : a; }
Tensor right_matrix(const Tensor& b) { return b.dim() == 1 ? unsqueeze(b, 1) : b; }

// [.., m, k] as [.. * m, k].
Tensor folded(const Tensor& t) {
  int64_t rows = 1;  // not numel / columns, for there may be none
  for (int64_t i = 0; i + 1 < t.dim(); ++i) rows *= t.sizes()[i];
  return reshape(t, {{rows, t.size(-1)}});
}

Dims batch_of(const Tensor& t) {
  return t.dim() <= 2 ? Dims() : Dims(t.sizes().begin(), t.sizes().end() - 2);
}

struct MatmulBackward {
  static constexpr const char* name = "UnsafeViewBackward0";
  Saved a, b;
  Dims a_sizes, b_sizes;
  bool row = false, column = false;  // a or b was a vector
  void operator()(Backward& w) {
    Tensor g = w.grad();
    if (column) g = unsqueeze(g, -1);
    if (row) g = unsqueeze(g, -2);
    if (w.needs(0)) {
      Tensor y = right_matrix(w.get(b));
      w.set(0,
            reshape(sum_to(matmul(g, transpose(y, -2, -1)), with_matrix(a_sizes, true)), a_sizes));
    }
    if (w.needs(1)) {
      Tensor x = left_matrix(w.get(a));
      // One product of all rows where b is shared by the whole batch.
      Tensor d = b_sizes.size() <= 2 && x.dim() == g.dim() && x.numel() > 0
                     ? mm(t(folded(x)), folded(g))
                     : sum_to(matmul(transpose(x, -2, -1), g), with_matrix(b_sizes, false));
      w.set(1, reshape(d, b_sizes));
    }
  }
  static Dims with_matrix(const Dims& sizes, bool left) {
    if (sizes.size() != 1) return sizes;
    return left ? Dims{1, sizes[0]} : Dims{sizes[0], 1};
  }
};

int64_t product(const Dims& d) {
  int64_t n = 1;
  for (int64_t x : d) n *= x;
  return n;
}

// PyTorch folds or batches, and its words tell which.
void check_matmul(const Tensor& a, const Tensor& b, const Dims& batch) {
  const int64_t k = a.size(-1), other = b.dim() == 1 ? b.size(0) : b.size(-2);
  const int64_t m = a.dim() == 1 ? 1 : a.size(-2), n = b.dim() == 1 ? 1 : b.size(-1);
  if (k != other) {
    if (b.dim() == 1)
      fail(ErrorKind::runtime, "size mismatch, got input (", product(batch) * m, "), mat (",
           product(batch) * m, "x", k, "), vec (", other, ")");
    if (b.dim() == 2)
      fail(ErrorKind::runtime, "mat1 and mat2 shapes cannot be multiplied (", product(batch) * m,
           "x", k, " and ", other, "x", n, ")");
    fail(ErrorKind::runtime, "Expected size for first two dimensions of batch2 tensor to be: [",
         product(batch), ", ", k, "] but got: [", product(batch), ", ", other, "].");
  }
  if (a.dtype() != b.dtype()) {
    if (a.dim() <= 2 || b.dim() <= 2)
      fail(ErrorKind::runtime,
           "expected m1 and m2 to have the same dtype, but got: ", cpp_type_name(a.dtype()),
           " != ", cpp_type_name(b.dtype()));
    fail(ErrorKind::runtime, "expected scalar type ", scalar_type_name(a.dtype()), " but found ",
         scalar_type_name(b.dtype()));
  }
  PC_CHECK_IMPLEMENTED(a.dtype() != DType::bool_, "\"addmm_impl_cpu_\" not implemented for 'Bool'");
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  PC_CHECK(a.dim() != 0 && b.dim() != 0,
           "both arguments to matmul need to be at least 1D, but they are ", a.dim(), "D and ",
           b.dim(), "D");
  if (a.dim() == 2 && b.dim() == 2) return mm(a, b);
  if (a.dim() == 1 && b.dim() == 1) return dot(a, b);
  if (a.dim() == 2 && b.dim() == 1) return mv(a, b);

  const Dims batch = broadcast_shapes(batch_of(a), batch_of(b));
  check_matmul(a, b, batch);
  Dims shape(batch);
  if (a.dim() > 1) shape.push_back(a.size(-2));
  if (b.dim() > 1) shape.push_back(b.size(-1));
  Tensor out;
  {
    GradGuard off(false);
    out = multiply_data(left_matrix(a), right_matrix(b), batch, shape);
  }
  if (recording(a, b)) {
    MatmulBackward rule;
    if (b.requires_grad()) rule.a = Saved(a);
    if (a.requires_grad()) rule.b = Saved(b);
    rule.a_sizes = a.sizes();
    rule.b_sizes = b.sizes();
    rule.row = a.dim() == 1;
    rule.column = b.dim() == 1;
    const bool squeezed = a.dim() == 1 && b.dim() == 2;
    Ref<Node> node = record(out, std::move(rule), a, b);
    if (squeezed) node->name = "SqueezeBackward4";  // what PyTorch's composition ends in
  }
  return out;
}
PYCORE_OP("matmul(Tensor input, Tensor other) -> Tensor", matmul, kFunction | kMethod | kOut, R"(
The matrix product, by the dimensions of the operands:

* both 1-d: the dot product, a 0-d tensor
* both 2-d: the product of matrices
* a 1-d operand counts as a row (left) or a column (right), which the result drops
* more dimensions: products of matrices in the last two, the leading ones broadcast

>>> pycore.matmul(pycore.ones(2, 3), pycore.ones(3))
tensor([3., 3.])
>>> pycore.matmul(pycore.ones(10, 1, 2, 3), pycore.ones(4, 3, 5)).shape
pycore.Size([10, 4, 2, 5])
)");
PYCORE_OP("__matmul__(Tensor input, Tensor other) -> Tensor", matmul, kMethod, "");
static Tensor rmatmul(const Tensor& input, const Tensor& other) { return matmul(other, input); }
PYCORE_OP("__rmatmul__(Tensor input, Tensor other) -> Tensor", rmatmul, kMethod, "");

// --- linear
// ----------------------------------------------------------------------------------------------------------------

namespace {

// y = x W^T + b, in the edge order of PyTorch's addmm: bias, input, weight.
struct LinearBackward {
  static constexpr const char* name = "AddmmBackward0";
  Saved input, weight;
  Dims input_sizes, bias_sizes;
  void operator()(Backward& w) {
    const Tensor& g = w.grad();
    const Tensor rows = g.dim() == 2 ? g : folded_to(g, g.size(-1));
    if (w.needs(0)) w.set(0, sum_to(rows, bias_sizes));
    if (w.needs(1)) {
      Tensor d = mm(rows, w.get(weight));
      w.set(1, d.dim() == input_sizes.size() ? d : reshape(d, input_sizes));
    }
    if (w.needs(2)) {
      Tensor x = w.get(input);
      w.set(2, mm(t(rows), x.dim() == 2 ? x : folded_to(x, x.size(-1))));
    }
  }
  static Tensor folded_to(const Tensor& t, int64_t width) {
    Dims lead(t.sizes());
    lead.pop_back();
    return reshape(t, {{product(lead), width}});
  }
};

// Most rows for which packed weights are kept: with more, packing takes less than 1 part in 20.
int64_t kept_rows(DType t) { return is_reduced_float(t) ? 512 : 256; }

void check_linear(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t rows) {
  const int64_t k = x.size(-1), n = weight.sizes()[0];
  PC_CHECK(k == weight.sizes()[1], "mat1 and mat2 shapes cannot be multiplied (", rows, "x", k,
           " and ", weight.sizes()[1], "x", n, ")");
  if (x.dtype() != weight.dtype()) {
    if (bias.defined())
      fail(ErrorKind::runtime, "mat1 and mat2 must have the same dtype, but got ",
           scalar_type_name(x.dtype()), " and ", scalar_type_name(weight.dtype()));
    fail(ErrorKind::runtime,
         "expected m1 and m2 to have the same dtype, but got: ", cpp_type_name(x.dtype()),
         " != ", cpp_type_name(weight.dtype()));
  }
  PC_CHECK_IMPLEMENTED(x.dtype() != DType::bool_, "\"addmm_impl_cpu_\" not implemented for 'Bool'");
  if (!bias.defined()) return;
  const int64_t last = bias.dim() ? bias.size(-1) : 1;
  PC_CHECK(last == n || last == 1, "The expanded size of the tensor (", n,
           ") must match the existing size (", last,
           ") at non-singleton dimension 1.  Target sizes: [", rows, ", ", n,
           "].  Tensor sizes: ", bias.sizes());
  PC_CHECK(bias.dtype() == x.dtype(), "self and mat2 must have the same dtype, but got ",
           scalar_type_name(bias.dtype()), " and ", scalar_type_name(weight.dtype()));
}

}  // namespace

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  PC_CHECK(input.dim() != 0 && weight.dim() != 0,
           "both arguments to linear need to be at least 1D, but they are ", input.dim(), "D and ",
           weight.dim(), "D");
  PC_CHECK(weight.dim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is ",
           weight.dim(), "D");
  if (weight.dim() == 1) {
    PC_CHECK(!bias.defined(), "mat2 must be a matrix, got 1-D tensor");
    return matmul(input, weight);
  }
  const int64_t n = weight.sizes()[0];
  int64_t rows = 1;
  for (int64_t i = 0; i + 1 < input.dim(); ++i) rows *= input.sizes()[i];
  check_linear(input, weight, bias, rows);
  const bool fused_bias = bias.defined() && bias.dim() == 1 && bias.numel() == n;
  if (bias.defined() && !fused_bias) return add(linear(input, weight, Tensor()), bias);

  Dims shape(input.sizes());
  shape.back() = n;
  const DType dtype = input.dtype();
  Tensor out;
  const bool dense = input.is_contiguous();
  if ((dense || input.dim() <= 2) && (!bias.defined() || bias.is_contiguous())) [[likely]] {
    out = empty(shape, dtype);
    kernels::GemmArgs g;
    g.m = rows;
    g.n = n;
    g.k = weight.sizes()[1];
    g.a = input->data;
    g.a_row = dense ? g.k : input.dim() == 2 ? input.strides()[0] : 0;
    g.a_col = dense ? 1 : input.strides()[input.dim() - 1];
    g.b = weight->data;
    g.b_row = weight.strides()[1];
    g.b_col = weight.strides()[0];
    g.c = out->data;
    g.c_row = n;
    g.bias_col = bias.defined() ? bias->data : nullptr;
    g.precision = matmul_precision();
    // Where gradients are recorded, weights change before they are used again.
    KeptMatrix kept(weight);
    if (rows <= kept_rows(dtype) && !recording(input, weight, bias)) g.b_kept = &kept;
    kernels_for("gemm", dtype).gemm->run[static_cast<int>(dtype)](kernel_context(), g);
  } else {
    GradGuard off(false);
    const Tensor x = LinearBackward::folded_to(input, input.size(-1));
    out = alias(view(multiply_data(x, t(weight), {}, {{rows, n}}, bias), shape));
  }
  if (recording(input, weight, bias)) {
    LinearBackward rule;
    if (weight.requires_grad()) rule.input = Saved(input);
    if (input.requires_grad()) rule.weight = Saved(weight);
    rule.input_sizes = input.sizes();
    if (bias.defined()) rule.bias_sizes = bias.sizes();
    Ref<Node> node = record(out, std::move(rule), bias, input, weight);
    // The names in which PyTorch's compositions end.
    if (bias.defined())
      node->name = input.dim() == 2 ? "AddmmBackward0" : "ViewBackward0";
    else
      node->name = input.dim() == 2   ? "MmBackward0"
                   : input.dim() == 1 ? "SqueezeBackward4"
                                      : "UnsafeViewBackward0";
  }
  return out;
}
PYCORE_OP("nn.linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", linear, kFunction,
          R"(
``input @ weight.T + bias``: ``input`` (..., in), ``weight`` (out, in), ``bias`` (out) give (..., out).

>>> pycore.nn.functional.linear(pycore.ones(1, 2), pycore.tensor([[1., 2.]]), pycore.tensor([3.]))
tensor([[6.]])
)");

}  // namespace pycore
