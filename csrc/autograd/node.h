// Node: one recorded operator in the graph of derivatives. A pooled object with a function pointer
// and inline edges, so that recording costs a few nanoseconds. Must not know operators or Python.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "autograd/grad_mode.h"
#include "core/allocator.h"
#include "core/tensor.h"

namespace pycore {

struct Node;
class Backward;

// A callback on a gradient; returns a replacement or an undefined tensor to keep it. Made by the
// Python layer.
struct GradHook {
  uint64_t id;
  std::function<Tensor(const Tensor&)> call;
};
using GradHooks = std::vector<GradHook>;

// Python traceback of the forward call (anomaly mode), callbacks, metadata: rare, so out of line.
struct NodeExtras {
  std::string forward_trace;
  std::shared_ptr<void> metadata;  // a Python dictionary
  // Registered on the node: before its rule (may replace the incoming gradients), and after it (may
  // replace the results).
  using PreHook = std::function<void(std::span<Tensor> grad_outputs)>;
  using PostHook =
      std::function<void(std::span<Tensor> grad_inputs, std::span<const Tensor> grad_outputs)>;
  std::vector<std::pair<uint64_t, PreHook>> pre_hooks;
  std::vector<std::pair<uint64_t, PostHook>> post_hooks;
};

struct NodeType {
  // Computes gradients of the inputs from the gradients of the outputs.
  void (*apply)(Node*, Backward&);
  // Drops saved tensors (after backward without retain_graph).
  void (*release_saved)(Node*);
  void (*destroy)(Node*) noexcept;
};

struct Edge {
  Ref<Node> node;
  uint32_t nr = 0;  // which output of that node the gradient belongs to
};

void retain(Node* n);
void release(Node* n) noexcept;

struct Node {
  static constexpr int kInlineEdges = 3;

  Node(const NodeType* type, const char* name, uint32_t num_outputs);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void set_num_edges(uint32_t n);
  Edge& edge(uint32_t i) { return edges[i]; }

  std::atomic<int32_t> refs{1};
  uint32_t num_edges = 0;
  uint32_t num_outputs;
  bool released = false;  // saved tensors are gone
  const NodeType* type;
  const char* name;  // PyTorch's, e.g. "AddmmBackward0"
  uint64_t seq;      // order of recording; backward runs the newest first
  Edge* edges = inline_edges;
  Edge inline_edges[kInlineEdges];
  std::unique_ptr<NodeExtras> extras;
  // Hooks and retained gradients of the output tensors live here, since the tensors may be gone by
  // then.
  struct OutputHooks {
    uint32_t nr;
    std::shared_ptr<GradHooks> hooks;
    TensorImpl* retain_grad_of = nullptr;  // weak; cleared when the tensor dies
  };
  std::unique_ptr<std::vector<OutputHooks>> output_hooks;
  void* pyobj = nullptr;  // its Python object, borrowed

  NodeExtras& extra() {
    if (!extras) extras = std::make_unique<NodeExtras>();
    return *extras;
  }
};

// A tensor kept for backward. `output`: it is a result of the node itself, so it must not hold the
// node (a cycle).
class Saved {
 public:
  Saved() = default;
  Saved(const Tensor& t) : tensor_(t), version_(t.defined() ? t.version() : 0) {
    if (t.defined() && (t->inference || t_grad_mode.packs_saved)) [[unlikely]]
      keep_specially();
  }
  static Saved output(const Tensor& t, uint32_t nr = 0);

  bool defined() const { return tensor_.defined(); }
  // The tensor, after checking that nobody has written over it since. `node` is the node that saved
  // it.
  Tensor get(Node* node) const;
  void reset() { tensor_ = Tensor(); }
  // Shape and dtype can be asked without the check.
  const Tensor& peek() const { return tensor_; }

 private:
  // Refuses inference tensors, which may be written over without anybody noticing; replaces the
  // tensor by what the hooks make of it.
  void keep_specially();
  Tensor unpacked(Node* node) const;

  Tensor tensor_;
  uint32_t version_ = 0;
  bool is_output_ = false;
  bool is_packed_ = false;  // tensor_ has no memory, only shape, dtype, and a packed value (meta.h)
  uint32_t nr_ = 0;
};

// What a derivative rule works with: incoming gradients, which gradients are wanted, and where to
// put them.
class Backward {
 public:
  Backward(Node* node, Tensor* grads, Tensor* results, const bool* needed)
      : node_(node), grads_(grads), results_(results), needed_(needed) {}

  // Gradient of output i; undefined if nothing flowed there (never for single-output nodes).
  const Tensor& grad(uint32_t i = 0) const { return grads_[i]; }
  Tensor& mutable_grad(uint32_t i = 0) { return grads_[i]; }
  bool has_grad(uint32_t i) const { return grads_[i].defined(); }
  // Whether anybody wants the gradient of input i.
  bool needs(uint32_t i) const {
    return i < node_->num_edges && (needed_ ? needed_[i] : static_cast<bool>(node_->edges[i].node));
  }
  void set(uint32_t i, Tensor grad) {
    if (i < node_->num_edges) results_[i] = std::move(grad);
  }
  Tensor get(const Saved& s) const { return s.get(node_); }
  Node* node() const { return node_; }

 private:
  Node* node_;
  Tensor* grads_;
  Tensor* results_;
  const bool* needed_;
};

// Brings a gradient back to the shape and dtype of the input it belongs to (undoes broadcasting and
// promotion). Costs a null pointer where there is nothing to undo.
class ToInput {
 public:
  ToInput() = default;
  ToInput(const Tensor& input, const Tensor& output) : dtype_(input.dtype()) {
    if (!(input.sizes() == output.sizes())) shape_ = std::make_unique<Dims>(input.sizes());
  }
  Tensor operator()(Tensor grad) const;  // ops/shape.cpp: needs operators

 private:
  DType dtype_ = DType::float32;
  std::unique_ptr<Dims> shape_;
};

// A rule is a struct with `static constexpr const char* name`, its saved values as members, and
//   void operator()(Backward& b);
// A rule without any Saved member says `static constexpr bool saves = false;`: its node can run
// backward again after the graph was freed, as in PyTorch.
template <class Rule>
constexpr bool rule_saves() {
  if constexpr (requires { Rule::saves; })
    return Rule::saves;
  else
    return true;
}
template <class Rule>
struct RuleNode final : Node {
  RuleNode(Rule&& r, uint32_t outputs) : Node(&kType, Rule::name, outputs), rule(std::move(r)) {}
  Rule rule;

  static void apply(Node* n, Backward& b) { static_cast<RuleNode*>(n)->rule(b); }
  static void release_saved(Node* n) {
    if constexpr (rule_saves<Rule>()) {
      static_cast<RuleNode*>(n)->rule = Rule{};
      n->released = true;
    }
  }
  static void destroy(Node* n) noexcept {
    auto* self = static_cast<RuleNode*>(n);
    self->~RuleNode();
    deallocate(self, sizeof(RuleNode));
  }
  static constexpr NodeType kType{apply, release_saved, destroy};
};

template <class Rule>
Ref<Node> make_node(Rule rule, uint32_t outputs = 1) {
  void* p = allocate(sizeof(RuleNode<Rule>));
  return Ref<Node>::adopt(new (p) RuleNode<Rule>(std::move(rule), outputs));
}

}  // namespace pycore
