"""Sample inputs and NumPy references of every operator.

One obvious place, a line or a few per operator.

Read by test_ops.py (values, gradients, strides ...) and parity/test_ops_parity.py. `f(2, 3)`
stands for floating numbers of that shape, `i` for integers, `b` for bools, `values` for exactly
these; `ref` is the same in NumPy.
"""

from __future__ import annotations

import math

import numpy as np
import ops_samples_attention  # noqa: F401  (fills the same table)
import ops_samples_nn  # noqa: F401
import ops_samples_recurrent  # noqa: F401
import ops_samples_reduce  # noqa: F401
import ops_samples_spatial  # noqa: F401
from op_sample import DType, T, b, f, i, index, values

add = T.add
erf = np.vectorize(math.erf, otypes=[float])
lgamma = np.vectorize(math.lgamma, otypes=[float])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(0, x)


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def erfinv(y):
    """Newton's iteration on erf."""
    x = np.zeros_like(y)
    for _ in range(60):
        x = x - (erf(x) - y) / (2 / np.sqrt(np.pi) * np.exp(-x * x))
    return x


def digamma(x):
    """Recurrence up to 10, then the asymptotic series."""
    total = np.zeros_like(x)
    x = x.copy()
    for _ in range(12):
        total -= 1 / x
        x += 1
    y = 1 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))))
    return total + np.log(x) - 1 / (2 * x) - series


def polygamma(n, x):
    """The defining series, its tail as an integral."""
    k = np.arange(20000).reshape(-1, *[1] * np.ndim(x))
    end = x + 20000
    tail = end ** (-n) / n + end ** (-n - 1) / 2
    return (-1) ** (n + 1) * math.factorial(n) * (((x + k) ** (-n - 1.0)).sum(0) + tail)


# --- element-wise functions of one tensor ---------------------------------------------------------

UNARY = {
    "exp": (-2, 2, np.exp),
    "exp2": (-2, 2, np.exp2),
    "expm1": (-2, 2, np.expm1),
    "log": (0.1, 3, np.log),
    "log2": (0.1, 3, np.log2),
    "log10": (0.1, 3, np.log10),
    "log1p": (-0.8, 3, np.log1p),
    "sqrt": (0.1, 3, np.sqrt),
    "rsqrt": (0.1, 3, lambda x: 1 / np.sqrt(x)),
    "reciprocal": (0.3, 3, lambda x: 1 / x),
    "square": (-2, 2, np.square),
    "sin": (-4, 4, np.sin),
    "cos": (-4, 4, np.cos),
    "tan": (-1.2, 1.2, np.tan),
    "asin": (-0.9, 0.9, np.arcsin),
    "acos": (-0.9, 0.9, np.arccos),
    "atan": (-3, 3, np.arctan),
    "sinh": (-2, 2, np.sinh),
    "cosh": (-2, 2, np.cosh),
    "tanh": (-2, 2, np.tanh),
    "asinh": (-3, 3, np.arcsinh),
    "acosh": (1.2, 3, np.arccosh),
    "atanh": (-0.9, 0.9, np.arctanh),
    "sigmoid": (-3, 3, sigmoid),
    "erf": (-2, 2, erf),
    "erfc": (-2, 2, lambda x: 1 - erf(x)),
    "erfinv": (-0.9, 0.9, erfinv),
    "lgamma": (0.3, 4, lgamma),
    "digamma": (0.3, 4, digamma),
    "deg2rad": (-90, 90, np.deg2rad),
    "rad2deg": (-2, 2, np.rad2deg),
    "sinc": (0.1, 2, np.sinc),
    "neg": (-2, 2, np.negative),
    "abs": (-2, 2, np.abs),
    "frac": (-3, 3, lambda x: x - np.trunc(x)),
}
for name, (lo, hi, ref) in UNARY.items():
    add(name, f(2, 3, lo=lo, hi=hi), ref=ref, tol=4)
    add(name, f(lo=lo, hi=hi), ref=ref, grad=False, tol=4)
    add(name, f(0, 3, lo=lo, hi=hi), ref=ref, grad=False)
