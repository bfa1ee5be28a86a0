"""A small program that a strict type checker must accept: read by test_package.py, never run."""

import pycore
from pycore import Tensor


def standardize(x: Tensor, eps: float = 1e-5) -> Tensor:
    mean = x.mean(0, keepdim=True)
    return (x - mean) / (x.var(0, keepdim=True) + eps).sqrt()


def top(scores: Tensor, k: int) -> list[list[int]]:
    values, indices = scores.max(1)
    best: Tensor = scores.max(dim=1).indices
    assert values.shape == indices.shape == best.shape
    return [[int(i) for i in row] for row in best.view(-1, 1).tolist()][:k]


def train(x: Tensor, y: Tensor, steps: int) -> float:
    weight = pycore.zeros(x.shape[1], 1, dtype=x.dtype, requires_grad=True)
    loss = pycore.zeros(())
    for _ in range(steps):
        loss = ((x @ weight - y) ** 2).mean()
        loss.backward()
        with pycore.no_grad():
            assert weight.grad is not None
            weight -= 0.1 * weight.grad
            weight.grad = None
    return float(loss)


def main() -> None:
    pycore.manual_seed(0)
    x = standardize(pycore.randn(100, 3, dtype=pycore.float64))
    y = x[:, :1] * 2 + 1
    print(train(x, y, 10), top(x, 5), x.to(pycore.float32).dtype)


if __name__ == "__main__":
    main()
