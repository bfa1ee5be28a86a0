// C++ faces of the operators that other operators and derivative rules use. An operator that nobody
// else calls needs no line here: its PYCORE_OP block is enough. Must not know Python.
#pragma once

#include "core/layout.h"
#include "kernels/binary.h"
#include "kernels/gradient.h"
#include "kernels/unary.h"
#include "ops/op.h"

namespace pycore {

// --- helpers for writing operators
// ------------------------------------------------------------------------------------

// PyTorch's promotion over tensors, 0-d tensors and numbers.
DType result_type(const Operand& a, const Operand& b);
// Integers and bool become the default floating dtype.
inline DType to_floating(DType t) { return is_floating(t) ? t : default_dtype(); }
// The result of an element-wise operator: the target of an in-place or out= call if it fits, else a
// fresh tensor in the order of the operands, which are converted to `common`.
Tensor empty_result(IntSpan sizes, DType dtype, std::span<const PointwiseArg> operands,
                    DType common);
// Element-wise kernels on tensors; `result` is the dtype to compute in and to return.
Tensor unary_pointwise(kernels::Unary f, const Tensor& a, DType result,
                       const double* params = nullptr);
Tensor binary_pointwise(kernels::Binary f, const Operand& a, const Operand& b, DType result,
                        const double* params = nullptr);
Tensor compare_pointwise(kernels::Compare f, const Operand& a, const Operand& b);
Tensor predicate_pointwise(kernels::Predicate f, const Tensor& a);
// dy (first) and x or y (second) through a fused gradient kernel. Only where grad mode is off.
Tensor gradient_pointwise(kernels::Gradient f, const Tensor& dy, const Tensor& v,
                          const double* params = nullptr);
const Tensor& tensor_or_none(const Operand& o);
// The operand as a tensor of dtype t (0-d for numbers).
Tensor as_tensor(const Operand& o, DType t);

// --- memory (copy.cpp); the *_data functions record nothing
// -----------------------------------------------------------

Tensor clone_data(const Tensor& t);  // row-major
Tensor copy_like(const Tensor& t);   // in t's order
void resize(const Tensor& t, IntSpan sizes);
Tensor clone(const Tensor& input, Ordering order = {});
Tensor contiguous(const Tensor& input);
Tensor to_dtype(const Tensor& input, DType dtype);  // the tensor itself if it already has it
Tensor copy_(const Tensor& input, const Tensor& src);
Tensor fill_(const Tensor& input, const Scalar& value);
Tensor detach(const Tensor& input);

// --- creation (creation.cpp)
// ------------------------------------------------------------------------------------------

Tensor zeros(IntSpan sizes, DType dtype);
Tensor ones(IntSpan sizes, DType dtype);
Tensor full(IntSpan sizes, const Scalar& value, DType dtype);
Tensor zeros_like(const Tensor& t);
Tensor scalar_tensor(const Scalar& value, DType dtype);

// --- arithmetic (arithmetic.cpp)
// --------------------------------------------------------------------------------------

Tensor add(const Operand& a, const Operand& b, const Scalar& alpha = 1);
Tensor sub(const Operand& a, const Operand& b, const Scalar& alpha = 1);
Tensor mul(const Operand& a, const Operand& b);
Tensor div(const Operand& a, const Operand& b);
Tensor floor_divide(const Operand& a, const Operand& b);
Tensor pow(const Operand& a, const Operand& b);
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor eq(const Operand& a, const Operand& b);
Tensor ne(const Operand& a, const Operand& b);
Tensor lt(const Operand& a, const Operand& b);
Tensor le(const Operand& a, const Operand& b);
Tensor gt(const Operand& a, const Operand& b);
Tensor ge(const Operand& a, const Operand& b);
Tensor where(const Tensor& condition, const Operand& a, const Operand& b);
Tensor logical_and(const Operand& a, const Operand& b);
Tensor logical_not(const Tensor& a);

inline Tensor operator+(const Tensor& a, const Operand& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Operand& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Operand& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Operand& b) { return div(a, b); }
inline Tensor operator-(double a, const Tensor& b) { return sub(a, b); }
inline Tensor operator+(double a, const Tensor& b) { return add(b, a); }
inline Tensor operator*(double a, const Tensor& b) { return mul(b, a); }
inline Tensor operator/(double a, const Tensor& b) { return div(a, b); }

// --- unary math (unary.cpp)
// -------------------------------------------------------------------------------------------

Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor digamma(const Tensor& x);
Tensor polygamma(int64_t n, const Tensor& x);  // special.cpp
Tensor clamp(const Tensor& x, std::optional<Scalar> min, std::optional<Scalar> max);
inline Tensor operator-(const Tensor& x) { return neg(x); }

// --- views (view.cpp)
// -------------------------------------------------------------------------------------------------

Tensor view(const Tensor& t, IntSpan sizes);
Tensor reshape(const Tensor& t, IntSpan sizes);
Tensor as_strided(const Tensor& t, IntSpan sizes, IntSpan strides, std::optional<int64_t> offset);
Tensor expand(const Tensor& t, IntSpan sizes);
Tensor permute(const Tensor& t, IntSpan dims);
Tensor transpose(const Tensor& t, int64_t a, int64_t b);
Tensor t(const Tensor& x);
Tensor unsqueeze(const Tensor& t, int64_t dim);
Tensor squeeze_dims(const Tensor& t, IntSpan dims);
Tensor select(const Tensor& t, int64_t dim, int64_t index);
Tensor slice(const Tensor& t, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end,
             int64_t step = 1);
// A view of all of t.
Tensor alias_view(const Tensor& t);
Tensor diagonal(const Tensor& t, int64_t offset, int64_t dim1, int64_t dim2);
Tensor narrow(const Tensor& t, int64_t dim, int64_t start, int64_t length);
Tensor flatten(const Tensor& t, int64_t start, int64_t end);

// --- activations and softmax (activation.cpp, softmax.cpp)
// -------------------------------------------------------------

Tensor relu(const Tensor& x);
Tensor logsigmoid(const Tensor& x);
Tensor softmax(const Tensor& x, int64_t dim, std::optional<DType> dtype = std::nullopt);
Tensor log_softmax(const Tensor& x, int64_t dim, std::optional<DType> dtype = std::nullopt);
// --- joining and rearranging (joining.cpp, rearrange.cpp, padding.cpp, triangular.cpp)
// -----------------------------------

Tensor cat(TensorList tensors, int64_t dim);
Tensor stack(TensorList tensors, int64_t dim);
Tensor atleast_1d(const Tensor& x);
Tensor atleast_2d(const Tensor& x);
Tensor atleast_3d(const Tensor& x);
Tensor repeat(const Tensor& x, IntSpan repeats);
Tensor flip(const Tensor& x, IntSpan dims);
Tensor roll(const Tensor& x, IntSpan shifts, IntSpan dims);
Tensor constant_pad(const Tensor& x, IntSpan pad, const Scalar& value);
Tensor tril(const Tensor& x, int64_t diagonal);
Tensor triu(const Tensor& x, int64_t diagonal);
Tensor diagonal(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2);
Tensor diag_embed(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2);

// --- reductions (reduction.cpp)
// ---------------------------------------------------------------------------------------

Tensor sum_all(const Tensor& t);
Tensor sum_dims(const Tensor& t, IntSpan dims, bool keepdim);
Tensor mean_all(const Tensor& t);
Tensor mean_dims(const Tensor& t, IntSpan dims, bool keepdim);
Tensor amax(const Tensor& t, IntSpan dims, bool keepdim);
Tensor amin(const Tensor& t, IntSpan dims, bool keepdim);
// True where a position along `dim` equals the index given for it (indices broadcast against
// `sizes`).
Tensor positions_mask(const Tensor& indices, IntSpan sizes, int64_t dim);
Tensor vector_norm(const Tensor& t, double p, std::optional<IntSpan> dim = std::nullopt,
                   bool keepdim = false, std::optional<DType> dtype = std::nullopt);
Tensor logsumexp(const Tensor& t, IntSpan dim, bool keepdim);
Tensor cumsum(const Tensor& t, int64_t dim, std::optional<DType> dtype = std::nullopt);
// Sums over the dimensions along which `shape` would be broadcast to t.
Tensor sum_to(const Tensor& t, IntSpan shape);

}  // namespace pycore
