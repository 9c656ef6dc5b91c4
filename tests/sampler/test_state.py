"""A run is a value: it can stop anywhere, be saved, go on bit by bit, and never changes behind anybody's back."""

import pytest
import torch

from ildm.core import extensions
from ildm.core.errors import ConfigError, ProtocolError, ShapeError
from ildm.core.randomness import sample_noise
from ildm.diffusion.path import LinearInterpolation
from ildm.diffusion.schedule import make_schedule
from ildm.sampler.run import run
from ildm.sampler.state import SamplerState

NAMES = extensions.names("ildm.samplers")
SEEDS = (3, 4)


def start(name, path, num_steps=9):
    sampler = extensions.load("ildm.samplers", name)()
    return sampler, sampler.init(sample_noise(SEEDS, 0, (2, 4, 4)), make_schedule(path, num_steps, "uniform"), SEEDS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stop_at", [0, 1, 5, 8])
def test_n_steps_are_k_steps_a_snapshot_and_the_rest(name, stop_at, gaussian):
    sampler, state = start(name, gaussian.path)
    whole = run(sampler, state, gaussian).latent
    for _ in range(stop_at):
        state = sampler.step(state, gaussian)
    revived = SamplerState.from_bytes(state.to_bytes())
    assert torch.equal(run(sampler, revived, gaussian).latent, whole)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_leaves_its_state_alone_and_repeats(name, gaussian):
    sampler, state = start(name, gaussian.path)
    state = sampler.step(sampler.step(state, gaussian), gaussian)
    before = state.to_bytes()
    first, second = sampler.step(state, gaussian), sampler.step(state, gaussian)
    assert state.to_bytes() == before and first.to_bytes() == second.to_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_does_not_see_its_neighbours(name, gaussian):
    sampler, state = start(name, gaussian.path)
    together = run(sampler, state, gaussian).latent
    alone = sampler.init(sample_noise(SEEDS[1:], 0, (2, 4, 4)), state.schedule, SEEDS[1:])
    assert torch.equal(run(sampler, alone, gaussian).latent[0], together[1])


def test_ancestral_noise_differs_by_seed_and_by_step(gaussian):
    sampler, state = start("euler-ancestral", gaussian.path)
    equal_latents = type(state)(state.latent[:1].expand(2, -1, -1, -1), 0, state.schedule, SEEDS)
    stepped = sampler.step(equal_latents, gaussian).latent
    assert not torch.allclose(stepped[0], stepped[1])


def test_starting_half_way_takes_the_latent_as_it_is():
    sampler = extensions.load("ildm.samplers", "euler")()
    latent = torch.randn(1, 2, 4, 4)
    state = sampler.init(latent, make_schedule(LinearInterpolation(), 10), [0], start=6)
    assert state.step == 6 and torch.equal(state.latent, latent)


def test_mistakes_are_told(gaussian):
    sampler, state = start("euler", gaussian.path)
    with pytest.raises(ConfigError, match="are done"):
        sampler.step(run(sampler, state, gaussian), gaussian)
    with pytest.raises(ShapeError, match="One seed per sample"):
        sampler.init(state.latent, state.schedule, [1])
    with pytest.raises(ConfigError, match="seed is a whole number"):
        sampler.init(state.latent, state.schedule, [1, -1])
    with pytest.raises(ConfigError, match="not 9"):
        sampler.init(state.latent, state.schedule, SEEDS, start=9)
    for damaged in (b"", b"nonsense", state.to_bytes()[:-7]):
        with pytest.raises(ProtocolError, match="not a saved sampler state"):
            SamplerState.from_bytes(damaged)
