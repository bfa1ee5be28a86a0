// Element-wise kernels at every level: in cache (arithmetic counts) and out of it (bandwidth
// counts).
#include "bench.h"

namespace pycore::bench {
namespace {

using kernels::Binary;
using kernels::Unary;
constexpr int kFloat = static_cast<int>(DType::float32);

void unary(benchmark::State& state, const kernels::KernelTable* table, Unary f, int64_t n) {
  Buffer a(n), out(n);
  kernels::UnaryFn fn = table->unary->fn[static_cast<int>(f)][kFloat];
  for (auto _ : state) {
    fn(a.get(), out.get(), n, 1, 1, nullptr);
    benchmark::ClobberMemory();
  }
  report(state, "B/s", 8.0 * static_cast<double>(n), peaks().bytes_per_second);
  state.counters["elements/s"] =
      benchmark::Counter(static_cast<double>(n) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}

void binary(benchmark::State& state, const kernels::KernelTable* table, Binary f, int64_t n) {
  Buffer a(n), b(n), out(n);
  kernels::BinaryFn fn = table->binary->fn[static_cast<int>(f)][kFloat];
  for (auto _ : state) {
    fn(a.get(), b.get(), out.get(), n, 1, 1, 1, nullptr);
    benchmark::ClobberMemory();
  }
  report(state, "B/s", 12.0 * static_cast<double>(n), peaks().bytes_per_second);
}

}  // namespace

void register_pointwise() {
  constexpr std::pair<const char*, Unary> kUnary[] = {
      {"relu", Unary::relu},       {"exp", Unary::exp},      {"log", Unary::log},
      {"tanh", Unary::tanh},       {"sin", Unary::sin},      {"erf", Unary::erf},
      {"sigmoid", Unary::sigmoid}, {"gelu", Unary::gelu_erf}};
  constexpr std::pair<const char*, Binary> kBinary[] = {{"add", Binary::add},
                                                        {"mul", Binary::mul},
                                                        {"div", Binary::div},
                                                        {"maximum", Binary::maximum}};
  for (auto& level : levels())
    for (int64_t n : {int64_t{4096}, int64_t{16} << 20}) {
      std::string end = "/" + level.isa + "/" + std::to_string(n);
      for (auto [name, f] : kUnary)
        benchmark::RegisterBenchmark((name + end).c_str(), unary, level.table, f, n)->UseRealTime();
      for (auto [name, f] : kBinary)
        benchmark::RegisterBenchmark((name + end).c_str(), binary, level.table, f, n)
            ->UseRealTime();
    }
}

}  // namespace pycore::bench
