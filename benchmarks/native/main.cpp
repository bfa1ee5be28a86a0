// Entry point: measures the machine's peaks, then runs what the command line of Google Benchmark
// selects, e.g. bench_kernels --benchmark_filter=gemm/avx512
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

namespace pycore::bench {

const std::vector<Level>& levels() {
  static const std::vector<Level> all = [] {
    std::vector<Level> v;
    for (auto& isa : supported_isas()) {
      setenv("PYCORE_ISA", isa.c_str(), 1);
      select_kernels();
      v.push_back({isa, &kernels_now()});
    }
    unsetenv("PYCORE_ISA");
    select_kernels();
    return v;
  }();
  return all;
}

}  // namespace pycore::bench

int main(int argc, char** argv) {
  using namespace pycore::bench;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  register_gemm();
  register_pointwise();
  printf("one core: %.1f GFLOP/s of float32 multiply-adds, %.1f GB/s copying 64 MiB\n",
         peaks().flops * 1e-9, peaks().bytes_per_second * 1e-9);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
