// From Python arguments to operator Values, by schema. Must not know particular operators.
#pragma once

#include <string>
#include <vector>

#include "ops/op.h"
#include "python/tensor_object.h"

namespace pycore::python {

// The storage behind one call's Values: lists live here until the call returns.
class Frame {
 public:
  static constexpr int kMaxParams = 24;
  Value values[kMaxParams];

  int64_t* ints(size_t n) { return static_cast<int64_t*>(static_cast<void*>(take(n))); }
  double* doubles(size_t n) { return static_cast<double*>(static_cast<void*>(take(n))); }
  TensorImpl** tensors(size_t n) { return static_cast<TensorImpl**>(static_cast<void*>(take(n))); }
  void reset() {
    used_ = 0;
    overflow_.clear();
  }

 private:
  // n words of 8 bytes.
  uint64_t* take(size_t n) {
    if (used_ + n <= kInline) {
      uint64_t* p = inline_ + used_;
      used_ += n;
      return p;
    }
    overflow_.push_back(std::make_unique<uint64_t[]>(n + 1));
    return overflow_.back().get();
  }
  static constexpr size_t kInline = 48;
  uint64_t inline_[kInline];
  size_t used_ = 0;
  std::vector<std::unique_ptr<uint64_t[]>> overflow_;
};

// All operators of one name: the overloads that a Python call chooses from.
struct OpGroup {
  std::string space, name;  // name without the trailing underscore of the in-place form
  std::vector<const Op*> ops;
  // Interned parameter names, per op and parameter.
  std::vector<std::vector<PyObject*>> names;
  bool has_out = false;
};

enum class CallKind : uint8_t { function, method, inplace };

// Parses, runs the operator and converts its result; null with a Python error set on failure.
// args[0] is the tensor for methods.
PyObject* call_group(const OpGroup& group, CallKind kind, PyObject* const* args, Py_ssize_t nargs,
                     PyObject* kwnames);

// Converts results to Python objects.
PyObject* to_python(Result& result, const Op& op);
// A number as a Value; false (no error set) if o is none.
bool number_value(PyObject* o, Value& v);
PyObject* scalar_to_python(const Scalar& s);

}  // namespace pycore::python