for alias, target in {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh",
    "absolute": "abs", "negative": "neg", "special.expit": "sigmoid", "special.erf": "erf",
    "special.expm1": "expm1",
    "nn.sigmoid": "sigmoid", "nn.tanh": "tanh",
}.items():  # fmt: skip
    T.alias(alias, target)
# PyTorch computes n = 1 with few terms of the series: its values are good to 5e-10 only.
for n, tol in ((1, 400), (2, 4), (5, 4)):
    add("polygamma", n, f(2, 3, lo=0.3, hi=4), ref=polygamma, tol=tol)
add(
    "polygamma",
    1,
    values([-0.5, -1.25]),
    ref=lambda n, x: (np.pi / np.sin(np.pi * x)) ** 2 - polygamma(1, 1 - x),
    tol=400,
)

add("neg", i(4), ref=np.negative)
add("abs", i(2, 3), ref=np.abs)
for name, ref in {"sign": np.sign, "sgn": np.sign}.items():
    add(name, values([-1.5, 0.0, 2.0]), ref=ref, grad=False)
    add(name, f(4), ref=ref)
    add(name, i(4), ref=ref)
for name, ref in {
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "fix": np.trunc,
    "round": np.round,
}.items():
    add(name, f(2, 3, lo=-3, hi=3), ref=ref)
    add(name, values([-2.5, -0.5, 0.5, 1.5]), ref=ref, grad=False)
    add(name, i(3), ref=lambda x: x)
add("round", f(5), kw={"decimals": 2}, ref=lambda x, decimals: np.round(x, decimals), grad=False)
add("logit", f(4, lo=0.1, hi=0.9), ref=lambda x: np.log(x / (1 - x)))
add(
    "logit",
    f(4, lo=-0.5, hi=1.5),
    0.2,
    ref=lambda x, e: np.log(np.clip(x, e, 1 - e) / (1 - np.clip(x, e, 1 - e))),
)
add("positive", f(3), ref=lambda x: x)
add("real", f(3), ref=lambda x: x)
for name in ("conj", "conj_physical", "resolve_conj", "resolve_neg"):
    add(name, f(3), ref=lambda x: x)
add("angle", f(4), ref=np.angle)
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, -1.5, 2.0]
for name in ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit"):
    add(name, values(SPECIAL), ref=getattr(np, name), grad=False)
    add(name, i(3), ref=getattr(np, name) if name != "signbit" else np.signbit, grad=False)
add("isreal", f(3), ref=lambda x: x == x, grad=False)
add(
    "nan_to_num",
    values(SPECIAL),
    1.0,
    2.0,
    -3.0,
    ref=lambda x, a, p, n: np.nan_to_num(x, nan=a, posinf=p, neginf=n),
    grad=False,
)
add("nan_to_num", f(2, 2), ref=lambda x: x)
add("logical_not", values([0.0, 1.0, -2.0]), ref=np.logical_not, grad=False)
add("logical_not", b(3), ref=np.logical_not)
add("bitwise_not", i(4), ref=np.invert)
add("bitwise_not", b(4), ref=np.invert)
for name in ("clamp", "clip"):
    add(name, f(2, 4), -0.5, 1.0, ref=np.clip)
    add(name, f(4), kw={"min": 0.25}, ref=lambda x, min: np.maximum(x, min))
    add(name, i(6), -1, 2, ref=np.clip)
    add(
        name,
        f(2, 4),
        f(4, lo=-1, hi=0),
        f(2, 1, lo=0, hi=1),
        ref=lambda x, lo, hi: np.minimum(np.maximum(x, lo), hi),
    )
add("clamp_min", f(5), 0.3, ref=np.maximum)
add("clamp_max", f(5), 0.3, ref=np.minimum)

# --- element-wise functions of two ----------------------------------------------------------------

