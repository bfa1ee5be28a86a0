// Elements that lie apart, brought side by side. Must not know what is computed of them.
#pragma once

#include <stdint.h>
#include <string.h>

namespace pycore::kernels {
namespace {  // internal linkage: compiled once per ISA level

// out[i] = in[i * stride]. Known strides are loops of their own, which become vector code.
template <class T>
__attribute__((noinline)) void gather_strided(const T* in, int64_t stride, int64_t n, T* out) {
  if (stride == 0) {
    const T value = n > 0 ? *in : T{};
    for (int64_t i = 0; i < n; ++i) out[i] = value;
  } else if (stride == 1) {
    memcpy(out, in, sizeof(T) * static_cast<size_t>(n));
  } else if (stride == 2) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = in[2 * i];
  } else if (stride == 4) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = in[4 * i];
  } else {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4, in += 4 * stride) {
      const T a = in[0], b = in[stride], c = in[2 * stride], d = in[3 * stride];
      out[i] = a;
      out[i + 1] = b;
      out[i + 2] = c;
      out[i + 3] = d;
    }
    for (; i < n; ++i, in += stride) out[i] = *in;
  }
}

// Elements that a loop over contiguous ones takes at a time, through a buffer where they are not.
inline constexpr int64_t kStageBlock = 512;
template <class T>
inline const T* stage(const T* in, int64_t stride, T* buffer, int64_t n) {
  if (stride == 1) return in;
  gather_strided(in, stride, n, buffer);
  return buffer;
}

}  // namespace
}  // namespace pycore::kernels
