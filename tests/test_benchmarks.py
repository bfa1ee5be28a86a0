"""The framework of the benchmarks: its arithmetic, and that nothing goes wrong in silence."""

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import pycore

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are in the sources only", allow_module_level=True)
# For these imports alone: beside the benchmarks lie the sources of pycore, which new interpreters
# that get this path must not take for the installed package.
sys.path.insert(0, str(ROOT))

from benchmarks.compare import __main__ as command, acceptance, report, results, runner  # noqa: E402
from benchmarks.compare.registry import Inputs, Workload, all_workloads  # noqa: E402

sys.path.remove(str(ROOT))


def result(workload, *ratios, other="torch", threads=1, **options):
    return results.Result(workload, other, threads, ratios=list(ratios), **options)


def record(*of, **options):
    return results.Record({}, [], list(of), **options)


def test_ratio_is_the_median_of_the_pairs_and_spread_their_quartiles():
    r = result("gemm/x", 0.5, 9.0, 0.4, 0.6, 0.7)
    assert (r.ratio, r.speedup) == (0.6, 1 / 0.6)
    assert r.spread == pytest.approx((0.45, 4.85))
    assert result("gemm/x", 0.5, 0.7).spread == (0.5, 0.7)


def test_limits_bind_against_torch_only():
    assert result("g/x", 0.9, limit=1.0).ok
    assert not result("g/x", 1.1, limit=1.0).ok
    assert result("g/x", 1.1, limit=1.0, other="numpy").ok
    assert not result("g/x", error="fails").ok


def test_geometric_mean_by_group():
    lines = report.geometric_means([result("g/a", 0.5), result("g/b", 0.125), result("h/a", 1.0)])
    assert len(lines) == 2
    assert "4.00x faster (least 2.00x, 2 workloads)" in lines[0]


def test_a_row_names_its_least_workload_and_needs_mean_and_floor():
    (row,) = acceptance.judge([result("pooling/a", 0.2), result("pooling/b", 0.5)])
    assert row.name == "pooling" and row.met
    assert row.mean == pytest.approx(math.sqrt(10))
    assert (row.least, row.least_workload) == (2.0, "pooling/b")
    (row,) = acceptance.judge([result("pooling/a", 0.01), result("pooling/b", 1.0)])
    assert row.mean > row.goal and not row.met  # the floor is passed
    assert "NO" in report.verdict_line(row)


def test_a_row_with_a_failing_workload_is_not_met():
    of = [result("pooling/a", 0.1), result("pooling/b", error="fails in torch: no")]
    (row,) = acceptance.judge(of)
    assert (row.count, row.failing, row.met) == (1, 1, False)
    assert "1 FAILING" in report.verdict_line(row)
    text = "\n".join([*map(report.line, of), *report.summary(record(*of))])
    assert "FAILS: fails in torch: no" in text
    assert "1 of 2 within their limits, 1 failing" in text
    (row,) = acceptance.judge(of[1:])
    assert (row.mean, row.met) == (0, False)


def test_threads_and_libraries_have_verdicts_of_their_own():
    of = [
        result("pooling/a", 0.2, threads=1),
        result("pooling/a", 0.5, threads=2),
        result("gemm/float32 512", 0.9, other="numpy"),
    ]
    verdicts = {(v.name, v.other, v.threads): v.met for v in acceptance.judge(of)}
    assert verdicts == {
        ("pooling", "torch", 1): True,
        ("pooling", "torch", 2): False,
        ("gemm", "numpy", 1): True,
    }


def test_products_have_a_row_for_their_errors():
    same = result("gemm/a", 0.1, inexactness=[2e-7, 2e-7])
    row = acceptance.judge([same, result("gemm/b", 0.1, inexactness=[1e-7, 4e-7])])[-1]
    assert row.name == "gemm, errors (times smaller)" and row.met
    assert (row.mean, row.least, row.count) == (pytest.approx(2.0), 1.0, 2)
    row = acceptance.judge([same, result("gemm/b", 0.1, inexactness=[2.1e-7, 2e-7])])[-1]
    assert not row.met and row.least_workload == "gemm/b"
    assert report.line(same).endswith(" 2.00e-07 2.00e-07")


def test_goals_of_avx2_replace_the_others():
    (row,) = acceptance.judge([result("gemm/float32 512", 0.9)], avx2=True)
    assert (row.goal, row.floor, row.met) == (1.05, None, True)


def test_every_goal_has_a_row_of_a_known_group():
    groups = {g for row in acceptance.ROWS for g in row.groups}
    assert {g.pattern.split("/")[0] for g in acceptance.GOALS} <= groups
    assert acceptance.floor_limit("pooling") == 1 / 1.2
    assert acceptance.floor_limit("no such group") is None


