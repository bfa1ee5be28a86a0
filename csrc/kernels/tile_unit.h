// The tile operations of AMX, twice: the processor's instructions, and a model of them in software
// that runs anywhere AVX-512 does. Must not know matrices, packing or tasks.
#pragma once

#include "simd/shuffle.h"

namespace pycore {
namespace {
namespace gemm {

using namespace simd;  // NOLINT: an unnamed namespace, and these are its words

// All eight tiles are always full: 16 rows of 64 bytes. Edges are packed with zeros.
inline constexpr int kTileRows = 16, kTileRowBytes = 64, kTileBytes = kTileRows * kTileRowBytes;

enum class Factors { bfloat16, int8 };

// In assembly, each with a memory clobber where it touches memory: GCC 12 drops the stores of a
// configuration that only _tile_loadconfig reads, and these need no flags of the compiler.
// A thread's tiles exist from open() to close(); the process must have been given them
// (core/tiles.h).
struct TileInstructions {
  static void open() {
    struct alignas(64) Config {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    for (int i = 0; i < 8; ++i) config.bytes[i] = kTileRowBytes, config.rows[i] = kTileRows;
    asm volatile("ldtilecfg %0" ::"m"(config) : "memory");
  }
  static void close() { asm volatile("tilerelease" ::: "memory"); }
  template <int T>
  PYCORE_INLINE void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(T));
  }
  template <int T>
  PYCORE_INLINE void load(const void* from, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(T) : "memory");
  }
  template <int T>
  PYCORE_INLINE void store(void* to, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(T) : "memory");
  }
  // Tile C += tile A * tile B. A row of A is 16 groups of neighbours along k; row p of B holds
  // group p of 16 columns.
  template <Factors F, int C, int A, int B>
  PYCORE_INLINE void multiply() {
    if constexpr (F == Factors::bfloat16) {
      asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
    } else {
      asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
    }
  }
};

// What Intel's manual says of each instruction (Software Developer's Manual, volume 2, "TDPBF16PS"
// and "TDPBSSD"), operation by operation.
class TileModel {
 public:
  static void open() {}
  static void close() {}
  template <int T>
  PYCORE_INLINE void zero() {
    memset(tiles_[T], 0, kTileBytes);
  }
  template <int T>
  PYCORE_INLINE void load(const void* from, int64_t stride) {
    copy_rows(tiles_[T], kTileRowBytes, from, stride);
  }
  template <int T>
  PYCORE_INLINE void store(void* to, int64_t stride) {
    copy_rows(to, stride, tiles_[T], kTileRowBytes);
  }
  template <Factors F, int C, int A, int B>
  PYCORE_INLINE void multiply() {
    if constexpr (F == Factors::bfloat16) {
      multiply_bfloat16(C, A, B);
    } else {
      multiply_bytes(C, A, B);
    }
  }

 private:
  static __attribute__((noinline)) void copy_rows(void* to, int64_t to_stride, const void* from,
                                                  int64_t from_stride) {
    for (int i = 0; i < kTileRows; ++i) {
      memcpy(static_cast<uint8_t*>(to) + i * to_stride,
             static_cast<const uint8_t*>(from) + i * from_stride, kTileRowBytes);
    }
  }
  uint8_t* row(int tile, int i) { return tiles_[tile] + i * kTileRowBytes; }

  // Denormals count as zero, as factors, as sums and as results, whatever MXCSR says.
  static PYCORE_INLINE Vec<float> flush(Vec<float> x) {
    const Vec<int32_t> sign = (Vec<int32_t>)x & splat<int32_t>(INT32_MIN);
    const Vec<float> size = (Vec<float>)((Vec<int32_t>)x & splat<int32_t>(INT32_MAX));
    return select<float>(size < splat<float>(0x1p-126f), (Vec<float>)sign, x);
  }
  // The even (low) and odd (high) elements of pairs of bfloat16.
  static PYCORE_INLINE Vec<float> low(Vec<int32_t> pairs) {
    return flush((Vec<float>)(pairs << 16));
  }
  static PYCORE_INLINE Vec<float> high(Vec<int32_t> pairs) {
    return flush((Vec<float>)(pairs & splat<int32_t>(static_cast<int32_t>(0xffff0000u))));
  }

  // Products of even elements add up from zero, apart from those of odd elements, each rounded once
  // to nearest even; then both sums are added, and the result to C.
  __attribute__((noinline)) void multiply_bfloat16(int tile_c, int tile_a, int tile_b) {
    for (int i = 0; i < kTileRows; ++i) {
      Vec<float> even{}, odd{};
      for (int p = 0; p < kTileRows; ++p) {
        int32_t pair;
        memcpy(&pair, row(tile_a, i) + 4 * p, sizeof(pair));
        const Vec<int32_t> a = splat<int32_t>(pair), b = load_row<int32_t>(tile_b, p);
        even = flush(fma<float>(low(a), low(b), even));
        odd = flush(fma<float>(high(a), high(b), odd));
      }
      const Vec<float> c = flush(load_row<float>(tile_c, i));
      const Vec<float> sum = flush(c + flush(even + odd));
      memcpy(row(tile_c, i), &sum, sizeof(sum));
    }
  }

  // Sums wrap.
  __attribute__((noinline)) void multiply_bytes(int tile_c, int tile_a, int tile_b) {
    for (int i = 0; i < kTileRows; ++i) {
      Vec<uint32_t> sum = load_row<uint32_t>(tile_c, i);
      for (int p = 0; p < kTileRows; ++p) {
        const Vec<int32_t> b = load_row<int32_t>(tile_b, p);
        for (int g = 0; g < 4; ++g) {
          const int32_t a = static_cast<int8_t>(row(tile_a, i)[4 * p + g]);
          sum += (Vec<uint32_t>)(splat<int32_t>(a) * (b << (24 - 8 * g) >> 24));
        }
      }
      memcpy(row(tile_c, i), &sum, sizeof(sum));
    }
  }

  template <class T>
  PYCORE_INLINE Vec<T> load_row(int tile, int i) {
    static_assert(sizeof(Vec<T>) == kTileRowBytes);
    Vec<T> v;
    memcpy(&v, row(tile, i), sizeof(v));
    return v;
  }

  alignas(64) uint8_t tiles_[8][kTileBytes];
};

}  // namespace gemm
}  // namespace
}  // namespace pycore
