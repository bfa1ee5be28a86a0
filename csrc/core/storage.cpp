// Creation and destruction of storages. Must not know shapes or dtypes.
#include "core/storage.h"

#include <new>

#include "core/check.h"

namespace pycore {

Ref<Storage> make_storage(int64_t bytes) {
  PC_CHECK(bytes >= 0 && bytes < (int64_t{1} << 60), "Storage size calculation overflowed");
  // Header and data share one block: one pop from a free list per tensor.
  size_t total = sizeof(Storage) + static_cast<size_t>(bytes);
  auto* s = new (allocate(total)) Storage;
  s->data = reinterpret_cast<char*>(s + 1);
  s->bytes = bytes;
  s->block_bytes = static_cast<int64_t>(total);
  return Ref<Storage>::adopt(s);
}

Ref<Storage> wrap_storage(void* data, int64_t bytes, void* owner, void (*release)(void*)) {
  auto* s = new (allocate(sizeof(Storage))) Storage;
  s->data = static_cast<char*>(data);
  s->bytes = bytes;
  s->owner = owner;
  s->foreign_release = release;
  s->block_bytes = sizeof(Storage);
  s->shared = true;
  return Ref<Storage>::adopt(s);
}

void destroy(Storage* s) noexcept {
  if (s->kept.load(std::memory_order_relaxed)) drop_kept(s);
  if (s->foreign_release) s->foreign_release(s->owner);
  deallocate(s, static_cast<size_t>(s->block_bytes));
}

}  // namespace pycore
