// Products of narrow types: 16-bit floats and bytes, whose sums are 32 bits wide. The operands
// become lanes of 32 bits while they are packed, so the tiles are those of float32. Must not know
// batches. What the lanes hold is the template's business, see WidenPanels.
#pragma once

#include "kernels/gemm_driver.h"
#include "kernels/gemm_narrow_rows.h"
#include "kernels/gemm_pack.h"

namespace pycore {
namespace {
namespace gemm {

PYCORE_INLINE void widen(const Half* in, float* out, int64_t n) {
  halves_to_floats(&in->bits, out, n);
}
PYCORE_INLINE void widen(const BFloat16* in, float* out, int64_t n) {
  bfloat16s_to_floats(&in->bits, out, n);
}
PYCORE_INLINE void round(const float* in, Half* out, int64_t n) {
  floats_to_halves(in, &out->bits, n);
}
PYCORE_INLINE void round(const float* in, BFloat16* out, int64_t n) {
  floats_to_bfloat16s(in, &out->bits, n);
}
PYCORE_INLINE void widen(const int32_t* in, int32_t* out, int64_t n) {
  memcpy(out, in, sizeof(int32_t) * static_cast<size_t>(n));
}
PYCORE_INLINE void round(const int32_t* in, int32_t* out, int64_t n) { widen(in, out, n); }

// A register of elements as lanes of 32 bits; of n of them, zeros behind.
PYCORE_INLINE Vec<float> load_wide(const Half* p) { return load_halves(&p->bits); }
PYCORE_INLINE Vec<float> load_wide(const Half* p, int n) { return load_halves(&p->bits, n); }
PYCORE_INLINE Vec<float> load_wide(const BFloat16* p) { return load_bfloat16s(&p->bits); }
PYCORE_INLINE Vec<float> load_wide(const BFloat16* p, int n) { return load_bfloat16s(&p->bits, n); }
PYCORE_INLINE Vec<int32_t> load_wide(const int32_t* p) { return load(p); }

// What a kind of panels defines. A lane holds kGroup neighbours along k, each an Element; Op
// multiplies lanes and adds their products up. Lanes beyond the matrix and elements beyond k are 0.
// kLanesLieReady: elements are packed as they are, so that a run along k is a run of lanes.
// load_elements(p, n): the first n <= kLanes elements, each in the low bits of a lane, zeros
// behind. kShifted: Op takes A's bytes as unsigned, so they are packed 128 too large (`shifted`),
// and the sums are corrected by the columns of B (`correction`). Rows: how a few rows are
// multiplied.
template <class S, class RowsOf>
struct WidenPanels {
  using Source = S;  // of A and B
  using Result = S;  // of C and the biases
  using Rows = RowsOf;
  using Lane = float;
  using Element = float;
  using Op = Plain<float>;
  static constexpr int kGroup = 1;
  static constexpr bool kLanesLieReady = false, kShifted = false;
  static PYCORE_INLINE void convert(const S* in, Element* out, int64_t n) { widen(in, out, n); }
  static PYCORE_INLINE Vec<int32_t> load_elements(const S* p, int n) {
    return (Vec<int32_t>)(n == kLanes<float> ? load_wide(p) : load_wide(p, n));
  }
};

// Bytes as pairs of 16-bit integers, which every x86 multiplies and adds in one instruction.
struct BytePairOp : Plain<int32_t> {
  static PYCORE_INLINE Vec<int32_t> add(Vec<int32_t> a, Vec<int32_t> b, Vec<int32_t> sum) {
#if defined(__AVX512F__)
    return sum + (Vec<int32_t>)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return sum + (Vec<int32_t>)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return sum + (Vec<int32_t>)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    return sum + (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
#endif
  }
};
// A few rows of bytes: B becomes such pairs as it is read.
struct BytePairRows : PaddedRows<int32_t> {
  using B = int8_t;
  static constexpr int kStep = 2 * kLanes<int32_t>, kPlanes = 1, kColumns = 4, kRows = 4;
  static constexpr bool kShifted = false;
  static PYCORE_INLINE Vec<int32_t> load_b(const int8_t* p) {
#if defined(__AVX512F__)
    return (Vec<int32_t>)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)p));
#elif defined(__AVX2__)
    return (Vec<int32_t>)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p));
#elif defined(__SSE2__)
    const __m128i bytes = _mm_loadl_epi64((const __m128i*)p);
    return (Vec<int32_t>)_mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8);
#else
    int16_t pairs[kStep];
    for (int i = 0; i < kStep; ++i) pairs[i] = p[i];
    Vec<int32_t> v;
    memcpy(&v, pairs, sizeof(v));
    return v;
