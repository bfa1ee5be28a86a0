"""Checks derivative rules against finite differences.

Uses only what tensors and ``autograd.grad`` offer in public, so it checks any function of tensors.
"""

from __future__ import annotations

import itertools
import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative rule and the finite differences disagree, or the rule breaks a promise."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares the gradients of ``func`` with central differences.

    Args:
        func: takes tensors, gives a tensor or a tuple of tensors.
        inputs: its arguments; those that require grad (float64, please) are perturbed.
        eps: the perturbation.
        atol, rtol: a derivative ``a`` passes against the difference ``n`` if
            ``|a - n| <= atol + rtol * |n|``.
        raise_exception: raise :class:`GradcheckError` on failure instead of returning False.
        nondet_tol: how far two runs of the same backward may differ.
        check_undefined_grad: with several outputs, also check that an output without a gradient
            counts as one with a gradient of zeros.
        check_grad_dtypes: also check that gradients have the dtype of their inputs.
        fast_mode: one random projection of the Jacobian instead of all of it.

    The remaining arguments exist for PyTorch's signature: forward mode and batched gradients are
    not offered, and asking for them raises NotImplementedError.

    Example:
        >>> import pycore
        >>> x = pycore.tensor([0.3, -0.7], dtype=pycore.float64, requires_grad=True)
        >>> pycore.autograd.gradcheck(lambda x: x.sin() * x, (x,))
        True
    """
    if check_forward_ad or check_batched_grad or check_batched_forward_grad:
        raise NotImplementedError("gradcheck: only plain backward mode can be checked")
    if not check_backward_ad:
        raise ValueError(
            "Expected at least one of check_forward_ad and check_backward_ad to be True"
        )
    check = _Check(func, _as_tuple(inputs), eps, atol, rtol, nondet_tol)
    try:
        check.inputs_are_fit()
        outputs = check.outputs()
        if not outputs:
            check.constant_function()
            return True
        if fast_mode:
            check.projections(outputs)
        else:
            check.jacobians(outputs, check_grad_dtypes)
        if check_undefined_grad:
            check.undefined_gradients(outputs)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compares the second derivatives of ``func`` with central differences of its gradients.

    Args:
        grad_outputs: gradients of the outputs to differentiate at; random by default.
        gen_non_contig_grad_outputs: make the random ones non-contiguous.

    The other arguments are those of :func:`gradcheck`.

    Example:
        >>> import pycore
        >>> x = pycore.tensor([0.3, -0.7], dtype=pycore.float64, requires_grad=True)
        >>> pycore.autograd.gradgradcheck(lambda x: x.sin() * x, (x,))
        True
    """
    if check_fwd_over_rev or not check_rev_over_rev:
        raise NotImplementedError("gradgradcheck: only reverse over reverse mode can be checked")
    from . import grad

    inputs = _as_tuple(inputs)
    if grad_outputs is None:
        outputs = [x for x in _as_tuple(func(*inputs)) if _wants_grad(x)]
        grad_outputs = tuple(
            _random_like(x, seed, gen_non_contig_grad_outputs).requires_grad_()
            for seed, x in enumerate(outputs)
        )
    else:
        grad_outputs = _as_tuple(grad_outputs)
    count = len(inputs)

    def gradients(*args: Any) -> tuple[Any, ...]:
        xs, gs = args[:count], args[count:]
        outputs = [x for x in _as_tuple(func(*xs)) if _wants_grad(x)]
        wanted = [x for x in xs if _wants_grad(x)]
        found = grad(outputs, wanted, gs, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        (*inputs, *grad_outputs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
    )


# -- the checks ------------------------------------------------------------------------------------


class _Check:
    """One function at one point."""

    def __init__(
        self,
        func: Callable[..., Any],
        inputs: tuple[Any, ...],
        eps: float,
        atol: float,
        rtol: float,
        nondet_tol: float,
    ) -> None:
        self.func = func
        self.inputs = inputs
        self.eps = eps
        self.atol = atol
        self.rtol = rtol
        self.nondet_tol = nondet_tol
        self.wanted = [x for x in inputs if _wants_grad(x)]

    def outputs(self) -> list[Any]:
        """A fresh graph; the outputs that require grad."""
        return [x for x in _as_tuple(self.func(*self.inputs)) if _wants_grad(x)]

    def values(self) -> list[Any]:
        """Flat copies of the same outputs, when only numbers are needed."""
        outputs = [x for x in _as_tuple(self.func(*self.inputs)) if _is_float_tensor(x)]
        return [x.detach().reshape(-1).clone() for x in outputs]

    def inputs_are_fit(self) -> None:
        from .. import float64

        if not self.wanted:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, "
                "but none of the them have requires_grad=True."
            )
        for position, x in enumerate(self.inputs):
            if not _wants_grad(x):
                continue
            if x.dtype != float64:
                import warnings

                warnings.warn(
                    f"Input #{position} requires gradient and is not a double precision floating "
                    f"point or complex; got {x.dtype}: the differences will be too coarse to pass.",
                    stacklevel=4,
                )
            repeated = any(s == 0 and n > 1 for s, n in zip(x.stride(), x.shape, strict=True))
            if repeated:
                raise RuntimeError(
                    f"The {position}th input has a dimension with stride 0. gradcheck only "
                    "supports inputs that are non-overlapping to be able to compute the numerical "
                    "gradients correctly. You should call .contiguous on the input before passing "
                    "it to gradcheck."
                )

    def constant_function(self) -> None:
        """No output requires grad, so none may depend on an input that does."""
        for x in self.wanted:
            for _, columns in self.differences(x):
                if any(float(c.abs().max()) > self.atol for c in columns if c.numel()):
                    raise GradcheckError("Numerical gradient for function expected to be zero")

    def differences(self, x: Any) -> Any:
        """Per element of x: its index, and the derivative of every float output by it."""
        data = x.data  # writing here moves the input without spoiling recorded graphs
        for index in itertools.product(*map(range, x.shape)):
            before = data[index].item()
            try:
                data[index] = before + self.eps
                above = self.values()
                data[index] = before - self.eps
                below = self.values()
            finally:
                data[index] = before
            yield index, [(a - b) / (2 * self.eps) for a, b in zip(above, below, strict=True)]

    def jacobians(self, outputs: list[Any], check_dtypes: bool) -> None:
        from .. import stack

        numbers = [i for i, x in enumerate(self.float_outputs()) if x.requires_grad]
        first = [self.analytical(output, check_dtypes) for output in outputs]
        for column, x in enumerate(self.wanted):
            rows = [columns for _, columns in self.differences(x)]
            for i, number in enumerate(numbers):
                if not rows or not outputs[i].numel():
                    continue
                numerical = stack([columns[number] for columns in rows])
                self.compare(first[i][column], numerical, i, self.position(x))
        for i, output in enumerate(outputs):
            for one, two in zip(first[i], self.analytical(output, False), strict=True):
                if one.numel() and float((one - two).abs().max()) > self.nondet_tol:
                    raise GradcheckError(
                        f"Backward is not reentrant, i.e., running backward with same input and "
                        "grad_output multiple times gives different values, although analytical "
                        "gradient matches numerical gradient. The tolerance for nondeterminism "
                        f"was {self.nondet_tol}."
                    )

    def float_outputs(self) -> list[Any]:
        return [x for x in _as_tuple(self.func(*self.inputs)) if _is_float_tensor(x)]

    def position(self, x: Any) -> int:
        return next(i for i, y in enumerate(self.inputs) if y is x)

    def analytical(self, output: Any, check_dtypes: bool) -> list[Any]:
        """Per wanted input the Jacobian (input elements, output elements) of one output."""
        from .. import stack, zeros, zeros_like

        columns: list[list[Any]] = [[] for _ in self.wanted]
        for index in itertools.product(*map(range, output.shape)):
            seed = zeros_like(output)
            seed[index] = 1
            for x, column, g in zip(
                self.wanted, columns, self.gradients([output], [seed]), strict=True
            ):
                if g.shape != x.shape:
                    raise GradcheckError("Analytical gradient has incorrect size")
                if check_dtypes and g.dtype != x.dtype:
                    raise GradcheckError("Gradient has dtype mismatch")
                column.append(g.detach().reshape(-1).clone())
        return [
            stack(column, 1) if column else zeros(x.numel(), 0, dtype=x.dtype)
            for x, column in zip(self.wanted, columns, strict=True)
        ]

    def gradients(self, outputs: list[Any], seeds: list[Any]) -> list[Any]:
        from .. import zeros_like
        from . import grad

        found = grad(outputs, self.wanted, seeds, retain_graph=True, allow_unused=True)
        return [zeros_like(x) if g is None else g for x, g in zip(self.wanted, found, strict=True)]

    def compare(self, analytical: Any, numerical: Any, output: int, position: int) -> None:
        excess = (analytical - numerical).abs() - (self.atol + self.rtol * numerical.abs())
        if not bool((excess <= 0).all()):  # written so that NaN fails
            raise GradcheckError(
                f"Jacobian mismatch for output {output} with respect to input {position},\n"
                f"numerical:{numerical}\nanalytical:{analytical}\n"
            )

    def projections(self, outputs: list[Any]) -> None:
        """Compares u J v for random u and v, with one pair of evaluations per input."""
        from .. import no_grad

        numbers = [i for i, x in enumerate(self.float_outputs()) if x.requires_grad]
        seeds = [_random_like(output, i) for i, output in enumerate(outputs)]
        for column, x in enumerate(self.wanted):
            direction = _random_like(x, 1000 + column)
            norm = math.sqrt(float((direction * direction).sum())) or 1.0
            direction = direction / norm
            data, before = x.data, x.detach().clone()
            with no_grad():
                data.copy_(before + self.eps * direction)
            above = self.values()
            with no_grad():
                data.copy_(before - self.eps * direction)
            below = self.values()
            with no_grad():
                data.copy_(before)
            for i, number in enumerate(numbers):
                slope = (above[number] - below[number]) / (2 * self.eps)
                numerical = (slope * seeds[i].reshape(-1)).sum()
                found = self.gradients([outputs[i]], [seeds[i]])[column]
                self.compare((found * direction).sum(), numerical, i, self.position(x))

    def undefined_gradients(self, outputs: list[Any]) -> None:
        if len(outputs) < 2:
            return
        from .. import zeros_like

        seeds = [_random_like(output, i) for i, output in enumerate(outputs)]
        for i, output in enumerate(outputs):
            rest = [o for j, o in enumerate(outputs) if j != i]
            without = self.gradients(rest, [s for j, s in enumerate(seeds) if j != i])
            zeroed = [zeros_like(output) if j == i else s for j, s in enumerate(seeds)]
            for a, b in zip(without, self.gradients(outputs, zeroed), strict=True):
                if a.numel() and not float((a - b).abs().max()) <= self.atol:
                    raise GradcheckError(
                        "Expected backward function to handle undefined output grads: output "
                        f"{i} without a gradient gives other gradients than with zeros"
                    )


def _as_tuple(x: Any) -> tuple[Any, ...]:
    if isinstance(x, (tuple, list)):
        return tuple(x)
    return (x,)


def _is_float_tensor(x: Any) -> bool:
    from .. import Tensor

    return isinstance(x, Tensor) and x.dtype.is_floating_point


def _wants_grad(x: Any) -> bool:
    return _is_float_tensor(x) and x.requires_grad


def _random_like(x: Any, seed: int, non_contiguous: bool = False) -> Any:
    """Numbers in [-1, 1) from a generator of their own: a check must not move the user's stream."""
    from .. import Generator, rand

    shape: Sequence[int] = (*x.shape, 2) if non_contiguous else x.shape
    numbers = rand(shape, dtype=x.dtype, generator=Generator().manual_seed(seed)) * 2 - 1
    return numbers[..., 0].detach() if non_contiguous else numbers
