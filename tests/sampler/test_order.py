"""Each solver converges at its own order on an analytic denoiser, in float64; stochastic ones in both moments."""

import math

import pytest
import torch

from ildm.core import extensions
from ildm.diffusion.schedule import Schedule, make_schedule
from ildm.sampler.run import run

ORDERS = {
    "ddim": ("ddim", {}, 1),
    "euler": ("euler", {}, 1),
    "heun": ("heun", {}, 2),
    "plms": ("plms", {}, 2),
    "dpmpp-2m": ("dpmpp-2m", {}, 2),
    "dpmpp-2m of heun type": ("dpmpp-2m", {"solver_type": "heun"}, 2),
    "dpmpp-2m-sde without noise": ("dpmpp-2m-sde", {"eta": 0.0}, 2),
    # one first-order step at the end costs the whole run an order
    "unipc": ("unipc", {}, 2),
    "unipc of order 1": ("unipc", {"order": 1, "lower_order_final": False}, 2),
    "unipc of order 2": ("unipc", {"order": 2, "lower_order_final": False}, 3),
    "unipc of order 3": ("unipc", {"order": 3, "lower_order_final": False}, 4),
    "unipc of order 2, bh1": ("unipc", {"order": 2, "solver_type": "bh1", "lower_order_final": False}, 3),
}
STOCHASTIC = {
    "ddpm": ("ddpm", {}, 1),
    "ddpm of large variance": ("ddpm", {"variance": "fixed_large"}, 1),
    "ddim with noise": ("ddim", {"eta": 1.0}, 1),
    "euler-ancestral": ("euler-ancestral", {}, 1),
    "dpmpp-2m-sde": ("dpmpp-2m-sde", {}, 2),
    "dpmpp-2m-sde of heun type": ("dpmpp-2m-sde", {"solver_type": "heun"}, 2),
}
COUNTS = (128, 256)


def named(cases):
    return pytest.mark.parametrize("case", cases.values(), ids=cases.keys())


def inner_schedule(path, num_steps):
    # stop short of both ends, where the log-SNR is infinite and every multistep solver is first order by design
    return Schedule.along(path, make_schedule(path, num_steps, "uniform").times * 0.8 + 0.1)


def order_of(errors):
    return math.log2(errors[0] / errors[1])


@named(ORDERS)
def test_order_of_convergence(case, gaussian):
    name, options, order = case
    gaussian.deviation = 1.4  # on narrower data some errors change their sign among these counts
    sampler, errors = extensions.load("ildm.samplers", name)(**options), []
    for count in COUNTS:
        schedule = inner_schedule(gaussian.path, count)
        noise = torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        state = sampler.init(noise, schedule, [0])
        exact = gaussian.flow(state.latent, *schedule.at(0)[1:], *schedule.at(count)[1:])
        errors.append(float((run(sampler, state, gaussian).latent - exact).abs().max()))
    assert abs(order_of(errors) - order) < 0.1 * order, f"order {order_of(errors):.2f}, errors {errors}"


@pytest.fixture
def unit_noises(monkeypatch):
    """Noise of 1 in the stream that a sample's seed names and 0 in all others: together, every source of chance by itself."""

    def sample_noise(seeds, stream, shape, *, areas, device, dtype):
        assert areas is None
        return torch.stack([torch.full(tuple(shape), float(seed == stream), dtype=dtype) for seed in seeds])

    monkeypatch.setattr("ildm.sampler.base.sample_noise", sample_noise)


@named(STOCHASTIC)
def test_mean_and_order_of_convergence_of_the_deviation(case, gaussian, unit_noises):
    name, options, order = case
    sampler, errors = extensions.load("ildm.samplers", name)(**options), []
    for count in COUNTS:
        schedule = inner_schedule(gaussian.path, count)
        (_, alpha, sigma), (_, alpha_end, sigma_end) = schedule.at(0), schedule.at(count)
        spread, spread_end = gaussian.spread(alpha, sigma), gaussian.spread(alpha_end, sigma_end)
        # all is linear here: stream 0 is the start's own chance, k + 1 that of step k, and the last sample meets none
        start = torch.full((count + 2, 1, 1, 1), alpha * gaussian.mean, dtype=torch.float64)
        start[0] += spread
        state = sampler.init(start / schedule.start_deviation, schedule, range(count + 2))
        *shares, mean = run(sampler, state, gaussian).latent.flatten()
        shares = torch.stack(shares) - mean
        # of a start beside the mean, the reverse process keeps Cov(noised_s, noised_t) / Var(noised_t); no step errs in the mean
        # here, because on the way the data estimate changes by chance alone
        kept = alpha / alpha_end * spread_end**2 / spread**2
        assert abs(mean - alpha_end * gaussian.mean) < 1e-12 and abs(shares[0] / spread - kept) < 1e-12
        errors.append(abs(float(shares.square().sum().sqrt()) - spread_end))
    assert abs(order_of(errors) - order) < 0.1 * order, f"order {order_of(errors):.2f}, errors {errors}"


def test_a_distilled_model_needs_few_steps(gaussian, unit_noises):
    sampler, schedule = extensions.load("ildm.samplers", "lcm")(), make_schedule(gaussian.path, 4, "uniform")
    state = sampler.init(torch.tensor([1.0, 0, 0, 0, 0]).double().reshape(5, 1, 1, 1), schedule, range(5))
    *shares, mean = run(sampler, state, gaussian.consistency).latent.flatten()
    # only the noise added last counts; the rest of the way the model forgets
    deviation = (torch.stack(shares) - mean).square().sum().sqrt()
    assert abs(mean - gaussian.mean) < 0.02 and abs(deviation - gaussian.deviation) < 0.02


@pytest.mark.parametrize("name", extensions.names("ildm.samplers"))
def test_reaches_the_data_from_pure_noise(name, gaussian):
    sampler, schedule = extensions.load("ildm.samplers", name)(), make_schedule(gaussian.path, 100, "uniform")
    seeds = list(range(64))
    noise = torch.stack(
        [torch.randn(1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )
    denoise = gaussian.consistency if name == "lcm" else gaussian
    end = run(sampler, sampler.init(noise, schedule, seeds), denoise).latent
    assert abs(end.mean() - gaussian.mean) < 0.05 and abs(end.std() - gaussian.deviation) < 0.05
