// Fused optimizer steps for Python. Must not know parameter groups or schedules.
#pragma once

#include <pybind11/pybind11.h>

namespace pycore::python {
void init_optim(pybind11::module_& m);
}  // namespace pycore::python
