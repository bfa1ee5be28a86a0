// Resampling of planes: width first, then height, then depth. Rows that several outputs share are
// resampled once. Must not know tensors.
#include "kernels/resample.h"

#include "kernels/resample_rows.h"

namespace pycore {
namespace {
namespace resample {

constexpr int64_t kTaskElements = 1 << 15;

// Calls f(first, last) on ranges of `rows` rows, each worth a task.
template <class F>
void for_row_ranges(const Context& ctx, int64_t rows, int64_t width, const F& f) {
  const int64_t per_task = max_of(8, kTaskElements / max_of(1, width));
  run_tasks(ctx, (rows + per_task - 1) / per_task,
            [&](int64_t t) { f(t * per_task, min_of(rows, (t + 1) * per_task)); });
}

// --- height and width, with weights
// ---------------------------------------------------------------

// Resampled rows of one plane, the last `taps` of them.
template <class T>
class RowCache {
 public:
  RowCache(const Context& ctx, const ResampleAxis& height, const ResampleAxis& width,
           const RowTable<T>& table)
      : height_(height),
        width_(width),
        table_(table),
        pitch_((width.out + kLanes<T> - 1) / kLanes<T> * kLanes<T>),
        rows_(ctx, width.identity ? 0 : pitch_ * height.taps),
        padded_(ctx, RowTable<T>::kReach) {}

  void start_plane(const T* plane) {
    plane_ = plane;
    next_ = 0;
  }
  // The resampled row h of the plane; rows are asked for in runs that never go back further than
  // `taps`.
  const T* row(int64_t h) {
    if (width_.identity) return plane_ + h * width_.in;
    T* place = rows_.get() + h % height_.taps * pitch_;
    if (h >= next_) {
      resample(h, place);
      next_ = h + 1;
    }
    return place;
  }
  void resample(int64_t h, T* to) {
    const T* from = plane_ + h * width_.in;
    if (width_.in < RowTable<T>::kReach) {
      memset(padded_.get(), 0, sizeof(T) * RowTable<T>::kReach);
      memcpy(padded_.get(), from, sizeof(T) * static_cast<size_t>(width_.in));
      from = padded_.get();
    }
    table_.template run<true>(from, to);
  }

