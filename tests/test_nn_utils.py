"""Helpers of nn.utils without torch: what must hold for any implementation.

parity/test_nn_utils_parity.py compares the numbers.
"""

from __future__ import annotations

import copy

import pytest

import pycore
from pycore import nn
from pycore.nn.utils import parametrizations, parametrize


def test_weight_norm_keeps_the_weight_and_its_rows_lengths():
    module = nn.Linear(4, 3)
    before = module.weight.detach().clone()
    parametrizations.weight_norm(module)
    assert module.weight.allclose(before)
    module.parametrizations.weight.original0.data.fill_(2.0)
    assert module.weight.norm(2, 1).allclose(pycore.full((3,), 2.0))


def test_spectral_norm_is_one():
    module = parametrizations.spectral_norm(nn.Conv2d(3, 4, 2), n_power_iterations=20)
    matrix = module.weight.detach().flatten(1)
    numpy = pytest.importorskip("numpy")
    assert abs(numpy.linalg.svd(matrix.numpy(), compute_uv=False)[0] - 1) < 1e-3


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3)])
def test_orthogonal_stays_orthogonal(kind, shape):
    module = nn.Module()
    module.weight = nn.Parameter(pycore.randn(shape, dtype=pycore.float64))
    parametrizations.orthogonal(module, orthogonal_map=kind)
    optimizer = pycore.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (module.weight * pycore.randn(shape, dtype=pycore.float64)).sum().backward()
        optimizer.step()
    q = module.weight if shape[-2] >= shape[-1] else module.weight.mT
    identity = pycore.eye(q.size(-1), dtype=pycore.float64)
    assert (q.mT @ q - identity).abs().max() < 1e-12


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_derivatives(kind):
    from pycore.nn.utils.parametrizations import _Orthogonal

    x = pycore.randn(3, 3, dtype=pycore.float64)
    module = _Orthogonal(x, kind, use_trivialization=False)

    def below(a):  # Householder's signs on the diagonal take no gradient
        return module(a.tril(-1) + pycore.eye(3, dtype=pycore.float64))

    assert pycore.autograd.gradcheck(below, (x.requires_grad_(),))


def test_a_parametrized_module_copies_and_saves():
    module = parametrizations.weight_norm(nn.Linear(4, 3))
    other = copy.deepcopy(module)
    other.parametrizations.weight.original0.data.zero_()
    assert other.weight.abs().sum() == 0 and module.weight.abs().sum() > 0
    other.load_state_dict(module.state_dict())
    assert other.weight.equal(module.weight)
    assert parametrize.remove_parametrizations(other, "weight").weight.equal(module.weight)
    assert type(other) is nn.Linear


def test_functional_call_leaves_the_module_alone_when_it_fails():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    own = dict(net.named_parameters())
    with pytest.raises(RuntimeError):
        pycore.func.functional_call(net, {"0.weight": pycore.ones(7, 7)}, pycore.ones(1, 3))
    with pytest.raises(AttributeError):
        pycore.func.functional_call(
            net, {"0.weight": pycore.ones(3, 3), "2.weight": pycore.ones(1)}, pycore.ones(1, 3)
        )
    assert all(own[name] is parameter for name, parameter in net.named_parameters())
