// What operators on ordered values share. Must not know Python.
#pragma once

#include <tuple>

#include "ops/ops.h"

namespace pycore {

// Values in order along a dimension (NaN last, equal values keep their order), and where they were.
std::tuple<Tensor, Tensor> sort(const Tensor& input, int64_t dim, bool descending);
// The values alone, for which there are faster ways.
Tensor sort_values(const Tensor& input, int64_t dim, bool descending);

}  // namespace pycore
