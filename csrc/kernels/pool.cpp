// Pooling: sets up the geometry, prepares planes where windows step or overhang, splits into tasks.
// Must not know tensors.
#include "kernels/pool.h"

#include "kernels/pool_avg.h"
#include "kernels/pool_max.h"

namespace pycore {
namespace {
namespace pool {

using kernels::Context;
using kernels::run_tasks;
using kernels::Scratch;

extern "C" char* getenv(const char*);
extern "C" int atoi(const char*);
inline int getenv_k() {
  const char* e = getenv("POOLK");
  return e ? atoi(e) : 1;
}
constexpr int64_t kTaskWork = 1 << 15;  // window positions that are worth a task

// Calls f(first, last) on ranges of planes, each worth a task.
template <class F>
void for_planes(const Context& ctx, int64_t planes, int64_t work, const F& f) {
  const int64_t per_task = max_of(1, kTaskWork / max_of(1, work));
  run_tasks(ctx, ceil_div(planes, per_task),
            [&](int64_t t) { f(t * per_task, min_of(planes, (t + 1) * per_task)); });
}

inline Prepared prepared_input(const PoolArgs& g) {
  Prepared p{};
  for (int d = 0; d < 3; ++d) {
    const int64_t reach = (g.out[d] - 1) * g.stride[d] + g.dilation[d] * (g.kernel[d] - 1) + 1;
    p.size[d] = g.in[d];
    p.low[d] = g.pad[d];
    p.padded[d] = max_of(g.pad[d] + g.in[d], reach);
  }
  p.phases = g.out[2] > 1 ? g.stride[2] : 1;
  return p;
}

// Vectors of outputs pay where rows have some length and offsets fit the lane's integer.
template <class T>
bool use_vectors(const PoolArgs& g) {
  return kFloat<T> && (g.out[2] * 4 >= kLanes<float> || volume(g.kernel) <= 4) &&
         volume(g.in) < (int64_t{1} << 30) && volume(g.kernel) <= 256 && g.stride[2] <= 8;
}

template <class T, bool Min, class WindowOf>
void max_scalar(const Context& ctx, const PoolArgs& g, const T* x, T* y, int64_t* indices,
                int64_t work, const WindowOf& window_of) {
  const int64_t in = volume(g.in), out = volume(g.out);
  for_planes(ctx, g.planes, 4 * work, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      max_plane<T, Min>(g, x + p * in, y + p * out, indices ? indices + p * out : nullptr,
                        window_of);
    }
  });
}

template <class T, bool Min>
void extremum(const Context& ctx, const PoolArgs& g, const void* input, void* output,
              int64_t* indices) {
  const T* x = static_cast<const T*>(input);
  T* y = static_cast<T*>(output);
  const int64_t in = volume(g.in), out = volume(g.out), work = out * volume(g.kernel);
  if (g.planes == 0 || out == 0) return;
  if constexpr (kFloat<T>) {
    if (is_halving(g) && in < (int64_t{1} << 30)) {
      for_planes(ctx, g.planes, work, [&](int64_t first, int64_t last) {
        for (int64_t p = first; p < last; ++p) {
          if (indices) {
            halve_plane<T, Min, true>(g, x + p * in, y + p * out, indices + p * out);
          } else {
            halve_plane<T, Min, false>(g, x + p * in, y + p * out, nullptr);
          }
        }
      });
      return;
    }
    if (use_vectors<T>(g)) {
      using I = typename LaneInt<T>::type;
      constexpr int L = kLanes<T>;
      const Prepared prepared = prepared_input(g);
      const Grid grid = output_grid(g, prepared);
      const int64_t tap_count = volume(g.kernel), columns = g.out[2] + L;
      const Scratch<int64_t> taps(ctx, 2 * tap_count);
      const Scratch<I> starts(ctx, 2 * columns);
      int64_t* offsets = taps.get() + tap_count;
      input_taps(g, prepared, taps.get());
      for (int64_t t = 0; t < tap_count; ++t) {
        const int64_t kd = t / (g.kernel[1] * g.kernel[2]), kh = t / g.kernel[2] % g.kernel[1];
        offsets[t] = (kd * g.dilation[0] * g.in[1] + kh * g.dilation[1]) * g.in[2] +
                     t % g.kernel[2] * g.dilation[2];
      }
      for (int64_t o = 0; o < columns; ++o) {
        const bool inside = o < g.out[2];
        starts.get()[o] = inside ? static_cast<I>(window(g, 2, o).start) : 0;
        starts.get()[columns + o] = inside ? static_cast<I>(o * g.stride[2] - g.pad[2]) : 0;
      }
      const MaxVectors<T, Min> kernel{g,          prepared, grid,         tap_count,
                                      taps.get(), offsets,  starts.get(), starts.get() + columns};
      for_planes(ctx, g.planes, work, [&](int64_t first, int64_t last) {
        const bool copies = !prepared.is_source() || g.out[2] < L;
        const Scratch<T> scratch(ctx, copies ? prepared.plane() + L : 0);
        if (copies) prepared.clear(scratch.get(), 1, loser<T, Min>());
        for (int64_t p = first; p < last; ++p) {
          const T* plane = x + p * in;
          if (copies) {
            prepared.copy(plane, scratch.get());
            plane = scratch.get();
          }
          if (indices) {
            kernel.template run<true>(plane, y + p * out, indices + p * out);
          } else {
            kernel.template run<false>(plane, y + p * out, nullptr);
          }
        }
      });
      return;
    }
  }
  max_scalar<T, Min>(ctx, g, x, y, indices, work, window);
}

// Adaptive windows that are all alike: ordinary pooling. False where they are not.
inline bool even_windows(const PoolArgs& g, PoolArgs& even) {
  even = PoolArgs{};
  even.planes = g.planes;
  for (int d = 0; d < 3; ++d) {
    if (g.out[d] == 0 || g.in[d] % g.out[d] != 0) return false;
    even.in[d] = g.in[d];
    even.out[d] = g.out[d];
    even.kernel[d] = even.stride[d] = g.in[d] / g.out[d];
  }
  return true;
}

template <class T>
void adaptive_max(const Context& ctx, const PoolArgs& g, const void* x, void* y, int64_t* indices) {
  PoolArgs even;
  if (even_windows(g, even)) {
    extremum<T, false>(ctx, even, x, y, indices);
    return;
  }
  if (g.planes == 0 || volume(g.out) == 0) return;
  if constexpr (kFloat<T>) {
    if (volume(g.in) < (int64_t{1} << 30)) {
      using I = typename LaneInt<T>::type;
      const int64_t in = volume(g.in), out = volume(g.out);
      for_planes(ctx, g.planes, in, [&](int64_t first, int64_t last) {
        const Scratch<T> best(ctx, g.in[2]);
        const Scratch<I> rows(ctx, g.in[2]);
        for (int64_t p = first; p < last; ++p) {
          adaptive_max_plane<T>(g, static_cast<const T*>(x) + p * in, static_cast<T*>(y) + p * out,
                                indices ? indices + p * out : nullptr, best.get(), rows.get());
        }
      });
      return;
    }
  }
  max_scalar<T, false>(ctx, g, static_cast<const T*>(x), static_cast<T*>(y), indices, volume(g.in),
                       adaptive_window);
}

template <class T>
void scatter_grad(const Context& ctx, const PoolArgs& g, const void* grad_y, const int64_t* indices,
                  void* grad_x) {
  const T* gy = static_cast<const T*>(grad_y);
  T* gx = static_cast<T*>(grad_x);
  const int64_t in = volume(g.in), out = volume(g.out);
  for_planes(ctx, g.planes, in + 4 * out, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      T* plane = gx + p * in;
      memset(plane, 0, sizeof(T) * static_cast<size_t>(in));
      for (int64_t i = p * out; i < (p + 1) * out; ++i) plane[indices[i]] += gy[i];
    }
  });
}

