"""Trains an LSTM tagger on Python: what is each token of a line of the standard library?

python examples/code_tagger.py [--epochs 3] [--batch-size 16] [--hidden 96] [--threads 2]

Sentences are lines of the standard library's sources, words their tokens; `tokenize` and `ast` say
what each is: keyword, function, class, parameter, argument, attribute, called name, local name,
module, number, string, operator. Whole files are kept back for testing. Prints the accuracy there
beside that of the rule "every token is what it mostly was" and leaves a picture, tagger.png, in
examples/output/ or what --output names.
"""

from __future__ import annotations

import argparse
import ast
import io
import keyword
import random
import sysconfig
import time
import tokenize
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

import pycore
import pycore.nn.functional as F
from pycore import nn
from pycore.nn.utils import rnn

TAGS = [
    "keyword", "function", "class", "parameter", "argument", "attribute", "called", "name",
    "module", "number", "string", "operator",
]  # fmt: skip

Line = list[tuple[str, str]]  # (token, tag)


# --- reading --------------------------------------------------------------------------------------


def names_in(tree: ast.AST) -> dict[tuple[int, int], str]:
    """The tag of every name by the (line, column) where it starts."""
    tags: dict[tuple[int, int], str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            tags.setdefault((node.lineno, node.col_offset), "name")
        elif isinstance(node, ast.Attribute):
            end = (node.end_lineno or 0, (node.end_col_offset or 0) - len(node.attr))
            tags[end] = "attribute"
        elif isinstance(node, ast.arg):
            tags[node.lineno, node.col_offset] = "parameter"
        elif isinstance(node, ast.keyword) and node.arg:
            tags[node.lineno, node.col_offset] = "argument"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            tags[node.func.lineno, node.func.col_offset] = "called"
    return tags


def read_lines(source: str) -> list[Line]:
    """The lines of a program as tokens with their tags; comments and indentation are left out."""
    tags = names_in(ast.parse(source))
    lines: dict[int, Line] = defaultdict(list)
    importing, before = False, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind, text, start = token.type, token.string, token.start
        if kind == tokenize.NEWLINE:
            importing, before = False, ""
        if kind == tokenize.NAME:
            importing |= text in ("import", "from") and before == ""
            if keyword.iskeyword(text):
                tag = "keyword"
            elif before in ("def", "class"):
                tag = "function" if before == "def" else "class"
            else:
                tag = tags.get(start, "module" if importing else "name")
        elif kind == tokenize.NUMBER:
            text, tag = "<number>", "number"
        elif kind == tokenize.STRING:
            text, tag = "<string>", "string"
        elif kind == tokenize.OP:
            tag = "operator"
        else:
            continue
        lines[start[0]].append((text, tag))
        before = text
    return list(lines.values())


def read_library(limit: int, seed: int) -> list[list[Line]]:
    """The lines of some of the standard library's files, in random order of files."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    paths = [p for p in sorted(folder.glob("*.py")) + sorted(folder.glob("[a-z]*/*.py"))
             if "site-packages" not in p.parts and "test" not in p.parts[-2]]  # fmt: skip
    random.Random(seed).shuffle(paths)
    files = []
    for path in paths:
        if len(files) == limit:
            break
        try:
            source = path.read_text(encoding="ascii")  # columns of `ast` count bytes
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                lines = read_lines(source)
        except (UnicodeDecodeError, SyntaxError, tokenize.TokenError):
            continue
        if lines:
            files.append(lines)
    return files


# --- words ----------------------------------------------------------------------------------------


def shape_of(word: str) -> str:
    """What a rare word looks like."""
    body = word.strip("_")
    if word.startswith("__"):
        return "<__word__>"
    style = "WORD" if body.isupper() else "Word" if body[:1].isupper() else "word"
    if style == "word" and len(body) == 1:
        style = "w"
    return f"<{'_' if word.startswith('_') else ''}{style}{'_more' if '_' in body else ''}>"


class Vocabulary:
    """Numbers for words; rare ones share a number by their shape."""

    def __init__(self, lines: list[Line], least: int = 4) -> None:
        counts = Counter(word for line in lines for word, _ in line)
        kept = [word for word, n in counts.items() if n >= least]
        shapes = {shape_of(word) for word, n in counts.items() if n < least}
        self.numbers = {word: i for i, word in enumerate([*sorted(kept), *sorted(shapes), "<?>"])}

    def __len__(self) -> int:
        return len(self.numbers)

    def __call__(self, word: str) -> int:
        number = self.numbers.get(word)
        return number if number is not None else self.numbers.get(shape_of(word), len(self) - 1)


class Sentence(NamedTuple):
    words: pycore.Tensor
    tags: pycore.Tensor


def numbered(lines: list[Line], vocabulary: Vocabulary) -> list[Sentence]:
    number_of = {tag: i for i, tag in enumerate(TAGS)}
    return [
        Sentence(
            pycore.tensor([vocabulary(word) for word, _ in line]),
            pycore.tensor([number_of[tag] for _, tag in line]),
        )
        for line in lines
    ]


def most_frequent_tags(sentences: list[Sentence], words: int) -> pycore.Tensor:
    """For every word the tag it had most often; the rule to beat."""
    counts = pycore.zeros(words, len(TAGS))
    every_word = pycore.cat([s.words for s in sentences])
    every_tag = pycore.cat([s.tags for s in sentences])
    counts.index_put_((every_word, every_tag), pycore.ones(len(every_tag)), accumulate=True)
    counts += 1e-3 * counts.sum(dim=0) / counts.sum()
    return counts.argmax(dim=1)


# --- the model ------------------------------------------------------------------------------------


class LSTMTagger(nn.Module):
    """The tutorial's tagger, reading lines from both ends: words (rows) -> scores (rows, tags)."""

    def __init__(self, embedding_dim: int, hidden_dim: int, vocab_size: int, tagset_size: int):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, bidirectional=True)
        self.hidden2tag = nn.Linear(2 * hidden_dim, tagset_size)

    def forward(self, words: rnn.PackedSequence) -> pycore.Tensor:
        embeds = F.dropout(self.word_embeddings(words.data), 0.2, self.training)
        states, _ = self.lstm(words._replace(data=embeds))
        return F.log_softmax(self.hidden2tag(states.data), dim=1)


