// Pooling: max, min, average and their adaptive forms in one to three dimensions. Maximum and
// minimum remember where they found their values; averages are linear, so forward and backward are
// each other's derivative. Must not know Python.
#include "kernels/pool.h"

#include "ops/kernel_support.h"
#include "ops/stepwise.h"

namespace pycore {

using kernels::PoolArgs;

namespace {

// --- geometry
// ------------------------------------------------------------------------------------------------------------

struct PoolShape {
  PoolArgs args;
  Dims lead;  // batch and channel dimensions
  int64_t dims = 2;

  Dims shape(const int64_t* spatial) const {
    Dims s(lead);
    for (int64_t d = 3 - dims; d < 3; ++d) s.push_back(spatial[d]);
    return s;
  }
  Dims in_shape() const { return shape(args.in); }
  Dims out_shape() const { return shape(args.out); }
};

PoolShape planes_of(const Tensor& x, int64_t dims) {
  PoolShape p;
  p.dims = dims;
  p.args.planes = 1;
  for (int64_t i = 0; i + dims < x.dim(); ++i) {
    p.lead.push_back(x.sizes()[i]);
    p.args.planes *= x.sizes()[i];
  }
  for (int64_t i = 0; i < dims; ++i) p.args.in[3 - dims + i] = x.sizes()[x.dim() - dims + i];
  return p;
}

struct Windows {
  const char* op;
  IntSpan kernel;
  IntSpan stride;
  IntSpan padding;
  IntSpan dilation;
  bool ceil_mode;
};

void check_input(const Tensor& x, int64_t dims, const char* op) {
  const bool right = x.dim() == dims + 1 || x.dim() == dims + 2;
  if (dims == 1)
    PC_CHECK(right, op,
             ": Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, "
             "but got:",
             x.sizes());
  PC_CHECK(right, "non-empty ", dims + 1, "D or ", dims + 2,
           "D (batch mode) tensor expected for input");
  for (int64_t d = x.dim() == dims + 2 ? 1 : 0; d < x.dim(); ++d)
    PC_CHECK(x.sizes()[d] != 0, "Expected ", dims + 1, "D or ", dims + 2,
             "D (batch mode) tensor with optional 0 dim batch size for input, but got:", x.sizes());
}

void check_window_1d(const Windows& w, int64_t kernel, int64_t stride, int64_t pad,
                     int64_t dilation) {
  PC_CHECK(kernel > 0, w.op, "() kernel_size must be greater than zero, but got ", kernel);
  PC_CHECK(stride > 0, w.op, "() stride must be greater than zero, but got ", stride);
  PC_CHECK(pad >= 0, w.op, "() padding must be non-negative, but got ", pad);
  PC_CHECK(2 * pad <= kernel, w.op,
           "() padding should be at most half of kernel size, but got padding=", pad,
           " and kernel_size=", kernel);
  PC_CHECK(dilation > 0, w.op, "() dilation must be greater than zero, but got ", dilation);
}

int64_t one_of(IntSpan list, int64_t i) {
  return list[list.size() == 1 ? 0 : static_cast<size_t>(i)];
}

void check_length(const Windows& w, const char* what, IntSpan list, int64_t dims, bool optional) {
  const auto n = static_cast<int64_t>(list.size());
  if (dims == 1)
    PC_CHECK(n == 1 || (optional && n == 0), w.op, "() ", what,
             " must be an int, list of ints or tuple of ints of size 1 "
             "but got size ",
             n);
  constexpr const char* numbers[] = {"", "one", "two", "three"};
  PC_CHECK(n == 1 || n == dims || (optional && n == 0), w.op, ": ", what, " must ",
           optional ? "either be omitted, " : "either ", "be a single int, or a tuple of ",
           numbers[dims], " ints");
}

PoolShape windows_of(const Tensor& x, int64_t dims, const Windows& w) {
  check_length(w, "kernel_size", w.kernel, dims, false);
  check_length(w, "stride", w.stride, dims, true);
  check_length(w, "padding", w.padding, dims, false);
  check_length(w, "dilation", w.dilation, dims, false);
  check_input(x, dims, w.op);
  PoolShape p = planes_of(x, dims);
  PoolArgs& a = p.args;
  Dims in, out;
  bool positive = true;
  for (int64_t i = 0; i < dims; ++i) {
    const int64_t d = 3 - dims + i;
    const int64_t kernel = a.kernel[d] = one_of(w.kernel, i);
    const int64_t stride = a.stride[d] = w.stride.empty() ? kernel : one_of(w.stride, i);
    const int64_t pad = a.pad[d] = one_of(w.padding, i);
    const int64_t dilation = a.dilation[d] = one_of(w.dilation, i);
    if (dims == 1) check_window_1d(w, kernel, stride, pad, dilation);
    PC_CHECK(stride != 0, "stride should not be zero");
    PC_CHECK(kernel > 0, "kernel size should be greater than zero, but got kernel_size ",
             Dims(w.kernel));
    PC_CHECK(stride > 0, "stride should be greater than zero, but got stride ", Dims(w.stride));
    PC_CHECK(dilation > 0, "dilation should be greater than zero, but got dilation ",
             Dims(w.dilation));
    PC_CHECK(pad >= 0, "pad must be non-negative, but got pad: ", pad);
    PC_CHECK(pad <= (dilation * (kernel - 1) + 1) / 2,
             "pad should be at most half of effective kernel size, but got pad=", pad,
             ", kernel_size=", kernel, " and dilation=", dilation);
    const int64_t room =
        a.in[d] + 2 * pad - dilation * (kernel - 1) - 1 + (w.ceil_mode ? stride - 1 : 0);
    a.out[d] = room < 0 ? 0 : room / stride + 1;
    // The last window must start inside the input or its left padding.
    if (w.ceil_mode && a.out[d] > 0 && (a.out[d] - 1) * stride >= a.in[d] + pad) --a.out[d];
    in.push_back(a.in[d]);
    out.push_back(a.out[d]);
    positive = positive && a.out[d] > 0;
  }
  if (!positive && dims == 1)
    fail(ErrorKind::runtime, w.op, "() Invalid computed output size: ", out[0]);
  const int64_t channels = p.lead.back();
  PC_CHECK(positive, "Given input size: (", channels, "x", AsShape{in},
           "). Calculated output size: (", channels, "x", AsShape{out},
           "). Output size is too small");
  return p;
}

// --- max and min: scatter and gather of gradients
// ----------------------------------------------------------------------------

Tensor scatter_planes(const Tensor& gy, const Tensor& indices, const PoolShape& p);
Tensor gather_planes(const Tensor& g, const Tensor& indices, const PoolShape& p);

struct GatherPlanesBackward {
  static constexpr const char* name = "GatherBackward0";
  Saved indices;
  PoolShape p;
  void operator()(Backward& b) { b.set(0, scatter_planes(b.grad(), b.get(indices), p)); }
};
struct ScatterPlanesBackward {
  static constexpr const char* name = "MaxPool2DWithIndicesBackwardBackward0";
  Saved indices;
  PoolShape p;
  void operator()(Backward& b) { b.set(0, gather_planes(b.grad(), b.get(indices), p)); }
};

// gx[indices] += gy in every plane.
Tensor scatter_planes(const Tensor& gy, const Tensor& indices, const PoolShape& p) {
  const DType inside = compute_dtype(gy.dtype());
  const Tensor g = kernel_input(gy, inside);
  Tensor gx = empty(p.in_shape(), inside);
  kernels_for("pool gradient", inside)
      .pool->scatter_grad[static_cast<int>(inside)](kernel_context(), p.args, g->data,
                                                    indices.data<int64_t>(), gx->data);
  gx = kernel_output(gx, gy.dtype());
  if (recording(gy)) record(gx, ScatterPlanesBackward{Saved(indices), p}, gy);
  return gx;
}

Tensor gather_planes(const Tensor& g, const Tensor& indices, const PoolShape& p) {
  const Tensor src = kernel_input(g, g.dtype());
  Tensor out = empty(p.out_shape(), g.dtype());
  const int64_t* at = indices.data<int64_t>();
  if (p.args.planes > 0) {
    const int64_t in = src.numel() / p.args.planes, n = out.numel() / p.args.planes;
    dispatch_size(g.item_size(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      parallel_for(p.args.planes, std::max<int64_t>(1, 16384 / std::max<int64_t>(n, 1)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t plane = begin; plane < end; ++plane)
                       for (int64_t i = plane * n; i < (plane + 1) * n; ++i)
                         out.data<T>()[i] = src.data<T>()[plane * in + at[i]];
                   });
    });
  }
  if (recording(g)) record(out, GatherPlanesBackward{Saved(indices), p}, g);
  return out;
}

struct MaxPoolBackward {
  static constexpr const char* name = "MaxPool2DWithIndicesBackward0";
  Saved indices;
  PoolShape p;
  void operator()(Backward& b) {
    b.set(0, stepwise(b, 0, scatter_planes(b.grad(), b.get(indices), p)));
  }
};

using ExtremeKernel = void (*)(const kernels::Context&, const PoolArgs&, const void*, void*,
                               int64_t*);

Result extreme_pool(const Tensor& x, const PoolShape& p, const ExtremeKernel* kernels,
                    const char* op, const char* node_name, bool return_indices) {
  const DType inside = compute_dtype(x.dtype());
  const ExtremeKernel kernel = kernels[static_cast<int>(inside)];
  PC_CHECK_IMPLEMENTED(kernel != nullptr, '"', op, "\" not implemented for '",
                       scalar_type_name(x.dtype()), "'");
  const Tensor data = kernel_input(x, inside);
  Tensor y = empty(p.out_shape(), inside), indices;
  explain_kernel("pool", inside);
  const bool records = recording(x);
  if (records || return_indices) indices = empty(p.out_shape(), DType::int64);
  kernel(kernel_context(), p.args, data->data, y->data,
         indices.defined() ? indices.data<int64_t>() : nullptr);
  y = kernel_output(y, x.dtype());
  if (records) record(y, MaxPoolBackward{Saved(indices), p}, x)->name = node_name;
  Result r;
  if (return_indices)
    r.set(std::tuple(y, indices));
  else
    r.set(y);
  return r;
}

constexpr const char* kMaxNodes[] = {"", "SqueezeBackward1", "MaxPool2DWithIndicesBackward0",
                                     "MaxPool3DWithIndicesBackward0"};
constexpr const char* kMinNodes[] = {"", "SqueezeBackward1", "MinPool2DWithIndicesBackward0",
                                     "MinPool3DWithIndicesBackward0"};
constexpr const char* kAdaptiveMaxNodes[] = {"", "SqueezeBackward1", "AdaptiveMaxPool2DBackward0",
                                             "AdaptiveMaxPool3DBackward0"};
constexpr const char* kMaxNames[] = {"", "max_pool1d", "max_pool2d", "max_pool3d"};
constexpr const char* kMinNames[] = {"", "min_pool1d", "min_pool2d", "min_pool3d"};

template <int D>
Result max_pool(const Tensor& x, IntSpan kernel, std::optional<IntSpan> stride, IntSpan padding,
                IntSpan dilation, bool ceil_mode, bool return_indices) {
  const PoolShape p = windows_of(
      x, D, {kMaxNames[D], kernel, stride.value_or(IntSpan()), padding, dilation, ceil_mode});
  return extreme_pool(x, p, kernels_now().pool->max, kMaxNames[D], kMaxNodes[D], return_indices);
}
template <int D>
Result min_pool(const Tensor& x, IntSpan kernel, std::optional<IntSpan> stride, IntSpan padding,
                IntSpan dilation, bool ceil_mode, bool return_indices) {
  const PoolShape p = windows_of(
      x, D, {kMinNames[D], kernel, stride.value_or(IntSpan()), padding, dilation, ceil_mode});
  return extreme_pool(x, p, kernels_now().pool->min, kMinNames[D], kMinNodes[D], return_indices);
}

// --- averages
// ------------------------------------------------------------------------------------------------------------------

template <bool Adaptive>
Tensor average(const Tensor& x, const PoolShape& p, const char* node_name);
template <bool Adaptive>
Tensor average_gradient(const Tensor& gy, const PoolShape& p);

template <bool Adaptive>
struct AverageBackward {
  static constexpr const char* name =
      Adaptive ? "AdaptiveAvgPool2DBackward0" : "AvgPool2DBackward0";
  static constexpr bool saves = false;
  PoolShape p;
  void operator()(Backward& b) {
    b.set(0, stepwise(b, 0, average_gradient<Adaptive>(b.grad(), p)));
  }
};
template <bool Adaptive>
struct AverageGradientBackward {
  static constexpr const char* name =
      Adaptive ? "AdaptiveAvgPool2DBackwardBackward0" : "AvgPool2DBackwardBackward0";
  static constexpr bool saves = false;
  PoolShape p;
  void operator()(Backward& b) { b.set(0, average<Adaptive>(b.grad(), p, nullptr)); }
};

template <bool Adaptive>
Tensor average(const Tensor& x, const PoolShape& p, const char* node_name) {
  const DType inside = float_kernel_dtype(x.dtype());
  const Tensor data = kernel_input(x, inside);
  Tensor y = empty(p.out_shape(), inside);
  const auto& table = *kernels_for("pool gradient", inside).pool;
  (Adaptive ? table.adaptive_avg : table.avg)[static_cast<int>(inside)](kernel_context(), p.args,
                                                                        data->data, y->data);
  y = kernel_output(y, x.dtype());
  if (recording(x)) {
    Ref<Node> node = record(y, AverageBackward<Adaptive>{p}, x);
    if (node_name) node->name = node_name;
  }
  return y;
}
template <bool Adaptive>
Tensor average_gradient(const Tensor& gy, const PoolShape& p) {
  const DType inside = float_kernel_dtype(gy.dtype());
  const Tensor g = kernel_input(gy, inside);
  Tensor gx = empty(p.in_shape(), inside);
  const auto& table = *kernels_now().pool;
  (Adaptive ? table.adaptive_avg_backward : table.avg_backward)[static_cast<int>(inside)](
      kernel_context(), p.args, g->data, gx->data);
  gx = kernel_output(gx, gy.dtype());
  if (recording(gy)) record(gx, AverageGradientBackward<Adaptive>{p}, gy);
  return gx;
}

constexpr const char* kAvgNodes[] = {"", "SqueezeBackward1", "AvgPool2DBackward0",
                                     "AvgPool3DBackward0"};
constexpr const char* kAvgNames[] = {"", "avg_pool1d", "avg_pool2d", "avg_pool3d"};

template <int D>
Tensor avg_pool(const Tensor& x, IntSpan kernel, std::optional<IntSpan> stride, IntSpan padding,
                bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
  PC_CHECK(!divisor_override || *divisor_override != 0, "divisor must be not zero");
  if (D == 1)
    PC_CHECK(
        x.dim() == 2 || x.dim() == 3, "Expected 2 to 3 dimensions, but got ", x.dim(),
        "-dimensional tensor for argument #1 'self' (while checking arguments for avg_pool1d)");
  PC_CHECK_IMPLEMENTED(x.dtype() != DType::bool_, '"', kAvgNames[D],
                       "\" not implemented for 'Bool'");
  constexpr int64_t one = 1;
  PoolShape p = windows_of(
      x, D, {kAvgNames[D], kernel, stride.value_or(IntSpan()), padding, {&one, 1}, ceil_mode});
  p.args.count_include_pad = count_include_pad;
  p.args.divisor = divisor_override.value_or(0);
  return average<false>(x, p, kAvgNodes[D]);
}
Tensor avg_pool1d(const Tensor& x, IntSpan kernel, std::optional<IntSpan> stride, IntSpan padding,
                  bool ceil_mode, bool count_include_pad) {
  return avg_pool<1>(x, kernel, stride, padding, ceil_mode, count_include_pad, std::nullopt);
}

// --- adaptive
// ------------------------------------------------------------------------------------------------------------------

PoolShape adaptive_shape(const char* op, const Tensor& x, int64_t dims, IntSpan size) {
  PC_CHECK(size.size() == 1 || static_cast<int64_t>(size.size()) == dims, op,
           "() argument 'output_size' should contain ",
           dims == 1   ? "one int"
           : dims == 2 ? "two ints"
                       : "three ints",
           " (got ", size.size(), ")");
  if (dims == 1)
    PC_CHECK(x.dim() == 2 || x.dim() == 3, "Expected 2 to 3 dimensions, but got ", x.dim(),
             "-dimensional tensor for argument #1 'self' (while checking arguments for ", op, ")");
  PC_CHECK(x.dim() == dims + 1 || x.dim() == dims + 2, op, "(): Expected ", dims + 1, "D or ",
           dims + 2, "D tensor, but got ", x.sizes());
  for (int64_t d = x.dim() == dims + 2 ? 1 : 0; d < x.dim(); ++d)
    PC_CHECK(
        x.sizes()[d] > 0, op,
        "(): Expected input to have non-zero size for non-batch dimensions, but input has sizes ",
        x.sizes(), " with dimension ", d, " being empty");
  PoolShape p = planes_of(x, dims);
  for (int64_t i = 0; i < dims; ++i) {
    const int64_t n = one_of(size, i);
    PC_CHECK(n >= 0, op,
             ": elements of output_size must be greater than or equal to 0 but received ",
             Dims(size));
    p.args.out[3 - dims + i] = n;
  }
  return p;
}

void check_floating(const char* op, const Tensor& x) {
  PC_CHECK_IMPLEMENTED(x.is_floating(), '"', op, "\" not implemented for '",
                       scalar_type_name(x.dtype()), "'");
}

constexpr const char* kAdaptiveAvgNames[] = {"", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
                                             "adaptive_avg_pool3d"};
constexpr const char* kAdaptiveAvgNodes[] = {"", "SqueezeBackward1", "AdaptiveAvgPool2DBackward0",
                                             "AdaptiveAvgPool3DBackward0"};
constexpr const char* kAdaptiveMaxNames[] = {"", "adaptive_max_pool1d", "adaptive_max_pool2d",
                                             "adaptive_max_pool3d"};

template <int D>
Tensor adaptive_avg_pool(const Tensor& x, IntSpan output_size) {
  const PoolShape p = adaptive_shape(kAdaptiveAvgNames[D], x, D, output_size);
  check_floating(kAdaptiveAvgNames[D], x);
  const bool global = D == 2 && p.args.out[1] == 1 && p.args.out[2] == 1;
  return average<true>(x, p, global ? "MeanBackward1" : kAdaptiveAvgNodes[D]);
}
template <int D>
Result adaptive_max_pool(const Tensor& x, IntSpan output_size, bool return_indices) {
  const PoolShape p = adaptive_shape(kAdaptiveMaxNames[D], x, D, output_size);
  check_floating(kAdaptiveMaxNames[D], x);
  return extreme_pool(x, p, kernels_now().pool->adaptive_max, kAdaptiveMaxNames[D],
                      kAdaptiveMaxNodes[D], return_indices);
}

}  // namespace

