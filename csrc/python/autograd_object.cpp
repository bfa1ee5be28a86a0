// backward() and grad(), nodes, hooks, Python-defined operators, grad mode and anomaly mode for
// Python.
#include "python/autograd_object.h"

#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <set>
#include <unordered_set>

#include "autograd/engine.h"
#include "autograd/meta.h"
#include "core/inference.h"
#include "core/warn.h"
#include "ops/ops.h"
#include "python/node_object.h"
#include "python/parser.h"
#include "python/saved_hooks.h"
#include "python/shared_object.h"

namespace pycore::python {
namespace {

py::object object_of(const Tensor& t) { return py::reinterpret_steal<py::object>(wrap(t)); }
py::object node_object(const Ref<Node>& n) {
  return py::reinterpret_steal<py::object>(wrap_node(n));
}

// --- operators in Python
// ------------------------------------------------------------------------------------------------

struct PythonRule {
  static constexpr const char* name = "PythonFunction";
  // Saved tensors live in Python's context; freeing the graph tells it so, and it decides what a
  // second run may do.
  static constexpr bool saves = false;
  SharedObject callback;  // callback(node, grads) -> grads; callback.release()
  std::vector<Dims> input_sizes;

  void operator()(Backward& b) {
    py::gil_scoped_acquire gil;
    py::tuple grads(b.node()->num_outputs);
    for (uint32_t i = 0; i < b.node()->num_outputs; ++i) grads[i] = object_of(b.grad(i));
    py::tuple results = callback.get()(node_object(Ref<Node>::share(b.node())), grads);
    for (uint32_t i = 0; i < b.node()->num_edges && i < results.size(); ++i) {
      py::handle r = results[i];
      if (r.is_none() || !b.node()->edges[i].node) continue;
      PC_CHECK_TYPE(is_tensor(r.ptr()), b.node()->name, ": expected Tensor or None as gradient ", i,
                    ", got ", Py_TYPE(r.ptr())->tp_name);
      Tensor g = unwrap(r.ptr());
      if (!(g.sizes() == input_sizes[i])) {
        PC_CHECK(is_expandable(input_sizes[i], g.sizes()), "Function ", b.node()->name,
                 " returned an invalid gradient at index ", i, " - got ", g.sizes(),
                 " but expected shape compatible with ", input_sizes[i]);
        g = sum_to(g, input_sizes[i]);
      }
      b.set(i, std::move(g));
    }
  }
};
using PythonNode = RuleNode<PythonRule>;

void release_python(Node* n) {
  py::gil_scoped_acquire gil;
  static_cast<PythonNode*>(n)->rule.callback.get().attr("release")();
}
constexpr NodeType kPythonType{PythonNode::apply, release_python, PythonNode::destroy};

// Node names must outlive their nodes.
const char* permanent(const std::string& name) {
  static auto* names = new std::set<std::string>;
  return names->insert(name).first->c_str();
}

py::object make_python_node(const std::string& name, py::tuple inputs, py::list outputs,
                            py::object callback, std::set<int> non_differentiable) {
  PythonRule rule{SharedObject(std::move(callback)), {}};
  for (auto o : inputs) rule.input_sizes.push_back(o.is_none() ? Dims{} : unwrap(o.ptr()).sizes());
  Ref<Node> node = make_node(std::move(rule), static_cast<uint32_t>(outputs.size()));
  node->type = &kPythonType;
  node->name = permanent(name);
  node->set_num_edges(static_cast<uint32_t>(inputs.size()));
  for (uint32_t i = 0; i < inputs.size(); ++i)
    if (!py::handle(inputs[i]).is_none())
      set_edge(node.get(), i, unwrap(py::handle(inputs[i]).ptr()));
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    if (non_differentiable.count(static_cast<int>(i))) continue;
    const Tensor& out = unwrap(py::handle(outputs[i]).ptr());
    if (out->base)
      rebase_history(out, node, i);
    else
      set_history(out, node, i);
  }
  return node_object(node);
}

struct SavedHandle {
  Saved saved;
  SharedObject object;  // subclasses come back as what they were
};

// --- backward
// -------------------------------------------------------------------------------------------------------------

Tensor initial_gradient(const Tensor& root, py::handle given) {
  if (given && !given.is_none()) {
    PC_CHECK_TYPE(is_tensor(given.ptr()), "gradients can be either Tensors or None, but got ",
                  Py_TYPE(given.ptr())->tp_name);
    Tensor g = unwrap(given.ptr());
    PC_CHECK(g.sizes() == root.sizes(),
             "Mismatch in shape: grad_output[0] has a shape of pycore.Size(", g.sizes(),
             ") and output[0] has a shape of pycore.Size(", root.sizes(), ").");
    return g.dtype() == root.dtype() ? g : to_dtype(g, root.dtype());
  }
  PC_CHECK(root.numel() == 1, "grad can be implicitly created only for scalar outputs");
  return ones(root.sizes(), root.dtype());
}

Edge root_edge(const Tensor& t, size_t index) {
  Edge e = gradient_edge(t);
  PC_CHECK(e.node, "element ", index,
           " of tensors does not require grad and does not have a grad_fn");
  return e;
}

std::vector<Tensor> run_without_gil(const BackwardRequest& request) {
  py::gil_scoped_release nogil;
  return run_backward(request);
}

// tensors and grads: sequences; inputs: a sequence or None. Returns the gradients of inputs (None
// where unused).
py::object run(py::sequence tensors, py::sequence grads, bool retain_graph, bool create_graph,
               py::object inputs, bool accumulate, bool allow_unused) {
  BackwardRequest request;
  for (size_t i = 0; i < tensors.size(); ++i) {
    py::object t = tensors[i];
    PC_CHECK_TYPE(is_tensor(t.ptr()), "backward: expected a Tensor, got ",
                  Py_TYPE(t.ptr())->tp_name);
    request.roots.push_back(root_edge(unwrap(t.ptr()), i));
    py::object g = grads[i];
    request.grads.push_back(initial_gradient(unwrap(t.ptr()), g));
  }
  request.retain_graph = retain_graph;
  request.create_graph = create_graph;
  request.accumulate = accumulate;
  if (inputs.is_none()) {
    run_without_gil(request);
    return py::none();
  }
  py::sequence wanted = inputs;
  for (size_t i = 0; i < wanted.size(); ++i) {
    py::object t = wanted[i];
    PC_CHECK_TYPE(is_tensor(t.ptr()), "grad: inputs must be Tensors, got ",
                  Py_TYPE(t.ptr())->tp_name);
    const Tensor& x = unwrap(t.ptr());
    PC_CHECK(x.requires_grad(), "One of the differentiated Tensors does not require grad");
    request.inputs.push_back(gradient_edge(x));
  }
  std::vector<Tensor> found = run_without_gil(request);
  py::tuple out(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    PC_CHECK(found[i].defined() || allow_unused,
             "One of the differentiated Tensors appears to not have been used in the graph. Set "
             "allow_unused=True if "
             "this is the desired behavior.");
    out[i] = object_of(found[i]);
  }
  return out;
}

// Tensor.backward(gradient=None, retain_graph=None, create_graph=False, inputs=None), short for the
// common case.
PyObject* backward_method(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                          PyObject* kwnames) {
  PC_PYTHON_TRY
  static const char* names[] = {"gradient", "retain_graph", "create_graph", "inputs"};
  PyObject* given[4] = {Py_None, Py_None, Py_False, Py_None};
  PC_CHECK_TYPE(nargs <= 4, "backward() takes at most 4 arguments but ", nargs, " were given");
  for (Py_ssize_t i = 0; i < nargs; ++i) given[i] = args[i];
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
    PyObject* key = PyTuple_GET_ITEM(kwnames, k);
    int i = 0;
    while (i < 4 && PyUnicode_CompareWithASCIIString(key, names[i]) != 0) ++i;
    PC_CHECK_TYPE(i < 4, "backward() got an unexpected keyword argument '", PyUnicode_AsUTF8(key),
                  "'");
    given[i] = args[nargs + k];
  }
  bool create = PyObject_IsTrue(given[2]);
  bool retain = given[1] == Py_None ? create : PyObject_IsTrue(given[1]);
  const Tensor& t = unwrap(self);
  BackwardRequest request;
  request.roots.push_back(root_edge(t, 0));
  request.grads.push_back(initial_gradient(t, given[0]));
  request.retain_graph = retain;
  request.create_graph = create;
  if (given[3] != Py_None) {
    auto inputs = is_tensor(given[3]) ? py::make_tuple(py::handle(given[3]))
                                      : py::tuple(py::reinterpret_borrow<py::object>(given[3]));
    PC_CHECK(inputs.size() > 0, "`inputs` argument to `backward()` cannot be empty.");
    py::list grads;
    grads.append(object_of(request.grads[0]));
    py::list roots;
    roots.append(py::reinterpret_borrow<py::object>(self));
    run(roots, grads, retain, create, inputs, true, true);
    Py_RETURN_NONE;
  }
  run_without_gil(request);
  Py_RETURN_NONE;
  PC_PYTHON_CATCH(nullptr)
}
PyMethodDef g_backward = {
    "backward", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(backward_method)),
    METH_FASTCALL | METH_KEYWORDS,
    "backward(gradient=None, retain_graph=None, create_graph=False, inputs=None)\n\n"
    "Accumulates the gradient of this tensor into .grad of the leaves it was computed from."};

