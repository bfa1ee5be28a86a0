// What the operator grid_sampler and the composed form of its gradient share. Must not know Python.
#pragma once

#include <utility>

#include "kernels/grid_sample.h"
#include "ops/ops.h"

namespace pycore {

// The gradients of grid_sampler by input and grid, composed of differentiable operators: what is
// recorded where a gradient is to be differentiated again. A gradient that is not needed stays
// undefined.
std::pair<Tensor, Tensor> composed_grid_sample_grad(const kernels::GridSampleArgs& args,
                                                    const Tensor& input, const Tensor& grid,
                                                    const Tensor& grad, bool needs_input,
                                                    bool needs_grid);

}  // namespace pycore
