// Stub until the kernels land.
#include "kernels/reduce.h"

namespace pycore::kernels::PYCORE_ISA {

extern const ReduceKernels reduce_kernels;
const ReduceKernels reduce_kernels = {};

}  // namespace pycore::kernels::PYCORE_ISA
