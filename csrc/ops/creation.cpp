// Tensors from nothing: zeros, ones, full, empty, arange, linspace, eye and the *_like family. Must
// not know Python.
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "ops/ops.h"

namespace pycore {

Tensor zeros(IntSpan sizes, DType dtype) {
  Tensor t = empty(sizes, dtype);
  if (t.numel()) fill_data(t, 0);
  return t;
}
Tensor ones(IntSpan sizes, DType dtype) { return full(sizes, 1, dtype); }
Tensor full(IntSpan sizes, const Scalar& value, DType dtype) {
  Tensor t = empty(sizes, dtype);
  fill_data(t, value);
  return t;
}
Tensor zeros_like(const Tensor& t) {
  Tensor out = empty_like(t);
  if (out.numel()) fill_data(out, 0);
  return out;
}
Tensor scalar_tensor(const Scalar& value, DType dtype) {
  Tensor t = empty({}, dtype);
  scalar_bytes(value, dtype, t->data);
  return t;
}

namespace {

// The keyword arguments that every factory takes at its end; device and the like carry no value.
#define PC_FACTORY_ARGS                                                                         \
  "*, dtype? dtype=None, layout layout=None, device? device=None, bool pin_memory=False, bool " \
  "requires_grad=False"
#define PC_LIKE_ARGS                                                                       \
  "*, dtype? dtype=None, layout layout=None, device? device=None, bool pin_memory=False, " \
  "bool requires_grad=False, memory_format memory_format=None"
using Dtype = std::optional<DType>;
using Ignored = std::optional<int64_t>;

Tensor finish(Tensor t, bool requires_grad) {
  PC_CHECK(!requires_grad || t.is_floating(),
           "Only Tensors of floating point and complex dtype can require gradients; got ",
           t.dtype());
  if (requires_grad) set_requires_grad(t, true);
  return t;
}

Tensor zeros_op(IntSpan size, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  for (int64_t s : size)
    PC_CHECK(s >= 0, "zeros: Dimension size must be non-negative. Got ", s, " in ", Dims(size));
  return finish(zeros(size, dtype.value_or(default_dtype())), grad);
}
PYCORE_OP("zeros(int[] size, " PC_FACTORY_ARGS ") -> Tensor", zeros_op, kFunction | kOut, R"(
A tensor of zeros.

>>> pycore.zeros(2, 3)
tensor([[0., 0., 0.],
        [0., 0., 0.]])
)");
Tensor ones_op(IntSpan size, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  return finish(ones(size, dtype.value_or(default_dtype())), grad);
}
PYCORE_OP("ones(int[] size, " PC_FACTORY_ARGS ") -> Tensor", ones_op, kFunction | kOut, R"(
A tensor of ones.

>>> pycore.ones(2)
tensor([1., 1.])
)");
Tensor empty_op(IntSpan size, Dtype dtype, Ignored, Ignored, bool, bool grad, Ordering) {
  return finish(empty(size, dtype.value_or(default_dtype())), grad);
}
PYCORE_OP("empty(int[] size, " PC_LIKE_ARGS ") -> Tensor", empty_op, kFunction | kOut, R"(
A tensor whose elements are uninitialised.

>>> pycore.empty(2, 3).shape
pycore.Size([2, 3])
)");
Tensor full_op(IntSpan size, Scalar fill_value, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  return finish(full(size, fill_value, dtype.value_or(fill_value.tensor_dtype())), grad);
}
PYCORE_OP("full(int[] size, Scalar fill_value, " PC_FACTORY_ARGS ") -> Tensor", full_op,
          kFunction | kOut, R"(
A tensor filled with one value; its dtype follows the value.

>>> pycore.full((2,), 7)
tensor([7, 7])
)");

Tensor empty_like(const Tensor& t, Dtype dtype, Ordering order) {
  const DType to = dtype.value_or(t.dtype());
  return order.row_major ? empty(t.sizes(), to) : pycore::empty_like(t, to);
}
Tensor full_like(const Tensor& t, const Scalar& value, Dtype dtype, Ordering order) {
  Tensor out = empty_like(t, dtype, order);
  fill_data(out, value);
  return out;
}

Tensor zeros_like_op(const Tensor& t, Dtype dtype, Ignored, Ignored, bool, bool grad,
                     Ordering order) {
  return finish(full_like(t, 0, dtype, order), grad);
}
PYCORE_OP("zeros_like(Tensor input, " PC_LIKE_ARGS ") -> Tensor", zeros_like_op, kFunction, R"(
Zeros of the shape and dtype of ``input``.

>>> pycore.zeros_like(pycore.tensor([1, 2]))
tensor([0, 0])
)");
Tensor ones_like_op(const Tensor& t, Dtype dtype, Ignored, Ignored, bool, bool grad,
                    Ordering order) {
  return finish(full_like(t, 1, dtype, order), grad);
}
PYCORE_OP("ones_like(Tensor input, " PC_LIKE_ARGS ") -> Tensor", ones_like_op, kFunction, R"(
Ones of the shape and dtype of ``input``.

>>> pycore.ones_like(pycore.tensor([1., 2.]))
tensor([1., 1.])
)");
Tensor empty_like_op(const Tensor& t, Dtype dtype, Ignored, Ignored, bool, bool grad,
                     Ordering order) {
  return finish(empty_like(t, dtype, order), grad);
}
PYCORE_OP("empty_like(Tensor input, " PC_LIKE_ARGS ") -> Tensor", empty_like_op, kFunction, R"(
An uninitialised tensor of the shape and dtype of ``input``, its dimensions in memory as those of ``input``, unless
``memory_format`` is ``contiguous_format``.

>>> pycore.empty_like(pycore.ones(2, 3)).shape
pycore.Size([2, 3])
)");
Tensor full_like_op(const Tensor& t, Scalar value, Dtype dtype, Ignored, Ignored, bool, bool grad,
                    Ordering order) {
  return finish(full_like(t, value, dtype, order), grad);
}
PYCORE_OP("full_like(Tensor input, Scalar fill_value, " PC_LIKE_ARGS ") -> Tensor", full_like_op,
          kFunction, R"(
A tensor of the shape and dtype of ``input`` filled with one value.

>>> pycore.full_like(pycore.tensor([1., 2.]), 3)
tensor([3., 3.])
)");

Tensor new_zeros(const Tensor& t, IntSpan size, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  return finish(zeros(size, dtype.value_or(t.dtype())), grad);
}
PYCORE_OP("new_zeros(Tensor input, int[] size, " PC_FACTORY_ARGS ") -> Tensor", new_zeros, kMethod,
          R"(
Zeros of the given size and the dtype of the tensor.

>>> pycore.tensor([1]).new_zeros(2)
tensor([0, 0])
)");
Tensor new_ones(const Tensor& t, IntSpan size, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  return finish(ones(size, dtype.value_or(t.dtype())), grad);
}
PYCORE_OP("new_ones(Tensor input, int[] size, " PC_FACTORY_ARGS ") -> Tensor", new_ones, kMethod,
          R"(
Ones of the given size and the dtype of the tensor.

>>> pycore.tensor([1]).new_ones(2)
tensor([1, 1])
)");
Tensor new_empty(const Tensor& t, IntSpan size, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  return finish(empty(size, dtype.value_or(t.dtype())), grad);
}
PYCORE_OP("new_empty(Tensor input, int[] size, " PC_FACTORY_ARGS ") -> Tensor", new_empty, kMethod,
          R"(
An uninitialised tensor of the given size and the dtype of the tensor.

>>> pycore.tensor([1]).new_empty(2, 3).shape
pycore.Size([2, 3])
)");
Tensor new_full(const Tensor& t, IntSpan size, Scalar value, Dtype dtype, Ignored, Ignored, bool,
                bool grad) {
  return finish(full(size, value, dtype.value_or(t.dtype())), grad);
}
PYCORE_OP("new_full(Tensor input, int[] size, Scalar fill_value, " PC_FACTORY_ARGS ") -> Tensor",
          new_full, kMethod, R"(
A tensor of the given size and value and the dtype of the tensor.

>>> pycore.tensor([1]).new_full((2,), 7)
tensor([7, 7])
)");

// --- sequences
// -----------------------------------------------------------------------------------------------------------

Tensor arange(Scalar start, Scalar end, Scalar step, Dtype dtype, Ignored, Ignored, bool,
              bool grad) {
  bool floating = start.is_floating() || end.is_floating() || step.is_floating();
  DType t = dtype.value_or(floating ? default_dtype() : DType::int64);
  double s = start.to_double(), e = end.to_double(), d = step.to_double();
  PC_CHECK(d != 0, "step must be nonzero");
  PC_CHECK(std::isfinite(s) && std::isfinite(e), "unsupported range: ", s, " -> ", e);
  PC_CHECK((d > 0 && e >= s) || (d < 0 && e <= s),
           "upper bound and lower bound inconsistent with step sign");
  double count = floating ? std::ceil((e - s) / d) : 0;
  int64_t n;
  if (floating) {
    PC_CHECK(count >= 0 && count < 9e18, "invalid size, possible overflow?");
    n = static_cast<int64_t>(count);
  } else {
    __int128 span = static_cast<__int128>(end.to_int()) - start.to_int(), k = step.to_int();
    __int128 m = (span + k - (k > 0 ? 1 : -1)) / k;
    PC_CHECK(m >= 0 && m < (static_cast<__int128>(1) << 62), "invalid size, possible overflow?");
    n = static_cast<int64_t>(m);
  }
  Tensor out = empty({{n}}, t);
  constexpr int64_t kGrain = 32768;
  dispatch_all(t, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_floating_point_v<T>) {
      auto* p = out.data<T>();
      parallel_for(n, kGrain, [&](int64_t b, int64_t e) {
        for (int64_t i = b; i < e; ++i) p[i] = static_cast<T>(s + static_cast<double>(i) * d);
      });
    } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      for (int64_t i = 0; i < n; ++i)
        scalar_bytes(Scalar(s + static_cast<double>(i) * d), t, out->data + i * 2);
    } else {
      auto* p = out.data<T>();
      const int64_t first = start.to_int(), by = step.to_int();
      parallel_for(n, kGrain, [&](int64_t b, int64_t e) {
        uint64_t x =
            static_cast<uint64_t>(first) + static_cast<uint64_t>(b) * static_cast<uint64_t>(by);
        for (int64_t i = b; i < e; ++i, x += static_cast<uint64_t>(by)) p[i] = static_cast<T>(x);
      });
    }
  });
  return finish(std::move(out), grad);
}
Tensor arange_end(Scalar end, Dtype dtype, Ignored a, Ignored b, bool c, bool grad) {
  return arange(0, end, 1, dtype, a, b, c, grad);
}
PYCORE_OP("arange(Scalar end, " PC_FACTORY_ARGS ") -> Tensor", arange_end, kFunction | kOut, R"(
The numbers from ``start`` (0) up to but not including ``end`` in steps of ``step`` (1).

>>> pycore.arange(5)
tensor([0, 1, 2, 3, 4])
>>> pycore.arange(1, 2, 0.5)
tensor([1.0000, 1.5000])
)");
PYCORE_OP("arange(Scalar start, Scalar end, Scalar step=1, " PC_FACTORY_ARGS ") -> Tensor", arange,
          kFunction | kOut, "");

