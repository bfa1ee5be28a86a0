// Runs the graph of derivatives backwards, without recursion. Must not know operators or Python.
#pragma once

#include <vector>

#include "autograd/node.h"

namespace pycore {

struct BackwardRequest {
  std::vector<Edge> roots;
  std::vector<Tensor> grads;  // one per root
  bool retain_graph = false;
  bool create_graph = false;
  // Gradients to return instead of accumulating into leaves; empty: accumulate into all leaves.
  std::vector<Edge> inputs;
  // With inputs: also accumulate into the leaves among them (backward(inputs=...)).
  bool accumulate = true;
};

// Returns one gradient per request.inputs (undefined where none arrived).
std::vector<Tensor> run_backward(const BackwardRequest& request);

// Inside the rule of this node: whether the engine drops its saved values afterwards, so that the
// rule may write over memory of its own. If it does, it marks the node released first.
bool used_last(const Node* node);

// What the engine needs operators for: set once by ops/gradient_ops.cpp.
struct GradientOps {
  Tensor (*add)(const Tensor& a, const Tensor& b);
  void (*add_)(const Tensor& a, const Tensor& b);  // a += b, not recorded
  Tensor (*clone)(const Tensor& a);
  // A copy that lies in memory as the leaf does, or in rows if that has gaps.
  Tensor (*copy_for)(const Tensor& gradient, const Tensor& leaf);
  bool (*has_nan)(const Tensor& a);
};
extern GradientOps gradient_ops;

// The node that adds gradients into leaf t (made if missing).
Ref<Node> gradient_accumulator(const Tensor& t);
// The leaf behind an AccumulateGrad node, or undefined.
Tensor accumulated_tensor(const Node* n);

bool anomaly_enabled();
void set_anomaly(bool enabled, bool check_nan);
// Set by the Python layer: describes where the current operator was called from.
extern std::string (*capture_forward_trace)();
extern void (*warn_anomaly)(const std::string& node_name, const std::string& trace);
// Hooks on saved tensors; run while GradMode::packs_saved.
extern std::shared_ptr<void> (*pack_saved)(const Tensor&);
extern Tensor (*unpack_saved)(const std::shared_ptr<void>&);
// Between nodes of a long backward: lets the Python layer raise KeyboardInterrupt.
extern void (*check_interrupt)();

}  // namespace pycore
