"""Picking, writing, ordering and counting elements, and random numbers."""

from .elementwise import M, call_workload, normal, numpy_variant

_SQUARE = (1000, 1000)


def _indexed(shape, index_shape, high, call):
    """call(module, x, index, source): numbers of `shape`, indices below `high`, as many numbers."""

    def prepare(torch, inputs):
        x, i, s = inputs.normal(*shape), inputs.integers(high, *index_shape), None
        s = inputs.normal(*index_shape)
        return lambda: call(torch, x, i, s)

    return prepare


for _name, _shape, _index, _high, _call in (
    ("gather dim 0, 1000x1000", _SQUARE, _SQUARE, 1000, lambda t, x, i, s: x.gather(0, i)),
    ("gather dim 1, 1000x1000", _SQUARE, _SQUARE, 1000, lambda t, x, i, s: x.gather(1, i)),
    (
        "gather one per row, 10000x100",
        (10000, 100),
        (10000, 1),
        100,
        lambda t, x, i, s: x.gather(1, i),
    ),
    ("scatter dim 0, 1000x1000", _SQUARE, _SQUARE, 1000, lambda t, x, i, s: x.scatter(0, i, 1.0)),
    ("scatter dim 1, 1000x1000", _SQUARE, _SQUARE, 1000, lambda t, x, i, s: x.scatter(1, i, 1.0)),
    (
        "scatter_add dim 0, 1000x1000",
        _SQUARE,
        _SQUARE,
        1000,
        lambda t, x, i, s: x.scatter_add(0, i, s),
    ),
    (
        "scatter_add dim 1, 1000x1000",
        _SQUARE,
        _SQUARE,
        1000,
        lambda t, x, i, s: x.scatter_add(1, i, s),
    ),
    (
        "index_select rows, 1000x1000",
        _SQUARE,
        (1000,),
        1000,
        lambda t, x, i, s: x.index_select(0, i),
    ),
    (
        "index_select columns, 1000x1000",
        _SQUARE,
        (1000,),
        1000,
        lambda t, x, i, s: x.index_select(1, i),
    ),
    ("index_select, 1000k", M, M, 1000_000, lambda t, x, i, s: x.index_select(0, i)),
    ("x[rows], 10000x64", (10000, 64), (10000,), 10000, lambda t, x, i, s: x[i]),
    ("x[rows, columns], 1000x1000", _SQUARE, (100_000,), 1000, lambda t, x, i, s: x[i, i.flip(0)]),
    ("index_add rows, 1000x1000", _SQUARE, (1000,), 1000, lambda t, x, i, s: x.index_add(0, i, x)),
    (
        "index_add columns, 1000x1000",
        _SQUARE,
        (1000,),
        1000,
        lambda t, x, i, s: x.index_add(1, i, x),
    ),
    ("take, 1000k", M, M, 1_000_000, lambda t, x, i, s: x.take(i)),
    (
        "index_put, 100k of 1000k",
        M,
        (100_000,),
        1_000_000,
        lambda t, x, i, s: x.index_put((i,), s[:1]),
    ),
    (
        "index_put accumulating, 100k of 1000k",
        M,
        (100_000,),
        1_000_000,
        lambda t, x, i, s: x.index_put((i,), s, accumulate=True),
    ),
    (
        "one_hot, 10000 of 100",
        (1,),
        (10_000,),
        100,
        lambda t, x, i, s: t.nn.functional.one_hot(i, 100),
    ),
    ("bincount, 1000k of 1000", (1,), M, 1000, lambda t, x, i, s: i.bincount()),
    ("isin, 100k of 1000", (1,), (100_000,), 100_000, lambda t, x, i, s: t.isin(i, i[:1000])),
    (
        "searchsorted, 100k of 1000",
        (1000,),
        (100_000,),
        9,
        lambda t, x, i, s: t.searchsorted(x.sort()[0], s),
    ),
):
    call_workload("indexing", _name, _indexed(_shape, _index, _high, _call))
