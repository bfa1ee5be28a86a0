"""Families of functions behind `pycore.nn.functional`, composed of differentiable operators."""
