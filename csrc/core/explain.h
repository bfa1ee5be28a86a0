// What operators and kernels say about themselves while pycore.explain() listens. Otherwise each
// place costs a load and a branch. Must not know operators or Python.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace pycore {

// One operator called from Python, one node of a backward pass, or one optimizer step.
struct ExplainEntry {
  std::string name;
  int depth = 0;  // how many entries it ran inside of
  std::vector<std::string> kernels;
  std::vector<std::string> notes;  // why it was not faster
  int threads = 1;                 // the most that a kernel could use
  int64_t bytes = 0;               // of operands and results
  double seconds = 0;              // with everything that ran inside
};

extern std::atomic<int> g_explaining;
inline bool explaining() { return g_explaining.load(std::memory_order_relaxed) != 0; }

// Begins an entry of this thread, which lasts as long as the object; nothing if nobody listens.
class ExplainScope {
 public:
  explicit ExplainScope(const char* name) {
    if (explaining()) [[unlikely]]
      begin(name);
  }
  ~ExplainScope() {
    if (entry_) [[unlikely]]
      end();
  }
  ExplainScope(const ExplainScope&) = delete;
  ExplainScope& operator=(const ExplainScope&) = delete;
  explicit operator bool() const { return entry_ != nullptr; }
  void add_bytes(int64_t bytes) { entry_->bytes += bytes; }

 private:
  void begin(const char* name);
  void end();
  ExplainEntry* entry_ = nullptr;
  ExplainEntry* outer_ = nullptr;
  double start_ = 0;
};

// A kernel runs, of this family and on this dtype.
void explain_kernel_now(const char* family, DType t);
inline void explain_kernel(const char* family, DType t) {
  if (explaining()) [[unlikely]]
    explain_kernel_now(family, t);
}
// How the kernel goes about it (kernels report it through their Context), or why it is not faster.
void explain_path(const char* path);
void explain_note(std::string why);
void explain_threads(int threads);

// Ended entries, by their beginnings. Listening may nest: stop() takes those since start().
size_t explain_start();
std::vector<ExplainEntry> explain_stop(size_t from);

}  // namespace pycore
