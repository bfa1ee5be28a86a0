// Brings elements that lie apart, or are stored as 16-bit floats, side by side for reduce_driver.h.
// Must not know what is computed of them.
#pragma once

#include "kernels/reduce.h"
#include "simd/half.h"

namespace pycore::kernels {
namespace {

// Elements gathered at a time: a run of them, and the rows of a block of columns.
inline constexpr int64_t kGatherBytes = 16384, kTileBytes = 65536;

template <class T>
__attribute__((noinline)) void gather_as(const char* from, int64_t stride, int64_t n, char* to) {
  const T* p = reinterpret_cast<const T*>(from);
  T* out = reinterpret_cast<T*>(to);
  if (stride == 1) {
    memcpy(out, p, sizeof(T) * static_cast<size_t>(n));
  } else if (stride == 2) {  // known strides become permutations of registers
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = p[2 * i];
  } else if (stride == 4) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = p[4 * i];
  } else {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4, p += 4 * stride) {
      const T a = p[0], b = p[stride], c = p[2 * stride], d = p[3 * stride];
      out[i] = a;
      out[i + 1] = b;
      out[i + 2] = c;
      out[i + 3] = d;
    }
    for (; i < n; ++i, p += stride) out[i] = *p;
  }
}

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
      gather_as<uint16_t>(reinterpret_cast<const char*>(bits), stride, m,
                          reinterpret_cast<char*>(side_by_side));
      bits = side_by_side;
    }
    if (stored == Stored::half) {
      simd::halves_to_floats(bits, out + i, m);
    } else {
#pragma GCC ivdep
      for (int64_t j = 0; j < m; ++j) out[i + j] = simd::bfloat16_to_float(bits[j]);
    }
  }
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
