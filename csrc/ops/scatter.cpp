// Writing along a dimension: scatter in all its forms. Must not know Python.
#include <limits>

#include "ops/element.h"
#include "ops/indexing.h"
#include "ops/lines.h"
#include "ops/write_support.h"

namespace pycore {
namespace {

constexpr uint32_t kWriter = kFunction | kMethod;

int64_t rank(const Tensor& t) { return std::max<int64_t>(1, t.dim()); }
int64_t size_along(const Tensor& t, int64_t dim) { return t.dim() == 0 ? 1 : t.sizes()[dim]; }

void check_index(const Tensor& self, int64_t dim, const Tensor& index, const Tensor* src) {
  if (index.numel() == 0) return;
  PC_CHECK(
      rank(index) == rank(self),
      "Index tensor must have the same number of dimensions as self tensor; scatter: got index ",
      index.sizes(), " and self ", self.sizes());
  PC_CHECK(
      !src || rank(index) == rank(*src),
      "Index tensor must have the same number of dimensions as src tensor; scatter: got index ",
      index.sizes(), " and src ", src ? src->sizes() : Dims());
  for (int64_t d = 0; d < rank(self); ++d) {
    int64_t n = size_along(index, d);
    bool fits = (d == dim || n <= size_along(self, d)) && (!src || n <= size_along(*src, d));
    if (fits) continue;
    if (src)
      fail(ErrorKind::runtime, "Expected index ", index.sizes(), " to be no larger than self ",
           self.sizes(), " apart from dimension ", dim, " and to be no larger size than src ",
           src->sizes());
    fail(ErrorKind::runtime, "Expected index ", index.sizes(), " to be no larger than self ",
         self.sizes(), " apart from dimension ", dim);
  }
}

// The part of src that index covers, as a differentiable view.
Tensor covered(const Tensor& src, const Tensor& index) {
  Tensor t = src;
  if (index.numel() == 0 && rank(src) != rank(index))
    return reshape(slice(reshape(src, {{-1}}), 0, 0, 0), index.sizes());
  for (int64_t d = 0; d < src.dim(); ++d)
    if (index.dim() > 0 && t.sizes()[d] > index.sizes()[d]) t = slice(t, d, 0, index.sizes()[d]);
  return t.sizes() == index.sizes() ? t : reshape(t, index.sizes());
}

// target[..., index, ...] = store(old, src): along a line in order, so that repeated indices have a
// defined result.
template <class T, class Store>
void scatter_lines(const Tensor& target, int64_t dim, const Tensor& index, const T* src,
                   bool single, const Store& store) {
  if (index.numel() == 0) return;
  const Lines lines = merged(lines_of(target, index.sizes(), dim));
  // What is written must not change where the rest goes.
  const Tensor safe = unshared(index, target);
  const auto* p = safe.data<int64_t>();
  T* to = target.data<T>();
  const int64_t *outer = lines.outer.data(), *inner = lines.inner.data();
  const int64_t stride = lines.stride, each = single ? 0 : 1;
  // n neighbours from element `at` of the index on, whose lines start `step` apart.
  const auto run = [&](T* base, int64_t at, int64_t n, int64_t step) {
    const int64_t* places = p + at;
    const T* values = src + at * each;
    for (int64_t i = 0; i < n; ++i) store(base[places[i] * stride + i * step], values[i * each]);
  };
  const int64_t rows = lines.length == 1 ? 1 : lines.span;
  for_line_blocks(lines, [&](int64_t ob, int64_t oe, int64_t ib, int64_t ie) {
    for (int64_t o = ob; o < oe; ++o) {
      T* base = to + outer[o];
      if (lines.inner.n == 1) {
        run(base, lines.flat(o, 0, 0), lines.length, 0);
        continue;
      }
      for_cached_columns(ib, ie, rows, sizeof(T), [&](int64_t left, int64_t right) {
        for (int64_t k = 0; k < lines.length; ++k) {
          const int64_t at = lines.flat(o, k, left);
          if (lines.inner_step) {
            run(base + inner[left], at, right - left, *lines.inner_step);
            continue;
          }
          for (int64_t i = left; i < right; ++i) run(base + inner[i], at + i - left, 1, 0);
        }
      });
    }
  });
}

enum class Mode : uint8_t { assign, sum, prod, amax, amin };

// Where to write, checked.
struct Places {
  Dims sizes;          // of the index
  Tensor line;         // the indices, if all lines share them: int64, contiguous
  mutable Tensor all;  // int64, contiguous
  const Tensor& index(int64_t dim) const {
    if (!all.defined()) {
      Dims shape(static_cast<int64_t>(sizes.size()), 1);
      shape[dim] = line.numel();
      all = contiguous(expand(reshape(line, shape), sizes));
    }
    return all;
  }
};

// scatter_data by whole rows; false if no kernel moves them.
bool scatter_rows(const Tensor& target, int64_t dim, const Places& places, const Tensor& src,
                  Mode mode) {
  using kernels::Binary;
  const Tensor part = named_part(target, places.sizes, dim);
  std::vector<Tensor> indices(static_cast<size_t>(dim) + 1);
  indices.back() = places.line;
  const IndexPlan plan = plan_index(part, indices);
  if (mode == Mode::assign) {
    put_elements(plan, part, src, false);
    return true;
  }
  return combine_rows(plan, part, src,
                      mode == Mode::sum    ? Binary::add
                      : mode == Mode::prod ? Binary::mul
                      : mode == Mode::amax ? Binary::maximum
                                           : Binary::minimum);
}

// scatter_data with the arithmetic of the target's dtype; s is contiguous and of that dtype.
void scatter_as_stored(const Tensor& target, int64_t dim, const Places& places, const Tensor& s,
                       Mode mode) {
  bool single = s.dim() == 0 && !places.sizes.empty();
  if (places.line.defined() && scatter_rows(target, dim, places, s, mode)) return;
  const Tensor& index = places.index(dim);
  if (mode == Mode::assign) {
    dispatch_size(target.item_size(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      scatter_lines(target, dim, index, s.data<T>(), single, [](T& x, T v) { x = v; });
    });
    return;
  }
  dispatch_all(target.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    auto run = [&](const auto& store) {
      scatter_lines(target, dim, index, s.data<T>(), single, store);
    };
    switch (mode) {
      case Mode::sum:
        return run([](T& x, T v) { x = sum_of(x, v); });
      case Mode::prod:
        return run([](T& x, T v) { x = product_of(x, v); });
      case Mode::amax:
        return run(
            [](T& x, T v) { x = is_nan(x) || (!is_nan(v) && !(widen(x) < widen(v))) ? x : v; });
      default:
        return run(
            [](T& x, T v) { x = is_nan(x) || (!is_nan(v) && !(widen(v) < widen(x))) ? x : v; });
    }
  });
}

void scatter_data(const Tensor& target, int64_t dim, const Places& places, const Tensor& src,
                  Mode mode) {
  GradGuard off(false);
  const Tensor s = contiguous(detach(src));
  if (mode == Mode::assign) return scatter_as_stored(target, dim, places, s, mode);
  combine_wide(target, numel_of(places.sizes), [&](const Tensor& t) {
    scatter_as_stored(t, dim, places, to_dtype(s, t.dtype()), mode);
  });
}

// The index, checked against self (and src).
Places checked_index(const Tensor& self, int64_t dim, const Tensor& index, const Tensor* src) {
  PC_CHECK(!src || self.dtype() == src->dtype(),
           "scatter(): Expected self.dtype to be equal to src.dtype, got ", self.dtype(), " and ",
           src->dtype());
  check_index(self, dim, index, src);
  const Tensor line = shared_line(index, dim);
  const Tensor checked =
      line_index("scatter", line.defined() ? line : index, size_along(self, dim), dim);
  return line.defined() ? Places{index.sizes(), checked, {}} : Places{index.sizes(), {}, checked};
}

// --- scatter
// -----------------------------------------------------------------------------------------------------------

struct ScatterBackward0 {
  static constexpr const char* name = "ScatterBackward0";
  int64_t dim;
  Saved index;
  void operator()(Backward& b) {
    Tensor i = b.get(index);
    if (b.needs(0)) b.set(0, scatter(b.grad(), dim, i, zeros({}, b.grad().dtype())));
    if (b.needs(1)) b.set(1, gather(b.grad(), dim, i));
  }
};
struct ScatterBackward1 {
  static constexpr const char* name = "ScatterBackward1";
  int64_t dim;
  Saved index;
  void operator()(Backward& b) {
    b.set(0, scatter(b.grad(), dim, b.get(index), zeros({}, b.grad().dtype())));
  }
};
struct ScatterAddBackward0 {
  static constexpr const char* name = "ScatterAddBackward0";
  int64_t dim;
  Saved index;
  void operator()(Backward& b) {
    if (b.needs(0)) b.set(0, b.grad());
    if (b.needs(1)) b.set(1, gather(b.grad(), dim, b.get(index)));
  }
};

template <class Rule>
Tensor scatter_src(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                   Mode mode, Form form) {
  dim = wrap_dim(dim, self.dim());
  const Places places = checked_index(self, dim, index, &src);
  Tensor part = covered(src, index);
  return write_part(
      self, form, [&] { return Rule{dim, Saved(index)}; },
      [&](const Tensor& target) {
        scatter_data(target, dim, places, unshared(part, target), mode);
      },
      part);
}
Tensor scatter_value(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value,
                     Form form) {
  dim = wrap_dim(dim, self.dim());
  const Places places = checked_index(self, dim, index, nullptr);
  Tensor v = scalar_tensor(value, self.dtype());
  return write_part(
      self, form, [&] { return ScatterBackward1{dim, Saved(index)}; },
      [&](const Tensor& target) { scatter_data(target, dim, places, v, Mode::assign); });
}

}  // namespace

