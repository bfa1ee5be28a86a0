// Losses of pairs (input x, target t): summed, element by element, and their slopes, each in one
// pass. Plain function pointers on raw memory; must not know tensors or reductions.
#pragma once

#include "kernels/binary.h"
#include "kernels/context.h"

namespace pycore::kernels {

// In brackets: params[0].
enum class PairLoss : uint8_t {
  squared,     // (x - t)^2
  smooth_l1,   // [beta > 0]
  huber,       // [delta > 0]
  bce,         // of probabilities x; logarithms count at least -100
  bce_logits,  // of sigmoid(x)
  count,
};

struct LossKernels {
  // float32 and float64. The sum of the losses of n contiguous pairs.
  double (*sum[static_cast<int>(PairLoss::count)][kDTypes])(const Context& ctx, const void* x,
                                                            const void* t, int64_t n,
                                                            const double* params);
  // The losses one by one: a is x, b is t.
  BinaryFn value[static_cast<int>(PairLoss::count)][kDTypes];
  // d loss / dx * params[1].
  BinaryFn slope[static_cast<int>(PairLoss::count)][kDTypes];
};

}  // namespace pycore::kernels
