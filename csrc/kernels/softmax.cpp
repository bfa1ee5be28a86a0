// Softmax, log-softmax and cross entropy along an axis. Must not know tensors.
#include "kernels/softmax.h"

#include <math.h>

#include "kernels/rows.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

using simd::Vec;

inline constexpr int64_t kGrain = 16384;  // elements that a task takes at least
inline int64_t at_least_one(int64_t x) { return x > 0 ? x : 1; }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Calls body(unit) for 0 <= unit < units, several per task; a unit holds `size` elements.
template <class Body>
void over_units(const Context& ctx, int64_t units, int64_t size, const Body& body) {
  const int64_t per_task = at_least_one(kGrain / at_least_one(size));
  run_tasks(ctx, (units + per_task - 1) / per_task, [&](int64_t task) {
    const int64_t end = smaller(units, (task + 1) * per_task);
    for (int64_t u = task * per_task; u < end; ++u) body(u);
  });
}

// Calls rows(offset) for each row if inner == 1, else columns(offset, lanes) for each register of
// neighbouring columns; offset is that of the first element.
template <class T, class Rows, class Columns>
void over_slices(const Context& ctx, int64_t outer, int64_t n, int64_t inner, const Rows& rows,
                 const Columns& columns) {
  if (n == 0 || inner == 0) return;
  if (inner == 1) {
    over_units(ctx, outer, n, [&](int64_t u) { rows(u * n); });
    return;
  }
  constexpr int kL = v::kLanes<T>;
  const int64_t blocks = (inner + kL - 1) / kL;
  over_units(ctx, outer * blocks, n * smaller(inner, kL), [&](int64_t u) {
    const int64_t first = u % blocks * kL;
    columns(u / blocks * n * inner + first, static_cast<int>(smaller(kL, inner - first)));
  });
}

// inf - inf is NaN, as in PyTorch; only an all -inf row gives NaN in this way.
template <class T>
PYCORE_INLINE Vec<T> columns_max(const T* p, int64_t n, int64_t inner, int lanes) {
  Vec<T> top = v::splat<T>(-v::kInf<T>);
  for (int64_t i = 0; i < n; ++i) top = v::max<T>(load_n<T>(p + i * inner, lanes), top);
  return top;
}

template <class T>
void softmax(const Context& ctx, const void* in, void* out, int64_t outer, int64_t n,
             int64_t inner) {
  const T* x = static_cast<const T*>(in);
  T* y = static_cast<T*>(out);
  over_slices<T>(
      ctx, outer, n, inner,
      [&](int64_t o) {
        const Vec<T> top = v::splat<T>(row_max<T>(x + o, n));
        Vec<T> sum{};
        over_row<T>(n, [&](int64_t i, int lanes) {
          const Vec<T> e = v::exp<T>(load_filled<T>(x + o + i, lanes, -v::kInf<T>) - top);
          sum += e;
          store_n<T>(y + o + i, e, lanes);
        });
        const T scale = T(1) / v::sum_lanes<T>(sum);
        over_row<T>(n, [&](int64_t i, int lanes) {
          store_n<T>(y + o + i, load_n<T>(y + o + i, lanes) * scale, lanes);
        });
      },
      [&](int64_t o, int lanes) {
        const Vec<T> top = columns_max<T>(x + o, n, inner, lanes);
        Vec<T> sum{};
        for (int64_t i = 0; i < n; ++i) {
          const Vec<T> e = v::exp<T>(load_n<T>(x + o + i * inner, lanes) - top);
          sum += e;
          store_n<T>(y + o + i * inner, e, lanes);
        }
        const Vec<T> scale = T(1) / sum;
        for (int64_t i = 0; i < n; ++i)
          store_n<T>(y + o + i * inner, load_n<T>(y + o + i * inner, lanes) * scale, lanes);
      });
}

// log(sum(exp(x - top))) of a row.
template <class T>
PYCORE_INLINE T row_log_sum(const T* p, int64_t n, T top) {
  const T sum = sum_row<T>(p, n, -v::kInf<T>, [&](Vec<T> x) { return v::exp<T>(x - top); });
  return static_cast<T>(::log(static_cast<double>(sum)));
}
template <class T>
PYCORE_INLINE Vec<T> columns_log_sum(const T* p, int64_t n, int64_t inner, int lanes, Vec<T> top) {
  Vec<T> sum{};
  for (int64_t i = 0; i < n; ++i) sum += v::exp<T>(load_n<T>(p + i * inner, lanes) - top);
  return v::log<T>(sum);
}

