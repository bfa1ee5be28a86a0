// Graph nodes as Python objects, and the bridge for operators written in Python. Must not know
// operators.
#pragma once

#include "autograd/node.h"
#include "python/tensor_object.h"

namespace pycore::python {

// A Python object for the node (None for null).
PyObject* wrap_node(const Ref<Node>& node);
void init_autograd(py::module_& m);

}  // namespace pycore::python