for name, op in {"add": np.add, "sub": np.subtract}.items():
    add(name, f(2, 3), f(3), ref=op)
    add(name, f(2, 1), f(1, 3), ref=op)
    add(name, f(2, 2), 1.5, ref=op)
    add(name, f(3), f(3), kw={"alpha": 2}, ref=lambda x, y, alpha, op=op: op(x, alpha * y))
    add(name, i(3), i(3), ref=op)
    add(name, f(), f(2), ref=op)
    add(name, f(0, 3), f(3), ref=op)
T.alias("subtract", "sub")
add("rsub", f(3), f(3), ref=lambda x, y: y - x)
add("rsub", f(3), 2.5, ref=lambda x, y: y - x)
add("rsub", f(3), 2.5, kw={"alpha": 3}, ref=lambda x, y, alpha: y - alpha * x)
for name in ("mul", "multiply"):
    add(name, f(2, 3), f(3), ref=np.multiply)
    add(name, f(2, 2), -1.5, ref=np.multiply)
    add(name, i(3), i(2, 3), ref=np.multiply)
    add(name, b(3), b(3), ref=np.logical_and)
for name in ("div", "divide", "true_divide"):
    add(name, f(2, 3), f(3, lo=0.5, hi=2), ref=np.divide)
    add(name, f(2, 2), 2.5, ref=np.divide)
    add(name, i(4), i(4, lo=1, hi=5), ref=np.divide)
for name in ("div", "divide"):
    add(
        name,
        f(4),
        f(4, lo=0.5, hi=2),
        kw={"rounding_mode": "floor"},
        ref=lambda x, y, rounding_mode: np.floor(x / y),
    )
    add(
        name,
        f(4),
        f(4, lo=0.5, hi=2),
        kw={"rounding_mode": "trunc"},
        ref=lambda x, y, rounding_mode: np.trunc(x / y),
    )
    add(
        name,
        i(4),
        i(4, lo=1, hi=4),
        kw={"rounding_mode": "trunc"},
        ref=lambda x, y, rounding_mode: np.trunc(x / y),
    )
add("floor_divide", f(4), f(4, lo=0.5, hi=2), ref=np.floor_divide, grad=False)
add("floor_divide", i(4), 3, ref=np.floor_divide)
add("remainder", f(4), f(4, lo=0.5, hi=2), ref=np.mod)
add("remainder", i(4), -3, ref=np.mod)
add("fmod", f(4), f(4, lo=0.5, hi=2), ref=np.fmod)
add("fmod", i(4), -3, ref=np.fmod)
add("pow", f(2, 3, lo=0.2, hi=2), f(3), ref=np.power, tol=4)
add("pow", f(3), 2, ref=np.power)
add("pow", f(3), 3, ref=np.power)
add("pow", f(3, lo=0.3, hi=2), 0.5, ref=np.power)
add("pow", 2.5, f(3), ref=np.power, tol=4)
add("pow", i(3, lo=1, hi=4), 2, ref=np.power)
add("float_power", f(3, lo=0.2, hi=2), f(3), ref=np.power)
add("float_power", i(3, lo=1, hi=4), -1, ref=lambda x, e: np.power(x.astype(float), e))
add("ldexp", f(3), i(3, lo=0), ref=lambda x, e: x * 2.0**e)
add("atan2", f(2, 3), f(3), ref=np.arctan2)
add("hypot", f(2, 3), f(3, lo=0.5), ref=np.hypot)
add("logaddexp", f(2, 3), f(3), ref=np.logaddexp)
add("logaddexp2", f(2, 3), f(3), ref=np.logaddexp2)
add("xlogy", f(2, 3), f(3, lo=0.2, hi=3), ref=lambda x, y: x * np.log(y))
add("xlogy", 2.0, f(3, lo=0.2, hi=3), ref=lambda x, y: x * np.log(y))
add("xlogy", f(3), 1.5, ref=lambda x, y: x * np.log(y))
add(
    "xlogy",
    values([0.0, 0.0, 1.0]),
    values([0.0, 2.0, 3.0]),
    ref=lambda x, y: np.array([0.0, 0.0, math.log(3)]),
    grad=False,
)
T.alias("special.xlogy", "xlogy")
add("copysign", f(2, 3), f(3), ref=np.copysign)
add("copysign", f(3), -1.0, ref=np.copysign)
add("lerp", f(2, 3), f(3), 0.3, ref=lambda x, y, w: x + w * (y - x))
add("lerp", f(2, 3), f(3), f(2, 1), ref=lambda x, y, w: x + w * (y - x))
add(
    "addcmul",
    f(2, 3),
    f(3),
    f(2, 1),
    kw={"value": 0.5},
    ref=lambda x, y, z, value: x + value * y * z,
)
add("addcmul", i(3), i(3), i(3), ref=lambda x, y, z: x + y * z)
add(
    "addcdiv",
    f(2, 3),
    f(3),
    f(2, 1, lo=0.5),
    kw={"value": 0.5},
    ref=lambda x, y, z, value: x + value * y / z,
)
for name, op in {
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmax": np.fmax,
    "fmin": np.fmin,
}.items():
    add(name, f(2, 3), f(3), ref=op)
    add(name, values([1.0, math.nan]), values([math.nan, 2.0]), ref=op, grad=False)
    add(name, i(3), i(3), ref=op)
