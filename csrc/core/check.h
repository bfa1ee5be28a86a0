// Errors: one exception type that carries the Python type to raise, and the checks that throw it.
// Must not know tensors or Python.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace pycore {

enum class ErrorKind { runtime, value, type, index, not_implemented, memory, linalg, os };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind(kind) {}
  ErrorKind kind;
};

// Concatenates anything that can be streamed.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream s;
  (s << ... << parts);
  return s.str();
}

template <class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, str(parts...));
}

// PC_CHECK(condition, parts...): RuntimeError with the parts as its message unless the condition
// holds.
#define PC_CHECK_KIND(kind_, cond, ...)                        \
  do {                                                         \
    if (!(cond)) [[unlikely]]                                  \
      ::pycore::fail(::pycore::ErrorKind::kind_, __VA_ARGS__); \
  } while (0)
#define PC_CHECK(cond, ...) PC_CHECK_KIND(runtime, cond, __VA_ARGS__)
#define PC_CHECK_VALUE(cond, ...) PC_CHECK_KIND(value, cond, __VA_ARGS__)
#define PC_CHECK_TYPE(cond, ...) PC_CHECK_KIND(type, cond, __VA_ARGS__)
#define PC_CHECK_INDEX(cond, ...) PC_CHECK_KIND(index, cond, __VA_ARGS__)
#define PC_CHECK_IMPLEMENTED(cond, ...) PC_CHECK_KIND(not_implemented, cond, __VA_ARGS__)

}  // namespace pycore
