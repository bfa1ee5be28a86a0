"""What this is, as `torch.version` says it: no CUDA, no ROCm."""

from __future__ import annotations

from . import __version__ as __version__

debug = False
cuda = None
hip = None
xpu = None
git_version = None
