// Convolutions of LeNet, ResNet and MobileNet, forward and with their derivatives.
#include "bench.h"

namespace pycore::bench {

void register_conv() {
  struct Shape {
    const char* name;
    int64_t batch, in, out, size, kernel, stride, pad, groups;
  };
  constexpr Shape kShapes[] = {
      {"lenet_1", 64, 1, 6, 32, 5, 1, 0, 1},
      {"lenet_2", 64, 6, 16, 14, 3, 1, 0, 1},
      {"stem_7x7_stride_2", 1, 3, 64, 224, 7, 2, 3, 1},
      {"3x3_64_56", 1, 64, 64, 56, 3, 1, 1, 1},
      {"3x3_128_28", 1, 128, 128, 28, 3, 1, 1, 1},
      {"3x3_256_14", 1, 256, 256, 14, 3, 1, 1, 1},
      {"3x3_512_7", 1, 512, 512, 7, 3, 1, 1, 1},
      {"3x3_256_14_batch_8", 8, 256, 256, 14, 3, 1, 1, 1},
      {"3x3_128_56_stride_2", 1, 128, 128, 56, 3, 2, 1, 1},
      {"1x1_256_64_56", 1, 256, 64, 56, 1, 1, 0, 1},
      {"1x1_1024_256_14_batch_8", 8, 1024, 256, 14, 1, 1, 0, 1},
      {"depthwise_3x3_144_56", 1, 144, 144, 56, 3, 1, 1, 144},
  };
  for (auto s : kShapes) {
    const int64_t out = (s.size + 2 * s.pad - s.kernel) / s.stride + 1;
    const double count = 2.0 * static_cast<double>(s.batch * s.out * out * out * s.in / s.groups *
                                                   s.kernel * s.kernel);
    const auto make = [=] {
      using Two = std::vector<int64_t>;
      return Call("nn.conv2d(Tensor input",
                  {leaf({s.batch, s.in, s.size, s.size}),
                   leaf({s.out, s.in / s.groups, s.kernel, s.kernel}), leaf({s.out}),
                   Two{s.stride, s.stride}, Two{s.pad, s.pad}, Two{1, 1}, s.groups});
    };
    const std::string name = std::string("conv/") + s.name;
    add_forward(name, operations(count), make);
    add_backward(name, operations(count), 3, make);
  }
}

}  // namespace pycore::bench
