// A recurrent layer as one node: the forward and the backward pass over all steps run in the
// kernels of kernels/recurrent.h, the products with the input and the gradients of the weights as
// one matrix product each. Must not know Python.
#include <algorithm>

#include "autograd/engine.h"
#include "kernels/gemm.h"
#include "kernels/recurrent.h"
#include "ops/kernel_support.h"
#include "ops/recurrent.h"

namespace pycore {
namespace {

using W = RecurrentWeights;
using kernels::RecurrentRows;

// Sizes of a call, and where its rows lie.
struct Layout {
  kernels::RecurrentShape shape;
  int64_t features = 0, rows = 0;  // rows: all steps of all sequences
  int64_t directions = 1, gates = 1;
  bool batch_major = false;  // x lies as [batch, steps, features]

  Layout(const RecurrentSpec& spec, const RecurrentInput& in) : directions(spec.directions) {
    const Tensor& x = in.x;
    shape.kind = spec.kind;
    shape.hidden = in.weights[0].hidden(spec.kind);
    shape.state = in.weights[0].t[W::hh].sizes()[1];
    gates = recurrent_gates(spec.kind);
    features = x.size(-1);
    if (spec.cell) {
      shape.steps = 1;
      rows = shape.batch = x.sizes()[0];
    } else if (spec.packed) {
      shape.steps = static_cast<int64_t>(spec.packed->sizes.size());
      shape.batch = spec.packed->sizes.front();
      shape.sizes = spec.packed->sizes.data();
      shape.offsets = spec.packed->offsets.data();
      rows = x.sizes()[0];
    } else {
      shape.steps = x.sizes()[0];
      shape.batch = x.sizes()[1];
      rows = shape.steps * shape.batch;
      batch_major = !x.is_contiguous() && x.strides()[2] == 1 && x.strides()[0] == features &&
                    x.strides()[1] == shape.steps * features;
    }
  }
  // An array whose rows lie in the order of x.
  RecurrentRows as_input(void* data, int64_t width) const {
    return {data, (batch_major ? 1 : shape.batch) * width,
            (batch_major && !shape.sizes ? shape.steps : 1) * width};
  }
  RecurrentRows in_order(void* data, int64_t width) const {
    return {data, shape.batch * width, width};
  }
  // Products pay for packing from the second step on.
  bool direct() const { return shape.steps == 1 && shape.state == shape.hidden; }
};

char* element(const Tensor& t, int64_t i) { return t->data + i * t.item_size(); }
void* direction_of(const Tensor& t, int64_t k, int64_t directions) {
  return t.defined() ? element(t, k * (t.numel() / directions)) : nullptr;
}

// Elements from one row of gates to the next. Rows a multiple of 4 KB apart share a set of the L1
// cache, and a load waits for the stores to the row before, which has the same address but for the
// page; so rows keep a line's distance.
int64_t row_pitch(int64_t width, DType dtype) {
  const int64_t size = item_size(dtype);
  return width * size % 4096 == 0 ? width + 64 / size : width;
}

// c[m, n] (+)= a[m, k] b[k, n], by strides; c is dense or has rows `c_row` apart.
struct Product {
  DType dtype;
  kernels::GemmArgs g;
  Product(DType dtype, int64_t m, int64_t n, int64_t k) : dtype(dtype) {
    g.m = m;
    g.n = n;
    g.k = k;
    g.c_row = n;
  }
  Product& a(const void* p, int64_t row, int64_t col) {
    g.a = p;
    g.a_row = row;
    g.a_col = col;
    return *this;
  }
  Product& b(const void* p, int64_t row, int64_t col) {
    g.b = p;
    g.b_row = row;
    g.b_col = col;
    return *this;
  }
  void into(void* c, bool accumulate = false, const void* bias = nullptr) {
    g.c = c;
    g.accumulate = accumulate;
    g.bias_col = bias;
    kernels_for("gemm", dtype).gemm->run[static_cast<int>(dtype)](kernel_context(), g);
  }
};

// What the input products start from. A GRU's second bias of new stays inside the reset gate.
Tensor input_bias(const W& w, int64_t summed) {
  const Tensor &a = w.t[W::bias_ih], &b = w.t[W::bias_hh];
  if (!a.defined() && !b.defined()) return a;
  const int64_t n = w.t[W::ih].sizes()[0];
  Tensor out = empty({{n}}, w.t[W::ih].dtype());
  const auto add = [&]<class T>(T*) {
    const T* x = a.defined() ? a.data<T>() : nullptr;
    const T* y = b.defined() ? b.data<T>() : nullptr;
    T* o = out.data<T>();
    for (int64_t i = 0; i < n; ++i) o[i] = (x ? x[i] : 0) + (y && i < summed ? y[i] : 0);
  };
  if (out.dtype() == DType::float32)
    add(static_cast<float*>(nullptr));
  else
    add(static_cast<double*>(nullptr));
  return out;
}

// Calls f on what a kernel reads; x may lie in an order of its own.
template <class Input, class F>
void over_operands(Input& in, bool keep_order, const F& f) {
  if (!keep_order) f(in.x);
  f(in.h0);
  f(in.c0);
  for (auto& w : in.weights)
    for (auto& t : w.t) f(t);
}
// The same operands, all of them dense: `in` itself, or `copies` of those that are not. Handing out
// references matters: counting a dozen tensors up and down costs as much as a step.
const RecurrentInput& prepared(const RecurrentInput& in, bool keep_order, RecurrentInput& copies) {
  bool dense = true;
  over_operands(in, keep_order,
                [&](const Tensor& t) { dense = dense && (!t.defined() || t.is_contiguous()); });
  if (dense) return in;
  copies = in;
  over_operands(copies, keep_order,
                [](Tensor& t) { t = t.defined() ? kernel_input(t, t.dtype()) : t; });
  return copies;
}

// What forward leaves for backward, for one direction.
struct Kept {
  Tensor gates, saved;
};

RecurrentOutput run(const RecurrentSpec& spec, const Layout& l, const RecurrentInput& in, bool keep,
                    std::vector<Kept>& kept) {
  const DType dtype = in.x.dtype();
  const int64_t H = l.shape.hidden, S = l.shape.state, D = l.directions, width = l.gates * H;
  const int64_t pitch = row_pitch(width, dtype);
  const bool lstm = spec.kind == Recurrence::lstm, gru = spec.kind == Recurrence::gru;
  RecurrentOutput r;
  if (spec.cell || spec.packed)
    r.out = empty({{l.rows, D * S}}, dtype);
  else
    r.out = empty({{l.shape.steps, l.shape.batch, D * S}}, dtype);
  if (!spec.cell) r.hn = empty(in.h0.sizes(), dtype);
  if (lstm) r.cn = empty(in.c0.sizes(), dtype);

  kernels::RecurrentForward d[2];
  for (int64_t k = 0; k < D; ++k) {
    const W& w = in.weights[static_cast<size_t>(k)];
    Kept& mine = kept[static_cast<size_t>(k)];
    mine.gates = empty({{l.rows, pitch}}, dtype);
    const bool direct = l.direct();
    if ((keep && (lstm || gru)) || (gru && direct)) mine.saved = empty({{l.rows, H}}, dtype);
    const Tensor bias = input_bias(w, gru ? 2 * H : width);
    Product input(dtype, l.rows, width, l.features);
    input.g.c_row = pitch;
    input.a(in.x->data, l.features, 1)
        .b(w.t[W::ih]->data, 1, l.features)
        .into(mine.gates->data, false, data_or_null(bias));
    void* h0 = direction_of(in.h0, k, D);
    if (direct) {
      const int64_t summed = gru ? 2 * H : width;
      Product p(dtype, l.rows, summed, S);
      p.g.c_row = pitch;
      p.a(h0, S, 1).b(w.t[W::hh]->data, 1, S).into(mine.gates->data, true);
      if (gru)
        Product(dtype, l.rows, H, S)
            .a(h0, S, 1)
            .b(element(w.t[W::hh], summed * S), 1, S)
            .into(mine.saved->data);
    }
    kernels::RecurrentForward& f = d[k];
    f.reverse = k == 1;
    f.keep = keep;
    f.direct = direct;
    f.weight_hh = w.t[W::hh]->data;
    f.weight_hr = data_or_null(w.t[W::hr]);
    if (gru && w.t[W::bias_hh].defined()) f.bias_new = element(w.t[W::bias_hh], 2 * H);
    f.h0 = h0;
    f.c0 = direction_of(in.c0, k, D);
    f.gates = l.as_input(mine.gates->data, pitch);
    f.saved = l.as_input(mine.saved.defined() ? mine.saved->data : nullptr, H);
    f.out = l.in_order(element(r.out, k * S), D * S);
    f.hn = direction_of(r.hn, k, D);
    f.cn = direction_of(r.cn, k, D);
  }
  kernels_for("recurrent", dtype)
      .recurrent->forward[static_cast<int>(dtype)](kernel_context(), l.shape, d,
                                                   static_cast<int>(D));
  return r;
}

struct RecurrentBackward0 {
  static constexpr const char* name = "StackBackward0";
  RecurrentSpec spec;
  Saved x, h0, c0, out;
  std::vector<std::array<Saved, W::count>> weights;
  std::vector<Kept> kept;

