// Products of matrices and vectors: mm, bmm, mv, dot, outer and the add* family. Must not know
// Python.
#include "core/matmul_precision.h"
#include "kernels/gemm.h"
#include "ops/matrix.h"

namespace pycore {

// --- products without history
// ------------------------------------------------------------------------------------------

const char* cpp_type_name(DType t) {
  constexpr const char* names[kDTypes] = {"unsigned char", "signed char", "short int",     "int",
                                          "long int",      "c10::Half",   "c10::BFloat16", "float",
                                          "double",        "bool"};
  return names[static_cast<int>(t)];
}

namespace {

// Batch strides of one operand, aligned to the right with zeros where it broadcasts.
Dims batch_strides(const Tensor& t, int64_t batch_dims) {
  Dims s(batch_dims, 0);
  const int64_t own = t.dim() - 2;
  for (int64_t i = 0; i < own; ++i)
    if (t.sizes()[i] != 1) s[batch_dims - own + i] = t.strides()[i];
  return s;
}

}  // namespace

namespace {

// The kernel for what is multiplied into what.
auto kernel_of(DType factors, DType result) {
  const kernels::GemmKernels& k = *kernels_for("gemm", result).gemm;
  return factors == DType::int8 && result == DType::int32 ? k.bytes
                                                          : k.run[static_cast<int>(result)];
}

}  // namespace

void multiply_into(const Tensor& out, const Tensor& a, const Tensor& b, const void* bias,
                   bool accumulate) {
  kernels::GemmArgs g;
  const int64_t d = out.dim(), da = a.dim(), db = b.dim(), batch_dims = d - 2;
  g.m = out.sizes()[d - 2];
  g.n = out.sizes()[d - 1];
  g.k = a.sizes()[da - 1];
  g.a = a->data;
  g.a_row = a.strides()[da - 2];
  g.a_col = a.strides()[da - 1];
  g.b = b->data;
  g.b_row = b.strides()[db - 2];
  g.b_col = b.strides()[db - 1];
  g.c = out->data;
  g.c_row = out.strides()[d - 2];
  g.c_col = out.strides()[d - 1];
  g.accumulate = accumulate;
  g.bias_col = bias;
  g.precision = matmul_precision();
  const auto run = kernel_of(a.dtype(), out.dtype());
  if (batch_dims == 0) return run(kernel_context(), g);

  // Neighbouring batch dimensions that step alike in all three become one.
  const Dims as = batch_strides(a, batch_dims), bs = batch_strides(b, batch_dims);
  Dims size, sa, sb, sc;
  for (int64_t i = 0; i < batch_dims; ++i) {
    const int64_t n = out.sizes()[i], c = out.strides()[i];
    if (n == 1) continue;
    if (!size.empty() && sa.back() == as[i] * n && sb.back() == bs[i] * n && sc.back() == c * n) {
      size.back() *= n;
      sa.back() = as[i];
      sb.back() = bs[i];
      sc.back() = c;
    } else {
      size.push_back(n);
      sa.push_back(as[i]);
      sb.push_back(bs[i]);
      sc.push_back(c);
    }
  }
  constexpr int64_t kDims = kernels::kGemmBatchDims;
  const int64_t inner = std::min<int64_t>(size.size(), kDims), outer = size.size() - inner;
  for (int64_t i = 0; i < inner; ++i) {
    const int64_t at = kDims - inner + i;
    g.batch[at] = size[outer + i];
    g.a_batch[at] = sa[outer + i];
    g.b_batch[at] = sb[outer + i];
    g.c_batch[at] = sc[outer + i];
  }
  // More dimensions than the kernel takes: loop over the outer ones.
  int64_t loops = 1;
  for (int64_t i = 0; i < outer; ++i) loops *= size[i];
  const int item = out.item_size();
  for (int64_t l = 0; l < loops; ++l) {
    int64_t oa = 0, ob = 0, oc = 0, rest = l;
    for (int64_t i = outer - 1; i >= 0; --i) {
      const int64_t at = rest % size[i];
      rest /= size[i];
      oa += at * sa[i];
      ob += at * sb[i];
      oc += at * sc[i];
    }
    kernels::GemmArgs one = g;
    one.a = a.data<char>() + oa * item;
    one.b = b.data<char>() + ob * item;
    one.c = out.data<char>() + oc * item;
    run(kernel_context(), one);
  }
}

Tensor multiply_data(const Tensor& a, const Tensor& b, IntSpan batch, IntSpan shape,
                     const Tensor& bias) {
  const DType dtype = a.dtype();
  Tensor dense_bias = bias;
  if (bias.defined() && !bias.is_contiguous()) dense_bias = clone_data(bias);
  Tensor out = empty(shape, dtype);
  // The kernel sees [batch..., m, n] whatever shape the result has: both are dense.
  Dims full(batch), strides;
  full.push_back(a.sizes()[a.dim() - 2]);
  full.push_back(b.sizes()[b.dim() - 1]);
  const void* bias_ptr = dense_bias.defined() ? dense_bias->data : nullptr;
  if (same(full, shape)) {
    multiply_into(out, a, b, bias_ptr);
  } else {
    contiguous_strides(full, strides);
    multiply_into(make_alias(out->storage, dtype, full, strides, out.offset()), a, b, bias_ptr);
  }
  return out;
}

// --- mm
// ------------------------------------------------------------------------------------------------------------------

namespace {

void check_kernel(const char* op, DType t) {
  PC_CHECK_IMPLEMENTED(t != DType::bool_, '"', op, "\" not implemented for '", scalar_type_name(t),
                       "'");
}

void check_mm(const Tensor& a, const Tensor& b) {
  PC_CHECK(a.sizes()[1] == b.sizes()[0], "mat1 and mat2 shapes cannot be multiplied (",
           AsShape{a.sizes()}, " and ", AsShape{b.sizes()}, ")");
  PC_CHECK(a.dtype() == b.dtype(),
           "expected m1 and m2 to have the same dtype, but got: ", cpp_type_name(a.dtype()),
           " != ", cpp_type_name(b.dtype()));
  check_kernel("addmm_impl_cpu_", a.dtype());
}

Tensor mm_data(const Tensor& a, const Tensor& b) {
  return multiply_data(a, b, {}, {{a.sizes()[0], b.sizes()[1]}});
}

// Both factors' gradients, for whatever multiplies a [m, k] by b [k, n].
struct MmBackward0 {
  static constexpr const char* name = "MmBackward0";
  Saved a, b;  // each kept only if the other's gradient is wanted
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, mm(w.grad(), t(w.get(b))));
    if (w.needs(1)) w.set(1, mm(t(w.get(a)), w.grad()));
  }
};

