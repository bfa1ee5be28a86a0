// Arithmetic on single elements of any dtype, for operators that move elements one by one. Must not
// know tensors.
#pragma once

#include <cmath>
#include <type_traits>

#include "core/dtype.h"
#include "core/reduced_float.h"

namespace pycore {

template <class T>
constexpr bool is_reduced = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// The type in which elements of type T are computed: float for the 16-bit floats, wide integers
// without overflow traps.
template <class T>
using Wide = std::conditional_t<
    is_reduced<T>, float,
    std::conditional_t<std::is_floating_point_v<T>, T,
                       std::conditional_t<std::is_same_v<T, bool>, bool, int64_t>>>;

template <class T>
inline Wide<T> widen(T x) {
  if constexpr (is_reduced<T>)
    return to_float(x);
  else
    return static_cast<Wide<T>>(x);
}
template <class T>
inline T narrow_to(Wide<T> x) {
  if constexpr (is_reduced<T>)
    return store_float<T>(x);
  else
    return static_cast<T>(x);
}
// Integers wrap around, bool is "or".
template <class T>
inline T sum_of(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a || b;
  else if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return narrow_to<T>(widen(a) + widen(b));
}
template <class T>
inline T product_of(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a && b;
  else if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else
    return narrow_to<T>(widen(a) * widen(b));
}
template <class T>
inline bool is_nan(T x) {
  if constexpr (is_reduced<T>)
    return std::isnan(to_float(x));
  else if constexpr (std::is_floating_point_v<T>)
    return std::isnan(x);
  else
    return false;
}
// NaN counts as the largest number, as PyTorch sorts.
template <class T>
inline bool less_nan_last(T a, T b) {
  if (is_nan(b)) return !is_nan(a);
  return widen(a) < widen(b);
}

}  // namespace pycore