for _name, _shape, _call in (
    ("x[x > 0], 1000k", M, lambda t, x: x[x > 0]),
    ("x[mask] = 0, 1000k", M, lambda t, x: x.masked_fill_(x > 10, 0)),
    ("nonzero, 1000k", M, lambda t, x: (x > 0).nonzero()),
    ("masked_scatter, 1000k", M, lambda t, x: x.masked_scatter(x > 0, x)),
    ("masked_fill of rows, 1000x1000", _SQUARE, lambda t, x: x.masked_fill(x[:, :1] > 0, 0.0)),
    ("x[:, 1:-1] + 1, 1000x1000", _SQUARE, lambda t, x: x[:, 1:-1] + 1),
):
    call_workload("indexing", _name, normal(_shape)(_call))


def _messages(dtype, call):
    """call(nodes, places, messages) on a citation graph's sizes: an edge names whole rows."""

    def prepare(torch, inputs):
        x = inputs.normal(2708, 64).to(getattr(torch, dtype))
        i = inputs.integers(2708, 10_556)[:, None].expand(-1, 64)
        s = inputs.normal(10_556, 64).to(x.dtype)
        return lambda: call(x, i, s)

    return prepare


for _dtype in ("float32", "bfloat16"):
    for _name, _call in (
        ("gather", lambda x, i, s: x.gather(0, i)),
        ("scatter_add", lambda x, i, s: x.scatter_add(0, i, s)),
        ("scatter_reduce amax", lambda x, i, s: x.scatter_reduce(0, i, s, "amax")),
        ("scatter_reduce mean", lambda x, i, s: x.scatter_reduce(0, i, s, "mean")),
    ):
        call_workload(
            "indexing",
            f"{_name} of 10556 messages to 2708x64, {_dtype}",
            _messages(_dtype, _call),
        )


def _embedding(rows, width, tokens, train):
    def prepare(torch, inputs):
        layer, i = inputs.fill(torch.nn.Embedding(rows, width)), inputs.integers(rows, *tokens)
        g = inputs.normal(*tokens, width)

        def run():
            layer.weight.grad = None
            layer(i).backward(g)
            return layer.weight.grad

        return run if train else lambda: layer(i)

    return prepare


for _rows, _width, _tokens in (
    (30_000, 256, (32, 128)),
    (1000, 64, (64, 50)),
    (50_000, 32, (10_000,)),
):
    _shape = f"{_rows}x{_width}, {'x'.join(map(str, _tokens))} tokens"
    call_workload(
        "indexing", f"embedding {_shape}, forward", _embedding(_rows, _width, _tokens, False)
    )
    call_workload(
        "indexing",
        f"embedding {_shape}, forward and backward",
        _embedding(_rows, _width, _tokens, True),
    )

_sort = {
    "sort, 1000k": (M, lambda t, x: x.sort()),
    "sort, 10k": ((10_000,), lambda t, x: x.sort()),
    "sort rows, 1000x1000": (_SQUARE, lambda t, x: x.sort(1)),
    "sort columns, 1000x1000": (_SQUARE, lambda t, x: x.sort(0)),
    "sort rows, 10000x10": ((10_000, 10), lambda t, x: x.sort(1)),
    "sort float64, 1000k": (M, lambda t, x: x.double().sort()),
    "sort stable, 1000k": (M, lambda t, x: x.sort(stable=True)),
    "sort stable, 10k": ((10_000,), lambda t, x: x.sort(stable=True)),
    "sort stable rows, 1000x1000": (_SQUARE, lambda t, x: x.sort(dim=1, stable=True)),
    "msort, 1000k": (M, lambda t, x: (x.msort(),)),
    "msort, 10k": ((10_000,), lambda t, x: (x.msort(),)),
    "msort, 1k": ((1000,), lambda t, x: (x.msort(),)),
    "msort columns, 1000x1000": (_SQUARE, lambda t, x: (x.msort(),)),
    "argsort, 1000k": (M, lambda t, x: x.argsort()),
    "argsort descending rows, 1000x1000": (_SQUARE, lambda t, x: x.argsort(1, descending=True)),
    "topk 10, 1000k": (M, lambda t, x: x.topk(10)),
    "topk 5 of rows, 1000x1000": (_SQUARE, lambda t, x: x.topk(5, 1)),
    "topk 50 of rows, 32x50000": ((32, 50_000), lambda t, x: x.topk(50, 1)),
    "topk 500 of rows, 1000x1000": (_SQUARE, lambda t, x: x.topk(500, 1)),
    "median, 1000k": (M, lambda t, x: (x.median(),)),
    "median of rows, 1000x1000": (_SQUARE, lambda t, x: x.median(1)),
    "kthvalue of rows, 1000x1000": (_SQUARE, lambda t, x: x.kthvalue(100, 1)),
    "kthvalue, 1000k": (M, lambda t, x: x.kthvalue(1000, 0)),
    "quantile, 1000k": (M, lambda t, x: (x.quantile(0.3),)),
}


