// Stub until the kernels land.
#include "kernels/gradient.h"

namespace pycore::kernels::PYCORE_ISA {

extern const GradientKernels gradient_kernels;
const GradientKernels gradient_kernels = {};

}  // namespace pycore::kernels::PYCORE_ISA
