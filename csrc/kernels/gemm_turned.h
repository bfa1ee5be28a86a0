// Products turned on their side, C^T = B^T A^T, for layers on a batch of middling size: B, the
// weights, lies along k and is the larger operand. It is read as it lies, and only A is packed.
// Must not know batches or dtypes other than the template's.
#pragma once

#include "kernels/gemm_driver.h"
#include "kernels/gemm_pack.h"

namespace pycore {
namespace {
namespace gemm {

template <int N>
constexpr int64_t round_up(int64_t x) {
  return (x + N - 1) / N * N;
}

// C[rows, cols] = epilogue(sums^T), with element (i, j) at sums[j * stride + i], in whole vectors
// both ways. `before`, or null, are the sums of the chains before the last, which are added where a
// product that is not turned adds what C holds: behind the bias.
template <class T>
void store_turned(const T* sums, const T* before, int64_t stride, T* c, int64_t crs, int64_t rows,
                  int64_t cols, const Epilogue<T>& e) {
  constexpr int L = kLanes<T>;
  for (int64_t j = 0; j < cols; j += L) {
    const int here = static_cast<int>(min_of(L, cols - j));
    alignas(64) T bias[L] = {};
    if (e.bias_col) memcpy(bias, e.bias_col + j, sizeof(T) * static_cast<size_t>(here));
    for (int64_t i = 0; i < rows; i += L) {
      Vec<T> v[L];
#pragma GCC unroll 16
      for (int x = 0; x < L; ++x) {
        v[x] = load(sums + (j + x) * stride + i) + bias[x];
        if (before) v[x] += load(before + (j + x) * stride + i);
        if (e.relu) v[x] = relu_of<T>(v[x]);
      }
      transpose<T>(v);
      T* to = c + i * crs + j;
      if (here == L && rows - i >= L) {
#pragma GCC unroll 16
        for (int x = 0; x < L; ++x) store(to + x * crs, v[x]);
      } else {
        alignas(64) T square[L * L];
#pragma GCC unroll 16
        for (int x = 0; x < L; ++x) store(square + x * L, v[x]);
        for (int64_t x = 0; x < min_of(L, rows - i); ++x) {
          memcpy(to + x * crs, square + x * L, sizeof(T) * static_cast<size_t>(here));
        }
      }
    }
  }
}

// Lanes that tiles spend on n columns of a packed operand; a panel of one vector is bound by loads.
template <class T>
int64_t lanes_spent(int64_t n) {
  const int64_t rest = n % kNr<T>;
  return n - rest + (rest == 0 ? 0 : rest <= kLanes<T> ? kLanes<T> + 2 : kNr<T>);
}

// Whether turning pays, in lanes of multiply-adds per step of k. As it stands, all of B is fetched
// and transposed into panels, and A is if `packs_a`; turned, A is, and so is the result. Either way
// some lanes idle. What an element costs was measured; less than 1 part in 64 is no gain.
template <class T>
bool better_turned(const Problem<T>& q, bool packs_a) {
  constexpr int64_t kMostRows = 256, kLeastWork = 1 << 16;
  if (q.brs != 1 || q.b_kept || q.e.accumulate || q.e.bias_row) return false;
  if (q.m <= kMr || q.m > kMostRows || q.n <= kMr / 2) return false;
  if (q.m * q.n * q.k <= kLeastWork) return false;
  constexpr int64_t kWidth = 16 / kLanes<T>;  // narrow multiply-adds make the rest cheap
  const int64_t pack_a = 6 * q.m, pack_b = 9 * q.n;
  const int64_t transpose_c = (kRegisterBytes == 64 ? 22 : 35) * q.m * q.n / q.k;
  const int64_t straight = q.m * lanes_spent<T>(q.n) * kWidth + pack_b + (packs_a ? pack_a : 0);
  return lanes_spent<T>(q.m) * q.n * kWidth + pack_a + transpose_c < straight - straight / 64;
}

// Columns of C in a block: their sums for a few hundred rows stay in L2.
inline constexpr int64_t kTurnedColumns = 8 * kMr;

// Blocks of k are k_depth long, each cut into chains: as a product that is not turned has them, so
// that turning does not show in the bits.
template <class T>
void turned(const Context& ctx, const Problem<T>& q, int64_t k_depth) {
  constexpr int L = kLanes<T>;
  const auto over_chains = [&](const auto& f) {  // f(first, last)
    for (int64_t pc = 0; pc < q.k; pc += k_depth) {
      const int64_t kc = min_of(k_depth, q.k - pc), chains = chains_of(kc);
      for (int64_t t = 0; t < chains; ++t) f(pc + t * kc / chains, pc + (t + 1) * kc / chains);
    }
  };
  // A's panels, chain by chain.
  const int64_t panels = ceil_div(q.m, kNr<T>), width = panels * kNr<T>;
  const Scratch<T> packed(ctx, width * q.k);
  const int64_t pack_tasks = min_of(panels, tasks_for(16 * width * q.k));
  run_tasks(ctx, pack_tasks, [&](int64_t t) {
    over_chains([&](int64_t p, int64_t end) {
      pack_panels<T, kNr<T>>(q.a + p * q.acs, q.ars, q.acs, q.m, end - p, packed.get() + p * width,
                             t * panels / pack_tasks, (t + 1) * panels / pack_tasks);
    });
  });

  // How columns are split does not show in the bits. Blocks of more than a few tiles are whole
  // ones.
  const int64_t shares =
      ctx.threads == 1 ? 1 : min_of(tasks_for(q.m * q.n * q.k), ceil_div(q.n, kMr));
  int64_t most = min_of(kTurnedColumns, ceil_div(q.n, shares));
  if (most > 3 * kMr) most = round_up<kMr>(most);
  const int64_t blocks = ceil_div(q.n, most), tasks = min_of(shares, blocks);
  const int64_t size = round_up<L>(most) * width;
  run_tasks(ctx, tasks, [&](int64_t t) {
    const Scratch<T> sums(ctx, 2 * size);
    T* const before = sums.get() + size;  // of all chains but the last
    for (int64_t s = t * blocks / tasks; s < (t + 1) * blocks / tasks; ++s) {
      const int64_t j0 = s * most, columns = min_of(most, q.n - j0);
      const int64_t rows_per = rows_per_tile(columns);
      bool several = false;
      over_chains([&](int64_t p, int64_t end) {
        const bool last = end == q.k;
        block<T, false, true>(end - p, q.b + j0 * q.bcs + p, q.bcs, 1, rows_per,
                              packed.get() + p * width, kNr<T>, last ? sums.get() : before, width,
                              0, columns, 0, round_up<L>(q.m), {nullptr, nullptr, !last && p > 0});
        several = !last || several;
      });
      store_turned(sums.get(), several ? before : nullptr, width, q.c + j0, q.crs, q.m, columns,
                   q.e.at(0, j0));
    }
  });
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
