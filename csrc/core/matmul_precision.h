// How exact products of float32 matrices have to be: a setting of the process. Must not know
// tensors.
#pragma once

#include <atomic>

#include "kernels/gemm.h"

namespace pycore {

inline std::atomic<kernels::GemmPrecision> g_matmul_precision{kernels::GemmPrecision::highest};

inline kernels::GemmPrecision matmul_precision() {
  return g_matmul_precision.load(std::memory_order_relaxed);
}
inline void set_matmul_precision(kernels::GemmPrecision p) {
  g_matmul_precision.store(p, std::memory_order_relaxed);
}

}  // namespace pycore
