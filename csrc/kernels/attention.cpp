// Attention: panels of queries against blocks of keys, on the micro-kernels of the matrix product.
// Must not know tensors.
//
// A panel is as many queries as a register tile has columns. Its scores are kept transposed, keys
// down and queries across: the packed panel is then the right operand of K * Q^T, a row of the tile
// is one key for all queries, so that maximum, sum and masks work lane by lane, and the tile is the
// left operand of every further product without being copied.
#include "kernels/attention.h"

#include "kernels/gemm_block.h"
#include "kernels/gemm_pack.h"
#include "kernels/gemm_small.h"
#include "kernels/rows.h"

namespace pycore {
namespace {
namespace attention {

using namespace simd;  // NOLINT: an unnamed namespace, and these are its words
using gemm::ceil_div;
using gemm::Epilogue;
using gemm::kNv;
using gemm::max_of;
using gemm::min_of;
using kernels::AttentionArgs;
using kernels::AttentionGradients;
using kernels::Context;
using kernels::MatrixBatch;
using kernels::run_tasks;
using kernels::Scratch;

template <class T>
inline constexpr int kPanel = gemm::kNr<T>;  // queries of a panel
constexpr int64_t kKeys = 128;               // keys of a block: its scores stay in the L1 cache
constexpr int64_t kBackwardKeys = 64;        // the derivative has two such tiles
constexpr int64_t kFewQueries = 7;      // that go without a panel, most of which would be empty
constexpr int64_t kTaskWork = 1 << 19;  // multiply-adds that are worth a task
constexpr int64_t kMinTasks = 16;       // what the derivative splits keys up for

template <class T>
T* matrix(const MatrixBatch& m, int64_t b) {
  return static_cast<T*>(m.data) + m.at[b];
}

// c[rows, cols] (+)= a * b for a left operand with any strides and rows of b as they lie.
template <class T>
void multiply(int64_t k, const T* a, int64_t ars, int64_t acs, const T* b, int64_t brs, T* c,
              int64_t crs, int64_t rows, int64_t cols, bool accumulate) {
  if (rows == 0 || cols == 0) return;
  Epilogue<T> e;
  e.accumulate = accumulate;
  gemm::block<T, false, false>(k, a, ars, acs, gemm::rows_per_tile(rows), b, brs, c, crs, 0, rows,
                               0, cols, e);
}

// t[n, panel] = rows [n, depth] times a packed panel [depth, panel].
template <class T>
void times_panel(int64_t depth, const T* rows, int64_t stride, int64_t n, const T* panel, T* t) {
  gemm::block<T, false, true>(depth, rows, stride, 1, gemm::rows_per_tile(n), panel, 0, t,
                              kPanel<T>, 0, n, 0, kPanel<T>, Epilogue<T>{});
}

// panel[p, i] = rows[i, p] * scale for i < count; the other columns are 0.
template <class T>
void pack_scaled(const T* rows, int64_t stride, int count, int64_t depth, T scale, T* panel) {
  gemm::pack_panel<T, kPanel<T>>(rows, stride, 1, count, depth, panel);
  if (scale == T(1)) return;
  for (int64_t i = 0; i < depth * kPanel<T>; i += kLanes<T>) {
    store(panel + i, load(panel + i) * scale);
  }
}

// The scores of one panel of queries against one block of keys.
template <class T>
struct Tile {
  int64_t batch, query;  // which matrix, and the first query
  int count;             // queries that exist
  int64_t key, keys;     // the block
};

// Adds the mask to the transposed scores t; `packed` has room for such a tile.
template <class T>
void add_mask(const AttentionArgs& a, const Tile<T>& at, T* t, T* packed) {
  const T* m = matrix<const T>(a.mask, at.batch) + at.query * a.mask.row + at.key * a.mask_col;
  if (a.mask.row == 0) {
    for (int64_t j = 0; j < at.keys; ++j) {
      T* row = t + j * kPanel<T>;
      for (int v = 0; v < kNv; ++v) {
        store(row + v * kLanes<T>, load(row + v * kLanes<T>) + m[j * a.mask_col]);
      }
    }
    return;
  }
  gemm::pack_panel<T, kPanel<T>>(m, a.mask.row, a.mask_col, at.count, at.keys, packed);
  for (int64_t i = 0; i < at.keys * kPanel<T>; i += kLanes<T>) {
    store(t + i, load(t + i) + load(packed + i));
  }
}

// -inf where the key comes after the query.
template <class T>
void hide_future(const Tile<T>& at, T* t) {
  Mask<T> lane{};
  for (int i = 0; i < kLanes<T>; ++i) lane[i] = i;
  for (int64_t j = max_of(0, at.query + 1 - at.key); j < at.keys; ++j) {
    for (int v = 0; v < kNv; ++v) {
      T* x = t + j * kPanel<T> + v * kLanes<T>;
      const auto first =
          static_cast<typename LaneInt<T>::type>(at.key + j - at.query - v * kLanes<T>);
      store(x, select<T>(lane < first, splat<T>(-kInf<T>), load(x)));
    }
  }
}

template <class T>
void scores(const AttentionArgs& a, const Tile<T>& at, const T* panel, T* t, T* packed) {
  times_panel<T>(a.depth, matrix<const T>(a.k, at.batch) + at.key * a.k.row, a.k.row, at.keys,
                 panel, t);
  if (a.mask.data) add_mask<T>(a, at, t, packed);
  if (a.causal && at.key + at.keys > at.query + 1) hide_future<T>(at, t);
}

// The dropout factors of a tile, transposed as the scores are.
template <class T>
void pack_keep(const AttentionArgs& a, const Tile<T>& at, T* packed) {
  const T* keep =
      static_cast<const T*>(a.keep) + (at.batch * a.queries + at.query) * a.keys + at.key;
  gemm::pack_panel<T, kPanel<T>>(keep, a.keys, 1, at.count, at.keys, packed);
}

// Keys that the panel starting at `query` sees any of.
inline int64_t visible(const AttentionArgs& a, int64_t query, int count) {
  return a.causal ? min_of(a.keys, query + count) : a.keys;
}

// ---- forward ----

template <class T>
struct ForwardScratch {
  T* panel;   // [depth, panel]
  T* tile;    // [kKeys, panel]
  T* packed;  // the same, for masks and dropout
  T* sums;    // [panel, value_depth]

