"""Runs the tutorial that the project comes from: every code block, and what it printed there.

The tutorial is no part of the repository. Its editions (rendered reStructuredText, `*.txt`) are
looked for in the folder that PYCORE_TUTORIAL names, else in `../shared/tutorial` beside the
repository.
"""

import contextlib
import io
import os
import re
import sys
import textwrap
import types
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

import pycore

_ROOT = Path(__file__).resolve().parent.parent
_FOLDER = Path(os.environ.get("PYCORE_TUTORIAL") or _ROOT.parent / "shared" / "tutorial")
_EDITIONS = sorted(_FOLDER.glob("*.txt"))

pytestmark = pytest.mark.skipif(
    not _EDITIONS,
    reason=f"the tutorial is not at {_FOLDER}; PYCORE_TUTORIAL names another folder",
)


@dataclass
class Block:
    """One code block and what it printed; None where nothing was printed."""

    code: str
    printed: str | None = None


def read_blocks(path: Path) -> list[Block]:
    """The code blocks of an edition, each with the output block that follows it."""
    directive = re.compile(
        r"^( *)\.\. code-block:: (\w+)\n((?:[ \t]*\n|\1[ ]+.*\n)+)", re.MULTILINE
    )
    blocks: list[Block] = []
    for _, language, body in directive.findall(path.read_text()):
        body = textwrap.dedent("\n".join(line.rstrip() for line in body.splitlines())).strip("\n")
        if language == "none":
            blocks[-1].printed = body
        elif language in ("default", "python", "Python"):
            blocks.append(Block(body))
    return blocks


# --- comparison -----------------------------------------------------------------------------------

_NUMBER = r"[-+]?(?:\d+\.\d*(?:e[-+]?\d+)?|nan|inf)"


def shape_of(text: str) -> tuple[list[int], bool]:
    """Lengths along each dimension of a printed tensor, and whether parts are left out."""
    inner = text[text.index("(") + 1 :]
    if not inner.lstrip().startswith("["):
        return [], False

    def parse(i: int) -> tuple[list, int]:
        items: list = []
        while inner[i] != "]":
            if inner[i] == "[":
                item, i = parse(i + 1)
                items.append(item)
            elif inner[i] in ", \n":
                i += 1
            else:
                end = re.compile(r"[^\s,\]]+").match(inner, i).end()
                items.append(inner[i:end])
                i = end
        return items, i + 1

    lengths, level = [], parse(1)[0]
    while isinstance(level, list):
        lengths.append(len(level))
        if not level:
            break
        level = level[0]
    return lengths, "..." in inner


def mask(text: str) -> str:
    """A printed tensor up to its random digits: every number becomes `#`.

    How wide the numbers are, and so where lines break, follows from the digits themselves (a small
    one turns the whole tensor to scientific notation): white space is folded.
    """
    return re.sub(r"\s+", " ", re.sub(r"\s*" + _NUMBER, "#", text)).strip()


def split_items(printed: str) -> list[str]:
    """Printed text as items: whole tensors, and single lines of anything else."""
    items: list[str] = []
    depth = 0
    for line in printed.split("\n"):
        if depth:
            items[-1] += "\n" + line
        else:
            items.append(line.rstrip())
        if depth or line.startswith("tensor("):
            depth += line.count("(") - line.count(")")
    return items


def layout_of(item: str) -> list[str]:
    """How numbers of one tensor are written: all of one tensor share decimals or exponents."""
    numbers = re.findall(_NUMBER, item)
    kinds = {("e" if "e" in n else "d") + str(len(n.split(".")[-1].split("e")[0])) for n in numbers}
    return sorted(kinds)


def assert_same_print(got: str, expected: str) -> None:
    ours, theirs = split_items(got.rstrip("\n")), split_items(expected.rstrip("\n"))
    assert [mask(i) for i in ours] == [mask(i) for i in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        if not other.startswith("tensor("):
            assert mine == other
            continue
        assert shape_of(mine) == shape_of(other)
        # Four decimals, fixed or scientific; a rounded-off mean near zero may be either.
        assert all(kind in ("d4", "e4") for kind in layout_of(mine)), mine
        assert len({kind[0] for kind in layout_of(mine)}) == 1, mine


# --- execution ------------------------------------------------------------------------------------


@pytest.fixture
def pycore_as_torch(monkeypatch):
    """`import torch` and `import torch.functional` find pycore."""
    for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", pycore)
    for name in ("functional", "nn", "nn.functional", "optim"):
        module = pycore
        for part in name.split("."):
            module = getattr(module, part)
        monkeypatch.setitem(sys.modules, f"torch.{name}", module)


def run(blocks: list[Block]) -> tuple[dict, list[str]]:
    """Executes blocks in one namespace; returns it and what each printed."""
    # Printed module names are those of the namespace's __name__.
    module = types.ModuleType("tutorial")
    printed = []
    for number, block in enumerate(blocks):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(block.code, f"<tutorial block {number}>", "exec"), module.__dict__)
        printed.append(out.getvalue())
    return module.__dict__, printed


