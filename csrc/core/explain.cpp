#include "core/explain.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <utility>

namespace pycore {

std::atomic<int> g_explaining{0};

namespace {

constexpr size_t kMostEntries = 1'000'000;
constexpr double kRunning = -1;  // seconds of an entry that its thread still fills in

struct Record {
  std::mutex lock;
  // Entries stay where they are while their scopes fill them in.
  std::vector<std::unique_ptr<ExplainEntry>> entries;
};
Record& record() {
  static auto* r = new Record;
  return *r;
}

thread_local ExplainEntry* t_entry = nullptr;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void add_once(std::vector<std::string>& list, std::string text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(std::move(text));
}

}  // namespace

void ExplainScope::begin(const char* name) {
  auto entry = std::make_unique<ExplainEntry>();
  entry->name = name;
  entry->depth = t_entry ? t_entry->depth + 1 : 0;
  entry->seconds = kRunning;
  {
    const std::lock_guard lock(record().lock);
    if (record().entries.size() >= kMostEntries) return;
    record().entries.push_back(std::move(entry));
    entry_ = record().entries.back().get();
  }
  outer_ = std::exchange(t_entry, entry_);
  start_ = now();
}

void ExplainScope::end() {
  const double seconds = now() - start_;
  {
    const std::lock_guard lock(record().lock);
    entry_->seconds = seconds;
  }
  t_entry = outer_;
}

void explain_kernel_now(const char* family, DType t) {
  if (t_entry) add_once(t_entry->kernels, std::string(family) + " " + pycore::name(t));
}

void explain_path(const char* path) {
  if (!t_entry || t_entry->kernels.empty()) return;
  std::string& kernel = t_entry->kernels.back();
  if (kernel.find(path) != std::string::npos) return;
  if (kernel.back() == ')')
    kernel.replace(kernel.size() - 1, 1, ", ");
  else
    kernel += " (";
  kernel += path;
  kernel += ')';
}

void explain_note(std::string why) {
  if (t_entry) add_once(t_entry->notes, std::move(why));
}

void explain_threads(int threads) {
  if (t_entry) t_entry->threads = std::max(t_entry->threads, threads);
}

size_t explain_start() {
  const std::lock_guard lock(record().lock);
  ++g_explaining;
  return record().entries.size();
}

std::vector<ExplainEntry> explain_stop(size_t from) {
  const std::lock_guard lock(record().lock);
  auto& all = record().entries;
  std::vector<ExplainEntry> mine;
  // Entries that run yet are of threads that may write to them at this moment: they are not read,
  // and live on.
  for (size_t i = from; i < all.size(); ++i)
    if (all[i]->seconds != kRunning) mine.push_back(*all[i]);
  if (--g_explaining == 0) {
    all.erase(
        std::remove_if(all.begin(), all.end(), [](auto& e) { return e->seconds != kRunning; }),
        all.end());
  }
  return mine;
}

}  // namespace pycore
