"""Products by tiles (AMX) where the processor has none: tile_products.py on a model of them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pycore


@pytest.mark.skipif("avx512" not in pycore._C._supported_isas(), reason="needs AVX-512")
@pytest.mark.skipif(os.environ.get("PYCORE_ISA", "amx_model") != "amx_model", reason="once will do")
def test_products_on_the_model() -> None:
    """Level amx_model takes every product by tiles, however small, so other tests try it, too."""
    here = Path(__file__).parent
    names = (
        "test_mm_against_numpy",
        "test_threads_do_not_change_bits",
        "test_out_and_in_place",
        "test_beta_zero_ignores_nan",
    )
    tests = [here / "tile_products.py", here / "test_narrow_products.py"]
    tests += [here / "test_matmul_precision.py"]
    tests += [f"{here / 'test_products.py'}::{name}" for name in names]
    tests += [f"{here / 'test_kept.py'}::test_the_same_bits"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests)],
        env=os.environ | {"PYCORE_ISA": "amx_model"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 300


@pytest.mark.skipif(platform.machine() != "x86_64", reason="an instruction set of x86-64")
def test_encodings() -> None:
    """The library holds tile instructions as Intel's manual (volume 2) encodes them."""
    code = Path(pycore._C.__file__).read_bytes()

    def vex(prefix, opcode, dst, src1=0, src2=0):  # VEX.128.prefix.0F38.W0, three tiles
        last = (15 - src2) << 3 | prefix
        return bytes([0xC4, 0xE2, last, opcode, 0xC0 | dst << 3 | src1])

    none, f3, f2 = 0, 2, 3
    for c, a, b in ((0, 4, 6), (1, 4, 7), (2, 5, 6), (3, 5, 7)):
        assert vex(f3, 0x5C, c, a, b) in code, "tdpbf16ps"
        assert vex(f2, 0x5E, c, a, b) in code, "tdpbssd"
        assert vex(f2, 0x49, c) in code, "tilezero"
    assert vex(none, 0x49, 0) in code, "tilerelease"
    assert re.search(rb"\xc4[\xc2\xe2]\x78\x49[^\xc0-\xff]", code), "ldtilecfg"
    for tile in range(8):  # memory as base and index, perhaps with a displacement
        modrm = re.escape(bytes([tile << 3 | 4])) + b"|" + re.escape(bytes([0x44 | tile << 3]))
        if tile < 4:
            store = rb"\xc4[\x82\xa2\xc2\xe2]\x7a\x4b(?:" + modrm + b")"
            assert re.search(store, code, re.DOTALL), "tilestored"
        else:
            load = rb"\xc4[\x82\xa2\xc2\xe2]\x7b\x4b(?:" + modrm + b")"
            assert re.search(load, code, re.DOTALL), "tileloadd"