template <class T>
void log_softmax(const Context& ctx, const void* in, void* out, int64_t outer, int64_t n,
                 int64_t inner) {
  const T* x = static_cast<const T*>(in);
  T* y = static_cast<T*>(out);
  over_slices<T>(
      ctx, outer, n, inner,
      [&](int64_t o) {
        const T top = row_max<T>(x + o, n);
        const T log_sum = row_log_sum<T>(x + o, n, top);
        over_row<T>(n, [&](int64_t i, int lanes) {
          store_n<T>(y + o + i, load_n<T>(x + o + i, lanes) - top - log_sum, lanes);
        });
      },
      [&](int64_t o, int lanes) {
        const Vec<T> top = columns_max<T>(x + o, n, inner, lanes);
        const Vec<T> log_sum = columns_log_sum<T>(x + o, n, inner, lanes, top);
        for (int64_t i = 0; i < n; ++i)
          store_n<T>(y + o + i * inner, load_n<T>(x + o + i * inner, lanes) - top - log_sum, lanes);
      });
}

// kLog: of log_softmax, dx = dy - exp(y) * sum(dy); else dx = y * (dy - sum(dy * y)).
template <class T, bool kLog>
void softmax_backward(const Context& ctx, const void* dy, const void* y, void* dx, int64_t outer,
                      int64_t n, int64_t inner) {
  const T* g = static_cast<const T*>(dy);
  const T* r = static_cast<const T*>(y);
  T* d = static_cast<T*>(dx);
  const auto weight = [&](int64_t o, int lanes) {
    return kLog ? load_n<T>(g + o, lanes) : load_n<T>(g + o, lanes) * load_n<T>(r + o, lanes);
  };
  const auto write = [&](int64_t o, int lanes, Vec<T> sum) {
    const Vec<T> a = load_n<T>(g + o, lanes), b = load_n<T>(r + o, lanes);
    store_n<T>(d + o, kLog ? a - v::exp<T>(b) * sum : b * (a - sum), lanes);
  };
  over_slices<T>(
      ctx, outer, n, inner,
      [&](int64_t o) {
        Vec<T> sum{};
        over_row<T>(n, [&](int64_t i, int lanes) { sum += weight(o + i, lanes); });
        const Vec<T> total = v::splat<T>(v::sum_lanes<T>(sum));
        over_row<T>(n, [&](int64_t i, int lanes) { write(o + i, lanes, total); });
      },
      [&](int64_t o, int lanes) {
        Vec<T> sum{};
        for (int64_t i = 0; i < n; ++i) sum += weight(o + i * inner, lanes);
        for (int64_t i = 0; i < n; ++i) write(o + i * inner, lanes, sum);
      });
}

// ---- losses of class indices ----

int64_t first_bad_target(const ClassTargets& t) {
  const int64_t rows = t.outer * t.inner;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t c = t.target[r];
    if ((c < 0 || c >= t.n) && c != t.ignore_index) return r;
  }
  return -1;
}
template <class T>
PYCORE_INLINE T weight_of(const ClassTargets& t, int64_t r) {
  const int64_t c = t.target[r];
  if (c == t.ignore_index) return 0;
  return t.weight != nullptr ? static_cast<const T*>(t.weight)[c] : T(1);
}
// Position in x of row r's target.
PYCORE_INLINE int64_t target_offset(const ClassTargets& t, int64_t r) {
  return (r / t.inner * t.n + t.target[r]) * t.inner + r % t.inner;
}
// The rows (of the loss) that start at offset o in x.
PYCORE_INLINE int64_t row_at(const ClassTargets& t, int64_t o) {
  return o / (t.n * t.inner) * t.inner + o % (t.n * t.inner);
}

template <class T>
int64_t cross_entropy(const Context& ctx, const ClassTargets& t, const void* in, void* lse_out,
                      void* losses_out, void* weights_out) {
  const int64_t bad = first_bad_target(t);
  if (bad >= 0) return bad;
  const T* x = static_cast<const T*>(in);
  T* lse = static_cast<T*>(lse_out);
  T* losses = static_cast<T*>(losses_out);
  T* weights = static_cast<T*>(weights_out);
  const auto finish = [&](int64_t r, T top, T log_sum) {
    lse[r] = top + log_sum;
    const T w = weight_of<T>(t, r);
    weights[r] = w;
    const bool ignored = t.target[r] == t.ignore_index;
    losses[r] = ignored ? T(0) : w * (log_sum - (x[target_offset(t, r)] - top));
  };
  over_slices<T>(
      ctx, t.outer, t.n, t.inner,
      [&](int64_t o) {
        const T top = row_max<T>(x + o, t.n);
        finish(row_at(t, o), top, row_log_sum<T>(x + o, t.n, top));
      },
      [&](int64_t o, int lanes) {
        const Vec<T> top = columns_max<T>(x + o, t.n, t.inner, lanes);
        const Vec<T> log_sum = columns_log_sum<T>(x + o, t.n, t.inner, lanes, top);
        for (int j = 0; j < lanes; ++j) finish(row_at(t, o) + j, top[j], log_sum[j]);
      });
  return -1;
}