  static int64_t size(const AttentionArgs& a) {
    return kPanel<T> * (a.depth + 2 * kKeys + a.value_depth);
  }
  ForwardScratch(const AttentionArgs& a, T* p)
      : panel(p),
        tile(panel + kPanel<T> * a.depth),
        packed(tile + kPanel<T> * kKeys),
        sums(packed + kPanel<T> * kKeys) {}
};

// Maximum and sum of a row's exponentials so far, one row per lane.
template <class T>
struct Running {
  Vec<T> top[kNv], sum[kNv];
};

// Turns scores into exp(score - maximum) and updates the running values; rescale[i] is what earlier
// sums of query i have to be multiplied by.
template <class T>
void exponentials(T* t, int64_t n, const T* keep, Running<T>& run, T* rescale) {
  constexpr int L = kLanes<T>;
  Vec<T> high[kNv], sum[kNv] = {};
  for (int v = 0; v < kNv; ++v) high[v] = run.top[v];
  for (int64_t j = 0; j < n; ++j) {
#pragma GCC unroll 4
    // max keeps its second operand where the first is NaN
    for (int v = 0; v < kNv; ++v) high[v] = max<T>(load(t + (j * kNv + v) * L), high[v]);
  }
  Vec<T> base[kNv];
  for (int v = 0; v < kNv; ++v) {
    // Of a row without any key so far, exp(-inf - 0) = 0.
    base[v] = select<T>(high[v] == -kInf<T>, Vec<T>{}, high[v]);
    const Vec<T> factor = exp<T>(run.top[v] - base[v]);
    run.sum[v] *= factor;
    run.top[v] = high[v];
    store(rescale + v * L, factor);
  }
  for (int64_t j = 0; j < n; ++j) {
#pragma GCC unroll 4
    for (int v = 0; v < kNv; ++v) {
      T* x = t + (j * kNv + v) * L;
      Vec<T> e = exp<T>(load(x) - base[v]);
      sum[v] += e;
      if (keep) e *= load(keep + (j * kNv + v) * L);
      store(x, e);
    }
  }
  for (int v = 0; v < kNv; ++v) run.sum[v] += sum[v];
}

template <class T>
void scale_row(const T* from, T factor, int64_t n, T* to) {
  constexpr int L = kLanes<T>;
  int64_t c = 0;
  for (; c + L <= n; c += L) store(to + c, load(from + c) * factor);
  if (c < n) {
    const int rest = static_cast<int>(n - c);
    store_partial(to + c, load_partial(from + c, rest) * factor, rest);
  }
}

template <class T>
void forward_panel(const AttentionArgs& a, int64_t b, int64_t query, const ForwardScratch<T>& s) {
  constexpr int W = kPanel<T>, L = kLanes<T>;
  const int count = static_cast<int>(min_of(W, a.queries - query));
  const int64_t last = visible(a, query, count), width = a.value_depth;
  pack_scaled<T>(matrix<const T>(a.q, b) + query * a.q.row, a.q.row, count, a.depth,
                 static_cast<T>(a.scale), s.panel);
  const T* values = matrix<const T>(a.v, b);
  Running<T> run;
  for (int v = 0; v < kNv; ++v) {
    run.top[v] = splat<T>(-kInf<T>);
    run.sum[v] = Vec<T>{};
  }
  alignas(64) T factor[W];
  for (int64_t key = 0; key < last; key += kKeys) {
    const Tile<T> at{b, query, count, key, min_of(kKeys, last - key)};
    scores<T>(a, at, s.panel, s.tile, s.packed);
    if (a.keep) pack_keep<T>(a, at, s.packed);
    exponentials<T>(s.tile, at.keys, a.keep ? s.packed : nullptr, run, factor);
    if (key > 0) {
      for (int i = 0; i < count; ++i) {
        scale_row<T>(s.sums + i * width, factor[i], width, s.sums + i * width);
      }
    }
    multiply<T>(at.keys, s.tile, 1, W, values + key * a.v.row, a.v.row, s.sums, width, count, width,
                key > 0);
  }
  alignas(64) T lse[W];
  for (int v = 0; v < kNv; ++v) {
    const Mask<T> unseen = run.sum[v] == T(0);
    store(factor + v * L, select<T>(unseen, Vec<T>{}, T(1) / run.sum[v]));
    store(lse + v * L, select<T>(unseen, splat<T>(kInf<T>), run.top[v] + log<T>(run.sum[v])));
  }
  T* out = matrix<T>(a.out, b) + query * a.out.row;
  for (int i = 0; i < count; ++i) {
    if (last > 0) {
      scale_row<T>(s.sums + i * width, factor[i], width, out + i * a.out.row);
    } else {
      memset(out + i * a.out.row, 0, sizeof(T) * static_cast<size_t>(width));
    }
  }
  if (a.lse) {
    memcpy(static_cast<T*>(a.lse) + b * a.queries + query, lse,
           sizeof(T) * static_cast<size_t>(count));
  }
}

// A few queries (a decoder's next token): scores lie row by row, as dot products of contiguous
// rows.
template <class T>
struct FewScratch {
  T* q;     // [queries, depth], scaled
  T* tile;  // [queries, kKeys]
  T* sums;  // [queries, value_depth]

