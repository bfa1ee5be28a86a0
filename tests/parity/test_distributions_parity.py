"""Distributions beside PyTorch's: the same draws, densities, gradients, errors and reprs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

LOC, SCALE = [[0.5, -1.0, 2.0], [0.0, 3.0, -0.25]], [[1.0, 0.5, 2.0], [0.1, 4.0, 1.5]]
PROBS = [[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]
BINARY = [[0.1, 0.5, 1.0], [0.0, 0.9, 0.3]]

# Constructors by library and dtype; the values to ask for are drawn.
KINDS = {
    "normal": lambda d, t: d.Normal(t(LOC), t(SCALE)),
    "normal_numbers": lambda d, t: d.Normal(0.5, 2),
    "normal_mixed": lambda d, t: d.Normal(t(LOC), 2.0),
    "uniform": lambda d, t: d.Uniform(t(LOC), t(LOC) + t(SCALE)),
    "exponential": lambda d, t: d.Exponential(t(SCALE)),
    "laplace": lambda d, t: d.Laplace(t(LOC), t(SCALE)),
    "bernoulli": lambda d, t: d.Bernoulli(t(BINARY)),
    "bernoulli_logits": lambda d, t: d.Bernoulli(logits=t(LOC)),
    "categorical": lambda d, t: d.Categorical(t(PROBS)),
    "categorical_unscaled": lambda d, t: d.Categorical(t(SCALE)),
    "categorical_logits": lambda d, t: d.Categorical(logits=t(LOC)),
    "categorical_certain": lambda d, t: d.Categorical(t([0.0, 1.0, 0.0])),
    "one_hot": lambda d, t: d.OneHotCategorical(logits=t(LOC)),
    "independent": lambda d, t: d.Independent(d.Normal(t(LOC), t(SCALE)), 1),
    "independent_all": lambda d, t: d.Independent(d.Bernoulli(t(BINARY)), 2),
}


def make(m, kind, dtype="float64"):
    return KINDS[kind](m.distributions, lambda x: m.tensor(x, dtype=getattr(m, dtype)))


def same(ours, theirs, tolerance=1e-12):
    assert str(ours.dtype)[7:] == str(theirs.dtype)[6:] and tuple(ours.shape) == tuple(theirs.shape)
    a, b = np.array(ours.tolist()), np.array(theirs.tolist())
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_values(kind, dtype):
    tolerance = 1e-12 if dtype == "float64" else 2e-6
    ours, theirs = make(pycore, kind, dtype), make(torch, kind, dtype)
    for name in ("mean", "variance", "stddev", "mode"):
        try:
            want = getattr(theirs, name)
        except NotImplementedError:
            continue
        same(getattr(ours, name), want, tolerance)
    same(ours.entropy(), theirs.entropy(), tolerance)
    assert tuple(ours.batch_shape) == tuple(theirs.batch_shape)
    assert tuple(ours.event_shape) == tuple(theirs.event_shape)
    assert repr(ours).replace("pycore", "torch") == repr(theirs)
    assert repr(ours.support).replace("pycore", "torch") == repr(theirs.support)
    for shape in ((), (4,), (2, 3)):
        pycore.manual_seed(3)
        torch.manual_seed(3)
        drawn, wanted = ours.sample(shape), theirs.sample(shape)
        same(drawn, wanted, 4 * tolerance)
        same(ours.log_prob(drawn), theirs.log_prob(wanted), 100 * tolerance)
        if kind in ("normal", "uniform", "exponential", "laplace"):
            cdf = ours.cdf(drawn)
            same(cdf, theirs.cdf(wanted), 10 * tolerance)
            inside = cdf.clamp(0.1, 0.9)
            same(ours.icdf(inside), theirs.icdf(torch.tensor(inside.tolist(), dtype=wanted.dtype)),
                 50 * tolerance)  # fmt: skip
    assert ours.has_rsample == theirs.has_rsample
    assert ours.has_enumerate_support == theirs.has_enumerate_support
    if ours.has_enumerate_support:
        for expand in (True, False):
            same(ours.enumerate_support(expand), theirs.enumerate_support(expand))


@pytest.mark.parametrize("kind", KINDS)
def test_expanded(kind):
    ours, theirs = make(pycore, kind), make(torch, kind)
    shape = (2, *theirs.batch_shape)
    ours, theirs = ours.expand(shape), theirs.expand(shape)
    assert tuple(ours.batch_shape) == shape and type(ours).__name__ == type(theirs).__name__
    pycore.manual_seed(1)
    torch.manual_seed(1)
    drawn, wanted = ours.sample(), theirs.sample()
    same(drawn, wanted)
    same(ours.log_prob(drawn), theirs.log_prob(wanted))


@pytest.mark.parametrize("kind", ["normal", "uniform", "exponential", "laplace"])
def test_gradients_of_draws(kind):
    grads = []
    for m in (pycore, torch):
        a = m.tensor(LOC, dtype=m.float64, requires_grad=True)
        b = m.tensor(SCALE, dtype=m.float64, requires_grad=True)
        d = m.distributions
        x = {
            "normal": lambda d=d, a=a, b=b: d.Normal(a, b),
            "uniform": lambda d=d, a=a, b=b: d.Uniform(a, a + b),
            "exponential": lambda d=d, b=b: d.Exponential(b),
            "laplace": lambda d=d, a=a, b=b: d.Laplace(a, b),
        }[kind]()
        m.manual_seed(0)
        drawn = x.rsample((5,))
        (drawn.square().sum() + x.log_prob(drawn.detach()).sum() + x.entropy().sum()).backward()
        grads.append([np.array(t.grad.tolist()) for t in (a, b) if t.grad is not None])
        assert not x.sample().requires_grad
    for p, t in zip(*grads, strict=True):
        np.testing.assert_allclose(p, t, rtol=1e-12)


PAIRS = [
    *itertools.product(["normal", "normal_numbers"], repeat=2),
    *itertools.product(["categorical", "categorical_logits", "categorical_certain"], repeat=2),
    *itertools.product(["bernoulli", "bernoulli_logits"], repeat=2),
    ("uniform", "uniform"), ("exponential", "exponential"), ("laplace", "laplace"),
    ("one_hot", "one_hot"), ("independent", "independent"), ("independent_all", "independent_all"),
    ("normal", "categorical"),
]  # fmt: skip


@pytest.mark.parametrize("p, q", PAIRS)
def test_divergences(p, q):
    results = []
    for m in (pycore, torch):
        try:
            results.append(m.distributions.kl_divergence(make(m, p), make(m, q)))
        except NotImplementedError as error:
            results.append(str(error))
    if isinstance(results[1], str):
        assert results[0] == results[1]
    else:
        same(*results)


BAD = {
    "scale": lambda d, t: d.Normal(t([0.0, 1.0]), t([1.0, -1.0])),
    "nan": lambda d, t: d.Normal(t(float("nan")), 1.0),
    "rows": lambda d, t: d.Categorical(probs=t([[0.5, -0.5]])),
    "both": lambda d, t: d.Categorical(),
    "scalar": lambda d, t: d.Categorical(logits=t(1.0)),
    "probability": lambda d, t: d.Bernoulli(t([0.5, 1.5])),
    "bounds": lambda d, t: d.Uniform(1.0, 1.0),
    "batch": lambda d, t: d.Independent(d.Normal(0.0, 1.0), 1),
    "text": lambda d, t: d.Normal("x", 1.0),
    "class": lambda d, t: d.Categorical(t([0.5, 0.5])).log_prob(t(2.0)),
    "fraction": lambda d, t: d.Categorical(t([0.5, 0.5])).log_prob(t(0.5)),
    "event": lambda d, t: d.OneHotCategorical(t([0.5, 0.5])).log_prob(t([0.0, 1.0, 0.0])),
    "shape": lambda d, t: d.Normal(t([0.0, 1.0]), 1.0).log_prob(t([1.0, 2.0, 3.0])),
    "number": lambda d, t: d.Normal(0.0, 1.0).log_prob(1.0),
    "support": lambda d, t: d.Exponential(1.0).log_prob(t(-1.0)),
    "outside": lambda d, t: d.Uniform(0.0, 1.0).log_prob(t(2.0)),
    "coin": lambda d, t: d.Bernoulli(0.5).log_prob(t(0.5)),
}


@pytest.mark.parametrize("bad", BAD)
def test_errors(bad):
    texts = []
    for m in (pycore, torch):
        with pytest.raises(ValueError) as caught:
            BAD[bad](m.distributions, m.tensor)
        texts.append(str(caught.value).replace("pycore", "torch"))
    assert texts[0] == texts[1]
    if bad not in ("both", "scalar", "batch", "text", "bounds", "number"):
        for m in (pycore, torch):
            default = m.distributions.Distribution._validate_args
            m.distributions.Distribution.set_default_validate_args(False)
            try:
                BAD[bad](m.distributions, m.tensor)
            except (RuntimeError, IndexError):
                assert bad in ("class", "event", "shape")
            finally:
                m.distributions.Distribution.set_default_validate_args(default)