#endif
  }
  static PYCORE_INLINE Vec<int32_t> load_b(const int8_t* p, int n) {
    int8_t some[kStep] = {};
    memcpy(some, p, static_cast<size_t>(n));
    return load_b(some);
  }
  static PYCORE_INLINE void prepare(const int8_t* p, int n, Vec<int32_t>* planes) {
    planes[0] = load_b(p, n);
  }
  static PYCORE_INLINE Vec<int32_t> add(const Vec<int32_t>* a, Vec<int32_t> b, Vec<int32_t> sum) {
    return BytePairOp::add(a[0], b, sum);
  }

#if defined(__SSE2__)
  static constexpr bool kSpreads = true;
  using Factor = int16_t;
  static int16_t factor(int8_t a) { return a; }
  static PYCORE_INLINE void factors(const int16_t* a, Vec<int32_t>* x) {
    splat_pairs<int16_t, int32_t, kRows>(a, x);
  }
  static PYCORE_INLINE void spread(const Vec<int32_t>* x, const int8_t* const* rows, int64_t j,
                                   Vec<int32_t>* s) {
    spread_pairs<BytePairRows, BytePairOp>(x, rows, j, s);
  }
  static PYCORE_INLINE void order(Vec<int32_t>* s) { order_fours<int32_t>(s); }
#else
  static constexpr bool kSpreads = false;
#endif
};

struct BytePairs {
  using Source = int8_t;
  using Rows = BytePairRows;
  using Result = int32_t;
  using Lane = int32_t;
  typedef int16_t Element __attribute__((may_alias));
  using Op = BytePairOp;
  static constexpr int kGroup = 2;
  static constexpr bool kLanesLieReady = false, kShifted = false;
  static PYCORE_INLINE void convert(const int8_t* in, Element* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) out[i] = in[i];
  }
  // The first n of kLanes elements, in the lower halves of lanes.
  static PYCORE_INLINE Vec<int32_t> load_elements(const int8_t* p, int n) {
#if defined(__AVX512BW__)
    const __m128i bytes = _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << n) - 1), p);
    return (Vec<int32_t>)_mm512_cvtepi8_epi32(bytes) & 0xffff;
#else
    int8_t some[kLanes<int32_t>] = {};
    if (n < kLanes<int32_t>) {
      memcpy(some, p, static_cast<size_t>(n));
      p = some;
    }
#if defined(__AVX2__)
    return (Vec<int32_t>)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)) & 0xffff;
#else
    Vec<int32_t> lanes;
    for (int i = 0; i < kLanes<int32_t>; ++i) lanes[i] = p[i];
    return lanes & 0xffff;
#endif
#endif
  }
};

template <class K, int W>
PYCORE_INLINE void pack_lane(const typename K::Element (&rows)[K::kGroup][W],
                             typename K::Lane* dst) {
  if constexpr (K::kGroup == 1) {
    memcpy(dst, rows[0], sizeof(rows));
  } else {
    uint32_t lanes[W] = {};
    constexpr int kBits = 32 / K::kGroup;
#pragma GCC unroll 4
    for (int g = 0; g < K::kGroup; ++g) {
      for (int i = 0; i < W; ++i) {
        lanes[i] |= (static_cast<uint32_t>(rows[g][i]) & (0xffffffffu >> (32 - kBits)))
                    << (g * kBits);
      }
    }
    memcpy(dst, lanes, sizeof(lanes));
  }
}

// Lane i of step p holds src[i + (p * kGroup + g) * ps], g < kGroup: neighbours that are rows
// apart.
template <class K, int W>
void pack_side_by_side(const typename K::Source* src, int64_t ps, int count, int64_t k,
                       typename K::Lane* dst) {
  constexpr int G = K::kGroup, L = kLanes<float>, kRead = (W + L - 1) / L * L;
  // A row that another follows may be read beyond its end, which costs less than reading a part.
  const int64_t whole = count == W && ps + count >= kRead ? k - 1 : 0;
  for (int64_t p = 0; p * G < k; ++p) {
    const int64_t there = min_of(G, k - p * G);
#pragma GCC unroll 2
    for (int i = 0; i < W; i += L) {
      const int part = count - i < L ? (count > i ? count - i : 0) : L;
      const int n = p * G + there <= whole ? L : part;
      const auto* from = src + p * G * ps + i;
      Vec<int32_t> lanes = K::load_elements(from, n);
#pragma GCC unroll 4
      for (int g = 1; g < G; ++g) {
        if (g < there) lanes |= K::load_elements(from + g * ps, n) << (g * (32 / G));
      }
      auto* to = reinterpret_cast<float*>(dst) + p * W + i;
      if (i + L <= W) {
        store(to, (Vec<float>)lanes);
      } else {
        store_first<float, W % L ? W % L : L>(to, (Vec<float>)lanes);
      }
    }
  }
}

