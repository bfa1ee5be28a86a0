// Fused optimizer steps in PyTorch's formulas. Must not know tensors.
#include "kernels/optim.h"

#include <math.h>

#include "kernels/rows.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

using simd::Vec;

template <class T>
void sgd(void* param, const void* grad, void* momentum, int64_t n, const SgdStep& step) {
  T* p = static_cast<T*>(param);
  const T* g = static_cast<const T*>(grad);
  T* buffer = static_cast<T*>(momentum);
  const T minus_lr = static_cast<T>(-step.lr), mu = static_cast<T>(step.momentum);
  const T decay = static_cast<T>(step.weight_decay), fresh = static_cast<T>(1 - step.dampening);
  for (int64_t i = 0; i < n; i += v::kLanes<T>) {
    const int m = n - i < v::kLanes<T> ? static_cast<int>(n - i) : v::kLanes<T>;
    const Vec<T> x = load_n<T>(p + i, m);
    Vec<T> d = load_n<T>(g + i, m);
    if (step.maximize) d = -d;
    if (step.weight_decay != 0) d = d + x * decay;
    if (step.momentum != 0) {
      Vec<T> b = d;
      if (!step.first) b = load_n<T>(buffer + i, m) * mu + d * fresh;
      store_n<T>(buffer + i, b, m);
      d = step.nesterov ? d + b * mu : b;
    }
    store_n<T>(p + i, x + d * minus_lr, m);
  }
}

template <class T>
void adam(void* param, const void* grad, void* exp_avg, void* exp_avg_sq, void* max_exp_avg_sq,
          int64_t n, const AdamStep& step) {
  T* p = static_cast<T*>(param);
  const T* g = static_cast<const T*>(grad);
  T* first = static_cast<T*>(exp_avg);
  T* second = static_cast<T*>(exp_avg_sq);
  T* largest = static_cast<T*>(max_exp_avg_sq);
  const double t = static_cast<double>(step.step);
  const double correction1 = 1 - ::pow(step.beta1, t), correction2 = 1 - ::pow(step.beta2, t);
  const T minus_step = static_cast<T>(-(step.lr / correction1));
  const T root2 = static_cast<T>(::sqrt(correction2));
  const T beta2 = static_cast<T>(step.beta2), eps = static_cast<T>(step.eps);
  const T fresh1 = static_cast<T>(1 - step.beta1), fresh2 = static_cast<T>(1 - step.beta2);
  const T decay = static_cast<T>(step.weight_decay);
  const T keep = static_cast<T>(1 - step.lr * step.weight_decay);
  for (int64_t i = 0; i < n; i += v::kLanes<T>) {
    const int m = n - i < v::kLanes<T> ? static_cast<int>(n - i) : v::kLanes<T>;
    Vec<T> x = load_n<T>(p + i, m);
    Vec<T> d = load_n<T>(g + i, m);
    if (step.maximize) d = -d;
    if (step.weight_decay != 0) {
      if (step.decoupled)
        x = x * keep;
      else
        d = d + x * decay;
    }
    Vec<T> m1 = load_n<T>(first + i, m);
    // As lerp(first, grad, 1 - beta1), which starts from the nearer end.
    m1 = fresh1 < T(0.5) ? m1 + fresh1 * (d - m1) : d - (d - m1) * (T(1) - fresh1);
    store_n<T>(first + i, m1, m);
    Vec<T> m2 = load_n<T>(second + i, m) * beta2 + fresh2 * d * d;
    store_n<T>(second + i, m2, m);
    if (largest != nullptr) {
      const Vec<T> old = load_n<T>(largest + i, m);
      m2 = v::select<T>(old != old, old, v::max<T>(old, m2));
      store_n<T>(largest + i, m2, m);
    }
    const Vec<T> denominator = v::sqrt<T>(m2) / root2 + eps;
    store_n<T>(p + i, x + minus_step * m1 / denominator, m);
  }
}

constexpr OptimKernels make_kernels() {
  OptimKernels k{};
  k.sgd[static_cast<int>(DType::float32)] = sgd<float>;
  k.sgd[static_cast<int>(DType::float64)] = sgd<double>;
  k.adam[static_cast<int>(DType::float32)] = adam<float>;
  k.adam[static_cast<int>(DType::float64)] = adam<double>;
  return k;
}

}  // namespace

extern const OptimKernels optim_kernels;
constinit const OptimKernels optim_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
