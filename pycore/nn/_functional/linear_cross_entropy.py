"""The cross entropy of a linear layer's outputs, also without holding all of them.

Knows products, cross entropy and autograd; must not know modules.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

from ... import _C
from ...autograd import Function, enable_grad, grad
from ...autograd.function import once_differentiable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor
_nn = _C._nn


@dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """How `linear_cross_entropy` goes through the batch in chunks, so that only the logits of one
    chunk exist at a time.

    Args:
        allow_retain_graph: accepted; backward may be run again in any case.
        batch_chunk_size: rows per chunk; or
        chunking_method: `"aspect_ratio"` makes the logits of a chunk about as large as the input,
            `"aspect_ratio:N"` an Nth of that; `"auto"` chooses, None takes `batch_chunk_size`.
        acc_policy: `"auto"`, `"accurate"`, `"balanced"` or `"compact"`: accepted; gradients are
            always accumulated in `acc_dtype`.
        acc_dtype: of the accumulated gradients; None is float32 for float16 and bfloat16, and the
            input's dtype otherwise.

    >>> import pycore
    >>> pycore.nn.LinearCrossEntropyOptions(batch_chunk_size=64).batch_chunk_size
    64
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in {"auto", "accurate", "balanced", "compact"}:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method is not None and self.chunking_method != "auto":
            name, colon, factor = self.chunking_method.partition(":")
            factor = factor if colon else "1"
            if name != "aspect_ratio" or not factor.isdigit() or int(factor) < 1:
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        floats = (None, _C.float16, _C.bfloat16, _C.float32, _C.float64)
        if self.acc_dtype not in floats:
            raise ValueError(
                "acc_dtype must be one of {None, pycore.float16, pycore.bfloat16, pycore.float32, "
                f"pycore.float64}}, got {self.acc_dtype!r}. Pass acc_dtype=None to let the op pick "
                "automatically."
            )

    def chunk_rows(self, rows: int, in_features: int, classes: int, dtype: Any) -> int:
        """Rows per chunk for a call of these sizes."""
        method = self.chunking_method
        if method == "auto":
            reduced = dtype in (_C.float16, _C.bfloat16)
            method = "aspect_ratio" if reduced else "aspect_ratio:2"
            if self.batch_chunk_size is not None:
                method = None
        if method is None:
            return max(1, min(self.batch_chunk_size or rows, rows))
        factor = int(method.partition(":")[2] or 1)
        target = -(-rows // -(-classes // in_features))
        chunk = min((1 << (target - 1).bit_length()) // factor, rows)
        if self.batch_chunk_size is not None and min(self.batch_chunk_size, rows) != chunk:
            raise ValueError(
                f"batch_chunk_size (={self.batch_chunk_size}) and chunking_method ('{method}') give "
                f"different chunk sizes ({self.batch_chunk_size} vs {chunk}); pass only one."
            )
        return max(1, chunk)


class _Chunked(Function):
    """The sum of the losses; forward leaves the gradients behind."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        linear_weight: Tensor,
        linear_bias: Tensor | None,
        target: Tensor,
        weight: Tensor | None,
        ignore_index: int,
        rows: int,
        acc_dtype: Any,
    ) -> Tensor:
        sources = (input, linear_weight, linear_bias)
        wanted = [t is not None and t.requires_grad for t in sources]
        sums = [
            t.new_zeros(t.shape, dtype=acc_dtype) if want else None
            for t, want in zip(sources, wanted, strict=True)
        ]
        total = input.new_zeros((), dtype=acc_dtype)
        for start in range(0, input.size(0), rows):
            leaves = [
                None if t is None else t.detach().requires_grad_(want)
                for t, want in zip(
                    (input[start : start + rows], linear_weight, linear_bias), wanted, strict=True
                )
            ]
            with enable_grad():
                loss = _nn.cross_entropy(
                    _nn.linear(*leaves),
                    target[start : start + rows],
                    weight,
                    ignore_index=ignore_index,
                    reduction="sum",
                )
            total = total + loss.detach().to(acc_dtype)
            asked = [leaf for leaf, want in zip(leaves, wanted, strict=True) if want]
            found = iter(grad(loss, asked)) if asked else iter(())
            for i, want in enumerate(wanted):
                if not want:
                    continue
                part = next(found)
                if i == 0:
                    sums[0][start : start + rows] = part.to(acc_dtype)
                else:
                    sums[i].add_(part.to(acc_dtype))
        ctx.gradients = [
            None if s is None else s.to(t.dtype) for s, t in zip(sums, sources, strict=True)
        ]
        return total.to(input.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        scaled = [None if g is None else g * grad_output for g in ctx.gradients]
        return (*scaled, None, None, None, None, None)


def _in_chunks(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    options: LinearCrossEntropyOptions,
) -> Tensor:
    rows = options.chunk_rows(input.size(0), input.size(1), linear_weight.size(0), input.dtype)
    if reduction == "none":
        losses = [
            _nn.cross_entropy(
                _nn.linear(input[i : i + rows], linear_weight, linear_bias),
                target[i : i + rows],
                weight,
                ignore_index=ignore_index,
                reduction="none",
            )
            for i in range(0, input.size(0), rows)
        ]
        return _C.cat(losses)
    acc_dtype = options.acc_dtype
    if acc_dtype is None:
        reduced = input.dtype in (_C.float16, _C.bfloat16)
        acc_dtype = _C.float32 if reduced else input.dtype
    total = _Chunked.apply(
        input, linear_weight, linear_bias, target, weight, ignore_index, rows, acc_dtype
    )
    if reduction == "sum":
        return total
    counted = target != ignore_index
    if weight is None:
        return total / counted.sum()
    return total / weight[_C.where(counted, target, 0)].mul(counted).sum()


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`.

    Args:
        input: `(N, in_features)` or `(in_features)`.
        linear_weight: `(C, in_features)`, or `(C, d1, ..., in_features)` for a loss at several
            places.
        target: class numbers `(N)` or `(N, d1, ...)`, or probabilities of the logits' shape.
        linear_bias: of `linear_weight`'s shape without `in_features`.
        weight, reduction, label_smoothing: as in `cross_entropy`.
        ignore_index: as in `cross_entropy`; not with probabilities.
        options: go through the batch in chunks, so that only one chunk's logits exist at a time;
            the result can then be differentiated once.

    >>> import pycore
    >>> x, w = pycore.zeros(2, 3), pycore.zeros(4, 3)
    >>> pycore.nn.functional.linear_cross_entropy(x, w, pycore.tensor([0, 3]))
    tensor(1.3863)
    """
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}"
        )
    features = input.shape[-1]
    if features != linear_weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{features} and {linear_weight.shape[-1]}, respectively"
        )
    outputs = tuple(linear_weight.shape[:-1])
    if linear_bias is not None and tuple(linear_bias.shape) != outputs:
        raise RuntimeError(f"expected linear_bias shape {outputs}, got {tuple(linear_bias.shape)}")
    if len(outputs) > 1 and input.dim() == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} "
            f"requires batched input, (N, {features}), got unbatched input with shape "
            f"{tuple(input.shape)}"
        )
    logits_shape = (*input.shape[:-1], *outputs)
    if tuple(target.shape) == logits_shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignored = -100 if ignore_index is None else ignore_index
    if options is not None:
        if (
            len(outputs) == 1
            and reduction in ("mean", "sum", "none")
            and label_smoothing == 0.0
            and target.dtype == _C.int64
        ):
            batched = input.dim() == 2
            loss = _in_chunks(
                input if batched else input.unsqueeze(0),
                linear_weight,
                target if batched else target.unsqueeze(0),
                linear_bias,
                weight,
                reduction,
                ignored,
                options,
            )
            return loss.squeeze(0) if not batched and reduction == "none" else loss
        warnings.warn(
            "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in "
            "{'mean','sum','none'}, label_smoothing == 0, target.dtype == int64, out_features == "
            f"(). Got reduction={reduction!r}, label_smoothing={label_smoothing}, "
            f"target.dtype={target.dtype}, out_features={outputs[1:]}.",
            stacklevel=2,
        )
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = _nn.linear(input, linear_weight.reshape(math.prod(outputs), features), bias)
    return _nn.cross_entropy(
        logits.reshape(logits_shape),
        target,
        weight,
        ignore_index=ignored,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
