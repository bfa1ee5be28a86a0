// Stub until the kernels land.
#include "kernels/softmax.h"

namespace pycore::kernels::PYCORE_ISA {

extern const SoftmaxKernels softmax_kernels;
const SoftmaxKernels softmax_kernels = {};

}  // namespace pycore::kernels::PYCORE_ISA
