"""Switches of the libraries that PyTorch computes with. None of them is here: the modules say so, and keep
what programs set.

Must not change how anything is computed; `backends.cuda` hands the switches of attention on.
"""

from __future__ import annotations

from . import (
    cpu as cpu,
    cuda as cuda,
    cudnn as cudnn,
    mkl as mkl,
    mkldnn as mkldnn,
    mps as mps,
    openmp as openmp,
    opt_einsum as opt_einsum,
)
