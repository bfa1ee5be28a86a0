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

// kCount registers of neighbouring columns; the only one of Tile<T, 1> may be partial.
template <class T, int kCount>
struct Tile {
  Vec<T> r[kCount];

  static PYCORE_INLINE Tile load(const T* p, int lanes) {
    Tile t;
    for (int k = 0; k < kCount; ++k)
      t.r[k] = kCount == 1 ? load_n<T>(p, lanes) : v::load<T>(p + k * v::kLanes<T>);
    return t;
  }
  PYCORE_INLINE void store(T* p, int lanes) const {
    for (int k = 0; k < kCount; ++k) {
      if (kCount == 1)
        store_n<T>(p, r[k], lanes);
      else
        v::store<T>(p + k * v::kLanes<T>, r[k]);
    }
  }
  static PYCORE_INLINE Tile all(T x) {
    Tile t;
    for (int k = 0; k < kCount; ++k) t.r[k] = v::splat<T>(x);
    return t;
  }
  static int width(int lanes) { return kCount == 1 ? lanes : kCount * v::kLanes<T>; }
  // f of the lanes of this and of others.
  template <class F, class... Others>
  PYCORE_INLINE Tile map(F f, const Others&... others) const {
    Tile t;
    for (int k = 0; k < kCount; ++k) t.r[k] = f(r[k], others.r[k]...);
    return t;
  }
};

// Calls rows(offset) for each row if inner == 1, else columns(Tile, offset, lanes) for tiles of
// neighbouring columns, of four registers where possible; offset is that of the first element.
template <class T, class Rows, class Columns>
void over_slices(const Context& ctx, int64_t outer, int64_t n, int64_t inner, const Rows& rows,
                 const Columns& columns) {
  if (n == 0 || inner == 0) return;
  if (inner == 1) {
    over_units(ctx, outer, n, [&](int64_t u) { rows(u * n); });
    return;
  }
  constexpr int kL = v::kLanes<T>;
  const int64_t wide = inner / (4 * kL), rest = inner - wide * 4 * kL;
  const int64_t blocks = wide + (rest + kL - 1) / kL;
  over_units(ctx, outer * blocks, n * smaller(inner, kL), [&](int64_t u) {
    const int64_t block = u % blocks, start = u / blocks * n * inner;
    if (block < wide) {
      columns(Tile<T, 4>{}, start + block * 4 * kL, kL);
    } else {
      const int64_t first = wide * 4 * kL + (block - wide) * kL;
      columns(Tile<T, 1>{}, start + first, static_cast<int>(smaller(kL, inner - first)));
    }
  });
}

template <class T>
PYCORE_INLINE Vec<T> max_of(Vec<T> a, Vec<T> b) {
  return v::max<T>(b, a);  // keeps the running maximum a where b is NaN
}
template <class T>
PYCORE_INLINE Vec<T> sum_of(Vec<T> a, Vec<T> b) {
  return a + b;
}

// Of a row of -inf alone, and where +inf or NaN occurs, the results are NaN, as in PyTorch.
template <class Columns, class T>
PYCORE_INLINE Columns columns_max(const T* p, int64_t n, int64_t inner, int lanes) {
  Columns top = Columns::all(-v::kInf<T>);
  for (int64_t i = 0; i < n; ++i) top = top.map(max_of<T>, Columns::load(p + i * inner, lanes));
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
      [&](auto tile, int64_t o, int lanes) {
        using Columns = decltype(tile);
        const Columns top = columns_max<Columns, T>(x + o, n, inner, lanes);
        Columns sum = Columns::all(0);
        for (int64_t i = 0; i < n; ++i) {
          const Columns e = Columns::load(x + o + i * inner, lanes)
                                .map([](Vec<T> a, Vec<T> m) { return v::exp<T>(a - m); }, top);
          sum = sum.map(sum_of<T>, e);
          e.store(y + o + i * inner, lanes);
        }
        const Columns scale = sum.map([](Vec<T> s) { return T(1) / s; });
        for (int64_t i = 0; i < n; ++i)
          Columns::load(y + o + i * inner, lanes)
              .map([](Vec<T> a, Vec<T> s) { return a * s; }, scale)
              .store(y + o + i * inner, lanes);
      });
}

// log(sum(exp(x - top))) of a row.
template <class T>
PYCORE_INLINE T row_log_sum(const T* p, int64_t n, T top) {
  const T sum = sum_row<T>(p, n, -v::kInf<T>, [&](Vec<T> x) { return v::exp<T>(x - top); });
  return static_cast<T>(::log(static_cast<double>(sum)));
}
template <class Columns, class T>
PYCORE_INLINE Columns columns_log_sum(const T* p, int64_t n, int64_t inner, int lanes,
                                      const Columns& top) {
  Columns sum = Columns::all(0);
  for (int64_t i = 0; i < n; ++i)
    sum = sum.map([](Vec<T> s, Vec<T> a, Vec<T> m) { return s + v::exp<T>(a - m); },
                  Columns::load(p + i * inner, lanes), top);
  return sum.map([](Vec<T> s) { return v::log<T>(s); });
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
      [&](auto tile, int64_t o, int lanes) {
        using Columns = decltype(tile);
        const Columns top = columns_max<Columns, T>(x + o, n, inner, lanes);
        const Columns log_sum = columns_log_sum<Columns, T>(x + o, n, inner, lanes, top);
        for (int64_t i = 0; i < n; ++i)
          Columns::load(x + o + i * inner, lanes)
              .map([](Vec<T> a, Vec<T> m, Vec<T> l) { return a - m - l; }, top, log_sum)
              .store(y + o + i * inner, lanes);
      });
}

