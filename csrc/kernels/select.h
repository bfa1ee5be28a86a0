// Element-wise functions of three operands: where (also masked_fill: a with stride 0) and fused
// multiply-adds. Plain function pointers on raw memory; must not know tensors.
#pragma once

#include "kernels/dtype.h"

namespace pycore::kernels {

enum class Ternary : uint8_t {
  addcmul,  // a + [value] * b * c
  addcdiv,  // a + [value] * b / c
  lerp,     // a + c * (b - a)
  clamp,    // a between b and c; NaN propagates
  count,
};

// out[i * so] = f(a[i * sa], b[i * sb], c[i * sc]); strides in elements, any value.
using TernaryFn = void (*)(const void* a, const void* b, const void* c, void* out, int64_t n,
                           int64_t sa, int64_t sb, int64_t sc, int64_t so, const double* params);

struct SelectKernels {
  // cond ? a : b, by element size: index log2(bytes). cond is bool (one byte).
  void (*where[4])(const uint8_t* cond, const void* a, const void* b, void* out, int64_t n,
                   int64_t sc, int64_t sa, int64_t sb, int64_t so);
  TernaryFn ternary[static_cast<int>(Ternary::count)][kDTypes];  // float32 and float64
};

}  // namespace pycore::kernels
