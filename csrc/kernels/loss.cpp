// Losses of pairs and their slopes. Must not know tensors or reductions.
#include "kernels/loss.h"

#include "kernels/pointwise.h"
#include "kernels/rows.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

using simd::Vec;

inline constexpr int64_t kChunk = 32768;

// Each loss: value(x, t, p) and slope(x, t, p), p its parameter. The limited difference c makes the
// two cases of smooth_l1 and huber one: c (d - c / 2) is d^2 / 2 inside the limit, limit (|d| -
// limit / 2) outside.
template <class T>
PYCORE_INLINE Vec<T> limited(Vec<T> d, T limit) {
  return v::min<T>(v::splat<T>(limit), v::max<T>(v::splat<T>(-limit), d));
}
struct Squared {
  template <class T>
  static PYCORE_INLINE Vec<T> value(Vec<T> x, Vec<T> t, T) {
    const Vec<T> d = x - t;
    return d * d;
  }
  template <class T>
  static PYCORE_INLINE Vec<T> slope(Vec<T> x, Vec<T> t, T) {
    return T(2) * (x - t);
  }
};
struct SmoothL1 {
  template <class T>
  static PYCORE_INLINE Vec<T> value(Vec<T> x, Vec<T> t, T beta) {
    const Vec<T> d = x - t, c = limited<T>(d, beta);
    return c * (d - T(0.5) * c) * (T(1) / beta);
  }
  template <class T>
  static PYCORE_INLINE Vec<T> slope(Vec<T> x, Vec<T> t, T beta) {
    return limited<T>(x - t, beta) * (T(1) / beta);
  }
};
struct Huber {
  template <class T>
  static PYCORE_INLINE Vec<T> value(Vec<T> x, Vec<T> t, T delta) {
    const Vec<T> d = x - t, c = limited<T>(d, delta);
    return c * (d - T(0.5) * c);
  }
  template <class T>
  static PYCORE_INLINE Vec<T> slope(Vec<T> x, Vec<T> t, T delta) {
    return limited<T>(x - t, delta);
  }
};
struct Bce {
  template <class T>
  static PYCORE_INLINE Vec<T> value(Vec<T> x, Vec<T> t, T) {
    const Vec<T> low = v::splat<T>(T(-100));
    const Vec<T> yes = v::max<T>(low, v::log<T>(x)), no = v::max<T>(low, v::log1p<T>(-x));
    return (t - T(1)) * no - t * yes;
  }
  template <class T>
  static PYCORE_INLINE Vec<T> slope(Vec<T> x, Vec<T> t, T) {
    return (x - t) / v::max<T>(v::splat<T>(T(1e-12)), x * (T(1) - x));
  }
};
struct BceLogits {
  template <class T>
  static PYCORE_INLINE Vec<T> value(Vec<T> x, Vec<T> t, T) {
    const Vec<T> soft = v::log1p<T>(v::exp<T>(-v::abs<T>(x)));
    // max(x, 0) - x t, which would be NaN for an infinite x that costs infinitely much.
    return x * (v::select<T>(x > Vec<T>{}, v::splat<T>(T(1)), Vec<T>{}) - t) + soft;
  }
  template <class T>
  static PYCORE_INLINE Vec<T> slope(Vec<T> x, Vec<T> t, T) {
    return v::sigmoid<T>(x) - t;
  }
};

// As functors for pointwise.h.
template <class Loss>
struct ValueOp {
  static constexpr int params = 1;
  template <class T>
  static PYCORE_INLINE Vec<T> run(Vec<T> x, Vec<T> t, const Params<T>& p) {
    return Loss::template value<T>(x, t, p[0]);
  }
};
template <class Loss>
struct SlopeOp {
  static constexpr int params = 2;
  template <class T>
  static PYCORE_INLINE Vec<T> run(Vec<T> x, Vec<T> t, const Params<T>& p) {
    return Loss::template slope<T>(x, t, p[0]) * p[1];
  }
};

template <class Loss, class T>
T sum_chunk(const T* x, const T* t, int64_t n, T p) {
  constexpr int kL = v::kLanes<T>;
  Vec<T> total{};
  for (int64_t i = 0; i < n;) {
    const int64_t end = i + 64 * kL < n ? i + 64 * kL : n;
    Vec<T> a{}, b{};
    for (; i + 2 * kL <= end; i += 2 * kL) {
      a += Loss::template value<T>(v::load<T>(x + i), v::load<T>(t + i), p);
      b += Loss::template value<T>(v::load<T>(x + i + kL), v::load<T>(t + i + kL), p);
    }
    for (; i < end; i += kL) {
      const int64_t m = end - i;
      // x and t that have no loss stand beyond the end: both 1 (large for a logit).
      const T none = __is_same(Loss, BceLogits) ? T(1000) : T(1);
      a += Loss::template value<T>(load_filled<T>(x + i, m, none), load_filled<T>(t + i, m, T(1)),
                                   p);
    }
    total += a + b;
  }
  return v::sum_lanes<T>(total);
}

template <class Loss, class T>
double sum(const Context& ctx, const void* x_in, const void* t_in, int64_t n,
           const double* params) {
  const T* x = static_cast<const T*>(x_in);
  const T* t = static_cast<const T*>(t_in);
  const T p = static_cast<T>(params[0]);
  if (n <= kChunk) return static_cast<double>(sum_chunk<Loss, T>(x, t, n, p));
  const int64_t chunks = (n + kChunk - 1) / kChunk;
  const Scratch<double> parts(ctx, chunks);
  run_tasks(ctx, chunks, [&](int64_t c) {
    const int64_t first = c * kChunk, m = n - first < kChunk ? n - first : kChunk;
    parts.get()[c] = static_cast<double>(sum_chunk<Loss, T>(x + first, t + first, m, p));
  });
  double total = 0;
  for (int64_t c = 0; c < chunks; ++c) total += parts.get()[c];
  return total;
}

template <class Loss>
constexpr void set(LossKernels& k, PairLoss loss) {
  const int i = static_cast<int>(loss);
  constexpr int kF32 = static_cast<int>(DType::float32), kF64 = static_cast<int>(DType::float64);
  k.sum[i][kF32] = sum<Loss, float>;
  k.sum[i][kF64] = sum<Loss, double>;
  k.value[i][kF32] = binary_vec<ValueOp<Loss>, float>;
  k.value[i][kF64] = binary_vec<ValueOp<Loss>, double>;
  k.slope[i][kF32] = binary_vec<SlopeOp<Loss>, float>;
  k.slope[i][kF64] = binary_vec<SlopeOp<Loss>, double>;
}
constexpr LossKernels make_kernels() {
  LossKernels k{};
  set<Squared>(k, PairLoss::squared);
  set<SmoothL1>(k, PairLoss::smooth_l1);
  set<Huber>(k, PairLoss::huber);
  set<Bce>(k, PairLoss::bce);
  set<BceLogits>(k, PairLoss::bce_logits);
  return k;
}

}  // namespace

extern const LossKernels loss_kernels;
constinit const LossKernels loss_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
