// Matrix products: squares, the skinny ones of real layers, matrix by vector; float32 and bfloat16.
#include "bench.h"

namespace pycore::bench {

void register_matmul() {
  struct Shape {
    int64_t m, n, k;
  };
  constexpr Shape kShapes[] = {{16, 16, 16},       {32, 32, 32},       {64, 64, 64},
                               {128, 128, 128},    {256, 256, 256},    {512, 512, 512},
                               {1024, 1024, 1024}, {2048, 2048, 2048}, {64, 200, 100},
                               {8, 4096, 1024},    {4096, 8, 1024},    {2048, 64, 64}};
  for (auto [m, n, k] : kShapes) {
    const std::string size = std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
    const double count = 2.0 * static_cast<double>(m * n * k);
    for (auto [dtype, bound] : {std::pair{DType::float32, Work::Bound::float32},
                                {DType::bfloat16, Work::Bound::bfloat16}}) {
      const char* name = dtype == DType::float32 ? "matmul/float32/" : "matmul/bfloat16/";
      add_forward(name + size, {bound, count}, [=] {
        return Call("matmul(Tensor input", {normal({m, k}, dtype), normal({k, n}, dtype)});
      });
    }
  }
  // Reads the matrix once: the bandwidth counts.
  for (int64_t n : {1024, 4096})
    for (auto dtype : {DType::float32, DType::bfloat16}) {
      const double size = dtype == DType::float32 ? 4 : 2;
      const char* name = size == 4 ? "matvec/float32/" : "matvec/bfloat16/";
      add_forward(name + std::to_string(n), bytes_read(size * static_cast<double>(n * n)), [=] {
        return Call("matmul(Tensor input", {normal({n, n}, dtype), normal({n}, dtype)});
      });
    }
}

}  // namespace pycore::bench
