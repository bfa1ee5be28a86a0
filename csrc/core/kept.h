// Second forms of a matrix that kernels make, such as a weight's packed panels: they lie beside the
// memory they were made from until something writes to it (Tensor::bump_version) or it is freed.
// Must not know what a form looks like.
#pragma once

#include "core/tensor.h"
#include "kernels/kept.h"

namespace pycore {

// Most bytes of all forms together; what would go beyond is made anew at each call.
inline constexpr int64_t kKeptBytes = int64_t{128} << 20;

// The use of a matrix's kept form during one call of a kernel. Nothing is kept at the first call
// that asks (most tensors are used once), nor of memory that others can write to unseen: arrays
// that NumPy shares, tensors whose address was told.
class KeptMatrix : public kernels::KeptOperand {
 public:
  explicit KeptMatrix(const Tensor& matrix);
  ~KeptMatrix();
  KeptMatrix(const KeptMatrix&) = delete;
  KeptMatrix& operator=(const KeptMatrix&) = delete;

 private:
  void* find(kernels::KeptLayout layout, size_t bytes);

  const Tensor& matrix_;
  KeptForm* form_ = nullptr;
  bool filling_ = false;
};

// Bytes of all forms now.
int64_t kept_bytes();

}  // namespace pycore
