// Convolutions and transposed convolutions. A convolution is bilinear, so it and its two gradients
// are three operators whose derivatives are each other. Must not know Python.
#include "kernels/conv.h"

#include "core/kept.h"
#include "ops/kernel_support.h"
#include "ops/matrix.h"

namespace pycore {

using kernels::ConvArgs;

namespace {

// --- shapes
// --------------------------------------------------------------------------------------------------------------

// What a node remembers: all sizes, and how many spatial dimensions there are.
struct Geometry {
  ConvArgs args;
  int64_t dims = 2;

  Dims shape(int64_t first, int64_t second, const int64_t* spatial) const {
    Dims s{first, second};
    for (int64_t d = 3 - dims; d < 3; ++d) s.push_back(spatial[d]);
    return s;
  }
  Dims x_shape() const { return shape(args.batch, args.in_channels, args.in); }
  Dims y_shape() const { return shape(args.batch, args.out_channels, args.out); }
  Dims weight_shape() const {
    return shape(args.out_channels, args.in_channels / args.groups, args.kernel);
  }
};

// Data as the kernels want it: contiguous, in the dtype they compute in.
Tensor prepared(const Tensor& t) {
  return t.defined() ? kernel_input(t, float_kernel_dtype(t.dtype())) : t;
}

// Narrow floats have the faster products: a convolution in which every position of the result
// belongs to one of the input, in the same order, is a product per image of values as they are.
bool is_narrow_product(const Tensor& t, const ConvArgs& a) {
  for (int d = 0; d < 3; ++d)
    if (a.kernel[d] != 1 || a.stride[d] != 1 || a.pad[d] != 0 || a.in[d] != a.out[d]) return false;
  return a.groups == 1 && is_reduced_float(t.dtype());
}
// The same with the weight transposed is the gradient of its input.
Tensor multiply_positions(const Tensor& x, const Tensor& weight, const Tensor& bias,
                          const Geometry& g, bool transposed) {
  const DType dtype = x.dtype();
  const Tensor xd = kernel_input(x, dtype), wd = kernel_input(weight, dtype),
               bd = kernel_input(bias, dtype);
  Tensor y = empty(transposed ? g.x_shape() : g.y_shape(), dtype);
  const int64_t positions = g.args.in[0] * g.args.in[1] * g.args.in[2];
  kernels::GemmArgs p;
  p.m = y.size(1);
  p.n = positions;
  p.k = x.size(1);
  p.a = wd->data;
  p.a_row = transposed ? 1 : p.k;
  p.a_col = transposed ? p.m : 1;
  p.b = xd->data;
  p.b_row = positions;
  p.b_col = 1;
  p.c = y->data;
  p.c_row = positions;
  p.bias_row = data_or_null(bd);
  p.batch[2] = g.args.batch;
  p.b_batch[2] = p.k * positions;
  p.c_batch[2] = p.m * positions;
  kernels_for("gemm", dtype).gemm->run[static_cast<int>(dtype)](kernel_context(), p);
  return y;
}

// --- the three operators
// -----------------------------------------------------------------------------------------------------

Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias, const Geometry& g);
Tensor input_gradient(const Tensor& gy, const Tensor& weight, const Tensor& bias,
                      const Geometry& g);
Tensor weight_gradient(const Tensor& x, const Tensor& gy, const Geometry& g);

// Sums a gradient over everything but channels.
Tensor channel_sums(const Tensor& g) {
  Dims others{0};
  for (int64_t d = 2; d < g.dim(); ++d) others.push_back(d);
  return sum_dims(g, others, false);
}

struct ConvolutionBackward0 {
  static constexpr const char* name = "ConvolutionBackward0";
  Saved x, weight;
  Geometry g;
  void operator()(Backward& w) {
    const Tensor& gy = w.grad();
    if (w.needs(0)) w.set(0, input_gradient(gy, w.get(weight), Tensor(), g));
    if (w.needs(1) && w.needs(2) && !grad_enabled()) {  // one pass for both
      const DType dtype = gy.dtype();
      Tensor input = prepared(w.get(x)), grad = prepared(gy);
      Tensor dw = empty(g.weight_shape(), input.dtype()),
             db = empty({{g.args.out_channels}}, input.dtype());
      kernels_for("conv weight gradient", input.dtype())
          .conv->backward_weight[static_cast<int>(input.dtype())](
              kernel_context(), g.args, input->data, grad->data, dw->data, db->data);
      w.set(1, kernel_output(dw, dtype));
      w.set(2, kernel_output(db, dtype));
      return;
    }
    if (w.needs(1)) w.set(1, weight_gradient(w.get(x), gy, g));
    if (w.needs(2)) w.set(2, channel_sums(gy));
  }
};
// Of input_gradient: linear in gy and in the weight. Also what a transposed convolution records.
struct TransposedBackward {
  static constexpr const char* name = "ConvolutionBackward0";
  Saved gy, weight;
  Geometry g;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, convolve(w.grad(), w.get(weight), Tensor(), g));
    if (w.needs(1)) w.set(1, weight_gradient(w.grad(), w.get(gy), g));
    if (w.needs(2)) w.set(2, channel_sums(w.grad()));
  }
};
// Of weight_gradient: linear in x and gy.
struct WeightGradientBackward {
  static constexpr const char* name = "ConvolutionBackwardBackward0";
  Saved x, gy;
  Geometry g;
  void operator()(Backward& w) {
    if (w.needs(0)) w.set(0, input_gradient(w.get(gy), w.grad(), Tensor(), g));
    if (w.needs(1)) w.set(1, convolve(w.get(x), w.grad(), Tensor(), g));
  }
};

Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias, const Geometry& g) {
  Tensor y;
  if (is_narrow_product(x, g.args)) {
    y = multiply_positions(x, weight, bias, g, false);
  } else {
    const Tensor xd = prepared(x), wd = prepared(weight), bd = prepared(bias);
    y = empty(g.y_shape(), xd.dtype());
    ConvArgs args = g.args;
    // Where gradients are recorded, weights change before they are used again.
    KeptMatrix kept(wd, args.groups);
    if (wd.impl() == weight.impl() && !recording(x, weight, bias)) args.weight_kept = &kept;
    kernels_for("conv", xd.dtype())
        .conv->forward[static_cast<int>(xd.dtype())](kernel_context(), args, xd->data, wd->data,
                                                     data_or_null(bd), y->data);
    y = kernel_output(y, x.dtype());
  }
  if (recording(x, weight, bias)) {
    ConvolutionBackward0 rule;
    rule.g = g;
    if (weight.requires_grad()) rule.x = Saved(x);
    if (x.requires_grad()) rule.weight = Saved(weight);
    record(y, std::move(rule), x, weight, bias);
  }
  return y;
}

