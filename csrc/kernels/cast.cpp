// Conversions between dtypes, copies, transposes and fills. Must not know tensors.
#include "kernels/cast.h"

#include "kernels/bits.h"
#include "simd/widen.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

inline constexpr int64_t kBlock = 512;

// Storage types that need a tag: a bool is a byte that is 0 or 1.
struct Bool {
  uint8_t value;
};

template <class From, class To>
PYCORE_INLINE void convert(const From* in, To* out, int64_t n) {
  constexpr bool kFromFloat = __is_same(From, float) || __is_same(From, double);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (__is_same(From, Half)) {
      __builtin_unreachable();
    } else if constexpr (__is_same(To, Bool)) {
      out[i].value = in[i] != From(0);
    } else if constexpr (kFromFloat && sizeof(To) < 4) {
      // Through int32, so that values out of range wrap instead of being undefined.
      out[i] = static_cast<To>(static_cast<int32_t>(in[i]));
    } else {
      out[i] = static_cast<To>(in[i]);
    }
  }
}
PYCORE_INLINE void convert(const Half* in, float* out, int64_t n) {
  simd::halves_to_floats(&in->bits, out, n);
}
PYCORE_INLINE void convert(const float* in, Half* out, int64_t n) {
  simd::floats_to_halves(in, &out->bits, n);
}
PYCORE_INLINE void convert(const BFloat16* in, float* out, int64_t n) {
  simd::bfloat16s_to_floats(&in->bits, out, n);
}
PYCORE_INLINE void convert(const float* in, BFloat16* out, int64_t n) {
  simd::floats_to_bfloat16s(in, &out->bits, n);
}

// Moves strided elements through blocks around a contiguous conversion. From and To are unsigned
// integers of the elements' sizes: one copy of this code serves all types.
template <class From, class To>
__attribute__((noinline)) void staged_cast(CastFn fn, const From* in, To* out, int64_t n,
                                           int64_t si, int64_t so) {
  From block_in[kBlock];
  To block_out[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = n - i < kBlock ? n - i : kBlock;
    const From* source = in + i * si;
    if (si != 1) {
      for (int64_t j = 0; j < m; ++j) block_in[j] = source[j * si];
      source = block_in;
    }
    fn(source, so == 1 ? out + i : block_out, m, 1, 1);
    if (so != 1)
      for (int64_t j = 0; j < m; ++j) out[(i + j) * so] = block_out[j];
  }
}

template <class From, class To>
__attribute__((noinline)) void cast(const void* in, void* out, int64_t n, int64_t si, int64_t so) {
  if (si == 1 && so == 1) {
    convert(static_cast<const From*>(in), static_cast<To*>(out), n);
  } else {
    staged_cast(&cast<From, To>, static_cast<const Bits<From>*>(in), static_cast<Bits<To>*>(out), n,
                si, so);
  }
}

template <class T>
constexpr bool kReduced = __is_same(T, Half) || __is_same(T, BFloat16);

// The reduced floats meet the other types (and each other) in float32.
template <class From, class To>
void cast_through_float(const void* in, void* out, int64_t n, int64_t si, int64_t so) {
  const From* source = static_cast<const From*>(in);
  To* target = static_cast<To*>(out);
  float block[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t m = n - i < kBlock ? n - i : kBlock;
    cast<From, float>(source + i * si, block, m, si, 1);
    cast<float, To>(block, target + i * so, m, 1, so);
  }
}

template <class T>
void copy(const void* in, void* out, int64_t n, int64_t si, int64_t so) {
  const T* source = static_cast<const T*>(in);
  T* target = static_cast<T*>(out);
  if (so == 1) {
    if (si == 1) {
      memmove(target, source, static_cast<size_t>(n) * sizeof(T));
    } else if (si == 0) {
      if (n <= 0) return;
      const T value = *source;
      for (int64_t i = 0; i < n; ++i) target[i] = value;
    } else if (si == -1) {
      for (int64_t i = 0; i < n; ++i) target[i] = source[-i];
    } else {
#pragma GCC unroll 4
      for (int64_t i = 0; i < n; ++i) target[i] = source[i * si];
    }
  } else {
#pragma GCC unroll 4
    for (int64_t i = 0; i < n; ++i) target[i * so] = source[i * si];
  }
}

