"""Every setting of a scheduler is followed as its maker follows it, or refused by name; and it is written as it was read."""

import importlib
import inspect
import warnings

import pytest
import torch

from ildm.checkpoint.diffusers_sampler import HEEDED_BY, SAMPLERS, SubstitutedSamplerWarning
from ildm.checkpoint.diffusers_scheduler import defaults_from_scheduler, path_from_scheduler
from ildm.checkpoint.diffusers_scheduler_written import scheduler_notes, scheduler_to_diffusers
from ildm.core import extensions
from ildm.core.config import from_json
from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.randomness import sample_noise, step_stream
from ildm.diffusion.prediction import data_estimate
from ildm.diffusion.published import Published
from ildm.diffusion.schedule import make_schedule
from ildm.sampler.run import run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import diffusers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
SHAPE, NUM_STEPS = (2, 4, 4), 6
CLIPPED = {"clip_sample": True, "clip_sample_range": 0.7}
VELOCITY = {"prediction_type": "v_prediction"}
DPM, UNIPC, TO_FIRST = "DPMSolverMultistepScheduler", "UniPCMultistepScheduler", {"final_sigmas_type": "sigma_min"}
KARRAS = {"use_karras_sigmas": True}
FOLLOWED = {
    "DDIM, clipped": ("DDIMScheduler", CLIPPED),
    "DDIM, clipped, velocity": ("DDIMScheduler", CLIPPED | VELOCITY),
    "DDPM, clipped": ("DDPMScheduler", CLIPPED),
    "DDPM, clipped, velocity": ("DDPMScheduler", CLIPPED | VELOCITY),
    "DDPM, large variance": ("DDPMScheduler", {"clip_sample": False, "variance_type": "fixed_large"}),
    "DDPM, small variance by its logarithm": ("DDPMScheduler", {"clip_sample": False, "variance_type": "fixed_small_log"}),
    "PNDM": ("PNDMScheduler", {"skip_prk_steps": True}),
    "Euler, Karras": ("EulerDiscreteScheduler", KARRAS),
    "Heun, Karras, trailing": ("HeunDiscreteScheduler", KARRAS | {"timestep_spacing": "trailing"}),
    **{
        f"{name}, Karras, {spacing}": (kind, KARRAS | {"timestep_spacing": spacing, "steps_offset": 1})
        for name, kind in (("DPM", DPM), ("UniPC", UNIPC))
        for spacing in ("leading", "linspace", "trailing")
    },
    "Euler, trailing": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "Heun, clipped": ("HeunDiscreteScheduler", CLIPPED),
    "DPM": (DPM, {}),
    "DPM, first order": (DPM, {"solver_order": 1}),
    "DPM, Heun's": (DPM, {"solver_type": "heun"} | TO_FIRST),
    "DPM, second order to the end": (DPM, {"lower_order_final": False} | TO_FIRST),
    "DPM, first order at the end": (DPM, {"euler_at_final": True}),
    "DPM, stochastic": (DPM, {"algorithm_type": "sde-dpmsolver++"}),
    "DPM, stochastic, first order": (DPM, {"algorithm_type": "sde-dpmsolver++", "solver_order": 1}),
    "UniPC, third order": ("UniPCMultistepScheduler", {"solver_order": 3}),
    "UniPC, another function": ("UniPCMultistepScheduler", {"solver_type": "bh1"} | TO_FIRST),
    "UniPC, full order to the end": ("UniPCMultistepScheduler", {"lower_order_final": False} | TO_FIRST),
    "LCM, clipped": ("LCMScheduler", CLIPPED | {"original_inference_steps": 20, "timestep_scaling": 5.0}),
    "LCM of 500 timesteps": ("LCMScheduler", {"num_train_timesteps": 500}),
}
UNSAID = [
    ("DDIMScheduler", "clip_sample", {}),
    ("DDPMScheduler", "clip_sample", {}),
    ("PNDMScheduler", "set_alpha_to_one", {"skip_prk_steps": True, "steps_offset": 1}),
    ("HeunDiscreteScheduler", "beta_start", {}),
    ("LCMScheduler", "beta_schedule", {}),
]
REFUSED = [
    ("DDIMScheduler", "thresholding", True),
    ("DDPMScheduler", "thresholding", True),
    ("DDPMScheduler", "variance_type", "learned_range"),
    ("PNDMScheduler", "skip_prk_steps", False),
    ("EulerDiscreteScheduler", "interpolation_type", "log_linear"),
    ("EulerDiscreteScheduler", "timestep_type", "continuous"),
    ("EulerDiscreteScheduler", "use_exponential_sigmas", True),
    ("EulerDiscreteScheduler", "use_beta_sigmas", True),
    ("EulerDiscreteScheduler", "sigma_max", 80.0),
    ("HeunDiscreteScheduler", "use_beta_sigmas", True),
    (DPM, "thresholding", True),
    (DPM, "use_lu_lambdas", True),
    (DPM, "use_flow_sigmas", True),
    (DPM, "lambda_min_clipped", -5.1),
    (DPM, "variance_type", "learned"),
    ("UniPCMultistepScheduler", "predict_x0", False),
    ("UniPCMultistepScheduler", "disable_corrector", [0]),
    ("UniPCMultistepScheduler", "use_dynamic_shifting", True),
    ("LCMScheduler", "thresholding", True),
    ("FlowMatchEulerDiscreteScheduler", "use_karras_sigmas", True),
    ("FlowMatchEulerDiscreteScheduler", "stochastic_sampling", True),
]


