// Stub until the kernels land.
#include "kernels/unary.h"

namespace pycore::kernels::PYCORE_ISA {

extern const UnaryKernels unary_kernels;
const UnaryKernels unary_kernels = {};

}  // namespace pycore::kernels::PYCORE_ISA
