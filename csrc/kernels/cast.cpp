// Stub until the kernels land.
#include "kernels/cast.h"

namespace pycore::kernels::PYCORE_ISA {

extern const CastKernels cast_kernels;
const CastKernels cast_kernels = {};

}  // namespace pycore::kernels::PYCORE_ISA
