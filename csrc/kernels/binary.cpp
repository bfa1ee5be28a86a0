// Element-wise functions of two operands: arithmetic, bits, comparisons. Must not know tensors;
// loops are in pointwise.h.
#include "kernels/binary.h"

#include <limits.h>

#include "kernels/pointwise.h"
#include "simd/power.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

namespace v = simd;
using simd::kInf;
using simd::kNan;
using simd::Vec;

// A functor `name`_op on Vec<T> a, b with parameters p; a cheap one takes less time than its
// operands.
#define VEC_OP(name, count, ...) VEC_OP_AS(name, false, count, __VA_ARGS__)
#define CHEAP_OP(name, count, ...) VEC_OP_AS(name, true, count, __VA_ARGS__)
#define VEC_OP_AS(name, is_cheap, count, ...)                                                  \
  struct name##_op {                                                                           \
    static constexpr bool cheap = is_cheap;                                                    \
    static constexpr int params = count;                                                       \
    template <class T>                                                                         \
    static PYCORE_INLINE Vec<T> run(Vec<T> a, Vec<T> b, [[maybe_unused]] const Params<T>& p) { \
      __VA_ARGS__                                                                              \
    }                                                                                          \
  };

CHEAP_OP(add, 0, return a + b;)
CHEAP_OP(sub, 0, return a - b;)
CHEAP_OP(mul, 0, return a * b;)
CHEAP_OP(div, 0, return a / b;)
CHEAP_OP(add_scaled, 1, return b * p[0] + a;)
VEC_OP(trunc_divide, 0, return v::round_to<T, v::Rounding::trunc>(a / b);)
CHEAP_OP(maximum, 0, return v::select<T>(a != a, a, v::max<T>(a, b));)
CHEAP_OP(minimum, 0, return v::select<T>(a != a, a, v::min<T>(a, b));)
VEC_OP(fmax, 0, return v::select<T>(b != b, a, v::max<T>(a, b));)
VEC_OP(fmin, 0, return v::select<T>(b != b, a, v::min<T>(a, b));)
// The larger + log1p(exp(-distance)); equal infinities have no distance.
VEC_OP(logaddexp, 0, const Vec<T> big = v::max<T>(a, b);
       const Vec<T> r = big + v::log1p<T>(v::exp<T>(-v::abs<T>(a - b)));
       return v::select<T>((a == b) & (v::abs<T>(a) == kInf<T>), a, r);)
VEC_OP(logaddexp2, 0, const Vec<T> big = v::max<T>(a, b);
       const Vec<T> r = big +
                        v::log1p<T>(v::exp2<T>(-v::abs<T>(a - b))) * T(1.44269504088896340736);
       return v::select<T>((a == b) & (v::abs<T>(a) == kInf<T>), a, r);)
VEC_OP(copysign, 0, return v::with_sign<T>(v::abs<T>(a), b);)
VEC_OP(xlogy, 0, return v::select<T>((a == T(0)) & (b == b), Vec<T>{}, a* v::log<T>(b));)
VEC_OP(xlog1py, 0, return v::select<T>((a == T(0)) & (b == b), Vec<T>{}, a* v::log1p<T>(b));)
VEC_OP(heaviside, 0, const Vec<T> step = v::select<T>(a > T(0), v::splat<T>(T(1)), Vec<T>{});
       return v::select<T>(a == T(0), b, step);)
VEC_OP(lerp, 1, if (p[0] < T(0.5)) return a + p[0] * (b - a); return b - (b - a) * (1 - p[0]);)
VEC_OP(pow, 0, return v::pow(a, b);)
CHEAP_OP(cube, 0, return static_cast<void>(b), a* a* a;)
CHEAP_OP(reciprocal, 0, return static_cast<void>(b), T(1) / a;)
VEC_OP(reciprocal_root, 0, return static_cast<void>(b), T(1) / v::sqrt<T>(a);)
VEC_OP(atan2, 0, return v::atan2(a, b);)
VEC_OP(hypot, 0, return v::hypot(a, b);)
VEC_OP(fmod, 0, return v::fmod(a, b);)
VEC_OP(remainder, 0, const Vec<T> r = v::fmod(a, b);
       return v::select<T>((r != T(0)) & ((r < T(0)) != (b < T(0))), r + b, r);)
