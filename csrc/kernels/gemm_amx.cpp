// Products of bfloat16, bytes and float32 by tiles (AMX): when they are taken, and what is taken
// otherwise. Compiled for AVX-512; core/cpu puts it into the table of the amx level. Must not know
// tensors.
#include "kernels/gemm_amx.h"

#include "kernels/float_range.h"

namespace pycore::kernels {
namespace avx512 {
extern const GemmKernels gemm_kernels;
}
namespace avx512_bf16 {
extern const NarrowGemm narrow_gemm;
}
}  // namespace pycore::kernels

namespace pycore {
namespace {
namespace gemm {

constexpr TileUnit kInstructions = tile_unit<TileInstructions>();
constexpr TileUnit kModel = tile_unit<TileModel>();

template <class K>
using TileProblem = Problem<typename K::Source, typename K::Result>;
using Run = void (*)(const Context&, const GemmArgs&);

// What runs where tiles do not: the kernels of the level below.
template <class K>
Run below(bool model) {
  const kernels::GemmKernels& wide = kernels::avx512::gemm_kernels;
  const kernels::NarrowGemm& narrow = kernels::avx512_bf16::narrow_gemm;
  if constexpr (K::kFactors == Factors::int8) {
    return model ? wide.bytes : narrow.bytes;
  } else if constexpr (__is_same(typename K::Source, BFloat16)) {
    return model ? wide.run[static_cast<int>(DType::bfloat16)] : narrow.bfloat16;
  } else {
    return model ? wide.run[static_cast<int>(DType::float32)] : narrow.float32;
  }
}

// Whether tiles are faster. Not measured yet, so chosen on the careful side of a simple account:
// narrow types are packed by either kernel, so tiles gain as soon as they are filled. A float32 is
// split when packed, about 0.5 ns with the look at its range, and a multiply-add then takes 5 ps
// instead of 12 (six products): even at m n / (m + n) = 78, taken from 128.
template <class K>
bool pays(int64_t m, int64_t n, int64_t k) {
  if constexpr (__is_same(typename K::Source, float)) {
    return k >= 128 && m >= 128 && n >= 128 && m * n >= 128 * (m + n);
  } else {
    return m >= 32 && n >= 32 && k >= 32 && m * n * k >= (1 << 18);
  }
}

template <class K>
void run_tiles(const Context& ctx, const GemmArgs& g, int parts, bool model, const char* path) {
  // A batch may be folded into rows.
  const int64_t rows = g.m * g.batch[2];
  if (g.k == 0 || (!model && !pays<K>(rows, g.n, g.k) && !pays<K>(g.m, g.n, g.k)))
    return below<K>(model)(ctx, g);
  const auto otherwise = [&](const Context& inner, const TileProblem<K>& q) {
    GemmArgs one = as_args(q);
    one.precision = g.precision;
    below<K>(model)(inner, one);
  };
  run_batch<typename K::Source, typename K::Result>(
      ctx, g, [&](const Context& inner, const TileProblem<K>& q) {
        if (!model && !pays<K>(q.m, q.n, q.k)) return otherwise(inner, q);
        if constexpr (__is_same(typename K::Source, float)) {
          if (parts > 1 && !splits(range_of(inner, q.a, q.m, q.k, q.ars, q.acs),
                                   range_of(inner, q.b, q.k, q.n, q.brs, q.bcs), q.k)) {
            report(inner, "not amx: values are out of the range that splits into bfloat16");
            return otherwise(inner, q);
          }
        }
        report(inner, path);
        tile_product<K>(inner, q, parts, model ? kModel : kInstructions);
      });
}

template <bool Model>
void run_bfloat16(const Context& ctx, const GemmArgs& g) {
  run_tiles<BFloat16Tiles>(ctx, g, 1, Model, "amx");
}
template <bool Model>
void run_bytes(const Context& ctx, const GemmArgs& g) {
  run_tiles<ByteTiles>(ctx, g, 1, Model, "amx");
}
template <bool Model>
void run_float32(const Context& ctx, const GemmArgs& g) {
  const int parts = g.precision == kernels::GemmPrecision::highest ? 3
                    : g.precision == kernels::GemmPrecision::high  ? 2
                                                                   : 1;
  constexpr const char* kPaths[] = {"amx, one bfloat16 product", "amx, three bfloat16 products",
                                    "amx, six bfloat16 products"};
  run_tiles<FloatTiles>(ctx, g, parts, Model, kPaths[parts - 1]);
}

// Small integers, whose sums are exact in any order: this asks whether tiles are what they should
// be, not how sums are rounded.
template <class Element, class Value>
bool same_product(TileBlock instructions, TileBlock model, const Value& value) {
  constexpr int kTwo = 2;  // panels, and steps
  alignas(64) char a[kTwo * kTwo * kTileBytes], b[sizeof(a)];
  alignas(64) int32_t got[kSums], want[kSums];
  uint32_t state = 1;
  char* const both[] = {a, b};
  for (char* panels : both) {
    for (size_t i = 0; i < sizeof(a); i += sizeof(Element)) {
      state = state * 1664525 + 1013904223;
      const Element x = value(static_cast<int>(state >> 28) - 8);
      memcpy(panels + i, &x, sizeof(x));
    }
  }
  instructions(kTwo, 1, a, kTwo * kTileBytes, b, kTwo * kTileBytes, Ahead{}, got);
  model(kTwo, 1, a, kTwo * kTileBytes, b, kTwo * kTileBytes, Ahead{}, want);
  return memcmp(got, want, sizeof(got)) == 0;
}

bool instructions_work() {
  kInstructions.open();
  const bool same = same_product<BFloat16>(kInstructions.blocks[0][1][1], kModel.blocks[0][1][1],
                                           [](int x) {
                                             const float wide = static_cast<float>(x);
                                             uint32_t bits;
                                             memcpy(&bits, &wide, sizeof(bits));
                                             return BFloat16{static_cast<uint16_t>(bits >> 16)};
                                           }) &&
                    same_product<int8_t>(kInstructions.blocks[1][1][1], kModel.blocks[1][1][1],
                                         [](int x) { return static_cast<int8_t>(x); });
  kInstructions.close();
  return same;
}

}  // namespace gemm
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {

extern const TileGemm tile_gemm;
const TileGemm tile_gemm = {
    {gemm::run_bfloat16<false>, gemm::run_bytes<false>, gemm::run_float32<false>},
    {gemm::run_bfloat16<true>, gemm::run_bytes<true>, gemm::run_float32<true>},
    gemm::instructions_work};

}  // namespace pycore::kernels::PYCORE_ISA
