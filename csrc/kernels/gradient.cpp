// Fused derivatives of element-wise functions. Must not know the tape; loops are in pointwise.h.
#include "kernels/gradient.h"

#include "kernels/pointwise.h"
#include "simd/trig.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

namespace v = simd;
using simd::Vec;

// A functor `name`_op on the incoming gradient g and the forward's input or output x.
#define VEC_OP(name, count, ...)                                                               \
  struct name##_op {                                                                           \
    static constexpr int params = count;                                                       \
    template <class T>                                                                         \
    static PYCORE_INLINE Vec<T> run(Vec<T> g, Vec<T> x, [[maybe_unused]] const Params<T>& p) { \
      __VA_ARGS__                                                                              \
    }                                                                                          \
  };

VEC_OP(abs, 0, return v::select<T>(x > T(0), g, v::select<T>(x < T(0), -g, g* T(0)));)
VEC_OP(sqrt, 0, return g / (x + x);)
VEC_OP(rsqrt, 0, return T(-0.5) * g * (x * x * x);)
VEC_OP(reciprocal, 0, return -g * (x * x);)
VEC_OP(square, 0, return g * (x + x);)
VEC_OP(log, 0, return g / x;)
VEC_OP(log1p, 0, return g / (x + T(1));)
VEC_OP(sin, 0, return g * v::cos<T>(x);)
VEC_OP(cos, 0, return -g * v::sin<T>(x);)
VEC_OP(tanh, 0, return g * (T(1) - x * x);)
VEC_OP(erf, 0, return g * (T(1.12837916709551257390) * v::exp<T>(-x * x));)
VEC_OP(sigmoid, 0, return g * ((T(1) - x) * x);)
VEC_OP(relu, 0, return v::select<T>(x <= T(0), Vec<T>{}, g);)
VEC_OP(leaky_relu, 1, return v::select<T>(x > T(0), g, g* p[0]);)
VEC_OP(elu, 3, const Vec<T> low = g * (p[2] * p[0] * p[1]) * v::exp<T>(x * p[2]);
       return v::select<T>(x <= T(0), low, g* p[1]);)
VEC_OP(elu_result, 3, return v::select<T>(x <= T(0), g* p[2] * (x + p[0] * p[1]), g* p[1]);)
VEC_OP(gelu_erf, 0, const Vec<T> cdf = T(0.5) * (T(1) + v::erf_fast(x * T(0.70710678118654752440)));
       const Vec<T> pdf = T(0.39894228040143267794) * v::exp<T>(T(-0.5) * x * x);
       return g * (cdf + x * pdf);)
VEC_OP(gelu_tanh, 0, const Vec<T> x2 = x * x; const T beta = T(0.79788456080286535588);
       const Vec<T> t = v::tanh<T>(beta * (x + T(0.044715) * x2 * x));
       const Vec<T> inner = beta * (T(1) + T(3 * 0.044715) * x2);
       return g * (T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * inner);)
VEC_OP(silu, 0, const Vec<T> s = v::sigmoid<T>(x); return g * s * (T(1) + x * (T(1) - s));)
// With e = exp(x), n = e (e + 2): t = tanh(softplus(x)) = n / (n + 2), 1 - t^2 = 4 (n + 1) / (n +
// 2)^2. Beyond 40 both are those of 40 to the last bit, which times x itself would not be.
VEC_OP(mish, 0, const Vec<T> y = v::min<T>(v::splat<T>(T(40)), x); const Vec<T> e = v::exp<T>(y);
       const Vec<T> n = e * (e + T(2)); const Vec<T> r = T(1) / (n + T(2));
       return g * (n * r + y * (e / (T(1) + e)) * (T(4) * (n + T(1)) * r * r));)
VEC_OP(softplus, 2, const Vec<T> s = x * p[0];
       return v::select<T>(s > p[1], g, g* v::sigmoid<T>(s));)
VEC_OP(clamp, 2, return v::select<T>((x >= p[0]) & (x <= p[1]), g, Vec<T>{});)
VEC_OP(hardtanh, 2, return v::select<T>((x <= p[0]) | (x >= p[1]), Vec<T>{}, g);)
VEC_OP(hardswish, 0, const Vec<T> middle = g * (x * T(1.0 / 3) + T(0.5));
       return v::select<T>(x <= T(-3), Vec<T>{}, v::select<T>(x < T(3), middle, g));)
VEC_OP(hardsigmoid, 0, return v::select<T>((x > T(-3)) & (x < T(3)), g* T(1.0 / 6), Vec<T>{});)
VEC_OP(softsign, 0, const Vec<T> d = T(1) + v::abs<T>(x); return g / (d * d);)
VEC_OP(hardshrink, 1, return v::select<T>(v::abs<T>(x) <= p[0], Vec<T>{}, g);)
VEC_OP(threshold, 1, return v::select<T>(x <= p[0], Vec<T>{}, g);)
VEC_OP(logsigmoid, 0, return g / (T(1) + v::exp<T>(x));)

constexpr GradientKernels make_kernels() {
  GradientKernels k{};
#define BOTH(name)                                                           \
  k.fn[static_cast<int>(Gradient::name)][static_cast<int>(DType::float32)] = \
      binary_vec<name##_op, float>;                                          \
  k.fn[static_cast<int>(Gradient::name)][static_cast<int>(DType::float64)] = \
      binary_vec<name##_op, double>;
  BOTH(abs)
  BOTH(sqrt)
  BOTH(rsqrt)
  BOTH(reciprocal)
  BOTH(square)
  BOTH(log)
  BOTH(log1p)
  BOTH(sin)
  BOTH(cos)
  BOTH(tanh)
  BOTH(erf)
  BOTH(sigmoid)
  BOTH(relu)
  BOTH(leaky_relu)
  BOTH(elu)
  BOTH(elu_result)
  BOTH(gelu_erf)
  BOTH(gelu_tanh)
  BOTH(silu)
  BOTH(mish)
  BOTH(softplus)
  BOTH(clamp)
  BOTH(hardtanh)
  BOTH(hardswish)
  BOTH(hardsigmoid)
  BOTH(softsign)
  BOTH(hardshrink)
  BOTH(threshold)
  BOTH(logsigmoid)
#undef BOTH
  return k;
}

}  // namespace

extern const GradientKernels gradient_kernels;
constinit const GradientKernels gradient_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
