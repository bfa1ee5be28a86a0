// Stub until the kernels land.
#include "kernels/scan.h"

namespace pycore::kernels::PYCORE_ISA {

extern const ScanKernels scan_kernels;
const ScanKernels scan_kernels = {};

}  // namespace pycore::kernels::PYCORE_ISA