template <class Rule>
Rule save_factors(const Tensor& a, const Tensor& b) {
  Rule rule;
  if (b.requires_grad()) rule.a = Saved(a);
  if (a.requires_grad()) rule.b = Saved(b);
  return rule;
}

}  // namespace

Tensor mm(const Tensor& a, const Tensor& b) {
  PC_CHECK(a.dim() == 2, "self must be a matrix");
  PC_CHECK(b.dim() == 2, "mat2 must be a matrix");
  check_mm(a, b);
  Tensor out = mm_data(a, b);
  if (recording(a, b)) record(out, save_factors<MmBackward0>(a, b), a, b);
  return out;
}
PYCORE_OP("mm(Tensor input, Tensor mat2) -> Tensor", mm, kFunction | kMethod | kOut, R"(
The product of two matrices: ``input`` (n, m) times ``mat2`` (m, p) gives (n, p). Never broadcasts.

>>> pycore.mm(pycore.eye(2), pycore.tensor([[1., 2.], [3., 4.]]))
tensor([[1., 2.],
        [3., 4.]])
)");

static Tensor int_mm(const Tensor& a, const Tensor& b) {
  PC_CHECK(a.dim() == 2, "int_mm: Expected self to be of dimension 2 but got ", a.dim());
  PC_CHECK(b.dim() == 2, "int_mm: Expected mat2 to be of dimension 2 but got ", b.dim());
  PC_CHECK(a.sizes()[1] == b.sizes()[0],
           "int_mm: self.size(1) needs to match mat2.size(0) but got ", a.sizes()[1], " and ",
           b.sizes()[0]);
  PC_CHECK(a.dtype() == DType::int8 || a.dtype() == DType::uint8,
           "int_mm: Expected self dtype to be int8 or uint8 but got ", cpp_type_name(a.dtype()));
  PC_CHECK(b.dtype() == DType::int8, "int_mm: Expected mat2 dtype to be of type int8 but got ",
           cpp_type_name(b.dtype()));
  if (a.dtype() == DType::uint8)
    return mm_data(to_dtype(a, DType::int32), to_dtype(b, DType::int32));
  Tensor out = empty({{a.sizes()[0], b.sizes()[1]}}, DType::int32);
  multiply_into(out, a, b);
  return out;
}
PYCORE_OP("_int_mm(Tensor input, Tensor mat2) -> Tensor", int_mm, kFunction | kOut, R"(
The product of two matrices of bytes, as int32: ``input`` (n, m), int8 or uint8, times ``mat2`` (m, p), int8. Sums wrap;
no derivative. RuntimeError for other dtypes or shapes that do not fit.

>>> pycore._int_mm(pycore.full((1, 3), 100, dtype=pycore.int8), pycore.full((3, 1), -100, dtype=pycore.int8))
tensor([[-30000]], dtype=pycore.int32)
)");