// --- hooks
// ------------------------------------------------------------------------------------------------------------------

std::function<Tensor(const Tensor&)> hook_function(py::object f) {
  SharedObject shared(std::move(f));
  return [shared](const Tensor& g) -> Tensor {
    py::gil_scoped_acquire gil;
    py::object r = py::reinterpret_borrow<py::object>(shared.get())(object_of(g));
    if (r.is_none()) return {};
    PC_CHECK_TYPE(is_tensor(r.ptr()), "hook: expected the hook to return a Tensor or None, got ",
                  Py_TYPE(r.ptr())->tp_name);
    return unwrap(r.ptr());
  };
}

std::string forward_trace() {
  PyGILState_STATE gil = PyGILState_Ensure();
  std::string text;
  {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    try {
      py::list lines = py::module_::import("traceback").attr("format_stack")();
      for (auto line : lines) text += line.cast<std::string>();
    } catch (py::error_already_set&) {
      text.clear();
    }
    PyErr_Restore(type, value, trace);
  }
  PyGILState_Release(gil);
  return text;
}

void warn_about(const std::string& node, const std::string& trace) {
  py::gil_scoped_acquire gil;
  std::string text =
      "Error detected in " + node + ". " +
      (trace.empty() ? std::string("No forward pass information available. Enable detect anomaly "
                                   "during forward pass for more information.")
                     : "Traceback of forward call that caused the error:\n" + trace);
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) < 0) throw py::error_already_set();
}

