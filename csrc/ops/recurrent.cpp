// The operators lstm, gru, rnn_tanh, rnn_relu and their cells: PyTorch's arguments and checks,
// stacks of layers with dropout between them. Must not know kernels or Python.
#include "ops/recurrent.h"

#include "ops/random.h"

namespace pycore {
namespace {

using W = RecurrentWeights;

// --- arguments
// ------------------------------------------------------------------------------------------------------------

struct Stack {
  Recurrence kind = Recurrence::lstm;
  const char* name = "lstm";
  Tensor x;  // [steps, batch, features] or packed [rows, features]
  Tensor h0, c0;
  TensorList params;
  bool has_biases = true;
  int64_t layers = 1;
  double dropout = 0;
  bool train = false, bidirectional = false;
  std::shared_ptr<const PackedSteps> packed;

  int64_t directions() const { return bidirectional ? 2 : 1; }
  bool projected() const { return c0.defined() && h0.size(2) != c0.size(2); }
  size_t per_cell() const { return (has_biases ? 4u : 2u) + (projected() ? 1u : 0u); }
};

void check_shape(const char* op, const char* what, const Tensor& t, IntSpan expected) {
  PC_CHECK(t.sizes() == Dims(expected), op, ": ", what, " has the wrong shape; got ", t.sizes(),
           "; expected ", Dims(expected));
}

// The weights of one layer, from the flat list.
std::vector<W> layer_weights(const Stack& s, int64_t layer, int64_t features) {
  std::vector<W> all;
  const int64_t hidden = (s.c0.defined() ? s.c0 : s.h0).size(2), state = s.h0.size(2);
  const int64_t width = recurrent_gates(s.kind) * hidden;
  for (int64_t k = 0; k < s.directions(); ++k) {
    const Tensor* p =
        s.params.data() + static_cast<size_t>(layer * s.directions() + k) * s.per_cell();
    W w;
    w.t[W::ih] = p[0];
    w.t[W::hh] = p[1];
    check_shape(s.name, "weight_ih", p[0], {{width, features}});
    check_shape(s.name, "weight_hh", p[1], {{width, state}});
    if (s.has_biases) {
      w.t[W::bias_ih] = p[2];
      w.t[W::bias_hh] = p[3];
      check_shape(s.name, "bias_ih", p[2], {{width}});
      check_shape(s.name, "bias_hh", p[3], {{width}});
    }
    if (s.projected()) {
      w.t[W::hr] = p[s.per_cell() - 1];
      check_shape(s.name, "weight_hr", w.t[W::hr], {{state, hidden}});
    }
    for (const Tensor& t : w.t) {
      PC_CHECK(!t.defined() || t.dtype() == s.x.dtype(),
               "mat1 and mat2 must have the same dtype, but got ", scalar_type_name(s.x.dtype()),
               " and ", scalar_type_name(t.dtype()));
    }
    all.push_back(std::move(w));
  }
  return all;
}

void check_stack(const Stack& s) {
  PC_CHECK_IMPLEMENTED(s.x.is_floating(), "\"", s.name, "\" not implemented for '",
                       scalar_type_name(s.x.dtype()), "'");
  const int64_t dims = s.packed ? 2 : 3;
  PC_CHECK(s.x.dim() == dims, "input must have ", dims, " dimensions, got ", s.x.dim());
  PC_CHECK(s.layers > 0, s.name, ": num_layers must be greater than zero; got ", s.layers);
  PC_CHECK(s.packed || s.x.sizes()[0] > 0, "Expected sequence length to be larger than 0 in RNN");
  const auto check_state = [&](const char* what, const Tensor& h) {
    PC_CHECK(h.dim() == 3, s.name, ": ", what, " must have 3 dimensions; got ", h.dim());
    check_shape(
        s.name, what, h,
        {{s.layers * s.directions(), s.packed ? s.packed->sizes[0] : s.x.sizes()[1], h.size(2)}});
    PC_CHECK(h.dtype() == s.x.dtype(), s.name, ": ", what,
             " must have the dtype of the input; got ", scalar_type_name(h.dtype()), "; expected ",
             scalar_type_name(s.x.dtype()));
    PC_CHECK(h.size(2) > 0, s.name, ": ", what, " must not be empty; got ", h.sizes());
  };
  check_state("hx[0]", s.h0);
  if (s.c0.defined()) check_state("hx[1]", s.c0);
  // In two steps, since layers * directions * per_cell may overflow.
  const int64_t cells = static_cast<int64_t>(s.params.size() / s.per_cell());
  PC_CHECK(s.params.size() % s.per_cell() == 0 && cells % s.directions() == 0 &&
               cells / s.directions() == s.layers,
           "got an incorrect number of RNN parameters");
}

std::shared_ptr<const PackedSteps> packed_steps(const char* name, const Tensor& data,
                                                const Tensor& batch_sizes) {
  PC_CHECK(batch_sizes.dtype() == DType::int64, "expected scalar type Long but found ",
           scalar_type_name(batch_sizes.dtype()));
  PC_CHECK(batch_sizes.dim() == 1 && batch_sizes.numel() > 0, name,
           ": batch_sizes must be a vector with one size per step; got shape ",
           batch_sizes.sizes());
  PC_CHECK(data.dim() == 2, "input must have 2 dimensions, got ", data.dim());
  const Tensor dense = contiguous(batch_sizes);
  auto steps = std::make_shared<PackedSteps>();
  int64_t rows = 0;
  for (int64_t i = 0; i < dense.numel(); ++i) {
    const int64_t n = dense.data<int64_t>()[i];
    PC_CHECK(n > 0 && (i == 0 || n <= steps->sizes.back()), name,
             ": batch_sizes must be positive and never grow; got ", n, " at step ", i);
    PC_CHECK(n <= data.sizes()[0] - rows, name, ": batch_sizes ask for more rows than there are; ",
             "got ", data.sizes()[0], " rows of data");
    steps->sizes.push_back(n);
    steps->offsets.push_back(rows);
    rows += n;
  }
  PC_CHECK(rows == data.sizes()[0], name, ": batch_sizes must add up to the rows of data; got ",
           rows, "; expected ", data.sizes()[0]);
  return steps;
}

// --- stacks of layers
// ------------------------------------------------------------------------------------------------------------

// The states of all layers; users of PyTorch know them as the result of a stack.
Tensor joined_states(const std::vector<Tensor>& layers) {
  constexpr const char* kName = "StackBackward0";
  Tensor all = layers.size() == 1 ? layers[0] : cat(layers, 0);
  if (!all.requires_grad() || std::string_view(grad_fn(all)->name) == kName) return all;
  if (layers.size() == 1) all = alias_view(all);
  grad_fn(all)->name = kName;
  return all;
}

RecurrentOutput run_stack(const Stack& s) {
  check_stack(s);
  const int64_t directions = s.directions();
  RecurrentSpec spec{s.kind, false, directions, s.packed};
  const auto part = [&](const Tensor& h, int64_t layer) {
    return !h.defined() || s.layers == 1 ? h : narrow(h, 0, layer * directions, directions);
  };
  // All weights are checked before anything is computed.
  std::vector<RecurrentInput> layers;
  for (int64_t i = 0; i < s.layers; ++i) {
    const int64_t features = i == 0 ? s.x.size(-1) : directions * s.h0.size(2);
    layers.push_back({Tensor(), part(s.h0, i), part(s.c0, i), layer_weights(s, i, features)});
  }
  Tensor x = s.x;
  std::vector<Tensor> hn, cn;
  for (int64_t i = 0; i < s.layers; ++i) {
    RecurrentInput& in = layers[static_cast<size_t>(i)];
    in.x = x;
    const RecurrentOutput r = recurrent_layer(spec, in);
    x = i + 1 < s.layers ? dropout(r.out, s.dropout, s.train) : r.out;
    hn.push_back(r.hn);
    if (r.cn.defined()) cn.push_back(r.cn);
  }
  return {x, joined_states(hn), cn.empty() ? Tensor() : joined_states(cn)};
}

// Fills in what the two forms of an operator (padded, packed) differ in, and runs it.
RecurrentOutput run_padded(Stack s, const Tensor& input, bool batch_first) {
  s.x = input;
  if (batch_first) {
    PC_CHECK(input.dim() == 3, "input must have 3 dimensions, got ", input.dim());
    s.x = transpose(input, 0, 1);
  }
  RecurrentOutput r = run_stack(s);
  if (batch_first) r.out = transpose(r.out, 0, 1);
  return r;
}
RecurrentOutput run_packed(Stack s, const Tensor& data, const Tensor& batch_sizes) {
  s.packed = packed_steps(s.name, data, batch_sizes);
  s.x = data;
  return run_stack(s);
}

Stack stack_of(Recurrence kind, const char* name, TensorList params, bool has_biases,
               int64_t num_layers, double dropout, bool train, bool bidirectional) {
  Stack s;
  s.kind = kind;
  s.name = name;
  s.params = params;
  s.has_biases = has_biases;
  s.layers = num_layers;
  s.dropout = dropout;
  s.train = train;
  s.bidirectional = bidirectional;
  return s;
}

void set_lstm_states(Stack& s, TensorList hx) {
  PC_CHECK(hx.size() == 2, "lstm expects two hidden states");
  s.h0 = hx[0];
  s.c0 = hx[1];
}

std::tuple<Tensor, Tensor, Tensor> three(RecurrentOutput r) { return {r.out, r.hn, r.cn}; }
std::tuple<Tensor, Tensor> two(RecurrentOutput r) { return {r.out, r.hn}; }

std::tuple<Tensor, Tensor, Tensor> lstm(const Tensor& input, TensorList hx, TensorList params,
                                        bool has_biases, int64_t num_layers, double dropout,
                                        bool train, bool bidirectional, bool batch_first) {
  Stack s = stack_of(Recurrence::lstm, "lstm", params, has_biases, num_layers, dropout, train,
                     bidirectional);
  set_lstm_states(s, hx);
  return three(run_padded(std::move(s), input, batch_first));
}
std::tuple<Tensor, Tensor, Tensor> lstm_packed(const Tensor& data, const Tensor& batch_sizes,
                                               TensorList hx, TensorList params, bool has_biases,
                                               int64_t num_layers, double dropout, bool train,
                                               bool bidirectional) {
  Stack s = stack_of(Recurrence::lstm, "lstm", params, has_biases, num_layers, dropout, train,
                     bidirectional);
  set_lstm_states(s, hx);
  return three(run_packed(std::move(s), data, batch_sizes));
}

template <Recurrence kKind>
constexpr const char* kName = kKind == Recurrence::gru        ? "gru"
                              : kKind == Recurrence::rnn_tanh ? "rnn_tanh"
                                                              : "rnn_relu";

template <Recurrence kKind>
std::tuple<Tensor, Tensor> padded(const Tensor& input, const Tensor& hx, TensorList params,
                                  bool has_biases, int64_t num_layers, double dropout, bool train,
                                  bool bidirectional, bool batch_first) {
  Stack s =
      stack_of(kKind, kName<kKind>, params, has_biases, num_layers, dropout, train, bidirectional);
  s.h0 = hx;
  return two(run_padded(std::move(s), input, batch_first));
}
template <Recurrence kKind>
std::tuple<Tensor, Tensor> packed(const Tensor& data, const Tensor& batch_sizes, const Tensor& hx,
                                  TensorList params, bool has_biases, int64_t num_layers,
                                  double dropout, bool train, bool bidirectional) {
  Stack s =
      stack_of(kKind, kName<kKind>, params, has_biases, num_layers, dropout, train, bidirectional);
  s.h0 = hx;
  return two(run_packed(std::move(s), data, batch_sizes));
}

// --- cells
// ------------------------------------------------------------------------------------------------------------

RecurrentOutput run_cell(Recurrence kind, const char* name, const Tensor& x, TensorList hx,
                         const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih,
                         const Tensor& b_hh) {
  PC_CHECK_IMPLEMENTED(x.is_floating(), "\"", name, "\" not implemented for '",
                       scalar_type_name(x.dtype()), "'");
  const auto check_dims = [&](const char* what, const Tensor& t, int64_t dims) {
    PC_CHECK(t.dim() == dims, name, ": ", what, " must have ", dims, " dimensions; got ", t.dim());
  };
  check_dims("input", x, 2);
  for (const Tensor& h : hx) check_dims("hx", h, 2);
  check_dims("w_ih", w_ih, 2);
  check_dims("w_hh", w_hh, 2);
  const int64_t hidden = w_hh.sizes()[1], gates = recurrent_gates(kind), width = gates * hidden;
  PC_CHECK(hidden > 0, name, ": w_hh must not be empty; got ", w_hh.sizes());
  PC_CHECK(x.sizes()[1] == w_ih.sizes()[1], "input has inconsistent input_size: got ", x.sizes()[1],
           " expected ", w_ih.sizes()[1]);
  for (size_t i = 0; i < hx.size(); ++i) {
    PC_CHECK(x.sizes()[0] == hx[i].sizes()[0], "Input batch size ", x.sizes()[0],
             " doesn't match hidden", i, " batch size ", hx[i].sizes()[0]);
    PC_CHECK(hx[i].sizes()[1] == hidden, "hidden", i, " has inconsistent hidden_size: got ",
             hx[i].sizes()[1], ", expected ", hidden);
  }
  PC_CHECK(w_ih.sizes()[0] == width, "weight_ih first dim must be ", gates,
           " * hidden_size = ", width, ", but got ", w_ih.sizes()[0]);
  PC_CHECK(w_hh.sizes()[0] == width, "weight_hh first dim must be ", gates,
           " * hidden_size = ", width, ", but got ", w_hh.sizes()[0]);
  W w;
  w.t = {w_ih, w_hh, b_ih, b_hh, Tensor()};
  for (int i : {W::bias_ih, W::bias_hh}) {
    const Tensor& b = w.t[static_cast<size_t>(i)];
    if (b.defined()) check_shape(name, i == W::bias_ih ? "b_ih" : "b_hh", b, {{width}});
  }
  for (const Tensor* t : {&w_ih, &w_hh, &b_ih, &b_hh, &hx[0], &hx[hx.size() - 1]}) {
    PC_CHECK(!t->defined() || t->dtype() == x.dtype(),
             "mat1 and mat2 must have the same dtype, but got ", scalar_type_name(x.dtype()),
             " and ", scalar_type_name(t->dtype()));
  }
  return recurrent_layer({kind, true, 1, nullptr},
                         {x, hx[0], hx.size() > 1 ? hx[1] : Tensor(), {w}});
}

std::tuple<Tensor, Tensor> lstm_cell(const Tensor& input, TensorList hx, const Tensor& w_ih,
                                     const Tensor& w_hh, const Tensor& b_ih, const Tensor& b_hh) {
  PC_CHECK(hx.size() == 2, "lstm_cell expects two hidden states");
  RecurrentOutput r = run_cell(Recurrence::lstm, "lstm_cell", input, hx, w_ih, w_hh, b_ih, b_hh);
  return {r.out, r.cn};
}
template <Recurrence kKind>
Tensor cell(const Tensor& input, const Tensor& hx, const Tensor& w_ih, const Tensor& w_hh,
            const Tensor& b_ih, const Tensor& b_hh) {
  const char* name = kKind == Recurrence::gru        ? "gru_cell"
                     : kKind == Recurrence::rnn_tanh ? "rnn_tanh_cell"
                                                     : "rnn_relu_cell";
  return run_cell(kKind, name, input, {&hx, 1}, w_ih, w_hh, b_ih, b_hh).out;
}

}  // namespace

PYCORE_OP(
    "lstm(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, "
    "float dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)",
    lstm, kFunction, R"(
Long short-term memory over whole sequences (Hochreiter, Schmidhuber 1997, with the forget gate of
Gers et al. 2000): the outputs of all steps, and the last ``h`` and ``c``. ``nn.LSTM`` holds the weights.

``input`` (steps, batch, features), or with the first two exchanged if ``batch_first``; ``hx`` is
``[h, c]``, each (layers * directions, batch, hidden). ``params`` lists for each layer and direction
``weight_ih`` (4 * hidden, features), ``weight_hh`` (4 * hidden, hidden), with ``has_biases`` two biases
(4 * hidden), and a projection (proj, hidden) where ``h`` is narrower than ``c``. Gates come in the order
input, forget, cell, output. Between layers ``dropout`` acts if ``train``.

>>> m = pycore.nn.LSTM(2, 3)
>>> h = pycore.zeros(1, 4, 3)
>>> out, h, c = pycore.lstm(pycore.ones(5, 4, 2), [h, h], m._flat_weights, True, 1, 0., False, False, False)
>>> out.shape, c.shape
(pycore.Size([5, 4, 3]), pycore.Size([1, 4, 3]))
)");
PYCORE_OP(
    "lstm(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, "
    "int num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)",
    lstm_packed, kFunction, R"(
The same on packed sequences: ``data`` (rows, features) holds the steps one after another, of which
``batch_sizes`` tells how many sequences still run.

>>> m = pycore.nn.LSTM(2, 3)
>>> h = pycore.zeros(1, 2, 3)
>>> sizes = pycore.tensor([2, 1])
>>> pycore.lstm(pycore.ones(3, 2), sizes, [h, h], m._flat_weights, True, 1, 0., False, False)[0].shape
pycore.Size([3, 3])
)");

#define PC_RECURRENT_DOC(op, Module, text)                                                       \
  text "\n\nArguments as those of ``lstm``, with one state ``hx``; ``nn." Module                 \
       "`` holds the weights.\n\n>>> m = pycore.nn." Module                                      \
       "(2, 3)\n>>> h = pycore.zeros(1, 4, 3)\n>>> x = pycore.ones(5, 4, 2)\n>>> pycore." op     \
       "(x, h, m._flat_weights, True, 1, 0., False, False, False)[0].shape\npycore.Size([5, 4, " \
       "3])\n"
#define PC_RECURRENT_OPS(op, KIND, Module, text)                                                  \
  PYCORE_OP(op                                                                                    \
            "(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float "  \
            "dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",     \
            padded<Recurrence::KIND>, kFunction, PC_RECURRENT_DOC(op, Module, text));             \
  PYCORE_OP(op                                                                                    \
            "(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int " \
            "num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",     \
            packed<Recurrence::KIND>, kFunction, "")

PC_RECURRENT_OPS("gru", gru, "GRU",
                 "Gated recurrent units over whole sequences (Cho et al. 2014; the reset gate acts "
                 "on the recurrent\nproduct): the outputs of all steps and the last ``h``. Gates "
                 "come in the order reset, update, new.");
PC_RECURRENT_OPS("rnn_tanh", rnn_tanh, "RNN",
                 "The simple recurrent network ``h = tanh(W_ih x + b_ih + W_hh h + b_hh)`` (Elman "
                 "1990) over whole\nsequences: the outputs of all steps and the last ``h``.");
PC_RECURRENT_OPS("rnn_relu", rnn_relu, "RNN",
                 "The simple recurrent network ``h = relu(W_ih x + b_ih + W_hh h + b_hh)`` over "
                 "whole sequences: the\noutputs of all steps and the last ``h``.");

PYCORE_OP(
    "lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, "
    "Tensor? b_hh=None) -> (Tensor, Tensor)",
    lstm_cell, kFunction, R"(
One step of an LSTM: ``input`` (batch, features) and ``hx = [h, c]``, each (batch, hidden), give the next
``h`` and ``c``. Weights are those of ``lstm``.

>>> m = pycore.nn.LSTMCell(2, 3)
>>> h = pycore.zeros(4, 3)
>>> h, c = pycore.lstm_cell(pycore.ones(4, 2), [h, h], m.weight_ih, m.weight_hh, m.bias_ih, m.bias_hh)
>>> h.shape
pycore.Size([4, 3])
)");

#define PC_CELL_OP(op, KIND, Module, what)                                                      \
  PYCORE_OP(op                                                                                  \
            "(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? "   \
            "b_hh=None) -> Tensor",                                                             \
            cell<Recurrence::KIND>, kFunction,                                                  \
            "One step of " what                                                                 \
            ": ``input`` (batch, features) and ``hx`` (batch, hidden) give the next ``h``.\n\n" \
            ">>> m = pycore.nn." Module "(2, 3)\n>>> h = pycore.zeros(4, 3)\n>>> pycore." op    \
            "(pycore.ones(4, 2), h, m.weight_ih, m.weight_hh).shape\npycore.Size([4, 3])\n")

PC_CELL_OP("gru_cell", gru, "GRUCell", "a GRU");
PC_CELL_OP("rnn_tanh_cell", rnn_tanh, "RNNCell", "a simple recurrent network with tanh");
PC_CELL_OP("rnn_relu_cell", rnn_relu, "RNNCell", "a simple recurrent network with relu");

}  // namespace pycore
