// Copies and conversions: clone, contiguous, dtype changes, copy_, fill_, detach, and what the
// engine needs of them. Must not know Python.
#include "autograd/engine.h"
#include "kernels/binary.h"
#include "kernels/unary.h"
#include "ops/ops.h"

namespace pycore {

Tensor clone_data(const Tensor& t) {
  Tensor out = empty(t.sizes(), t.dtype());
  copy_data(out, t);
  return out;
}

Tensor copy_like(const Tensor& t) {
  Tensor out = empty_like(t);
  copy_data(out, t);
  return out;
}

// --- clone, contiguous
// -----------------------------------------------------------------------------------------------

namespace {
struct CloneBackward0 {
  static constexpr const char* name = "CloneBackward0";
  static constexpr bool saves = false;
  void operator()(Backward& b) { b.set(0, b.grad()); }
};
}  // namespace

Tensor clone(const Tensor& input, Ordering order) {
  Tensor out = order.row_major ? clone_data(input) : copy_like(input);
  if (recording(input)) record(out, CloneBackward0{}, input);
  return out;
}
PYCORE_OP("clone(Tensor input, *, memory_format memory_format=None) -> Tensor", clone,
          kFunction | kMethod, R"(
A copy with memory of its own; gradients flow through. Its dimensions lie in memory as those of ``input``, without gaps,
unless ``memory_format`` is ``contiguous_format``.

>>> pycore.tensor([1., 2.]).clone()
tensor([1., 2.])
)");

Tensor contiguous(const Tensor& input) {
  return input.is_contiguous() ? input : clone(input, {.row_major = true});
}
PYCORE_OP("contiguous(Tensor input, *, memory_format memory_format=None) -> Tensor", contiguous,
          kMethod, R"(
The tensor itself if its memory is in row-major order without gaps, else a copy that is.

>>> pycore.zeros(2, 3).t().contiguous().stride()
(2, 1)
)");

// --- dtype changes
// ---------------------------------------------------------------------------------------------------

namespace {
struct ToCopyBackward0 {
  static constexpr const char* name = "ToCopyBackward0";
  static constexpr bool saves = false;
  DType dtype;
  void operator()(Backward& b) { b.set(0, to_dtype(b.grad(), dtype)); }
};
}  // namespace

static Tensor to_copy(const Tensor& input, DType dtype, Ordering order = {}) {
  Tensor out = order.row_major ? empty(input.sizes(), dtype) : empty_like(input, dtype);
  copy_data(out, input);
  if (is_floating(dtype) && recording(input)) record(out, ToCopyBackward0{input.dtype()}, input);
  return out;
}
Tensor to_dtype(const Tensor& input, DType dtype) {
  return input.dtype() == dtype ? input : to_copy(input, dtype);
}

static Tensor to_dtype_op(const Tensor& input, DType dtype, bool, bool copy, Ordering order) {
  return copy || input.dtype() != dtype ? to_copy(input, dtype, order) : input;
}
PYCORE_OP(
    "to(Tensor input, dtype dtype, bool non_blocking=False, bool copy=False, *, memory_format "
    "memory_format=None) -> Tensor",
    to_dtype_op, kMethod, R"(
The tensor with another dtype or device (there is only the CPU); itself if nothing changes and ``copy`` is false.

>>> pycore.tensor([1.7]).to(pycore.int64)
tensor([1])
)");
namespace {
// The device argument has been checked by the parser and carries no value.
Tensor to_device_op(const Tensor& input, std::optional<int64_t>, std::optional<DType> dtype, bool,
                    bool copy, Ordering order) {
  return to_dtype_op(input, dtype.value_or(input.dtype()), false, copy, order);
}
Tensor to_other(const Tensor& input, const Tensor& other, bool, bool copy, Ordering order) {
  return to_dtype_op(input, other.dtype(), false, copy, order);
}
}  // namespace
PYCORE_OP(
    "to(Tensor input, device? device=None, dtype? dtype=None, bool non_blocking=False, bool "
    "copy=False, *, memory_format memory_format=None) -> Tensor",
    to_device_op, kMethod, "");
PYCORE_OP(
    "to(Tensor input, Tensor other, bool non_blocking=False, bool copy=False, *, memory_format "
    "memory_format=None) -> Tensor",
    to_other, kMethod, "");

#define PC_CONVERSION(NAME, DTYPE)                                                                 \
  static Tensor NAME##_conversion(const Tensor& input, Ordering order) {                           \
    return to_dtype_op(input, DType::DTYPE, false, false, order);                                  \
  }                                                                                                \
  PYCORE_OP(#NAME "(Tensor input, memory_format memory_format=None) -> Tensor", NAME##_conversion, \
            kMethod, "The tensor as " #DTYPE ".");
PC_CONVERSION(float, float32)
PC_CONVERSION(double, float64)
PC_CONVERSION(half, float16)
PC_CONVERSION(bfloat16, bfloat16)
PC_CONVERSION(long, int64)
PC_CONVERSION(int, int32)
PC_CONVERSION(short, int16)
PC_CONVERSION(char, int8)
PC_CONVERSION(byte, uint8)
PC_CONVERSION(bool, bool_)

static Tensor type_as(const Tensor& input, const Tensor& other) {
  return to_dtype(input, other.dtype());
}
PYCORE_OP("type_as(Tensor input, Tensor other) -> Tensor", type_as, kMethod, R"(
The tensor with the dtype of ``other``.

>>> pycore.tensor([1, 2]).type_as(pycore.tensor([0.5]))
tensor([1., 2.])
)");

// --- copy_, fill_
// ----------------------------------------------------------------------------------------------------

namespace {
struct CopyBackwards {
  static constexpr const char* name = "CopyBackwards";
  static constexpr bool saves = false;
  ToInput to_src;
  void operator()(Backward& b) {
    if (b.needs(0)) b.set(0, zeros_like(b.grad()));
    if (b.needs(1)) b.set(1, to_src(b.grad()));
  }
};
struct FillBackward0 {
  static constexpr const char* name = "FillBackward0";
  static constexpr bool saves = false;
  void operator()(Backward& b) { b.set(0, zeros_like(b.grad())); }
};
}  // namespace

Tensor copy_(const Tensor& input, const Tensor& src) {
  check_inplace(input);
  PC_CHECK(is_expandable(src.sizes(), input.sizes()), "The size of tensor a (",
           input.dim() ? input.sizes()[input.dim() - 1] : 1, ") must match the size of tensor b (",
           src.dim() ? src.sizes()[src.dim() - 1] : 1, ") at non-singleton dimension ",
           input.dim() - 1, "; copy_: got a source of shape ", src.sizes(),
           ", expected one that broadcasts to ", input.sizes());
  if (input.is(src)) return input;
  Ref<Node> node;
  if (recording(input, src)) {
    node = make_node(CopyBackwards{ToInput(src, input)});
    node->set_num_edges(2);
    set_edge(node.get(), 0, input);
    if (src.is_floating()) set_edge(node.get(), 1, src);
  }
  input.bump_version();
  copy_data(input, src);
  if (node && input.is_floating()) rebase_history(input, node);
  return input;
}
static Tensor copy_op(const Tensor& input, const Operand& src, bool) {
  return copy_(input, as_tensor(src, input.dtype()));
}
PYCORE_OP("copy_(Tensor input, Tensor|Scalar src, bool non_blocking=False) -> Tensor", copy_op,
          kMethod, R"(
Overwrites the tensor with ``src``, broadcast and converted.

>>> pycore.zeros(2).copy_(pycore.tensor([1, 2]))
tensor([1., 2.])
)");

Tensor fill_(const Tensor& input, const Scalar& value) {
  check_inplace(input);
  Ref<Node> node;
  if (recording(input)) {
    node = make_node(FillBackward0{});
    node->set_num_edges(1);
    set_edge(node.get(), 0, input);
  }
  input.bump_version();
  fill_data(input, value);
  if (node) rebase_history(input, node);
  return input;
}
static Tensor fill_op(const Tensor& input, const Operand& value) {
  if (!value.is_tensor()) return fill_(input, value.scalar());
  PC_CHECK(value.tensor().dim() == 0,
           "fill_ only supports 0-dimension value tensor but got tensor with ",
           value.tensor().dim(), " dimensions.");
  return copy_(input, value.tensor());
}
PYCORE_OP("fill_(Tensor input, Tensor|Scalar value) -> Tensor", fill_op, kMethod | kFunction, R"(
Sets every element to ``value``.

>>> pycore.empty(2).fill_(3)
tensor([3., 3.])
)");
static Tensor zero_(const Tensor& input) { return fill_(input, 0); }
PYCORE_OP("zero_(Tensor input) -> Tensor", zero_, kMethod | kFunction, R"(
Sets every element to zero.

>>> pycore.ones(2).zero_()
tensor([0., 0.])
)");

// --- detach
// ------------------------------------------------------------------------------------------------------------

Tensor detach(const Tensor& input) {
  Tensor out = alias(input);
  out->own_version = input->own_version;
  return out;
}
PYCORE_OP("detach(Tensor input) -> Tensor", detach, kMethod | kFunction, R"(
A view of the same memory without gradient history.

>>> pycore.ones(1, requires_grad=True).detach().requires_grad
False
)");
static Tensor detach_inplace(const Tensor& input) {
  PC_CHECK(
      !input->base || !input.requires_grad(),
      "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel "
      "(DDP) for "
      "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets.");
  if (input->autograd) {
    input->autograd->grad_fn = nullptr;
    input->autograd->output_nr = 0;
    input->autograd->requires_grad = false;
  }
  return input;
}
PYCORE_OP("detach_(Tensor input) -> Tensor", detach_inplace, kMethod | kFunction,
          "Forgets the gradient history of the tensor in place.");

// --- resize
// ------------------------------------------------------------------------------------------------------------

void resize(const Tensor& t, IntSpan sizes) {
  for (int64_t s : sizes) PC_CHECK(s >= 0, "resize: negative size ", s, " in ", Dims(sizes));
  Dims strides;
  int64_t n = contiguous_strides(sizes, strides);
  int64_t needed = (t.offset() + n) * t.item_size();
  if (needed > t->storage->bytes) {
    PC_CHECK(!t->storage->foreign_release, "Trying to resize storage that is not resizable");
    // Views keep the old storage; PyTorch would grow it under them.
    Tensor bigger = empty({{t.offset() + n}}, t.dtype());
    memcpy(bigger->data, t->storage->data, static_cast<size_t>(t->storage->bytes));
    t->storage = bigger->storage;
  }
  set_geometry(t.impl(), sizes, strides, t.offset());
}
static Tensor resize_op(const Tensor& input, IntSpan size) {
  PC_CHECK(!input.requires_grad(), "cannot resize variables that require grad");
  resize(input, size);
  return input;
}
PYCORE_OP(
    "resize_(Tensor input, int[] size, *, memory_format memory_format=None) -> Tensor", resize_op,
    kMethod,
    "Changes the shape in place, growing the memory if needed; new elements are uninitialised.");

// --- what the engine needs
// -----------------------------------------------------------------------------------------------

[[maybe_unused]] static const bool g_installed = [] {
  gradient_ops.add = [](const Tensor& a, const Tensor& b) { return add(a, b); };
  gradient_ops.add_ = [](const Tensor& a, const Tensor& b) {
    a.bump_version();
    DType c = compute_dtype(a.dtype());
    auto fn = kernels_now().binary->fn[static_cast<int>(kernels::Binary::add)][static_cast<int>(c)];
    const PointwiseArg args[2] = {a, b};
    run_pointwise(binary_kernel(fn, c, c), a, args);
  };
  gradient_ops.clone = [](const Tensor& a) { return clone(a); };
  gradient_ops.copy_for = [](const Tensor& gradient, const Tensor& leaf) {
    Tensor out = is_dense(leaf) ? empty_like(leaf, gradient.dtype())
                                : empty(gradient.sizes(), gradient.dtype());
    copy_data(out, gradient);
    if (recording(gradient)) record(out, CloneBackward0{}, gradient);
    return out;
  };
  gradient_ops.has_nan = [](const Tensor& a) {
    Tensor nan = clone_data(predicate_pointwise(kernels::Predicate::isnan, detach(a)));
    const auto* p = nan.data<uint8_t>();
    for (int64_t i = 0; i < nan.numel(); ++i)
      if (p[i]) return true;
    return false;
  };
  return true;
}();

}  // namespace pycore
