// Continuous distributions over raw buffers: which words of the generator become which number, in
// PyTorch's order. No tensors, no argument checks.
#include "core/distributions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <type_traits>

#include "core/reduced_float.h"

namespace pycore {
namespace {

constexpr int64_t kBlock = 16;    // numbers of one Box-Muller block
constexpr int64_t kChunk = 1024;  // numbers handled at a time; a multiple of kBlock

template <class T>
constexpr bool kIsReduced = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

void uniform_chunk(Generator& generator, float* out, int64_t n, float from, float to) {
  std::array<uint32_t, kChunk> words;
  generator.random_words(words.data(), n);
  random_kernels().uniform_f32(words.data(), out, n, from, to);
}

void uniform_chunk(Generator& generator, double* out, int64_t n, double from, double to) {
  std::array<uint32_t, 2 * kChunk> words;
  generator.random_words(words.data(), 2 * n);
  random_kernels().uniform_f64(words.data(), out, n, from, to);
}

void box_muller(float* data, int64_t blocks, double mean, double std) {
  random_kernels().box_muller_f32(data, blocks, static_cast<float>(mean), static_cast<float>(std));
}

void box_muller(double* data, int64_t blocks, double mean, double std) {
  constexpr int kHalf = kBlock / 2;
  for (double* block = data; block != data + blocks * kBlock; block += kBlock) {
    for (int j = 0; j < kHalf; ++j) {
      const double radius = std::sqrt(-2.0 * std::log(1.0 - block[j]));
      const double angle = 2.0 * std::numbers::pi * block[j + kHalf];
      block[j] = std::fma(radius * std::cos(angle), std, mean);
      block[j + kHalf] = std::fma(radius * std::sin(angle), std, mean);
    }
  }
}

template <class T>
void fill_normal_blocks(Generator& generator, T* out, int64_t n, double mean, double std) {
  // A chunk at a time keeps the numbers in the cache between the two passes.
  using Wide = std::conditional_t<kIsReduced<T>, float, T>;
  std::array<Wide, kChunk> buffer;
  const auto emit = [&](T* to, int64_t count) {
    uniform_chunk(generator, buffer.data(), count, Wide(0), Wide(1));
    box_muller(buffer.data(), count / kBlock, mean, std);
    std::transform(buffer.begin(), buffer.begin() + count, to, store_float<T, Wide>);
  };
  const int64_t whole = n / kBlock * kBlock;
  for (int64_t i = 0; i < whole; i += kChunk) emit(out + i, std::min(kChunk, whole - i));
  if (whole == n) return;
  // The rest is no block of its own: the last 16 numbers are made anew from 16 further draws. The
  // float32 and float64 streams have drawn for the rest before they find out; the reduced types
  // have not.
  if constexpr (!kIsReduced<T>)
    uniform_chunk(generator, buffer.data(), n - whole, Wide(0), Wide(1));
  emit(out + n - kBlock, kBlock);
}

// One pair per two calls: the second number waits in the generator.
double normal_number(Generator& generator, double mean, double std) {
  double x;
  if (generator.next_normal) {
    x = *generator.next_normal;
    generator.next_normal.reset();
  } else {
    const double u1 = generator.uniform53();
    const double u2 = generator.uniform53();
    const double radius = std::sqrt(-2.0 * std::log1p(-u2));
    const double angle = 2.0 * std::numbers::pi * u1;
    generator.next_normal = radius * std::sin(angle);
    x = radius * std::cos(angle);
  }
  return std::fma(x, std, mean);
}

template <class T, class Draw>
void fill_serial(Generator& generator, T* out, int64_t n, Draw draw) {
  const std::lock_guard lock(generator.mutex());
  for (int64_t i = 0; i < n; ++i) out[i] = store_float<T>(draw());
}

}  // namespace

template <class T>
void fill_uniform(Generator& generator, T* out, int64_t n, double from, double to) {
  const std::lock_guard lock(generator.mutex());
  if constexpr (kIsReduced<T>) {
    std::array<float, kChunk> wide;
    const T low = store_float<T>(from);
    const T high = store_float<T>(to);
    for (int64_t i = 0; i < n; i += kChunk) {
      const int64_t count = std::min(kChunk, n - i);
      uniform_chunk(generator, wide.data(), count, static_cast<float>(from),
                    static_cast<float>(to));
      for (int64_t j = 0; j < count; ++j) {
        const T x = store_float<T>(wide[static_cast<size_t>(j)]);
        out[i + j] = x.bits == high.bits ? low : x;  // the interval stays half open after rounding
      }
    }
  } else {
    for (int64_t i = 0; i < n; i += kChunk) {
      uniform_chunk(generator, out + i, std::min(kChunk, n - i), static_cast<T>(from),
                    static_cast<T>(to));
    }
  }
}

template <class T>
void fill_normal_serial(Generator& generator, T* out, int64_t n, double mean, double std) {
  fill_serial(generator, out, n, [&] { return normal_number(generator, mean, std); });
}

template <class T>
void fill_normal(Generator& generator, T* out, int64_t n, double mean, double std) {
  if (n < kBlock) return fill_normal_serial(generator, out, n, mean, std);
  const std::lock_guard lock(generator.mutex());
  fill_normal_blocks(generator, out, n, mean, std);
}

template <class T>
void fill_exponential(Generator& generator, T* out, int64_t n, double rate) {
  fill_serial(generator, out, n, [&] { return -1.0 / rate * std::log1p(-generator.uniform53()); });
}

template <class T>
void fill_cauchy(Generator& generator, T* out, int64_t n, double median, double sigma) {
  fill_serial(generator, out, n, [&] {
    return std::fma(sigma, std::tan(std::numbers::pi * (generator.uniform53() - 0.5)), median);
  });
}

template <class T>
void fill_log_normal(Generator& generator, T* out, int64_t n, double mean, double std) {
  fill_serial(generator, out, n, [&] { return std::exp(normal_number(generator, mean, std)); });
}

#define PYCORE_INSTANTIATE(T)                                                   \
  template void fill_uniform<T>(Generator&, T*, int64_t, double, double);       \
  template void fill_normal<T>(Generator&, T*, int64_t, double, double);        \
  template void fill_normal_serial<T>(Generator&, T*, int64_t, double, double); \
  template void fill_exponential<T>(Generator&, T*, int64_t, double);           \
  template void fill_cauchy<T>(Generator&, T*, int64_t, double, double);        \
  template void fill_log_normal<T>(Generator&, T*, int64_t, double, double);
PYCORE_INSTANTIATE(float)
PYCORE_INSTANTIATE(double)
PYCORE_INSTANTIATE(Half)
PYCORE_INSTANTIATE(BFloat16)
#undef PYCORE_INSTANTIATE

}  // namespace pycore
