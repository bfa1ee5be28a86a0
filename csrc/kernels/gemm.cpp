// Matrix products: chooses a path by shape and strides, blocks for the caches, splits into tasks.
// Must not know tensors. Tasks never share an element of C and k is never split between them.
#include "kernels/gemm.h"

#include "kernels/gemm_block.h"
#include "kernels/gemm_pack.h"
#include "kernels/gemm_small.h"

namespace pycore {
namespace {
namespace gemm {

using kernels::Context;
using kernels::GemmArgs;
using kernels::run_tasks;
using kernels::Scratch;

constexpr int64_t kTaskWork = 1 << 20;  // multiply-adds that are worth a task (about 10 us)
constexpr int64_t kMaxTasks = 16;       // tasks of one phase; a fixed bound, not the thread count

inline int64_t tasks_for(int64_t work) { return min_of(kMaxTasks, max_of(1, work / kTaskWork)); }

// One product with a row-major C.
template <class T>
struct Problem {
  int64_t m, n, k;
  const T* a;
  int64_t ars, acs;
  const T* b;
  int64_t brs, bcs;
  T* c;
  int64_t crs;
  Epilogue<T> e;
};

template <class T, bool PackedA, bool PackedB>
void blocked(const Context& ctx, const Problem<T>& q) {
  const int64_t k_blocks = q.k * 2 <= 3 * kKc ? 1 : ceil_div(q.k, kKc);
  const int64_t kc_max = ceil_div(q.k, k_blocks);
  const int64_t nc_max = min_of(q.n, kNc<T>);
  const int64_t mc_max = PackedA ? min_of(q.m, 8 * kMc) : q.m;
  const int64_t rows_per = PackedA ? kMr : rows_per_tile(q.m);
  const Scratch<T> a_pack(ctx, PackedA ? ceil_div(mc_max, kMr) * kMr * kc_max : 0);
  const Scratch<T> b_pack(ctx, PackedB ? ceil_div(nc_max, kNr<T>) * kNr<T> * kc_max : 0);

  for (int64_t jc = 0; jc < q.n; jc += nc_max) {
    const int64_t nc = min_of(nc_max, q.n - jc);
    const int64_t b_panels = ceil_div(nc, kNr<T>);
    for (int64_t kb = 0; kb < k_blocks; ++kb) {
      const int64_t pc = kb * kc_max;
      const int64_t kc = min_of(kc_max, q.k - pc);
      Epilogue<T> e = kb + 1 == k_blocks ? q.e : Epilogue<T>{};
      e.accumulate = kb > 0 || q.e.accumulate;
      for (int64_t ic = 0; ic < q.m; ic += mc_max) {
        const int64_t mc = min_of(mc_max, q.m - ic);
        const T* a = q.a + ic * q.ars + pc * q.acs;
        const T* b = q.b + pc * q.brs + jc * q.bcs;
        T* c = q.c + ic * q.crs + jc;

        // Pack this block's operands, all tasks together.
        const int64_t a_panels = PackedA ? ceil_div(mc, kMr) : 0;
        const int64_t b_todo = PackedB && ic == 0 ? b_panels : 0;
        if (a_panels + b_todo > 0) {
          const int64_t a_tasks = min_of(a_panels, tasks_for(16 * a_panels * kMr * kc));
          const int64_t b_tasks = min_of(b_todo, tasks_for(16 * b_todo * kNr<T> * kc));
          run_tasks(ctx, a_tasks + b_tasks, [&](int64_t t) {
            if (t < b_tasks) {
              pack_panels<T, kNr<T>>(b, q.bcs, q.brs, nc, kc, b_pack.get(), t * b_todo / b_tasks,
                                     (t + 1) * b_todo / b_tasks);
            } else {
              t -= b_tasks;
              pack_panels<T, kMr>(a, q.ars, q.acs, mc, kc, a_pack.get(), t * a_panels / a_tasks,
                                  (t + 1) * a_panels / a_tasks);
            }
          });
        }

        // A grid of tasks over this part of C, rows first.
        const int64_t panels = ceil_div(mc, rows_per);
        const int64_t want = tasks_for(mc * nc * kc);
        int64_t row_tasks = min_of(panels, ceil_div(mc, kMc));
        const int64_t col_tasks = min_of(b_panels, ceil_div(want, row_tasks));
        row_tasks = min_of(panels, max_of(row_tasks, want / col_tasks));
        run_tasks(ctx, row_tasks * col_tasks, [&](int64_t t) {
          const int64_t ti = t / col_tasks, tj = t % col_tasks;
          block<T, PackedA, PackedB>(
              kc, PackedA ? a_pack.get() : a, q.ars, q.acs, rows_per, PackedB ? b_pack.get() : b,
              q.brs, c, q.crs, ti * panels / row_tasks * rows_per,
              min_of(mc, (ti + 1) * panels / row_tasks * rows_per),
              tj * b_panels / col_tasks * kNr<T>,
              min_of(nc, (tj + 1) * b_panels / col_tasks * kNr<T>), e.at(ic, jc));
        });
      }
    }
  }
}

template <class T>
void product(const Context& ctx, const Problem<T>& q) {
  constexpr int L = kLanes<T>;
  const int64_t work = q.m * q.n * q.k;
  if (q.m <= 7 && q.acs == 1 && q.brs == 1 && q.k > 1) {
    const int64_t groups = ceil_div(q.n, L), tasks = min_of(groups, tasks_for(4 * work));
    run_tasks(ctx, tasks, [&](int64_t t) {
      dot_columns<T>(q.m, q.k, q.a, q.ars, q.b, q.bcs, q.c, q.crs, t * groups / tasks * L,
                     min_of(q.n, (t + 1) * groups / tasks * L), q.e);
    });
    return;
  }
  const bool b_rows = q.bcs == 1 && (kCheapPartial || q.n % L == 0);
  if (q.m == 1 && b_rows) {
    const int64_t groups = ceil_div(q.n, 8 * L), tasks = min_of(groups, tasks_for(4 * work));
    run_tasks(ctx, tasks, [&](int64_t t) {
      row_columns<T>(q.k, q.a, q.acs, q.b, q.brs, q.c, t * groups / tasks * 8 * L,
                     min_of(q.n, (t + 1) * groups / tasks * 8 * L), q.e);
    });
    return;
  }
  const bool direct_b = b_rows && (q.m <= 2 * kMr || q.k * q.n <= 8192);
  const bool direct_a = q.n <= 4 * kNr<T> || q.m * q.k <= 8192;
  if (direct_a) {
    direct_b ? blocked<T, false, false>(ctx, q) : blocked<T, false, true>(ctx, q);
  } else {
    direct_b ? blocked<T, true, false>(ctx, q) : blocked<T, true, true>(ctx, q);
  }
}

// Brings one product into the row-major form.
template <class T>
void any_product(const Context& ctx, const GemmArgs& g, const T* a, const T* b, T* c) {
  const Epilogue<T> e{static_cast<const T*>(g.bias_row), static_cast<const T*>(g.bias_col),
                      g.accumulate, g.relu};
  const bool rows_contiguous = g.c_col == 1 || g.n == 1;
  if (g.c_row == 1 && g.m > 1 && (!rows_contiguous || g.n == 1)) {  // C^T = B^T A^T
    product<T>(ctx, {g.n,
                     g.m,
                     g.k,
                     b,
                     g.b_col,
                     g.b_row,
                     a,
                     g.a_col,
                     g.a_row,
                     c,
                     g.c_col,
                     {e.bias_col, e.bias_row, e.accumulate, e.relu}});
    return;
  }
  if (rows_contiguous) {
    product<T>(ctx, {g.m, g.n, g.k, a, g.a_row, g.a_col, b, g.b_row, g.b_col, c, g.c_row, e});
    return;
  }
  const Scratch<T> dense(ctx, g.m * g.n);  // C has no unit stride: through a dense copy
  if (g.accumulate) {
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t j = 0; j < g.n; ++j) dense.get()[i * g.n + j] = c[i * g.c_row + j * g.c_col];
    }
  }
  product<T>(ctx, {g.m, g.n, g.k, a, g.a_row, g.a_col, b, g.b_row, g.b_col, dense.get(), g.n, e});
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t j = 0; j < g.n; ++j) c[i * g.c_row + j * g.c_col] = dense.get()[i * g.n + j];
  }
}

