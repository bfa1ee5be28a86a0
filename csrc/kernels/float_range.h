// The sizes of a matrix's float32 elements, and whether products of two such matrices survive being
// split into bfloat16. Must not know tiles.
#pragma once

#include "kernels/gemm_driver.h"

namespace pycore {
namespace {
namespace gemm {

// Bits of the smallest and the largest |x| other than zero; infinities and NaN are the largest.
struct FloatRange {
  uint32_t low = UINT32_MAX, high = 0;
  void add(FloatRange other) {
    low = low < other.low ? low : other.low;
    high = high > other.high ? high : other.high;
  }
};

inline FloatRange range_of(const float* p, int64_t n, int64_t stride) {
  constexpr int L = kLanes<float>;
  // Zero less one is the largest.
  Vec<uint32_t> low = splat<uint32_t>(UINT32_MAX), high{};
  const auto look = [&](Vec<float> x) {
    const Vec<uint32_t> size = (Vec<uint32_t>)x & splat<uint32_t>(0x7fffffffu);
    const Vec<uint32_t> less = size - splat<uint32_t>(1);
    low = less < low ? less : low;
    high = size > high ? size : high;
  };
  if (stride == 1) {
    int64_t i = 0;
    for (; i + L <= n; i += L) look(load(p + i));
    if (i < n) look(load_partial(p + i, static_cast<int>(n - i)));
  } else {
    for (int64_t i = 0; i < n; ++i) look(splat<float>(p[i * stride]));
  }
  FloatRange range;
  for (int l = 0; l < L; ++l) range.add({low[l] == UINT32_MAX ? UINT32_MAX : low[l] + 1, high[l]});
  return range;
}

inline FloatRange range_of(const Context& ctx, const float* p, int64_t rows, int64_t columns,
                           int64_t row_stride, int64_t column_stride) {
  if (row_stride == 1 && column_stride != 1)  // in memory's order
    return range_of(ctx, p, columns, rows, column_stride, row_stride);
  FloatRange parts[kMaxTasks];
  const int64_t tasks = min_of(rows, tasks_for(8 * rows * columns));
  run_tasks(ctx, tasks, [&](int64_t t) {
    FloatRange mine;
    for (int64_t i = t * rows / tasks; i < (t + 1) * rows / tasks; ++i)
      mine.add(range_of(p + i * row_stride, columns, column_stride));
    parts[t] = mine;
  });
  FloatRange all;
  for (int64_t t = 0; t < tasks; ++t) all.add(parts[t]);
  return all;
}

// Whether A B by its parts is as exact as in float32. Tiles count denormals as zero, so
//   * the last part of a factor, at least 2^-23 of it, is lost below 2^-126: at most 2^-28 of a
//     factor that is at least 2^-98;
//   * a product and a sum of products lose up to 2^-126 each: with six of each, less than 2^-27 of
//     |a b| if that is at least 2^-95.
// No factor may become infinite by rounding (that is, none from 2^127 on), and no sum of
// k products may overflow, in whatever order: |a b| k < 2^126 leaves room for the parts' signs.
inline bool splits(FloatRange a, FloatRange b, int64_t k) {
  constexpr int kBias = 127;
  const auto exponent = [](uint32_t bits) { return static_cast<int>(bits >> 23) - kBias; };
  const int a_high = exponent(a.high), b_high = exponent(b.high);
  if (a_high >= 127 || b_high >= 127) return false;
  if (a.high == 0 || b.high == 0) return true;
  const int a_low = exponent(a.low), b_low = exponent(b.low);
  const int k_bits = 64 - __builtin_clzll(static_cast<unsigned long long>(k));  // k < 2^k_bits
  return a_low >= -98 && b_low >= -98 && a_low + b_low >= -95 &&
         a_high + 1 + b_high + 1 + k_bits <= 126;
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
