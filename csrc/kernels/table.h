// The one list of kernel families. Each ISA level fills a KernelTable; core/cpu chooses one of them
// at import. Families are only named here: who runs a family's kernels includes its header, so that
// an edit of one header does not compile everything again. To add a family: one line in
// PYCORE_KERNEL_FAMILIES, kernels/<member>.h, kernels/<member>.cpp and its line in CMakeLists.txt.
#pragma once

// X(StructName, member): kernels/<member>.h declares `struct StructName` (function pointers only)
// and kernels/<member>.cpp defines the object `<member>_kernels` of it in namespace
// pycore::kernels::PYCORE_ISA.
#define PYCORE_KERNEL_FAMILIES(X)   \
  X(UnaryKernels, unary)            \
  X(BinaryKernels, binary)          \
  X(GradientKernels, gradient)      \
  X(SelectKernels, select)          \
  X(IndexingKernels, indexing)      \
  X(OrderKernels, order)            \
  X(ReduceKernels, reduce)          \
  X(ScanKernels, scan)              \
  X(CastKernels, cast)              \
  X(SoftmaxKernels, softmax)        \
  X(LossKernels, loss)              \
  X(NormKernels, norm)              \
  X(OptimKernels, optim)            \
  X(RandomKernels, random)          \
  X(GemmKernels, gemm)              \
  X(ConvKernels, conv)              \
  X(AttentionKernels, attention)    \
  X(PoolKernels, pool)              \
  X(ResampleKernels, resample)      \
  X(GridSampleKernels, grid_sample) \
  X(RecurrentKernels, recurrent)

namespace pycore::kernels {

#define PYCORE_NAME_FAMILY(Struct, member) struct Struct;
PYCORE_KERNEL_FAMILIES(PYCORE_NAME_FAMILY)
#undef PYCORE_NAME_FAMILY

struct KernelTable {
  const char* isa;
#define PYCORE_DECLARE_FAMILY(Struct, member) const Struct* member;
  PYCORE_KERNEL_FAMILIES(PYCORE_DECLARE_FAMILY)
#undef PYCORE_DECLARE_FAMILY
};

}  // namespace pycore::kernels
