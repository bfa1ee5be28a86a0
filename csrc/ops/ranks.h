// Order of values as order of integers. A rank holds a key, whose order is that of the values,
// above the place that the value came from: sorting ranks sorts values, and equal ones keep their
// order. Must not know tensors.
#pragma once

#include <stdint.h>

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>
#include <utility>

#include "core/parallel.h"
#include "ops/element.h"

namespace pycore {

template <class T>
constexpr int kKeyBits = 8 * sizeof(T);
template <class T>
constexpr uint64_t kLastKey = ~uint64_t{0} >> (64 - kKeyBits<T>);

// NaN is the largest value, whatever its sign and payload, and -0 equals 0.
template <class T>
uint64_t key_of(T value) {
  constexpr uint64_t kSign = uint64_t{1} << (kKeyBits<T> - 1);
  if constexpr (std::is_same_v<T, bool>) {
    return value;
  } else if constexpr (std::is_integral_v<T>) {
    const auto bits = static_cast<uint64_t>(static_cast<std::make_unsigned_t<T>>(value));
    return std::is_signed_v<T> ? bits ^ kSign : bits;
  } else {
    using Bits = std::conditional_t<sizeof(T) == 8, uint64_t,
                                    std::conditional_t<sizeof(T) == 4, uint32_t, uint16_t>>;
    uint64_t bits = std::bit_cast<Bits>(value);
    if (is_nan(value)) return kLastKey<T>;
    if (bits == kSign) bits = 0;
    return bits & kSign ? bits ^ kLastKey<T> : bits | kSign;
  }
}

// Room for the ranks of one line after the other, and for sorting them.
template <class Rank>
struct RankRoom {
  kernels::Scratch<Rank> first, second;
  RankRoom(const kernels::Context& ctx, int64_t n) : first(ctx, n), second(ctx, n) {}
};

// What follows knows ranks only, so that it is compiled for two types and not for every dtype.

// Least significant digit first; places are in order to begin with, and each pass keeps the order
// that it finds (Knuth, The Art of Computer Programming 3, 5.2.5). True if the result is in
// `other`.
template <int DigitBits, class Rank>
__attribute__((noinline)) bool radix_sort_ranks(Rank* ranks, Rank* other, int64_t n, int place_bits,
                                                int key_bits) {
  constexpr size_t kDigits = size_t{1} << DigitBits;
  constexpr int kMostPasses = (64 + DigitBits - 1) / DigitBits;
  const int passes = (key_bits + DigitBits - 1) / DigitBits;
  const auto digit = [place_bits](Rank r, int pass) {
    return static_cast<size_t>(r >> (place_bits + pass * DigitBits)) & (kDigits - 1);
  };
  std::array<std::array<int64_t, kDigits>, kMostPasses> counts;
  std::fill_n(counts[0].data(), static_cast<size_t>(passes) * kDigits, 0);
  for (int64_t i = 0; i < n; ++i)
    for (int pass = 0; pass < passes; ++pass) ++counts[pass][digit(ranks[i], pass)];
  bool swapped = false;
  for (int pass = 0; pass < passes; ++pass) {
    auto& next = counts[pass];
    if (next[digit(ranks[0], pass)] == n) continue;  // all the same
    int64_t start = 0;
    for (int64_t& count : next) start += std::exchange(count, start);
    for (int64_t i = 0; i < n; ++i) other[next[digit(ranks[i], pass)]++] = ranks[i];
    std::swap(ranks, other);
    swapped = !swapped;
  }
  return swapped;
}

template <class Rank>
__attribute__((noinline)) bool sort_ranks(Rank* ranks, Rank* other, int64_t n, int place_bits,
                                          int key_bits) {
  if (n > 64)
    return n <= 4096 || key_bits < 32 ? radix_sort_ranks<8>(ranks, other, n, place_bits, key_bits)
                                      : radix_sort_ranks<11>(ranks, other, n, place_bits, key_bits);
  std::sort(ranks, ranks + n);
  return false;
}

// Brings the k least ranks to the front, in order.
template <class Rank>
__attribute__((noinline)) void least_ranks_first(Rank* ranks, int64_t k, int64_t n) {
  if (k < n) std::nth_element(ranks, ranks + k, ranks + n);
  std::sort(ranks, ranks + k);
}

// The rank that would be at place k if they were sorted.
template <class Rank>
__attribute__((noinline)) const Rank* nth_rank(Rank* ranks, int64_t k, int64_t n) {
  std::nth_element(ranks, ranks + k, ranks + n);
  return ranks + k;
}

// The k least ranks seen so far as a heap, the greatest of them on top.
template <class Rank>
__attribute__((noinline)) void replace_greatest(Rank* heap, int64_t k, Rank rank) {
  std::pop_heap(heap, heap + k);
  heap[k - 1] = rank;
  std::push_heap(heap, heap + k);
}

// One line of n values, `stride` apart, and the first `n` or fewer of its ranks.
template <class T, class RankType>
struct RankedLine {
  using Rank = RankType;
  static constexpr int kPlaceBits = sizeof(Rank) == 16 ? 64 : 32;

  const T* values;
  int64_t stride, n;
  bool descending;
  Rank *ranks, *other;

  RankedLine(const T* values, int64_t stride, int64_t n, bool descending, RankRoom<Rank>& room)
      : values(values),
        stride(stride),
        n(n),
        descending(descending),
        ranks(room.first.get()),
        other(room.second.get()) {}

  T value(int64_t i) const { return values[i * stride]; }
  Rank rank(int64_t i) const {
    const uint64_t key = key_of(value(i));
    return static_cast<Rank>(descending ? key ^ kLastKey<T> : key) << kPlaceBits |
           static_cast<Rank>(static_cast<uint64_t>(i));
  }
  static uint64_t key(Rank r) { return static_cast<uint64_t>(r >> kPlaceBits); }
  static int64_t place(Rank r) {
    return static_cast<int64_t>(r & (~Rank{0} >> (8 * sizeof(Rank) - kPlaceBits)));
  }

  void fill() {
    for (int64_t i = 0; i < n; ++i) ranks[i] = rank(i);
  }
  // How many NaNs there are; ranks must be filled, ascending.
  int64_t nans() const {
    if constexpr (std::is_integral_v<T>)
      return 0;
    else
      return std::count_if(ranks, ranks + n, [](Rank r) { return key(r) == kLastKey<T>; });
  }
  void sort() {
    fill();
    if (sort_ranks(ranks, other, n, kPlaceBits, kKeyBits<T>)) std::swap(ranks, other);
  }
};

// Calls body(room) with room for ranks of lines of n values. A rank of 64 bits has room for keys of
// up to 32 and as many places.
template <class T, class Body>
void with_ranks(int64_t n, const Body& body) {
  using Rank = std::conditional_t<sizeof(T) == 8, unsigned __int128, uint64_t>;
  PC_CHECK_IMPLEMENTED(sizeof(T) == 8 || n >> 32 == 0, "lines of ", n, " elements of ", sizeof(T),
                       " bytes cannot be sorted: 2^32 or more");
  RankRoom<Rank> room(kernel_context(), n);
  body(room);
}

}  // namespace pycore
