// Rows of a padded tensor whose edges show values of the input (reflect, replicate, circular), all
// dimensions in one pass. Must not know autograd.
#pragma once

#include <vector>

#include "ops/op.h"

namespace pycore {

// `pad` lists (before, after) from the last dimension on.
inline int64_t pad_before(IntSpan pad, int64_t dim, int64_t dims) {
  auto i = static_cast<size_t>(2 * (dims - 1 - dim));
  return i < pad.size() ? pad[i] : 0;
}
inline int64_t pad_after(IntSpan pad, int64_t dim, int64_t dims) {
  auto i = static_cast<size_t>(2 * (dims - 1 - dim));
  return i + 1 < pad.size() ? pad[i + 1] : 0;
}

enum class PadMode { reflect, replicate, circular };

struct PadPlan {
  PadMode mode = PadMode::reflect;
  Dims pad;
  Dims sizes;  // of the input
};

// The last three dimensions of a padding, those missing in front of size 1, and of each which input
// index every padded one shows.
struct PadMaps {
  int64_t outer = 1;  // planes of three dimensions
  int64_t n[3] = {1, 1, 1}, size[3] = {1, 1, 1};
  int64_t low = 0, middle = 0, from = 0;  // columns [low, low + middle) show those from `from` on
  std::vector<int64_t> source[3];         // without the middle of the columns

  explicit PadMaps(const PadPlan& plan);
  // Sizes like those of x, but for the last ones.
  Dims sizes(const Tensor& x, const int64_t* last) const;
};

// Contiguous elements of `item` bytes, to their places and to those that show them.
void pad_rows(const PadMaps& maps, int64_t item, const char* from, char* to);
// The transposed map: x becomes the sums of what shows each element. T is float or double.
template <class T>
void unpad_rows(const PadMaps& maps, const T* g, T* x);

}  // namespace pycore
