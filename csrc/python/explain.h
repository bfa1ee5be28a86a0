// The Python side of core/explain.
#pragma once

#include <pybind11/pybind11.h>

#include "core/explain.h"

namespace pycore::python {

// Adds the tensors among arguments and result to an operator's entry; returns the result.
PyObject* explained(ExplainScope& entry, PyObject* const* args, Py_ssize_t n, PyObject* result);
void init_explain(pybind11::module_& m);

}  // namespace pycore::python
