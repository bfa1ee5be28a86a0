// Reverse-mode differentiation over the recorded graph: newest node first, an explicit heap instead
// of recursion. Must not know operators or Python. All state is local to one call, so calls may
// nest or run on several threads.
#include "autograd/engine.h"

#include <algorithm>
#include <bit>
#include <mutex>

#include "autograd/meta.h"
#include "core/explain.h"
#include "core/layout.h"

namespace pycore {

GradientOps gradient_ops{};
std::string (*capture_forward_trace)() = nullptr;
void (*warn_anomaly)(const std::string&, const std::string&) = nullptr;
std::shared_ptr<void> (*pack_saved)(const Tensor&) = nullptr;
Tensor (*unpack_saved)(const std::shared_ptr<void>&) = nullptr;
void (*check_interrupt)() = nullptr;

namespace {

struct {
  std::atomic<bool> enabled{false};
  std::atomic<bool> check_nan{true};
} g_anomaly;

// One lock for a leaf's gradient, against two backward() calls at once.
std::mutex& leaf_lock(const void* p) {
  static std::mutex locks[16];
  return locks[(reinterpret_cast<uintptr_t>(p) >> 6) % 16];
}

// --- AccumulateGrad
// -----------------------------------------------------------------------------------------------

// Does a gradient lie in memory as is expected of a leaf's: as the leaf, or in rows if that has
// gaps?
bool lies_as(const Tensor& g, const Tensor& leaf) {
  if (g->standard && leaf->standard) return true;
  if (!is_dense(leaf)) return g.is_contiguous();
  for (int64_t d = 0; d < g.dim(); ++d)
    if (g.sizes()[d] != 1 && g.strides()[d] != leaf.strides()[d]) return false;
  return true;
}

struct AccumulateGrad {
  static constexpr const char* name = "AccumulateGrad";
  static constexpr bool saves = false;
  Tensor leaf;

  explicit AccumulateGrad(Tensor t) : leaf(std::move(t)) {}
  AccumulateGrad(AccumulateGrad&&) = default;
  ~AccumulateGrad() {
    if (leaf.defined() && leaf->autograd) leaf->autograd->accumulator = nullptr;
  }

  void operator()(Backward& b) {
    Tensor g = std::move(b.mutable_grad());
    if (!g.defined()) return;
    AutogradMeta& m = *leaf->autograd;
    if (m.hooks) {
      for (auto& h : GradHooks(*m.hooks))
        if (Tensor r = h.call(g); r.defined()) g = r;
    }
    {
      std::lock_guard lock(leaf_lock(leaf.impl()));
      if (!m.grad.defined()) {
        // Take the buffer over if nobody else can see it.
        const bool ours = !grad_enabled() && g->refs == 1 && g->storage->refs == 1 && !g->pyobj;
        m.grad = !lies_as(g, leaf) ? gradient_ops.copy_for(g, leaf)
                 : ours            ? std::move(g)
                                   : gradient_ops.clone(g);
      } else if (grad_enabled()) {
        m.grad = gradient_ops.add(m.grad, g);
      } else {
        gradient_ops.add_(m.grad, g);
      }
    }
    if (m.post_accumulate_hooks)
      for (auto& h : GradHooks(*m.post_accumulate_hooks)) h.call(leaf);
  }
};
using AccumulateNode = RuleNode<AccumulateGrad>;
bool is_accumulate(const Node* n) { return n->type == &AccumulateNode::kType; }

// --- one run
// ------------------------------------------------------------------------------------------------------

// Per node and run: how many gradients are still to come, and where they are collected.
struct Task {
  Node* node;
  uint32_t dependencies = 0;
  uint32_t slot = 0;   // first of node->num_outputs entries in `slots`
  bool needed = true;  // some requested input lies behind it
  bool visited = false;
};

// Open-addressing map from node to task index; a run touches each node a few times, so this is its
// hot spot.
class TaskMap {
 public:
  TaskMap() : keys_(64, nullptr), values_(64) {}
  // Index of the node's task, or -1.
  int find(const Node* n) const {
    for (size_t i = hash(n);; i = (i + 1) & (keys_.size() - 1)) {
      if (keys_[i] == n) return values_[i];
      if (!keys_[i]) return -1;
    }
  }
  void insert(const Node* n, int value) {
    if (2 * (++count_) > keys_.size()) grow();
    place(n, value);
  }

