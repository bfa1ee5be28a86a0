// The inverse error function, which the C library lacks. Must not know vectors.
#pragma once

#include <math.h>

namespace pycore::kernels {
namespace {

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
