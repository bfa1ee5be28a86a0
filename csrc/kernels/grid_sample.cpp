// Sampling of planes at places of a grid: forward by gathering, the gradient of the planes by
// scattering in a fixed order, the gradient of the grid by gathering. Must not know tensors.
#include "kernels/grid_sample.h"

#include "kernels/grid_sample_taps.h"

namespace pycore {
namespace {
namespace grid_sample {

using kernels::run_tasks;

constexpr int64_t kTaskPlaces = 1 << 12;  // places times channels that are worth a task

inline int64_t min_of(int64_t x, int64_t y) { return x < y ? x : y; }
inline int64_t max_of(int64_t x, int64_t y) { return x > y ? x : y; }
inline int64_t plane_of(const GridSampleArgs& g) { return g.in[0] * g.in[1] * g.in[2]; }

// Calls f(batch, first place, places) for registers of places, in tasks.
template <class T, class F>
void for_places(const Context& ctx, const GridSampleArgs& g, const F& f) {
  constexpr int64_t kL = kLanes<T>;
  const int64_t per_task = max_of(1, kTaskPlaces / max_of(1, g.channels) / kL) * kL;
  const int64_t parts = (g.places + per_task - 1) / per_task;
  run_tasks(ctx, g.batch * parts, [&](int64_t task) {
    const int64_t n = task / parts, begin = task % parts * per_task;
    const int64_t end = min_of(g.places, begin + per_task);
    for (int64_t p = begin; p < end; p += kL) f(n, p, static_cast<int>(min_of(kL, end - p)));
  });
}

template <class T, SampleMode kMode, int D>
void forward_of(const Context& ctx, const GridSampleArgs& g, const T* x, const T* grid, T* y) {
  const int64_t plane = plane_of(g);
  for_places<T>(ctx, g, [&](int64_t n, int64_t p, int lanes) {
    PlaneTaps<T, kMode, D, false> taps;
    taps.find(g, grid + (n * g.places + p) * D, lanes);
    for (int64_t c = n * g.channels; c < (n + 1) * g.channels; ++c) {
      Vec<T> sum = taps.read(x + c * plane, 0);
      if constexpr (kMode != SampleMode::nearest) {
        sum = sum * taps.weight[0];
        for (int k = 1; k < taps.kCount; ++k)
          sum = fma<T>(taps.read(x + c * plane, k), taps.weight[k], sum);
      }
      kernels::store_n<T>(y + c * g.places + p, sum, lanes);
    }
  });
}

template <class T, SampleMode kMode, int D>
void input_grad_of(const Context& ctx, const GridSampleArgs& g, const T* grid, const T* dy, T* dx) {
  constexpr int64_t kL = kLanes<T>;
  const int64_t plane = plane_of(g);
  // Channels that share one search for taps. A plane belongs to one task, which walks the places in
  // order.
  const int64_t group = min_of(16, max_of(1, g.batch * g.channels / 8));
  const int64_t groups = (g.channels + group - 1) / group;
  run_tasks(ctx, g.batch * groups, [&](int64_t task) {
    const int64_t n = task / groups, first = task % groups * group;
    const int64_t last = min_of(g.channels, first + group);
    PlaneTaps<T, kMode, D, false> taps;
    for (int64_t p = 0; p < g.places; p += kL) {
      const int lanes = static_cast<int>(min_of(kL, g.places - p));
      taps.find(g, grid + (n * g.places + p) * D, lanes);
      for (int64_t c = n * g.channels + first; c < n * g.channels + last; ++c) {
        const Vec<T> seed = kernels::load_n<T>(dy + c * g.places + p, lanes);
        T* to = dx + c * plane;
        for (int k = 0; k < taps.kCount; ++k) {
          T share[kLanes<T>];
          typename LaneInt<T>::type at[kLanes<T>];
          store(share, kMode == SampleMode::nearest ? seed : seed * taps.weight[k]);
          memcpy(at, &taps.offset[k], sizeof(at));
          for (int l = 0; l < lanes; ++l)
            if (at[l] >= 0) to[at[l]] += share[l];
        }
      }
    }
  });
}

template <class T, SampleMode kMode, int D>
void grid_grad_of(const Context& ctx, const GridSampleArgs& g, const T* x, const T* grid,
                  const T* dy, T* dgrid) {
  const int64_t plane = plane_of(g);
  for_places<T>(ctx, g, [&](int64_t n, int64_t p, int lanes) {
    PlaneTaps<T, kMode, D, true> taps;
    const int64_t place = (n * g.places + p) * D;
    taps.find(g, grid + place, lanes);
    Vec<T> sum[D] = {};
    for (int64_t c = n * g.channels; c < (n + 1) * g.channels; ++c) {
      const Vec<T> seed = kernels::load_n<T>(dy + c * g.places + p, lanes);
      for (int k = 0; k < taps.kCount; ++k) {
        const Vec<T> v = taps.read(x + c * plane, k) * seed;
        for (int d = 0; d < D; ++d) sum[d] = fma<T>(v, taps.slope[d][k], sum[d]);
      }
    }
    for (int d = 0; d < D; ++d) {
      T values[kLanes<T>];
      store(values, sum[d]);
      for (int l = 0; l < lanes; ++l) dgrid[place + l * D + d] = values[l];
    }
  });
}

// Calls f.template operator()<mode, dims>().
template <class F>
void choose(const GridSampleArgs& g, const F& f) {
  if (g.dims == 2) {
    if (g.mode == SampleMode::linear)
      f.template operator()<SampleMode::linear, 2>();
    else if (g.mode == SampleMode::nearest)
      f.template operator()<SampleMode::nearest, 2>();
    else
      f.template operator()<SampleMode::cubic, 2>();
  } else if (g.mode == SampleMode::linear) {
    f.template operator()<SampleMode::linear, 3>();
  } else {
    f.template operator()<SampleMode::nearest, 3>();
  }
}

template <class T>
void forward(const Context& ctx, const GridSampleArgs& g, const void* x, const void* grid,
             void* y) {
  choose(g, [&]<SampleMode kMode, int D>() {
    forward_of<T, kMode, D>(ctx, g, static_cast<const T*>(x), static_cast<const T*>(grid),
                            static_cast<T*>(y));
  });
}
template <class T>
void input_grad(const Context& ctx, const GridSampleArgs& g, const void* grid, const void* dy,
                void* dx) {
  choose(g, [&]<SampleMode kMode, int D>() {
    input_grad_of<T, kMode, D>(ctx, g, static_cast<const T*>(grid), static_cast<const T*>(dy),
                               static_cast<T*>(dx));
  });
}
template <class T>
void grid_grad(const Context& ctx, const GridSampleArgs& g, const void* x, const void* grid,
               const void* dy, void* dgrid) {
  choose(g, [&]<SampleMode kMode, int D>() {
    grid_grad_of<T, kMode, D>(ctx, g, static_cast<const T*>(x), static_cast<const T*>(grid),
                              static_cast<const T*>(dy), static_cast<T*>(dgrid));
  });
}

}  // namespace grid_sample
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {

extern const GridSampleKernels grid_sample_kernels;
#define PYCORE_FLOATS(f) \
  {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, f<float>, f<double>, nullptr}
const GridSampleKernels grid_sample_kernels = {
    PYCORE_FLOATS(grid_sample::forward),
    PYCORE_FLOATS(grid_sample::input_grad),
    PYCORE_FLOATS(grid_sample::grid_grad),
};
#undef PYCORE_FLOATS

}  // namespace pycore::kernels::PYCORE_ISA
