"""Threads that compute without helpers, and helpers that come back."""

import sys
import threading

import pytest
import torch

from ildm.core.threads import _openmp, compute_alone, release_helpers

known = pytest.mark.skipif(_openmp() is None, reason="torch computes with another library here")


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP comes with torch on Linux")
def test_the_library_is_found():
    assert _openmp() is not None


@known
def test_one_thread_computes_alone_and_the_others_as_before():
    library, seen = _openmp(), {}

    def work(name, change):
        change()
        torch.randn(64, 64) @ torch.randn(64, 64)
        seen[name] = library.omp_get_max_threads()

    library.omp_set_num_threads(2)
    try:
        for name, change in (("alone", compute_alone), ("free", lambda: library.omp_set_num_threads(2))):
            thread = threading.Thread(target=work, args=(name, change))
            thread.start()
            thread.join()
        assert seen == {"alone": 1, "free": 2}
        assert library.omp_get_max_threads() == 2
    finally:
        library.omp_set_num_threads(1)


@known
def test_results_are_the_same_after_helpers_were_let_go():
    left, right = torch.randn(256, 256), torch.randn(256, 256)
    before = left @ right
    release_helpers()
    assert torch.equal(left @ right, before)
