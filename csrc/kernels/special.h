// Scalar special functions that the C library lacks: digamma and the inverse error function. Must
// not know vectors.
#pragma once

#include <math.h>

namespace pycore::kernels {
namespace {

// Reflection for x <= 0, recurrence up to 10, then the asymptotic series (Abramowitz and
// Stegun 6.3).
inline double digamma(double x) {
  if (x == 0) return copysign(INFINITY, -x);
  double shift = 0;
  if (x < 0) {
    if (x == floor(x)) return NAN;
    double whole;
    const double part = modf(x, &whole);
    shift = -M_PI / tan(M_PI * part);
    x = 1 - x;
  }
  while (x < 10) {
    shift -= 1 / x;
    x += 1;
  }
  const double z = 1 / (x * x);
  const double series =
      z * (1.0 / 12 -
           z * (1.0 / 120 -
                z * (1.0 / 252 -
                     z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z * (1.0 / 12)))))));
  return shift + log(x) - 0.5 / x - (x < 1e17 ? series : 0);
}

// A closed approximation (Winitzki), then Halley steps on erf, or on erfc where erf is nearly 1.
inline double erfinv(double x) {
  const double a = fabs(x);
  if (!(a < 1)) return a == 1 ? copysign(INFINITY, x) : NAN;
  if (a < 1e-9) return x * 0.88622692545275801365;
  const double log_term = log1p(-a * a);
  const double b = 2 / (M_PI * 0.147) + 0.5 * log_term;
  double y = sqrt(sqrt(b * b - log_term / 0.147) - b);
  for (int step = 0; step < 3; ++step) {
    const double error = a < 0.5 ? erf(y) - a : (1 - a) - erfc(y);
    const double newton = error / (1.12837916709551257390 * exp(-y * y));
    y -= newton / (1 + y * newton);
  }
  return copysign(y, x);
}

}  // namespace
}  // namespace pycore::kernels
