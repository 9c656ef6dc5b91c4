"""Against k-diffusion's own samplers, in float64: the frame that divides by alpha, and ours, which does not."""

import pytest
import torch

from ildm.core import extensions
from ildm.core.randomness import sample_noise, step_stream
from ildm.diffusion.path import VariancePreserving
from ildm.diffusion.prediction import data_estimate
from ildm.diffusion.schedule import Convention, Schedule, make_schedule
from ildm.sampler.run import run

PATH = VariancePreserving()
SHAPE = (1, 2, 4, 4)
NUM_STEPS = 20
CASES = {
    "euler": ("euler", {}, "sample_euler", {}),
    "euler-ancestral": ("euler-ancestral", {}, "sample_euler_ancestral", {}),
    "euler-ancestral, half of it": ("euler-ancestral", {"eta": 0.5}, "sample_euler_ancestral", {"eta": 0.5}),
    "dpmpp-2m": ("dpmpp-2m", {}, "sample_dpmpp_2m", {}),
    "dpmpp-2m-sde": ("dpmpp-2m-sde", {}, "sample_dpmpp_2m_sde", {}),
    "dpmpp-2m-sde of heun type": ("dpmpp-2m-sde", {"solver_type": "heun"}, "sample_dpmpp_2m_sde", {"solver_type": "heun"}),
    "dpmpp-2m-sde, half of it": ("dpmpp-2m-sde", {"eta": 0.5}, "sample_dpmpp_2m_sde", {"eta": 0.5}),
    "dpmpp-2m-sde without noise": ("dpmpp-2m-sde", {"eta": 0.0}, "sample_dpmpp_2m_sde", {"eta": 0.0}),
}
STOCHASTIC = ("sample_euler_ancestral", "sample_dpmpp_2m_sde")


@pytest.fixture(params=["epsilon", "velocity"])
def denoise(request):
    def denoise(noised, t):
        output = torch.tanh(noised * 0.7 + PATH.network_time(t).item() / 1000) * 0.9
        return data_estimate(PATH, request.param, output, noised, t)

    return denoise


@pytest.fixture(scope="module")
def noise():
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def their_run(k_diffusion, function, denoise, schedule, noise, **options):
    """The peer's run over the same levels, sigma / alpha in its words."""
    sigmas = schedule.sigmas / schedule.alphas
    drawn = iter([sample_noise([0], step_stream(step), SHAPE[1:], dtype=torch.float64) for step in range(NUM_STEPS)])
    if function in STOCHASTIC:
        options["noise_sampler"] = lambda *_: next(drawn)

    def model(latent, sigma):
        return denoise(latent / (1.0 + sigma**2).sqrt(), PATH.time_at(sigma))

    return getattr(k_diffusion, function)(model, noise * sigmas[0], sigmas, disable=True, **options)


@pytest.mark.parametrize("spacing", ["karras", "trailing", "linspace"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_same_levels_lead_to_the_same_latent(case, spacing, denoise, noise, k_diffusion):
    name, options, function, their_options = case
    schedule = make_schedule(PATH, NUM_STEPS, spacing)
    sampler = extensions.load("ildm.samplers", name)(**options)
    actual = run(sampler, sampler.init(noise, schedule, [0]), denoise).latent
    assert (actual - their_run(k_diffusion, function, denoise, schedule, noise, **their_options)).abs().max() < 1e-6


def test_heun_is_the_same_at_alpha_one(denoise, noise, k_diffusion):
    schedule = make_schedule(PATH, NUM_STEPS, "karras")
    sigmas = schedule.sigmas / schedule.alphas
    frame = Schedule(schedule.times, torch.ones_like(sigmas), sigmas)

    def denoise_there(latent, t):
        return denoise(latent * PATH.alpha(t), t)

    sampler = extensions.load("ildm.samplers", "heun")()
    actual = run(sampler, sampler.init(noise, frame, [0]), denoise_there).latent
    assert (actual - their_run(k_diffusion, "sample_heun", denoise, schedule, noise)).abs().max() < 1e-6


@pytest.mark.parametrize("karras", [False, True])
def test_karras_levels_are_the_peers(karras, k_diffusion):
    # between the path's own ends, or between those of the timesteps it is combined with
    spacing, convention = ("leading", Convention(karras=True)) if karras else ("karras", None)
    schedule = make_schedule(PATH, NUM_STEPS, spacing, convention=convention)
    first, last = (951, 1) if karras else (999, 0)
    ratios = ((1.0 - PATH.alphas_cumprod) / PATH.alphas_cumprod).sqrt()
    expected = k_diffusion.get_sigmas_karras(NUM_STEPS, float(ratios[last]), float(ratios[first]))
    torch.testing.assert_close((schedule.sigmas / schedule.alphas).float(), expected, rtol=1e-5, atol=0.0)
