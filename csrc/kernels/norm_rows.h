// Layer and RMS normalisation of rows, with derivatives. Must not know tensors.
#pragma once

#include <math.h>

#include "kernels/context.h"
#include "kernels/rows.h"

namespace pycore::kernels {
namespace {

using simd::Vec;

inline int64_t at_least_one(int64_t x) { return x > 0 ? x : 1; }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

inline constexpr int64_t kNormGrain = 16384;  // elements that a task takes at least

// Calls body(first, last) for groups of units, each unit of `size` elements.
template <class Body>
void over_groups(const Context& ctx, int64_t units, int64_t size, const Body& body) {
  const int64_t per_task = at_least_one(kNormGrain / at_least_one(size));
  run_tasks(ctx, (units + per_task - 1) / per_task,
            [&](int64_t task) { body(task * per_task, smaller(units, (task + 1) * per_task)); });
}

// Mean and biased variance of n contiguous elements (two passes; the row is in the cache for the
// second).
template <class T>
PYCORE_INLINE void row_moments(const T* x, int64_t n, T* mean, T* var) {
  const T m = sum_row<T>(x, n, T(0), [](Vec<T> a) { return a; }) / static_cast<T>(n);
  const T s = sum_row<T>(x, n, m, [&](Vec<T> a) {
    const Vec<T> d = a - m;
    return d * d;
  });
  *mean = m;
  *var = s / static_cast<T>(n);
}

template <class T>
PYCORE_INLINE Vec<T> load_or(const T* p, int64_t i, int lanes, T otherwise) {
  return p != nullptr ? load_n<T>(p + i, lanes) : v::splat<T>(otherwise);
}

// kCenter: layer norm; else RMS norm, which has no mean and no beta.
template <class T, bool kCenter>
void norm_rows(const Context& ctx, const T* x, const T* gamma, const T* beta, T* out, T* means,
               T* rstds, int64_t rows, int64_t n, double eps) {
  over_groups(ctx, rows, n, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const T* row = x + r * n;
      T mean = 0, var;
      if constexpr (kCenter) {
        row_moments<T>(row, n, &mean, &var);
        means[r] = mean;
      } else {
        var = sum_row<T>(row, n, T(0), [](Vec<T> a) { return a * a; }) / static_cast<T>(n);
      }
      const T rstd = T(1) / static_cast<T>(::sqrt(static_cast<double>(var) + eps));
      rstds[r] = rstd;
      over_row<T>(n, [&](int64_t i, int lanes) {
        const Vec<T> hat = (load_n<T>(row + i, lanes) - mean) * rstd;
        const Vec<T> y = hat * load_or<T>(gamma, i, lanes, T(1)) + load_or<T>(beta, i, lanes, T(0));
        store_n<T>(out + r * n + i, y, lanes);
      });
    }
  });
}

// One pass over chunks of rows gives dx and partial sums of dgamma and dbeta, added up in order.
template <class T, bool kCenter>
void norm_rows_backward(const Context& ctx, const T* dy, const T* x, const T* gamma, const T* means,
                        const T* rstds, T* dx, T* dgamma, T* dbeta, int64_t rows, int64_t n) {
  int64_t chunk = at_least_one(kNormGrain / at_least_one(n));
  if (chunk * 64 < rows) chunk = (rows + 63) / 64;
  const int64_t chunks = (rows + chunk - 1) / chunk;
  const bool sums = dgamma != nullptr || dbeta != nullptr;
  const Scratch<T> parts(ctx, sums ? 2 * chunks * n : 0);
  run_tasks(ctx, chunks, [&](int64_t c) {
    T* part_gamma = parts.get() + 2 * c * n;
    T* part_beta = part_gamma + n;
    if (sums) memset(part_gamma, 0, sizeof(T) * static_cast<size_t>(2 * n));
    for (int64_t r = c * chunk; r < smaller(rows, (c + 1) * chunk); ++r) {
      const T* g = dy + r * n;
      const T* row = x + r * n;
      const T mean = kCenter ? means[r] : T(0), rstd = rstds[r];
      const auto hat = [&](int64_t i, int lanes) {
        return (load_n<T>(row + i, lanes) - mean) * rstd;
      };
      if (sums) {
        over_row<T>(n, [&](int64_t i, int lanes) {
          const Vec<T> d = load_n<T>(g + i, lanes);
          store_n<T>(part_gamma + i, load_n<T>(part_gamma + i, lanes) + d * hat(i, lanes), lanes);
          if (kCenter) store_n<T>(part_beta + i, load_n<T>(part_beta + i, lanes) + d, lanes);
        });
      }
      if (dx == nullptr) continue;
      T sum_d, sum_dh;
      sum_two<T>(n, &sum_d, &sum_dh, [&](int64_t i, int lanes) {
        const Vec<T> d = load_n<T>(g + i, lanes) * load_or<T>(gamma, i, lanes, T(1));
        return Two<T>{d, d * hat(i, lanes)};
      });
      const T a = kCenter ? sum_d / static_cast<T>(n) : T(0), b = sum_dh / static_cast<T>(n);
      over_row<T>(n, [&](int64_t i, int lanes) {
        const Vec<T> d = load_n<T>(g + i, lanes) * load_or<T>(gamma, i, lanes, T(1));
        store_n<T>(dx + r * n + i, (d - a - hat(i, lanes) * b) * rstd, lanes);
      });
    }
  });
  const auto total = [&](T* out, int64_t offset) {
    over_row<T>(n, [&](int64_t i, int lanes) {
      Vec<T> sum{};
      for (int64_t c = 0; c < chunks; ++c)
        sum += load_n<T>(parts.get() + 2 * c * n + offset + i, lanes);
      store_n<T>(out + i, sum, lanes);
    });
  };
  if (dgamma != nullptr) total(dgamma, 0);
  if (dbeta != nullptr) total(dbeta, n);
}

}  // namespace
}  // namespace pycore::kernels
