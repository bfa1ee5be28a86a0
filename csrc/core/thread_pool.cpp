// One pool per process; started when first used, started anew in a forked child.
#include "core/thread_pool.h"

#include <limits.h>
#include <pthread.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

namespace pycore {
namespace {

// A sleeping thread needs about fifty microseconds to come back, and on a machine with other work
// it waits for its turn. Between two parallel kernels of a model lie calls, small operators and
// Python; so a helper looks around this often, some 0.3 ms, before it sleeps.
constexpr int kSpins = 10000;

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Sleeps while the value is `seen`; may come back early.
void sleep_while(std::atomic<uint32_t>& value, uint32_t seen) {
#if defined(__linux__)
  // std::atomic::wait yields first, which on a busy machine gives away a whole time slice.
  syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
#else
  value.wait(seen);
#endif
}
void wake(std::atomic<uint32_t>& value) {
#if defined(__linux__)
  syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#else
  value.notify_all();
#endif
}

class Pool {
 public:
  void run(int helpers, int64_t tasks, void (*body)(void*, int64_t), void* arg) {
    if (busy_.exchange(true, std::memory_order_acquire)) {
      for (int64_t i = 0; i < tasks; ++i) body(arg, i);
      return;
    }
    start_threads(helpers);
    body_ = body;
    arg_ = arg;
    shares_ = helpers < kMostShares ? helpers + 1 : kMostShares;
    for (int s = 0; s < shares_; ++s) {
      share_[s].next.store(tasks * s / shares_, std::memory_order_relaxed);
      share_[s].end = tasks * (s + 1) / shares_;
    }
    allowed_.store(helpers, std::memory_order_relaxed);
    // From here on helpers may join; what they read was written before.
    state_.store(kOpen, std::memory_order_release);
    rounds_.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) wake(rounds_);
    work(0);
    uint32_t s = state_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
    for (int spins = 0; s != 0; ++spins) {
      // Sleeping, not yielding: the helper that is waited for may need this very processor.
      if (spins < kSpins) {
        pause();
      } else {
        caller_sleeps_.store(true, std::memory_order_seq_cst);
        if (state_.load(std::memory_order_seq_cst) == s) sleep_while(state_, s);
        caller_sleeps_.store(false, std::memory_order_relaxed);
      }
      s = state_.load(std::memory_order_acquire);
    }
    std::exception_ptr error = std::exchange(error_, nullptr);
    busy_.store(false, std::memory_order_release);
    if (error) std::rethrow_exception(error);
  }

 private:
  static constexpr uint32_t kOpen = 1, kHelper = 2;

  void start_threads(int helpers) {
    for (; threads_ < helpers; ++threads_) {
      try {
        std::thread([this, index = threads_] { help(index); }).detach();
      } catch (const std::system_error&) {
        return;  // no more threads here: fewer helpers
      }
    }
  }

  // Takes tasks until there are none: those of its own share first, then what others have left.
  void work(int own) {
    for (int k = 0; k < shares_; ++k) {
      Share& share = share_[(own + k) % shares_];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int64_t i = share.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= share.end) break;
        try {
          body_(arg_, i);
        } catch (...) {
          const std::lock_guard lock(error_lock_);
          if (!error_) error_ = std::current_exception();
        }
      }
    }
  }

  // Whether the job that is open, if any, has been helped with.
  bool join(int index) {
    uint32_t s = state_.load(std::memory_order_relaxed);
    do {
      if (!(s & kOpen) || index >= allowed_.load(std::memory_order_relaxed)) return false;
    } while (!state_.compare_exchange_weak(s, s + kHelper, std::memory_order_acquire,
                                           std::memory_order_relaxed));
    work((index + 1) % shares_);
    if (state_.fetch_sub(kHelper, std::memory_order_seq_cst) == kHelper &&
        caller_sleeps_.load(std::memory_order_seq_cst))
      wake(state_);
    return true;
  }

  [[noreturn]] void help(int index) {
    uint32_t seen = 0;
    for (;;) {
      for (int spins = 0; spins < kSpins; ++spins) {
        const uint32_t now = rounds_.load(std::memory_order_acquire);
        if (now != seen) {
          seen = now;
          if (join(index)) spins = 0;
        }
        pause();
      }
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      sleep_while(rounds_, seen);
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
  }

  std::atomic<bool> busy_{false};
  int threads_ = 0;  // started; written by the caller that holds busy_
  // The job. Written only while busy_ is held and state_ is 0.
  void (*body_)(void*, int64_t) = nullptr;
  void* arg_ = nullptr;
  // Neighbouring tasks, a share for each thread. The same thread then meets the same memory in one
  // kernel after the other, and finds it in its cache instead of another one's.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  static constexpr int kMostShares = 64;
  Share share_[kMostShares];
  int shares_ = 1;
  std::mutex error_lock_;
  std::exception_ptr error_;
  std::atomic<int> allowed_{0};
  // kOpen while helpers may join, plus kHelper for each that has.
  alignas(64) std::atomic<uint32_t> state_{0};
  alignas(64) std::atomic<uint32_t> rounds_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> caller_sleeps_{false};
};

// Never destroyed: its threads may outlive static objects.
alignas(Pool) unsigned char g_memory[sizeof(Pool)];
Pool* make_pool() { return new (g_memory) Pool; }
Pool* g_pool = make_pool();
// A forked child has none of the threads, and whatever they held.
[[maybe_unused]] const int g_fork_handler =
    pthread_atfork(nullptr, nullptr, [] { g_pool = make_pool(); });

}  // namespace

void run_with_helpers(int helpers, int64_t tasks, void (*body)(void*, int64_t), void* arg) {
  g_pool->run(helpers, tasks, body, arg);
}

}  // namespace pycore