// --- bmm
// -----------------------------------------------------------------------------------------------------------------

namespace {
struct BmmBackward0 {
  static constexpr const char* name = "BmmBackward0";
  Saved a, b;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, bmm(w.grad(), transpose(w.get(b), 1, 2)));
    if (w.needs(1)) w.set(1, bmm(transpose(w.get(a), 1, 2), w.grad()));
  }
};

void check_bmm(const Tensor& a, const Tensor& b) {
  PC_CHECK(a.dim() == 3, "batch1 must be a 3D tensor");
  PC_CHECK(b.dim() == 3, "batch2 must be a 3D tensor");
  const auto &x = a.sizes(), &y = b.sizes();
  PC_CHECK(x[0] == y[0] && x[2] == y[1],
           "Expected size for first two dimensions of batch2 tensor to be: [", x[0], ", ", x[2],
           "] but got: [", y[0], ", ", y[1], "].");
  PC_CHECK(a.dtype() == b.dtype(), "expected scalar type ", scalar_type_name(a.dtype()),
           " but found ", scalar_type_name(b.dtype()));
  check_kernel("bmm", a.dtype());
}
}  // namespace

Tensor bmm(const Tensor& a, const Tensor& b) {
  check_bmm(a, b);
  Tensor out = multiply_data(a, b, {{a.sizes()[0]}}, {{a.sizes()[0], a.sizes()[1], b.sizes()[2]}});
  if (recording(a, b)) record(out, save_factors<BmmBackward0>(a, b), a, b);
  return out;
}
PYCORE_OP("bmm(Tensor input, Tensor mat2) -> Tensor", bmm, kFunction | kMethod | kOut, R"(
Products of matrices, one per index of the first dimension: (b, n, m) times (b, m, p) gives (b, n, p).

>>> pycore.bmm(pycore.ones(10, 3, 4), pycore.ones(10, 4, 5)).shape
pycore.Size([10, 3, 5])
)");

// --- mv, dot, outer
// ------------------------------------------------------------------------------------------------------

