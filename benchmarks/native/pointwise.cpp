// Element-wise operators: in the nearest cache (arithmetic counts), and over 64 MB, where all that
// matters is how much memory moves.
#include "bench.h"

namespace pycore::bench {

void register_pointwise() {
  for (int64_t n : {int64_t{1} << 12, int64_t{1} << 20, int64_t{1} << 24}) {
    const std::string size = "/" + std::to_string(n);
    const double each = 4.0 * static_cast<double>(n);
    add_forward("copy" + size, bytes(2 * each),
                [=] { return Call("clone(Tensor", {normal({n})}); });
    for (const char* op : {"nn.relu", "exp", "log", "tanh", "sin", "erf", "sigmoid", "nn.gelu"})
      add_forward(op + size, bytes(2 * each),
                  [=] { return Call(std::string(op) + "(Tensor", {normal({n})}); });
    for (const char* op : {"add", "mul", "div", "maximum"})
      add_forward(op + size, bytes(3 * each),
                  [=] { return Call(std::string(op) + "(Tensor", {normal({n}), normal({n})}); });
  }
}

}  // namespace pycore::bench
