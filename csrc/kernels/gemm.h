// Matrix products on pointers and strides: C = A * B, batched, with a fused epilogue.
// Must not know tensors; the operators choose the strides, shapes are checked before.
#pragma once

#include "kernels/context.h"
#include "kernels/dtype.h"
#include "kernels/kept.h"

namespace pycore::kernels {

inline constexpr int kGemmBatchDims = 3;

// How exact products of float32 have to be, where a level has faster ways than float32's own: as
// float32, as if the factors had 16 bits, or 8 (what set_float32_matmul_precision() sets).
enum class GemmPrecision : uint8_t { highest, high, medium };

// C[m, n] = epilogue(A[m, k] * B[k, n]) for every batch index. All strides count elements and may
// be anything (transposed operands are free); a batch stride of 0 broadcasts an operand. C must not
// overlap A, B or the biases, and no two elements of C may share memory. Fast: C with c_col == 1
// or c_row == 1; A and B with either stride 1.
//
//   epilogue(x) = relu?(x + bias_row[i] + bias_col[j] + C_before[i, j])
//
// where each term is there only if asked for. k == 0 gives the epilogue of zero.
//
//   x W^T + b (nn.Linear): a = x, a_row = k, a_col = 1; b = W, b_row = 1, b_col = k; bias_col = b.
struct GemmArgs {
  int64_t m = 0, n = 0, k = 0;
  const void* a = nullptr;
  int64_t a_row = 0, a_col = 0;
  const void* b = nullptr;
  int64_t b_row = 0, b_col = 0;
  void* c = nullptr;
  int64_t c_row = 0, c_col = 1;

  // Up to three batch dimensions, outermost first; unused ones stay 1.
  int64_t batch[kGemmBatchDims] = {1, 1, 1};
  int64_t a_batch[kGemmBatchDims] = {};
  int64_t b_batch[kGemmBatchDims] = {};
  int64_t c_batch[kGemmBatchDims] = {};

  bool accumulate = false;                           // add to what C holds
  bool relu = false;                                 // floats only; NaN stays NaN
  GemmPrecision precision = GemmPrecision::highest;  // of float32
  const void* bias_row = nullptr;  // m elements, one per row of C (every batch index the same)
  const void* bias_col = nullptr;  // n elements, one per column of C
  KeptOperand* b_kept = nullptr;   // for B; without a batch
};

struct GemmKernels {
  // Indexed by DType. Floats run packed SIMD kernels: float16 and bfloat16 add up in float32, start
  // from what C holds and from the biases in float32 too, and round once. The integer types wrap as
  // the type does. Null for bool. The result's bits don't depend on the
  // number of threads.
  void (*run[kDTypes])(const Context&, const GemmArgs&);
  // int8 A and B, int32 C, whose sums wrap; no biases, no relu.
  void (*bytes)(const Context&, const GemmArgs&);
  bool multiplies_bfloat16 = false;  // by instructions for it, at twice the speed of float32
};

// What a level that only extends another one puts in place of that level's products (`narrow_gemm`
// in its namespace); core/cpu joins the two. Null where the other level's stays.
struct NarrowGemm {
  void (*bfloat16)(const Context&, const GemmArgs&);
  void (*bytes)(const Context&, const GemmArgs&);
  void (*float32)(const Context&, const GemmArgs&) = nullptr;
};

// The same for products by tiles (`tile_gemm` in namespace amx): by the processor's instructions,
// on top of level avx512_bf16, and by a model of them, on top of avx512.
struct TileGemm {
  NarrowGemm instructions;
  NarrowGemm model;
  // Whether a product by the instructions gives the bits that the model gives; only for processes
  // that may use tiles (core/tiles.h).
  bool (*instructions_work)();
};

}  // namespace pycore::kernels