template <class T, bool Backward, class Windows>
void average_by_rows(const Context& ctx, const PoolArgs& g, const Windows& windows, const T* from,
                     T* to) {
  const int64_t in = volume(g.in), out = volume(g.out);
  const Scratch<WindowOfColumns<T>> columns(ctx, g.out[2]);
  for (int64_t o = 0; o < g.out[2]; ++o) {
    const Span w = windows(2, o);
    columns.get()[o] = {w.start, w.end, static_cast<T>(windows.count(2, o))};
  }
  for_planes(ctx, g.planes, in, [&](int64_t first, int64_t last) {
    const Scratch<T> line(ctx, g.in[2] + kLanes<T>);
    for (int64_t p = first; p < last; ++p) {
      if (Backward) memset(to + p * in, 0, sizeof(T) * static_cast<size_t>(in));
      avg_plane_by_rows<T, Backward>(g, windows, columns.get(), from + p * (Backward ? out : in),
                                     to + p * (Backward ? in : out), line.get());
    }
  });
}

template <class T, bool Backward>
void average(const Context& ctx, const PoolArgs& args, const void* source, void* target) {
  constexpr int L = kLanes<T>;
  PoolArgs g = args;
  for (int d = 0; d < 3; ++d) g.dilation[d] = 1;
  const T* from = static_cast<const T*>(source);
  T* to = static_cast<T*>(target);
  const int64_t in = volume(g.in), out = volume(g.out);
  if (g.planes == 0 || in == 0) return;
  if (out == 0) {
    if (Backward) memset(to, 0, sizeof(T) * static_cast<size_t>(g.planes * in));
    return;
  }
  // Splitting rows by the stride costs more than windows of these cost one by one.
  if (g.stride[2] > 2 || (g.stride[2] == 2 && g.in[2] <= L))
    return average_by_rows<T, Backward>(ctx, g, OrdinaryWindows{g}, from, to);
  const Prepared prepared = prepared_input(g);
  const Grid grid = output_grid(g, prepared);
  const int64_t tap_count = volume(g.kernel);
  const Scratch<int64_t> taps(ctx, tap_count);
  const Scratch<T> columns(ctx, g.out[2] + L);
  input_taps(g, prepared, taps.get());
  for (int64_t o = 0; o < g.out[2] + L; ++o) {
    columns.get()[o] = o < g.out[2] ? static_cast<T>(counted(g, 2, o)) : T{1};
  }
  const AvgVectors<T> kernel{g, grid, tap_count, taps.get(), columns.get()};
  for_planes(ctx, g.planes, out * tap_count, [&](int64_t first, int64_t last) {
    const bool copies = Backward || !prepared.is_source() || g.out[2] % L != 0;
    const Scratch<T> scratch(ctx, copies ? prepared.plane() + L : 0);
    if (!Backward && copies) prepared.clear(scratch.get(), 1);
    for (int64_t p = first; p < last; ++p) {
      if constexpr (Backward) {
        memset(scratch.get(), 0, sizeof(T) * static_cast<size_t>(prepared.plane() + L));
        kernel.backward(from + p * out, scratch.get());
        prepared.copy_back(scratch.get(), to + p * in);
      } else {
        if (copies) prepared.copy(from + p * in, scratch.get());
        kernel.forward(copies ? scratch.get() : from + p * in, to + p * out);
      }
    }
  });
}

