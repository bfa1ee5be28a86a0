// Splits a reduction over chunks and threads. Must not know which operation runs: that is a
// ReduceCalls, made from a class Op by `reduce<Op>`. The driver is compiled once for all of them,
// to keep the library small.
//
// Op has the types In, Acc (partial result of a chunk), Core (a class that has row and columns;
// mostly Op itself) and the functions
//   Acc row(const In* p, int64_t n, int64_t first, const double* params): n contiguous elements
//   whose
//       positions along the axis start at `first`;
//   void columns(const In* p, int64_t rows, int64_t stride, int64_t cols, int64_t first, Acc* out,
//       const double* params): the same for `cols` <= kColumnBlock neighbouring columns, rows
//       `stride` apart;
//   Acc combine(Acc earlier, Acc later, const double* params);
//   Acc identity();
//   void finish(Acc, int64_t red, void* out, void* out2, int64_t i, const double* params).
// Chunks depend on the shape only, and partial results meet in a fixed binary tree.
#pragma once

#include "kernels/reduce.h"
#include "simd/vec.h"

namespace pycore::kernels {
namespace {

inline constexpr int64_t kReduceChunk = 32768;  // elements that one task takes at least
inline constexpr int64_t kColumnBlock = 256;
inline constexpr int64_t kMaxAcc = 24;  // bytes

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t at_least_one(int64_t x) { return x > 0 ? x : 1; }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// An Op without its types: accumulators are blocks of acc_size bytes.
struct ReduceCalls {
  int64_t in_size, acc_size;
  // row for `rows` rows of n elements, `stride` apart, which follow one another along the axis.
  void (*row)(const char* p, int64_t rows, int64_t stride, int64_t n, int64_t first, char* acc,
              const double* params);
  void (*columns)(const char* p, int64_t rows, int64_t stride, int64_t cols, int64_t first,
                  char* acc, const double* params);
  // row and finish for `rows` rows, `stride` apart, whose outputs begin at `first`.
  void (*short_rows)(const char* p, int64_t rows, int64_t stride, int64_t n, void* out, void* out2,
                     int64_t first, const double* params);
  // `count` neighbouring accumulators with as many others.
  void (*combine)(char* earlier, const char* later, int64_t count, const double* params);
  void (*identity)(char* acc);
  void (*finish)(const char* acc, int64_t red, void* out, void* out2, int64_t i,
                 const double* params);
};

struct Reduction {
  const Context& ctx;
  const ReduceCalls& calls;
  const char* in;
  void* out;
  void* out2;
  const ReduceShape& s;
  const double* params;

  // Folds `count` groups of `width` neighbouring accumulators pairwise into the first group.
  void combine_tree(char* parts, int64_t count, int64_t width) const {
    const int64_t step = width * calls.acc_size;
    for (int64_t gap = 1; gap < count; gap *= 2)
      for (int64_t i = 0; i + gap < count; i += 2 * gap)
        calls.combine(parts + i * step, parts + (i + gap) * step, width, params);
  }
  void finish(const char* acc, int64_t i) const { calls.finish(acc, s.red, out, out2, i, params); }

  void gather(const char* p, int64_t n, char* target) const {
    const int64_t step = s.stride_red * calls.in_size;
    for (int64_t j = 0; j < n; ++j, p += step, target += calls.in_size) {
      switch (calls.in_size) {
        case 1:
          memcpy(target, p, 1);
          break;
        case 2:
          memcpy(target, p, 2);
          break;
        case 4:
          memcpy(target, p, 4);
          break;
        default:
          memcpy(target, p, 8);
      }
    }
  }

