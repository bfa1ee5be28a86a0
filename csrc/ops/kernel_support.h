// What operators on top of contiguous kernels (softmax, losses, normalisations, scans) share. Must
// not know derivatives.
#pragma once

#include "core/parallel.h"
#include "core/pointwise.h"
#include "ops/ops.h"

namespace pycore {

// The data in the form that kernels take: contiguous, of dtype `compute`. Records nothing.
inline Tensor kernel_input(const Tensor& t, DType compute) {
  if (!t.defined() || (t.is_contiguous() && t.dtype() == compute)) return t;
  if (explaining()) {
    explain_note(t.dtype() == compute ? std::string("an operand was copied: it is not contiguous")
                                      : std::string(name(t.dtype())) + " converted first");
  }
  Tensor copy = empty(t.sizes(), compute);
  copy_data(copy, t);
  return copy;
}
inline Tensor kernel_input(const Tensor& t) { return kernel_input(t, compute_dtype(t.dtype())); }
// A kernel's result in the dtype of the operator's result.
inline Tensor kernel_output(const Tensor& t, DType dtype) {
  if (t.dtype() == dtype) return t;
  Tensor copy = empty(t.sizes(), dtype);
  copy_data(copy, t);
  return copy;
}
inline const void* data_or_null(const Tensor& t) { return t.defined() ? t->data : nullptr; }

// The dtype in which kernels that know float32 and float64 alone compute: that or the wider one.
inline DType float_kernel_dtype(DType t) {
  return t == DType::float64 || !is_floating(t) ? DType::float64 : DType::float32;
}

// Threads only where there is work for them.
inline const kernels::Context& context_for(const Tensor& t) {
  return t.numel() > 16384 ? kernel_context() : serial_context();
}

// A tensor seen as [outer, n, inner] with n along `dim` (wrapped already).
struct Slices {
  int64_t outer = 1, n = 1, inner = 1;
  Slices(const Tensor& t, int64_t dim) {
    for (int64_t i = 0; i < t.dim(); ++i) (i < dim ? outer : i == dim ? n : inner) *= t.sizes()[i];
  }
};

}  // namespace pycore
