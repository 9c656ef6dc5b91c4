"""Against independent implementations, with a denoiser both sides share."""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
)

from ildm.core import extensions
from ildm.core.randomness import sample_noise, step_stream
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.schedule import Schedule, make_schedule
from ildm.sampler.run import run

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
SHAPE = (1, 2, 4, 4)
path = VariancePreserving()


def epsilon(noised, step):
    """Some smooth network, of no meaning."""
    return torch.tanh(noised * 0.7 + step / 1000) * 0.9


def denoise(noised, t):
    alpha, sigma, step = path.alpha(t).item(), path.sigma(t).item(), path.network_time(t).item()
    return (noised - sigma * epsilon(noised, step)) / alpha


def peer_run(peer, num_steps, latent, **step_arguments):
    peer.set_timesteps(num_steps)
    for timestep in peer.timesteps:
        scaled = peer.scale_model_input(latent, timestep) if hasattr(peer, "scale_model_input") else latent
        latent = peer.step(epsilon(scaled, float(timestep)), timestep, latent, **step_arguments).prev_sample
    return latent


@pytest.fixture(scope="module")
def noise():
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_ddim(noise):
    schedule = make_schedule(path, 20, "trailing")
    sampler = extensions.load("ildm.samplers", "ddim")()
    ours = run(sampler, sampler.init(noise / float(schedule.sigmas[0]), schedule, [0]), denoise).latent
    peer = DDIMScheduler(**BETAS, timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True)
    assert (ours - peer_run(peer, 20, noise)).abs().max() < 1e-4


def test_dpmpp_2m(noise):
    schedule = make_schedule(path, 20, "trailing")
    sampler = extensions.load("ildm.samplers", "dpmpp-2m")()
    ours = run(sampler, sampler.init(noise / float(schedule.sigmas[0]), schedule, [0]), denoise).latent
    peer = DPMSolverMultistepScheduler(**BETAS, timestep_spacing="trailing", final_sigmas_type="zero")
    assert (ours - peer_run(peer, 20, noise)).abs().max() < 1e-4


def variance_exploding(peer):
    """The peer's sigmas as a schedule whose alpha is 1, where Karras' algorithms are written."""
    sigmas = peer.sigmas.double()
    return Schedule(torch.linspace(1, 0, len(sigmas), dtype=torch.float64), torch.ones_like(sigmas), sigmas)


def karras_denoise(sigmas, timesteps):
    def denoise_here(noised, t):
        place = round((1 - t.item()) * (len(sigmas) - 1))
        scaled = noised / (sigmas[place] ** 2 + 1) ** 0.5
        return noised - sigmas[place] * epsilon(scaled, float(timesteps[place]))

    return denoise_here


def test_heun(noise):
    peer = HeunDiscreteScheduler(**BETAS, timestep_spacing="linspace")
    peer.set_timesteps(12)
    sigmas = torch.cat([peer.sigmas[:1], peer.sigmas[1::2]]).double()
    steps = torch.cat([peer.timesteps[:1], peer.timesteps[1::2]])
    schedule = Schedule(torch.linspace(1, 0, len(sigmas), dtype=torch.float64), torch.ones_like(sigmas), sigmas)
    sampler = extensions.load("ildm.samplers", "heun")()
    ours = run(sampler, sampler.init(noise, schedule, [0]), karras_denoise(sigmas, steps)).latent
    assert (ours - peer_run(peer, 12, noise * float(sigmas[0]))).abs().max() < 1e-4


def test_euler_ancestral(noise, monkeypatch):
    peer = EulerAncestralDiscreteScheduler(**BETAS, timestep_spacing="linspace")
    peer.set_timesteps(12)
    schedule = variance_exploding(peer)
    drawn = iter([sample_noise([0], step_stream(step), SHAPE[1:], dtype=torch.float64) for step in range(12)])
    monkeypatch.setattr("diffusers.schedulers.scheduling_euler_ancestral_discrete.randn_tensor", lambda *_, **__: next(drawn))
    sampler = extensions.load("ildm.samplers", "euler-ancestral")()
    ours = run(sampler, sampler.init(noise, schedule, [0]), karras_denoise(peer.sigmas.double(), peer.timesteps)).latent
    theirs = peer_run(EulerAncestralDiscreteScheduler(**BETAS, timestep_spacing="linspace"), 12, noise * float(peer.sigmas[0]))
    assert (ours - theirs).abs().max() < 1e-4


def test_euler_on_the_straight_line(noise):
    line = LinearInterpolation()
    velocity = lambda x, t: torch.tanh(x + t)  # noqa: E731
    sampler = extensions.load("ildm.samplers", "euler")()
    schedule = make_schedule(line, 15)
    ours = run(sampler, sampler.init(noise, schedule, [0]), lambda x, t: x - t.item() * velocity(x, t.item())).latent
    peer = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    peer.set_timesteps(sigmas=schedule.times[:-1].tolist())
    latent = noise
    for timestep in peer.timesteps:
        latent = peer.step(velocity(latent, float(timestep) / 1000), timestep, latent).prev_sample
    assert (ours - latent).abs().max() < 1e-5