 private:
  size_t hash(const Node* n) const {
    return (reinterpret_cast<uintptr_t>(n) >> 6) * 0x9E3779B97F4A7C15ull >> 20 & (keys_.size() - 1);
  }
  void place(const Node* n, int value) {
    size_t i = hash(n);
    while (keys_[i]) i = (i + 1) & (keys_.size() - 1);
    keys_[i] = n;
    values_[i] = value;
  }
  void grow() {
    auto keys = std::move(keys_);
    auto values = std::move(values_);
    keys_.assign(keys.size() * 2, nullptr);
    values_.assign(keys_.size(), 0);
    for (size_t i = 0; i < keys.size(); ++i)
      if (keys[i]) place(keys[i], values[i]);
  }
  std::vector<const Node*> keys_;
  std::vector<int> values_;
  size_t count_ = 0;
};

// The node whose rule runs on this thread, if its saved values are not needed again.
thread_local const Node* t_last_use = nullptr;
struct LastUse {
  const Node* before;
  explicit LastUse(const Node* n) : before(std::exchange(t_last_use, n)) {}
  ~LastUse() { t_last_use = before; }
  LastUse(const LastUse&) = delete;
  LastUse& operator=(const LastUse&) = delete;
};

struct Run {
  const BackwardRequest& request;
  std::vector<Task> tasks;
  TaskMap map;
  std::vector<Tensor> slots;
  std::vector<int> heap;  // ready tasks, newest node on top
  std::vector<Tensor> captured;

  int task_of(Node* n) {
    int i = map.find(n);
    if (i >= 0) return i;
    i = static_cast<int>(tasks.size());
    tasks.push_back({n, 0, static_cast<uint32_t>(slots.size())});
    slots.resize(slots.size() + n->num_outputs);
    map.insert(n, i);
    return i;
  }

  // Counts, for every node behind the roots, how many gradients will arrive.
  void discover() {
    std::vector<int> stack;
    for (auto& root : request.roots) {
      int i = task_of(root.node.get());
      if (!tasks[i].visited) {
        tasks[i].visited = true;
        stack.push_back(i);
      }
    }
    while (!stack.empty()) {
      Node* n = tasks[stack.back()].node;
      stack.pop_back();
      for (uint32_t e = 0; e < n->num_edges; ++e) {
        Node* next = n->edges[e].node.get();
        if (!next) continue;
        int j = task_of(next);
        ++tasks[j].dependencies;
        if (!tasks[j].visited) {
          tasks[j].visited = true;
          stack.push_back(j);
        }
      }
    }
  }

  // With explicit inputs only nodes on a path to one of them run.
  void mark_needed() {
    for (auto& t : tasks) t.needed = false;
    // Children have to be judged before parents: depth first, second visit decides.
    std::vector<std::pair<int, bool>> stack;
    std::vector<char> done(tasks.size(), 0);
    for (auto& root : request.roots) stack.push_back({task_of(root.node.get()), false});
    while (!stack.empty()) {
      auto [i, decided] = stack.back();
      stack.pop_back();
      Node* n = tasks[i].node;
      if (!decided) {
        if (done[i]) continue;
        done[i] = 1;
        stack.push_back({i, true});
        for (uint32_t e = 0; e < n->num_edges; ++e)
          if (n->edges[e].node) {
            int j = map.find(n->edges[e].node.get());
            if (!done[j]) stack.push_back({j, false});
          }
        continue;
      }
      bool needed = false;
      for (uint32_t e = 0; e < n->num_edges; ++e)
        if (n->edges[e].node) needed |= leads_to_input(map.find(n->edges[e].node.get()));
      tasks[i].needed = needed;
    }
    if (request.accumulate)
      for (auto& in : request.inputs)
        if (int i = map.find(in.node.get()); i >= 0 && is_accumulate(in.node.get()))
          tasks[i].needed = true;
  }
  bool is_input(const Node* n) const {
    for (auto& in : request.inputs)
      if (in.node.get() == n) return true;
    return false;
  }
  bool leads_to_input(int i) const { return tasks[i].needed || is_input(tasks[i].node); }