template <class T, bool Backward>
void adaptive_average(const Context& ctx, const PoolArgs& g, const void* source, void* target) {
  const T* from = static_cast<const T*>(source);
  T* to = static_cast<T*>(target);
  const int64_t in = volume(g.in), out = volume(g.out);
  if (out > 1) {
    PoolArgs even;
    if (even_windows(g, even)) return average<T, Backward>(ctx, even, from, to);
    return average_by_rows<T, Backward>(ctx, g, AdaptiveWindows{g}, from, to);
  }
  for_planes(ctx, g.planes, in, [&](int64_t first, int64_t last) {
    if constexpr (Backward) {
      for (int64_t p = first; p < last; ++p) {
        const T share = from[p] / static_cast<T>(in);
        for (int64_t i = 0; i < in; ++i) to[p * in + i] = share;
      }
    } else {
      means_of(from + first * in, last - first, in, to + first);
    }
  });
}

template <class T>
void min_pool(const Context& ctx, const PoolArgs& g, const void* x, void* y, int64_t* indices) {
  extremum<T, true>(ctx, g, x, y, indices);
}
template <class T>
void max_pool(const Context& ctx, const PoolArgs& g, const void* x, void* y, int64_t* indices) {
  extremum<T, false>(ctx, g, x, y, indices);
}

}  // namespace pool
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {

extern const PoolKernels pool_kernels;
#define PYCORE_NUMBERS(f)                                     \
  {f<uint8_t>, f<int8_t>, f<int16_t>, f<int32_t>, f<int64_t>, \
   nullptr,    nullptr,   f<float>,   f<double>,  nullptr}
const PoolKernels pool_kernels = {
    PYCORE_NUMBERS(pool::max_pool),
    PYCORE_NUMBERS(pool::min_pool),
    PYCORE_NUMBERS(pool::adaptive_max),
    PYCORE_NUMBERS(pool::scatter_grad),
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, pool::average<float, false>,
     pool::average<double, false>, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, pool::average<float, true>,
     pool::average<double, true>, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
     pool::adaptive_average<float, false>, pool::adaptive_average<double, false>, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
     pool::adaptive_average<float, true>, pool::adaptive_average<double, true>, nullptr},
};
#undef PYCORE_NUMBERS

}  // namespace pycore::kernels::PYCORE_ISA
