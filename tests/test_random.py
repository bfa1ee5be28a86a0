"""Recorded random numbers: the streams must never change, with or without torch to compare with.

The numbers are those of PyTorch 2.13's CPU generator from seed 42.
"""

from __future__ import annotations

import numpy as np
import pytest

pycore = pytest.importorskip("pycore")

RECORDED = [
    (
        lambda m: m.rand(5),
        [
            0.8822692632675171,
            0.9150039553642273,
            0.38286375999450684,
            0.9593056440353394,
            0.3904482126235962,
        ],
    ),
    (
        lambda m: m.rand(3, dtype=m.float64),
        [0.05815448596142969, 0.06291016742457756, 0.12358607277440903],
    ),
    (lambda m: m.rand(3, dtype=m.float16), [0.88232421875, 0.9150390625, 0.3828125]),
    (lambda m: m.rand(3, dtype=m.bfloat16), [0.8828125, 0.9140625, 0.3828125]),
    (
        lambda m: m.randn(5),
        [
            0.33669036626815796,
            0.12880940735340118,
            0.23446236550807953,
            0.23033303022384644,
            -1.1228563785552979,
        ],
    ),
    (
        lambda m: m.randn(17)[::4],
        [
            1.9269152879714966,
            -0.7581311464309692,
            0.3558599054813385,
            -0.2316243201494217,
            -0.3097267746925354,
        ],
    ),
    (
        lambda m: m.randn(5, dtype=m.float64),
        [
            0.33669035438385886,
            0.1288094051365897,
            0.23446236336153173,
            0.2303330279146119,
            -1.1228563767381703,
        ],
    ),
    (
        lambda m: m.randn(18, dtype=m.float64)[::6],
        [0.2995562877502637, -0.010085521702337353, 0.39238484373268534],
    ),
    (lambda m: m.randn(18, dtype=m.float16)[::6], [1.9267578125, -0.75830078125, 0.6103515625]),
    (lambda m: m.randint(0, 10, (8,)), [2, 7, 6, 4, 6, 5, 0, 4]),
    (lambda m: m.randint(-(2**40), 2**40, (3,)), [-658003837517, 395924837646, -640896347065]),
    (lambda m: m.randperm(8), [6, 3, 0, 7, 2, 1, 4, 5]),
    (
        lambda m: m.empty(4).uniform_(-0.37, 0.81),
        [0.6710777878761292, 0.7097046971321106, 0.08177925646305084, 0.7619807124137878],
    ),
    (
        lambda m: m.empty(4).normal_(0.3, 1.7),
        [0.8723735809326172, 0.5189759731292725, 0.6985860466957092, 0.6915661692619324],
    ),
    (
        lambda m: m.empty(4).exponential_(1.3),
        [0.046087704598903656, 0.04998163878917694, 0.10147444903850555, 0.04154842346906662],
    ),
    (lambda m: m.empty(8).bernoulli_(0.3), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
    (lambda m: m.bernoulli(m.full((8,), 0.3)), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
    (lambda m: m.multinomial(m.arange(1.0, 7.0), 4), [3, 1, 2, 0]),
    (lambda m: m.multinomial(m.arange(1.0, 7.0), 6, True), [1, 1, 1, 1, 4, 4]),
    (lambda m: m.empty(4).geometric_(0.2), [13.0, 13.0, 10.0, 14.0]),
    (
        lambda m: m.empty(4).cauchy_(0.3, 1.7),
        [-8.901227951049805, -8.189291954040527, -3.8562862873077393, -9.897686958312988],
    ),
    (
        lambda m: m.empty(4).log_normal_(0.3, 0.7),
        [1.7086153030395508, 1.4772268533706665, 1.590619683265686, 1.5860285758972168],
    ),
    (lambda m: m.poisson(m.full((6,), 4.0)), [1.0, 1.0, 5.0, 4.0, 4.0, 2.0]),
    (lambda m: m.empty(4, dtype=m.int16).random_(), [23654, 15795, 860, 5390]),
    (lambda m: m.nn.functional.dropout(m.ones(8), 0.5), [2.0, 2.0, 2.0, 2.0, 0.0, 2.0, 0.0, 0.0]),
    (
        lambda m: m.nn.Linear(3, 2).weight.flatten(),
        [
            0.4414065182209015,
            0.47920528054237366,
            -0.1352572739124298,
            0.5303604602813721,
            -0.1264995038509369,
            0.11650390923023224,
        ],
    ),
    (
        lambda m: m.nn.init.kaiming_normal_(m.empty(4, 5))[0],
        [
            1.2186882495880127,
            0.9406410455703735,
            0.5696635842323303,
            -1.331648349761963,
            -0.4794842302799225,
        ],
    ),
    (
        lambda m: m.rand(3, 2).t().contiguous().flatten(),
        [
            0.8822692632675171,
            0.38286375999450684,
            0.3904482126235962,
            0.9150039553642273,
            0.9593056440353394,
            0.600895345211029,
        ],
    ),
]


def close(a, b):
    # One unit in the last place of float32 where a logarithm or a sine takes part, else equal.
    return a == b or abs(a - b) <= 1.2e-7 * abs(b)


@pytest.mark.parametrize("case, expected", RECORDED, ids=range(len(RECORDED)))
def test_recorded(case, expected):
    pycore.manual_seed(42)
    out = case(pycore)
    got = out.double().tolist() if out.dtype.is_floating_point else out.tolist()
    assert len(got) == len(expected)
    assert all(close(a, b) for a, b in zip(got, expected, strict=True)), got


def test_seed_is_repeatable_and_returned():
    generator = pycore.manual_seed(5)
    first = pycore.rand(10).tolist()
    assert generator.initial_seed() == pycore.initial_seed() == 5
    pycore.manual_seed(5)
    assert pycore.rand(10).tolist() == first


def test_seed_from_system_changes():
    assert pycore.seed() != pycore.seed()


def test_negative_seed_counts_from_the_top():
    pycore.manual_seed(-1)
    first = pycore.rand(3).tolist()
    pycore.manual_seed(2**64 - 1)
    assert pycore.rand(3).tolist() == first


@pytest.mark.parametrize("bad", [2**64, -(2**63) - 1])
def test_seed_out_of_range(bad):
    with pytest.raises((RuntimeError, ValueError, OverflowError)):
        pycore.manual_seed(bad)


@pytest.mark.parametrize("parts", [(1, 1, 1), (15, 1), (100, 3), (624, 2), (1000,)])
def test_uniform_stream_does_not_depend_on_call_sizes(parts):
    pycore.manual_seed(1)
    pieces = [x for n in parts for x in pycore.rand(n).tolist()]
    pycore.manual_seed(1)
    assert pycore.rand(sum(parts)).tolist() == pieces


def test_state_round_trip_keeps_the_half_pair():
    pycore.manual_seed(9)
    pycore.randn(1)
    state = pycore.get_rng_state()
    assert state.dtype == pycore.uint8 and tuple(state.shape) == (5056,)
    expected = pycore.randn(3).tolist()
    pycore.set_rng_state(state)
    assert pycore.randn(3).tolist() == expected


def test_generators_are_independent():
    a, b = pycore.Generator().manual_seed(1), pycore.Generator().manual_seed(1)
    pycore.manual_seed(1)
    x = pycore.rand(4, generator=a).tolist()
    pycore.rand(100)
    assert pycore.rand(4, generator=b).tolist() == x


def test_moments():
    pycore.manual_seed(0)
    x = pycore.randn(200_000, dtype=pycore.float64)
    assert abs(x.mean().item()) < 0.01 and abs(x.std().item() - 1) < 0.01
    e = pycore.empty(200_000, dtype=pycore.float64).exponential_(2.0)
    assert abs(e.mean().item() - 0.5) < 0.01


def test_in_place_cuts_the_gradient():
    x = pycore.ones(3, requires_grad=True)
    y = (x * 2).uniform_()
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_permutation_is_one():
    assert sorted(pycore.randperm(1000).tolist()) == list(range(1000))


@pytest.mark.parametrize("categories", [1, 2, 3, 7, 8, 9, 100, 1000, 1025])
def test_draws_by_weight_are_searches_in_the_running_sums(categories: int) -> None:
    weights = np.random.default_rng(categories).random(categories).astype(np.float32)
    weights[categories // 3 : categories // 2] = 0
    sums = np.cumsum(weights, dtype=np.float32)
    sums /= sums[-1]
    sums[-1] = 1
    for samples in (2, 15, 16, 17, 33, 500):
        pycore.manual_seed(samples)
        draws = pycore.rand(samples, dtype=pycore.float64).numpy()
        pycore.manual_seed(samples)
        got = pycore.multinomial(pycore.tensor(weights), samples, replacement=True)
        assert np.array_equal(got.numpy(), np.searchsorted(sums.astype(np.float64), draws))
