// What a kernel may ask of its caller: threads and scratch memory, as plain function pointers, so
// that kernels know neither OpenMP nor the allocator. core/parallel and core/allocator fill it in.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pycore::kernels {

struct Context {
  // How many threads run() may use now; 1 inside another parallel region.
  int threads;
  // Calls body(arg, task) for task = 0 .. tasks-1, in any order and possibly at the same time;
  // returns when all are done. Split work by the problem's size, never by `threads`: results must
  // be the same bits for any thread count.
  void (*run)(int64_t tasks, void (*body)(void* arg, int64_t task), void* arg);
  // A 64-byte aligned block that lives until release(); uninitialised. Safe to call inside tasks.
  void* (*acquire)(size_t bytes);
  void (*release)(void* block, size_t bytes);
  // Told which of a kernel's paths ran, a string that stays; null unless somebody listens.
  void (*report)(const char* path) = nullptr;
};

namespace {  // internal linkage: these templates are compiled once per ISA level

inline void report(const Context& ctx, const char* path) {
  if (ctx.report) [[unlikely]]
    ctx.report(path);
}

// RAII scratch block of n elements.
template <class T>
class Scratch {
 public:
  Scratch(const Context& ctx, int64_t n)
      : ctx_(ctx),
        bytes_(sizeof(T) * static_cast<size_t>(n > 0 ? n : 1)),
        data_(static_cast<T*>(ctx.acquire(bytes_))) {}
  ~Scratch() { ctx_.release(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return data_; }

 private:
  const Context& ctx_;
  size_t bytes_;
  T* data_;
};

// Runs f(task) for every task in [0, tasks).
template <class F>
inline void run_tasks(const Context& ctx, int64_t tasks, const F& f) {
  if (tasks <= 1 || ctx.threads <= 1) {
    for (int64_t i = 0; i < tasks; ++i) f(i);
    return;
  }
  ctx.run(
      tasks, [](void* arg, int64_t task) { (*static_cast<const F*>(arg))(task); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

}  // namespace
}  // namespace pycore::kernels
