// The caching allocator: 64-byte aligned blocks that are kept for reuse, with statistics. Knows
// bytes only.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pycore {

// Uninitialised memory; throws Error (RuntimeError) when the system has none. Any thread may free
// any block.
void* allocate(size_t bytes);
void deallocate(void* block, size_t bytes) noexcept;
// What a request of `bytes` really occupies.
size_t block_size(size_t bytes);

struct MemoryStats {
  int64_t allocated_bytes;       // in live blocks above the small-block limit
  int64_t peak_allocated_bytes;  // highest allocated_bytes since start or reset
  int64_t cached_bytes;          // kept for reuse
  int64_t system_bytes;          // taken from the system and not given back
  int64_t system_allocations;    // how often the system was asked
};
MemoryStats memory_stats();
void reset_peak_memory_stats();
// Gives cached large blocks back to the system.
void empty_cache();

}  // namespace pycore
