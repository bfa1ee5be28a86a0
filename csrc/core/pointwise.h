// Drives element-wise kernels over broadcast, strided tensors of any dtype, on several threads
// where it pays. Must not know which function a kernel computes.
#pragma once

#include "core/cpu.h"
#include "core/tensor.h"
#include "kernels/binary.h"
#include "kernels/select.h"
#include "kernels/unary.h"

namespace pycore {

// One operand of an element-wise call: a tensor, or a single value (no sizes).
struct PointwiseArg {
  char* data;
  DType dtype;
  bool standard = true;  // the strides of a fresh tensor of these sizes
  IntSpan sizes, strides;

  PointwiseArg() = default;
  PointwiseArg(const Tensor& t)
      : data(t->data),
        dtype(t.dtype()),
        standard(t->standard),
        sizes(t.sizes()),
        strides(t.strides()) {}
  PointwiseArg(const void* value, DType t)
      : data(static_cast<char*>(const_cast<void*>(value))), dtype(t) {}
};

// A kernel and the dtypes it works in. Operands of other dtypes are converted in cache-sized blocks
// on the way.
struct PointwiseKernel {
  static constexpr int kMaxInputs = 3;
  // Runs n elements; strides in elements of the kernel's own dtypes.
  using Run = void (*)(const PointwiseKernel& k, char* const* in, char* out, int64_t n,
                       const int64_t* in_strides, int64_t out_stride);
  Run run;
  const void* fn;
  const double* params = nullptr;
  int inputs = 1;
  DType in[kMaxInputs] = {};
  DType out = DType::float32;
  const char* name = "element-wise";
  // Elements per task; smaller for expensive functions.
  int64_t grain = 32768;
};

// out = kernel(args...); args broadcast to out's shape (checked by the caller).
void run_pointwise(const PointwiseKernel& kernel, const Tensor& out, const PointwiseArg* args);

// The three usual kernel signatures.
PointwiseKernel unary_kernel(kernels::UnaryFn fn, DType in, DType out,
                             const double* params = nullptr);
PointwiseKernel binary_kernel(kernels::BinaryFn fn, DType in, DType out,
                              const double* params = nullptr);
PointwiseKernel ternary_kernel(kernels::TernaryFn fn, DType in, const double* params = nullptr);

// Copies src into dst with broadcasting and conversion; neither history nor version is touched.
void copy_data(const Tensor& dst, const Tensor& src);
// Sets every element.
void fill_data(const Tensor& dst, const Scalar& value);
// The bytes of `value` as one element of dtype t.
void scalar_bytes(const Scalar& value, DType t, void* out);
Scalar read_scalar(const void* p, DType t);

}  // namespace pycore