  // Edges: x, h0, c0, then the weights of each direction.
  static uint32_t edge(int64_t k, int which) {
    return static_cast<uint32_t>(3 + k * W::count + which);
  }

  RecurrentInput inputs(Backward& b) const {
    RecurrentInput in{b.get(x), b.get(h0), b.get(c0), {}};
    for (const auto& w : weights) {
      in.weights.emplace_back();
      for (size_t i = 0; i < W::count; ++i) in.weights.back().t[i] = b.get(w[i]);
    }
    return in;
  }

  void operator()(Backward& b) { grad_enabled() ? composed(b) : fused(b); }

  // Derivatives that can be differentiated again: those of the composite.
  void composed(Backward& b) const {
    RecurrentInput in = inputs(b);
    std::vector<uint32_t> wanted;
    BackwardRequest request;
    const auto track = [&](Tensor& t, uint32_t i) {
      if (!b.needs(i)) return;
      t = alias_view(t);  // a gradient of its own, even where one tensor is two inputs
      wanted.push_back(i);
      request.inputs.push_back(gradient_edge(t));
    };
    track(in.x, 0);
    track(in.h0, 1);
    track(in.c0, 2);
    for (size_t k = 0; k < in.weights.size(); ++k)
      for (int i = 0; i < W::count; ++i)
        track(in.weights[k].t[static_cast<size_t>(i)], edge(static_cast<int64_t>(k), i));
    const RecurrentOutput r = recurrent_composite(spec, in);
    const Tensor* outputs[3] = {&r.out, &r.hn, &r.cn};
    for (uint32_t i = 0; i < 3; ++i) {
      if (!b.has_grad(i) || !outputs[i]->requires_grad()) continue;
      request.roots.push_back(gradient_edge(*outputs[i]));
      request.grads.push_back(b.grad(i));
    }
    request.retain_graph = request.create_graph = true;
    request.accumulate = false;
    std::vector<Tensor> grads = run_backward(request);
    for (size_t i = 0; i < wanted.size(); ++i) b.set(wanted[i], grads[i]);
  }

