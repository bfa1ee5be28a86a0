"""Trains a LeNet on scanned handwritten digits: 1,797 scans of 8 x 8 pixels, enlarged to 32 x 32.

python examples/digits_lenet.py [--epochs 20] [--batch-size 32] [--lr 0.05] [--threads 2]

Prints the accuracy on the scans kept back for testing (above 98 %) and leaves two pictures in
examples/output/ or what --output names: curves.png (loss and accuracy of each epoch) and
misread.png (the digits read wrongly, then the least certain ones).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import pycore
import pycore.nn.functional as F
from pycore import nn
from pycore.utils.data import DataLoader, TensorDataset


class LeNet(nn.Module):
    """Two convolutions with pooling, then three linear layers: (N, 1, 32, 32) -> (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5)  # 32 -> 28, pooled 14
        self.conv2 = nn.Conv2d(6, 16, kernel_size=3)  # 14 -> 12, pooled 6
        self.fc1 = nn.Linear(16 * 6 * 6, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, images: pycore.Tensor) -> pycore.Tensor:
        features = F.max_pool2d(F.relu(self.conv1(images)), 2)
        features = F.max_pool2d(F.relu(self.conv2(features)), 2)
        hidden = F.relu(self.fc1(features.flatten(1)))
        return self.fc3(F.relu(self.fc2(hidden)))


def enlarge(images: np.ndarray, size: int = 32) -> np.ndarray:
    """(N, h, w) -> (N, size, size) by linear interpolation between the centres of the pixels."""
    n = images.shape[1]
    centres = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    weights = np.clip(1 - np.abs(centres[:, None] - np.arange(n)), 0, None)
    return weights @ images @ weights.T


def load_data(seed: int) -> tuple[TensorDataset, TensorDataset]:
    """The scans as float32 in [0, 1] of shape (N, 1, 32, 32), four fifths of them for training."""
    digits = load_digits()
    images = enlarge(digits.images / 16).astype(np.float32)[:, None]
    parts = train_test_split(
        images, digits.target, test_size=0.2, random_state=seed, stratify=digits.target
    )
    train_x, test_x, train_y, test_y = map(pycore.from_numpy, parts)
    return TensorDataset(train_x, train_y), TensorDataset(test_x, test_y)


def shifted(images: pycore.Tensor, reach: int = 3) -> pycore.Tensor:
    """The images moved by up to `reach` pixels each way, so that the net sees no batch twice."""
    size = images.shape[-1]
    down, right = pycore.randint(0, 2 * reach + 1, (2,)).tolist()
    padded = F.pad(images, (reach, reach, reach, reach))
    return padded[:, :, down : down + size, right : right + size]


def train_epoch(model: nn.Module, loader: DataLoader, optimizer, scheduler, bar) -> float:
    """One pass over the training scans; returns the mean loss."""
    model.train()
    total, seen = 0.0, 0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(shifted(images)), labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
        total += loss.item() * len(labels)
        seen += len(labels)
        bar.update()
        bar.set_postfix(loss=f"{total / seen:.4f}")
    return total / seen


@pycore.no_grad()
def evaluate(model: nn.Module, data: TensorDataset) -> tuple[float, np.ndarray]:
    """Share of digits read rightly, and the probability given to each class: (N, 10)."""
    model.eval()
    images, labels = data.tensors
    probabilities = F.softmax(model(images), dim=1)
    accuracy = (probabilities.argmax(dim=1) == labels).float().mean().item()
    return accuracy, probabilities.numpy()


def plot_curves(losses: list[float], accuracies: list[float], path: Path) -> None:
    import matplotlib.pyplot as plt

    epochs = range(1, len(losses) + 1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis in (left, right):
        axis.xaxis.get_major_locator().set_params(integer=True)
    left.plot(epochs, losses, marker="o", color="tab:blue")
    left.set(title="training loss", xlabel="epoch", ylabel="cross entropy", yscale="log")
    right.plot(epochs, [100 * a for a in accuracies], marker="o", color="tab:green")
    right.axhline(98, color="gray", linestyle=":", linewidth=1)
    right.set(title="test accuracy", xlabel="epoch", ylabel="%")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_misread(data: TensorDataset, probabilities: np.ndarray, path: Path) -> None:
    """Pictures of the misread digits, then of those that came closest to being misread."""
    import matplotlib.pyplot as plt

    images, labels = (t.numpy() for t in data.tensors)
    read = probabilities.argmax(1)
    certainty = probabilities[np.arange(len(labels)), labels]
    figure, axes = plt.subplots(2, 6, figsize=(10, 4.2), layout="constrained")
    figure.suptitle(f"{(read != labels).sum()} of {len(labels)} digits misread (red)")
    for axis, i in zip(axes.flat, np.argsort(certainty), strict=False):
        axis.imshow(images[i, 0], cmap="gray_r")
        axis.axis("off")
        if read[i] != labels[i]:
            axis.set_title(f"{labels[i]} read as {read[i]}", fontsize=9, color="tab:red")
        else:
            axis.set_title(f"{labels[i]}, {100 * certainty[i]:.0f} % certain", fontsize=9)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.05, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    args = parser.parse_args()

    import matplotlib

    matplotlib.use("Agg")
    if args.threads:
        pycore.set_num_threads(args.threads)
    pycore.manual_seed(args.seed)
    train_data, test_data = load_data(args.seed)
    loader = DataLoader(train_data, batch_size=args.batch_size, shuffle=True)
    model = LeNet()
    print(model)

    optimizer = pycore.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-3)
    steps = args.epochs * len(loader)
    scheduler = pycore.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=steps)
    losses, accuracies = [], []
    start = time.perf_counter()
    with tqdm(total=steps, unit="step") as bar:
        for epoch in range(args.epochs):
            bar.set_description(f"epoch {epoch + 1}/{args.epochs}")
            losses.append(train_epoch(model, loader, optimizer, scheduler, bar))
            accuracy, probabilities = evaluate(model, test_data)
            accuracies.append(accuracy)
    seconds = time.perf_counter() - start

    args.output.mkdir(parents=True, exist_ok=True)
    plot_curves(losses, accuracies, args.output / "curves.png")
    plot_misread(test_data, probabilities, args.output / "misread.png")
    print(f"trained on {len(train_data)} digits for {args.epochs} epochs in {seconds:.1f} s")
    print(f"test accuracy: {100 * accuracies[-1]:.2f} % of {len(test_data)} digits")
    print(f"pictures in {args.output}")


if __name__ == "__main__":
    main()