// Rows of lanes, `stride` apart, turned into a panel: one function for all types.
template <int W>
__attribute__((noinline)) void pack_stage(const float* rows, int64_t stride, int count,
                                          int64_t lanes, float* dst) {
  pack_rows<float, W>([=](int i) { return rows + i * stride; }, count, lanes, dst);
}

// One panel: lane i of step p holds src[i * is + (p * kGroup + g) * ps], g < kGroup.
template <class K, int W>
void pack_narrow(const typename K::Source* src, int64_t is, int64_t ps, int count, int64_t k,
                 typename K::Lane* dst) {
  using S = typename K::Source;
  using E = typename K::Element;
  constexpr int G = K::kGroup;
  if (ps == 1) {  // rows of lanes, to be transposed
    constexpr int kChunk = 32;
    int64_t p = 0;
    if constexpr (K::kLanesLieReady) {
      p = k / G / kLanes<float> * kLanes<float>;
      pack_rows<float, W>([&](int i) { return reinterpret_cast<const float*>(src + i * is); },
                          count, p, reinterpret_cast<float*>(dst));
    }
    alignas(64) E stage[W][kChunk * G];
    for (; p * G < k; p += kChunk) {
      const int64_t n = min_of(kChunk * G, k - p * G), lanes = ceil_div(n, G);
      for (int i = 0; i < count; ++i) {
        if (n == kChunk * G) {
          K::convert(src + i * is + p * G, stage[i], kChunk * G);
        } else {
          K::convert(src + i * is + p * G, stage[i], n);
          for (int64_t t = n; t < lanes * G; ++t) stage[i][t] = E{};
        }
      }
      pack_stage<W>(reinterpret_cast<const float*>(stage[0]), kChunk, count, lanes,
                    reinterpret_cast<float*>(dst) + p * W);
    }
    return;
  }
  if constexpr (requires { K::load_elements(src, 1); }) {
    if (is == 1) return pack_side_by_side<K, W>(src, ps, count, k, dst);
  }
  const bool whole = is == 1 && count == W;
  E rows[G][W];
  S some[W] = {};
  for (int64_t p = 0; p * G < k; ++p) {
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g) {
      const int64_t at = p * G + g;
      if (at >= k) {
        memset(rows[g], 0, sizeof(rows[g]));
      } else if (whole) {
        K::convert(src + at * ps, rows[g], W);
      } else {
        for (int i = 0; i < count; ++i) some[i] = src[i * is + at * ps];
        K::convert(some, rows[g], W);
      }
    }
    pack_lane<K, W>(rows, dst + p * W);
  }
}

template <class K>
void pack_a(const typename K::Source* src, int64_t is, int64_t ps, int64_t count, int64_t k,
            typename K::Lane* dst) {
  pack_narrow<K, kMr>(src, is, ps, static_cast<int>(min_of(kMr, count)), k, dst);
  if constexpr (K::kShifted) K::shift(dst, kMr * ceil_div(k, K::kGroup));
}
template <class K>
void pack_b(const typename K::Source* src, int64_t is, int64_t ps, int64_t count, int64_t k,
            typename K::Lane* dst) {
  constexpr int N = kNr<typename K::Lane>;
  pack_narrow<K, N>(src, is, ps, static_cast<int>(min_of(N, count)), k, dst);
}

// V registers of sums as results.
PYCORE_INLINE float wide_of(Half x) { return half_to_float(x.bits); }
PYCORE_INLINE float wide_of(BFloat16 x) { return bfloat16_to_float(x.bits); }
PYCORE_INLINE int32_t wide_of(int32_t x) { return x; }
template <class T, int V, class R>
PYCORE_INLINE void store_rounded(const Vec<T>* x, R* to) {
  constexpr int L = kLanes<T>, kPairs = __is_same(R, BFloat16) ? V / 2 * 2 : 0;
  if constexpr (kPairs > 0) {
#pragma GCC unroll 2
    for (int v = 0; v < kPairs; v += 2) store_bfloat16s(&to[v * L].bits, x[v], x[v + 1]);
  }
  if constexpr (kPairs < V) {
    alignas(64) T t[(V - kPairs) * L];
#pragma GCC unroll 4
    for (int v = kPairs; v < V; ++v) store(t + (v - kPairs) * L, x[v]);
    round(t, to + kPairs * L, (V - kPairs) * L);
  }
}