  void fused(Backward& b) const {
    const RecurrentInput given = inputs(b);
    const Layout l(spec, given);
    RecurrentInput copies;
    const RecurrentInput& in = prepared(given, l.batch_major, copies);
    const Tensor y = b.get(out);
    const DType dtype = in.x.dtype();
    const int64_t H = l.shape.hidden, S = l.shape.state, D = l.directions;
    const int64_t width = recurrent_gradients(spec.kind) * H, gates = l.gates * H;
    const int64_t pitch = row_pitch(width, dtype);
    const bool gru = spec.kind == Recurrence::gru, projected = S != H;
    const auto dense = [](const Tensor& g) { return g.defined() ? kernel_input(g, g.dtype()) : g; };
    Tensor gy = b.grad(0);
    if (gy.defined() && gy.strides()[gy.dim() - 1] != 1) gy = dense(gy);
    const Tensor ghn = dense(b.grad(1)), gcn = dense(b.grad(2));
    Tensor gh0, gc0;
    if (b.needs(1)) gh0 = empty(in.h0.sizes(), dtype);
    if (b.needs(2)) gc0 = empty(in.c0.sizes(), dtype);

    // Gradients of the gates take the place of the gates, which nobody reads again: a third less
    // memory to go through. Should this fail midway, the node has nothing left to start from.
    const bool in_place = width == gates && used_last(b.node());
    if (in_place) b.node()->released = true;
    kernels::RecurrentBackward d[2];
    std::vector<Tensor> gradients, previous, grad_state, unprojected;
    for (int64_t k = 0; k < D; ++k) {
      const W& w = in.weights[static_cast<size_t>(k)];
      const Kept& mine = kept[static_cast<size_t>(k)];
      gradients.push_back(in_place ? mine.gates : empty({{l.rows, pitch}}, dtype));
      previous.push_back(empty({{l.rows, S}}, dtype));
      kernels::RecurrentBackward& f = d[k];
      f.reverse = k == 1;
      f.direct = l.direct();
      f.weight_hh = w.t[W::hh]->data;
      f.h0 = direction_of(in.h0, k, D);
      f.c0 = direction_of(in.c0, k, D);
      f.gates = l.as_input(mine.gates->data, row_pitch(gates, dtype));
      f.saved = l.as_input(mine.saved.defined() ? mine.saved->data : nullptr, H);
      f.out = l.in_order(element(y, k * S), D * S);
      if (gy.defined()) {
        const bool steps = gy.dim() == 3;
        f.grad_out = {element(gy, k * S), steps ? gy.strides()[0] : 0, gy.strides()[steps ? 1 : 0]};
      }
      f.grad_hn = direction_of(ghn, k, D);
      f.grad_cn = direction_of(gcn, k, D);
      f.gradients = l.as_input(gradients.back()->data, pitch);
      f.previous = l.as_input(previous.back()->data, S);
      if (projected) {
        f.weight_hr = w.t[W::hr]->data;
        grad_state.push_back(empty({{l.rows, S}}, dtype));
        unprojected.push_back(empty({{l.rows, H}}, dtype));
        f.grad_state = l.as_input(grad_state.back()->data, S);
        f.unprojected = l.as_input(unprojected.back()->data, H);
      }
      f.grad_h0 = direction_of(gh0, k, D);
      f.grad_c0 = direction_of(gc0, k, D);
    }
    kernels_for("recurrent gradient", dtype)
        .recurrent->backward[static_cast<int>(dtype)](kernel_context(), l.shape, d,
                                                      static_cast<int>(D));

    // A GRU's row of gradients is new, reset, update, recurrent new: the input's weights see the
    // first three, the recurrent ones the last three.
    const int64_t skip = gru ? H : 0;
    Tensor gx;
    if (b.needs(0)) {
      if (l.batch_major) {
        gx = empty({{l.shape.batch, l.shape.steps, l.features}}, dtype);
      } else {
        gx = empty(in.x.sizes(), dtype);
      }
    }
    for (int64_t k = 0; k < D; ++k) {
      const W& w = in.weights[static_cast<size_t>(k)];
      const Tensor& g = gradients[static_cast<size_t>(k)];
      // Blocks of gates of the input's weights: first row there, first column of the gradients.
      struct Block {
        int64_t row, column, count;
      };
      const Block blocks[2] = {{0, skip, gates - skip}, {gates - skip, 0, skip}};
      for (const Block& block : blocks) {
        if (gx.defined() && block.count)
          Product(dtype, l.rows, l.features, block.count)
              .a(element(g, block.column), pitch, 1)
              .b(element(w.t[W::ih], block.row * l.features), l.features, 1)
              .into(gx->data, k > 0 || block.row > 0);
      }
      if (l.direct() && gh0.defined()) {
        Product(dtype, l.rows, S, gates)
            .a(element(g, skip), pitch, 1)
            .b(w.t[W::hh]->data, S, 1)
            .into(direction_of(gh0, k, D), true);
      }
      if (b.needs(edge(k, W::ih))) {
        Tensor gw = empty(w.t[W::ih].sizes(), dtype);
        for (const Block& block : blocks) {
          if (block.count)
            Product(dtype, block.count, l.features, l.rows)
                .a(element(g, block.column), 1, pitch)
                .b(in.x->data, l.features, 1)
                .into(element(gw, block.row * l.features));
        }
        b.set(edge(k, W::ih), gw);
      }
      if (b.needs(edge(k, W::hh))) {
        Tensor gw = empty(w.t[W::hh].sizes(), dtype);
        Product(dtype, gates, S, l.rows)
            .a(element(g, skip), 1, pitch)
            .b(previous[static_cast<size_t>(k)]->data, S, 1)
            .into(gw->data);
        b.set(edge(k, W::hh), gw);
      }
      if (b.needs(edge(k, W::bias_ih)) || b.needs(edge(k, W::bias_hh))) {
        const int64_t over[1] = {0};
        const Tensor sums = sum_dims(pitch == width ? g : narrow(g, 1, 0, width), over, false);
        if (b.needs(edge(k, W::bias_hh)))
          b.set(edge(k, W::bias_hh), clone_data(narrow(sums, 0, skip, gates)));
        if (b.needs(edge(k, W::bias_ih))) {
          b.set(edge(k, W::bias_ih),
                gru ? cat(std::vector<Tensor>{narrow(sums, 0, H, 2 * H), narrow(sums, 0, 0, H)}, 0)
                    : sums);
        }
      }
      if (projected && b.needs(edge(k, W::hr))) {
        Tensor gw = empty(w.t[W::hr].sizes(), dtype);
        Product(dtype, S, H, l.rows)
            .a(grad_state[static_cast<size_t>(k)]->data, 1, S)
            .b(unprojected[static_cast<size_t>(k)]->data, H, 1)
            .into(gw->data);
        b.set(edge(k, W::hr), gw);
      }
    }
    if (gx.defined()) b.set(0, l.batch_major ? transpose(gx, 0, 1) : gx);
    b.set(1, gh0);
    b.set(2, gc0);
  }
};

// The names in which PyTorch's compositions end.
const char* node_name(const RecurrentSpec& spec, const RecurrentInput& in) {
  if (spec.cell) {
    switch (spec.kind) {
      case Recurrence::lstm:
        return "MulBackward0";
      case Recurrence::gru:
        return "AddBackward0";
      case Recurrence::rnn_tanh:
        return "TanhBackward0";
      case Recurrence::rnn_relu:
        return "ReluBackward0";
    }
  }
  if (spec.directions == 2 || spec.packed) return "CatBackward0";
  const bool projected = in.weights[0].t[W::hr].defined();
  return spec.kind == Recurrence::lstm && in.x.dtype() == DType::float32 && !projected
             ? "MkldnnRnnLayerBackward0"
             : "StackBackward0";
}

}  // namespace

// Whether products in bfloat16 gain more than a step's other operators cost. Recorded steps have
// more of these, and keep to float32.
static bool pays_in_bfloat16(const RecurrentInput& in) {
  if (in.x.dtype() != DType::bfloat16 || !kernels_now().gemm->multiplies_bfloat16) return false;
  const RecurrentWeights& w = in.weights[0];
  constexpr int64_t kLeast = 1 << 20;  // multiply-adds of a step
  return !grad_enabled() && in.h0.sizes()[in.h0.dim() - 2] * w.t[W::hh].numel() >= kLeast;
}

// 16-bit floats: all steps in float32, the results rounded once.
static RecurrentOutput widened_layer(const RecurrentSpec& spec, RecurrentInput in) {
  if (pays_in_bfloat16(in)) return recurrent_composite(spec, in);
  const DType dtype = in.x.dtype();
  const auto each = [](RecurrentInput& i, const auto& f) {
    f(i.x);
    f(i.h0);
    f(i.c0);
    for (W& w : i.weights)
      for (Tensor& t : w.t) f(t);
  };
  bool same = true;
  each(in, [&](const Tensor& t) { same = same && (!t.defined() || t.dtype() == dtype); });
  if (!same) return recurrent_composite(spec, in);  // where dtypes meet as their operators say
  each(in, [](Tensor& t) {
    if (t.defined()) t = to_dtype(t, DType::float32);
  });
  RecurrentOutput r = recurrent_layer(spec, in);
  for (Tensor* t : {&r.out, &r.hn, &r.cn})
    if (t->defined()) *t = to_dtype(*t, dtype);
  return r;
}

RecurrentOutput recurrent_layer(const RecurrentSpec& spec, const RecurrentInput& in) {
  const DType dtype = in.x.dtype();
  if (is_reduced_float(dtype)) return widened_layer(spec, in);
  if (dtype != DType::float32 && dtype != DType::float64) return recurrent_composite(spec, in);
  std::vector<Tensor> edges;
  if (grad_enabled()) {
    edges = {in.x, in.h0, in.c0};
    for (const W& w : in.weights) edges.insert(edges.end(), w.t.begin(), w.t.end());
  }
  const bool keep = recording(TensorList(edges));
  const Layout l(spec, in);
  std::vector<Kept> kept(in.weights.size());
  RecurrentOutput r;
  {
    GradGuard off(false);
    RecurrentInput copies;
    r = run(spec, l, prepared(in, l.batch_major, copies), keep, kept);
  }
  if (!keep) return r;
  RecurrentBackward0 rule;
  rule.spec = spec;
  rule.x = Saved(in.x);
  rule.h0 = Saved(in.h0);
  rule.c0 = Saved(in.c0);
  for (const W& w : in.weights) {
    rule.weights.emplace_back();
    for (size_t i = 0; i < W::count; ++i) rule.weights.back()[i] = Saved(w.t[i]);
  }
  rule.kept = std::move(kept);
  rule.out = Saved::output(r.out);
  const std::vector<Tensor> outs{r.out, r.hn, r.cn};
  Ref<Node> node = record_many(outs, std::move(rule), edges);
  node->name = node_name(spec, in);
  return r;
}

}  // namespace pycore
