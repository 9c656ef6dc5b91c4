"""Each solver converges at its own order on an analytic denoiser, in float64."""

import numpy as np
import pytest
import torch

from ildm.core import extensions
from ildm.diffusion.schedule import make_schedule
from ildm.sampler.run import run

ORDERS = {"ddim": 1, "euler": 1, "heun": 2, "dpmpp-2m": 2}
COUNTS = (32, 64, 128, 256)


def error(name, gaussian, num_steps):
    schedule = make_schedule(gaussian.path, num_steps, "uniform")
    # stop short of both ends, where the log-SNR is infinite and every multistep solver is first order by design
    inner = schedule.times * 0.8 + 0.1
    schedule = type(schedule).along(gaussian.path, inner)
    noise = torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sampler = extensions.load("ildm.samplers", name)()
    state = sampler.init(noise, schedule, [0])
    _, alpha, sigma = schedule.at(0)
    _, alpha_end, sigma_end = schedule.at(schedule.num_steps)
    spread = lambda a, s: (a**2 * gaussian.deviation**2 + s**2) ** 0.5  # noqa: E731
    exact = alpha_end * gaussian.mean + (state.latent - alpha * gaussian.mean) * spread(alpha_end, sigma_end) / spread(
        alpha, sigma
    )
    return float((run(sampler, state, gaussian).latent - exact).abs().max())


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_order_of_convergence(name, order, gaussian):
    errors = [error(name, gaussian, count) for count in COUNTS]
    slope = -np.polyfit(np.log(COUNTS), np.log(errors), 1)[0]
    assert abs(slope - order) < 0.2, f"{name}: slope {slope:.2f}, errors {errors}"


@pytest.mark.parametrize("name", extensions.names("ildm.samplers"))
def test_reaches_the_data_from_pure_noise(name, gaussian):
    sampler, schedule = extensions.load("ildm.samplers", name)(), make_schedule(gaussian.path, 100, "uniform")
    seeds = list(range(64))
    noise = torch.stack(
        [torch.randn(1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )
    end = run(sampler, sampler.init(noise, schedule, seeds), gaussian).latent
    assert abs(end.mean() - gaussian.mean) < 0.05 and abs(end.std() - gaussian.deviation) < 0.05
