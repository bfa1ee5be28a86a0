// Operators as Python callables: one C type serves module functions and Tensor methods alike. Must
// not know particular operators.
#pragma once

#include "python/parser.h"

namespace pycore::python {

// Creates all operator functions and methods: into m, its sub-namespaces (m._nn, m._linalg ...) and
// the Tensor type.
void init_operators(py::module_& m);
// The group of a name, or null: for slots that call operators directly.
const OpGroup* find_group(const std::string& space, const std::string& name);

}  // namespace pycore::python
