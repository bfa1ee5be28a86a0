// An operand of a product in a kernel's own layout, kept from one call to the next.
// Must not know tensors or when values change; core/kept does.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pycore::kernels {

// How an operand lies there. Tiles hold one, two or three parts of its values.
enum class KeptLayout : uint8_t { panels, tiles_of_one, tiles_of_two, tiles_of_three };

struct KeptOperand {
  // Asked where the operand would be packed, once a call: memory that outlives the call, `filled`
  // by an earlier one or to be filled now; null where nothing is kept. What is kept must not depend
  // on anything but the operand and the layout, and using it must not show in the bits.
  void* (*take)(KeptOperand* self, KeptLayout layout, size_t bytes) = nullptr;
  bool filled = false;  // set by take(), and by the kernel once it has filled the memory
};

}  // namespace pycore::kernels
