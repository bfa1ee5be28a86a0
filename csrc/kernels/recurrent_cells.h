// The arithmetic of recurrent cells on a few sequences at one step: activations and their
// derivatives, from the recurrent products of a block of hidden units. Must not know products,
// threads or the order of steps.
#pragma once

#include "kernels/recurrent.h"
#include "kernels/rows.h"

namespace pycore::kernels {
namespace {
namespace recurrent {

using namespace simd;  // NOLINT: an unnamed namespace, and these are its words

// A matrix of the rows at hand.
template <class T>
struct Rows {
  T* data = nullptr;
  int64_t stride = 0;
  T* operator[](int64_t i) const { return data + i * stride; }
  explicit operator bool() const { return data != nullptr; }
};
// The same of two sources: rows from `split` on lie elsewhere (initial states), or are zero.
template <class T>
struct SplitRows {
  Rows<const T> first;
  int64_t split = 0;
  Rows<const T> second;
  PYCORE_INLINE Vec<T> at(int64_t i, int64_t u, int lanes) const {
    if (i < split) return load_n<T>(first[i] + u, lanes);
    return second ? load_n<T>(second[i] + u, lanes) : Vec<T>{};
  }
};

template <class T>
struct ForwardStep {
  Recurrence kind;
  int64_t hidden;
  const T* bias_new;
  bool keep;
  bool direct;                // the products are in `gates` and, a GRU's for new, in `saved`
  Rows<T> gates, saved, out;  // out may be null (projections)
  Rows<T> h;                  // result
  Rows<T> state;              // LSTM: c, in place; GRU: the h before
};

template <class T>
struct BackwardStep {
  Recurrence kind;
  int64_t hidden;
  Rows<const T> gates, saved, out;
  SplitRows<T> previous;   // c (LSTM) or h (GRU) of the step before
  Rows<const T> grad_out;  // may be null
  Rows<T> carry_h;         // gradient of h that does not come through products; may be null
  Rows<T> carry_c;
  Rows<T> gradients;
  Rows<T> unprojected;  // may be null
};

// Where a cell finds the products of its tile: row i, vector (unit block, gate).
template <class T>
struct Sums {
  const T* data;  // null: zero
  int width;      // elements per row
  template <int kGates>
  PYCORE_INLINE Vec<T> at(int64_t i, int block, int gate) const {
    return data ? load<T>(data + i * width + (block * kGates + gate) * kLanes<T>) : Vec<T>{};
  }
};

// The row that a cell takes next. Its lines came to L2 during the tile's products, which went
// through more of the weights than L1 holds.
template <int kGroups, class T>
PYCORE_INLINE void fetch_row(const Rows<T>& rows, int64_t r, int64_t hidden, int64_t u0,
                             int blocks) {
  if (!rows) return;
  const T* row = rows[r] + u0;
  for (int g = 0; g < kGroups; ++g) {
    for (int b = 0; b < blocks; ++b) __builtin_prefetch(row + g * hidden + b * kLanes<T>);
  }
}

// A cell is a struct with kGates (vectors of products per vector of units), kBlocks (vectors of
// units in a panel), kCarry (h also reaches the next step outside of the products), kMemory (there
// is a c) and two functions on rows [0, rows) and `blocks` vectors of units from u0 on:
//   forward:  sums = h W_hh^T, all gates of a vector of units side by side
//   backward: sums = the gradient of h that came through the products of the next step
// They are not inlined: each exists once, so that rounding does not depend on the tile around it.

template <class T>
PYCORE_INLINE int lanes_at(int64_t u, int64_t hidden) {
  const int64_t left = hidden - u;
  return left < kLanes<T> ? static_cast<int>(left) : kLanes<T>;
}

template <class T>
PYCORE_INLINE Vec<T> incoming(const BackwardStep<T>& s, const Sums<T>& sums, int64_t i, int block,
                              int64_t u, int n) {
  Vec<T> dh = sums.template at<1>(i, block, 0);
  if (s.grad_out) dh += load_n<T>(s.grad_out[i] + u, n);
  if (s.carry_h) dh += load_n<T>(s.carry_h[i] + u, n);
  return dh;
}

template <class T>
struct Lstm {
  static constexpr int kGates = 4, kBlocks = 1;
  static constexpr bool kCarry = false, kMemory = true;

