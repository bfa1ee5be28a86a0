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
  // The contiguous weights of a convolution: `groups` matrices, one row per output channel.
  KeptMatrix(const Tensor& weight, int64_t groups);
  ~KeptMatrix();
  KeptMatrix(const KeptMatrix&) = delete;
  KeptMatrix& operator=(const KeptMatrix&) = delete;

 private:
  // What tells the forms of one storage apart.
  struct Place {
    DType dtype;
    const char* data;  // where the matrix begins, and how it lies
    int64_t rows, columns, row_stride, column_stride, groups;
    bool operator==(const Place&) const = default;
  };
  friend struct KeptForm;

  KeptMatrix(const Tensor& matrix, const Place& place);
  void* find(kernels::KeptLayout layout, size_t bytes);

  const Tensor& matrix_;
  const Place place_;
  KeptForm* form_ = nullptr;
  bool filling_ = false;
};

// Bytes of all forms now.
int64_t kept_bytes();

}  // namespace pycore
