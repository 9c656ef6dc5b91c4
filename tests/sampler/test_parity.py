"""Whole runs against diffusers, with a network and a list of step noises that both sides share."""

import importlib

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from ildm.core import extensions
from ildm.core.randomness import sample_noise, step_stream
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.prediction import data_estimate
from ildm.diffusion.schedule import Convention, make_schedule
from ildm.sampler.run import run

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
PREDICTIONS = {"epsilon": "epsilon", "velocity": "v_prediction"}
SHAPE = (1, 2, 4, 4)
EXACT = 1e-8
"""For peers that compute as their tables do: here, in float64."""
SINGLE = 5e-5
"""For peers that go through float32 on the way."""


class AlmostZero(VariancePreserving):
    """Zero terminal SNR as the peers that divide by alpha have it: with 2^-24 for abar at the end."""

    @property
    def alphas_cumprod(self):
        abar = super().alphas_cumprod.clone()
        abar[-1] = 2.0**-24
        return abar


PLAIN, ZERO, ALMOST_ZERO = VariancePreserving(), VariancePreserving(zero_terminal_snr=True), AlmostZero(zero_terminal_snr=True)

# spacing, the peer's settings, and ours
LEADING_0 = ("leading", {"timestep_spacing": "leading", "steps_offset": 0}, {"steps_offset": 0})
LEADING_1 = ("leading", {"timestep_spacing": "leading", "steps_offset": 1}, {"steps_offset": 1})
TRAILING = ("trailing", {"timestep_spacing": "trailing"}, {})
LINSPACE = ("linspace", {"timestep_spacing": "linspace"}, {"whole_timesteps": True})
LINSPACE_BETWEEN = ("linspace", {"timestep_spacing": "linspace"}, {})


def layouts(*choice):
    names = [f"{spacing}-{peers.get('steps_offset', '')}".rstrip("-") for spacing, peers, _ in choice]
    return pytest.mark.parametrize("layout", choice, ids=names)


both_predictions = pytest.mark.parametrize("prediction", PREDICTIONS)
both_precisions = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
both_ends = pytest.mark.parametrize("ends_at_data", [True, False], ids=["to data", "to the first timestep"])


def network(noised, timestep):
    """Some smooth network, of no meaning."""
    return torch.tanh(noised * 0.7 + timestep / 1000) * 0.9


def start_noise(dtype=torch.float64):
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)


def ours(name, path, prediction, schedule, dtype=torch.float64, **options):
    def denoise(noised, t):
        return data_estimate(path, prediction, network(noised, path.network_time(t).item()), noised, t)

    sampler = extensions.load("ildm.samplers", name)(**options)
    return run(sampler, sampler.init(start_noise(dtype), schedule, [0]), denoise).latent


def theirs(peer, num_steps, monkeypatch, path=PLAIN, dtype=torch.float64, schedule=None, **step_arguments):
    """The peer's run on the path's own table of abar, and a schedule's levels if one is given, which it rounds to float32."""
    peer.alphas_cumprod = path.alphas_cumprod.clone()
    if hasattr(peer, "final_alpha_cumprod"):
        peer.final_alpha_cumprod = torch.ones(()).double() if peer.config.set_alpha_to_one else peer.alphas_cumprod[0]
    peer.set_timesteps(num_steps)
    if schedule is not None:
        ratios = schedule.sigmas / schedule.alphas
        torch.testing.assert_close(peer.sigmas.double(), ratios, rtol=1e-6, atol=0.0)
        peer.sigmas = ratios
    drawn = iter([sample_noise([0], step_stream(step), SHAPE[1:], dtype=dtype) for step in range(num_steps)])
    module = importlib.import_module(type(peer).__module__)
    monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: next(drawn), raising=False)
    latent = start_noise(dtype) * float(peer.init_noise_sigma)
    for timestep in peer.timesteps:
        scaled = peer.scale_model_input(latent, timestep)
        latent = peer.step(network(scaled, float(timestep)), timestep, latent, **step_arguments).prev_sample
    return latent.to(dtype)


def assert_close(actual, expected, tolerance):
    assert (actual - expected).abs().max() < tolerance


# --- samplers of the paper's family: start at unit deviation, one noise level per step --------------------------------------------


@both_predictions
@both_precisions
@both_ends
@layouts(LEADING_0, LEADING_1, TRAILING)  # on "linspace" the peer steps by 50 timesteps where its own lie 52.6 apart
@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_ddim(eta, layout, ends_at_data, dtype, prediction, monkeypatch):
    spacing, settings, details = layout
    peer = DDIMScheduler(
        **BETAS, **settings, prediction_type=PREDICTIONS[prediction], clip_sample=False, set_alpha_to_one=ends_at_data
    )
    schedule = make_schedule(PLAIN, 20, spacing, convention=Convention(**details, ends_at_data=ends_at_data, unit_start=True))
    actual = ours("ddim", PLAIN, prediction, schedule, dtype, eta=eta)
    assert_close(actual, theirs(peer, 20, monkeypatch, dtype=dtype, eta=eta), EXACT if dtype == torch.float64 else 1e-4)


