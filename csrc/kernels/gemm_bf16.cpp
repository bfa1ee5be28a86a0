// Products of bfloat16 and of bytes on processors that multiply pairs of the former (AVX512_BF16)
// and fours of the latter (AVX512_VNNI). Compiled for these only; core/cpu puts it into the table
// of the avx512_bf16 level. Must not know tensors.
#include "kernels/gemm_narrow.h"

namespace pycore::kernels::avx512 {
extern const GemmKernels gemm_kernels;
}

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

// A few rows: B's pairs along k lie ready, those of two rows are put together as they are spread.
struct PairRows : PaddedRows<float> {
  using B = BFloat16;
  using Factor = BFloat16;
  static constexpr int kStep = 2 * kLanes<float>, kPlanes = 1, kColumns = 1, kRows = 4;
  static constexpr bool kShifted = false, kSpreads = true;
  static PYCORE_INLINE Vec<float> load_b(const BFloat16* p) { return (Vec<float>)load_bits(p); }
  static PYCORE_INLINE Vec<float> load_b(const BFloat16* p, int n) {
    return (Vec<float>)load_first(p, n);
  }
  static PYCORE_INLINE void prepare(const BFloat16* p, int n, Vec<float>* planes) {
    planes[0] = load_b(p, n);
  }
  static PYCORE_INLINE Vec<float> add(const Vec<float>* a, Vec<float> b, Vec<float> sum) {
    return PairOp::add(a[0], b, sum);
  }

  static BFloat16 factor(BFloat16 a) { return a; }
  static PYCORE_INLINE void factors(const BFloat16* a, Vec<float>* x) {
    splat_pairs<BFloat16, float, kRows>(a, x);
  }
  static PYCORE_INLINE void spread(const Vec<float>* x, const BFloat16* const* rows, int64_t j,
                                   Vec<float>* s) {
    spread_pairs<PairRows, PairOp>(x, rows, j, s);
  }
  static PYCORE_INLINE void order(Vec<float>* s) { order_fours<float>(s); }
};

struct PairPanels {
  using Source = BFloat16;
  using Rows = PairRows;
  using Result = BFloat16;
  using Lane = float;
  typedef uint16_t Element __attribute__((may_alias));  // packed as the floats of a tile
  using Op = PairOp;
  static constexpr int kGroup = 2;
  static constexpr bool kLanesLieReady = true, kShifted = false;
  // The first n of 16 elements, zero extended.
  static PYCORE_INLINE Vec<int32_t> load_elements(const BFloat16* p, int n) {
    return (Vec<int32_t>)_mm512_cvtepu16_epi32(
        _mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1), p));
  }
  static PYCORE_INLINE void convert(const BFloat16* in, Element* out, int64_t n) {
    memcpy(out, in, sizeof(Element) * static_cast<size_t>(n));
  }
};

// float32 that becomes bfloat16 as it is packed; sums stay where C holds them.
struct RoundedPanels {
  using Source = float;
  using Result = float;
  using Lane = float;
  typedef uint16_t Element __attribute__((may_alias));
  using Op = PairOp;
  static constexpr int kGroup = 2;
  static constexpr bool kLanesLieReady = false, kShifted = false;
  // To nearest even, denormals to zero, which PairOp counts them as anyway.
  static PYCORE_INLINE void convert(const float* in, Element* out, int64_t n) {
    constexpr int L = kLanes<float>;
    int64_t i = 0;
    for (; i + L <= n; i += L) {
      const __m256bh x = _mm512_cvtneps_pbh((__m512)load(in + i));
      memcpy(out + i, &x, sizeof(x));
    }
    if (i < n) {
      const int rest = static_cast<int>(n - i);
      const __m256bh x = _mm512_cvtneps_pbh((__m512)load_partial(in + i, rest));
      _mm256_mask_storeu_epi16(out + i, static_cast<__mmask16>((1u << rest) - 1), (__m256i)x);
    }
  }
};

// A lane is four neighbours along k. vpdpbusd multiplies unsigned bytes of A by signed ones of B.
struct QuadOp : Plain<int32_t> {
  static PYCORE_INLINE Vec<int32_t> add(Vec<int32_t> a, Vec<int32_t> b, Vec<int32_t> sum) {
    return (Vec<int32_t>)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
  }
};

