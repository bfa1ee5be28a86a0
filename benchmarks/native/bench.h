// What the native benchmarks share: operators by their names, registration at every instruction set
// level and number of threads, and the share of the machine's peak in every result.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/tensor.h"

namespace pycore::bench {

// Normally distributed numbers.
Tensor normal(std::vector<int64_t> sizes, DType dtype = DType::float32);
// The same, as a leaf of autograd.
Tensor leaf(std::vector<int64_t> sizes);

using Argument = std::variant<std::monostate, Tensor, int64_t, double, bool, std::vector<int64_t>,
                              std::vector<Tensor>>;

// An operator with its arguments, found by the start of its schema: "nn.conv2d(Tensor". Arguments
// that are not given have their defaults.
class Call {
 public:
  Call(std::string_view schema, std::vector<Argument> arguments);
  // Runs it without autograd; returns the first result.
  Tensor run() const;
  // Runs it and its derivative by every leaf among the arguments, for a gradient of ones.
  void run_backward() const;

 private:
  Tensor invoke() const;
  size_t op_;
  std::vector<Argument> arguments_;
  std::vector<Tensor> leaves_;
  mutable Tensor ones_;
};

// What a run has to do at least, and so which of the machine's limits it can come near.
struct Work {
  enum class Bound { float32, bfloat16, copying, reading } bound;
  double amount;           // operations, or bytes read and written
  double working_set = 0;  // bytes; says whose bandwidth counts
};
inline Work operations(double count) { return {Work::Bound::float32, count}; }
inline Work bytes(double count) { return {Work::Bound::copying, count, count}; }
inline Work bytes_read(double count) { return {Work::Bound::reading, count, count}; }

// Registers `name` at every level this machine runs, on one thread and on all. `make` builds the
// inputs and returns what is timed.
void add(const std::string& name, Work work, std::function<std::function<void()>()> make);

// A call alone, and with its derivative, which does `factor` times the work.
void add_forward(const std::string& name, Work work, std::function<Call()> make);
void add_backward(const std::string& name, Work work, double factor, std::function<Call()> make);

void register_attention();
void register_conv();
void register_matmul();
void register_norm();
void register_pointwise();
void register_pool();
void register_recurrent();

}  // namespace pycore::bench
