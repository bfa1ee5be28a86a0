"""Whole models in use: eval mode, no gradients, from one input to a batch."""

from .. import jax_models, models
from ..onnx_models import exported
from ..registry import Case, variant, workload


def _register(name, model, batch_of, onnx=False, **options):
    """One workload: `model(torch)` on the inputs that `batch_of(inputs)` draws."""

    @workload("inference", name, **options)
    def build(torch, inputs):
        network = inputs.fill(model(torch)).eval()
        x = batch_of(inputs)

        def run():
            with torch.no_grad():
                return network(x)

        return Case("run()", {"run": run}, lambda: [run()], model=network, arguments=(x,))

    if onnx:
        variant(build, "onnxruntime")(exported(build.key))
    return build


def _normal(*shape):
    return lambda inputs: inputs.normal(*shape)


def _integers(high, *shape):
    return lambda inputs: inputs.integers(high, *shape)


_tiny = _register("TinyModel, batch 1", models.tiny_model, _normal(1, 100), onnx=True)
variant(_tiny, "jax")(jax_models.tiny_inference(1))
_register("TinyModel, batch 64", models.tiny_model, _normal(64, 100), onnx=True)
_register("LeNet, batch 1", models.lenet, _normal(1, 1, 32, 32), onnx=True)
_register("LeNet, batch 64", models.lenet, _normal(64, 1, 32, 32), onnx=True)
_tagger = _register("LSTM tagger, 20 words", models.lstm_tagger, _integers(1000, 20), onnx=True)
variant(_tagger, "jax")(jax_models.tagger_inference)
_register("MLP, batch 1", models.mlp, _normal(1, 784), onnx=True)
_register("MLP, batch 128", models.mlp, _normal(128, 784), onnx=True)
_register("ResNet-18, batch 1", models.resnet18, _normal(1, 3, 224, 224), onnx=True)
_register("small GPT, 128 tokens", models.small_gpt, _integers(512, 1, 128), onnx=True)
_register("small ViT, batch 1", models.small_vit, _normal(1, 3, 32, 32), onnx=True)
_register("small ViT, batch 16", models.small_vit, _normal(16, 3, 32, 32), onnx=True)
