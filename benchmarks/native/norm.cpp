// Normalization and softmax: read and write everything once, so the bandwidth counts.
#include "bench.h"

namespace pycore::bench {
namespace {

void add_both(const std::string& name, int64_t elements, std::function<Call()> make) {
  const double moved = 8.0 * static_cast<double>(elements);
  add_forward(name, bytes(moved), make);
  add_backward(name, bytes(moved), 2.5, make);  // besides, backward reads input and gradient
}

}  // namespace

void register_norm() {
  using List = std::vector<int64_t>;
  for (auto [rows, width] : {std::pair<int64_t, int64_t>{128, 256}, {1024, 768}, {8192, 1024}}) {
    const std::string size = std::to_string(rows) + "x" + std::to_string(width);
    add_both("norm/layer_" + size, rows * width, [=] {
      return Call("nn.layer_norm(Tensor",
                  {leaf({rows, width}), List{width}, leaf({width}), leaf({width})});
    });
    add_both("norm/rms_" + size, rows * width, [=] {
      return Call("nn.rms_norm(Tensor", {leaf({rows, width}), List{width}, leaf({width})});
    });
    for (const char* op : {"softmax", "log_softmax"})
      add_both(std::string(op) + "/" + size, rows * width, [=] {
        return Call(std::string(op) + "(Tensor", {leaf({rows, width}), int64_t{-1}});
      });
  }
  for (auto [batch, channels, size] :
       {std::tuple<int64_t, int64_t, int64_t>{8, 64, 56}, {32, 64, 56}, {32, 256, 14}}) {
    const std::string name =
        std::to_string(batch) + "x" + std::to_string(channels) + "x" + std::to_string(size);
    const int64_t elements = batch * channels * size * size;
    add_both("norm/batch_" + name, elements, [=] {
      return Call("nn.batch_norm(Tensor",
                  {leaf({batch, channels, size, size}), std::monostate{}, std::monostate{},
                   leaf({channels}), leaf({channels}), true});
    });
    add_both("norm/group_" + name, elements, [=] {
      return Call("nn.group_norm(Tensor", {leaf({batch, channels, size, size}), int64_t{8},
                                           leaf({channels}), leaf({channels})});
    });
  }
}

}  // namespace pycore::bench