namespace {
struct MvBackward0 {
  static constexpr const char* name = "MvBackward0";
  Saved a, b;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, outer(w.grad(), w.get(b)));
    if (w.needs(1)) w.set(1, mv(t(w.get(a)), w.grad()));
  }
};
struct DotBackward0 {
  static constexpr const char* name = "DotBackward0";
  Saved a, b;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, mul(w.grad(), w.get(b)));
    if (w.needs(1)) w.set(1, mul(w.grad(), w.get(a)));
  }
};

// Views of vectors as matrices, without history.
Tensor as_column(const Tensor& x) {
  return make_alias(x->storage, x.dtype(), {{x.sizes()[0], 1}}, {{x.strides()[0], 1}}, x.offset());
}
Tensor as_row(const Tensor& x) {
  return make_alias(x->storage, x.dtype(), {{1, x.sizes()[0]}}, {{1, x.strides()[0]}}, x.offset());
}

void check_mv(int64_t result_dim, const Tensor& a, const Tensor& x) {
  PC_CHECK(a.dim() == 2 && x.dim() == 1 && result_dim <= 1,
           "vector + matrix @ vector expected, got ", result_dim, ", ", a.dim(), ", ", x.dim());
}
void check_mv_sizes(int64_t result, const Tensor& a, const Tensor& x) {
  PC_CHECK(a.sizes()[1] == x.sizes()[0] && (result == 1 || result == a.sizes()[0]),
           "size mismatch, got input (", result, "), mat (", AsShape{a.sizes()}, "), vec (",
           x.sizes()[0], ")");
}
}  // namespace

Tensor mv(const Tensor& a, const Tensor& x) {
  check_mv(1, a, x);
  check_mv_sizes(a.sizes()[0], a, x);
  PC_CHECK(a.dtype() == x.dtype(), "addmv input tensors must have the same dtype, but got ",
           scalar_type_name(x.dtype()), ", ", scalar_type_name(a.dtype()), ", and ",
           scalar_type_name(x.dtype()));
  check_kernel("addmv_impl_cpu", a.dtype());
  Tensor out = multiply_data(a, as_column(x), {}, {{a.sizes()[0]}});
  if (recording(a, x)) record(out, save_factors<MvBackward0>(a, x), a, x);
  return out;
}
PYCORE_OP("mv(Tensor input, Tensor vec) -> Tensor", mv, kFunction | kMethod | kOut, R"(
A matrix (n, m) times a vector (m) gives a vector (n).

>>> pycore.mv(pycore.ones(2, 3), pycore.tensor([1., 2., 3.]))
tensor([6., 6.])
)");

Tensor dot(const Tensor& a, const Tensor& b) {
  PC_CHECK(a.dim() == 1 && b.dim() == 1, "1D tensors expected, but got ", a.dim(), "D and ",
           b.dim(), "D tensors");
  PC_CHECK(a.dtype() == b.dtype(), "dot : expected both vectors to have same dtype, but found ",
           scalar_type_name(a.dtype()), " and ", scalar_type_name(b.dtype()));
  PC_CHECK(a.numel() == b.numel(), "inconsistent tensor size, expected tensor [", a.numel(),
           "] and src [", b.numel(), "] to have the same number of elements, but got ", a.numel(),
           " and ", b.numel(), " elements respectively");
  check_kernel("dot", a.dtype());
  Tensor out = multiply_data(as_row(a), as_column(b), {}, {});
  if (recording(a, b)) record(out, save_factors<DotBackward0>(a, b), a, b);
  return out;
}
PYCORE_OP("dot(Tensor input, Tensor tensor) -> Tensor", dot, kFunction | kMethod | kOut, R"(
The sum of the products of two vectors' elements; no broadcasting.

>>> pycore.dot(pycore.tensor([2., 3.]), pycore.tensor([2., 1.]))
tensor(7.)
)");
PYCORE_OP("vdot(Tensor input, Tensor other) -> Tensor", dot, kFunction | kMethod | kOut, R"(
The same as :func:`dot` for real numbers.

>>> pycore.vdot(pycore.tensor([1, 2]), pycore.tensor([3, 4]))
tensor(11)
)");

