"""Recurrent layers: the fused kernels against the composite, threads, packed sequences, modules."""

from __future__ import annotations

import copy
import gc
import pickle

import pytest

import pycore
from pycore import nn
from pycore.autograd import gradcheck, gradgradcheck
from pycore.nn.utils import rnn

np = pytest.importorskip("numpy")

KINDS = ["LSTM", "GRU", "RNN"]
# hidden, features, batch, steps, options: whole registers and odd rests, one row and several tiles.
SHAPES = [
    (32, 8, 1, 6, {}),
    (5, 3, 1, 4, {"bidirectional": True}),
    (33, 5, 7, 3, {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    (64, 16, 30, 4, {"bias": False}),
    (19, 4, 13, 5, {"bidirectional": True, "bias": False}),
    (7, 3, 2, 1, {"num_layers": 2}),
    (6, 3, 0, 3, {"bidirectional": True}),
    (128, 5, 5, 3, {"bidirectional": True}),  # rows of gates of 4 KB, which lie further apart
]


def make(kind, hidden, features, options, dtype=pycore.float64):
    pycore.manual_seed(7)
    return getattr(nn, kind)(features, hidden, dtype=dtype, **options)


def arguments(model, batch, steps, dtype=pycore.float64):
    pycore.manual_seed(11)
    cells = model.num_layers * (2 if model.bidirectional else 1)
    lead = (batch, steps) if model.batch_first else (steps, batch)
    x = pycore.randn(*lead, model.input_size, dtype=dtype)
    h = pycore.randn(cells, batch, model.proj_size or model.hidden_size, dtype=dtype)
    c = pycore.randn(cells, batch, model.hidden_size, dtype=dtype)
    return [t.requires_grad_() for t in ((x, h, c) if model.mode == "LSTM" else (x, h))]


def call(model, x, *states):
    out, state = model(x, states if model.mode == "LSTM" else states[0])
    return [out, *state] if model.mode == "LSTM" else [out, state]


def loss_of(results):
    total = 0
    for i, r in enumerate(results):
        data = r.data if isinstance(r, rnn.PackedSequence) else r
        total = total + (data * (data + 0.3 * i).cos()).sum()
    return total


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", [*KINDS, "LSTM proj"])
def test_fused_derivatives_are_those_of_the_composite(kind, shape):
    """create_graph goes through ordinary operators; without it one kernel does everything."""
    hidden, features, batch, steps, options = shape
    if kind == "LSTM proj":
        options = {**options, "proj_size": hidden // 2}
    model = make(kind.split()[0], hidden, features, options)
    inputs = arguments(model, batch, steps)
    results = call(model, *inputs)
    wanted = [*inputs, *model.parameters()]
    fused = pycore.autograd.grad(loss_of(results), wanted, retain_graph=True)
    composed = pycore.autograd.grad(loss_of(results), wanted, create_graph=True)
    for a, b in zip(fused, composed, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_float64_rounded(kind, shape):
    hidden, features, batch, steps, options = shape
    wide = make(kind, hidden, features, options)
    narrow = copy.deepcopy(wide).float()
    inputs = arguments(wide, batch, steps)
    halves = [t.detach().float().requires_grad_() for t in inputs]
    a, b = call(wide, *inputs), call(narrow, *halves)
    loss_of(a).backward()
    loss_of(b).backward()
    pairs = [*zip(a, b, strict=True)]
    pairs += [(x.grad, y.grad) for x, y in zip(inputs, halves, strict=True)]
    pairs += [(x.grad, y.grad) for x, y in zip(wide.parameters(), narrow.parameters(), strict=True)]
    for x, y in pairs:
        scale = max(1.0, x.abs().max().item()) if x.numel() else 1.0
        np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy(), atol=2e-5 * scale)


@pytest.mark.parametrize("kind", [*KINDS, "LSTM proj"])
def test_derivatives(kind):
    options = {"bidirectional": True, "num_layers": 2}
    if kind == "LSTM proj":
        options["proj_size"] = 1
    model = make(kind.split()[0], 2, 2, options)
    inputs = arguments(model, 2, 2)

    def function(*tensors):
        names = [name for name, _ in model.named_parameters()]
        weights = dict(zip(names, tensors[len(inputs) :], strict=True))
        for name, value in weights.items():
            del model._parameters[name]
            object.__setattr__(model, name, value)
        try:
            return tuple(call(model, *tensors[: len(inputs)]))
        finally:
            for name in names:
                object.__delattr__(model, name)
                model.register_parameter(name, kept[name])

    kept = dict(model.named_parameters())
    everything = [*inputs, *(p.detach().clone().requires_grad_() for p in kept.values())]
    assert gradcheck(function, everything)
    assert gradgradcheck(function, everything)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_change_bits(kind, dtype):
    bits = []
    threads = pycore.get_num_threads()
    # Shared out by sequences, by directions, and (single sequences, large steps) by panels.
    for hidden, batch, options in (
        (70, 37, {}),
        (64, 40, {"bidirectional": True}),
        (96, 1, {}),
        (520, 1, {}),
    ):
        try:
            for count in (1, 2):
                pycore.set_num_threads(count)
                model = make(kind, hidden, 24, options, getattr(pycore, dtype))
                inputs = arguments(model, batch, 8, getattr(pycore, dtype))
                results = call(model, *inputs)
                loss_of(results).backward()
                tensors = [*results, *(t.grad for t in [*inputs, *model.parameters()])]
                bits.append([t.detach().numpy().tobytes() for t in tensors])
        finally:
            pycore.set_num_threads(threads)
        assert bits[-1] == bits[-2]


@pytest.mark.parametrize(
    "hidden", [4, 300]
)  # with the larger one, bfloat16 may take products of its own
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_reduced_floats(kind, dtype, hidden):
    """Outputs and gradients against float32 on the same rounded numbers."""
    dtype = getattr(pycore, dtype)
    unit = 2.0**-11 if dtype == pycore.float16 else 2.0**-8
    short = make(kind, 8, hidden, {"bidirectional": True}, pycore.float32).to(dtype)
    model = make(kind, 8, hidden, {"bidirectional": True}, pycore.float32)
    with pycore.no_grad():
        for p, q in zip(model.parameters(), short.parameters(), strict=True):
            p.copy_(q)
    inputs = [t.detach().to(dtype) for t in arguments(model, 4, 4, pycore.float32)]
    leaves = [[t.to(d).clone().requires_grad_() for t in inputs] for d in (dtype, pycore.float32)]
    got, want = call(short, *leaves[0]), call(model, *leaves[1])
    with pycore.no_grad():
        without = call(short, *inputs)
    for a, b, c in zip(got, without, want, strict=True):
        assert a.dtype == b.dtype == dtype
        c = c.detach().numpy()
        np.testing.assert_allclose(a.detach().float().numpy(), c, rtol=unit, atol=1e-7)
        np.testing.assert_allclose(b.float().numpy(), c, rtol=4 * unit, atol=16 * unit)
    loss_of([t.float() for t in got]).backward()
    loss_of(want).backward()
    tensors = [[*xs, *m.parameters()] for xs, m in zip(leaves, (short, model), strict=True)]
    for a, b in zip(*tensors, strict=True):
        g = b.grad.numpy()
        scale = np.abs(g).max()
        np.testing.assert_allclose(a.grad.float().numpy(), g, rtol=0, atol=4 * unit * scale)


def test_unfit_gradients_and_partial_needs():
    """Gradients of any strides, of some results only, and wanted by some inputs only."""
    for kind in KINDS:
        model = make(kind, 6, 3, {"batch_first": True})
        inputs = arguments(model, 4, 5)
        full = pycore.autograd.grad(
            sum(r.sum() for r in call(model, *inputs)), [*inputs, *model.parameters()]
        )
        again = pycore.autograd.grad(sum(r.sum() for r in call(model, *inputs)), [inputs[1]])
        assert (again[0] == full[1]).all()
        model.requires_grad_(False)
        out = call(model, inputs[0], *(t.detach() for t in inputs[1:]))
        out[1].sum().backward()  # only the last state
        assert inputs[0].grad is not None
        inputs[0].grad = None
        weights = pycore.randn(5, 6, 4, dtype=pycore.float64).permute(2, 0, 1)
        out = call(model, *inputs)[0]
        (out * weights).sum().backward()
        odd = inputs[0].grad
        inputs[0].grad = None
        (call(model, *inputs)[0] * weights.contiguous()).sum().backward()
        assert (odd == inputs[0].grad).all()


@pytest.mark.parametrize("kind", KINDS)
def test_graphs_may_be_kept(kind):
    """The last pass through a graph writes over what it saved; those before it must not."""
    model = make(kind, 20, 6, {})
    x = pycore.randn(5, 3, 6, dtype=pycore.float64, requires_grad=True)
    out = model(x)[0].sin().sum()
    wanted = [x, *model.parameters()]
    grads = [pycore.autograd.grad(out, wanted, retain_graph=i < 2) for i in range(3)]
    for first, *others in zip(*grads, strict=True):
        assert all((other == first).all() for other in others)
    with pytest.raises(RuntimeError, match="second time"):
        pycore.autograd.grad(out, wanted)


def test_written_over_results_are_noticed():
    model = make("GRU", 4, 3, {})
    out, _ = model(pycore.randn(5, 2, 3, dtype=pycore.float64))
    out.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()
    out, _ = model(pycore.randn(5, 2, 3, dtype=pycore.float64))
    out.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        out.sum().backward()


@pytest.mark.parametrize("kind", KINDS)
def test_non_contiguous_input(kind):
    model = make(kind, 6, 3, {})
    x = pycore.randn(3, 5, 2, dtype=pycore.float64).permute(1, 2, 0)
    assert (model(x)[0] == model(x.contiguous())[0]).all()
    wide = pycore.randn(5, 2, 6, dtype=pycore.float64)[..., ::2]
    assert (model(wide)[0] == model(wide.contiguous())[0]).all()


# --- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_cells_are_single_steps(kind):
    layer = make(kind, 20, 3, {})
    cell = getattr(nn, kind + "Cell")(3, 20, dtype=pycore.float64)
    cell.load_state_dict({k[:-3]: v for k, v in layer.state_dict().items()})
    x = pycore.randn(6, 4, 3, dtype=pycore.float64)
    state = None
    steps = []
    for t in range(6):
        state = cell(x[t], state)
        steps.append(state[0] if kind == "LSTM" else state)
    out = pycore.stack(steps)
    np.testing.assert_allclose(
        out.detach().numpy(), layer(x)[0].detach().numpy(), rtol=1e-12, atol=1e-13
    )
    (out * out).sum().backward()
    other = layer(x)[0]
    (other * other).sum().backward()
    for a, b in zip(cell.parameters(), layer.parameters(), strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-10, atol=1e-11)
    single = cell(x[0, 0])
    batched = cell(x[0])
    if kind == "LSTM":
        single, batched = single[0], batched[0]
    assert single.shape == (20,)
    np.testing.assert_allclose(single.detach().numpy(), batched[0].detach().numpy(), rtol=1e-12)


# --- packed sequences -----------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [[4, 3, 3, 1], [2, 5, 1, 5], [3]])
@pytest.mark.parametrize("kind", [*KINDS, "LSTM proj"])
def test_packed_is_one_by_one(kind, lengths):
    options = {"num_layers": 2, "bidirectional": True}
    if kind == "LSTM proj":
        options["proj_size"] = 5
    model = make(kind.split()[0], 18, 3, options)
    _, *states = arguments(model, len(lengths), 1)
    sequences = [pycore.randn(n, 3, dtype=pycore.float64).requires_grad_() for n in lengths]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    out, *last = call(model, packed, *states)
    assert isinstance(out, rnn.PackedSequence)
    outs = rnn.unpack_sequence(out)
    alone = [
        call(model, x.unsqueeze(1), *(s[:, i : i + 1] for s in states))
        for i, x in enumerate(sequences)
    ]
    for i, (own, *own_last) in enumerate(alone):
        np.testing.assert_allclose(
            outs[i].detach().numpy(), own[:, 0].detach().numpy(), rtol=1e-12, atol=1e-13
        )
        for a, b in zip(last, own_last, strict=True):
            np.testing.assert_allclose(
                a[:, i].detach().numpy(), b[:, 0].detach().numpy(), rtol=1e-12, atol=1e-13
            )
    wanted = [*sequences, *states, *model.parameters()]

    def total(outputs, lasts):
        return sum((o * o).sum() for o in outputs) + sum((s * s * s).sum() for s in lasts)

    packed_grads = pycore.autograd.grad(total(outs, last), wanted, retain_graph=True)
    composed = pycore.autograd.grad(total(outs, last), wanted, create_graph=True)
    one_by_one = pycore.autograd.grad(sum(total([a[0]], a[1:]) for a in alone), wanted)
    for a, b, c in zip(packed_grads, one_by_one, composed, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(a.numpy(), c.detach().numpy(), rtol=1e-10, atol=1e-11)


def test_packing():
    x = pycore.arange(24.0).reshape(4, 3, 2)
    packed = rnn.pack_padded_sequence(x, [4, 2, 1])
    assert packed.batch_sizes.tolist() == [3, 2, 1, 1]
    assert packed.data[:, 0].tolist() == [0, 2, 4, 6, 8, 12, 18]
    padded, lengths = rnn.pad_packed_sequence(packed, padding_value=-1.0, total_length=5)
    assert padded.shape == (5, 3, 2) and lengths.tolist() == [4, 2, 1]
    assert padded[4].eq(-1).all() and padded[1, 2].eq(-1).all() and (padded[1, 1] == x[1, 1]).all()
    swapped = rnn.pack_padded_sequence(
        x.transpose(0, 1), pycore.tensor([1, 4, 2]), batch_first=True, enforce_sorted=False
    )
    assert swapped.sorted_indices.tolist() == [1, 2, 0]
    assert swapped.unsorted_indices.tolist() == [2, 0, 1]
    back, lengths = rnn.pad_packed_sequence(swapped, batch_first=True)
    assert lengths.tolist() == [1, 4, 2] and (back[1] == x[:, 1]).all()
    assert (back[0, 1:] == 0).all()


def test_packed_sequence_is_a_named_tuple():
    t = pycore.tensor
    packed = rnn.pack_sequence([t([1.0, 2, 3]), t([4.0, 5]), t([6.0])])
    data, sizes, order, back = packed
    assert data is packed.data and sizes is packed.batch_sizes and order is None and back is None
    assert repr(packed) == (
        "PackedSequence(data=tensor([1., 4., 6., 2., 5., 3.]), batch_sizes=tensor([3, 2, 1]), "
        "sorted_indices=None, unsorted_indices=None)"
    )
    assert packed.to(pycore.float32) is packed and packed.float() is packed
    for name, dtype in [("double", "float64"), ("half", "float16"), ("long", "int64"),
                        ("int", "int32"), ("short", "int16"), ("char", "int8"),
                        ("byte", "uint8")]:  # fmt: skip
        assert getattr(packed, name)().data.dtype == getattr(pycore, dtype)
    assert packed.cpu() is packed and not packed.is_cuda and not packed.is_pinned()
    assert packed.pin_memory().data.tolist() == packed.data.tolist()
    again = rnn.PackedSequence((data, sizes))
    assert again.batch_sizes is sizes
    assert pickle.loads(pickle.dumps(packed)).data.tolist() == packed.data.tolist()
    assert rnn.invert_permutation(None) is None
    texts = [s.tolist() for s in rnn.unpack_sequence(packed)]
    assert texts == [[1, 2, 3], [4, 5], [6]]


@pytest.mark.parametrize(
    "make_error, text",
    [
        (lambda x: rnn.pack_padded_sequence(x, [2, 3]), "must be sorted in decreasing order"),
        (lambda x: rnn.pack_padded_sequence(x, [3]), "len\\(lengths\\)` to be equal to batch_size"),
        (lambda x: rnn.pack_padded_sequence(x, [3, 0]), "has to be greater than 0"),
        (lambda x: rnn.pack_padded_sequence(x, [4, 1]), "a length exceeds"),
        (lambda x: rnn.pack_padded_sequence(x, [[3, 1]]), "should be a 1D CPU int64 tensor"),
        (lambda x: rnn.pack_sequence([]), "received an empty list of sequences"),
        (lambda x: rnn.pad_sequence(3), "Expected iterable for input sequences"),
    ],
)
def test_packing_errors(make_error, text):
    with pytest.raises(RuntimeError, match=text):
        make_error(pycore.zeros(3, 2, 1))


# --- modules --------------------------------------------------------------------------------------


def test_names_and_state():
    model = nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)
    names = [
        f"{kind}_l{layer}{way}"
        for layer in (0, 1)
        for way in ("", "_reverse")
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    ]
    assert list(model.state_dict()) == names
    assert [len(w) for w in model.all_weights] == [5] * 4
    assert model.flatten_parameters() is None
    for clone in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        x = pycore.randn(2, 3)
        assert (clone(x)[0] == model(x)[0]).all()
    old = dict(model.__dict__)
    old.pop("proj_size")
    old["_flat_weights"] = []
    fresh = nn.GRU.__new__(nn.GRU)
    fresh.__setstate__(old)
    assert fresh.proj_size == 0 and len(fresh._flat_weights) == 20
    model.weight_ih_l0 = nn.Parameter(pycore.zeros(16, 3))
    assert model._flat_weights[0] is model.weight_ih_l0


def test_repr():
    assert repr(nn.LSTM(3, 4)) == "LSTM(3, 4)"
    assert repr(nn.GRU(3, 4, 2, False, True, 0.5, True)) == (
        "GRU(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)"
    )
    assert repr(nn.LSTM(3, 4, proj_size=2)) == "LSTM(3, 4, proj_size=2)"
    assert repr(nn.RNNCell(3, 4, False, "relu")) == "RNNCell(3, 4, bias=False, nonlinearity=relu)"


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: nn.LSTM(3, 4)(pycore.zeros(5, 2, 2)), RuntimeError,
         r"input.size\(-1\) must be equal to input_size. Expected 3, got 2"),
        (lambda: nn.LSTM(3, 4)(pycore.zeros(2)), ValueError,
         "LSTM: Expected input to be 2D or 3D, got 1D instead"),
        (lambda: nn.RNN(3, 4)(pycore.zeros(2)), ValueError,
         "RNN: Expected input to be 2D or 3D, got 1D tensor instead"),
        (lambda: nn.GRU(3, 4)(pycore.zeros(5, 2, 3), pycore.zeros(2, 4)), RuntimeError,
         "For batched 3-D input, hx should also be 3-D but got 2-D tensor"),
        (lambda: nn.GRU(3, 4)(pycore.zeros(5, 3), pycore.zeros(1, 1, 4)), RuntimeError,
         "For unbatched 2-D input, hx should also be 2-D but got 3-D tensor"),
        (lambda: nn.GRU(3, 4)(pycore.zeros(5, 2, 3), pycore.zeros(1, 3, 4)), RuntimeError,
         r"Expected hidden size \(1, 2, 4\), got \[1, 3, 4\]"),
        (lambda: nn.LSTM(3, 4)(pycore.zeros(5, 2, 3), (pycore.zeros(1, 2, 4),) * 1
                               + (pycore.zeros(1, 2, 5),)), RuntimeError,
         r"Expected hidden\[1\] size \(1, 2, 4\), got \[1, 2, 5\]"),
        (lambda: nn.LSTM(3, 4)(pycore.zeros(5, 2, 3).double()), ValueError,
         "does not match weight dtype"),
        (lambda: nn.LSTM(3, 4)(pycore.zeros(0, 2, 3)), RuntimeError,
         "Expected sequence length to be larger than 0 in RNN"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size has to be smaller"),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "only supported for LSTM"),
        (lambda: nn.RNN(3, 4, nonlinearity="sin"), ValueError, "Unknown nonlinearity 'sin'"),
        (lambda: nn.LSTM(3.0, 4), TypeError, "input_size should be of type int, got: float"),
        (lambda: nn.LSTM(3, 4, num_layers=0), ValueError, "num_layers must be greater than zero"),
        (lambda: nn.LSTM(3, 4, bias=1), TypeError, "bias should be of type bool, got: int"),
        (lambda: nn.LSTM(3, 4, 2, dropout=2), ValueError, "dropout should be a number in range"),
        (lambda: nn.RNNBase("X", 3, 4), ValueError, "Unrecognized RNN mode: X"),
        (lambda: nn.LSTMCell(3, 4)(pycore.zeros(2, 5)), RuntimeError,
         "input has inconsistent input_size: got 5 expected 3"),
        (lambda: nn.GRUCell(3, 4)(pycore.zeros(2, 3), pycore.zeros(3, 4)), RuntimeError,
         "Input batch size 2 doesn't match hidden0 batch size 3"),
        (lambda: nn.LSTMCell(3, 4)(pycore.zeros(2, 3), (pycore.zeros(2, 4), pycore.zeros(2, 5))),
         RuntimeError, "hidden1 has inconsistent hidden_size: got 5, expected 4"),
        (lambda: nn.RNNCell(3, 4)(pycore.zeros(1, 2, 3)), ValueError,
         "RNNCell: Expected input to be 1D or 2D, got 3D instead"),
    ],
)  # fmt: skip
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("base", [nn.LSTM, nn.GRU, nn.RNN])
def test_subclasses_check_for_themselves(base):
    """The layers' own checks wait for a refusal; those of a subclass come first."""

    class Short(base):
        def check_input(self, input, batch_sizes):
            super().check_input(input, batch_sizes)
            if len(input) > 4:
                raise ValueError("at most 4 steps")

    assert Short(3, 4)(pycore.zeros(4, 1, 3))[0].shape == (4, 1, 4)
    with pytest.raises(ValueError, match="at most 4 steps"):
        Short(3, 4)(pycore.zeros(5, 1, 3))
    with pytest.raises(RuntimeError, match="must be equal to input_size") as error:
        base(3, 4)(pycore.zeros(5, 1, 2))
    assert error.value.__suppress_context__  # the operator's own words are not shown


def test_dropout_between_layers():
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        nn.LSTM(3, 4, dropout=0.5)
    model = nn.GRU(3, 16, 2, dropout=0.5)
    x = pycore.randn(5, 2, 3)
    assert not (model(x)[0] == model(x)[0]).all()
    model.eval()
    assert (model(x)[0] == model(x)[0]).all()
    all_dropped = nn.GRU(3, 16, 2, dropout=1.0)
    upper = nn.GRU(16, 16)
    upper.load_state_dict(
        {k[:-1] + "0": v for k, v in all_dropped.state_dict().items() if "l1" in k}
    )
    np.testing.assert_allclose(
        all_dropped(x)[0].detach().numpy(),
        upper(pycore.zeros(5, 2, 16))[0].detach().numpy(),
        atol=1e-6,
    )


def test_operators_refuse_what_does_not_fit():
    model = nn.GRU(3, 4)
    x, h, w = pycore.zeros(5, 2, 3), pycore.zeros(1, 2, 4), list(model.parameters())
    tail = (True, 1, 0.0, False, False, False)
    with pytest.raises(RuntimeError, match="incorrect number of RNN parameters"):
        pycore.gru(x, h, w[:3], *tail)
    with pytest.raises(RuntimeError, match="weight_ih has the wrong shape"):
        pycore.gru(x[..., :2], h, w, *tail)
    with pytest.raises(RuntimeError, match=r"hx\[0\] has the wrong shape"):
        pycore.gru(x, pycore.zeros(1, 3, 4), w, *tail)
    with pytest.raises(RuntimeError, match="lstm expects two hidden states"):
        pycore.lstm(x, [h], w, *tail)
    with pytest.raises(RuntimeError, match="must be positive and never grow"):
        pycore.gru(x[:, 0], pycore.tensor([2, 3]), h, w, *tail[:-1])
    with pytest.raises(RuntimeError, match="add up to the rows"):
        pycore.gru(x[:, 0], pycore.tensor([2, 2]), h, w, *tail[:-1])
    with pytest.raises(RuntimeError, match="expected scalar type Long but found Float"):
        pycore.gru(x[:, 0], pycore.tensor([3.0, 2]), h, w, *tail[:-1])
    with pytest.raises(RuntimeError, match="must have the same dtype"):
        pycore.gru(x.double(), h.double(), w, *tail)
    with pytest.raises(RuntimeError, match="num_layers must be greater than zero"):
        pycore.gru(x, h, w, True, 0, 0.0, False, False, False)


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.timing
def test_ten_thousand_steps_of_a_tagger_hold_their_memory():
    """A tagger's steps on sentences of every length take nothing from the system after a while."""
    pycore.manual_seed(0)
    words, lstm, tags = nn.Embedding(50, 16), nn.LSTM(16, 16), nn.Linear(16, 5)
    parameters = [*words.parameters(), *lstm.parameters(), *tags.parameters()]
    optimizer = pycore.optim.SGD(parameters, lr=0.01)

    def step(i):
        sentence = pycore.arange(1 + i % 20) % 50
        out, _ = lstm(words(sentence).unsqueeze(1))
        loss = nn.functional.cross_entropy(tags(out.squeeze(1)), sentence % 5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for i in range(200):
        step(i)
    gc.collect()
    before = pycore._C._memory_stats()
    for i in range(10000):
        step(i)
    gc.collect()
    after = pycore._C._memory_stats()
    for key in ("allocated_bytes", "cached_bytes", "system_bytes", "system_allocations"):
        assert after[key] == before[key], key
