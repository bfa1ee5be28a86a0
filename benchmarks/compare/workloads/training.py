"""Whole training steps: forward, loss, backward, optimizer."""

from .. import jax_models, models
from ..registry import Case, variant, workload


def _step(torch, model, x, y, optimizer=None, checked=None, classes=None):
    """A case that trains on one batch; outputs are the losses of some steps and the parameters.

    `checked` says which parameters, for models that are too deep for all to agree: of many numbers
    before a relu some lie within rounding of its corner.
    """
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=jax_models.LEARNING_RATE)
    loss_of = torch.nn.functional.cross_entropy

    def step():
        optimizer.zero_grad()
        out = model(x)
        loss = loss_of(out if classes is None else out.view(-1, classes), y)
        loss.backward()
        optimizer.step()
        return loss

    def check():
        losses = [step() for _ in range(3)]
        return [*losses, *(model.parameters() if checked is None else checked)]

    return Case("step()", {"step": step}, check)


@workload("training", "TinyModel, batch 64", limit=0.25)
def tiny_model(torch, inputs):
    model = inputs.fill(models.tiny_model(torch))
    return _step(torch, model, inputs.normal(64, 100), inputs.integers(10, 64))


variant(tiny_model, "jax")(jax_models.tiny_training(64))


@workload("training", "LeNet, batch 1", limit=1 / 6)
def lenet_1(torch, inputs):
    model = inputs.fill(models.lenet(torch))
    return _step(torch, model, inputs.normal(1, 1, 32, 32), inputs.integers(10, 1))


@workload("training", "LeNet, batch 64", limit=1 / 3)
def lenet_64(torch, inputs):
    model = inputs.fill(models.lenet(torch))
    return _step(torch, model, inputs.normal(64, 1, 32, 32), inputs.integers(10, 64))


@workload("training", "LSTM tagger, 20 words", limit=0.25)
def tagger(torch, inputs):
    model = inputs.fill(models.lstm_tagger(torch))
    return _step(torch, model, inputs.integers(1000, 20), inputs.integers(12, 20))


variant(tagger, "jax")(jax_models.tagger_training)


@workload("training", "MLP, batch 128, Adam", limit=1 / 1.5)
def mlp(torch, inputs):
    model = inputs.fill(models.mlp(torch))
    x, y = inputs.normal(128, 784), inputs.integers(10, 128)
    # Adam divides by the size of a gradient, and so makes much of rounding where that is small.
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    return _step(torch, model, x, y, optimizer, checked=[])


@workload("training", "ResNet-18, batch 8 of 64x64", limit=1 / 1.3, tolerance=1e-3)
def resnet18(torch, inputs):
    model = inputs.fill(models.resnet18(torch))
    x, y = inputs.normal(8, 3, 64, 64), inputs.integers(1000, 8)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return _step(torch, model, x, y, optimizer, checked=[])


@workload("training", "small GPT, 4 of 128 tokens", limit=1 / 1.5)
def small_gpt(torch, inputs):
    model = inputs.fill(models.small_gpt(torch))
    x, y = inputs.integers(512, 4, 128), inputs.integers(512, 4 * 128)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    return _step(torch, model, x, y, optimizer, checked=[], classes=512)


@workload("training", "small ViT, batch 8 of 32x32")
def small_vit(torch, inputs):
    model = inputs.fill(models.small_vit(torch))
    x, y = inputs.normal(8, 3, 32, 32), inputs.integers(10, 8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    return _step(torch, model, x, y, optimizer, checked=[])
