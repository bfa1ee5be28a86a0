"""Interpolation and sampling: bytes, infinities, threads, refusals. Derivatives: test_products."""

from __future__ import annotations

import math

import pytest
from ops_samples_spatial import matrix

import pycore
import pycore.nn.functional as F
from pycore import nn

np = pytest.importorskip("numpy")


def test_interpolation_of_bytes_rounds():
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 13, 17), dtype=np.uint8)
    x = pycore.from_numpy(image)
    for mode, kind in (("bilinear", "linear"), ("bicubic", "cubic")):
        for antialias in (False, True):
            name = kind + ("-aa" if antialias else "")
            rows, columns = matrix(name, 13, 7), matrix(name, 17, 30)
            # Both passes, width first, clamp and round to a byte.
            middle = np.einsum("nchw,pw->nchp", image.astype(float), columns).clip(0, 255)
            exact = np.einsum("oh,nchp->ncop", rows, middle).clip(0, 255)
            got = F.interpolate(x, size=(7, 30), mode=mode, antialias=antialias)
            assert got.dtype == pycore.uint8
            assert np.abs(got.numpy() - exact).max() < 1.6
    assert F.interpolate(x, scale_factor=2).dtype == pycore.uint8
    with pytest.raises(NotImplementedError, match="upsample_linear1d"):
        F.interpolate(x[0], size=3, mode="linear")


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "float16"])
def test_nearest_copies_exactly(dtype):
    x = pycore.arange(2 * 3 * 50 * 70).reshape(2, 3, 50, 70).remainder(251)
    x = x.to(getattr(pycore, dtype))
    got = F.interpolate(x, size=(23, 131)).numpy()
    rows = np.arange(23) * 50 // 23
    columns = np.arange(131) * 70 // 131
    assert (got == x.numpy()[:, :, rows][..., columns]).all()


def test_infinities_stay_where_they_are():
    x = pycore.zeros(1, 1, 4, 40)
    x[0, 0, 1, 7] = math.inf
    y = F.interpolate(x.requires_grad_(), scale_factor=2, mode="bilinear")
    seed = pycore.zeros(1, 1, 8, 80)
    seed[0, 0, 2, 5] = math.inf
    (back,) = pycore.autograd.grad(y, x, seed)
    assert not back.isnan().any() and back.isinf().sum() == 4
    down = F.interpolate(x.detach(), size=(2, 10), mode="bicubic", antialias=True)
    assert down.isnan().sum() + down.isinf().sum() < 20


def test_interpolation_threads_do_not_change_bits():
    x = pycore.randn(3, 2, 90, 120)
    calls = [
        lambda: F.interpolate(x, scale_factor=1.7, mode="bilinear"),
        lambda: F.interpolate(x, size=(33, 50), mode="bicubic", antialias=True),
        lambda: F.interpolate(x[None], size=(5, 40, 70), mode="trilinear"),
        lambda: F.interpolate(x, scale_factor=2.5),
    ]
    threads = pycore.get_num_threads()
    try:
        pycore.set_num_threads(1)
        one = [c().numpy().tobytes() for c in calls]
        pycore.set_num_threads(2)
        two = [c().numpy().tobytes() for c in calls]
    finally:
        pycore.set_num_threads(threads)
    assert one == two


def test_interpolation_refusals():
    x = pycore.ones(1, 2, 3, 3)
    with pytest.raises(ValueError, match="only one of size or scale_factor"):
        F.interpolate(x, 3, 2)
    with pytest.raises(ValueError, match="either size or scale_factor"):
        F.interpolate(x)
    with pytest.raises(ValueError, match="align_corners option can only"):
        F.interpolate(x, 3, align_corners=False)
    with pytest.raises(ValueError, match="same number of spatial dimensions"):
        F.interpolate(x, (3,))
    with pytest.raises(TypeError, match="expected size to be one of int"):
        F.interpolate(x, (2.5, 1))
    with pytest.raises(ValueError, match="not meaningful with an explicit size"):
        F.interpolate(x, 3, recompute_scale_factor=True)
    with pytest.raises(ValueError, match="Anti-alias option"):
        F.interpolate(x, 3, antialias=True)
    with pytest.raises(ValueError, match="requires antialias"):
        F.interpolate(x, 3, mode="lanczos")
    with pytest.raises(NotImplementedError, match="Got 4D input, but linear mode needs 3D"):
        F.interpolate(x, 3, mode="linear")
    with pytest.raises(NotImplementedError, match=r"got 4D\) for the modes.*got foo"):
        F.interpolate(x, 3, mode="foo")
    with pytest.raises(RuntimeError, match=r"input \(H: 3, W: 3\) output \(H: 0, W: 0\)"):
        F.interpolate(x, 0)
    with pytest.raises(RuntimeError, match="Non-empty 4D data tensor"):
        F.interpolate(x[:, :0], 3)
    with pytest.raises(RuntimeError, match="without overflow"):
        F.interpolate(x, scale_factor=math.inf)


