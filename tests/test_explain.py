"""pycore.explain(): what it lists, and that it lists nothing when it is not asked to."""

import threading

import pytest

import pycore
from pycore import nn


def test_operators_and_their_kernels():
    x = pycore.randn(64, 32)
    layer = nn.Linear(32, 16)
    with pycore.explain() as report:
        (layer(x) + 1).relu()
    names = [entry.name for entry in report.entries]
    assert names == ["linear", "add", "relu"]
    linear, add, _ = report
    assert linear.kernels[0].startswith("gemm float32 (")
    assert add.kernels == ["element-wise float32"]
    assert linear.bytes == 4 * (64 * 32 + 16 * 32 + 16 + 64 * 16)
    assert all(entry.seconds > 0 and entry.depth == 0 for entry in report)
    assert report.isa == pycore._C._isa()
    assert report.seconds == pytest.approx(sum(entry.seconds for entry in report))


def test_backward_and_optimizer():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    optimizer = pycore.optim.SGD(model.parameters(), lr=0.1)
    loss = nn.functional.cross_entropy(model(pycore.randn(3, 1, 4, 4)), pycore.tensor([0, 1, 1]))
    with pycore.explain() as report:
        loss.backward()
        optimizer.step()
    names = [entry.name for entry in report]
    assert names[0] == "NllLossBackward0"
    assert "ConvolutionBackward0" in names
    assert "AccumulateGrad" in names
    assert names[-1] == "SGD.step"
    conv = report.entries[names.index("ConvolutionBackward0")]
    assert any(kernel.startswith("conv weight gradient float32") for kernel in conv.kernels)


def test_notes_say_what_is_slow():
    x = pycore.randn(8, 6)
    with pycore.explain() as report:
        x.t() + pycore.zeros(6, 8)
        x.to(pycore.bfloat16) + 1
        x.t().softmax(1)
    notes = {entry.name: " ".join(entry.notes) for entry in report}
    assert "not contiguous" in notes["add"] or "converted" in notes["add"]
    assert "not contiguous" in notes["softmax"]
    assert any("bfloat16 converted" in note for entry in report for note in entry.notes)


def test_threads_are_counted():
    before = pycore.get_num_threads()
    big = pycore.ones(1 << 20)
    try:
        pycore.set_num_threads(2)
        with pycore.explain() as report:
            big + big
        assert report.entries[0].threads == 2
        with pycore.explain() as report:
            big[:20000] + big[:20000]
        assert report.entries[-1].threads == 1
        assert "one thread" in report.entries[-1].notes[0]
    finally:
        pycore.set_num_threads(before)


def test_contexts_nest_and_end():
    with pycore.explain() as outer:
        pycore.ones(2)
        with pycore.explain() as inner:
            pycore.zeros(2)
    pycore.ones(2)
    assert [entry.name for entry in inner] == ["zeros"]
    assert [entry.name for entry in outer] == ["ones", "zeros"]
    assert not pycore.explain().entries
    with pytest.raises(RuntimeError, match="entered already"), outer, outer:
        pass


def test_python_functions_in_backward_nest():
    class Twice(pycore.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    x = pycore.ones(3, requires_grad=True)
    y = Twice.apply(x).sum()
    with pycore.explain() as report:
        y.backward()
    depths = {entry.name: entry.depth for entry in report}
    assert depths["TwiceBackward"] == 0
    assert depths["mul"] == 1


def test_errors_end_their_entries():
    with pycore.explain() as report, pytest.raises(RuntimeError):
        pycore.ones(2, 3) @ pycore.ones(2, 3)
    assert report.entries[-1].name == "matmul"
    with pycore.explain() as report:
        pycore.ones(1)
    assert [entry.depth for entry in report] == [0]


def test_table():
    with pycore.explain() as report:
        pycore.ones(4) + 1
    heading, titles, *rows = str(report).splitlines()
    assert heading.startswith("2 entries, ")
    assert report.isa in heading
    assert titles.split() == ["operator", "time/us", "kB", "threads", "kernels;", "notes"]
    assert rows[1].startswith("add")
    assert "element-wise float32" in rows[1]
    assert repr(report).startswith("<pycore.explain: 2 entries")


def test_ends_while_another_thread_runs():
    # What runs yet belongs to its thread: it is neither read nor lost.
    stop = threading.Event()
    x = pycore.ones(64, 64, requires_grad=True)

    def work():
        while not stop.is_set():
            (x @ x).tanh().sum().backward()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(200):
            with pycore.explain() as report:
                pycore.ones(4)
            assert all(entry.seconds >= 0 for entry in report)
    finally:
        stop.set()
        thread.join()
