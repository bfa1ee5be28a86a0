// The generator's engine and its saved form. No distribution and no tensor in here.
#include "core/rng.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <random>
#include <stdexcept>
#include <string>

#include "core/cpu.h"
#include "kernels/random.h"

namespace pycore {
namespace {

using kernels::kMtWords;

// The byte layout of torch.get_rng_state(): words sit in 64-bit slots, and the fields after them go
// back to Torch 7.
struct SavedState {
  uint64_t initial_seed;
  int32_t left;
  int32_t seeded;
  uint64_t next;
  uint64_t words[kMtWords];
  double normal_x;
  double normal_y;
  double normal_rho;
  int32_t normal_is_valid;
  int32_t unused_legacy;
  float float_normal;
  uint8_t float_normal_is_valid;
  uint8_t unused[3];
};
static_assert(sizeof(SavedState) == Generator::kStateBytes);
static_assert(offsetof(SavedState, float_normal) == Generator::kLegacyStateBytes);

}  // namespace

const kernels::RandomKernels& random_kernels() { return *kernels_now().random; }

Generator::Generator(uint64_t seed) { seed_words(seed); }

Generator::Generator(const Generator& other) {
  const std::lock_guard lock(other.mutex_);
  next_normal = other.next_normal;
  next_float_normal = other.next_float_normal;
  left_ = other.left_;
  next_ = other.next_;
  initial_seed_ = other.initial_seed_;
  state_ = other.state_;
  tempered_ = other.tempered_;
}

void Generator::seed_words(uint64_t seed) {
  initial_seed_ = seed;
  next_normal.reset();
  next_float_normal.reset();
  // Knuth's linear recurrence, as in the 2002 reference initialisation; only the seed's low 32 bits
  // take part.
  state_[0] = static_cast<uint32_t>(seed);
  for (size_t i = 1; i < state_.size(); ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + static_cast<uint32_t>(i);
  }
  left_ = 1;
  next_ = 0;
}

void Generator::refill() {
  random_kernels().mt_advance(state_.data());
  random_kernels().mt_temper(state_.data(), tempered_.data(), kMtWords);
  left_ = kMtWords;
  next_ = 0;
}

void Generator::random_words(uint32_t* out, int64_t n) {
  while (n > 0) {
    if (left_ == 1) {
      refill();
      ++left_;  // random() counts down before it draws
    }
    const int take = static_cast<int>(std::min<int64_t>(n, left_ - 1));
    std::memcpy(out, tempered_.data() + next_, sizeof(uint32_t) * static_cast<size_t>(take));
    next_ += take;
    left_ -= take;
    out += take;
    n -= take;
  }
}

void Generator::manual_seed(uint64_t seed) {
  const std::lock_guard lock(mutex_);
  seed_words(seed);
}

uint64_t Generator::seed() {
  std::random_device device;
  // 53 bits, so that the seed survives a trip through a double.
  const uint64_t seed = (static_cast<uint64_t>(device()) << 32 | device()) & ((1ULL << 53) - 1);
  manual_seed(seed);
  return seed;
}

uint64_t Generator::initial_seed() const {
  const std::lock_guard lock(mutex_);
  return initial_seed_;
}

void Generator::get_state(std::span<uint8_t, kStateBytes> out) const {
  const std::lock_guard lock(mutex_);
  SavedState saved{};
  saved.initial_seed = initial_seed_;
  saved.left = left_;
  saved.seeded = 1;
  saved.next = static_cast<uint64_t>(next_);
  std::copy(state_.begin(), state_.end(), saved.words);
  saved.normal_y = next_normal.value_or(0.0);
  saved.normal_is_valid = next_normal.has_value();
  saved.float_normal = next_float_normal.value_or(0.0f);
  saved.float_normal_is_valid = next_float_normal.has_value();
  std::memcpy(out.data(), &saved, sizeof(saved));
}

void Generator::set_state(std::span<const uint8_t> state) {
  if (state.size() != kStateBytes && state.size() != kLegacyStateBytes) {
    throw std::runtime_error("set_state: wrong size of the RNG state; got " +
                             std::to_string(state.size()) +
                             " bytes; expected 5056 (or the old 5048)");
  }
  SavedState saved{};
  std::memcpy(&saved, state.data(), state.size());
  const bool fresh = saved.left == 1 && saved.next == 0;
  if (saved.seeded != 1 || saved.left < 1 || saved.left > kMtWords || saved.next > kMtWords ||
      (!fresh && saved.next + static_cast<uint64_t>(saved.left) - 1 > kMtWords)) {
    throw std::runtime_error("Invalid mt19937 state");
  }
  const std::lock_guard lock(mutex_);
  initial_seed_ = saved.initial_seed;
  left_ = saved.left;
  next_ = static_cast<int>(saved.next);
  for (size_t i = 0; i < state_.size(); ++i) state_[i] = static_cast<uint32_t>(saved.words[i]);
  random_kernels().mt_temper(state_.data(), tempered_.data(), kMtWords);
  next_normal.reset();
  next_float_normal.reset();
  if (saved.normal_is_valid) {
    if (state.size() == kLegacyStateBytes) {
      // The old form keeps the two uniform numbers of the pair instead of its second normal number.
      const double radius = std::sqrt(-2.0 * std::log1p(-saved.normal_rho));
      next_normal = radius * std::sin(2.0 * std::numbers::pi * saved.normal_x);
    } else {
      next_normal = saved.normal_y;
    }
  }
  if (saved.float_normal_is_valid) next_float_normal = saved.float_normal;
}

Generator& default_generator() {
  static auto* generator = [] {
    auto* fresh = new Generator();
    fresh->seed();
    return fresh;
  }();
  return *generator;
}

}  // namespace pycore