// Both ends are exact: the second half is counted back from the end, as PyTorch does.
Tensor spaced(double start, double end, int64_t steps, DType t, double base) {
  PC_CHECK(steps >= 0, "number of steps must be non-negative");
  Tensor out = empty({{steps}}, t);
  bool integral = !is_floating(t);
  bool single = t != DType::float64;
  double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  if (single && !integral && base == 0) {
    float s = static_cast<float>(start), e = static_cast<float>(end);
    float f = steps > 1 ? (e - s) / static_cast<float>(steps - 1) : 0;
    for (int64_t i = 0; i < steps; ++i) {
      float x =
          i < steps / 2 ? s + f * static_cast<float>(i) : e - f * static_cast<float>(steps - 1 - i);
      if (steps == 1) x = s;
      scalar_bytes(Scalar(static_cast<double>(x)), t, out->data + i * out.item_size());
    }
    return out;
  }
  for (int64_t i = 0; i < steps; ++i) {
    double x = i < steps / 2 ? start + step * static_cast<double>(i)
                             : end - step * static_cast<double>(steps - 1 - i);
    if (steps == 1) x = start;
    if (base != 0) x = std::pow(base, x);
    scalar_bytes(integral ? Scalar(static_cast<int64_t>(x)) : Scalar(x), t,
                 out->data + i * out.item_size());
  }
  return out;
}
Tensor linspace(Scalar start, Scalar end, int64_t steps, Dtype dtype, Ignored, Ignored, bool,
                bool grad) {
  return finish(
      spaced(start.to_double(), end.to_double(), steps, dtype.value_or(default_dtype()), 0), grad);
}
PYCORE_OP("linspace(Scalar start, Scalar end, int steps, " PC_FACTORY_ARGS ") -> Tensor", linspace,
          kFunction | kOut, R"(
``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

>>> pycore.linspace(0, 1, 5)
tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
)");
Tensor logspace(Scalar start, Scalar end, int64_t steps, double base, Dtype dtype, Ignored, Ignored,
                bool, bool grad) {
  return finish(
      spaced(start.to_double(), end.to_double(), steps, dtype.value_or(default_dtype()), base),
      grad);
}
PYCORE_OP("logspace(Scalar start, Scalar end, int steps, float base=10.0, " PC_FACTORY_ARGS
          ") -> Tensor",
          logspace, kFunction | kOut, R"(
``base`` raised to ``steps`` evenly spaced exponents from ``start`` to ``end``.

>>> pycore.logspace(0, 2, 3)
tensor([  1.,  10., 100.])
)");

