// Recurrent layers over whole sequences: the products of input and state count.
#include "bench.h"

namespace pycore::bench {

void register_recurrent() {
  struct Shape {
    int64_t hidden, batch, steps;
  };
  constexpr Shape kShapes[] = {{32, 1, 100},  {32, 32, 64}, {128, 1, 64}, {128, 32, 64},
                               {256, 32, 64}, {512, 1, 32}, {512, 64, 32}};
  for (auto [kind, gates] : {std::pair<std::string, int64_t>{"lstm", 4}, {"gru", 3}})
    for (auto s : kShapes) {
      const int64_t h = s.hidden, width = gates * h;
      const double count = 2.0 * static_cast<double>(s.steps * s.batch * width * 2 * h);
      const auto make = [=] {
        const Tensor state = normal({1, s.batch, h});
        const std::vector<Tensor> weights = {leaf({width, h}), leaf({width, h}), leaf({width}),
                                             leaf({width})};
        const Argument hx =
            kind == "lstm" ? Argument(std::vector<Tensor>{state, state}) : Argument(state);
        return Call(kind + "(Tensor input", {leaf({s.steps, s.batch, h}), hx, weights, true,
                                             int64_t{1}, 0.0, false, false, false});
      };
      const std::string name = kind + "/hidden_" + std::to_string(h) + "_batch_" +
                               std::to_string(s.batch) + "_steps_" + std::to_string(s.steps);
      add_forward(name, operations(count), make);
      add_backward(name, operations(count), 3, make);
    }
}

}  // namespace pycore::bench