// rows x columns sums become results; columns <= W, and W sums of a row may be read.
template <class K, int W>
void finish(const typename K::Lane* sums, int64_t stride, typename K::Result* c, int64_t crs,
            int64_t rows, int columns, const Epilogue<typename K::Result>& e) {
  using T = typename K::Lane;
  using R = typename K::Result;
  constexpr int L = kLanes<T>, V = W / L;
  const size_t bytes = sizeof(R) * static_cast<size_t>(columns);
  R some[W] = {};  // a row's end that does not fill registers
  const auto whole = [&](const R* from) {
    if (columns == W) return from;
    memcpy(some, from, bytes);
    return static_cast<const R*>(some);
  };
  Vec<T> bias[V] = {};
  if (e.bias_col) {
    const R* from = whole(e.bias_col);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) bias[v] = load_wide(from + v * L);
  }
  const bool plain = !e.accumulate && !e.bias_row && !e.relu;
  for (int64_t i = 0; i < rows; ++i) {
    R* to = c + i * crs;
    Vec<T> x[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) x[v] = load(sums + i * stride + v * L) + bias[v];
    if (!plain) {
      const R* before = e.accumulate ? whole(to) : nullptr;
      const T more = e.bias_row ? wide_of(e.bias_row[i]) : T{};
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        if (before) x[v] += load_wide(before + v * L);
        if (e.bias_row) x[v] += more;
        if (e.relu) x[v] = relu_of<T>(x[v]);
      }
    }
    if (columns == W) {
      store_rounded<T, V>(x, to);
    } else {
      store_rounded<T, V>(x, some);
      memcpy(to, some, bytes);
    }
  }
}

// Packed rows of A times one packed panel of B: the first `columns` of sums[i, 0 .. kNr).
template <class K>
void panel_product(int64_t rows, int64_t lanes, const typename K::Lane* a, int64_t a_panel,
                   const typename K::Lane* b, typename K::Lane* sums, int64_t stride, int columns,
                   const Epilogue<typename K::Lane>& e) {
  using Lane = typename K::Lane;
  for (int64_t i = 0; i < rows; i += kMr) {
    tile_of<Lane, kNv, true, true, kMr, typename K::Op>(static_cast<int>(min_of(kMr, rows - i)))(
        lanes, a + i / kMr * a_panel, 0, 0, b, kNr<Lane>, sums + i * stride, stride, columns, e);
  }
}

constexpr int64_t kLanesDeep = 2 * kKc;  // lanes of a k-block
constexpr int64_t kSlimRows = 4 * kMr;   // most rows of a product whose tasks pack B for themselves
constexpr int64_t kSlimPanels = 8;       // panels of B packed together: long runs along its rows
constexpr int64_t kBlockPanels = kMc / kMr;  // of A that a task packs for itself
constexpr int64_t kRowsAtOnce = kMr;         // rounded while the next ones are multiplied

template <class K>
constexpr bool kInPlace = __is_same(typename K::Lane, typename K::Result);  // C holds partial sums

template <class K>
using NarrowProblem = Problem<typename K::Source, typename K::Result>;

// A kept B lies panel by panel over the whole depth, whatever blocks it is used in.
template <class K>
class KeptPanels : public KeptB<typename K::Lane> {
 public:
  using Lane = typename K::Lane;
  KeptPanels(const Context& ctx, const NarrowProblem<K>& q, int64_t lanes)
      : KeptB<Lane>(ctx, K::kShifted ? nullptr : q.b_kept, kernels::KeptLayout::panels,
                    ceil_div(q.n, kNr<Lane>) * kNr<Lane> * lanes),
        lanes_(lanes) {}
  // The panel of columns from j on, lanes from pc on.
  Lane* panel(int64_t j, int64_t pc) const { return this->get() + j * lanes_ + pc * kNr<Lane>; }

 private:
  int64_t lanes_;
};

// All of A into panels over the whole depth, one after the other.
template <class K>
void pack_all_rows(const Context& ctx, const NarrowProblem<K>& q, int64_t lanes,
                   typename K::Lane* to) {
  const int64_t panels = ceil_div(q.m, kMr);
  const int64_t tasks = min_of(panels, tasks_for(16 * q.m * q.k));
  run_tasks(ctx, tasks, [&](int64_t t) {
    for (int64_t r = t * panels / tasks; r < (t + 1) * panels / tasks; ++r) {
      pack_a<K>(q.a + r * kMr * q.ars, q.ars, q.acs, q.m - r * kMr, q.k, to + r * kMr * lanes);
    }
  });
}