 private:
  const ResampleAxis &height_, &width_;
  const RowTable<T>& table_;
  int64_t pitch_;
  Scratch<T> rows_, padded_;
  const T* plane_ = nullptr;
  int64_t next_ = 0;
};

// Where there are fewer output rows than input rows to be resampled for them, rows are blended
// first and each blend is resampled once.
inline bool blends_first(const ResampleAxis& height, const ResampleAxis& width) {
  if (height.identity || width.identity) return false;
  return 4 * min_of(height.in, height.out * height.taps) > 5 * height.out &&
         width.in <= 8 * width.out;
}

template <class T>
void planes_blended_first(const Context& ctx, int64_t planes, const ResampleAxis& height,
                          const ResampleAxis& width, const T* x, T* y) {
  const RowTable<T> table(ctx, width);
  for_row_ranges(ctx, planes * height.out, width.out, [&](int64_t begin, int64_t end) {
    const Scratch<const T*> rows(ctx, height.taps);
    const Scratch<T> blend(ctx, max_of(width.in, RowTable<T>::kReach));
    memset(blend.get(), 0, sizeof(T) * RowTable<T>::kReach);
    for (int64_t r = begin; r < end; ++r) {
      const int64_t o = r % height.out;
      const T* plane = x + r / height.out * height.in * width.in;
      for (int64_t k = 0; k < height.count[o]; ++k)
        rows.get()[k] = plane + (height.first[o] + k) * width.in;
      blend_rows<T>(rows.get(), height.weight + o * height.taps, height.count[o], width.in,
                    blend.get());
      table.template run<true>(blend.get(), y + r * width.out);
    }
  });
}

template <class T>
void planes_weighted(const Context& ctx, int64_t planes, const ResampleAxis& height,
                     const ResampleAxis& width, const T* x, T* y) {
  const RowTable<T> table(ctx, width);
  for_row_ranges(ctx, planes * height.out, width.out, [&](int64_t begin, int64_t end) {
    RowCache<T> cache(ctx, height, width, table);
    const Scratch<const T*> rows(ctx, height.taps);
    int64_t plane = -1;
    for (int64_t r = begin; r < end; ++r) {
      if (r / height.out != plane) {
        plane = r / height.out;
        cache.start_plane(x + plane * height.in * width.in);
      }
      const int64_t o = r % height.out;
      T* to = y + r * width.out;
      if (height.identity) {
        cache.resample(o, to);
        continue;
      }
      const int64_t count = height.count[o];
      for (int64_t k = 0; k < count; ++k) rows.get()[k] = cache.row(height.first[o] + k);
      blend_rows<T>(rows.get(), height.weight + o * height.taps, count, width.out, to);
    }
  });
}

// --- height and width, copying
// --------------------------------------------------------------------

// The element that a table of places is made for; types of 1 and 2 bytes do without one.
template <int Bytes>
struct TableElement {
  using type = float;
};
template <>
struct TableElement<8> {
  using type = double;
};

template <class T>
void planes_copied(const Context& ctx, int64_t planes, const ResampleAxis& height,
                   const ResampleAxis& width, const T* x, T* y) {
  constexpr bool kVectors = sizeof(T) >= 4;
  using Lane = typename TableElement<sizeof(T)>::type;
  const RowTable<Lane> table(ctx, kVectors ? width : ResampleAxis{});
  const size_t row_bytes = sizeof(T) * static_cast<size_t>(width.out);
  for_row_ranges(ctx, planes * height.out, width.out, [&](int64_t begin, int64_t end) {
    const Scratch<T> padded(ctx, RowTable<Lane>::kReach);
    memset(static_cast<void*>(padded.get()), 0, sizeof(T) * RowTable<Lane>::kReach);
    for (int64_t r = begin; r < end; ++r) {
      const int64_t plane = r / height.out, o = r % height.out;
      const int64_t h = height.identity ? o : height.first[o];
      const T* from = x + (plane * height.in + h) * width.in;
      T* to = y + r * width.out;
      if (width.identity) {
        memcpy(to, from, row_bytes);
      } else if (!height.identity && r > begin && o > 0 && height.first[o - 1] == h) {
        memcpy(to, to - width.out, row_bytes);
      } else if constexpr (kVectors) {
        if (width.in < RowTable<Lane>::kReach) {
          memcpy(padded.get(), from, sizeof(T) * static_cast<size_t>(width.in));
          from = padded.get();
        }
        table.template run<false>(from, to);
      } else {
        for (int64_t c = 0; c < width.out; ++c) to[c] = from[width.first[c]];
      }
    }
  });
}

// --- depth
// ----------------------------------------------------------------------------------------

template <class T>
void depth_pass(const Context& ctx, int64_t volumes, const ResampleAxis& depth, int64_t plane,
                const T* x, T* y) {
  for_row_ranges(ctx, volumes * depth.out, plane, [&](int64_t begin, int64_t end) {
    const Scratch<const T*> rows(ctx, depth.taps);
    for (int64_t r = begin; r < end; ++r) {
      const int64_t o = r % depth.out;
      const T* from = x + (r / depth.out * depth.in + depth.first[o]) * plane;
      if constexpr (sizeof(T) >= 4) {
        if (depth.weight) {
          for (int64_t k = 0; k < depth.count[o]; ++k) rows.get()[k] = from + k * plane;
          blend_rows<T>(rows.get(), depth.weight + o * depth.taps, depth.count[o], plane,
                        y + r * plane);
          continue;
        }
      }
      memcpy(y + r * plane, from, sizeof(T) * static_cast<size_t>(plane));
    }
  });
}

template <class T>
void run(const Context& ctx, const ResampleArgs& args, const void* source, void* target) {
  const T* x = static_cast<const T*>(source);
  T* y = static_cast<T*>(target);
  const ResampleAxis &depth = args.axis[0], &height = args.axis[1], &width = args.axis[2];
  const int64_t slices = args.planes * depth.in;
  const bool weighted = depth.weight || height.weight || width.weight;
  const auto planes = [&](const T* from, T* to) {
    if (height.identity && width.identity) {
      memcpy(to, from, sizeof(T) * static_cast<size_t>(slices * height.out * width.out));
      return;
    }
    if constexpr (sizeof(T) >= 4) {
      if (weighted) {
        const auto pass =
            blends_first(height, width) ? planes_blended_first<T> : planes_weighted<T>;
        return pass(ctx, slices, height, width, from, to);
      }
    }
    planes_copied<T>(ctx, slices, height, width, from, to);
  };
  if (depth.identity) return planes(x, y);
  const bool flat = height.identity && width.identity;
  const Scratch<T> middle(ctx, flat ? 0 : slices * height.out * width.out);
  if (!flat) planes(x, middle.get());
  depth_pass<T>(ctx, args.planes, depth, height.out * width.out, flat ? x : middle.get(), y);
}

// --- bytes in fixed point
// -------------------------------------------------------------------------

// Weights as int16 with as many fractional bits as the largest of them allows, at most 22.
class FixedWeights {
 public:
  FixedWeights(const Context& ctx, const ResampleAxis& axis)
      : taps(axis.taps), weights_(ctx, axis.identity ? 0 : axis.out * axis.taps) {
    if (axis.identity) return;
    double largest = 0;
    for (int64_t i = 0; i < axis.out * axis.taps; ++i)
      if (axis.weight[i] > largest) largest = axis.weight[i];
    while (bits < 22 && static_cast<int>(0.5 + largest * (1 << (bits + 1))) < (1 << 15)) ++bits;
    for (int64_t i = 0; i < axis.out * axis.taps; ++i) {
      const double w = axis.weight[i] * (1 << bits);
      weights_.get()[i] = static_cast<int16_t>(w < 0 ? w - 0.5 : w + 0.5);
    }
  }
  const int16_t* of(int64_t o) const { return weights_.get() + o * taps; }
  int32_t half() const { return bits > 0 ? 1 << (bits - 1) : 0; }

