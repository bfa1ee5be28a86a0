// The C base class of nn.Module: what runs on every attribute access and every call. Must not know
// hooks.
#pragma once

#include <pybind11/pybind11.h>

namespace pycore::python {
void init_module_type(pybind11::module_& m);
}  // namespace pycore::python
