"""Fixtures of several test files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pycore


@pytest.fixture(params=(1, 2))
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """The test runs with one thread and with two, and is told how many."""
    before = pycore.get_num_threads()
    pycore.set_num_threads(request.param)
    yield request.param
    pycore.set_num_threads(before)
