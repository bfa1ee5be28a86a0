// Life of tensor objects: a free list, resurrection of objects that carry state while C++ still
// holds the tensor, and the type itself. Must not know operators.
#include "python/tensor_object.h"

#include <structmember.h>

#include <new>

#include "autograd/meta.h"
#include "python/data.h"

namespace pycore::python {

PyTypeObject* tensor_type = nullptr;

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const Error& e) {
    PyObject* type = PyExc_RuntimeError;
    switch (e.kind) {
      case ErrorKind::runtime:
        type = PyExc_RuntimeError;
        break;
      case ErrorKind::value:
        type = PyExc_ValueError;
        break;
      case ErrorKind::type:
        type = PyExc_TypeError;
        break;
      case ErrorKind::index:
        type = PyExc_IndexError;
        break;
      case ErrorKind::not_implemented:
        type = PyExc_NotImplementedError;
        break;
      case ErrorKind::memory:
        type = PyExc_MemoryError;
        break;
      case ErrorKind::linalg:
        type = PyExc_RuntimeError;
        break;
      case ErrorKind::os:
        type = PyExc_OSError;
        break;
    }
    PyErr_SetString(type, e.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "unknown C++ exception");
  }
}

namespace {

TensorObject* as_object(PyObject* o) { return reinterpret_cast<TensorObject*>(o); }

#ifdef Py_GIL_DISABLED
constexpr int kFreeListSize = 0;
#else
constexpr int kFreeListSize = 512;
#endif
TensorObject* g_free_list[kFreeListSize > 0 ? kFreeListSize : 1];
int g_free_count = 0;

// Objects are made untracked: only one that has attributes or belongs to a subclass can be part of
// a cycle.
TensorObject* new_object() {
  TensorObject* o;
  if (g_free_count > 0) {
    o = g_free_list[--g_free_count];
    Py_INCREF(tensor_type);
    _Py_NewReference(reinterpret_cast<PyObject*>(o));
  } else {
    o = PyObject_GC_New(TensorObject, tensor_type);
    if (!o) throw py::error_already_set();
  }
  o->impl = nullptr;
  o->dict = nullptr;
  o->weakrefs = nullptr;
  return o;
}

// CPython finalizes an object once; ours may be resurrected any number of times.
void allow_finalizing_again(PyObject* o) {
#ifndef Py_GIL_DISABLED
  reinterpret_cast<uintptr_t*>(o)[-1] &= ~uintptr_t{1};  // _PyGC_PREV_MASK_FINALIZED
#else
  (void)o;
#endif
}

// Called by the interpreter before a subclass instance (or one with attributes) goes: if C++ still
// holds the tensor, keep the object and let the tensor own it, so that it comes back with its class
// and attributes.
void finalize(PyObject* self) {
  TensorObject* o = as_object(self);
  if (!o->impl || o->impl->refs.load() <= 1) return;
  o->impl->owns_pyobj = true;
  Py_INCREF(self);
  release(o->impl);  // borrowed from here on
}

void release_owned_object(TensorImpl* impl) noexcept {
  if (!Py_IsInitialized()) return;
  PyGILState_STATE gil = PyGILState_Ensure();
  auto* o = static_cast<TensorObject*>(impl->pyobj);
  o->impl = nullptr;
  impl->pyobj = nullptr;
  Py_DECREF(reinterpret_cast<PyObject*>(o));
  PyGILState_Release(gil);
}

void dealloc(PyObject* self) {
  TensorObject* o = as_object(self);
  PyTypeObject* type = Py_TYPE(self);
  if (type == tensor_type && o->dict && PyObject_CallFinalizerFromDealloc(self) < 0) return;
  PyObject_GC_UnTrack(self);
  if (o->weakrefs) PyObject_ClearWeakRefs(self);
  Py_CLEAR(o->dict);
  if (TensorImpl* impl = o->impl) {
    o->impl = nullptr;
    impl->pyobj = nullptr;
    release(impl);
  }
  if (type == tensor_type && g_free_count < kFreeListSize) {
    g_free_list[g_free_count++] = o;
    Py_DECREF(type);
    return;
  }
  type->tp_free(self);
  Py_DECREF(type);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_object(self)->dict);
  return 0;
}
int clear(PyObject* self) {
  Py_CLEAR(as_object(self)->dict);
  return 0;
}