  void accumulate(uint32_t slot, Tensor g) {
    Tensor& s = slots[slot];
    if (!s.defined()) {
      s = std::move(g);
    } else if (!request.create_graph && s->refs == 1 && s->storage->refs == 1 && is_dense(s) &&
               !s->pyobj && s.sizes() == g.sizes() && s.dtype() == g.dtype()) {
      gradient_ops.add_(s, g);
    } else {
      s = gradient_ops.add(s, g);
    }
  }

  void push(int i) {
    heap.push_back(i);
    std::push_heap(heap.begin(), heap.end(), [&](int a, int b) { return order(a) < order(b); });
  }
  int pop() {
    std::pop_heap(heap.begin(), heap.end(), [&](int a, int b) { return order(a) < order(b); });
    int i = heap.back();
    heap.pop_back();
    return i;
  }
  uint64_t order(int i) const {
    return is_accumulate(tasks[i].node) ? UINT64_MAX : tasks[i].node->seq;
  }

  void run_hooks(Node* n, Tensor* grads) {
    for (auto& o : *n->output_hooks) {
      Tensor& g = grads[o.nr];
      if (!g.defined()) continue;
      if (o.hooks) {
        for (auto& h : GradHooks(*o.hooks))
          if (Tensor r = h.call(g); r.defined()) g = r;
      }
      if (o.retain_grad_of) {
        auto& kept = o.retain_grad_of->autograd->grad;
        kept = !kept.defined() ? gradient_ops.clone(g) : gradient_ops.add(kept, g);
      }
    }
  }

  void execute(int i) {
    Ref<Node> keep = Ref<Node>::share(tasks[i].node);
    Node* n = keep.get();
    uint32_t first = tasks[i].slot, count = n->num_outputs;
    SmallGrads grads(count), results(n->num_edges);
    bool any = false;
    for (uint32_t k = 0; k < count; ++k) {
      grads[k] = std::move(slots[first + k]);
      any |= grads[k].defined();
    }
    if (n->output_hooks && any) run_hooks(n, grads.data());
    for (size_t k = 0; k < request.inputs.size(); ++k)
      if (request.inputs[k].node.get() == n) captured[k] = grads[request.inputs[k].nr];
    if (!tasks[i].needed) return;
    if (any) {
      GradGuard mode(request.create_graph);
      if (n->extras)
        for (auto& h : n->extras->pre_hooks) h.second({grads.data(), count});
      Backward b(n, grads.data(), results.data(), nullptr);
      ExplainScope explained(n->name);
      {
        const LastUse last(request.retain_graph ? nullptr : n);
        apply(n, b);
      }
      if (explained) add_bytes(explained, grads.data(), count, results.data(), n->num_edges);
      if (n->extras)
        for (auto& h : std::vector(n->extras->post_hooks))
          h.second({results.data(), n->num_edges}, {grads.data(), count});
      if (g_anomaly.enabled) check_nan(n, results.data());
      if (!request.retain_graph) n->type->release_saved(n);
    }
    for (uint32_t e = 0; e < n->num_edges; ++e) {
      const Edge& edge = n->edges[e];
      if (!edge.node) continue;
      int j = map.find(edge.node.get());
      if (results[e].defined()) accumulate(tasks[j].slot + edge.nr, std::move(results[e]));
      if (--tasks[j].dependencies == 0) push(j);
    }
  }

