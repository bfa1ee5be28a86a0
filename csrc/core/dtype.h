// Properties of dtypes and PyTorch's promotion rules. Must not know tensors.
#pragma once

#include <bit>
#include <ostream>
#include <type_traits>

#include "core/check.h"
#include "kernels/dtype.h"

namespace pycore {

constexpr int item_size(DType t) {
  constexpr int sizes[kDTypes] = {1, 1, 2, 4, 8, 2, 2, 4, 8, 1};
  return sizes[static_cast<int>(t)];
}
constexpr bool is_floating(DType t) { return t >= DType::float16 && t <= DType::float64; }
constexpr bool is_integral(DType t) { return t <= DType::int64; }
constexpr bool is_reduced_float(DType t) { return t == DType::float16 || t == DType::bfloat16; }
constexpr bool is_signed(DType t) { return t != DType::uint8 && t != DType::bool_; }

const char* name(DType t);              // "float32"
const char* scalar_type_name(DType t);  // "Float": what PyTorch's error texts call it
const char* legacy_type_name(DType t);  // "torch.FloatTensor"
inline std::ostream& operator<<(std::ostream& s, DType t) { return s << name(t); }

// 0: bool, 1: integer, 2: floating. A higher category of a weaker operand still wins.
constexpr int category(DType t) { return t == DType::bool_ ? 0 : is_floating(t) ? 2 : 1; }
// The smallest dtype that both convert to, as PyTorch's promotion table has it.
DType promote(DType a, DType b);
// True where PyTorch lets a result of `from` be written into `to` (never a float into an integer).
constexpr bool can_cast(DType from, DType to) { return category(from) <= category(to); }

DType default_dtype();
void set_default_dtype(DType t);

// The dtype in which element-wise arithmetic is done: float16 and bfloat16 compute in float32.
constexpr DType compute_dtype(DType t) { return is_reduced_float(t) ? DType::float32 : t; }

float half_to_float(uint16_t bits);
uint16_t float_to_half(float x);
inline float bfloat16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
inline uint16_t float_to_bfloat16(float x) {
  uint32_t u = std::bit_cast<uint32_t>(x);
  if ((u & 0x7fffffff) > 0x7f800000)
    return static_cast<uint16_t>((u >> 16) | 0x40);                    // keep NaN a NaN
  return static_cast<uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);  // round to nearest even
}

template <class T>
struct TypeTag {
  using type = T;
};

// Calls f(TypeTag<T>{}) with the element type of t (bool for bool_, Half and BFloat16 for the
// reduced floats).
template <class F>
decltype(auto) dispatch_all(DType t, F&& f) {
  switch (t) {
    case DType::uint8:
      return f(TypeTag<uint8_t>{});
    case DType::int8:
      return f(TypeTag<int8_t>{});
    case DType::int16:
      return f(TypeTag<int16_t>{});
    case DType::int32:
      return f(TypeTag<int32_t>{});
    case DType::int64:
      return f(TypeTag<int64_t>{});
    case DType::float16:
      return f(TypeTag<Half>{});
    case DType::bfloat16:
      return f(TypeTag<BFloat16>{});
    case DType::float32:
      return f(TypeTag<float>{});
    case DType::float64:
      return f(TypeTag<double>{});
    case DType::bool_:
      return f(TypeTag<bool>{});
  }
  fail(ErrorKind::runtime, "unknown dtype");
}
// By element size only, for code that moves elements without reading them.
template <class F>
decltype(auto) dispatch_size(int bytes, F&& f) {
  switch (bytes) {
    case 1:
      return f(TypeTag<uint8_t>{});
    case 2:
      return f(TypeTag<uint16_t>{});
    case 4:
      return f(TypeTag<uint32_t>{});
    default:
      return f(TypeTag<uint64_t>{});
  }
}

}  // namespace pycore
