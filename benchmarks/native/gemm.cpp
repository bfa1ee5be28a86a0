// Matrix products at every level, on one thread and on all.
#include "bench.h"

namespace pycore::bench {
namespace {

void gemm(benchmark::State& state, const kernels::KernelTable* table, int64_t m, int64_t n,
          int64_t k, bool parallel) {
  Buffer a(m * k), b(k * n), c(m * n);
  kernels::GemmArgs args;
  args.m = m, args.n = n, args.k = k;
  args.a = a.get(), args.a_row = k, args.a_col = 1;
  args.b = b.get(), args.b_row = n, args.b_col = 1;
  args.c = c.get(), args.c_row = n;
  const kernels::Context& ctx = parallel ? kernel_context() : serial_context();
  for (auto _ : state) {
    table->gemm->run[static_cast<int>(DType::float32)](ctx, args);
    benchmark::ClobberMemory();
  }
  double threads = parallel ? num_threads() : 1;
  report(state, "FLOP/s", 2.0 * static_cast<double>(m * n * k), peaks().flops * threads);
}

}  // namespace

void register_gemm() {
  struct Shape {
    int64_t m, n, k;
  };
  constexpr Shape kShapes[] = {{16, 16, 16},       {32, 32, 32},    {64, 64, 64},
                               {128, 128, 128},    {256, 256, 256}, {512, 512, 512},
                               {1024, 1024, 1024}, {1, 1024, 1024}, {64, 200, 100},
                               {8, 4096, 1024},    {4096, 8, 1024}, {2048, 64, 64}};
  for (auto& level : levels())
    for (auto s : kShapes)
      for (bool parallel : {false, true}) {
        std::string name = "gemm/" + level.isa + "/" + std::to_string(s.m) + "x" +
                           std::to_string(s.n) + "x" + std::to_string(s.k) +
                           (parallel ? "/threads" : "/one");
        benchmark::RegisterBenchmark(name.c_str(), gemm, level.table, s.m, s.n, s.k, parallel)
            ->UseRealTime();
      }
}

}  // namespace pycore::bench
