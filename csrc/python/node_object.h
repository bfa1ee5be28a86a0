// Nodes of the graph as Python objects: a class per kind of node, one object per node at a time.
// Must not know operators.
#pragma once

#include "autograd/node.h"
#include "python/tensor_object.h"

namespace pycore::python {

// A new reference to the object of the node (None for null).
PyObject* wrap_node(const Ref<Node>& node);
// The node of such an object; raises TypeError for anything else.
Node* node_of(PyObject* object);
void init_nodes(py::module_& m);

}  // namespace pycore::python
