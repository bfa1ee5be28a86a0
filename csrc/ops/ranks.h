// Order of values as order of integers. A rank holds a key, whose order is that of the values,
// above the place that the value came from: sorting ranks sorts values, and equal ones keep their
// order. Must not know operators.
#pragma once

#include <stdint.h>

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/cpu.h"
#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/order.h"
#include "ops/element.h"

namespace pycore {

template <class T>
constexpr int kKeyBits = 8 * sizeof(T);
template <class T>
constexpr DType dtype_of = std::is_same_v<T, uint8_t>    ? DType::uint8
                           : std::is_same_v<T, int8_t>   ? DType::int8
                           : std::is_same_v<T, int16_t>  ? DType::int16
                           : std::is_same_v<T, int32_t>  ? DType::int32
                           : std::is_same_v<T, int64_t>  ? DType::int64
                           : std::is_same_v<T, Half>     ? DType::float16
                           : std::is_same_v<T, BFloat16> ? DType::bfloat16
                           : std::is_same_v<T, float>    ? DType::float32
                           : std::is_same_v<T, double>   ? DType::float64
                                                         : DType::bool_;
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

// Ranks of n values of a type with keys of 32 bits or fewer, the first of which is at place
// `first`.
inline void write_ranks(DType dtype, const void* x, int64_t n, int64_t stride, uint32_t flip,
                        int64_t first, uint64_t* out) {
  constexpr int64_t kBlock = 1024;
  const auto& order = *kernels_now().order;
  const auto keys_of = order.keys[static_cast<int>(dtype)];
  const auto* from = static_cast<const char*>(x);
  const int64_t step = stride * item_size(dtype);
  int32_t keys[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = std::min(kBlock, n - i);
    keys_of(from + i * step, m, stride, flip, keys);
    order.ranks(keys, m, first + i, out + i);
  }
}

// --- sorting ranks of 64 bits
// ---------------------------------------------------------------------------------------------

template <int kBits>
using DigitCounts = std::array<uint32_t, size_t{1} << kBits>;

template <int kBits>
size_t digit_of(uint64_t rank, int low) {
  return (rank >> low) & ((size_t{1} << kBits) - 1);
}

// Counts kPasses digits, the first one from bit `low` on.
template <int kBits, int kPasses>
void count_digits(const uint64_t* ranks, int64_t n, int low, DigitCounts<kBits>* counts) {
  for (int64_t i = 0; i < n; ++i)
    for (int pass = 0; pass < kPasses; ++pass)
      ++counts[pass][digit_of<kBits>(ranks[i], low + pass * kBits)];
}
// One digit. Neighbours often agree in the high ones, and two tables wait less for each other.
template <int kBits>
void count_digit(const uint64_t* ranks, int64_t n, int low, DigitCounts<kBits>& counts) {
  DigitCounts<kBits> odd;
  counts.fill(0);
  odd.fill(0);
  for (int64_t i = 0; i + 1 < n; i += 2) {
    ++counts[digit_of<kBits>(ranks[i], low)];
    ++odd[digit_of<kBits>(ranks[i + 1], low)];
  }
  if (n % 2 == 1) ++counts[digit_of<kBits>(ranks[n - 1], low)];
  for (size_t d = 0; d < counts.size(); ++d) counts[d] += odd[d];
}
// next[d]: where the next rank with digit d goes.
template <int kBits>
void move_by_digit(const uint64_t* ranks, int64_t n, int low, DigitCounts<kBits>& next,
                   uint64_t* to) {
  for (int64_t i = 0; i < n; ++i) to[next[digit_of<kBits>(ranks[i], low)]++] = ranks[i];
}

// Least significant digit first; each pass keeps the order that it finds (Knuth, The Art of
// Computer Programming 3, 5.2.5). Sorts by bits [low, high) and returns where the result is. Ranks
// are all different, so that there is one result, whatever the number of threads.
template <int kBits>
uint64_t* radix_sort(uint64_t* ranks, uint64_t* other, int64_t n, int low, int high) {
  std::array<DigitCounts<kBits>, (64 + kBits - 1) / kBits> counts;
  const int passes = (high - low + kBits - 1) / kBits;
  for (int pass = 0; pass < passes; ++pass) counts[static_cast<size_t>(pass)].fill(0);
  for (int pass = 0; pass < passes;) {
    const int at = low + pass * kBits, left = passes - pass;
    DigitCounts<kBits>* to = &counts[static_cast<size_t>(pass)];
    if (left >= 3)
      count_digits<kBits, 3>(ranks, n, at, to);
    else if (left >= 2)
      count_digits<kBits, 2>(ranks, n, at, to);
    else
      count_digits<kBits, 1>(ranks, n, at, to);
    pass += std::min(left, 3);
  }
  for (int pass = 0; pass < passes; ++pass) {
    const int at = low + pass * kBits;
    DigitCounts<kBits>& next = counts[static_cast<size_t>(pass)];
    if (next[digit_of<kBits>(ranks[0], at)] == n) continue;  // all the same
    uint32_t start = 0;
    for (uint32_t& count : next) start += std::exchange(count, start);
    move_by_digit<kBits>(ranks, n, at, next, other);
    std::swap(ranks, other);
  }
  return ranks;
}
// The same with a part of the ranks per thread: digit by digit, and part by part within a digit.
template <int kBits>
uint64_t* radix_sort_parallel(uint64_t* ranks, uint64_t* other, int64_t n, int low, int high) {
  const int64_t parts = num_threads(), size = (n + parts - 1) / parts;
  std::vector<DigitCounts<kBits>> counts(static_cast<size_t>(parts));
  for (int at = low; at < high; at += kBits) {
    parallel_for(n, size, [&](int64_t b, int64_t e) {
      count_digit<kBits>(ranks + b, e - b, at, counts[static_cast<size_t>(b / size)]);
    });
    const size_t first = digit_of<kBits>(ranks[0], at);
    int64_t alike = 0;
    for (const auto& part : counts) alike += part[first];
    if (alike == n) continue;
    uint32_t start = 0;
    for (size_t d = 0; d < counts[0].size(); ++d)
      for (auto& part : counts) start += std::exchange(part[d], start);
    parallel_for(n, size, [&](int64_t b, int64_t e) {
      move_by_digit<kBits>(ranks + b, e - b, at, counts[static_cast<size_t>(b / size)], other);
    });
    std::swap(ranks, other);
  }
  return ranks;
}

// With the digits that suit the number of ranks: wide ones save a pass, but open so many streams
// that the caches must hold all of them, and want enough ranks to pay for their tables.
inline uint64_t* sort_ranks(uint64_t* ranks, uint64_t* other, int64_t n, int low, int high) {
  constexpr int64_t kFewest = 2048, kMost = 400'000, kParallel = 1 << 16;
  const bool wide = n >= kFewest && n <= kMost;
  if (n >= kParallel && num_threads() > 1)
    return wide ? radix_sort_parallel<11>(ranks, other, n, low, high)
                : radix_sort_parallel<8>(ranks, other, n, low, high);
  return wide ? radix_sort<11>(ranks, other, n, low, high)
              : radix_sort<8>(ranks, other, n, low, high);
}

// Puts one line after the other in order.
class LineSorter {
 public:
  // For lines of up to n values.
  explicit LineSorter(int64_t n)
      : room_(empty({{2 * n + kernels::kSortSpare}}, DType::int64)), second_(n) {
    PC_CHECK_IMPLEMENTED(n >> 32 == 0, "lines of ", n, " elements cannot be sorted: 2^32 or more");
  }