Tensor scatter(const Tensor& self, int64_t dim, const Tensor& index, const Operand& src) {
  if (src.is_tensor() && !(src.tensor().dim() == 0 && rank(index) >= 1 && index.dim() > 0))
    return scatter_src<ScatterBackward0>(self, dim, index, src.tensor(), Mode::assign, Form::copy);
  Scalar v = src.is_tensor() ? read_scalar(src.tensor()->data, src.tensor().dtype()) : src.scalar();
  return scatter_value(self, dim, index, v, Form::copy);
}
static Tensor scatter_tensor(const Tensor& self, int64_t dim, const Tensor& index,
                             const Tensor& src) {
  return scatter_src<ScatterBackward0>(self, dim, index, src, Mode::assign, Form::copy);
}
PYCORE_OP("scatter(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", scatter_tensor,
          kWriter | kOut, R"(
A copy of ``input`` into which ``src`` (a tensor or a number) is written along ``dim`` at the places that ``index`` names:
``out[index[i, j], j] = src[i, j]`` for ``dim=0``. The inverse of :func:`gather`.

``index`` (int64 or int32, no negative values) is no larger than ``src`` anywhere, nor than ``input`` except along ``dim``.
Where a place is named twice the last value stays; ``reduce='add'`` or ``'multiply'`` combines with what is there instead.

>>> pycore.zeros(3).scatter(0, pycore.tensor([2, 0]), pycore.tensor([5., 7.]))
tensor([7., 0., 5.])
)");
static Tensor scatter_number(const Tensor& self, int64_t dim, const Tensor& index,
                             const Scalar& value) {
  return scatter_value(self, dim, index, value, Form::copy);
}
PYCORE_OP("scatter(Tensor input, int dim, Tensor index, Scalar value) -> Tensor", scatter_number,
          kWriter | kOut, "");
