"""examples/code_tagger.py on a few files: it runs, and its parts are what they claim."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import pycore

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
SOURCE = Path(__file__).parent.parent / "examples" / "code_tagger.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("code_tagger", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_runs(example, capsys, tmp_path) -> None:
    sizes = ["--embedding", "16", "--hidden", "16", "--files", "5", "--epochs", "1"]
    example.main([*sizes, "--output", str(tmp_path)])
    out = capsys.readouterr().out
    assert "most frequent tag of each token:" in out and "errors gone:" in out
    assert (tmp_path / "tagger.png").stat().st_size > 1000


def test_tags_are_those_of_the_program(example) -> None:
    source = (
        "import os.path as p\n\ndef f(a, *, b=1.5):\n    x = p.join(a, sep=b, n=len('s'))  # c\n"
    )
    first, second, third = example.read_lines(source)
    assert first == [
        ("import", "keyword"), ("os", "module"), (".", "operator"), ("path", "module"),
        ("as", "keyword"), ("p", "module"),
    ]  # fmt: skip
    names = [pair for pair in second + third if pair[1] not in ("operator", "keyword")]
    assert names == [
        ("f", "function"), ("a", "parameter"), ("b", "parameter"), ("<number>", "number"),
        ("x", "name"), ("p", "name"), ("join", "attribute"), ("a", "name"), ("sep", "argument"),
        ("b", "name"), ("n", "argument"), ("len", "called"), ("<string>", "string"),
    ]  # fmt: skip


def test_most_frequent_tags(example) -> None:
    t = pycore.tensor
    sentences = [example.Sentence(t([0, 1, 1]), t([2, 3, 4])), example.Sentence(t([1]), t([4]))]
    assert example.most_frequent_tags(sentences, 3).tolist() == [2, 4, 4]


def test_rare_words_share_numbers_by_shape(example) -> None:
    words = example.Vocabulary([[("if", "keyword")] * 9 + [("seldom", "name"), ("Rare", "name")]])
    assert words("other") == words("seldom") != words("if")
    assert words("Other") == words("Rare") != words("seldom")
    assert words("__x__") == len(words) - 1
