"""The thread pool: same numbers from any number of threads, callers at once, errors, forked children.

Must not time anything.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import pycore


@pytest.fixture
def two_threads():
    before = pycore.get_num_threads()
    pycore.set_num_threads(2)
    yield
    pycore.set_num_threads(before)


def work(seed: int) -> float:
    generator = pycore.Generator().manual_seed(seed)
    x = pycore.randn(300, 300, generator=generator, dtype=pycore.float64)
    return ((x @ x).exp().clamp(max=10).sum() + x.sort(dim=1).values[:, -1].sum()).item()


def test_many_callers_at_once(two_threads):
    expected = [work(seed) for seed in range(4)]
    found: dict[int, list[float]] = {seed: [] for seed in range(4)}
    threads = [
        threading.Thread(target=lambda s=seed: found[s].extend(work(s) for _ in range(20)))
        for seed in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {seed: [expected[seed]] * 20 for seed in range(4)}


def test_more_threads_than_processors(two_threads):
    expected = work(7)
    for n in (1, 3, 16, 2):
        pycore.set_num_threads(n)
        assert pycore.get_num_threads() == n
        assert work(7) == expected
    with pytest.raises(RuntimeError, match="positive"):
        pycore.set_num_threads(0)


def test_an_error_in_a_helper_arrives(two_threads):
    weight = pycore.ones(10, 64)
    indices = pycore.zeros(100_000, dtype=pycore.int64)
    indices[-1] = 10
    for _ in range(20):
        with pytest.raises(IndexError):
            pycore.nn.functional.embedding(indices, weight)
    assert work(1) == work(1)


def test_a_forked_child_has_threads_of_its_own(two_threads):
    expected = work(3)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # no pytest in the child: it only computes and says so
        try:
            found = [work(3) for _ in range(5)]
            os.write(write, b"same" if found == [expected] * 5 else b"other")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"same"
    os.waitpid(child, 0)
    assert work(3) == expected


@pytest.mark.parametrize(("value", "threads"), [("1", 1), ("3", 3)])
def test_environment_sets_the_number(value, threads, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import pycore; print(pycore.get_num_threads())"],
        env={
            **os.environ,
            "OMP_NUM_THREADS": value,
            "PYTHONPATH": str(Path(pycore.__file__).parents[1]),
        },
        cwd=tmp_path,  # in the repository's top folder Python would find the sources
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == threads
