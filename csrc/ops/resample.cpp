// Interpolation of planes (upsample_*): one table of weights per dimension for every mode, one
// kernel for all of them, and for their derivatives of any order, since a resampling is linear and
// its adjoint is a resampling too. Must not know Python.
#include "kernels/resample.h"

#include <cmath>
#include <memory>
#include <mutex>
#include <vector>

#include "ops/kernel_support.h"

namespace pycore {

using kernels::ResampleArgs;
using kernels::ResampleAxis;

namespace {

enum class Mode { nearest, nearest_exact, linear, cubic, linear_aa, cubic_aa, lanczos_aa };
bool copies(Mode m) { return m == Mode::nearest || m == Mode::nearest_exact; }
bool antialiases(Mode m) { return m >= Mode::linear_aa; }

// --- weights of one dimension
// ---------------------------------------------------------------------

struct Axis {
  int64_t in = 1, out = 1, taps = 1;
  bool identity = true;
  std::vector<int64_t> first;
  std::vector<int32_t> count;
  std::vector<double> weight;  // empty: elements are copied

  ResampleAxis view() const {
    return {in,           out,          taps,
            first.data(), count.data(), weight.empty() ? nullptr : weight.data(),
            identity};
  }
  void resize(int64_t outputs, int64_t most, bool weighted) {
    out = outputs;
    taps = most;
    first.assign(static_cast<size_t>(outputs), 0);
    count.assign(static_cast<size_t>(outputs), 1);
    if (weighted) weight.assign(static_cast<size_t>(outputs * most), 0);
  }
  // Whether every output is just its input.
  bool is_identity() const {
    if (in != out) return false;
    for (size_t o = 0; o < first.size(); ++o) {
      if (first[o] != static_cast<int64_t>(o) || count[o] < 1) return false;
      for (int32_t k = 0; !weight.empty() && k < count[o]; ++k)
        if (weight[o * static_cast<size_t>(taps) + static_cast<size_t>(k)] != (k == 0))
          return false;
    }
    return true;
  }
};

// Which outputs each input goes to: the table of the adjoint. A copy becomes a weight of one, and
// taps of weight zero are left out.
Axis transposed(const Axis& a) {
  Axis t;
  t.in = a.out;
  t.out = a.in;
  t.identity = a.identity;
  if (a.identity) return t;
  std::vector<int64_t> low(static_cast<size_t>(a.in), -1), high(low);
  const auto each = [&](auto&& f) {
    for (int64_t o = 0; o < a.out; ++o) {
      const auto at = static_cast<size_t>(o);
      for (int32_t k = 0; k < a.count[at]; ++k) {
        const double w = a.weight.empty()
                             ? 1
                             : a.weight[at * static_cast<size_t>(a.taps) + static_cast<size_t>(k)];
        if (w != 0) f(o, static_cast<size_t>(a.first[at] + k), w);
      }
    }
  };
  each([&](int64_t o, size_t i, double) {
    if (low[i] < 0) low[i] = o;
    high[i] = o;
  });
  int64_t most = 1;
  for (size_t i = 0; i < low.size(); ++i)
    if (low[i] >= 0) most = std::max(most, high[i] - low[i] + 1);
  t.resize(a.in, most, true);
  int64_t last = 0;
  for (size_t i = 0; i < low.size(); ++i) {
    if (low[i] >= 0) last = low[i];
    t.first[i] = last;
    t.count[i] = low[i] < 0 ? 0 : static_cast<int32_t>(high[i] - low[i] + 1);
  }
  each([&](int64_t o, size_t i, double w) {
    t.weight[i * static_cast<size_t>(most) + static_cast<size_t>(o - t.first[i])] += w;
  });
  return t;
}

struct Request {
  int64_t in, out;
  Mode mode;
  bool align_corners;
  double scale;      // as given by the user, or 0
  bool bytes;        // uint8
  bool small_plane;  // two dimensions, and an output height and width of at most 128 together