@both_predictions
@layouts(LEADING_0, LEADING_1, TRAILING, LINSPACE)
def test_ddpm(layout, prediction, monkeypatch):
    spacing, settings, details = layout
    peer = DDPMScheduler(**BETAS, **settings, prediction_type=PREDICTIONS[prediction], clip_sample=False)
    schedule = make_schedule(PLAIN, 20, spacing, convention=Convention(**details, unit_start=True))
    assert_close(ours("ddpm", PLAIN, prediction, schedule), theirs(peer, 20, monkeypatch), EXACT)


def test_ddpm_of_large_variance(monkeypatch):
    # from timestep 0, the one place from which the peer, too, adds no noise on the way to clean data
    spacing, settings, details = LEADING_0
    peer = DDPMScheduler(**BETAS, **settings, clip_sample=False, variance_type="fixed_large")
    schedule = make_schedule(PLAIN, 20, spacing, convention=Convention(**details, unit_start=True))
    actual = ours("ddpm", PLAIN, "epsilon", schedule, variance="fixed_large")
    assert_close(actual, theirs(peer, 20, monkeypatch), EXACT)


@both_precisions
@both_ends
@layouts(LEADING_0, LEADING_1, TRAILING)  # on "linspace" as with DDIM
def test_plms(layout, ends_at_data, dtype, monkeypatch):
    # epsilon alone: of velocities the peer mixes those themselves, not the noise estimates that Liu 2022 mixes
    spacing, settings, details = layout
    peer = PNDMScheduler(**BETAS, **settings, skip_prk_steps=True, set_alpha_to_one=ends_at_data)
    schedule = make_schedule(PLAIN, 20, spacing, convention=Convention(**details, ends_at_data=ends_at_data, unit_start=True))
    expected = theirs(peer, 20, monkeypatch, dtype=dtype)
    assert_close(ours("plms", PLAIN, "epsilon", schedule, dtype), expected, EXACT if dtype == torch.float64 else 1e-4)


@layouts(LEADING_1, TRAILING)
def test_plms_of_a_single_step(layout, monkeypatch):
    spacing, settings, details = layout
    peer = PNDMScheduler(**BETAS, **settings, skip_prk_steps=True, set_alpha_to_one=False)
    schedule = make_schedule(PLAIN, 1, spacing, convention=Convention(**details, ends_at_data=False, unit_start=True))
    assert_close(ours("plms", PLAIN, "epsilon", schedule), theirs(peer, 1, monkeypatch), EXACT)


@both_predictions
@pytest.mark.parametrize("num_steps", [1, 4, 20])
@pytest.mark.parametrize("timestep_scaling", [10.0, 0.002])  # the published one, and one whose skip is felt
def test_lcm(timestep_scaling, num_steps, prediction, monkeypatch):
    peer = LCMScheduler(**BETAS, prediction_type=PREDICTIONS[prediction], timestep_scaling=timestep_scaling)
    schedule = make_schedule(PLAIN, num_steps, "lcm", convention=Convention(unit_start=True))
    actual = ours("lcm", PLAIN, prediction, schedule, timestep_scaling=timestep_scaling)
    assert_close(actual, theirs(peer, num_steps, monkeypatch), SINGLE)


# --- solvers in the log-SNR: timesteps laid over the borders, the end among them ---------------------------------------------------


@both_predictions
@both_ends
@layouts(LEADING_0, LEADING_1, TRAILING, LINSPACE)
@pytest.mark.parametrize("num_steps", [10, 20])  # below 15 the last step is first order in any case
@pytest.mark.parametrize("solver_type", ["midpoint", "heun"])
@pytest.mark.parametrize(("name", "algorithm"), [("dpmpp-2m", "dpmsolver++"), ("dpmpp-2m-sde", "sde-dpmsolver++")])
def test_dpmpp(name, algorithm, solver_type, num_steps, layout, ends_at_data, prediction, monkeypatch):
    spacing, settings, details = layout
    peer = DPMSolverMultistepScheduler(
        **BETAS,
        **settings,
        prediction_type=PREDICTIONS[prediction],
        algorithm_type=algorithm,
        solver_type=solver_type,
        final_sigmas_type="zero" if ends_at_data else "sigma_min",
    )
    convention = Convention(**details, laid_over="borders", ends_at_data=ends_at_data, unit_start=True)
    schedule = make_schedule(PLAIN, num_steps, spacing, convention=convention)
    actual = ours(name, PLAIN, prediction, schedule, solver_type=solver_type)
    assert_close(actual, theirs(peer, num_steps, monkeypatch), SINGLE)


