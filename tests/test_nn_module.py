"""The protocol of `Module`: registration, traversal, state, hooks, conversion, printing."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import pytest

import pycore
from pycore import nn
from pycore.nn.modules import module as module_file


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 3)
        self.body = nn.Sequential(nn.ReLU(), nn.Linear(3, 2))
        self.register_buffer("count", pycore.zeros(2))
        self.register_buffer("scratch", pycore.ones(1), persistent=False)
        self.scale = nn.Parameter(pycore.ones(2))

    def forward(self, x, factor=1.0):
        return self.body(self.fc1(x)) * self.scale * factor


def values(tensor):
    return tensor.detach().tolist()


# ---- registration ------------------------------------------------------------------------------


def test_attributes_register_by_kind():
    net = Net()
    assert list(net._parameters) == ["scale"]
    assert list(net._modules) == ["fc1", "body"]
    assert list(net._buffers) == ["count", "scratch"]
    assert "scale" not in net.__dict__ and "fc1" not in net.__dict__
    net.plain = 3
    assert net.__dict__["plain"] == 3


def test_reassignment_moves_between_tables():
    net = nn.Module()
    net.x = 5
    net.x = nn.Parameter(pycore.zeros(1))
    assert list(net._parameters) == ["x"] and "x" not in net.__dict__
    net.x = None
    assert net.x is None and list(net._parameters) == ["x"]
    del net.x
    net.x = 5
    net.x = nn.ReLU()
    assert list(net._modules) == ["x"] and "x" not in net.__dict__
    net.x = nn.Parameter(pycore.zeros(1))
    assert list(net._parameters) == ["x"] and not net._modules
    del net.x
    net.x = nn.ReLU()
    net.x = None
    assert net.x is None and list(net._modules) == ["x"]
    del net.x
    assert not hasattr(net, "x")
    net.b = nn.Buffer(pycore.zeros(1))
    first = net.b
    net.b = pycore.ones(1)
    assert list(net._buffers) == ["b"] and net.b is not first
    net.b = None
    assert net.b is None
    net.hidden = nn.Buffer(pycore.zeros(1), persistent=False)
    assert "hidden" not in net.state_dict()


def test_parameter_keeps_its_identity():
    p = nn.Parameter(pycore.zeros(2))
    net = nn.Module()
    net.p = p
    assert net.p is p and next(net.parameters()) is p
    p.tag = "kept"
    assert net.p.tag == "kept"
    assert isinstance(net.p, nn.Parameter) and isinstance(net.p, pycore.Tensor)
    assert not isinstance(net.p * 2, nn.Parameter)


def test_buffer_and_parameter_types():
    assert isinstance(nn.Buffer(pycore.zeros(1)), nn.Buffer)
    assert not isinstance(pycore.zeros(1), nn.Buffer)
    assert nn.Parameter().shape == (0,)
    assert nn.Parameter(pycore.zeros(1), requires_grad=False).requires_grad is False
    with pytest.raises(RuntimeError, match="Only Tensors of floating point"):
        nn.Parameter(pycore.zeros(2, dtype=pycore.int64))


def test_before_init():
    class Early(nn.Module):
        def __init__(self):
            self.p = nn.Parameter(pycore.zeros(1))

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Early()


def test_missing_attribute_names_the_class():
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'nothing'"):
        Net().nothing  # noqa: B018


def test_property_errors_stay_visible():
    class Broken(nn.Module):
        @property
        def value(self):
            return self.missing

    with pytest.raises(AttributeError):
        Broken().value  # noqa: B018


def test_non_leaf_parameter_is_refused():
    with pytest.raises(TypeError, match="cannot assign"):
        nn.Module().register_parameter("w", nn.Parameter(pycore.zeros(1)) * 2)


def test_call_super_init():
    class Base:
        def __init__(self, tag):
            self.tag = tag

    class Both(nn.Module, Base):
        call_super_init = True

        def __init__(self):
            super().__init__(tag="here")

    assert Both().tag == "here"


# ---- traversal ---------------------------------------------------------------------------------


def test_names():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale",
        "fc1.weight",
        "fc1.bias",
        "body.1.weight",
        "body.1.bias",
    ]
    assert [n for n, _ in net.named_modules()] == ["", "fc1", "body", "body.0", "body.1"]
    assert [n for n, _ in net.named_children()] == ["fc1", "body"]
    assert [n for n, _ in net.named_buffers()] == ["count", "scratch"]
    assert [n for n, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert len(list(net.buffers())) == 2 and len(list(net.modules())) == 5


def test_shared_parameters_count_once():
    net = Net()
    net.again = net.fc1
    assert len(list(net.parameters())) == 5
    assert len(list(net.named_parameters(remove_duplicate=False))) == 7
    assert len(list(net.children())) == 2
    assert len(net.state_dict()) == 8  # a state dict keeps both names


def test_get_and_set_by_path():
    net = Net()
    assert net.get_submodule("body.0") is net.body[0]
    assert net.get_submodule("") is net
    assert net.get_parameter("body.1.bias") is net.body[1].bias
    assert net.get_buffer("count") is net.count
    net.set_submodule("body.0", nn.Tanh())
    assert isinstance(net.body[0], nn.Tanh)
    with pytest.raises(AttributeError, match="Net has no attribute `x`"):
        net.get_submodule("x.y")


def test_apply_visits_children_first():
    seen = []
    assert Net().apply(lambda m: seen.append(type(m).__name__)) is not None
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


def test_train_eval_requires_grad_zero_grad():
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    net.requires_grad_()
    net(pycore.ones(1, 4)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all(p.grad.abs().sum().item() == 0 for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_conversion_keeps_identity_and_integers():
    net = Net()
    net.register_buffer("steps", pycore.tensor(3))
    before = list(net.parameters())
    net(pycore.ones(1, 4)).sum().backward()
    assert net.double() is net
    assert [id(p) for p in net.parameters()] == [id(p) for p in before]
    assert all(p.dtype == pycore.float64 for p in net.parameters())
    assert all(p.grad.dtype == pycore.float64 for p in net.parameters())
    assert net.count.dtype == pycore.float64 and net.steps.dtype == pycore.int64
    assert net.to(pycore.float32).scale.dtype == pycore.float32
    assert net.to("cpu").to(device="cpu", dtype=pycore.float64).scale.dtype == pycore.float64
    assert net.to(pycore.zeros(1)).scale.dtype == pycore.float32
    assert net.half().scale.dtype == pycore.float16
    assert net.bfloat16().scale.dtype == pycore.bfloat16
    assert net.float().cpu().scale.dtype == pycore.float32
    with pytest.raises(TypeError, match="only accepts floating point"):
        net.to(pycore.int32)
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        net.to(1, 2, 3, 4, 5)
    assert all(p.is_leaf and p.requires_grad for p in net.parameters())


def test_to_empty():
    net = Net().to_empty(device="cpu")
    assert net.fc1.weight.shape == (3, 4)


# ---- state dicts -------------------------------------------------------------------------------


def test_state_dict_round_trip():
    a, b = Net(), Net()
    state = a.state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == [
        "scale",
        "count",
        "fc1.weight",
        "fc1.bias",
        "body.1.weight",
        "body.1.bias",
    ]
    assert not any(t.requires_grad for t in state.values())
    assert any(t.requires_grad for t in a.state_dict(keep_vars=True).values())
    assert next(iter(a.state_dict(prefix="m."))) == "m.scale"
    assert repr(b.load_state_dict(state)) == "<All keys matched successfully>"
    for name, tensor in b.state_dict().items():
        assert values(tensor) == values(state[name])
    assert list(state) == list(a.state_dict()), "loading must not change the given dictionary"


def test_state_dict_shares_storage():
    net = Net()
    net.state_dict()["scale"].fill_(7.0)
    assert values(net.scale) == [7.0, 7.0]


def test_strict_errors_list_everything():
    net = Net()
    state = net.state_dict()
    del state["scale"]
    state["extra"] = pycore.zeros(1)
    state["fc1.weight"] = pycore.zeros(1, 1)
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    text = str(error.value)
    assert text.startswith("Error(s) in loading state_dict for Net:\n\t")
    assert 'Missing key(s) in state_dict: "scale". ' in text
    assert 'Unexpected key(s) in state_dict: "extra". ' in text
    assert "size mismatch for fc1.weight: copying a param with shape" in text
    del state["fc1.weight"]
    keys = net.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["scale", "fc1.weight"] and keys.unexpected_keys == ["extra"]


def test_assign_takes_tensors_over():
    net = Net()
    state = {k: v.double() for k, v in net.state_dict().items()}
    net.load_state_dict(state, assign=True)
    assert net.scale.dtype == pycore.float64
    assert isinstance(net.scale, nn.Parameter) and net.scale.requires_grad
    assert net.count is state["count"]


def test_extra_state():
    class Extra(nn.Module):
        note = None

        def get_extra_state(self):
            return {"note": self.note}

        def set_extra_state(self, state):
            self.note = state["note"]

    a, b = Extra(), Extra()
    a.note = "hello"
    b.load_state_dict(a.state_dict())
    assert b.note == "hello"
    with pytest.raises(RuntimeError, match=r'Missing key.*"_extra_state"'):
        b.load_state_dict({})
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"_extra_state"'):
        nn.ReLU().load_state_dict(a.state_dict())


def test_state_dict_hooks():
    net, log = Net(), []
    handles = [
        net.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(("pre", prefix, keep))),
        net.register_state_dict_post_hook(lambda m, s, p, meta: s.__delitem__("scale")),
        net.register_load_state_dict_pre_hook(
            lambda m, s, prefix, meta, strict, missing, unexpected, errors: s.update(
                scale=pycore.zeros(2)
            )
        ),
        net.register_load_state_dict_post_hook(lambda m, keys: log.append(("loaded", len(keys)))),
    ]
    state = net.state_dict()
    assert "scale" not in state and log == [("pre", "", False)]
    net.load_state_dict(state)
    assert values(net.scale) == [0.0, 0.0] and log[-1] == ("loaded", 2)
    for handle in handles:
        handle.remove()
    assert "scale" in net.state_dict() and len(log) == 2


def test_private_state_dict_hook_replaces():
    net = nn.Linear(1, 1)
    net._register_state_dict_hook(lambda m, state, prefix, meta: {"only": 1})
    assert net.state_dict() == {"only": 1}


def test_metadata_versions():
    meta = nn.Sequential(nn.BatchNorm1d(2)).state_dict()._metadata
    assert meta[""] == {"version": 1} and meta["0"] == {"version": 2}


def test_old_batchnorm_state_loads():
    state = nn.BatchNorm1d(2).state_dict()
    del state["num_batches_tracked"]
    del state._metadata
    nn.BatchNorm1d(2).load_state_dict(state)


# ---- hooks -------------------------------------------------------------------------------------


def test_forward_hooks_see_and_replace():
    net = nn.Linear(2, 2, bias=False)
    with pycore.no_grad():
        net.weight.copy_(pycore.eye(2))
    x = pycore.ones(1, 2)
    pre = net.register_forward_pre_hook(lambda m, args: args[0] * 2)
    post = net.register_forward_hook(lambda m, args, out: out + args[0])
    assert values(net(x)) == [[4.0, 4.0]]
    pre.remove()
    assert values(net(x)) == [[2.0, 2.0]]
    post.remove()
    assert values(net(x)) == [[1.0, 1.0]]


def test_kwargs_hooks_and_order():
    net, log = Net(), []
    net.register_forward_pre_hook(lambda m, a: log.append(1))
    net.register_forward_pre_hook(
        lambda m, a, kw: (log.append(0), (a, {"factor": kw["factor"] * 2}))[1],
        with_kwargs=True,
        prepend=True,
    )
    net.register_forward_hook(lambda m, a, kw, out: log.append(kw["factor"]), with_kwargs=True)
    x = pycore.ones(1, 4)
    doubled = net(x, factor=2.0)
    assert log == [0, 1, 4.0]
    assert pycore.allclose(doubled, net.forward(x, factor=4.0))


def test_bad_pre_hook_result():
    net = nn.ReLU()
    net.register_forward_pre_hook(lambda m, a, kw: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple"):
        net(pycore.ones(1))


def test_always_called_hook_runs_after_an_error():
    log = []

    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    net = Fails()
    net.register_forward_hook(lambda m, a, out: log.append("skipped"))
    net.register_forward_hook(lambda m, a, out: log.append(out), always_call=True)
    with pytest.raises(ValueError, match="no"):
        net(1)
    assert log == [None]


def test_hook_handle_as_context():
    net, log = nn.ReLU(), []
    with net.register_forward_hook(lambda m, a, out: log.append(1)):
        net(pycore.ones(1))
    net(pycore.ones(1))
    assert log == [1]


def test_global_hooks_reach_every_module():
    log = []
    handles = [
        module_file.register_module_forward_pre_hook(lambda m, a: log.append("pre")),
        module_file.register_module_forward_hook(lambda m, a, out: log.append(type(m).__name__)),
    ]
    try:
        nn.Sequential(nn.ReLU())(pycore.ones(1))
    finally:
        for handle in handles:
            handle.remove()
    assert log == ["pre", "pre", "ReLU", "Sequential"]
    nn.ReLU()(pycore.ones(1))
    assert len(log) == 4


def test_registration_hooks():
    names = []
    handles = [
        module_file.register_module_parameter_registration_hook(
            lambda m, name, p: names.append(("p", name))
        ),
        module_file.register_module_buffer_registration_hook(
            lambda m, name, b: names.append(("b", name))
        ),
        module_file.register_module_module_registration_hook(
            lambda m, name, child: names.append(("m", name))
        ),
    ]
    try:
        nn.Sequential(nn.Linear(1, 1, bias=False)).register_buffer("x", None)
    finally:
        for handle in handles:
            handle.remove()
    assert names == [("p", "weight"), ("m", "0"), ("b", "x")]


def test_full_backward_hooks():
    net = nn.Linear(2, 1, bias=False)
    with pycore.no_grad():
        net.weight.fill_(3.0)
    log = []
    net.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    net.register_full_backward_hook(lambda m, gi, go: log.append((values(gi[0]), values(go[0]))))
    handle = net.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    x = pycore.ones(1, 2, requires_grad=True)
    net(x).sum().backward()
    assert log == [([[6.0, 6.0]], [[2.0]])]
    assert values(x.grad) == [[60.0, 60.0]]
    assert values(net.weight.grad) == [[2.0, 2.0]]
    handle.remove()
    x.grad = None
    net(x).sum().backward()
    assert values(x.grad) == [[6.0, 6.0]]


def test_global_full_backward_hook():
    log = []
    handle = module_file.register_module_full_backward_hook(
        lambda m, gi, go: log.append(type(m).__name__)
    )
    try:
        x = pycore.ones(1, 2, requires_grad=True)
        nn.Sequential(nn.Linear(2, 2), nn.ReLU())(x).sum().backward()
    finally:
        handle.remove()
    assert log == ["ReLU", "Linear", "Sequential"]


def test_backward_hooks_do_not_mix():
    net = nn.ReLU()
    net.register_full_backward_hook(lambda m, gi, go: None)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks"):
        net.register_backward_hook(lambda m, gi, go: None)


# ---- calls and errors --------------------------------------------------------------------------


def test_error_notes_name_the_place():
    net = Net()
    with pytest.raises(RuntimeError) as error:
        net(pycore.ones(1, 5))
    assert error.value.__notes__ == [
        "in Net.fc1 (Linear(in_features=4, out_features=3, bias=True))"
    ]
    with pytest.raises(RuntimeError) as error:
        nn.Sequential(nn.Sequential(nn.Linear(2, 2)))(pycore.ones(1, 3))
    assert error.value.__notes__[0].startswith("in Sequential.0.0 (Linear(")


def test_forward_is_required():
    with pytest.raises(NotImplementedError, match='missing the required "forward" function'):
        nn.Module()(1)


def test_replaced_forward_is_used():
    net = nn.ReLU()
    net.forward = lambda x: "mine"
    assert net(pycore.ones(1)) == "mine"


# ---- printing, copying, memory -----------------------------------------------------------------


def test_repr():
    assert repr(Net()) == (
        "Net(\n"
        "  (fc1): Linear(in_features=4, out_features=3, bias=True)\n"
        "  (body): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Linear(in_features=3, out_features=2, bias=True)\n"
        "  )\n"
        ")"
    )
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])
    assert repr(layers) == (
        "ModuleList(\n"
        "  (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n"
        "  (2): ReLU()\n"
        ")"
    )
    assert repr(nn.Parameter(pycore.zeros(2))) == (
        "Parameter containing:\ntensor([0., 0.], requires_grad=True)"
    )


def test_dir_lists_everything():
    assert {"fc1", "scale", "count", "forward", "training"} <= set(dir(Net()))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    net = Net()
    again = pickle.loads(pickle.dumps(net, protocol))
    x = pycore.ones(1, 4)
    assert values(again(x)) == values(net(x))
    assert again.fc1.weight.requires_grad and isinstance(again.fc1.weight, nn.Parameter)


def test_pickled_parameter_keeps_its_attributes():
    p = nn.Parameter(pycore.ones(2), requires_grad=False)
    p.tag = "x"
    again = pickle.loads(pickle.dumps(p))
    assert again.tag == "x" and not again.requires_grad and type(again) is nn.Parameter
    twin = copy.deepcopy(p)
    assert twin.tag == "x" and twin is not p and values(twin) == values(p)


def test_deepcopy_is_independent_and_keeps_sharing():
    net = Net()
    net.tied = net.scale
    twin = copy.deepcopy(net)
    assert twin.tied is twin.scale and twin.scale is not net.scale
    with pycore.no_grad():
        twin.scale.fill_(5.0)
    assert values(net.scale) == [1.0, 1.0]
    hooked = nn.ReLU()
    hooked.register_forward_hook(lambda m, a, out: "hook")
    assert copy.deepcopy(hooked)(pycore.ones(1)) == "hook"


def test_modules_are_freed_without_the_collector():
    gc.disable()
    try:
        net = Net()
        net.register_forward_hook(lambda m, a, out: None)
        net(pycore.ones(1, 4)).sum().backward()
        probe = weakref.ref(net)
        del net
        assert probe() is None
    finally:
        gc.enable()


# ---- containers --------------------------------------------------------------------------------


def test_sequential_as_a_list():
    net = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh()))
    assert net.a is net[0] and len(net) == 2 and isinstance(net[-1], nn.Tanh)
    assert list(net[:1]._modules) == ["a"]
    net[0] = nn.Sigmoid()
    assert isinstance(net.a, nn.Sigmoid)
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    del net[1]
    assert list(net._modules) == ["0", "1"] and isinstance(net[1], nn.Sigmoid)
    net.append(nn.ELU()).insert(0, nn.GELU()).extend([nn.SiLU()])
    assert [type(m).__name__ for m in net] == ["GELU", "ReLU", "Sigmoid", "ELU", "SiLU"]
    assert isinstance(net.pop(0), nn.GELU) and len(net) == 4
    assert len(net + net) == 8 and len(net * 2) == 8 and len(2 * net) == 8
    net *= 2
    assert len(net) == 8


def test_module_list():
    layers = nn.ModuleList([nn.ReLU()])
    layers += [nn.Tanh(), nn.ELU()]
    layers.append(nn.SiLU()).extend([nn.GELU()])
    layers.insert(1, nn.Sigmoid())
    names = [type(m).__name__ for m in layers]
    assert names == ["ReLU", "Sigmoid", "Tanh", "ELU", "SiLU", "GELU"]
    assert isinstance(layers[1:3], nn.ModuleList) and len(layers[1:3]) == 2
    del layers[1:4]
    assert [type(m).__name__ for m in layers] == ["ReLU", "SiLU", "GELU"]
    assert list(layers._modules) == ["0", "1", "2"] and isinstance(layers[-1], nn.GELU)
    assert isinstance(layers.pop(0), nn.ReLU) and len(layers + layers) == 4
    with pytest.raises(IndexError, match="index 9 is out of range"):
        layers[9]
    with pytest.raises(NotImplementedError):
        layers(1)


def test_module_dict():
    d = nn.ModuleDict({"a": nn.ReLU()})
    d["b"] = nn.Tanh()
    d.update([("c", nn.ELU())])
    assert list(d) == ["a", "b", "c"] == list(d.keys()) and "a" in d and len(d) == 3
    assert isinstance(d.pop("a"), nn.ReLU) and [k for k, _ in d.items()] == ["b", "c"]
    del d["b"]
    assert len(list(d.values())) == 1
    d.clear()
    assert len(d) == 0


def test_parameter_list_and_dict():
    p = nn.ParameterList([pycore.zeros(1), nn.Parameter(pycore.ones(2))])
    p.append(pycore.ones(3))
    p += [pycore.ones(4)]
    assert len(p) == 4 and len(list(p.parameters())) == 4
    assert [t.numel() for t in p] == [1, 2, 3, 4] and p[-1].numel() == 4
    p[0] = pycore.ones(5)
    assert isinstance(p[0], nn.Parameter) and list(p.state_dict()) == ["0", "1", "2", "3"]
    assert [t.numel() for t in p[1:3]] == [2, 3]
    d = nn.ParameterDict({"a": pycore.zeros(1)})
    d["b"] = pycore.ones(2)
    assert list(d.keys()) == ["a", "b"] and d.get("c") is None and "a" in d
    assert d.setdefault("c", pycore.ones(3)).numel() == 3
    assert len(list(d.parameters())) == 3 and d.popitem()[0] == "c"
    merged = d | nn.ParameterDict({"z": pycore.ones(1)})
    assert list(merged) == ["a", "b", "z"] and list(d) == ["a", "b"]
    assert d.pop("a").numel() == 1 and len(d.copy()) == 1
    del d["b"]
    assert len(d) == 0 and len(list(d.parameters())) == 0


def test_unflatten_and_identity():
    assert nn.Identity(1, x=2)(3) == 3
    assert nn.Unflatten(1, (2, 3))(pycore.zeros(4, 6)).shape == (4, 2, 3)