COMPARE = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal,
    "not_equal": np.not_equal, "less": np.less, "less_equal": np.less_equal, "greater": np.greater,
    "greater_equal": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}  # fmt: skip
for name, op in COMPARE.items():
    add(name, i(3, 4, lo=-1, hi=2), i(4, lo=-1, hi=2), ref=op)
    add(name, values([0.0, 1.5, math.nan]), values([0.0, 2.0, 1.0]), ref=op, grad=False)
    if not name.startswith("logical"):
        add(name, i(4, lo=-1, hi=2), 1, ref=op)
for name, op in {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
}.items():
    add(name, i(2, 4), i(4), ref=op)
    add(name, b(4), b(4), ref=op)
    add(name, i(4), 3, ref=op)
add("bitwise_left_shift", i(4), i(4, lo=0, hi=5), ref=np.left_shift)
add("bitwise_right_shift", i(4), i(4, lo=0, hi=5), ref=np.right_shift)
add("gcd", i(6, lo=-20, hi=20), i(6, lo=-20, hi=20), ref=np.gcd)
add("lcm", i(6, lo=-20, hi=20), i(6, lo=-20, hi=20), ref=np.lcm)
add("nextafter", values([1.0, 2.0]), values([2.0, 1.0]), ref=lambda x, y: x, grad=False)
add("heaviside", values([-1.0, 0.0, 2.0]), values([0.5, 0.5, 0.5]), ref=np.heaviside, grad=False)
add("where", b(2, 3), f(3), f(2, 1), ref=np.where)
add("where", b(3), 1.5, f(3), ref=np.where)
add("masked_fill", f(2, 3), b(3), 2.5, ref=lambda x, m, v: np.where(m, v, x))
add("masked_fill", f(2, 3), b(2, 1), f(), ref=lambda x, m, v: np.where(m, v, x))
add("equal", i(3), i(3), ref=np.array_equal, grad=False)
add("equal", values([1.0, 2.0]), values([1.0, 2.0]), ref=np.array_equal, grad=False)
add(
    "isclose",
    values([1.0, 2.0, math.nan]),
    values([1.0, 2.1, math.nan]),
    ref=np.isclose,
    grad=False,
)
add(
    "isclose",
    values([1.0, math.inf, math.nan]),
    values([1.001, math.inf, math.nan]),
    0.01,
    0.0,
    True,
    ref=np.isclose,
    grad=False,
)
add("allclose", values([1.0, 2.0]), values([1.0, 2.0]), ref=np.allclose, grad=False)
add("is_same_size", f(2), f(3), ref=lambda x, y: x.shape == y.shape, grad=False)

# --- copies, conversions --------------------------------------------------------------------------

for name in ("clone", "contiguous"):
    add(name, f(2, 3), ref=lambda x: x)