// Python's floor division: from the exact remainder, so that a == q * b + a % b holds.
VEC_OP(floor_divide, 0, const Vec<T> r = v::fmod(a, b); Vec<T> q = (a - r) / b;
       q = v::select<T>((r != T(0)) & ((r < T(0)) != (b < T(0))), q - T(1), q);
       Vec<T> f = v::round_to<T, v::Rounding::floor>(q);
       f = v::select<T>(q - f > T(0.5), f + T(1), f); const Vec<T> exact = a / b;
       f = v::select<T>(q == T(0), v::with_sign<T>(Vec<T>{}, exact), f);
       return v::select<T>(b == T(0), exact, f);)

// Neighbours differ by one in their bits, which count upwards away from zero.
VEC_OP(nextafter, 0, using I = typename v::LaneInt<T>::type;
       const v::Mask<T> bits = v::as_int<T>(a); const v::Mask<T> away = (b > a) == (a > T(0));
       const v::Mask<T> one = away - away + I(1);
       const Vec<T> step = v::as_float<T>(away ? bits + one : bits - one);
       const Vec<T> tiny = v::with_sign<T>(v::as_float<T>(one), b);
       Vec<T> r = v::select<T>(a == T(0), tiny, step); r = v::select<T>(a == b, b, r);
       return v::select<T>((a != a) | (b != b), a + b, r);)

// A functor `name`_op on scalars a, b of type T.
#define SCALAR_OP(name, count, ...)                                                \
  struct name##_op {                                                               \
    static constexpr int params = count;                                           \
    template <class T>                                                             \
    static PYCORE_INLINE auto run(T a, T b, [[maybe_unused]] const Params<T>& p) { \
      __VA_ARGS__                                                                  \
    }                                                                              \
  };

// Integers. Arithmetic that may overflow runs on the unsigned type.
SCALAR_OP(int_add, 0, return static_cast<T>(a + b);)
SCALAR_OP(int_sub, 0, return static_cast<T>(a - b);)
SCALAR_OP(int_mul, 0, return static_cast<T>(static_cast<uint64_t>(a) * b);)
SCALAR_OP(int_mul32, 0, return a * b;)

template <class T>
inline constexpr bool kSigned = static_cast<T>(-1) < T(0);

