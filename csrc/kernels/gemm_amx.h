// Products by tiles: blocks for the caches, splits into tasks, and the inner loop on a tile unit.
// Must not know batches or which processors have tiles.
#pragma once

#include "kernels/gemm_amx_pack.h"
#include "kernels/gemm_driver.h"

namespace pycore {
namespace {
namespace gemm {

constexpr int kSide = 2 * kTileRows;  // rows and columns of a block of sums
// Blocks of sums are held densely: rows that lie pages apart in C would evict each other.
constexpr int64_t kSums = kSide * kSide;
constexpr int64_t kTilesDeep = 64;            // tiles of a panel in one block along k
constexpr int64_t kTileColumns = 32 * kSide;  // columns of B packed together
constexpr int64_t kTileLines = 64 * kSide;    // rows of A packed together
constexpr int64_t kTaskBytes = 1 << 20;       // of A that a task keeps in L2, which has twice that

// Memory to bring into L2 meanwhile: some lines at each step.
struct Ahead {
  const char* from;
  int64_t lines;
};

// sums = two (or one) panels of A times two (or one) of B, `steps` steps of `parts` tiles each.
using TileBlock = void (*)(int64_t steps, int parts, const char* a, int64_t a_panel, const char* b,
                           int64_t b_panel, Ahead ahead, void* sums);

// Which parts of A and of B are multiplied when there are three or two of each, besides the largest
// ones: those whose product is above the last bit of the whole. Neighbours share a factor, which
// then stays where it is.
struct PartPair {
  int8_t a, b;
};
constexpr PartPair kSmallOfThree[] = {{1, 1}, {1, 0}, {2, 0}, {0, 2}, {0, 1}};
constexpr PartPair kSmallOfTwo[] = {{1, 0}, {0, 1}};
constexpr PartPair kLargest[] = {{0, 0}};

// The inner loop fills the eight tiles: 2 x 2 of sums, two of A and two of B, so that a product
// costs at most one load; loads of a step do not wait for the products of the one before. All the
// small products come before all the largest ones: only those round sums of full size.
template <class Tiles, Factors F, int Rows, int Columns>
void tile_block(int64_t steps, int parts, const char* a, int64_t a_panel, const char* b,
                int64_t b_panel, Ahead ahead, void* sums) {
  Tiles t;
  t.template zero<0>();
  if constexpr (Columns == 2) t.template zero<1>();
  if constexpr (Rows == 2) t.template zero<2>();
  if constexpr (Rows * Columns == 4) t.template zero<3>();
  const auto add_products = [&](const PartPair* pairs, int count, const char* a_step,
                                const char* b_step) {
    int a_part = -1, b_part = -1;
    for (int i = 0; i < count; ++i) {
      const PartPair pair = pairs[i];
      if (pair.a != a_part) {
        a_part = pair.a;
        const char* from = a_step + a_part * kTileBytes;
        t.template load<4>(from, kTileRowBytes);
        if constexpr (Rows == 2) t.template load<5>(from + a_panel, kTileRowBytes);
      }
      if (pair.b != b_part) {
        b_part = pair.b;
        const char* from = b_step + b_part * kTileBytes;
        t.template load<6>(from, kTileRowBytes);
        if constexpr (Columns == 2) t.template load<7>(from + b_panel, kTileRowBytes);
      }
      t.template multiply<F, 0, 4, 6>();
      if constexpr (Columns == 2) t.template multiply<F, 1, 4, 7>();
      if constexpr (Rows == 2) t.template multiply<F, 2, 5, 6>();
      if constexpr (Rows * Columns == 4) t.template multiply<F, 3, 5, 7>();
    }
  };
  const int64_t step = parts * kTileBytes;
  for (int64_t s = 0; s < steps && parts > 1; ++s) {
    if (parts == 3) {
      add_products(kSmallOfThree, 5, a + s * step, b + s * step);
    } else {
      add_products(kSmallOfTwo, 2, a + s * step, b + s * step);
    }
  }
  for (int64_t s = 0; s < steps; ++s) {
    for (int64_t i = 0; i < ahead.lines; ++i) __builtin_prefetch(ahead.from + 64 * i, 0, 2);
    ahead.from += 64 * ahead.lines;
    add_products(kLargest, 1, a + s * step, b + s * step);
  }
  constexpr int64_t kStride = kSide * 4;
  char* to = static_cast<char*>(sums);
  t.template store<0>(to, kStride);
  if constexpr (Columns == 2) t.template store<1>(to + kTileRowBytes, kStride);
  to += kTileRows * kStride;
  if constexpr (Rows == 2) t.template store<2>(to, kStride);
  if constexpr (Rows * Columns == 4) t.template store<3>(to + kTileRowBytes, kStride);
}

struct TileUnit {
  void (*open)();  // a thread's tiles exist between these
  void (*close)();
  TileBlock blocks[2][2][2];  // [factors][rows - 1][columns - 1]
};

template <class Tiles>
constexpr TileUnit tile_unit() {
  constexpr Factors kShort = Factors::bfloat16, kByte = Factors::int8;
  return {Tiles::open,
          Tiles::close,
          {{{tile_block<Tiles, kShort, 1, 1>, tile_block<Tiles, kShort, 1, 2>},
            {tile_block<Tiles, kShort, 2, 1>, tile_block<Tiles, kShort, 2, 2>}},
           {{tile_block<Tiles, kByte, 1, 1>, tile_block<Tiles, kByte, 1, 2>},
            {tile_block<Tiles, kByte, 2, 1>, tile_block<Tiles, kByte, 2, 2>}}}};
}

PYCORE_INLINE Vec<float> plus(Vec<float> a, Vec<float> b) { return a + b; }
PYCORE_INLINE Vec<int32_t> plus(Vec<int32_t> a, Vec<int32_t> b) {  // wraps
  return (Vec<int32_t>)((Vec<uint32_t>)a + (Vec<uint32_t>)b);
}

// A block of sums on its way to C.
template <class K>
void finish_block(const typename K::Lane* sums, typename K::Result* c, int64_t crs, int64_t rows,
                  int64_t columns, const Epilogue<typename K::Result>& e) {
  using Lane = typename K::Lane;
  for (int64_t j = 0; j < columns; j += kTileRows) {
    const int n = static_cast<int>(min_of(kTileRows, columns - j));
    const Vec<Lane> bias = e.bias_col ? K::load(e.bias_col + j, n) : Vec<Lane>{};
    for (int64_t i = 0; i < rows; ++i) {
      typename K::Result* to = c + i * crs + j;
      Vec<Lane> x = load(sums + i * kSide + j);
      if (e.bias_col) x = plus(x, bias);
      if (e.accumulate) x = plus(x, K::load(to, n));
      if (e.bias_row) x = plus(x, splat<Lane>(K::load(e.bias_row + i, 1)[0]));
      if (e.relu) x = x < Vec<Lane>{} ? Vec<Lane>{} : x;  // a NaN stays
      K::store(to, x, n);
    }
  }
}

// A rectangle of blocks of sums, for one block along k. `partial` holds the sums of the blocks
// along k and is null if there is only one: every block begins at zero, so that its roundings are
// of the size of its own sums.
template <class K>
struct TileArea {
  const TileUnit& unit;
  int parts;
  int64_t steps, rows, columns;  // of the packed blocks of A and B
  const char *a, *b;
  typename K::Lane* partial;
  int64_t partial_columns;  // blocks of sums in a row of `partial`
  bool first, last;
  typename K::Result* c;
  int64_t crs;
  Epilogue<typename K::Result> e;

