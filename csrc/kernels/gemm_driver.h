// Around one product: batches, layouts of C, and how much work is worth a task.
// Must not know how a product is computed.
#pragma once

#include "kernels/gemm.h"
#include "kernels/gemm_block.h"

namespace pycore {
namespace {
namespace gemm {

using kernels::Context;
using kernels::GemmArgs;
using kernels::report;
using kernels::run_tasks;
using kernels::Scratch;

// Multiply-adds that are worth a task: about 10 us at any width of registers.
constexpr int64_t kTaskWork = kRegisterBytes << 14;
constexpr int64_t kMaxTasks = 16;  // tasks of one phase; a fixed bound, not the thread count

inline int64_t tasks_for(int64_t work) {
  if (work < kTaskWork) return 1;
  return min_of(kMaxTasks, max_of(2, work / kTaskWork));  // halves of one are worth it, too
}

// Whether this call goes through `matrix` from its end. Of those about as large as the nearer
// caches every other call does, since then it meets first what the call before has left there.
// Calls that race for a turn lose only time.
inline bool from_the_end(const Context& ctx, const void* matrix, int64_t bytes) {
  constexpr int64_t kLeast = 1 << 19, kMost = 1 << 22;
  if (bytes <= kLeast || bytes > kMost * ctx.threads) return false;
  static uint8_t turns[64];  // shared by matrices of the same hash, which costs time at worst
  const uint64_t page = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(matrix)) >> 12;
  uint8_t& turn = turns[page * 0x9e3779b97f4a7c15u >> 58];
  const uint8_t now = __atomic_load_n(&turn, __ATOMIC_RELAXED);
  __atomic_store_n(&turn, static_cast<uint8_t>(!now), __ATOMIC_RELAXED);
  return now;
}

// Runs f(first, last) for parts of `groups` groups of columns, which do not see each other, of a
// matrix that is read once, in a direction that may change from call to call. Each thread keeps to
// its columns.
template <class F>
void over_columns(const Context& ctx, const void* matrix, int64_t bytes, int64_t groups,
                  int64_t tasks, const F& f) {
  constexpr int64_t kPiece = 1 << 17;
  const bool turned = from_the_end(ctx, matrix, bytes);
  const int64_t shares = min_of(ctx.threads, tasks);
  const int64_t piece = turned ? max_of(1, kPiece * groups / bytes) : groups;
  run_tasks(ctx, tasks, [&](int64_t t) {
    if (turned) {  // the same share of the tasks, in the opposite order
      const int64_t share = ((t + 1) * shares - 1) / tasks;
      t = tasks * share / shares + tasks * (share + 1) / shares - 1 - t;
    }
    const int64_t first = t * groups / tasks;
    for (int64_t end = (t + 1) * groups / tasks; end > first; end -= piece) {
      f(max_of(first, end - piece), end);
    }
  });
}

// In how many parts `panels` of rows are shared out where each packs its own rows, some `block` of
// panels at a time, and finds them in its cache; 0 where these are too few to keep all threads
// busy. How rows are split does not show in the bits.
inline int64_t parts_of_rows(const Context& ctx, int64_t work, int64_t panels, int64_t block) {
  if (ctx.threads == 1 || tasks_for(work) == 1) return 1;
  const int64_t rounds = max_of(4, ceil_div(panels, block * ctx.threads));
  return panels < 2 * rounds * ctx.threads ? 0 : rounds * ctx.threads;
}

// Calls f(first panel, last panel) for the blocks of part t.
template <class F>
void blocks_of_part(int64_t panels, int64_t parts, int64_t t, int64_t block, const F& f) {
  const int64_t first = t * panels / parts, mine = (t + 1) * panels / parts - first;
  const int64_t blocks = ceil_div(mine, block);
  for (int64_t s = 0; s < blocks; ++s)
    f(first + s * mine / blocks, first + (s + 1) * mine / blocks);
}

// One product with a row-major C. S is the type of A and B, T that of C and the biases.
template <class S, class T = S>
struct Problem {
  int64_t m, n, k;
  const S* a;
  int64_t ars, acs;
  const S* b;
  int64_t brs, bcs;
  T* c;
  int64_t crs;
  Epilogue<T> e;
  kernels::KeptOperand* b_kept = nullptr;
};

// All of a packed B, if it is kept.
template <class T>
class KeptB : public kernels::Kept<T> {
 public:
  KeptB(const Context& ctx, kernels::KeptOperand* handle, kernels::KeptLayout layout,
        int64_t elements)
      : kernels::Kept<T>(ctx, handle, layout, elements, "B kept packed") {}
};

// The same problem as a kernel takes it.
template <class S, class T>
GemmArgs as_args(const Problem<S, T>& q) {
  GemmArgs g;
  g.m = q.m, g.n = q.n, g.k = q.k;
  g.a = q.a, g.a_row = q.ars, g.a_col = q.acs;
  g.b = q.b, g.b_row = q.brs, g.b_col = q.bcs;
  g.c = q.c, g.c_row = q.crs;
  g.accumulate = q.e.accumulate;
  g.relu = q.e.relu;
  g.bias_row = q.e.bias_row;
  g.bias_col = q.e.bias_col;
  g.b_kept = q.b_kept;
  return g;
}

// Brings one product into the row-major form and hands it to product(ctx, problem).
template <class S, class T, class Product>
void any_product(const Context& ctx, const GemmArgs& g, const S* a, const S* b, T* c,
                 const Product& product) {
  const Epilogue<T> e{static_cast<const T*>(g.bias_row), static_cast<const T*>(g.bias_col),
                      g.accumulate, g.relu};
  const bool rows_contiguous = g.c_col == 1 || g.n == 1;
  if (g.c_row == 1 && g.m > 1 && (!rows_contiguous || g.n == 1)) {  // C^T = B^T A^T
    product(ctx, Problem<S, T>{g.n,
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
  Problem<S, T> q{g.m, g.n, g.k, a, g.a_row, g.a_col, b, g.b_row, g.b_col, c, g.c_row, e, g.b_kept};
  if (rows_contiguous) return product(ctx, q);
  report(ctx, "through a dense copy of the result, which has no unit stride");
  const Scratch<T> dense(ctx, g.m * g.n);  // C has no unit stride: through a dense copy
  if (g.accumulate) {
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t j = 0; j < g.n; ++j) dense.get()[i * g.n + j] = c[i * g.c_row + j * g.c_col];
    }
  }
  q.c = dense.get();
  q.crs = g.n;
  product(ctx, q);
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t j = 0; j < g.n; ++j) c[i * g.c_row + j * g.c_col] = dense.get()[i * g.n + j];
  }
}

// Calls f(ctx, a, b, c) for every batch index; many small products are shared out among tasks.
template <class S, class T, class F>
void for_batch(const Context& ctx, const GemmArgs& g, const F& f) {
  const int64_t d1 = g.batch[1], d2 = g.batch[2], count = g.batch[0] * d1 * d2;
  if (count <= 0 || g.m <= 0 || g.n <= 0) return;
  const auto one = [&](const Context& inner, int64_t i) {
    const int64_t x = i / (d1 * d2), y = i / d2 % d1, z = i % d2;
    f(inner, static_cast<const S*>(g.a) + x * g.a_batch[0] + y * g.a_batch[1] + z * g.a_batch[2],
      static_cast<const S*>(g.b) + x * g.b_batch[0] + y * g.b_batch[1] + z * g.b_batch[2],
      static_cast<T*>(g.c) + x * g.c_batch[0] + y * g.c_batch[1] + z * g.c_batch[2]);
  };
  // A vector's product waits for memory: four times the work of its multiplications.
  const int64_t work = g.m * g.n * max_of(g.k, 1) * (g.m == 1 || g.n == 1 ? 4 : 1);
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

// All products of a call.
template <class S, class T, class Product>
void run_batch(const Context& ctx, const GemmArgs& args, const Product& product) {
  GemmArgs g = args;
  // One B for a whole batch of row-stacked A: fold the batch into the rows.
  const int64_t* bt = g.batch;
  if (bt[0] == 1 && bt[1] == 1 && bt[2] > 1 && g.b_batch[2] == 0 && g.a_batch[2] == g.m * g.a_row &&
      g.c_batch[2] == g.m * g.c_row && !g.bias_row) {
    g.m *= bt[2];
    g.batch[2] = 1;
  }
  for_batch<S, T>(ctx, g, [&](const Context& inner, const S* a, const S* b, T* c) {
    any_product<S, T>(inner, g, a, b, c, product);
  });
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
