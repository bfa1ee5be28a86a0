// Loops of the element-wise kernels: a functor on Vec<T> (or a scalar one) becomes a UnaryFn or
// BinaryFn. Must not know which functions exist. Everything that is not contiguous is moved through
// blocks on the stack, so that each functor is instantiated in one loop and strided results equal
// contiguous ones.
#pragma once

#include "kernels/binary.h"
#include "kernels/bits.h"
#include "kernels/strided.h"
#include "kernels/unary.h"
#include "simd/vec.h"

namespace pycore::kernels {
namespace {

inline constexpr int kMaxParams = 3;

template <class T>
struct Params {
  T p[kMaxParams];
  PYCORE_INLINE Params(const double* params, int n) {
    for (int i = 0; i < n; ++i) p[i] = static_cast<T>(params[i]);
  }
  PYCORE_INLINE T operator[](int i) const { return p[i]; }
};

template <class In, class Out>
__attribute__((noinline)) void staged_unary(UnaryFn fn, const In* a, Out* out, int64_t n,
                                            int64_t sa, int64_t so, const double* params) {
  In block_a[kStageBlock];
  Out block_out[kStageBlock];
  for (int64_t i = 0; i < n; i += kStageBlock) {
    const int64_t m = n - i < kStageBlock ? n - i : kStageBlock;
    const In* pa = stage(a + i * sa, sa, block_a, m);
    Out* po = so == 1 ? out + i : block_out;
    fn(pa, po, m, 1, 1, params);
    if (so != 1)
      for (int64_t j = 0; j < m; ++j) out[(i + j) * so] = block_out[j];
  }
}

template <class In, class Out>
__attribute__((noinline)) void staged_binary(BinaryFn fn, const In* a, const In* b, Out* out,
                                             int64_t n, int64_t sa, int64_t sb, int64_t so,
                                             const double* params) {
  In block_a[kStageBlock], block_b[kStageBlock];
  Out block_out[kStageBlock];
  for (int64_t i = 0; i < n; i += kStageBlock) {
    const int64_t m = n - i < kStageBlock ? n - i : kStageBlock;
    const In* pa = i > 0 && sa == 0 ? block_a : stage(a + i * sa, sa, block_a, m);
    const In* pb = i > 0 && sb == 0 ? block_b : stage(b + i * sb, sb, block_b, m);
    Out* po = so == 1 ? out + i : block_out;
    fn(pa, pb, po, m, 1, 1, 1, params);
    if (so != 1)
      for (int64_t j = 0; j < m; ++j) out[(i + j) * so] = block_out[j];
  }
}

// Op: `static constexpr int params` and `template <class T> static Vec<T> run(Vec<T>, const
// Params<T>&)`.
template <class Op, class T>
void unary_vec(const void* a, void* out, int64_t n, int64_t sa, int64_t so, const double* params) {
  const T* pa = static_cast<const T*>(a);
  T* po = static_cast<T*>(out);
  if (__builtin_expect(sa != 1 || so != 1, 0))
    return staged_unary(&unary_vec<Op, T>, static_cast<const Bits<T>*>(a),
                        static_cast<Bits<T>*>(out), n, sa, so, params);
  const Params<T> p(params, Op::params);
  constexpr int kStep = simd::kLanes<T>;
  for (int64_t i = 0; i < n; i += kStep) {
    if (__builtin_expect(n - i >= kStep, 1)) {
      simd::store<T>(po + i, Op::template run<T>(simd::load<T>(pa + i), p));
    } else {
      const int tail = static_cast<int>(n - i);
      simd::store_partial<T>(po + i, Op::template run<T>(simd::load_partial<T>(pa + i, tail), p),
                             tail);
    }
  }
}

// Op: `static To run(From, const Params<From>&)`. Contiguous loops are left to the compiler's
// vectoriser.
template <class Op, class From, class To>
void unary_scalar(const void* a, void* out, int64_t n, int64_t sa, int64_t so,
                  const double* params) {
  const From* pa = static_cast<const From*>(a);
  To* po = static_cast<To*>(out);
  if (__builtin_expect(sa != 1 || so != 1, 0))
    return staged_unary(&unary_scalar<Op, From, To>, static_cast<const Bits<From>*>(a),
                        static_cast<Bits<To>*>(out), n, sa, so, params);
  const Params<From> p(params, Op::params);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) po[i] = static_cast<To>(Op::run(pa[i], p));
}

// The whole steps of a loop over operands at a(0), b(0), a(kStep), ...; returns how many elements
// that were. Loads come in groups before the stores: a load that must first be compared with all
// the stores on their way to memory holds up what follows.
template <class Op, class T, class A, class B>
PYCORE_INLINE int64_t binary_groups(const A& a, const B& b, T* out, int64_t n, const Params<T>& p) {
  constexpr int kStep = simd::kLanes<T>, kGroup = 4;
  int64_t i = 0;
  for (; i + kGroup * kStep <= n; i += kGroup * kStep) {
    simd::Vec<T> r[kGroup];
#pragma GCC unroll 4
    for (int k = 0; k < kGroup; ++k)
      r[k] = Op::template run<T>(a(i + k * kStep), b(i + k * kStep), p);
#pragma GCC unroll 4
    for (int k = 0; k < kGroup; ++k) simd::store<T>(out + i + k * kStep, r[k]);
  }
  return i;
}

// As unary_vec. A scalar operand (stride 0) is read from a register-sized copy of itself, or, by
// functions that take no longer than this, kept in a register.
template <class Op, class T>
void binary_vec(const void* a, const void* b, void* out, int64_t n, int64_t sa, int64_t sb,
                int64_t so, const double* params) {
  const T* pa = static_cast<const T*>(a);
  const T* pb = static_cast<const T*>(b);
  T* po = static_cast<T*>(out);
  if (__builtin_expect(so != 1 || (sa | 1) != 1 || (sb | 1) != 1, 0))
    return staged_binary(&binary_vec<Op, T>, static_cast<const Bits<T>*>(a),
                         static_cast<const Bits<T>*>(b), static_cast<Bits<T>*>(out), n, sa, sb, so,
                         params);
  if (n <= 0) return;
  constexpr int kStep = simd::kLanes<T>;
  const Params<T> p(params, Op::params);
  alignas(64) T same_a[kStep], same_b[kStep];
  int64_t step_a = kStep, step_b = kStep;
  if (sa == 0) {
    simd::store<T>(same_a, simd::splat<T>(*pa));
    pa = same_a;
    step_a = 0;
  }
  if (sb == 0) {
    simd::store<T>(same_b, simd::splat<T>(*pb));
    pb = same_b;
    step_b = 0;
  }
  if constexpr (requires { requires Op::cheap; }) {
    const auto from = [](const T* x) { return [x](int64_t i) { return simd::load<T>(x + i); }; };
    const auto always = [](const T* x) { return [v = simd::load<T>(x)](int64_t) { return v; }; };
    const int64_t done = sb == 0   ? binary_groups<Op>(from(pa), always(pb), po, sa == 0 ? 0 : n, p)
                         : sa == 0 ? binary_groups<Op>(always(pa), from(pb), po, n, p)
                                   : binary_groups<Op>(from(pa), from(pb), po, n, p);
    n -= done;
    if (n == 0) return;
    pa += sa * done;
    pb += sb * done;
    po += done;
  }
  for (;; n -= kStep, pa += step_a, pb += step_b, po += kStep) {
    if (__builtin_expect(n >= kStep, 1)) {
      simd::store<T>(po, Op::template run<T>(simd::load<T>(pa), simd::load<T>(pb), p));
      if (n == kStep) return;
    } else {
      const int tail = static_cast<int>(n);
      const auto some = [tail](const T* x, int64_t step) {
        return step == 0 ? simd::load<T>(x) : simd::load_partial<T>(x, tail);
      };
      const auto r = Op::template run<T>(some(pa, step_a), some(pb, step_b), p);
      simd::store_partial<T>(po, r, tail);
      return;
    }
  }
}

template <class Op, class From, class To>
void binary_scalar(const void* a, const void* b, void* out, int64_t n, int64_t sa, int64_t sb,
                   int64_t so, const double* params) {
  const From* pa = static_cast<const From*>(a);
  const From* pb = static_cast<const From*>(b);
  To* po = static_cast<To*>(out);
  if (__builtin_expect(sa != 1 || sb != 1 || so != 1, 0))
    return staged_binary(&binary_scalar<Op, From, To>, static_cast<const Bits<From>*>(a),
                         static_cast<const Bits<From>*>(b), static_cast<Bits<To>*>(out), n, sa, sb,
                         so, params);
  const Params<From> p(params, Op::params);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) po[i] = static_cast<To>(Op::run(pa[i], pb[i], p));
}

}  // namespace
}  // namespace pycore::kernels