static Tensor scatter_tensor_(const Tensor& self, int64_t dim, const Tensor& index,
                              const Tensor& src) {
  return scatter_src<ScatterBackward0>(self, dim, index, src, Mode::assign, Form::in_place);
}
PYCORE_OP("scatter_(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", scatter_tensor_,
          kMethod, R"(
In-place form of :func:`scatter`.

>>> pycore.zeros(2, 3).scatter_(1, pycore.tensor([[1], [2]]), 1.)
tensor([[0., 1., 0.],
        [0., 0., 1.]])
)");
static Tensor scatter_number_(const Tensor& self, int64_t dim, const Tensor& index,
                              const Scalar& value) {
  return scatter_value(self, dim, index, value, Form::in_place);
}
PYCORE_OP("scatter_(Tensor input, int dim, Tensor index, Scalar value) -> Tensor", scatter_number_,
          kMethod, "");

static Mode old_mode(std::string_view reduce) {
  PC_CHECK(reduce == "add" || reduce == "multiply",
           "reduce argument must be either add or multiply, got '", reduce, "'");
  return reduce == "add" ? Mode::sum : Mode::prod;
}
static Tensor scatter_old_reduce(const Tensor& self, int64_t dim, const Tensor& index,
                                 const Operand& src, std::string_view reduce) {
  Mode mode = old_mode(reduce);
  Tensor s = src.is_tensor() ? src.tensor()
                             : expand(scalar_tensor(src.scalar(), self.dtype()), index.sizes());
  return scatter_reduce(self, dim, index, s, mode == Mode::sum ? "sum" : "prod", true);
}
PYCORE_OP(
    "scatter(Tensor input, int dim, Tensor index, Tensor|Scalar src, *, str reduce) -> Tensor",
    scatter_old_reduce, kWriter | kOut, "");
