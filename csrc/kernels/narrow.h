// Arithmetic in float32 on rows that are stored as 16-bit floats, without a row of float32 between.
// Must not know what is computed.
#pragma once

#include "kernels/dtype.h"
#include "simd/widen.h"

namespace pycore::kernels {
namespace {

// kStored: float16 or bfloat16.
template <DType kStored>
PYCORE_INLINE simd::Vec<float> load_narrow(const uint16_t* p) {
  return kStored == DType::float16 ? simd::load_halves(p) : simd::load_bfloat16s(p);
}
// Two registers as 2 * kLanes<float> elements.
template <DType kStored>
PYCORE_INLINE void store_narrow(uint16_t* p, simd::Vec<float> low, simd::Vec<float> high) {
  if constexpr (kStored == DType::bfloat16) {
    simd::store_bfloat16s(p, low, high);
  } else {
    constexpr int kL = simd::kLanes<float>;
    float both[2 * kL];  // which compilers keep in registers
    simd::store<float>(both, low);
    simd::store<float>(both + kL, high);
    simd::floats_to_halves(both, p, 2 * kL);
  }
}

// The fewest elements that narrow_row takes.
inline constexpr int64_t kNarrowRow = 2 * simd::kLanes<float>;

// y[i] = rounded body(i), which gives kLanes<float> values from the i-th element on. The last
// registers overlap those before, so y must not be what body reads.
template <DType kStored, class Body>
PYCORE_INLINE void narrow_row(uint16_t* y, int64_t n, Body body) {
  constexpr int kL = simd::kLanes<float>;
  for (int64_t i = 0; i < n; i += kNarrowRow) {
    if (i + kNarrowRow > n) i = n - kNarrowRow;
    store_narrow<kStored>(y + i, body(i), body(i + kL));
  }
}

}  // namespace
}  // namespace pycore::kernels