// Few rows: every task packs its own columns of B, a block along k at a time.
template <class K>
void slim(const Context& ctx, const NarrowProblem<K>& q) {
  using Lane = typename K::Lane;
  constexpr int G = K::kGroup, N = kNr<Lane>;
  const int64_t lanes = ceil_div(q.k, G), depth = min_of(lanes, kKc);
  const int64_t row_panels = ceil_div(q.m, kMr), panels = ceil_div(q.n, N);
  const Scratch<Lane> a_pack(ctx, row_panels * kMr * lanes);
  const KeptPanels<K> all(ctx, q, lanes);
  const bool pack = !all.filled();
  pack_all_rows<K>(ctx, q, lanes, a_pack.get());
  const int64_t want = tasks_for((q.m + kMr) * q.n * q.k);
  const int64_t per = max_of(1, min_of(kSlimPanels, panels / want));
  run_tasks(ctx, ceil_div(panels, per), [&](int64_t t) {
    const int64_t j0 = t * per * N, width = min_of(q.n - j0, per * N), mine = ceil_div(width, N);
    const Scratch<Lane> b_pack(ctx, all.get() ? 0 : mine * N * depth);
    const Scratch<Lane> sums(ctx, kInPlace<K> ? 0 : q.m * mine * N);
    Lane correction[K::kShifted ? kSlimPanels * N : 1] = {};
    int64_t pc = 0;
    do {
      const int64_t deep = min_of(depth, lanes - pc);
      const bool last = pc + deep >= lanes;
      const auto panel = [&](int64_t j) {
        return all.get() ? all.panel(j0 + j * N, pc) : b_pack.get() + j * deep * N;
      };
      constexpr int64_t kRun = 32;  // lanes of each panel in turn
      for (int64_t p = 0; pack && p < deep; p += kRun) {
        const int64_t from = (pc + p) * G, n = min_of(min_of(kRun, deep - p) * G, q.k - from);
        for (int64_t j = 0; j < mine; ++j) {
          pack_b<K>(q.b + from * q.brs + (j0 + j * N) * q.bcs, q.bcs, q.brs, width - j * N, n,
                    panel(j) + p * N);
        }
      }
      for (int64_t j = 0; j < mine; ++j) {
        const Lane *a = a_pack.get() + pc * kMr, *b = panel(j);
        const int columns = static_cast<int>(min_of(N, width - j * N));
        auto* c = q.c + j0 + j * N;
        if constexpr (K::kShifted) K::correct(b, deep, correction + j * N);
        if constexpr (kInPlace<K>) {
          Epilogue<Lane> e = last ? q.e.at(0, j0 + j * N) : Epilogue<Lane>{};
          if (K::kShifted && last) e.bias_col = correction + j * N;
          e.accumulate = pc > 0 || q.e.accumulate;
          panel_product<K>(q.m, deep, a, kMr * lanes, b, c, q.crs, columns, e);
        } else {
          Lane* s = sums.get() + j * N;
          panel_product<K>(q.m, deep, a, kMr * lanes, b, s, mine * N, N,
                           {nullptr, nullptr, pc > 0, false});
          if (last) finish<K, N>(s, mine * N, c, q.crs, q.m, columns, q.e.at(0, j0 + j * N));
        }
      }
      pc += depth;
    } while (pc < lanes);
  });
  all.done();
}

constexpr int64_t kResidentBytes = kRegisterBytes == 64 ? 1 << 19 : 1 << 17;  // half of L2

// A that stays in L2 when packed is packed once, and each panel of B right before it meets all of
// A, so that it never leaves the nearest caches.
template <class K>
bool resident(const Context& ctx, const NarrowProblem<K>& q) {
  using Lane = typename K::Lane;
  constexpr int N = kNr<Lane>;
  const int64_t lanes = ceil_div(q.k, K::kGroup);
  const int64_t row_panels = ceil_div(q.m, kMr), panels = ceil_div(q.n, N), a_panel = kMr * lanes;
  if (2 * lanes > 3 * kLanesDeep ||
      row_panels * a_panel * static_cast<int64_t>(sizeof(Lane)) > kResidentBytes)
    return false;
  const Scratch<Lane> a_pack(ctx, row_panels * a_panel);
  const KeptPanels<K> all(ctx, q, lanes);
  const bool pack = !all.filled();
  pack_all_rows<K>(ctx, q, lanes, a_pack.get());
  const int64_t tasks = min_of(panels, tasks_for(q.m * q.n * q.k));
  run_tasks(ctx, tasks, [&](int64_t t) {
    const Scratch<Lane> room(ctx, all.get() ? 0 : N * lanes);
    alignas(64) Lane local[kRowsAtOnce * N];
    for (int64_t j = t * panels / tasks * N; j < min_of(q.n, (t + 1) * panels / tasks * N);
         j += N) {
      const int columns = static_cast<int>(min_of(N, q.n - j));
      Lane* const b = all.get() ? all.panel(j, 0) : room.get();
      if (pack) pack_b<K>(q.b + j * q.bcs, q.bcs, q.brs, columns, q.k, b);
      if constexpr (kInPlace<K>) {
        Epilogue<Lane> e = q.e.at(0, j);
        Lane correction[K::kShifted ? N : 1] = {};
        if constexpr (K::kShifted) {
          K::correct(b, lanes, correction);
          e.bias_col = correction;
        }
        panel_product<K>(q.m, lanes, a_pack.get(), a_panel, b, q.c + j, q.crs, columns, e);
      } else {
        for (int64_t i = 0; i < q.m; i += kRowsAtOnce) {
          const int64_t rows = min_of(kRowsAtOnce, q.m - i);
          auto* to = q.c + i * q.crs + j;
          for (int64_t r = 0; r < rows; ++r) __builtin_prefetch(to + r * q.crs, 1);
          panel_product<K>(rows, lanes, a_pack.get() + i / kMr * a_panel, a_panel, b, local, N, N,
                           {});
          finish<K, N>(local, N, to, q.crs, rows, columns, q.e.at(i, j));
        }
      }
    }
  });
  all.done();
  return true;
}