def test_upsample_layers():
    assert repr(nn.Upsample(scale_factor=2)) == "Upsample(scale_factor=2.0, mode='nearest')"
    assert repr(nn.UpsamplingBilinear2d((2, 3))) == (
        "UpsamplingBilinear2d(size=(2, 3), mode='bilinear')"
    )
    with pytest.warns(UserWarning, match="deprecated"):
        F.upsample(pycore.ones(1, 1, 2), 4)


# ---- sampling ----------------------------------------------------------------------------------


def test_sampling_of_places_that_are_no_numbers():
    x = pycore.ones(1, 1, 2, 2)
    grid = pycore.tensor([[[[math.nan, 0.0], [math.inf, 0.0], [1e30, 0.0]]]])
    zeros = F.grid_sample(x, grid, align_corners=False).flatten().tolist()
    assert math.isnan(zeros[0]) and math.isnan(zeros[1]) and zeros[2] == 0
    for padding in ("border", "reflection"):
        sampled = F.grid_sample(x, grid, padding_mode=padding, align_corners=False)
        assert sampled.flatten().tolist() == [1, 1, 1]
    nearest = F.grid_sample(x, grid, mode="nearest", align_corners=False)
    assert nearest.flatten().tolist() == [0, 0, 0]


def test_sampling_outside_does_not_see_infinities():
    x = pycore.full((1, 1, 3, 3), math.inf)
    grid = pycore.full((1, 1, 1, 2), 5.0)
    assert F.grid_sample(x, grid, align_corners=False).item() == 0


def test_sampling_threads_do_not_change_bits():
    x, grid = pycore.randn(2, 5, 40, 50), pycore.rand(2, 60, 70, 2) * 2.4 - 1.2
    results = []
    threads = pycore.get_num_threads()
    try:
        for count in (1, 2):
            pycore.set_num_threads(count)
            a, g = x.clone().requires_grad_(), grid.clone().requires_grad_()
            y = F.grid_sample(a, g, mode="bicubic", align_corners=False)
            y.sum().backward()
            results.append([t.detach().numpy().tobytes() for t in (y, a.grad, g.grad)])
    finally:
        pycore.set_num_threads(threads)
    assert results[0] == results[1]


def test_sampling_warns_and_refuses():
    x, grid = pycore.ones(1, 2, 3, 3), pycore.zeros(1, 2, 2, 2)
    with pytest.warns(UserWarning, match="align_corners=False since 1.3.0"):
        F.grid_sample(x, grid)
    with pytest.warns(UserWarning, match="align_corners=False since 1.3.0"):
        F.affine_grid(pycore.ones(1, 2, 3), (1, 1, 2, 2))
    with pytest.raises(ValueError, match="expected mode to be"):
        F.grid_sample(x, grid, "cubic", align_corners=True)
    with pytest.raises(ValueError, match="expected padding_mode"):
        F.grid_sample(x, grid, padding_mode="wrap", align_corners=True)
    with pytest.raises(RuntimeError, match="same batch size"):
        F.grid_sample(x, grid.repeat(2, 1, 1, 1), align_corners=True)
    with pytest.raises(RuntimeError, match="expected scalar type Float but found Double"):
        F.grid_sample(x, grid.double(), align_corners=True)
    with pytest.raises(RuntimeError, match="bicubic interpolation only supports 4D"):
        F.grid_sample(x[:, :, None], pycore.zeros(1, 1, 1, 1, 3), "bicubic", align_corners=True)
    with pytest.raises(ValueError, match="affine matrices of shape Nx2x3"):
        F.affine_grid(pycore.ones(1, 3, 4), (1, 1, 2, 2), False)
    with pytest.raises(NotImplementedError, match="only supports 4D and 5D"):
        F.affine_grid(pycore.ones(1, 2, 3), (1, 2, 2), False)