// Calls f(ctx, a, b, c) for every batch index; many small products are shared out among tasks.
template <class T, class F>
void for_batch(const Context& ctx, const GemmArgs& g, const F& f) {
  const int64_t d1 = g.batch[1], d2 = g.batch[2], count = g.batch[0] * d1 * d2;
  if (count <= 0 || g.m <= 0 || g.n <= 0) return;
  const auto one = [&](const Context& inner, int64_t i) {
    const int64_t x = i / (d1 * d2), y = i / d2 % d1, z = i % d2;
    f(inner, static_cast<const T*>(g.a) + x * g.a_batch[0] + y * g.a_batch[1] + z * g.a_batch[2],
      static_cast<const T*>(g.b) + x * g.b_batch[0] + y * g.b_batch[1] + z * g.b_batch[2],
      static_cast<T*>(g.c) + x * g.c_batch[0] + y * g.c_batch[1] + z * g.c_batch[2]);
  };
  const int64_t work = g.m * g.n * max_of(g.k, 1);
  if (count == 1 || (count < 8 && work >= 4 * kTaskWork)) {
    for (int64_t i = 0; i < count; ++i) one(ctx, i);
    return;
  }
  Context serial = ctx;
  serial.threads = 1;
  const int64_t per_task = max_of(1, kTaskWork / work);
  run_tasks(ctx, ceil_div(count, per_task), [&](int64_t t) {
    for (int64_t i = t * per_task; i < min_of(count, (t + 1) * per_task); ++i) one(serial, i);
  });
}

