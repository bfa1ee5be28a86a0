// Runs an operator's C++ function in place, for operators that have an `inplace` argument instead
// of a trailing underscore. Must not know any particular operator.
#pragma once

#include "ops/op.h"

namespace pycore {

namespace detail {
inline Value number_value(double x) {
  Value v;
  v.kind = Value::Kind::number;
  v.d = x;
  return v;
}
}  // namespace detail

// F(input, numbers...) with its result written over `input`, history and version included. kFlags:
// kPointwise and kOverwritable as in op.h.
template <auto F, uint32_t kFlags, class... Numbers>
Tensor call_inplace_as(const Tensor& input, Numbers... numbers) {
  static const Op op = [] {
    Op o{};
    o.flags = kFlags;
    o.invoke = &Boxed<F>::call;
    o.params.resize(1 + sizeof...(Numbers));
    return o;
  }();
  Value args[1 + sizeof...(Numbers)] = {Value(), detail::number_value(numbers)...};
  args[0].kind = Value::Kind::tensor;
  args[0].tensor = input.impl();
  Result result;
  call_inplace(op, args, result);
  return std::move(result.tensor);
}

}  // namespace pycore
