"""Element-wise functions, copies and what follows them on operands in every order of dimensions.

The reference is the same function of row-major operands; strides are compared with PyTorch's in tests/parity.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

import pycore
import pycore.nn.functional as F

SHAPE = (3, 5, 4, 17)

# Layouts of a tensor of SHAPE, made from a row-major one.
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "rows": lambda x: x.contiguous(),
    "channels last": lambda x: x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),
    "reversed": lambda x: x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
    "swapped": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "gaps": lambda x: pycore.cat([x, x], 3)[..., : x.shape[3]],
    "every second": lambda x: pycore.stack([x, x], -1).flatten(-2)[..., ::2],
    "turned gaps": lambda x: (
        pycore.cat([x, x], 1).transpose(1, 3).contiguous().transpose(1, 3)[:, :5]
    ),
}
ORDERS = list(itertools.permutations(range(4)))

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": lambda x, y, z: x.relu(),
    "exp": lambda x, y, z: x.exp(),
    "to float64": lambda x, y, z: x.double(),
    "to int32": lambda x, y, z: (x * 10).int(),
    "add": lambda x, y, z: x + y,
    "mul by a row": lambda x, y, z: x * z[0, 0, 0],
    "mul by a plane": lambda x, y, z: z[:, :1] * x,
    "compare": lambda x, y, z: x > y,
    "mixed": lambda x, y, z: x.double() + y,
    "where": lambda x, y, z: pycore.where(x > 0, y, z),
    "addcmul": lambda x, y, z: pycore.addcmul(x, y, z, value=0.5),
    "lerp": lambda x, y, z: pycore.lerp(x, y, z),
    "clamp": lambda x, y, z: x.clamp(y - 1, y + 1),
    "gelu": lambda x, y, z: F.gelu(x),
    "clone": lambda x, y, z: x.clone(),
    "in place": lambda x, y, z: x.clone().mul_(y).add_(z),
    "turned": lambda x, y, z: (x + y).transpose(0, 3) * z.transpose(0, 3),
}
# What reads an element-wise result: kernels on rows, planes and indices.
READERS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: x.sum((0, 2)),
    "softmax": lambda x: x.softmax(1),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[2:]),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "max_pool": lambda x: F.max_pool2d(x, 2),
    "conv": lambda x: F.conv2d(x, pycore.ones(2, 5, 2, 2, dtype=x.dtype)),
    "linear": lambda x: F.linear(x, pycore.ones(3, 17, dtype=x.dtype)),
    "matmul": lambda x: x @ x.mT,
    "cumsum": lambda x: x.cumsum(2),
    "sort": lambda x: x.sort(1).values,
    "index": lambda x: x[:, [0, 2, 1]],
    "reshape": lambda x: x.reshape(-1, 4),
    "flatten": lambda x: x.flatten(1),
    "cat": lambda x: pycore.cat([x, x.contiguous()], 2),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1)),
    "masked": lambda x: x[x > 0],
    "gather": lambda x: x.gather(1, pycore.zeros(x.shape, dtype=pycore.int64)),
    "mse": lambda x: F.mse_loss(x, x * 2),
    "mse of a turned target": lambda x: F.mse_loss(x, (x * 2).contiguous()),
    "losses": lambda x: F.smooth_l1_loss(x, x * 2, reduction="none"),
    "bce": lambda x: F.binary_cross_entropy_with_logits(x, x.sigmoid()),
    "cross_entropy": lambda x: F.cross_entropy(x, x.softmax(1)),
    "repeat": lambda x: x.repeat_interleave(1, 1),
    "flip": lambda x: x.flip(1, 3),
    "tril": lambda x: x.tril(),
    "list": lambda x: pycore.tensor(x.tolist()),
    "numpy": lambda x: pycore.from_numpy(x.numpy().copy()),
}


def operands(names: tuple[str, ...]) -> tuple[list[Any], list[Any]]:
    pycore.manual_seed(1)
    rows = [pycore.randn(SHAPE) for _ in names]
    return rows, [LAYOUTS[name](x) for name, x in zip(names, rows, strict=True)]


def in_order(x: Any, order: tuple[int, ...]) -> Any:
    back = sorted(range(len(order)), key=order.__getitem__)
    return x.permute(order).contiguous().permute(back)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    for names in itertools.product(LAYOUTS, repeat=3):
        rows, turned = operands(names)
        want, got = FUNCTIONS[name](*rows), FUNCTIONS[name](*turned)
        assert want.is_contiguous() or name == "turned"
        assert pycore.equal(got, want), names


@pytest.mark.parametrize("name", READERS)
def test_readers(name: str) -> None:
    read = READERS[name]
    pycore.manual_seed(1)
    for order in ORDERS:
        x = pycore.randn(SHAPE, dtype=pycore.float64)
        leaf, rows = in_order(x, order).requires_grad_(), x.clone().requires_grad_()
        tracked = name not in ("list", "numpy")
        with pycore.set_grad_enabled(tracked):
            got, want = read(leaf * 2), read(rows * 2)
        pycore.testing.assert_close(got, want, rtol=1e-12, atol=1e-12, check_dtype=False)
        if tracked:
            weights = pycore.randn(got.shape, dtype=pycore.float64)
            (got * weights).sum().backward()
            (want * weights).sum().backward()
            pycore.testing.assert_close(leaf.grad, rows.grad, rtol=1e-10, atol=1e-10)
            assert leaf.grad.stride() == leaf.stride()


def test_order_is_kept() -> None:
    for order in ORDERS:
        x = in_order(pycore.randn(SHAPE), order)
        for result in (
            x.relu(),
            x + 1,
            2 * x,
            x + x,
            x > 0,
            x.double(),
            x.clone(),
            pycore.zeros_like(x),
            pycore.where(x > 0, x, 0.0),
            pycore.rand_like(x),
            F.dropout(x),
        ):
            assert result.stride() == x.stride()
        assert (x.contiguous() + x).is_contiguous()
        assert x.contiguous().is_contiguous()
        assert x.clone(memory_format=pycore.contiguous_format).is_contiguous()
        assert pycore.empty_like(x, memory_format=pycore.contiguous_format).is_contiguous()


def test_views_of_results() -> None:
    x = pycore.arange(6.0).reshape(2, 3).t().relu()
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        x.view(-1)
    assert x.reshape(-1).tolist() == [0, 3, 1, 4, 2, 5]
    assert x.numpy().strides == (4, 12)


def test_memory_format_is_checked() -> None:
    with pytest.raises(TypeError):
        pycore.ones(2).clone(memory_format=3)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
@pytest.mark.parametrize("layout", ["channels last", "reversed", "turned gaps"])
def test_optimizers(kind: str, layout: str) -> None:
    options: dict[str, Any] = {"momentum": 0.9} if kind == "SGD" else {}
    results = []
    for make in (LAYOUTS["rows"], LAYOUTS[layout]):
        pycore.manual_seed(0)
        p = pycore.nn.Parameter(make(pycore.randn(SHAPE)))
        optimizer = getattr(pycore.optim, kind)([p], lr=0.1, **options)
        target = pycore.randn(SHAPE)
        for _ in range(3):
            optimizer.zero_grad()
            F.mse_loss(p, target, reduction="sum").backward()
            optimizer.step()
        results.append(p.detach())
    pycore.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-6)


def test_state_of_turned_weights(tmp_path: Any) -> None:
    layer = pycore.nn.Linear(5, 3)
    layer.weight.data = layer.weight.data.t().contiguous().t()
    pycore.save(layer.state_dict(), tmp_path / "state")
    state = pycore.load(tmp_path / "state")
    assert state["weight"].stride() == (1, 3)
    other = pycore.nn.Linear(5, 3)
    other.load_state_dict(state)
    assert pycore.equal(other.weight, layer.weight)
    assert other.weight.is_contiguous()


def test_indices_of_odd_strides() -> None:
    """Strides of dimensions of one element are anything; sums of such indices still pick in order."""
    x = pycore.arange(4 * 5 * 6).reshape(4, 5, 6)
    rows, columns = pycore.arange(4), pycore.arange(5)
    want = x[rows.reshape(4, 1, 1), columns.reshape(1, 5, 1)].tolist()
    for odd in itertools.product((0, 1, 4, 5, 20), repeat=4):
        first = rows.as_strided((4, 1, 1), (1, *odd[:2]))
        second = columns.as_strided((1, 5, 1), (odd[2], 1, odd[3]))
        assert x[first, second].tolist() == want, odd
