// The gradient of grid_sampler out of differentiable operators. Which elements a place reads, and
// where coordinates fold at the edges, are constants; weights are polynomials of the coordinates.
// Must not know Python.
#include <cmath>
#include <vector>

#include "kernels/grid_sample.h"
#include "ops/grid_sample.h"
#include "ops/indexing.h"
#include "ops/kernel_support.h"

namespace pycore {

using kernels::GridSampleArgs;
using kernels::SampleMode;
using kernels::SamplePadding;

namespace {

struct Folded {
  double at, slope;
};
Folded fold(double x, int64_t size, const GridSampleArgs& g) {
  if (g.padding == SamplePadding::zeros) return {x, 1};
  double slope = 1;
  const auto n = static_cast<double>(size);
  if (g.padding == SamplePadding::reflection) {
    const double low = g.align_corners ? 0 : -0.5, span = g.align_corners ? n - 1 : n;
    if (span <= 0) return {0, 0};
    const double inside = std::fmod(std::fabs(x - low), 2 * span);
    slope = (x < low) != (inside > span) ? -1 : 1;
    x = (inside > span ? 2 * span - inside : inside) + low;
  }
  if (!(x > 0)) return {0, 0};
  if (x >= n - 1) return {n - 1, 0};
  return {x, slope};
}

// One dimension: for each tap the element (int64), whether it exists, the weight, and the weight's
// derivative by the given coordinate. All of shape [batch, places].
struct AxisGraph {
  std::vector<Tensor> index, inside, weight, slope;
};

Tensor cubic_near(const Tensor& x) { return (x * 1.25 - 2.25) * x * x + 1.0; }
Tensor cubic_far(const Tensor& x) { return ((x * -0.75 + 3.75) * x - 6.0) * x + 3.0; }
Tensor cubic_near_slope(const Tensor& x) { return (x * 3.75 - 4.5) * x; }
Tensor cubic_far_slope(const Tensor& x) { return (x * -2.25 + 7.5) * x - 6.0; }

AxisGraph axis_graph(const GridSampleArgs& g, const Tensor& coordinate, int64_t size) {
  const auto n = static_cast<double>(size);
  const double scale = (g.align_corners ? n - 1 : n) / 2;
  const Tensor x =
      g.align_corners ? (coordinate + 1.0) * scale : ((coordinate + 1.0) * n - 1.0) / 2.0;
  const bool cubic = g.mode == SampleMode::cubic;
  const int taps = g.mode == SampleMode::nearest ? 1 : cubic ? 4 : 2;
  // x folded is slope * x + shift; t is that minus its floor.
  const Tensor places = kernel_input(detach(x), DType::float64);
  Tensor slope = empty(x.sizes(), DType::float64), shift = empty(x.sizes(), DType::float64);
  AxisGraph axis;
  for (int k = 0; k < taps; ++k) {
    axis.index.push_back(empty(x.sizes(), DType::int64));
    axis.inside.push_back(empty(x.sizes(), DType::float64));
  }
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double at = places.data<double>()[i];
    const Folded f = cubic ? Folded{at, 1} : fold(at, size, g);
    const double below = g.mode == SampleMode::nearest ? std::nearbyint(f.at) : std::floor(f.at);
    slope.data<double>()[i] = f.slope;
    shift.data<double>()[i] = f.at - f.slope * at - below;
    for (int k = 0; k < taps; ++k) {
      double tap = below + (cubic ? k - 1 : k);
      if (cubic) tap = std::trunc(fold(tap, size, g).at);
      const bool inside = tap >= 0 && tap < n;
      axis.index[static_cast<size_t>(k)].data<int64_t>()[i] =
          inside ? static_cast<int64_t>(tap) : 0;
      axis.inside[static_cast<size_t>(k)].data<double>()[i] = inside;
    }
  }
  const DType dtype = x.dtype();
  slope = to_dtype(slope, dtype);
  for (Tensor& inside : axis.inside) inside = to_dtype(inside, dtype);
  const Tensor t = x * slope + to_dtype(shift, dtype), scaled = slope * scale;
  if (g.mode == SampleMode::nearest) {
    axis.weight = {ones(x.sizes(), dtype)};
    axis.slope = {zeros(x.sizes(), dtype)};
  } else if (!cubic) {
    axis.weight = {1.0 - t, t};
    axis.slope = {-scaled, scaled};
  } else {
    axis.weight = {cubic_far(t + 1.0), cubic_near(t), cubic_near(1.0 - t), cubic_far(2.0 - t)};
    axis.slope = {cubic_far_slope(t + 1.0) * scaled, cubic_near_slope(t) * scaled,
                  -cubic_near_slope(1.0 - t) * scaled, -cubic_far_slope(2.0 - t) * scaled};
  }
  return axis;
}

}  // namespace

std::pair<Tensor, Tensor> composed_grid_sample_grad(const GridSampleArgs& g, const Tensor& input,
                                                    const Tensor& grid, const Tensor& grad,
                                                    bool needs_input, bool needs_grid) {
  const auto dims = static_cast<size_t>(g.dims);
  const Tensor points = reshape(grid, {{g.batch, g.places, g.dims}});
  const Tensor seed = reshape(grad, {{g.batch, g.channels, g.places}});
  const int64_t plane = g.in[0] * g.in[1] * g.in[2];
  const Tensor planes = reshape(input, {{g.batch, g.channels, plane}});
  std::vector<AxisGraph> axis;  // width first, like the grid
  for (size_t d = 0; d < dims; ++d)
    axis.push_back(axis_graph(g, select(points, 2, static_cast<int64_t>(d)), g.in[2 - d]));
  const size_t taps = axis[0].index.size();
  size_t count = 1;
  for (size_t d = 0; d < dims; ++d) count *= taps;

  Tensor to_input = needs_input ? zeros(planes.sizes(), input.dtype()) : Tensor();
  std::vector<Tensor> to_grid(dims);
  for (size_t c = 0; c < count; ++c) {
    std::vector<size_t> k;
    for (size_t d = 0, rest = c; d < dims; ++d, rest /= taps) k.push_back(rest % taps);
    Tensor at = axis[dims - 1].index[k[dims - 1]], inside = axis[dims - 1].inside[k[dims - 1]];
    for (size_t d = dims - 1; d-- > 0;) {
      at = at * g.in[2 - d] + axis[d].index[k[d]];
      inside = inside * axis[d].inside[k[d]];
    }
    const Tensor index = expand(unsqueeze(at, 1), {{g.batch, g.channels, g.places}});
    if (needs_input) {
      Tensor weight = inside;
      for (size_t d = 0; d < dims; ++d) weight = weight * axis[d].weight[k[d]];
      to_input = scatter_add(to_input, 2, index, seed * unsqueeze(weight, 1));
    }
    if (!needs_grid) continue;
    const int64_t channels[1] = {1};
    const Tensor pull = inside * sum_dims(gather(planes, 2, index) * seed, channels, false);
    for (size_t d = 0; d < dims; ++d) {
      Tensor part = pull * axis[d].slope[k[d]];
      for (size_t e = 0; e < dims; ++e)
        if (e != d) part = part * axis[e].weight[k[e]];
      to_grid[d] = to_grid[d].defined() ? to_grid[d] + part : part;
    }
  }
  return {needs_input ? reshape(to_input, input.sizes()) : Tensor(),
          needs_grid ? reshape(stack(to_grid, 2), grid.sizes()) : Tensor()};
}

}  // namespace pycore
