// 16-bit floats where tiles of packed panels would spend their time on packing: a few rows, which
// read B as it lies, and small products, which are those of float32. Must not know batches.
#pragma once

#include "kernels/gemm_narrow.h"
#include "kernels/gemm_small.h"

namespace pycore {
namespace {
namespace gemm {

template <class T>
void product(const Context& ctx, const Problem<T>& q);  // gemm.cpp

// B's elements are widened as a tile reads them.
template <class S>
struct WidenOp : Plain<float> {
  using B = S;
  static PYCORE_INLINE Vec<float> load_b(const S* p) { return load_wide(p); }
  static PYCORE_INLINE Vec<float> load_b(const S* p, int n) {
#if !defined(__AVX512BW__)
    if (n == kLanes<float>) return load_wide(p);  // a part costs more
#endif
    return load_wide(p, n);
  }
};

// A matrix as float32, dense, in the order in which it lies: its new strides.
struct Strides {
  int64_t rows, columns;
};
template <class S>
Strides widen_matrix(const S* from, int64_t rs, int64_t cs, int64_t rows, int64_t columns,
                     float* to) {
  const bool across = rs == 1 && cs != 1;  // its columns are contiguous
  const int64_t lines = across ? columns : rows, length = across ? rows : columns;
  const int64_t step = across ? cs : rs;
  if (step == length && (across || cs == 1)) {
    widen(from, to, lines * length);
  } else if (across || cs == 1) {
    for (int64_t i = 0; i < lines; ++i) widen(from + i * step, to + i * length, length);
  } else {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) to[i * columns + j] = wide_of(from[i * rs + j * cs]);
    }
  }
  return across ? Strides{1, rows} : Strides{columns, 1};
}

// The epilogue in float32. Where it adds to C, the sums hold that before (`before_sums`).
template <class K>
class WideEpilogue {
 public:
  WideEpilogue(const Context& ctx, const NarrowProblem<K>& q)
      : bias_(ctx, (q.e.bias_row ? q.m : 0) + (q.e.bias_col ? q.n : 0)) {
    float* to = bias_.get();
    if (q.e.bias_row) {
      widen(q.e.bias_row, to, q.m);
      e_.bias_row = to;
      to += q.m;
    }
    if (q.e.bias_col) {
      widen(q.e.bias_col, to, q.n);
      e_.bias_col = to;
    }
    e_.accumulate = q.e.accumulate;
    e_.relu = q.e.relu;
  }
  const Epilogue<float>& get() const { return e_; }

 private:
  Scratch<float> bias_;
  Epilogue<float> e_;
};

// Calls f(row of C, row of sums, elements) for columns [j, j + width) of all rows, or once for all
// where they lie side by side.
template <class K, class F>
void for_rows(const NarrowProblem<K>& q, float* sums, int64_t j, int64_t width, const F& f) {
  if (q.crs == width) return f(q.c + j, sums, q.m * width);
  for (int64_t i = 0; i < q.m; ++i) f(q.c + i * q.crs + j, sums + i * width, width);
}
template <class K>
void before_sums(const NarrowProblem<K>& q, float* sums, int64_t j, int64_t width) {
  if (!q.e.accumulate) return;
  for_rows<K>(q, sums, j, width, [](auto* c, float* x, int64_t n) { widen(c, x, n); });
}
template <class K>
void round_sums(const NarrowProblem<K>& q, float* sums, int64_t j, int64_t width) {
  for_rows<K>(q, sums, j, width, [](auto* c, float* x, int64_t n) { round(x, c, n); });
}

// B is contiguous along its rows and widened as it is read: by tiles, or spread over sums where the
// rows are so long that a tile's part of them would be read slowly.
template <class K>
void read_in_place(const Context& ctx, const NarrowProblem<K>& q, bool spread) {
  using Op = WidenOp<typename K::Source>;
  constexpr int64_t kStrip = kSpreadColumns / 2, kColumns = 2 * kNr<float>;
  const Scratch<float> a(ctx, q.m * q.k);
  const Strides as = widen_matrix(q.a, q.ars, q.acs, q.m, q.k, a.get());
  const WideEpilogue<K> e(ctx, q);
  const int64_t groups = ceil_div(q.n, kColumns);
  const int64_t tasks = min_of(groups, tasks_for(4 * q.m * q.n * q.k));
  run_tasks(ctx, tasks, [&](int64_t t) {
    const int64_t end = min_of(q.n, (t + 1) * groups / tasks * kColumns);
    int64_t j = t * groups / tasks * kColumns;
    const Scratch<float> sums(ctx, q.m * min_of(kStrip, end - j));
    float* const c = sums.get();
    for (; j < end; j += kStrip) {
      const int64_t width = min_of(kStrip, end - j);
      before_sums<K>(q, c, j, width);
      if (spread) {
        spread_columns<float, Op>(q.m, q.k, a.get(), as.rows, as.columns, q.b + j, q.brs, c, width,
                                  0, width, e.get().at(0, j));
      } else {
        block<float, false, false, Op>(q.k, a.get(), as.rows, as.columns,
                                       rows_per_tile(q.m, kWideRows), q.b + j, q.brs, c, width, 0,
                                       q.m, 0, width, e.get().at(0, j));
      }
      round_sums<K>(q, c, j, width);
    }
  });
}

template <class K>
void through_float32(const Context& ctx, const NarrowProblem<K>& q) {
  const Scratch<float> a(ctx, q.m * q.k), b(ctx, q.k * q.n), sums(ctx, q.m * q.n);
  const Strides as = widen_matrix(q.a, q.ars, q.acs, q.m, q.k, a.get());
  const Strides bs = widen_matrix(q.b, q.brs, q.bcs, q.k, q.n, b.get());
  const WideEpilogue<K> e(ctx, q);
  before_sums<K>(q, sums.get(), 0, q.n);
  product<float>(ctx, {q.m, q.n, q.k, a.get(), as.rows, as.columns, b.get(), bs.rows, bs.columns,
                       sums.get(), q.n, e.get()});
  round_sums<K>(q, sums.get(), 0, q.n);
}

constexpr int64_t kSmallFactors = 16384;  // that are widened for less than packing costs
constexpr int64_t kFewTiles = 2 * kMr;    // rows that are worth tiles which widen B

// True if the product was one of these.
template <class K>
bool widened(const Context& ctx, const NarrowProblem<K>& q) {
  if (q.m == 1 || q.n == 1) return false;
  if (q.bcs == 1) {
    const bool spread = better_spread<float>(q.m, q.n, q.k);
    const bool tiles = q.m <= kFewTiles && (kRegisterBytes == 64 || q.n % kLanes<float> == 0);
    if (spread || tiles) {
      report(ctx, "B widened as it is read");
      read_in_place<K>(ctx, q, spread);
      return true;
    }
  }
  if (q.m * q.k + q.k * q.n <= kSmallFactors) {
    report(ctx, "through float32");
    through_float32<K>(ctx, q);
    return true;
  }
  return false;
}

template <class K>
void run_widened(const Context& ctx, const GemmArgs& args) {
  run_batch<typename K::Source, typename K::Result>(
      ctx, args, [](const Context& inner, const NarrowProblem<K>& q) {
        if (!widened<K>(inner, q)) narrow_product<K>(inner, q);
      });
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
