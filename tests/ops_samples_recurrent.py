"""Samples of recurrent layers and cells, with the textbook in NumPy; read through ops_samples.py."""

from __future__ import annotations

import numpy as np
from op_sample import T, f, index

add = T.add


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(kind, x, h, c, w_ih, w_hh, b_ih=0.0, b_hh=0.0, w_hr=None):
    """One step of a cell on [batch, features]: the next h and c."""
    a, b = x @ w_ih.T + b_ih, h @ w_hh.T + b_hh
    if kind == "lstm":
        i, f, g, o = np.split(a + b, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return (h if w_hr is None else h @ w_hr.T), c
    if kind == "gru":
        (ar, az, an), (br, bz, bn) = np.split(a, 3, axis=1), np.split(b, 3, axis=1)
        z = sigmoid(az + bz)
        return (1 - z) * np.tanh(an + sigmoid(ar + br) * bn) + z * h, None
    return (np.tanh(a + b) if kind == "rnn_tanh" else np.maximum(a + b, 0)), None


def network(kind, sequences, h0, c0, params, per_cell, layers, directions):
    """All layers on a list of [steps, features], sequence by sequence: outputs, h and c."""
    h0, c0 = np.asarray(h0), None if c0 is None else np.asarray(c0)
    hn, cn = h0.copy(), None if c0 is None else c0.copy()
    outputs = []
    for n, x in enumerate(sequences):
        for layer in range(layers):
            sides = []
            for k in range(directions):
                cell = layer * directions + k
                weights = list(params[cell * per_cell : (cell + 1) * per_cell])
                if per_cell in (3, 5):  # the projection comes last
                    extra = {"w_hr": weights.pop()}
                else:
                    extra = {}
                h = h0[cell, n : n + 1]
                c = None if c0 is None else c0[cell, n : n + 1]
                out = [None] * len(x)
                for t in range(len(x))[:: -1 if k else 1]:
                    h, c = step(kind, x[t : t + 1], h, c, *weights, **extra)
                    out[t] = h[0]
                hn[cell, n] = h[0]
                if cn is not None:
                    cn[cell, n] = c[0]
                sides.append(np.stack(out))
            x = np.concatenate(sides, axis=1)
        outputs.append(x)
    return outputs, hn, cn


def padded(kind):
    def call(x, hx, params, biases, layers, dropout, train, both, batch_first):
        h, c = hx if kind == "lstm" else (hx, None)
        rows = x if batch_first else np.swapaxes(x, 0, 1)
        per_cell = len(params) // (layers * (1 + both))
        out, h, c = network(kind, list(rows), h, c, params, per_cell, layers, 1 + both)
        out = np.stack(out) if batch_first else np.stack(out, axis=1)
        return (out, h, c) if kind == "lstm" else (out, h)

    return call


def packed(kind):
    def call(data, sizes, hx, params, biases, layers, dropout, train, both):
        h, c = hx if kind == "lstm" else (hx, None)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        rows = [
            np.stack([data[starts[t] + n] for t in range(len(sizes)) if n < sizes[t]])
            for n in range(sizes[0])
        ]
        per_cell = len(params) // (layers * (1 + both))
        out, h, c = network(kind, rows, h, c, params, per_cell, layers, 1 + both)
        data = np.stack([out[n][t] for t in range(len(sizes)) for n in range(sizes[t])])
        return (data, h, c) if kind == "lstm" else (data, h)

    return call


def both_forms(kind):
    """Samples with tensors and with packed sequences go to the operator of the same name."""

    def call(x, second, *rest):
        if not isinstance(second, list) and second.dtype.kind == "i":
            return packed(kind)(x, second, *rest)
        return padded(kind)(x, second, *rest)

    return call


GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def weights(kind, features, hidden, layers=1, both=False, bias=True, proj=0):
    rows, state, out = GATES[kind] * hidden, proj or hidden, []
    for layer in range(layers):
        for _ in range(1 + both):
            wide = features if layer == 0 else state * (1 + both)
            out += [f(rows, wide, lo=-0.5, hi=0.5), f(rows, state, lo=-0.5, hi=0.5)]
            if bias:
                out += [f(rows, lo=-0.5, hi=0.5), f(rows, lo=-0.5, hi=0.5)]
            if proj:
                out.append(f(proj, hidden, lo=-0.5, hi=0.5))
    return out


def states(kind, cells, batch, hidden, proj=0):
    h = f(cells, batch, proj or hidden, lo=-1, hi=1)
    return [h, f(cells, batch, hidden, lo=-1, hi=1)] if kind == "lstm" else h


for kind in GATES:
    ref = both_forms(kind)

    def sample(x, hx, w, *options, sizes=None, bias=True, layers=1, both=False, kind=kind, ref=ref):
        # relu has kinks: derivatives are compared by the other samples and with PyTorch.
        args = (x, hx) if sizes is None else (x, index(sizes), hx)
        smooth = kind != "rnn_relu"
        add(
            kind, *args, w, bias, layers, 0.0, False, both, *options,
            ref=ref, tol=4, grad=smooth, gradgrad=smooth,
        )  # fmt: skip

    sample(f(3, 2, 3), states(kind, 1, 2, 2), weights(kind, 3, 2), False)
    sample(f(1, 3, 2), states(kind, 1, 1, 3), weights(kind, 2, 3), True)
    sample(
        f(2, 2, 2), states(kind, 4, 2, 2), weights(kind, 2, 2, 2, True, False), True,
        bias=False, layers=2, both=True,
    )  # fmt: skip
    sample(f(1, 2, 2), states(kind, 1, 2, 2), weights(kind, 2, 2), False)
    sample(
        f(6, 2), states(kind, 2, 3, 2), weights(kind, 2, 2, 1, True),
        sizes=[3, 2, 1], both=True,
    )  # fmt: skip
    if kind == "lstm":
        sample(f(2, 2, 2), states(kind, 1, 2, 3, 2), weights(kind, 2, 3, proj=2), False)
        sample(
            f(3, 2), states(kind, 2, 2, 3, 1), weights(kind, 2, 3, 1, True, False, 1),
            sizes=[2, 1], both=True, bias=False,
        )  # fmt: skip


def cell_reference(kind):
    def call(x, hx, *w):
        h, c = hx if kind == "lstm" else (hx, None)
        h, c = step(kind, x, h, c, *w)
        return (h, c) if kind == "lstm" else h

    return call


for kind in GATES:
    for count, batch in ((4, 2), (2, 1)):
        w = weights(kind, 3, 2)[:count]
        hx = [f(batch, 2), f(batch, 2)] if kind == "lstm" else f(batch, 2)
        smooth = kind != "rnn_relu"
        add(
            kind + "_cell", f(batch, 3), hx, *w,
            ref=cell_reference(kind), tol=4, grad=smooth, gradgrad=smooth,
        )  # fmt: skip


# --- packing --------------------------------------------------------------------------------------


def pack(x, lengths, batch_first):
    x = np.swapaxes(x, 0, 1) if batch_first else x
    sizes = [sum(n > t for n in lengths) for t in range(max(lengths))]
    return np.concatenate([x[t, :n] for t, n in enumerate(sizes)]), np.array(sizes)


def unpack(data, sizes, batch_first, padding, total):
    out = np.full((total, sizes[0], *data.shape[1:]), padding, dtype=data.dtype)
    at = 0
    for t, n in enumerate(sizes):
        out[t, :n] = data[at : at + n]
        at += n
    lengths = np.array([sum(n > b for n in sizes) for b in range(sizes[0])])
    return (np.swapaxes(out, 0, 1) if batch_first else out), lengths


add("_pack_padded_sequence", f(3, 2, 2), index([3, 1]), False, ref=pack)
add("_pack_padded_sequence", f(2, 4), index([3, 3]), True, ref=pack)
add("_pad_packed_sequence", f(4, 2), index([2, 1, 1]), False, 0.0, 3, ref=unpack)
add("_pad_packed_sequence", f(3), index([2, 1]), True, -1.5, 4, ref=unpack)
