// How many threads there are, and what runs on them: the own pool, or OpenMP where the build asks
// for it. The only file that contains OpenMP.
#include "core/parallel.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <utility>

#ifdef _OPENMP
#include <omp.h>
#include <pthread.h>
#endif

#include "core/allocator.h"
#include "core/check.h"
#include "core/explain.h"
#include "core/thread_pool.h"

namespace pycore {
namespace {

// Inside a task, further regions run serially.
thread_local bool t_inside = false;

// Whole processors that the container's quota amounts to; a thousand if there is none.
int quota_threads() {
  constexpr int kNone = 1000;
  long long quota = 0, period = 0;
  if (FILE* f = fopen("/sys/fs/cgroup/cpu.max", "r")) {  // cgroup 2; "max 100000" means none
    const int read = fscanf(f, "%lld %lld", &quota, &period);
    fclose(f);
    if (read != 2) return kNone;
  } else {
    auto number = [](const char* path) {
      long long n = 0;
      if (FILE* g = fopen(path, "r")) {
        if (fscanf(g, "%lld", &n) != 1) n = 0;
        fclose(g);
      }
      return n;
    };
    quota = number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    period = number("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  }
  if (quota <= 0 || period <= 0) return kNone;
  return static_cast<int>(std::clamp<long long>((quota + period - 1) / period, 1, kNone));
}

int default_threads() {
  if (const char* env = getenv("OMP_NUM_THREADS")) {
    int n = atoi(env);
    if (n > 0) return n;
  }
  int allowed = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) allowed = CPU_COUNT(&set);
#endif
  return std::max(1, std::min(allowed, quota_threads()));
}

#ifdef _OPENMP
// libgomp's threads do not survive fork(): a forked child runs serially rather than hang.
std::atomic<bool> g_forked{false};
[[maybe_unused]] const int g_fork_handler =
    pthread_atfork(nullptr, nullptr, [] { g_forked = true; });
#endif

std::atomic<int>& thread_setting() {
  static std::atomic<int> n{default_threads()};
  return n;
}

void run_serial(int64_t tasks, void (*body)(void*, int64_t), void* arg) {
  for (int64_t i = 0; i < tasks; ++i) body(arg, i);
}

void run_parallel(int64_t tasks, void (*body)(void*, int64_t), void* arg) {
  int threads = static_cast<int>(std::min<int64_t>(num_threads(), tasks));
  if (threads <= 1) return run_serial(tasks, body, arg);
  if (explaining()) [[unlikely]]
    explain_threads(threads);
#ifdef _OPENMP
  if (g_forked) return run_serial(tasks, body, arg);
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
  struct Job {
    void (*body)(void*, int64_t);
    void* arg;
  } job{body, arg};
  run_with_helpers(
      threads - 1, tasks,
      [](void* p, int64_t task) {
        struct Inside {
          bool before = std::exchange(t_inside, true);
          ~Inside() { t_inside = before; }
        } inside;
        const Job& j = *static_cast<Job*>(p);
        j.body(j.arg, task);
      },
      &job);
#endif
}

void* acquire(size_t bytes) { return allocate(bytes); }
void give_back(void* block, size_t bytes) { deallocate(block, bytes); }

}  // namespace

int num_threads() { return t_inside ? 1 : thread_setting().load(std::memory_order_relaxed); }

void set_num_threads(int n) {
  PC_CHECK(n > 0, "set_num_threads expects a positive integer");
  thread_setting() = n;
}

const kernels::Context& serial_context() {
  static const kernels::Context quiet{1, run_serial, acquire, give_back};
  static const kernels::Context heard{1, run_serial, acquire, give_back, explain_path};
  return explaining() ? heard : quiet;
}

const kernels::Context& kernel_context() {
  thread_local kernels::Context c{1, run_parallel, acquire, give_back};
  c.threads = num_threads();
  c.report = explaining() ? explain_path : nullptr;
  return c;
}

}  // namespace pycore
