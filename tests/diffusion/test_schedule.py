"""Schedules against the peers' timesteps, and their limits."""

import pytest
import torch
from diffusers import DDIMScheduler

from ildm.core.errors import ConfigError
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.schedule import SPACINGS, Schedule, make_schedule

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


@pytest.mark.parametrize(("spacing", "offset"), [("leading", 1), ("trailing", 0), ("linspace", 0)])
@pytest.mark.parametrize("num_steps", [10, 25, 50])
def test_timesteps_are_the_peers(spacing, offset, num_steps):
    peer = DDIMScheduler(**BETAS, timestep_spacing=spacing, steps_offset=offset)
    peer.set_timesteps(num_steps)
    ours = make_schedule(VariancePreserving(), num_steps, spacing).times[:-1] * 1000 - 1
    # the peer rounds the linspace to whole timesteps
    assert torch.allclose(ours, peer.timesteps.double(), atol=0.51 if spacing == "linspace" else 1e-9)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("path", [VariancePreserving(), LinearInterpolation()], ids=str)
def test_every_schedule_falls_to_clean_data(spacing, path):
    if spacing in ("leading", "trailing", "linspace") and path.kind == "linear-interpolation":
        with pytest.raises(ConfigError, match="discrete timesteps"):
            make_schedule(path, 7, spacing)
        return
    schedule = make_schedule(path, 7, spacing)
    assert schedule.num_steps == 7 and schedule.at(7) == (0.0, 1.0, 0.0)
    assert (schedule.times.diff() < 0).all()


def test_a_shift_moves_times_towards_noise_and_keeps_the_ends():
    plain, shifted = (make_schedule(LinearInterpolation(), 8, shift=shift).times for shift in (1.0, 3.0))
    assert (shifted[1:-1] > plain[1:-1]).all() and shifted[0] == 1 and shifted[-1] == 0


@pytest.mark.parametrize(
    ("num_steps", "spacing", "said"),
    [(0, None, "at least 1 step"), (2000, "leading", "at most 1000"), (5, "leadin", "did you mean 'leading'")],
)
def test_impossible_schedules_are_refused(num_steps, spacing, said):
    with pytest.raises(ConfigError, match=said):
        make_schedule(VariancePreserving(), num_steps, spacing)


def test_rising_times_are_refused():
    with pytest.raises(ConfigError, match="fall"):
        Schedule.along(LinearInterpolation(), torch.tensor([0.5, 0.7, 0.0]))