  static int64_t size(const AttentionArgs& a) {
    return kFewQueries * (a.depth + kKeys + a.value_depth);
  }
  FewScratch(const AttentionArgs& a, T* p)
      : q(p), tile(q + kFewQueries * a.depth), sums(tile + kFewQueries * kKeys) {}
};

template <class T>
void add_mask_row(const T* m, int64_t step, T* t, int64_t n) {
  if (step == 1) {
    kernels::over_row<T>(n, [&](int64_t j, int lanes) {
      kernels::store_n<T>(
          t + j, kernels::load_n<T>(t + j, lanes) + kernels::load_n<T>(m + j, lanes), lanes);
    });
  } else {
    for (int64_t j = 0; j < n; ++j) t[j] += m[j * step];
  }
}

// exp(t - base), times the dropout factors if there are any; returns the sum before them.
template <class T>
T exponentials_of_row(T* t, int64_t n, const T* keep, T base) {
  Vec<T> sum{};
  kernels::over_row<T>(n, [&](int64_t j, int lanes) {
    Vec<T> e = exp<T>(kernels::load_filled<T>(t + j, lanes, -kInf<T>) - base);
    sum += e;
    if (keep) e *= kernels::load_n<T>(keep + j, lanes);
    kernels::store_n<T>(t + j, e, lanes);
  });
  return sum_lanes<T>(sum);
}

template <class T>
void forward_few(const AttentionArgs& a, int64_t b, const FewScratch<T>& s) {
  const int64_t count = a.queries, width = a.value_depth;
  const int64_t last = visible(a, 0, static_cast<int>(count));
  const T* q = matrix<const T>(a.q, b);
  const T* k = matrix<const T>(a.k, b);
  const T* v = matrix<const T>(a.v, b);
  T top[kFewQueries], sum[kFewQueries];
  for (int64_t i = 0; i < count; ++i) {
    scale_row<T>(q + i * a.q.row, static_cast<T>(a.scale), a.depth, s.q + i * a.depth);
    top[i] = -kInf<T>;
    sum[i] = 0;
  }
  for (int64_t key = 0; key < last; key += kKeys) {
    const int64_t n = min_of(kKeys, last - key);
    gemm::dot_columns<T>(count, a.depth, s.q, a.depth, k + key * a.k.row, a.k.row, s.tile, kKeys, 0,
                         n, Epilogue<T>{});
    for (int64_t i = 0; i < count; ++i) {
      T* t = s.tile + i * kKeys;
      if (a.mask.data) {
        const T* m = matrix<const T>(a.mask, b) + i * a.mask.row + key * a.mask_col;
        add_mask_row<T>(m, a.mask_col, t, n);
      }
      if (a.causal) {
        for (int64_t j = max_of(0, i + 1 - key); j < n; ++j) t[j] = -kInf<T>;
      }
      const T high = kernels::row_max<T>(t, n), now = high > top[i] ? high : top[i];
      const T base = now == -kInf<T> ? T(0) : now;
      const T factor = exp<T>(splat<T>(top[i] - base))[0];
      const T* keep =
          a.keep ? static_cast<const T*>(a.keep) + (b * count + i) * a.keys + key : nullptr;
      sum[i] = sum[i] * factor + exponentials_of_row<T>(t, n, keep, base);
      top[i] = now;
      if (key > 0) scale_row<T>(s.sums + i * width, factor, width, s.sums + i * width);
    }
    if (count == 1) {
      Epilogue<T> e;
      e.accumulate = key > 0;
      gemm::row_columns<T>(n, s.tile, 1, v + key * a.v.row, a.v.row, s.sums, 0, width, e);
    } else {
      multiply<T>(n, s.tile, kKeys, 1, v + key * a.v.row, a.v.row, s.sums, width, count, width,
                  key > 0);
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    T* out = matrix<T>(a.out, b) + i * a.out.row;
    const bool unseen = sum[i] == T(0);
    if (last > 0) {
      scale_row<T>(s.sums + i * width, unseen ? T(0) : T(1) / sum[i], width, out);
    } else {
      memset(out, 0, sizeof(T) * static_cast<size_t>(width));
    }
  }
}

template <class T>
void forward(const Context& ctx, const AttentionArgs& a) {
  // The derivative takes exp(score - lse) anew: only scores of the same bits as those in lse do.
  if (a.queries <= kFewQueries && !a.lse) {
    const int64_t work = max_of(1, a.queries * a.keys * (a.depth + a.value_depth));
    const int64_t per_task = max_of(1, kTaskWork / 4 / work);
    run_tasks(ctx, ceil_div(a.batch, per_task), [&](int64_t t) {
      const Scratch<T> memory(ctx, FewScratch<T>::size(a));
      const FewScratch<T> s(a, memory.get());
      for (int64_t b = t * per_task; b < min_of(a.batch, (t + 1) * per_task); ++b) {
        forward_few<T>(a, b, s);
      }
    });
    return;
  }
  const int64_t panels = ceil_div(a.queries, kPanel<T>), units = a.batch * panels;
  const int64_t work = kPanel<T> * max_of(1, a.keys) * (a.depth + a.value_depth + 16);
  const int64_t per_task = max_of(1, kTaskWork / work);
  run_tasks(ctx, ceil_div(units, per_task), [&](int64_t t) {
    const Scratch<T> memory(ctx, ForwardScratch<T>::size(a));
    const ForwardScratch<T> s(a, memory.get());
    for (int64_t u = t * per_task; u < min_of(units, (t + 1) * per_task); ++u) {
      // The last panels first: under a causal mask they are the longest.
      forward_panel<T>(a, u / panels, (panels - 1 - u % panels) * kPanel<T>, s);
    }
  });
}

// ---- derivatives ----

// What the derivative of one matrix works on. Panels lie one after the other.
template <class T>
struct BackwardScratch {
  T* q;       // [panels, depth, panel], scaled
  T* g;       // [panels, value_depth, panel], gradients of the output
  T* lse;     // [panels, panel]
  T* dot;     // [panels, panel]: out * gradient, summed over the row
  T* p;       // [kBackwardKeys, panel]: probabilities
  T* d;       // the same: gradients of the scores
  T* packed;  // the same, for masks and dropout

  static int64_t size(const AttentionArgs& a) {
    const int64_t rows = ceil_div(a.queries, kPanel<T>) * kPanel<T>;
    return rows * (a.depth + a.value_depth + 2) + 3 * kBackwardKeys * kPanel<T>;
  }
  BackwardScratch(const AttentionArgs& a, T* memory) {
    const int64_t rows = ceil_div(a.queries, kPanel<T>) * kPanel<T>;
    q = memory;
    g = q + rows * a.depth;
    lse = g + rows * a.value_depth;
    dot = lse + rows;
    p = dot + rows;
    d = p + kBackwardKeys * kPanel<T>;
    packed = d + kBackwardKeys * kPanel<T>;
  }
};

template <class T>
T dot_product(const T* x, const T* y, int64_t n) {
  constexpr int L = kLanes<T>;
  Vec<T> sum{};
  int64_t c = 0;
  for (; c + L <= n; c += L) sum = fma<T>(load(x + c), load(y + c), sum);
  if (c < n) {
    const int rest = static_cast<int>(n - c);
    sum = fma<T>(load_partial(x + c, rest), load_partial(y + c, rest), sum);
  }
  return sum_lanes<T>(sum);
}

template <class T>
void pack_rows_of(const AttentionArgs& a, const MatrixBatch& gradient, int64_t b,
                  const BackwardScratch<T>& s) {
  constexpr int W = kPanel<T>;
  const T* q = matrix<const T>(a.q, b);
  const T* g = matrix<const T>(gradient, b);
  const T* out = matrix<const T>(a.out, b);
  const T* lse = static_cast<const T*>(a.lse) + b * a.queries;
  for (int64_t query = 0; query < a.queries; query += W) {
    const int count = static_cast<int>(min_of(W, a.queries - query));
    pack_scaled<T>(q + query * a.q.row, a.q.row, count, a.depth, static_cast<T>(a.scale),
                   s.q + query * a.depth);
    pack_scaled<T>(g + query * gradient.row, gradient.row, count, a.value_depth, T(1),
                   s.g + query * a.value_depth);
    for (int i = 0; i < W; ++i) {
      const int64_t r = query + i;
      s.lse[r] = i < count ? lse[r] : kInf<T>;  // so that their probabilities are 0
      s.dot[r] = i < count
                     ? dot_product<T>(out + r * a.out.row, g + r * gradient.row, a.value_depth)
                     : T(0);
    }
  }
}

// From scores p and gradients of probabilities d: probabilities after dropout, and gradients of the
// scores before the scale.
template <class T>
void score_gradients(T* p, T* d, int64_t n, const T* keep, const T* lse, const T* dot, T scale) {
  constexpr int L = kLanes<T>;
  Vec<T> l[kNv], sum[kNv];
  for (int v = 0; v < kNv; ++v) {
    l[v] = load(lse + v * L);
    sum[v] = load(dot + v * L);
  }
  for (int64_t j = 0; j < n; ++j) {
#pragma GCC unroll 4
    for (int v = 0; v < kNv; ++v) {
      const int64_t i = (j * kNv + v) * L;
      const Vec<T> prob = exp<T>(load(p + i) - l[v]);
      Vec<T> grad = load(d + i), kept = prob;
      if (keep) {
        const Vec<T> k = load(keep + i);
        grad *= k;
        kept *= k;
      }
      store(p + i, kept);
      store(d + i, prob * (grad - sum[v]) * scale);
    }
  }
}

template <class T>
void clear_rows(T* p, int64_t stride, int64_t rows, int64_t n) {
  for (int64_t i = 0; i < rows; ++i) memset(p + i * stride, 0, sizeof(T) * static_cast<size_t>(n));
}

// All that the keys [first, last) of matrix b contribute; dq (rows of stride dq_row) is added to.
template <class T>
void backward_keys(const AttentionArgs& a, const AttentionGradients& grads, int64_t b,
                   int64_t first, int64_t last, T* dq, int64_t dq_row,
                   const BackwardScratch<T>& s) {
  constexpr int W = kPanel<T>;
  const T* q = matrix<const T>(a.q, b);
  const T* k = matrix<const T>(a.k, b);
  const T* v = matrix<const T>(a.v, b);
  const T* g = matrix<const T>(grads.out, b);
  for (int64_t key = first; key < last; key += kBackwardKeys) {
    const int64_t n = min_of(kBackwardKeys, last - key);
    T* dk = grads.k.data ? matrix<T>(grads.k, b) + key * grads.k.row : nullptr;
    T* dv = grads.v.data ? matrix<T>(grads.v, b) + key * grads.v.row : nullptr;
    bool touched = false;
    for (int64_t query = a.causal ? key / W * W : 0; query < a.queries; query += W) {
      const int count = static_cast<int>(min_of(W, a.queries - query));
      const Tile<T> at{b, query, count, key, n};
      scores<T>(a, at, s.q + query * a.depth, s.p, s.packed);
      times_panel<T>(a.value_depth, v + key * a.v.row, a.v.row, n, s.g + query * a.value_depth,
                     s.d);
      if (a.keep) pack_keep<T>(a, at, s.packed);
      score_gradients<T>(s.p, s.d, n, a.keep ? s.packed : nullptr, s.lse + query, s.dot + query,
                         static_cast<T>(a.scale));
      if (dv) {
        multiply<T>(count, s.p, W, 1, g + query * grads.out.row, grads.out.row, dv, grads.v.row, n,
                    a.value_depth, touched);
      }
      if (dk) {
        multiply<T>(count, s.d, W, 1, q + query * a.q.row, a.q.row, dk, grads.k.row, n, a.depth,
                    touched);
      }
      if (dq) {
        multiply<T>(n, s.d, 1, W, k + key * a.k.row, a.k.row, dq + query * dq_row, dq_row, count,
                    a.depth, true);
      }
      touched = true;
    }
    if (!touched) {  // keys that no query sees
      if (dk) clear_rows<T>(dk, grads.k.row, n, a.depth);
      if (dv) clear_rows<T>(dv, grads.v.row, n, a.value_depth);
    }
  }
}

template <class T>
void backward(const Context& ctx, const AttentionArgs& a, const AttentionGradients& grads) {
  if (a.batch == 0) return;
  // Few matrices: their keys are shared out too, and the partial sums for the queries added in
  // order.
  const int64_t blocks = max_of(1, ceil_div(a.keys, kBackwardKeys));
  const int64_t splits = a.batch >= kMinTasks ? 1 : min_of(ceil_div(kMinTasks, a.batch), blocks);
  const int64_t part = a.queries * a.depth;
  const bool apart = splits > 1 && grads.q.data;
  const Scratch<T> parts(ctx, apart ? a.batch * splits * part : 0);
  run_tasks(ctx, a.batch * splits, [&](int64_t t) {
    const int64_t b = t / splits, split = t % splits;
    const Scratch<T> memory(ctx, BackwardScratch<T>::size(a));
    const BackwardScratch<T> s(a, memory.get());
    pack_rows_of<T>(a, grads.out, b, s);
    T* dq = nullptr;
    int64_t dq_row = a.depth;
    if (grads.q.data) {
      dq = apart ? parts.get() + t * part : matrix<T>(grads.q, b);
      if (!apart) dq_row = grads.q.row;
      clear_rows<T>(dq, dq_row, a.queries, a.depth);
    }
    backward_keys<T>(a, grads, b, split * blocks / splits * kBackwardKeys,
                     min_of(a.keys, (split + 1) * blocks / splits * kBackwardKeys), dq, dq_row, s);
  });
  if (!apart) return;
  run_tasks(ctx, a.batch, [&](int64_t b) {
    T* dq = matrix<T>(grads.q, b);
    for (int64_t i = 0; i < a.queries; ++i) {
      T* to = dq + i * grads.q.row;
      const T* from = parts.get() + b * splits * part + i * a.depth;
      memcpy(to, from, sizeof(T) * static_cast<size_t>(a.depth));
      for (int64_t split = 1; split < splits; ++split) {
        for (int64_t c = 0; c < a.depth; ++c) to[c] += from[split * part + c];
      }
    }
  });
}

}  // namespace attention
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {
namespace {
constexpr AttentionKernels make_kernels() {
  AttentionKernels k{};
  constexpr int kFloat = static_cast<int>(DType::float32),
                kDouble = static_cast<int>(DType::float64);
  k.forward[kFloat] = attention::forward<float>;
  k.forward[kDouble] = attention::forward<double>;
  k.backward[kFloat] = attention::backward<float>;
  k.backward[kDouble] = attention::backward<double>;
  return k;
}
}  // namespace

extern const AttentionKernels attention_kernels;
constinit const AttentionKernels attention_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
