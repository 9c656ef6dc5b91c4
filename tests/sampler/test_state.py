"""A run is a value: it can stop anywhere, be saved, go on bit by bit, and never changes behind anybody's back."""

from dataclasses import replace

import pytest
import torch

from ildm.core import extensions
from ildm.core.errors import ConfigError, ProtocolError, ShapeError
from ildm.core.randomness import sample_noise
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.prediction import data_estimate
from ildm.diffusion.schedule import Convention, make_schedule
from ildm.sampler.run import run
from ildm.sampler.state import SamplerState

NAMES = extensions.names("ildm.samplers")
SEEDS = (3, 4)


def start(name, path, num_steps=9):
    sampler = extensions.load("ildm.samplers", name)()
    return sampler, sampler.init(sample_noise(SEEDS, 0, (2, 4, 4)), make_schedule(path, num_steps, "uniform"), SEEDS)


@pytest.mark.parametrize("name", NAMES)
def test_n_steps_are_k_steps_a_snapshot_and_the_rest(name, gaussian):
    sampler, state = start(name, gaussian.path)
    whole = run(sampler, state, gaussian)
    while not state.done:
        revived = SamplerState.from_bytes(state.to_bytes())
        assert run(sampler, revived, gaussian).to_bytes() == whole.to_bytes(), f"after {state.step} steps"
        state = sampler.step(state, gaussian)


@pytest.mark.parametrize("options", [{"order": 3}, {"order": 3, "lower_order_final": False}, {"solver_type": "bh1"}], ids=str)
def test_a_longer_history_survives_too(options, gaussian):
    sampler = extensions.load("ildm.samplers", "unipc")(**options)
    state = sampler.init(sample_noise(SEEDS, 0, (2, 4, 4)), make_schedule(gaussian.path, 9, "uniform"), SEEDS)
    whole = run(sampler, state, gaussian)
    while not state.done:
        assert run(sampler, SamplerState.from_bytes(state.to_bytes()), gaussian).to_bytes() == whole.to_bytes()
        state = sampler.step(state, gaussian)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_put_into_the_latent_between_two_steps_is_led_on_from(name, gaussian):
    sampler, state = start(name, gaussian.path)
    for _ in range(4):
        state = sampler.step(state, gaussian)
    put = state.latent.clone()
    put[..., :2] += 1.0
    plain, changed = (sampler.step(one, gaussian).latent for one in (state, replace(state, latent=put)))
    assert torch.equal(changed[..., 2:], plain[..., 2:])
    if name != "lcm":  # each of its steps begins from the data estimate and new noise
        assert (changed - plain)[..., :2].min() > 0.3


class Counting:
    """A denoise that counts its calls, as far as the state remembers them."""

    def __call__(self, _noised, _t):
        raise AssertionError("Called without its memory.")

    def recall(self, noised, _t, memory):
        calls = memory[0] + 1 if memory else torch.ones_like(noised)
        return noised * 0.5, (calls,)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_every_number_format_survives(dtype, gaussian):
    sampler, state = start("dpmpp-2m", gaussian.path)
    state = sampler.step(sampler.step(state, gaussian), gaussian)
    state = replace(state, latent=state.latent.to(dtype), history=tuple(part.to(dtype) for part in state.history))
    revived = SamplerState.from_bytes(state.to_bytes())
    assert revived.latent.dtype == dtype and revived.latent.equal(state.latent)
    assert all(one.dtype == dtype and one.equal(two) for one, two in zip(revived.history, state.history, strict=True))
    assert revived.to_bytes() == state.to_bytes()


def test_what_a_denoise_remembers_is_in_the_state():
    sampler, state = start("heun", LinearInterpolation())
    for _ in range(3):
        state = sampler.step(SamplerState.from_bytes(state.to_bytes()), Counting())
    assert (state.memory[0] == 6).all()  # two calls a step
    assert sampler.step(state, lambda noised, _: noised).memory == ()