// The general case: blocks of B, and of A where it has few rows, are packed by all tasks together,
// then shared out as a grid.
template <class K>
void wide(const Context& ctx, const NarrowProblem<K>& q) {
  using Lane = typename K::Lane;
  constexpr int G = K::kGroup, N = kNr<Lane>;
  const int64_t lanes = ceil_div(q.k, G);
  const int64_t k_blocks = lanes * 2 <= 3 * kLanesDeep ? 1 : ceil_div(lanes, kLanesDeep);
  const int64_t depth = ceil_div(lanes, k_blocks);
  const int64_t nc_max = min_of(ceil_div(q.n, N) * N, 1024 / N * N);
  const int64_t row_parts =
      parts_of_rows(ctx, q.m * nc_max * depth * G, ceil_div(q.m, kMr), kBlockPanels);
  const int64_t mc_max = row_parts ? q.m : min_of(q.m, 8 * kMc);
  const Scratch<Lane> a_pack(ctx, row_parts ? 0 : ceil_div(mc_max, kMr) * kMr * depth);
  const KeptPanels<K> all(ctx, q, lanes);
  const Scratch<Lane> b_pack(ctx, all.get() ? 0 : nc_max * depth);
  const Scratch<Lane> partial(ctx, k_blocks > 1 && !kInPlace<K> ? q.m * nc_max : 0);
  const Scratch<Lane> correction(ctx, K::kShifted ? nc_max : 0);

  for (int64_t jc = 0; jc < q.n; jc += nc_max) {
    const int64_t nc = min_of(nc_max, q.n - jc), b_panels = ceil_div(nc, N);
    for (int64_t kb = 0; kb < k_blocks; ++kb) {
      const int64_t pc = kb * depth, deep = min_of(depth, lanes - pc);
      const int64_t kc = min_of(deep * G, q.k - pc * G);
      for (int64_t ic = 0; ic < q.m; ic += mc_max) {
        const int64_t mc = min_of(mc_max, q.m - ic), a_panels = ceil_div(mc, kMr);
        const int64_t b_todo = ic == 0 && !all.filled() ? b_panels : 0;
        const auto panel_of_b = [&](int64_t j) {
          return all.get() ? all.panel(jc + j * N, pc) : b_pack.get() + j * N * deep;
        };
        const int64_t a_tasks =
            row_parts ? 0 : min_of(a_panels, tasks_for(16 * a_panels * kMr * kc));
        const auto* a = q.a + ic * q.ars + pc * G * q.acs;
        const auto pack_rows_of_a = [&](int64_t first, int64_t last, Lane* to) {
          for (int64_t i = first; i < last; ++i, to += kMr * deep) {
            pack_a<K>(a + i * kMr * q.ars, q.ars, q.acs, mc - i * kMr, kc, to);
          }
        };
        const int64_t b_tasks = min_of(b_todo, tasks_for(16 * b_todo * N * kc));
        run_tasks(ctx, a_tasks + b_tasks, [&](int64_t t) {
          if (t < b_tasks) {
            const auto* b = q.b + pc * G * q.brs + jc * q.bcs;
            for (int64_t j = t * b_todo / b_tasks; j < (t + 1) * b_todo / b_tasks; ++j) {
              Lane* panel = panel_of_b(j);
              pack_b<K>(b + j * N * q.bcs, q.bcs, q.brs, nc - j * N, kc, panel);
              if constexpr (K::kShifted) {
                Lane* sum = correction.get() + j * N;
                if (kb == 0) memset(sum, 0, sizeof(Lane) * N);
                K::correct(panel, deep, sum);
              }
            }
          } else {
            t -= b_tasks;
            const int64_t first = t * a_panels / a_tasks;
            pack_rows_of_a(first, (t + 1) * a_panels / a_tasks, a_pack.get() + first * kMr * deep);
          }
        });

        // Rows [i0, i1) times panels [j0, j1) of B; `rows_of_a` are the packed rows from i0 on.
        const bool last = kb + 1 == k_blocks;
        const auto products = [&](const Lane* rows_of_a, int64_t i0, int64_t i1, int64_t j0,
                                  int64_t j1) {
          alignas(64) Lane local[kRowsAtOnce * N];
          for (int64_t j = j0; j < j1; ++j) {
            for (int64_t i = i0; i < i1; i += kRowsAtOnce) {
              const int64_t rows = min_of(kRowsAtOnce, i1 - i);
              const int columns = static_cast<int>(min_of(N, nc - j * N));
              const Lane* packed = rows_of_a + (i - i0) * deep;
              const Lane* b = panel_of_b(j);
              auto* to = q.c + (ic + i) * q.crs + jc + j * N;
              if constexpr (kInPlace<K>) {
                Epilogue<Lane> e = last ? q.e.at(ic + i, jc + j * N) : Epilogue<Lane>{};
                if (K::kShifted && last) e.bias_col = correction.get() + j * N;
                e.accumulate = kb > 0 || q.e.accumulate;
                panel_product<K>(rows, deep, packed, kMr * deep, b, to, q.crs, columns, e);
              } else {
                Lane* sums = k_blocks > 1 ? partial.get() + (ic + i) * nc_max + j * N : local;
                const int64_t stride = k_blocks > 1 ? nc_max : N;
                if (last) {
                  for (int64_t r = 0; r < rows; ++r) __builtin_prefetch(to + r * q.crs, 1);
                }
                panel_product<K>(rows, deep, packed, kMr * deep, b, sums, stride, N,
                                 {nullptr, nullptr, kb > 0, false});
                if (last) {
                  finish<K, N>(sums, stride, to, q.crs, rows, columns, q.e.at(ic + i, jc + j * N));
                }
              }
            }
          }
        };
        if (row_parts) {
          run_tasks(ctx, row_parts, [&](int64_t t) {
            const Scratch<Lane> mine(ctx, min_of(a_panels, kBlockPanels) * kMr * deep);
            blocks_of_part(a_panels, row_parts, t, kBlockPanels, [&](int64_t i0, int64_t i1) {
              pack_rows_of_a(i0, i1, mine.get());
              products(mine.get(), i0 * kMr, min_of(mc, i1 * kMr), 0, b_panels);
            });
          });
          continue;
        }
        const int64_t want = tasks_for(mc * nc * kc);
        int64_t row_tasks = want == 1 ? 1 : min_of(a_panels, ceil_div(mc, kMc));
        const int64_t col_tasks = min_of(b_panels, ceil_div(want, row_tasks));
        row_tasks = min_of(a_panels, max_of(row_tasks, want / col_tasks));
        run_tasks(ctx, row_tasks * col_tasks, [&](int64_t t) {
          const int64_t ti = t / col_tasks, tj = t % col_tasks;
          const int64_t i0 = ti * a_panels / row_tasks * kMr;
          const int64_t i1 = min_of(mc, (ti + 1) * a_panels / row_tasks * kMr);
          products(a_pack.get() + i0 * deep, i0, i1, tj * b_panels / col_tasks,
                   (tj + 1) * b_panels / col_tasks);
        });
      }
    }
  }
  all.done();
}

