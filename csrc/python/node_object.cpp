// Nodes of the graph as Python objects.
#include "python/node_object.h"

#include <structmember.h>

#include <unordered_map>

#include "autograd/engine.h"
#include "autograd/meta.h"
#include "python/parser.h"
#include "python/shared_object.h"

namespace pycore::python {
namespace {

struct NodeObject {
  PyObject_HEAD Node* node;  // counted
  PyObject* weak_references;
};

PyTypeObject* g_node_type = nullptr;  // the base of all

Node* node(PyObject* o) { return reinterpret_cast<NodeObject*>(o)->node; }
py::object node_object(const Ref<Node>& n) {
  return py::reinterpret_steal<py::object>(wrap_node(n));
}

// The class is named as the node is, and so are its objects' classes in graph-drawing tools.
PyTypeObject* type_of(const char* name) {
  static auto* types = new std::unordered_map<std::string, PyTypeObject*>;
  PyTypeObject*& type = (*types)[name];
  if (!type) {
    PyObject* made =
        PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyType_Type), "s(O){s:s,s:()}", name,
                              g_node_type, "__module__", "pycore.autograd", "__slots__");
    if (!made) throw py::error_already_set();
    type = reinterpret_cast<PyTypeObject*>(made);
  }
  return type;
}

PyObject* refuse_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyErr_Format(PyExc_TypeError, "cannot create '%s' instances", type->tp_name);
  return nullptr;
}

void dealloc(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  if (reinterpret_cast<NodeObject*>(o)->weak_references) PyObject_ClearWeakRefs(o);
  Node* n = node(o);
  n->pyobj = nullptr;
  release(n);
  type->tp_free(o);
  Py_DECREF(type);
}

PyObject* name(PyObject* self, PyObject*) {
  const char* n = node(self)->name;
  // PyTorch qualifies this one alone.
  if (accumulated_tensor(node(self)).defined()) n = "torch::autograd::AccumulateGrad";
  return PyUnicode_FromString(n);
}

PyObject* repr(PyObject* self) {
  return PyUnicode_FromFormat("<%s object at %p>", node(self)->name, static_cast<void*>(self));
}

PyObject* next_functions(PyObject* self, void*) {
  PC_PYTHON_TRY
  Node* n = node(self);
  py::tuple t(n->num_edges);
  for (uint32_t i = 0; i < n->num_edges; ++i)
    t[i] = py::make_tuple(node_object(n->edges[i].node), n->edges[i].nr);
  return t.release().ptr();
  PC_PYTHON_CATCH(nullptr)
}

PyObject* variable(PyObject* self, void*) {
  PC_PYTHON_TRY
  Tensor t = accumulated_tensor(node(self));
  if (t.defined()) return wrap(t);
  PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute 'variable'", node(self)->name);
  return nullptr;
  PC_PYTHON_CATCH(nullptr)
}

// Kept with the node, whose object may come and go.
PyObject* metadata(PyObject* self, void*) {
  PC_PYTHON_TRY
  std::shared_ptr<void>& kept = node(self)->extra().metadata;
  if (!kept) kept = SharedObject(py::dict()).pointer();
  return Py_NewRef(static_cast<PyObject*>(kept.get()));
  PC_PYTHON_CATCH(nullptr)
}

PyObject* released(PyObject* self, void*) { return PyBool_FromLong(node(self)->released); }
PyObject* sequence_nr(PyObject* self, PyObject*) {
  return PyLong_FromUnsignedLongLong(node(self)->seq);
}

// --- hooks
// ------------------------------------------------------------------------------------------------------------------

std::atomic<uint64_t> g_next_hook{1};

py::tuple gradients(std::span<const Tensor> list) {
  py::tuple t(list.size());
  for (size_t i = 0; i < list.size(); ++i) t[i] = py::reinterpret_steal<py::object>(wrap(list[i]));
  return t;
}

void replace(std::span<Tensor> list, py::object result) {
  if (result.is_none()) return;
  auto t = is_tensor(result.ptr()) ? py::make_tuple(result) : py::tuple(result);
  PC_CHECK(t.size() == list.size(), "hook has returned an incorrect number of values (got ",
           t.size(), ", but expected ", list.size(), ")");
  for (size_t i = 0; i < list.size(); ++i) {
    py::object o = t[i];
    list[i] = o.is_none() ? Tensor() : unwrap(o.ptr());
  }
}