// kLog: of log_softmax, dx = dy - exp(y) * sum(dy); else dx = y * (dy - sum(dy * y)).
template <class T, bool kLog>
void softmax_backward(const Context& ctx, const void* dy, const void* y, void* dx, int64_t outer,
                      int64_t n, int64_t inner) {
  const T* g = static_cast<const T*>(dy);
  const T* r = static_cast<const T*>(y);
  T* d = static_cast<T*>(dx);
  const auto weight = [](Vec<T> a, Vec<T> b) { return kLog ? a : a * b; };
  const auto result = [](Vec<T> a, Vec<T> b, Vec<T> sum) {
    return kLog ? a - v::exp<T>(b) * sum : b * (a - sum);
  };
  over_slices<T>(
      ctx, outer, n, inner,
      [&](int64_t o) {
        Vec<T> sum{};
        over_row<T>(n, [&](int64_t i, int lanes) {
          sum += weight(load_n<T>(g + o + i, lanes), load_n<T>(r + o + i, lanes));
        });
        const Vec<T> total = v::splat<T>(v::sum_lanes<T>(sum));
        over_row<T>(n, [&](int64_t i, int lanes) {
          const Vec<T> a = load_n<T>(g + o + i, lanes), b = load_n<T>(r + o + i, lanes);
          store_n<T>(d + o + i, result(a, b, total), lanes);
        });
      },
      [&](auto tile, int64_t o, int lanes) {
        using Columns = decltype(tile);
        Columns sum = Columns::all(0);
        for (int64_t i = 0; i < n; ++i)
          sum = sum.map(sum_of<T>, Columns::load(g + o + i * inner, lanes)
                                       .map(weight, Columns::load(r + o + i * inner, lanes)));
        for (int64_t i = 0; i < n; ++i)
          Columns::load(g + o + i * inner, lanes)
              .map(result, Columns::load(r + o + i * inner, lanes), sum)
              .store(d + o + i * inner, lanes);
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
  T *tops_out = static_cast<T*>(lse_out), *log_sums_out = tops_out + t.outer * t.inner;
  T* losses = static_cast<T*>(losses_out);
  T* weights = static_cast<T*>(weights_out);
  const auto finish = [&](int64_t r, T top, T log_sum) {
    tops_out[r] = top;
    log_sums_out[r] = log_sum;
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
      [&](auto tile, int64_t o, int lanes) {
        using Columns = decltype(tile);
        const Columns top = columns_max<Columns, T>(x + o, t.n, t.inner, lanes);
        const Columns log_sum = columns_log_sum<Columns, T>(x + o, t.n, t.inner, lanes, top);
        T tops[4 * v::kLanes<T>], log_sums[4 * v::kLanes<T>];
        top.store(tops, lanes);
        log_sum.store(log_sums, lanes);
        for (int j = 0; j < Columns::width(lanes); ++j)
          finish(row_at(t, o) + j, tops[j], log_sums[j]);
      });
  return -1;
}

template <class T>
void cross_entropy_backward(const Context& ctx, const ClassTargets& t, const void* in,
                            const void* lse_in, const void* scale_in, int64_t stride_scale,
                            void* out) {
  const T* x = static_cast<const T*>(in);
  const T *tops = static_cast<const T*>(lse_in), *log_sums = tops + t.outer * t.inner;
  const T* scale = static_cast<const T*>(scale_in);
  T* dx = static_cast<T*>(out);
  const auto factor = [&](int64_t r) { return scale[r * stride_scale] * weight_of<T>(t, r); };
  // Ignored rows get zeros even where x is infinite.
  const auto share = [](Vec<T> a, Vec<T> log_sum, Vec<T> k) {
    return v::select<T>(k == T(0), Vec<T>{}, v::exp<T>(a - log_sum) * k);
  };
  const auto below = [](Vec<T> a, Vec<T> top) { return a - top; };
  over_slices<T>(
      ctx, t.outer, t.n, t.inner,
      [&](int64_t o) {
        const int64_t r = row_at(t, o);
        const T k = factor(r);
        const Vec<T> top = v::splat<T>(tops[r]), log_sum = v::splat<T>(log_sums[r]);
        const Vec<T> ks = v::splat<T>(k);
        over_row<T>(t.n, [&](int64_t i, int lanes) {
          store_n<T>(dx + o + i, share(load_n<T>(x + o + i, lanes) - top, log_sum, ks), lanes);
        });
        if (t.target[r] != t.ignore_index) dx[target_offset(t, r)] -= k;
      },
      [&](auto tile, int64_t o, int lanes) {
        using Columns = decltype(tile);
        const int64_t r = row_at(t, o);
        T factors[4 * v::kLanes<T>] = {};
        for (int j = 0; j < Columns::width(lanes); ++j) factors[j] = factor(r + j);
        const Columns k = Columns::load(factors, lanes), top = Columns::load(tops + r, lanes),
                      log_sum = Columns::load(log_sums + r, lanes);
        for (int64_t i = 0; i < t.n; ++i)
          Columns::load(x + o + i * t.inner, lanes)
              .map(below, top)
              .map(share, log_sum, k)
              .store(dx + o + i * t.inner, lanes);
        for (int j = 0; j < Columns::width(lanes); ++j)
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
