// Threads: their number, and loops over them. The one face of whatever runs them. Must not know
// tensors.
#pragma once

#include <stdint.h>

#include "kernels/context.h"

namespace pycore {

// How many threads a parallel region started here may use (1 inside another one).
int num_threads();
void set_num_threads(int n);
// Threads and scratch memory for kernels.
const kernels::Context& kernel_context();
// The same with one thread only, for work below the grain.
const kernels::Context& serial_context();

// Runs f(begin, end) over [0, n) in chunks of `grain` (the last one shorter). Chunks depend on n
// and grain only, so a result does not depend on the number of threads.
template <class F>
void parallel_for(int64_t n, int64_t grain, const F& f) {
  if (n <= grain) {
    if (n > 0) f(int64_t{0}, n);
    return;
  }
  struct Args {
    const F* f;
    int64_t n, grain;
  } args{&f, n, grain};
  kernel_context().run((n + grain - 1) / grain,
                       [](void* p, int64_t task) {
                         auto& a = *static_cast<Args*>(p);
                         int64_t begin = task * a.grain;
                         (*a.f)(begin, begin + a.grain < a.n ? begin + a.grain : a.n);
                       },
                       &args);
}

}  // namespace pycore
