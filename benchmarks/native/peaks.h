// The machine's own limits, measured before anything else runs: what every figure is a share of.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <string>
#include <vector>

namespace pycore::bench {

// Bytes per second of one core with data that stays in one level of the memory. A copy counts what
// it reads and what it writes.
struct Bandwidth {
  std::string where;
  size_t capacity;  // bytes; 0: no limit
  double read, copy;
};

struct Peaks {
  std::map<std::string, double> float32;  // operations per second of one core, by level
  double bfloat16 = 0, int8 = 0;  // of the best instruction; float32's best where there is none
  std::string bfloat16_by, int8_by;
  std::vector<Bandwidth> memory;  // nearest first
  double copy_by_all = 0;         // from memory, with all threads
};

const Peaks& peaks();
// The bandwidth of copies over so many bytes of operands together.
const Bandwidth& bandwidth(double working_set);
// Prints them, and puts them into the context of the results.
void report_peaks();

// Operations per second of tile products, 0 without AMX (amx.cpp).
double amx_bfloat16();
double amx_int8();

double now();  // seconds

}  // namespace pycore::bench
