"""Neural operators side by side with torch: values, gradients, node names, dtypes, errors."""

from __future__ import annotations

import warnings

import pytest
from neural import ALL, Sample, values

import pycore

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")


def run(package, sample: Sample, dtype: str, grad: bool = True):
    inputs = []
    for i, shape in enumerate(sample.shapes):
        x = package.tensor(values(shape, sample.domain, 3 + i), dtype=package.float32)
        x = x.reshape(shape).to(getattr(package, dtype))
        inputs.append(x.detach().requires_grad_() if grad else x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = sample.call(package, package.nn.functional, *inputs)
    return inputs, out[0] if isinstance(out, tuple) else out


def numbers(x):
    return x.detach().double().numpy()


TOLERANCE = {"float32": 2e-5, "float64": 1e-11, "float16": 2e-2, "bfloat16": 1e-1}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sample", ALL, ids=str)
def test_values_and_gradients(sample: Sample, dtype: str) -> None:
    ours, a = run(pycore, sample, dtype)
    theirs, b = run(torch, sample, dtype)
    tolerance = TOLERANCE[dtype]
    if sample.name.startswith(("celu", "hardsigmoid")):
        tolerance = max(tolerance, 1e-7)  # torch rounds a constant of theirs to float32
    assert tuple(a.shape) == tuple(b.shape)
    assert str(a.dtype).partition(".")[2] == str(b.dtype).partition(".")[2]
    assert np.allclose(numbers(a), numbers(b), rtol=tolerance, atol=tolerance, equal_nan=True)
    if sample.node:
        assert a.grad_fn.name() == sample.node == b.grad_fn.name()
    weights = values(tuple(b.shape), "real", 9)
    a.backward(pycore.tensor(weights, dtype=a.dtype).reshape(a.shape))
    b.backward(torch.tensor(weights, dtype=b.dtype).reshape(b.shape))
    for x, y in zip(ours, theirs, strict=True):
        assert (x.grad is None) == (y.grad is None)
        if y.grad is not None:
            assert np.allclose(
                numbers(x.grad), numbers(y.grad), rtol=10 * tolerance, atol=10 * tolerance,
                equal_nan=True,
            )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("sample", ALL, ids=str)
def test_reduced_floats(sample: Sample, dtype: str) -> None:
    _, b = run(torch, sample, dtype, grad=False)
    _, a = run(pycore, sample, dtype, grad=False)
    assert str(a.dtype).partition(".")[2] == str(b.dtype).partition(".")[2]
    tolerance = TOLERANCE[dtype]
    assert np.allclose(numbers(a), numbers(b), rtol=tolerance, atol=tolerance, equal_nan=True)


# What the two packages raise for the same mistakes: the type, and how the text starts.
MISTAKES = [
    lambda t, F, x: F.softmax(x, 5),
    lambda t, F, x: x.mean(9),
    lambda t, F, x: x.sum((0, 0)),
    lambda t, F, x: x[:0].max(),
    lambda t, F, x: x[:0].argmax(),
    lambda t, F, x: x[:0].amax(0),
    lambda t, F, x: (x > 0).argmax(),
    lambda t, F, x: t.tensor([1]).mean(),
    lambda t, F, x: t.tensor([1]).std(),
    lambda t, F, x: t.tensor([1]).norm(),
    lambda t, F, x: F.gelu(t.tensor([1])),
    lambda t, F, x: F.gelu(x, approximate="x"),
    lambda t, F, x: F.glu(x, 1),
    lambda t, F, x: F.hardtanh(x, 2, -1),
    lambda t, F, x: F.prelu(x, t.ones(2)),
    lambda t, F, x: F.celu(x, 0.0),
    lambda t, F, x: F.relu(x > 0),
    lambda t, F, x: F.cross_entropy(x, t.tensor([0, 1, 3, 0])),
    lambda t, F, x: F.cross_entropy(x, t.tensor([0, 1])),
    lambda t, F, x: F.cross_entropy(x, t.tensor([0, 1, 0, 0]), weight=t.ones(2)),
    lambda t, F, x: F.cross_entropy(x, t.tensor([0, 1, 0, 0]), label_smoothing=2.0),
    lambda t, F, x: F.cross_entropy(x, t.tensor([0, 1, 0, 0]), reduction="foo"),
    lambda t, F, x: F.cross_entropy(x, t.ones(4, 3), ignore_index=1),
    lambda t, F, x: F.nll_loss(x, t.zeros(4, 1, dtype=t.int64)),
    lambda t, F, x: F.nll_loss(t.tensor(1.0), t.tensor(0)),
    lambda t, F, x: F.mse_loss(x, t.ones(5)),
    lambda t, F, x: F.mse_loss(t.tensor([1]), t.tensor([1])),
    lambda t, F, x: F.smooth_l1_loss(x, x, beta=-1.0),
    lambda t, F, x: F.huber_loss(x, x, delta=0.0),
    lambda t, F, x: F.binary_cross_entropy(x, x[0]),
    lambda t, F, x: F.binary_cross_entropy(x * 9, x),
    lambda t, F, x: F.binary_cross_entropy_with_logits(x, x[0]),
    lambda t, F, x: F.batch_norm(x[:1], None, None, training=True),
    lambda t, F, x: F.batch_norm(x, None, None),
    lambda t, F, x: F.batch_norm(x, t.zeros(2), t.ones(2)),
    lambda t, F, x: F.batch_norm(x, t.zeros(3), t.ones(3), t.ones(2)),
    lambda t, F, x: F.layer_norm(x, [4]),
    lambda t, F, x: F.layer_norm(x, [3], t.ones(2)),
    lambda t, F, x: F.layer_norm(x, []),
    lambda t, F, x: F.group_norm(x, 2),
    lambda t, F, x: F.group_norm(x, 3, t.ones(2)),
]


@pytest.mark.parametrize("case", range(len(MISTAKES)))
@pytest.mark.filterwarnings("ignore")
def test_errors(case: int) -> None:
    def attempt(package):
        x = package.tensor(values((4, 3), "real"), dtype=package.float32).reshape(4, 3)
        with pytest.raises(Exception) as caught:
            MISTAKES[case](package, package.nn.functional, x)
        return caught

    theirs = attempt(torch)
    ours = attempt(pycore)
    assert ours.type is theirs.type, (ours.value, theirs.value)
    words = str(theirs.value).split("\n")[0].split()[:6]
    assert str(ours.value).split()[: len(words)] == words
