// A recurrent layer as the textbook has it, step by step in differentiable operators. Must not know
// kernels.
#include "ops/recurrent.h"

namespace pycore {
namespace {

using W = RecurrentWeights;

struct State {
  Tensor h, c;
};

// One step of some sequences; `x` is the input's part of the gates.
State step(Recurrence kind, const Tensor& x, const State& s, const W& w) {
  const Tensor y = linear(s.h, w.t[W::hh], w.t[W::bias_hh]);
  const int64_t hidden = w.hidden(kind);
  const auto part = [&](const Tensor& t, int64_t gate) {
    return narrow(t, 1, gate * hidden, hidden);
  };
  switch (kind) {
    case Recurrence::lstm: {
      const Tensor gates = x + y;
      const Tensor i = sigmoid(part(gates, 0)), f = sigmoid(part(gates, 1)),
                   g = tanh(part(gates, 2)), o = sigmoid(part(gates, 3));
      const Tensor c = f * s.c + i * g;
      const Tensor h = o * tanh(c);
      return {w.t[W::hr].defined() ? linear(h, w.t[W::hr], Tensor()) : h, c};
    }
    case Recurrence::gru: {
      const Tensor r = sigmoid(part(x, 0) + part(y, 0)), z = sigmoid(part(x, 1) + part(y, 1));
      const Tensor n = tanh(part(x, 2) + r * part(y, 2));
      return {n + z * (s.h - n), Tensor()};
    }
    case Recurrence::rnn_tanh:
      return {tanh(x + y), Tensor()};
    case Recurrence::rnn_relu:
      return {relu(x + y), Tensor()};
  }
  return {};
}

// Joins the rows of sequences that ended earlier (in the order of their ends) to the last ones.
Tensor joined(const Tensor& last, const std::vector<Tensor>& ended) {
  if (ended.empty()) return last;
  std::vector<Tensor> all{last};
  all.insert(all.end(), ended.rbegin(), ended.rend());
  return cat(all, 0);
}

// All steps of one direction; `in` has steps and directions.
RecurrentOutput direction(const RecurrentSpec& spec, const RecurrentInput& in, int64_t k) {
  const W& w = in.weights[static_cast<size_t>(k)];
  const Tensor gates = linear(in.x, w.t[W::ih], w.t[W::bias_ih]);
  const State start{select(in.h0, 0, k), in.c0.defined() ? select(in.c0, 0, k) : Tensor()};
  const PackedSteps* packed = spec.packed.get();
  const int64_t steps = packed ? static_cast<int64_t>(packed->sizes.size()) : in.x.sizes()[0];
  const auto each = [](const State& s, const auto& f) {
    return State{f(s.h), s.c.defined() ? f(s.c) : Tensor()};
  };

  std::vector<Tensor> out(static_cast<size_t>(steps)), ended_h, ended_c;
  State s = start;
  int64_t live = packed && k == 1 ? packed->sizes.back() : start.h.sizes()[0];
  s = each(s, [&](const Tensor& t) { return narrow(t, 0, 0, live); });
  for (int64_t i = 0; i < steps; ++i) {
    const size_t at = static_cast<size_t>(k == 1 ? steps - 1 - i : i);
    if (packed && packed->sizes[at] != live) {
      const int64_t n = packed->sizes[at];
      if (n < live) {
        ended_h.push_back(narrow(s.h, 0, n, live - n));
        if (s.c.defined()) ended_c.push_back(narrow(s.c, 0, n, live - n));
        s = each(s, [&](const Tensor& t) { return narrow(t, 0, 0, n); });
      } else {
        const auto enter = [&](const Tensor& t, const Tensor& from) {
          return cat(std::vector<Tensor>{t, narrow(from, 0, live, n - live)}, 0);
        };
        s = {enter(s.h, start.h), s.c.defined() ? enter(s.c, start.c) : Tensor()};
      }
      live = n;
    }
    const Tensor x = packed ? narrow(gates, 0, packed->offsets[at], live)
                            : select(gates, 0, static_cast<int64_t>(at));
    s = step(spec.kind, x, s, w);
    out[at] = s.h;
  }
  return {packed ? cat(out, 0) : stack(out, 0), joined(s.h, ended_h),
          s.c.defined() ? joined(s.c, ended_c) : Tensor()};
}

}  // namespace

RecurrentOutput recurrent_composite(const RecurrentSpec& spec, const RecurrentInput& in) {
  if (spec.cell) {
    const State s =
        step(spec.kind, linear(in.x, in.weights[0].t[W::ih], in.weights[0].t[W::bias_ih]),
             {in.h0, in.c0}, in.weights[0]);
    return {s.h, Tensor(), s.c};
  }
  std::vector<Tensor> out, hn, cn;
  for (int64_t k = 0; k < spec.directions; ++k) {
    RecurrentOutput o = direction(spec, in, k);
    out.push_back(o.out);
    hn.push_back(o.hn);
    if (o.cn.defined()) cn.push_back(o.cn);
  }
  return {spec.directions == 1 ? out[0] : cat(out, -1), stack(hn, 0),
          cn.empty() ? Tensor() : stack(cn, 0)};
}

}  // namespace pycore
