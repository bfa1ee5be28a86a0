// Element-wise functions of three operands. Must not know tensors.
#include "kernels/select.h"

#include "kernels/strided.h"
#include "simd/vec.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

namespace v = simd;
using simd::Vec;

// a where the condition holds, else b. By bits where a choice of so few of them is no vector code
// to compilers.
template <class T>
PYCORE_INLINE T choose(uint8_t cond, T a, T b) {
  if constexpr (sizeof(T) > 2) {
    return cond != 0 ? a : b;
  } else {
    const T mask = static_cast<T>(-(cond != 0));
    return static_cast<T>((a & mask) | (b & static_cast<T>(~mask)));
  }
}
// Contiguous but for a or b, which may be one value.
template <class T, bool OneA, bool OneB>
void choose_all(const uint8_t* cond, const T* a, const T* b, T* out, int64_t n) {
  const T first_a = *a, first_b = *b;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i)
    out[i] = choose(cond[i], OneA ? first_a : a[i], OneB ? first_b : b[i]);
}

// T is an unsigned integer of the element's size.
template <class T>
void where(const uint8_t* cond, const void* a, const void* b, void* out, int64_t n, int64_t sc,
           int64_t sa, int64_t sb, int64_t so) {
  const T* pa = static_cast<const T*>(a);
  const T* pb = static_cast<const T*>(b);
  T* po = static_cast<T*>(out);
  if (n <= 0) return;
  if (sc == 0) {  // a row of one or the other
    const T* from = *cond != 0 ? pa : pb;
    const int64_t step = *cond != 0 ? sa : sb;
    if (step == 1 && so == 1) {
      memcpy(po, from, sizeof(T) * static_cast<size_t>(n));
    } else {
      for (int64_t i = 0; i < n; ++i) po[i * so] = from[i * step];
    }
  } else if (sc == 1 && so == 1 && (sa | 1) == 1 && (sb | 1) == 1) {
    if (sa == 1) {
      sb == 1 ? choose_all<T, false, false>(cond, pa, pb, po, n)
              : choose_all<T, false, true>(cond, pa, pb, po, n);
    } else {
      sb == 1 ? choose_all<T, true, false>(cond, pa, pb, po, n)
              : choose_all<T, true, true>(cond, pa, pb, po, n);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) po[i * so] = choose(cond[i * sc], pa[i * sa], pb[i * sb]);
  }
}

struct addcmul_op {
  template <class T>
  static PYCORE_INLINE Vec<T> run(Vec<T> a, Vec<T> b, Vec<T> c, T p) {
    return a + p * b * c;
  }
};
struct addcdiv_op {
  template <class T>
  static PYCORE_INLINE Vec<T> run(Vec<T> a, Vec<T> b, Vec<T> c, T p) {
    return a + p * b / c;
  }
};
// From the nearer end, so that both ends are met exactly.
struct lerp_op {
  template <class T>
  static PYCORE_INLINE Vec<T> run(Vec<T> a, Vec<T> b, Vec<T> c, T) {
    const Vec<T> d = b - a;
    return v::select<T>(v::abs<T>(c) < T(0.5), a + c * d, b - d * (T(1) - c));
  }
};
struct clamp_op {
  template <class T>
  static PYCORE_INLINE Vec<T> run(Vec<T> a, Vec<T> b, Vec<T> c, T) {
    // NaN in any of the three wins.
    Vec<T> r = v::select<T>(b != b, b, v::max<T>(b, a));
    return v::select<T>((c != c) & (r == r), c, v::min<T>(c, r));
  }
};

template <class Op, class T>
void ternary(const void* a, const void* b, const void* c, void* out, int64_t n, int64_t sa,
             int64_t sb, int64_t sc, int64_t so, const double* params) {
  const T* pa = static_cast<const T*>(a);
  const T* pb = static_cast<const T*>(b);
  const T* pc = static_cast<const T*>(c);
  T* po = static_cast<T*>(out);
  if (sa != 1 || sb != 1 || sc != 1 || so != 1) {
    T block_a[kStageBlock], block_b[kStageBlock], block_c[kStageBlock], block_out[kStageBlock];
    for (int64_t i = 0; i < n; i += kStageBlock) {
      const int64_t m = n - i < kStageBlock ? n - i : kStageBlock;
      T* target = so == 1 ? po + i : block_out;
      ternary<Op, T>(stage(pa + i * sa, sa, block_a, m), stage(pb + i * sb, sb, block_b, m),
                     stage(pc + i * sc, sc, block_c, m), target, m, 1, 1, 1, 1, params);
      if (so != 1)
        for (int64_t j = 0; j < m; ++j) po[(i + j) * so] = block_out[j];
    }
    return;
  }
  const T p = params != nullptr ? static_cast<T>(params[0]) : T(0);
  constexpr int kStep = v::kLanes<T>;
  for (int64_t i = 0; i < n; i += kStep) {
    if (__builtin_expect(n - i >= kStep, 1)) {
      v::store<T>(po + i, Op::template run<T>(v::load<T>(pa + i), v::load<T>(pb + i),
                                              v::load<T>(pc + i), p));
    } else {
      const int tail = static_cast<int>(n - i);
      v::store_partial<T>(
          po + i,
          Op::template run<T>(v::load_partial<T>(pa + i, tail), v::load_partial<T>(pb + i, tail),
                              v::load_partial<T>(pc + i, tail), p),
          tail);
    }
  }
}

constexpr SelectKernels make_kernels() {
  SelectKernels k{};
  k.where[0] = where<uint8_t>;
  k.where[1] = where<uint16_t>;
  k.where[2] = where<uint32_t>;
  k.where[3] = where<uint64_t>;
#define BOTH(name)                                                               \
  k.ternary[static_cast<int>(Ternary::name)][static_cast<int>(DType::float32)] = \
      ternary<name##_op, float>;                                                 \
  k.ternary[static_cast<int>(Ternary::name)][static_cast<int>(DType::float64)] = \
      ternary<name##_op, double>;
  BOTH(addcmul)
  BOTH(addcdiv)
  BOTH(lerp)
  BOTH(clamp)
#undef BOTH
  return k;
}

}  // namespace

extern const SelectKernels select_kernels;
constinit const SelectKernels select_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
