// Padding: constant, reflecting, replicating, circular; and pixel shuffling. Must not know kernels
// or Python.
#include <string.h>

#include <algorithm>

#include "core/parallel.h"
#include "ops/ops.h"
#include "ops/padding_rows.h"
#include "ops/stepwise.h"

namespace pycore {
namespace {

struct ConstantPadNdBackward0 {
  static constexpr const char* name = "ConstantPadNdBackward0";
  static constexpr bool saves = false;
  Dims pad;
  void operator()(Backward& b) {
    Dims back;
    for (int64_t p : pad) back.push_back(-p);
    b.set(0, constant_pad(b.grad(), back, 0));
  }
};

}  // namespace

// --- constant
// ------------------------------------------------------------------------------------------------------------

Tensor constant_pad(const Tensor& x, IntSpan pad, const Scalar& value) {
  PC_CHECK(pad.size() % 2 == 0, "Length of pad must be even but instead it equals ", pad.size());
  int64_t n = x.dim();
  PC_CHECK(static_cast<int64_t>(pad.size()) <= 2 * n,
           "Padding length should be less than or equal to two times the input dimension but got "
           "padding length ",
           pad.size(), " and input of dimension ", n);
  Dims sizes = x.sizes(), part = x.sizes();
  int64_t from = x.offset();
  for (int64_t d = 0; d < n; ++d) {
    int64_t a = pad_before(pad, d, n), b = pad_after(pad, d, n), s = x.sizes()[d];
    PC_CHECK(!__builtin_add_overflow(sizes[d], a, &sizes[d]) &&
                 !__builtin_add_overflow(sizes[d], b, &sizes[d]),
             "Storage size calculation overflowed with pad=", Dims(pad));
    PC_CHECK(sizes[d] >= 0, "narrow(): length must be non-negative. The input size ", s,
             ", plus negative padding ", a, " and ", b,
             " resulted in a negative output size, which is invalid. Check dimension ", d,
             " of your input.");
    part[d] = std::max<int64_t>(0, s + std::min<int64_t>(a, 0) + std::min<int64_t>(b, 0));
    from += std::max<int64_t>(0, -a) * x.strides()[d];
  }
  Tensor out = empty(sizes, x.dtype());
  if (out.numel() != numel_of(part)) fill_data(out, value);
  if (numel_of(part) > 0) {
    int64_t to = 0;
    for (int64_t d = 0; d < n; ++d)
      to += std::max<int64_t>(0, pad_before(pad, d, n)) * out.strides()[d];
    copy_data(make_alias(out->storage, out.dtype(), part, out.strides(), to),
              make_alias(x->storage, x.dtype(), part, x.strides(), from));
  }
  if (recording(x)) record(out, ConstantPadNdBackward0{Dims(pad)}, x);
  return out;
}
static Tensor constant_pad_nd(const Tensor& x, IntSpan pad, Scalar value) {
  return constant_pad(x, pad, value);
}
PYCORE_OP("constant_pad_nd(Tensor input, int[] pad, Scalar value=0) -> Tensor", constant_pad_nd,
          kFunction, R"(
Puts ``value`` around a tensor; ``pad`` lists (before, after) from the last dimension on, negative numbers cut off.

>>> pycore.constant_pad_nd(pycore.tensor([1, 2]), (1, 1))
tensor([0, 1, 2, 0])
)");

// --- reflect, replicate, circular
// ----------------------------------------------------------------------------------------

namespace {

Tensor pad_by_index(const Tensor& x, const PadPlan& plan);
Tensor unpad_by_index(const Tensor& g, const PadPlan& plan);

// Two linear maps, each the other's transpose.
struct UnpadBackward {
  static constexpr const char* name = "PadBackwardBackward0";
  static constexpr bool saves = false;
  PadPlan plan;
  void operator()(Backward& b) { b.set(0, pad_by_index(b.grad(), plan)); }
};
struct PadBackward {
  static constexpr const char* name = "ReflectionPad1DBackward0";
  static constexpr bool saves = false;
  PadPlan plan;
  void operator()(Backward& b) {
    Tensor gradient = unpad_by_index(b.grad(), plan);
    b.set(0, plan.mode == PadMode::circular ? gradient : stepwise(b, 0, gradient));
  }
};
const char* node_name(const PadPlan& plan) {
  static const char* names[2][3] = {
      {"ReflectionPad1DBackward0", "ReflectionPad2DBackward0", "ReflectionPad3DBackward0"},
      {"ReplicationPad1DBackward0", "ReplicationPad2DBackward0", "ReplicationPad3DBackward0"}};
  if (plan.mode == PadMode::circular) return "CopySlices";
  return names[plan.mode == PadMode::replicate][plan.pad.size() / 2 - 1];
}

Tensor pad_by_index(const Tensor& x, const PadPlan& plan) {
  const PadMaps maps(plan);
  const Tensor in = contiguous(detach(x));
  Tensor out = empty(maps.sizes(x, maps.size), x.dtype());
  if (out.numel() > 0) {
    pad_rows(maps, x.item_size(), in->data, out->data);
  }
  if (recording(x)) record(out, PadBackward{plan}, x)->name = node_name(plan);
  return out;
}

Tensor unpad_by_index(const Tensor& g, const PadPlan& plan) {
  const PadMaps maps(plan);
  const DType dtype = is_reduced_float(g.dtype()) ? DType::float32 : g.dtype();
  const Tensor in = contiguous(to_dtype(detach(g), dtype));
  Tensor out = empty(maps.sizes(g, maps.n), dtype);
  if (dtype == DType::float64) {
    unpad_rows(maps, in.data<double>(), out.data<double>());
  } else {
    unpad_rows(maps, in.data<float>(), out.data<float>());
  }
  out = to_dtype(out, g.dtype());
  if (recording(g)) record(out, UnpadBackward{plan}, g);
  return out;
}

Tensor pad_mode(const Tensor& x, IntSpan pad, PadMode mode) {
  int64_t n = x.dim(), padded = static_cast<int64_t>(pad.size()) / 2;
  PC_CHECK_IMPLEMENTED(padded >= 1 && padded <= 3 && (n == padded + 1 || n == padded + 2),
                       "Padding size ", pad.size(), " is not supported for ", n,
                       "D input tensor.\nSupported combinations for non-constant padding:\n  - 2D "
                       "or 3D input: padding size = 2 (pads "
                       "last dimension)\n  - 3D or 4D input: padding size = 4 (pads last 2 "
                       "dimensions)\n  - 4D or 5D input: padding "
                       "size = 6 (pads last 3 dimensions)");
  for (int64_t d = 0; d < n; ++d) {
    int64_t a = pad_before(pad, d, n), b = pad_after(pad, d, n), s = x.sizes()[d];
    bool batch = n == padded + 2 && d == 0;
    PC_CHECK(batch || s > 0 || mode == PadMode::circular, "Expected ", padded + 1, "D or ",
             padded + 2,
             "D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for "
             "input, but got: ",
             x.sizes());
    if (mode == PadMode::circular) {
      PC_CHECK(a <= s && b <= s, "Padding value causes wrapping around more than once.");
      PC_CHECK(a >= -s && b >= -s && s + a + b >= 0,
               "Negative padding value is resulting in an empty dimension.");
      PC_CHECK(s + a + b == 0 || s + std::min<int64_t>(a, 0) + std::min<int64_t>(b, 0) > 0,
               "Circular padding (", a, ", ", b, ") of dimension ", d, " leaves nothing of input ",
               x.sizes(), " to go around with");
    }
    PC_CHECK(mode != PadMode::reflect || (a < s && b < s) || (a == 0 && b == 0),
             "Argument #4: Padding size should be less than the corresponding input dimension, but "
             "got: padding (",
             a, ", ", b, ") at dimension ", d, " of input ", x.sizes());
    int64_t size = s;
    bool fits = !__builtin_add_overflow(size, a, &size) && !__builtin_add_overflow(size, b, &size);
    PC_CHECK(fits && (size >= 1 || batch || (a == 0 && b == 0)), "input (size: ", s,
             ") is too small: padding (", a, ", ", b, ") at dimension ", d, " of input ", x.sizes(),
             " calculated an output size of ", size);
    // Cutting more than there is on one side would look outside of the input.
    PC_CHECK(a >= -s && b >= -s, "input (size: ", s, ") is too small for negative padding (", a,
             ", ", b, ")");
  }
  return pad_by_index(x, {mode, Dims(pad), x.sizes()});
}

Tensor pad(const Tensor& x, IntSpan pad, std::string_view mode, std::optional<double> value) {
  PC_CHECK(pad.size() % 2 == 0, "Padding length must be divisible by 2; got ", pad.size(),
           " numbers");
  if (mode == "constant") {
    double v = value.value_or(0);
    return constant_pad(x, pad, v);
  }
  bool known = mode == "reflect" || mode == "replicate" || mode == "circular";
  PC_CHECK_IMPLEMENTED(known, "Unrecognised padding mode ", mode);
  PC_CHECK(!value || *value == 0, "Padding mode \"", mode, "\" doesn't take in value argument");
  return pad_mode(x, pad,
                  mode == "reflect"     ? PadMode::reflect
                  : mode == "replicate" ? PadMode::replicate
                                        : PadMode::circular);
}
PYCORE_OP("nn.pad(Tensor input, int[] pad, str mode='constant', float? value=None) -> Tensor", pad,
          kFunction, R"(
Pads a tensor; ``pad`` lists (before, after) from the last dimension on, negative numbers cut off.

``mode``: 'constant' fills with ``value`` (any number of dimensions); 'reflect' mirrors without the edge, 'replicate' repeats
the edge, 'circular' goes on at the other side (the last one to three dimensions of a batch). RuntimeError for padding
that doesn't fit, NotImplementedError for other combinations.

>>> pycore.nn.functional.pad(pycore.tensor([[1., 2., 3.]]), (2, 1), mode='reflect')
tensor([[3., 2., 1., 2., 3., 2.]])
)");

// --- pixel shuffle
// ---------------------------------------------------------------------------------------------------------

Tensor pixel_unshuffle(const Tensor& x, int64_t factor);
Tensor pixel_shuffle(const Tensor& x, int64_t factor);
struct PixelShuffleBackward0 {
  static constexpr const char* name = "PixelShuffleBackward0";
  static constexpr bool saves = false;
  int64_t factor;
  void operator()(Backward& b) { b.set(0, pixel_unshuffle(b.grad(), factor)); }
};
struct PixelUnshuffleBackward0 {
  static constexpr const char* name = "PixelUnshuffleBackward0";
  static constexpr bool saves = false;
  int64_t factor;
  void operator()(Backward& b) { b.set(0, pixel_shuffle(b.grad(), factor)); }
};

// Copies x, seen as `split` with its dimensions taken in `order` (of the last ones), into a tensor
// of shape `sizes`.
Tensor rearranged(const Tensor& x, const Dims& split, IntSpan order, const Dims& sizes) {
  GradGuard off(false);
  Dims dims;
  int64_t lead = split.size() - static_cast<int64_t>(order.size());
  for (int64_t i = 0; i < lead; ++i) dims.push_back(i);
  for (int64_t i : order) dims.push_back(lead + i);
  Tensor moved = clone_data(permute(reshape(detach(x), split), dims));
  set_geometry(moved.impl(), sizes, empty(sizes, DType::bool_).strides(), 0);
  return moved;
}

void check_images(const Tensor& x, const char* name, int64_t factor, const char* what) {
  PC_CHECK(x.dim() >= 3, name, " expects input to have at least 3 dimensions, but got input with ",
           x.dim(), " dimension(s)");
  PC_CHECK(factor > 0, name, " expects a positive ", what, ", but got ", factor);
  PC_CHECK(factor < (int64_t{1} << 31), name, " expects a smaller ", what, ", but got ", factor);
}

Tensor pixel_shuffle(const Tensor& x, int64_t r) {
  check_images(x, "pixel_shuffle", r, "upscale_factor");
  int64_t n = x.dim(), c = x.sizes()[n - 3], h = x.sizes()[n - 2], w = x.sizes()[n - 1];
  PC_CHECK(c % (r * r) == 0,
           "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
           "upscale_factor, but input.size(-3)=",
           c, " is not divisible by ", r * r);
  Dims split(x.sizes().begin(), x.sizes().end() - 3), sizes = split;
  for (int64_t s : {c / (r * r), r, r, h, w}) split.push_back(s);
  for (int64_t s : {c / (r * r), h * r, w * r}) sizes.push_back(s);
  Tensor out = rearranged(x, split, Dims{0, 3, 1, 4, 2}, sizes);
  if (recording(x)) record(out, PixelShuffleBackward0{r}, x);
  return out;
}
PYCORE_OP("pixel_shuffle(Tensor input, int upscale_factor) -> Tensor", pixel_shuffle, kFunction, R"(
``(*, C*r*r, H, W)`` to ``(*, C, H*r, W*r)``: channels become pixels (Shi et al. 2016).

>>> pycore.pixel_shuffle(pycore.arange(4.).view(4, 1, 1), 2)
tensor([[[0., 1.],
         [2., 3.]]])
)");

Tensor pixel_unshuffle(const Tensor& x, int64_t r) {
  check_images(x, "pixel_unshuffle", r, "downscale_factor");
  int64_t n = x.dim(), c = x.sizes()[n - 3], h = x.sizes()[n - 2], w = x.sizes()[n - 1];
  PC_CHECK(
      h % r == 0,
      "pixel_unshuffle expects height to be divisible by downscale_factor, but input.size(-2)=", h,
      " is not divisible by ", r);
  PC_CHECK(w % r == 0,
           "pixel_unshuffle expects width to be divisible by downscale_factor, but input.size(-1)=",
           w, " is not divisible by ", r);
  Dims split(x.sizes().begin(), x.sizes().end() - 3), sizes = split;
  for (int64_t s : {c, h / r, r, w / r, r}) split.push_back(s);
  for (int64_t s : {c * r * r, h / r, w / r}) sizes.push_back(s);
  Tensor out = rearranged(x, split, Dims{0, 2, 4, 1, 3}, sizes);
  if (recording(x)) record(out, PixelUnshuffleBackward0{r}, x);
  return out;
}
PYCORE_OP("pixel_unshuffle(Tensor input, int downscale_factor) -> Tensor", pixel_unshuffle,
          kFunction, R"(
``(*, C, H*r, W*r)`` to ``(*, C*r*r, H, W)``: the inverse of :func:`pixel_shuffle`.

>>> pycore.pixel_unshuffle(pycore.arange(4.).view(1, 2, 2), 2).flatten()
tensor([0., 1., 2., 3.])
)");

}  // namespace
}  // namespace pycore
