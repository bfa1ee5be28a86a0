// One layer of a recurrent network, all steps and both directions: what the operators of
// recurrent.cpp are made of. Must not know Python.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "kernels/recurrent.h"
#include "ops/matrix.h"

namespace pycore {

using kernels::Recurrence;

// Sequences sorted by falling length, the steps of all of them one after another.
struct PackedSteps {
  std::vector<int64_t> sizes, offsets;  // sequences at each step, rows before it
};

struct RecurrentSpec {
  Recurrence kind = Recurrence::lstm;
  bool cell = false;  // one step: input and states have no dimension of steps or directions
  int64_t directions = 1;
  std::shared_ptr<const PackedSteps> packed;  // null: all sequences have the same length
};

// The weights of one direction; biases and the projection may be undefined.
struct RecurrentWeights {
  enum { ih, hh, bias_ih, bias_hh, hr, count };
  std::array<Tensor, count> t;
  int64_t hidden(Recurrence kind) const { return t[hh].sizes()[0] / recurrent_gates(kind); }
};

struct RecurrentInput {
  Tensor x;  // [steps, batch, features]; packed: [rows, features]; of a cell: [batch, features]
  Tensor h0, c0;  // [directions, batch, state or hidden]; c0 of LSTMs only
  std::vector<RecurrentWeights> weights;
};
struct RecurrentOutput {
  Tensor out, hn,
      cn;  // [steps, batch, directions * state]; hn and cn as h0 and c0; a cell has no hn
};

// Shapes and dtypes must fit. Fused for float32 and float64; 16-bit floats are computed in float32.
RecurrentOutput recurrent_layer(const RecurrentSpec& spec, const RecurrentInput& in);
// The same, written in differentiable operators: for the other dtypes and for derivatives that are
// to be differentiated again.
RecurrentOutput recurrent_composite(const RecurrentSpec& spec, const RecurrentInput& in);

}  // namespace pycore
