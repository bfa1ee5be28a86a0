"""examples/char_transformer.py on a little text: it runs, and its parts are what they claim."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest

import pycore

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
SOURCE = Path(__file__).parent.parent / "examples" / "char_transformer.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("char_transformer", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_runs(example, monkeypatch, capsys, tmp_path) -> None:
    train, test = example.load_text()
    assert len(train) > 300_000 and 0.09 < len(test) / len(train + test) < 0.11
    monkeypatch.setattr(example, "load_text", lambda: (train[:3000], test[:500]))
    sizes = ["--length", "16", "--width", "16", "--layers", "1", "--batch-size", "4"]
    example.main(["--steps", "30", *sizes, "--output", str(tmp_path)])
    out = capsys.readouterr().out
    assert "5-gram model:" in out and "bits per held-out character" in out
    assert (tmp_path / "char_transformer.png").stat().st_size > 1000


def test_ngram_bits_of_a_coin(example) -> None:
    coin = "".join("ab"[i * i % 7 % 2] for i in range(4000))
    assert example.ngram_bits(coin, "ab" * 50, 1, 2) == pytest.approx(1.0, abs=0.2)
    assert example.ngram_bits("ab" * 500, "ab" * 50, 3, 2) < 0.02


def test_every_held_out_character_counts_once(example) -> None:
    class Next(pycore.nn.Module):
        """Knows that the text counts modulo 8, and says so with a certainty of its own."""

        length = 16

        def forward(self, text):
            assert text.shape[1] < self.length
            return pycore.nn.functional.one_hot((text + 1) % 8, 8) * 3.0

    certain = -math.log(math.exp(3) / (math.exp(3) + 7))
    for held_out in (1, 7, 8, 9, 100, 1001):
        text = pycore.arange(50 + held_out) % 8
        losses = example.losses_of(Next(), text, 50)
        assert losses.shape == (held_out,)
        assert losses.tolist() == pytest.approx([certain] * held_out, rel=1e-5)
