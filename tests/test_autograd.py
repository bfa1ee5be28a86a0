"""Autograd as a user sees it. Every test takes the library as argument, and
tests/parity/test_expectations_parity.py runs the same tests on PyTorch: what is expected here is what
PyTorch does.

Must not import torch.
"""

from __future__ import annotations

import gc
import threading
import warnings
import weakref

import pytest

import pycore


@pytest.fixture
def torch():
    return pycore


def leaf(torch, *values):
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=True)


# --- backward and grad -------------------------------------------------------------------------


def test_gradients_add_up_over_uses_and_calls(torch):
    x = leaf(torch, 2.0, 3.0)
    (x * x + x).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    first = x.grad
    (2 * x).sum().backward()
    assert x.grad.tolist() == [7.0, 9.0]
    assert x.grad is first


def test_backward_needs_a_scalar_or_a_gradient(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    with pytest.raises(
        RuntimeError, match="grad can be implicitly created only for scalar outputs"
    ):
        y.backward()
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        y.backward(torch.ones(3, dtype=torch.float64))
    y.backward(torch.tensor([1.0, 10.0], dtype=torch.float64))
    assert x.grad.tolist() == [2.0, 20.0]


def test_backward_of_what_needs_no_gradient(torch):
    x = torch.ones(1)
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        x.backward()


def test_graph_is_freed_and_retained(torch):
    x = leaf(torch, 3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_backward_into_chosen_inputs(torch):
    a, b = leaf(torch, 1.0), leaf(torch, 2.0)
    (a * b).sum().backward(inputs=[a])
    assert a.grad.item() == 2.0
    assert b.grad is None
    with pytest.raises(RuntimeError, match="cannot be empty"):
        (a * b).sum().backward(inputs=[])


def test_grad_returns_and_does_not_accumulate(torch):
    a, b = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0)
    ga, gb = torch.autograd.grad((a * b).sum(), (a, b))
    assert ga.tolist() == [3.0, 4.0]
    assert gb.tolist() == [1.0, 2.0]
    assert a.grad is None
    assert b.grad is None


def test_grad_of_an_unused_input(torch):
    a, b = leaf(torch, 1.0), leaf(torch, 2.0)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        torch.autograd.grad((a * 2).sum(), (a, b))
    ga, gb = torch.autograd.grad((a * 2).sum(), (a, b), allow_unused=True)
    assert ga.item() == 2.0
    assert gb is None
    _, zero = torch.autograd.grad((a * 2).sum(), (a, b), materialize_grads=True)
    assert zero.tolist() == [0.0]


def test_grad_with_respect_to_a_non_leaf(torch):
    x = leaf(torch, 2.0)
    y = x * x
    z = y * y
    (g,) = torch.autograd.grad(z.sum(), y)
    assert g.item() == 8.0
    assert x.grad is None


def test_several_outputs_with_their_gradients(torch):
    x = leaf(torch, 1.0, 2.0)
    y, z = x + x, x + x + x
    (g,) = torch.autograd.grad(
        (y, z), x, grad_outputs=(torch.ones_like(y), 10 * torch.ones_like(z))
    )
    assert g.tolist() == [32.0, 32.0]
    x.grad = None
    torch.autograd.backward((y, z), (torch.ones_like(y), torch.ones_like(z)))
    assert x.grad.tolist() == [5.0, 5.0]


def test_batched_gradients(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = x * x
    (jacobian,) = torch.autograd.grad(
        y, x, torch.eye(3, dtype=torch.float64), is_grads_batched=True
    )
    assert jacobian.tolist() == [[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 6.0]]


def test_derivatives_of_higher_order(torch):
    x = leaf(torch, 1.5)
    g = x**5
    for power, expected in ((5, 1.5**4 * 5), (4, 1.5**3 * 20), (3, 1.5**2 * 60), (2, 1.5 * 120)):
        (g,) = torch.autograd.grad(g.sum(), x, create_graph=True)
        assert g.item() == pytest.approx(expected), power
    assert g.requires_grad


def test_create_graph_into_grad(torch):
    x = leaf(torch, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of the cycle that this makes
        (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    assert x.grad.grad_fn is not None
    g = x.grad
    x.grad = None
    g.sum().backward()
    assert x.grad.item() == pytest.approx(12.0)


# --- leaves, flags, detach ---------------------------------------------------------------------


def test_flags(torch):
    x = leaf(torch, 1.0)
    y = x * 2
    plain = torch.ones(1)
    assert (x.is_leaf, x.requires_grad, x.grad_fn) == (True, True, None)
    assert (y.is_leaf, y.requires_grad) == (False, True)
    assert y.grad_fn.name() == "MulBackward0"
    assert (plain.is_leaf, plain.requires_grad) == (True, False)
    assert not (x > 0).requires_grad
    assert not x.argmax().requires_grad
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf"):
        y.requires_grad_(False)
    with pytest.raises(RuntimeError, match=r"floating point .*dtype can require gradients"):
        torch.ones(1, dtype=torch.int64).requires_grad_()
    with pytest.raises(RuntimeError, match=r"floating point .*dtype can require gradients"):
        torch.ones(1, dtype=torch.int64, requires_grad=True)


def test_grad_of_a_non_leaf_warns_and_is_none(torch):
    x = leaf(torch, 1.0)
    y = x * 2
    y.sum().backward()
    with pytest.warns(UserWarning, match="is not a leaf"):
        assert y.grad is None


def test_retain_grad(torch):
    x = leaf(torch, 3.0)
    y = x * x
    assert not y.retains_grad
    y.retain_grad()
    assert y.retains_grad
    (y * 2).sum().backward()
    assert y.grad.item() == 2.0
    assert x.grad.item() == 12.0
    x.retain_grad()  # nothing to do on a leaf
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        torch.ones(1).retain_grad()


def test_retained_gradient_follows_in_place_changes(torch):
    x = leaf(torch, 3.0)
    y = x * 2
    y.retain_grad()
    y.mul_(5)
    (y * 7).sum().backward()
    assert y.grad.item() == 7.0
    assert x.grad.item() == 70.0


def test_detach_and_data_share_memory(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    d = y.detach()
    assert not d.requires_grad
    assert d.data_ptr() == y.data_ptr()
    d[0] = 5.0
    assert y[0].item() == 5.0
    x.data[1] = 9.0
    assert x.tolist() == [1.0, 9.0]
    assert x.data.requires_grad is False
    y = x * 2
    y.detach_()
    assert y.is_leaf
    assert y.grad_fn is None


def test_detach_shares_the_version_and_data_does_not(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x.sin()
    z = y.exp()
    z.data.zero_()
    z.sum().backward()  # wrong numbers, but no error: that is what .data means
    assert x.grad.tolist() == [0.0, 0.0]
    z = x.sin().exp()
    z.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_assigning_data(torch):
    x = leaf(torch, 1.0, 2.0)
    x.data = torch.zeros(3, dtype=torch.float64)
    assert x.shape == (3,)
    assert x.requires_grad
    (x + 1).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_assigning_grad(torch):
    x = leaf(torch, 1.0, 2.0)
    x.grad = torch.ones(2, dtype=torch.float64)
    (3 * x).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]
    with pytest.raises(RuntimeError):
        x.grad = torch.ones(3, dtype=torch.float64)
    with pytest.raises(RuntimeError):
        x.grad = torch.ones(2, dtype=torch.float32)
    with pytest.raises(TypeError):
        x.grad = 1.0
    x.grad = None
    assert x.grad is None


# --- grad modes --------------------------------------------------------------------------------


def test_no_grad_as_context_decorator_and_nested(torch):
    x = leaf(torch, 1.0)
    with torch.no_grad():
        assert not torch.is_grad_enabled()
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert torch.is_grad_enabled()

    @torch.no_grad()
    def quiet(v):
        return v * 2

    @torch.no_grad
    def bare(v):
        return v * 2

    assert not quiet(x).requires_grad
    assert not bare(x).requires_grad
    assert (x * 2).requires_grad


def test_a_generator_under_no_grad(torch):
    x = leaf(torch, 1.0)

    @torch.no_grad()
    def numbers():
        for _ in range(2):
            yield (x * 2).requires_grad

    for inside in numbers():
        assert inside is False
        assert torch.is_grad_enabled()


def test_set_grad_enabled(torch):
    x = leaf(torch, 1.0)
    with torch.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    torch.set_grad_enabled(False)
    try:
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    assert (x * 2).requires_grad


def test_grad_mode_comes_back_after_an_error(torch):
    with pytest.raises(ZeroDivisionError), torch.no_grad():
        raise ZeroDivisionError
    assert torch.is_grad_enabled()


def test_grad_mode_is_of_the_thread(torch):
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_inference_mode(torch):
    normal = torch.ones(3)
    weight = torch.ones(3, requires_grad=True)
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()
        made = torch.ones(3)
        result = made + 1
        assert made.is_inference()
        assert result.is_inference()
        assert not normal.view(3).is_inference()
        assert not normal.add_(1).is_inference()
        assert not (weight * 2).requires_grad
        result.add_(1)  # in the mode, writing is free
    assert not torch.is_inference_mode_enabled()
    assert result.view(3).is_inference()
    assert not (result + 1).is_inference()
    assert not result.clone().is_inference()
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        weight * result
    assert (weight * result.clone()).requires_grad
    assert (weight + result).requires_grad  # saves nothing
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside"):
        result.add_(1)
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor"):
        result.requires_grad = True
    with pytest.raises(RuntimeError, match="do not track version counter"):
        _ = result._version
    with torch.inference_mode(False):
        assert torch.is_grad_enabled()


# --- hooks -------------------------------------------------------------------------------------


def test_tensor_hooks_see_and_change_gradients(torch):
    x = leaf(torch, 1.0)
    y = x * 2
    seen = []
    first = y.register_hook(lambda g: seen.append(g.item()))
    y.register_hook(lambda g: g * 10)
    (y * 3).sum().backward()
    assert seen == [3.0]
    assert x.grad.item() == 60.0
    first.remove()
    x.grad = None
    y = x * 2
    (y * 3).sum().backward()
    assert seen == [3.0]
    assert x.grad.item() == 6.0


def test_hooks_on_leaves_run_once_per_backward(torch):
    x = leaf(torch, 1.0)
    seen = []
    handle = x.register_hook(lambda g: seen.append(g.item()) or g * 2)
    (x * 2 + x * 3).sum().backward()
    assert seen == [5.0]
    assert x.grad.item() == 10.0
    handle.remove()
    x.sum().backward()
    assert x.grad.item() == 11.0
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        torch.ones(1).register_hook(print)


def test_post_accumulate_hook(torch):
    x = leaf(torch, 2.0)
    seen = []

    def step(p):
        seen.append(p.grad.item())
        p.grad = None

    handle = x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    assert seen == [4.0]
    assert x.grad is None
    handle.remove()
    (x * x).sum().backward()
    assert seen == [4.0]
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 2).register_post_accumulate_grad_hook(step)


def test_a_hook_that_raises(torch):
    x = leaf(torch, 1.0)
    y = x * 2

    def bad(g):
        raise KeyError("from the hook")

    y.register_hook(bad)
    with pytest.raises(KeyError, match="from the hook"):
        y.sum().backward()


def test_hooks_of_nodes(torch):
    x = leaf(torch, 1.0)
    y = x * 2
    seen = []
    y.grad_fn.register_hook(lambda gin, gout: seen.append(("after", gin[0].item(), gout[0].item())))
    y.grad_fn.register_prehook(lambda gout: (gout[0] * 10,))
    y.sum().backward()
    assert seen == [("after", 20.0, 10.0)]
    assert x.grad.item() == 20.0


# --- nodes -------------------------------------------------------------------------------------


def test_nodes_can_be_walked(torch):
    a, b = leaf(torch, 1.0), leaf(torch, 2.0)
    y = (a * b).exp().sum()
    node = y.grad_fn
    assert node.name() == "SumBackward0"
    assert "SumBackward0" in repr(node)
    exp, index = node.next_functions[0]
    assert (exp.name(), index) == ("ExpBackward0", 0)
    mul = exp.next_functions[0][0]
    assert mul.name() == "MulBackward0"
    leaves = [f[0] for f in mul.next_functions]
    assert [n.variable is t for n, t in zip(leaves, (a, b), strict=True)] == [True, True]
    assert {n.name() for n in leaves} == {"torch::autograd::AccumulateGrad"}
    assert y.grad_fn is y.grad_fn
    assert type(node).__name__ == "SumBackward0"
    assert type(leaves[0]).__name__ == "AccumulateGrad"


def test_metadata_of_a_node(torch):
    y = leaf(torch, 1.0) * 2
    y.grad_fn.metadata["note"] = 3
    assert y.grad_fn.metadata == {"note": 3}


# --- in place ----------------------------------------------------------------------------------


def test_in_place_on_a_leaf_is_an_error(torch):
    x = leaf(torch, 1.0, 2.0)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        x[0].add_(1)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x[0] = 1.0
    with torch.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 3.0]


def test_overwriting_what_backward_needs(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x.exp()
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        z.sum().backward()
    y = x * 2
    z = y + 1
    y.add_(1)  # nobody needs y
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_in_place_on_a_non_leaf(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.mul_(3)
    y += x
    y.sum().backward()
    assert x.grad.tolist() == [7.0, 7.0]
    assert y.grad_fn.name() == "AddBackward0"


def test_writing_into_part_of_a_tensor(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = x * 1
    y[1] = x[0] * 10
    y[2:] *= 5
    y.sum().backward()
    assert x.grad.tolist() == [11.0, 0.0, 5.0]


def test_views_follow_their_base_and_bases_their_views(torch):
    x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
    y = x * 1
    v = y.view(2, 2)
    row = v[0]
    row.mul_(10)
    assert y.tolist() == [10.0, 20.0, 3.0, 4.0]
    y.mul_(2)
    (v.sum() + row.sum()).backward()
    assert x.grad.tolist() == [40.0, 40.0, 2.0, 2.0]
    assert row._is_view()
    assert row._base is y


def test_in_place_with_a_part_that_requires_grad(torch):
    buffer = torch.zeros(3, dtype=torch.float64)
    x = leaf(torch, 2.0)
    buffer[1] = x[0] * x[0]
    assert buffer.requires_grad
    (buffer * buffer).sum().backward()
    assert x.grad.item() == 32.0


def test_in_place_on_views_of_many(torch):
    x = leaf(torch, 1.0, 2.0)
    a, _ = (x * 1).unbind()
    with pytest.raises(RuntimeError, match="output of a function that returns multiple views"):
        a.add_(1)


def test_in_place_on_an_expanded_tensor(torch):
    x = torch.ones(1).expand(3)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        x.add_(1)


def test_in_place_in_no_grad_on_a_view_made_before(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    v = y[:1]
    with torch.no_grad():
        v.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_out_is_not_differentiable(torch):
    x = leaf(torch, 1.0)
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.add(x, 1, out=torch.empty(1, dtype=torch.float64))
    out = torch.empty(1, dtype=torch.float64)
    with torch.no_grad():
        torch.add(x, 1, out=out)
    assert out.item() == 2.0


def test_zero_grad_idiom_and_manual_descent(torch):
    w = leaf(torch, 5.0)
    for _ in range(100):
        loss = ((w - 3) ** 2).sum()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad.zero_()
    assert w.item() == pytest.approx(3.0)


# --- special values ----------------------------------------------------------------------------


def test_gradient_conventions_at_kinks(torch):
    x = leaf(torch, -1.0, 0.0, 2.0)

    def g(f):
        return torch.autograd.grad(f(x).sum(), x)[0].tolist()

    assert g(torch.relu) == [0.0, 0.0, 1.0]
    assert g(torch.abs) == [-1.0, 0.0, 1.0]
    assert g(lambda v: v.clamp(0, 2)) == [0.0, 1.0, 1.0]
    assert g(lambda v: torch.maximum(v, torch.zeros_like(v))) == [0.0, 0.5, 1.0]
    assert g(lambda v: v.sign()) == [0.0, 0.0, 0.0]
    assert g(lambda v: v.norm() * 0) == [0.0, 0.0, 0.0]
    tied = leaf(torch, 2.0, 2.0, 1.0)
    assert torch.autograd.grad(tied.max(), tied)[0].tolist() == [0.5, 0.5, 0.0]
    assert torch.autograd.grad(tied.max(0).values, tied)[0].tolist() in (
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
    )
    zero = leaf(torch, 0.0, 0.0)
    assert torch.autograd.grad(zero.norm(), zero)[0].tolist() == [0.0, 0.0]
    assert torch.autograd.grad(torch.where(zero > 0, zero.log(), zero).sum(), zero)[0].isnan().all()


def test_gradient_of_prod_with_zeros(torch):
    x = leaf(torch, 2.0, 0.0, 3.0)
    assert torch.autograd.grad(x.prod(), x)[0].tolist() == [0.0, 6.0, 0.0]


def test_gradient_dtype_follows_the_input(torch):
    x = torch.ones(2, dtype=torch.float32, requires_grad=True)
    y = torch.ones(2, dtype=torch.float64, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype == torch.float32
    assert y.grad.dtype == torch.float64
    h = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    h.float().sum().backward()
    assert h.grad.dtype == torch.bfloat16


def test_gradient_through_broadcasting(torch):
    x = torch.ones(3, 1, requires_grad=True)
    y = torch.ones(4, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.shape == (3, 1)
    assert x.grad.flatten().tolist() == [4.0] * 3
    assert y.grad.tolist() == [3.0] * 4


# --- anomaly mode, deep chains, memory ----------------------------------------------------------


def test_anomaly_mode_finds_the_nan(torch):
    x = leaf(torch, -1.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch.autograd.detect_anomaly():
            y = torch.sqrt(x) * 0
            with pytest.raises(RuntimeError, match="'SqrtBackward0' returned nan values"):
                y.sum().backward()
    text = "\n".join(str(w.message) for w in caught)
    assert "y = torch.sqrt(x) * 0" in text
    assert "test_autograd.py" in text
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        torch.sqrt(x).sum().backward()


def test_a_chain_of_100000_operators(torch):
    x = leaf(torch, 1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.sum().backward()
    assert x.grad.item() == 1.0
    y = x
    for _ in range(100_000):
        y = y * 1.0
    del y  # freed without recursion


def test_graphs_leave_nothing_behind(torch):
    gc.collect()
    gc.disable()
    try:
        x = leaf(torch, 1.0)
        y = (x * 2).exp()
        dead = weakref.ref(y)
        y.sum().backward()
        del y
        assert dead() is None
    finally:
        gc.enable()


def test_backward_in_threads(torch):
    x = torch.ones(8, requires_grad=True)
    errors = []

    def work():
        try:
            for _ in range(50):
                (x * 2).sum().backward()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert x.grad.tolist() == [400.0] * 8


def test_backward_inside_a_backward(torch):
    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                v = x.detach().requires_grad_()
                (v * v).sum().backward()
            return v.grad * g

    x = leaf(torch, 3.0)
    Inner.apply(x).sum().backward()
    assert x.grad.item() == 6.0


# --- functional --------------------------------------------------------------------------------


def test_jacobian_hessian_and_products(torch):
    f = torch.autograd.functional
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert f.jacobian(lambda v: v * v, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert f.hessian(lambda v: (v**3).sum(), x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    v = torch.ones(2, dtype=torch.float64)
    assert f.vjp(lambda a: a * a, x, v)[1].tolist() == [2.0, 4.0]
    assert f.jvp(lambda a: a * a, x, v)[1].tolist() == [2.0, 4.0]
    assert f.hvp(lambda a: (a**3).sum(), x, v)[1].tolist() == [6.0, 12.0]
    assert f.vhp(lambda a: (a**3).sum(), x, v)[1].tolist() == [6.0, 12.0]


def test_saved_tensors_hooks(torch):
    x = leaf(torch, 2.0, 3.0)
    packed = []

    def pack(t):
        packed.append(t.shape)
        return t.tolist()

    def unpack(values):
        return torch.tensor(values, dtype=torch.float64)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x * x
    y.sum().backward()
    assert len(packed) == 2
    assert x.grad.tolist() == [4.0, 6.0]


def test_functional_with_tuples_and_graphs(torch):
    f = torch.autograd.functional
    a = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([3.0], dtype=torch.float64)

    def two(u, v):
        return u * v, u.sum()

    (uu, uv), (su, sv) = f.jacobian(two, (a, b), create_graph=True)
    assert uu.tolist() == [[3.0, 0.0], [0.0, 3.0]]
    assert uv.tolist() == [[1.0], [2.0]]
    assert su.tolist() == [1.0, 1.0]
    assert sv.tolist() == [0.0]
    uv.sum().backward()
    assert a.grad.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="strict mode"):
        f.jacobian(two, (a, b), strict=True)
    (huu, huv), (hvu, hvv) = f.hessian(lambda u, v: (u * u * v).sum(), (a, b))
    assert huu.tolist() == [[6.0, 0.0], [0.0, 6.0]]
    assert huv.tolist() == [[2.0], [4.0]]
    assert hvu.tolist() == [[2.0, 4.0]]
    assert hvv.tolist() == [[0.0]]
    with pytest.raises(RuntimeError, match="should contain a single element"):
        f.hessian(lambda u: u, a)
    with pytest.raises(TypeError, match="must be either a Tensor or a tuple of Tensors"):
        f.jacobian(lambda u: u, [a])


def test_saved_tensors_hooks_keep_what_they_must(torch):
    graph = torch.autograd.graph
    x = leaf(torch, 2.0, 3.0)
    with graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        y = (x * x).exp()  # exp saves its own output
        z = y * y
    (g,) = torch.autograd.grad(z.sum(), x, create_graph=True)  # z = exp(2 x^2)
    expected = 4 * x * (2 * x * x).exp()
    assert torch.allclose(g, expected)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert torch.allclose(h, (4 + 16 * x * x) * (2 * x * x).exp())
    with graph.disable_saved_tensors_hooks("not here"):
        refused = graph.saved_tensors_hooks(lambda t: t, lambda t: t)
        with pytest.raises(RuntimeError, match="not here"):
            refused.__enter__()
    with graph.saved_tensors_hooks(lambda t: t, lambda t: 3):
        y = x * x
    with pytest.raises(TypeError, match="expected to be a Tensor"):
        y.sum().backward()


def test_errors_of_pack_hooks_arrive(torch):
    def bad(t):
        raise KeyError("pack")

    x = leaf(torch, 2.0)
    with torch.autograd.graph.saved_tensors_hooks(bad, bad), pytest.raises(KeyError, match="pack"):
        x * x
    assert (x * x).requires_grad


def test_gradient_edges(torch):
    x = leaf(torch, 2.0)
    y = x * 2
    edge = torch.autograd.graph.get_gradient_edge(y)
    assert edge.node is y.grad_fn
    assert edge.output_nr == 0
    assert torch.autograd.graph.get_gradient_edge(x).node.variable is x
    with pytest.raises(RuntimeError):
        torch.autograd.graph.get_gradient_edge(torch.ones(1))


def test_node_objects(torch):
    x = leaf(torch, 2.0)
    y = x * 2
    with pytest.raises(TypeError):
        type(y.grad_fn)()
    assert isinstance(y.grad_fn, torch.autograd.graph.Node)
    assert y.grad_fn == y.grad_fn
    assert len({y.grad_fn, y.grad_fn}) == 1
    handle = y.grad_fn.register_hook(lambda gin, gout: (gin[0] * 100, *gin[1:]))
    handle.remove()
    y.sum().backward()
    assert x.grad.item() == 2.0


def test_deepcopy_keeps_leaves_only(torch):
    import copy

    x = leaf(torch, 1.0)
    c = copy.deepcopy(x)
    assert c.requires_grad
    assert c is not x
    with pytest.raises(RuntimeError, match="explicitly by the user"):
        copy.deepcopy(x * 2)


# --- second derivatives ------------------------------------------------------------------------


def test_second_derivative_of_parts_of_parts(torch):
    """The gradient that reaches a part of a tensor may itself be a part of something larger."""
    x = leaf(torch, 0.1, 0.7, -0.4, 0.9).reshape(2, 2)

    def loss(x):
        first, second = (x * 2)[0], (x * 2)[1]
        return (first.narrow(0, 1, 1) * second.narrow(0, 0, 1)).exp().sum() + second.cos().sum()

    (grad,) = torch.autograd.grad(loss(x), x, create_graph=True)
    rows = [torch.autograd.grad(g, x, retain_graph=True)[0] for g in grad.flatten()]
    step = 1e-6
    for i in range(4):
        for j in range(4):
            shift = torch.zeros(4, dtype=torch.float64)
            shift[j] = step
            shift = shift.reshape(2, 2)
            up, down = (
                torch.autograd.grad(loss(y), y)[0].flatten()[i]
                for y in ((x + shift).detach().requires_grad_(),
                          (x - shift).detach().requires_grad_())
            )  # fmt: skip
            assert abs((up - down).item() / (2 * step) - rows[i].flatten()[j].item()) < 1e-7


def test_old_arguments(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    (g,) = torch.autograd.grad(y, x, None, True, True, True)
    (second,) = torch.autograd.grad(g.sum(), x, only_inputs=True)
    assert g.tolist() == [2, 4] and second.tolist() == [2, 2]
    with pytest.warns(FutureWarning, match="only_inputs"):
        torch.autograd.grad((x * x).sum(), x, only_inputs=False)
    with pytest.warns(FutureWarning, match="grad_variables"):
        torch.autograd.backward((x * x), grad_variables=torch.ones(2))
    assert x.grad.tolist() == [2, 4]
