// The callable behind every operator: vectorcall straight into the parser, bound like a method
// descriptor.
#include "python/op_function.h"

#include <structmember.h>

#include <map>

#include "python/subclass.h"

namespace pycore::python {
namespace {

struct OpFunction {
  PyObject_HEAD vectorcallfunc vectorcall;
  const OpGroup* group;
  CallKind kind;
  PyObject* name;
  PyObject* doc;
  PyObject* module;
};
PyTypeObject* g_type = nullptr;

OpFunction* as_function(PyObject* o) { return reinterpret_cast<OpFunction*>(o); }

PyObject* call(PyObject* callable, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  OpFunction* f = as_function(callable);
  Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
  Py_ssize_t total = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
  SubclassCall subclass = find_subclass(args, total);
  if (subclass.result_type) [[unlikely]] {
    PC_PYTHON_TRY
    if (subclass.handler) return call_handler(subclass.handler, callable, args, nargs, kwnames);
    PyObject* r = call_group(*f->group, f->kind, args, nargs, kwnames);
    return subclass.result_type && f->kind != CallKind::inplace
               ? adopt_result(r, subclass.result_type)
               : r;
    PC_PYTHON_CATCH(nullptr)
  }
  PyObject* r = call_group(*f->group, f->kind, args, nargs, kwnames);
  if (!r && PyErr_ExceptionMatches(PyExc_TypeError)) {
    // Objects that are no tensors may still know what to do with a function. Type look-ups want no
    // error pending.
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyTypeObject* handler = foreign_handler(args, nargs);
    if (!handler) {
      PyErr_Restore(type, value, trace);
      return nullptr;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    PC_PYTHON_TRY
    return call_handler(handler, callable, args, nargs, kwnames);
    PC_PYTHON_CATCH(nullptr)
  }
  return r;
}

PyObject* bind(PyObject* self, PyObject* instance, PyObject*) {
  if (!instance || as_function(self)->kind == CallKind::function) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}

PyObject* repr(PyObject* self) {
  OpFunction* f = as_function(self);
  return f->kind == CallKind::function
             ? PyUnicode_FromFormat("<built-in function %U>", f->name)
             : PyUnicode_FromFormat("<method '%U' of 'pycore.Tensor' objects>", f->name);
}

// Functions are pickled by name; methods as getattr(Tensor, name).
PyObject* reduce(PyObject* self, PyObject*) {
  OpFunction* f = as_function(self);
  if (f->kind == CallKind::function) return Py_NewRef(f->name);
  PyObject* builtins = PyEval_GetBuiltins();
  return Py_BuildValue("O(OO)", PyDict_GetItemString(builtins, "getattr"), tensor_type, f->name);
}

PyObject* schemas(PyObject* self, void*) {
  OpFunction* f = as_function(self);
  PyObject* list = PyTuple_New(static_cast<Py_ssize_t>(f->group->ops.size()));
  for (size_t i = 0; i < f->group->ops.size(); ++i)
    PyTuple_SET_ITEM(list, static_cast<Py_ssize_t>(i),
                     PyUnicode_FromString(f->group->ops[i]->schema));
  return list;
}

PyMemberDef members[] = {
    {"__name__", T_OBJECT, offsetof(OpFunction, name), READONLY, nullptr},
    {"__qualname__", T_OBJECT, offsetof(OpFunction, name), READONLY, nullptr},
    {"__doc__", T_OBJECT, offsetof(OpFunction, doc), READONLY, nullptr},
    {"__module__", T_OBJECT, offsetof(OpFunction, module), READONLY, nullptr},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(OpFunction, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};
PyGetSetDef getset[] = {
    {"__schemas__", schemas, nullptr, "The operator's schemas, one per overload.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyMethodDef methods[] = {
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

void init_type() {
  PyType_Slot slots[] = {
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_descr_get, reinterpret_cast<void*>(bind)},
      {Py_tp_repr, reinterpret_cast<void*>(repr)},
      {Py_tp_members, members},
      {Py_tp_getset, getset},
      {Py_tp_methods, methods},
      {0, nullptr},
  };
  // METHOD_DESCRIPTOR: `x.tanh()` calls us with x as first argument and makes no bound method.
  PyType_Spec spec{"pycore._C.OpFunction", sizeof(OpFunction), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR |
                       Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots};
  g_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!g_type) throw py::error_already_set();
}

PyObject* make_function(const OpGroup* group, CallKind kind, PyObject* module) {
  auto* f = PyObject_New(OpFunction, g_type);
  if (!f) throw py::error_already_set();
  f->vectorcall = call;
  f->group = group;
  f->kind = kind;
  f->name =
      PyUnicode_InternFromString((group->name + (kind == CallKind::inplace ? "_" : "")).c_str());
  std::string doc;
  for (auto* op : group->ops) doc += std::string(op->schema) + "\n";
  for (auto* op : group->ops)
    if (*op->doc) doc += std::string(*op->doc == '\n' ? "" : "\n") + op->doc;
  if (kind == CallKind::inplace) doc = "In-place form of:\n\n" + doc;
  f->doc = PyUnicode_FromStringAndSize(doc.data(), static_cast<Py_ssize_t>(doc.size()));
  f->module = Py_NewRef(module);
  return reinterpret_cast<PyObject*>(f);
}

// Groups by (space, name, usable as): overloads that are functions only do not become methods.
std::map<std::pair<std::string, std::string>, OpGroup*>& groups() {
  static auto* g = new std::map<std::pair<std::string, std::string>, OpGroup*>;
  return *g;
}

const OpGroup* subset(const OpGroup& all, uint32_t flag, bool strip_out) {
  auto* g = new OpGroup{all.space, all.name, {}, {}, false};
  for (size_t i = 0; i < all.ops.size(); ++i) {
    if (!(all.ops[i]->flags & flag)) continue;
    g->ops.push_back(all.ops[i]);
    g->names.push_back(all.names[i]);
    g->has_out |= !strip_out && (all.ops[i]->flags & kOut);
  }
  if (g->ops.empty()) {
    delete g;
    return nullptr;
  }
  return g;
}

py::module_ submodule(py::module_& m, const std::string& space) {
  if (space.empty()) return m;
  std::string attr = "_" + space;
  if (!py::hasattr(m, attr.c_str())) m.def_submodule(attr.c_str());
  return m.attr(attr.c_str()).cast<py::module_>();
}

}  // namespace

const OpGroup* find_group(const std::string& space, const std::string& name) {
  auto it = groups().find({space, name});
  return it == groups().end() ? nullptr : it->second;
}

void init_operators(py::module_& m) {
  init_type();
  for (const Op* op : all_ops()) {
    auto& group = groups()[{op->space, op->name}];
    if (!group) group = new OpGroup{op->space, op->name, {}, {}, false};
    PC_CHECK(op->params.size() <= Frame::kMaxParams, "operator ", op->name,
             " has too many parameters");
    group->ops.push_back(op);
    group->has_out |= (op->flags & kOut) != 0;
    auto& names = group->names.emplace_back();
    for (auto& p : op->params) names.push_back(PyUnicode_InternFromString(p.name.c_str()));
  }
  PyObject* type_dict = tensor_type->tp_dict;
  PyObject* package = PyUnicode_InternFromString("pycore");
  for (auto& [key, group] : groups()) {
    py::module_ target = submodule(m, group->space);
    PyObject* module_name = group->space.empty()
                                ? package
                                : PyUnicode_FromFormat("pycore._C._%s", group->space.c_str());
    auto add = [&](PyObject* dict, const OpGroup* g, CallKind kind) {
      if (!g) return;
      PyObject* f = make_function(g, kind, module_name);
      PyDict_SetItem(dict, as_function(f)->name, f);
      Py_DECREF(f);
    };
    PyObject* module_dict = PyModule_GetDict(target.ptr());
    add(module_dict, subset(*group, kFunction, false), CallKind::function);
    add(type_dict, subset(*group, kMethod, true), CallKind::method);
    const OpGroup* inplace = subset(*group, kInplace, true);
    add(type_dict, inplace, CallKind::inplace);
    if (inplace) {
      // pycore.relu_(x): the same call, found in the module.
      PyObject* f = make_function(inplace, CallKind::inplace, module_name);
      bool also_function = false;
      for (auto* op : inplace->ops) also_function |= (op->flags & kFunction) != 0;
      if (also_function) PyDict_SetItem(module_dict, as_function(f)->name, f);
      Py_DECREF(f);
    }
  }
  PyType_Modified(tensor_type);
}

}  // namespace pycore::python
