"""L-BFGS: quasi-Newton steps from the last changes of position and gradient.

Knows its update rule and line search; must not know other optimizers.
"""

from __future__ import annotations

from .. import _C
from ..autograd.grad_mode import enable_grad, no_grad
from ._line_search import strong_wolfe
from .optimizer import Optimizer, _check_lr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["LBFGS"]

Tensor = _C.Tensor


# What the next step goes on from, in the order of state dicts.
_MEMORY = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


class LBFGS(Optimizer):
    """Minimise with a limited memory of curvature (Nocedal, Wright 2006, chapter 7).

    Takes one group of parameters; `step` needs a closure, which it calls several times.

    Args:
        max_iter: iterations per step.
        max_eval: evaluations per step, 1.25 * max_iter when None.
        tolerance_grad: stop at gradients whose largest element is below this.
        tolerance_change: stop at changes of the function or the parameters below this.
        history_size: number of changes remembered.
        line_search_fn: None for steps of length `lr`, or `"strong_wolfe"`.

    >>> import pycore
    >>> p = pycore.nn.Parameter(pycore.ones(1))
    >>> opt = pycore.optim.LBFGS([p], lr=0.5)
    >>> def closure():
    ...     opt.zero_grad()
    ...     loss = (p * p).sum()
    ...     loss.backward()
    ...     return loss
    >>> loss = opt.step(closure)
    >>> bool(p.abs() < 0.01)
    True
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        _check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def _flat_grad(self) -> Tensor:
        pieces = [
            p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1) for p in self._params
        ]
        return _C.cat(pieces)

    def _move(self, length: float, direction: Tensor) -> None:
        start = 0
        for parameter in self._params:
            count = parameter.numel()
            piece = direction[start : start + count].view_as(parameter)
            parameter.add_(piece, alpha=float(length))
            start += count

    def _values(self) -> list[Tensor]:
        return [parameter.clone() for parameter in self._params]

    def _restore(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self._params, values, strict=True):
            parameter.copy_(value)

    @staticmethod
    def _direction(
        memory: dict[str, Any], weights: list[Any], flat_grad: Tensor, history_size: int
    ) -> Tensor:
        """The quasi-Newton direction by the two-loop recursion, after taking in the last step.

        `weights` is room for one number per remembered step.
        """
        directions, steps, inverses = memory["old_dirs"], memory["old_stps"], memory["ro"]
        y = flat_grad.sub(memory["prev_flat_grad"])
        s = memory["d"].mul(memory["t"])
        curvature = y.dot(s)
        if curvature > 1e-10:
            if len(directions) == history_size:
                for remembered in (directions, steps, inverses):
                    remembered.pop(0)
            directions.append(y)
            steps.append(s)
            inverses.append(1.0 / curvature)
            memory["H_diag"] = curvature / y.dot(y)
        count = len(directions)
        q = flat_grad.neg()
        for i in range(count - 1, -1, -1):
            weights[i] = steps[i].dot(q) * inverses[i]
            q = q - directions[i] * weights[i]
        r = q * memory["H_diag"]
        for i in range(count):
            correction = directions[i].dot(r) * inverses[i]
            r = r + steps[i] * (weights[i] - correction)
        return r

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimise for up to `max_iter` iterations; returns the loss before them."""
        group = self.param_groups[0]
        lr, max_iter, max_eval = group["lr"], group["max_iter"], group["max_eval"]
        if isinstance(lr, Tensor):
            lr = lr.detach().squeeze().clone()
        tolerance = group["tolerance_change"]
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")

        def evaluate() -> Any:
            with enable_grad():
                return closure()

        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        original = evaluate()
        with no_grad():
            loss = float(original)
            evaluations = 1
            state["func_evals"] += 1
            flat_grad = self._flat_grad()
            converged = bool(flat_grad.abs().max() <= group["tolerance_grad"])
            if converged:
                return original
            memory = {key: state.get(key) for key in _MEMORY}
            iteration = 0
            while iteration < max_iter:
                iteration += 1
                state["n_iter"] += 1
                chosen: Any = lr  # a tensor in the first iteration, or if the rate is one
                if state["n_iter"] == 1:
                    direction = flat_grad.neg()
                    memory.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
                    chosen = min(1.0, 1.0 / flat_grad.abs().sum()) * lr
                else:
                    size = group["history_size"]
                    weights = state.setdefault("al", [None] * size)
                    direction = self._direction(memory, weights, flat_grad, size)
                length = float(chosen)
                previous_loss = loss
                memory["prev_flat_grad"] = flat_grad.clone()
                slope = flat_grad.dot(direction)
                memory.update(d=direction, t=chosen, prev_loss=previous_loss)
                if slope > -tolerance:
                    break
                used = 0
                if search is None:
                    self._move(length, direction)
                    if iteration != max_iter:
                        # The last iteration's evaluation would not be used any more.
                        loss = float(evaluate())
                        flat_grad = self._flat_grad()
                        converged = bool(flat_grad.abs().max() <= group["tolerance_grad"])
                        used = 1
                else:
                    start = self._values()

                    def probe(
                        t: float, start: Any = start, direction: Tensor = direction
                    ) -> tuple[float, Tensor]:
                        self._move(t, direction)
                        value = float(evaluate())
                        grad = self._flat_grad()
                        self._restore(start)
                        return value, grad

                    loss, flat_grad, length, used = strong_wolfe(
                        probe,
                        length,
                        direction,
                        loss,
                        flat_grad,
                        slope,
                        max_steps=max_eval - evaluations,
                    )
                    self._move(length, direction)
                    if length != float(chosen):
                        memory["t"] = length
                    converged = bool(flat_grad.abs().max() <= group["tolerance_grad"])
                evaluations += used
                state["func_evals"] += used
                if (
                    iteration == max_iter
                    or evaluations >= max_eval
                    or converged
                    or direction.mul(length).abs().max() <= tolerance
                    or abs(loss - previous_loss) < tolerance
                ):
                    break
            state.update(memory)
        return original
