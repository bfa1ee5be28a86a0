// What the native benchmarks share: buffers, the tables of all levels, the machine's own peaks.
#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "core/cpu.h"
#include "core/parallel.h"

namespace pycore::bench {

// A level's name and kernels, for every level that this machine runs.
struct Level {
  std::string isa;
  const kernels::KernelTable* table;
};
const std::vector<Level>& levels();

// 64-byte aligned floats with values in [-1, 1).
class Buffer {
 public:
  explicit Buffer(int64_t n);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* get() const { return data_; }

 private:
  float* data_;
};

// Measured on one core before anything else runs.
struct Peaks {
  double flops;             // float32 fused multiply-adds, two operations each, per second
  double bytes_per_second;  // copying 64 MiB, read and written bytes
};
const Peaks& peaks();

// Reports a rate and its share of a peak.
void report(benchmark::State& state, const char* what, double per_iteration, double peak);

void register_gemm();
void register_pointwise();

}  // namespace pycore::bench
