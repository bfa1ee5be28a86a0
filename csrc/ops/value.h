// The common currency between a caller (the Python parser) and an operator: arguments and results
// of any schema type without templates or allocation. Must not know Python.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/tensor.h"

namespace pycore {

class Generator;  // core/rng.h

// The types a schema can name.
enum class ArgType : uint8_t {
  tensor,
  tensor_opt,
  tensor_list,
  operand,  // "Tensor|Scalar"
  scalar,
  scalar_opt,
  integer,
  integer_opt,
  int_list,
  int_list_opt,
  number,  // "float"
  number_opt,
  float_list_opt,
  boolean,
  boolean_opt,
  dtype,
  dtype_opt,
  string,
  string_opt,
  generator_opt,
  device_opt,  // accepted and checked: there is only the CPU
  memory_format,
  ignored,  // layout, pin_memory: accepted, without meaning here
};

// A memory_format argument: whether a copy is to be row-major instead of in the order of what it
// copies. (channels_last is taken for the former: convolutions do not know it.)
struct Ordering {
  bool row_major = false;
};

// One argument; borrows everything from its caller.
struct Value {
  enum class Kind : uint8_t { none, tensor, integer, number, boolean, list, dtype, text, pointer };
  Kind kind = Kind::none;
  int32_t length = 0;
  union {
    TensorImpl* tensor;
    int64_t i;
    double d;
    const void* list;  // int64_t, double or Tensor elements
    const char* text;
  };

  Value() : i(0) {}
  // A Tensor is one pointer, so the slot can be read as one without counting.
  const Tensor& as_tensor() const { return reinterpret_cast<const Tensor&>(tensor); }
  Scalar as_scalar() const {
    return kind == Kind::number ? Scalar(d) : kind == Kind::boolean ? Scalar(i != 0) : Scalar(i);
  }
};
static_assert(sizeof(Tensor) == sizeof(TensorImpl*));

// A tensor or a Python number: what arithmetic takes on either side. Borrows the tensor.
class Operand {
 public:
  Operand(const Tensor& t) : tensor_(&t) {}
  Operand(Scalar s) : scalar_(s) {}
  Operand(double x) : scalar_(x) {}
  Operand(int64_t x) : scalar_(x) {}
  Operand(int x) : scalar_(x) {}
  bool is_tensor() const { return tensor_ != nullptr; }
  const Tensor& tensor() const { return *tensor_; }
  const Scalar& scalar() const { return scalar_; }
  bool requires_grad() const { return tensor_ && tensor_->requires_grad(); }
  bool defined() const { return !tensor_ || tensor_->defined(); }

 private:
  const Tensor* tensor_ = nullptr;
  Scalar scalar_;
};

// Reads a Value as the C++ type of an operator's parameter.
template <class T>
struct FromValue;
template <>
struct FromValue<const Tensor&> {
  static const Tensor& get(const Value& v) { return v.as_tensor(); }
};
template <>
struct FromValue<TensorList> {
  static TensorList get(const Value& v) {
    return {static_cast<const Tensor*>(v.list), static_cast<size_t>(v.length)};
  }
};
template <>
struct FromValue<const Operand&> {
  static Operand get(const Value& v) {
    return v.kind == Value::Kind::tensor ? Operand(v.as_tensor()) : Operand(v.as_scalar());
  }
};
template <>
struct FromValue<Scalar> {
  static Scalar get(const Value& v) { return v.as_scalar(); }
};
template <>
struct FromValue<const Scalar&> : FromValue<Scalar> {};
template <>
struct FromValue<int64_t> {
  static int64_t get(const Value& v) { return v.i; }
};
template <>
struct FromValue<double> {
  static double get(const Value& v) {
    return v.kind == Value::Kind::number ? v.d : static_cast<double>(v.i);
  }
};
template <>
struct FromValue<bool> {
  static bool get(const Value& v) { return v.i != 0; }
};
template <>
struct FromValue<Ordering> {
  static Ordering get(const Value& v) { return {v.kind == Value::Kind::boolean && v.i != 0}; }
};
template <>
struct FromValue<DType> {
  static DType get(const Value& v) { return static_cast<DType>(v.i); }
};
template <>
struct FromValue<IntSpan> {
  static IntSpan get(const Value& v) {
    return {static_cast<const int64_t*>(v.list), static_cast<size_t>(v.length)};
  }
};
template <>
struct FromValue<std::span<const double>> {
  static std::span<const double> get(const Value& v) {
    return {static_cast<const double*>(v.list), static_cast<size_t>(v.length)};
  }
};
template <>
struct FromValue<std::string_view> {
  static std::string_view get(const Value& v) { return {v.text, static_cast<size_t>(v.length)}; }
};
template <>
struct FromValue<Generator*> {
  static Generator* get(const Value& v) {
    return v.kind == Value::Kind::none ? nullptr
                                       : static_cast<Generator*>(const_cast<void*>(v.list));
  }
};
template <class T>
struct FromValue<std::optional<T>> {
  static std::optional<T> get(const Value& v) {
    if (v.kind == Value::Kind::none) return std::nullopt;
    return FromValue<T>::get(v);
  }
};

// What an operator returned.
struct Result {
  enum class Kind : uint8_t {
    none,
    tensor,
    tuple,
    list,
    boolean,
    integer,
    number,
    scalar,
    text,
    dtype
  };
  Kind kind = Kind::none;
  Tensor tensor;
  std::vector<Tensor> tensors;
  Scalar scalar;
  std::string text;

  void set(Tensor t) {
    kind = Kind::tensor;
    tensor = std::move(t);
  }
  void set(std::vector<Tensor> list) {
    kind = Kind::list;
    tensors = std::move(list);
  }
  template <class... T>
  void set(std::tuple<T...> t) {
    kind = Kind::tuple;
    std::apply([&](auto&... x) { (tensors.push_back(std::move(x)), ...); }, t);
  }
  // For operators whose result depends on their arguments (return_indices).
  void set(Result r) { *this = std::move(r); }
  void set(bool x) { set_scalar(Kind::boolean, Scalar(x)); }
  void set(int64_t x) { set_scalar(Kind::integer, Scalar(x)); }
  void set(double x) { set_scalar(Kind::number, Scalar(x)); }
  void set(Scalar x) { set_scalar(Kind::scalar, x); }
  void set(DType t) { set_scalar(Kind::dtype, Scalar(static_cast<int64_t>(t))); }
  void set(std::string s) {
    kind = Kind::text;
    text = std::move(s);
  }

 private:
  void set_scalar(Kind k, Scalar s) {
    kind = k;
    scalar = s;
  }
};

}  // namespace pycore
