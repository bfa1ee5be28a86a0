// Running sums, products, extremes and log-sums along an axis. Must not know tensors.
#include "kernels/scan.h"

#include <math.h>

#include "simd/shuffle.h"

namespace pycore::kernels::PYCORE_ISA {
namespace {

namespace v = simd;

// A vector moved up by kBy lanes; what comes in below is `fill`.
template <class T, int kBy, int... I>
PYCORE_INLINE v::Vec<T> moved_up(v::Vec<T> x, v::Vec<T> fill, v::Lanes<I...>) {
  return __builtin_shufflevector(x, fill, (I >= kBy ? I - kBy : v::kLanes<T> + I)...);
}
template <class T, int... I>
PYCORE_INLINE v::Vec<T> last_in_all(v::Vec<T> x, v::Lanes<I...>) {
  return __builtin_shufflevector(x, x, (static_cast<void>(I), v::kLanes<T> - 1)...);
}
// Lane l becomes the combination of lanes 0 to l.
template <class Op, class T, int kBy = 1>
PYCORE_INLINE v::Vec<T> prefixes(v::Vec<T> x, v::Vec<T> identity) {
  if constexpr (kBy < v::kLanes<T>) {
    using All = typename v::MakeLanes<v::kLanes<T>>::type;
    x = Op::combine(x, moved_up<T, kBy>(x, identity, All{}));
    return prefixes<Op, T, 2 * kBy>(x, identity);
  } else {
    return x;
  }
}
// One line of an associative Op, a register of states at a time: what is carried on passes through
// one operation per register instead of one per element.
template <class Op>
void scan_line(const typename Op::In* in, typename Op::In* out, int64_t n) {
  using T = typename Op::In;
  using State = typename Op::State;
  constexpr int kL = v::kLanes<State>;
  typedef T Narrow __attribute__((vector_size(kL * sizeof(T))));
  using All = typename v::MakeLanes<kL>::type;
  const v::Vec<State> identity = v::splat<State>(Op::identity());
  v::Vec<State> carried = identity;
  int64_t i = 0;
  for (; i + kL <= n; i += kL) {
    Narrow x;
    memcpy(&x, in + i, sizeof(x));
    const v::Vec<State> part =
        prefixes<Op, State>(__builtin_convertvector(x, v::Vec<State>), identity);
    const Narrow y = __builtin_convertvector(Op::combine(carried, part), Narrow);
    memcpy(out + i, &y, sizeof(y));
    carried = Op::combine(carried, last_in_all<State>(part, All{}));
  }
  State s = carried[0];
  for (; i < n; ++i) {
    s = Op::combine(s, static_cast<State>(in[i]));
    out[i] = static_cast<T>(s);
  }
}

// Op: start(x) -> State, step(State, x) -> State, value(State) -> T. Steps run in order; sums carry
// double.
template <class Op>
void scan(const Context& ctx, const void* in, void* out, int64_t* indices, int64_t outer, int64_t n,
          int64_t inner) {
  using T = typename Op::In;
  using State = typename Op::State;
  const T* source = static_cast<const T*>(in);
  T* target = static_cast<T*>(out);
  if (n == 0 || inner == 0) return;
  constexpr int64_t kStretch = 32;   // elements that are looked at together
  constexpr int64_t kColumns = 256;  // states that stay in L1, from long runs of each row
  const int64_t blocks = (inner + kColumns - 1) / kColumns;
  const int64_t unit = n * (inner < kColumns ? inner : kColumns);
  const int64_t per_task = unit < 16384 ? 16384 / unit : 1;
  const int64_t units = outer * blocks;
  run_tasks(ctx, (units + per_task - 1) / per_task, [&](int64_t task) {
    const int64_t end = (task + 1) * per_task < units ? (task + 1) * per_task : units;
    for (int64_t u = task * per_task; u < end; ++u) {
      const int64_t first = u % blocks * kColumns;
      const int64_t cols = inner - first < kColumns ? inner - first : kColumns;
      const int64_t offset = u / blocks * n * inner + first;
      if (inner == 1) {
        if constexpr (Op::associative) {
          scan_line<Op>(source + offset, target + offset, n);
          continue;
        }
        State s = Op::start(source[offset]);
        for (int64_t i = 0; i < n;) {
          if constexpr (Op::has_index) {
            // Most stretches of a long line leave an extreme as it is.
            if (i > 0 && i + kStretch <= n &&
                Op::template keeps<kStretch>(s, source + offset + i)) {
              for (int64_t k = 0; k < kStretch; ++k) target[offset + i + k] = s.best;
              for (int64_t k = 0; k < kStretch; ++k) indices[offset + i + k] = s.index;
              i += kStretch;
              continue;
            }
          }
          const int64_t end = Op::has_index && n - i > kStretch ? i + kStretch : n;
          for (; i < end; ++i) {
            if (i > 0) s = Op::step(s, source[offset + i], i);
            target[offset + i] = Op::value(s);
            if constexpr (Op::has_index) indices[offset + i] = s.index;
          }
        }
        continue;
      }
      State state[kColumns];
      for (int64_t i = 0; i < n; ++i) {
        const int64_t row = offset + i * inner;
        const T* from = source + row;
        T* to = target + row;
        if (i == 0) {
          for (int64_t j = 0; j < cols; ++j) state[j] = Op::start(from[j]);
        } else {
          for (int64_t j = 0; j < cols; ++j) state[j] = Op::step(state[j], from[j], i);
        }
        for (int64_t j = 0; j < cols; ++j) to[j] = Op::value(state[j]);
        if constexpr (Op::has_index) {
          for (int64_t j = 0; j < cols; ++j) indices[row + j] = state[j].index;
        }
      }
    }
  });
}

template <class T>
struct Wide {
  using type = T;
};
template <>
struct Wide<float> {
  using type = double;
};
template <>
struct Wide<int64_t> {
  using type = uint64_t;
};

// float64 runs in order, where a sum may overflow that another order keeps finite; the wider states
// of float32 cannot, and integers wrap around in any order.
template <class T>
constexpr bool kAnyOrder = !__is_same(T, double);

template <class T>
struct CumSum {
  using In = T;
  using State = typename Wide<T>::type;
  static constexpr bool has_index = false, associative = kAnyOrder<T>;
  static constexpr State identity() { return 0; }
  template <class V>
  static V combine(V a, V b) {
    return a + b;
  }
  static State start(T x) { return static_cast<State>(x); }
  static State step(State s, T x, int64_t) { return s + static_cast<State>(x); }
  static T value(State s) { return static_cast<T>(s); }
};
template <class T>
struct CumProd {
  using In = T;
  using State = typename Wide<T>::type;
  static constexpr bool has_index = false, associative = false;
  static State start(T x) { return static_cast<State>(x); }
  static State step(State s, T x, int64_t) { return s * static_cast<State>(x); }
  static T value(State s) { return static_cast<T>(s); }
};
template <class T, bool kMax>
struct CumExtreme {
  using In = T;
  struct State {
    T best;
    int64_t index;
  };
  static constexpr bool has_index = true, associative = false;
  static State start(T x) { return {x, 0}; }
  static State step(State s, T x, int64_t i) {
    // Rare in most lines: as a jump that is foreseen it costs nothing.
    if (__builtin_expect(kMax ? x < s.best : x > s.best, 1)) return s;
    if (x != x || (s.best == s.best && (kMax ? x >= s.best : x <= s.best))) return {x, i};
    return s;
  }
  static T value(const State& s) { return s.best; }
  // Does none of kCount elements change the state? One that equals it does.
  template <int64_t kCount>
  static bool keeps(const State& s, const T* x) {
    unsigned changes = 0;
    for (int64_t k = 0; k < kCount; ++k) changes |= !(kMax ? x[k] < s.best : x[k] > s.best);
    return changes == 0;
  }
};
template <class T>
struct LogCumSumExp {
  using In = T;
  using State = double;
  static constexpr bool has_index = false, associative = false;
  static State start(T x) { return static_cast<double>(x); }
  static State step(State s, T x, int64_t) {
    const double y = static_cast<double>(x);
    if (s != s || y != y) return s + y;
    const double high = s > y ? s : y, low = s > y ? y : s;
    if (high == low && isinf(high)) return high;
    return high + log1p(::exp(low - high));
  }
  static T value(State s) { return static_cast<T>(s); }
};

template <class T>
constexpr void set_extremes(ScanKernels& k, DType dtype) {
  k.cummax[static_cast<int>(dtype)] = scan<CumExtreme<T, true>>;
  k.cummin[static_cast<int>(dtype)] = scan<CumExtreme<T, false>>;
}

constexpr ScanKernels make_kernels() {
  ScanKernels k{};
  constexpr int kF32 = static_cast<int>(DType::float32), kF64 = static_cast<int>(DType::float64);
  constexpr int kI64 = static_cast<int>(DType::int64);
  k.cumsum[kF32] = scan<CumSum<float>>;
  k.cumsum[kF64] = scan<CumSum<double>>;
  k.cumsum[kI64] = scan<CumSum<int64_t>>;
  k.cumprod[kF32] = scan<CumProd<float>>;
  k.cumprod[kF64] = scan<CumProd<double>>;
  k.cumprod[kI64] = scan<CumProd<int64_t>>;
  k.logcumsumexp[kF32] = scan<LogCumSumExp<float>>;
  k.logcumsumexp[kF64] = scan<LogCumSumExp<double>>;
  set_extremes<uint8_t>(k, DType::uint8);
  set_extremes<int8_t>(k, DType::int8);
  set_extremes<int16_t>(k, DType::int16);
  set_extremes<int32_t>(k, DType::int32);
  set_extremes<int64_t>(k, DType::int64);
  set_extremes<float>(k, DType::float32);
  set_extremes<double>(k, DType::float64);
  set_extremes<uint8_t>(k, DType::bool_);
  return k;
}

}  // namespace

extern const ScanKernels scan_kernels;
constinit const ScanKernels scan_kernels = make_kernels();

}  // namespace pycore::kernels::PYCORE_ISA