Tensor outer(const Tensor& a, const Tensor& b) {
  PC_CHECK(a.dim() == 1, "outer: Expected 1-D argument self, but got ", a.dim(), "-D");
  PC_CHECK(b.dim() == 1, "outer: Expected 1-D argument vec2, but got ", b.dim(), "-D");
  return mul(unsqueeze(a, 1), b);
}
PYCORE_OP("outer(Tensor input, Tensor vec2) -> Tensor", outer, kFunction | kMethod | kOut, R"(
The products of every pair of elements of two vectors, (n) and (m), as a matrix (n, m).

>>> pycore.outer(pycore.tensor([1., 2.]), pycore.tensor([1., 10.]))
tensor([[ 1., 10.],
        [ 2., 20.]])
)");
PYCORE_OP("ger(Tensor input, Tensor vec2) -> Tensor", outer, kFunction | kMethod | kOut,
          "Alias of :func:`outer`.");

static Tensor inner(const Tensor& a, const Tensor& b) {
  if (a.dim() == 0 || b.dim() == 0) return mul(a, b);
  PC_CHECK(a.size(-1) == b.size(-1),
           "inner() the last dimension must match on both input tensors but got shapes ", a.sizes(),
           " and ", b.sizes());
  const int64_t k = a.size(-1);
  Dims shape(a.sizes());
  shape.pop_back();
  for (int64_t i = 0; i + 1 < b.dim(); ++i) shape.push_back(b.sizes()[i]);
  auto rows = [k](const Tensor& x) {
    Dims lead(x.sizes());
    lead.pop_back();
    return reshape(x, {{numel_of(lead), k}});
  };
  return view(mm(rows(a), t(rows(b))), shape);
}
PYCORE_OP("inner(Tensor input, Tensor other) -> Tensor", inner, kFunction | kMethod | kOut, R"(
Sums of products along the last dimension of both tensors.

>>> pycore.inner(pycore.tensor([1., 2.]), pycore.tensor([3., 4.]))
tensor(11.)
)");

// --- addmm and its family: beta * input + alpha * product
// ----------------------------------------------------------------

