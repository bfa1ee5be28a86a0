// Asks for the processor's tile registers.
#include "core/tiles.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace pycore {

bool may_use_tiles() {
#if defined(__x86_64__) && defined(__linux__)
  static const bool may = [] {
    constexpr unsigned kTiles = 1u << 24, kBfloat16 = 1u << 22, kInt8 = 1u << 25;
    constexpr unsigned kAll = kTiles | kBfloat16 | kInt8;
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kAll) != kAll) return false;
    constexpr long kRequestPermission = 0x1023, kTileData = 18;
    // Fails on systems of before 5.16, and where a thread's signal stack is too small for tiles.
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return may;
#else
  return false;
#endif
}

}  // namespace pycore
