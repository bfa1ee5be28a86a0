// Runs recurrent layers: packs the recurrent weights once per call, then goes through the steps;
// each tile of products feeds the cell while it is in the cache. Sequences of a batch and the two
// directions are independent, so they are what threads share out. Must not know tensors.
#include "kernels/recurrent.h"

#include "kernels/recurrent_cells.h"
#include "kernels/recurrent_products.h"

namespace pycore::kernels {
namespace {
namespace recurrent {

template <class T>
void copy_row(T* to, const T* from, int64_t n) {  // null: zeros
  if (from)
    memcpy(to, from, sizeof(T) * static_cast<size_t>(n));
  else
    memset(to, 0, sizeof(T) * static_cast<size_t>(n));
}

// --- the order of steps
// ---------------------------------------------------------------------------

// Sequences [begin, end) of the batch in one direction.
struct Part {
  const RecurrentShape& shape;
  bool reverse;
  int64_t begin, end;
  int64_t tasks;  // how many tasks share the panels of a step; 1 where parts run side by side

  // The step that comes i-th in time order of this direction.
  int64_t step(int64_t i) const { return reverse ? shape.steps - 1 - i : i; }
  // How many of the part's sequences run at step t.
  int64_t running(int64_t t) const {
    return max_of(0, min_of(end, shape.sizes ? shape.sizes[t] : shape.batch) - begin);
  }
  template <class T>
  Rows<T> rows(const RecurrentRows& r, int64_t t) const {
    if (!r.data) return {};
    T* data = static_cast<T*>(r.data);
    return {data + (shape.offsets ? shape.offsets[t] * r.row : t * r.step) + begin * r.row, r.row};
  }
};

// Row i of a [batch, n] matrix, counted from the part's first sequence; null stays null.
template <class T>
T* state_row(T* data, int64_t n, const Part& part, int64_t i) {
  return data ? data + (part.begin + i) * n : nullptr;
}

template <class T>
Rows<T> shifted(Rows<T> r, int64_t i) {
  return {r.data ? r[i] : nullptr, r.stride};
}

// Runs f(panel number) for the panels of one step, which do not see each other either.
template <class F>
PYCORE_INLINE void over_panels(const Context& ctx, const Part& part, int64_t panels, const F& f) {
  const int64_t tasks = min_of(part.tasks, panels);
  run_tasks(ctx, tasks, [&](int64_t t) {
    for (int64_t p = t * panels / tasks; p < (t + 1) * panels / tasks; ++p) f(p);
  });
}

// --- forward
// --------------------------------------------------------------------------------------

template <class T, class Cell, int kBlocks>
void forward_part(const Context& ctx, const RecurrentForward& d, const Part& part, const T* panels,
                  const T* projection) {
  constexpr int L = kLanes<T>, NV = Cell::kGates * kBlocks;
  const RecurrentShape& shape = part.shape;
  const int64_t H = shape.hidden, S = shape.state, batch = part.end - part.begin;
  const Scratch<T> scratch(ctx, batch * (2 * S + 2 * H));
  Rows<T> h{scratch.get(), S}, next{h.data + batch * S, S};
  const Rows<T> c{next.data + batch * S, H}, wide{c.data + batch * H, H};
  const T* h0 = static_cast<const T*>(d.h0);
  const T* c0 = static_cast<const T*>(d.c0);

  int64_t live = 0;
  const auto change = [&](int64_t n) {  // sequences enter or leave
    for (int64_t i = live; i < n; ++i) {
      copy_row(h[i], state_row(h0, S, part, i), S);
      if (Cell::kMemory) copy_row(c[i], state_row(c0, H, part, i), H);
    }
    for (int64_t i = n; i < live; ++i) {
      if (d.hn) copy_row(state_row(static_cast<T*>(d.hn), S, part, i), h[i], S);
      if (Cell::kMemory) copy_row(state_row(static_cast<T*>(d.cn), H, part, i), c[i], H);
    }
    live = n;
  };

  for (int64_t i = 0; i < shape.steps; ++i) {
    const int64_t t = part.step(i);
    change(part.running(t));
    if (!live) continue;
    const Rows<T> out = part.rows<T>(d.out, t);
    const ForwardStep<T> all{shape.kind,
                             H,
                             static_cast<const T*>(d.bias_new),
                             d.keep,
                             d.direct,
                             part.rows<T>(d.gates, t),
                             part.rows<T>(d.saved, t),
                             projection ? Rows<T>{} : out,
                             projection ? wide : next,
                             Cell::kMemory ? c : h};
    const auto cell = [&](int64_t first, int64_t n, const Sums<T>& sums, int64_t u, int blocks) {
      const ForwardStep<T> s{shape.kind,
                             H,
                             all.bias_new,
                             d.keep,
                             d.direct,
                             shifted(all.gates, first),
                             shifted(all.saved, first),
                             shifted(all.out, first),
                             shifted(all.h, first),
                             shifted(all.state, first)};
      Cell::forward(s, sums, n, u, blocks);
    };
    if (d.direct) {
      cell(0, live, {nullptr, 0}, 0, static_cast<int>(ceil_div(H, L)));
    } else {
      over_panels(ctx, part, ceil_div(H, kBlocks * L), [&](int64_t p) {
        const int64_t u = p * kBlocks * L;
        over_tiles<T, NV>(
            live, S, {h.data, S}, panels + p * NV * L * S,
            [&](int64_t first, int64_t n) {
              fetch(all.gates, first, n, H, Cell::kGates, u, kBlocks);
            },
            [&](int64_t first, int64_t n, const Sums<T>& sums) {
              cell(first, n, sums, u, kBlocks);
            });
      });
    }
    if (projection) {
      over_panels(ctx, part, ceil_div(S, kBackBlocks * L), [&](int64_t p) {
        const int64_t u = p * kBackBlocks * L;
        const size_t bytes = sizeof(T) * static_cast<size_t>(min_of(kBackBlocks * L, S - u));
        over_tiles<T, kBackBlocks>(live, H, {wide.data, H}, projection + u * H, nothing,
                                   [&](int64_t first, int64_t n, const Sums<T>& sums) {
                                     for (int64_t r = 0; r < n; ++r) {
                                       const T* from = sums.data + r * sums.width;
                                       memcpy(next[first + r] + u, from, bytes);
                                       memcpy(out[first + r] + u, from, bytes);
                                     }
                                   });
      });
    }
    const Rows<T> swap = h;
    h = next;
    next = swap;
  }
  change(0);
}

// Work that is worth a second thread, in multiply-adds: of a whole sequence, which starts its
// threads once, and of a step, which reads its weights from a cache and wakes them each time.
constexpr int64_t kPartWork = 1 << 21;
constexpr int64_t kStepWork = 1 << 18;
constexpr int64_t kPartRows = 4;  // fewer sequences do not feed a tile

// Runs f(direction, its number, part) for all directions and parts of the batch; a single part
// shares out the panels of each step. Sequences and panels do not see each other, so how they are
// split does not show in the bits, and may follow the threads.
template <class D, class F>
void over_parts(const Context& ctx, const RecurrentShape& shape, const D* directions, int count,
                const F& f) {
  const int64_t step = shape.batch * recurrent_gates(shape.kind) * shape.hidden * shape.state;
  const int64_t work = shape.steps * step;
  int64_t parts = 1;
  if (work >= kPartWork)
    parts = max_of(1, min_of(ceil_div(ctx.threads, count), shape.batch / kPartRows));
  const int64_t panel_tasks = parts * count == 1 && step >= kStepWork ? ctx.threads : 1;
  const auto one = [&](int64_t task) {
    const int64_t i = task % parts;
    const D& d = directions[task / parts];
    f(d, static_cast<int>(task / parts),
      Part{shape, d.reverse, i * shape.batch / parts, (i + 1) * shape.batch / parts, panel_tasks});
  };
  if (work * count < kPartWork) {
    for (int64_t task = 0; task < parts * count; ++task) one(task);
  } else {
    run_tasks(ctx, parts * count, one);
  }
}

template <class T, class Cell, int kBlocks>
void forward(const Context& ctx, const RecurrentShape& shape, const RecurrentForward* d,
             int count) {
  constexpr int L = kLanes<T>, W = Cell::kGates * kBlocks * L, V = kBackBlocks * L;
  const int64_t H = shape.hidden, S = shape.state;
  const bool direct = d[0].direct, projected = d[0].weight_hr != nullptr;
  const int64_t panels = direct ? 0 : ceil_div(H, kBlocks * L), each = W * S;
  const int64_t columns = projected ? ceil_div(S, V) : 0, each_column = V * H;
  const int64_t size = panels * each + columns * each_column;
  const Scratch<T> packed(ctx, size * count);
  if (!direct) {
    pack(ctx, panels * count, each, [&](int64_t p) {
      pack_gates<T>(static_cast<const T*>(d[p / panels].weight_hh), Cell::kGates, kBlocks, H, S,
                    p % panels, packed.get() + p / panels * size + p % panels * each);
    });
  }
  if (projected) {
    pack(ctx, columns * count, each_column, [&](int64_t p) {
      pack_gates<T>(static_cast<const T*>(d[p / columns].weight_hr), 1, kBackBlocks, S, H,
                    p % columns,
                    packed.get() + p / columns * size + panels * each + p % columns * each_column);
    });
  }
  over_parts(ctx, shape, d, count, [&](const RecurrentForward& one, int i, const Part& part) {
    const T* weights = packed.get() + i * size;
    forward_part<T, Cell, kBlocks>(ctx, one, part, weights,
                                   projected ? weights + panels * each : nullptr);
  });
}

// --- backward
// -------------------------------------------------------------------------------------

template <class T, class Cell, int kSegments>
void backward_part(const Context& ctx, const RecurrentBackward& d, const Part& part,
                   const T* panels, const T* projection) {
  constexpr int L = kLanes<T>, V = kBackBlocks * L;
  constexpr int kGates = Cell::kGates;
  const RecurrentShape& shape = part.shape;
  const int64_t H = shape.hidden, S = shape.state, batch = part.end - part.begin;
  const Scratch<T> scratch(ctx, batch * (S + H));
  const Rows<T> carry_h{scratch.get(), S}, carry_c{scratch.get() + batch * S, H};
  const int64_t skip = Cell::kCarry ? H : 0;  // gradients that W_hh has no part in

  // f(first, rows, sums, u) with sums = (gradients W_hh)[rows, columns from u on], or null sums
  // where `from` is null.
  const auto products = [&](Rows<T> from, int64_t first, int64_t end, const auto& before,
                            const auto& f) {
    if (first >= end) return;
    over_panels(ctx, part, ceil_div(S, V), [&](int64_t p) {
      const int64_t u = p * V;
      const T* panel = panels + u * kGates * H;
      if (!from) {
        f(first, end - first, Sums<T>{nullptr, V}, u);
      } else if constexpr (kSegments > 1) {
        alignas(64) T sums[V];
        for (int64_t i = first; i < end; ++i) {
          segments_tile<T, kSegments>(H, from[i] + skip, panel, sums);
          f(i, 1, Sums<T>{sums, V}, u);
        }
      } else {
        over_tiles<T, kBackBlocks>(
            end - first, kGates * H, {from[first] + skip, from.stride}, panel,
            [&](int64_t i, int64_t n) { before(first + i, n, u); },
            [&](int64_t i, int64_t n, const Sums<T>& sums) { f(first + i, n, sums, u); });
      }
    });
  };
  // Sequences [first, end) have reached their beginning; `from` are the gradients of that step.
  const auto finish = [&](Rows<T> from, int64_t first, int64_t end) {
    T* to = static_cast<T*>(d.grad_h0);
    if (to) {
      products(d.direct ? Rows<T>{} : from, first, end, nothing,
               [&](int64_t i, int64_t n, const Sums<T>& sums, int64_t u) {
                 for (int64_t r = i; r < i + n; ++r) {
                   T* row = state_row(to, S, part, r) + u;
                   for (int64_t j = 0; j < min_of(V, S - u); ++j) {
                     const T x = sums.data ? sums.data[(r - i) * V + j] : T(0);
                     row[j] = Cell::kCarry ? x + carry_h[r][u + j] : x;
                   }
                 }
               });
    }
    if (Cell::kMemory && d.grad_c0) {
      for (int64_t i = first; i < end; ++i)
        copy_row(state_row(static_cast<T*>(d.grad_c0), H, part, i), carry_c[i], H);
    }
  };

  int64_t live = 0;
  Rows<T> later;  // the gradients of the step that was last, which followed in time
  for (int64_t i = shape.steps - 1; i >= 0; --i) {
    const int64_t t = part.step(i), n = part.running(t);
    if (n < live) finish(later, n, live);
    for (int64_t r = live; r < n; ++r) {  // the last step of these
      copy_row(carry_h[r], state_row(static_cast<const T*>(d.grad_hn), S, part, r), S);
      if (Cell::kMemory)
        copy_row(carry_c[r], state_row(static_cast<const T*>(d.grad_cn), H, part, r), H);
    }
    const int64_t with_products = min_of(live, n);
    live = n;
    if (!n) continue;

    // Where the step started from: the state after the step before, or the initial one.
    const int64_t before = i > 0 ? part.step(i - 1) : -1;
    const int64_t continued = before < 0 ? 0 : min_of(n, part.running(before));
    const Rows<T> h_before = before < 0 ? Rows<T>{} : part.rows<T>(d.out, before);
    const Rows<T> previous = part.rows<T>(d.previous, t);
    for (int64_t r = 0; r < n; ++r) {
      copy_row(previous[r],
               r < continued ? h_before[r] : state_row(static_cast<const T*>(d.h0), S, part, r), S);
    }
    const Rows<T> memory = before < 0 ? Rows<T>{} : part.rows<T>(d.saved, before);
    const Rows<const T> c_before{memory.data, memory.stride};
    const Rows<const T> c0{state_row(static_cast<const T*>(d.c0), H, part, 0), H};
    const Rows<const T> gates = part.rows<const T>(d.gates, t),
                        saved = part.rows<const T>(d.saved, t), out = part.rows<const T>(d.out, t),
                        grad_out = part.rows<const T>(d.grad_out, t);
    const Rows<T> gradients = part.rows<T>(d.gradients, t),
                  unprojected = part.rows<T>(d.unprojected, t);
    const auto cell = [&](int64_t first, int64_t rows, const Sums<T>& sums, int64_t u,
                          bool outside) {
      const BackwardStep<T> s{
          shape.kind,
          H,
          shifted(gates, first),
          shifted(saved, first),
          shifted(out, first),
          Cell::kMemory
              ? SplitRows<T>{shifted(c_before, first), continued - first, shifted(c0, first)}
              : SplitRows<T>{{previous[first], previous.stride}, rows, {}},
          projection ? Rows<const T>{} : shifted(grad_out, first),
          !projection && (outside || Cell::kCarry) ? shifted(carry_h, first) : Rows<T>{},
          shifted(carry_c, first),
          shifted(gradients, first),
          shifted(unprojected, first)};
      Cell::backward(s, sums, rows, u, kBackBlocks);
    };
    const auto before_cell = [&](int64_t first, int64_t rows, int64_t u) {
      fetch(gates, first, rows, H, recurrent_gates(shape.kind), u, kBackBlocks);
      fetch(saved, first, rows, H, 1, u, kBackBlocks);
      fetch(Cell::kMemory ? c_before : out, first, rows, H, 1, u, kBackBlocks);
      fetch(grad_out, first, rows, H, 1, u, kBackBlocks);
      if (gradients.data != gates.data)
        fetch(gradients, first, rows, H, recurrent_gradients(shape.kind), u, kBackBlocks);
    };
    if (!projection) {
      products(later, 0, with_products, before_cell,
               [&](int64_t first, int64_t rows, const Sums<T>& sums, int64_t u) {
                 cell(first, rows, sums, u, false);
               });
      products({}, with_products, n, nothing,
               [&](int64_t first, int64_t rows, const Sums<T>& sums, int64_t u) {
                 cell(first, rows, sums, u, true);
               });
    } else {
      // All of the gradient of h first, then through the projection.
      const Rows<T> grad_state = part.rows<T>(d.grad_state, t);
      const auto gather = [&](int64_t first, int64_t rows, const Sums<T>& sums, int64_t u) {
        for (int64_t r = first; r < first + rows; ++r) {
          for (int64_t j = 0; j < min_of(V, S - u); ++j) {
            T x = sums.data ? sums.data[(r - first) * V + j] : carry_h[r][u + j];
            if (grad_out) x += grad_out[r][u + j];
            grad_state[r][u + j] = x;
          }
        }
      };
      products(later, 0, with_products, nothing, gather);
      products({}, with_products, n, nothing, gather);
      over_panels(ctx, part, ceil_div(H, V), [&](int64_t p) {
        over_tiles<T, kBackBlocks>(n, S, {grad_state.data, grad_state.stride},
                                   projection + p * V * S, nothing,
                                   [&](int64_t first, int64_t rows, const Sums<T>& sums) {
                                     cell(first, rows, sums, p * V, false);
                                   });
      });
    }
    later = gradients;
  }
  finish(later, 0, live);
}

template <class T, class Cell, int kSegments>
void backward(const Context& ctx, const RecurrentShape& shape, const RecurrentBackward* d,
              int count) {
  constexpr int V = kBackBlocks * kLanes<T>;
  const int64_t H = shape.hidden, S = shape.state, K = Cell::kGates * H;
  const bool projected = d[0].weight_hr != nullptr;
  const int64_t panels = d[0].direct ? 0 : ceil_div(S, V), each = V * K;
  const int64_t columns = projected ? ceil_div(H, V) : 0, each_column = V * S;
  const int64_t size = panels * each + columns * each_column;
  const Scratch<T> packed(ctx, size * count);
  if (panels) {
    pack(ctx, panels * count, each, [&](int64_t p) {
      pack_columns<T>(static_cast<const T*>(d[p / panels].weight_hh), kSegments, K / kSegments, S,
                      p % panels, packed.get() + p / panels * size + p % panels * each);
    });
  }
  if (projected) {
    pack(ctx, columns * count, each_column, [&](int64_t p) {
      pack_columns<T>(
          static_cast<const T*>(d[p / columns].weight_hr), 1, S, H, p % columns,
          packed.get() + p / columns * size + panels * each + p % columns * each_column);
    });
  }
  over_parts(ctx, shape, d, count, [&](const RecurrentBackward& one, int i, const Part& part) {
    const T* weights = packed.get() + i * size;
    backward_part<T, Cell, kSegments>(ctx, one, part, weights,
                                      projected ? weights + panels * each : nullptr);
  });
}

// A batch of one has panels of its own: more accumulators for its single row.
template <class T, class Cell>
void forward_cell(const Context& ctx, const RecurrentShape& shape, const RecurrentForward* d,
                  int count) {
  if (shape.batch == 1)
    forward<T, Cell, 2 * Cell::kBlocks>(ctx, shape, d, count);
  else
    forward<T, Cell, Cell::kBlocks>(ctx, shape, d, count);
}
template <class T, class Cell>
void backward_cell(const Context& ctx, const RecurrentShape& shape, const RecurrentBackward* d,
                   int count) {
  if (shape.batch == 1 && Cell::kGates > 1)
    backward<T, Cell, Cell::kGates>(ctx, shape, d, count);
  else
    backward<T, Cell, 1>(ctx, shape, d, count);
}

template <class T>
void run_forward(const Context& ctx, const RecurrentShape& shape, const RecurrentForward* d,
                 int count) {
  switch (shape.kind) {
    case Recurrence::lstm:
      return forward_cell<T, Lstm<T>>(ctx, shape, d, count);
    case Recurrence::gru:
      return forward_cell<T, Gru<T>>(ctx, shape, d, count);
    case Recurrence::rnn_tanh:
    case Recurrence::rnn_relu:
      return forward_cell<T, Simple<T>>(ctx, shape, d, count);
  }
}
template <class T>
void run_backward(const Context& ctx, const RecurrentShape& shape, const RecurrentBackward* d,
                  int count) {
  switch (shape.kind) {
    case Recurrence::lstm:
      return backward_cell<T, Lstm<T>>(ctx, shape, d, count);
    case Recurrence::gru:
      return backward_cell<T, Gru<T>>(ctx, shape, d, count);
    case Recurrence::rnn_tanh:
    case Recurrence::rnn_relu:
      return backward_cell<T, Simple<T>>(ctx, shape, d, count);
  }
}

}  // namespace recurrent
}  // namespace
}  // namespace pycore::kernels

namespace pycore::kernels::PYCORE_ISA {

extern const RecurrentKernels recurrent_kernels;
const RecurrentKernels recurrent_kernels = {
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, recurrent::run_forward<float>,
     recurrent::run_forward<double>, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, recurrent::run_backward<float>,
     recurrent::run_backward<double>, nullptr},
};

}  // namespace pycore::kernels::PYCORE_ISA
