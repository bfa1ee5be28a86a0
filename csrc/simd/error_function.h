// The complement and the inverse of the error function on Vec<float>, computed in double: the
// result is rounded once. Special values as in C. Must not know arrays or kernels.
#pragma once

#include "simd/power.h"

namespace pycore {
namespace {
namespace simd {

// erfc(x) = exp(-x^2) times a polynomial of 1 / (1 + 0.4 x), within 4e-11; 2 - erfc(-x) below 0.
PYCORE_INLINE Vec<double> erfc_wide(Vec<double> x) {
  const Vec<double> a = abs<double>(x);
  const Vec<double> t = 1 / (1 + 0.4 * a);
  const Vec<double> p = poly<double>(
      t, 5.7384029777952e-07, 0.22565583182891, 0.2259883360443, 0.20472623327435, 0.18924619049117,
      0.046022529361067, 0.29746056397753, -0.48741031175221, 0.77277001824297, -0.86022708988996,
      0.53878654279116, -0.17739935895527, 0.024379940708023);
  const Vec<double> r = exp<double>(-a * a) * p;
  return select<double>(x < 0, 2 - r, r);
}
PYCORE_INLINE Vec<float> erfc(Vec<float> x) {
  return narrow(erfc_wide(widen<0>(x)), erfc_wide(widen<1>(x)));
}

// x times a polynomial of w = -log(1 - x^2), or of its root where x is close to 1 (Giles 2010, here
// with more terms: within 3e-9).
PYCORE_INLINE Vec<double> erfinv_wide(Vec<double> x) {
  const Vec<double> w = -log<double>((1 - x) * (1 + x));
  const Vec<double> u = w - 2.5, v = sqrt<double>(w) - 3;
  const Vec<double> middle = poly<double>(
      u, 1.5014093517118, 0.24664027582246, -0.0041773248237593, -0.0012527050491478,
      0.00021826383967803, -4.9985572057154e-06, -3.4261572577515e-06, 4.7960733657384e-07,
      1.6487144395779e-08, -1.1005809092656e-08, 4.3490210756373e-10, 1.3168712214881e-10);
  const Vec<double> outer =
      poly<double>(v, 2.8329768030472, 1.0016752245679, 0.0094452035830025, -0.0076425448796939,
                   0.0056885788181142, -0.003568318895614, 0.0014727862996568, -0.0001171929532792,
                   -0.00027582636362318, 0.00015820703814219, -2.911561412618e-05);
  const Vec<double> r = x * select<double>(w < 5, middle, outer);
  const Vec<double> a = abs<double>(x);
  // The ends, and what lies outside or is no number.
  const Vec<double> edge = select<double>(a == 1, x * kInf<double>, splat<double>(kNan<double>));
  return select<double>(a < 1, r, edge);
}
PYCORE_INLINE Vec<float> erfinv(Vec<float> x) {
  return narrow(erfinv_wide(widen<0>(x)), erfinv_wide(widen<1>(x)));
}

}  // namespace simd
}  // namespace
}  // namespace pycore
