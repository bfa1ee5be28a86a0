// Scalar: a Python number (bool, int or float) on its way into an operator. Must not know tensors.
#pragma once

#include <stdint.h>

#include "core/dtype.h"

namespace pycore {

class Scalar {
 public:
  Scalar() : kind_(DType::int64), i_(0) {}
  Scalar(bool x) : kind_(DType::bool_), i_(x) {}
  Scalar(int x) : kind_(DType::int64), i_(x) {}
  Scalar(int64_t x) : kind_(DType::int64), i_(x) {}
  Scalar(double x) : kind_(DType::float64), d_(x) {}

  // bool_, int64 or float64: the category decides promotion, never the width.
  DType kind() const { return kind_; }
  bool is_floating() const { return kind_ == DType::float64; }
  bool is_bool() const { return kind_ == DType::bool_; }
  double to_double() const { return kind_ == DType::float64 ? d_ : static_cast<double>(i_); }
  int64_t to_int() const { return kind_ == DType::float64 ? static_cast<int64_t>(d_) : i_; }
  bool to_bool() const { return kind_ == DType::float64 ? d_ != 0 : i_ != 0; }
  // The dtype of a tensor made from it: float32 (or what set_default_dtype says), int64 or bool.
  DType tensor_dtype() const { return is_floating() ? default_dtype() : kind_; }
  Scalar operator-() const { return is_floating() ? Scalar(-d_) : Scalar(-i_); }
  bool equals(double x) const { return to_double() == x; }

 private:
  DType kind_;
  union {
    int64_t i_;
    double d_;
  };
};

// The dtype of `t op s`: a scalar only lifts the category (1 + 2.5 is floating), never the width.
inline DType promote_scalar(DType t, const Scalar& s) {
  if (category(s.kind()) <= category(t)) return t;
  return s.tensor_dtype();
}

}  // namespace pycore