PyObject* handle(PyObject* self, uint64_t id) {
  return py::module_::import("pycore.utils.hooks")
      .attr("NodeHandle")(py::handle(self), id)
      .release()
      .ptr();
}

PyObject* register_hook(PyObject* self, PyObject* f) {
  PC_PYTHON_TRY
  SharedObject shared(py::reinterpret_borrow<py::object>(f));
  const uint64_t id = g_next_hook++;
  node(self)->extra().post_hooks.emplace_back(
      id, [shared](std::span<Tensor> in, std::span<const Tensor> out) {
        py::gil_scoped_acquire gil;
        replace(in, shared.get()(gradients(in), gradients(out)));
      });
  return handle(self, id);
  PC_PYTHON_CATCH(nullptr)
}

PyObject* register_prehook(PyObject* self, PyObject* f) {
  PC_PYTHON_TRY
  SharedObject shared(py::reinterpret_borrow<py::object>(f));
  const uint64_t id = g_next_hook++;
  node(self)->extra().pre_hooks.emplace_back(id, [shared](std::span<Tensor> out) {
    py::gil_scoped_acquire gil;
    replace(out, shared.get()(gradients(out)));
  });
  return handle(self, id);
  PC_PYTHON_CATCH(nullptr)
}

PyObject* remove_hook(PyObject* self, PyObject* number) {
  const uint64_t id = PyLong_AsUnsignedLongLong(number);
  if (PyErr_Occurred()) return nullptr;
  if (NodeExtras* extras = node(self)->extras.get()) {
    auto is_it = [&](auto& hook) { return hook.first == id; };
    std::erase_if(extras->pre_hooks, is_it);
    std::erase_if(extras->post_hooks, is_it);
  }
  Py_RETURN_NONE;
}

PyGetSetDef g_properties[] = {
    {"next_functions", next_functions, nullptr,
     "Pairs (node, number of its output) that gradients flow to.", nullptr},
    {"variable", variable, nullptr, "The leaf that an AccumulateGrad node writes to.", nullptr},
    {"metadata", metadata, nullptr, "A dictionary for whatever belongs to the node.", nullptr},
    {"_released", released, nullptr, "Whether the saved tensors are gone.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef g_methods[] = {
    {"name", name, METH_NOARGS, "The kind of node, such as 'MulBackward0'."},
    {"_sequence_nr", sequence_nr, METH_NOARGS, "The order of recording."},
    {"register_hook", register_hook, METH_O,
     "Calls hook(grad_inputs, grad_outputs) after the node has run; it may return new "
     "grad_inputs."},
    {"register_prehook", register_prehook, METH_O,
     "Calls hook(grad_outputs) before the node runs; it may return new grad_outputs."},
    {"_remove_hook", remove_hook, METH_O, "Takes away the hook with this number."},
    {nullptr, nullptr, 0, nullptr}};

PyMemberDef g_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(NodeObject, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

}  // namespace

PyObject* wrap_node(const Ref<Node>& n) {
  if (!n) Py_RETURN_NONE;
  if (n->pyobj) return Py_NewRef(static_cast<PyObject*>(n->pyobj));
  PyTypeObject* type = type_of(n->name);
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) throw py::error_already_set();
  retain(n.get());
  reinterpret_cast<NodeObject*>(o)->node = n.get();
  n->pyobj = o;
  return o;
}

Node* node_of(PyObject* o) {
  PC_CHECK_TYPE(PyObject_TypeCheck(o, g_node_type), "expected a node of the graph, got ",
                Py_TYPE(o)->tp_name);
  return node(o);
}

void init_nodes(py::module_& m) {
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(refuse_new)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                         {Py_tp_repr, reinterpret_cast<void*>(repr)},
                         {Py_tp_methods, g_methods},
                         {Py_tp_getset, g_properties},
                         {Py_tp_members, g_members},
                         {Py_tp_doc, const_cast<char*>("One recorded operator.")},
                         {0, nullptr}};
  PyType_Spec spec{"pycore._C._Node", sizeof(NodeObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  g_node_type = reinterpret_cast<PyTypeObject*>(type);
  m.attr("_Node") = py::handle(type);
}

}  // namespace pycore::python
