// Runs on an emulated processor without a system: compares blocks of products by tile instructions
// with those of the model, bit by bit, and prints what it finds to Bochs's port for text.
#include <initializer_list>

#include "kernels/gemm_amx.h"

// What the compiler calls where there is no C library.
extern "C" void* memcpy(void* to, const void* from, size_t n) {
  auto* t = static_cast<volatile char*>(to);
  for (auto* f = static_cast<const char*>(from); n; --n) *t++ = *f++;
  return to;
}
extern "C" void* memset(void* to, int value, size_t n) {
  for (auto* t = static_cast<volatile char*>(to); n; --n) *t++ = static_cast<char>(value);
  return to;
}

namespace {

using namespace pycore::gemm;

constexpr TileUnit kInstructions = tile_unit<TileInstructions>();
constexpr TileUnit kModel = tile_unit<TileModel>();

void print(char c) { asm volatile("outb %0, %1" ::"a"(c), "Nd"(static_cast<uint16_t>(0xe9))); }
void print(const char* s) {
  while (*s) print(*s++);
}
void print(int64_t n) {
  if (n > 9) print(n / 10);
  print(static_cast<char>('0' + n % 10));
}

// Bochs 3.0 takes the bytes of tdpbssd as unsigned and flushes some differences that are not
// denormal, so bytes are not negative here and small numbers have one sign.
enum Kind { kNearOne, kDenormal, kSmallProducts, kOverflow, kAnyBits, kBytes, kKinds };
uint16_t element(Kind kind, uint32_t random) {
  const auto number = [&](uint32_t low, uint32_t count, uint32_t sign) {
    return static_cast<uint16_t>((random & (sign | 0x7f)) | (low + (random >> 16) % count) << 7);
  };
  switch (kind) {
    case kNearOne:
      return number(120, 14, 0x8000);
    case kDenormal:
      return number(0, 80, 0);
    case kSmallProducts:  // about 2^-126
      return number(55, 15, 0);
    case kOverflow:
      return number(180, 20, 0x8000);
    case kAnyBits:
      return static_cast<uint16_t>(number(100, 156, 0x8000));  // infinities and NaN among them
    default:
      return static_cast<uint16_t>(random & 0x7f7f);
  }
}

bool is_nan(uint32_t bits) { return (bits & 0x7fffffff) > 0x7f800000; }

}  // namespace

extern "C" void check() {
  char *const a = reinterpret_cast<char*>(0x800000), *const b = a + 0x100000;
  auto* const got = reinterpret_cast<uint32_t*>(b + 0x100000);
  auto* const want = got + kSums;
  uint32_t state = 1;
  int64_t blocks = 0, wrong = 0;
  for (int kind = 0; kind < kKinds; ++kind) {
    const int factors = kind == kBytes;
    for (int64_t variant = 0; variant < 36; ++variant) {
      const int64_t steps = 1 + variant / 12;
      const int parts = 1 + static_cast<int>(variant / 4 % 3);
      const int64_t rows = variant / 2 % 2, columns = variant % 2;
      const int64_t panel = steps * parts * kTileBytes;
      for (int64_t i = 0; i < 2 * panel; i += 2) {
        for (char* to : {a + i, b + i}) {
          state = state * 1664525 + 1013904223;
          const uint16_t x = element(static_cast<Kind>(kind), state >> 4);
          memcpy(to, &x, sizeof(x));
        }
      }
      memset(got, 0, 2 * sizeof(*got) * kSums);
      kInstructions.open();
      kInstructions.blocks[factors][rows][columns](steps, parts, a, panel, b, panel, Ahead{}, got);
      kInstructions.close();
      kModel.blocks[factors][rows][columns](steps, parts, a, panel, b, panel, Ahead{}, want);
      ++blocks;
      for (int64_t i = 0; i < kSums; ++i) {
        const bool nan = !factors && is_nan(got[i]) && is_nan(want[i]);  // whatever its bits
        if (got[i] != want[i] && !nan && wrong++ == 0) {
          print("kind ");
          print(static_cast<int64_t>(kind));
          print(" variant ");
          print(variant);
          print(" element ");
          print(i);
          print('\n');
        }
      }
    }
  }
  print("blocks ");
  print(blocks);
  print(" wrong ");
  print(wrong);
  print('\n');
}