def network(noised, timestep):
    """Some smooth network, of no meaning, whose estimates leave every range."""
    return torch.tanh(noised * 0.7 + timestep / 1000) * 1.5


def start_noise():
    return torch.randn(1, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def fields_of(peer):
    return {"_class_name": type(peer).__name__, **{key: value for key, value in peer.config.items() if not key.startswith("_")}}


def read(fields):
    path, prediction = path_from_scheduler(fields, source="config.json")
    return path, prediction, defaults_from_scheduler(fields, guidance_scale=5.0, source="config.json")


def ours(fields):
    path, prediction, defaults = read(fields)
    sampler = from_json(extensions.load("ildm.samplers", defaults.sampler), defaults.sampler_options)
    spacing, convention = from_json(Published, defaults.published).layout(sampler.manner)
    schedule = make_schedule(path, NUM_STEPS, spacing, convention=convention)

    # on Karras' levels these two tell the network the nearest timestep, we the level's own time
    whole = bool(fields.get("use_karras_sigmas")) and fields["_class_name"] in (DPM, UNIPC)

    def denoise(noised, t):
        time = path.network_time(t).item()
        return data_estimate(path, prediction, network(noised, round(time) if whole else time), noised, t)

    return run(sampler, sampler.init(start_noise(), schedule, [0]), denoise).latent


def theirs(peer, monkeypatch):
    peer.set_timesteps(NUM_STEPS)
    drawn = iter([sample_noise([0], step_stream(step), SHAPE, dtype=torch.float64) for step in range(NUM_STEPS)])
    module = importlib.import_module(type(peer).__module__)
    monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: next(drawn), raising=False)
    latent = start_noise() * float(peer.init_noise_sigma)
    for timestep in peer.timesteps:
        scaled = peer.scale_model_input(latent, timestep)
        latent = peer.step(network(scaled, float(timestep)), timestep, latent).prev_sample
    return latent.double()


def assert_close(actual, expected):
    assert (actual - expected).abs().max() <= 2e-4 * expected.abs().max()