  __attribute__((noinline)) static void forward(const ForwardStep<T>& s, const Sums<T>& sums,
                                                int64_t rows, int64_t u0, int blocks) {
    const int64_t H = s.hidden;
    for (int64_t r = 0; r < rows; ++r) {
      T* gates = s.gates[r];
      T* c = s.state[r];
      for (int b = 0; b < blocks; ++b) {
        const int64_t u = u0 + b * kLanes<T>;
        if (u >= H) break;
        const int n = lanes_at<T>(u, H);
        const auto gate = [&](int g) {
          return sums.template at<kGates>(r, b, g) + load_n<T>(gates + g * H + u, n);
        };
        const Vec<T> i = sigmoid<T>(gate(0)), f = sigmoid<T>(gate(1)), g = tanh<T>(gate(2)),
                     o = sigmoid<T>(gate(3));
        const Vec<T> next = fma<T>(f, load_n<T>(c + u, n), i * g);
        const Vec<T> h = o * tanh<T>(next);
        store_n<T>(c + u, next, n);
        store_n<T>(s.h[r] + u, h, n);
        if (s.out) store_n<T>(s.out[r] + u, h, n);
        if (s.keep) {
          store_n<T>(gates + u, i, n);
          store_n<T>(gates + H + u, f, n);
          store_n<T>(gates + 2 * H + u, g, n);
          store_n<T>(gates + 3 * H + u, o, n);
          store_n<T>(s.saved[r] + u, next, n);
        }
      }
    }
  }

  __attribute__((noinline)) static void backward(const BackwardStep<T>& s, const Sums<T>& sums,
                                                 int64_t rows, int64_t u0, int blocks) {
    const int64_t H = s.hidden;
    const T one = 1;
    for (int64_t r = 0; r < rows; ++r) {
      const T* gates = s.gates[r];
      T* d = s.gradients[r];
      T* carry = s.carry_c[r];
      if (r + 1 < rows) {
        fetch_row<kGates>(s.gates, r + 1, H, u0, blocks);
        fetch_row<1>(s.saved, r + 1, H, u0, blocks);
        fetch_row<1>(s.grad_out, r + 1, H, u0, blocks);
        if (r + 1 < s.previous.split) fetch_row<1>(s.previous.first, r + 1, H, u0, blocks);
      }
      for (int b = 0; b < blocks; ++b) {
        const int64_t u = u0 + b * kLanes<T>;
        if (u >= H) break;
        const int n = lanes_at<T>(u, H);
        const Vec<T> i = load_n<T>(gates + u, n), f = load_n<T>(gates + H + u, n),
                     g = load_n<T>(gates + 2 * H + u, n), o = load_n<T>(gates + 3 * H + u, n);
        const Vec<T> dh = incoming<T>(s, sums, r, b, u, n);
        const Vec<T> tc = tanh<T>(load_n<T>(s.saved[r] + u, n));
        const Vec<T> dc = load_n<T>(carry + u, n) + dh * o * (one - tc * tc);
        store_n<T>(d + u, dc * g * (i * (one - i)), n);
        store_n<T>(d + H + u, dc * s.previous.at(r, u, n) * (f * (one - f)), n);
        store_n<T>(d + 2 * H + u, dc * i * (one - g * g), n);
        store_n<T>(d + 3 * H + u, dh * tc * (o * (one - o)), n);
        store_n<T>(carry + u, dc * f, n);
        if (s.unprojected) store_n<T>(s.unprojected[r] + u, o * tc, n);
      }
    }
  }
};

template <class T>
struct Gru {
  static constexpr int kGates = 3, kBlocks = 1;
  static constexpr bool kCarry = true, kMemory = false;

  __attribute__((noinline)) static void forward(const ForwardStep<T>& s, const Sums<T>& sums,
                                                int64_t rows, int64_t u0, int blocks) {
    const int64_t H = s.hidden;
    for (int64_t i = 0; i < rows; ++i) {
      T* gates = s.gates[i];
      for (int b = 0; b < blocks; ++b) {
        const int64_t u = u0 + b * kLanes<T>;
        if (u >= H) break;
        const int n = lanes_at<T>(u, H);
        const auto product = [&](int g) { return sums.template at<kGates>(i, b, g); };
        const auto input = [&](int g) { return load_n<T>(gates + g * H + u, n); };
        const Vec<T> r = sigmoid<T>(product(0) + input(0)), z = sigmoid<T>(product(1) + input(1));
        Vec<T> part = s.direct ? load_n<T>(s.saved[i] + u, n) : product(2);
        if (s.bias_new) part += load_n<T>(s.bias_new + u, n);
        const Vec<T> m = tanh<T>(fma<T>(r, part, input(2)));
        const Vec<T> h = fma<T>(z, load_n<T>(s.state[i] + u, n) - m, m);
        store_n<T>(s.h[i] + u, h, n);
        store_n<T>(s.out[i] + u, h, n);
        if (s.keep) {
          store_n<T>(gates + u, r, n);
          store_n<T>(gates + H + u, z, n);
          store_n<T>(gates + 2 * H + u, m, n);
          store_n<T>(s.saved[i] + u, part, n);
        }
      }
    }
  }

