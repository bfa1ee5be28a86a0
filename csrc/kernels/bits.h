// The unsigned integer of an element's size, for code that moves elements without reading them: one
// copy for all types of a size. Must not know anything else.
#pragma once

#include <stdint.h>

namespace pycore::kernels {
namespace {

template <int kBytes>
struct UnsignedOf;
template <>
struct UnsignedOf<1> {
  using type = uint8_t;
};
template <>
struct UnsignedOf<2> {
  using type = uint16_t;
};
template <>
struct UnsignedOf<4> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<8> {
  using type = uint64_t;
};
template <class T>
using Bits = typename UnsignedOf<sizeof(T)>::type;

}  // namespace
}  // namespace pycore::kernels