  void rows() const {
    alignas(16) char acc[kMaxAcc];
    const int64_t outputs = s.outer * s.inner;
    const int64_t piece = s.red / s.pieces, per_piece = ceil_div(piece, kReduceChunk);
    const int64_t chunks = per_piece * s.pieces;
    // Pieces that one chunk takes whole go together.
    const int64_t together = per_piece == 1 && s.stride_red == 1 ? s.pieces : 1;
    const int64_t units = outputs * chunks;
    if (units == 1 && s.stride_red == 1) {  // nothing to set up for small tensors
      calls.row(in, 1, 0, s.red, 0, acc, params);
      return finish(acc, 0);
    }
    const int64_t least = at_least_one(kReduceChunk / smaller(piece, kReduceChunk));
    const int64_t per_task = ceil_div(least, together) * together;
    constexpr int64_t kShort = 1024;
    if (calls.short_rows != nullptr && s.red <= kShort && s.stride_red == 1 && s.inner == 1 &&
        s.pieces == 1) {
      run_tasks(ctx, ceil_div(outputs, per_task), [&](int64_t task) {
        const int64_t begin = task * per_task, rows = smaller(outputs - begin, per_task);
        calls.short_rows(in + begin * s.stride_outer * calls.in_size, rows, s.stride_outer, s.red,
                         out, out2, begin, params);
      });
      return;
    }
    const Scratch<char> parts(ctx, chunks > 1 ? units * calls.acc_size : 0);
    run_tasks(ctx, ceil_div(units, per_task), [&](int64_t task) {
      alignas(16) char local[kMaxAcc];
      const Scratch<char> gathered(
          ctx, s.stride_red != 1 ? smaller(piece, kReduceChunk) * calls.in_size : 0);
      int64_t u = task * per_task, i = u / chunks, chunk = u % chunks;
      for (; u < smaller(units, (task + 1) * per_task); u += together) {
        const int64_t o = s.inner == 1 ? i : i / s.inner, column = s.inner == 1 ? 0 : i % s.inner;
        const int64_t at = per_piece == 1 ? chunk : chunk / per_piece;
        const int64_t begin = (chunk - at * per_piece) * kReduceChunk;
        const int64_t n = smaller(piece - begin, kReduceChunk), first = at * piece + begin;
        const char* p = in + calls.in_size * (o * s.stride_outer + column * s.stride_inner +
                                              at * s.stride_piece + begin * s.stride_red);
        if ((chunk += together) == chunks) {
          chunk = 0;
          ++i;
        }
        if (s.stride_red != 1) {
          gather(p, n, gathered.get());
          p = gathered.get();
        }
        char* target = chunks > 1 ? parts.get() + u * calls.acc_size : local;
        calls.row(p, together, s.stride_piece, n, first, target, params);
        if (chunks == 1) finish(target, u);
      }
    });
    if (chunks == 1) return;
    for (int64_t i = 0; i < outputs; ++i) {
      char* first = parts.get() + i * chunks * calls.acc_size;
      combine_tree(first, chunks, 1);
      finish(first, i);
    }
  }

  // inner > 1 with unit stride: neighbouring columns side by side in registers.
  void columns() const {
    const int64_t blocks = ceil_div(s.inner, kColumnBlock);
    const int64_t width = smaller(s.inner, kColumnBlock);
    // Few columns and many rows: cut the rows too.
    int64_t chunk = s.red;
    if (s.outer * blocks < 16 && s.red >= 2 * (kReduceChunk / width)) chunk = kReduceChunk / width;
    const int64_t chunks = ceil_div(s.red, chunk);
    const int64_t units = s.outer * chunks * blocks;
    const Scratch<char> parts(ctx, chunks > 1 ? s.outer * chunks * s.inner * calls.acc_size : 0);
    const int64_t per_task = at_least_one(kReduceChunk / (chunk * width));
    run_tasks(ctx, ceil_div(units, per_task), [&](int64_t task) {
      alignas(16) char local[kColumnBlock * kMaxAcc];
      for (int64_t u = task * per_task; u < smaller(units, (task + 1) * per_task); ++u) {
        const int64_t col = (u % blocks) * kColumnBlock, c = u / blocks % chunks;
        const int64_t o = u / blocks / chunks, first = c * chunk;
        const int64_t cols = smaller(s.inner - col, kColumnBlock);
        const char* p = in + calls.in_size * (o * s.stride_outer + first * s.stride_red + col);
        char* target = local;
        if (chunks > 1) target = parts.get() + ((o * chunks + c) * s.inner + col) * calls.acc_size;
        calls.columns(p, smaller(s.red - first, chunk), s.stride_red, cols, first, target, params);
        if (chunks > 1) continue;
        for (int64_t j = 0; j < cols; ++j)
          finish(local + j * calls.acc_size, o * s.inner + col + j);
      }
    });
    if (chunks == 1) return;
    for (int64_t o = 0; o < s.outer; ++o) {
      char* first = parts.get() + o * chunks * s.inner * calls.acc_size;
      combine_tree(first, chunks, s.inner);
      for (int64_t j = 0; j < s.inner; ++j) finish(first + j * calls.acc_size, o * s.inner + j);
    }
  }

