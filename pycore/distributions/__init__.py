"""`pycore.distributions`: random variables with log-probabilities, for policies and latent variables.

The distributions of reinforcement learning and variational models: `Normal`, `Categorical`,
`Bernoulli`, `OneHotCategorical`, `Uniform`, `Exponential`, `Laplace`, `Independent`, and
`kl_divergence` between those of one kind. Parameters broadcast against each other; a sample of
`sample_shape` has the shape `sample_shape + batch_shape + event_shape`. `sample` draws PyTorch's
numbers for the same seed; `rsample` is differentiable in the parameters (Kingma, Welling 2013).
ValueError for parameters or values outside of their domain, unless `validate_args` is False.

>>> import pycore
>>> policy = pycore.distributions.Categorical(logits=pycore.zeros(4))
>>> policy.log_prob(policy.sample())
tensor(-1.3863)

Knows tensors; must not know modules.
"""

from . import constraints as constraints
from .bernoulli import Bernoulli
from .categorical import Categorical
from .distribution import Distribution
from .exponential import Exponential
from .independent import Independent
from .kl import kl_divergence, register_kl
from .laplace import Laplace
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .uniform import Uniform

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Exponential",
    "Independent",
    "Laplace",
    "Normal",
    "OneHotCategorical",
    "Uniform",
    "kl_divergence",
    "register_kl",
]

TYPE_CHECKING = False
if not TYPE_CHECKING:
    _LATER = frozenset(
        [
            "Beta",
            "Binomial",
            "Cauchy",
            "Chi2",
            "ContinuousBernoulli",
            "Dirichlet",
            "FisherSnedecor",
            "Gamma",
            "GeneralizedPareto",
            "Geometric",
            "Gumbel",
            "HalfCauchy",
            "HalfNormal",
            "InverseGamma",
            "Kumaraswamy",
            "LKJCholesky",
            "LogNormal",
            "LogisticNormal",
            "LowRankMultivariateNormal",
            "MixtureSameFamily",
            "Multinomial",
            "MultivariateNormal",
            "NegativeBinomial",
            "OneHotCategoricalStraightThrough",
            "Pareto",
            "Poisson",
            "RelaxedBernoulli",
            "RelaxedOneHotCategorical",
            "StudentT",
            "TransformedDistribution",
            "Transform",
            "VonMises",
            "Weibull",
            "Wishart",
            "biject_to",
            "transform_to",
            "transforms",
        ]
    )

    def __getattr__(name):
        if name in _LATER:
            raise NotImplementedError(f"pycore.distributions has no {name} yet")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
