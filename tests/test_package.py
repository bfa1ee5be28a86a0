"""The package as a whole: cost of import, layers of the sources, kernel symbols, long runs."""

import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import pycore
from pycore import nn

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
PACKAGE_PARENT = str(Path(pycore.__file__).resolve().parent.parent)


def run_python(code: str, **environment: str) -> str:
    """Output of a fresh interpreter that finds the same pycore."""
    env = {**os.environ, **environment, "PYTHONPATH": PACKAGE_PARENT}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True, cwd="/"
    ).stdout


# --- import ---------------------------------------------------------------------------------------


@pytest.mark.timing
def test_import_takes_under_40_ms_more_than_bare_python():
    # CPU time, since other processes lengthen only the clock's; files are in the cache by then.
    code = "import time; t = time.process_time(); import pycore; print(time.process_time() - t)"
    run_python(code)
    times = [float(run_python(code)) for _ in range(7)]
    assert statistics.median(times) < 0.040, times


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_resident_memory_after_import_is_under_40_mb():
    pages = int(run_python("import pycore; print(open('/proc/self/statm').read().split()[1])"))
    assert pages * os.sysconf("SC_PAGE_SIZE") < 40e6


def test_import_brings_nothing_heavy():
    code = "import sys; old = set(sys.modules); import pycore; print(*set(sys.modules) - old)"
    modules = {name.split(".")[0] for name in run_python(code).split()}
    assert "pycore" in modules
    assert not modules & {
        "numpy",
        "typing_extensions",
        "inspect",
        "ast",
        "asyncio",
        "multiprocessing",
    }


def test_typed_and_versioned():
    package = Path(pycore.__file__).parent
    assert (package / "py.typed").exists()
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|a\d+|b\d+|rc\d+)?", pycore.__version__)


def test_stubs_are_current():
    script = ROOT / ".ci" / "stubs.py"
    if not script.exists():
        pytest.skip("the generator is not beside the tests")
    done = subprocess.run(
        [sys.executable, str(script), "--check"],
        env={**os.environ, "PYTHONPATH": PACKAGE_PARENT},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_modules_lists_every_layer():
    """The list is written out for type checkers."""
    modules = pycore.nn.modules
    layers = {n for n, v in vars(modules).items() if isinstance(v, type) and n[0] != "_"}
    assert layers == {*modules.__all__}


def test_mypy_accepts_a_typed_program(tmp_path):
    pytest.importorskip("mypy")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--cache-dir",
            str(tmp_path),
            "typed_program.py",
        ],
        env={**os.environ, "MYPYPATH": PACKAGE_PARENT},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    errors = [line for line in done.stdout.splitlines() if line.startswith("typed_program.py")]
    assert not errors, done.stdout
    assert done.returncode in (0, 1), done.stderr


# --- sources --------------------------------------------------------------------------------------

# Who may include whom. `simd` knows nothing; only `python` sees Python.
LAYERS = {
    "simd": {"simd"},
    "kernels": {"simd", "kernels"},
    "core": {"kernels", "core"},
    "autograd": {"kernels", "core", "autograd"},
    "ops": {"kernels", "core", "autograd", "ops"},
    "python": {"kernels", "core", "autograd", "ops", "python"},
}
SOURCES = sorted([*CSRC.rglob("*.h"), *CSRC.rglob("*.cpp")])
needs_sources = pytest.mark.skipif(not SOURCES, reason="the sources are not beside the tests")


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


@needs_sources
def test_every_source_lies_in_a_layer():
    assert {p.relative_to(CSRC).parts[0] for p in SOURCES} == set(LAYERS)


@needs_sources
@pytest.mark.parametrize("layer", LAYERS)
def test_layer_includes_only_what_lies_below(layer):
    wrong = [
        f"{path.relative_to(ROOT)} includes {name}"
        for path in SOURCES
        if path.relative_to(CSRC).parts[0] == layer
        for name in includes(path)
        if name.split("/")[0] in LAYERS and name.split("/")[0] not in LAYERS[layer]
    ]
    assert not wrong


