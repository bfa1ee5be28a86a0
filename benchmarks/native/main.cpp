// Entry point: measures the machine's peaks, then runs what the command line of Google Benchmark
// selects, e.g. bench_kernels --benchmark_filter=matmul.*avx512
#include "bench.h"
#include "core/cpu.h"
#include "peaks.h"

int main(int argc, char** argv) {
  using namespace pycore::bench;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  pycore::select_kernels();
  register_matmul();
  register_conv();
  register_pool();
  register_norm();
  register_recurrent();
  register_attention();
  register_pointwise();
  report_peaks();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