Tensor input_gradient(const Tensor& gy, const Tensor& weight, const Tensor& bias,
                      const Geometry& g) {
  Tensor x;
  if (is_narrow_product(gy, g.args)) {
    x = multiply_positions(gy, weight, bias, g, true);
  } else {
    const Tensor gd = prepared(gy), wd = prepared(weight), bd = prepared(bias);
    x = empty(g.x_shape(), gd.dtype());
    kernels_for("conv input gradient", gd.dtype())
        .conv->backward_input[static_cast<int>(gd.dtype())](kernel_context(), g.args, gd->data,
                                                            wd->data, data_or_null(bd), x->data);
    x = kernel_output(x, gy.dtype());
  }
  if (recording(gy, weight, bias)) {
    TransposedBackward rule;
    rule.g = g;
    if (weight.requires_grad()) rule.gy = Saved(gy);
    if (gy.requires_grad()) rule.weight = Saved(weight);
    record(x, std::move(rule), gy, weight, bias);
  }
  return x;
}

Tensor weight_gradient(const Tensor& x, const Tensor& gy, const Geometry& g) {
  const Tensor xd = prepared(x), gd = prepared(gy);
  Tensor w = empty(g.weight_shape(), xd.dtype());
  kernels_for("conv weight gradient", xd.dtype())
      .conv->backward_weight[static_cast<int>(xd.dtype())](kernel_context(), g.args, xd->data,
                                                           gd->data, w->data, nullptr);
  w = kernel_output(w, x.dtype());
  if (recording(x, gy)) {
    WeightGradientBackward rule;
    rule.g = g;
    if (gy.requires_grad()) rule.x = Saved(x);
    if (x.requires_grad()) rule.gy = Saved(gy);
    record(w, std::move(rule), x, gy);
  }
  return w;
}

