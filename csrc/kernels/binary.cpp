// Stub until the kernels land.
#include "kernels/binary.h"

namespace pycore::kernels::PYCORE_ISA {

extern const BinaryKernels binary_kernels;
const BinaryKernels binary_kernels = {};

}  // namespace pycore::kernels::PYCORE_ISA