  void apply(Node* n, Backward& b) {
    if (!g_anomaly.enabled) return n->type->apply(n, b);
    try {
      n->type->apply(n, b);
    } catch (...) {
      if (warn_anomaly) warn_anomaly(n->name, n->extras ? n->extras->forward_trace : std::string());
      throw;
    }
  }

  static void add_bytes(ExplainScope& entry, const Tensor* grads, uint32_t count,
                        const Tensor* results, uint32_t edges) {
    for (uint32_t i = 0; i < count; ++i)
      if (grads[i].defined()) entry.add_bytes(grads[i].numel() * grads[i].item_size());
    for (uint32_t i = 0; i < edges; ++i)
      if (results[i].defined()) entry.add_bytes(results[i].numel() * results[i].item_size());
  }

  void check_nan(Node* n, Tensor* results) {
    if (!g_anomaly.check_nan) return;
    for (uint32_t e = 0; e < n->num_edges; ++e) {
      if (!results[e].defined() || !results[e].is_floating() || !gradient_ops.has_nan(results[e]))
        continue;
      if (warn_anomaly) warn_anomaly(n->name, n->extras ? n->extras->forward_trace : std::string());
      fail(ErrorKind::runtime, "Function '", n->name, "' returned nan values in its ", e,
           "th output.");
    }
  }

  // A few tensors without a heap allocation.
  class SmallGrads {
   public:
    explicit SmallGrads(uint32_t n) : heap_(n > kInline ? n : 0) {}
    Tensor* data() { return heap_.empty() ? inline_ : heap_.data(); }
    Tensor& operator[](uint32_t i) { return data()[i]; }

   private:
    static constexpr uint32_t kInline = 4;
    Tensor inline_[kInline];
    std::vector<Tensor> heap_;
  };

  void go() {
    discover();
    captured.resize(request.inputs.size());
    if (!request.inputs.empty()) mark_needed();
    for (size_t r = 0; r < request.roots.size(); ++r) {
      int i = map.find(request.roots[r].node.get());
      accumulate(tasks[i].slot + request.roots[r].nr, request.grads[r]);
    }
    for (auto& root : request.roots) {
      int i = map.find(root.node.get());
      // A root that is also an inner node waits for its own gradients; the same root may be named
      // twice.
      if (tasks[i].dependencies == 0 && tasks[i].visited) {
        tasks[i].visited = false;
        push(i);
      }
    }
    uint32_t steps = 0;
    while (!heap.empty()) {
      execute(pop());
      if ((++steps & 1023) == 0 && check_interrupt) check_interrupt();
    }
  }
};

}  // namespace

bool used_last(const Node* node) { return t_last_use == node; }

std::vector<Tensor> run_backward(const BackwardRequest& request) {
  Run run{request, {}, {}, {}, {}, {}};
  run.go();
  return std::move(run.captured);
}

Ref<Node> gradient_accumulator(const Tensor& t) {
  std::lock_guard lock(leaf_lock(t.impl()));
  AutogradMeta& m = *t->autograd;
  if (m.accumulator) {
    // It may be dying on another thread: take a count only if there still is one.
    int32_t n = m.accumulator->refs.load(std::memory_order_relaxed);
    while (n > 0)
      if (m.accumulator->refs.compare_exchange_weak(n, n + 1))
        return Ref<Node>::adopt(m.accumulator);
  }
  Ref<Node> node = make_node(AccumulateGrad(t));
  m.accumulator = node.get();
  return node;
}

Tensor accumulated_tensor(const Node* n) {
  return is_accumulate(n) ? static_cast<const AccumulateNode*>(n)->rule.leaf : Tensor();
}

bool anomaly_enabled() { return g_anomaly.enabled.load(std::memory_order_relaxed); }
void set_anomaly(bool enabled, bool check_nan) {
  g_anomaly.enabled = enabled;
  g_anomaly.check_nan = check_nan;
}

}  // namespace pycore
