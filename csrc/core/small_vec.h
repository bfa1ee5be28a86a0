// SmallVec: a vector whose first N elements live inside it; shapes and strides need no allocation
// up to 6 dims. Must not know tensors.
#pragma once

#include <stdint.h>
#include <string.h>

#include <initializer_list>
#include <ostream>
#include <span>
#include <type_traits>

namespace pycore {

template <class T, int N>
class SmallVec {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using value_type = T;
  SmallVec() = default;
  explicit SmallVec(int64_t n) { resize(n); }
  SmallVec(int64_t n, T value) {
    resize(n);
    for (auto& x : *this) x = value;
  }
  SmallVec(std::initializer_list<T> list) {
    assign(list.begin(), static_cast<int64_t>(list.size()));
  }
  SmallVec(std::span<const T> s) { assign(s.data(), static_cast<int64_t>(s.size())); }
  SmallVec(const T* first, const T* last) { assign(first, last - first); }
  SmallVec(const SmallVec& o) { assign(o.data(), o.size_); }
  SmallVec(SmallVec&& o) noexcept { steal(o); }
  SmallVec& operator=(const SmallVec& o) {
    if (this != &o) assign(o.data(), o.size_);
    return *this;
  }
  SmallVec& operator=(SmallVec&& o) noexcept {
    if (this != &o) {
      free_heap();
      steal(o);
    }
    return *this;
  }
  ~SmallVec() { free_heap(); }

  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return capacity_ > N ? heap_ : inline_; }
  const T* data() const { return capacity_ > N ? heap_ : inline_; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& operator[](int64_t i) { return data()[i]; }
  const T& operator[](int64_t i) const { return data()[i]; }
  T& back() { return data()[size_ - 1]; }
  const T& back() const { return data()[size_ - 1]; }

  void resize(int64_t n) {
    reserve(n);
    size_ = static_cast<int32_t>(n);
  }
  void push_back(T x) {
    if (size_ == capacity_) reserve(2 * capacity_);
    data()[size_++] = x;
  }
  void pop_back() { --size_; }
  void clear() { size_ = 0; }
  void insert(int64_t at, T x) {
    push_back(x);
    T* d = data();
    memmove(d + at + 1, d + at, sizeof(T) * static_cast<size_t>(size_ - 1 - at));
    d[at] = x;
  }
  void erase(int64_t at) {
    T* d = data();
    memmove(d + at, d + at + 1, sizeof(T) * static_cast<size_t>(size_ - 1 - at));
    --size_;
  }
  operator std::span<const T>() const { return {data(), static_cast<size_t>(size_)}; }

  friend bool operator==(const SmallVec& a, const SmallVec& b) {
    if (a.size_ != b.size_) return false;
    for (int64_t i = 0; i < a.size_; ++i)
      if (!(a[i] == b[i])) return false;
    return true;
  }

 private:
  void assign(const T* p, int64_t n) {
    resize(n);
    if (n > 0) memcpy(static_cast<void*>(data()), p, sizeof(T) * static_cast<size_t>(n));
  }
  void reserve(int64_t n) {
    if (n <= capacity_) return;
    T* bigger = new T[static_cast<size_t>(n)];
    if (size_ > 0)
      memcpy(static_cast<void*>(bigger), data(), sizeof(T) * static_cast<size_t>(size_));
    free_heap();
    heap_ = bigger;
    capacity_ = static_cast<int32_t>(n);
  }
  void free_heap() {
    if (capacity_ > N) delete[] heap_;
    capacity_ = N;
  }
  void steal(SmallVec& o) {
    size_ = o.size_;
    capacity_ = o.capacity_;
    if (o.capacity_ > N)
      heap_ = o.heap_;
    else if (size_ > 0)
      memcpy(static_cast<void*>(inline_), o.inline_, sizeof(T) * static_cast<size_t>(size_));
    o.capacity_ = N;
    o.size_ = 0;
  }

  int32_t size_ = 0;
  int32_t capacity_ = N;
  union {
    T inline_[N];
    T* heap_;
  };
};

using Dims = SmallVec<int64_t, 6>;
using IntSpan = std::span<const int64_t>;

inline bool same(IntSpan a, IntSpan b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) return false;
  return true;
}

// Prints as Python prints a list: [2, 3].
inline std::ostream& operator<<(std::ostream& s, const Dims& d) {
  s << '[';
  for (int64_t i = 0; i < d.size(); ++i) s << (i ? ", " : "") << d[i];
  return s << ']';
}
struct AsShape {
  IntSpan dims;
};
// Prints a shape the way PyTorch's matrix errors do: 2x3.
inline std::ostream& operator<<(std::ostream& s, AsShape shape) {
  for (size_t i = 0; i < shape.dims.size(); ++i) s << (i ? "x" : "") << shape.dims[i];
  return s;
}

}  // namespace pycore
