"""Which threads may use several cores.

Every thread that computes in parallel has helpers of its own. As soon as there are more of them in a process than cores, GNU's OpenMP
lets helpers sleep between two parallel parts instead of waiting actively, and each part begins with waking them: a denoising step of
the shipped model then takes 1.6 times as long (docs/decisions/one-parallel-thread.md). So one thread computes with helpers, and the
others do without.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch

_SOFT = 1  # omp_pause_soft (OpenMP 5.0, section 3.2.44): the helpers go, settings stay


def release_helpers() -> None:
    """Let the helpers of all threads that rest go; they come back when a thread computes again. Nothing where that is not known."""
    library = _openmp()
    if library is not None:
        library.omp_pause_resource_all(_SOFT)


def compute_alone() -> None:
    """From now on the calling thread computes without helpers. Nothing where that is not known."""
    library = _openmp()
    if library is not None:
        torch.get_num_threads()  # torch settles a thread's number of helpers at its first use, so that goes first
        library.omp_set_num_threads(1)


@cache
def _openmp() -> ctypes.CDLL | None:
    """The OpenMP library that torch computes with, where it is GNU's."""
    found = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    if not found:
        return None
    try:
        library = ctypes.CDLL(str(found[0]))
    except OSError:
        return None
    return library if hasattr(library, "omp_pause_resource_all") else None
