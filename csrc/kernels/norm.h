// Layer, RMS, batch and group normalisation with their derivatives on contiguous arrays.
// Threads through Context, same bits for any number; must not know tensors or running statistics.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

// All arrays have one type (float32 or float64). gamma and beta may be null; of the derivatives
// each may be null when nobody asks for it.
struct NormKernels {
  // x, out [rows, n]; gamma, beta [n]; mean, rstd [rows].
  void (*layer_norm[kDTypes])(const Context& ctx, const void* x, const void* gamma,
                              const void* beta, void* out, void* mean, void* rstd, int64_t rows,
                              int64_t n, double eps);
  void (*layer_norm_backward[kDTypes])(const Context& ctx, const void* dy, const void* x,
                                       const void* gamma, const void* mean, const void* rstd,
                                       void* dx, void* dgamma, void* dbeta, int64_t rows,
                                       int64_t n);
  void (*rms_norm[kDTypes])(const Context& ctx, const void* x, const void* gamma, void* out,
                            void* rstd, int64_t rows, int64_t n, double eps);
  void (*rms_norm_backward[kDTypes])(const Context& ctx, const void* dy, const void* x,
                                     const void* gamma, const void* rstd, void* dx, void* dgamma,
                                     int64_t rows, int64_t n);

  // x [n, c, s]; mean, var (biased) [c].
  void (*batch_stats[kDTypes])(const Context& ctx, const void* x, void* mean, void* var, int64_t n,
                               int64_t c, int64_t s);
  // out = (x - mean) * rstd * gamma + beta, per channel: training and evaluation. x and out may
  // also be float16 or bfloat16; all else is float32 then.
  void (*batch_transform[kDTypes])(const Context& ctx, const void* x, const void* mean,
                                   const void* rstd, const void* gamma, const void* beta, void* out,
                                   int64_t n, int64_t c, int64_t s);
  // training: mean and rstd came from x itself, so dx passes through them too.
  void (*batch_backward[kDTypes])(const Context& ctx, const void* dy, const void* x,
                                  const void* mean, const void* rstd, const void* gamma, void* dx,
                                  void* dgamma, void* dbeta, int64_t n, int64_t c, int64_t s,
                                  bool training);

  // x [n, c, s]; mean, rstd [n, groups]; gamma, beta [c].
  void (*group_norm[kDTypes])(const Context& ctx, const void* x, const void* gamma,
                              const void* beta, void* out, void* mean, void* rstd, int64_t n,
                              int64_t c, int64_t s, int64_t groups, double eps);
  void (*group_norm_backward[kDTypes])(const Context& ctx, const void* dy, const void* x,
                                       const void* gamma, const void* mean, const void* rstd,
                                       void* dx, void* dgamma, void* dbeta, int64_t n, int64_t c,
                                       int64_t s, int64_t groups);
};

}  // namespace pycore::kernels
