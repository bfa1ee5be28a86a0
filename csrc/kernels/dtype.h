// The element types that kernels and tensors share. Must stay plain: no functions with linkage, no
// tensor.
#pragma once

#include <stdint.h>

namespace pycore {

// Order matters: promotion within a category goes upwards, and the kernel tables are indexed by it.
// Complex types will be appended.
enum class DType : uint8_t {
  uint8,
  int8,
  int16,
  int32,
  int64,
  float16,
  bfloat16,
  float32,
  float64,
  bool_,
};
inline constexpr int kDTypes = 10;

// Storage types of the two reduced floats; arithmetic happens in float32.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

}  // namespace pycore