template <class T>
void run_float(const Context& ctx, const GemmArgs& args) {
  GemmArgs g = args;
  // One B for a whole batch of row-stacked A: fold the batch into the rows.
  const int64_t* bt = g.batch;
  if (bt[0] == 1 && bt[1] == 1 && bt[2] > 1 && g.b_batch[2] == 0 && g.a_batch[2] == g.m * g.a_row &&
      g.c_batch[2] == g.m * g.c_row && !g.bias_row) {
    g.m *= bt[2];
    g.batch[2] = 1;
  }
  for_batch<T>(ctx, g, [&](const Context& inner, const T* a, const T* b, T* c) {
    any_product<T>(inner, g, a, b, c);
  });
}

// Integers: U is the unsigned type of the same width, in which overflow wraps.
template <class U>
void run_integer(const Context& ctx, const GemmArgs& g) {
  for_batch<U>(ctx, g, [&](const Context& inner, const U* a, const U* b, U* c) {
    const U* bias_row = static_cast<const U*>(g.bias_row);
    const U* bias_col = static_cast<const U*>(g.bias_col);
    const int64_t tasks = min_of(g.m, tasks_for(g.m * g.n * g.k));
    run_tasks(inner, tasks, [&](int64_t t) {
      const Scratch<U> row(inner, g.n);
      U* sum = row.get();
      for (int64_t i = t * g.m / tasks; i < (t + 1) * g.m / tasks; ++i) {
        for (int64_t j = 0; j < g.n; ++j) {
          U start = bias_row ? bias_row[i] : U{0};
          if (bias_col) start = static_cast<U>(start + bias_col[j]);
          if (g.accumulate) start = static_cast<U>(start + c[i * g.c_row + j * g.c_col]);
          sum[j] = start;
        }
        for (int64_t p = 0; p < g.k; ++p) {
          const U x = a[i * g.a_row + p * g.a_col];
          const U* bp = b + p * g.b_row;
          if (g.b_col == 1) {
            for (int64_t j = 0; j < g.n; ++j) sum[j] = static_cast<U>(sum[j] + U(1u * x * bp[j]));
          } else {
            for (int64_t j = 0; j < g.n; ++j) {
              sum[j] = static_cast<U>(sum[j] + U(1u * x * bp[j * g.b_col]));
            }
          }
        }
        for (int64_t j = 0; j < g.n; ++j) c[i * g.c_row + j * g.c_col] = sum[j];
      }
    });
  });
}

}  // namespace gemm
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {

extern const GemmKernels gemm_kernels;
const GemmKernels gemm_kernels = {{
    gemm::run_integer<uint8_t>,   // uint8
    gemm::run_integer<uint8_t>,   // int8
    gemm::run_integer<uint16_t>,  // int16
    gemm::run_integer<uint32_t>,  // int32
    gemm::run_integer<uint64_t>,  // int64
    nullptr,                      // float16
    nullptr,                      // bfloat16
    gemm::run_float<float>,       // float32
    gemm::run_float<double>,      // float64
    nullptr,                      // bool
}};

}  // namespace pycore::kernels::PYCORE_ISA