static Tensor scatter_old_value(const Tensor& self, int64_t dim, const Tensor& index,
                                const Scalar& value, std::string_view reduce) {
  return scatter_old_reduce(self, dim, index, value, reduce);
}
PYCORE_OP("scatter(Tensor input, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor",
          scatter_old_value, kWriter | kOut, "");
static Tensor scatter_old_reduce_(const Tensor& self, int64_t dim, const Tensor& index,
                                  const Operand& src, std::string_view reduce) {
  return copy_(self, scatter_old_reduce(clone(self), dim, index, src, reduce));
}
PYCORE_OP(
    "scatter_(Tensor input, int dim, Tensor index, Tensor|Scalar src, *, str reduce) -> Tensor",
    scatter_old_reduce_, kMethod, "");
static Tensor scatter_old_value_(const Tensor& self, int64_t dim, const Tensor& index,
                                 const Scalar& value, std::string_view reduce) {
  return scatter_old_reduce_(self, dim, index, value, reduce);
}
PYCORE_OP("scatter_(Tensor input, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor",
          scatter_old_value_, kMethod, "");

Tensor scatter_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatter_src<ScatterAddBackward0>(self, dim, index, src, Mode::sum, Form::copy);
}
PYCORE_OP("scatter_add(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", scatter_add,
          kWriter | kOut, R"(
As :func:`scatter`, adding to what is there; a place that is named twice gets both values.

>>> pycore.zeros(3).scatter_add(0, pycore.tensor([0, 0, 2]), pycore.ones(3))
tensor([2., 0., 1.])
)");
Tensor scatter_add_(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatter_src<ScatterAddBackward0>(self, dim, index, src, Mode::sum, Form::in_place);
}
PYCORE_OP("scatter_add_(Tensor input, int dim, Tensor index, Tensor src) -> Tensor", scatter_add_,
          kMethod, "In-place form of :func:`scatter_add`.");

// --- scatter_reduce
// ------------------------------------------------------------------------------------------------------

namespace {

enum class Reduction : uint8_t { sum, prod, mean, amax, amin };
Reduction reduction_named(std::string_view name) {
  if (name == "sum") return Reduction::sum;
  if (name == "prod") return Reduction::prod;
  if (name == "mean") return Reduction::mean;
  if (name == "amax") return Reduction::amax;
  if (name == "amin") return Reduction::amin;
  fail(ErrorKind::runtime, "reduce argument must be either sum, prod, mean, amax or amin, got ",
       name);
}

Scalar identity_of(Reduction r, DType t) {
  switch (r) {
    case Reduction::sum:
    case Reduction::mean:
      return 0;
    case Reduction::prod:
      return 1;
    default:
      break;
  }
  bool lowest = r == Reduction::amax;
  if (is_floating(t))
    return lowest ? -std::numeric_limits<double>::infinity()
                  : std::numeric_limits<double>::infinity();
  return dispatch_all(t, [&](auto tag) -> Scalar {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>)
      return Scalar(static_cast<int64_t>(lowest ? std::numeric_limits<T>::lowest()
                                                : std::numeric_limits<T>::max()));
    else
      return 0;
  });
}

// How many values went into each place, at least 1.
Tensor counts(const Tensor& self, int64_t dim, const Tensor& index, bool include_self,
              DType dtype) {
  Dims sizes = self.sizes();
  Tensor places = index;
  // Lines that share their indices have the same counts.
  if (shared_line(index, dim).defined() &&
      named_part(self, index.sizes(), dim).sizes() == self.sizes()) {
    sizes = Dims(self.dim(), 1);
    sizes[dim] = self.sizes()[dim];
    for (int64_t d = 0; d < index.dim(); ++d)
      if (d != dim) places = narrow(places, d, 0, 1);
  }
  // 16-bit floats would count to 256 or 2048 only.
  const DType exact = is_reduced_float(dtype) ? DType::float32 : dtype;
  Tensor n = include_self ? ones(sizes, exact) : zeros(sizes, exact);
  n = to_dtype(scatter_add_(n, dim, places, expand(ones({}, exact), places.sizes())), dtype);
  return include_self ? n : where(eq(n, 0), 1, n);
}

struct ScatterReduceBackward0 {
  static constexpr const char* name = "ScatterReduceBackward0";
  int64_t dim;
  Reduction kind;
  bool include_self;
  Saved self, index, src, result;