// A few rows: here B's bytes are the unsigned ones, 128 too large, since what that adds depends on
// the row alone.
struct QuadRows : PaddedRows<int32_t> {
  using B = int8_t;
  static constexpr int kStep = 4 * kLanes<int32_t>, kPlanes = 1, kColumns = 1;
  static constexpr bool kShifted = true, kSpreads = false;
  static PYCORE_INLINE Vec<int32_t> shifted(Vec<int32_t> bytes) {
    return bytes ^ static_cast<int32_t>(0x80808080u);
  }
  static PYCORE_INLINE Vec<int32_t> load_b(const int8_t* p) { return shifted(load_bits(p)); }
  static PYCORE_INLINE Vec<int32_t> load_b(const int8_t* p, int n) {
    return shifted(load_first(p, n));
  }
  static PYCORE_INLINE void prepare(const int8_t* p, int n, Vec<int32_t>* planes) {
    planes[0] = load_first(p, n);
  }
  static PYCORE_INLINE Vec<int32_t> add(const Vec<int32_t>* a, Vec<int32_t> b, Vec<int32_t> sum) {
    return QuadOp::add(b, a[0], sum);
  }
};

struct BytePanels {
  using Source = int8_t;
  using Rows = QuadRows;
  using Result = int32_t;
  using Lane = int32_t;
  using Element = uint8_t;
  using Op = QuadOp;
  static constexpr int kGroup = 4;
  static constexpr bool kLanesLieReady = true, kShifted = true;
  static PYCORE_INLINE void convert(const int8_t* in, uint8_t* out, int64_t n) {
    memcpy(out, in, static_cast<size_t>(n));
  }
  // The first n of 16 elements, zero extended.
  static PYCORE_INLINE Vec<int32_t> load_elements(const int8_t* p, int n) {
    return (Vec<int32_t>)_mm512_cvtepu8_epi32(
        _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << n) - 1), p));
  }
  static void shift(int32_t* lanes, int64_t n) {
    for (int64_t i = 0; i < n; ++i) lanes[i] ^= static_cast<int32_t>(0x80808080u);
  }
  // sums[j] -= 128 times the sum of the panel's column j.
  static void correct(const int32_t* panel, int64_t lanes, int32_t* sums) {
    constexpr int L = kLanes<int32_t>, V = kNr<int32_t> / L, kDeep = 4;
    const Vec<int32_t> all = splat<int32_t>(static_cast<int32_t>(0x80808080u));
    Vec<int32_t> sum[kDeep][V] = {};
    const auto add = [&](int64_t p, int u) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        sum[u][v] = QuadOp::add(all, load(panel + (p * V + v) * L), sum[u][v]);
      }
    };
    int64_t p = 0;
    for (; p + kDeep <= lanes; p += kDeep) {
#pragma GCC unroll 4
      for (int u = 0; u < kDeep; ++u) add(p + u, u);
    }
    for (; p < lanes; ++p) add(p, 0);
    add_up<kDeep, V>(sum);
    for (int v = 0; v < V; ++v) store(sums + v * L, load(sums + v * L) - sum[0][v]);
  }
};

// Where pairs would have to be packed for few products, factors are widened instead.
void run_pairs(const Context& ctx, const GemmArgs& g) {
  const auto widened = kernels::avx512::gemm_kernels.run[static_cast<int>(DType::bfloat16)];
  run_batch<BFloat16, BFloat16>(
      ctx, g, [&](const Context& inner, const NarrowProblem<PairPanels>& q) {
        const bool several = q.m > 1 && q.n > 1;
        const bool few = q.bcs == 1 && (q.m <= 4 || (q.m <= 8 && q.k * q.n <= 8192));
        if (several && (few || q.m * q.n * q.k <= 4096)) return widened(inner, as_args(q));
        narrow_product<PairPanels>(inner, q);
      });
}

// float32 where 8 significant bits are enough and the product is large enough to gain by it.
void run_rounded(const Context& ctx, const GemmArgs& g) {
  const auto plain = kernels::avx512::gemm_kernels.run[static_cast<int>(DType::float32)];
  const auto pays = [](int64_t m, int64_t n, int64_t k) {
    return m > kSlimRows && n > kSlimRows && k >= 64;
  };
  if (g.precision != kernels::GemmPrecision::medium ||
      !(pays(g.m * g.batch[2], g.n, g.k) || pays(g.m, g.n, g.k)))
    return plain(ctx, g);
  run_batch<float, float>(ctx, g, [&](const Context& inner, const Problem<float>& q) {
    if (!pays(q.m, q.n, q.k)) return plain(inner, as_args(q));
    report(inner, "rounded to bfloat16");
    wide<RoundedPanels>(inner, q);
  });
}

}  // namespace gemm
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {

extern const NarrowGemm narrow_gemm;
const NarrowGemm narrow_gemm = {gemm::run_pairs, gemm::run_narrow<gemm::BytePanels>,
                                gemm::run_rounded};

}  // namespace pycore::kernels::PYCORE_ISA
