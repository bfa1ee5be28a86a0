"""Recurrent layers side by side with torch: values, every gradient, second derivatives, streams."""

from __future__ import annotations

import importlib
import warnings

import pytest

import pycore

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

# hidden, features, batch, steps, options
SHAPES = [
    (4, 3, 2, 5, {}),
    (32, 16, 1, 7, {}),
    (33, 5, 1, 4, {"num_layers": 2, "bidirectional": True}),
    (40, 7, 9, 6, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    (20, 6, 33, 3, {"bidirectional": True, "bias": False}),
    (6, 3, 5, 1, {"num_layers": 2, "batch_first": True}),
    (130, 11, 16, 3, {}),
    (17, 3, 4, 5, {"num_layers": 2, "bidirectional": True, "proj_size": 5}),
    (70, 9, 3, 4, {"batch_first": True, "proj_size": 36, "bias": False}),
]
KINDS = ["LSTM", "GRU", "RNN", "RNN relu"]
TOLERANCE = {"float32": 3e-5, "float64": 1e-11}


def pair(kind, features, hidden, dtype, options):
    """The layer in torch and here, from the same seed."""
    name, _, nonlinearity = kind.partition(" ")
    if nonlinearity:
        options = {**options, "nonlinearity": nonlinearity}
    layers = []
    for package in (torch, pycore):
        package.manual_seed(5)
        layer = getattr(package.nn, name)
        layers.append(layer(features, hidden, dtype=getattr(package, dtype), **options))
    return layers


def cases(second=False):
    for kind in KINDS:
        for shape in SHAPES:
            if "proj_size" in shape[4] and kind != "LSTM":
                continue
            if second and shape[0] > 40:
                continue
            yield pytest.param(kind, *shape, id=f"{kind} {shape}")


def here(t):
    return pycore.tensor(t.detach().numpy().tolist(), dtype=getattr(pycore, str(t.dtype)[6:]))


def assert_close(ours, theirs, tolerance):
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert tuple(a.shape) == tuple(b.shape)
        b = b.detach().numpy()
        scale = max(1.0, np.abs(b).max()) if b.size else 1.0
        assert np.abs(a.detach().numpy() - b).max(initial=0) < tolerance * scale, i


def draw(layer, batch, steps, features, dtype):
    """Input, states and weights of the results, as torch tensors."""
    torch.manual_seed(9)
    d = getattr(torch, dtype)
    cells = layer.num_layers * (2 if layer.bidirectional else 1)
    state = layer.proj_size or layer.hidden_size
    lead = (batch, steps) if layer.batch_first else (steps, batch)
    x = torch.randn(*lead, features, dtype=d)
    h = torch.randn(cells, batch, state, dtype=d)
    c = torch.randn(cells, batch, layer.hidden_size, dtype=d)
    inputs = [x, h, c] if layer.mode == "LSTM" else [x, h]
    return inputs, [torch.randn(*lead, state * (2 if layer.bidirectional else 1), dtype=d), h * 2]


def results(layer, inputs):
    x, *states = inputs
    out, last = layer(x, tuple(states) if layer.mode == "LSTM" else states[0])
    return [out, *last] if layer.mode == "LSTM" else [out, last]


def loss(values, weights):
    total = (values[0] * weights[0]).sum() + (values[1] * weights[1]).sum()
    return total if len(values) == 2 else total + (values[2] * values[2]).sum()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind, hidden, features, batch, steps, options", list(cases()))
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_values_and_gradients(kind, hidden, features, batch, steps, options, dtype):
    theirs, ours = pair(kind, features, hidden, dtype, options)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert (a.detach().numpy() == b.detach().numpy()).all()
    inputs, weights = draw(theirs, batch, steps, features, dtype)
    there = [t.clone().requires_grad_() for t in inputs]
    own = [here(t).requires_grad_() for t in inputs]
    b, a = results(theirs, there), results(ours, own)
    assert_close(a, b, TOLERANCE[dtype])
    assert a[0].stride() == b[0].stride()
    assert [t.grad_fn.name() for t in a[1:]] == [t.grad_fn.name() for t in b[1:]]
    loss(b, weights).backward()
    loss(a, [here(w) for w in weights]).backward()
    everything = (
        [t.grad for t in [*own, *ours.parameters()]],
        [t.grad for t in [*there, *theirs.parameters()]],
    )
    assert_close(*everything, TOLERANCE[dtype])


@pytest.mark.parametrize("kind, hidden, features, batch, steps, options", list(cases(second=True)))
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_second_derivatives(kind, hidden, features, batch, steps, options):
    theirs, ours = pair(kind, features, hidden, "float64", options)
    inputs, weights = draw(theirs, batch, steps, features, "float64")

    def second(package, layer, inputs, weights):
        wanted = [*(t.requires_grad_() for t in inputs), *layer.parameters()]
        first = package.autograd.grad(
            loss(results(layer, inputs), weights), wanted, create_graph=True
        )
        squares = sum((g * g).sum() for g in first)
        # Where relu leaves nothing to differentiate, torch gives zeros and others may give None.
        found = package.autograd.grad(squares, wanted, allow_unused=True)
        return [w.detach() * 0 if g is None else g for g, w in zip(found, wanted, strict=True)]

    b = second(torch, theirs, [t.clone() for t in inputs], weights)
    a = second(pycore, ours, [here(t) for t in inputs], [here(w) for w in weights])
    assert_close(a, b, 1e-9)


@pytest.mark.parametrize("lengths, ordered", [([5, 3, 3, 1], True), ([2, 7, 1, 7], False)])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_packed(kind, options, lengths, ordered):
    theirs, ours = pair(kind, 3, 18, "float64", options)
    inputs, weights = draw(theirs, len(lengths), max(lengths), 3, "float64")

    def run(package, layer, inputs, weights):
        rnn = importlib.import_module(package.__name__ + ".nn.utils.rnn")
        x, *states = [t.requires_grad_() for t in inputs]
        packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=ordered)
        out, *last = results(layer, [packed, *states])
        padded, got = rnn.pad_packed_sequence(out)
        assert got.tolist() == lengths
        values = [padded, *last]
        wanted = [x, *states, *layer.parameters()]
        return [
            out.data, out.batch_sizes, *values,
            *package.autograd.grad(loss(values, weights), wanted),
        ], packed  # fmt: skip

    b, theirs_packed = run(torch, theirs, [t.clone() for t in inputs], weights)
    a, ours_packed = run(pycore, ours, [here(t) for t in inputs], [here(w) for w in weights])
    assert_close(a, b, 1e-11)
    for x, y in zip(ours_packed, theirs_packed, strict=True):
        assert (x is None) == (y is None)
        if y is not None:
            assert x.tolist() == y.tolist()
    assert repr(ours_packed).replace("pycore.", "") == repr(theirs_packed).replace("torch.", "")


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_dropout_streams(kind, batch_first):
    """The same elements are dropped, between layers and by what follows the layer."""
    options = {"num_layers": 3, "dropout": 0.4, "batch_first": batch_first, "bidirectional": True}
    theirs, ours = pair(kind, 3, 8, "float32", options)
    x = torch.randn(4, 5, 3)
    values = []
    for package, layer, data in ((torch, theirs, x), (pycore, ours, here(x))):
        package.manual_seed(21)
        out, _ = layer(data)
        values.append(package.nn.functional.dropout(out, 0.5))
    assert_close([values[1]], [values[0]], 3e-5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell", "RNNCell relu"])
def test_cells(kind, bias):
    name, _, nonlinearity = kind.partition(" ")
    options = {"nonlinearity": nonlinearity} if nonlinearity else {}
    layers = []
    for package in (torch, pycore):
        package.manual_seed(5)
        layers.append(getattr(package.nn, name)(5, 19, bias, **options))
    theirs, ours = layers
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    x, h, c = torch.randn(3, 5), torch.randn(3, 19), torch.randn(3, 19)

    def run(layer, *tensors):
        x, h, c = (t.requires_grad_() for t in tensors)
        out = layer(x, (h, c) if name == "LSTMCell" else h)
        values = list(out) if name == "LSTMCell" else [out]
        sum((v * v).sum() for v in values).backward()
        names = [v.grad_fn.name() for v in values[:1]]
        grads = [t.grad for t in (x, h, c, *layer.parameters()) if t.grad is not None]
        return names, [*values, *grads]

    there_names, there = run(theirs, x.clone(), h.clone(), c.clone())
    own_names, own = run(ours, here(x), here(h), here(c))
    assert own_names == there_names
    assert_close(own, there, 3e-5)


MISTAKES = [
    lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 2)),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(2)),
    lambda t: t.nn.RNN(3, 4)(t.zeros(2)),
    lambda t: t.nn.GRU(3, 4)(t.zeros(2)),
    lambda t: t.nn.GRU(3, 4)(t.zeros(5, 2, 3), t.zeros(2, 4)),
    lambda t: t.nn.GRU(3, 4)(t.zeros(5, 3), t.zeros(1, 1, 4)),
    lambda t: t.nn.GRU(3, 4)(t.zeros(5, 2, 3), t.zeros(1, 3, 4)),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3), (t.zeros(1, 2, 4), t.zeros(1, 2, 5))),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3), (t.zeros(2, 4), t.zeros(2, 4))),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 3), (t.zeros(1, 2, 4), t.zeros(1, 2, 4))),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(0, 2, 3)),
    lambda t: t.nn.LSTM(3, 4, proj_size=4),
    lambda t: t.nn.LSTM(3, 4, proj_size=-1),
    lambda t: t.nn.GRU(3, 4, proj_size=2),
    lambda t: t.nn.RNN(3, 4, nonlinearity="sin"),
    lambda t: t.nn.LSTM(3.0, 4),
    lambda t: t.nn.LSTM(0, 4),
    lambda t: t.nn.LSTM(3, 0),
    lambda t: t.nn.LSTM(3, 4, num_layers=0),
    lambda t: t.nn.LSTM(3, 4, bias=1),
    lambda t: t.nn.LSTM(3, 4, batch_first=1),
    lambda t: t.nn.LSTM(3, 4, 2, dropout=2),
    lambda t: t.nn.LSTM(3, 4, 2, dropout=True),
    lambda t: t.nn.RNNBase("X", 3, 4),
    lambda t: t.nn.LSTMCell(3, 4)(t.zeros(2, 5)),
    lambda t: t.nn.LSTMCell(3, 4)(t.zeros(2, 3), (t.zeros(2, 4), t.zeros(2, 5))),
    lambda t: t.nn.LSTMCell(3, 4)(t.zeros(2, 3), (t.zeros(2, 4), t.zeros(1, 2, 4))),
    lambda t: t.nn.GRUCell(3, 4)(t.zeros(2, 3), t.zeros(3, 4)),
    lambda t: t.nn.GRUCell(3, 4)(t.zeros(1, 2, 3)),
    lambda t: t.nn.RNNCell(3, 4)(t.zeros(2, 3), t.zeros(1, 1, 2)),
    lambda t: t.nn.RNNCell(3, 4, nonlinearity="sin")(t.zeros(2, 3)),
    lambda t: t.lstm(t.zeros(5, 2, 3), [t.zeros(1, 2, 4)], [], True, 1, 0.0, False, False, False),
    lambda t: t.lstm_cell(t.zeros(2, 3), [t.zeros(2, 4)], t.zeros(16, 3), t.zeros(16, 4)),
    lambda t: t.gru_cell(t.zeros(2, 3), t.zeros(2, 4), t.zeros(16, 3), t.zeros(16, 4)),
    lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(3, 2, 1), [2, 3]),
    lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(3, 2, 1), [3]),
    lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(3, 2, 1), [3, 0]),
    lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(3, 2, 1), [[3, 1]]),
    lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(3), [3]),
    lambda t: t.nn.utils.rnn.pack_padded_sequence(t.zeros(3, 0), []),
    lambda t: t.nn.utils.rnn.pack_sequence([]),
    lambda t: t.nn.utils.rnn.pad_sequence(3),
    lambda t: t.nn.utils.rnn.pad_packed_sequence(
        t.nn.utils.rnn.pack_sequence([t.zeros(2)]), total_length=1
    ),
]


@pytest.mark.parametrize("case", range(len(MISTAKES)))
def test_errors(case):
    caught = []
    for package in (torch, pycore):
        with warnings.catch_warnings(), pytest.raises(Exception) as error:
            warnings.simplefilter("ignore")
            MISTAKES[case](package)
        caught.append(error)
    theirs, ours = caught
    assert ours.type is theirs.type, (ours.value, theirs.value)
    words = str(theirs.value).split("\n")[0].split()[:6]
    assert str(ours.value).split()[: len(words)] == words