  int64_t taps;
  int bits = 0;

 private:
  Scratch<int16_t> weights_;
};

inline uint8_t to_byte(int32_t sum, int bits) {
  sum >>= bits;
  return static_cast<uint8_t>(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

void fixed_row(const ResampleAxis& axis, const FixedWeights& weights, const uint8_t* x,
               uint8_t* y) {
  for (int64_t o = 0; o < axis.out; ++o) {
    const uint8_t* from = x + axis.first[o];
    const int16_t* w = weights.of(o);
    int32_t sum = weights.half();
    for (int32_t k = 0; k < axis.count[o]; ++k) sum += w[k] * from[k];
    y[o] = to_byte(sum, weights.bits);
  }
}

void run_fixed(const Context& ctx, const ResampleArgs& args, const uint8_t* x, uint8_t* y) {
  const ResampleAxis &height = args.axis[1], &width = args.axis[2];
  const FixedWeights across(ctx, width), down(ctx, height);
  const int64_t in_plane = height.in * width.in, out_plane = height.out * width.out;
  run_tasks(ctx, args.planes, [&](int64_t p) {
    const Scratch<uint8_t> middle(ctx, height.in * width.out);
    const Scratch<int32_t> sums(ctx, width.out);
    const uint8_t* rows = x + p * in_plane;
    if (!width.identity) {
      for (int64_t h = 0; h < height.in; ++h)
        fixed_row(width, across, rows + h * width.in, middle.get() + h * width.out);
      rows = middle.get();
    }
    uint8_t* to = y + p * out_plane;
    if (height.identity) {
      memcpy(to, rows, static_cast<size_t>(out_plane));
      return;
    }
    for (int64_t o = 0; o < height.out; ++o, to += width.out) {
      int32_t* sum = sums.get();
      for (int64_t c = 0; c < width.out; ++c) sum[c] = down.half();
      for (int32_t k = 0; k < height.count[o]; ++k) {
        const uint8_t* row = rows + (height.first[o] + k) * width.out;
        const int32_t w = down.of(o)[k];
        for (int64_t c = 0; c < width.out; ++c) sum[c] += w * row[c];
      }
      for (int64_t c = 0; c < width.out; ++c) to[c] = to_byte(sum[c], down.bits);
    }
  });
}

}  // namespace resample
}  // namespace
}  // namespace pycore

namespace pycore::kernels::PYCORE_ISA {

extern const ResampleKernels resample_kernels;
const ResampleKernels resample_kernels = {
    {resample::run<uint8_t>, nullptr, nullptr, nullptr, nullptr, resample::run<uint16_t>,
     resample::run<uint16_t>, resample::run<float>, resample::run<double>, nullptr},
    resample::run_fixed,
};

}  // namespace pycore::kernels::PYCORE_ISA
