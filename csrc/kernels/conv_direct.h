// The direct form of convolution: register tiles read neighbouring positions from prepared planes.
// Must not know which pass of a convolution this is, nor the 1x1 case.
#pragma once

#include "kernels/context.h"
#include "kernels/conv_plan.h"
#include "kernels/conv_tiles.h"

namespace pycore {
namespace {
namespace conv {

using kernels::Context;
using kernels::run_tasks;
using kernels::Scratch;

constexpr int64_t kTaskWork = 1 << 18;      // multiply-adds that are worth a task
constexpr int64_t kBlockBytes = 256 << 10;  // of input that stays in L2 while all channels pass
constexpr int64_t kMaxSegments = 48;        // of a block; divisible by most tile widths

// One grid of outputs with its taps, packed weights [groups, panels, channels, taps, kMr] and cut
// into segments.
template <class T>
struct Pass {
  Grid grid;
  int64_t tap_count;
  const int64_t* taps;
  const T* w;
  const Segment* segments;
  int64_t segment_count;
  bool joined;
};

// What forward and backward_input have in common: correlate `channels` prepared planes of every
// item (an image's group) into `rows` planes of the output.
template <class T>
struct Job {
  Prepared prepared;
  const T* src;
  int64_t items, groups, channels;
  T* dst;
  int64_t rows, plane;  // output channels of an item, elements of one
  const T* bias;        // groups * rows, or null
  int64_t passes;
  const Pass<T>* pass;

  int64_t panels() const { return ceil_div(rows, kMr); }
  int64_t panel_rows() const { return ceil_div(rows, panels()); }
  int64_t src_item() const { return channels * volume(prepared.size); }
  int64_t work(const Pass<T>& p) const {
    return volume(p.grid.size) * rows * channels * (p.tap_count + 1);
  }
  int64_t work() const {
    int64_t sum = 0;
    for (int64_t i = 0; i < passes; ++i) sum += work(pass[i]);
    return sum;
  }
  // Segments that one task handles at a time.
  int64_t block() const {
    const int64_t fit =
        kBlockBytes / static_cast<int64_t>(sizeof(simd::Vec<T>)) / max_of(1, channels);
    return min_of(kMaxSegments, max_of(8, fit));
  }
  // Whether the tiles may read the source in place: short rows read past their end.
  bool in_place(int64_t item) const {
    if (!prepared.is_source()) return false;
    int64_t reach = 0;
    for (int64_t i = 0; i < passes; ++i) {
      const Grid& g = pass[i].grid;
      if (volume(g.size) == 0 || pass[i].tap_count == 0) continue;
      int64_t tap = 0;
      for (int64_t t = 0; t < pass[i].tap_count; ++t) tap = max_of(tap, pass[i].taps[t]);
      const Segment& last = pass[i].segments[pass[i].segment_count - 1];
      reach = max_of(reach, max_of(last.in, last.second) + tap +
                                (channels - 1) * volume(prepared.size) + kLanes<T>);
    }
    return item * src_item() + reach <= items * src_item();
  }
};

// Output blocks [first, last) of `blocks`, channel panels [panel0, panel1) of one item.
template <class T>
void run_blocks(const Job<T>& job, const Pass<T>& pass, int64_t item, const T* x, int64_t blocks,
                int64_t first, int64_t last, int64_t panel0, int64_t panel1) {
  const int64_t total = pass.segment_count, group = item % job.groups;
  const int64_t panel_size = job.channels * pass.tap_count * kMr, per = job.panel_rows();
  for (int64_t block = first; block < last; ++block) {
    const int64_t s0 = block * total / blocks;
    const int count = static_cast<int>((block + 1) * total / blocks - s0);
    const Segment* segments = pass.segments + s0;
    for (int64_t p = panel0; p < panel1; ++p) {
      const int64_t row = p * per;
      if (row >= job.rows) break;
      const Correlation<T> q{x,
                             job.channels,
                             job.prepared.plane(),
                             pass.taps,
                             pass.tap_count,
                             pass.w + (group * job.panels() + p) * panel_size,
                             job.bias ? job.bias + group * job.rows + row : nullptr,
                             job.dst + (item * job.rows + row) * job.plane,
                             job.plane,
                             pass.grid.out_step[2]};
      const CorrelateFn<T> tile = correlate_of<T>(min_of(per, job.rows - row), pass.joined);
      for (int s = 0; s < count; s += tile.vectors) {
        tile.run(q, segments + s, static_cast<int>(min_of(tile.vectors, count - s)));
      }
    }
  }
}

// Straight from the prepared planes: no patch is ever copied.
template <class T>
void run_direct(const Context& ctx, const Job<T>& job) {
  const int64_t source = volume(job.prepared.size), plane = job.prepared.plane();
  const int64_t work = max_of(1, job.work());
  const auto blocks_of = [&](const Pass<T>& p) { return ceil_div(p.segment_count, job.block()); };
  if (job.items >= 8 || job.items * work < 4 * kTaskWork) {  // whole items per task
    const int64_t per_task = max_of(1, kTaskWork / work);
    run_tasks(ctx, ceil_div(job.items, per_task), [&](int64_t t) {
      const int64_t end = min_of(job.items, (t + 1) * per_task);
      const bool copies = !job.in_place(end - 1);
      const Scratch<T> scratch(ctx, copies ? job.channels * plane + kLanes<T> : 0);
      if (copies) job.prepared.clear(scratch.get(), job.channels);
      for (int64_t item = t * per_task; item < end; ++item) {
        const T* x = job.src + item * job.src_item();
        if (copies && !job.in_place(item)) {
          for (int64_t c = 0; c < job.channels; ++c) {
            job.prepared.copy(x + c * source, scratch.get() + c * plane);
          }
          x = scratch.get();
        }
        for (int64_t p = 0; p < job.passes; ++p) {
          const int64_t blocks = blocks_of(job.pass[p]);
          run_blocks(job, job.pass[p], item, x, blocks, 0, blocks, 0, job.panels());
        }
      }
    });
    return;
  }
  const bool copies = !job.in_place(job.items - 1);
  const Scratch<T> scratch(ctx, copies ? job.channels * plane + kLanes<T> : 0);
  if (copies) job.prepared.clear(scratch.get(), job.channels);
  for (int64_t item = 0; item < job.items; ++item) {  // few and large: share each item out
    const T* x = job.src + item * job.src_item();
    if (!job.in_place(item)) {
      const int64_t per_task = max_of(1, (kTaskWork / 4) / plane);
      run_tasks(ctx, ceil_div(job.channels, per_task), [&](int64_t t) {
        for (int64_t c = t * per_task; c < min_of(job.channels, (t + 1) * per_task); ++c) {
          job.prepared.copy(x + c * source, scratch.get() + c * plane);
        }
      });
      x = scratch.get();
    }
    for (int64_t p = 0; p < job.passes; ++p) {
      const Pass<T>& pass = job.pass[p];
      const int64_t blocks = blocks_of(pass);
      if (blocks == 0) continue;
      const int64_t want = max_of(1, job.work(pass) / kTaskWork);
      const int64_t parts = min_of(job.panels(), ceil_div(min_of(want, 16), blocks));
      const int64_t tasks = min_of(blocks, want);
      run_tasks(ctx, tasks * parts, [&](int64_t t) {
        const int64_t b = t / parts, part = t % parts;
        run_blocks(job, pass, item, x, blocks, b * blocks / tasks, (b + 1) * blocks / tasks,
                   part * job.panels() / parts, (part + 1) * job.panels() / parts);
      });
    }
  }
}

}  // namespace conv
}  // namespace
}  // namespace pycore
