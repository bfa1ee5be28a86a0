// What operators on ordered values share. Must not know Python.
#pragma once

#include <tuple>

#include "ops/ops.h"

namespace pycore {

// A value and its place in the line it came from.
template <class T>
struct Entry {
  T value;
  int64_t index;
};

// Values in order along a dimension (NaN last, equal values keep their order), and where they were.
std::tuple<Tensor, Tensor> sort(const Tensor& input, int64_t dim, bool descending);

}  // namespace pycore
