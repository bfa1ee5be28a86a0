// Recurrent layers on pointers: one layer's whole sequence, forward and backward, both directions
// at once. The input products of all steps come from outside (one matrix product), and so do the
// gradients of the weights. Must not know tensors.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

enum class Recurrence : uint8_t { lstm, gru, rnn_tanh, rnn_relu };

// Gates of a cell (rows of its weights per hidden unit), in PyTorch's order: input, forget, cell,
// output (LSTM); reset, update, new (GRU).
constexpr int recurrent_gates(Recurrence kind) {
  return kind == Recurrence::lstm ? 4 : kind == Recurrence::gru ? 3 : 1;
}
// Width of a row of gate gradients in hidden units: the gates; for a GRU new, reset, update, and
// the gradient of the recurrent part of new, so that both weights find theirs side by side.
constexpr int recurrent_gradients(Recurrence kind) {
  return kind == Recurrence::gru ? 4 : recurrent_gates(kind);
}

// One layer. `state` is the width of h: hidden, or that of the projection.
struct RecurrentShape {
  Recurrence kind = Recurrence::lstm;
  int64_t steps = 0, batch = 0, hidden = 0, state = 0;
  // Packed sequences: how many sequences still run at each step (never growing, the first is
  // `batch`), and how many rows lie before it. Null: all run to the end.
  const int64_t* sizes = nullptr;
  const int64_t* offsets = nullptr;
};

// Vectors of all steps and sequences; that of sequence b at step t starts at
// data + (offsets ? offsets[t] * row : t * step) + b * row.
struct RecurrentRows {
  void* data = nullptr;
  int64_t step = 0, row = 0;
};

// One direction; matrices are row-major and dense, states [batch, state] or [batch, hidden].
struct RecurrentForward {
  bool reverse = false;
  bool keep = false;  // leave what backward needs in `gates` and `saved`
  // One step only: h0 W_hh^T is already in `gates` (of a GRU's new in `saved`, without bias), made
  // by a product that packs nothing.
  bool direct = false;
  const void* weight_hh = nullptr;  // [gates * hidden, state]
  const void* weight_hr = nullptr;  // [state, hidden] of a projection, else null
  const void* bias_new = nullptr;   // [hidden]: the GRU's bias inside the reset gate, or null
  const void* h0 = nullptr;         // null: zeros
  const void* c0 = nullptr;         // LSTM only
  RecurrentRows gates;              // [gates * hidden]: input products in, activations out
  RecurrentRows saved;              // [hidden], if keep: c (LSTM), recurrent part of new (GRU)
  RecurrentRows out;                // [state]
  void* hn = nullptr;               // last states; hn may be null
  void* cn = nullptr;               // LSTM only
};

struct RecurrentBackward {
  bool reverse = false;
  // One step only: the caller adds gradients W_hh to grad_h0.
  bool direct = false;
  const void* weight_hh = nullptr;
  const void* weight_hr = nullptr;
  const void* h0 = nullptr;
  const void* c0 = nullptr;
  RecurrentRows gates, saved, out;  // what forward left; gates of a simple RNN are not read
  RecurrentRows grad_out;           // data null: no gradient arrived
  const void* grad_hn = nullptr;    // or null
  const void* grad_cn = nullptr;    // or null
  // Result [recurrent_gradients * hidden]: before the activations. May be the memory of `gates`.
  RecurrentRows gradients;
  RecurrentRows previous;     // result [state]: the h each step started from
  RecurrentRows grad_state;   // result [state], projections only: gradient of every h
  RecurrentRows unprojected;  // result [hidden], projections only: h before its projection
  void* grad_h0 = nullptr;    // results, or null where nobody asks
  void* grad_c0 = nullptr;
};

struct RecurrentKernels {
  // `count` directions (1 or 2) of one layer. The result's bits don't depend on the number of
  // threads. Floating dtypes float32 and float64 only, else null.
  void (*forward[kDTypes])(const Context&, const RecurrentShape&, const RecurrentForward*,
                           int count);
  void (*backward[kDTypes])(const Context&, const RecurrentShape&, const RecurrentBackward*,
                            int count);
};

}  // namespace pycore::kernels
