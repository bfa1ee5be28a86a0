// The CPU: what it can do, and the kernel table chosen for it. Must not know tensors. Compiled
// without ISA flags.
#pragma once

#include <string>
#include <vector>

#include "core/explain.h"
#include "kernels/table.h"

namespace pycore {

extern const kernels::KernelTable* g_kernels;
inline const kernels::KernelTable& kernels_now() { return *g_kernels; }
// The same on the way to running a kernel, which pycore.explain() then lists by these words.
inline const kernels::KernelTable& kernels_for(const char* family, DType t) {
  explain_kernel(family, t);
  return *g_kernels;
}

// Chooses the best table that the machine (and PYCORE_ISA, if set) allows; called once at import.
// Throws RuntimeError for an unknown or unsupported PYCORE_ISA.
void select_kernels();
// Levels this machine can run, best first.
std::vector<std::string> supported_isas();

}  // namespace pycore
