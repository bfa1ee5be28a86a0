// Measures arithmetic by chains of instructions on registers, and bandwidth by plain loops over
// buffers of the size of each cache.
#include "peaks.h"

#include <benchmark/benchmark.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <new>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pycore::bench {

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

namespace {

using V16 = float __attribute__((vector_size(64)));
using V8 = float __attribute__((vector_size(32)));
using V4 = float __attribute__((vector_size(16)));

// 64-byte aligned floats, all touched.
class Buffer {
 public:
  explicit Buffer(size_t bytes) : data_(static_cast<float*>(aligned_alloc(1 << 21, round(bytes)))) {
    if (!data_) throw std::bad_alloc();
#if defined(__linux__)
    madvise(data_, round(bytes), MADV_HUGEPAGE);  // misses of the TLB are not what is measured
#endif
    std::fill_n(data_, round(bytes) / sizeof(float), 0.5f);
  }
  ~Buffer() { free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* get() const { return data_; }

 private:
  static size_t round(size_t bytes) { return (bytes + (1 << 21) - 1) >> 21 << 21; }
  float* data_;
};

// The best of some repeats, in `amount` per second.
template <class F>
double best_rate(double amount, const F& f) {
  double best = 0;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const double start = now();
    f();
    best = std::max(best, amount / (now() - start));
  }
  return best;
}

constexpr int kChains = 12;  // independent sums, which hide the latency on every CPU of this kind
constexpr int64_t kSteps = 1'000'000;

template <class V>
[[gnu::always_inline]] inline void multiply_add(float* sink) {
  V acc[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) acc[i] = V{} + static_cast<float>(i);
  V x = V{} + 0.999f, y = V{} + 0.001f;
  for (int64_t s = 0; s < kSteps; ++s) {
#if defined(__x86_64__)
    asm volatile("" : "+x"(x), "+x"(y));
#else
    asm volatile("" : "+w"(x), "+w"(y));
#endif
#pragma GCC unroll 16
    for (auto& a : acc) a = a * x + y;
  }
  V sum{};
#pragma GCC unroll 16
  for (auto& a : acc) sum += a;
  memcpy(sink, &sum, sizeof(V));
}

template <class V>
[[gnu::always_inline]] inline void read(const float* from, size_t bytes, float* sink) {
  V acc[8] = {};
  const V* p = reinterpret_cast<const V*>(from);
  for (size_t i = 0; i + 8 <= bytes / sizeof(V); i += 8)
#pragma GCC unroll 16
    for (size_t j = 0; j < 8; ++j) acc[j] += p[i + j];
  V sum{};
#pragma GCC unroll 16
  for (auto& a : acc) sum += a;
  memcpy(sink, &sum, sizeof(V));
}

template <class V>
[[gnu::always_inline]] inline void copy(const float* from, float* to, size_t bytes) {
  const V* p = reinterpret_cast<const V*>(from);
  V* q = reinterpret_cast<V*>(to);
  for (size_t i = 0; i + 8 <= bytes / sizeof(V); i += 8) {
#pragma GCC unroll 16
    for (size_t j = 0; j < 8; ++j) q[i + j] = p[i + j];
    asm volatile("" : : "r"(q) : "memory");  // stays the loop that it is
  }
}

// The functions above at the widest vectors of one level.
struct Loops {
  const char* isa;
  int lanes;
  void (*multiply_add)(float*);
  void (*read)(const float*, size_t, float*);
  void (*copy)(const float*, float*, size_t);
};

#define PYCORE_LOOPS(NAME, V, ...)                                                                \
  __VA_ARGS__ void multiply_add_##NAME(float* sink) { multiply_add<V>(sink); }                    \
  __VA_ARGS__ void read_##NAME(const float* p, size_t n, float* sink) { read<V>(p, n, sink); }    \
  __VA_ARGS__ void copy_##NAME(const float* p, float* q, size_t n) { copy<V>(p, q, n); }          \
  constexpr Loops k_##NAME = {#NAME, sizeof(V) / sizeof(float), multiply_add_##NAME, read_##NAME, \
                              copy_##NAME};
PYCORE_LOOPS(baseline, V4, )
#if defined(__x86_64__)
PYCORE_LOOPS(avx2, V8, [[gnu::target("avx2,fma")]])
PYCORE_LOOPS(avx512, V16, [[gnu::target("avx512f,avx512vl,prefer-vector-width=512")]])

[[gnu::target("avx512f,avx512bf16")]] void bfloat16_products() {
  __m512 acc[kChains] = {};
  __m512i x = _mm512_setzero_si512(), y = x;
  for (int64_t s = 0; s < kSteps; ++s)
#pragma GCC unroll 16
    for (auto& a : acc) asm volatile("vdpbf16ps %1, %2, %0" : "+v"(a) : "v"(x), "v"(y));
}
[[gnu::target("avx512f,avx512vnni")]] void int8_products() {
  __m512i acc[kChains] = {};
  __m512i x = _mm512_setzero_si512(), y = x;
  for (int64_t s = 0; s < kSteps; ++s)
#pragma GCC unroll 16
    for (auto& a : acc) asm volatile("vpdpbusd %1, %2, %0" : "+v"(a) : "v"(x), "v"(y));
}

// Past the caches, as large copies should be.
void stream(const float* from, float* to, size_t bytes) {
  for (size_t i = 0; i < bytes / sizeof(float); i += 16)
    for (size_t j = 0; j < 16; j += 4) _mm_stream_ps(to + i + j, _mm_load_ps(from + i + j));
  _mm_sfence();
}
#else
void stream(const float* from, float* to, size_t bytes) { memcpy(to, from, bytes); }
#endif

std::vector<Loops> all_loops() {
  std::vector<Loops> found = {k_baseline};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(k_avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
    found.push_back(k_avx512);
#endif
  return found;
}

void measure_arithmetic(Peaks& p) {
  alignas(64) float sink[16];
  const auto loops = all_loops();
  for (auto& l : loops)
    p.float32[l.isa] = best_rate(2.0 * kChains * l.lanes * kSteps, [&] { l.multiply_add(sink); });
  p.bfloat16 = p.int8 = p.float32[loops.back().isa];
  p.bfloat16_by = p.int8_by = "float32";
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16"))
    p.bfloat16 = best_rate(64.0 * kChains * kSteps, bfloat16_products), p.bfloat16_by = "vdpbf16ps";
  if (__builtin_cpu_supports("avx512vnni"))
    p.int8 = best_rate(128.0 * kChains * kSteps, int8_products), p.int8_by = "vpdpbusd";
#endif
  if (const double rate = amx_bfloat16(); rate > p.bfloat16)
    p.bfloat16 = rate, p.bfloat16_by = "AMX";
  if (const double rate = amx_int8(); rate > p.int8) p.int8 = rate, p.int8_by = "AMX";
}

constexpr size_t kLarge = size_t{64} << 20;  // of each buffer: more than caches keep

// Bytes of the data cache of a level. The system's own table knows what a virtual machine is given;
// sysconf may tell the whole socket's.
size_t cache_size(int level) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    int found = 0;
    size_t kilobytes = 0;
    std::string type;
    std::ifstream(folder + "level") >> found;
    std::ifstream(folder + "type") >> type;
    std::ifstream(folder + "size") >> kilobytes;
    if (found == level && type != "Instruction") return kilobytes << 10;
  }
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  constexpr int kKeys[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE};
  if (const long size = sysconf(kKeys[level - 1]); size > 0) return static_cast<size_t>(size);
#endif
  return 0;
}

