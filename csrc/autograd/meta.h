// What autograd knows about one tensor: its gradient, the node it came from, its hooks. Must not
// know operators.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "autograd/node.h"
#include "core/tensor.h"

namespace pycore {

struct AutogradMeta {
  bool requires_grad = false;  // leaves only; results require grad because they have a grad_fn
  bool retains_grad = false;
  uint32_t output_nr = 0;
  Ref<Node> grad_fn;
  Tensor grad;
  Node* accumulator = nullptr;  // weak: AccumulateGrad clears it when it dies
  std::shared_ptr<GradHooks> hooks;
  std::shared_ptr<GradHooks> post_accumulate_hooks;
  std::shared_ptr<void> packed;  // what a hook made of a saved tensor that this one stands for
};

// The meta of t, made if missing.
AutogradMeta& autograd_meta(const Tensor& t);

bool requires_grad(const TensorImpl* t);
// The node that t came from (null for leaves); brings the history of a view up to date first.
const Ref<Node>& grad_fn(const Tensor& t);
bool is_leaf(const Tensor& t);
// Where the gradient of t goes: its grad_fn, its accumulator, or nowhere.
Edge gradient_edge(const Tensor& t);

void set_requires_grad(const Tensor& t, bool requires_grad);
void set_grad(const Tensor& t, Tensor grad);  // checks shape and dtype as PyTorch does
const Tensor& grad(const Tensor& t);

// Fresh results: t came from output nr of node.
void set_history(const Tensor& t, const Ref<Node>& node, uint32_t nr = 0);

// In-place operators. check_inplace throws PyTorch's errors (leaf that requires grad, view of one
// ...) and must run before the values change; rebase_history makes `node` (whose edge 0 leads to
// t's old history) the new history of t and, when t is a view, of its base.
void check_inplace(const Tensor& t);
void rebase_history(const Tensor& t, const Ref<Node>& node, uint32_t nr = 0);

// Hooks on the gradient of t; they also see gradients that flow through t, not only into it.
uint64_t add_hook(const Tensor& t, std::function<Tensor(const Tensor&)> call);
uint64_t add_post_accumulate_hook(const Tensor& t, std::function<Tensor(const Tensor&)> call);
bool remove_hook(const std::shared_ptr<GradHooks>& hooks, uint64_t id);
void retain_grad(const Tensor& t);

// What autograd needs operators for: set once by ops/view_history.cpp.
struct HistoryRules {
  // A node that maps the gradient of `view` into one of `base` (edge 0).
  Ref<Node> (*view_node)(const Tensor& base, const Tensor& view);
  // A node for `base` after `inner` has overwritten the part of it that `view` shows; edge 0 leads
  // to the old base.
  Ref<Node> (*copy_slices)(const Tensor& base, const Tensor& view, const Ref<Node>& inner,
                           uint32_t nr);
};
extern HistoryRules history_rules;

// Declares `view` a differentiable view of `base` (or of base's own base).
void mark_view(const Tensor& view, const Tensor& base);

}  // namespace pycore