  void run(int64_t i0, int64_t i1, int64_t j0, int64_t j1) const {
    const int64_t panel = steps * parts * kTileBytes;
    alignas(64) typename K::Lane local[kSums];
    // While a pair of panels of B is in use, the next one comes from L3 or memory.
    const int64_t next_lines = ceil_div(2 * parts * kTileRows, i1 - i0);
    unit.open();
    for (int64_t j = j0; j < j1; ++j) {
      const int64_t width = min_of(kSide, columns - j * kSide);
      const char* next = b + 2 * (j + 1) * panel;
      for (int64_t i = i0; i < i1; ++i) {
        const int64_t height = min_of(kSide, rows - i * kSide);
        typename K::Lane* before = partial ? partial + (i * partial_columns + j) * kSums : nullptr;
        typename K::Lane* sums = first && before ? before : local;
        typename K::Result* to = c + i * kSide * crs + j * kSide;
        if (last) {
          for (int64_t r = 0; r < height; ++r) __builtin_prefetch(to + r * crs, 1);
        }
        unit.blocks[static_cast<int>(K::kFactors)][height > kTileRows][width > kTileRows](
            steps, parts, a + 2 * i * panel, panel, b + 2 * j * panel, panel,
            j + 1 < j1 ? Ahead{next + (i - i0) * steps * next_lines * 64, next_lines} : Ahead{},
            sums);
        if (!first) {
          for (int64_t r = 0; r < height * kSide; r += kSide) {
            for (int64_t at = r; at < r + width; at += kTileRows)
              store(before + at, plus(load(before + at), load(sums + at)));
          }
          sums = before;
        }
        if (last) finish_block<K>(sums, to, crs, height, width, e.at(i * kSide, j * kSide));
      }
    }
    unit.close();
  }
};

// The layout of so many parts.
inline kernels::KeptLayout kept_layout(int parts) {
  using kernels::KeptLayout;
  return parts == 1   ? KeptLayout::tiles_of_one
         : parts == 2 ? KeptLayout::tiles_of_two
                      : KeptLayout::tiles_of_three;
}

template <class K>
__attribute__((noinline)) void tile_product(
    const Context& ctx, const Problem<typename K::Source, typename K::Result>& q, int parts,
    const TileUnit& unit) {
  using Lane = typename K::Lane;
  constexpr int64_t kDeep = kStepDepth<K>;
  const int64_t all_steps = ceil_div(q.k, kDeep), steps_deep = kTilesDeep / (parts > 1 ? 2 : 1);
  const int64_t k_blocks = all_steps * 2 <= 3 * steps_deep ? 1 : ceil_div(all_steps, steps_deep);
  const int64_t panel_max = ceil_div(all_steps, k_blocks) * parts * kTileBytes;
  const int64_t nc_max = min_of(q.n, kTileColumns), mc_max = min_of(q.m, kTileLines);
  const int64_t partial_columns = ceil_div(nc_max, kSide);
  const Scratch<char> a_pack(ctx, ceil_div(mc_max, kTileRows) * panel_max);
  // All of B where it is kept, block by block, else one block after the other in the same place.
  const int64_t whole_panel = all_steps * parts * kTileBytes;
  const KeptB<char> kept(ctx, q.b_kept, kept_layout(parts), ceil_div(q.n, kTileRows) * whole_panel);
  const bool pack_b = !kept.filled();
  const Scratch<char> b_scratch(ctx, kept.get() ? 0 : ceil_div(nc_max, kTileRows) * panel_max);
  const Scratch<Lane> partial(ctx,
                              k_blocks > 1 ? ceil_div(q.m, kSide) * partial_columns * kSums : 0);

  for (int64_t jc = 0; jc < q.n; jc += nc_max) {
    const int64_t nc = min_of(nc_max, q.n - jc), b_panels = ceil_div(nc, kTileRows);
    for (int64_t kb = 0; kb < k_blocks; ++kb) {
      const int64_t s0 = kb * all_steps / k_blocks, steps = (kb + 1) * all_steps / k_blocks - s0;
      const int64_t p0 = s0 * kDeep, kc = min_of(steps * kDeep, q.k - p0);
      const int64_t panel = steps * parts * kTileBytes;
      char* const b_pack = kept.get() ? kept.get() + jc / kTileRows * whole_panel +
                                            b_panels * s0 * parts * kTileBytes
                                      : b_scratch.get();
      for (int64_t ic = 0; ic < q.m; ic += mc_max) {
        const int64_t mc = min_of(mc_max, q.m - ic), a_panels = ceil_div(mc, kTileRows);
        const int64_t b_todo = pack_b && ic == 0 ? b_panels : 0;
        const int64_t a_todo = jc == 0 || k_blocks > 1 || q.m > mc_max ? a_panels : 0;
        const int64_t a_tasks = min_of(a_todo, tasks_for(16 * mc * kc));
        const int64_t b_tasks = min_of(b_todo, tasks_for(16 * nc * kc));
        run_tasks(ctx, a_tasks + b_tasks, [&](int64_t t) {
          if (t < b_tasks) {
            pack_tiles<K, false>(q.b + p0 * q.brs + jc * q.bcs, q.bcs, q.brs, nc, kc, parts, b_pack,
                                 panel, t * b_todo / b_tasks, (t + 1) * b_todo / b_tasks);
          } else {
            t -= b_tasks;
            pack_tiles<K, true>(q.a + p0 * q.acs + ic * q.ars, q.ars, q.acs, mc, kc, parts,
                                a_pack.get(), panel, t * a_panels / a_tasks,
                                (t + 1) * a_panels / a_tasks);
          }
        });

        const bool several = k_blocks > 1;
        const TileArea<K> area{
            unit,
            parts,
            steps,
            mc,
            nc,
            a_pack.get(),
            b_pack,
            several ? partial.get() + ic / kSide * partial_columns * kSums : nullptr,
            partial_columns,
            kb == 0,
            kb + 1 == k_blocks,
            q.c + ic * q.crs + jc,
            q.crs,
            q.e.at(ic, jc)};
        // A task is worth more work than elsewhere: the unit is that much faster.
        const int64_t want = tasks_for(mc * nc * kc / 4);
        const int64_t row_blocks = ceil_div(mc, kSide), col_blocks = ceil_div(nc, kSide);
        const int64_t task_blocks = max_of(1, kTaskBytes / (2 * panel));
        int64_t row_tasks = ceil_div(row_blocks, task_blocks);
        const int64_t col_tasks = min_of(col_blocks, ceil_div(want, row_tasks));
        row_tasks = min_of(row_blocks, max_of(row_tasks, want / col_tasks));
        run_tasks(ctx, row_tasks * col_tasks, [&](int64_t t) {
          const int64_t ti = t / col_tasks, tj = t % col_tasks;
          area.run(ti * row_blocks / row_tasks, (ti + 1) * row_blocks / row_tasks,
                   tj * col_blocks / col_tasks, (tj + 1) * col_blocks / col_tasks);
        });
      }
    }
  }
  kept.done();
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
