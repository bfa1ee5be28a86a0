// Products of bfloat16 on processors that multiply pairs of them (AVX512_BF16). Compiled for these
// only; core/cpu puts it into the table of the avx512_bf16 level.
// Must not know tensors.
#include "kernels/gemm_narrow.h"

namespace pycore {
namespace {
namespace gemm {

// A lane is two neighbours along k. vdpbf16ps adds both products to a float32 sum, each rounded
// once; denormal factors and sums count as zero.
struct PairOp : Plain<float> {
  static PYCORE_INLINE Vec<float> add(Vec<float> a, Vec<float> b, Vec<float> sum) {
    return (Vec<float>)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};

struct PairPanels {
  using Source = BFloat16;
  using Result = BFloat16;
  using Lane = float;
  typedef uint16_t Element __attribute__((may_alias));  // packed as the floats of a tile
  using Op = PairOp;
  static constexpr int kGroup = 2;
  static PYCORE_INLINE void convert(const BFloat16* in, Element* out, int64_t n) {
    memcpy(out, in, sizeof(Element) * static_cast<size_t>(n));
  }
};

}  // namespace gemm
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {

extern void (*const gemm_bfloat16)(const Context&, const GemmArgs&);
void (*const gemm_bfloat16)(const Context&, const GemmArgs&) = gemm::run_narrow<gemm::PairPanels>;

}  // namespace pycore::kernels::PYCORE_ISA
