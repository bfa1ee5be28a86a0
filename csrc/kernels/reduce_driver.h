// Splits a reduction over chunks and threads. Elements that do not lie side by side are gathered
// first, as many as stay in the L1 cache. Must not know which operation runs: that is a
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

#include "kernels/reduce_gather.h"

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
  // `count` rows, `stride` apart, each of n elements. The first one begins at position `first` of
  // the axis, the next ones `step` further on each.
  void (*rows)(const char* p, int64_t count, int64_t stride, int64_t n, int64_t first, int64_t step,
               char* acc, const double* params);
  void (*columns)(const char* p, int64_t rows, int64_t stride, int64_t cols, int64_t first,
                  char* acc, const double* params);
  // `count` neighbouring accumulators with as many others.
  void (*combine)(char* earlier, const char* later, int64_t count, const double* params);
  void (*identity)(char* acc);
  // `count` neighbouring accumulators, whose outputs begin at i, `step` apart.
  void (*finish)(const char* acc, int64_t count, int64_t red, void* out, void* out2, int64_t i,
                 int64_t step, const double* params);
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
  void finish(const char* acc, int64_t count, int64_t i, int64_t step) const {
    calls.finish(acc, count, s.red, out, out2, i, step, params);
  }

  // Where the o-th turn of the outer loops begins, in elements of input and output.
  struct Place {
    int64_t in, out;
  };
  Place place(int64_t o) const {
    if (s.loops == 1) return {o * s.loop[0].stride, o * s.loop[0].out};
    Place p{0, 0};
    for (int i = s.loops - 1; i >= 0; --i) {
      const int64_t at = o % s.loop[i].size;
      o /= s.loop[i].size;
      p.in += at * s.loop[i].stride;
      p.out += at * s.loop[i].out;
    }
    return p;
  }

  // The element at a position of the reduced axis, and how many follow it in its piece.
  struct Run {
    const char* p;
    int64_t n;
  };
  Run run_at(const char* p, int64_t position) const {
    if (s.pieces == 1) return {p + position * s.stride_red * memory_size(), s.red - position};
    const int64_t piece = s.red / s.pieces, at = position / piece, within = position - at * piece;
    return {p + (at * s.stride_piece + within * s.stride_red) * memory_size(), piece - within};
  }
  int64_t memory_size() const { return s.stored == Stored::plain ? calls.in_size : 2; }

  // n elements from a position of the axis that starts at p, side by side.
  void gather_pieces(const char* p, int64_t position, int64_t n, char* to) const {
    const int64_t piece = s.red / s.pieces, next = s.stride_piece * memory_size();
    int64_t within = s.pieces == 1 ? position : position % piece;
    if (s.pieces > 1) p += position / piece * next;
    for (int64_t m; n > 0; n -= m, to += m * calls.in_size, within = 0, p += next) {
      m = smaller(piece - within, n);
      gather(p + within * s.stride_red * memory_size(), s.stride_red, m, s.stored, calls.in_size,
             to);
    }
  }

  // n elements from `begin` on of the axis that starts at p, gathered.
  void gathered_row(const char* p, int64_t begin, int64_t n, char* acc) const {
    alignas(64) char gathered[kGatherBytes];
    alignas(16) char later[kMaxAcc];
    int64_t some;
    for (int64_t done = 0; done < n; done += some) {
      some = smaller(kGatherBytes / calls.in_size, n - done);
      gather_pieces(p, begin + done, some, gathered);
      calls.rows(gathered, 1, 0, some, begin + done, 0, done == 0 ? acc : later, params);
      if (done > 0) calls.combine(acc, later, 1, params);
    }
  }

  // Whole rows in place, and their outputs.
  void finish_rows(const char* p, int64_t n, int64_t stride, int64_t first, int64_t step) const {
    constexpr int64_t kAtOnce = 64;
    alignas(16) char acc[kAtOnce * kMaxAcc];
    for (int64_t m; n > 0; n -= m, p += m * stride * calls.in_size, first += m * step) {
      m = smaller(n, kAtOnce);
      calls.rows(p, m, stride, s.red, 0, 0, acc, params);
      finish(acc, m, first, step);
    }
  }

  // n short rows from p on, a block of them at a time.
  void gathered_rows(const char* p, int64_t n, const ReduceLoop& rows, int64_t first) const {
    alignas(64) char gathered[kGatherBytes];
    const int64_t row_size = s.red * calls.in_size, step = rows.stride * memory_size();
    const bool together = rows.stride == s.red * s.stride_red;
    int64_t some;
    for (int64_t done = 0; done < n; done += some) {
      some = smaller(n - done, kGatherBytes / row_size);
      const char* from = p + done * step;
      if (together) {
        gather(from, s.stride_red, some * s.red, s.stored, calls.in_size, gathered);
      } else {
        for (int64_t r = 0; r < some; ++r)
          gather(from + r * step, s.stride_red, s.red, s.stored, calls.in_size,
                 gathered + r * row_size);
      }
      finish_rows(gathered, some, s.red, first + done * rows.out, rows.out);
    }
  }

  // How many outer turns from the o-th on are steps of the innermost loop.
  int64_t turns(int64_t o, int64_t end) const {
    const ReduceLoop& last = s.loop[s.loops - 1];
    return smaller(end - o, last.size - o % last.size);
  }

  // Rows of a chunk at most, each in one go.
  void whole_rows(bool in_place) const {
    const int64_t per_task = kReduceChunk / s.red;
    const ReduceLoop& last = s.loop[s.loops - 1];
    run_tasks(ctx, ceil_div(s.outer, per_task), [&](int64_t task) {
      const int64_t end = smaller(s.outer, (task + 1) * per_task);
      for (int64_t o = task * per_task, n; o < end; o += n) {
        n = turns(o, end);
        const Place at = place(o);
        const char* p = in + at.in * memory_size();
        if (in_place)
          finish_rows(p, n, last.stride, at.out, last.out);
        else
          gathered_rows(p, n, last, at.out);
      }
    });
  }

  // Rows in pieces of a chunk at most, in the order of memory: where those of the other rows lie
  // between the pieces of one, a piece of each, and then the next of each.
  void rows_in_pieces() const {
    const ReduceLoop& last = s.loop[s.loops - 1];
    const int64_t piece = s.red / s.pieces, per_task = kReduceChunk / piece;
    const bool piece_by_piece = s.outer > 1 && last.stride < s.stride_piece;
    const int64_t units = s.outer * s.pieces, inner = piece_by_piece ? s.outer : s.pieces;
    const Scratch<char> parts(ctx, units * calls.acc_size);
    run_tasks(ctx, ceil_div(units, per_task), [&](int64_t task) {
      const int64_t end = smaller(units, (task + 1) * per_task);
      for (int64_t u = task * per_task, n; u < end; u += n) {
        const int64_t turn = u / inner, within = u - turn * inner;
        const int64_t o = piece_by_piece ? within : turn, at = piece_by_piece ? turn : within;
        n = smaller(end - u, inner - within);
        if (piece_by_piece) n = turns(o, o + n);
        calls.rows(in + (place(o).in + at * s.stride_piece) * calls.in_size, n,
                   piece_by_piece ? last.stride : s.stride_piece, piece, at * piece,
                   piece_by_piece ? 0 : piece, parts.get() + u * calls.acc_size, params);
      }
    });
    const int64_t width = piece_by_piece ? s.outer : 1;
    for (int64_t o = 0; o < s.outer; o += width)
      combine_tree(parts.get() + o * s.pieces * calls.acc_size, s.pieces, width);
    for (int64_t o = 0; o < s.outer; ++o)
      finish(parts.get() + o * (piece_by_piece ? 1 : s.pieces) * calls.acc_size, 1, place(o).out,
             0);
  }

  // Chunks of rows.
  void rows_in_chunks(bool in_place) const {
    const int64_t chunks = ceil_div(s.red, kReduceChunk), units = s.outer * chunks;
    const int64_t per_task = kReduceChunk / smaller(s.red, kReduceChunk);
    const Scratch<char> parts(ctx, units * calls.acc_size);
    run_tasks(ctx, ceil_div(units, per_task), [&](int64_t task) {
      for (int64_t u = task * per_task; u < smaller(units, (task + 1) * per_task); ++u) {
        const int64_t o = u / chunks, begin = (u - o * chunks) * kReduceChunk;
        const int64_t n = smaller(s.red - begin, kReduceChunk);
        const char* p = in + place(o).in * memory_size();
        char* acc = parts.get() + u * calls.acc_size;
        if (in_place)
          long_pieces(p, begin, n, acc);
        else
          gathered_row(p, begin, n, acc);
      }
    });
    for (int64_t o = 0; o < s.outer; ++o) {
      char* first = parts.get() + o * chunks * calls.acc_size;
      combine_tree(first, chunks, 1);
      finish(first, 1, place(o).out, 0);
    }
  }
  // n elements from `begin` on of the axis that starts at p, read in place.
  void long_pieces(const char* p, int64_t begin, int64_t n, char* acc) const {
    alignas(16) char later[kMaxAcc];
    int64_t some;
    for (int64_t done = 0; done < n; done += some) {
      const Run run = run_at(p, begin + done);
      some = smaller(run.n, n - done);
      calls.rows(run.p, 1, 0, some, begin + done, 0, done == 0 ? acc : later, params);
      if (done > 0) calls.combine(acc, later, 1, params);
    }
  }

  void rows() const {
    // Bytes from which on an accumulator of its own is cheaper than to gather pieces first.
    const int64_t long_piece = calls.acc_size > 8 ? 20 * calls.acc_size : 128;
    constexpr int64_t kShort = 1024;
    const bool near = s.stride_red == 1 && s.stored == Stored::plain;
    if (near && s.pieces == 1 && s.red <= kReduceChunk) {
      if (s.outer > 1) return whole_rows(true);
      alignas(16) char acc[kMaxAcc];  // nothing to set up for small tensors
      calls.rows(in, 1, 0, s.red, 0, 0, acc, params);
      return finish(acc, 1, 0, 0);
    }
    const int64_t piece = s.red / s.pieces;
    const bool in_place = near && (s.pieces == 1 || piece * calls.in_size >= long_piece);
    if (in_place && s.pieces > 1 && piece <= kReduceChunk) return rows_in_pieces();
    if (!in_place && s.pieces == 1 && s.red <= kShort) return whole_rows(false);
    rows_in_chunks(in_place);
  }

  // `cols` columns from p on, `rows` rows from `begin` on of the reduced axis. `later` holds as
  // many accumulators as acc, `tile` kTileBytes.
  void some_columns(const char* p, int64_t begin, int64_t rows, int64_t cols, char* acc,
                    char* later, char* tile) const {
    constexpr int64_t kLongPiece = 8;  // rows
    const bool in_place = s.stored == Stored::plain && s.inner.stride == 1 &&
                          (s.pieces == 1 || s.red / s.pieces >= kLongPiece);
    // What the nearest cache holds, twice that where accumulators take long to combine.
    const int64_t tile_bytes = calls.acc_size > 8 ? kTileBytes : kTileBytes / 2;
    int64_t some;
    for (int64_t done = 0; done < rows; done += some) {
      Run run = run_at(p, begin + done);
      int64_t stride = s.stride_red;
      if (in_place) {
        some = smaller(run.n, rows - done);
      } else {
        some = smaller(rows - done, tile_bytes / (cols * calls.in_size));
        char* to = tile;
        for (int64_t r = 0; r < some; ++r, to += cols * calls.in_size) {
          gather(run.p, s.inner.stride, cols, s.stored, calls.in_size, to);
          if (--run.n > 0)
            run.p += s.stride_red * memory_size();
          else
            run = run_at(p, begin + done + r + 1);
        }
        run.p = tile;
        stride = cols;
      }
      calls.columns(run.p, some, stride, cols, begin + done, done == 0 ? acc : later, params);
      if (done > 0) calls.combine(acc, later, cols, params);
    }
  }

  // inner > 1: neighbouring columns side by side in registers.
  void columns() const {
    const int64_t inner = s.inner.size;
    const int64_t blocks = ceil_div(inner, kColumnBlock), width = smaller(inner, kColumnBlock);
    // Few columns and many rows: cut the rows too.
    int64_t chunk = s.red;
    if (s.outer * blocks < 16 && s.red >= 2 * (kReduceChunk / width)) chunk = kReduceChunk / width;
    const int64_t chunks = ceil_div(s.red, chunk);
    const int64_t units = s.outer * chunks * blocks;
    const Scratch<char> parts(ctx, chunks > 1 ? s.outer * chunks * inner * calls.acc_size : 0);
    const int64_t per_task = at_least_one(kReduceChunk / (chunk * width));
    const bool plain = s.pieces == 1 && s.inner.stride == 1 && s.stored == Stored::plain;
    run_tasks(ctx, ceil_div(units, per_task), [&](int64_t task) {
      alignas(16) char local[kColumnBlock * kMaxAcc], later[kColumnBlock * kMaxAcc];
      const Scratch<char> tile(ctx, plain ? 0 : kTileBytes);
      for (int64_t u = task * per_task; u < smaller(units, (task + 1) * per_task); ++u) {
        const int64_t col = (u % blocks) * kColumnBlock, c = u / blocks % chunks;
        const int64_t o = u / blocks / chunks, first = c * chunk;
        const int64_t cols = smaller(inner - col, kColumnBlock);
        const Place at = place(o);
        char* target = local;
        if (chunks > 1) target = parts.get() + ((o * chunks + c) * inner + col) * calls.acc_size;
        some_columns(in + (at.in + col * s.inner.stride) * memory_size(), first,
                     smaller(s.red - first, chunk), cols, target, later, tile.get());
        if (chunks == 1) finish(local, cols, at.out + col * s.inner.out, s.inner.out);
      }
    });
    if (chunks == 1) return;
    for (int64_t o = 0; o < s.outer; ++o) {
      char* first = parts.get() + o * chunks * inner * calls.acc_size;
      combine_tree(first, chunks, inner);
      finish(first, inner, place(o).out, s.inner.out);
    }
  }

  __attribute__((noinline)) void run() const {
    if (s.red == 0) {
      alignas(16) char acc[kMaxAcc];
      calls.identity(acc);
      for (int64_t o = 0; o < s.outer; ++o) finish(acc, 1, place(o).out, 0);
    } else if (s.inner.size > 1) {
      columns();
    } else {
      rows();
    }
  }
};

// The work on elements, shared by the operations that differ in finish() only (their `Core`).
template <class Core>
void call_rows(const char* p, int64_t count, int64_t stride, int64_t n, int64_t first, int64_t step,
               char* acc, const double* params) {
  const auto* x = reinterpret_cast<const typename Core::In*>(p);
  for (; count > 0; --count, x += stride, first += step) {
    const auto a = Core::row(x, n, first, params);
    memcpy(acc, &a, sizeof(a));
    acc += sizeof(a);
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
  static void identity(char* acc) {
    const Acc a = Op::identity();
    memcpy(acc, &a, sizeof(a));
  }
  static void finish(const char* acc, int64_t count, int64_t red, void* out, void* out2, int64_t i,
                     int64_t step, const double* params) {
    for (; count > 0; --count, acc += sizeof(Acc), i += step) {
      Acc a;
      memcpy(&a, acc, sizeof(a));
      Op::finish(a, red, out, out2, i, params);
    }
  }
  static constexpr ReduceCalls calls = {sizeof(typename Op::In),
                                        sizeof(Acc),
                                        call_rows<typename Op::Core>,
                                        call_columns<typename Op::Core>,
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