@both_predictions
@layouts(LEADING_0, LEADING_1, TRAILING, LINSPACE)
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(
    ("solver_type", "ends_at_data", "lower_order_final"),
    [("bh2", True, True), ("bh2", False, False), ("bh1", False, True)],  # bh1 to clean data is not a number at the peer's
)
def test_unipc(solver_type, ends_at_data, lower_order_final, order, layout, prediction, monkeypatch):
    spacing, settings, details = layout
    peer = UniPCMultistepScheduler(
        **BETAS,
        **settings,
        prediction_type=PREDICTIONS[prediction],
        solver_order=order,
        solver_type=solver_type,
        lower_order_final=lower_order_final,
        final_sigmas_type="zero" if ends_at_data else "sigma_min",
    )
    convention = Convention(**details, laid_over="borders", ends_at_data=ends_at_data, unit_start=True)
    schedule = make_schedule(PLAIN, 20, spacing, convention=convention)
    options = {"order": order, "solver_type": solver_type, "lower_order_final": lower_order_final}
    actual = ours("unipc", PLAIN, prediction, schedule, **options)
    assert_close(actual, theirs(peer, 20, monkeypatch, schedule=schedule), EXACT)


@both_predictions
def test_a_first_order_peer_is_ddim_on_linspace_too(prediction, monkeypatch):
    peer = DPMSolverMultistepScheduler(
        **BETAS, timestep_spacing="linspace", solver_order=1, prediction_type=PREDICTIONS[prediction]
    )
    convention = Convention(whole_timesteps=True, laid_over="borders", unit_start=True)
    schedule = make_schedule(PLAIN, 20, "linspace", convention=convention)
    assert_close(ours("ddim", PLAIN, prediction, schedule), theirs(peer, 20, monkeypatch), SINGLE)


# --- sigma-space samplers: start at sigma, or sqrt(1 + sigma^2) on "leading" -------------------------------------------------------


@both_predictions
@layouts(LEADING_0, LEADING_1, TRAILING, LINSPACE_BETWEEN)
@pytest.mark.parametrize("karras", [False, True])
def test_euler(karras, layout, prediction, monkeypatch):
    spacing, settings, details = layout
    peer = EulerDiscreteScheduler(**BETAS, **settings, prediction_type=PREDICTIONS[prediction], use_karras_sigmas=karras)
    convention = Convention(**details, karras=karras, unit_start=spacing == "leading")
    schedule = make_schedule(PLAIN, 20, spacing, convention=convention)
    assert_close(ours("euler", PLAIN, prediction, schedule), theirs(peer, 20, monkeypatch), SINGLE)


@both_predictions
@layouts(LEADING_0, LEADING_1, TRAILING, LINSPACE_BETWEEN)
def test_euler_ancestral(layout, prediction, monkeypatch):
    spacing, settings, details = layout
    peer = EulerAncestralDiscreteScheduler(**BETAS, **settings, prediction_type=PREDICTIONS[prediction])
    schedule = make_schedule(PLAIN, 20, spacing, convention=Convention(**details, unit_start=spacing == "leading"))
    assert_close(ours("euler-ancestral", PLAIN, prediction, schedule), theirs(peer, 20, monkeypatch), SINGLE)


@both_predictions
@layouts(LEADING_0, LEADING_1, TRAILING, LINSPACE_BETWEEN)
def test_heun(layout, prediction, monkeypatch):
    spacing, settings, details = layout
    peer = HeunDiscreteScheduler(**BETAS, **settings, prediction_type=PREDICTIONS[prediction])
    schedule = make_schedule(PLAIN, 20, spacing, convention=Convention(**details, unit_start=spacing == "leading"))
    assert_close(ours("heun", PLAIN, prediction, schedule), theirs(peer, 20, monkeypatch), SINGLE)


# --- zero terminal SNR: the network predicts velocity, for epsilon says nothing at alpha = 0 ---------------------------------------


