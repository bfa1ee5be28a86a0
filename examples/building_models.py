"""A tour of building models: modules and parameters, layers, activations, losses.

python examples/building_models.py
"""

from __future__ import annotations

import pycore
import pycore.nn.functional as F
from pycore import nn


def title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


class Classifier(nn.Module):
    """Two linear layers: (N, 20) -> (N, 3) scores."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(20, 32)
        self.scores = nn.Linear(32, 3)
        # A Parameter is a tensor that a module owns and an optimizer changes.
        self.temperature = nn.Parameter(pycore.ones(1))
        # A buffer is kept and saved with the module, but not learned.
        self.register_buffer("calls", pycore.zeros((), dtype=pycore.int64))

    def forward(self, x: pycore.Tensor) -> pycore.Tensor:
        self.calls += 1
        return self.scores(F.relu(self.hidden(x))) / self.temperature


def modules_and_parameters() -> None:
    title("Modules know their parameters")
    model = Classifier()
    print(model)
    for name, parameter in model.named_parameters():
        print(f"{name:18} {tuple(parameter.shape)!s:10} learned: {parameter.requires_grad}")
    print("numbers to learn:", sum(p.numel() for p in model.parameters()))
    model(pycore.randn(5, 20))
    print("buffer after one call:", dict(model.named_buffers()))


def linear_layers() -> None:
    title("A linear layer is a product and a sum")
    layer = nn.Linear(4, 2)
    x = pycore.randn(3, 4)
    by_hand = x @ layer.weight.T + layer.bias
    print(layer(x))
    print("equals x @ weight.T + bias:", pycore.allclose(layer(x), by_hand))


def convolutional_layers() -> None:
    title("A convolution slides a small window")
    image = pycore.zeros(1, 1, 6, 6)
    image[..., 3:] = 1  # dark on the left, bright on the right
    edges = nn.Conv2d(1, 1, kernel_size=3, padding=1, bias=False)
    with pycore.no_grad():
        edges.weight.copy_(pycore.tensor([[-1.0, 0.0, 1.0]] * 3).view(1, 1, 3, 3))
    print(edges(image)[0, 0])
    for options in ({}, {"stride": 2}, {"padding": 2}, {"dilation": 2}):
        layer = nn.Conv2d(3, 8, kernel_size=5, **options)
        shape = tuple(layer(pycore.randn(1, 3, 32, 32)).shape)
        print(f"Conv2d(3, 8, 5, {options}): (1, 3, 32, 32) -> {shape}")


def pooling_layers() -> None:
    title("Pooling keeps one number of each window")
    image = pycore.arange(16.0).view(1, 4, 4)
    print(image[0])
    for layer in (nn.MaxPool2d(2), nn.MinPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)):
        print(f"{layer!s:60} {layer(image)[0].tolist()}")


def normalization_layers() -> None:
    title("Normalization centres and scales")
    x = pycore.rand(8, 4) * 10 + 5
    print(f"before: mean {x.mean():.3f}, standard deviation {x.std():.3f}")
    for layer in (nn.BatchNorm1d(4), nn.LayerNorm(4)):
        y = layer(x).detach()
        print(f"{layer}: mean {abs(y.mean()):.3f}, standard deviation {y.std(correction=0):.3f}")


def dropout_layers() -> None:
    title("Dropout drops while training, and only then")
    layer = nn.Dropout(p=0.4)
    x = pycore.ones(2, 6)
    print(f"training:\n{layer(x)}")
    print(f"evaluating:\n{layer.eval()(x)}")


def activations() -> None:
    title("Activations bend the line")
    x = pycore.linspace(-2, 2, 5)
    print(f"{'x':12}", x)
    for layer in (nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.GELU(), nn.Hardtanh(), nn.Softmax(dim=0)):
        print(f"{type(layer).__name__:12}", layer(x))


def losses() -> None:
    title("Losses say how wrong a model is")
    scores = pycore.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 3.0]], requires_grad=True)
    right = pycore.tensor([0, 2])
    loss = nn.CrossEntropyLoss()(scores, right)
    loss.backward()
    print("cross entropy:", loss)
    print("the same:     ", nn.NLLLoss()(F.log_softmax(scores, dim=1), right))
    print("its gradient: ", scores.grad)
    print("mean square:  ", nn.MSELoss()(pycore.tensor([1.0, 2.0]), pycore.tensor([1.5, 2.0])))


def training() -> None:
    title("Training: forward, loss, backward, step")
    model = Classifier()
    optimizer = pycore.optim.Adam(model.parameters(), lr=0.01)
    x = pycore.randn(200, 20)
    labels = x[:, :3].argmax(dim=1)
    for epoch in range(101):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        if epoch % 25 == 0:
            rate = (model(x).argmax(dim=1) == labels).float().mean()
            print(f"epoch {epoch:3}: loss {loss.item():.3f}, right {100 * rate.item():.1f} %")


if __name__ == "__main__":
    pycore.manual_seed(0)
    modules_and_parameters()
    linear_layers()
    convolutional_layers()
    pooling_layers()
    normalization_layers()
    dropout_layers()
    activations()
    losses()
    training()