// Columns [j0, j1) of all rows, from sums of q.m rows to C.
template <class K>
void finish_columns(const NarrowProblem<K>& q, const typename K::Lane* sums, int64_t stride,
                    int64_t j0, int64_t j1, const Epilogue<typename K::Result>& e) {
  constexpr int L = kLanes<typename K::Lane>;
  for (int64_t j = j0; j < j1; j += L) {
    finish<K, L>(sums + j, stride, q.c + j, q.crs, q.m, static_cast<int>(min_of(L, j1 - j)),
                 e.at(0, j));
  }
}

// A few rows times columns that are contiguous along k.
template <class K>
void dot_rows(const Context& ctx, const NarrowProblem<K>& q) {
  using Lane = typename K::Lane;
  using S = typename K::Source;
  using Rows = typename K::Rows;
  constexpr int L = kLanes<Lane>, P = Rows::kPlanes;
  const int64_t steps = ceil_div(q.k, Rows::kStep), pitch = steps * P * L, stride = q.n + L;
  const Scratch<Lane> a(ctx, q.m * pitch), sums(ctx, q.m * stride);
  const Scratch<S> dense(ctx, q.acs == 1 ? 0 : q.k);
  typename K::Result correction[kFewRows] = {};
  for (int64_t i = 0; i < q.m; ++i) {
    const S* row = q.a + i * q.ars;
    if (q.acs != 1) {
      for (int64_t p = 0; p < q.k; ++p) dense.get()[p] = row[p * q.acs];
      row = dense.get();
    }
    for (int64_t s = 0; s < steps; ++s) {
      Vec<Lane> planes[P];
      const int64_t at = s * Rows::kStep;
      Rows::prepare(row + at, static_cast<int>(min_of(Rows::kStep, q.k - at)), planes);
      for (int p = 0; p < P; ++p) store(a.get() + i * pitch + (s * P + p) * L, planes[p]);
    }
    if constexpr (Rows::kShifted) {
      uint32_t sum = 0;  // wraps like the products' sums
      for (int64_t p = 0; p < q.k; ++p) sum += static_cast<uint32_t>(row[p]);
      correction[i] = static_cast<int32_t>(-128 * sum);
    }
  }
  auto e = q.e;
  if constexpr (Rows::kShifted) e.bias_row = correction;
  const int64_t groups = ceil_div(q.n, L), tasks = min_of(groups, tasks_for(4 * q.m * q.n * q.k));
  const int64_t bytes = q.n * q.k * static_cast<int64_t>(sizeof(S));
  over_columns(ctx, q.b, bytes, groups, tasks, [&](int64_t first, int64_t last) {
    const int64_t j0 = first * L, j1 = min_of(q.n, last * L);
    dot_columns<Lane, Rows>(q.m, q.k, a.get(), pitch, q.b, q.bcs, sums.get(), stride, j0, j1, {});
    finish_columns<K>(q, sums.get(), stride, j0, j1, e);
  });
}