// n bytes, 16 or more, in registers of 16: the last one may overlap the one before.
PYCORE_INLINE void copy_short(const char* in, char* out, int64_t n) {
  typedef char Bytes __attribute__((vector_size(16)));
  Bytes last;
  memcpy(&last, in + n - 16, 16);
  for (int64_t i = 0; i + 16 < n; i += 16) {
    Bytes x;
    memcpy(&x, in + i, 16);
    memcpy(out + i, &x, 16);
  }
  memcpy(out + n - 16, &last, 16);
}

// Longer ones, with registers that stay within lines of the output's.
PYCORE_INLINE void copy_aligned(const char* in, char* out, int64_t n) {
  constexpr int64_t kStep = simd::kRegisterBytes;
  simd::store<uint8_t>((uint8_t*)out, simd::load<uint8_t>((const uint8_t*)in));
  for (int64_t i = kStep - static_cast<int64_t>(reinterpret_cast<uintptr_t>(out) % kStep);
       i + kStep <= n; i += kStep)
    simd::store<uint8_t>((uint8_t*)(out + i), simd::load<uint8_t>((const uint8_t*)(in + i)));
  simd::store<uint8_t>((uint8_t*)(out + n - kStep),
                       simd::load<uint8_t>((const uint8_t*)(in + n - kStep)));
}

template <class T>
void copy_rows(const void* in, void* out, int64_t rows, int64_t n, int64_t row_in, int64_t row_out,
               int64_t stride_in, int64_t stride_out) {
  const T* source = static_cast<const T*>(in);
  T* target = static_cast<T*>(out);
  const int64_t bytes = n * static_cast<int64_t>(sizeof(T));
  constexpr int64_t kShortRow = 256;
  if (stride_in == 1 && stride_out == 1 && bytes >= 16 && bytes <= kShortRow) {
    for (; rows > 0; --rows, source += row_in, target += row_out)
      copy_short(reinterpret_cast<const char*>(source), reinterpret_cast<char*>(target), bytes);
  } else if (stride_in == 1 && stride_out == 1 && bytes > kShortRow) {
    for (; rows > 0; --rows, source += row_in, target += row_out)
      copy_aligned(reinterpret_cast<const char*>(source), reinterpret_cast<char*>(target), bytes);
  } else {
    for (; rows > 0; --rows, source += row_in, target += row_out)
      copy<T>(source, target, n, stride_in, stride_out);
  }
}

template <class T>
void fill(void* out, int64_t n, int64_t so, const void* value) {
  T* target = static_cast<T*>(out);
  const T x = *static_cast<const T*>(value);
  if (so == 1) {
    for (int64_t i = 0; i < n; ++i) target[i] = x;
  } else {
    for (int64_t i = 0; i < n; ++i) target[i * so] = x;
  }
}

#if defined(__SSE2__)
void stream(const void* in, void* out, int64_t bytes) {
  const char* source = static_cast<const char*>(in);
  char* target = static_cast<char*>(out);
  // Such stores want whole registers, best whole lines of the cache.
  const int64_t to_line = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(target) % 64);
  const int64_t head = to_line < bytes ? to_line : bytes;
  memcpy(target, source, static_cast<size_t>(head));
  int64_t i = head;
  for (; i + 64 <= bytes; i += 64) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target + i), _mm512_loadu_si512(source + i));
#elif defined(__AVX2__)
    for (int64_t j = i; j < i + 64; j += 32)
      _mm256_stream_si256(reinterpret_cast<__m256i*>(target + j),
                          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + j)));
#else
    for (int64_t j = i; j < i + 64; j += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(target + j),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + j)));
#endif
  }
  memcpy(target + i, source + i, static_cast<size_t>(bytes - i));
}
void stream_done() { _mm_sfence(); }
#endif

