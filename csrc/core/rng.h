// Generator: the mt19937 random number generator whose numbers and saved states are PyTorch's CPU
// generator's. It must not know tensors or Python; distributions are built on it in
// core/distributions.h and core/sampling.h.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

#include "kernels/random.h"

namespace pycore {

// The random kernels of the best ISA level this machine runs.
const kernels::RandomKernels& random_kernels();

class Generator {
 public:
  static constexpr uint64_t kDefaultSeed = 67280421310721ULL;
  static constexpr size_t kStateBytes = 5056;
  static constexpr size_t kLegacyStateBytes =
      5048;  // without the trailing float32 sample; accepted, never written

  explicit Generator(uint64_t seed = kDefaultSeed);
  Generator(const Generator& other);
  Generator& operator=(const Generator&) = delete;

  // Members below lock; those after "Caller locks" do not, so that a distribution can lock once for
  // a whole tensor.
  void manual_seed(uint64_t seed);
  uint64_t seed();  // seeds from the operating system; returns the seed
  uint64_t initial_seed() const;
  void get_state(std::span<uint8_t, kStateBytes> out) const;
  void set_state(std::span<const uint8_t> state);  // throws std::runtime_error

  std::mutex& mutex() const { return mutex_; }

  // Caller locks.
  uint32_t random() {
    if (--left_ == 0) refill();
    return tempered_[static_cast<size_t>(next_++)];
  }
  uint64_t random64() {
    const uint64_t high = random();
    return high << 32 | random();
  }
  double uniform53() { return static_cast<double>(random64() & ((1ULL << 53) - 1)) * 0x1p-53; }
  void random_words(uint32_t* out, int64_t n);

  // The second number of a Box-Muller pair, kept for the next scalar draw. Only the float64 one is
  // ever produced by the CPU distributions; the float32 one travels through states for exchange
  // with PyTorch.
  std::optional<double> next_normal;
  std::optional<float> next_float_normal;

 private:
  void seed_words(uint64_t seed);
  void refill();

  // mt19937 as PyTorch stores it: words left until the next refill plus one, and the index of the
  // next word. A fresh seed stands at left 1, next 0: its words have yet to be advanced.
  int left_ = 1;
  int next_ = 0;
  uint64_t initial_seed_ = 0;
  alignas(64) std::array<uint32_t, kernels::kMtWords> state_;
  alignas(64) std::array<uint32_t, kernels::kMtWords> tempered_;
  mutable std::mutex mutex_;
};

// The generator used when none is named, seeded by the operating system until manual_seed() is
// called. Never destroyed: other static destructors may still draw.
Generator& default_generator();

}  // namespace pycore