  // Sorts n values, `stride` apart.
  template <class T>
  void sort(const T* x, int64_t stride, int64_t n, bool descending) {
    ranks_ = static_cast<uint64_t*>(static_cast<void*>(room_->data));
    if constexpr (sizeof(T) == 8) {
      sort_wide(x, stride, n, descending ? ~uint64_t{0} : 0);
    } else {
      in_registers_ = fits_registers(n, kKeyBits<T>);
      flip_ = (descending ? ~uint32_t{0} : 0) ^ (in_registers_ ? uint32_t{1} << 31 : 0);
      parallel_for(n, kPart, [&](int64_t b, int64_t e) {
        write_ranks(dtype_of<T>, x + b * stride, e - b, stride, flip_, b, ranks_ + b);
      });
      sort_bits(n, 32 + kKeyBits<T>);
    }
  }
  // Writes what has been sorted, values and where they were, `out_stride` apart.
  template <class T>
  void write(const T* x, int64_t stride, int64_t n, bool descending, T* values, int64_t* places,
             int64_t out_stride) const {
    parallel_for(n, kPart, [&](int64_t b, int64_t e) {
      if constexpr (sizeof(T) < 8) {
        const auto values_of = kernels_now().order->values[static_cast<int>(dtype_of<T>)];
        constexpr int64_t kBlock = 256;
        union {
          int32_t keys[kBlock];
          T block[kBlock];
        };
        T narrow[sizeof(T) < 4 ? kBlock : 1];
        T* const found = sizeof(T) < 4 ? narrow : block;
        int64_t from[kBlock];
        for (; b < e; b += kBlock) {
          const int64_t m = std::min(kBlock, e - b);
          for (int64_t k = 0; k < m; ++k) {
            keys[k] = static_cast<int32_t>(ranks_[b + k] >> 32);
            from[k] = place(b + k);
          }
          values_of(keys, from, 1, m, x, 0, stride, flip_, found);
          for (int64_t k = 0; k < m; ++k) {
            values[(b + k) * out_stride] = found[k];
            places[(b + k) * out_stride] = from[k];
          }
        }
      } else {
        for (int64_t k = b; k < e; ++k) {
          values[k * out_stride] = value(x, stride, k, descending);
          places[k * out_stride] = place(k);
        }
      }
    });
  }
  // Where the value at place k of the order was.
  int64_t place(int64_t k) const {
    return static_cast<int64_t>(ranks_[k] & ((uint64_t{1} << places_) - 1));
  }

