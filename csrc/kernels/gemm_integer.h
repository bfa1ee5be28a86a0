// Products of integers, which wrap as the type does: sums modulo a power of two have the same bits
// in any order. Must not know tensors.
#pragma once

#include "kernels/gemm_driver.h"

namespace pycore {
namespace {
namespace gemm {

// What products are added up in. There is no multiplication of bytes; what lies above the byte is
// cut off at the end.
template <class U>
struct SumOf {
  using type = U;
};
template <>
struct SumOf<uint8_t> {
  using type = uint16_t;
};

// A tile of C: rows times columns, in registers.
constexpr int64_t kIntRows = kRegisterBytes == 64 ? 8 : 4;
template <class W>
constexpr int64_t kIntColumns = 2 * simd::kLanes<W>;
// A block of B: its depth times 8 tiles' columns, which stays in L2 and its panels in L1.
constexpr int64_t kIntDepth = 256, kIntPanels = 8;
constexpr int64_t kIntDots = 4;  // fewest columns that are worth a tile

// One product; U is the unsigned type of the elements' width.
template <class U>
struct IntegerProduct {
  int64_t m, n, k;
  const U *a, *b;
  int64_t a_row, a_col, b_row, b_col;
  U* c;
  int64_t c_row, c_col;
  const U *bias_row, *bias_col;
  bool accumulate;

