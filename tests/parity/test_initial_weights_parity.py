"""First weights: the same seed gives the same bits as in torch.

Every constructor of PyTorch's module samples and a list of layers' other options, single, in a row,
after `reset_parameters`, and the functions of `nn.init`.

Needs torch; must not know how a layer draws its weights.
"""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

from from_torch import convert, recorded_constructors  # noqa: E402
from torch.testing._internal.common_modules import module_db  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def same_bits(ours, theirs, what=""):
    """Values and signs of zero; NaN equals NaN."""
    assert tuple(ours.shape) == tuple(theirs.shape), what
    assert ours.detach().numpy().tobytes() == theirs.detach().numpy().tobytes(), what


def same_state(ours, theirs, what=""):
    state, reference = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(reference), what
    for key, value in reference.items():
        same_bits(state[key], value, f"{what} {key}")
    # The generators stand at the same place: what is drawn next is the same, too.
    same_bits(pycore.rand(3), torch.rand(3), f"{what}: numbers drawn")


def has_weights(info, sample):
    call = sample.constructor_input
    return bool(info.module_cls(*call.args, **call.kwargs).state_dict())


def constructors():
    """(class name, arguments) of every sample with weights, once."""
    seen = {}
    for info in module_db:
        if info.is_lazy:
            continue
        with recorded_constructors():
            samples = info.module_inputs_func(
                info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
            )
        for sample in samples:
            call = sample.constructor_input
            key = f"{info.module_cls.__name__}{call.args}{call.kwargs}"
            if key not in seen and has_weights(info, sample):
                seen[key] = (info.module_cls.__name__, call.args, call.kwargs)
    return list(seen.values())


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    SAMPLES = constructors()
NAMES = sorted({name for name, _, _ in SAMPLES})

HAND = [
    ("Linear", (7, 5), {"bias": False}),
    ("Linear", (40, 33), {"dtype": torch.float64}),
    ("Linear", (16, 4), {"dtype": torch.bfloat16}),
    ("Linear", (0, 3), {}),
    ("Bilinear", (3, 4, 5), {"bias": False}),
    ("Conv1d", (4, 6, 3, 2, 1, 1, 2, False), {}),
    ("Conv2d", (6, 4, (3, 2)), {"groups": 2, "padding_mode": "circular"}),
    ("Conv3d", (2, 4, 3), {"dtype": torch.float64}),
    ("ConvTranspose1d", (4, 6, 3), {"groups": 2}),
    ("ConvTranspose2d", (4, 6, (3, 2)), {"bias": False}),
    ("ConvTranspose3d", (4, 6, 2), {"stride": 2}),
    ("Embedding", (10, 3), {"padding_idx": -2}),
    ("Embedding", (50, 16), {"max_norm": 1.0}),
    ("EmbeddingBag", (10, 3), {"mode": "sum"}),
    ("EmbeddingBag", (50, 16), {"padding_idx": 3}),
    ("BatchNorm1d", (4,), {"affine": False}),
    ("BatchNorm2d", (4,), {"track_running_stats": False}),
    ("BatchNorm3d", (4,), {"bias": False}),
    ("SyncBatchNorm", (4,), {}),
    ("InstanceNorm1d", (4,), {"affine": True, "track_running_stats": True}),
    ("GroupNorm", (2, 4), {}),
    ("LayerNorm", ((3, 4),), {"bias": False}),
    ("RMSNorm", (4,), {}),
    ("PReLU", (5, 0.1), {}),
    ("RNN", (3, 4, 2), {"bidirectional": True, "nonlinearity": "relu"}),
    ("GRU", (3, 4, 2), {"bias": False}),
    ("LSTM", (3, 6, 2), {"proj_size": 2, "bidirectional": True}),
    ("RNNCell", (3, 4), {}),
    ("GRUCell", (3, 4), {"bias": False}),
    ("LSTMCell", (3, 4), {}),
    ("MultiheadAttention", (8, 2), {}),
    ("MultiheadAttention", (8, 2), {"kdim": 3, "vdim": 5, "add_bias_kv": True}),
    ("MultiheadAttention", (8, 2), {"bias": False}),
    ("TransformerEncoderLayer", (8, 2, 16), {"norm_first": True}),
    ("TransformerDecoderLayer", (8, 2, 16), {}),
    ("Transformer", (8, 2, 2, 1, 16), {}),
    ("AdaptiveLogSoftmaxWithLoss", (16, 20, [5, 10]), {"head_bias": True}),
    ("LinearCrossEntropyLoss", (6, 4), {}),
]


def pair(name, args, kwargs, record_property, seed=11):
    if not hasattr(pycore.nn, name):
        record_property("missing in initial weights", name)
        pytest.skip(f"pycore.nn.{name} is missing")
    torch.manual_seed(seed)
    theirs = getattr(torch.nn, name)(*args, **kwargs)
    given = convert(args), convert(kwargs)
    pycore.manual_seed(seed)
    return getattr(pycore.nn, name)(*given[0], **given[1]), theirs