  void operator()(Backward& b) {
    Tensor g = b.grad(), i = b.get(index), to_self, to_src;
    switch (kind) {
      case Reduction::sum:
        to_self = g;
        to_src = gather(g, dim, i);
        break;
      case Reduction::mean: {
        Tensor share = g / counts(self.peek(), dim, i, include_self, g.dtype());
        to_self = share;
        to_src = gather(share, dim, i);
        break;
      }
      case Reduction::prod:
        products(b, g, i, to_self, to_src);
        break;
      case Reduction::amax:
      case Reduction::amin: {
        // Ties share the gradient.
        Tensor r = b.get(result), x = b.get(self), v = b.get(src);
        Tensor self_wins = to_dtype(eq(x, r), g.dtype()),
               src_wins = to_dtype(eq(v, gather(r, dim, i)), g.dtype());
        Tensor winners = include_self ? self_wins : zeros(x.sizes(), g.dtype());
        winners = scatter_add(winners, dim, i, src_wins);
        Tensor share = g / where(eq(winners, 0), 1.0, winners);
        // Places that nothing was written to keep self, whatever include_self says.
        to_self = where(eq(winners, 0), g, share * self_wins);
        to_src = gather(share, dim, i) * src_wins;
        break;
      }
    }
    if (b.needs(0))
      b.set(0, include_self ? to_self : scatter(to_self, dim, i, zeros({}, g.dtype())));
    if (b.needs(1)) b.set(1, to_src);
  }

  // The product of the other factors: by division where no factor is zero; where exactly one is,
  // its own derivative is the product of the rest.
  void products(Backward& b, const Tensor& g, const Tensor& i, Tensor& to_self, Tensor& to_src) {
    Tensor x = b.get(self), v = b.get(src);
    Tensor self_zero = eq(x, 0), src_zero = eq(v, 0);
    Tensor zero_count = include_self ? to_dtype(self_zero, g.dtype()) : zeros(x.sizes(), g.dtype());
    zero_count = scatter_add(zero_count, dim, i, to_dtype(src_zero, g.dtype()));
    Tensor safe_x = where(self_zero, 1.0, x), safe_v = where(src_zero, 1.0, v);
    // Products of all factors that are not zero.
    Tensor all = scatter_reduce(safe_x, dim, i, safe_v, "prod", include_self);
    Tensor from_self = zero_count - to_dtype(self_zero, g.dtype());
    to_self = where(eq(from_self, 0), g * all / safe_x, 0.0);
    Tensor from_src = gather(zero_count, dim, i) - to_dtype(src_zero, g.dtype());
    to_src = where(eq(from_src, 0), gather(g * all, dim, i) / safe_v, 0.0);
  }
};

}  // namespace

Tensor scatter_reduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                      std::string_view reduce, bool include_self) {
  Reduction kind = reduction_named(reduce);
  dim = wrap_dim(dim, self.dim());
  const Places places = checked_index(self, dim, index, &src);
  Tensor part = covered(src, index);
  Tensor out = clone_data(self);
  if (!include_self)
    scatter_data(out, dim, places, scalar_tensor(identity_of(kind, self.dtype()), self.dtype()),
                 Mode::assign);
  Mode mode = kind == Reduction::prod   ? Mode::prod
              : kind == Reduction::amax ? Mode::amax
              : kind == Reduction::amin ? Mode::amin
                                        : Mode::sum;
  scatter_data(out, dim, places, part, mode);
  if (kind == Reduction::mean) {
    GradGuard guard(false);
    Tensor n = counts(self, dim, index, include_self,
                      self.dtype() == DType::bool_ ? DType::int64 : self.dtype());
    Tensor mean = self.is_floating() ? out / n : floor_divide(out, n);
    out = to_dtype(mean, self.dtype());
  }
  if (self.is_floating() && recording(self, part)) {
    bool values = kind != Reduction::sum;
    record(out,
           ScatterReduceBackward0{
               dim, kind, include_self, values ? Saved(self) : Saved(), Saved(index),
               values ? Saved(part) : Saved(),
               kind == Reduction::amax || kind == Reduction::amin ? Saved::output(out) : Saved()},
           self, part);
  }
  return out;
}
PYCORE_OP(
    "scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool "
    "include_self=True) -> Tensor",
    scatter_reduce, kWriter | kInplace | kOut, R"(
As :func:`scatter`, combining all values that meet in a place by ``reduce``: 'sum', 'prod', 'mean', 'amax' or 'amin'.
``include_self`` says whether what was there takes part.

>>> index = pycore.tensor([0, 0, 1])
>>> pycore.zeros(2).scatter_reduce(0, index, pycore.tensor([1., 3., 5.]), 'mean', include_self=False)
tensor([2., 5.])
)");

}  // namespace pycore