@pytest.fixture(params=_EDITIONS, ids=lambda p: p.stem)
def blocks(request) -> list[Block]:
    return read_blocks(request.param)


def test_editions_are_read(blocks):
    assert len(blocks) >= 7
    assert sum(block.printed is not None for block in blocks) >= 5
    assert all("import torch" in b.code or "torch" in b.code for b in blocks)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_block_runs_and_prints_the_same(blocks, pycore_as_torch, seed):
    pycore.manual_seed(seed)
    _, printed = run(blocks)
    for block, got in zip(blocks, printed, strict=True):
        if block.printed is None:
            assert got == ""
        else:
            assert_same_print(got, block.printed)


def test_deterministic_relations_hold(blocks, pycore_as_torch):
    """What printed numbers say of each other holds for ours: maxima, scales, a mean of zero."""
    pycore.manual_seed(0)
    namespace, _ = run(blocks)
    tensor = namespace["my_tensor"]
    kept = namespace["dropout"](tensor)
    scale = 1 / (1 - 0.4)
    assert ((kept == 0) | pycore.isclose(kept, tensor * scale)).all()
    square = pycore.rand(1, 6, 6)
    expected = square.view(1, 2, 3, 2, 3).amax(dim=(2, 4))
    assert (namespace["maxpool_layer"](square) == expected).all()
    normed = namespace["norm_layer"](pycore.rand(1, 4, 4) * 20 + 5)
    assert normed.mean().abs() < 1e-6


def test_lenet_runs_as_written(blocks, pycore_as_torch):
    silent = [b for b in blocks if b.printed is None or "TinyModel" in b.code]
    namespace, _ = run(silent)
    net = namespace["LeNet"]()
    images = pycore.rand(3, 1, 32, 32)
    scores = net(images)
    assert scores.shape == (3, 10)
    scores.sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in net.parameters())


def test_tagger_learns_as_written(blocks, pycore_as_torch):
    silent = [b for b in blocks if b.printed is None or "TinyModel" in b.code]
    namespace, _ = run(silent)
    tagger = namespace["LSTMTagger"](6, 6, 9, 3)
    assert repr(tagger) == (
        "LSTMTagger(\n  (word_embeddings): Embedding(9, 6)\n  (lstm): LSTM(6, 6)\n"
        "  (hidden2tag): Linear(in_features=6, out_features=3, bias=True)\n)"
    )
    sentence, tags = pycore.tensor([0, 1, 2, 3, 4]), pycore.tensor([0, 1, 2, 0, 1])
    optimizer = pycore.optim.SGD(tagger.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        loss = pycore.nn.functional.nll_loss(tagger(sentence), tags)
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    assert (tagger(sentence).argmax(dim=1) == tags).all()


def test_tiny_model_gives_probabilities(blocks, pycore_as_torch):
    namespace, _ = run(blocks[:1])
    model = namespace["tinymodel"]
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        result = model(pycore.rand(5, 100))
    assert result.shape == (5, 10)
    assert pycore.allclose(result.sum(dim=1), pycore.ones(5))


# --- the comparison itself ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "got, expected, same",
    [
        ("tensor([0.1234, 0.5678])", "tensor([0.4444, 0.0001])", True),
        ("tensor([0.1234, 0.5678])", "tensor([0.4444])", False),
        ("tensor([[0.1234], [0.5678]])", "tensor([0.4444, 0.0001])", False),
        ("tensor([1.2e-01])", "tensor([0.4444])", False),
        ("tensor([1.2000e-01])", "tensor([0.4444])", True),
        ("tensor(0.1234, grad_fn=<MeanBackward0>)", "tensor(0.2, grad_fn=<SumBackward0>)", False),
        ("A(\n  (b): C()\n)", "A(\n   (b): C()\n)", False),
    ],
)
def test_comparison(got, expected, same):
    if same:
        assert_same_print(got, expected)
    else:
        with pytest.raises(AssertionError):
            assert_same_print(got, expected)
