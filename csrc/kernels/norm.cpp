// Stub until the kernels land.
#include "kernels/norm.h"

namespace pycore::kernels::PYCORE_ISA {

extern const NormKernels norm_kernels;
const NormKernels norm_kernels = {};

}  // namespace pycore::kernels::PYCORE_ISA