add("detach", f(2, 3), ref=lambda x: x, grad=False)
add("detach_", f(2, 3), ref=lambda x: x, grad=False)
for name, kind in {
    "float": np.float32, "double": np.float64, "half": np.float16, "long": np.int64,
    "int": np.int32, "short": np.int16,
    "char": np.int8, "byte": np.uint8, "bool": np.bool_,
}.items():  # fmt: skip
    add(
        name,
        values([0.0, 1.5, 3.75]),
        ref=lambda x, kind=kind: x.astype(kind),
        grad=name == "double",
    )
add("bfloat16", values([0.0, 1.5, 3.75]), ref=lambda x: x, grad=False)
add("to", values([0.0, 1.5, 3.75]), DType("int64"), ref=lambda x, t: x.astype(np.int64), grad=False)
add("to", f(3), "cpu", ref=lambda x, d: x)
add("to", f(3), values([1]), ref=lambda x, t: x.astype(np.int64), grad=False)
add("type_as", f(3), values([1]), ref=lambda x, t: x.astype(np.int64), grad=False)
add("type_as", i(3), f(1), ref=lambda x, t: x.astype(float), grad=False)
add("copy_", f(2, 3), f(3), ref=lambda x, y: np.broadcast_to(y, x.shape), grad=False)
add("fill_", f(2, 3), 2.5, ref=lambda x, v: np.full_like(x, v), grad=False)
add("zero_", f(2, 3), ref=np.zeros_like, grad=False)
add("resize_", f(2, 3), (3, 2), ref=lambda x, s: x.reshape(s), grad=False, strides=False)

# --- creation -------------------------------------------------------------------------------------

add("zeros", (2, 3), ref=np.zeros)
add("zeros", 2, 0, ref=lambda *s: np.zeros(s))
add("ones", (2, 3), ref=np.ones)
add("empty", (0, 3), ref=np.empty)
add("full", (2, 2), 1.5, ref=np.full)
add("full", (2,), 7, ref=np.full)
add("scalar_tensor", 2.5, ref=lambda x: np.array(x))
for name, ref in {"zeros_like": np.zeros_like, "ones_like": np.ones_like}.items():
    add(name, f(2, 3), ref=ref, grad=False)
    add(name, i(2), ref=ref)
add("empty_like", f(0, 2), ref=np.empty_like, grad=False)
add("full_like", f(2, 3), 1.5, ref=np.full_like, grad=False)
add("new_zeros", i(2), (2, 2), ref=lambda x, s: np.zeros(s, x.dtype))
add("new_ones", f(2), (2, 2), ref=lambda x, s: np.ones(s), grad=False)
add("new_empty", i(2), (0, 2), ref=lambda x, s: np.zeros(s, x.dtype))
add("new_full", i(2), (2, 2), 3, ref=lambda x, s, v: np.full(s, v))
add("arange", 5, ref=np.arange)
add("arange", 1, 2, 0.25, ref=np.arange)
add("arange", 5, -5, -3, ref=np.arange)
add("linspace", -1, 2, 7, ref=np.linspace)
add("logspace", 0, 2, 5, ref=np.logspace, tol=4)
add("eye", 3, ref=np.eye)
add("eye", 2, 3, ref=np.eye)
for name, ref in {"tril_indices": np.tril_indices, "triu_indices": np.triu_indices}.items():
    add(name, 3, 4, ref=lambda r, c, ref=ref: np.array(ref(r, 0, c)))
    add(name, 3, 2, 1, ref=lambda r, c, k, ref=ref: np.array(ref(r, k, c)))

# --- random numbers: values are the business of test_random.py ------------------------------------

for name in ("rand", "randn"):
    add(name, (2, 3), random=True)
for name in ("rand_like", "randn_like"):
    add(name, f(2, 3), random=True, grad=False)
