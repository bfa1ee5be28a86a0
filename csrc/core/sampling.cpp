// Integers in a range, permutations, coin flips and counts: which words of the generator become
// which number. No tensors, no argument checks; choices by weight are in core/multinomial.cpp.
#include "core/sampling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include "core/check.h"
#include "core/reduced_float.h"

namespace pycore {
namespace {

constexpr int64_t kChunk = 1024;
constexpr uint64_t kWideRange = 1ULL << 28;  // from here on a 32-bit draw would be visibly biased

template <class T>
constexpr bool kIsFloating =
    std::is_floating_point_v<T> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

template <class T>
constexpr int kDigits = std::is_same_v<T, Half>       ? 11
                        : std::is_same_v<T, BFloat16> ? 8
                                                      : std::numeric_limits<T>::digits;

// An integer as T; integers wrap, floats round.
template <class T>
T store_integer(int64_t x) {
  if constexpr (std::is_same_v<T, bool>) {
    return x != 0;
  } else {
    return store_float<T>(x);
  }
}

template <class T>
double as_double(T x) {
  return static_cast<double>(to_float(x));
}
double as_double(double x) { return x; }

// a mod d for 32-bit a without a division per number (Lemire, Kaser and Kurz, 2019).
class Modulus {
 public:
  explicit Modulus(uint32_t d) : divisor_(d), inverse_(~0ULL / d + 1) {}
  uint32_t operator()(uint32_t a) const {
    const uint64_t fraction = inverse_ * a;
    return static_cast<uint32_t>((static_cast<unsigned __int128>(fraction) * divisor_) >> 64);
  }

