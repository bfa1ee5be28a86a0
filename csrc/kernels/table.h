// The one list of kernel families. Each ISA level fills a KernelTable; core/cpu chooses one of them
// at import. To add a family: its header here, one line in PYCORE_KERNEL_FAMILIES, its source in
// CMakeLists.txt.
#pragma once

#include "kernels/attention.h"
#include "kernels/binary.h"
#include "kernels/cast.h"
#include "kernels/context.h"
#include "kernels/conv.h"
#include "kernels/dtype.h"
#include "kernels/gemm.h"
#include "kernels/gradient.h"
#include "kernels/grid_sample.h"
#include "kernels/indexing.h"
#include "kernels/loss.h"
#include "kernels/norm.h"
#include "kernels/optim.h"
#include "kernels/order.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/recurrent.h"
#include "kernels/reduce.h"
#include "kernels/resample.h"
#include "kernels/scan.h"
#include "kernels/select.h"
#include "kernels/softmax.h"
#include "kernels/unary.h"

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

struct KernelTable {
  const char* isa;
#define PYCORE_DECLARE_FAMILY(Struct, member) const Struct* member;
  PYCORE_KERNEL_FAMILIES(PYCORE_DECLARE_FAMILY)
#undef PYCORE_DECLARE_FAMILY
};

}  // namespace pycore::kernels