add("randint", 5, (2, 3), random=True)
add("randint", -3, 5, (2, 3), random=True)
add("randint_like", f(2, 3), 5, random=True, grad=False)
add("randperm", 6, random=True)
add("normal", 0.0, 1.0, (2, 3), random=True)
add("normal", f(2, 3, grad=False), f(2, 3, lo=0.5, grad=False), random=True, grad=False)
add("bernoulli", f(2, 3, lo=0, hi=1), random=True, grad=False)
add("poisson", f(2, 3, lo=0, hi=5), random=True, grad=False)
add("multinomial", f(5, lo=0.1, hi=1), 3, random=True, grad=False)
for name in (
    "uniform_",
    "normal_",
    "exponential_",
    "cauchy_",
    "log_normal_",
    "random_",
    "bernoulli_",
):
    add(name, f(2, 3), random=True, grad=False)
add("geometric_", f(2, 3), 0.5, random=True, grad=False)
add("random_", i(4), 5, random=True)
for name in ("dropout", "nn.dropout"):
    add(name, f(2, 3), 0.5, True, random=True, grad=False)
    add(name, f(2, 3), 0.5, False, ref=lambda x, p, t: x)

# --- views ----------------------------------------------------------------------------------------

add("view", f(2, 6), (3, -1), ref=lambda x, s: x.reshape(s), strides=False)
add("view", i(4), DType("float64"), ref=lambda x, t: x.view(np.float64), strides=False)
for name in ("view_as",):
    add(name, f(2, 6), f(3, 4, grad=False), ref=lambda x, y: x.reshape(y.shape), strides=False)
add("reshape", f(2, 6), (3, 4), ref=lambda x, s: x.reshape(s))
add("reshape", f(0, 3), (3, 0), ref=lambda x, s: x.reshape(s))
add("reshape_as", f(2, 6), f(3, 4, grad=False), ref=lambda x, y: x.reshape(y.shape))
add("flatten", f(2, 3, 4), ref=np.ravel)
add("flatten", f(2, 3, 4), 1, ref=lambda x, d: x.reshape(2, 12))
add("flatten", f(), ref=np.ravel)
add("ravel", f(2, 3), ref=np.ravel)
add("unflatten", f(2, 6), 1, (2, -1), ref=lambda x, d, s: x.reshape(2, 2, 3))
add(
    "as_strided",
    f(6),
    (2, 3),
    (1, 2),
    ref=lambda x, s, t: np.array([[x[0], x[2], x[4]], [x[1], x[3], x[5]]]),
    strides=False,
)
add(
    "as_strided",
    f(5),
    (3, 3),
    (1, 1),
    ref=lambda x, s, t: np.array([x[k : k + 3] for k in range(3)]),
    strides=False,
)
add("expand", f(2, 1), (2, 3), ref=np.broadcast_to)
add("expand", f(3), (2, -1), ref=lambda x, s: np.broadcast_to(x, (2, 3)))
add("expand_as", f(2, 1), f(2, 3, grad=False), ref=lambda x, y: np.broadcast_to(x, y.shape))
add("broadcast_to", f(3), (2, 3), ref=np.broadcast_to)
add("permute", f(2, 3, 4), (2, 0, 1), ref=np.transpose)
for name in ("transpose", "swapaxes", "swapdims"):
    add(name, f(2, 3, 4), 0, -1, ref=np.swapaxes)
for name in ("transpose_", "swapaxes_", "swapdims_"):
    add(name, f(2, 3, 4), 0, -1, ref=np.swapaxes, grad=False)
add("t", f(2, 3), ref=np.transpose)
add("t", f(3), ref=np.transpose)
add("t_", f(2, 3), ref=np.transpose, grad=False)
add("adjoint", f(2, 3), ref=np.transpose)
for name in ("movedim", "moveaxis"):
    add(name, f(2, 3, 4), 0, -1, ref=np.moveaxis)
    add(name, f(2, 3, 4), (0, 1), (2, 0), ref=np.moveaxis)