@pytest.mark.parametrize("case", FOLLOWED)
def test_a_setting_is_followed_and_written(case, monkeypatch):
    class_name, settings = FOLLOWED[case]
    peer = getattr(diffusers, class_name)(**BETAS | settings)
    fields = fields_of(peer)
    expected = theirs(peer, monkeypatch)
    assert_close(ours(fields), expected)
    path, prediction, defaults = read(fields)
    written = dict(scheduler_to_diffusers(path, prediction, defaults))
    assert read(written) == (path, prediction, defaults) and scheduler_notes(path, defaults, written) == []
    again = getattr(diffusers, written["_class_name"]).from_config(written)
    torch.testing.assert_close(theirs(again, monkeypatch), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", ["DDIM, clipped", "DDPM, clipped", "Heun, clipped", "LCM, clipped"])
def test_clipping_makes_a_difference(case):
    class_name, settings = FOLLOWED[case]
    fields = fields_of(getattr(diffusers, class_name)(**BETAS | settings))
    assert (ours(fields) - ours(fields | {"clip_sample": False})).abs().max() > 0.05


@pytest.mark.parametrize(("class_name", "key", "settings"), UNSAID)
def test_what_is_not_said_is_as_the_class_has_it(class_name, key, settings, monkeypatch):
    peer = getattr(diffusers, class_name)(**settings)
    fields = fields_of(peer)
    del fields[key]
    assert_close(ours(fields), theirs(peer, monkeypatch))


@pytest.mark.parametrize(("class_name", "key", "value"), REFUSED)
def test_a_setting_that_is_not_followed_is_refused(class_name, key, value):
    plain = {"skip_prk_steps": True} if class_name == "PNDMScheduler" else {}
    fields = fields_of(getattr(diffusers, class_name)(**plain))
    read(fields)
    with pytest.raises(
        CheckpointError, match=rf"config\.json sets {key} to .*(set it to .* there to draw without it|only .* are)"
    ):
        read(fields | {key: value})


def test_a_last_step_of_first_order_is_refused_where_it_would_be_of_second():
    fields = fields_of(getattr(diffusers, DPM)(euler_at_final=True, **TO_FIRST))
    with pytest.raises(CheckpointError, match="sets euler_at_final to True"):
        read(fields)


def test_what_a_scheduler_of_another_class_left_is_passed_over():
    fields = fields_of(diffusers.EulerDiscreteScheduler())
    left = {"clip_sample": True, "thresholding": True, "skip_prk_steps": False, "solver_order": 3, "predict_x0": False}
    assert read(fields | left) == read(fields)
    for class_name, kind in ((DPM, "bh2"), ("UniPCMultistepScheduler", "midpoint")):
        fields = fields_of(getattr(diffusers, class_name)())
        assert read(fields | {"solver_type": kind}) == read(fields)


def test_each_class_heeds_the_settings_that_it_has():
    for key, classes in HEEDED_BY.items():
        assert classes == {name for name in SAMPLERS if key in inspect.signature(getattr(diffusers, name)).parameters}, key


@pytest.mark.parametrize(
    ("class_name", "left"),
    [
        ("EulerAncestralDiscreteScheduler", KARRAS | TO_FIRST),
        ("PNDMScheduler", {"rescale_betas_zero_snr": True, **KARRAS, **TO_FIRST}),
        ("HeunDiscreteScheduler", {"rescale_betas_zero_snr": True, **TO_FIRST}),
        ("DDIMScheduler", KARRAS | TO_FIRST),
    ],
)
def test_a_setting_of_the_schedule_that_another_class_left_is_passed_over(class_name, left, monkeypatch):
    plain = {"skip_prk_steps": True} if class_name == "PNDMScheduler" else {}
    peer = getattr(diffusers, class_name).from_config(BETAS | plain | left)
    fields = fields_of(peer) | left
    assert read(fields) == read({key: value for key, value in fields.items() if key not in left})
    assert_close(ours(fields), theirs(peer, monkeypatch))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"_class_name": "DEISMultistepScheduler", **BETAS}, "asks for DEISMultistepScheduler, .* dpmpp-2m is used instead"),
        ({"_class_name": DPM, **BETAS, "solver_order": 3}, r"asks for dpmsolver\+\+ of order 3, .* dpmpp-2m is used instead"),
    ],
)
def test_a_sampler_that_is_not_here_is_replaced_with_a_warning(fields, told):
    with pytest.warns(SubstitutedSamplerWarning, match=told):
        assert read(fields)[2].sampler == "dpmpp-2m"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"_class_name": "EDMEulerScheduler"}, "is of EDMEulerScheduler, whose noise levels are not known"),
        ({"_class_name": "DDIMScheduler", "trained_betas": [0.1]}, "with its own betas"),
        ({"_class_name": "DDIMScheduler", "num_train_timesteps": None}, "describes a noise schedule that cannot be"),
        ({"_class_name": "DDIMScheduler", "beta_start": 0.5}, "describes a noise schedule that cannot be: Betas rise"),
        (
            {"_class_name": "DDIMScheduler", "steps_offset": 3},
            "describes a sampler that cannot be: Timesteps are offset by 0 or 1",
        ),
        ({"_class_name": "DDIMScheduler", "timestep_spacing": "odd"}, "describes a sampler that cannot be"),
        (
            {"_class_name": "DDIMScheduler", "clip_sample_range": -1},
            "describes a sampler that cannot be: Data estimates are clipped",
        ),
        ({"_class_name": "UniPCMultistepScheduler", "solver_order": 5}, "describes a sampler that cannot be: UniPC's order"),
        ({"_class_name": "UniPCMultistepScheduler", "solver_order": "two"}, "describes a sampler that cannot be"),
    ],
)
def test_what_cannot_be_is_refused(change, told):
    with pytest.raises(CheckpointError, match=rf"config\.json .*{told}"):
        read(change)


@pytest.mark.parametrize(
    ("sampler", "options", "told"),
    [
        ("dpmpp-2m", {"order": 3}, "order of DPM-Solver.* is 1 or 2, but 3"),
        ("dpmpp-2m-sde", {"order": 0}, "order of DPM-Solver.* is 1 or 2, but 0"),
        *((name, {"clip": 0.0}, "clipped to a range above 0, but clip=0.0") for name in ("ddim", "ddpm", "heun", "lcm")),
    ],
)
def test_a_sampler_says_what_it_cannot_do(sampler, options, told):
    with pytest.raises(ConfigError, match=told):
        extensions.load("ildm.samplers", sampler)(**options)