// --- checks
// ------------------------------------------------------------------------------------------------------------------

struct Options {
  IntSpan stride, padding, dilation, output_padding;
  int64_t groups = 1;
  bool transposed = false;
};

void check_list(const char* what, IntSpan list, int64_t dims) {
  PC_CHECK(static_cast<int64_t>(list.size()) == dims, "expected ", what,
           " to be a single integer value or a list of ", dims,
           " values to match the convolution dimensions, but got ", what, "=", Dims(list));
}

// A size the way PyTorch's convolution errors print it: 2 x 3.
struct By {
  const Dims& list;
  friend std::ostream& operator<<(std::ostream& s, By b) {
    for (int64_t i = 0; i < b.list.size(); ++i) s << (i ? " x " : "") << b.list[i];
    return s;
  }
};

// PyTorch's checks in PyTorch's order. `input` has its batch dimension.
void check_convolution(const Tensor& input, const Tensor& weight, const Tensor& bias,
                       const Options& o) {
  const int64_t dims = weight.dim() - 2;
  PC_CHECK(dims > 0, "weight should have at least three dimensions");
  PC_CHECK(o.groups > 0, "non-positive groups is not supported");
  check_list("stride", o.stride, dims);
  if (!o.padding.empty()) check_list("padding", o.padding, dims);
  check_list("dilation", o.dilation, dims);
  if (o.transposed) check_list("output_padding", o.output_padding, dims);
  for (int64_t p : o.padding) PC_CHECK(p >= 0, "negative padding is not supported");
  for (int64_t p : o.output_padding) PC_CHECK(p >= 0, "negative output_padding is not supported");
  for (int64_t s : o.stride) PC_CHECK(s > 0, "non-positive stride is not supported");
  for (int64_t d : o.dilation)
    PC_CHECK(d > 0, "dilation should be greater than zero, but got ", Dims(o.dilation));
  const auto& w = weight.sizes();
  PC_CHECK(input.dim() == weight.dim(), "Expected ", weight.dim(), "-dimensional input for ",
           weight.dim(), "-dimensional weight ", w, ", but got ", input.dim(),
           "-dimensional input of size ", input.sizes(), " instead");
  PC_CHECK(w[0] >= o.groups, "Given groups=", o.groups, ", expected weight to be at least ",
           o.groups, " at dimension 0, but got weight of size ", w, " instead");
  PC_CHECK(w[0] % o.groups == 0, "Given groups=", o.groups, ", expected weight to be divisible by ",
           o.groups, " at dimension 0, but got weight of size [", w, "] instead");
  const int64_t channels = input.sizes()[1];
  if (o.transposed)
    PC_CHECK(channels == w[0], "Given transposed=1, weight of size ", w, ", expected input",
             input.sizes(), " to have ", w[0], " channels, but got ", channels,
             " channels instead");
  else
    PC_CHECK(channels == w[1] * o.groups, "Given groups=", o.groups, ", weight of size ", w,
             ", expected input", input.sizes(), " to have ", w[1] * o.groups, " channels, but got ",
             channels, " channels instead");
  const int64_t outputs = o.transposed ? w[1] * o.groups : w[0];
  if (bias.defined())
    PC_CHECK(bias.dim() == 1 && bias.sizes()[0] == outputs, "Given ",
             o.transposed ? "transposed=1, " : "", "weight of size ", w,
             ", expected bias to be 1-dimensional with ", outputs,
             " elements, but got bias of size ", bias.sizes(), " instead");
  for (int64_t d = 2; d < weight.dim(); ++d)
    PC_CHECK(w[d] > 0, "kernel size should be greater than zero, but got weight of size ", w);
  PC_CHECK(!bias.defined() || bias.dtype() == input.dtype(), "Input type (",
           cpp_type_name(input.dtype()), ") and bias type (",
           bias.defined() ? cpp_type_name(bias.dtype()) : "", ") should be the same");
  PC_CHECK(weight.dtype() == input.dtype(), "expected scalar type ",
           scalar_type_name(input.dtype()), " but found ", scalar_type_name(weight.dtype()));
  PC_CHECK_IMPLEMENTED(input.dtype() != DType::bool_, "\"convolution\" not implemented for 'Bool'");
}

