"""A study small enough to be run whole: two arms on the sprites inside the package."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ildm.study.compression.config import tiny
from ildm.study.compression.study import Study, claim
from ildm.training.stopping import Stop


@pytest.fixture(scope="session")
def small():
    """Pixels, and f = 32 with a codebook."""
    whole = tiny().with_steps(2, 5)
    return replace(whole, factors=(1, 32), bottlenecks=("vq",), judging=replace(whole.judging, speeds=(1, 2)))


@pytest.fixture(scope="session")
def run_study():
    """`run_study(config, folder)` trains and measures what is left, and returns the report."""

    def run(config, folder, stop=None):
        device = torch.device("cpu")
        plan = claim(folder, config, None, device)
        return Study(plan, folder, device, stop or Stop(), lambda _: None, lambda: 0.0)()

    return run


@pytest.fixture(scope="module")
def finished(small, run_study, tmp_path_factory):
    """The folder of a study that was never stopped, and its report."""
    folder = tmp_path_factory.mktemp("study")
    return folder, run_study(small, folder)
