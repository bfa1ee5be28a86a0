// Moving elements by a list of places. Must not know tensors.
#include "kernels/indexing.h"

#include "simd/vec.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

namespace v = simd;
using simd::Vec;

void range(const int64_t* p, int64_t n, int64_t* low, int64_t* high) {
  constexpr int kStep = v::kLanes<int64_t>;
  constexpr int kChains = 4;
  int64_t i = 0, least = *low, most = *high;
  if (n >= kChains * kStep) {
    Vec<int64_t> small[kChains], large[kChains];
    for (int c = 0; c < kChains; ++c) small[c] = large[c] = v::load(p + c * kStep);
    for (i = kChains * kStep; i + kChains * kStep <= n; i += kChains * kStep)
      for (int c = 0; c < kChains; ++c) {
        const Vec<int64_t> x = v::load(p + i + c * kStep);
        small[c] = x < small[c] ? x : small[c];
        large[c] = x > large[c] ? x : large[c];
      }
    for (int c = 0; c < kChains; ++c)
      for (int k = 0; k < kStep; ++k) {
        least = small[c][k] < least ? small[c][k] : least;
        most = large[c][k] > most ? large[c][k] : most;
      }
  }
  for (; i < n; ++i) {
    least = p[i] < least ? p[i] : least;
    most = p[i] > most ? p[i] : most;
  }
  *low = least;
  *high = most;
}

bool within(const int64_t* p, int64_t n, int64_t size) {
  // The sign of either is set for one that does not.
  uint64_t outside = 0;
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<uint64_t>(p[i]);
    outside |= at | (static_cast<uint64_t>(size) - 1 - at);
  }
  return static_cast<int64_t>(outside) >= 0;
}

void offsets(const int64_t* at, int64_t n, int64_t size, int64_t stride, int64_t* out) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = (at[i] + ((at[i] >> 63) & size)) * stride;
}

// Element by element: processors load from scattered places no faster by one instruction for
// several lanes than by one each. Indices are read ahead of the stores, which may not alias them.
template <class T>
void pick(const void* from, const int64_t* __restrict at, int64_t n, int64_t stride, int64_t step,
          void* to) {
  const T* x = static_cast<const T*>(from);
  T* __restrict y = static_cast<T*>(to);
  if (step == 0) {
    if (stride == 1) {
#pragma GCC unroll 8
      for (int64_t i = 0; i < n; ++i) y[i] = x[at[i]];
    } else {
      for (int64_t i = 0; i < n; ++i) y[i] = x[at[i] * stride];
    }
    return;
  }
#pragma GCC unroll 4
  for (int64_t i = 0; i < n; ++i, x += step) y[i] = x[at[i] * stride];
}

template <class T>
void put(void* to, const int64_t* __restrict at, int64_t n, int64_t stride, int64_t step,
         const void* from, int64_t from_step) {
  T* y = static_cast<T*>(to);
  const T* __restrict x = static_cast<const T*>(from);
  for (int64_t i = 0; i < n; ++i, y += step, x += from_step) y[at[i] * stride] = *x;
}

}  // namespace

extern const IndexingKernels indexing_kernels;
constinit const IndexingKernels indexing_kernels = {
    range,
    within,
    offsets,
    {pick<uint8_t>, pick<uint16_t>, pick<uint32_t>, pick<uint64_t>},
    {put<uint8_t>, put<uint16_t>, put<uint32_t>, put<uint64_t>},
};

}  // namespace pycore::kernels::PYCORE_ISA
