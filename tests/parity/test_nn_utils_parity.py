"""Helpers of nn.utils side by side with torch: parametrizations, normalised weights, fusion, calls
with other parameters.

Needs torch; must not know how the helpers work.
"""

from __future__ import annotations

import copy
import importlib
import pickle
import warnings

import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")
np = pytest.importorskip("numpy")

BOTH = (torch, pycore)


def close(ours, theirs, tol=2e-6):
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), tol, tol)


def same_text(value):
    return repr(value).replace("pycore", "torch")


def outcome(call):
    """A value's text, or the error's type and text."""
    try:
        return same_text(call())
    except Exception as error:
        return type(error).__name__, str(error).replace("pycore", "torch").split("\nin ")[0]


def compare(scenario, tol=2e-6):
    """Run a scenario with both libraries: it yields tensors and texts, which must agree."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        theirs = list(scenario(torch))
        pycore.manual_seed(0)
        ours = list(scenario(pycore))
    assert len(ours) == len(theirs)
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        if isinstance(other, torch.Tensor):
            close(mine, other, tol)
        else:
            assert mine == other, f"step {number}"


def train(t, module, *inputs, steps=3):
    """Some steps of SGD; the outputs, the parameters and their gradients."""
    optimizer = t.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        out = module(*inputs)
        out.square().sum().backward()
        yield out
        for parameter in module.parameters():
            yield parameter.grad
        optimizer.step()
    yield from module.state_dict().values()


MODULES = {
    "linear": (lambda t: t.nn.Linear(4, 3), (2, 4)),
    "conv": (lambda t: t.nn.Conv2d(2, 4, 3), (1, 2, 5, 5)),
    "transposed": (lambda t: t.nn.ConvTranspose2d(2, 4, 3), (1, 2, 4, 4)),
    "conv1d": (lambda t: t.nn.Conv1d(2, 3, 2, bias=False), (2, 2, 5)),
}

NORMS = [
    lambda u, m: u.parametrizations.weight_norm(m),
    lambda u, m: u.parametrizations.weight_norm(m, dim=1),
    lambda u, m: u.parametrizations.weight_norm(m, dim=None),
    lambda u, m: u.weight_norm(m),
    lambda u, m: u.weight_norm(m, dim=1),
    lambda u, m: u.weight_norm(m, dim=None),
    lambda u, m: u.parametrizations.spectral_norm(m),
    lambda u, m: u.parametrizations.spectral_norm(m, n_power_iterations=3, dim=1),
    lambda u, m: u.spectral_norm(m),
    lambda u, m: u.spectral_norm(m, n_power_iterations=2, dim=1),
]


@pytest.mark.parametrize("number", range(len(NORMS)))
@pytest.mark.parametrize("name", MODULES)
def test_normalised_weights(name, number):
    make, shape = MODULES[name]

    def scenario(t):
        module = NORMS[number](t.nn.utils, make(t))
        yield same_text(module)
        yield same_text(list(module.state_dict()))
        yield same_text(dict(module.state_dict()._metadata))
        yield same_text([type(p).__name__ for p in module.parameters()])
        x = t.randn(shape)
        yield from train(t, module, x)
        yield module.eval()(x)
        yield module.weight
        other = NORMS[number](t.nn.utils, make(t))
        yield same_text(other.load_state_dict(module.state_dict()))
        yield other.eval()(x)
        copied = copy.deepcopy(module) if t.nn.utils.parametrize.is_parametrized(module) else module
        yield copied(x)
        yield same_text(copied)

    compare(scenario, 1e-5)


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_old_forms_are_removed(kind):
    def scenario(t):
        module = getattr(t.nn.utils, kind)(t.nn.Linear(4, 3))
        module(t.randn(2, 4))
        yield outcome(lambda: getattr(t.nn.utils, kind)(module))
        remove = getattr(t.nn.utils, f"remove_{kind}")
        yield remove(module).weight
        yield same_text(list(module.state_dict()))
        yield same_text(type(module.weight).__name__)
        yield len(module._forward_pre_hooks) + len(module._state_dict_hooks)
        yield outcome(lambda: remove(module))
        yield outcome(lambda: getattr(t.nn.utils, kind)(t.nn.LazyLinear(3)))

    compare(scenario)


def test_old_weight_norm_loads_into_the_new():
    def scenario(t):
        old, new = t.nn.Linear(4, 3), t.nn.Linear(4, 3)
        old, new = t.nn.utils.weight_norm(old), t.nn.utils.parametrizations.weight_norm(new)
        yield same_text(new.load_state_dict(old.state_dict()))
        yield new.weight

    compare(scenario)


def test_spectral_state_of_old_versions():
    def scenario(t):
        module = t.nn.utils.spectral_norm(t.nn.Linear(4, 3))
        module(t.randn(2, 4))
        state = module.state_dict()
        del state._metadata[""]["spectral_norm"]
        yield same_text(module.load_state_dict(state))
        state["weight"] = module.weight.detach()
        del state["weight_v"]
        other = t.nn.utils.spectral_norm(t.nn.Linear(4, 3)).eval()
        yield same_text(other.load_state_dict(state))
        yield other(t.ones(2, 4))
        del state["weight_u"]
        yield outcome(lambda: other.load_state_dict(state))

    compare(scenario, 1e-4)


def test_spectral_norm_of_vectors_and_errors():
    def scenario(t):
        u = t.nn.utils.parametrizations
        module = t.nn.Linear(4, 3)
        yield u.spectral_norm(module, "bias").bias
        yield outcome(lambda: u.spectral_norm(t.nn.Linear(2, 2), n_power_iterations=0))
        yield outcome(lambda: u.spectral_norm(t.nn.Linear(2, 2), dim=2))
        yield outcome(lambda: u.spectral_norm(t.nn.Linear(2, 2), "nothing"))
        yield outcome(lambda: t.nn.utils.spectral_norm(t.nn.Linear(2, 2), n_power_iterations=0))
        yield outcome(lambda: t.nn.utils.spectral_norm(t.nn.Linear(2, 2, bias=False), "bias"))

    compare(scenario)


SHAPES = [(3, 3), (5, 3), (3, 5)]


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("kind", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonal(shape, kind, trivial):
    def scenario(t):
        torch.set_default_dtype(torch.float64), pycore.set_default_dtype(pycore.float64)
        try:
            module = t.nn.Linear(shape[1], shape[0], bias=False)
            t.nn.utils.parametrizations.orthogonal(
                module, orthogonal_map=kind, use_trivialization=trivial
            )
            yield same_text(module)
            yield same_text(list(module.state_dict()))
            yield module.weight
            long = shape[0] >= shape[1]
            product = module.weight.T @ module.weight if long else module.weight @ module.weight.T
            yield t.eye(min(shape)) - product
            yield from train(t, module, t.randn(2, shape[1]), steps=2)
            yield outcome(lambda: setattr(module, "weight", t.eye(7)))
            target = t.nn.init.orthogonal_(t.empty(shape))

            def assign():
                module.weight = target

            yield outcome(assign)
            yield module.weight
        finally:
            torch.set_default_dtype(torch.float32), pycore.set_default_dtype(pycore.float32)

    compare(scenario, 1e-9)


def test_orthogonal_batches_and_errors():
    def scenario(t):
        o = t.nn.utils.parametrizations.orthogonal
        module = t.nn.Bilinear(3, 4, 2)
        o(module)
        yield module(t.ones(1, 3), t.ones(1, 4))
        yield outcome(lambda: o(t.nn.Linear(2, 2), "bias"))
        yield outcome(lambda: o(t.nn.Linear(2, 2), "nothing"))
        yield outcome(lambda: o(t.nn.Linear(2, 2), orthogonal_map="other"))

    compare(scenario, 1e-5)


def kinds(t):
    class Symmetric(t.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, x):
            return x.triu()

    class Double(t.nn.Module):
        def forward(self, x):
            return 2 * x

    class Sum(t.nn.Module):
        def forward(self, x, y):
            return x + y

        def right_inverse(self, z):
            return z * 0.25, z * 0.75

    class Wide(t.nn.Module):
        def forward(self, x):
            return t.cat([x, x])

    class Other(t.nn.Module):
        def forward(self, x):
            return x.double()

    class Text(t.nn.Module):
        def forward(self, x):
            return "x"

    class BadInverse(t.nn.Module):
        def forward(self, x):
            return x

        def right_inverse(self, x):
            return x.double()

    return Symmetric, Double, Sum, Wide, Other, Text, BadInverse


def test_parametrize():
    def scenario(t):
        Symmetric, Double, *_ = kinds(t)
        p = t.nn.utils.parametrize
        module = t.nn.Linear(3, 3)
        before = module.weight
        yield same_text(p.is_parametrized(module))
        assert p.register_parametrization(module, "weight", Symmetric()) is module
        yield same_text(module)
        yield same_text(p.is_parametrized(module, "weight")) + same_text(
            p.is_parametrized(module, "bias")
        )
        assert module.parametrizations.weight.original is before
        yield before
        yield same_text([n for n, _ in module.named_parameters()])
        yield same_text(p.type_before_parametrizations(module).__name__)
        yield same_text(isinstance(module, t.nn.Linear))
        yield from train(t, module, t.randn(2, 3))
        p.register_parametrization(module, "weight", Double())
        yield module.weight
        yield outcome(lambda: setattr(module, "weight", t.eye(3)))
        yield outcome(lambda: setattr(module, "weight", t.nn.Parameter(t.eye(3))))
        p.register_parametrization(module, "bias", Double())
        with p.cached():
            assert module.weight is module.weight
            assert module.bias is module.bias
        assert module.weight is not module.weight
        yield same_text(module)
        copied = copy.deepcopy(module)
        yield copied.weight
        assert copied.parametrizations.weight.original is not before
        yield outcome(lambda: pickle.dumps(module))
        yield same_text(list(module.state_dict()))
        yield same_text(module.double().weight.dtype)
        module.float()
        p.remove_parametrizations(module, "bias", leave_parametrized=False)
        yield module.bias
        value = module.weight.detach().clone()
        p.remove_parametrizations(module, "weight")
        yield module.weight - value
        assert module.weight is before and type(module) is t.nn.Linear
        yield same_text(module)
        yield same_text(hasattr(module, "parametrizations"))

    compare(scenario)


def test_parametrize_by_several_tensors():
    def scenario(t):
        _, Double, Sum, *_ = kinds(t)
        p = t.nn.utils.parametrize
        module = t.nn.Linear(3, 2)
        p.register_parametrization(module, "weight", Sum())
        yield same_text(list(module.state_dict()))
        yield module.weight
        module.weight = t.ones(2, 3)
        yield module.parametrizations.weight.original0
        yield module.parametrizations.weight.original1
        yield from train(t, module, t.randn(2, 3))
        other = t.nn.Linear(3, 2)
        p.transfer_parametrizations_and_params(module, other)
        yield other.weight
        assert other.parametrizations.weight.original0 is module.parametrizations.weight.original0
        yield outcome(lambda: p.remove_parametrizations(module, "weight", leave_parametrized=False))
        p.remove_parametrizations(module, "weight")
        yield module.weight
        yield same_text(type(module.weight).__name__)
        buffers = t.nn.BatchNorm1d(3)
        p.register_parametrization(buffers, "running_mean", Double())
        yield same_text(list(buffers.state_dict()))
        yield buffers.running_mean

    compare(scenario)


def test_parametrize_errors():
    def scenario(t):
        _, Double, _, Wide, Other, Text, BadInverse = kinds(t)
        p = t.nn.utils.parametrize
        register = p.register_parametrization
        for kind in (Wide, Other, Text, BadInverse):
            yield outcome(lambda kind=kind: register(t.nn.Linear(3, 3), "weight", kind()))
            module = register(t.nn.Linear(3, 3), "weight", Double())
            yield outcome(lambda kind=kind, m=module: register(m, "weight", kind()))
        for kind in (Wide, Other):
            module = register(t.nn.Linear(3, 3), "weight", kind(), unsafe=True)
            yield module.weight
        yield outcome(lambda: register(t.nn.Linear(3, 3), "nothing", Double()))
        yield outcome(lambda: p.remove_parametrizations(t.nn.Linear(3, 3), "weight"))
        module = register(t.nn.Linear(3, 3), "weight", Double())
        yield outcome(lambda: setattr(module, "weight", t.eye(3)))
        yield outcome(lambda: p.ParametrizationList([], t.eye(3)))

    compare(scenario)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["Conv2d", "ConvTranspose2d", "Linear"])
def test_fusion(kind, bias, affine):
    def scenario(t):
        x = t.randn(4, 3) if kind == "Linear" else t.randn(4, 3, 5, 5)
        layer = getattr(t.nn, kind)(3, 4, *([] if kind == "Linear" else [2]), bias=bias)
        bn = (t.nn.BatchNorm1d if kind == "Linear" else t.nn.BatchNorm2d)(4, affine=affine)
        bn(layer(x))
        layer.eval(), bn.eval()
        fuse = t.nn.utils.fusion
        if kind == "Linear":
            if not affine:
                return
            fused = fuse.fuse_linear_bn_eval(layer, bn)
        else:
            fused = fuse.fuse_conv_bn_eval(layer, bn, transpose=kind != "Conv2d")
        yield same_text(fused)
        yield fused(x)
        yield fused(x) - bn(layer(x))
        yield fused.weight
        yield same_text([p.requires_grad for p in fused.parameters()])
        yield outcome(lambda: fuse.fuse_conv_bn_eval(layer.train(), bn))
        yield outcome(lambda: fuse.fuse_linear_bn_eval(layer, bn))

    compare(scenario)


def test_skip_init():
    for t in BOTH:
        t.manual_seed(3)
        module = t.nn.utils.skip_init(t.nn.Linear, 5, 2)
        after = t.rand(2)
        t.manual_seed(3)
        assert after.tolist() == t.rand(2).tolist()
        assert tuple(module.weight.shape) == (2, 5)
    errors = [
        [outcome(lambda t=t: t.nn.utils.skip_init(t.nn.ReLU)) for t in BOTH],
        [outcome(lambda t=t: t.nn.utils.skip_init(dict))[0] for t in BOTH],
    ]
    for mine, other in errors:
        assert mine == other


def test_functional_call():
    def scenario(t):
        call = t.nn.utils.stateless.functional_call
        net = t.nn.Sequential(t.nn.Linear(3, 3), t.nn.BatchNorm1d(3), t.nn.Linear(3, 3))
        x = t.randn(4, 3)
        given = {"0.weight": t.ones(3, 3, requires_grad=True), "1.running_mean": t.ones(3)}
        mean = given["1.running_mean"]
        out = call(net, given, x)
        yield out
        out.sum().backward()
        yield given["0.weight"].grad
        yield same_text(net[0].weight.grad)
        yield net[1].running_mean
        assert given["1.running_mean"] is mean
        yield mean
        yield net[1].num_batches_tracked
        yield same_text([type(p).__name__ for p in net.parameters()])
        yield outcome(lambda: call(net, {"0.weight": t.ones(3, 3)}, x, strict=True))
        yield outcome(
            lambda: call(
                net, {"other": t.ones(3, 3), **dict(net.named_parameters())}, x, strict=True
            )
        )
        yield outcome(lambda: call(net, {"0.other.weight": t.ones(3, 3)}, x))
        yield outcome(lambda: call(net, {"0.weight": 3}, x))
        yield call(net, {"0.extra": t.ones(1)}, (x,))
        yield same_text(hasattr(net[0], "extra"))
        yield outcome(lambda: call(net, {"0.weight": t.ones(2, 2)}, x))[0]
        yield same_text([n for n, _ in net.named_parameters()])
        net[2].weight = net[0].weight
        tied = {"0.weight": t.ones(3, 3)}
        yield call(net, tied, x)
        yield outcome(lambda: call(net, {"0.weight": t.ones(3, 3), "2.weight": t.zeros(3, 3)}, x))
        yield call(net, {"0.weight": t.ones(3, 3)}, x, tie_weights=False)
        yield "end"

    compare(scenario, 1e-5)


def test_functional_call_of_several_dictionaries():
    def scenario(t):
        net = t.nn.Linear(3, 3)
        call, x = t.func.functional_call, t.randn(2, 3)
        weight, bias = {"weight": t.ones(3, 3)}, {"bias": t.ones(3)}
        yield call(net, (weight, bias), x)
        yield call(net, weight, (), {"input": x})
        yield outcome(lambda: call(net, (weight, weight), x))
        yield outcome(lambda: call(net, (weight, 3), x))
        yield outcome(lambda: call(net, 3, x))
        yield outcome(lambda: call(net, bias, x, strict=True))

    compare(scenario)


def test_memory_format():
    for t in BOTH:
        net = t.nn.Sequential(
            t.nn.Conv2d(3, 4, 2), t.nn.ConvTranspose2d(4, 3, 2), t.nn.Linear(1, 1)
        )
        x = t.ones(1, 3, 4, 4)
        before = net[:2](x)
        t.nn.utils.convert_conv2d_weight_memory_format(net, t.channels_last)
        assert bool((net[:2](x) - before).abs().max() < 1e-5)
        assert net[0].weight.is_contiguous(memory_format=t.channels_last)


def test_prune():
    def scenario(t):
        p = importlib.import_module(f"{t.__name__}.nn.utils.prune")
        steps = [
            lambda m: p.identity(m, "weight"),
            lambda m: p.random_unstructured(m, "weight", 0.3),
            lambda m: p.random_unstructured(m, "weight", 4),
            lambda m: p.l1_unstructured(m, "weight", 0.4),
            lambda m: p.l1_unstructured(m, "weight", 3, importance_scores=m.weight.neg().exp()),
            lambda m: p.random_structured(m, "weight", 0.4, 0),
            lambda m: p.random_structured(m, "weight", 1, -1),
            lambda m: p.ln_structured(m, "weight", 0.5, 2, 0),
            lambda m: p.ln_structured(m, "weight", 1, 1, -1),
            lambda m: p.custom_from_mask(m, "weight", t.eye(5, 4)),
        ]
        for first in steps:
            for second in steps:
                m = t.nn.Linear(4, 5)
                first(m), second(m)
                yield same_text(list(m.state_dict()))
                yield m.weight_mask
                yield m(t.ones(2, 4))
                m(t.ones(2, 4)).sum().backward()
                yield m.weight_orig.grad
                yield p.is_pruned(m)
                yield p.remove(m, "weight").weight
                yield p.is_pruned(m)
        a, b = t.nn.Linear(4, 5), t.nn.Conv1d(2, 3, 2)
        pairs = [(a, "weight"), (b, "weight"), (b, "bias")]
        p.global_unstructured(pairs, p.L1Unstructured, amount=0.5)
        p.global_unstructured(pairs, p.RandomUnstructured, amount=5)
        yield a.weight
        yield b.weight
        yield b.bias
        yield p.L1Unstructured(2).prune(t.arange(6.0))
        for call in (
            lambda: p.remove(t.nn.Linear(2, 2), "weight"),
            lambda: p.l1_unstructured(t.nn.Linear(2, 2), "weight", -1),
            lambda: p.l1_unstructured(t.nn.Linear(2, 2), "weight", 1.5),
            lambda: p.l1_unstructured(t.nn.Linear(2, 2), "weight", "x"),
            lambda: p.l1_unstructured(t.nn.Linear(2, 2), "weight", 5),
            lambda: p.random_structured(t.nn.Linear(2, 2), "bias", 1, 0),
            lambda: p.random_structured(t.nn.Linear(2, 2), "weight", 1, 2),
            lambda: p.global_unstructured(3, p.L1Unstructured, amount=1),
        ):
            yield outcome(call)

    compare(scenario, 1e-5)