// Registers divide floats only. No quotient of numbers of half the float's width is rounded up to a
// whole number.
template <class T>
struct Divided {
  using type = float;
};
template <>
struct Divided<int32_t> {
  using type = double;
};
// Quotient and remainder without branches; 0 and 0 for b == 0.
template <class T>
struct Division {
  T q, r;
};
template <class T>
PYCORE_INLINE T subtract_product(T a, T q, T b) {  // wraps
  return static_cast<T>(static_cast<uint64_t>(a) -
                        static_cast<uint64_t>(q) * static_cast<uint64_t>(b));
}
// The remainder has the sign of a or is, for int64, b short of that.
template <class T>
PYCORE_INLINE Division<T> divide(T a, T b) {
  if constexpr (sizeof(T) < 8) {
    using F = typename Divided<T>::type;
    const bool zero = b == 0, negation = kSigned<T> && b == static_cast<T>(-1);
    const T divisor = zero | negation ? T(1) : b;  // minimum / -1 would not fit
    T q = static_cast<T>(static_cast<F>(a) / static_cast<F>(divisor));
    const T r = subtract_product<T>(a, q, divisor);
    q = negation ? subtract_product<T>(0, a, 1) : q;
    return {zero ? T(0) : q, r};
  } else {
    const bool zero = b == 0, one = b == 1, negation = b == -1;
#if defined(__AVX512DQ__)
    // The rest of a first quotient, which is right to 51 bits, is divided again.
    const T divisor = zero | one | negation ? T(2) : b;
    const double d = static_cast<double>(divisor);
    T q = static_cast<T>(static_cast<double>(a) / d);
    T r = subtract_product<T>(a, q, divisor);
    const T more = static_cast<T>(static_cast<double>(r) / d);
    q = static_cast<T>(q + more);
    r = subtract_product<T>(r, more, divisor);
#else
    const T divisor = zero | one | negation ? T(1) : b;
    T q = a / divisor, r = a % divisor;
#endif
    q = one ? a : negation ? subtract_product<T>(0, a, 1) : q;
    return {zero ? T(0) : q, zero | one | negation ? T(0) : r};
  }
}
template <class T>
PYCORE_INLINE Division<T> floor_division(T a, T b) {
  Division<T> d = divide<T>(a, b);
  if constexpr (kSigned<T>) {
    const bool other = (d.r != 0) & ((d.r ^ b) < 0);
    d.q = static_cast<T>(d.q - other);
    d.r = static_cast<T>(d.r + (other ? b : T(0)));
  }
  return d;
}
template <class T>
PYCORE_INLINE Division<T> trunc_division(T a, T b) {
  Division<T> d = divide<T>(a, b);
  if constexpr (sizeof(T) == 8) {
    const bool other = (d.r != 0) & ((d.r ^ a) < 0), up = (d.r ^ b) >= 0;
    const T step = static_cast<T>(other ? (up ? 1 : -1) : 0);
    d.q = static_cast<T>(d.q + step);
    d.r = subtract_product<T>(d.r, step, b);
  }
  return d;
}
SCALAR_OP(int_floor_divide, 0, return floor_division<T>(a, b).q;)
SCALAR_OP(int_trunc_divide, 0, return trunc_division<T>(a, b).q;)
SCALAR_OP(int_fmod, 0, return trunc_division<T>(a, b).r;)
SCALAR_OP(int_remainder, 0, return floor_division<T>(a, b).r;)
SCALAR_OP(
    int_pow, 0,
    if (b < 0) {
      const bool odd = (static_cast<uint64_t>(b) & 1) != 0;
      return static_cast<T>(a == 1 ? 1 : a == static_cast<T>(-1) ? (odd ? -1 : 1) : 0);
    } uint64_t base = static_cast<uint64_t>(a),
    result = 1;
    for (uint64_t e = static_cast<uint64_t>(b); e != 0; e >>= 1, base *= base) if ((e & 1) != 0)
        result *= base;
    return static_cast<T>(result);)
SCALAR_OP(int_max, 0, return a > b ? a : b;)
SCALAR_OP(int_min, 0, return a < b ? a : b;)
SCALAR_OP(int_heaviside, 0, return a == 0 ? b : static_cast<T>(a > 0);)
SCALAR_OP(int_and, 0, return static_cast<T>(a & b);)
SCALAR_OP(int_or, 0, return static_cast<T>(a | b);)
SCALAR_OP(int_xor, 0, return static_cast<T>(a ^ b);)
template <class T>
inline constexpr T kBits = static_cast<T>(8 * sizeof(T));
SCALAR_OP(int_left_shift, 0,
          return b < 0 || b >= kBits<T> ? T(0) : static_cast<T>(static_cast<uint64_t>(a) << b);)
SCALAR_OP(int_right_shift, 0,
          return b < 0 || b >= kBits<T> ? static_cast<T>(a < 0 ? -1 : 0) : static_cast<T>(a >> b);)