  U start(int64_t i, int64_t j) const {
    unsigned long long x = accumulate ? c[i * c_row + j * c_col] : 0;
    if (bias_row) x += bias_row[i];
    if (bias_col) x += bias_col[j];
    return static_cast<U>(x);
  }
  IntegerProduct transposed() const {
    return {n,     m, k,     b,     a,        b_col,    b_row,     a_col,
            a_row, c, c_col, c_row, bias_col, bias_row, accumulate};
  }
};

// out[p * width + j] = in[j * across + p * along], zeros from `count` columns on.
template <class U, class W>
__attribute__((noinline)) void pack_integers(const U* in, int64_t across, int64_t along,
                                             int64_t count, int64_t width, int64_t depth, W* out) {
  if (across == 1) {
    for (int64_t p = 0; p < depth; ++p) {
      for (int64_t j = 0; j < count; ++j) out[p * width + j] = in[p * along + j];
    }
  } else {
    for (int64_t j = 0; j < count; ++j) {
      for (int64_t p = 0; p < depth; ++p) out[p * width + j] = in[j * across + p * along];
    }
  }
  if (count == width) return;
  for (int64_t p = 0; p < depth; ++p) {
    for (int64_t j = count; j < width; ++j) out[p * width + j] = 0;
  }
}

// out[kIntRows][kIntColumns] = the product of two packed panels.
template <class W>
__attribute__((noinline)) void integer_tile(int64_t depth, const W* a, const W* b, W* out) {
  constexpr int64_t L = simd::kLanes<W>;
  simd::Vec<W> low[kIntRows] = {}, high[kIntRows] = {};
  for (int64_t p = 0; p < depth; ++p, a += kIntRows, b += 2 * L) {
    const simd::Vec<W> b0 = simd::load<W>(b), b1 = simd::load<W>(b + L);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kIntRows; ++r) {
      low[r] += b0 * a[r];
      high[r] += b1 * a[r];
    }
  }
#pragma GCC unroll 8
  for (int64_t r = 0; r < kIntRows; ++r) {
    simd::store<W>(out + r * 2 * L, low[r]);
    simd::store<W>(out + r * 2 * L + L, high[r]);
  }
}

// Rows i0 ... i1 - 1 and columns j0 ... j1 - 1 of C.
template <class U>
void integer_part(const Context& ctx, const IntegerProduct<U>& q, int64_t i0, int64_t i1,
                  int64_t j0, int64_t j1) {
  using W = typename SumOf<U>::type;
  constexpr int64_t N = kIntColumns<W>;
  const int64_t deepest = max_of(1, min_of(q.k, kIntDepth));
  const int64_t widest = min_of(ceil_div(j1 - j0, N), kIntPanels) * N;
  const Scratch<W> memory(ctx, deepest * (widest + kIntRows));
  W* const b = memory.get();
  W* const a = b + deepest * widest;
  W tile[kIntRows * N];
  for (int64_t jc = j0; jc < j1; jc += widest) {
    const int64_t end = min_of(j1, jc + widest);
    for (int64_t pc = 0; pc == 0 || pc < q.k; pc += kIntDepth) {
      const int64_t depth = min_of(q.k - pc, kIntDepth);
      for (int64_t j = jc; j < end; j += N) {
        pack_integers(q.b + pc * q.b_row + j * q.b_col, q.b_col, q.b_row, min_of(end - j, N), N,
                      depth, b + (j - jc) * depth);
      }
      for (int64_t i = i0; i < i1; i += kIntRows) {
        const int64_t rows = min_of(i1 - i, kIntRows);
        pack_integers(q.a + i * q.a_row + pc * q.a_col, q.a_row, q.a_col, rows, kIntRows, depth, a);
        for (int64_t j = jc; j < end; j += N) {
          integer_tile<W>(depth, a, b + (j - jc) * depth, tile);
          for (int64_t r = 0; r < rows; ++r) {
            U* c = q.c + (i + r) * q.c_row + j * q.c_col;
            for (int64_t s = 0; s < min_of(end - j, N); ++s, c += q.c_col) {
              const U before = pc == 0 ? q.start(i + r, j + s) : *c;
              *c = static_cast<U>(before + tile[r * N + s]);
            }
          }
        }
      }
    }
  }
}

// Rows i0 ... i1 - 1 of few columns: A lies along k.
template <class U>
void integer_dots(const Context& ctx, const IntegerProduct<U>& q, int64_t i0, int64_t i1) {
  using W = typename SumOf<U>::type;
  const Scratch<U> memory(ctx, q.b_row == 1 ? 0 : q.k);
  for (int64_t j = 0; j < q.n; ++j) {
    const U* b = q.b + j * q.b_col;
    if (q.b_row != 1) {
      for (int64_t p = 0; p < q.k; ++p) memory.get()[p] = b[p * q.b_row];
      b = memory.get();
    }
    for (int64_t i = i0; i < i1; ++i) {
      const U* a = q.a + i * q.a_row;
      W sum = 0;
      for (int64_t p = 0; p < q.k; ++p)
        sum = static_cast<W>(sum + static_cast<W>(1u * a[p] * b[p]));
      q.c[i * q.c_row + j * q.c_col] = static_cast<U>(q.start(i, j) + sum);
    }
  }
}

template <class U>
void integer_product(const Context& ctx, IntegerProduct<U> q) {
  using W = typename SumOf<U>::type;
  const int64_t work = q.m * q.n * q.k;
  // Vectors lie along the columns, or, of few, along k.
  if (q.n < q.m && q.n < kIntColumns<W>) q = q.transposed();
  if (q.m < kIntDots && q.b_row == 1) {
    report(ctx, "integers, dot products");
    q = q.transposed();
    const int64_t tasks = min_of(q.m, tasks_for(8 * work));
    run_tasks(ctx, tasks,
              [&](int64_t t) { integer_dots(ctx, q, t * q.m / tasks, (t + 1) * q.m / tasks); });
    return;
  }
  report(ctx, "integers, tiles");
  const int64_t want = tasks_for(2 * work), panels = ceil_div(q.n, kIntColumns<W>);
  const int64_t row_tasks = min_of(want, ceil_div(q.m, 8 * kIntRows));
  const int64_t col_tasks = min_of(panels, ceil_div(want, row_tasks));
  run_tasks(ctx, row_tasks * col_tasks, [&](int64_t t) {
    const int64_t i = t / col_tasks, j = t % col_tasks;
    integer_part(ctx, q, i * q.m / row_tasks, (i + 1) * q.m / row_tasks,
                 j * panels / col_tasks * kIntColumns<W>,
                 min_of(q.n, (j + 1) * panels / col_tasks * kIntColumns<W>));
  });
}

template <class U>
void run_integer(const Context& ctx, const GemmArgs& g) {
  for_batch<U, U>(ctx, g, [&](const Context& inner, const U* a, const U* b, U* c) {
    integer_product(inner,
                    IntegerProduct<U>{g.m, g.n, g.k, a, b, g.a_row, g.a_col, g.b_row, g.b_col, c,
                                      g.c_row, g.c_col, static_cast<const U*>(g.bias_row),
                                      static_cast<const U*>(g.bias_col), g.accumulate});
  });
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
