// Detection of the instruction sets that both the CPU and the operating system support.
#include "core/cpu.h"

#include <stdlib.h>

#include <algorithm>

#include "core/check.h"
#include "core/tiles.h"
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
}
#endif
#ifdef PYCORE_HAS_ISA_amx
namespace kernels::amx {
extern const TileGemm tile_gemm;
}
#endif

const kernels::KernelTable* g_kernels = nullptr;

namespace {

// A level with some of its products replaced.
struct ExtendedLevel {
  ExtendedLevel(const char* isa, const kernels::KernelTable& level, const kernels::NarrowGemm& by)
      : gemm(*level.gemm), table(level) {
    gemm.run[static_cast<int>(DType::bfloat16)] = by.bfloat16;
    gemm.multiplies_bfloat16 = true;
    gemm.bytes = by.bytes;
    if (by.float32) gemm.run[static_cast<int>(DType::float32)] = by.float32;
    table.isa = isa;
    table.gemm = &gemm;
  }
  ExtendedLevel(const ExtendedLevel&) = delete;
  ExtendedLevel& operator=(const ExtendedLevel&) = delete;

  kernels::GemmKernels gemm;
  kernels::KernelTable table;
};

#ifdef PYCORE_HAS_ISA_avx512
bool has_avx512() {
  // __builtin_cpu_supports also asks the system (xgetbv) whether it saves these registers.
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512cd");
}
#endif
#ifdef PYCORE_HAS_ISA_avx512_bf16
const kernels::KernelTable& avx512_bf16_table() {
  static const ExtendedLevel level("avx512_bf16", kernels::avx512::kernel_table,
                                   kernels::avx512_bf16::narrow_gemm);
  return level.table;
}
#endif
#ifdef PYCORE_HAS_ISA_amx
const kernels::KernelTable& amx_table() {
  static const ExtendedLevel level("amx", avx512_bf16_table(),
                                   kernels::amx::tile_gemm.instructions);
  return level.table;
}
// Tests run the tile kernels where there are no tiles; only by name, for it is slow.
const kernels::KernelTable& amx_model_table() {
  static const ExtendedLevel level("amx_model", kernels::avx512::kernel_table,
                                   kernels::amx::tile_gemm.model);
  return level.table;
}
bool has_amx() {
  static const bool has = may_use_tiles() && kernels::amx::tile_gemm.instructions_work();
  return has;
}
#endif

std::vector<const kernels::KernelTable*> supported_tables() {
  std::vector<const kernels::KernelTable*> tables;
#ifdef PYCORE_HAS_ISA_avx512
  if (has_avx512()) {
#ifdef PYCORE_HAS_ISA_avx512_bf16
    if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni")) {
#ifdef PYCORE_HAS_ISA_amx
      if (has_amx()) tables.push_back(&amx_table());
#endif
      tables.push_back(&avx512_bf16_table());
    }
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
#ifdef PYCORE_HAS_ISA_amx
  if (std::string(wanted) == amx_model_table().isa && has_avx512()) {
    g_kernels = &amx_model_table();
    return;
  }
#endif
  std::string have;
  for (auto* t : tables) have += (have.empty() ? "" : ", ") + std::string(t->isa);
  fail(ErrorKind::runtime, "PYCORE_ISA: this machine or build has no level '", wanted,
       "'; expected one of: ", have);
}

}  // namespace pycore