@pytest.mark.parametrize("after", ["dpmpp-2m", "plms", "unipc"])
@pytest.mark.parametrize("before", ["dpmpp-2m", "plms", "unipc", "euler"])
def test_a_solver_does_not_read_another_ones_history(before, after, gaussian):
    first, state = start(before, gaussian.path)
    second = extensions.load("ildm.samplers", after)()
    for _ in range(4):
        state = SamplerState.from_bytes(first.step(state, gaussian).to_bytes())
    afresh = replace(state, history=())
    assert torch.equal(second.step(state, gaussian).latent, second.step(afresh, gaussian).latent) == (before != after)


def test_the_schedule_survives_whole():
    schedule = make_schedule(LinearInterpolation(), 4, convention=Convention(unit_start=True))
    state = SamplerState(torch.zeros(1, 1, 2, 2), 0, schedule, (0,))
    revived = SamplerState.from_bytes(state.to_bytes()).schedule
    assert revived.unit_start and revived.start_deviation == 1.0 and torch.equal(revived.sigmas, schedule.sigmas)


def test_a_run_starts_at_the_deviation_the_schedule_says():
    noise = sample_noise(SEEDS, 0, (2, 4, 4))
    sampler, path = extensions.load("ildm.samplers", "euler")(), VariancePreserving()
    for unit_start in (False, True):
        schedule = make_schedule(path, 10, convention=Convention(unit_start=unit_start))
        deviation = 1.0 if unit_start else float(schedule.sigmas[0])
        assert torch.equal(sampler.init(noise, schedule, SEEDS).latent, noise * deviation) and schedule.sigmas[0] < 1


PURE_NOISE = {"linear": LinearInterpolation(), "zero terminal SNR": VariancePreserving(zero_terminal_snr=True)}


UNIPC = [{"order": order, "solver_type": kind} for order in (1, 3) for kind in ("bh1", "bh2")]


@pytest.mark.parametrize("path", PURE_NOISE.values(), ids=PURE_NOISE.keys())
@pytest.mark.parametrize(("name", "options"), [(name, {}) for name in NAMES] + [("unipc", options) for options in UNIPC])
def test_every_step_from_alpha_zero_is_finite(name, options, path):
    # velocity is what a network can say at alpha = 0
    def denoise(noised, t):
        return data_estimate(path, "velocity", torch.tanh(noised), noised, t)

    _, state = start(name, path)
    sampler = extensions.load("ildm.samplers", name)(**options)
    assert state.schedule.alphas[0] == 0
    while not state.done:
        state = sampler.step(state, denoise)
        assert state.latent.isfinite().all() and state.estimate.isfinite().all()


@pytest.mark.parametrize("path", PURE_NOISE.values(), ids=PURE_NOISE.keys())
@pytest.mark.parametrize(("name", "steps"), [("plms", 1), ("unipc", 1), ("dpmpp-2m", 2)])
def test_multistep_solvers_leave_alpha_zero_first_order(name, steps, path):
    def denoise(noised, t):
        return data_estimate(path, "velocity", torch.tanh(noised), noised, t)

    (sampler, state), (euler, plain) = start(name, path), start("euler", path)
    for _ in range(steps):
        state, plain = sampler.step(state, denoise), euler.step(plain, denoise)
    torch.testing.assert_close(state.latent, plain.latent)
    assert not torch.allclose(sampler.step(state, denoise).latent, euler.step(plain, denoise).latent)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("ddim", {"eta": 1.5}, r"eta lies in \[0, 1\]"),
        ("euler-ancestral", {"eta": -0.1}, r"eta lies in \[0, 1\]"),
        ("ddpm", {"variance": "learned"}, "'fixed_small' or 'fixed_large'"),
        ("dpmpp-2m", {"solver_type": "bh2"}, "'midpoint' or 'heun'"),
        ("dpmpp-2m-sde", {"solver_type": "bh2"}, "'midpoint' or 'heun'"),
        ("dpmpp-2m-sde", {"eta": -1.0}, "0 or more"),
        ("unipc", {"order": 4}, "1, 2 or 3"),
        ("unipc", {"solver_type": "heun"}, "'bh1' or 'bh2'"),
        ("lcm", {"sigma_data": 0.0}, "above 0"),
    ],
)
def test_options_that_do_not_exist_are_told(name, options, said, shapes_unchecked):
    with pytest.raises(ConfigError, match=said):
        extensions.load("ildm.samplers", name)(**options)


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
