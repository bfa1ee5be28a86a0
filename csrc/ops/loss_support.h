// How losses are reduced, and checks that several of them make. Must not know any loss.
#pragma once

#include "core/warn.h"
#include "ops/kernel_support.h"
#include "ops/ops.h"

namespace pycore {

Tensor xlogy(const Operand& a, const Operand& b);  // fused_pointwise.cpp

enum class Reduction : uint8_t { none, mean, sum };

// The old flags size_average and reduce win over the name, with a warning, as in PyTorch.
inline Reduction reduction_of(std::string_view name, std::optional<bool> size_average,
                              std::optional<bool> reduce) {
  if (size_average || reduce) {
    name = !reduce.value_or(true) ? "none" : size_average.value_or(true) ? "mean" : "sum";
    warn(str("size_average and reduce args will be deprecated, please use reduction='",
             std::string(name), "' instead."));
  }
  if (name == "mean") return Reduction::mean;
  if (name == "sum") return Reduction::sum;
  PC_CHECK_VALUE(name == "none", std::string(name), " is not a valid value for reduction");
  return Reduction::none;
}

inline Tensor reduce_loss(const Tensor& loss, Reduction reduction) {
  return reduction == Reduction::mean  ? mean_all(loss)
         : reduction == Reduction::sum ? sum_all(loss)
                                       : loss;
}
// The gradient of the unreduced loss from that of the reduced one; broadcasts.
inline Tensor unreduced_gradient(const Tensor& g, Reduction reduction, int64_t count) {
  return reduction == Reduction::mean ? div(g, static_cast<double>(count)) : g;
}

inline std::string size_text(const Tensor& t) { return str("torch.Size(", t.sizes(), ")"); }
inline void warn_if_broadcast(const Tensor& input, const Tensor& target) {
  if (input.sizes() == target.sizes()) return;
  warn(str("Using a target size (", size_text(target), ") that is different to the input size (",
           size_text(input),
           "). This will likely lead to incorrect results due to broadcasting. Please ensure they "
           "have the same size."));
}
inline void check_floating(const Tensor& t, const char* kernel) {
  PC_CHECK_IMPLEMENTED(t.is_floating(), "\"", kernel, "\" not implemented for '",
                       scalar_type_name(t.dtype()), "'");
}

}  // namespace pycore