@pytest.mark.parametrize("goal", acceptance.GOALS, ids=lambda g: f"{g.other} {g.pattern}")
def test_every_goal_of_whole_models_has_a_workload(goal):
    if goal.pattern.split("/")[0] in ("training", "inference"):
        of = [w for w in all_workloads().values() if re.fullmatch(goal.pattern, w.key)]
        assert [w.has(goal.other) for w in of] == [True]


@pytest.mark.parametrize(
    "w", [w for w in all_workloads().values() if w.group == "inference"], ids=lambda w: w.name
)
def test_whole_models_run(w):
    case = w.builder("pycore")(pycore, Inputs(pycore.from_numpy))
    (out,) = case.check()
    assert out.isfinite().all() and not out.requires_grad
    assert case.exact is None
    with pycore.no_grad():
        assert pycore.equal(case.model(*case.arguments), out)


def test_several_runs_become_their_medians(tmp_path):
    paths = []
    for number, ratios in enumerate([(0.5, 0.5, 0.6), (0.1, 0.4), (0.2, 0.2)]):
        one = record(
            result("pooling/a", *ratios), result("pooling/b", 0.25, inexactness=[1e-7, 2e-7])
        )
        paths.append(tmp_path / f"{number}.json")
        one.write(paths[-1])
    merged = results.combine(map(results.Record.read, paths))
    assert [r.runs for r in merged.results] == [3, 3]
    assert merged.results[0].ratios == [0.5, 0.25, 0.2]
    assert merged.results[1].inexactness == [1e-7, 2e-7]
    (row,) = acceptance.judge(merged.results)
    assert row.mean == pytest.approx(4.0)
    assert row.spread == pytest.approx((math.sqrt(8), math.sqrt(20)))
    failed = results.combine([record(result("g/a", 0.5)), record(result("g/a", error="fails"))])
    assert failed.results[0].error == "fails"
    with pytest.raises(ValueError, match="AVX2"):
        results.combine([record(), record(avx2=True)])


def test_a_record_survives_its_file(tmp_path):
    memory = results.Memory("training/a", "torch", 1, "", 5, 10, 100, 200)
    before = record(result("g/a", 0.5, 0.25, limit=1.0), result("g/b", error="no"), memory=[memory])
    before.write(tmp_path / "r.json")
    assert results.Record.read(tmp_path / "r.json") == before
    facts = json.loads((tmp_path / "r.json").read_text())
    assert facts["results"][0]["speedup"] == pytest.approx(1 / 0.375)
    assert "| training/a | 1 | torch | 0.50 | 0.50 |" in list(report.markdown(before))


def test_memory_is_no_more_than_the_others():
    big = 1 << 20
    assert results.Memory("w", "torch", 1, "", big, big, 9, 9).ok
    assert results.Memory("w", "torch", 1, "", 10, 0, 9, 9).ok  # a few pages
    assert not results.Memory("w", "torch", 1, "", 2 * big, big, 9, 9).ok
    assert not results.Memory("w", "torch", 1, "", big, big, 10, 9).ok
    assert not results.Memory("w", "torch", 1, "fails").ok


@pytest.mark.parametrize(
    "mine, theirs, says",
    [
        ([1.0, 2.0], [1.0, 2.0], ""),
        ([1.0, 2.0], [1.0, 2.00001], ""),
        ([1.0, 2.0], [1.0, 2.1], "differ by 4.8e-02"),
        ([1.0, np.nan], [1.0, np.nan], ""),
        ([1.0, np.nan], [1.0, 2.0], "infinities or NaN"),
        ([1.0, np.inf], [1.0, -np.inf], "infinities or NaN"),
        ([1.0], [1.0, 2.0], "differ in shape"),
        ([1j], [2j], "differ by 5.0e-01"),
        ([True, False], [True, True], "differ by 1.0e+00"),
    ],
)
def test_disagreement(tmp_path, mine, theirs, says):
    paths = [tmp_path / "mine.npz", tmp_path / "theirs.npz"]
    for path, values in zip(paths, (mine, theirs), strict=True):
        np.savez(path, np.asarray(values))
    found = runner.disagreement(*paths, tolerance=1e-4)
    assert (says in found) if says else not found


def test_outputs_that_differ_in_number_disagree(tmp_path):
    np.savez(tmp_path / "a.npz", np.zeros(1))
    np.savez(tmp_path / "b.npz", np.zeros(1), np.zeros(1))
    assert "number" in runner.disagreement(tmp_path / "a.npz", tmp_path / "b.npz", 1e-4)


