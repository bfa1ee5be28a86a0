// Gathers the kernels of one ISA level into its table. Compiled once per level, like every kernel
// source.
#include "kernels/table.h"

#define PYCORE_STRING_(x) #x
#define PYCORE_STRING(x) PYCORE_STRING_(x)

namespace pycore::kernels::PYCORE_ISA {

#define PYCORE_EXTERN_FAMILY(Struct, member) extern const Struct member##_kernels;
PYCORE_KERNEL_FAMILIES(PYCORE_EXTERN_FAMILY)
#undef PYCORE_EXTERN_FAMILY

extern const KernelTable kernel_table;
const KernelTable kernel_table = {PYCORE_STRING(PYCORE_ISA),
#define PYCORE_ADDRESS_OF(Struct, member) &member##_kernels,
                                  PYCORE_KERNEL_FAMILIES(PYCORE_ADDRESS_OF)
#undef PYCORE_ADDRESS_OF
};

}  // namespace pycore::kernels::PYCORE_ISA