// The first attribute makes the object a possible member of a cycle.
int set_attribute(PyObject* self, PyObject* name, PyObject* value) {
  int rc = PyObject_GenericSetAttr(self, name, value);
  if (rc == 0 && as_object(self)->dict && !PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
  return rc;
}

Py_hash_t hash(PyObject* self) {
  return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(self) >> 4);
}

// The rich repr lives in Python, where it is imported when first needed.
PyObject* repr(PyObject* self) {
  PC_PYTHON_TRY
  static PyObject* function = nullptr;
  if (!function)
    function =
        py::object(py::module_::import("pycore._tensor_str").attr("tensor_str")).release().ptr();
  return PyObject_CallOneArg(function, self);
  PC_PYTHON_CATCH(nullptr)
}

// Tensor(...): the legacy constructor, in Python (pycore/_tensor.py).
PyObject* create(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PC_PYTHON_TRY
  static PyObject* function = nullptr;
  if (!function)
    function = py::object(py::module_::import("pycore._tensor").attr("legacy_constructor"))
                   .release()
                   .ptr();
  py::object data = py::reinterpret_steal<py::object>(PyObject_Call(function, args, kwargs));
  if (!data) return nullptr;
  return wrap_as(alias(unwrap(data.ptr())), type);
  PC_PYTHON_CATCH(nullptr)
}

PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(TensorObject, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

}  // namespace

PyObject* wrap(Tensor t) {
  TensorImpl* impl = t.impl();
  if (!impl) Py_RETURN_NONE;
  if (impl->pyobj) {
    PyObject* o = static_cast<PyObject*>(impl->pyobj);
    if (impl->owns_pyobj) {
      // Back into Python's hands: the object counts the tensor again, and the tensor's reference
      // goes to the caller.
      impl->owns_pyobj = false;
      retain(impl);
      allow_finalizing_again(o);
      return o;
    }
    return Py_NewRef(o);
  }
  TensorObject* o = new_object();
  o->impl = t.ref().detach();
  impl->pyobj = o;
  return reinterpret_cast<PyObject*>(o);
}

PyObject* wrap_as(Tensor t, PyTypeObject* type) {
  if (type == tensor_type) return wrap(std::move(t));
  PC_CHECK(!t->pyobj, "wrap_as: the tensor already has a Python object");
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) throw py::error_already_set();
  t->pyobj = o;
  as_object(o)->impl = t.ref().detach();
  return o;
}

void init_tensor_type(py::module_& m) {
  release_pyobj = release_owned_object;
  std::vector<PyType_Slot> slots = {
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {Py_tp_finalize, reinterpret_cast<void*>(finalize)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {Py_tp_new, reinterpret_cast<void*>(create)},
      {Py_tp_repr, reinterpret_cast<void*>(repr)},
      {Py_tp_hash, reinterpret_cast<void*>(hash)},
      {Py_tp_setattro, reinterpret_cast<void*>(set_attribute)},
      {Py_tp_members, members},
      {Py_tp_methods, tensor_methods},
      {Py_tp_getset, tensor_getset},
      {Py_tp_doc,
       const_cast<char*>("A multi-dimensional array of one dtype that records gradients.")},
      {Py_mp_subscript, reinterpret_cast<void*>(tensor_getitem)},
      {Py_mp_ass_subscript, reinterpret_cast<void*>(tensor_setitem)},
      {Py_bf_getbuffer, reinterpret_cast<void*>(tensor_getbuffer)},
      {Py_bf_releasebuffer, reinterpret_cast<void*>(tensor_releasebuffer)},
  };
  add_number_slots(slots);
  slots.push_back({0, nullptr});
  PyType_Spec spec{"pycore.Tensor", sizeof(TensorObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots.data()};
  tensor_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!tensor_type) throw py::error_already_set();
  m.attr("Tensor") = py::handle(reinterpret_cast<PyObject*>(tensor_type));
}

}  // namespace pycore::python
