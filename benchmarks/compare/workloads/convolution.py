"""Convolutions of the shapes that known networks have, forward alone and with backward."""

from dataclasses import dataclass

from ..registry import Case, forward_and_backward, workload

# Accepted ratios of pycore's time to torch's.
_LIMIT = 1.05


@dataclass
class _Shape:
    """One convolution; `size` are the spatial sizes of its input, whose number is the dimension."""

    name: str
    batch: int
    channels: tuple[int, int]  # in, out
    size: tuple[int, ...]
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    transposed: bool = False
    bias: bool = False
    input_grad: bool = True  # False for the first layer of a network

    def build(self, torch, inputs, grad):
        """The call, and the tensors that it depends on."""
        x = inputs.normal(self.batch, self.channels[0], *self.size)
        first, second = self.channels[:: 1 if self.transposed else -1]
        taps = (self.kernel,) * len(self.size)
        scale = (self.channels[0] // self.groups * self.kernel ** len(self.size)) ** -0.5
        weight = inputs.normal(first, second // self.groups, *taps, scale=scale)
        bias = inputs.normal(self.channels[1]) if self.bias else None
        options = {"stride": self.stride, "padding": self.padding}
        options |= {"dilation": self.dilation, "groups": self.groups}
        kind = "conv_transpose" if self.transposed else "conv"
        function = getattr(torch.nn.functional, f"{kind}{len(self.size)}d")
        leaves = [t for t in (x if self.input_grad else None, weight, bias) if t is not None]
        if grad:
            for t in leaves:
                t.requires_grad_()
        return (lambda: function(x, weight, bias, **options)), leaves


def _register(shape, ways="fb"):
    """One workload per way: f for forward alone, b for forward and backward."""
    if "f" in ways:

        @workload("convolution", f"{shape.name}, forward", limit=_LIMIT)
        def forward(torch, inputs):
            call, _ = shape.build(torch, inputs, grad=False)
            return Case("call()", {"call": call}, lambda: [call()])

    if "b" in ways:

        @workload("convolution", f"{shape.name}, forward and backward", limit=_LIMIT)
        def both(torch, inputs):
            call, leaves = shape.build(torch, inputs, grad=True)
            with torch.no_grad():
                seed = inputs.normal(*call().shape)
            return forward_and_backward(call, leaves, seed)


for _b in (1, 64):
    _register(
        _Shape(f"LeNet 5x5 1->6 at 32, batch {_b}", _b, (1, 6), (32, 32), 5, bias=True,
               input_grad=False)
    )  # fmt: skip
    _register(_Shape(f"LeNet 3x3 6->16 at 14, batch {_b}", _b, (6, 16), (14, 14), 3, bias=True))

for _b in (1, 8):
    _register(
        _Shape(f"ResNet stem 7x7 stride 2 3->64 at 224, batch {_b}", _b, (3, 64), (224, 224), 7, 2,
               3, input_grad=False)
    )  # fmt: skip
    for _c, _s in ((64, 56), (128, 28), (256, 14), (512, 7)):
        _register(
            _Shape(f"ResNet 3x3 {_c}->{_c} at {_s}, batch {_b}", _b, (_c, _c), (_s, _s), 3, 1, 1)
        )
    _register(
        _Shape(f"ResNet 3x3 stride 2 128->256 at 28, batch {_b}", _b, (128, 256), (28, 28), 3, 2, 1)
    )
    _register(_Shape(f"ResNet 1x1 64->256 at 56, batch {_b}", _b, (64, 256), (56, 56), 1))
    _register(
        _Shape(f"ResNet 1x1 stride 2 1024->512 at 14, batch {_b}", _b, (1024, 512), (14, 14), 1, 2)
    )
    for _c, _s, _stride in ((32, 112, 1), (64, 112, 2), (256, 28, 1), (512, 14, 1)):
        _register(
            _Shape(f"MobileNet depthwise 3x3 stride {_stride} {_c} at {_s}, batch {_b}", _b,
                   (_c, _c), (_s, _s), 3, _stride, 1, groups=_c)
        )  # fmt: skip
    _register(
        _Shape(f"MobileNet pointwise 512->512 at 14, batch {_b}", _b, (512, 512), (14, 14), 1)
    )
    _register(
        _Shape(f"ResNeXt 3x3 128->128 in 32 groups at 56, batch {_b}", _b, (128, 128), (56, 56), 3,
               1, 1, groups=32)
    )  # fmt: skip

_register(_Shape("audio k3 80->384 at 3000, batch 1", 1, (80, 384), (3000,), 3, 1, 1, bias=True))
_register(
    _Shape("audio k80 stride 4 1->32 at 16000, batch 16", 16, (1, 32), (16000,), 80, 4, bias=True,
           input_grad=False)
)  # fmt: skip
_register(
    _Shape("audio k3 dilation 8 64->64 at 4000, batch 4", 4, (64, 64), (4000,), 3, 1, 8, 8,
           bias=True)
)  # fmt: skip
_register(
    _Shape("volume 3x3x3 16->32 at 16, batch 4", 4, (16, 32), (16, 16, 16), 3, 1, 1, bias=True)
)
_register(
    _Shape("decoder 4x4 stride 2 transposed 128->64 at 16, batch 16", 16, (128, 64), (16, 16), 4, 2,
           1, transposed=True)
)  # fmt: skip
_register(
    _Shape("decoder 4x4 stride 2 transposed 512->256 at 4, batch 16", 16, (512, 256), (4, 4), 4, 2,
           1, transposed=True)
)  # fmt: skip
_register(
    _Shape("ViT patches 16x16 3->384 at 224, batch 4", 4, (3, 384), (224, 224), 16, 16, bias=True,
           input_grad=False)
)  # fmt: skip

# The network that plays Atari games, in reinforcement learning.
for _c, _s, _k, _stride in (((4, 32), 84, 8, 4), ((32, 64), 20, 4, 2), ((64, 64), 9, 3, 1)):
    _register(
        _Shape(f"Atari {_k}x{_k} stride {_stride} {_c[0]}->{_c[1]} at {_s}, batch 32", 32, _c,
               (_s, _s), _k, _stride, bias=True, input_grad=_s != 84)
    )  # fmt: skip
