// Gradient bookkeeping of tensors: leaves, histories, views and in-place rules. Must not know
// operators.
#include "autograd/meta.h"

#include <algorithm>
#include <mutex>

#include "autograd/engine.h"
#include "core/inference.h"

namespace pycore {

HistoryRules history_rules{};

namespace {

std::atomic<uint64_t> g_next_hook{1};

void forget_retained(const AutogradMeta& m, const TensorImpl* t) {
  if (!m.grad_fn || !m.grad_fn->output_hooks) return;
  for (auto& o : *m.grad_fn->output_hooks)
    if (o.retain_grad_of == t) o.retain_grad_of = nullptr;
}

void destroy_meta(TensorImpl* t) noexcept {
  AutogradMeta* m = t->autograd;
  if (m->retains_grad) forget_retained(*m, t);
  m->~AutogradMeta();
  deallocate(m, sizeof(AutogradMeta));
}

[[maybe_unused]] const bool g_installed = [] {
  destroy_autograd_meta = destroy_meta;
  return true;
}();

// A view whose storage was written since its history was recorded takes its history from the base
// anew.
void refresh_view(TensorImpl* v) {
  uint32_t now = v->storage->version.load(std::memory_order_relaxed);
  if (v->view_version == now) return;
  Tensor base(v->base);
  if (requires_grad(base.impl())) {
    v->view_version = now;
    Tensor view(Ref<TensorImpl>::share(v));
    Ref<Node> node = history_rules.view_node(base, view);
    auto& m = autograd_meta(view);
    m.grad_fn = std::move(node);
    m.output_nr = 0;
  }
  v->view_version = now;
}

Node::OutputHooks& output_hooks(Node* node, uint32_t nr) {
  if (!node->output_hooks) node->output_hooks = std::make_unique<std::vector<Node::OutputHooks>>();
  for (auto& o : *node->output_hooks)
    if (o.nr == nr) return o;
  node->output_hooks->push_back({nr, nullptr, nullptr});
  return node->output_hooks->back();
}

}  // namespace

AutogradMeta& autograd_meta(const Tensor& t) {
  if (!t->autograd) t->autograd = new (allocate(sizeof(AutogradMeta))) AutogradMeta;
  return *t->autograd;
}

bool requires_grad(const TensorImpl* t) {
  if (t->base) [[unlikely]] {
    if (t->autograd && (t->autograd->requires_grad || t->autograd->grad_fn)) return true;
    return t->view_version != t->storage->version.load(std::memory_order_relaxed) &&
           requires_grad(t->base.get());
  }
  return t->autograd && (t->autograd->requires_grad || t->autograd->grad_fn);
}
bool Tensor::requires_grad() const { return pycore::requires_grad(impl()); }

const Ref<Node>& grad_fn(const Tensor& t) {
  static const Ref<Node> none;
  if (t->base) refresh_view(t.impl());
  return t->autograd ? t->autograd->grad_fn : none;
}

bool is_leaf(const Tensor& t) { return !grad_fn(t); }

Edge gradient_edge(const Tensor& t) {
  const Ref<Node>& fn = grad_fn(t);
  if (fn) return {fn, t->autograd->output_nr};
  if (t->autograd && t->autograd->requires_grad) return {gradient_accumulator(t), 0};
  return {};
}

void set_requires_grad(const Tensor& t, bool value) {
  if (!is_leaf(t)) {
    PC_CHECK(value,
             "you can only change requires_grad flags of leaf variables. If you want to use a "
             "computed variable "
             "in a subgraph that doesn't require differentiation use var_no_grad = var.detach().");
    return;
  }
  if (!value && !t->autograd) return;
  PC_CHECK(!value || t.is_floating(),
           "only Tensors of floating point and complex dtype can require gradients");
  PC_CHECK(!value || !t->inference || t_inference_mode,
           "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
  autograd_meta(t).requires_grad = value;
}

const Tensor& grad(const Tensor& t) {
  static const Tensor none;
  return t->autograd ? t->autograd->grad : none;
}

void set_grad(const Tensor& t, Tensor g) {
  if (g.defined()) {
    PC_CHECK(!g.is(t), "can't assign Variable as its own grad");
    PC_CHECK(g.dtype() == t.dtype(), "assigned grad has data of a different type: got ", g.dtype(),
             ", expected ", t.dtype());
    PC_CHECK(g.sizes() == t.sizes(), "assigned grad has data of a different size: got ", g.sizes(),
             ", expected ", t.sizes());
  }
  autograd_meta(t).grad = std::move(g);
}

void set_history(const Tensor& t, const Ref<Node>& node, uint32_t nr) {
  auto& m = autograd_meta(t);
  m.grad_fn = node;
  m.output_nr = nr;
}

void check_inplace(const Tensor& t) {
  PC_CHECK(!t->inference || t_inference_mode,
           "Inplace update to inference tensor outside InferenceMode is not allowed. You can make "
           "a clone to get a "
           "normal tensor before doing inplace update.");
  if (!grad_enabled() || !t.requires_grad()) return;
  if (t->base) {
    Tensor base(t->base);
    PC_CHECK(!t->multi_output_view, "Output ", autograd_meta(t).output_nr, " of ",
             grad_fn(t) ? grad_fn(t)->name : "a view",
             " is a view and is being modified inplace. This view is the output of a function that "
             "returns multiple "
             "views. Such functions do not allow the output views to be modified inplace. You "
             "should replace the "
             "inplace operation by an out-of-place one.");
    PC_CHECK(
        !is_leaf(base),
        "a view of a leaf Variable that requires grad is being used in an in-place operation.");
    return;
  }
  PC_CHECK(!is_leaf(t),
           "a leaf Variable that requires grad is being used in an in-place operation.");
}

// A retained gradient is that of the tensor's newest value.
static void replace_history(const Tensor& t, const Ref<Node>& node, uint32_t nr) {
  AutogradMeta& m = autograd_meta(t);
  const bool retains = std::exchange(m.retains_grad, false);
  if (retains) forget_retained(m, t.impl());
  set_history(t, node, nr);
  if (retains) retain_grad(t);
}

void rebase_history(const Tensor& t, const Ref<Node>& node, uint32_t nr) {
  if (!t->base) return replace_history(t, node, nr);
  Tensor base(t->base);
  replace_history(base, history_rules.copy_slices(base, t, node, nr), 0);
  // The view's own history now starts at the new base; it is made when asked for.
  t->view_version = t.version() - 1;
}

void mark_view(const Tensor& view, const Tensor& base) {
  view->base = base->base ? base->base : Ref<TensorImpl>::share(base.impl());
  view->view_version = view.version();
  view->own_version = base->own_version;
  view->inference = base->inference;
}

uint64_t add_hook(const Tensor& t, std::function<Tensor(const Tensor&)> call) {
  PC_CHECK(t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
  uint64_t id = g_next_hook++;
  const Ref<Node>& fn = grad_fn(t);
  auto& m = autograd_meta(t);
  if (fn) {
    auto& o = output_hooks(fn.get(), m.output_nr);
    if (!o.hooks) o.hooks = std::make_shared<GradHooks>();
    m.hooks = o.hooks;
  } else if (!m.hooks) {
    m.hooks = std::make_shared<GradHooks>();
  }
  m.hooks->push_back({id, std::move(call)});
  return id;
}

uint64_t add_post_accumulate_hook(const Tensor& t, std::function<Tensor(const Tensor&)> call) {
  PC_CHECK(t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
  PC_CHECK(is_leaf(t), "post accumulate grad hooks cannot be registered on non-leaf tensors");
  auto& m = autograd_meta(t);
  if (!m.post_accumulate_hooks) m.post_accumulate_hooks = std::make_shared<GradHooks>();
  uint64_t id = g_next_hook++;
  m.post_accumulate_hooks->push_back({id, std::move(call)});
  return id;
}

bool remove_hook(const std::shared_ptr<GradHooks>& hooks, uint64_t id) {
  auto it = std::find_if(hooks->begin(), hooks->end(), [&](auto& h) { return h.id == id; });
  if (it == hooks->end()) return false;
  hooks->erase(it);
  return true;
}

void retain_grad(const Tensor& t) {
  PC_CHECK(t.requires_grad(), "can't retain_grad on Tensor that has requires_grad=False");
  const Ref<Node>& fn = grad_fn(t);
  auto& m = autograd_meta(t);
  if (!fn || m.retains_grad) return;
  m.retains_grad = true;
  output_hooks(fn.get(), m.output_nr).retain_grad_of = t.impl();
}

}  // namespace pycore
