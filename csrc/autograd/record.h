// How an operator records its derivative. Included by ops; must not know any particular operator.
#pragma once

#include "autograd/meta.h"
#include "autograd/node.h"

namespace pycore {

// True if this call must be recorded. Cheap: one thread-local and one pointer per input.
template <class... Inputs>
inline bool recording(const Inputs&... inputs) {
  return grad_enabled() && (... || (inputs.defined() && inputs.requires_grad()));
}
inline bool recording(TensorList list) {
  if (!grad_enabled()) return false;
  for (auto& t : list)
    if (t.defined() && t.requires_grad()) return true;
  return false;
}

inline void set_edge(Node* node, uint32_t i, const Tensor& input) {
  if (input.defined() && input.requires_grad()) node->edges[i] = gradient_edge(input);
}

// Makes `out` the result of `rule` on these inputs; edge i leads to input i. Call only if
// recording(...).
template <class Rule, class... Inputs>
Ref<Node> record(const Tensor& out, Rule rule, const Inputs&... inputs) {
  Ref<Node> node = make_node(std::move(rule));
  node->set_num_edges(sizeof...(Inputs));
  uint32_t i = 0;
  (set_edge(node.get(), i++, inputs), ...);
  set_history(out, node);
  return node;
}
// The same for operators with a list of inputs or several outputs (non-differentiable outputs may
// be undefined in the list).
template <class Rule>
Ref<Node> record_many(TensorList outs, Rule rule, TensorList inputs) {
  Ref<Node> node = make_node(std::move(rule), static_cast<uint32_t>(outs.size()));
  node->set_num_edges(static_cast<uint32_t>(inputs.size()));
  for (uint32_t i = 0; i < inputs.size(); ++i) set_edge(node.get(), i, inputs[i]);
  for (uint32_t i = 0; i < outs.size(); ++i)
    if (outs[i].defined() && outs[i].is_floating()) set_history(outs[i], node, i);
  return node;
}

}  // namespace pycore
