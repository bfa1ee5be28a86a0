// Choices by weight, with and without replacement, as PyTorch's CPU generator makes them. No
// tensors.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "core/distributions.h"
#include "core/parallel.h"
#include "core/reduced_float.h"
#include "core/sampling.h"

namespace pycore {
namespace {

// 16-bit weights are summed in float32.
template <class T>
using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;

double widen(double x) { return x; }
template <class T>
float widen(T x) {
  return to_float(x);
}

template <class T>
void accumulate_weights(const T* weights, int64_t categories, Sum<T>* cumulative) {
  Sum<T> sum = 0;
  for (int64_t j = 0; j < categories; ++j) {
    const Sum<T> weight = widen(weights[j]);
    if (!(weight >= 0)) {
      throw std::runtime_error(
          "invalid multinomial distribution (encountering probability entry < 0)");
    }
    if (!std::isfinite(weight)) {
      throw std::runtime_error(
          "invalid multinomial distribution (encountering probability entry = infinity or NaN)");
    }
    sum += weight;
    cumulative[j] = sum;
  }
  if (!(sum > 0))
    throw std::runtime_error("invalid multinomial distribution (sum of probabilities <= 0)");
  for (int64_t j = 0; j < categories; ++j) cumulative[j] /= sum;
  cumulative[categories - 1] = 1;
}

// The first categories whose cumulative weight reaches each of kDraws draws, compared in float64.
// The searches go on side by side, so that their misses of the cache do.
constexpr int64_t kDraws = 16;
template <class S>
void find_categories(const S* cumulative, int64_t categories, const double* draws, int64_t* out) {
  int64_t at[kDraws] = {};
  for (int64_t n = categories; n > 1; n -= n / 2)
    for (int64_t i = 0; i < kDraws; ++i)
      at[i] += cumulative[at[i] + n / 2 - 1] < draws[i] ? n / 2 : 0;
  for (int64_t i = 0; i < kDraws; ++i) out[i] = at[i] + (cumulative[at[i]] < draws[i]);
}

}  // namespace

template <class T>
void sample_with_replacement(Generator& generator, const T* weights, int64_t rows,
                             int64_t categories, int64_t samples, int64_t* out) {
  const kernels::Scratch<Sum<T>> room(kernel_context(), categories);
  Sum<T>* const cumulative = room.get();
  const std::lock_guard lock(generator.mutex());
  for (int64_t row = 0; row < rows; ++row) {
    accumulate_weights(weights + row * categories, categories, cumulative);
    for (int64_t i = 0; i < samples; i += kDraws) {
      const int64_t count = std::min(kDraws, samples - i);
      double draws[kDraws] = {};
      int64_t found[kDraws];
      for (int64_t k = 0; k < count; ++k) draws[k] = generator.uniform53();
      find_categories(cumulative, categories, draws, found);
      out = std::copy_n(found, count, out);
    }
  }
}

template <class T>
void sample_without_replacement(Generator& generator, const T* weights, int64_t rows,
                                int64_t categories, int64_t samples, int64_t* out) {
  struct Entry {
    Sum<T> key;
    int64_t index;
  };
  const auto faster = [](const Entry& a, const Entry& b) { return a.key > b.key; };
  std::vector<T> arrival(static_cast<size_t>(rows * categories));
  fill_exponential(generator, arrival.data(), rows * categories, 1.0);
  std::vector<Entry> entries(static_cast<size_t>(categories));
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t j = 0; j < categories; ++j) {
      const int64_t at = row * categories + j;
      // Rounded to T: equal keys then are equal here too.
      const T key = store_float<T>(widen(weights[at]) / widen(arrival[static_cast<size_t>(at)]));
      entries[static_cast<size_t>(j)] = {widen(key), j};
    }
    // Among equal keys the order is that of the selection algorithm; PyTorch's topk chooses it by
    // the same rule.
    const auto middle = entries.begin() + samples;
    if (samples == 1) {
      *out++ = std::min_element(entries.begin(), entries.end(), faster)->index;
      continue;
    }
    if (samples * 64 <= categories) {
      std::partial_sort(entries.begin(), middle, entries.end(), faster);
    } else {
      if (samples > 0) std::nth_element(entries.begin(), middle - 1, entries.end(), faster);
      std::sort(entries.begin(), samples > 0 ? middle - 1 : middle, faster);
    }
    for (int64_t i = 0; i < samples; ++i) *out++ = entries[static_cast<size_t>(i)].index;
  }
}

#define PYCORE_INSTANTIATE(T)                                                                  \
  template void sample_with_replacement<T>(Generator&, const T*, int64_t, int64_t, int64_t,    \
                                           int64_t*);                                          \
  template void sample_without_replacement<T>(Generator&, const T*, int64_t, int64_t, int64_t, \
                                              int64_t*);
PYCORE_INSTANTIATE(float)
PYCORE_INSTANTIATE(double)
PYCORE_INSTANTIATE(Half)
PYCORE_INSTANTIATE(BFloat16)
#undef PYCORE_INSTANTIATE

}  // namespace pycore
