// Pooling of ResNet's and LeNet's planes: reads its input once, so the bandwidth counts.
#include "bench.h"

namespace pycore::bench {

void register_pool() {
  using Two = std::vector<int64_t>;
  struct Shape {
    const char *name, *schema;
    int64_t batch, channels, size, kernel, stride, pad;
  };
  constexpr Shape kShapes[] = {
      {"max_3x3_stride_2_32x64x112", "nn.max_pool2d(Tensor", 32, 64, 112, 3, 2, 1},
      {"max_2x2_64x6x28", "nn.max_pool2d(Tensor", 64, 6, 28, 2, 2, 0},
      {"avg_3x3_stride_2_32x64x112", "nn.avg_pool2d(Tensor", 32, 64, 112, 3, 2, 1},
      {"avg_2x2_64x16x28", "nn.avg_pool2d(Tensor", 64, 16, 28, 2, 2, 0},
  };
  for (auto s : kShapes) {
    const int64_t out = (s.size + 2 * s.pad - s.kernel) / s.stride + 1;
    const double moved =
        4.0 * static_cast<double>(s.batch * s.channels * (s.size * s.size + out * out));
    const auto make = [=] {
      return Call(s.schema, {leaf({s.batch, s.channels, s.size, s.size}), Two{s.kernel, s.kernel},
                             Two{s.stride, s.stride}, Two{s.pad, s.pad}});
    };
    const std::string name = std::string("pool/") + s.name;
    add_forward(name, bytes(moved), make);
    add_backward(name, bytes(moved), 2, make);
  }
  const auto global = [] {
    return Call("nn.adaptive_avg_pool2d(Tensor", {leaf({32, 512, 7, 7}), Two{1, 1}});
  };
  add_forward("pool/adaptive_avg_to_1_32x512x7", bytes(4.0 * 32 * 512 * 50), global);
  add_backward("pool/adaptive_avg_to_1_32x512x7", bytes(4.0 * 32 * 512 * 50), 2, global);
}

}  // namespace pycore::bench
