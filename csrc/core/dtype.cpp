// Names, promotion table and half-precision conversions. Must not know tensors.
#include "core/dtype.h"

#include <algorithm>

namespace pycore {

const char* name(DType t) {
  constexpr const char* names[kDTypes] = {"uint8",   "int8",     "int16",   "int32",   "int64",
                                          "float16", "bfloat16", "float32", "float64", "bool"};
  return names[static_cast<int>(t)];
}

const char* scalar_type_name(DType t) {
  constexpr const char* names[kDTypes] = {"Byte", "Char",     "Short", "Int",    "Long",
                                          "Half", "BFloat16", "Float", "Double", "Bool"};
  return names[static_cast<int>(t)];
}

const char* legacy_type_name(DType t) {
  constexpr const char* names[kDTypes] = {
      "torch.ByteTensor",   "torch.CharTensor", "torch.ShortTensor",    "torch.IntTensor",
      "torch.LongTensor",   "torch.HalfTensor", "torch.BFloat16Tensor", "torch.FloatTensor",
      "torch.DoubleTensor", "torch.BoolTensor"};
  return names[static_cast<int>(t)];
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  int ca = category(a), cb = category(b);
  if (ca != cb) return ca > cb ? a : b;
  if (ca == 2) {
    // The two 16-bit floats have no common 16-bit type.
    if (is_reduced_float(a) && is_reduced_float(b)) return DType::float32;
    return std::max(a, b);
  }
  // uint8 with a signed type needs a signed type that holds both.
  DType low = std::min(a, b), high = std::max(a, b);
  if (low == DType::uint8 && high == DType::int8) return DType::int16;
  return high;
}

namespace {
DType g_default_dtype = DType::float32;
}
DType default_dtype() { return g_default_dtype; }
void set_default_dtype(DType t) {
  PC_CHECK_TYPE(is_floating(t), "only floating-point types are supported as the default type");
  g_default_dtype = t;
}

float half_to_float(uint16_t h) {
  uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  uint32_t exponent = (h >> 10) & 0x1f, mantissa = h & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | (mantissa << 13));
  if (exponent == 0) {
    // Zero and subnormals: mantissa * 2^-24 is exact in float32.
    float v = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(v));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t float_to_half(float x) {
  uint32_t u = std::bit_cast<uint32_t>(x);
  uint16_t sign = static_cast<uint16_t>((u >> 16) & 0x8000);
  u &= 0x7fffffff;
  if (u > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);
  if (u >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to 65536 or is inf
  if (u < 0x38800000) {
    // Below 2^-14: adding 0.5 lets the float unit round at the subnormal's last bit.
    float v = std::bit_cast<float>(u) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(v) - 0x3f000000));
  }
  u += 0xc8000fff + ((u >> 13) & 1);  // rebias the exponent by -112 and round to nearest even
  return static_cast<uint16_t>(sign | (u >> 13));
}

}  // namespace pycore
