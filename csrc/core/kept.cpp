// Keeping and dropping forms. Lists of forms are changed under one lock; a form itself is counted,
// so that one in use outlives its list.
#include "core/kept.h"

#include <mutex>

namespace pycore {

struct KeptForm {
  enum class State : uint8_t { asked_for, being_filled, filled };

  int32_t refs = 1;  // under the lock
  State state = State::asked_for;
  kernels::KeptLayout layout;
  KeptMatrix::Place place;
  void* memory = nullptr;
  size_t bytes = 0;
  KeptForm* next = nullptr;
};

namespace {

constexpr int kFormsOfOneStorage = 8;  // parts of one weight, as attention uses them

std::mutex g_lock;
std::atomic<int64_t> g_bytes{0};

void release_memory(KeptForm* form) {
  if (!form->memory) return;
  deallocate(form->memory, form->bytes);
  g_bytes -= static_cast<int64_t>(form->bytes);
  form->memory = nullptr;
}

void release(KeptForm* form) {
  if (--form->refs > 0) return;
  release_memory(form);
  delete form;
}

}  // namespace

int64_t kept_bytes() { return g_bytes; }

void drop_kept(Storage* s) noexcept {
  const std::lock_guard<std::mutex> lock(g_lock);
  KeptForm* form = s->kept.exchange(nullptr);
  while (form) release(std::exchange(form, form->next));
}

void share_with_others(Storage* s) {
  s->shared = true;
  if (s->kept.load()) drop_kept(s);
}

KeptMatrix::KeptMatrix(const Tensor& matrix)
    : KeptMatrix(matrix, Place{matrix.dtype(), matrix.data<char>(), matrix.sizes()[0],
                               matrix.sizes()[1], matrix.strides()[0], matrix.strides()[1], 1}) {}

KeptMatrix::KeptMatrix(const Tensor& weight, int64_t groups)
    : KeptMatrix(weight, Place{weight.dtype(), weight.data<char>(), weight.sizes()[0],
                               weight.numel() / weight.sizes()[0],
                               weight.numel() / weight.sizes()[0], 1, groups}) {}

KeptMatrix::KeptMatrix(const Tensor& matrix, const Place& place) : matrix_(matrix), place_(place) {
  take = [](kernels::KeptOperand* self, kernels::KeptLayout layout, size_t bytes) {
    return static_cast<KeptMatrix*>(self)->find(layout, bytes);
  };
}

void* KeptMatrix::find(kernels::KeptLayout layout, size_t bytes) {
  Storage* s = matrix_->storage.get();
  if (s->shared) return nullptr;
  const std::lock_guard<std::mutex> lock(g_lock);
  KeptForm *first = s->kept.load(), *form = first;
  int count = 0;
  const auto is_this = [&](const KeptForm& f) { return f.layout == layout && f.place == place_; };
  for (; form && !is_this(*form); form = form->next) ++count;
  if (!form) {
    if (count == kFormsOfOneStorage) return nullptr;
    form = new KeptForm{.layout = layout, .place = place_, .next = first};
    s->kept = form;
    return nullptr;
  }
  if (form->state == KeptForm::State::being_filled) return nullptr;
  filled = form->state == KeptForm::State::filled;
  if (!filled) {
    if (g_bytes + static_cast<int64_t>(bytes) > kKeptBytes) return nullptr;
    try {
      form->memory = allocate(bytes);
    } catch (const Error&) {
      return nullptr;
    }
    form->bytes = bytes;
    g_bytes += static_cast<int64_t>(bytes);
    form->state = KeptForm::State::being_filled;
    filling_ = true;
  }
  ++form->refs;
  form_ = form;
  return form->memory;
}

KeptMatrix::~KeptMatrix() {
  if (!form_) return;
  const std::lock_guard<std::mutex> lock(g_lock);
  if (filling_) {
    form_->state = filled ? KeptForm::State::filled : KeptForm::State::asked_for;
    if (!filled) release_memory(form_);
  }
  release(form_);
}

}  // namespace pycore
