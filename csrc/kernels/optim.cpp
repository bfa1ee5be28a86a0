// Stub until the kernels land.
#include "kernels/optim.h"

namespace pycore::kernels::PYCORE_ISA {

extern const OptimKernels optim_kernels;
const OptimKernels optim_kernels = {};

}  // namespace pycore::kernels::PYCORE_ISA
