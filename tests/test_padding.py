"""Padding that shows values of the input, against one dimension after the other by index."""

import numpy as np
import pytest

import pycore

# Sizes and paddings of the last dimensions, from the last one on; negative ones cut.
CASES = [
    ((2, 3, 9), (2, 3)),
    ((3, 300), (7, 150)),
    ((2, 40000), (5, 9)),
    ((2, 3, 8, 9), (0, 1, 4, 0)),
    ((3, 5, 17, 70), (16, 3, 2, 7)),
    ((2, 3, 4, 5, 6), (2, 1, 3, 2, 1, 3)),
    ((3, 6, 5, 40), (1, 2, 2, 1, 3, 0)),
    ((2, 4, 7, 8), (-2, 3, 1, -3)),
    ((2, 4, 7, 8), (5, -7, -1, 2)),
    ((2, 4, 7, 8), (-3, -2, 0, 0)),
    ((0, 4, 7, 8), (1, 1, 1, 1)),
]


def shown(mode: str, n: int, low: int, high: int) -> np.ndarray:
    """The index of the input that each padded index shows."""
    at = np.arange(-low, n + high)
    if mode == "replicate":
        return at.clip(0, n - 1)
    if mode == "reflect":
        return np.where(at < 0, -at, np.where(at >= n, 2 * (n - 1) - at, at))
    first, end = max(-low, 0), n + min(high, 0)
    return first + (at - first) % max(end - first, 1)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "int64"])
@pytest.mark.parametrize(("shape", "pad"), CASES)
def test_pad(shape: tuple, pad: tuple, dtype: str, mode: str) -> None:
    x = np.random.default_rng(0).integers(-99, 99, shape).astype(dtype)
    indices = [np.arange(n) for n in shape]
    for i in range(len(pad) // 2):
        n = shape[-1 - i]
        indices[-1 - i] = shown(mode, n, *pad[2 * i : 2 * i + 2])
    expected = x[np.ix_(*indices)]
    gradient = np.zeros(shape)
    seed = np.random.default_rng(1).integers(-9, 9, expected.shape).astype(dtype)
    np.add.at(gradient, np.ix_(*indices), seed.astype(float))
    threads = pycore.get_num_threads()
    try:
        for count in (1, 2):
            pycore.set_num_threads(count)
            leaf = pycore.tensor(x, requires_grad=x.dtype.kind == "f")
            padded = pycore.nn.functional.pad(leaf, pad, mode=mode)
            assert np.array_equal(padded.detach().numpy(), expected)
            if leaf.requires_grad:
                padded.backward(pycore.tensor(seed))
                assert np.array_equal(leaf.grad.numpy(), gradient)  # sums of integers are exact
    finally:
        pycore.set_num_threads(threads)


@pytest.mark.parametrize("shape", [(1, 1, 2), (1, 0, 2)])
def test_circular_pad_of_what_was_cut(shape: tuple) -> None:
    with pytest.raises(RuntimeError, match=r"Circular padding \(1, -2\) of dimension 2 leaves"):
        pycore.nn.functional.pad(pycore.zeros(shape), (1, -2), mode="circular")