 private:
  // The value at place k. A whole key says it, unless the value is zero or NaN, whose bits are
  // lost; to read it may be a long way.
  template <class T>
  T value(const T* x, int64_t stride, int64_t k, bool descending) const {
    constexpr uint64_t kSign = uint64_t{1} << 63;
    const uint64_t key =
        (((ranks_[k] ^ sign()) >> places_) + least_) ^ (descending ? ~uint64_t{0} : 0);
    if constexpr (std::is_integral_v<T>) {
      if (lost_ == 0) return std::bit_cast<T>(key ^ kSign);
    } else if (lost_ == 0 && key != kSign && key != ~uint64_t{0}) {
      return std::bit_cast<T>((key & kSign) != 0 ? key ^ kSign : ~key);
    }
    return x[place(k) * stride];
  }
  // Sorted in registers, integers have a sign: the highest bit is the other way round.
  uint64_t sign() const { return in_registers_ ? uint64_t{1} << 63 : 0; }

  // Are n ranks with keys of so many bits faster sorted in registers than digit by digit?
  static bool fits_registers(int64_t n, int bits) {
    const auto& order = *kernels_now().order;
    const int64_t passes = (bits + 10) / 11;
    const int64_t up_to = order.sort_up_to * (passes < 3 ? 1 : passes > 3 ? 16 : 4) / 4;
    return order.sort_integers && (n <= up_to || (n >= order.sort_from && passes > 2));
  }
  void sort_bits(int64_t n, int high) {
    constexpr int64_t kInsertion = 32;
    if (in_registers_) {
      auto* integers = static_cast<int64_t*>(static_cast<void*>(ranks_));
      kernels_now().order->sort_integers(kernel_context(), integers, n, integers + second_);
    } else if (n <= kInsertion) {
      for (int64_t i = 1; i < n; ++i) {
        const uint64_t rank = ranks_[i];
        int64_t k = i;
        for (; k > 0 && ranks_[k - 1] > rank; --k) ranks_[k] = ranks_[k - 1];
        ranks_[k] = rank;
      }
    } else {
      ranks_ = sort_ranks(ranks_, ranks_ + second_, n, places_, high);
    }
  }

