// Reductions along an axis: the table, and the operations on integers and truth values.
// Must not know tensors; splitting is in reduce_driver.h, floating point in reduce_float.h and
// reduce_extreme.h.
#include "kernels/reduce.h"

#include "kernels/reduce_extreme.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

// Sums, products and counts of any type in int64 (wrapping), a chunk of at most 32768 elements in
// Part.
enum class Count { sum, product, nonzero };
template <class T, class Part, Count kWhat>
struct Counting {
  using Core = Counting;
  using In = T;
  using Acc = uint64_t;
  static constexpr Acc kStart = kWhat == Count::product ? 1 : 0;
  static Acc identity() { return kStart; }
  static PYCORE_INLINE Part step(Part a, T x) {
    if constexpr (kWhat == Count::sum)
      return a + static_cast<Part>(x);
    else if constexpr (kWhat == Count::product)
      return a * static_cast<Part>(x);
    else
      return a + static_cast<Part>(x != 0);
  }
  static Acc combine(Acc a, Acc b, const double*) {
    return kWhat == Count::product ? a * b : a + b;
  }
  static Acc widen(Part part) { return static_cast<Acc>(static_cast<int64_t>(part)); }
  static Acc row(const T* p, int64_t n, int64_t, const double*) {
    Part a = static_cast<Part>(kStart);
    for (int64_t i = 0; i < n; ++i) a = step(a, p[i]);
    return widen(a);
  }
  static void columns(const T* p, int64_t rows, int64_t stride, int64_t cols, int64_t, Acc* out,
                      const double*) {
    for (int64_t j = 0; j < cols; ++j) out[j] = kStart;
    Part part[kColumnBlock];
    for (int64_t r = 0; r < rows;) {
      for (int64_t j = 0; j < cols; ++j) part[j] = static_cast<Part>(kStart);
      for (const int64_t end = smaller(rows, r + kReduceChunk); r < end; ++r)
        for (int64_t j = 0; j < cols; ++j) part[j] = step(part[j], p[r * stride + j]);
      for (int64_t j = 0; j < cols; ++j) out[j] = combine(out[j], widen(part[j]), nullptr);
    }
  }
  static void finish(Acc acc, int64_t, void* out, void*, int64_t i, const double*) {
    typed<int64_t>(out)[i] = static_cast<int64_t>(acc);
  }
};

// any (kAll false) and all.
template <class T, bool kAll>
struct Truth {
  using Core = Truth;
  using In = T;
  using Acc = uint8_t;
  static Acc identity() { return kAll; }
  static Acc combine(Acc a, Acc b, const double*) { return kAll ? a & b : a | b; }
  static Acc row(const T* p, int64_t n, int64_t, const double*) {
    for (int64_t i = 0; i < n;) {  // stop early, but a block at a time
      uint32_t hits = 0;
      for (const int64_t end = smaller(n, i + 1024); i < end; ++i) hits += (p[i] != 0) != kAll;
      if (hits != 0) return !kAll;
    }
    return kAll;
  }
  static void columns(const T* p, int64_t rows, int64_t stride, int64_t cols, int64_t, Acc* out,
                      const double*) {
    for (int64_t j = 0; j < cols; ++j) out[j] = kAll;
    for (int64_t r = 0; r < rows; ++r)
#pragma GCC ivdep
      for (int64_t j = 0; j < cols; ++j)
        out[j] = combine(out[j], static_cast<Acc>(p[r * stride + j] != 0), nullptr);
  }
  static void finish(Acc acc, int64_t, void* out, void*, int64_t i, const double*) {
    typed<uint8_t>(out)[i] = acc;
  }
};

struct Setter {
  ReduceKernels& k;
  int dtype;
  constexpr void operator()(Reduce op, ReduceFn fn) const {
    k.fn[static_cast<int>(op)][dtype] = fn;
  }
};

// E: a type of the same size whose zero test is cheaper or shared.
template <class T, class E>
constexpr void set_common(const Setter& set) {
  set(Reduce::max, reduce<Extreme<T, true>>);
  set(Reduce::min, reduce<Extreme<T, false>>);
  set(Reduce::argmax, reduce_positions<Position<T, true>>);
  set(Reduce::argmin, reduce_positions<Position<T, false>>);
  set(Reduce::max_indices, reduce<Position<T, true>>);
  set(Reduce::min_indices, reduce<Position<T, false>>);
  set(Reduce::any, reduce<Truth<E, false>>);
  set(Reduce::all, reduce<Truth<E, true>>);
  set(Reduce::count_nonzero, reduce<Counting<E, uint32_t, Count::nonzero>>);
}
template <class T, class E, class Part>
constexpr void set_integer(ReduceKernels& k, DType dtype) {
  const Setter set{k, static_cast<int>(dtype)};
  set_common<T, E>(set);
  set(Reduce::sum, reduce<Counting<T, Part, Count::sum>>);
  set(Reduce::prod, reduce<Counting<T, uint64_t, Count::product>>);
}
template <class T>
constexpr void set_float(ReduceKernels& k, DType dtype) {
  const Setter set{k, static_cast<int>(dtype)};
  set_common<T, T>(set);
  set(Reduce::sum, reduce<SumOf<T, MapIdentity, FinishSum>>);
  set(Reduce::mean, reduce<SumOf<T, MapIdentity, FinishMean>>);
  set(Reduce::prod, reduce<Product<T>>);
  set(Reduce::nansum, reduce<SumOf<T, MapNonNan, FinishSum>>);
  set(Reduce::sum_squares, reduce<SumOf<T, MapSquare, FinishSum>>);
  set(Reduce::sum_abs, reduce<SumOf<T, MapAbs, FinishSum>>);
  set(Reduce::max_abs, reduce<Extreme<T, true, true>>);
  set(Reduce::min_abs, reduce<Extreme<T, false, true>>);
  set(Reduce::norm2, reduce<SumOf<T, MapSquare, FinishRoot>>);
  set(Reduce::norm_p, reduce<SumOf<T, MapPower, FinishPower>>);
  set(Reduce::logsumexp, reduce<LogSumExp<T>>);
  set(Reduce::var, reduce<Variance<T, false>>);
  set(Reduce::std, reduce<Variance<T, true>>);
}

constexpr ReduceKernels make_kernels() {
  ReduceKernels k{};
  set_integer<uint8_t, uint8_t, int32_t>(k, DType::uint8);
  set_integer<int8_t, uint8_t, int32_t>(k, DType::int8);
  set_integer<int16_t, uint16_t, int32_t>(k, DType::int16);
  set_integer<int32_t, uint32_t, int64_t>(k, DType::int32);
  set_integer<int64_t, uint64_t, uint64_t>(k, DType::int64);
  set_integer<uint8_t, uint8_t, int32_t>(k, DType::bool_);
  set_float<float>(k, DType::float32);
  set_float<double>(k, DType::float64);
  return k;
}

}  // namespace

extern const ReduceKernels reduce_kernels;
constinit const ReduceKernels reduce_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
