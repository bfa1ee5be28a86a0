"""Subclasses of Tensor: results keep the class, and `__torch_function__` is asked first."""

from __future__ import annotations

import gc
from typing import ClassVar

import pytest

import pycore
from pycore import nn


class Plain(pycore.Tensor):
    pass


class Logged(pycore.Tensor):
    calls: ClassVar[list[str]] = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs)


def test_results_take_the_class():
    x = Plain([1.0, 2.0])
    for result in (x + 1, 2 * x, -x, x.exp(), pycore.exp(x), pycore.cat([x, x]), x.view(2, 1)):
        assert type(result) is Plain
    assert all(type(part) is Plain for part in x.split(1))
    assert repr(x) == "Plain([1., 2.])"


def test_torch_function_sees_functions_methods_and_operators():
    Logged.calls.clear()
    y = Logged([1.0, 2.0])
    assert type(y * 2) is Logged
    assert type(y.sum()) is Logged
    assert type(pycore.stack([y, y])) is Logged
    assert [name.strip("_") for name in Logged.calls] == ["mul", "sum", "stack"]


def test_parameters_give_plain_tensors():
    assert type(nn.Parameter(pycore.ones(2)) * 2) is pycore.Tensor


def test_gradients_flow_through_subclasses():
    x = Plain([1.0, 2.0]).requires_grad_()
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_object_comes_back_with_its_class_and_attributes():
    # Only the graph holds the leaf for a while; its Python object must survive that, any number of times.
    x = Plain([3.0]).requires_grad_()
    x.note = "kept"
    y = (x * 2).sum()
    del x
    for _ in range(3):
        gc.collect()
        leaf = y.grad_fn.next_functions[0][0].next_functions[0][0].variable
        assert type(leaf) is Plain and leaf.note == "kept"
        del leaf


def test_objects_without_references_are_freed():
    import weakref

    x = Plain([1.0])
    x.cycle = x
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None


def test_arguments_of_wrong_types_raise_type_errors():
    """Asking the arguments' classes for __torch_function__ must not lose the error."""
    x = pycore.zeros(2)
    for call in (
        lambda: x.sum("a"),
        lambda: pycore.add("a", 1),
        lambda: pycore.isin(1, 2),
        lambda: x.index_put((pycore.tensor([0]),), 1.0),
    ):
        with pytest.raises(TypeError):
            call()
