// Detection of the instruction sets that both the CPU and the operating system support.
#include "core/cpu.h"

#include <stdlib.h>

#include <algorithm>

#include "core/check.h"
#include "kernels/gemm.h"

namespace pycore {

#ifdef PYCORE_HAS_ISA_baseline
namespace kernels::baseline {
extern const KernelTable kernel_table;
}
#endif
#ifdef PYCORE_HAS_ISA_avx2
namespace kernels::avx2 {
extern const KernelTable kernel_table;
}
#endif
#ifdef PYCORE_HAS_ISA_avx512
namespace kernels::avx512 {
extern const KernelTable kernel_table;
}
#endif
#ifdef PYCORE_HAS_ISA_avx512_bf16
namespace kernels::avx512_bf16 {
extern const NarrowGemm narrow_gemm;
}  // namespace kernels::avx512_bf16
#endif

const kernels::KernelTable* g_kernels = nullptr;

namespace {

#ifdef PYCORE_HAS_ISA_avx512_bf16
// The kernels of avx512, and products of narrow types by instructions made for them.
const kernels::KernelTable& avx512_bf16_table() {
  static const kernels::GemmKernels gemm = [] {
    kernels::GemmKernels k = *kernels::avx512::kernel_table.gemm;
    k.run[static_cast<int>(DType::bfloat16)] = kernels::avx512_bf16::narrow_gemm.bfloat16;
    k.bytes = kernels::avx512_bf16::narrow_gemm.bytes;
    return k;
  }();
  static const kernels::KernelTable table = [] {
    kernels::KernelTable t = kernels::avx512::kernel_table;
    t.isa = "avx512_bf16";
    t.gemm = &gemm;
    return t;
  }();
  return table;
}
#endif

std::vector<const kernels::KernelTable*> supported_tables() {
  std::vector<const kernels::KernelTable*> tables;
#ifdef PYCORE_HAS_ISA_avx512
  // __builtin_cpu_supports also asks the system (xgetbv) whether it saves these registers.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512cd")) {
#ifdef PYCORE_HAS_ISA_avx512_bf16
    if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni"))
      tables.push_back(&avx512_bf16_table());
#endif
    tables.push_back(&kernels::avx512::kernel_table);
  }
#endif
#ifdef PYCORE_HAS_ISA_avx2
  // Every CPU with AVX2 and FMA also converts half precision (F16C) and has BMI2.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2"))
    tables.push_back(&kernels::avx2::kernel_table);
#endif
  tables.push_back(&kernels::baseline::kernel_table);
  return tables;
}

}  // namespace

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (auto* t : supported_tables()) names.emplace_back(t->isa);
  return names;
}

void select_kernels() {
  auto tables = supported_tables();
  g_kernels = tables.front();
  const char* wanted = getenv("PYCORE_ISA");
  if (!wanted || !*wanted) return;
  for (auto* t : tables) {
    if (std::string(t->isa) == wanted) {
      g_kernels = t;
      return;
    }
  }
  std::string have;
  for (auto* t : tables) have += (have.empty() ? "" : ", ") + std::string(t->isa);
  fail(ErrorKind::runtime, "PYCORE_ISA: this machine or build has no level '", wanted,
       "'; expected one of: ", have);
}

}  // namespace pycore
