// Whether operators record derivatives on this thread. Must not know nodes.
#pragma once

namespace pycore {

struct GradMode {
  bool grad = true;
  bool packs_saved = false;  // hooks stand between a saved tensor and the node (saved_hooks.h)
};
#if defined(__GLIBC__)
extern __attribute__((tls_model("initial-exec"))) thread_local GradMode t_grad_mode;
#else
extern thread_local GradMode t_grad_mode;
#endif

inline bool grad_enabled() { return t_grad_mode.grad; }

// Sets grad mode for a C++ scope.
class GradGuard {
 public:
  explicit GradGuard(bool enabled) : previous_(t_grad_mode.grad) { t_grad_mode.grad = enabled; }
  ~GradGuard() { t_grad_mode.grad = previous_; }
  GradGuard(const GradGuard&) = delete;
  GradGuard& operator=(const GradGuard&) = delete;

 private:
  bool previous_;
};

}  // namespace pycore
