// Tensors from Python data and back: nested lists, buffers (NumPy), the buffer protocol. Must not
// know operators.
#pragma once

#include <optional>

#include "python/tensor_object.h"

namespace pycore::python {

// A fresh tensor with the values of a number, a nested sequence, a buffer or a tensor.
Tensor tensor_from_data(PyObject* data, std::optional<DType> dtype);
// A tensor on the buffer's memory (shares it); the buffer stays alive with the tensor. TypeError if
// o has no buffer.
Tensor tensor_from_buffer(PyObject* o, const char* what);
void init_data(py::module_& m);
// The buffer protocol of Tensor, for the type's slots.
int tensor_getbuffer(PyObject* self, Py_buffer* view, int flags);
void tensor_releasebuffer(PyObject* self, Py_buffer* view);

}  // namespace pycore::python