 private:
  uint64_t divisor_;
  uint64_t inverse_;
};

// Calls emit(i, words) for i = 0 .. n-1, where words points at the kWords words of number i.
template <int kWords, class Emit>
void for_each_draw(Generator& generator, int64_t n, const Emit& emit) {
  std::array<uint32_t, kWords * kChunk> words;
  const std::lock_guard lock(generator.mutex());
  for (int64_t begin = 0; begin < n; begin += kChunk) {
    const int64_t count = std::min(kChunk, n - begin);
    generator.random_words(words.data(), kWords * count);
    for (int64_t i = 0; i < count; ++i) emit(begin + i, words.data() + kWords * i);
  }
}

uint64_t join(const uint32_t* words) { return static_cast<uint64_t>(words[0]) << 32 | words[1]; }

constexpr uint64_t kLow53 = (1ULL << 53) - 1;

}  // namespace

template <class T>
void fill_random_range(Generator& generator, T* out, int64_t n, uint64_t range, int64_t base) {
  const auto offset = static_cast<uint64_t>(base);
  if (range >= kWideRange) {
    for_each_draw<2>(generator, n, [&](int64_t i, const uint32_t* words) {
      out[i] = store_integer<T>(static_cast<int64_t>(join(words) % range + offset));
    });
  } else {
    const Modulus modulus(static_cast<uint32_t>(range));
    for_each_draw<1>(generator, n, [&](int64_t i, const uint32_t* words) {
      out[i] = store_integer<T>(static_cast<int64_t>(modulus(*words) + offset));
    });
  }
}

template <class T>
void fill_random_64_bits(Generator& generator, T* out, int64_t n) {
  for_each_draw<2>(generator, n, [&](int64_t i, const uint32_t* words) {
    out[i] = store_integer<T>(static_cast<int64_t>(join(words)));
  });
}

template <class T>
int64_t greatest_random() {
  if constexpr (kIsFloating<T>) {
    return int64_t{1} << kDigits<T>;
  } else {
    return static_cast<int64_t>(std::numeric_limits<T>::max());
  }
}

template <class T>
void fill_random(Generator& generator, T* out, int64_t n) {
  const auto range = static_cast<uint64_t>(greatest_random<T>()) + 1;
  if constexpr (sizeof(T) == 8) {
    for_each_draw<2>(generator, n, [&](int64_t i, const uint32_t* words) {
      out[i] = store_integer<T>(static_cast<int64_t>(join(words) % range));
    });
  } else {
    for_each_draw<1>(generator, n, [&](int64_t i, const uint32_t* words) {
      out[i] = store_integer<T>(static_cast<int64_t>(*words % range));
    });
  }
}

template <class T>
std::pair<int64_t, int64_t> representable_range(int64_t from, int64_t to) {
  // The spacing of T's numbers around x.
  const auto spacing = [](int64_t x) {
    const uint64_t magnitude = x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
    return int64_t{1} << (63 - std::countl_zero(magnitude) - kDigits<T> + 1);
  };
  const auto rounded = [](int64_t x) {
    return static_cast<int64_t>(as_double(store_integer<T>(x)));
  };
  if (const int64_t above = rounded(from + 1); above < from) from = above + spacing(from + 1);
  if (const int64_t below = rounded(to - 1); below >= to) to = below - spacing(to - 1);
  return {from, to};
}

void fill_permutation(Generator& generator, int64_t* out, int64_t n) {
  const std::lock_guard lock(generator.mutex());
  if (n < std::numeric_limits<uint32_t>::max() / 20) {
    // Fisher and Yates from the front; 32 bits suffice while the bias stays below 5 % of one place.
    std::iota(out, out + n, int64_t{0});
    for (int64_t i = 0; i < n - 1; ++i) {
      std::swap(out[i], out[i + generator.random() % static_cast<uint32_t>(n - i)]);
    }
  } else {
    // The inside-out form, which fills while it shuffles.
    for (int64_t i = 0; i < n; ++i) {
      const auto pick = static_cast<int64_t>(generator.random64() % static_cast<uint64_t>(i + 1));
      out[i] = out[pick];
      out[pick] = i;
    }
  }
}

template <class T>
void fill_bernoulli(Generator& generator, T* out, int64_t n, double p, T yes) {
  // draw * 2^-53 < p, in integers: scaling p is exact.
  const auto limit = static_cast<uint64_t>(std::ceil(p * 0x1p53));
  // A table, as the coin defeats branch prediction.
  const T outcomes[2] = {store_integer<T>(0), yes};
  for_each_draw<2>(generator, n, [&](int64_t i, const uint32_t* words) {
    out[i] = outcomes[(join(words) & kLow53) < limit];
  });
}

template <class T>
void fill_bernoulli(Generator& generator, T* out, int64_t n, double p) {
  fill_bernoulli(generator, out, n, p, store_integer<T>(1));
}

template <class T, class P>
void fill_bernoulli_each(Generator& generator, T* out, const P* p, int64_t n) {
  if constexpr (std::is_same_v<P, double>) {
    for_each_draw<2>(generator, n, [&](int64_t i, const uint32_t* words) {
      out[i] = store_integer<T>(static_cast<double>(join(words) & kLow53) * 0x1p-53 < p[i]);
    });
  } else {
    for_each_draw<1>(generator, n, [&](int64_t i, const uint32_t* words) {
      out[i] = store_integer<T>(static_cast<float>(*words & 0xffffffu) * 0x1p-24f < to_float(p[i]));
    });
  }
}

template <class T>
void fill_geometric(Generator& generator, T* out, int64_t n, double p) {
  const double scale = std::log1p(-p);
  for_each_draw<2>(generator, n, [&](int64_t i, const uint32_t* words) {
    const double unit = static_cast<double>(join(words) & kLow53) * 0x1p-53;
    const double trials = std::ceil(std::log(unit) / scale);
    if constexpr (kIsFloating<T>) {
      out[i] = store_float<T>(trials);
    } else {
      out[i] = static_cast<T>(trials);
    }
  });
}

namespace {

// Small rates: multiply uniform numbers until the product falls below exp(-rate) (Knuth). Large
// ones: transformed rejection, algorithm PTRS of Hoermann (1993).
double poisson_number(Generator& generator, double rate) {
  PC_CHECK(rate >= 0.0, "invalid Poisson rate, expected rate to be non-negative, got ", rate);
  if (rate == 0.0) return 0.0;
  if (rate < 10.0) {
    const double limit = std::exp(-rate);
    double count = 0.0;
    for (double product = generator.uniform53(); product > limit; product *= generator.uniform53())
      ++count;
    return count;
  }
  const double log_rate = std::log(rate);
  const double b = 0.931 + 2.53 * std::sqrt(rate);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double accept = 0.9277 - 3.6224 / (b - 2.0);
  for (;;) {
    const double u = generator.uniform53() - 0.5;
    const double v = generator.uniform53();
    const double us = 0.5 - std::fabs(u);
    const double k = std::floor((2.0 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= accept) return k;
    if (k < 0.0 || (us < 0.013 && v > us)) continue;
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
        -rate + k * log_rate - std::lgamma(k + 1.0)) {
      return k;
    }
  }
}

}  // namespace

template <class T>
void fill_poisson(Generator& generator, T* out, const T* rate, int64_t n) {
  const std::lock_guard lock(generator.mutex());
  for (int64_t i = 0; i < n; ++i)
    out[i] = store_float<T>(poisson_number(generator, as_double(rate[i])));
}

#define PYCORE_INSTANTIATE(T)                                                               \
  template void fill_random_range<T>(Generator&, T*, int64_t, uint64_t, int64_t);           \
  template void fill_random_64_bits<T>(Generator&, T*, int64_t);                            \
  template void fill_random<T>(Generator&, T*, int64_t);                                    \
  template int64_t greatest_random<T>();                                                    \
  template void fill_bernoulli<T>(Generator&, T*, int64_t, double);                         \
  template void fill_bernoulli<T>(Generator&, T*, int64_t, double, T);                      \
  template void fill_bernoulli_each<T, float>(Generator&, T*, const float*, int64_t);       \
  template void fill_bernoulli_each<T, double>(Generator&, T*, const double*, int64_t);     \
  template void fill_bernoulli_each<T, Half>(Generator&, T*, const Half*, int64_t);         \
  template void fill_bernoulli_each<T, BFloat16>(Generator&, T*, const BFloat16*, int64_t); \
  template void fill_geometric<T>(Generator&, T*, int64_t, double);
#define PYCORE_INSTANTIATE_FLOATING(T)                                           \
  PYCORE_INSTANTIATE(T)                                                          \
  template std::pair<int64_t, int64_t> representable_range<T>(int64_t, int64_t); \
  template void fill_poisson<T>(Generator&, T*, const T*, int64_t);
PYCORE_INSTANTIATE_FLOATING(float)
PYCORE_INSTANTIATE_FLOATING(double)
PYCORE_INSTANTIATE_FLOATING(Half)
PYCORE_INSTANTIATE_FLOATING(BFloat16)
PYCORE_INSTANTIATE(int64_t)
PYCORE_INSTANTIATE(int32_t)
PYCORE_INSTANTIATE(int16_t)
PYCORE_INSTANTIATE(int8_t)
PYCORE_INSTANTIATE(uint8_t)
PYCORE_INSTANTIATE(bool)
#undef PYCORE_INSTANTIATE_FLOATING
#undef PYCORE_INSTANTIATE

}  // namespace pycore
