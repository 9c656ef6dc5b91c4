"""Guidance and preconditioning: functions from denoisers to denoisers."""

import math

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

from ildm.core import extensions
from ildm.core.errors import ConfigError
from ildm.core.randomness import sample_noise
from ildm.core.types import Conditioning
from ildm.denoiser.guidance import Guided, Projection, Rescale
from ildm.denoiser.precondition import Preconditioned
from ildm.diffusion.path import LinearInterpolation, VariancePreserving, add_noise
from ildm.diffusion.prediction import data_estimate, target
from ildm.diffusion.schedule import make_schedule
from ildm.sampler.run import run
from ildm.sampler.state import SamplerState


def says_its_label(noised, t, conditioning):
    """A denoiser whose estimate is its label, and which counts its calls."""
    says_its_label.batches.append(noised.shape[0])
    return conditioning.label.reshape(-1, 1, 1, 1) * torch.ones_like(noised)


@pytest.fixture(autouse=True)
def count():
    says_its_label.batches = []


NOISED, T = torch.zeros(2, 1, 2, 2), torch.full((2,), 0.5, dtype=torch.float64)
YES, NO = Conditioning(label=torch.tensor([1, 2])), Conditioning(label=torch.tensor([0]))


def test_guidance_moves_away_from_the_negative_in_one_batch():
    guided = Guided(says_its_label, NO, 3.0)
    assert guided(NOISED, T, YES)[:, 0, 0, 0].tolist() == [3.0, 6.0]
    assert says_its_label.batches == [4]


@pytest.mark.parametrize(("scale", "interval"), [(1.0, (0.0, 1.0)), (3.0, (0.6, 1.0))])
def test_where_guidance_does_not_act_it_costs_nothing(scale, interval):
    guided = Guided(says_its_label, NO, scale, interval)
    assert guided(NOISED, T, YES)[:, 0, 0, 0].tolist() == [1.0, 2.0]
    assert says_its_label.batches == [2]


def test_an_interval_that_is_none_is_told():
    with pytest.raises(ConfigError, match="two rising times"):
        Guided(says_its_label, NO, 3.0, (0.8, 0.2))


LATENTS = torch.Generator().manual_seed(0)
NOISY, LATE = torch.randn(2, 3, 4, 4, generator=LATENTS, dtype=torch.float64), torch.tensor([0.9, 0.4]).double()


def network(noised, time, conditioning):
    """Some smooth network whose answer depends on its label."""
    label = conditioning.label.reshape(-1, 1, 1, 1).to(noised)
    return torch.tanh(noised * (0.5 + 0.2 * label) + time.reshape(-1, 1, 1, 1) / 1000 - 0.3 * label) * 1.3


def denoiser_on(path, prediction="velocity"):
    return Preconditioned(network, path, prediction)


