// A gradient joined to the input that it does not vary with. Must not know particular operators.
#include "ops/stepwise.h"

#include "autograd/record.h"
#include "ops/ops.h"

namespace pycore {
namespace {

struct StepwiseBackward {
  static constexpr const char* name = "StepwiseBackward0";
  static constexpr bool saves = false;
  void operator()(Backward& b) {
    if (b.needs(0)) b.set(0, b.grad());
    if (b.needs(1)) b.set(1, zeros_like(b.grad()));
  }
};

}  // namespace

Tensor stepwise(Backward& b, uint32_t i, const Tensor& gradient) {
  if (!grad_enabled() || !b.needs(i)) return gradient;
  Tensor joined = alias(gradient);
  record(joined, StepwiseBackward{}, gradient, Tensor())->edges[1] = b.node()->edges[i];
  return joined;
}

}  // namespace pycore
