"""Random streams beside PyTorch's CPU generator: equal bits (normal numbers: 1 ulp), equal states.

Needs torch; must not record numbers of its own, that is tests/test_random.py's job.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pycore = pytest.importorskip("pycore")

DTYPES = ["float32", "float64", "float16", "bfloat16"]
INTEGERS = ["int64", "int32", "int16", "int8", "uint8", "bool"]
SIZES = [0, 1, 15, 16, 17, 100, 1000, 10007]
SEEDS = [0, 1, 12345, 2**32 - 1, 2**40 + 7, 2**64 - 1, -1]
_ULP = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def numbers(tensor):
    """The elements as float64 or Python integers, exactly."""
    if tensor.dtype.is_floating_point:
        return np.array(tensor.detach().double().tolist(), dtype=np.float64)
    return np.array(tensor.tolist())


def comparable_state(m):
    state = np.array(m.get_rng_state().tolist(), dtype=np.uint8)
    assert state.size == 5056
    # Padding of the C structures, which nobody initialises.
    state[5036:5040] = state[5045:5048] = state[5053:5056] = 0
    return state


def same(case, seed=0, ulps=0, check_state=True):
    """Runs case(module) -> tensors on both libraries from one seed and compares what comes out."""
    results = []
    for m in (pycore, torch):
        m.manual_seed(seed)
        out = case(m)
        results.append(list(out) if isinstance(out, (tuple, list)) else [out])
    mine, reference = results
    assert len(mine) == len(reference)
    for a, b in zip(mine, reference, strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
        x, y = numbers(a), numbers(b)
        if ulps and b.dtype.is_floating_point:
            scale = _ULP[str(b.dtype).split(".")[1]]
            spacing = np.exp2(np.floor(np.log2(np.maximum(np.abs(y), 1e-300)))) * scale
            assert (np.abs(x - y) <= ulps * spacing).all()
        else:
            np.testing.assert_array_equal(x, y)
    if check_state:
        np.testing.assert_array_equal(comparable_state(pycore), comparable_state(torch))


def dtype(m, name):
    return getattr(m, name)


# -- factories -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DTYPES)
def test_rand(name, size):
    same(lambda m: [m.rand(size, dtype=dtype(m, name)), m.rand(3, dtype=dtype(m, name))])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DTYPES)
def test_randn(name, size):
    same(lambda m: [m.randn(size, dtype=dtype(m, name)), m.randn(5, dtype=dtype(m, name))], ulps=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_seeds(seed):
    same(lambda m: [m.rand(5), m.randn(20), m.randint(100, (5,))], seed=seed, ulps=1)


@pytest.mark.parametrize(
    "low, high",
    [
        (0, 1),
        (0, 10),
        (-5, 7),
        (0, 2**24 + 1),
        (0, 2**28 - 1),
        (0, 2**28),
        (-(2**31), 2**31 - 1),
        (0, 2**40),
        (-(2**63), 2**63 - 1),
    ],
)
def test_randint(low, high):
    same(lambda m: [m.randint(low, high, (1000,)), m.randint(low, high, (3, 5))])


@pytest.mark.parametrize("name", DTYPES + INTEGERS)
def test_randint_dtype(name):
    same(lambda m: m.randint(0, 2, (100,), dtype=dtype(m, name)))


@pytest.mark.parametrize("n", [0, 1, 2, 15, 1000, 70000])
def test_randperm(n):
    same(lambda m: [m.randperm(n), m.randperm(5)])


@pytest.mark.parametrize("name", ["int32", "float32", "float64"])
def test_randperm_dtype(name):
    same(lambda m: m.randperm(100, dtype=dtype(m, name)))


def test_like_factories():
    def case(m):
        x = m.zeros(4, 6)
        return [m.rand_like(x), m.randint_like(x, 9), m.randint_like(x, -3, 9), m.rand_like(x.t())]

    same(case)
    same(lambda m: [m.randn_like(m.zeros(5, 7)), m.randn_like(m.zeros(5, 7).t())], ulps=1)


# -- in-place distributions ------------------------------------------------------------------------


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("low, high", [(-1.0, 1.0), (0.1, 0.7), (2.0, 3.0), (-0.37, 0.81), (0, 0)])
def test_uniform_(name, low, high):
    same(lambda m: [m.empty(n, dtype=dtype(m, name)).uniform_(low, high) for n in SIZES])


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (0.3, 1.7), (5.0, 0.0)])
def test_normal_(name, mean, std):
    same(lambda m: [m.empty(n, dtype=dtype(m, name)).normal_(mean, std) for n in SIZES], ulps=1)


@pytest.mark.parametrize("name", DTYPES + INTEGERS)
def test_random_(name):
    def case(m):
        x = [m.empty(n, dtype=dtype(m, name)) for n in (1, 17, 1000)]
        return [t.random_() for t in x] + [m.empty(50, dtype=dtype(m, name)).random_(2)]

    same(case)


@pytest.mark.parametrize("name", DTYPES + INTEGERS[:-1])
def test_random_from(name):
    same(
        lambda m: [
            m.empty(100, dtype=dtype(m, name)).random_(1, None),
            m.empty(100, dtype=dtype(m, name)).random_(3, 120),
        ]
    )


def test_random_of_all_64_bits():
    same(lambda m: m.empty(100, dtype=m.int64).random_(-(2**63), None))


@pytest.mark.filterwarnings("ignore:to - 1 is out", "ignore:from is out")
def test_random_on_numbers_a_float_cannot_hold():
    same(
        lambda m: [
            m.empty(50, dtype=m.float16).random_(0, 65504),
            m.empty(50, dtype=m.bfloat16).random_(-300, 513),
            m.empty(50).random_(3, 2**30),
        ]
    )


@pytest.mark.parametrize("name", DTYPES + INTEGERS)
@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 1.0])
def test_bernoulli_scalar(name, p):
    same(lambda m: [m.empty(n, dtype=dtype(m, name)).bernoulli_(p) for n in (0, 1, 1000)])


@pytest.mark.parametrize("name", DTYPES)
def test_bernoulli_tensor(name):
    def case(m):
        p = m.tensor([i / 999 for i in range(1000)], dtype=dtype(m, name))
        return [
            m.bernoulli(p),
            m.empty(1000).bernoulli_(p),
            m.empty(3, 1000, dtype=m.int64).bernoulli_(p),
            m.bernoulli(p, 0.25),
        ]

    same(case)


@pytest.mark.parametrize("name", DTYPES)
def test_exponential(name):
    same(
        lambda m: [
            m.empty(n, dtype=dtype(m, name)).exponential_(r) for n in SIZES for r in (1, 1.3)
        ],
        ulps=1,
    )


@pytest.mark.parametrize("name", DTYPES)
def test_cauchy_log_normal_geometric(name):
    def case(m):
        x = m.empty(1000, dtype=dtype(m, name))
        return [
            x.clone().cauchy_(0.3, 1.7),
            x.clone().log_normal_(0.3, 0.7),
            x.clone().geometric_(0.2),
        ]

    same(case, ulps=1)


@pytest.mark.parametrize("rate", [0.0, 0.5, 4.0, 9.99, 10.0, 300.0])
def test_poisson(rate):
    same(lambda m: m.poisson(m.full((500,), rate)))


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 4), (1, 1, 1), (7, 1, 9), (0, 3), ()])
def test_shapes(shape):
    same(lambda m: [m.rand(shape), m.randn(shape), m.randint(9, shape)], ulps=1)


def test_memory_order_of_views():
    def case(m):
        base = m.zeros(20, 30)
        base.t().uniform_()
        base[:, ::2].normal_()
        other = m.zeros(4, 5, 6).permute(2, 0, 1)
        other.uniform_()
        other[1:4].bernoulli_(0.5)
        return [base, other]

    same(case, ulps=1)


# -- normal with tensors, multinomial --------------------------------------------------------------


def test_normal_function():
    def case(m):
        mean, std = m.arange(20.0), m.linspace(0.5, 2, 20)
        return [
            m.normal(mean, std),
            m.normal(mean, 2.0),
            m.normal(1.0, std),
            m.normal(2.0, 3.0, (4, 5)),
        ]

    same(case, ulps=1)


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial(name, replacement):
    def case(m):
        weights = m.arange(1, 61, dtype=m.float32).reshape(3, 20).to(dtype(m, name))
        return [m.multinomial(weights, k, replacement) for k in (1, 2, 20)] + [
            m.multinomial(weights[0], 5, replacement)
        ]

    same(case)


def test_multinomial_of_many():
    same(lambda m: [m.multinomial(m.ones(5000), 10), m.multinomial(m.ones(5000), 300, True)])


# -- streams mixed, generators, states -------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 3])
def test_mixed_calls(seed):
    def case(m):
        out = []
        for n in (1, 15, 16, 3, 700, 33):
            out += [
                m.rand(n),
                m.randn(n),
                m.randn(n, dtype=m.float64),
                m.randint(7, (n,)),
                m.randperm(n),
                m.rand(n, dtype=m.float64),
                m.empty(n).exponential_(),
                m.bernoulli(m.full((n,), 0.5)),
                m.randn(n, dtype=m.float16),
            ]
        return out

    same(case, seed=seed, ulps=1)


def test_own_generator():
    def case(m):
        g = m.Generator()
        assert g.initial_seed() == 67280421310721
        first = m.rand(5, generator=g)
        g.manual_seed(99)
        assert g.initial_seed() == 99
        return [
            first,
            m.randn(20, generator=g),
            m.randperm(9, generator=g),
            m.rand(3),
            m.empty(4).uniform_(generator=g),
            m.multinomial(m.ones(9), 3, generator=g),
        ]

    same(case, ulps=1)


def test_scalar_normals_come_in_pairs():
    same(lambda m: [m.randn(1), m.rand(1), m.randn(1), m.randn(2), m.randn(16), m.randn(1)], ulps=1)


@pytest.mark.parametrize("draws", [0, 1, 623, 624, 625, 1000])
def test_state_exchange(draws):
    for source, target in ((pycore, torch), (torch, pycore)):
        source.manual_seed(4)
        source.rand(draws)
        source.randn(3)  # leaves half a pair behind
        state = source.get_rng_state().tolist()
        target.set_rng_state(target.tensor(state, dtype=target.uint8))
        for _ in range(2):
            assert source.rand(700).tolist() == target.rand(700).tolist()
            assert source.randn(3).tolist() == target.randn(3).tolist()
        assert source.initial_seed() == target.initial_seed()


def test_state_errors():
    for bad in ([0] * 10, [0] * 5056):
        for m in (pycore, torch):
            with pytest.raises(RuntimeError):
                m.set_rng_state(m.tensor(bad, dtype=m.uint8))
    for m in (pycore, torch):
        with pytest.raises((TypeError, RuntimeError)):
            m.set_rng_state(m.zeros(5056))


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.empty(2).uniform_(1, 0),
        lambda m: m.empty(2).normal_(0, -1),
        lambda m: m.empty(2).exponential_(0),
        lambda m: m.empty(2).bernoulli_(1.5),
        lambda m: m.empty(2).bernoulli_(m.tensor([0.5, 2.0])),
        lambda m: m.empty(2).geometric_(0.0),
        lambda m: m.empty(2).random_(5, 5),
        lambda m: m.empty(2, dtype=m.uint8).random_(0, 300),
        lambda m: m.randint(0, (2,)),
        lambda m: m.randperm(-1),
        lambda m: m.randperm(300, dtype=m.uint8),
        lambda m: m.multinomial(m.ones(3), 4),
        lambda m: m.multinomial(m.ones(3), 0),
        lambda m: m.multinomial(m.tensor([0.0, 0.0]), 1),
        lambda m: m.multinomial(m.tensor([-1.0, 2.0]), 1),
        lambda m: m.multinomial(m.tensor([float("nan"), 2.0]), 2, True),
        lambda m: m.multinomial(m.ones(2, dtype=m.int64), 1),
        lambda m: m.rand(2, dtype=m.int64),
        lambda m: m.empty(2, dtype=m.int32).normal_(),
        lambda m: m.zeros(1).expand(3).uniform_(),
        lambda m: m.zeros(2, requires_grad=True).uniform_(),
    ],
)
def test_errors(call):
    with pytest.raises(Exception) as reference:
        call(torch)
    with pytest.raises(type(reference.value)) as mine:
        call(pycore)
    words = str(reference.value).split()[:2]
    assert str(mine.value).split()[: len(words)] == words


# -- what is built on the streams ------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", DTYPES)
def test_dropout(name, p):
    def case(m):
        x = m.ones(1000, dtype=dtype(m, name))
        F = m.nn.functional
        return [F.dropout(x, p), F.dropout(x, p, inplace=True), F.dropout(m.ones(5, 7).t(), p)]

    same(case)


def test_other_dropouts():
    def case(m):
        F, x = m.nn.functional, m.ones(4, 6, 5)
        return [
            F.dropout1d(x),
            F.dropout2d(m.ones(4, 6, 2, 2)),
            F.dropout3d(m.ones(2, 3, 2, 2, 2)),
            F.alpha_dropout(x, training=True),
            F.feature_alpha_dropout(x, training=True),
        ]

    same(case, ulps=2)


@pytest.mark.parametrize(
    "init",
    [
        lambda m, x: m.nn.init.uniform_(x, -2, 3),
        lambda m, x: m.nn.init.normal_(x, 1, 2),
        lambda m, x: m.nn.init.xavier_uniform_(x, gain=1.5),
        lambda m, x: m.nn.init.xavier_normal_(x),
        lambda m, x: m.nn.init.kaiming_uniform_(x, a=0.1),
        lambda m, x: m.nn.init.kaiming_uniform_(x, mode="fan_out", nonlinearity="relu"),
        lambda m, x: m.nn.init.kaiming_normal_(x),
        lambda m, x: m.nn.init.sparse_(x, 0.3),
    ],
)
def test_init(init):
    same(lambda m: [init(m, m.empty(*shape)) for shape in ((3, 4), (64, 33))], ulps=1)


def test_init_of_kernels():
    same(
        lambda m: [
            m.nn.init.kaiming_uniform_(m.empty(8, 3, 3, 3)),
            m.nn.init.xavier_normal_(m.empty(8, 3, 5, 5)),
        ],
        ulps=1,
    )


@pytest.mark.parametrize(
    "layer",
    [
        lambda nn: nn.Linear(10, 5),
        lambda nn: nn.Linear(784, 100, bias=False),
        lambda nn: nn.Bilinear(3, 4, 5),
        lambda nn: nn.Conv1d(3, 4, 5),
        lambda nn: nn.Conv2d(1, 6, 5),
        lambda nn: nn.Conv2d(6, 16, 5, groups=2, bias=False),
        lambda nn: nn.Embedding(100, 16),
        lambda nn: nn.Embedding(3, 2),
        lambda nn: nn.BatchNorm2d(4),
        lambda nn: nn.PReLU(3),
        lambda nn: nn.Sequential(
            nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8), nn.Embedding(9, 4)
        ),
    ],
)
def test_initial_weights(layer):
    def case(m):
        module = layer(m.nn)
        return list(module.state_dict().values())

    same(case, ulps=1)


def test_fork_rng():
    def case(m):
        with m.random.fork_rng():
            inside = m.rand(5)
        return [inside, m.rand(5)]

    same(case)
