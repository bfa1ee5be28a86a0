// One call per optimizer step: walks the Python lists of a parameter group and runs the fused
// kernels. Schedules, groups and state dictionaries are Python's business.
#include "python/optim.h"

#include <algorithm>
#include <array>

#include "autograd/meta.h"
#include "core/cpu.h"
#include "core/parallel.h"
#include "kernels/cast.h"
#include "kernels/optim.h"
#include "ops/ops.h"
#include "python/parser.h"

namespace pycore::python {
namespace {

constexpr int64_t kGrain = 32768;          // elements per task
constexpr int64_t kFewElements = 1 << 17;  // that one thread's cache holds, with their gradients

double number(PyObject* o, const char* what) {
  Value v;
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    PC_CHECK(t.numel() == 1, what, " must be a number or a tensor with one element, got shape ",
             t.sizes());
    return read_scalar(t->data, t.dtype()).to_double();
  }
  PC_CHECK_TYPE(number_value(o, v), what, " must be a number, got ", Py_TYPE(o)->tp_name);
  return v.as_scalar().to_double();
}

PyObject* list_item(PyObject* list, Py_ssize_t i) { return PyList_GET_ITEM(list, i); }

// Runs f(begin, end) over the elements of a parameter. Small models stay with the thread that runs
// them: weights would come back out of another one's cache for longer than the step takes.
class Elements {
 public:
  explicit Elements(PyObject* params) : params_(params) {}
  template <class F>
  void run(int64_t n, const F& f) {
    if (n <= kGrain || (n <= kFewElements && total() <= kFewElements)) return f(int64_t{0}, n);
    parallel_for(n, kGrain, f);
  }

 private:
  int64_t total() {
    if (total_ < 0) {
      total_ = 0;
      for (Py_ssize_t i = 0; i < PyList_GET_SIZE(params_); ++i) {
        PyObject* item = list_item(params_, i);
        if (is_tensor(item)) total_ += unwrap(item).numel();
      }
    }
    return total_;
  }
  PyObject* params_;
  int64_t total_ = -1;
};

void check_lists(PyObject* const* lists, int count) {
  for (int k = 0; k < count; ++k) {
    PC_CHECK_TYPE(PyList_Check(lists[k]), "optimizer step: expected lists of tensors, got ",
                  Py_TYPE(lists[k])->tp_name);
    PC_CHECK_VALUE(PyList_GET_SIZE(lists[k]) == PyList_GET_SIZE(lists[0]),
                   "optimizer step: lists of different lengths");
  }
}

// A parameter with a gradient, in the form that run_range takes: without gaps, all in the order of
// the parameter, of the dtype that is computed in or 16-bit floats. Others are worked on as copies
// and written back.
class Target {
 public:
  explicit Target(PyObject* o) {
    PC_CHECK_TYPE(is_tensor(o), "optimizer step: parameters must be tensors, got ",
                  Py_TYPE(o)->tp_name);
    param_ = unwrap(o);
    const Tensor& g = grad(param_);
    if (!g.defined()) return;
    dtype = compute_dtype(param_.dtype());
    PC_CHECK(pycore::is_floating(dtype), "optimizer step: parameters must be floating, got ",
             param_.dtype());
    work = fit(param_);
    gradient = fit(g);
    active = true;
  }
  // The same for a piece of state; made with `fill` zeros if missing. True if it was made.
  bool state(PyObject* list, Py_ssize_t i, Tensor& out) {
    PyObject* o = list_item(list, i);
    bool missing = o == Py_None;
    if (missing) {
      Tensor made = zeros_like(param_);
      PyList_SetItem(list, i, wrap(made));
      o = list_item(list, i);
    }
    PC_CHECK_TYPE(is_tensor(o), "optimizer step: state must be tensors, got ", Py_TYPE(o)->tp_name);
    const Tensor& s = unwrap(o);
    PC_CHECK(s.sizes() == param_.sizes(), "optimizer step: state of shape ", s.sizes(),
             " for a parameter of shape ", param_.sizes());
    out = fit(s);
    if (!out.is(s)) write_back_.push_back({s, out});
    return missing;
  }
  void finish() {
    param_.bump_version();
    if (!work.is(param_)) copy_data(param_, work);
    for (auto& [to, from] : write_back_) copy_data(to, from);
  }