add("unsqueeze", f(2, 3), 1, ref=np.expand_dims)
add("unsqueeze_", f(2, 3), 1, ref=np.expand_dims, grad=False)
for name in ("squeeze", "squeeze_"):
    add(name, f(1, 2, 1), ref=np.squeeze, grad=name == "squeeze")
    add(name, f(1, 2, 1), 0, ref=np.squeeze, grad=name == "squeeze")
    add(name, f(1, 2, 1), (0, 2), ref=np.squeeze, grad=name == "squeeze")
add(
    "as_strided_",
    f(6),
    (2, 3),
    (1, 2),
    ref=lambda x, s, t: np.array([x[0::2], x[1::2]]),
    grad=False,
    strides=False,
)
add("select", f(2, 3), 1, -1, ref=lambda x, d, k: x[:, -1])
add("narrow", f(4, 3), 0, 1, 2, ref=lambda x, d, s, n: x[1:3])
add("narrow_copy", f(4, 3), 0, 1, 2, ref=lambda x, d, s, n: x[1:3])
add("diagonal", f(3, 4), ref=np.diagonal)
add("diagonal", f(2, 3, 4), 1, 1, 2, ref=np.diagonal)
add("unfold", f(7), 0, 3, 2, ref=lambda x, d, n, s: np.array([x[k : k + 3] for k in (0, 2, 4)]))
for name in ("split", "split_with_sizes"):
    add(name, f(5, 2), [2, 3], ref=lambda x, n: np.split(x, [2]))
add("split", f(5, 2), 2, ref=lambda x, n: np.split(x, [2, 4]))
add("chunk", f(2, 5), 2, 1, ref=lambda x, n, d: np.split(x, [3], axis=1))
for name in ("unbind",):
    add(name, f(2, 3), 1, ref=lambda x, d: [x[:, k] for k in range(3)])
add("tensor_split", f(5), 3, ref=np.array_split)
add("tensor_split", f(5, 2), (1, 3), ref=np.split)
add("tensor_split", f(5), index([1, -1]), ref=lambda x, k: np.split(x, [1, 4]))
add("hsplit", f(2, 4), 2, ref=np.hsplit)
add("vsplit", f(4, 2), (1, 3), ref=np.vsplit)
add("dsplit", f(1, 2, 4), 2, ref=np.dsplit)

# --- joining, rearranging -------------------------------------------------------------------------

for name in ("cat", "concat", "concatenate"):
    add(name, [f(2, 3), f(1, 3), f(0, 3)], ref=np.concatenate)
    add(name, [f(2, 3), i(2, 2)], 1, ref=lambda x, d: np.concatenate(x, axis=1))
    add(name, [f(0), f(2, 3)], ref=lambda x: x[1], grad=False)
add("stack", [f(2, 3), f(2, 3)], ref=np.stack)
add("stack", [f(2, 3), f(2, 3), f(2, 3)], -1, ref=lambda x, d: np.stack(x, axis=-1))
add("stack", [f(), f()], ref=np.stack)
for name, ref in {
    "hstack": np.hstack, "vstack": np.vstack, "dstack": np.dstack, "column_stack": np.column_stack,
    "row_stack": np.vstack,
}.items():  # fmt: skip
    add(name, [f(3), f(3)], ref=ref)
    add(name, [f(2, 3), f(2, 3)], ref=ref)


def block_diag(*blocks):
    blocks = [np.atleast_2d(x) for x in blocks]
    out = np.zeros(np.sum([x.shape for x in blocks], axis=0))
    r = c = 0
    for x in blocks:
        out[r : r + x.shape[0], c : c + x.shape[1]] = x
        r, c = r + x.shape[0], c + x.shape[1]
    return out


