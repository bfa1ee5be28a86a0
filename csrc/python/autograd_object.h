// backward() and grad() for Python, hooks on tensors, and the bridge for operators written in
// Python. Must not know operators.
#pragma once

#include "autograd/node.h"
#include "python/tensor_object.h"

namespace pycore::python {

void init_autograd(py::module_& m);

}  // namespace pycore::python