def batches(sentences: list[Sentence], size: int, order: list[int]):
    """Packed words and packed tags of `size` sentences at a time."""
    for i in range(0, len(order), size):
        chosen = sorted((sentences[j] for j in order[i : i + size]), key=lambda s: -len(s.words))
        yield (rnn.pack_sequence([s.words for s in chosen]),
               rnn.pack_sequence([s.tags for s in chosen]).data)  # fmt: skip


def train_epoch(model: LSTMTagger, sentences: list[Sentence], size: int, optimizer, scheduler,
                bar) -> float:  # fmt: skip
    """One pass over the lines; returns the mean loss of a token."""
    model.train()
    total, seen = 0.0, 0
    for words, tags in batches(sentences, size, pycore.randperm(len(sentences)).tolist()):
        optimizer.zero_grad()
        loss = F.nll_loss(model(words), tags)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        total += loss.item() * len(tags)
        seen += len(tags)
        bar.update()
        bar.set_postfix(loss=f"{total / seen:.4f}")
    return total / seen


@pycore.no_grad()
def predictions(model: LSTMTagger, sentences: list[Sentence]) -> list[tuple]:
    """(words, tags, predicted tags) of every batch, packed alike."""
    model.eval()
    order = list(range(len(sentences)))
    return [
        (words.data, tags, model(words).argmax(dim=1))
        for words, tags in batches(sentences, 256, order)
    ]


def plot(losses, accuracies, baseline, share, path: Path) -> None:
    """The course of training, and the errors of each kind of token beside the rule's."""
    import matplotlib.pyplot as plt

    epochs = range(1, len(losses) + 1)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for axis in (left, middle):
        axis.xaxis.get_major_locator().set_params(integer=True)
    left.plot(epochs, losses, marker="o")
    left.set(title="training loss", xlabel="epoch", ylabel="cross entropy")
    middle.plot(epochs, [100 * a for a in accuracies], marker="o", color="tab:green", label="LSTM")
    middle.axhline(100 * baseline, color="gray", linestyle=":", label="most frequent tag")
    middle.set(title="accuracy on kept back files", xlabel="epoch", ylabel="%")
    middle.legend()
    places = range(len(share))
    right.barh([p + 0.2 for p in places], [s[1] for s in share], 0.4, color="lightgray",
               label="most frequent tag")  # fmt: skip
    right.barh([p - 0.2 for p in places], [s[2] for s in share], 0.4, color="tab:green",
               label="LSTM")  # fmt: skip
    right.set_yticks(list(places), [s[0] for s in share])
    right.set(title="tokens of each kind tagged wrongly", xlabel="% of the kind")
    right.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--lr", type=float, default=4e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    args = parser.parse_args(arguments)

    import matplotlib

    matplotlib.use("Agg")
    if args.threads:
        pycore.set_num_threads(args.threads)
    pycore.manual_seed(args.seed)
    files = read_library(args.files, args.seed)
    kept_back = max(1, len(files) // 5)
    test_lines = [line for file in files[:kept_back] for line in file]
    train_lines = [line for file in files[kept_back:] for line in file]
    vocabulary = Vocabulary(train_lines)
    train, test = numbered(train_lines, vocabulary), numbered(test_lines, vocabulary)
    model = LSTMTagger(args.embedding, args.hidden, len(vocabulary), len(TAGS))
    print(model)

    optimizer = pycore.optim.Adam(model.parameters(), lr=args.lr)
    steps = args.epochs * -(-len(train) // args.batch_size)
    scheduler = pycore.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=steps)
    losses, accuracies = [], []
    start = time.perf_counter()
    with tqdm(total=steps, unit="step") as bar:
        for epoch in range(args.epochs):
            bar.set_description(f"epoch {epoch + 1}/{args.epochs}")
            loss = train_epoch(model, train, args.batch_size, optimizer, scheduler, bar)
            losses.append(loss)
            found = predictions(model, test)
            right = sum((tags == guess).sum().item() for _, tags, guess in found)
            accuracies.append(right / sum(len(tags) for _, tags, _ in found))
    seconds = time.perf_counter() - start

    usual = most_frequent_tags(train, len(vocabulary))
    words, tags, guess = (pycore.cat(part) for part in zip(*found, strict=True))
    baseline = (usual[words] == tags).float().mean().item()
    share = []
    for i, tag in enumerate(TAGS):
        own = tags == i
        if own.any():
            wrong = [100 * (g[own] != i).float().mean().item() for g in (usual[words], guess)]
            share.append((tag, *wrong))
    args.output.mkdir(parents=True, exist_ok=True)
    plot(losses, accuracies, baseline, share, args.output / "tagger.png")

    print(f"trained on {len(train)} lines for {args.epochs} epochs in {seconds:.1f} s")
    print(f"most frequent tag of each token: {100 * baseline:.2f} % of {len(tags)} tokens right")
    print(f"LSTM tagger:                     {100 * accuracies[-1]:.2f} % right")
    gone = 1 - (1 - accuracies[-1]) / max(1 - baseline, 1e-9)
    print(f"errors gone: {100 * gone:.0f} %")
    print(f"picture: {args.output / 'tagger.png'}")


if __name__ == "__main__":
    main()
