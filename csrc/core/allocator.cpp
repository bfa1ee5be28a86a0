// Small blocks come from thread-local free lists cut out of slabs; large ones from shared lists by
// size class, since touching fresh pages costs more than most kernels. Knows bytes only.
#include "core/allocator.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <mutex>
#include <vector>

#include "core/check.h"

namespace pycore {
namespace {

constexpr size_t kAlign = 64;
constexpr size_t kSmallLimit = 4096;  // below: thread-local, multiples of 64
constexpr size_t kSmallClasses = kSmallLimit / kAlign;
constexpr size_t kSlabBytes = size_t{64} << 10;
// A storage's header sits before its data; without room for it, every power-of-two tensor would
// need the next class.
constexpr size_t kHeaderRoom = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr int kLargeClasses = 4 * 48;           // four sizes per doubling: at most 25 % wasted
constexpr size_t kMaxCached = size_t{1} << 30;  // keep at most this much for reuse

// Sanitizer builds take every block from the system at its exact size, so that no access beyond an
// end goes unseen.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPlain = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kPlain = true;
#else
constexpr bool kPlain = false;
#endif
#else
constexpr bool kPlain = false;
#endif

struct FreeBlock {
  FreeBlock* next;
};

struct SmallCache {
  FreeBlock* lists[kSmallClasses + 1] = {};
  ~SmallCache();
};

std::atomic<int64_t> g_allocated{0}, g_peak{0}, g_cached{0}, g_system{0}, g_system_calls{0};

struct Shared {
  std::mutex mutex;
  std::vector<void*> large[kLargeClasses];
  FreeBlock* orphans[kSmallClasses + 1] = {};  // small blocks of threads that ended
};
// Never destroyed: threads and static objects may free memory during shutdown.
Shared& shared() {
  static Shared* s = new Shared;
  return *s;
}

#if defined(__GLIBC__)
#define PYCORE_FAST_TLS __attribute__((tls_model("initial-exec")))
#else
#define PYCORE_FAST_TLS
#endif
// A plain pointer is the cheapest thread-local; the object behind it is cleaned up by its own
// thread_local guard.
PYCORE_FAST_TLS thread_local SmallCache* t_cache = nullptr;
thread_local bool t_dead = false;

SmallCache::~SmallCache() {
  t_cache = nullptr;
  t_dead = true;
  auto& s = shared();
  std::lock_guard lock(s.mutex);
  for (size_t c = 0; c <= kSmallClasses; ++c) {
    while (FreeBlock* b = lists[c]) {
      lists[c] = b->next;
      b->next = s.orphans[c];
      s.orphans[c] = b;
    }
  }
}

SmallCache* thread_cache() {
  if (t_cache) [[likely]]
    return t_cache;
  if (t_dead) return nullptr;
  thread_local SmallCache cache;
  return t_cache = &cache;
}

int large_class(size_t bytes) {
  // Class k holds blocks of (4 + k % 4) * 2^(k / 4) * 1024 bytes.
  size_t units = (bytes - kHeaderRoom + 1023) / 1024;
  int shift = std::max(0, static_cast<int>(std::bit_width(units)) - 3);
  size_t quarter = (units + (size_t{1} << shift) - 1) >> shift;
  if (quarter == 8) {
    ++shift;
    quarter = 4;
  }
  return shift * 4 + static_cast<int>(quarter > 4 ? quarter - 4 : 0);
}
size_t large_class_bytes(int c) {
  return ((size_t{4} + static_cast<size_t>(c % 4)) << (c / 4) << 10) + kHeaderRoom;
}

void* from_system(size_t bytes) {
  void* p = nullptr;
  size_t align = bytes >= kHugePage ? kHugePage : kAlign;
  // Above 2^46 bytes no machine has the address space; posix_memalign may overflow on the way
  // there.
  int rc = bytes >= (size_t{1} << 46) ? 12 : posix_memalign(&p, align, bytes);
  if (rc == 0 && bytes >= (size_t{1} << 30)) {
    // Large requests are refused at once if they exceed what the machine has, not when the pages
    // are touched.
    static const size_t physical =
        static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
    if (bytes > physical) {
      free(p);
      rc = 12;
    }
  }
  PC_CHECK(rc == 0,
           "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate ",
           bytes, " bytes. Error code 12 (Cannot allocate memory)");
#if defined(MADV_HUGEPAGE)
  if (bytes >= kHugePage) madvise(p, bytes, MADV_HUGEPAGE);
#endif
  g_system += static_cast<int64_t>(bytes);
  ++g_system_calls;
  return p;
}

[[gnu::noinline]] void* small_slow(SmallCache* cache, size_t c) {
  size_t bytes = c * kAlign;
  {
    auto& s = shared();
    std::lock_guard lock(s.mutex);
    if (FreeBlock* b = s.orphans[c]) {
      s.orphans[c] = b->next;
      return b;
    }
  }
  if (!cache) return from_system(bytes);
  size_t count = std::max<size_t>(4, std::min<size_t>(32, kSlabBytes / bytes));
  char* slab = static_cast<char*>(from_system(count * bytes));
  for (size_t i = 1; i < count; ++i) {
    auto* b = reinterpret_cast<FreeBlock*>(slab + i * bytes);
    b->next = cache->lists[c];
    cache->lists[c] = b;
  }
  return slab;
}

// Can a block of class c be kept? What has just been used is the likeliest to be wanted again, so
// blocks of other sizes go where there are too many, the largest first.
bool make_room(Shared& s, int c) {
  int64_t excess = g_cached.load(std::memory_order_relaxed) +
                   static_cast<int64_t>(large_class_bytes(c)) - static_cast<int64_t>(kMaxCached);
  for (int k = kLargeClasses; k-- > 0 && excess > 0;) {
    if (k == c) continue;
    const auto bytes = static_cast<int64_t>(large_class_bytes(k));
    for (; excess > 0 && !s.large[k].empty(); excess -= bytes) {
      free(s.large[k].back());
      s.large[k].pop_back();
      g_cached -= bytes;
      g_system -= bytes;
    }
  }
  return excess <= 0;
}

}  // namespace

size_t block_size(size_t bytes) {
  if (bytes <= kSmallLimit) return std::max<size_t>(1, (bytes + kAlign - 1) / kAlign) * kAlign;
  return large_class_bytes(large_class(bytes));
}

void* allocate(size_t bytes) {
  if constexpr (kPlain) {
    void* p = from_system(std::max<size_t>(bytes, 1));
    g_allocated += static_cast<int64_t>(bytes);
    return p;
  }
  if (bytes <= kSmallLimit) [[likely]] {
    size_t c = bytes == 0 ? 1 : (bytes + kAlign - 1) / kAlign;
    SmallCache* cache = thread_cache();
    if (cache) [[likely]] {
      if (FreeBlock* b = cache->lists[c]) [[likely]] {
        cache->lists[c] = b->next;
        return b;
      }
    }
    return small_slow(cache, c);
  }
  PC_CHECK(bytes < (size_t{1} << 47),
           "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate ",
           bytes, " bytes. Error code 12 (Cannot allocate memory)");
  int c = large_class(bytes);
  size_t size = large_class_bytes(c);
  void* p = nullptr;
  {
    auto& s = shared();
    std::lock_guard lock(s.mutex);
    if (!s.large[c].empty()) {
      p = s.large[c].back();
      s.large[c].pop_back();
    }
  }
  if (p)
    g_cached -= static_cast<int64_t>(size);
  else
    p = from_system(size);
  int64_t now = g_allocated += static_cast<int64_t>(size);
  int64_t peak = g_peak.load(std::memory_order_relaxed);
  while (now > peak && !g_peak.compare_exchange_weak(peak, now)) {
  }
  return p;
}

void deallocate(void* block, size_t bytes) noexcept {
  if constexpr (kPlain) {
    g_allocated -= static_cast<int64_t>(bytes);
    g_system -= static_cast<int64_t>(bytes);
    free(block);
    return;
  }
  if (bytes <= kSmallLimit) [[likely]] {
    size_t c = bytes == 0 ? 1 : (bytes + kAlign - 1) / kAlign;
    auto* b = static_cast<FreeBlock*>(block);
    if (SmallCache* cache = thread_cache()) [[likely]] {
      b->next = cache->lists[c];
      cache->lists[c] = b;
      return;
    }
    auto& s = shared();
    std::lock_guard lock(s.mutex);
    b->next = s.orphans[c];
    s.orphans[c] = b;
    return;
  }
  int c = large_class(bytes);
  size_t size = large_class_bytes(c);
  g_allocated -= static_cast<int64_t>(size);
  {
    auto& s = shared();
    std::lock_guard lock(s.mutex);
    if (make_room(s, c)) {
      s.large[c].push_back(block);
      g_cached += static_cast<int64_t>(size);
      return;
    }
  }
  g_system -= static_cast<int64_t>(size);
  free(block);
}

MemoryStats memory_stats() { return {g_allocated, g_peak, g_cached, g_system, g_system_calls}; }
void reset_peak_memory_stats() { g_peak = g_allocated.load(); }

void empty_cache() {
  auto& s = shared();
  std::lock_guard lock(s.mutex);
  for (int c = 0; c < kLargeClasses; ++c) {
    for (void* p : s.large[c]) free(p);
    int64_t bytes = static_cast<int64_t>(large_class_bytes(c) * s.large[c].size());
    s.large[c].clear();
    g_cached -= bytes;
    g_system -= bytes;
  }
}

}  // namespace pycore
