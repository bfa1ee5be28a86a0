// Matrix products: chooses a path by shape and strides, blocks for the caches, splits into tasks.
// Must not know tensors. Tasks never share an element of C and k is never split between them.
#include "kernels/gemm.h"

#include "kernels/gemm_driver.h"
#include "kernels/gemm_integer.h"
#include "kernels/gemm_narrow.h"
#include "kernels/gemm_pack.h"
#include "kernels/gemm_small.h"
#include "kernels/gemm_turned.h"
#include "kernels/gemm_widened.h"

namespace pycore {
namespace {
namespace gemm {

// Blocks: kDepth rows of B's panels, kRows x kDepth of A in L2, kColumnBytes of B's rows together.
template <class T>
constexpr int64_t kDepth = kRegisterBytes == 64 && sizeof(T) == 4 ? 512 : kKc;
constexpr int64_t kRows = kMr * 12;
constexpr int64_t kColumnBytes = kRegisterBytes == 64 ? 4096 : 8192;
template <class T>
constexpr int64_t kColumns = kColumnBytes / static_cast<int64_t>(sizeof(T)) / kNr<T> * kNr<T>;

// Most rows that are multiplied along k as they lie, if B is not small.
constexpr int64_t kDotRows = kRegisterBytes == 64 ? 24 : 8;

// Rows of B in a block, all of them but the last.
template <class T>
int64_t depth_of(int64_t k) {
  return ceil_div(k, k * 2 <= 3 * kDepth<T> ? 1 : ceil_div(k, kDepth<T>));
}

template <class T, bool PackedA, bool PackedB>
void blocked(const Context& ctx, const Problem<T>& q) {
  const int64_t kc_max = depth_of<T>(q.k), k_blocks = max_of(1, ceil_div(q.k, max_of(1, kc_max)));
  const int64_t nc_max = min_of(q.n, kColumns<T>);
  const int64_t row_parts =
      PackedA ? parts_of_rows(ctx, q.m * nc_max * kc_max, ceil_div(q.m, kMr), kRows / kMr) : 0;
  const bool together = PackedA && !row_parts;  // A is packed by all tasks
  const int64_t mc_max = together ? min_of(q.m, 8 * kRows) : q.m;
  const int64_t rows_per = PackedA ? kMr : rows_per_tile(q.m);
  // Of few rows, each task packs the columns of B that it multiplies: another core's would come
  // from the next cache, and take longer than the few rows' multiplications.
  const bool own_columns = !PackedA && PackedB && q.m <= kRows;
  const Scratch<T> a_pack(ctx, together ? ceil_div(mc_max, kMr) * kMr * kc_max : 0);
  // All of B where it is kept, block by block, else one block after the other in the same place.
  const KeptB<T> kept(ctx, PackedB ? q.b_kept : nullptr, kernels::KeptLayout::panels,
                      ceil_div(q.n, kNr<T>) * kNr<T> * q.k);
  const bool pack_b = PackedB && !kept.filled();
  const Scratch<T> b_scratch(
      ctx, PackedB && !kept.get() ? ceil_div(nc_max, kNr<T>) * kNr<T> * kc_max : 0);

  for (int64_t jc = 0; jc < q.n; jc += nc_max) {
    const int64_t nc = min_of(nc_max, q.n - jc);
    const int64_t b_panels = ceil_div(nc, kNr<T>);
    for (int64_t kb = 0; kb < k_blocks; ++kb) {
      const int64_t pc = kb * kc_max;
      const int64_t kc = min_of(kc_max, q.k - pc);
      Epilogue<T> e = kb + 1 == k_blocks ? q.e : Epilogue<T>{};
      e.accumulate = kb > 0 || q.e.accumulate;
      T* const b_pack =
          kept.get() ? kept.get() + jc * q.k + b_panels * kNr<T> * pc : b_scratch.get();
      for (int64_t ic = 0; ic < q.m; ic += mc_max) {
        const int64_t mc = min_of(mc_max, q.m - ic);
        const T* a = q.a + ic * q.ars + pc * q.acs;
        const T* b = q.b + pc * q.brs + jc * q.bcs;
        T* c = q.c + ic * q.crs + jc;

        // Pack this block's operands, all tasks together (A: see parts_of_rows).
        const int64_t a_panels = together ? ceil_div(mc, kMr) : 0;
        const int64_t b_todo = pack_b && !own_columns && ic == 0 ? b_panels : 0;
        if (a_panels + b_todo > 0) {
          const int64_t a_tasks = min_of(a_panels, tasks_for(16 * a_panels * kMr * kc));
          const int64_t b_tasks = min_of(b_todo, tasks_for(16 * b_todo * kNr<T> * kc));
          run_tasks(ctx, a_tasks + b_tasks, [&](int64_t t) {
            if (t < b_tasks) {
              pack_panels<T, kNr<T>>(b, q.bcs, q.brs, nc, kc, b_pack, t * b_todo / b_tasks,
                                     (t + 1) * b_todo / b_tasks);
            } else {
              t -= b_tasks;
              pack_panels<T, kMr>(a, q.ars, q.acs, mc, kc, a_pack.get(), t * a_panels / a_tasks,
                                  (t + 1) * a_panels / a_tasks);
            }
          });
        }

        const int64_t panels = ceil_div(mc, rows_per);
        if (row_parts) {
          run_tasks(ctx, row_parts, [&](int64_t t) {
            const Scratch<T> mine(ctx, min_of(panels, kRows / kMr) * kMr * kc);
            blocks_of_part(panels, row_parts, t, kRows / kMr, [&](int64_t first, int64_t last) {
              const int64_t i0 = first * kMr, rows = min_of(last * kMr, mc) - i0;
              pack_panels<T, kMr>(a + i0 * q.ars, q.ars, q.acs, rows, kc, mine.get(), 0,
                                  last - first);
              block<T, PackedA, PackedB>(kc, mine.get(), 0, 0, kMr, PackedB ? b_pack : b, q.brs,
                                         c + i0 * q.crs, q.crs, 0, rows, 0, nc, e.at(i0, jc));
            });
          });
          continue;
        }

        // A grid of tasks over this part of C, rows first.
        const int64_t want = tasks_for(mc * nc * kc);
        int64_t row_tasks = want == 1 ? 1 : min_of(panels, ceil_div(mc, kRows));
        const int64_t col_tasks = min_of(b_panels, ceil_div(want, row_tasks));
        row_tasks = own_columns ? 1 : min_of(panels, max_of(row_tasks, want / col_tasks));
        run_tasks(ctx, row_tasks * col_tasks, [&](int64_t t) {
          const int64_t ti = t / col_tasks, tj = t % col_tasks;
          if (pack_b && own_columns) {
            pack_panels<T, kNr<T>>(b, q.bcs, q.brs, nc, kc, b_pack, tj * b_panels / col_tasks,
                                   (tj + 1) * b_panels / col_tasks);
          }
          block<T, PackedA, PackedB>(
              kc, PackedA ? a_pack.get() : a, q.ars, q.acs, rows_per, PackedB ? b_pack : b, q.brs,
              c, q.crs, ti * panels / row_tasks * rows_per,
              min_of(mc, (ti + 1) * panels / row_tasks * rows_per),
              tj * b_panels / col_tasks * kNr<T>,
              min_of(nc, (tj + 1) * b_panels / col_tasks * kNr<T>), e.at(ic, jc));
        });
      }
    }
  }
  kept.done();
}

template <class T>
void product(const Context& ctx, const Problem<T>& q) {
  constexpr int L = kLanes<T>;
  const int64_t work = q.m * q.n * q.k;
  if (q.acs == 1 && q.brs == 1 && q.k > 1 &&
      (q.m <= 4 || (q.m <= kDotRows && q.k * q.n >= (1 << 15)))) {
    report(ctx, "dot products of few rows");
    const int64_t groups = ceil_div(q.n, L), tasks = min_of(groups, tasks_for(8 * work));
    const int64_t bytes = q.n * q.k * static_cast<int64_t>(sizeof(T));
    over_columns(ctx, q.b, bytes, groups, tasks, [&](int64_t first, int64_t last) {
      dot_columns<T>(q.m, q.k, q.a, q.ars, q.b, q.bcs, q.c, q.crs, first * L, min_of(q.n, last * L),
                     q.e);
    });
    return;
  }
  const bool b_rows = q.bcs == 1 && (kCheapPartial || q.n % L == 0);
  if (q.bcs == 1 && better_spread<T>(q.m, q.n, q.k)) {
    report(ctx, "few rows, B from memory");
    const int64_t groups = ceil_div(q.n, kSpreadColumns),
                  tasks = min_of(groups, tasks_for(8 * work));
    run_tasks(ctx, tasks, [&](int64_t t) {
      spread_columns<T>(q.m, q.k, q.a, q.ars, q.acs, q.b, q.brs, q.c, q.crs,
                        t * groups / tasks * kSpreadColumns,
                        min_of(q.n, (t + 1) * groups / tasks * kSpreadColumns), q.e);
    });
    return;
  }
  if (q.m == 1 && b_rows) {
    report(ctx, "one row");
    const int64_t groups = ceil_div(q.n, 8 * L), tasks = min_of(groups, tasks_for(8 * work));
    run_tasks(ctx, tasks, [&](int64_t t) {
      row_columns<T>(q.k, q.a, q.acs, q.b, q.brs, q.c, t * groups / tasks * 8 * L,
                     min_of(q.n, (t + 1) * groups / tasks * 8 * L), q.e);
    });
    return;
  }
  const bool direct_b = b_rows && (q.m <= 2 * kMr || q.k * q.n <= 8192);
  // Rows of A are read in place where few panels of B meet them: each then reads them again, so
  // with narrow registers they have to fit into L2, and a tile's rows shall not fall into one set
  // of L1.
  constexpr int64_t kSize = sizeof(T);
  const bool near = kRegisterBytes == 64 || q.m * q.k * kSize <= kSmallBytes;
  const bool rows_in_place = q.acs == 1 && q.ars * kSize % 4096 != 0 && near && q.n <= 16 * kNr<T>;
  const bool direct_a = q.n <= 4 * kNr<T> || q.m * q.k <= 8192 || rows_in_place;
  if (better_turned(q, !direct_a)) {
    report(ctx, "tiles of the transposed result, A packed");
    return turned(ctx, q, depth_of<T>(q.k));
  }
  report(ctx, direct_a   ? direct_b ? "tiles, nothing packed" : "tiles, B packed"
              : direct_b ? "tiles, A packed"
                         : "tiles, both packed");
  if (direct_a) {
    direct_b ? blocked<T, false, false>(ctx, q) : blocked<T, false, true>(ctx, q);
  } else {
    direct_b ? blocked<T, true, false>(ctx, q) : blocked<T, true, true>(ctx, q);
  }
}

template <class T>
void run_float(const Context& ctx, const GemmArgs& g) {
  run_batch<T, T>(ctx, g, [](const Context& inner, const Problem<T>& q) { product<T>(inner, q); });
}

}  // namespace gemm
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {

extern const GemmKernels gemm_kernels;
const GemmKernels gemm_kernels = {
    {
        gemm::run_integer<uint8_t>,                                          // uint8
        gemm::run_integer<uint8_t>,                                          // int8
        gemm::run_integer<uint16_t>,                                         // int16
        gemm::run_integer<uint32_t>,                                         // int32
        gemm::run_integer<uint64_t>,                                         // int64
        gemm::run_widened<gemm::WidenPanels<Half, gemm::HalfRows>>,          // float16
        gemm::run_widened<gemm::WidenPanels<BFloat16, gemm::BFloat16Rows>>,  // bfloat16
        gemm::run_float<float>,                                              // float32
        gemm::run_float<double>,                                             // float64
        nullptr,                                                             // bool
    },
    gemm::run_narrow<gemm::BytePairs>};

}  // namespace pycore::kernels::PYCORE_ISA