  __attribute__((noinline)) void run() const {
    const int64_t outputs = s.outer * s.inner;
    if (outputs == 0) return;
    if (s.red == 0) {
      alignas(16) char acc[kMaxAcc];
      calls.identity(acc);
      for (int64_t i = 0; i < outputs; ++i) finish(acc, i);
    } else if (s.inner > 1 && s.stride_inner == 1) {
      columns();
    } else {
      rows();
    }
  }
};

// The work on elements, shared by the operations that differ in finish() only (their `Core`).
template <class Core>
void call_row(const char* p, int64_t rows, int64_t stride, int64_t n, int64_t first, char* acc,
              const double* params) {
  const auto* x = reinterpret_cast<const typename Core::In*>(p);
  for (int64_t r = 0; r < rows; ++r, x += stride, acc += sizeof(typename Core::Acc)) {
    const auto a = Core::row(x, n, first + r * n, params);
    memcpy(acc, &a, sizeof(a));
  }
}
template <class Op>
void call_short_rows(const char* p, int64_t rows, int64_t stride, int64_t n, void* out, void* out2,
                     int64_t first, const double* params) {
  const auto* x = reinterpret_cast<const typename Op::In*>(p);
  for (int64_t r = 0; r < rows; ++r, x += stride) {
    const typename Op::Acc acc = Op::Core::row(x, n, 0, params);
    Op::finish(acc, n, out, out2, first + r, params);
  }
}
template <class Core>
void call_columns(const char* p, int64_t rows, int64_t stride, int64_t cols, int64_t first,
                  char* acc, const double* params) {
  Core::columns(reinterpret_cast<const typename Core::In*>(p), rows, stride, cols, first,
                reinterpret_cast<typename Core::Acc*>(acc), params);
}
template <class Op>
struct CallsOf {
  using Acc = typename Op::Acc;
  static_assert(sizeof(Acc) <= kMaxAcc);
  static void combine(char* earlier, const char* later, int64_t count, const double* params) {
    for (int64_t i = 0; i < count; ++i, earlier += sizeof(Acc), later += sizeof(Acc)) {
      Acc a, b;
      memcpy(&a, earlier, sizeof(a));
      memcpy(&b, later, sizeof(b));
      a = Op::combine(a, b, params);
      memcpy(earlier, &a, sizeof(a));
    }
  }
  // Operations that are asked for many short rows say so: the loop is worth its code.
  static constexpr decltype(ReduceCalls::short_rows) short_rows() {
    if constexpr (requires { requires Op::many_short_rows; })
      return call_short_rows<Op>;
    else
      return nullptr;
  }
  static void identity(char* acc) {
    const Acc a = Op::identity();
    memcpy(acc, &a, sizeof(a));
  }
  static void finish(const char* acc, int64_t red, void* out, void* out2, int64_t i,
                     const double* params) {
    Acc a;
    memcpy(&a, acc, sizeof(a));
    Op::finish(a, red, out, out2, i, params);
  }
  static constexpr ReduceCalls calls = {sizeof(typename Op::In),
                                        sizeof(Acc),
                                        call_row<typename Op::Core>,
                                        call_columns<typename Op::Core>,
                                        short_rows(),
                                        combine,
                                        identity,
                                        finish};
};

template <class Op>
void reduce(const Context& ctx, const void* in, void* out, void* out2, const ReduceShape& s,
            const double* params) {
  Reduction{ctx, CallsOf<Op>::calls, static_cast<const char*>(in), out, out2, s, params}.run();
}

}  // namespace
}  // namespace pycore::kernels
