// Sampling an image at the places of a grid, and grids of affine maps: grid_sampler,
// affine_grid_generator. Must not know Python.
#include "ops/grid_sample.h"

#include "kernels/grid_sample.h"
#include "ops/kernel_support.h"
#include "ops/matrix.h"

namespace pycore {

using kernels::GridSampleArgs;
using kernels::SampleMode;
using kernels::SamplePadding;

namespace {

// --- sampling
// -------------------------------------------------------------------------------------

GridSampleArgs checked_args(const Tensor& input, const Tensor& grid, int64_t mode, int64_t padding,
                            bool align_corners) {
  const char* op = "grid_sampler(): ";
  PC_CHECK(input.dim() > 0 && grid.dim() > 0 && input.sizes()[0] == grid.sizes()[0], op,
           "expected grid and input to have same batch size, but got input with sizes ",
           input.sizes(), " and grid with sizes ", grid.sizes());
  PC_CHECK(grid.sizes().back() == input.dim() - 2, op, "expected grid to have size ",
           input.dim() - 2, " in last dimension, but got grid with sizes ", grid.sizes());
  for (int64_t d = 2; d < input.dim(); ++d)
    PC_CHECK(input.sizes()[d] > 0, op,
             "expected input to have non-empty spatial dimensions, but input has sizes ",
             input.sizes(), " with dimension ", d, " being empty");
  PC_CHECK((input.dim() == 4 || input.dim() == 5) && input.dim() == grid.dim(), op,
           "expected 4D or 5D input and grid with same number of dimensions, but got input with "
           "sizes ",
           input.sizes(), " and grid with sizes ", grid.sizes());
  PC_CHECK(mode >= 0 && mode <= 2, op, "interpolation_mode must be 0, 1 or 2, got ", mode);
  PC_CHECK(padding >= 0 && padding <= 2, op, "padding_mode must be 0, 1 or 2, got ", padding);
  PC_CHECK(mode != 2 || input.dim() == 4, op, "bicubic interpolation only supports 4D input");
  PC_CHECK_IMPLEMENTED(input.is_floating(), "\"grid_sampler\" not implemented for '",
                       scalar_type_name(input.dtype()), "'");
  PC_CHECK(input.dtype() == grid.dtype(), "expected scalar type ", scalar_type_name(input.dtype()),
           " but found ", scalar_type_name(grid.dtype()));
  GridSampleArgs g;
  g.batch = input.sizes()[0];
  g.channels = input.sizes()[1];
  g.dims = input.dim() - 2;
  g.places = 1;
  double plane = 1;
  for (int64_t d = 0; d < g.dims; ++d) {
    g.in[3 - g.dims + d] = input.sizes()[d + 2];
    g.places *= grid.sizes()[d + 1];
    plane *= static_cast<double>(input.sizes()[d + 2]);
  }
  PC_CHECK_IMPLEMENTED(plane < 2147483648.0, op, "planes of 2^31 elements or more; got input of ",
                       input.sizes());
  g.mode = static_cast<SampleMode>(mode);
  g.padding = static_cast<SamplePadding>(padding);
  g.align_corners = align_corners;
  return g;
}

const kernels::Context& context_of(const GridSampleArgs& g) {
  return g.batch * g.channels * g.places > 16384 ? kernel_context() : serial_context();
}

struct GridSamplerBackward {
  static constexpr const char* name = "GridSampler2DBackward0";
  GridSampleArgs args;
  Saved input, grid;

