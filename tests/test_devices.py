"""What programs ask and set on any machine: devices, back ends, mixed precision, compilation. Every test
takes the library as argument; tests/parity runs them on PyTorch's CPU build, too.

Must not import torch.
"""

from __future__ import annotations

import warnings

import pytest

import pycore


@pytest.fixture
def torch():
    return pycore


def test_the_idiom(torch):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert device == torch.device("cpu")
    assert torch.nn.Linear(2, 2).to(device)(torch.ones(1, 2, device=device)).shape == (1, 2)
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    assert device.type == "cpu"
    if torch.backends.mps.is_available() or torch.xpu.is_available():
        pytest.fail("there is only the CPU")


def test_cuda_answers_without_a_device(torch):
    cuda = torch.cuda
    assert cuda.device_count() == 0
    assert not cuda.is_initialized()
    assert not cuda.is_bf16_supported()
    for call in (cuda.empty_cache, lambda: cuda.manual_seed(1), lambda: cuda.manual_seed_all(1)):
        assert call() is None
    assert cuda.memory_allocated() == cuda.max_memory_allocated() == cuda.memory_reserved() == 0
    assert cuda.get_rng_state_all() == []
    cuda.set_rng_state_all([])
    assert cuda.get_arch_list() == []
    for call in (
        cuda.current_device,
        cuda.synchronize,
        cuda.get_device_name,
        lambda: cuda.get_device_properties(0),
        cuda.current_stream,
        lambda: torch.ones(1).cuda(),
        lambda: torch.nn.Linear(1, 1).cuda(),
        lambda: torch.ones(1, device="cuda"),
    ):
        with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
            call()
    with pytest.raises(RuntimeError, match="requires CUDA"):
        cuda.Stream()
    assert issubclass(torch.OutOfMemoryError, RuntimeError)
    assert cuda.OutOfMemoryError is torch.OutOfMemoryError


def test_back_ends_keep_what_is_set(torch):
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark
    cudnn.benchmark = True
    cudnn.deterministic = True
    assert cudnn.benchmark is True
    cudnn.benchmark = before
    cudnn.deterministic = False
    assert not cudnn.is_available()
    with cudnn.flags(enabled=True, benchmark=True):
        assert cudnn.benchmark
    assert cudnn.benchmark is before
    torch.backends.cuda.matmul.allow_tf32 = False
    assert not torch.backends.cuda.is_built()
    assert not torch.backends.mps.is_built()
    assert torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2", "AVX512")
    assert torch.backends.cuda.math_sdp_enabled()
    torch.backends.cuda.enable_flash_sdp(False)
    assert not torch.backends.cuda.flash_sdp_enabled()
    torch.backends.cuda.enable_flash_sdp(True)
    assert torch.backends.cuda.flash_sdp_enabled()


def test_version_and_types(torch):
    assert torch.version.cuda is None
    assert torch.version.hip is None
    assert torch.version.__version__ == torch.__version__
    assert torch.types.Number == int | float | bool


def test_the_cpu_as_a_device(torch):
    assert torch.cpu.is_available()
    assert torch.cpu.device_count() == 1
    assert torch.cpu.synchronize() is None
    assert torch.cpu.current_device() == "cpu"


def test_autocast_for_an_absent_device(torch):
    with pytest.warns(UserWarning, match="is not available"):
        context = torch.autocast("cuda", dtype=torch.float16)
    with context:
        assert not torch.is_autocast_enabled()
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with torch.autocast("cuda", enabled=False), torch.amp.autocast("cpu", enabled=False):
            pass

        @torch.autocast("cuda", enabled=False)
        def f(x):
            return x + 1

    assert f(1) == 2
    assert torch.get_autocast_dtype("cpu") == torch.bfloat16
    assert torch.get_autocast_dtype("cuda") == torch.float16
    with pytest.raises(RuntimeError, match="foo"):
        torch.autocast("foo")
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.cuda.amp.autocast(enabled=False)


def test_grad_scaler_without_its_device(torch):
    with pytest.warns(UserWarning, match="not available"):
        scaler = torch.amp.GradScaler("cuda")
    assert not scaler.is_enabled()
    assert scaler.get_scale() == 1.0
    assert scaler.state_dict() == {}
    w = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=1.0)
    scaler.scale((w * 0.5).sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 0.5


def test_grad_scaler_scales_and_skips(torch):
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    w = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.25)
    scales, values = [], []
    for factor in (1.0, float("inf"), 1.0, 1.0, 1.0):
        optimizer.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
        values.append(w.item())
    assert scales == [8.0, 4.0, 4.0, 8.0, 8.0]
    assert values == [0.75, 0.75, 0.5, 0.25, 0.0]
    state = scaler.state_dict()
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(state)
    assert other.state_dict() == state
    optimizer.zero_grad()
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    assert w.grad.item() == 1.0
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(optimizer)


