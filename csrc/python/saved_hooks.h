// pack and unpack hooks around saved tensors. Must not know operators.
#pragma once

#include <pybind11/pybind11.h>

namespace pycore::python {

void init_saved_hooks(pybind11::module_& m);

}  // namespace pycore::python
