// Storage: the counted, version-counted memory that tensors and their views share. Must not know
// shapes or dtypes.
#pragma once

#include <atomic>

#include "core/allocator.h"
#include "core/ref.h"

namespace pycore {

struct KeptForm;  // core/kept

struct alignas(64) Storage {
  std::atomic<int32_t> refs{1};
  // Counts in-place writes: a saved tensor compares it to notice that its values are gone.
  std::atomic<uint32_t> version{0};
  char* data = nullptr;
  int64_t bytes = 0;
  // For foreign memory (from_numpy, from a buffer): called with owner instead of freeing data.
  void (*foreign_release)(void* owner) = nullptr;
  void* owner = nullptr;
  // Bytes of the block this header sits in (its data follow it), or of the header alone for foreign
  // memory.
  int64_t block_bytes = 0;
  std::atomic<KeptForm*> kept{nullptr};  // what kernels made of these values, see core/kept.h
  bool shared = false;  // others than tensors may write to it: foreign, or exported
};

inline void retain(Storage* s) { s->refs.fetch_add(1, std::memory_order_relaxed); }
void destroy(Storage* s) noexcept;
inline void release(Storage* s) noexcept {
  if (s->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(s);
}

// Forgets what was made of the values; to be called when they change.
void drop_kept(Storage* s) noexcept;
// From now on others know the address.
void share_with_others(Storage* s);

// Memory of its own, uninitialised, 64-byte aligned.
Ref<Storage> make_storage(int64_t bytes);
// Memory of somebody else, given back by release(owner).
Ref<Storage> wrap_storage(void* data, int64_t bytes, void* owner, void (*release)(void*));

}  // namespace pycore