def test_compilation_leaves_results_alone(torch):
    class Net(torch.nn.Module):
        def forward(self, x):
            if torch.jit.is_scripting() or torch.jit.is_tracing() or torch.compiler.is_compiling():
                return x
            return x * 2

    net = Net()
    assert net(torch.ones(1)).item() == 2.0

    @torch.compiler.disable
    def f(x):
        return x + 1

    @torch.jit.ignore
    def g(x):
        return x + 1

    assert f(1) == g(1) == 2
    assert not isinstance(net, torch.jit.ScriptModule)


def test_assert_close(torch):
    close = torch.testing.assert_close
    close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-6]))
    close({"a": [1.0, torch.ones(2)]}, {"a": [1.0, torch.ones(2)]})
    close(torch.tensor([1, 2]), torch.tensor([1, 2]))
    close(torch.tensor([float("nan")]), torch.tensor([float("nan")]), equal_nan=True)
    close(torch.ones(2), torch.ones(2, dtype=torch.float64), check_dtype=False)
    close(torch.ones(3), torch.ones(3) + 0.1, rtol=0, atol=0.2)
    for actual, expected, words in (
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]), "Mismatched elements: 1 / 2"),
        (
            torch.tensor([1.0, 2.0]),
            torch.tensor([1.0, 2.1]),
            r"at index \(1,\) \(up to 1e-05 allowed\)",
        ),
        (torch.tensor([1, 2]), torch.tensor([1, 3]), "Tensor-likes are not equal!"),
        (torch.ones(2), torch.ones(3), "'shape' do not match"),
        (torch.ones(2), torch.ones(2, dtype=torch.float64), "'dtype' do not match"),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")]), "not close"),
        (1.0, 1.5, "Expected 1.5 but got 1.0"),
        ([1.0], [1.0, 2.0], "length of the sequences mismatch: 1 != 2"),
        ({"a": 1}, {"b": 1}, "keys of the mappings do not match"),
        ([torch.ones(1), torch.zeros(1)], [torch.ones(1)] * 2, r"item \[1\]"),
    ):
        with pytest.raises(AssertionError, match=words):
            close(actual, expected)
    with pytest.raises(AssertionError, match=r"^mine$"):
        close(torch.ones(1), torch.zeros(1), msg="mine")
    with pytest.raises(ValueError, match="rtol"):
        close(torch.ones(1), torch.zeros(1), rtol=1.0)
    with pytest.raises(TypeError):
        close(torch.ones(1), "text")


def test_modules_import_by_their_path():
    import importlib

    for name in ("cuda.amp", "backends.cudnn", "backends.mps", "cpu.amp", "amp", "jit", "version"):
        assert importlib.import_module(f"pycore.{name}")


def test_what_only_pycore_answers():
    with pytest.raises(NotImplementedError, match="not available on the CPU"):
        pycore.autocast("cpu")
    with pytest.raises(NotImplementedError, match="state_dict"):
        pycore.jit.save(None, "file")
    model = pycore.nn.Linear(1, 1)
    assert pycore.jit.script(model) is model
    assert pycore.jit.trace(model, pycore.ones(1, 1)) is model


def test_odds_and_ends(torch):
    """What vision models and training loops call that computes nothing."""
    torch._assert(torch.ones(1).item() == 1, "one is one")
    with pytest.raises(AssertionError, match="no"):
        torch._assert(False, "no")
    assert torch.is_deterministic_algorithms_warn_only_enabled() is False
    assert isinstance(torch.channels_last, torch.memory_format)
    assert isinstance(torch.zeros(1).layout, torch.layout)
    x = torch.ones(1, 2, 3, 4, 5).contiguous(memory_format=torch.channels_last_3d)
    assert x.shape == (1, 2, 3, 4, 5)
    relu = torch.nn.ReLU()
    twice = torch.nn.Sequential(relu, relu)
    assert len(list(twice.modules())) == 2
    assert len(list(twice.modules(remove_duplicate=False))) == 3