namespace {

Tensor scaled(const Tensor& g, const Scalar& scale) { return scale.equals(1) ? g : mul(g, scale); }

// Integer results take integer factors, as PyTorch casts them.
Scalar factor(const Scalar& s, DType t) { return is_floating(t) ? s : Scalar(s.to_int()); }

// PyTorch's check of `input`, which it expands to the result's shape.
void check_expands(const Tensor& input, IntSpan shape) {
  if (input.dim() > static_cast<int64_t>(shape.size()))
    fail(ErrorKind::runtime, "expand(", legacy_type_name(input.dtype()), "{", input.sizes(),
         "}, size=", Dims(shape), "): the number of sizes provided (", shape.size(),
         ") must be greater or equal to the number of dimensions in the tensor (", input.dim(),
         ")");
  const int64_t lead = static_cast<int64_t>(shape.size()) - input.dim();
  for (int64_t i = input.dim() - 1; i >= 0; --i) {
    const int64_t want = shape[static_cast<size_t>(lead + i)], have = input.sizes()[i];
    PC_CHECK(have == want || have == 1, "The expanded size of the tensor (", want,
             ") must match the existing size (", have, ") at non-singleton dimension ", lead + i,
             ".  Target sizes: ", Dims(shape), ".  Tensor sizes: ", input.sizes());
  }
}

void check_same(const char* what, const Tensor& x, const Tensor& y) {
  PC_CHECK(x.dtype() == y.dtype(), what, " must have the same dtype, but got ",
           scalar_type_name(x.dtype()), " and ", scalar_type_name(y.dtype()));
}

// beta * input + alpha * a @ b for matrices or batches of them; nothing is recorded.
Tensor add_product(const Tensor& input, const Tensor& a, const Tensor& b, IntSpan shape,
                   Scalar beta, Scalar alpha) {
  GradGuard off(false);
  const DType dtype = a.dtype();
  beta = factor(beta, dtype);
  alpha = factor(alpha, dtype);
  const IntSpan batch = shape.subspan(0, shape.size() - 2);
  const int64_t n = shape.back();
  const bool vector = input.dim() == 1 && input.numel() == n && input.is_contiguous();
  if (beta.equals(1) && alpha.equals(1) && vector) return multiply_data(a, b, batch, shape, input);
  if (beta.equals(0)) return scaled(multiply_data(a, b, batch, shape), alpha);
  // A scaled 16-bit sum is formed in float32, so that it is rounded once.
  if (is_reduced_float(dtype) && !(alpha.equals(1) && beta.equals(1))) {
    const Tensor x = to_dtype(detach(a), DType::float32), y = to_dtype(detach(b), DType::float32);
    const Tensor start = to_dtype(detach(input), DType::float32);
    return to_dtype(add_product(start, x, y, shape, beta, alpha), dtype);
  }
  if (alpha.equals(1)) {  // start from the scaled input and add to it
    Tensor out = empty(shape, dtype);
    copy_data(out, scaled(detach(input), beta));
    multiply_into(out, a, b, nullptr, true);
    return out;
  }
  return add(scaled(detach(input), beta), multiply_data(a, b, batch, shape), alpha);
}

struct AddmmBackward0 {
  static constexpr const char* name = "AddmmBackward0";
  ToInput to_input;
  Saved a, b;
  Scalar beta = 1, alpha = 1;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, to_input(scaled(w.grad(), beta)));
    if (w.needs(1)) w.set(1, scaled(mm(w.grad(), t(w.get(b))), alpha));
    if (w.needs(2)) w.set(2, scaled(mm(t(w.get(a)), w.grad()), alpha));
  }
};
struct BaddbmmBackward0 {
  static constexpr const char* name = "BaddbmmBackward0";
  ToInput to_input;
  Saved a, b;
  Scalar beta = 1, alpha = 1;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, to_input(scaled(w.grad(), beta)));
    if (w.needs(1)) w.set(1, scaled(bmm(w.grad(), transpose(w.get(b), 1, 2)), alpha));
    if (w.needs(2)) w.set(2, scaled(bmm(transpose(w.get(a), 1, 2), w.grad()), alpha));
  }
};
struct AddbmmBackward0 {
  static constexpr const char* name = "AddbmmBackward0";
  ToInput to_input;
  Saved a, b;
  Scalar beta = 1, alpha = 1;
  int64_t batch = 0;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, to_input(scaled(w.grad(), beta)));
    if (!w.needs(1) && !w.needs(2)) return;
    const Tensor& g = w.grad();
    Tensor all = expand(g, {{batch, g.sizes()[0], g.sizes()[1]}});
    if (w.needs(1)) w.set(1, scaled(bmm(all, transpose(w.get(b), 1, 2)), alpha));
    if (w.needs(2)) w.set(2, scaled(bmm(transpose(w.get(a), 1, 2), all), alpha));
  }
};
struct AddmvBackward0 {
  static constexpr const char* name = "AddmvBackward0";
  ToInput to_input;
  Saved a, b;
  Scalar beta = 1, alpha = 1;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, to_input(scaled(w.grad(), beta)));
    if (w.needs(1)) w.set(1, scaled(outer(w.grad(), w.get(b)), alpha));
    if (w.needs(2)) w.set(2, scaled(mv(t(w.get(a)), w.grad()), alpha));
  }
};

template <class Rule>
Rule add_rule(const Tensor& input, const Tensor& a, const Tensor& b, const Tensor& out,
              const Scalar& beta, const Scalar& alpha) {
  Rule rule = save_factors<Rule>(a, b);
  rule.to_input = ToInput(input, out);
  rule.beta = beta;
  rule.alpha = alpha;
  return rule;
}

}  // namespace

