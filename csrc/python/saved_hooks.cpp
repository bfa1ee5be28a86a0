// pack and unpack hooks around saved tensors.
#include "python/saved_hooks.h"

#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "autograd/engine.h"
#include "python/shared_object.h"
#include "python/tensor_object.h"

namespace pycore::python {
namespace {

struct Hooks {
  SharedObject pack, unpack;
};
struct Packed {
  SharedObject value, unpack;
};

struct ThreadHooks {
  std::vector<Hooks> stack;  // the innermost context last
  std::optional<std::string> refusal;
};
ThreadHooks& hooks() {
  static thread_local ThreadHooks h;
  return h;
}
void update_mode() { t_grad_mode.packs_saved = !hooks().stack.empty(); }

// What a hook computes is not packed in turn.
struct NoPacking {
  bool before = std::exchange(t_grad_mode.packs_saved, false);
  ~NoPacking() { t_grad_mode.packs_saved = before; }
};

std::shared_ptr<void> pack(const Tensor& t) {
  py::gil_scoped_acquire gil;
  NoPacking guard;
  const Hooks now = hooks().stack.back();
  auto packed = std::make_shared<Packed>();
  packed->value = SharedObject(now.pack.get()(t));
  packed->unpack = now.unpack;
  return packed;
}

Tensor unpack(const std::shared_ptr<void>& kept) {
  py::gil_scoped_acquire gil;
  NoPacking guard;
  const auto& packed = *static_cast<Packed*>(kept.get());
  py::object t = packed.unpack.get()(packed.value.get());
  PC_CHECK_TYPE(
      is_tensor(t.ptr()),
      "Output of saved tensor unpack_hook expected to be a Tensor but got result of type ",
      Py_TYPE(t.ptr())->tp_name);
  return unwrap(t.ptr());
}

}  // namespace

void init_saved_hooks(py::module_& m) {
  pack_saved = pack;
  unpack_saved = unpack;
  m.def("_push_saved_tensors_hooks", [](py::object to, py::object from) {
    PC_CHECK(!hooks().refusal, *hooks().refusal);
    hooks().stack.push_back({SharedObject(std::move(to)), SharedObject(std::move(from))});
    update_mode();
  });
  m.def("_pop_saved_tensors_hooks", [] {
    PC_CHECK(!hooks().stack.empty(), "saved_tensors_hooks: there are no hooks to take away");
    hooks().stack.pop_back();
    update_mode();
  });
  // The message that a new context raises, or None to allow them; returns what was set before.
  m.def("_refuse_saved_tensors_hooks", [](std::optional<std::string> message) {
    PC_CHECK(!message || hooks().stack.empty(), *message);
    return std::exchange(hooks().refusal, std::move(message));
  });
}

}  // namespace pycore::python
