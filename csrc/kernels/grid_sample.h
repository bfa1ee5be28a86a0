// Reading contiguous planes at given places between their elements, and the derivatives of that by
// the planes and by the places. float32 and float64. Must not know tensors; shapes are checked
// before, and a plane has fewer than 2^31 elements.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"

namespace pycore::kernels {

enum class SampleMode : uint8_t { linear, nearest, cubic };
enum class SamplePadding : uint8_t { zeros, border, reflection };

struct GridSampleArgs {
  int64_t batch = 0, channels = 0;
  int64_t dims = 2;           // 2 or 3
  int64_t in[3] = {1, 1, 1};  // depth, height, width of the input
  int64_t places = 0;         // outputs per channel
  SampleMode mode = SampleMode::linear;
  SamplePadding padding = SamplePadding::zeros;
  bool align_corners = false;
};

struct GridSampleKernels {
  // x [batch, channels, in], grid [batch, places, dims] (x first), y [batch, channels, places].
  void (*forward[kDTypes])(const Context&, const GridSampleArgs&, const void* x, const void* grid,
                           void* y);
  // dx += ... (zeroed by the caller).
  void (*input_grad[kDTypes])(const Context&, const GridSampleArgs&, const void* grid,
                              const void* dy, void* dx);
  void (*grid_grad[kDTypes])(const Context&, const GridSampleArgs&, const void* x, const void* grid,
                             const void* dy, void* dgrid);
};

}  // namespace pycore::kernels
