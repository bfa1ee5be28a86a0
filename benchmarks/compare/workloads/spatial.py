"""Pooling, interpolation and sampling of planes, forward alone and with backward."""

from ..registry import Case, forward_and_backward, workload


def _register(name, shape, call, limit, group="spatial"):
    """Two workloads: the call without gradients, and the call with its derivative."""

    @workload(group, f"{name}, forward", limit=limit)
    def forward(torch, inputs):
        x = inputs.normal(*shape)
        run = lambda: call(torch, x)  # noqa: E731
        return Case("run()", {"run": run}, lambda: [run()])

    @workload(group, f"{name}, forward and backward", limit=limit)
    def both(torch, inputs):
        x = inputs.normal(*shape).requires_grad_()
        with torch.no_grad():
            seed = torch.ones_like(call(torch, x))
        return forward_and_backward(lambda: call(torch, x), [x], seed)


def _functional(name, *arguments, **options):
    return lambda torch, x: getattr(torch.nn.functional, name)(x, *arguments, **options)


def _sampled(torch, x):
    theta = torch.tensor([[[0.8, 0.1, 0.05], [-0.1, 0.9, 0.0]]]).expand(x.shape[0], 2, 3)
    functional = torch.nn.functional
    grid = functional.affine_grid(theta, x.shape, align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


for _name, _kind, _size, _arguments in (
    ("max_pool2d 3x3 stride 2, 32x64x112x112", "max_pool2d", (32, 64, 112, 112), (3, 2, 1)),
    ("max_pool2d 3x3 stride 2, 1x64x112x112", "max_pool2d", (1, 64, 112, 112), (3, 2, 1)),
    ("max_pool2d 2x2, 32x64x56x56", "max_pool2d", (32, 64, 56, 56), (2,)),
    ("max_pool2d 2x2, 64x6x28x28", "max_pool2d", (64, 6, 28, 28), (2,)),
    ("max_pool2d 2x2, 1x6x28x28", "max_pool2d", (1, 6, 28, 28), (2,)),
    ("max_pool2d 5x5 stride 1, 4x128x20x20", "max_pool2d", (4, 128, 20, 20), (5, 1, 2)),
    ("max_pool2d 3x3 stride 3, 16x64x48x48", "max_pool2d", (16, 64, 48, 48), (3,)),
    ("max_pool2d 4x4 stride 4, 16x64x48x48", "max_pool2d", (16, 64, 48, 48), (4,)),
    ("max_pool1d 4, 16x128x4000", "max_pool1d", (16, 128, 4000), (4,)),
    ("max_pool3d 2, 4x16x16x32x32", "max_pool3d", (4, 16, 16, 32, 32), (2,)),
    ("avg_pool2d 3x3 stride 2, 32x64x112x112", "avg_pool2d", (32, 64, 112, 112), (3, 2, 1)),
    ("avg_pool2d 3x3 stride 1, 8x192x28x28", "avg_pool2d", (8, 192, 28, 28), (3, 1, 1)),
    ("avg_pool2d 2x2, 64x16x28x28", "avg_pool2d", (64, 16, 28, 28), (2,)),
    ("avg_pool1d 4, 16x128x4000", "avg_pool1d", (16, 128, 4000), (4,)),
    ("avg_pool3d 2, 4x16x16x32x32", "avg_pool3d", (4, 16, 16, 32, 32), (2,)),
    ("adaptive_avg_pool2d to 1, 32x512x7x7", "adaptive_avg_pool2d", (32, 512, 7, 7), (1,)),
    ("adaptive_avg_pool2d to 1, 1x512x7x7", "adaptive_avg_pool2d", (1, 512, 7, 7), (1,)),
    ("adaptive_avg_pool2d to 7, 32x64x14x14", "adaptive_avg_pool2d", (32, 64, 14, 14), (7,)),
    ("adaptive_avg_pool2d to 3, 16x64x24x24", "adaptive_avg_pool2d", (16, 64, 24, 24), (3,)),
    ("avg_pool2d 5x5 stride 3, 16x64x24x24", "avg_pool2d", (16, 64, 24, 24), (5, 3)),
    ("adaptive_max_pool2d to 5, 16x64x32x32", "adaptive_max_pool2d", (16, 64, 32, 32), (5,)),
):
    # A pool is at least 1.2 times as fast.
    _register(_name, _size, _functional(_kind, *_arguments), limit=0.83, group="pooling")
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
for _mode in ("reflect", "replicate", "circular"):
    _register(
        f"pad {_mode} by 1, 16x64x28x28",
        (16, 64, 28, 28),
        _functional("pad", (1, 1, 1, 1), mode=_mode),
        limit=1.0,
    )
    _register(
        f"pad {_mode} by 8, 4x3x256x256",
        (4, 3, 256, 256),
        _functional("pad", (8, 8, 8, 8), mode=_mode),
        limit=1.0,
    )
_register("grid_sample bilinear, 4x64x32x32", (4, 64, 32, 32), _sampled, limit=1.3)
