// Brings elements that lie apart, or are stored as 16-bit floats, side by side for reduce_driver.h.
// Must not know what is computed of them.
#pragma once

#include "kernels/reduce.h"
#include "kernels/strided.h"
#include "simd/widen.h"

namespace pycore::kernels {
namespace {

// Elements gathered at a time: a run of them, and the rows of a block of columns.
inline constexpr int64_t kGatherBytes = 16384, kTileBytes = 65536;

// 16-bit floats as float32.
inline void gather_wide(const char* from, int64_t stride, int64_t n, Stored stored, char* to) {
  const auto* p = reinterpret_cast<const uint16_t*>(from);
  auto* out = reinterpret_cast<float*>(to);
  constexpr int64_t kSome = 512;
  uint16_t side_by_side[kSome];
  for (int64_t i = 0; i < n; i += kSome) {
    const int64_t m = n - i < kSome ? n - i : kSome;
    const uint16_t* bits = p + i * stride;
    if (stride != 1) {
      gather_strided(bits, stride, m, side_by_side);
      bits = side_by_side;
    }
    if (stored == Stored::half) {
      simd::halves_to_floats(bits, out + i, m);
    } else {
      simd::bfloat16s_to_floats(bits, out + i, m);
    }
  }
}

template <class T>
void gather_as(const char* from, int64_t stride, int64_t n, char* to) {
  gather_strided(reinterpret_cast<const T*>(from), stride, n, reinterpret_cast<T*>(to));
}

// n elements from p on, `stride` apart; `size` bytes each at `to`.
__attribute__((noinline)) inline void gather(const char* p, int64_t stride, int64_t n,
                                             Stored stored, int64_t size, char* to) {
  if (stored != Stored::plain) return gather_wide(p, stride, n, stored, to);
  if (stride == 1) return static_cast<void>(memcpy(to, p, static_cast<size_t>(n * size)));
  switch (size) {
    case 1:
      return gather_as<uint8_t>(p, stride, n, to);
    case 2:
      return gather_as<uint16_t>(p, stride, n, to);
    case 4:
      return gather_as<uint32_t>(p, stride, n, to);
    default:
      return gather_as<uint64_t>(p, stride, n, to);
  }
}

}  // namespace
}  // namespace pycore::kernels
