// How an operator writes into part of a tensor: one description (rule and write) for the functional
// and the in-place form. Must not know Python.
#pragma once

#include "ops/ops.h"

namespace pycore {

enum class Form : uint8_t { copy, in_place };

inline void check_no_overlap(const Tensor& self) {
  PC_CHECK(!has_overlap(self),
           "unsupported operation: more than one element of the written-to tensor refers to a "
           "single memory location. "
           "Please clone() the tensor before performing the operation.");
}

// Runs write(target) on a copy of self, or on self with its history rebased. `make_rule` makes the
// derivative rule (it must not save self or the result); edge 0 belongs to self, the others to
// `others`. The write must not read memory that it shares with self: see `unshared`.
template <class MakeRule, class Write, class... Others>
Tensor write_part(const Tensor& self, Form form, const MakeRule& make_rule, const Write& write,
                  const Others&... others) {
  if (form == Form::copy) {
    Tensor out = clone_data(self);
    write(out);
    if (self.is_floating() && recording(self, others...)) record(out, make_rule(), self, others...);
    return out;
  }
  check_inplace(self);
  check_no_overlap(self);
  Ref<Node> node;
  if (self.is_floating() && recording(self, others...)) {
    node = make_node(make_rule());
    node->set_num_edges(1 + sizeof...(Others));
    uint32_t i = 0;
    set_edge(node.get(), i++, self);
    (set_edge(node.get(), i++, others), ...);
  }
  write(self);
  self.bump_version();
  if (node) rebase_history(self, node);
  return self;
}

// `t` itself, or a copy if it lives in the memory of `target`.
inline Tensor unshared(const Tensor& t, const Tensor& target) {
  return t.shares_storage(target) ? clone_data(t) : t;
}

// Calls combine(target), which combines so many values with it. With 16-bit floats on a float32
// copy of the target, which is rounded once and not at every value: ones would add up to 256 only.
// A few values in a large target are not worth it.
template <class Combine>
void combine_wide(const Tensor& target, int64_t values, const Combine& combine) {
  constexpr int64_t kWorth = 1 << 20;
  if (!is_reduced_float(target.dtype()) ||
      (target.numel() > kWorth && values < target.numel() / 16))
    return combine(target);
  const Tensor wide = contiguous(to_dtype(detach(target), DType::float32));
  combine(wide);
  copy_data(target, to_dtype(wide, target.dtype()));
}

}  // namespace pycore