@pytest.mark.parametrize(
    ("name", "peer_class", "settings", "spacing"),
    [
        ("ddim", DDIMScheduler, {"timestep_spacing": "trailing", "clip_sample": False}, "trailing"),
        ("ddpm", DDPMScheduler, {"timestep_spacing": "trailing", "clip_sample": False}, "trailing"),
        ("lcm", LCMScheduler, {}, "lcm"),
    ],
    ids=["ddim", "ddpm", "lcm"],
)
def test_from_pure_noise(name, peer_class, settings, spacing, monkeypatch):
    peer = peer_class(**BETAS, **settings, prediction_type="v_prediction", rescale_betas_zero_snr=True)
    actual = ours(name, ZERO, "velocity", make_schedule(ZERO, 20, spacing, convention=Convention(unit_start=True)))
    assert_close(actual, theirs(peer, 20, monkeypatch, path=ZERO), SINGLE if name == "lcm" else EXACT)


def assert_parity_from_almost_pure_noise(name, peer_class, layout, convention, monkeypatch, **settings):
    spacing, layout_settings, _ = layout
    settings |= {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    expected = theirs(peer_class(**BETAS, **layout_settings, **settings), 20, monkeypatch, path=ALMOST_ZERO)
    almost = ours(name, ALMOST_ZERO, "velocity", make_schedule(ALMOST_ZERO, 20, spacing, convention=convention))
    assert_close(almost, expected, SINGLE)
    # alpha = 0 itself, which the peers avoid, leads where almost nothing does
    assert_close(ours(name, ZERO, "velocity", make_schedule(ZERO, 20, spacing, convention=convention)), expected, 1e-3)


@layouts(LEADING_1, TRAILING, LINSPACE)
@pytest.mark.parametrize(
    ("name", "peer_class", "settings"),
    [
        ("dpmpp-2m", DPMSolverMultistepScheduler, {}),
        ("dpmpp-2m-sde", DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
        ("unipc", UniPCMultistepScheduler, {}),
    ],
    ids=["dpmpp-2m", "dpmpp-2m-sde", "unipc"],
)
def test_log_snr_solvers_from_almost_pure_noise(name, peer_class, settings, layout, monkeypatch):
    convention = Convention(**layout[2], laid_over="borders", unit_start=True)
    assert_parity_from_almost_pure_noise(name, peer_class, layout, convention, monkeypatch, **settings)


@layouts(LEADING_1, TRAILING, LINSPACE_BETWEEN)
@pytest.mark.parametrize(
    ("name", "peer_class"),
    [("euler", EulerDiscreteScheduler), ("euler-ancestral", EulerAncestralDiscreteScheduler)],
    ids=["euler", "euler-ancestral"],
)
def test_sigma_space_solvers_from_almost_pure_noise(name, peer_class, layout, monkeypatch):
    convention = Convention(**layout[2], unit_start=layout[0] == "leading")
    assert_parity_from_almost_pure_noise(name, peer_class, layout, convention, monkeypatch)


# --- in the precision that images are drawn in -------------------------------------------------------------------------------------


@both_predictions
@pytest.mark.parametrize(
    ("name", "peer_class", "settings", "laid_over"),
    [
        ("ddpm", DDPMScheduler, {"clip_sample": False}, "steps"),
        ("euler", EulerDiscreteScheduler, {}, "steps"),
        ("euler-ancestral", EulerAncestralDiscreteScheduler, {}, "steps"),
        ("dpmpp-2m", DPMSolverMultistepScheduler, {}, "borders"),
        ("dpmpp-2m-sde", DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}, "borders"),
        ("unipc", UniPCMultistepScheduler, {}, "borders"),
    ],
    ids=["ddpm", "euler", "euler-ancestral", "dpmpp-2m", "dpmpp-2m-sde", "unipc"],
)
def test_in_float32(name, peer_class, settings, laid_over, prediction, monkeypatch):
    spacing, layout_settings, details = LEADING_1
    peer = peer_class(**BETAS, **layout_settings, **settings, prediction_type=PREDICTIONS[prediction])
    schedule = make_schedule(PLAIN, 20, spacing, convention=Convention(**details, laid_over=laid_over, unit_start=True))
    actual = ours(name, PLAIN, prediction, schedule, torch.float32)
    assert_close(actual, theirs(peer, 20, monkeypatch, dtype=torch.float32), 1e-4)


# --- the straight line -------------------------------------------------------------------------------------------------------------


def test_euler_on_the_straight_line():
    line = LinearInterpolation()
    velocity = lambda x, t: torch.tanh(x + t)  # noqa: E731
    sampler = extensions.load("ildm.samplers", "euler")()
    schedule = make_schedule(line, 15)
    state = sampler.init(start_noise(), schedule, [0])
    actual = run(sampler, state, lambda x, t: x - t.item() * velocity(x, t.item())).latent
    peer = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    peer.set_timesteps(sigmas=schedule.times[:-1].tolist())
    latent = start_noise()
    for timestep in peer.timesteps:
        latent = peer.step(velocity(latent, float(timestep) / 1000), timestep, latent).prev_sample
    assert_close(actual, latent, 1e-5)