// A square of 16 / sizeof(T) rows in 128-bit registers: log2(rows) rounds of interleaving row i
// with row i + rows / 2 transpose it.
template <class T>
PYCORE_INLINE void transpose_square(const T* in, int64_t stride_in, T* out, int64_t stride_out) {
  constexpr int kN = 16 / static_cast<int>(sizeof(T));
  typedef T V __attribute__((vector_size(16)));
  V rows[kN], next[kN];
  for (int i = 0; i < kN; ++i) memcpy(&rows[i], in + i * stride_in, 16);
  for (int round = 1; round < kN; round *= 2) {
    for (int i = 0; i < kN / 2; ++i) {
      const V a = rows[i], b = rows[i + kN / 2];
      if constexpr (kN == 2) {
        next[0] = __builtin_shufflevector(a, b, 0, 2);
        next[1] = __builtin_shufflevector(a, b, 1, 3);
      } else if constexpr (kN == 4) {
        next[2 * i] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        next[2 * i + 1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      } else if constexpr (kN == 8) {
        next[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
        next[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
      } else {
        next[2 * i] =
            __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        next[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                                  29, 14, 30, 15, 31);
      }
    }
    for (int i = 0; i < kN; ++i) rows[i] = next[i];
  }
  for (int i = 0; i < kN; ++i) memcpy(out + i * stride_out, &rows[i], 16);
}

template <class T>
void transpose(const void* in, void* out, int64_t rows, int64_t cols, int64_t stride_in,
               int64_t stride_out) {
  const T* source = static_cast<const T*>(in);
  T* target = static_cast<T*>(out);
  constexpr int64_t kN = 16 / sizeof(T);
  constexpr int64_t kTile = 64;  // a tile's lines of both sides fit the first-level cache
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const int64_t r1 = r0 + kTile < rows ? r0 + kTile : rows;
    for (int64_t c0 = 0; c0 < cols; c0 += kTile) {
      const int64_t c1 = c0 + kTile < cols ? c0 + kTile : cols;
      int64_t c = c0;
      for (; c + kN <= c1; c += kN) {
        int64_t r = r0;
        for (; r + kN <= r1; r += kN)
          transpose_square(source + r * stride_in + c, stride_in, target + c * stride_out + r,
                           stride_out);
        for (; r < r1; ++r)
          for (int64_t j = c; j < c + kN; ++j)
            target[j * stride_out + r] = source[r * stride_in + j];
      }
      for (; c < c1; ++c)
        for (int64_t r = r0; r < r1; ++r) target[c * stride_out + r] = source[r * stride_in + c];
    }
  }
}

// The C++ type of a dtype.
template <int kDType>
struct Stored;
#define STORED(dtype, Type)                       \
  template <>                                     \
  struct Stored<static_cast<int>(DType::dtype)> { \
    using type = Type;                            \
  };
STORED(uint8, uint8_t)
STORED(int8, int8_t)
STORED(int16, int16_t)
STORED(int32, int32_t)
STORED(int64, int64_t)
STORED(float16, Half)
STORED(bfloat16, BFloat16)
STORED(float32, float)
STORED(float64, double)
STORED(bool_, Bool)
#undef STORED

template <int kFrom, int kTo>
constexpr CastFn choose() {
  using From = typename Stored<kFrom>::type;
  using To = typename Stored<kTo>::type;
  if constexpr (sizeof(From) == sizeof(To) &&
                (kFrom == kTo || (sizeof(From) == 1 && !__is_same(To, Bool)))) {
    using U = typename Stored<sizeof(From) == 1   ? static_cast<int>(DType::uint8)
                              : sizeof(From) == 2 ? static_cast<int>(DType::int16)
                              : sizeof(From) == 4 ? static_cast<int>(DType::int32)
                                                  : static_cast<int>(DType::int64)>::type;
    return copy<U>;
  } else if constexpr (__is_same(From, Bool)) {
    return choose<static_cast<int>(DType::uint8), kTo>();
  } else if constexpr ((kReduced<From> && !__is_same(To, float)) ||
                       (kReduced<To> && !__is_same(From, float))) {
    return cast_through_float<From, To>;
  } else {
    return cast<From, To>;
  }
}
template <int kPair>
constexpr void set_casts(CastKernels& k) {
  if constexpr (kPair < kDTypes * kDTypes) {
    k.cast[kPair / kDTypes][kPair % kDTypes] = choose<kPair / kDTypes, kPair % kDTypes>();
    set_casts<kPair + 1>(k);
  }
}

constexpr CastKernels make_kernels() {
  CastKernels k{};
  set_casts<0>(k);
#define BY_SIZE(member)           \
  k.member[0] = member<uint8_t>;  \
  k.member[1] = member<uint16_t>; \
  k.member[2] = member<uint32_t>; \
  k.member[3] = member<uint64_t>;
  k.copy[0] = copy<uint8_t>;
  k.copy[1] = copy<int16_t>;
  k.copy[2] = copy<int32_t>;
  k.copy[3] = copy<int64_t>;
  BY_SIZE(copy_rows)
  BY_SIZE(transpose)
  BY_SIZE(fill)
#undef BY_SIZE
#if defined(__SSE2__)
  k.stream = stream;
  k.stream_done = stream_done;
#endif
  return k;
}

}  // namespace

extern const CastKernels cast_kernels;
constinit const CastKernels cast_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