  __attribute__((noinline)) static void backward(const BackwardStep<T>& s, const Sums<T>& sums,
                                                 int64_t rows, int64_t u0, int blocks) {
    const int64_t H = s.hidden;
    const T one = 1;
    for (int64_t i = 0; i < rows; ++i) {
      const T* gates = s.gates[i];
      T* d = s.gradients[i];
      if (i + 1 < rows) {
        fetch_row<kGates>(s.gates, i + 1, H, u0, blocks);
        fetch_row<1>(s.saved, i + 1, H, u0, blocks);
        fetch_row<1>(s.grad_out, i + 1, H, u0, blocks);
        if (i + 1 < s.previous.split) fetch_row<1>(s.previous.first, i + 1, H, u0, blocks);
      }
      for (int b = 0; b < blocks; ++b) {
        const int64_t u = u0 + b * kLanes<T>;
        if (u >= H) break;
        const int n = lanes_at<T>(u, H);
        const Vec<T> r = load_n<T>(gates + u, n), z = load_n<T>(gates + H + u, n),
                     m = load_n<T>(gates + 2 * H + u, n);
        const Vec<T> dh = incoming<T>(s, sums, i, b, u, n);
        const Vec<T> dm = dh * (one - z) * (one - m * m);
        const Vec<T> dz = dh * (s.previous.at(i, u, n) - m) * (z * (one - z));
        const Vec<T> dr = dm * load_n<T>(s.saved[i] + u, n) * (r * (one - r));
        store_n<T>(d + u, dm, n);
        store_n<T>(d + H + u, dr, n);
        store_n<T>(d + 2 * H + u, dz, n);
        store_n<T>(d + 3 * H + u, dm * r, n);
        store_n<T>(s.carry_h[i] + u, dh * z, n);
      }
    }
  }
};

// tanh or relu: asked of each vector, since whole layers of their own would be much code.
template <class T>
struct Simple {
  static constexpr int kGates = 1, kBlocks = 4;
  static constexpr bool kCarry = false, kMemory = false;

  __attribute__((noinline)) static void forward(const ForwardStep<T>& s, const Sums<T>& sums,
                                                int64_t rows, int64_t u0, int blocks) {
    const int64_t H = s.hidden;
    for (int64_t i = 0; i < rows; ++i) {
      for (int b = 0; b < blocks; ++b) {
        const int64_t u = u0 + b * kLanes<T>;
        if (u >= H) break;
        const int n = lanes_at<T>(u, H);
        const Vec<T> x = sums.template at<kGates>(i, b, 0) + load_n<T>(s.gates[i] + u, n);
        const Vec<T> h =
            s.kind == Recurrence::rnn_tanh ? tanh<T>(x) : select<T>(x < T(0), Vec<T>{}, x);
        store_n<T>(s.h[i] + u, h, n);
        store_n<T>(s.out[i] + u, h, n);
      }
    }
  }

  __attribute__((noinline)) static void backward(const BackwardStep<T>& s, const Sums<T>& sums,
                                                 int64_t rows, int64_t u0, int blocks) {
    const int64_t H = s.hidden;
    for (int64_t i = 0; i < rows; ++i) {
      for (int b = 0; b < blocks; ++b) {
        const int64_t u = u0 + b * kLanes<T>;
        if (u >= H) break;
        const int n = lanes_at<T>(u, H);
        const Vec<T> dh = incoming<T>(s, sums, i, b, u, n);
        const Vec<T> h = load_n<T>(s.out[i] + u, n);
        const bool smooth = s.kind == Recurrence::rnn_tanh;
        store_n<T>(s.gradients[i] + u,
                   smooth ? dh * (T(1) - h * h) : select<T>(h <= T(0), Vec<T>{}, dh), n);
      }
    }
  }
};

}  // namespace recurrent
}  // namespace
}  // namespace pycore::kernels