// Sizes of a convolution; uneven padding counts `high` zeros behind the input.
Geometry convolution_geometry(const Tensor& x, const Tensor& weight, const Options& o, IntSpan low,
                              IntSpan high) {
  Geometry g;
  g.dims = weight.dim() - 2;
  ConvArgs& a = g.args;
  a.batch = x.sizes()[0];
  a.in_channels = x.sizes()[1];
  a.out_channels = weight.sizes()[0];
  a.groups = o.groups;
  Dims padded, kernel;
  bool fits = true;
  for (int64_t i = 0; i < g.dims; ++i) {
    const int64_t d = 3 - g.dims + i;
    const auto at = static_cast<size_t>(i);
    a.in[d] = x.sizes()[2 + i];
    a.kernel[d] = weight.sizes()[2 + i];
    a.stride[d] = o.stride[at];
    a.dilation[d] = o.dilation[at];
    a.pad[d] = low[at];
    padded.push_back(a.in[d] + low[at] + high[at]);
    kernel.push_back(a.dilation[d] * (a.kernel[d] - 1) + 1);
    fits = fits && padded.back() >= kernel.back();
    a.out[d] = (padded.back() - kernel.back()) / a.stride[d] + 1;
  }
  PC_CHECK(fits, "Calculated padded input size per channel: (", By{padded}, "). Kernel size: (",
           By{kernel}, "). Kernel size can't be greater than actual input size");
  return g;
}

// An input without batch dimension gets one, and its result loses it again.
struct Batched {
  Tensor input;
  bool added;
  Batched(const char* op, const Tensor& t, int64_t dims) {
    PC_CHECK(t.dim() == dims + 1 || t.dim() == dims + 2, "Expected ", dims + 1, "D (unbatched) or ",
             dims + 2, "D (batched) input to ", op, ", but got input of size: ", t.sizes());
    added = t.dim() == dims + 1;
    input = added ? unsqueeze(t, 0) : t;
  }
  Tensor finish(const Tensor& out) const {
    if (!added) return out;
    Tensor t = squeeze_dims(out, {{0}});
    if (t.requires_grad()) grad_fn(t)->name = "SqueezeBackward1";
    return t;
  }
};

constexpr const char* kNames[] = {"", "conv1d", "conv2d", "conv3d"};
constexpr const char* kTransposedNames[] = {"", "conv_transpose1d", "conv_transpose2d",
                                            "conv_transpose3d"};

// --- conv1d, conv2d, conv3d
// ------------------------------------------------------------------------------------------------------

template <int D>
Tensor conv(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
            IntSpan padding, IntSpan dilation, int64_t groups) {
  const Batched b(kNames[D], input, D);
  const Options o{stride, padding, dilation, {}, groups, false};
  check_convolution(b.input, weight, bias, o);
  return b.finish(
      convolve(b.input, weight, bias, convolution_geometry(b.input, weight, o, padding, padding)));
}

template <int D>
Tensor conv_padded(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                   std::string_view padding, IntSpan dilation, int64_t groups) {
  const Batched b(kNames[D], input, D);
  PC_CHECK(padding == "same" || padding == "valid", "Invalid padding string: '", padding, "'");
  const Options o{stride, {}, dilation, {}, groups, false};
  check_convolution(b.input, weight, bias, o);
  Dims low(D, 0), high(D, 0);
  if (padding == "same") {
    for (int64_t s : stride)
      PC_CHECK(s == 1, "padding='same' is not supported for strided convolutions");
    for (int64_t d = 0; d < D; ++d) {  // an odd zero goes behind the input
      const int64_t total = dilation[static_cast<size_t>(d)] * (weight.sizes()[2 + d] - 1);
      low[d] = total / 2;
      high[d] = total - low[d];
    }
  }
  return b.finish(
      convolve(b.input, weight, bias, convolution_geometry(b.input, weight, o, low, high)));
}

// --- transposed
// --------------------------------------------------------------------------------------------------------------------