template <class T>
inline uint64_t magnitude(T x) {
  return x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
}
inline uint64_t gcd_of(uint64_t a, uint64_t b) {
  while (b != 0) {
    const uint64_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}
SCALAR_OP(int_gcd, 0, return static_cast<T>(gcd_of(magnitude(a), magnitude(b)));)
SCALAR_OP(int_lcm, 0, const uint64_t x = magnitude(a), y = magnitude(b);
          const T r = static_cast<T>(x == 0 || y == 0 ? 0 : x / gcd_of(x, y) * y);
          return static_cast<T>(magnitude(r));)
struct int_add_scaled_op {
  static constexpr int params = 1;
  template <class T>
  static PYCORE_INLINE T run(T a, T b, const Params<T>& p) {
    return static_cast<T>(static_cast<uint64_t>(a) +
                          static_cast<uint64_t>(p[0]) * static_cast<uint64_t>(b));
  }
};

SCALAR_OP(eq, 0, return a == b;)
SCALAR_OP(ne, 0, return a != b;)
SCALAR_OP(lt, 0, return a < b;)
SCALAR_OP(le, 0, return a <= b;)
SCALAR_OP(gt, 0, return a > b;)
SCALAR_OP(ge, 0, return a >= b;)
SCALAR_OP(logical_and, 0, return (a != 0) & (b != 0);)
SCALAR_OP(logical_or, 0, return (a != 0) | (b != 0);)
SCALAR_OP(logical_xor, 0, return (a != 0) ^ (b != 0);)

// binary_scalar with a second loop for the common `x > number`.
template <class Op, class T>
void compare(const void* a, const void* b, void* out, int64_t n, int64_t sa, int64_t sb, int64_t so,
             const double* params) {
  const T* pa = static_cast<const T*>(a);
  const T* pb = static_cast<const T*>(b);
  uint8_t* po = static_cast<uint8_t*>(out);
  const Params<T> p(params, 0);
  if (sa != 1 || so != 1 || (sb | 1) != 1) {
    staged_binary(&compare<Op, T>, static_cast<const Bits<T>*>(a), static_cast<const Bits<T>*>(b),
                  po, n, sa, sb, so, params);
  } else if (sb == 1) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) po[i] = Op::run(pa[i], pb[i], p);
  } else if (n > 0) {
    const T same = *pb;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) po[i] = Op::run(pa[i], same, p);
  }
}

template <class T>
bool has_zero(const void* b, int64_t n, int64_t stride) {
  const T* p = static_cast<const T*>(b);
  T found = 0;  // as wide as the elements, as vectors want it
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) found |= static_cast<T>(p[i] == 0);
  } else {
    for (int64_t i = 0; i < n; ++i) found |= static_cast<T>(p[i * stride] == 0);
  }
  return found != 0;
}

constexpr int index(Binary op) { return static_cast<int>(op); }

// U: the unsigned type of the same size, for what does not depend on the sign.
template <class T, class U>
constexpr void set_integer(BinaryKernels& k, DType dtype) {
  const int d = static_cast<int>(dtype);
  const auto set = [&](Binary op, BinaryFn fn) { k.fn[index(op)][d] = fn; };
  set(Binary::add, binary_scalar<int_add_op, U, U>);
  set(Binary::sub, binary_scalar<int_sub_op, U, U>);
  if constexpr (sizeof(T) == 4) {
    set(Binary::mul, binary_scalar<int_mul32_op, U, U>);
  } else {
    set(Binary::mul, binary_scalar<int_mul_op, U, U>);
  }
  set(Binary::add_scaled, binary_scalar<int_add_scaled_op, T, T>);
  set(Binary::floor_divide, binary_scalar<int_floor_divide_op, T, T>);
  set(Binary::trunc_divide, binary_scalar<int_trunc_divide_op, T, T>);
  set(Binary::remainder, binary_scalar<int_remainder_op, T, T>);
  set(Binary::fmod, binary_scalar<int_fmod_op, T, T>);
  set(Binary::pow, binary_scalar<int_pow_op, T, T>);
  set(Binary::maximum, binary_scalar<int_max_op, T, T>);
  set(Binary::minimum, binary_scalar<int_min_op, T, T>);
  set(Binary::heaviside, binary_scalar<int_heaviside_op, T, T>);
  set(Binary::gcd, binary_scalar<int_gcd_op, T, T>);
  set(Binary::lcm, binary_scalar<int_lcm_op, T, T>);
  set(Binary::bitwise_and, binary_scalar<int_and_op, U, U>);
  set(Binary::bitwise_or, binary_scalar<int_or_op, U, U>);
  set(Binary::bitwise_xor, binary_scalar<int_xor_op, U, U>);
  set(Binary::left_shift, binary_scalar<int_left_shift_op, T, T>);
  set(Binary::right_shift, binary_scalar<int_right_shift_op, T, T>);
  k.has_zero[d] = has_zero<U>;
}