@needs_sources
def test_project_headers_are_named_from_csrc():
    """As core/tensor.h, never ../core/tensor.h: or the layer check would not see them."""
    quoted = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
    names = {name for path in SOURCES for name in quoted.findall(path.read_text())}
    assert not sorted(name for name in names if not (CSRC / name).is_file())


@needs_sources
def test_kernels_include_only_simd_kernels_and_c_headers():
    """Inline functions of C++ headers could be compiled for one level and used at another."""
    allowed = {
        "float.h",
        "limits.h",
        "math.h",
        "stdbool.h",
        "stddef.h",
        "stdint.h",
        "stdlib.h",
        "string.h",
    }
    intrinsics = {"immintrin.h", "arm_neon.h"}
    for path in SOURCES:
        layer = path.relative_to(CSRC).parts[0]
        if layer not in ("simd", "kernels"):
            continue
        for name in includes(path):
            ok = (
                name.split("/")[0] in LAYERS
                or name in allowed
                or (layer == "simd" and name in intrinsics)
            )
            assert ok, f"{path.relative_to(ROOT)} includes {name}"


@needs_sources
def test_python_and_openmp_have_one_place_each():
    for path in SOURCES:
        place = path.relative_to(CSRC)
        for name in includes(path):
            if name in ("Python.h", "structmember.h", "structseq.h") or name.startswith(
                "pybind11/"
            ):
                assert place.parts[0] == "python", f"{place} includes {name}"
            if name == "omp.h":
                assert place.as_posix() == "core/parallel.cpp", f"{place} includes {name}"
        if "#pragma omp" in path.read_text():
            assert place.as_posix() == "core/parallel.cpp", f"{place} contains OpenMP"


@needs_sources
def test_no_instruction_set_flags_outside_the_kernels():
    """Nor link-time optimization, which may move code of one level into another."""
    for path in [ROOT / "CMakeLists.txt", ROOT / "CMakePresets.json", ROOT / "pyproject.toml"]:
        text = path.read_text()
        assert not re.search(r"-march|-mtune|-mavx|-flto|INTERPROCEDURAL_OPTIMIZATION ON", text), (
            path
        )


def kernel_objects() -> list[Path]:
    """Objects of kernel sources in the build tree that PYCORE_BUILD_DIR names."""
    folder = os.environ.get("PYCORE_BUILD_DIR")
    if not folder or not shutil.which("nm"):
        return []
    return sorted(Path(folder).rglob("pycore_kernels_*/**/*.o"))


@pytest.mark.skipif(not kernel_objects(), reason="needs nm, and the build tree in PYCORE_BUILD_DIR")
def test_kernel_objects_export_their_level_alone():
    """A weak symbol of no level could be replaced by another's copy, and crash an older CPU.

    Each object has one table; what several of a level share (tiles of products) is in its namespace.
    """
    objects = kernel_objects()
    assert {p.stem.split(".")[0] for p in objects} >= {"gemm", "table", "unary"}
    for path in objects:
        lines = subprocess.run(
            ["nm", "-C", path], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        symbols = [re.match(r"[0-9a-f ]{16} (\S) (.*)", line).groups() for line in lines]
        isa = re.search(r"pycore_kernels_(\w+)\.dir", str(path)).group(1)
        level = f"pycore::kernels::{isa}::"
        weak = [name for kind, name in symbols if kind in "uvwVW"]
        assert all(re.match(rf"(void )?{level}tiles::", name) for name in weak), f"{path}: {weak}"
        strong = [(kind, name) for kind, name in symbols if kind.isupper() and kind not in "UVW"]
        assert len(strong) == 1, f"{path}: {strong}"
        assert strong[0][0] in "DRB", f"{path}: {strong}"
        assert strong[0][1].startswith(level), f"{path}: {strong}"


# --- running --------------------------------------------------------------------------------------


def _small_net() -> tuple[nn.Module, pycore.optim.Optimizer, pycore.Tensor, pycore.Tensor]:
    pycore.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(27, 10),
    )
    optimizer = pycore.optim.Adam(model.parameters(), lr=1e-3)
    return model, optimizer, pycore.randn(4, 1, 8, 8), pycore.randint(0, 10, (4,))


