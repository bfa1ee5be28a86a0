// Life of nodes and saved tensors. Must not know operators.
#include "autograd/node.h"

#include "autograd/engine.h"
#include "autograd/meta.h"
#include "core/inference.h"

namespace pycore {

thread_local GradMode t_grad_mode;

namespace {
struct ThreadState {
  uint64_t next_sequence = 0;
  bool destroying = false;
  Node* pending = nullptr;  // nodes without owners, linked through their seq
};
#if defined(__GLIBC__)
__attribute__((tls_model("initial-exec"))) thread_local ThreadState t_state;
#else
thread_local ThreadState t_state;
#endif
}  // namespace

void retain(Node* n) { n->refs.fetch_add(1, std::memory_order_relaxed); }

void release(Node* n) noexcept {
  if (n->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // A chain of a million nodes must not recurse: the outermost release works through a list.
  ThreadState& state = t_state;
  if (state.destroying) {
    n->seq = reinterpret_cast<uintptr_t>(state.pending);
    state.pending = n;
    return;
  }
  state.destroying = true;
  n->type->destroy(n);
  while (Node* next = state.pending) {
    state.pending = reinterpret_cast<Node*>(static_cast<uintptr_t>(next->seq));
    next->type->destroy(next);
  }
  state.destroying = false;
}

Node::Node(const NodeType* t, const char* node_name, uint32_t outputs)
    : num_outputs(outputs), type(t), name(node_name), seq(t_state.next_sequence++) {
  if (anomaly_enabled() && capture_forward_trace) [[unlikely]]
    extra().forward_trace = capture_forward_trace();
}

Node::~Node() {
  if (edges != inline_edges) delete[] edges;
}

void Node::set_num_edges(uint32_t n) {
  num_edges = n;
  if (n > kInlineEdges) edges = new Edge[n];
}

void Saved::keep_specially() {
  PC_CHECK(!tensor_->inference || t_inference_mode,
           "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
           "inference mode in computation tracked by autograd. To work around this, you can make a "
           "clone to get a normal tensor and use it in autograd, or use `no_grad()` instead of "
           "`inference_mode()`.");
  if (!t_grad_mode.packs_saved) return;
  Tensor plain = alias(tensor_);
  Tensor stand_in = make_alias(make_storage(0), tensor_.dtype(), {}, {}, 0);
  stand_in->sizes = tensor_.sizes();
  stand_in->strides = tensor_->strides;
  stand_in->numel = tensor_.numel();
  AutogradMeta& m = autograd_meta(stand_in);
  if (!is_output_ && tensor_.requires_grad()) {
    Edge edge = gradient_edge(tensor_);
    m.grad_fn = edge.node;
    m.output_nr = edge.nr;
  }
  {
    GradGuard off(false);
    m.packed = pack_saved(plain);
  }
  tensor_ = std::move(stand_in);
  is_packed_ = true;
}

Saved Saved::output(const Tensor& t, uint32_t nr) {
  Saved s;
  s.tensor_ = alias(t);
  s.tensor_->own_version = t->own_version;
  s.version_ = t.version();
  s.is_output_ = true;
  s.nr_ = nr;
  if (t->inference || t_grad_mode.packs_saved) [[unlikely]]
    s.keep_specially();
  return s;
}

Tensor Saved::unpacked(Node* node) const {
  const AutogradMeta& m = *tensor_->autograd;
  Tensor t = alias(unpack_saved(m.packed));
  if (is_output_)
    set_history(t, Ref<Node>::share(node), nr_);
  else if (m.grad_fn)
    set_history(t, m.grad_fn, m.output_nr);
  return t;
}

Tensor Saved::get(Node* node) const {
  PC_CHECK(!node->released,
           "Trying to backward through the graph a second time (or directly access saved tensors "
           "after they have "
           "already been freed). The saved values of ",
           node->name,
           " were freed by the first .backward() or autograd.grad(). Specify retain_graph=True "
           "there if you need to go "
           "through the graph again.");
  if (!tensor_.defined()) return {};
  if (is_packed_) [[unlikely]]
    return unpacked(node);
  if (!tensor_->own_version) {
    uint32_t now = tensor_.version();
    if (now != version_) [[unlikely]] {
      std::string by;
      Node* maker = is_output_ ? node : grad_fn(tensor_).get();
      if (maker)
        by = str(", which is output ", is_output_ ? nr_ : autograd_meta(tensor_).output_nr, " of ",
                 maker->name, ",");
      fail(ErrorKind::runtime,
           "one of the variables needed for gradient computation has been modified by an inplace "
           "operation: [",
           legacy_type_name(tensor_.dtype()), " ", tensor_.sizes(), "]", by, " is at version ", now,
           "; expected version ", version_, " instead. Hint: ",
           anomaly_enabled() ? "the backtrace further above shows the operation that failed to "
                               "compute its gradient."
                             : "enable anomaly detection to find the operation that failed to "
                               "compute its gradient, "
                               "with torch.autograd.set_detect_anomaly(True).");
    }
  }
  if (is_output_ && grad_enabled()) {
    Tensor t = alias(tensor_);
    set_history(t, Ref<Node>::share(node), nr_);
    return t;
  }
  return tensor_;
}

}  // namespace pycore