  bool active = false;
  DType dtype = DType::float32;
  Tensor work, gradient;

 private:
  Tensor fit(const Tensor& t) const {
    const bool fits = param_.is_contiguous() ? t.is_contiguous()
                                             : t.strides() == param_.strides() && is_dense(param_);
    if (fits && (t.dtype() == dtype || is_reduced_float(t.dtype()))) return t;
    Tensor c = empty_like(param_, dtype);
    copy_data(c, t);
    return c;
  }
  Tensor param_;
  std::vector<std::pair<Tensor, Tensor>> write_back_;
};

// Calls kernel(pointers, n) on pieces of the elements [begin, end) of tensors, in order: the
// parameter, its gradient (which stays as it is), its state. Undefined ones get null. 16-bit floats
// are computed in float32, a block at a time that stays in the nearest cache.
template <size_t N, class Kernel>
void run_range(const std::array<const Tensor*, N>& tensors, DType dtype, int64_t begin, int64_t end,
               const Kernel& kernel) {
  constexpr int64_t kBlock = 512;
  constexpr size_t kGradient = 1, kWide = static_cast<size_t>(DType::float32);
  alignas(64) float wide[N][kBlock];
  std::array<void*, N> at{};
  std::array<bool, N> narrow{};
  bool any = false;
  for (size_t k = 0; k < N; ++k) {
    narrow[k] = tensors[k]->defined() && tensors[k]->dtype() != dtype;
    any = any || narrow[k];
  }
  const auto& cast = kernels_now().cast->cast;
  for (int64_t i = begin; i < end;) {
    const int64_t n = any ? std::min(kBlock, end - i) : end - i;
    const auto place = [&](size_t k) { return (*tensors[k])->data + i * tensors[k]->item_size(); };
    for (size_t k = 0; k < N; ++k) {
      if (!tensors[k]->defined()) continue;
      at[k] = narrow[k] ? static_cast<void*>(wide[k]) : place(k);
      if (narrow[k])
        cast[static_cast<size_t>(tensors[k]->dtype())][kWide](place(k), at[k], n, 1, 1);
    }
    kernel(at, n);
    for (size_t k = 0; k < N; ++k)
      if (narrow[k] && k != kGradient)
        cast[kWide][static_cast<size_t>(tensors[k]->dtype())](at[k], place(k), n, 1, 1);
    i += n;
  }
}

// params, momentum_buffers, lr, momentum, dampening, weight_decay, nesterov, maximize -> whether
// state was made
PyObject* sgd(PyObject*, PyObject* const* a, Py_ssize_t n) {
  PC_PYTHON_TRY
  ExplainScope entry("SGD.step");
  PC_CHECK_TYPE(n == 8, "_optim.sgd: expected 8 arguments, got ", n);
  check_lists(a, 2);
  kernels::SgdStep step{number(a[2], "lr"),
                        number(a[3], "momentum"),
                        number(a[4], "dampening"),
                        number(a[5], "weight_decay"),
                        PyObject_IsTrue(a[6]) == 1,
                        PyObject_IsTrue(a[7]) == 1,
                        false};
  bool made = false;
  Elements elements(a[0]);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(a[0]); ++i) {
    Target p(list_item(a[0], i));
    if (!p.active) continue;
    Tensor buffer;
    kernels::SgdStep s = step;
    if (step.momentum != 0) {
      s.first = p.state(a[1], i, buffer);
      made |= s.first;
    }
    auto kernel = kernels_for("sgd", p.dtype).optim->sgd[static_cast<int>(p.dtype)];
    if (entry) entry.add_bytes(p.work.numel() * p.work.item_size());
    elements.run(p.work.numel(), [&](int64_t begin, int64_t end) {
      run_range<3>({&p.work, &p.gradient, &buffer}, p.dtype, begin, end,
                   [&](const auto& at, int64_t m) { kernel(at[0], at[1], at[2], m, s); });
    });
    p.finish();
  }
  return PyBool_FromLong(made);
  PC_PYTHON_CATCH(nullptr)
}