PATH = VariancePreserving()
DENOISER = denoiser_on(PATH)
TAMED = {
    "plain": {},
    "rescaled": {"rescale": Rescale(path=PATH, prediction="velocity")},
    "projected": {"projection": Projection(momentum=-0.5)},
    "both": {"projection": Projection(), "rescale": Rescale(path=PATH, prediction="velocity")},
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("tamed", TAMED.values(), ids=TAMED.keys())
@pytest.mark.parametrize("idle", [{"scale": 1.0}, {"scale": 5.0, "interval": (0.95, 1.0)}], ids=["scale 1", "outside"])
def test_guidance_that_does_not_act_changes_no_bit(idle, tamed, dtype):
    guided = Guided(DENOISER, NO, **idle, **tamed).under(YES)
    data, memory = guided.recall(NOISY.to(dtype), LATE, (NOISY.to(dtype),))
    assert torch.equal(data, DENOISER(NOISY.to(dtype), LATE, YES)) and torch.equal(memory[0], NOISY.to(dtype))


@pytest.mark.parametrize("strength", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("prediction", ["epsilon", "velocity"])
def test_rescaling_is_the_peers_on_the_networks_own_output(prediction, strength):
    time = PATH.network_time(LATE)
    positive, negative = network(NOISY, time, YES), network(NOISY, time, Conditioning(label=torch.tensor([0, 0])))
    output = rescale_noise_cfg(negative + 6.0 * (positive - negative), positive, strength)
    rescale = Rescale(path=PATH, prediction=prediction, strength=strength)
    guided = Guided(denoiser_on(PATH, prediction), NO, 6.0, rescale=rescale)(NOISY, LATE, YES)
    torch.testing.assert_close(guided, data_estimate(PATH, prediction, output, NOISY, LATE), rtol=1e-10, atol=1e-10)


def test_an_output_without_deviation_stays_as_it_is():
    rescale = Rescale(path=PATH, prediction="data")
    guided = Guided(says_its_label, NO, 3.0, rescale=rescale)
    assert guided(NOISED, T, YES)[:, 0, 0, 0].tolist() == [3.0, 6.0]


def projected_by_loops(positives, negatives, scale, eta, norm_threshold, momentum):
    """Sadat 2024, algorithm 1, one number at a time: for each step, lists of samples, each a flat list."""
    running, results = None, []
    for positive, negative in zip(positives, negatives, strict=True):
        difference = [[p - n for p, n in zip(*pair, strict=True)] for pair in zip(positive, negative, strict=True)]
        if running is not None:
            difference = [
                [d + momentum * r for d, r in zip(*pair, strict=True)] for pair in zip(difference, running, strict=True)
            ]
        running, guided = difference, []
        for sample, p in zip(difference, positive, strict=True):
            length = math.sqrt(sum(x * x for x in sample))
            shrunk = [x * min(1.0, norm_threshold / length) for x in sample] if norm_threshold > 0 else sample
            along = sum(x * y for x, y in zip(shrunk, p, strict=True)) / sum(y * y for y in p)
            kept = [x - along * y + eta * along * y for x, y in zip(shrunk, p, strict=True)]
            guided.append([y + (scale - 1.0) * x for x, y in zip(kept, p, strict=True)])
        results.append(guided)
    return results


@pytest.mark.parametrize("norm_threshold", [0.0, 0.8, 100.0])
@pytest.mark.parametrize(("eta", "momentum"), [(0.0, 0.0), (0.0, -0.5), (0.3, 0.4), (1.0, -0.75)])
def test_projection_is_the_published_algorithm(eta, momentum, norm_threshold):
    steps = [(NOISY * share, LATE * share) for share in (1.0, 0.8, 0.5)]
    nobody = Conditioning(label=torch.tensor([0, 0]))
    positives, negatives = ([DENOISER(*step, who).flatten(1).tolist() for step in steps] for who in (YES, nobody))
    expected = projected_by_loops(positives, negatives, 7.0, eta, norm_threshold, momentum)
    projection = Projection(eta=eta, momentum=momentum, norm_threshold=norm_threshold)
    guided, memory = Guided(DENOISER, NO, 7.0, projection=projection).under(YES), ()
    for (noised, t), answer in zip(steps, expected, strict=True):
        data, memory = guided.recall(noised, t, memory)
        torch.testing.assert_close(data.flatten(1), torch.tensor(answer).double(), rtol=1e-6, atol=1e-6)


def test_projection_that_keeps_everything_is_plain_guidance():
    everything = Projection(eta=1.0, norm_threshold=0.0)
    plain, projected = (Guided(DENOISER, NO, 4.0, projection=kept)(NOISY, LATE, YES) for kept in (None, everything))
    torch.testing.assert_close(projected, plain)


def test_momentum_lives_in_the_state_of_a_run():
    noise, schedule = sample_noise([1, 2], 0, (3, 4, 4)), make_schedule(PATH, 7)
    heun = extensions.load("ildm.samplers", "heun")()
    with_momentum, without = (
        Guided(DENOISER, NO, 6.0, (0.2, 1.0), projection=Projection(momentum=momentum)).under(YES) for momentum in (-0.5, 0.0)
    )
    state = heun.init(noise, schedule, [1, 2])
    whole = run(heun, state, with_momentum)
    assert not torch.allclose(whole.latent, run(heun, state, without).latent)
    while not state.done:
        revived = SamplerState.from_bytes(state.to_bytes())
        assert run(heun, revived, with_momentum).to_bytes() == whole.to_bytes(), f"after {state.step} steps"
        state = heun.step(state, with_momentum)


def test_momentum_is_not_forgotten_silently():
    with pytest.raises(ConfigError, match="remembers former steps"):
        Guided(DENOISER, NO, 6.0, projection=Projection(momentum=-0.5))(NOISY, LATE, YES)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Projection(momentum=-1.0), "between -1 and 1"),
        (lambda: Projection(norm_threshold=-0.1), "0 or more"),
        (lambda: Rescale(path=PATH, prediction="velocity", strength=1.2), r"in \[0, 1\]"),
    ],
)
def test_impossible_guidance_is_told(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


@pytest.mark.parametrize("path", [VariancePreserving(), LinearInterpolation()], ids=str)
@pytest.mark.parametrize("prediction", ["epsilon", "velocity", "data"])
def test_a_perfect_network_gives_the_data_under_every_prediction(path, prediction):
    data, noise = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    t = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    told = []

    def network(noised, time, conditioning):
        told.append(time)
        return target(path, prediction, data, noise, t)

    estimate = Preconditioned(network, path, prediction)(add_noise(path, data, noise, t), t, Conditioning())
    assert torch.allclose(estimate, data, atol=1e-4)
    assert torch.allclose(told[0].double(), path.network_time(t), atol=1e-3)


def test_samples_at_unlike_times_are_guided_each_for_itself():
    """One sample inside the interval, one outside: the second follows its conditioning alone."""

    def denoiser(noised, t, conditioning):
        return noised + conditioning.pooled[:, :, None, None]

    noised, t = torch.zeros(2, 1, 2, 2), torch.tensor([0.5, 0.9], dtype=torch.float64)
    positive, negative = (Conditioning(pooled=torch.full((2, 1), value)) for value in (1.0, -1.0))
    found = Guided(denoiser, negative, 3.0, interval=(0.4, 0.6))(noised, t, positive)
    assert found[0].unique().tolist() == [5.0] and found[1].unique().tolist() == [1.0]
