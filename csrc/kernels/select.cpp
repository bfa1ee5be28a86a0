// Stub until the kernels land.
#include "kernels/select.h"

namespace pycore::kernels::PYCORE_ISA {

extern const SelectKernels select_kernels;
const SelectKernels select_kernels = {};

}  // namespace pycore::kernels::PYCORE_ISA