add("block_diag", f(2, 3), f(2), f(), ref=block_diag)
add("repeat", f(2, 3), (2, 1, 2), ref=np.tile)
add("repeat", f(2), (0,), ref=np.tile)
add("tile", f(2, 3), (2,), ref=np.tile)
add("repeat_interleave", f(2, 3), 2, ref=np.repeat)
add("repeat_interleave", f(2, 3), 2, 1, ref=np.repeat)
add("repeat_interleave", f(2, 3), index([2, 0, 1]), 1, ref=np.repeat)
add("repeat_interleave", index([2, 0, 3]), ref=lambda n: np.repeat(np.arange(3), n))
add("flip", f(2, 3, 2), (0, 2), ref=np.flip)
add("fliplr", f(2, 3), ref=np.fliplr)
add("flipud", f(2, 3), ref=np.flipud)
add("roll", f(2, 3), 1, ref=np.roll)
add("roll", f(2, 3), (1, -5), (0, 1), ref=np.roll)
add("roll", f(2, 3), 1, None, ref=lambda x, s, d: np.roll(x, s))
add("rot90", f(2, 3), ref=np.rot90)
add("rot90", f(2, 3, 2), 3, (0, 2), ref=np.rot90)
add("broadcast_tensors", f(2, 1), f(3), ref=lambda *x: list(np.broadcast_arrays(*x)))
add(
    "meshgrid",
    f(2),
    f(3),
    kw={"indexing": "ij"},
    ref=lambda *x, indexing: list(np.meshgrid(*x, indexing=indexing)),
)
add(
    "meshgrid",
    [f(2), f(3), f(2)],
    kw={"indexing": "xy"},
    ref=lambda x, indexing: list(np.meshgrid(*x, indexing=indexing)),
)
add("cartesian_prod", f(2), f(3), ref=lambda x, y: np.array([(p, q) for p in x for q in y]))
for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    add(name, f(3), ref=getattr(np, name))
    add(name, f(), ref=getattr(np, name))
    add(name, [f(2, 2), f(2)], ref=lambda x, name=name: list(getattr(np, name)(*x)))
add(
    "constant_pad_nd",
    f(2, 3),
    (1, 2, -1, 1),
    0.5,
    ref=lambda x, p, v: np.pad(x[1:], ((0, 1), (1, 2)), constant_values=v),
)
add("nn.pad", f(2, 3), (1, 2), ref=lambda x, p: np.pad(x, ((0, 0), (1, 2))))
add(
    "nn.pad",
    f(2, 3),
    (1, 0, 2, 1),
    "constant",
    1.5,
    ref=lambda x, p, m, v: np.pad(x, ((2, 1), (1, 0)), constant_values=v),
)
for mode, how in {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}.items():
    add(
        "nn.pad",
        f(1, 2, 4),
        (2, 1),
        mode,
        ref=lambda x, p, m, how=how: np.pad(x, ((0, 0), (0, 0), (2, 1)), how),
    )
    add(
        "nn.pad",
        f(1, 2, 3, 4),
        (1, 2, 2, 1),
        mode,
        ref=lambda x, p, m, how=how: np.pad(x, ((0, 0), (0, 0), (2, 1), (1, 2)), how),
    )
add(
    "pixel_shuffle",
    f(1, 8, 2, 3),
    2,
    ref=lambda x, r: x.reshape(1, 2, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(1, 2, 4, 6),
)
add(
    "pixel_unshuffle",
    f(1, 2, 4, 6),
    2,
    ref=lambda x, r: x.reshape(1, 2, 2, 2, 3, 2).transpose(0, 1, 3, 5, 2, 4).reshape(1, 8, 2, 3),
)

# --- triangles, diagonals -------------------------------------------------------------------------

for name in ("tril", "triu"):
    add(name, f(3, 4), ref=getattr(np, name))
    add(name, f(2, 3, 3), -1, ref=getattr(np, name))
    add(name, i(3, 3), 1, ref=getattr(np, name))
add("diag", f(3), ref=np.diag)
add("diag", f(3, 4), 1, ref=np.diag)
add("diag", f(3), -1, ref=np.diag)
add("diagflat", f(2, 2), 1, ref=np.diagflat)
add("diag_embed", f(2, 3), ref=lambda x: np.stack([np.diag(r) for r in x]))
add("diag_embed", f(3), 1, ref=np.diag)
add("trace", f(3, 4), ref=np.trace)
add("trace", i(3, 3), ref=np.trace)
add("vander", f(3), ref=np.vander)
add("vander", i(3), 4, True, ref=np.vander)