template <int D>
Tensor conv_transpose(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                      IntSpan padding, IntSpan output_padding, int64_t groups, IntSpan dilation) {
  const Batched b(kTransposedNames[D], input, D);
  const Options o{stride, padding, dilation, output_padding, groups, true};
  check_convolution(b.input, weight, bias, o);
  Geometry g;
  g.dims = D;
  ConvArgs& a = g.args;
  a.batch = b.input.sizes()[0];
  a.out_channels = b.input.sizes()[1];  // the convolution that this is the input gradient of
  a.in_channels = weight.sizes()[1] * groups;
  a.groups = groups;
  Dims in, out;
  bool positive = true;
  for (int64_t i = 0; i < D; ++i) {
    const int64_t d = 3 - D + i;
    const auto at = static_cast<size_t>(i);
    PC_CHECK(
        output_padding[at] < stride[at] || output_padding[at] < dilation[at],
        "output padding must be smaller than either stride or dilation, but got output_padding: ",
        Dims(output_padding), " stride: ", Dims(stride), " dilation: ", Dims(dilation));
    a.out[d] = b.input.sizes()[2 + i];
    a.kernel[d] = weight.sizes()[2 + i];
    a.stride[d] = stride[at];
    a.dilation[d] = dilation[at];
    a.pad[d] = padding[at];
    a.in[d] = (a.out[d] - 1) * a.stride[d] - 2 * a.pad[d] + a.dilation[d] * (a.kernel[d] - 1) +
              output_padding[at] + 1;
    in.push_back(a.out[d]);
    out.push_back(a.in[d]);
    positive = positive && (a.in[d] > 0 || (a.in[d] == 0 && a.batch == 0));
  }
  PC_CHECK(positive, "Given input size per channel: (", By{in},
           "). Calculated output size per channel: (", By{out}, "). Output size is too small");
  return b.finish(input_gradient(b.input, weight, bias, g));
}

}  // namespace

#define PC_CONV(D, SHAPES, EXAMPLE)                                                               \
  PYCORE_OP("nn.conv" #D "d(Tensor input, Tensor weight, Tensor? bias=None, int[" #D              \
            "] stride=1, int[" #D "] padding=0, int[" #D "] dilation=1, int groups=1) -> Tensor", \
            conv<D>, kFunction,                                                                   \
            "Convolves (as neural networks call it: cross-correlates) an input " SHAPES           \
            ", or one without its first dimension. ``padding`` may also be 'valid' or "           \
            "'same'.\n\n" EXAMPLE);                                                               \
  PYCORE_OP("nn.conv" #D "d(Tensor input, Tensor weight, Tensor? bias=None, int[" #D              \
            "] stride=1, str padding='valid', int[" #D "] dilation=1, int groups=1) -> Tensor",   \
            conv_padded<D>, kFunction, "");                                                       \
  PYCORE_OP("nn.conv_transpose" #D "d(Tensor input, Tensor weight, Tensor? bias=None, int[" #D    \
            "] stride=1, int[" #D "] padding=0, int[" #D                                          \
            "] output_padding=0, int groups=1, int[" #D "] dilation=1) -> Tensor",                \
            conv_transpose<D>, kFunction,                                                         \
            "The transposed convolution: what the gradient of :func:`conv" #D                     \
            "d` by its input computes. ``weight`` is "                                            \
            "(in, out / groups, kernel...).");

PC_CONV(1, "(batch, in, length) with ``weight`` (out, in / groups, kernel)", R"(
>>> F = pycore.nn.functional
>>> F.conv1d(pycore.tensor([[[1., 2., 3.]]]), pycore.tensor([[[1., 1.]]]))
tensor([[[3., 5.]]])
)")
PC_CONV(
    2, "(batch, in, height, width) with ``weight`` (out, in / groups, kernel height, kernel width)",
    R"(
>>> F = pycore.nn.functional
>>> F.conv2d(pycore.ones(1, 1, 3, 3), pycore.ones(1, 1, 2, 2))
tensor([[[[4., 4.],
          [4., 4.]]]])
)")
PC_CONV(3, "(batch, in, depth, height, width) with ``weight`` (out, in / groups, kernel...)", R"(
>>> F = pycore.nn.functional
>>> F.conv3d(pycore.ones(1, 1, 2, 2, 2), pycore.ones(1, 1, 2, 2, 2)).item()
8.0
)")

}  // namespace pycore
