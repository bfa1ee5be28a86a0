// What the files of random operators share: the generator to use, and the order in which a tensor's
// elements receive their numbers. Must not know a particular distribution or Python.
#pragma once

#include "core/rng.h"
#include "ops/ops.h"

namespace pycore {

inline Generator& generator_or_default(Generator* g) { return g ? *g : default_generator(); }

// The tensor with its dimensions sorted by stride, longest first. Numbers are dealt out in memory
// order, so that a transposed tensor receives them as its untransposed self would.
Tensor in_memory_order(const Tensor& t);

// Lets fill(T* data, int64_t n) write n numbers and puts them into t in memory order. Copies only
// if t has gaps.
template <class T, class Fill>
void fill_in_memory_order(const Tensor& t, const Fill& fill) {
  Tensor sorted = in_memory_order(t);
  if (sorted.is_contiguous()) {
    fill(sorted.template data<T>(), sorted.numel());
  } else {
    Tensor buffer = empty(sorted.sizes(), t.dtype());
    fill(buffer.template data<T>(), buffer.numel());
    copy_data(sorted, buffer);
  }
}

// Calls f with the element type of a floating tensor; `op` names the operator in the error.
template <class F>
void dispatch_floating(const Tensor& t, const char* op, F&& f) {
  switch (t.dtype()) {
    case DType::float32:
      return f(TypeTag<float>{});
    case DType::float64:
      return f(TypeTag<double>{});
    case DType::float16:
      return f(TypeTag<Half>{});
    case DType::bfloat16:
      return f(TypeTag<BFloat16>{});
    default:
      fail(ErrorKind::not_implemented, '"', op, "\" not implemented for '",
           scalar_type_name(t.dtype()), "'");
  }
}

// Overwrites `input` by write(), which touches data only; its old values cease to matter to the
// gradient.
template <class Rule, class Write>
Tensor overwrite(const Tensor& input, const Write& write) {
  check_inplace(input);
  PC_CHECK(!has_overlap(input),
           "unsupported operation: more than one element of the written-to tensor refers to a "
           "single memory location. "
           "Please clone() the tensor before performing the operation.");
  Ref<Node> node;
  if (recording(input)) {
    node = make_node(Rule{});
    node->set_num_edges(1);
    set_edge(node.get(), 0, input);
  }
  input.bump_version();
  if (input.numel()) write();
  if (node) rebase_history(input, node);
  return input;
}

// The derivative of numbers that do not depend on what they overwrite.
#define PC_ZERO_RULE(Name)                                           \
  struct Name {                                                      \
    static constexpr const char* name = #Name;                       \
    static constexpr bool saves = false;                             \
    void operator()(Backward& b) { b.set(0, zeros_like(b.grad())); } \
  }

// Dropout factors in the order of memory: 1 / (1 - p) with probability 1 - p, else 0. p < 1.
void fill_dropout(const Tensor& dense, double p);

// In-place distributions that other random operators use.
Tensor uniform_(const Tensor& input, double from, double to, Generator* generator);
Tensor normal_(const Tensor& input, double mean, double std, Generator* generator);
Tensor bernoulli_(const Tensor& input, double p, Generator* generator);
Tensor random_from_to_(const Tensor& input, int64_t from, std::optional<int64_t> to,
                       Generator* generator);
// The input with each element zeroed with probability p and the others scaled by 1 / (1 - p).
Tensor dropout(const Tensor& input, double p, bool train);

}  // namespace pycore