def _train(steps: int, model, optimizer, images, labels) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()


def _usage() -> tuple[int, int]:
    """Resident bytes and page faults of this process so far."""
    import resource

    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return resident, resource.getrusage(resource.RUSAGE_SELF).ru_minflt


@pytest.mark.timing
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_ten_thousand_training_steps_hold_their_memory():
    state = _small_net()
    _train(1000, *state)
    before = pycore._C._memory_stats()
    resident, faults = _usage()
    _train(5000, *state)
    middle = _usage()
    _train(5000, *state)
    after = pycore._C._memory_stats()
    end = _usage()
    for key in ("allocated_bytes", "cached_bytes", "system_bytes", "system_allocations"):
        assert after[key] == before[key], key
    assert end[0] - resident < 1 << 20
    # A page now and then is the interpreter's own; growth would be thousands.
    assert middle[1] - faults < 200
    assert end[1] - middle[1] < 200


def _results() -> list[bytes]:
    """Bits of what parallel kernels compute: sums, products, convolutions, a training run."""
    pycore.manual_seed(3)
    x = pycore.randn(300, 1000)
    image = pycore.randn(8, 3, 40, 40)
    weight = pycore.randn(16, 3, 3, 3)
    functional = nn.functional
    results = [
        x.sum(),
        x.sum(0),
        x.mean(1),
        x.var(),
        x.std(0),
        x.exp().sum(),
        x @ x.T,
        functional.softmax(x, 1),
        functional.layer_norm(x, (1000,)),
        functional.conv2d(image, weight),
        functional.max_pool2d(image, 3, 2),
        x.cumsum(1),
        x.argmax(1),
        pycore.randn(100_000),
    ]
    model, optimizer, images, labels = _small_net()
    images, labels = pycore.randn(64, 1, 8, 8), pycore.randint(0, 10, (64,))
    _train(20, model, optimizer, images, labels)
    results += [p.detach() for p in model.parameters()]
    return [r.numpy().tobytes() for r in results]


def test_a_full_cache_gives_way_to_sizes_in_use():
    code = """
import pycore
stats = pycore._C._memory_stats
blocks = [pycore.empty(n << 20, dtype=pycore.uint8) for n in range(10, 60)]  # never touched
del blocks
if stats()["cached_bytes"] == 0:  # sanitizer builds keep no blocks
    raise SystemExit
assert stats()["cached_bytes"] <= 1 << 30
for size in (9 << 20, 300 << 20):
    pycore.empty(size, dtype=pycore.uint8)
    before = stats()["system_allocations"]
    for _ in range(3):
        pycore.empty(size, dtype=pycore.uint8)
    assert stats()["system_allocations"] == before
    assert stats()["cached_bytes"] <= 1 << 30
assert 0 <= stats()["system_bytes"] - stats()["cached_bytes"] - stats()["allocated_bytes"] < 1 << 20
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_results_do_not_depend_on_the_number_of_threads():
    before = pycore.get_num_threads()
    try:
        per_count = []
        for threads in (1, 2, 3):
            pycore.set_num_threads(threads)
            per_count.append(_results())
    finally:
        pycore.set_num_threads(before)
    for others in per_count[1:]:
        unequal = [i for i, (a, b) in enumerate(zip(per_count[0], others, strict=True)) if a != b]
        assert not unequal


@pytest.mark.parametrize("isa", pycore._C._supported_isas())
def test_every_level_can_be_chosen(isa):
    assert run_python("import pycore; print(pycore._C._isa())", PYCORE_ISA=isa).strip() == isa


def test_unknown_level_is_an_error_that_names_the_known():
    with pytest.raises(subprocess.CalledProcessError) as error:
        run_python("import pycore", PYCORE_ISA="mmx")
    assert "PYCORE_ISA" in error.value.stderr
    assert "baseline" in error.value.stderr
