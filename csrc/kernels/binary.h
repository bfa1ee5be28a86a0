// Element-wise functions of two operands: tables indexed by [function][dtype]; nullptr where there
// is no kernel. Plain function pointers on raw memory; must not know tensors. float16 and bfloat16
// go through float32.
#pragma once

#include "kernels/dtype.h"

namespace pycore::kernels {

// (f) float32 and float64; (i) the five integers; (b) bool. In brackets: params.
enum class Binary : uint8_t {
  add,         // fi; integers wrap. bool: or
  sub,         // fi
  mul,         // fi; bool: and
  div,         // f
  add_scaled,  // fi: a + [alpha] * b; bool as integers, then != 0
  // Division by zero: floats as IEEE / Python say. Integers: see has_zero below; the kernels give
  // 0.
  floor_divide,  // fi
  trunc_divide,  // fi
  remainder,     // fi: sign of the divisor
  fmod,          // fi: sign of the dividend
  pow,           // fi; integers with negative exponents: 1, -1 or 0, as torch
  atan2,         // f
  maximum,       // fib: NaN propagates
  minimum,       // fib
  fmax,          // f: NaN loses
  fmin,          // f
  hypot,         // f
  logaddexp,     // f
  logaddexp2,    // f
  copysign,      // f
  nextafter,     // f
  xlogy,         // f
  xlog1py,       // f
  heaviside,     // fi
  gcd,           // i
  lcm,           // i
  bitwise_and,   // ib
  bitwise_or,    // ib
  bitwise_xor,   // ib
  left_shift,    // i; shifts outside [0, bits) give 0
  right_shift,   // i; arithmetic for signed; shifts outside [0, bits) give 0 or -1
  lerp,          // f: a + [weight] * (b - a)
  count,
};

// Output is bool (one byte, 0 or 1). All dtypes except float16 and bfloat16.
enum class Compare : uint8_t {
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  logical_and,
  logical_or,
  logical_xor,
  count
};

// out[i * so] = f(a[i * sa], b[i * sb]); strides in elements, any value. Fast where so == 1 and sa,
// sb are 0 or 1. out may be a or b (same stride).
using BinaryFn = void (*)(const void* a, const void* b, void* out, int64_t n, int64_t sa,
                          int64_t sb, int64_t so, const double* params);

struct BinaryKernels {
  BinaryFn fn[static_cast<int>(Binary::count)][kDTypes];
  BinaryFn compare[static_cast<int>(Compare::count)][kDTypes];
  // Does the range hold a zero? Integers only: ask before floor_divide, trunc_divide, remainder,
  // fmod.
  bool (*has_zero[kDTypes])(const void* b, int64_t n, int64_t stride);
};

}  // namespace pycore::kernels