// params, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, lr, beta1, beta2, weight_decay, eps,
// amsgrad, maximize, decoupled
PyObject* adam(PyObject*, PyObject* const* a, Py_ssize_t n) {
  PC_PYTHON_TRY
  ExplainScope entry("Adam.step");
  PC_CHECK_TYPE(n == 13, "_optim.adam: expected 13 arguments, got ", n);
  check_lists(a, 5);
  kernels::AdamStep step{number(a[5], "lr"),           number(a[6], "beta1"),
                         number(a[7], "beta2"),        number(a[9], "eps"),
                         number(a[8], "weight_decay"), 0,
                         PyObject_IsTrue(a[12]) == 1,  PyObject_IsTrue(a[11]) == 1};
  bool amsgrad = PyObject_IsTrue(a[10]) == 1, made = false;
  Elements elements(a[0]);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(a[0]); ++i) {
    Target p(list_item(a[0], i));
    if (!p.active) continue;
    Tensor m, v, highest;
    made |= p.state(a[1], i, m);
    made |= p.state(a[2], i, v);
    if (amsgrad) made |= p.state(a[3], i, highest);
    if (list_item(a[4], i) == Py_None) {
      PyList_SetItem(a[4], i, wrap(zeros({}, DType::float32)));
      made = true;
    }
    PyObject* counter = list_item(a[4], i);
    PC_CHECK_TYPE(is_tensor(counter) && unwrap(counter).numel() == 1,
                  "optimizer step: 'step' must be a tensor with one element");
    const Tensor& count = unwrap(counter);
    kernels::AdamStep s = step;
    s.step = read_scalar(count->data, count.dtype()).to_int() + 1;
    scalar_bytes(Scalar(s.step), count.dtype(), count->data);
    count.bump_version();
    auto kernel = kernels_for("adam", p.dtype).optim->adam[static_cast<int>(p.dtype)];
    if (entry) entry.add_bytes(p.work.numel() * p.work.item_size());
    elements.run(p.work.numel(), [&](int64_t begin, int64_t end) {
      run_range<5>(
          {&p.work, &p.gradient, &m, &v, &highest}, p.dtype, begin, end,
          [&](const auto& at, int64_t c) { kernel(at[0], at[1], at[2], at[3], at[4], c, s); });
    });
    p.finish();
  }
  return PyBool_FromLong(made);
  PC_PYTHON_CATCH(nullptr)
}

// params, set_to_none
PyObject* zero_grad(PyObject*, PyObject* const* a, Py_ssize_t n) {
  PC_PYTHON_TRY
  PC_CHECK_TYPE(n == 2 && PyList_Check(a[0]),
                "_optim.zero_grad: expected a list of parameters and a bool");
  bool drop = PyObject_IsTrue(a[1]) == 1;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(a[0]); ++i) {
    PyObject* o = list_item(a[0], i);
    PC_CHECK_TYPE(is_tensor(o), "zero_grad: parameters must be tensors, got ", Py_TYPE(o)->tp_name);
    AutogradMeta* meta = unwrap(o)->autograd;
    if (!meta || !meta->grad.defined()) continue;
    if (drop) {
      meta->grad = Tensor();
    } else {
      if (grad_fn(meta->grad)) meta->grad = detach(meta->grad);
      meta->grad.bump_version();
      fill_data(meta->grad, 0);
    }
  }
  Py_RETURN_NONE;
  PC_PYTHON_CATCH(nullptr)
}

template <class F>
PyCFunction fast(F f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f));
}
PyMethodDef g_methods[] = {
    {"sgd", fast(sgd), METH_FASTCALL,
     "One step of stochastic gradient descent for a parameter group."},
    {"adam", fast(adam), METH_FASTCALL, "One step of Adam or AdamW for a parameter group."},
    {"zero_grad", fast(zero_grad), METH_FASTCALL,
     "Drops or zeroes the gradients of a list of parameters."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_optim(py::module_& m) {
  py::module_ sub = m.def_submodule("_optim");
  PyModule_AddFunctions(sub.ptr(), g_methods);
}

}  // namespace pycore::python