// One row times a B that is contiguous along its rows.
template <class K>
void spread_one_row(const Context& ctx, const NarrowProblem<K>& q) {
  using Rows = typename K::Rows;
  using Factor = typename Rows::Factor;
  constexpr int64_t kLine = 64 / sizeof(typename K::Source), kNarrow = 128;
  const Scratch<Factor> a(ctx, q.k + Rows::kRows);
  for (int64_t p = 0; p < q.k; ++p) a.get()[p] = Rows::factor(q.a[p * q.acs]);
  for (int64_t p = q.k; p < q.k + Rows::kRows; ++p) a.get()[p] = Factor{};
  // Strips of columns as wide as their sums fit into L1, or as many as keep all threads busy. How
  // columns are split does not show in the bits.
  const int64_t busy = ceil_div(ceil_div(q.n, kRowColumns), ctx.threads) * ctx.threads;
  const int64_t strips = max_of(ceil_div(q.n, kRowColumns),
                                min_of(busy, min_of(q.n / kNarrow, tasks_for(4 * q.n * q.k))));
  const int64_t width = ceil_div(ceil_div(q.n, strips), kLine) * kLine;
  const Scratch<typename K::Lane> sums(ctx, q.n + kLine);
  run_tasks(ctx, ceil_div(q.n, width), [&](int64_t t) {
    const int64_t j0 = t * width, j1 = min_of(q.n, j0 + width);
    spread_row<Rows>(q.k, a.get(), q.b + j0, q.brs, static_cast<int>(j1 - j0), sums.get() + j0);
    finish_columns<K>(q, sums.get(), 0, j0, j1, q.e);
  });
}

template <class K>
void narrow_product(const Context& ctx, const NarrowProblem<K>& q) {
  if (q.brs == 1 && q.m <= kFewRows) {
    report(ctx, "few rows, dot products");
    return dot_rows<K>(ctx, q);
  }
  if constexpr (K::Rows::kSpreads) {
    if (q.bcs == 1 && q.m == 1) {
      report(ctx, "one row, spread over the columns");
      return spread_one_row<K>(ctx, q);
    }
  }
  report(ctx, K::kGroup > 1 ? "tiles of dot products" : "tiles, widened while packed");
  if (q.m <= kSlimRows) return slim<K>(ctx, q);
  if (!resident<K>(ctx, q)) wide<K>(ctx, q);
}

template <class K>
void run_narrow(const Context& ctx, const GemmArgs& args) {
  run_batch<typename K::Source, typename K::Result>(
      ctx, args,
      [](const Context& inner, const NarrowProblem<K>& q) { narrow_product<K>(inner, q); });
}

}  // namespace gemm
}  // namespace
}  // namespace pycore