  // Keys of 64 bits: what exceeds the least of them, if that leaves room for places; else its
  // highest bits, and what these do not tell apart is put right afterwards.
  template <class T>
  void sort_wide(const T* x, int64_t stride, int64_t n, uint64_t flip) {
    const int64_t parts = (n + kPart - 1) / kPart;
    struct Range {
      uint64_t least = ~uint64_t{0}, most = 0;
    };
    std::vector<Range> ranges(static_cast<size_t>(parts));
    parallel_for(n, kPart, [&](int64_t b, int64_t e) {
      Range range;
      for (int64_t i = b; i < e; ++i) {
        const uint64_t key = key_of(x[i * stride]) ^ flip;
        range.least = std::min(range.least, key);
        range.most = std::max(range.most, key);
      }
      ranges[static_cast<size_t>(b / kPart)] = range;
    });
    Range all;
    for (const Range& range : ranges) {
      all.least = std::min(all.least, range.least);
      all.most = std::max(all.most, range.most);
    }
    least_ = all.least;
    places_ = std::bit_width(static_cast<uint64_t>(std::max<int64_t>(n, 2) - 1));
    const int bits = std::bit_width(all.most - all.least);
    lost_ = std::max(0, bits + places_ - 64);
    in_registers_ = fits_registers(n, bits - lost_);
    const uint64_t sign = this->sign();
    parallel_for(n, kPart, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i)
        ranks_[i] = (((key_of(x[i * stride]) ^ flip) - least_) >> lost_ << places_ |
                     static_cast<uint64_t>(i)) ^
                    sign;
    });
    sort_bits(n, bits - lost_ + places_);
    if (lost_ == 0) return;
    const auto before = [&](uint64_t a, uint64_t b) {
      const uint64_t mask = (uint64_t{1} << places_) - 1;
      const uint64_t p = key_of(x[static_cast<int64_t>(a & mask) * stride]) ^ flip;
      const uint64_t q = key_of(x[static_cast<int64_t>(b & mask) * stride]) ^ flip;
      return p != q ? p < q : a < b;
    };
    for (int64_t i = 0, end = 0; i < n; i = end) {
      for (end = i + 1; end < n && ranks_[end] >> places_ == ranks_[i] >> places_;) ++end;
      if (end - i > 1 && !std::is_sorted(ranks_ + i, ranks_ + end, before))
        std::sort(ranks_ + i, ranks_ + end, before);
    }
  }

  static constexpr int64_t kPart = 1 << 16;  // values of a task
  Tensor room_;                              // for the ranks, twice
  int64_t second_;                           // where the second half begins
  uint64_t* ranks_ = nullptr;
  bool in_registers_ = false;
  uint32_t flip_ = 0;   // what the bits of short keys have been changed by
  int places_ = 32;     // bits below the key
  int lost_ = 0;        // bits of the key that are not in the rank
  uint64_t least_ = 0;  // what has been taken from the key
};

// --- selecting by rank
// ----------------------------------------------------------------------------------------------------

// Room for the ranks of one line after the other.
template <class Rank>
struct RankRoom {
  kernels::Scratch<Rank> first, second;
  RankRoom(const kernels::Context& ctx, int64_t n) : first(ctx, n), second(ctx, n) {}
};

// What follows knows ranks only, so that it is compiled for two types and not for every dtype.

// The k least of n ranks, whose places are in order, in order; where they are. `other` is room for
// as many.
inline const unsigned __int128* least_ranks(unsigned __int128* ranks, unsigned __int128*, int64_t k,
                                            int64_t n) {
  if (k < n) std::nth_element(ranks, ranks + k, ranks + n);
  std::sort(ranks, ranks + k);
  return ranks;
}
inline const uint64_t* least_ranks(uint64_t* ranks, uint64_t* other, int64_t k, int64_t n) {
  constexpr int64_t kFew = 128;
  if (n > kFew) return sort_ranks(ranks, other, n, 32, 64);
  std::sort(ranks, ranks + n);
  static_cast<void>(k);
  return ranks;
}

