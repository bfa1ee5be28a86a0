"""A small program that a strict type checker must accept: read by test_package.py, never run."""

from typing import Any

import pycore
import pycore.nn.functional as F
from pycore import Tensor, nn, optim
from pycore.utils.data import DataLoader, Dataset, TensorDataset, random_split


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


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return pycore.randn(3), pycore.tensor(index)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 2)])
        self.scale = nn.Parameter(pycore.ones(2))
        self.apply(self._start)

    def _start(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.relu(layer(x))
        return x * self.scale


class Double(pycore.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * 2


@pycore.no_grad()
def accuracy(net: nn.Module, loader: DataLoader[tuple[Tensor, Tensor]]) -> float:
    hits = [int((net(x).argmax(-1) == y).sum()) for x, y in loader]
    return sum(hits) / len(loader.dataset)


def fit(net: nn.Module, loader: DataLoader[tuple[Tensor, Tensor]]) -> None:
    optimizer = optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.95))
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    for x, y in loader:
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(net(x), y, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def classify() -> None:
    net = Net().to(pycore.float32)
    seen, unseen = random_split(Pairs(), [8, 2], generator=pycore.Generator().manual_seed(0))
    fit(net, DataLoader(seen, batch_size=2, shuffle=True))
    rows = DataLoader(TensorDataset(pycore.randn(4, 3), pycore.zeros(4)), batch_size=2)
    print(accuracy(net, DataLoader(unseen)), len(rows), pycore.linalg.vector_norm(net.scale))
    pycore.save({"net": net.state_dict()}, "net.pt")
    net.load_state_dict(pycore.load("net.pt", weights_only=True)["net"])


def main() -> None:
    pycore.manual_seed(0)
    x = standardize(pycore.randn(100, 3, dtype=pycore.float64))
    y = x[:, :1] * 2 + 1
    print(train(x, y, 10), top(x, 5), x.to(pycore.float32).dtype)


if __name__ == "__main__":
    main()
