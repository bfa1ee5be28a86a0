// An operand of a product in a kernel's own layout, kept from one call to the next.
// Must not know tensors or when values change; core/kept does.
#pragma once

#include "kernels/context.h"

namespace pycore::kernels {

// How an operand lies there. Tiles hold one, two or three parts of its values; of a convolution's
// weights there are panels of rows, and those transformed for the Winograd form.
enum class KeptLayout : uint8_t {
  panels,
  tiles_of_one,
  tiles_of_two,
  tiles_of_three,
  conv_panels,
  conv_winograd
};

struct KeptOperand {
  // Asked where the operand would be packed, once a call: memory that outlives the call, `filled`
  // by an earlier one or to be filled now; null where nothing is kept. What is kept must not depend
  // on anything but the operand and the layout, and using it must not show in the bits.
  void* (*take)(KeptOperand* self, KeptLayout layout, size_t bytes) = nullptr;
  bool filled = false;  // set by take(), and by the kernel once it has filled the memory
};

namespace {  // internal linkage: compiled once per ISA level

// All of an operand as the kernel reads it, if it is kept from call to call: get() is null where it
// is not.
template <class T>
class Kept {
 public:
  Kept(const Context& ctx, KeptOperand* handle, KeptLayout layout, int64_t elements,
       const char* path)
      : handle_(handle) {
    if (!handle) return;
    data_ =
        static_cast<T*>(handle->take(handle, layout, sizeof(T) * static_cast<size_t>(elements)));
    if (filled()) report(ctx, path);
  }
  T* get() const { return data_; }
  // Whether an earlier call filled it; else this one does, and says done().
  bool filled() const { return data_ && handle_->filled; }
  void done() const {
    if (data_) handle_->filled = true;
  }

 private:
  KeptOperand* handle_;
  T* data_ = nullptr;
};

}  // namespace

}  // namespace pycore::kernels
