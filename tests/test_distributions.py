"""Distributions against their definitions: densities sum to one, draws have the moments, divergences
are what integrals give. tests/parity holds them beside PyTorch's."""

from __future__ import annotations

import math
import pickle

import pytest

import pycore
from pycore import distributions as D

CONTINUOUS = {
    "normal": D.Normal(pycore.tensor([0.5, -1.0]), pycore.tensor([1.0, 0.5])),
    "uniform": D.Uniform(pycore.tensor([-1.0, 0.0]), pycore.tensor([1.0, 3.0])),
    "exponential": D.Exponential(pycore.tensor([1.0, 2.5])),
    "laplace": D.Laplace(pycore.tensor([0.0, 1.0]), pycore.tensor([0.5, 1.0])),
}
DISCRETE = {
    "bernoulli": D.Bernoulli(pycore.tensor([0.25, 0.9])),
    "categorical": D.Categorical(logits=pycore.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, 0.5]])),
    "one_hot": D.OneHotCategorical(probs=pycore.tensor([[1.0, 2.0, 1.0], [0.2, 0.3, 0.5]])),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_densities(name):
    d = CONTINUOUS[name]
    share = ((pycore.arange(200_000, dtype=pycore.float64) + 0.5) / 200_000).float()
    x = d.icdf(share[:, None].expand(-1, 2))  # of equal probability between neighbours
    assert (d.cdf(x) - share[:, None]).abs().max() < 1e-5
    assert (x.mean(0) - d.mean).abs().max() < 2e-3
    assert (x.var(0) - d.variance).abs().max() < 5e-3
    assert ((-d.log_prob(x)).mean(0) - d.entropy()).abs().max() < 2e-3
    assert (d.stddev.square() - d.variance).abs().max() < 1e-6


@pytest.mark.parametrize("name", CONTINUOUS | DISCRETE)
def test_draws(name):
    pycore.manual_seed(0)
    d = (CONTINUOUS | DISCRETE)[name]
    x = d.sample((40_000,))
    assert x.shape == (40_000, *d.batch_shape, *d.event_shape)
    assert not x.requires_grad and d.support.check(x).all()
    if name == "categorical":
        x, mean = (x[..., None] == pycore.arange(3)).float(), d.probs
    else:
        mean = d.mean
    assert (x.float().mean(0) - mean).abs().max() < 0.03
    assert pickle.loads(pickle.dumps(d)).sample().shape == d.sample().shape


@pytest.mark.parametrize("name", DISCRETE)
def test_probabilities(name):
    d = DISCRETE[name]
    p = d.log_prob(d.enumerate_support()).exp()
    assert (p.sum(0) - 1).abs().max() < 1e-6
    assert (-(p * p.log()).sum(0) - d.entropy()).abs().max() < 1e-5


@pytest.mark.parametrize("name", CONTINUOUS)
def test_divergences(name):
    """The mean of log p - log q over p's own quantiles."""
    p = CONTINUOUS[name]
    q = {
        "normal": D.Normal(pycore.tensor([0.0, 0.0]), pycore.tensor([2.0, 1.0])),
        "uniform": D.Uniform(-2.0, 5.0),
        "exponential": D.Exponential(1.5),
        "laplace": D.Laplace(0.5, 2.0),
    }[name]
    share = (pycore.arange(200_000, dtype=pycore.float64) + 0.5) / 200_000
    x = p.icdf(share[:, None].expand(-1, 2).float())
    want = (p.log_prob(x) - q.log_prob(x)).mean(0)
    assert (D.kl_divergence(p, q) - want).abs().max() < 2e-3


def test_divergences_without_bound():
    assert D.kl_divergence(D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)).item() == math.inf
    certain, other = D.Categorical(pycore.tensor([1.0, 0.0])), D.Categorical(pycore.ones(2))
    assert D.kl_divergence(certain, other).item() == pytest.approx(math.log(2))
    assert D.kl_divergence(other, certain).item() == math.inf
    with pytest.raises(NotImplementedError, match="p type Normal and q type Uniform"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Uniform(0.0, 1.0))


def test_policy_gradient():
    """The derivative of a log-probability by logits is the choice less the probabilities."""
    logits = pycore.tensor([[0.0, 1.0, 2.0]], requires_grad=True)
    policy = D.Categorical(logits=logits)
    policy.log_prob(pycore.tensor([1])).sum().backward()
    want = pycore.tensor([[0.0, 1.0, 0.0]]) - policy.probs
    assert (logits.grad - want).abs().max() < 1e-6


def test_parts_of_a_value():
    base = D.Normal(pycore.zeros(4, 3), pycore.ones(4, 3))
    d = D.Independent(base, 1)
    assert d.batch_shape == (4,) and d.event_shape == (3,) and d.rsample((2,)).shape == (2, 4, 3)
    x = pycore.randn(4, 3)
    assert d.log_prob(x).equal(base.log_prob(x).sum(1))
    assert D.kl_divergence(d, d).tolist() == [0.0] * 4
    assert d.expand((5, 4)).sample().shape == (5, 4, 3)
    with pytest.raises(ValueError, match="reinterpreted_batch_ndims"):
        D.Independent(base, 3)


def test_what_is_not_there_says_so():
    with pytest.raises(NotImplementedError, match="Dirichlet"):
        _ = D.Dirichlet
    with pytest.raises(AttributeError):
        _ = D.Nonsense
    with pytest.raises(ValueError, match="GreaterThan"):
        D.Normal(0.0, -1.0)
    assert D.Normal(0.0, -1.0, validate_args=False).loc == 0
