// The machine's own limits, measured: what every other figure is a share of.
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <random>

#include "bench.h"

namespace pycore::bench {
namespace {

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

// Twelve independent chains of fused multiply-adds hide the latency on every CPU of this kind.
template <class V>
[[gnu::always_inline]] inline void fma_chains(int64_t steps, float* sink) {
  V acc[12];
  for (int i = 0; i < 12; ++i) acc[i] = V{} + static_cast<float>(i);
  V x = V{} + 0.999f, y = V{} + 0.001f;
  for (int64_t s = 0; s < steps; ++s) {
    asm volatile("" : "+x"(x), "+x"(y));
    for (auto& a : acc) a = a * x + y;
  }
  V sum{};
  for (auto& a : acc) sum += a;
  memcpy(sink, &sum, sizeof(V));
}

using V16 = float __attribute__((vector_size(64)));
using V8 = float __attribute__((vector_size(32)));
using V4 = float __attribute__((vector_size(16)));

#if defined(__x86_64__)
[[gnu::target("avx512f,avx512vl,prefer-vector-width=512")]] void fma_avx512(int64_t steps,
                                                                            float* sink) {
  fma_chains<V16>(steps, sink);
}
[[gnu::target("avx2,fma")]] void fma_avx2(int64_t steps, float* sink) {
  fma_chains<V8>(steps, sink);
}
#endif
void fma_baseline(int64_t steps, float* sink) { fma_chains<V4>(steps, sink); }

double best_flops(void (*run)(int64_t, float*), int lanes) {
  constexpr int64_t kSteps = 2'000'000;
  float sink[16];
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    double start = now();
    run(kSteps, sink);
    best = std::max(best, 24.0 * lanes * kSteps / (now() - start));
  }
  return best;
}

double copy_bandwidth() {
  constexpr size_t kBytes = size_t{64} << 20;
  Buffer a(kBytes / sizeof(float)), b(kBytes / sizeof(float));
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    double start = now();
    memcpy(b.get(), a.get(), kBytes);
    benchmark::ClobberMemory();
    best = std::max(best, 2.0 * kBytes / (now() - start));
  }
  return best;
}

}  // namespace

Buffer::Buffer(int64_t n)
    : data_(static_cast<float*>(
          aligned_alloc(64, (static_cast<size_t>(n) * sizeof(float) + 63) / 64 * 64))) {
  if (!data_) throw std::bad_alloc();
  std::minstd_rand draw(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int64_t i = 0; i < n; ++i) data_[i] = uniform(draw);
}
Buffer::~Buffer() { free(data_); }

const Peaks& peaks() {
  static const Peaks p = [] {
    double flops = best_flops(fma_baseline, 4);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      flops = std::max(flops, best_flops(fma_avx2, 8));
    if (__builtin_cpu_supports("avx512f")) flops = std::max(flops, best_flops(fma_avx512, 16));
#endif
    return Peaks{flops, copy_bandwidth()};
  }();
  return p;
}

void report(benchmark::State& state, const char* what, double per_iteration, double peak) {
  double total = per_iteration * static_cast<double>(state.iterations());
  state.counters[what] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  state.counters["share"] = benchmark::Counter(total / peak, benchmark::Counter::kIsRate);
}

}  // namespace pycore::bench
