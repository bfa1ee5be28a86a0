"""Workloads for JAX: the models of models.py in plain jax.numpy, compiled by jit.

Weights are drawn in the order of the parameters of PyTorch's modules, so all libraries have the
same. JAX answers before it has computed; every run waits for its result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .registry import Case, Inputs

LEARNING_RATE = 1e-3


def _tiny_weights(inputs: Inputs) -> list[Any]:
    return [inputs.weight(*shape) for shape in ((200, 100), (200,), (10, 200), (10,))]


def _tiny(jax: Any, weights: list[Any], x: Any) -> Any:
    w1, b1, w2, b2 = weights
    return jax.nn.softmax(jax.nn.relu(x @ w1.T + b1) @ w2.T + b2, axis=1)


def _tagger_weights(inputs: Inputs) -> list[Any]:
    shapes = ((1000, 32), (128, 32), (128, 32), (128,), (128,), (12, 32), (12,))
    return [inputs.weight(*shape) for shape in shapes]


def _tagger(jax: Any, weights: list[Any], words: Any) -> Any:
    embedding, w_in, w_hidden, b_in, b_hidden, w_out, b_out = weights
    # The input products of all words at once, as any careful user would write it.
    products = embedding[words] @ w_in.T + (b_in + b_hidden)

    def cell(state: Any, product: Any) -> Any:
        hidden, memory = state
        i, f, g, o = jax.numpy.split(product + w_hidden @ hidden, 4)
        memory = jax.nn.sigmoid(f) * memory + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
        hidden = jax.nn.sigmoid(o) * jax.numpy.tanh(memory)
        return (hidden, memory), hidden

    zeros = jax.numpy.zeros(32)
    _, hidden = jax.lax.scan(cell, (zeros, zeros), products)
    return hidden @ w_out.T + b_out


def _inference(jax: Any, model: Callable, weights: list[Any], x: Any) -> Case:
    forward = jax.jit(lambda weights, x: model(jax, weights, x))

    def run() -> Any:
        return forward(weights, x).block_until_ready()

    return Case("run()", {"run": run}, lambda: [run()])


def _training(jax: Any, model: Callable, weights: list[Any], x: Any, y: Any) -> Case:
    def loss_of(weights: list[Any], x: Any, y: Any) -> Any:
        scores = jax.nn.log_softmax(model(jax, weights, x), axis=1)
        return -jax.numpy.take_along_axis(scores, y[:, None], axis=1).mean()

    def update(weights: list[Any], x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        return loss, [w - LEARNING_RATE * g for w, g in zip(weights, gradients, strict=True)]

    compiled = jax.jit(update, donate_argnums=0)

    def step() -> Any:
        nonlocal weights
        loss, weights = compiled(weights, x, y)
        return loss.block_until_ready()

    def check() -> list[Any]:
        losses = [step() for _ in range(3)]
        return [*losses, *(w.copy() for w in weights)]

    return Case("step()", {"step": step}, check)


def tiny_inference(batch: int) -> Callable[[Any, Inputs], Case]:
    return lambda jax, inputs: _inference(
        jax, _tiny, _tiny_weights(inputs), inputs.normal(batch, 100)
    )


def tiny_training(batch: int) -> Callable[[Any, Inputs], Case]:
    def build(jax: Any, inputs: Inputs) -> Case:
        weights, x = _tiny_weights(inputs), inputs.normal(batch, 100)
        return _training(jax, _tiny, weights, x, inputs.integers(10, batch))

    return build


def tagger_inference(jax: Any, inputs: Inputs) -> Case:
    return _inference(jax, _tagger, _tagger_weights(inputs), inputs.integers(1000, 20))


def tagger_training(jax: Any, inputs: Inputs) -> Case:
    weights, x = _tagger_weights(inputs), inputs.integers(1000, 20)
    return _training(jax, _tagger, weights, x, inputs.integers(12, 20))