def _numpy_stable(np, x):
    places = np.argsort(x, -1, kind="stable")  # part of the result here; values are compared
    return np.take_along_axis(x, places, -1)


for _name, (_shape, _call) in _sort.items():
    # Values alone: among equal ones PyTorch's places are in no particular order.
    if _name.startswith("argsort"):
        call_workload("sorting", _name, normal(_shape)(_call), compared=lambda out: [])
        continue
    _w = call_workload("sorting", _name, normal(_shape)(_call), compared=lambda out: out[0])
    if _name.startswith("sort stable"):
        numpy_variant(_w, _numpy_stable, _shape)
    elif _name.startswith(("sort", "msort")) and "float64" not in _name:
        # NumPy sorts values alone, without their places.
        _axis = 0 if "columns" in _name else -1
        numpy_variant(_w, lambda np, x, axis=_axis: np.sort(x, axis), _shape)


def _integers(high, shape, call):
    def prepare(torch, inputs):
        i = inputs.integers(high, *shape)
        return lambda: call(torch, i)

    return prepare


for _name, _high, _shape, _call in (
    ("sort int64, 1000k below 2^40", 1 << 40, M, lambda t, i: i.sort()[0]),
    ("sort int64, 1000k below 1000", 1000, M, lambda t, i: i.sort()[0]),
    ("sort int64 rows, 1000x1000", 1 << 40, _SQUARE, lambda t, i: i.sort(1)[0]),
    ("sort int32, 1000k", 1 << 30, M, lambda t, i: i.int().sort()[0]),
    ("unique int64, 1000k of 1000", 1000, M, lambda t, i: i.unique()),
    (
        "unique int64, 1000k of 1000k, with counts",
        1000_000,
        M,
        lambda t, i: i.unique(return_counts=True),
    ),
    ("mode of rows, 1000x1000", 100, _SQUARE, lambda t, i: i.mode(1)[0]),
):
    call_workload("sorting", _name, _integers(_high, _shape, _call))


def _random(call):
    """Values are compared for one seed: the streams are PyTorch's."""

    def prepare(torch, inputs):
        x = inputs.normal(*M)

        def run():
            torch.manual_seed(0)
            return call(torch, x)

        return run

    return prepare


for _name, _call in {
    "rand, 1000k": lambda t, x: t.rand(1_000_000),
    "randn, 1000k": lambda t, x: t.randn(1_000_000),
    "rand, 10k": lambda t, x: t.rand(10_000),
    "randn, 10k": lambda t, x: t.randn(10_000),
    "randint, 1000k": lambda t, x: t.randint(0, 100, (1_000_000,)),
    "randperm, 1000k": lambda t, x: t.randperm(1_000_000),
    "randperm, 10k": lambda t, x: t.randperm(10_000),
    "bernoulli, 1000k": lambda t, x: t.bernoulli(t.sigmoid(x)),
    "bernoulli_, 1000k": lambda t, x: t.empty(1_000_000).bernoulli_(0.3),
    "dropout, 1000k": lambda t, x: t.nn.functional.dropout(x, 0.5),
    "multinomial 10k of 1000k": lambda t, x: t.multinomial(x.abs(), 10_000, replacement=True),
    "uniform_, 1000k": lambda t, x: t.empty(1_000_000).uniform_(-1, 1),
    "normal_, 1000k": lambda t, x: t.empty(1_000_000).normal_(0, 0.02),
    "exponential_, 1000k": lambda t, x: t.empty(1_000_000).exponential_(),
}.items():
    call_workload("random", _name, _random(_call))