static Tensor addmm(const Tensor& input, const Tensor& mat1, const Tensor& mat2, Scalar beta,
                    Scalar alpha) {
  PC_CHECK(mat1.dim() == 2, "mat1 must be a matrix, got ", mat1.dim(), "-D tensor");
  PC_CHECK(mat2.dim() == 2, "mat2 must be a matrix, got ", mat2.dim(), "-D tensor");
  PC_CHECK(mat1.sizes()[1] == mat2.sizes()[0], "mat1 and mat2 shapes cannot be multiplied (",
           AsShape{mat1.sizes()}, " and ", AsShape{mat2.sizes()}, ")");
  const int64_t shape[2] = {mat1.sizes()[0], mat2.sizes()[1]};
  check_expands(input, shape);
  check_same("self and mat2", input, mat2);
  check_same("mat1 and mat2", mat1, mat2);
  check_kernel("addmm_impl_cpu_", mat1.dtype());
  Tensor out = add_product(input, mat1, mat2, shape, beta, alpha);
  if (recording(input, mat1, mat2))
    record(out, add_rule<AddmmBackward0>(input, mat1, mat2, out, beta, alpha), input, mat1, mat2);
  return out;
}
PYCORE_OP(
    "addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    addmm, kFunction | kMethod | kInplace | kOut, R"(
``beta * input + alpha * (mat1 @ mat2)``; ``input`` broadcasts to the product's shape. With ``beta=0`` what ``input``
holds, NaN included, has no influence.

>>> pycore.addmm(pycore.ones(2), pycore.eye(2), pycore.eye(2))
tensor([[2., 1.],
        [1., 2.]])
)");

static Tensor addmv(const Tensor& input, const Tensor& mat, const Tensor& vec, Scalar beta,
                    Scalar alpha) {
  check_mv(input.dim(), mat, vec);
  check_mv_sizes(input.dim() ? input.sizes()[0] : 1, mat, vec);
  PC_CHECK(input.dtype() == mat.dtype() && mat.dtype() == vec.dtype(),
           "addmv input tensors must have the same dtype, but got ",
           scalar_type_name(input.dtype()), ", ", scalar_type_name(mat.dtype()), ", and ",
           scalar_type_name(vec.dtype()));
  check_kernel("addmv_impl_cpu", mat.dtype());
  const int64_t n = mat.sizes()[0];
  Tensor column;
  {
    GradGuard off(false);
    column = input.dim() ? unsqueeze(detach(input), 1) : detach(input);
    column = reshape(add_product(column, mat, as_column(vec), {{n, 1}}, beta, alpha), {{n}});
  }
  Tensor out = alias(column);
  if (recording(input, mat, vec))
    record(out, add_rule<AddmvBackward0>(input, mat, vec, out, beta, alpha), input, mat, vec);
  return out;
}
PYCORE_OP("addmv(Tensor input, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
          addmv, kFunction | kMethod | kInplace | kOut, R"(
``beta * input + alpha * (mat @ vec)``.

>>> pycore.addmv(pycore.ones(2), pycore.eye(2), pycore.tensor([1., 2.]))
tensor([2., 3.])
)");

static Tensor addr(const Tensor& input, const Tensor& vec1, const Tensor& vec2, Scalar beta,
                   Scalar alpha) {
  PC_CHECK(vec1.dim() == 1, "addr: Expected 1-D argument vec1, but got ", vec1.dim(), "-D");
  PC_CHECK(vec2.dim() == 1, "addr: Expected 1-D argument vec2, but got ", vec2.dim(), "-D");
  const int64_t shape[2] = {vec1.sizes()[0], vec2.sizes()[0]};
  check_expands(input, shape);
  Tensor product = scaled(outer(vec1, vec2), alpha);
  if (beta.equals(0) && !recording(input)) return product;
  // Times 0 the input has no part in the values, not even as NaN, but it has a gradient.
  const Tensor start =
      beta.equals(0) ? where(zeros({}, DType::bool_), input, 0.0) : scaled(input, beta);
  Tensor out = add(expand(start, shape), product);
  if (out.requires_grad()) grad_fn(out)->name = "AddrBackward0";
  return out;
}
PYCORE_OP(
    "addr(Tensor input, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    addr, kFunction | kMethod | kInplace | kOut, R"(
``beta * input + alpha * outer(vec1, vec2)``.

>>> pycore.addr(pycore.zeros(1), pycore.tensor([1., 2.]), pycore.tensor([1., 2.]))
tensor([[1., 2.],
        [2., 4.]])
)");

static Tensor baddbmm(const Tensor& input, const Tensor& batch1, const Tensor& batch2, Scalar beta,
                      Scalar alpha) {
  check_bmm(batch1, batch2);
  const int64_t shape[3] = {batch1.sizes()[0], batch1.sizes()[1], batch2.sizes()[2]};
  check_expands(input, shape);
  PC_CHECK(input.dtype() == batch1.dtype(), "Input dtypes must be the same, got: input ",
           scalar_type_name(input.dtype()), ", batch1: ", scalar_type_name(batch1.dtype()),
           ", batch2: ", scalar_type_name(batch2.dtype()));
  Tensor out = add_product(input, batch1, batch2, shape, beta, alpha);
  if (recording(input, batch1, batch2))
    record(out, add_rule<BaddbmmBackward0>(input, batch1, batch2, out, beta, alpha), input, batch1,
           batch2);
  return out;
}
PYCORE_OP(
    "baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> "
    "Tensor",
    baddbmm, kFunction | kMethod | kInplace | kOut, R"(
``beta * input + alpha * bmm(batch1, batch2)``; ``input`` broadcasts.

>>> pycore.baddbmm(pycore.ones(1), pycore.ones(2, 1, 3), pycore.ones(2, 3, 1)).flatten()
tensor([4., 4.])
)");

static Tensor addbmm(const Tensor& input, const Tensor& batch1, const Tensor& batch2, Scalar beta,
                     Scalar alpha) {
  PC_CHECK(batch1.dim() == 3, "batch1 must be a 3D tensor");
  PC_CHECK(batch2.dim() == 3, "batch2 must be a 3D tensor");
  const auto &x = batch1.sizes(), &y = batch2.sizes();
  PC_CHECK(x[0] == y[0], "batch1 and batch2 must have same number of batches, got ", x[0], " and ",
           y[0]);
  PC_CHECK(x[2] == y[1], "Incompatible matrix sizes for bmm (", x[1], "x", x[2], " and ", y[1], "x",
           y[2], ")");
  const int64_t shape[2] = {x[1], y[2]};
  check_expands(input, shape);
  check_same("self and batch2", input, batch2);
  check_same("batch1 and batch2", batch1, batch2);
  check_kernel("addmm_impl_cpu_", batch1.dtype());
  // The batches lie side by side along k: one product of [n, b * m] and [b * m, p].
  Tensor out;
  {
    GradGuard off(false);
    Tensor a = reshape(permute(detach(batch1), {{1, 0, 2}}), {{x[1], x[0] * x[2]}});
    Tensor b = reshape(detach(batch2), {{y[0] * y[1], y[2]}});
    out = alias(add_product(input, a, b, shape, beta, alpha));
  }
  if (recording(input, batch1, batch2)) {
    auto rule = add_rule<AddbmmBackward0>(input, batch1, batch2, out, beta, alpha);
    rule.batch = x[0];
    record(out, std::move(rule), input, batch1, batch2);
  }
  return out;
}
PYCORE_OP(
    "addbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> "
    "Tensor",
    addbmm, kFunction | kMethod | kInplace | kOut, R"(
``beta * input + alpha * sum of bmm(batch1, batch2) over the batch``.

>>> pycore.addbmm(pycore.ones(1), pycore.ones(2, 1, 3), pycore.ones(2, 3, 1))
tensor([[7.]])
)");

}  // namespace pycore