// Two buffers of `bytes` each that stay in a cache of that capacity.
Bandwidth measure_cache(int level, size_t capacity, size_t bytes, const Loops& l) {
  alignas(64) float sink[16];
  const Buffer a(bytes), b(bytes);
  const size_t passes = std::max<size_t>(1, (size_t{128} << 20) / bytes);
  const double moved = static_cast<double>(passes) * static_cast<double>(bytes);
  return {"L" + std::to_string(level), capacity,
          best_rate(moved,
                    [&] {
                      for (size_t i = 0; i < passes; ++i) l.read(a.get(), bytes, sink);
                    }),
          best_rate(2 * moved, [&] {
            for (size_t i = 0; i < passes; ++i) l.copy(a.get(), b.get(), bytes);
          })};
}

// The best way to copy large buffers.
double large_copy(const float* a, float* b, const Loops& l) {
  const double moved = 2.0 * kLarge;
  return std::max({best_rate(moved, [&] { memcpy(b, a, kLarge); }),
                   best_rate(moved, [&] { stream(a, b, kLarge); }),
                   best_rate(moved, [&] { l.copy(a, b, kLarge); })});
}

void measure_memory(Peaks& p) {
  alignas(64) float sink[16];
  const Loops l = all_loops().back();
  size_t inner = 0;
  for (int level = 1; level <= 3; ++level) {
    const size_t size = cache_size(level);
    if (size <= inner) continue;
    // Half of the cache together; but no more of a last level than what is sure to miss the one
    // before, since others use it too.
    const size_t bytes = level < 3 || !inner ? size / 4 : std::min(size / 4, 2 * inner);
    p.memory.push_back(measure_cache(level, size, bytes / 4096 * 4096, l));
    inner = size;
  }
  const Buffer a(kLarge), b(kLarge);
  p.memory.push_back({"memory", 0, best_rate(kLarge, [&] { l.read(a.get(), kLarge, sink); }),
                      large_copy(a.get(), b.get(), l)});

  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  p.copy_by_all = best_rate(2.0 * kLarge, [&] {
    std::vector<std::thread> all;
    const size_t part = kLarge / threads / 64 * 64;
    for (unsigned t = 0; t < threads; ++t)
      all.emplace_back([&, t] {
        stream(a.get() + t * part / sizeof(float), b.get() + t * part / sizeof(float), part);
      });
    for (auto& t : all) t.join();
  });
  p.copy_by_all = std::max(p.copy_by_all, p.memory.back().copy);
}

}  // namespace

const Peaks& peaks() {
  static const Peaks p = [] {
    Peaks found;
    measure_arithmetic(found);
    measure_memory(found);
    return found;
  }();
  return p;
}

const Bandwidth& bandwidth(double working_set) {
  for (auto& b : peaks().memory)
    if (b.capacity && working_set <= static_cast<double>(b.capacity)) return b;
  return peaks().memory.back();
}

void report_peaks() {
  const Peaks& p = peaks();
  const auto say = [](const std::string& what, double rate, const char* unit) {
    char text[64];
    snprintf(text, sizeof text, "%.1f %s", rate * 1e-9, unit);
    printf("%s: %s\n", what.c_str(), text);
    benchmark::AddCustomContext("peak " + what, text);
  };
  for (auto& [isa, rate] : p.float32) say("float32 " + isa + ", one core", rate, "GFLOP/s");
  say("bfloat16 by " + p.bfloat16_by + ", one core", p.bfloat16, "GFLOP/s");
  say("int8 by " + p.int8_by + ", one core", p.int8, "GOP/s");
  for (auto& b : p.memory) {
    say("reading " + b.where + ", one core", b.read, "GB/s");
    say("copying in " + b.where + " (read and written), one core", b.copy, "GB/s");
  }
  say("copying in memory, all cores", p.copy_by_all, "GB/s");
}

}  // namespace pycore::bench
