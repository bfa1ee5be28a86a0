// Registration of operators: one PYCORE_OP block per operator (or overload) in
// csrc/ops/<family>.cpp carries schema, doc string and C++ function; everything else (function,
// method, in-place and out= variants, parser, stub, docs page, test parameters) is made from it.
// Must not know Python.
//
//   static Tensor tanh_(const Tensor& input) {...checks, forward, record(...)}
//   PYCORE_OP("tanh(Tensor input) -> Tensor", tanh, kFunction | kMethod | kInplace | kOut |
//   kPointwise, R"(doc)");
//
// Schema syntax is PyTorch's; "Tensor|Scalar" takes a tensor or a Python number. A prefix names the
// Python place: "nn.relu(...)" becomes pycore._C._nn.relu, "linalg.inv(...)" pycore._C._linalg.inv.
#pragma once

#include "autograd/record.h"
#include "ops/value.h"

namespace pycore {

enum OpFlags : uint32_t {
  kFunction = 1,  // pycore.name(...) (or the namespace of the prefix)
  kMethod = 2,    // Tensor.name(...)
  kInplace = 4,   // also name_: method, and function if kFunction
  kOut = 8,       // accepts out=
  // Computes its result with core/pointwise, so that name_ and out= may write straight into the
  // target.
  kPointwise = 16,
  // The rule does not save the first input: name_ may overwrite it even while recording.
  kOverwritable = 32,
};

struct Param {
  std::string name;
  ArgType type = ArgType::tensor;
  // Tensor[*]: the tensors may also be given one by one.
  static constexpr int32_t kVariadic = -1;
  int32_t fixed_length = 0;  // int[2]: a single int stands for two
  bool keyword_only = false;
  bool required = true;
  std::string default_text;
  Value default_value;
  // Keeps default lists alive.
  std::vector<int64_t> default_list;
};

struct Op {
  const char* schema;
  const char* doc;
  uint32_t flags;
  void (*invoke)(const Value* args, Result& result);
  // Parsed from the schema:
  std::string space;  // "" or "nn", "linalg", "special", "fft"
  std::string name;
  std::vector<Param> params;
  std::vector<std::string> return_names;  // named tuple fields, if any
  std::string returns;
};

// All operators in order of registration.
const std::vector<Op*>& all_ops();

struct OpRegistrar {
  OpRegistrar(const char* schema, void (*invoke)(const Value*, Result&), uint32_t flags,
              const char* doc);
};

template <auto F>
struct Boxed;
template <class R, class... A, R (*F)(A...)>
struct Boxed<F> {
  static void call(const Value* args, Result& result) {
    call(args, result, std::index_sequence_for<A...>{});
  }

 private:
  template <size_t... I>
  static void call([[maybe_unused]] const Value* args, Result& result, std::index_sequence<I...>) {
    if constexpr (std::is_void_v<R>)
      F(FromValue<A>::get(args[I])...);
    else
      result.set(F(FromValue<A>::get(args[I])...));
  }
};

#define PYCORE_CONCAT_(a, b) a##b
#define PYCORE_CONCAT(a, b) PYCORE_CONCAT_(a, b)
#define PYCORE_OP(schema, function, flags, doc)                              \
  static const ::pycore::OpRegistrar PYCORE_CONCAT(pycore_op_, __COUNTER__)( \
      schema, &::pycore::Boxed<static_cast<decltype(+(function))>(function)>::call, flags, doc)

// Runs name_(args...): args[0] is overwritten with the result and its history rebased.
void call_inplace(const Op& op, Value* args, Result& result);
// Runs name(args..., out=...): `out` holds one tensor per result and is resized where needed.
void call_out(const Op& op, const Value* args, TensorList out, Result& result);

// The place where a pointwise operator should leave its result, if it fits: set by call_inplace and
// call_out around one operator call, taken by the first result that operator makes.
struct OutTarget {
  const Tensor* tensor = nullptr;
};
extern thread_local OutTarget t_out_target;

}  // namespace pycore
