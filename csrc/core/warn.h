// Warnings from C++ to whoever shows them. Must not know Python: the binding installs the handler.
#pragma once

#include <string>

namespace pycore {

// Shows one UserWarning; may throw when warnings are errors. Set by the layer above, silent until
// then.
inline void (*g_warning_handler)(const std::string& text) = nullptr;

inline void warn(const std::string& text) {
  if (g_warning_handler) g_warning_handler(text);
}

}  // namespace pycore
