// The rate of tile products where the CPU has them and Linux gives them. Written in assembly: the
// compiler's intrinsics would want flags that the rest of the program must not have.
#include "peaks.h"

#if defined(__x86_64__) && defined(__linux__)
#include <algorithm>

#include "core/tiles.h"

namespace pycore::bench {
namespace {

struct alignas(64) TileConfig {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

// Eight full tiles: four sums, two of each operand.
struct Tiles {
  Tiles() {
    TileConfig config;
    for (int i = 0; i < 8; ++i) config.bytes[i] = 64, config.rows[i] = 16;
    asm volatile(
        "ldtilecfg %0\n tilezero %%tmm0\n tilezero %%tmm1\n tilezero %%tmm2\n tilezero %%tmm3\n"
        "tilezero %%tmm4\n tilezero %%tmm5\n tilezero %%tmm6\n tilezero %%tmm7"
        :
        : "m"(config)
        : "memory");
  }
  ~Tiles() { asm volatile("tilerelease" ::: "memory"); }
};

// Four independent products of 16x16 sums per step.
template <class Step>
double rate(double operations_per_step, const Step& step) {
  constexpr int64_t kSteps = 500'000;
  const Tiles tiles;
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const double start = now();
    for (int64_t s = 0; s < kSteps; ++s) step();
    best = std::max(best, operations_per_step * kSteps / (now() - start));
  }
  return best;
}

}  // namespace

double amx_bfloat16() {
  if (!may_use_tiles()) return 0;
  return rate(4.0 * 2 * 16 * 16 * 32, [] {
    asm volatile(
        "tdpbf16ps %tmm6, %tmm4, %tmm0\n tdpbf16ps %tmm7, %tmm4, %tmm1\n"
        "tdpbf16ps %tmm6, %tmm5, %tmm2\n tdpbf16ps %tmm7, %tmm5, %tmm3");
  });
}

double amx_int8() {
  if (!may_use_tiles()) return 0;
  return rate(4.0 * 2 * 16 * 16 * 64, [] {
    asm volatile(
        "tdpbssd %tmm6, %tmm4, %tmm0\n tdpbssd %tmm7, %tmm4, %tmm1\n"
        "tdpbssd %tmm6, %tmm5, %tmm2\n tdpbssd %tmm7, %tmm5, %tmm3");
  });
}

}  // namespace pycore::bench
#else
namespace pycore::bench {
double amx_bfloat16() { return 0; }
double amx_int8() { return 0; }
}  // namespace pycore::bench
#endif
