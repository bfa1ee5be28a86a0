// Convolution, forward and backward: sets up the geometry, packs the weights and chooses the form:
// direct (conv_direct.h) or, for 1x1 kernels, a plain matrix product. There is never a whole matrix
// of patches. Must not know tensors; nothing depends on the thread count.
#include "kernels/conv.h"

#include "kernels/conv_depthwise.h"
#include "kernels/conv_thin.h"
#include "kernels/conv_weight.h"
#include "kernels/conv_winograd_weight.h"
#include "kernels/gemm.h"

namespace pycore::kernels::PYCORE_ISA {
extern const GemmKernels gemm_kernels;
extern const ConvKernels conv_kernels;
}  // namespace pycore::kernels::PYCORE_ISA

namespace pycore {
namespace {
namespace conv {

using kernels::GemmArgs;
using kernels::Kept;
using kernels::report;

template <class T>
constexpr DType kType = sizeof(T) == 4 ? DType::float32 : DType::float64;

inline bool is_pointwise(const ConvArgs& g) {
  for (int d = 0; d < 3; ++d) {
    if (g.kernel[d] != 1 || g.stride[d] != 1 || g.pad[d] != 0 || g.in[d] != g.out[d]) {
      return false;
    }
  }
  return true;
}

constexpr int64_t kJoinedPositions = 128;  // of a plane that does not fill the vectors alone

// Whether a 1x1 kernel sees small planes that the form of packed patches serves better than a
// product per image: the positions of several images stand side by side there, and of one those
// that hardly begin another vector (7 x 7 = 3 * 16 + 1) may stand alone.
template <class T>
bool is_better_packed(const ConvArgs& g) {
  const int64_t channels = g.in_channels / g.groups, rows = g.out_channels / g.groups;
  const int64_t positions = volume(g.out);
  if (positions > kJoinedPositions || channels < 32 || rows < 32) return false;
  return g.batch > 1 || (positions > kLanes<T> && positions % kLanes<T> > 0 &&
                         positions % kLanes<T> <= 2 && channels * rows >= kLargeWeights);
}
// A 1x1 kernel does not see how positions lie.
inline ConvArgs flattened(const ConvArgs& g) {
  ConvArgs flat = g;
  for (int d = 0; d < 2; ++d) flat.in[d] = flat.out[d] = 1;
  flat.in[2] = flat.out[2] = volume(g.out);
  return flat;
}

template <class T>
void gemm_run(const Context& ctx, const GemmArgs& g) {
  kernels::PYCORE_ISA::gemm_kernels.run[static_cast<int>(kType<T>)](ctx, g);
}

// dst[b, g] = weights of g (rows x inner, any strides) * src[b, g] for a 1x1 kernel.
template <class T>
void pointwise(const Context& ctx, const ConvArgs& g, int64_t rows, int64_t inner, const T* w,
               int64_t w_row, int64_t w_col, const T* src, const T* bias, T* dst) {
  const int64_t plane = volume(g.out);
  for (int64_t group = 0; group < g.groups; ++group) {
    GemmArgs p;
    p.m = rows, p.n = plane, p.k = inner;
    p.a = w + group * rows * inner, p.a_row = w_row, p.a_col = w_col;
    p.b = src + group * inner * plane, p.b_row = plane, p.b_col = 1;
    p.c = dst + group * rows * plane, p.c_row = plane;
    p.batch[2] = g.batch;
    p.b_batch[2] = g.groups * inner * plane, p.c_batch[2] = g.groups * rows * plane;
    p.bias_row = bias ? bias + group * rows : nullptr;
    gemm_run<T>(ctx, p);
  }
}

inline bool is_three_by_three(const ConvArgs& g) {
  for (int d = 0; d < 3; ++d) {
    if (g.kernel[d] != (d > 0 ? 3 : 1) || g.stride[d] != 1 || g.dilation[d] != 1) return false;
  }
  return g.in[0] == 1 && g.out[0] == 1 && g.pad[0] == 0;
}

// y = conv(x, weights) of a group's `channels` to `rows`, in the Winograd form where that is faster
// and its results are finite; else says false. `kept` becomes null once it has been used.
template <class T>
bool winograd(const Context& ctx, const ConvArgs& g, bool backward, const void* src,
              const void* weight, const void* bias, void* dst, kernels::KeptOperand*& kept) {
  if constexpr (kWinograd<T>) {
    if (!is_three_by_three(g)) return false;
    const int64_t in = g.in_channels / g.groups, out = g.out_channels / g.groups;
    const T *x = static_cast<const T*>(src), *w = static_cast<const T*>(weight);
    const T* b = static_cast<const T*>(bias);
    T* y = static_cast<T*>(dst);
    WinogradJob<T> job{g.batch,
                       g.groups,
                       in,
                       out,
                       {g.in[1], g.in[2]},
                       {g.out[1], g.out[2]},
                       {g.pad[1], g.pad[2]},
                       {w, in * 9, 9, false},
                       in * out * 9,
                       x,
                       b,
                       y};
    if (backward) {  // the weights' taps in reverse order, and the rest of the padding
      job = {g.batch,
             g.groups,
             out,
             in,
             {g.out[1], g.out[2]},
             {g.in[1], g.in[2]},
             {2 - g.pad[1], 2 - g.pad[2]},
             {w, 9, in * 9, true},
             in * out * 9,
             x,
             b,
             y};
    }
    if (job.pad[0] < 0 || job.pad[1] < 0 || !job.pays()) return false;
    report(ctx, "Winograd F(2x2, 3x3)");
    kernels::KeptOperand* const handle = kept;
    kept = nullptr;
    if (run_winograd(ctx, job, handle)) return true;
    report(ctx, "again, since not all results are finite");
  }
  return false;
}

template <class T>
void forward(const Context& ctx, const ConvArgs& g, const void* x, const void* weight,
             const void* bias, void* y) {
  const T* w = static_cast<const T*>(weight);
  const int64_t channels = g.in_channels / g.groups, rows = g.out_channels / g.groups;
  if (g.batch == 0 || volume(g.out) == 0 || rows == 0) return;
  ConvArgs thin;
  if (steps_over(g, thin)) {
    report(ctx, "positions gathered");
    const Scratch<T> seen(ctx, g.batch * g.in_channels * volume(g.out));
    gather_seen<T>(ctx, g, static_cast<const T*>(x), seen.get());
    forward<T>(ctx, thin, seen.get(), weight, bias, y);
    return;
  }
  if (is_depthwise(g)) {
    report(ctx, "depthwise");
    depthwise_forward<T>(ctx, g, static_cast<const T*>(x), w, static_cast<const T*>(bias),
                         static_cast<T*>(y));
    return;
  }
  if (is_pointwise(g) && !is_better_packed<T>(g)) {
    report(ctx, "1x1");
    pointwise<T>(ctx, g, rows, channels, w, channels, 1, static_cast<const T*>(x),
                 static_cast<const T*>(bias), static_cast<T*>(y));
    return;
  }
  if (is_pointwise(g) && g.in[2] < volume(g.in)) {
    forward<T>(ctx, flattened(g), x, weight, bias, y);
    return;
  }
  kernels::KeptOperand* handle = g.weight_kept;
  if (winograd<T>(ctx, g, false, x, weight, bias, y, handle)) return;
  const int64_t tap_count = volume(g.kernel), k = channels * tap_count;
  const Prepared prepared = prepared_input(g);
  Job<T> job{prepared,
             static_cast<const T*>(x),
             g.batch * g.groups,
             g.groups,
             channels,
             static_cast<T*>(y),
             rows,
             volume(g.out),
             static_cast<const T*>(bias),
             1,
             nullptr};
  const int64_t panels = job.panels(), per = job.panel_rows();
  const Scratch<int64_t> taps(ctx, tap_count);
  input_taps(g, prepared, taps.get());
  const Grid grid = output_grid(g, prepared);
  Pass<T> pass{grid, tap_count, taps.get(), w, nullptr, 0, false};
  job.pass = &pass;
  const bool product = by_product(job), as_they_lie = product && weights_as_they_lie(job, k);
  const int64_t packed_size = g.groups * panels * k * kMr;
  const Kept<T> kept(ctx, handle, kernels::KeptLayout::conv_panels, packed_size,
                     "weights kept packed");
  if (as_they_lie && !kept.get()) {
    report(ctx, "product of packed patches, weights as they lie");
    run_product(ctx, job, k, true);
    return;
  }
  const Scratch<T> scratch(ctx, kept.get() ? 0 : packed_size);
  T* const packed = kept.get() ? kept.get() : scratch.get();
  if (!kept.filled()) {
    const int64_t per_task = max_of(1, kTaskWork / 4 / max_of(1, k * kMr));
    run_tasks(ctx, ceil_div(g.groups * panels, per_task), [&](int64_t t) {
      for (int64_t i = t * per_task; i < min_of(g.groups * panels, (t + 1) * per_task); ++i) {
        const int64_t row = i % panels * per, left = rows - row;
        if (left <= 0) continue;
        gemm::pack_panel<T, kMr>(w + (i / panels * rows + row) * k, k, 1,
                                 static_cast<int>(min_of(left, per)), k, packed + i * k * kMr);
      }
    });
    kept.done();
  }
  pass.w = packed;
  report(ctx, product ? "product of packed patches" : "direct");
  if (product) {
    run_product(ctx, job, 0, as_they_lie);
    return;
  }
  const Cut cut = grid.best_cut(kLanes<T>, takes_joined<T>(rows, per));
  pass.joined = cut == Cut::joined;
  pass.segment_count = grid.segments(cut, kLanes<T>);
  const Scratch<Segment> segments(ctx, pass.segment_count);
  grid.cut_into(cut, kLanes<T>, segments.get());
  pass.segments = segments.get();
  run_direct(ctx, job);
}

template <class T>
void backward_input(const Context& ctx, const ConvArgs& g, const void* grad_y, const void* weight,
                    const void* bias, void* grad_x) {
  const T* w = static_cast<const T*>(weight);
  const int64_t channels = g.out_channels / g.groups, rows = g.in_channels / g.groups;
  if (g.batch == 0 || volume(g.in) == 0 || rows == 0) return;
  ConvArgs thin;
  if (volume(g.out) > 0 && steps_over(g, thin)) {
    report(ctx, "positions gathered");
    const Scratch<T> seen(ctx, g.batch * g.in_channels * volume(g.out));
    backward_input<T>(ctx, thin, grad_y, weight, bias, seen.get());
    spread_seen<T>(ctx, g, seen.get(), static_cast<const T*>(bias), static_cast<T*>(grad_x));
    return;
  }
  if (is_depthwise(g) && volume(g.out) > 0) {
    report(ctx, "depthwise");
    depthwise_backward_input<T>(ctx, g, static_cast<const T*>(grad_y), w,
                                static_cast<const T*>(bias), static_cast<T*>(grad_x));
    return;
  }
  if (is_pointwise(g) && !is_better_packed<T>(g)) {
    report(ctx, "1x1");
    pointwise<T>(ctx, g, rows, channels, w, 1, rows, static_cast<const T*>(grad_y),
                 static_cast<const T*>(bias), static_cast<T*>(grad_x));
    return;
  }
  if (is_pointwise(g) && g.in[2] < volume(g.in)) {
    backward_input<T>(ctx, flattened(g), grad_y, weight, bias, grad_x);
    return;
  }
  kernels::KeptOperand* none = nullptr;
  if (volume(g.out) > 0 && winograd<T>(ctx, g, true, grad_y, weight, bias, grad_x, none)) return;
  const int64_t tap_count = volume(g.kernel);
  const Prepared prepared = prepared_grad(g);
  Job<T> job{prepared,
             static_cast<const T*>(grad_y),
             g.batch * g.groups,
             g.groups,
             channels,
             static_cast<T*>(grad_x),
             rows,
             volume(g.in),
             static_cast<const T*>(bias),
             0,
             nullptr};
  const int64_t panels = job.panels(), per = job.panel_rows();
  const int64_t count = volume(g.stride);
  // For every tap exactly one residue per dimension fits: the residues share these lists.
  const Scratch<int64_t> taps(ctx, tap_count), places(ctx, tap_count);
  const Scratch<Pass<T>> pass_list(ctx, count);
  const auto residue = [&](int64_t i) {
    return Residue{
        {i / (g.stride[1] * g.stride[2]), i / g.stride[2] % g.stride[1], i % g.stride[2]}};
  };
  const bool join = takes_joined<T>(rows, per);
  int64_t all_segments = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Grid grid = residue_grid(g, prepared, residue(i));
    all_segments += grid.segments(grid.best_cut(kLanes<T>, join), kLanes<T>);
  }
  const Scratch<Segment> segments(ctx, all_segments);
  Segment* next_segment = segments.get();
  const int64_t panel_taps = channels * kMr;
  const Scratch<T> packed(ctx, tap_count * g.groups * panels * panel_taps);
  T* next = packed.get();
  int64_t* next_taps = taps.get();
  for (int64_t i = 0; i < count; ++i) {
    const Residue r = residue(i);
    const Grid grid = residue_grid(g, prepared, r);
    if (volume(grid.size) == 0) continue;
    const int64_t used = next_taps - taps.get();
    const int64_t n = residue_taps(g, prepared, r, next_taps, places.get() + used);
    const Cut cut = grid.best_cut(kLanes<T>, join);
    const int64_t segment_count = grid.segments(cut, kLanes<T>);
    grid.cut_into(cut, kLanes<T>, next_segment);
    pass_list.get()[job.passes++] = {
        grid, n, next_taps, next, next_segment, segment_count, cut == Cut::joined};
    next_segment += segment_count;
    next += n * g.groups * panels * panel_taps;
    next_taps += n;
  }
  // Where each tap of a channel goes: from where in its transposed weights, and with which distance
  // from channel to channel.
  struct Slot {
    int64_t from;
    T* to;
    int64_t step;
  };
  const Scratch<Slot> slots(ctx, tap_count);
  int64_t slot_count = 0;
  for (int64_t i = 0; i < job.passes; ++i) {
    const Pass<T>& pass = pass_list.get()[i];
    const int64_t* place = places.get() + (pass.taps - taps.get());
    T* to = packed.get() + (pass.w - packed.get());
    for (int64_t q = 0; q < pass.tap_count; ++q) {
      slots.get()[slot_count++] = {place[q] * kMr, to + q * kMr, pass.tap_count * kMr};
    }
  }
  // Blocks of channels, so that runs of some length are read and written.
  const int64_t per_task = max_of(1, min_of(16, kTaskWork / max_of(1, rows * tap_count)));
  const int64_t blocks = ceil_div(channels, per_task);
  const bool whole = job.passes == 1 && pass_list.get()[0].tap_count == tap_count;
  run_tasks(ctx, g.groups * blocks, [&](int64_t t) {
    const Scratch<T> all(ctx, tap_count * kMr);  // taps of one channel
    const int64_t group = t / blocks, begin = t % blocks * per_task;
    for (int64_t p = 0; p < panels && p * per < rows; ++p) {
      const int here = static_cast<int>(min_of(rows - p * per, per));
      for (int64_t c = begin; c < min_of(channels, begin + per_task); ++c) {
        const T* from = w + ((group * channels + c) * rows + p * per) * tap_count;
        // The next panel continues each of these runs.
        for (int64_t i = 0; i < here * tap_count; i += 64 / int64_t{sizeof(T)}) {
          __builtin_prefetch(from + per * tap_count + i);
        }
        const int64_t to_channel = (group * panels + p) * channels + c;
        if (whole) {
          gemm::pack_panel<T, kMr>(from, tap_count, 1, here, tap_count,
                                   packed.get() + to_channel * tap_count * kMr);
          continue;
        }
        gemm::pack_panel<T, kMr>(from, tap_count, 1, here, tap_count, all.get());
        for (const Slot* slot = slots.get(); slot != slots.get() + slot_count; ++slot) {
          memcpy(slot->to + to_channel * slot->step, all.get() + slot->from, sizeof(T) * kMr);
        }
      }
    }
  });
  job.pass = pass_list.get();
  report(ctx, by_product(job) ? "product of packed patches" : "direct");
  by_product(job) ? run_product(ctx, job, 0, false) : run_direct(ctx, job);
}

template <class T>
void pointwise_weight(const Context& ctx, const ConvArgs& g, const T* x, const T* gy, T* dw) {
  const int64_t plane = volume(g.out), rows = g.out_channels / g.groups;
  const int64_t inner = g.in_channels / g.groups;
  for (int64_t group = 0; group < g.groups; ++group) {
    for (int64_t b = 0; b < g.batch; ++b) {
      GemmArgs p;
      p.m = rows, p.n = inner, p.k = plane;
      p.a = gy + (b * g.groups + group) * rows * plane, p.a_row = plane, p.a_col = 1;
      p.b = x + (b * g.groups + group) * inner * plane, p.b_row = 1, p.b_col = plane;
      p.c = dw + group * rows * inner, p.c_row = inner;
      p.accumulate = b > 0;
      gemm_run<T>(ctx, p);
    }
  }
}

template <class T>
bool winograd_weight_done(const Context& ctx, const ConvArgs& g, const T* x, const T* gy, T* dw) {
  if constexpr (kWinograd<T>) {
    const int64_t channels = g.in_channels / g.groups, rows = g.out_channels / g.groups;
    if (!is_three_by_three(g) ||
        !winograd_pays<T>(g.batch, channels, rows, g.out + 1, kWeightWork)) {
      return false;
    }
    report(ctx, "Winograd F(3x3, 2x2)");
    if (winograd_weight(ctx, g, x, gy, dw)) return true;
    report(ctx, "again, since not all results are finite");
  }
  return false;
}

template <class T>
void backward_weight(const Context& ctx, const ConvArgs& g, const void* input, const void* grad_y,
                     void* grad_weight, void* grad_bias) {
  const T* x = static_cast<const T*>(input);
  const T* gy = static_cast<const T*>(grad_y);
  T* dw = static_cast<T*>(grad_weight);
  if (grad_bias) bias_gradient<T>(ctx, g, gy, static_cast<T*>(grad_bias));
  if (!dw) return;
  const int64_t rows = g.out_channels / g.groups;
  const int64_t k = g.in_channels / g.groups * volume(g.kernel);
  ConvArgs thin;
  if (g.batch == 0 || volume(g.out) == 0) {
    memset(dw, 0, sizeof(T) * static_cast<size_t>(g.out_channels * k));
  } else if (steps_over(g, thin)) {
    report(ctx, "positions gathered");
    const Scratch<T> seen(ctx, g.batch * g.in_channels * volume(g.out));
    gather_seen<T>(ctx, g, x, seen.get());
    backward_weight<T>(ctx, thin, seen.get(), gy, dw, nullptr);
  } else if (is_depthwise(g)) {
    report(ctx, "depthwise");
    depthwise_backward_weight<T>(ctx, g, x, gy, dw);
  } else if (is_pointwise(g)) {
    pointwise_weight<T>(ctx, g, x, gy, dw);
  } else if (winograd_weight_done<T>(ctx, g, x, gy, dw)) {
    return;
  } else if (rows >= 2 * kMr && k >= 4 * kNr<T>) {
    weight_by_product<T>(ctx, g, x, gy, dw);
  } else {
    weight_by_sums<T>(ctx, g, x, gy, dw);
  }
}

}  // namespace conv
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {

#define PYCORE_FLOATS(f) \
  {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, f<float>, f<double>, nullptr}
const ConvKernels conv_kernels = {
    PYCORE_FLOATS(conv::forward),
    PYCORE_FLOATS(conv::backward_input),
    PYCORE_FLOATS(conv::backward_weight),
};
#undef PYCORE_FLOATS

}  // namespace pycore::kernels::PYCORE_ISA
