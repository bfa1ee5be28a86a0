"""Pooling, interpolation and sampling of planes, forward alone and with backward."""

from ..registry import Case, workload


def _register(name, shape, call, limit, backward_limit=None):
    """Two workloads: the call without gradients, and the call with its derivative."""

    @workload("spatial", f"{name}, forward", limit=limit)
    def forward(torch, inputs):
        x = inputs.normal(*shape)
        run = lambda: call(torch, x)  # noqa: E731
        return Case("run()", {"run": run}, lambda: [run()])

    @workload("spatial", f"{name}, forward and backward", limit=backward_limit or limit)
    def both(torch, inputs):
        x = inputs.normal(*shape).requires_grad_()
        with torch.no_grad():
            seed = torch.ones_like(call(torch, x))

        def run():
            x.grad = None
            y = call(torch, x)
            y.backward(seed)
            return y

        return Case("run()", {"run": run}, lambda: [run(), x.grad])


def _functional(name, *arguments, **options):
    return lambda torch, x: getattr(torch.nn.functional, name)(x, *arguments, **options)


def _sampled(torch, x):
    theta = torch.tensor([[[0.8, 0.1, 0.05], [-0.1, 0.9, 0.0]]]).expand(x.shape[0], 2, 3)
    functional = torch.nn.functional
    grid = functional.affine_grid(theta, x.shape, align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


_register(
    "max_pool2d 3x3 stride 2, 32x64x112x112",
    (32, 64, 112, 112),
    _functional("max_pool2d", 3, 2, 1),
    limit=0.5,
)
_register("max_pool2d 2x2, 32x64x56x56", (32, 64, 56, 56), _functional("max_pool2d", 2), limit=0.5)
_register("max_pool2d 2x2, 64x6x28x28", (64, 6, 28, 28), _functional("max_pool2d", 2), limit=0.5)
_register(
    "avg_pool2d 3x3 stride 2, 32x64x112x112",
    (32, 64, 112, 112),
    _functional("avg_pool2d", 3, 2, 1),
    limit=0.7,
)
_register("avg_pool2d 2x2, 64x16x28x28", (64, 16, 28, 28), _functional("avg_pool2d", 2), limit=0.7)
_register(
    "adaptive_avg_pool2d to 1, 32x512x7x7",
    (32, 512, 7, 7),
    _functional("adaptive_avg_pool2d", 1),
    limit=1.3,
)
_register(
    "adaptive_avg_pool2d to 7, 32x64x14x14",
    (32, 64, 14, 14),
    _functional("adaptive_avg_pool2d", 7),
    limit=0.7,
)
for _mode in ("nearest", "bilinear", "bicubic"):
    _register(
        f"interpolate {_mode} twofold, 16x64x28x28",
        (16, 64, 28, 28),
        _functional("interpolate", scale_factor=2, mode=_mode),
        limit=0.5,
    )
    _register(
        f"interpolate {_mode} to half, 8x32x112x112",
        (8, 32, 112, 112),
        _functional("interpolate", size=56, mode=_mode),
        limit=0.8,
    )
_register(
    "interpolate bilinear antialiased, 1x3x600x800 to 224x224",
    (1, 3, 600, 800),
    _functional("interpolate", size=224, mode="bilinear", antialias=True),
    limit=1.0,
)
_register("grid_sample bilinear, 4x64x32x32", (4, 64, 32, 32), _sampled, limit=1.3)