  // Whether a dimension that keeps its size is left alone, whatever `scale` says.
  bool keeps() const {
    if (in != out) return false;
    return mode == Mode::linear || antialiases(mode) ||
           (copies(mode) ? mode == Mode::nearest && small_plane : bytes);
  }
};

// The step of input positions per output, in the arithmetic R in which PyTorch computes it: which
// input is nearest may hang on its rounding.
template <class R>
R step_of(const Request& q) {
  if (q.align_corners)
    return q.out > 1 ? static_cast<R>(q.in - 1) / static_cast<R>(q.out - 1) : R{0};
  if (q.scale > 0) return static_cast<R>(1.0 / q.scale);
  return static_cast<R>(q.in) / static_cast<R>(q.out);
}
template <class R>
R position(const Request& q, R step, int64_t o, bool may_be_negative) {
  if (q.align_corners) return step * static_cast<R>(o);
  const R p = step * (static_cast<R>(o) + R(0.5)) - R(0.5);
  return p < 0 && !may_be_negative ? R{0} : p;
}
int64_t floor_index(double position, int64_t in) {
  return std::min(static_cast<int64_t>(std::floor(static_cast<float>(position))), in - 1);
}

// For small planes PyTorch has rules of its own: single precision, and doubling repeats.
int64_t nearest_index_small(const Request& q, int64_t o) {
  const float step = step_of<float>(q);
  if (q.mode == Mode::nearest_exact)
    return floor_index((static_cast<double>(o) + 0.5) * static_cast<double>(step), q.in);
  return q.out == 2 * q.in ? o / 2
                           : floor_index(static_cast<double>(step * static_cast<float>(o)), q.in);
}
template <class R>
Axis nearest_axis(const Request& q, R step) {
  Axis a;
  a.resize(q.out, 1, false);
  for (int64_t o = 0; o < q.out; ++o) {
    const double p = q.mode == Mode::nearest
                         ? static_cast<double>(step * static_cast<R>(o))
                         : static_cast<double>(position(q, step, o, false)) + 0.5;
    a.first[static_cast<size_t>(o)] =
        q.small_plane ? nearest_index_small(q, o) : floor_index(p, q.in);
  }
  return a;
}

// Keys' cubic convolution kernel for |x| <= 1 and 1 < |x| < 2.
template <class R>
R cubic_near(R x, R a) {
  return ((a + 2) * x - (a + 3)) * x * x + 1;
}
template <class R>
R cubic_far(R x, R a) {
  return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

// Two or four taps around the position; those beyond the edge fall on the edge.
template <class R>
Axis pointwise_axis(const Request& q, R step) {
  const bool cubic = q.mode == Mode::cubic;
  const int64_t taps = cubic ? 4 : 2;
  Axis a;
  a.resize(q.out, taps, true);
  for (int64_t o = 0; o < q.out; ++o) {
    const R p = position(q, step, o, cubic);
    const int64_t index = floor_index(static_cast<double>(p), q.in);
    const R t = std::clamp(p - static_cast<R>(index), R{0}, R{1});
    R w[4] = {1 - t, t, 0, 0};
    if (cubic) {
      constexpr R kA = R(-0.75);
      w[0] = cubic_far<R>(t + 1, kA);
      w[1] = cubic_near<R>(t, kA);
      w[2] = cubic_near<R>(1 - t, kA);
      w[3] = cubic_far<R>(2 - t, kA);
    }
    const int64_t start = index - taps / 2 + 1;
    const auto inside = [&](int64_t i) { return std::clamp<int64_t>(i, 0, q.in - 1); };
    const int64_t first = inside(start);
    R sums[4] = {0, 0, 0, 0};
    for (int64_t k = 0; k < taps; ++k) sums[inside(start + k) - first] += w[k];
    const auto at = static_cast<size_t>(o);
    a.first[at] = first;
    a.count[at] = static_cast<int32_t>(inside(start + taps - 1) - first + 1);
    for (int64_t k = 0; k < taps; ++k)
      a.weight[at * static_cast<size_t>(taps) + static_cast<size_t>(k)] = sums[k];
  }
  return a;
}

template <class R>
R filter(Mode mode, R x) {
  x = std::abs(x);
  switch (mode) {
    case Mode::linear_aa:
      return x < 1 ? static_cast<R>(1.0 - x) : R{0};
    case Mode::cubic_aa:
      return x < 1 ? cubic_near<R>(x, R(-0.5)) : x < 2 ? cubic_far<R>(x, R(-0.5)) : R{0};
    default: {
      if (x == 0) return 1;
      if (x >= 3) return 0;
      const R px = static_cast<R>(M_PI) * x;
      return 3 * std::sin(px) * std::sin(px / 3) / (px * px);
    }
  }
}

// The filter stretched over all inputs that an output stands for, as Pillow does it.
template <class R>
Axis antialiased_axis(const Request& q, R step) {
  const double width = q.mode == Mode::linear_aa ? 2 : q.mode == Mode::cubic_aa ? 4 : 6;
  const R support =
      static_cast<R>(step >= 1 ? width * 0.5 * static_cast<double>(step) : width * 0.5);
  const R squeeze = step >= 1 ? static_cast<R>(1.0 / static_cast<double>(step)) : R{1};
  const double reach = std::ceil(static_cast<double>(support)) * 2 + 1;
  const int64_t taps = std::min<int64_t>(static_cast<int64_t>(std::min(reach, 1e15)), q.in);
  Axis a;
  a.resize(q.out, taps, true);
  for (int64_t o = 0; o < q.out; ++o) {
    const R center = static_cast<R>(static_cast<double>(step) * (static_cast<double>(o) + 0.5));
    const auto from = static_cast<int64_t>(static_cast<double>(center - support) + 0.5);
    const auto to = static_cast<int64_t>(static_cast<double>(center + support) + 0.5);
    const int64_t first = std::clamp<int64_t>(from, 0, q.in - 1);
    const int64_t count = std::clamp<int64_t>(std::min(to, q.in) - first, 0, taps);
    double* w = a.weight.data() + o * taps;
    R total = 0;
    for (int64_t k = 0; k < count; ++k) {
      const double x = static_cast<double>(static_cast<R>(k + first) - center) + 0.5;
      const R value = filter<R>(q.mode, static_cast<R>(x * static_cast<double>(squeeze)));
      w[k] = static_cast<double>(value);
      total += value;
    }
    for (int64_t k = 0; k < count && total != 0; ++k)
      w[k] = static_cast<double>(static_cast<R>(w[k]) / total);
    a.first[static_cast<size_t>(o)] = first;
    a.count[static_cast<size_t>(o)] = static_cast<int32_t>(count);
  }
  return a;
}

template <class R>
Axis make_axis(const Request& q) {
  const R step = step_of<R>(q);
  Axis a;
  if (q.keeps()) {
    a.out = q.out;
  } else {
    a = copies(q.mode)        ? nearest_axis<R>(q, step)
        : antialiases(q.mode) ? antialiased_axis<R>(q, step)
                              : pointwise_axis<R>(q, step);
    a.in = q.in;
    a.identity = a.is_identity();
  }
  a.in = q.in;
  return a;
}

// --- the linear map, and its adjoint
// --------------------------------------------------------------

struct Resampling {
  Axis axis[3];
  const char* node_name = nullptr;
  const char* adjoint_name = nullptr;

  const Axis* adjoint() const {
    std::call_once(once_, [this] {
      for (int d = 0; d < 3; ++d) transposed_[d] = transposed(axis[d]);
    });
    return transposed_;
  }

 private:
  mutable std::once_flag once_;
  mutable Axis transposed_[3];
};
using Map = std::shared_ptr<const Resampling>;

Tensor resample(const Tensor& x, const Map& map, int64_t dims, bool adjoint);

struct ResampleBackward {
  static constexpr const char* name = "UpsampleBackward0";
  static constexpr bool saves = false;
  Map map;
  int64_t dims = 2;
  bool adjoint = false;
  void operator()(Backward& b) { b.set(0, resample(b.grad(), map, dims, !adjoint)); }
};

Tensor resample(const Tensor& x, const Map& map, int64_t dims, bool adjoint) {
  const Axis* axes = adjoint ? map->adjoint() : map->axis;
  ResampleArgs args;
  bool weighted = false;
  Dims shape = {x.sizes()[0], x.sizes()[1]};
  args.planes = shape[0] * shape[1];
  for (int64_t d = 0; d < 3; ++d) {
    args.axis[d] = axes[d].view();
    weighted = weighted || !axes[d].weight.empty();
    if (d >= 3 - dims) shape.push_back(axes[d].out);
  }
  const kernels::ResampleKernels& table = *kernels_for("resample", x.dtype()).resample;
  const bool bytes = x.dtype() == DType::uint8;
  const DType inside = weighted && !bytes ? compute_dtype(x.dtype()) : x.dtype();
  const Tensor data = kernel_input(x, inside);
  Tensor out = empty(shape, inside);
  if (out.numel() > 0) {
    const kernels::Context& context =
        x.numel() + out.numel() > 32768 ? kernel_context() : serial_context();
    if (bytes && weighted)
      table.run_fixed(context, args, data.data<uint8_t>(), out.data<uint8_t>());
    else
      table.run[static_cast<int>(inside)](context, args, data->data, out->data);
  }
  out = kernel_output(out, x.dtype());
  if (recording(x))
    record(out, ResampleBackward{map, dims, adjoint}, x)->name =
        adjoint ? map->adjoint_name : map->node_name;
  return out;
}

// --- operators
// ------------------------------------------------------------------------------------

struct Kind {
  const char* op;
  const char* node;
  const char* adjoint_node;
  int64_t dims;
  Mode mode;
};

Dims output_sizes(const Tensor& x, const Kind& kind, std::optional<IntSpan> size,
                  const std::optional<std::span<const double>>& scales) {
  PC_CHECK(size.has_value() != scales.has_value(), kind.op,
           ": Must specify exactly one of output_size and scale_factors");
  const size_t given = size ? size->size() : scales->size();
  PC_CHECK(static_cast<int64_t>(given) == kind.dims, kind.op, ": expected ", kind.dims,
           size ? " output sizes" : " scale factors", ", got ", given);
  PC_CHECK(x.dim() == kind.dims + 2, "It is expected input_size equals to ", kind.dims + 2,
           ", but got size ", x.dim());
  if (size) return Dims(*size);
  Dims out;
  for (int64_t d = 0; d < kind.dims; ++d) {
    const double wanted = static_cast<double>(x.sizes()[d + 2]) * (*scales)[static_cast<size_t>(d)];
    PC_CHECK(std::abs(wanted) < 9e18, "value cannot be converted to type int64_t without overflow");
    out.push_back(static_cast<int64_t>(wanted));
  }
  return out;
}

void check_sizes(const Tensor& x, int64_t dims, const Dims& out) {
  constexpr const char* kLetters = "DHW";
  bool positive = true;
  for (int64_t d = 0; d < dims; ++d) positive = positive && x.sizes()[d + 2] > 0 && out[d] > 0;
  if (!positive) {
    std::string in_text, out_text;
    for (int64_t d = 0; d < dims; ++d) {
      const std::string label = str(d ? ", " : "", kLetters[3 - dims + d], ": ");
      in_text += str(label, x.sizes()[d + 2]);
      out_text += str(label, out[d]);
    }
    fail(ErrorKind::runtime, "Input and output sizes should be greater than 0, but got input (",
         in_text, ")", dims == 1 ? " and" : "", " output (", out_text, ")");
  }
  PC_CHECK(x.sizes()[1] != 0, "Non-empty ", dims + 2,
           "D data tensor expected but got a tensor with sizes ", x.sizes());
}

Tensor upsample(const Kind& kind, const Tensor& x, std::optional<IntSpan> size, bool align_corners,
                const std::optional<std::span<const double>>& scales) {
  const Dims out = output_sizes(x, kind, size, scales);
  check_sizes(x, kind.dims, out);
  const bool bytes = x.dtype() == DType::uint8;
  PC_CHECK_IMPLEMENTED(x.is_floating() || (bytes && (copies(kind.mode) || (kind.dims == 2))), '"',
                       kind.op, "\" not implemented for '", scalar_type_name(x.dtype()), "'");
  Dims shape = {x.sizes()[0], x.sizes()[1]};
  for (int64_t n : out) shape.push_back(n);
  empty(shape, x.dtype());  // refuses what memory cannot hold before tables of that size are made
  auto map = std::make_shared<Resampling>();
  map->node_name = kind.node;
  map->adjoint_name = kind.adjoint_node;
  const bool wide = x.dtype() == DType::float64 || (bytes && !copies(kind.mode));
  const bool small = kind.dims == 2 && out[0] + out[1] <= 128;
  for (int64_t d = 0; d < kind.dims; ++d) {
    const Request q{x.sizes()[d + 2],
                    out[d],
                    kind.mode,
                    align_corners,
                    scales ? (*scales)[static_cast<size_t>(d)] : 0,
                    bytes,
                    small};
    map->axis[3 - kind.dims + d] = wide ? make_axis<double>(q) : make_axis<float>(q);
  }
  return resample(x, map, kind.dims, false);
}

using Sizes = std::optional<IntSpan>;
using Factors = std::optional<std::span<const double>>;

constexpr Kind kNearest[] = {{"upsample_nearest1d", "UpsampleNearest1DBackward0",
                              "UpsampleNearest1DBackwardBackward0", 1, Mode::nearest},
                             {"upsample_nearest2d", "UpsampleNearest2DBackward0",
                              "UpsampleNearest2DBackwardBackward0", 2, Mode::nearest},
                             {"upsample_nearest3d", "UpsampleNearest3DBackward0",
                              "UpsampleNearest3DBackwardBackward0", 3, Mode::nearest}};
constexpr Kind kExact[] = {{"_upsample_nearest_exact1d", "UpsampleNearestExact1DBackward0",
                            "UpsampleNearestExact1DBackwardBackward0", 1, Mode::nearest_exact},
                           {"_upsample_nearest_exact2d", "UpsampleNearestExact2DBackward0",
                            "UpsampleNearestExact2DBackwardBackward0", 2, Mode::nearest_exact},
                           {"_upsample_nearest_exact3d", "UpsampleNearestExact3DBackward0",
                            "UpsampleNearestExact3DBackwardBackward0", 3, Mode::nearest_exact}};
constexpr Kind kSmooth[] = {{"upsample_linear1d", "UpsampleLinear1DBackward0",
                             "UpsampleLinear1DBackwardBackward0", 1, Mode::linear},
                            {"upsample_bilinear2d", "UpsampleBilinear2DBackward0",
                             "UpsampleBilinear2DBackwardBackward0", 2, Mode::linear},
                            {"upsample_trilinear3d", "UpsampleTrilinear3DBackward0",
                             "UpsampleTrilinear3DBackwardBackward0", 3, Mode::linear},
                            {"upsample_bicubic2d", "UpsampleBicubic2DBackward0",
                             "UpsampleBicubic2DBackwardBackward0", 2, Mode::cubic},
                            {"_upsample_bilinear2d_aa", "UpsampleBilinear2DAaBackward0",
                             "UpsampleBilinear2DAaBackwardBackward0", 2, Mode::linear_aa},
                            {"_upsample_bicubic2d_aa", "UpsampleBicubic2DAaBackward0",
                             "UpsampleBicubic2DAaBackwardBackward0", 2, Mode::cubic_aa},
                            {"_upsample_lanczos2d_aa", "UpsampleLanczos2DAaBackward0",
                             "UpsampleLanczos2DAaBackwardBackward0", 2, Mode::lanczos_aa}};

template <const Kind& kind>
Tensor copying(const Tensor& x, Sizes size, Factors scales) {
  return upsample(kind, x, size, false, scales);
}
template <const Kind& kind>
Tensor smooth(const Tensor& x, Sizes size, bool align_corners, Factors scales) {
  return upsample(kind, x, size, align_corners, scales);
}

}  // namespace

#define PC_UPSAMPLE_COPY(NAME, KIND, DOC)                                         \
  PYCORE_OP("nn." NAME                                                            \
            "(Tensor input, int[]? output_size, float[]? scale_factors=None) -> " \
            "Tensor",                                                             \
            copying<KIND>, kFunction, DOC);
#define PC_UPSAMPLE_SMOOTH(NAME, KIND, DOC)                                    \
  PYCORE_OP("nn." NAME                                                         \
            "(Tensor input, int[]? output_size, bool align_corners, float[]? " \
            "scale_factors=None) -> Tensor",                                   \
            smooth<KIND>, kFunction, DOC);

PC_UPSAMPLE_COPY("upsample_nearest1d", kNearest[0], R"(
Every output of ``(N, C, L)`` copied from the input at the floor of its scaled place.

>>> pycore._C._nn.upsample_nearest1d(pycore.tensor([[[1., 2.]]]), [4])
tensor([[[1., 1., 2., 2.]]])
)")
PC_UPSAMPLE_COPY("upsample_nearest2d", kNearest[1],
                 "As :func:`upsample_nearest1d`, on ``(N, C, H, W)``.")
PC_UPSAMPLE_COPY("upsample_nearest3d", kNearest[2],
                 "As :func:`upsample_nearest1d`, on ``(N, C, D, H, W)``.")
PC_UPSAMPLE_COPY("_upsample_nearest_exact1d", kExact[0], R"(
Every output of ``(N, C, L)`` copied from the input whose centre is nearest.

>>> pycore._C._nn._upsample_nearest_exact1d(pycore.tensor([[[1., 2., 3., 4.]]]), [2])
tensor([[[2., 4.]]])
)")
PC_UPSAMPLE_COPY("_upsample_nearest_exact2d", kExact[1],
                 "As :func:`_upsample_nearest_exact1d`, on ``(N, C, H, W)``.")
PC_UPSAMPLE_COPY("_upsample_nearest_exact3d", kExact[2],
                 "As :func:`_upsample_nearest_exact1d`, on ``(N, C, D, H, W)``.")
PC_UPSAMPLE_SMOOTH("upsample_linear1d", kSmooth[0], R"(
Linear interpolation of ``(N, C, L)``. ``align_corners`` lets first and last elements keep their places; otherwise the
extents are aligned. Sizes come as ``output_size`` or as ``scale_factors``.

>>> pycore._C._nn.upsample_linear1d(pycore.tensor([[[1., 2.]]]), [4], False)
tensor([[[1.0000, 1.2500, 1.7500, 2.0000]]])
)")
PC_UPSAMPLE_SMOOTH("upsample_bilinear2d", kSmooth[1],
                   "Linear interpolation of ``(N, C, H, W)``; as :func:`upsample_linear1d`.")
PC_UPSAMPLE_SMOOTH("upsample_trilinear3d", kSmooth[2],
                   "Linear interpolation of ``(N, C, D, H, W)``; as :func:`upsample_linear1d`.")
PC_UPSAMPLE_SMOOTH("upsample_bicubic2d", kSmooth[3], R"(
Cubic convolution (Keys 1981, a = -0.75) of ``(N, C, H, W)``; values may overshoot.

>>> pycore._C._nn.upsample_bicubic2d(pycore.ones(1, 1, 3, 3), [2, 2], True).sum()
tensor(4.)
)")
PC_UPSAMPLE_SMOOTH("_upsample_bilinear2d_aa", kSmooth[4],
                   "Triangle filter over all inputs that an output stands for, as Pillow's.")
PC_UPSAMPLE_SMOOTH(
    "_upsample_bicubic2d_aa", kSmooth[5],
    "Cubic filter (a = -0.5) over all inputs that an output stands for, as Pillow's.")
PC_UPSAMPLE_SMOOTH("_upsample_lanczos2d_aa", kSmooth[6],
                   "Lanczos filter of three lobes over all inputs that an output stands for.")

}  // namespace pycore