template <class T>
void cross_entropy_backward(const Context& ctx, const ClassTargets& t, const void* in,
                            const void* lse_in, const void* scale_in, int64_t stride_scale,
                            void* out) {
  const T* x = static_cast<const T*>(in);
  const T* lse = static_cast<const T*>(lse_in);
  const T* scale = static_cast<const T*>(scale_in);
  T* dx = static_cast<T*>(out);
  const auto factor = [&](int64_t r) { return scale[r * stride_scale] * weight_of<T>(t, r); };
  const auto write = [&](int64_t o, int lanes, Vec<T> log_sum, Vec<T> k) {
    // Ignored rows get zeros even where x is infinite.
    const Vec<T> p = v::exp<T>(load_n<T>(x + o, lanes) - log_sum);
    store_n<T>(dx + o, v::select<T>(k == T(0), Vec<T>{}, p * k), lanes);
  };
  over_slices<T>(
      ctx, t.outer, t.n, t.inner,
      [&](int64_t o) {
        const int64_t r = row_at(t, o);
        const T k = factor(r);
        const Vec<T> log_sum = v::splat<T>(lse[r]), ks = v::splat<T>(k);
        over_row<T>(t.n, [&](int64_t i, int lanes) { write(o + i, lanes, log_sum, ks); });
        if (t.target[r] != t.ignore_index) dx[target_offset(t, r)] -= k;
      },
      [&](int64_t o, int lanes) {
        const int64_t r = row_at(t, o);
        T factors[v::kLanes<T>] = {};
        for (int j = 0; j < lanes; ++j) factors[j] = factor(r + j);
        const Vec<T> k = v::load<T>(factors), log_sum = load_n<T>(lse + r, lanes);
        for (int64_t i = 0; i < t.n; ++i) write(o + i * t.inner, lanes, log_sum, k);
        for (int j = 0; j < lanes; ++j)
          if (t.target[r + j] != t.ignore_index) dx[target_offset(t, r + j)] -= factors[j];
      });
}

template <class T>
int64_t nll(const Context&, const ClassTargets& t, const void* in, void* losses_out,
            void* weights_out) {
  const int64_t bad = first_bad_target(t);
  if (bad >= 0) return bad;
  const T* x = static_cast<const T*>(in);
  for (int64_t r = 0; r < t.outer * t.inner; ++r) {
    const T w = weight_of<T>(t, r);
    static_cast<T*>(weights_out)[r] = w;
    static_cast<T*>(losses_out)[r] =
        t.target[r] == t.ignore_index ? T(0) : -w * x[target_offset(t, r)];
  }
  return -1;
}

template <class T>
void nll_backward(const Context&, const ClassTargets& t, const void* scale_in, int64_t stride_scale,
                  void* out) {
  const T* scale = static_cast<const T*>(scale_in);
  T* dx = static_cast<T*>(out);
  memset(out, 0, sizeof(T) * static_cast<size_t>(t.outer * t.n * t.inner));
  for (int64_t r = 0; r < t.outer * t.inner; ++r)
    if (t.target[r] != t.ignore_index)
      dx[target_offset(t, r)] = -scale[r * stride_scale] * weight_of<T>(t, r);
}

template <class T>
constexpr void set(SoftmaxKernels& k, DType dtype) {
  const int d = static_cast<int>(dtype);
  k.softmax[d] = softmax<T>;
  k.log_softmax[d] = log_softmax<T>;
  k.softmax_backward[d] = softmax_backward<T, false>;
  k.log_softmax_backward[d] = softmax_backward<T, true>;
  k.cross_entropy[d] = cross_entropy<T>;
  k.cross_entropy_backward[d] = cross_entropy_backward<T>;
  k.nll[d] = nll<T>;
  k.nll_backward[d] = nll_backward<T>;
}
constexpr SoftmaxKernels make_kernels() {
  SoftmaxKernels k{};
  set<float>(k, DType::float32);
  set<double>(k, DType::float64);
  return k;
}

}  // namespace

extern const SoftmaxKernels softmax_kernels;
constinit const SoftmaxKernels softmax_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