@pytest.fixture(scope="module")
def processes():
    pair = [runner.Process(runner.Library(name), 1) for name in ("pycore", "numpy")]
    yield pair
    for process in pair:
        process.close()


def test_a_workload_is_timed_in_two_processes(processes, tmp_path):
    w = all_workloads()["overhead/a + b"]
    r = runner.measure(w, *processes, tmp_path, rounds=3, seconds=0.001)
    assert not r.error
    assert len(r.ratios) == 3 and r.ratio > 0
    assert r.pycore_seconds < 1e-3


def test_a_workload_that_raises_is_a_result(processes, tmp_path):
    w = Workload("gone", "missing", {"torch": len})
    r = runner.measure(w, *processes, tmp_path, rounds=3, seconds=0.001)
    assert r.error.startswith("fails in pycore: KeyError")


def test_a_product_tells_its_error(processes, tmp_path):
    w = all_workloads()["gemm/float32 64"]
    r = runner.measure(w, *processes, tmp_path, rounds=2, seconds=0.001)
    assert not r.error
    assert all(1e-8 < x < 1e-6 for x in r.inexactness) and len(r.inexactness) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_read(processes):
    facts = processes[0].ask(do="memory", key="overhead/a + b", seconds=0.01)
    assert facts["own"] < 1 << 20 < facts["peak"]


def test_a_process_that_does_not_answer_is_ended_and_started_anew(tmp_path):
    process = runner.Process(runner.Library("numpy"), 1)
    output = str(tmp_path / "out.npz")
    assert process.ask(do="build", key="overhead/a + b", output=output) == {}
    process.patience = 0.3
    assert process.ask(do="time", seconds=1000) == {"error": "no answer within 0.3 s"}
    process.patience = runner.PATIENCE
    assert "AssertionError" in process.ask(do="time", seconds=0.001)["error"]  # built no more
    process.close()


def test_a_library_that_is_missing_is_named():
    with pytest.raises(RuntimeError, match=r"no_such_library does not start in .*No module named"):
        runner.Process(runner.Library("no_such_library"), 1)


def test_command_line_chooses_by_group_and_pattern():
    args = command.parse(["--group", "overhead", "--only", "a . b"])
    keys = [w.key for w in command.choose(args)]
    assert "overhead/a + b" in keys
    assert all(k.startswith("overhead/") for k in keys)
    with pytest.raises(SystemExit, match="no such group: nothing"):
        command.choose(command.parse(["--group", "nothing"]))


def test_avx2_holds_both_sides_and_says_where_it_cannot(capsys):
    args = command.parse(["--avx2", "--env", "torch:X=1"])
    libraries = command._libraries(args, ["torch", "onnxruntime"])
    assert libraries["pycore"].environment == {"PYCORE_ISA": "avx2"}
    assert libraries["torch"].environment["ATEN_CPU_CAPABILITY"] == "avx2"
    assert libraries["torch"].environment["X"] == "1"
    assert "onnxruntime has no switch" in capsys.readouterr().err


def test_a_part_of_a_page_is_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n")
    report.replace_part(page, "x", ["new", ""])
    report.replace_part(page, "x", ["newer", ""])
    assert page.read_text() == "a\n<!-- begin x -->\n\nnewer\n<!-- end x -->\nb\n"
    with pytest.raises(SystemExit, match="no part y"):
        report.replace_part(page, "y", [])


def test_native_results_become_shares():
    runs = [
        {"name": f"{name}/avx2/threads:{n}/real_time", "share": 0.5 / n}
        for name in ("matmul/float32/512x512x512", "copy/4096")
        for n in (1, 2)
    ]
    facts = {"context": {"date": "", "peak L1": "9 GB/s"}, "benchmarks": runs}
    assert list(report.native_markdown(facts, "matmul")) == [
        "| peak of the machine | rate |",
        "|---|---|",
        "| L1 | 9 GB/s |",
        "",
        "| share of the peak | avx2, threads 1 | avx2, threads 2 |",
        "|---|---|---|",
        "| matmul/float32/512x512x512 | 50% | 25% |",
        "",
    ]


@pytest.mark.parametrize("details", [False, True])
def test_results_become_a_picture(tmp_path, details):
    pytest.importorskip("matplotlib")
    from benchmarks.compare.plot import plot

    of = [
        result("gemm/a", 0.5, 0.6, threads=1),
        result("gemm/a", 0.4, 0.3, threads=2),
        result("gemm/b", error="fails in torch: no"),
        result("loss/a", 0.1, 0.2, 0.3, 0.4, other="numpy"),
    ]
    plot(of, tmp_path / "x.png", details)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