Tensor eye_nm(int64_t n, int64_t m, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  PC_CHECK(n >= 0, "n must be greater or equal to 0, got ", n);
  PC_CHECK(m >= 0, "m must be greater or equal to 0, got ", m);
  Tensor t = zeros({{n, m}}, dtype.value_or(default_dtype()));
  Tensor diagonal = make_alias(t->storage, t.dtype(), {{std::min(n, m)}}, {{m + 1}}, 0);
  fill_data(diagonal, 1);
  return finish(std::move(t), grad);
}
Tensor eye_n(int64_t n, Dtype dtype, Ignored a, Ignored b, bool c, bool grad) {
  return eye_nm(n, n, dtype, a, b, c, grad);
}
PYCORE_OP("eye(int n, " PC_FACTORY_ARGS ") -> Tensor", eye_n, kFunction | kOut, R"(
The identity matrix.

>>> pycore.eye(2)
tensor([[1., 0.],
        [0., 1.]])
)");
PYCORE_OP("eye(int n, int m, " PC_FACTORY_ARGS ") -> Tensor", eye_nm, kFunction | kOut, "");

Tensor scalar_tensor_op(Scalar s, Dtype dtype, Ignored, Ignored, bool, bool grad) {
  return finish(scalar_tensor(s, dtype.value_or(default_dtype())), grad);
}
PYCORE_OP("scalar_tensor(Scalar s, " PC_FACTORY_ARGS ") -> Tensor", scalar_tensor_op, kFunction, R"(
A 0-d tensor with one value.

>>> pycore.scalar_tensor(2.5)
tensor(2.5000)
)");

}  // namespace
}  // namespace pycore
