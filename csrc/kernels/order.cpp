// Values as ranks, and searches among values by rank. Must not know tensors.
#include "kernels/order.h"

#include "kernels/sort_places.h"
#include "kernels/vector_sort.h"
#include "simd/vec.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

// Keys of `Bits` bits, in lanes of 32: the order of unsigned integers is that of the values.
template <class Bits>
struct UnsignedKey {
  using Type = Bits;
  static PYCORE_INLINE uint32_t of(Bits b) { return b; }
  static PYCORE_INLINE Bits bits(uint32_t key) { return static_cast<Bits>(key); }
  static PYCORE_INLINE bool lost(uint32_t) { return false; }
};
template <class Bits>
struct SignedKey {
  using Type = Bits;
  static PYCORE_INLINE uint32_t of(Bits b) {
    return static_cast<Bits>(b ^ (Bits{1} << (8 * sizeof(Bits) - 1)));
  }
  static PYCORE_INLINE Bits bits(uint32_t key) {
    return static_cast<Bits>(of(static_cast<Bits>(key)));
  }
  static PYCORE_INLINE bool lost(uint32_t) { return false; }
};
template <class Bits, uint32_t Infinity>
struct FloatKey {
  using Type = Bits;
  static constexpr uint32_t kAll = static_cast<Bits>(~Bits{0}), kSign = kAll ^ (kAll >> 1);
  static PYCORE_INLINE uint32_t of(Bits b) {
    const uint32_t magnitude = b & ~kSign & kAll;
    const uint32_t key =
        (b & kSign) != 0 && magnitude != 0 ? ~uint32_t{b} & kAll : magnitude | kSign;
    return magnitude > Infinity ? kAll : key;
  }
  static PYCORE_INLINE Bits bits(uint32_t key) {
    return static_cast<Bits>((key & kSign) != 0 ? key ^ kSign : ~key);
  }
  // Does the key not tell the bits? It is that of 0 and -0, or that of all NaNs.
  static PYCORE_INLINE bool lost(uint32_t key) { return key == kSign || key == kAll; }
};

void ranks(const int32_t* __restrict keys, int64_t n, int64_t first, uint64_t* __restrict out) {
  for (int64_t i = 0; i < n; ++i)
    out[i] = uint64_t{static_cast<uint32_t>(keys[i])} << 32 | static_cast<uint64_t>(first + i);
}

template <class Key>
void write_keys_of(const void* x, int64_t n, int64_t stride, uint32_t flip, int32_t* out) {
  const auto* p = static_cast<const typename Key::Type*>(x);
  flip &= static_cast<typename Key::Type>(~typename Key::Type{0});
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int32_t>(Key::of(p[i]) ^ flip);
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int32_t>(Key::of(p[i * stride]) ^ flip);
  }
}
template <class Key>
void values_of(const int32_t* keys, const int64_t* places, int64_t lines, int64_t n, const void* x,
               int64_t step, int64_t stride, uint32_t flip, void* values) {
  using Bits = typename Key::Type;
  const Bits* p = static_cast<const Bits*>(x);
  flip &= static_cast<Bits>(~Bits{0});
  Bits* __restrict out = static_cast<Bits*>(values);
  uint32_t lost = 0;
  const auto turn = [&](int64_t i, uint32_t key) {
    key ^= flip;
    lost |= Key::lost(key);
    out[i] = Key::bits(key);
  };
  if constexpr (sizeof(Bits) == 4)
    for (int64_t i = 0; i < lines * n; ++i) turn(i, out[i]);
  else
    for (int64_t i = 0; i < lines * n; ++i) turn(i, static_cast<uint32_t>(keys[i]));
  if (lost == 0) return;
  for (int64_t line = 0; line < lines; ++line, out += n, places += n, p += step)
    for (int64_t i = 0; i < n; ++i)
      if (Key::lost(Key::of(out[i]))) out[i] = p[places[i] * stride];
}

template <class Key, int kCount>
PYCORE_INLINE bool any_below(const typename Key::Type* p, uint32_t flip, uint32_t bound) {
  uint32_t found = 0;
  for (int k = 0; k < kCount; ++k) found |= (Key::of(p[k]) ^ flip) < bound;
  return found != 0;
}

template <class Key>
int64_t first_below(const void* x, int64_t begin, int64_t n, uint32_t flip, uint32_t bound) {
  const auto* p = static_cast<const typename Key::Type*>(x);
  flip &= static_cast<typename Key::Type>(~typename Key::Type{0});
  int64_t i = begin;
  while (i + 64 <= n && !any_below<Key, 64>(p + i, flip, bound)) i += 64;
  if (i + 32 <= n && !any_below<Key, 32>(p + i, flip, bound)) i += 32;
  for (; i < n; ++i)
    if ((Key::of(p[i]) ^ flip) < bound) return i;
  return n;
}

constexpr OrderKernels make_kernels() {
  OrderKernels k{};
#define KEYS(dtype, ...)                                               \
  k.keys[static_cast<int>(DType::dtype)] = write_keys_of<__VA_ARGS__>; \
  k.values[static_cast<int>(DType::dtype)] = values_of<__VA_ARGS__>;   \
  k.first_below[static_cast<int>(DType::dtype)] = first_below<__VA_ARGS__>;
  KEYS(uint8, UnsignedKey<uint8_t>)
  KEYS(bool_, UnsignedKey<uint8_t>)
  KEYS(int8, SignedKey<uint8_t>)
  KEYS(int16, SignedKey<uint16_t>)
  KEYS(int32, SignedKey<uint32_t>)
  KEYS(float16, FloatKey<uint16_t, 0x7c00>)
  KEYS(bfloat16, FloatKey<uint16_t, 0x7f80>)
  KEYS(float32, FloatKey<uint32_t, 0x7f800000>)
#undef KEYS
  k.ranks = ranks;
#if defined(__AVX2__)
  k.sort_places = sort_places;
  k.sort_integers = vector_sort<int64_t>;
  constexpr bool kWide = simd::kRegisterBytes == 64;
  k.sort_up_to = kWide ? 8192 : 2048;
  k.sort_from = kWide ? 400'000 : INT64_MAX;
  k.sort_values[static_cast<int>(DType::int32)] = sort_values<int32_t, false>;
  k.sort_values[static_cast<int>(DType::int64)] = sort_values<int64_t, false>;
  k.sort_values[static_cast<int>(DType::float32)] = sort_values<int32_t, true>;
  k.sort_values[static_cast<int>(DType::float64)] = sort_values<int64_t, true>;
#endif
  return k;
}

}  // namespace

extern const OrderKernels order_kernels;
constinit const OrderKernels order_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
