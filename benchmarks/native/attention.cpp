// Scaled dot product attention; of causal attention only the half below the diagonal counts.
#include "bench.h"

namespace pycore::bench {

void register_attention() {
  struct Shape {
    int64_t batch, heads, length, depth;
  };
  constexpr Shape kShapes[] = {{8, 4, 64, 32}, {8, 8, 128, 32}, {1, 8, 512, 64}, {1, 8, 2048, 64}};
  for (auto s : kShapes)
    for (bool causal : {false, true}) {
      const double count = 4.0 *
                           static_cast<double>(s.batch * s.heads * s.length * s.length * s.depth) /
                           (causal ? 2 : 1);
      const auto make = [=] {
        const auto matrix = [&] { return leaf({s.batch, s.heads, s.length, s.depth}); };
        return Call("nn.scaled_dot_product_attention(Tensor",
                    {matrix(), matrix(), matrix(), std::monostate{}, 0.0, causal});
      };
      const std::string name = "attention/" + std::to_string(s.batch) + "x" +
                               std::to_string(s.heads) + "x" + std::to_string(s.length) + "x" +
                               std::to_string(s.depth) + (causal ? "_causal" : "");
      add_forward(name, operations(count), make);
      add_backward(name, operations(count), 3.5, make);  // scores are computed anew
    }
}

}  // namespace pycore::bench
