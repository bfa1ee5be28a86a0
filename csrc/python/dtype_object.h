// dtype, device and Size as Python objects. Must not know operators.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "core/dtype.h"
#include "core/small_vec.h"

namespace pycore::python {

namespace py = pybind11;

// Borrowed: the one object of each dtype.
PyObject* dtype_object(DType t);
// A dtype object, or Python's bool, int or float; nothing for anything else.
std::optional<DType> as_dtype(PyObject* o);
// New reference to a Size (a tuple of ints that prints as pycore.Size([...])).
PyObject* make_size(IntSpan sizes);
extern PyTypeObject* size_type;
// Borrowed: device(type='cpu').
PyObject* cpu_device();
// True if o names the CPU; raises for other devices and returns false for objects that are no
// device at all.
bool check_device(PyObject* o);

void init_dtype_objects(py::module_& m);

}  // namespace pycore::python