  void operator()(Backward& b) {
    const Tensor x = b.get(input), places = b.get(grid), grad = b.grad();
    const DType inside = compute_dtype(x.dtype());
    if (recording(x, places, grad)) {
      auto [to_input, to_grid] =
          composed_grid_sample_grad(args, to_dtype(x, inside), to_dtype(places, inside),
                                    to_dtype(grad, inside), b.needs(0), b.needs(1));
      if (to_input.defined()) b.set(0, to_dtype(to_input, x.dtype()));
      if (to_grid.defined()) b.set(1, to_dtype(to_grid, places.dtype()));
      return;
    }
    const auto i = static_cast<int>(inside);
    const Tensor at = kernel_input(places, inside), seed = kernel_input(grad, inside);
    const auto& table = *kernels_for("grid_sample gradient", inside).grid_sample;
    if (b.needs(0)) {
      const Tensor dx = zeros(x.sizes(), inside);
      if (args.places > 0)
        table.input_grad[i](context_of(args), args, at->data, seed->data, dx->data);
      b.set(0, kernel_output(dx, x.dtype()));
    }
    if (b.needs(1)) {
      const Tensor data = kernel_input(x, inside), dgrid = empty(places.sizes(), inside);
      table.grid_grad[i](context_of(args), args, data->data, at->data, seed->data, dgrid->data);
      b.set(1, kernel_output(dgrid, x.dtype()));
    }
  }
};

Tensor grid_sampler(const Tensor& input, const Tensor& grid, int64_t interpolation_mode,
                    int64_t padding_mode, bool align_corners) {
  const GridSampleArgs g =
      checked_args(input, grid, interpolation_mode, padding_mode, align_corners);
  Dims shape = {g.batch, g.channels};
  for (int64_t d = 1; d <= g.dims; ++d) shape.push_back(grid.sizes()[d]);
  const DType inside = compute_dtype(input.dtype());
  const Tensor x = kernel_input(input, inside), at = kernel_input(grid, inside);
  Tensor out = empty(shape, inside);
  if (out.numel() > 0)
    kernels_for("grid_sample", inside)
        .grid_sample->forward[static_cast<int>(inside)](context_of(g), g, x->data, at->data,
                                                        out->data);
  out = kernel_output(out, input.dtype());
  if (recording(input, grid))
    record(out, GridSamplerBackward{g, Saved(input), Saved(grid)}, input, grid)->name =
        g.dims == 2 ? "GridSampler2DBackward0" : "GridSampler3DBackward0";
  return out;
}

// --- affine grids
// ---------------------------------------------------------------------------------

// The places of all elements of a plane in homogeneous coordinates: [prod(extent), dims + 1].
Tensor base_grid(IntSpan extent, bool align_corners, DType dtype) {
  const size_t dims = extent.size();
  const int64_t count = numel_of(extent);
  const Tensor base = empty({{count, static_cast<int64_t>(dims) + 1}}, DType::float64);
  auto* p = base.data<double>();
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i;
    for (size_t d = 0; d < dims; ++d) {  // width first
      const int64_t n = extent[dims - 1 - d];
      const auto size = static_cast<double>(n);
      const double at = n > 1 ? 2 * static_cast<double>(rest % n) / (size - 1) - 1 : 0;
      *p++ = align_corners ? at : at * (size - 1) / size;
      rest /= n;
    }
    *p++ = 1;
  }
  return to_dtype(base, dtype);
}

struct AffineGridGeneratorBackward0 {
  static constexpr const char* name = "AffineGridGeneratorBackward0";
  Saved base;  // [places, dims + 1], without history
  void operator()(Backward& b) {
    const Tensor points = b.get(base), g = b.grad();
    const int64_t n = g.sizes()[0], places = points.sizes()[0], dims = g.sizes().back();
    const Tensor flat = reshape(g, {{n, places, dims}});
    b.set(0, matmul(transpose(flat, 1, 2), points));
  }
};

Tensor affine_grid_generator(const Tensor& theta, IntSpan size, bool align_corners) {
  const auto dims = static_cast<int64_t>(size.size()) - 2;
  PC_CHECK(dims == 2 || dims == 3,
           "AffineGridGenerator needs 4d (spatial) or 5d (volumetric) inputs.");
  PC_CHECK_IMPLEMENTED(theta.is_floating(), "\"affine_grid_generator\" not implemented for '",
                       scalar_type_name(theta.dtype()), "'");
  PC_CHECK(theta.dim() == 3 && theta.sizes()[1] == dims && theta.sizes()[2] == dims + 1,
           "affine_grid_generator: expected theta of shape [N, ", dims, ", ", dims + 1, "], got ",
           theta.sizes());
  for (int64_t n : size)
    PC_CHECK(n >= 0, "affine_grid_generator: sizes must not be negative; got ", Dims(size));
  PC_CHECK(theta.sizes()[0] == size[0],
           "Expected size for first two dimensions of batch2 tensor to be: [", size[0], ", ",
           dims + 1, "] but got: [", theta.sizes()[0], ", ", dims + 1, "].");
  const IntSpan extent = size.subspan(2);
  Dims shape = {size[0]};
  for (int64_t n : extent) shape.push_back(n);
  shape.push_back(dims);
  Tensor base, out;
  {
    GradGuard off(false);
    base = base_grid(extent, align_corners, theta.dtype());
    out = reshape(matmul(base, transpose(theta, 1, 2)), shape);
  }
  if (recording(theta)) record(out, AffineGridGeneratorBackward0{Saved(base)}, theta);
  return out;
}

}  // namespace

PYCORE_OP(
    "grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool "
    "align_corners) -> Tensor",
    grid_sampler, kFunction, R"(
Values of ``input`` (N, C, H, W) or (N, C, D, H, W) at the places of ``grid`` (N, *, 2 or 3): (N, C, *).

A place is (x, y) or (x, y, z), from -1 to 1 over the input. ``interpolation_mode`` 0: linear, 1: nearest, 2: cubic (4-d
input only); ``padding_mode`` 0: zeros outside, 1: the border, 2: reflection. With ``align_corners`` -1 and 1 are the centres
of the corner elements, otherwise their outer edges. Differentiable by input and grid, any number of times.
RuntimeError for shapes or dtypes that do not fit.

>>> x = pycore.tensor([[[[1., 2.], [3., 4.]]]])
>>> pycore.grid_sampler(x, pycore.zeros(1, 1, 1, 2), 0, 0, True)
tensor([[[[2.5000]]]])
)");

PYCORE_OP("affine_grid_generator(Tensor theta, int[] size, bool align_corners) -> Tensor",
          affine_grid_generator, kFunction, R"(
The grid for :func:`grid_sampler` that an affine map makes of the elements of an image of ``size`` (N, C, H, W) or
(N, C, D, H, W); ``theta`` is (N, 2, 3) or (N, 3, 4).

>>> theta = pycore.tensor([[[1., 0., 0.], [0., 1., 0.]]])
>>> pycore.affine_grid_generator(theta, [1, 1, 1, 2], False)
tensor([[[[-0.5000,  0.0000],
          [ 0.5000,  0.0000]]]])
)");

}  // namespace pycore