// E: a type whose equality and zero test are the same as T's.
template <class T, class E>
constexpr void set_compare(BinaryKernels& k, DType dtype) {
  const int d = static_cast<int>(dtype);
  const auto set = [&](Compare op, BinaryFn fn) { k.compare[static_cast<int>(op)][d] = fn; };
  set(Compare::eq, compare<eq_op, E>);
  set(Compare::ne, compare<ne_op, E>);
  set(Compare::lt, compare<lt_op, T>);
  set(Compare::le, compare<le_op, T>);
  set(Compare::gt, compare<gt_op, T>);
  set(Compare::ge, compare<ge_op, T>);
  set(Compare::logical_and, compare<logical_and_op, E>);
  set(Compare::logical_or, compare<logical_or_op, E>);
  set(Compare::logical_xor, compare<logical_xor_op, E>);
}

// An exponent that is the same for all elements may have a short formula.
template <class T>
void pow_row(const void* a, const void* b, void* out, int64_t n, int64_t sa, int64_t sb, int64_t so,
             const double* params) {
  const T e = sb == 0 ? *static_cast<const T*>(b) : T(0);
  const BinaryFn fn = e == T(3)      ? binary_vec<cube_op, T>
                      : e == T(-1)   ? binary_vec<reciprocal_op, T>
                      : e == T(-0.5) ? binary_vec<reciprocal_root_op, T>
                                     : binary_vec<pow_op, T>;
  fn(a, b, out, n, sa, sb, so, params);
}

constexpr BinaryKernels make_kernels() {
  BinaryKernels k{};
  set_integer<uint8_t, uint8_t>(k, DType::uint8);
  set_integer<int8_t, uint8_t>(k, DType::int8);
  set_integer<int16_t, uint16_t>(k, DType::int16);
  set_integer<int32_t, uint32_t>(k, DType::int32);
  set_integer<int64_t, uint64_t>(k, DType::int64);
  constexpr int kBool = static_cast<int>(DType::bool_);
  k.fn[index(Binary::add)][kBool] = binary_scalar<int_or_op, uint8_t, uint8_t>;
  k.fn[index(Binary::mul)][kBool] = binary_scalar<int_and_op, uint8_t, uint8_t>;
  k.fn[index(Binary::maximum)][kBool] = binary_scalar<int_or_op, uint8_t, uint8_t>;
  k.fn[index(Binary::minimum)][kBool] = binary_scalar<int_and_op, uint8_t, uint8_t>;
  k.fn[index(Binary::bitwise_and)][kBool] = binary_scalar<int_and_op, uint8_t, uint8_t>;
  k.fn[index(Binary::bitwise_or)][kBool] = binary_scalar<int_or_op, uint8_t, uint8_t>;
  k.fn[index(Binary::bitwise_xor)][kBool] = binary_scalar<int_xor_op, uint8_t, uint8_t>;

  constexpr int kF32 = static_cast<int>(DType::float32);
  constexpr int kF64 = static_cast<int>(DType::float64);
#define VEC(name)                                                 \
  k.fn[index(Binary::name)][kF32] = binary_vec<name##_op, float>; \
  k.fn[index(Binary::name)][kF64] = binary_vec<name##_op, double>;
  VEC(add)
  VEC(sub)
  VEC(mul)
  VEC(div)
  VEC(add_scaled)
  VEC(trunc_divide)
  VEC(maximum)
  VEC(minimum)
  VEC(fmax)
  VEC(fmin)
  VEC(logaddexp)
  VEC(logaddexp2)
  VEC(copysign)
  VEC(xlogy)
  VEC(xlog1py)
  VEC(heaviside)
  VEC(lerp)
  k.fn[index(Binary::pow)][kF32] = pow_row<float>;
  k.fn[index(Binary::pow)][kF64] = pow_row<double>;
  VEC(fmod)
  VEC(atan2)
  VEC(hypot)
  VEC(nextafter)
  VEC(remainder)
  VEC(floor_divide)
#undef VEC
  set_compare<uint8_t, uint8_t>(k, DType::uint8);
  set_compare<int8_t, uint8_t>(k, DType::int8);
  set_compare<int16_t, uint16_t>(k, DType::int16);
  set_compare<int32_t, uint32_t>(k, DType::int32);
  set_compare<int64_t, uint64_t>(k, DType::int64);
  set_compare<float, float>(k, DType::float32);
  set_compare<double, double>(k, DType::float64);
  set_compare<uint8_t, uint8_t>(k, DType::bool_);
  return k;
}

}  // namespace

extern const BinaryKernels binary_kernels;
constinit const BinaryKernels binary_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