def check(name, args, kwargs, record_property):
    what = f"{name}{args}{kwargs}"
    ours, theirs = pair(name, args, kwargs, record_property)
    record_property("cases of initial weights", 1)
    if kwargs.get("dtype") is torch.bfloat16:  # NumPy has none
        ours, theirs = ours.float(), theirs.float()
    same_state(ours, theirs, what)
    if hasattr(theirs, "reset_parameters"):
        theirs.reset_parameters(), ours.reset_parameters()
        same_state(ours, theirs, f"{what} after reset_parameters")
    for (_, mine), (_, other) in zip(ours.named_modules(), theirs.named_modules(), strict=True):
        assert hasattr(mine, "reset_parameters") == hasattr(other, "reset_parameters"), what


@pytest.mark.parametrize("name", NAMES)
def test_samples(name, record_property):
    for sample in SAMPLES:
        if sample[0] == name:
            check(*sample, record_property)


@pytest.mark.parametrize(("name", "args", "kwargs"), HAND)
def test_other_options(name, args, kwargs, record_property):
    check(name, args, kwargs, record_property)


MODELS = [
    lambda nn: nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 10)),
    lambda nn: nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.PReLU(6), nn.ConvTranspose2d(6, 3, 3)
    ),
    lambda nn: nn.Sequential(nn.Embedding(17, 6), nn.LayerNorm(6), nn.Linear(6, 17, bias=False)),
    lambda nn: nn.ModuleList([nn.Linear(n, n + 1) for n in range(1, 20)]),
    lambda nn: nn.ModuleDict({"a": nn.Bilinear(3, 4, 5), "b": nn.Conv1d(3, 4, 5)}),
]


@pytest.mark.parametrize("number", range(len(MODELS)))
def test_models(number):
    """Several layers draw one after the other, also when all are drawn anew by `apply`."""
    torch.manual_seed(4)
    theirs = MODELS[number](torch.nn)
    pycore.manual_seed(4)
    ours = MODELS[number](pycore.nn)
    same_state(ours, theirs)

    def redraw(module):
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()

    theirs.apply(redraw), ours.apply(redraw)
    same_state(ours, theirs)


SHAPES = [(3, 5), (16, 33), (4, 3, 5, 5), (6, 2, 3)]
INIT = {
    "uniform_": [((), {}), ((-2, 3), {})],
    "normal_": [((), {}), ((1.5, 0.2), {})],
    "trunc_normal_": [((), {}), ((0.5, 2.0, -1.0, 1.5), {})],
    "constant_": [((0.3,), {})],
    "ones_": [((), {})],
    "zeros_": [((), {})],
    "xavier_uniform_": [((), {}), ((2.0,), {})],
    "xavier_normal_": [((), {}), ((2.0,), {})],
    "kaiming_uniform_": [
        ((), {}),
        ((0.2, "fan_out", "leaky_relu"), {}),
        ((0, "fan_in", "relu"), {}),
    ],
    "kaiming_normal_": [
        ((), {}),
        ((0.2, "fan_out", "leaky_relu"), {}),
        ((0, "fan_in", "selu"), {}),
    ],
    "sparse_": [((0.3,), {}), ((0.5, 0.1), {})],
    "eye_": [((), {})],
    "dirac_": [((), {}), ((2,), {})],
}
ONLY = {"sparse_": {2}, "eye_": {2}, "dirac_": {3, 4, 5}}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", INIT)
def test_init_functions(name, dtype, record_property):
    for args, kwargs in INIT[name]:
        for shape in SHAPES:
            if len(shape) not in ONLY.get(name, {2, 3, 4}):
                continue
            theirs = torch.full(shape, 7.0, dtype=getattr(torch, dtype))
            ours = pycore.full(shape, 7.0, dtype=getattr(pycore, dtype))
            torch.manual_seed(8)
            assert getattr(torch.nn.init, name)(theirs, *args, **kwargs) is theirs
            pycore.manual_seed(8)
            assert getattr(pycore.nn.init, name)(ours, *args, **kwargs) is ours
            same_bits(ours, theirs, f"{name} {shape} {args} {kwargs}")
            same_bits(pycore.rand(3), torch.rand(3), f"{name} {shape} {args}: numbers drawn")
            record_property("cases of initial weights", 1)


def test_init_generators():
    """An own generator leaves the global stream alone."""
    for name in ("uniform_", "normal_", "trunc_normal_", "xavier_normal_", "kaiming_uniform_"):
        results = []
        for package in (torch, pycore):
            package.manual_seed(1)
            generator = package.Generator().manual_seed(5)
            tensor = package.empty(5, 7)
            getattr(package.nn.init, name)(tensor, generator=generator)
            results.append((tensor, package.rand(2)))
        same_bits(results[1][0], results[0][0], name)
        same_bits(results[1][1], results[0][1], name)


@pytest.mark.parametrize("rows_columns", [(4, 4), (3, 5), (5, 3), (4, 2, 3)])
def test_orthogonal(rows_columns):
    """The factorisation is LAPACK's here and there, so equal up to its rounding."""
    torch.manual_seed(2)
    theirs = torch.nn.init.orthogonal_(torch.empty(rows_columns), 1.5)
    pycore.manual_seed(2)
    ours = pycore.nn.init.orthogonal_(pycore.empty(rows_columns), 1.5)
    assert abs(ours.numpy() - theirs.numpy()).max() < 3e-6
    same_bits(pycore.rand(3), torch.rand(3))