// Operators' own warnings (core/warn.h).
void show_warning(const std::string& text) {
  py::gil_scoped_acquire gil;
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) < 0) throw py::error_already_set();
}

void interrupt() {
  py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() < 0) throw py::error_already_set();
}

}  // namespace

void init_autograd(py::module_& m) {
  g_warning_handler = show_warning;
  capture_forward_trace = forward_trace;
  warn_anomaly = warn_about;
  check_interrupt = interrupt;
  init_saved_hooks(m);

  PyObject* method = PyDescr_NewMethod(tensor_type, &g_backward);
  PyDict_SetItemString(tensor_type->tp_dict, "backward", method);
  Py_DECREF(method);

  init_nodes(m);

  py::class_<SavedHandle>(m, "_SavedTensor")
      .def(py::init([](py::object tensor, bool is_output) {
             const Tensor& t = unwrap(tensor.ptr());
             SavedHandle h;
             h.saved =
                 is_output ? Saved::output(t, t->autograd ? t->autograd->output_nr : 0) : Saved(t);
             if (!is_output && Py_TYPE(tensor.ptr()) != tensor_type)
               h.object = SharedObject(tensor);
             return h;
           }),
           py::arg("tensor"), py::arg("is_output"))
      .def("unpack", [](const SavedHandle& h, py::object node) -> py::object {
        if (node.is_none()) return object_of(h.saved.peek());
        Tensor t = h.saved.get(node_of(node.ptr()));
        if (h.object) return py::reinterpret_borrow<py::object>(h.object.get());
        return object_of(t);
      });

  m.def("_make_python_node", &make_python_node, py::arg("name"), py::arg("inputs"),
        py::arg("outputs"), py::arg("callback"), py::arg("non_differentiable"));
  m.def("_run_backward", &run, py::arg("tensors"), py::arg("grads"),
        py::arg("retain_graph") = false, py::arg("create_graph") = false,
        py::arg("inputs") = py::none(), py::arg("accumulate") = true,
        py::arg("allow_unused") = false);
  m.def("_add_hook",
        [](const Tensor& t, py::object f) { return add_hook(t, hook_function(std::move(f))); });
  m.def("_add_post_accumulate_hook", [](const Tensor& t, py::object f) {
    return add_post_accumulate_hook(t, hook_function(std::move(f)));
  });
  m.def("_remove_hook", [](const Tensor& t, uint64_t id) {
    if (!t->autograd) return false;
    bool removed = false;
    if (t->autograd->hooks) removed |= remove_hook(t->autograd->hooks, id);
    if (t->autograd->post_accumulate_hooks)
      removed |= remove_hook(t->autograd->post_accumulate_hooks, id);
    return removed;
  });
  m.def("_set_anomaly", &set_anomaly, py::arg("enabled"), py::arg("check_nan") = true);
  m.def("is_anomaly_enabled", &anomaly_enabled);

  // Grad mode in plain C: `with no_grad()` runs these twice.
  static PyMethodDef modes[] = {
      {"is_grad_enabled", [](PyObject*, PyObject*) { return PyBool_FromLong(t_grad_mode.grad); },
       METH_NOARGS, "Whether operators record gradients on this thread."},
      {"_set_grad_enabled",
       [](PyObject*, PyObject* v) -> PyObject* {
         t_grad_mode.grad = PyObject_IsTrue(v);
         Py_RETURN_NONE;
       },
       METH_O, nullptr},
      {"is_inference_mode_enabled",
       [](PyObject*, PyObject*) { return PyBool_FromLong(t_inference_mode); }, METH_NOARGS,
       "Whether inference mode is on on this thread."},
      {"_set_inference_mode",
       [](PyObject*, PyObject* v) -> PyObject* {
         t_inference_mode = PyObject_IsTrue(v);
         Py_RETURN_NONE;
       },
       METH_O, nullptr},
      {nullptr, nullptr, 0, nullptr}};
  PyModule_AddFunctions(m.ptr(), modes);
}

}  // namespace pycore::python