// The rank that would be at place k if they were sorted. `other` is room for as many.
inline const unsigned __int128* nth_rank(unsigned __int128* ranks, unsigned __int128*, int64_t k,
                                         int64_t n) {
  std::nth_element(ranks, ranks + k, ranks + n);
  return ranks + k;
}
// Digit by digit from the highest one on, only those are kept that may still be it.
inline const uint64_t* nth_rank(uint64_t* ranks, uint64_t* other, int64_t k, int64_t n) {
  constexpr int64_t kFew = 64;
  constexpr int kBits = 8;
  for (int low = 64 - kBits; n > kFew && low >= 0; low -= kBits) {
    DigitCounts<kBits> counts;
    count_digit<kBits>(ranks, n, low, counts);
    size_t digit = 0;
    while (k >= counts[digit]) k -= counts[digit++];
    if (counts[digit] == n) continue;
    int64_t kept = 0;
    for (int64_t i = 0; i < n; ++i) {  // writes first and decides then whether to keep it
      other[kept] = ranks[i];
      kept += digit_of<kBits>(ranks[i], low) == digit;
    }
    n = kept;
    ranks = other;  // what is kept never lies before what has been read
  }
  std::nth_element(ranks, ranks + k, ranks + n);
  return ranks + k;
}

// The k least ranks seen so far as a heap, the greatest of them on top.
template <class Rank>
__attribute__((noinline)) void replace_greatest(Rank* heap, int64_t k, Rank rank) {
  int64_t hole = 0;
  for (int64_t child; (child = 2 * hole + 1) < k; hole = child) {
    if (child + 1 < k && heap[child] < heap[child + 1]) ++child;
    if (!(rank < heap[child])) break;
    heap[hole] = heap[child];
  }
  heap[hole] = rank;
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
  uint64_t key_at(int64_t i) const {
    const uint64_t key = key_of(value(i));
    return descending ? key ^ kLastKey<T> : key;
  }
  Rank rank(int64_t i) const {
    return static_cast<Rank>(key_at(i)) << kPlaceBits | static_cast<Rank>(static_cast<uint64_t>(i));
  }
  static uint64_t key(Rank r) { return static_cast<uint64_t>(r >> kPlaceBits); }
  static int64_t place(Rank r) {
    return static_cast<int64_t>(r & (~Rank{0} >> (8 * sizeof(Rank) - kPlaceBits)));
  }

  void fill() {
    if constexpr (sizeof(T) == 8)
      for (int64_t i = 0; i < n; ++i) ranks[i] = rank(i);
    else
      write_ranks(dtype_of<T>, values, n, stride, descending ? ~uint32_t{0} : 0, 0, ranks);
  }
  // Ranks of the values at [begin, end).
  void fill_part(int64_t begin, int64_t end, Rank* out) const {
    if constexpr (sizeof(T) == 8) {
      for (int64_t i = begin; i < end; ++i) *out++ = rank(i);
    } else {
      write_ranks(dtype_of<T>, values + begin * stride, end - begin, stride,
                  descending ? ~uint32_t{0} : 0, begin, out);
    }
  }
  // The first i from `begin` on whose key is below that of `bound`, or n.
  int64_t first_below(int64_t begin, Rank bound) const {
    if constexpr (sizeof(T) < 8) {
      if (stride == 1)
        return kernels_now().order->first_below[static_cast<int>(dtype_of<T>)](
            values, begin, n, descending ? ~uint32_t{0} : 0, static_cast<uint32_t>(key(bound)));
    }
    for (; begin < n; ++begin)
      if (rank(begin) < bound) break;
    return begin;
  }
  // How many NaNs there are; ranks must be filled, ascending.
  int64_t nans() const {
    if constexpr (std::is_integral_v<T>)
      return 0;
    else
      return std::count_if(ranks, ranks + n, [](Rank r) { return key(r) == kLastKey<T>; });
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