#define PC_EXTREME_POOL(NAME, D, DOC)                                                   \
  PYCORE_OP("nn." #NAME "_pool" #D "d(Tensor input, int[" #D "] kernel_size, int[" #D   \
            "]? stride=None, int[" #D "] padding=0, int[" #D                            \
            "] dilation=1, bool ceil_mode=False, bool return_indices=False) -> Tensor", \
            NAME##_pool<D>, kFunction, DOC);
PC_EXTREME_POOL(max, 1, R"(
The maximum of every window. NaN wins; padding never does. With ``return_indices`` also where it was found.

>>> pycore.nn.functional.max_pool1d(pycore.tensor([[1., 3., 2., 4.]]), 2)
tensor([[3., 4.]])
)")
PC_EXTREME_POOL(max, 2, R"(
The maximum of every window of height and width. NaN wins; padding never does. With ``return_indices`` also its offset in
the plane.

>>> pycore.nn.functional.max_pool2d(pycore.arange(16.).view(1, 4, 4), 2)
tensor([[[ 5.,  7.],
         [13., 15.]]])
)")
PC_EXTREME_POOL(max, 3,
                "The maximum of every window of depth, height and width; as :func:`max_pool2d`.")
PC_EXTREME_POOL(min, 1, R"(
The minimum of every window: ``-max_pool1d(-input)``.

>>> pycore.nn.functional.min_pool1d(pycore.tensor([[1., 3., 2., 4.]]), 2)
tensor([[1., 2.]])
)")
PC_EXTREME_POOL(min, 2, R"(
The minimum of every window: ``-max_pool2d(-input)``.

>>> pycore.nn.functional.min_pool2d(pycore.arange(16.).view(1, 4, 4), 2)
tensor([[[ 0.,  2.],
         [ 8., 10.]]])
)")
PC_EXTREME_POOL(min, 3, "The minimum of every window of depth, height and width.")

PYCORE_OP(
    "nn.avg_pool1d(Tensor input, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, bool "
    "ceil_mode=False, "
    "bool count_include_pad=True) -> Tensor",
    avg_pool1d, kFunction, R"(
The mean of every window.

>>> pycore.nn.functional.avg_pool1d(pycore.tensor([[1., 3., 2., 4.]]), 2)
tensor([[2., 3.]])
)");
#define PC_AVG_POOL(D, DOC)                                                         \
  PYCORE_OP("nn.avg_pool" #D "d(Tensor input, int[" #D "] kernel_size, int[" #D     \
            "]? stride=None, int[" #D                                               \
            "] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? " \
            "divisor_override=None) -> Tensor",                                     \
            avg_pool<D>, kFunction, DOC);
PC_AVG_POOL(2, R"(
The mean of every window of height and width; zeros of the padding count unless ``count_include_pad`` is false.

>>> pycore.nn.functional.avg_pool2d(pycore.ones(1, 2, 2), 2)
tensor([[[1.]]])
)")
PC_AVG_POOL(3, "The mean of every window of depth, height and width; as :func:`avg_pool2d`.")

#define PC_ADAPTIVE_POOL(D)                                                                 \
  PYCORE_OP("nn.adaptive_avg_pool" #D "d(Tensor input, int[" #D "] output_size) -> Tensor", \
            adaptive_avg_pool<D>, kFunction,                                                \
            "Means of windows that divide the input evenly into ``output_size`` parts.");   \
  PYCORE_OP("nn.adaptive_max_pool" #D "d(Tensor input, int[" #D                             \
            "] output_size, bool return_indices=False) -> Tensor",                          \
            adaptive_max_pool<D>, kFunction,                                                \
            "Maxima of windows that divide the input evenly into ``output_size`` parts.");
PC_ADAPTIVE_POOL(1)
PC_ADAPTIVE_POOL(2)
PC_ADAPTIVE_POOL(3)

}  // namespace pycore
