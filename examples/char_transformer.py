"""Trains a Transformer to write English, one character after the other, on Python's own manual.

python examples/char_transformer.py [--steps 1700] [--batch-size 16] [--lr 3e-3] [--threads 2]

The text is the language reference that ships with Python (pydoc_data.topics, 0.5 million
characters); its last tenth is kept back. Prints how many bits per character the model needs for
that part, beside a 5-gram model with Witten-Bell smoothing counted on the same text, then some
writing of its own; leaves a plot of the learning curve in examples/output/ or what --output names.
"""

from __future__ import annotations

import argparse
import math
import pydoc_data.topics
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

import pycore
import pycore.nn.functional as F
from pycore import nn


class CharTransformer(nn.Module):
    """Logits of the next character at each position: (N, L) indices -> (N, L, vocabulary)."""

    def __init__(self, vocabulary: int, length: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.length = length
        self.characters = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(0.02 * pycore.randn(length, width))
        block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(
            block, layers, nn.LayerNorm(width), enable_nested_tensor=False
        )
        for parameter in self.blocks.parameters():  # the stack starts as copies of one block
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.normal_(self.characters.weight, std=0.02)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, text: pycore.Tensor) -> pycore.Tensor:
        n = text.shape[1]
        x = self.characters(text) + self.positions[:n]
        x = self.blocks(x, mask=self.mask[:n, :n], is_causal=True)
        return F.linear(x, self.characters.weight)  # reading and writing share their vectors


def load_text(held_out: float = 0.1) -> tuple[str, str]:
    """The manual's topics in alphabetical order, cut into training and held-out text."""
    topics = pydoc_data.topics.topics
    text = "\n\n".join(topics[name] for name in sorted(topics))
    cut = int(len(text) * (1 - held_out))
    return text[:cut], text[cut:]


def ngram_bits(train: str, test: str, order: int, vocabulary: int) -> float:
    """Bits per character of `test` under an n-gram model (Witten, Bell 1991: interpolation)."""
    counts = [defaultdict(lambda: defaultdict(int)) for _ in range(order)]
    for n, table in enumerate(counts):
        for i in range(n, len(train)):
            table[train[i - n : i]][train[i]] += 1
    text, start, bits = train + test, len(train), 0.0
    for i in range(start, len(text)):
        probability = 1 / vocabulary
        for n, table in enumerate(counts):
            seen = table.get(text[i - n : i])
            if seen is None:
                break
            # As much weight to the shorter context as this one has had different successors.
            kinds, total = len(seen), sum(seen.values())
            probability = (seen.get(text[i], 0) + kinds * probability) / (total + kinds)
        bits -= math.log2(probability)
    return bits / len(test)


def windows(text: pycore.Tensor, starts: pycore.Tensor, length: int) -> pycore.Tensor:
    """(N, length) pieces of the text, one from each start."""
    return text[starts.unsqueeze(1) + pycore.arange(length)]


@pycore.no_grad()
def losses_of(model: CharTransformer, text: pycore.Tensor, first: int) -> pycore.Tensor:
    """The loss of each character of text[first:], given half a window before it or more."""
    model.eval()
    half = model.length // 2
    starts = pycore.arange(first, len(text), half)  # where the pieces to predict begin
    losses = []
    for chunk in starts.split(64):
        index = chunk.unsqueeze(1) + pycore.arange(-half, half)
        piece = text[index.clamp(max=len(text) - 1)]
        logits, target = model(piece[:, :-1])[:, half - 1 :], piece[:, half:]
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
        losses.append(loss[(index[:, half:] < len(text)).flatten()])
    model.train()
    return pycore.cat(losses)


def evaluate(model: CharTransformer, text: pycore.Tensor, first: int) -> float:
    """Bits per character of text[first:]."""
    return losses_of(model, text, first).mean().item() / math.log(2)


@pycore.no_grad()
def write(model: CharTransformer, start: list[int], count: int, temperature: float) -> list[int]:
    """Continue `start` by `count` characters drawn from the model."""
    model.eval()
    text = list(start)
    for _ in range(count):
        context = pycore.tensor([text[-model.length :]])
        logits = model(context)[0, -1] / temperature
        text.append(int(pycore.multinomial(F.softmax(logits, dim=0), 1)))
    model.train()
    return text


def plot_curves(losses, checks, baseline: float, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    smooth = np.convolve(losses, np.ones(25) / 25, mode="valid")
    axis.plot(np.arange(len(smooth)) + 25, smooth, color="tab:blue", label="training text")
    axis.plot(*zip(*checks, strict=True), "o-", color="tab:green", label="held-out text")
    axis.axhline(baseline, color="gray", linestyle=":", label="5-gram, held-out text")
    axis.set(xlabel="step", ylabel="bits per character", ylim=(1, 4))
    axis.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def train(model, text, first: int, args) -> tuple[list[float], list[tuple[int, float]]]:
    """Bits per character of every batch, and of the held-out text at every fifth of the way."""
    optimizer = pycore.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.1)
    scheduler = pycore.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=args.lr, total_steps=args.steps, pct_start=0.1
    )
    losses, checks = [], []
    every = max(1, args.steps // 5)
    with tqdm(range(1, args.steps + 1), unit="step") as bar:
        for step in bar:
            starts = pycore.randint(0, first - model.length - 1, (args.batch_size,))
            piece = windows(text, starts, model.length + 1)
            optimizer.zero_grad()
            logits = model(piece[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), piece[:, 1:].flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item() / math.log(2))
            if step % every == 0 or step == args.steps:
                checks.append((step, evaluate(model, text, first)))
                bar.set_postfix(bits=f"{checks[-1][1]:.3f}")
    return losses, checks


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1700)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--length", type=int, default=128, help="characters the model looks at")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    args = parser.parse_args(arguments)

    import matplotlib

    matplotlib.use("Agg")
    if args.threads:
        pycore.set_num_threads(args.threads)
    pycore.manual_seed(args.seed)
    train_text, test_text = load_text()
    alphabet = sorted({*train_text, *test_text})
    index = {c: i for i, c in enumerate(alphabet)}
    text = pycore.tensor([index[c] for c in train_text + test_text])
    baseline = ngram_bits(train_text, test_text, 5, len(alphabet))
    print(f"{len(train_text)} characters to learn from, {len(test_text)} held out")
    print(f"5-gram model: {baseline:.3f} bits per held-out character")

    model = CharTransformer(len(alphabet), args.length, args.width, args.layers, 4)
    print(model)
    start = time.perf_counter()
    losses, checks = train(model, text, len(train_text), args)
    seconds = time.perf_counter() - start

    args.output.mkdir(parents=True, exist_ok=True)
    plot_curves(losses, checks, baseline, args.output / "char_transformer.png")
    for prompt in ("The expression ", "A class "):
        indices = write(model, [index[c] for c in prompt], 240, 0.7)
        print("-" * 40, "".join(alphabet[i] for i in indices), sep="\n")
    print("-" * 40)
    print(f"trained for {args.steps} steps in {seconds:.1f} s")
    print(f"Transformer: {checks[-1][1]:.3f} bits per held-out character; 5-gram: {baseline:.3f}")
    print(f"learning curve in {args.output}")


if __name__ == "__main__":
    main()
