// OpenMP behind core/parallel.h. The only file that contains OpenMP.
#include "core/parallel.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>

#ifdef _OPENMP
#include <omp.h>
#include <pthread.h>
#endif

#include "core/allocator.h"
#include "core/check.h"

namespace pycore {
namespace {

// Inside a task, further regions run serially.
thread_local bool t_inside = false;
// libgomp's threads do not survive fork(): a forked child runs serially rather than hang.
std::atomic<bool> g_forked{false};

int default_threads() {
  if (const char* env = getenv("OMP_NUM_THREADS")) {
    int n = atoi(env);
    if (n > 0) return n;
  }
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

std::atomic<int>& thread_setting() {
  static std::atomic<int> n{[] {
#ifdef _OPENMP
    pthread_atfork(nullptr, nullptr, [] { g_forked = true; });
#endif
    return default_threads();
  }()};
  return n;
}

void run_serial(int64_t tasks, void (*body)(void*, int64_t), void* arg) {
  for (int64_t i = 0; i < tasks; ++i) body(arg, i);
}

void run_parallel(int64_t tasks, void (*body)(void*, int64_t), void* arg) {
  int threads = static_cast<int>(std::min<int64_t>(num_threads(), tasks));
  if (threads <= 1) return run_serial(tasks, body, arg);
#ifdef _OPENMP
  std::exception_ptr error;
#pragma omp parallel num_threads(threads)
  {
    t_inside = true;
#pragma omp for schedule(dynamic, 1)
    for (int64_t i = 0; i < tasks; ++i) {
      try {
        body(arg, i);
      } catch (...) {
#pragma omp critical
        if (!error) error = std::current_exception();
      }
    }
    t_inside = false;
  }
  if (error) std::rethrow_exception(error);
#else
  run_serial(tasks, body, arg);
#endif
}

void* acquire(size_t bytes) { return allocate(bytes); }
void give_back(void* block, size_t bytes) { deallocate(block, bytes); }

}  // namespace

int num_threads() {
#ifdef _OPENMP
  if (t_inside || g_forked.load(std::memory_order_relaxed)) return 1;
  return thread_setting().load(std::memory_order_relaxed);
#else
  return 1;
#endif
}

void set_num_threads(int n) {
  PC_CHECK(n > 0, "set_num_threads expects a positive integer");
  thread_setting() = n;
}

const kernels::Context& serial_context() {
  static const kernels::Context c{1, run_serial, acquire, give_back};
  return c;
}

const kernels::Context& kernel_context() {
  thread_local kernels::Context c{1, run_parallel, acquire, give_back};
  c.threads = num_threads();
  return c;
}

}  // namespace pycore
