"""Schedules against the peers' timesteps, levels and starts, and their limits."""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from ildm.core.errors import ConfigError
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.schedule import DISCRETE_SPACINGS, SPACINGS, Convention, Schedule, make_schedule

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
VP = VariancePreserving()
LAYOUTS = {
    "leading": ("leading", {}, {}),
    "leading, offset": ("leading", {"steps_offset": 1}, {"steps_offset": 1}),
    "trailing": ("trailing", {}, {}),
    "linspace": ("linspace", {}, {"whole_timesteps": True}),
}
# some of them where numbers of timesteps lie at, or just beside, a tie of rounding
NUMS_STEPS = [2, 7, 10, 16, 25, 48, 50, 96, 125, 192, 333, 480]


def timesteps(schedule):
    return schedule.times[:-1] * 1000 - 1


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize(
    ("peer_class", "own", "laid_over"),
    [
        (DDIMScheduler, {}, "steps"),
        (PNDMScheduler, {"skip_prk_steps": True}, "steps"),
        (UniPCMultistepScheduler, {}, "borders"),
    ],
    ids=["ddim", "pndm", "unipc"],
)
def test_timesteps_are_the_peers(peer_class, own, laid_over, layout):
    spacing, settings, details = layout
    peer = peer_class(**BETAS, **own, timestep_spacing=spacing, **settings)
    details = {"steps_offset": 0} | details if spacing == "leading" else details
    convention = Convention(**details, laid_over=laid_over)
    for num_steps in NUMS_STEPS:
        peer.set_timesteps(num_steps)
        # PNDM's list names the second timestep twice, for the second evaluation of its first step
        theirs = peer.timesteps.unique().flip(0).double()
        ours = timesteps(make_schedule(VP, num_steps, spacing, convention=convention))
        torch.testing.assert_close(ours, theirs, rtol=0.0, atol=1e-9, msg=lambda text, n=num_steps: f"{n} steps: {text}")


@pytest.mark.parametrize("num_steps", [1, 2, 3, 4, 7, 8, 20, 50])
def test_lcm_chooses_the_peers_timesteps(num_steps):
    peer = LCMScheduler(**BETAS)
    for original_steps in (None, 100):
        peer.set_timesteps(num_steps, original_inference_steps=original_steps)
        ours = make_schedule(VP, num_steps, "lcm", convention=Convention(original_steps=original_steps))
        torch.testing.assert_close(timesteps(ours), peer.timesteps.double(), rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("karras", [False, True], ids=["", "karras"])
@pytest.mark.parametrize(("spacing", "offset"), [("leading", 0), ("leading", 1), ("trailing", None), ("linspace", None)])
def test_levels_and_starts_are_the_sigma_space_peers(spacing, offset, karras):
    settings = {"timestep_spacing": spacing, "steps_offset": offset or 0, "use_karras_sigmas": karras}
    peer = EulerDiscreteScheduler(**BETAS, **settings)
    peer.alphas_cumprod = VP.alphas_cumprod.clone()  # its own table is float32
    peer.set_timesteps(20)
    convention = Convention(steps_offset=offset, karras=karras, unit_start=spacing == "leading")
    schedule = make_schedule(VP, 20, spacing, convention=convention)
    torch.testing.assert_close((schedule.sigmas / schedule.alphas).float(), peer.sigmas, rtol=2e-7, atol=0.0)
    torch.testing.assert_close(timesteps(schedule).float(), peer.timesteps, rtol=0.0, atol=5e-3)
    # the peer's latents are ours divided by alpha
    assert schedule.start_deviation == pytest.approx(float(peer.init_noise_sigma) * float(schedule.alphas[0]), rel=1e-5)


def test_karras_levels_between_the_paths_ends_are_the_log_snr_peers():
    peer = DPMSolverMultistepScheduler(**BETAS, use_karras_sigmas=True)
    peer.set_timesteps(20)
    schedule = make_schedule(VP, 20, "karras")
    torch.testing.assert_close((schedule.sigmas / schedule.alphas).float(), peer.sigmas, rtol=2e-5, atol=0.0)
    assert schedule.at(0)[0] == 1.0 and schedule.at(19)[0] == 0.001


def test_zero_terminal_snr_is_the_peers():
    peer = DDIMScheduler(**BETAS, rescale_betas_zero_snr=True)
    schedule = make_schedule(VariancePreserving(zero_terminal_snr=True), 1000, "trailing")
    torch.testing.assert_close(schedule.alphas[:-1].square().flip(0).float(), peer.alphas_cumprod, rtol=1e-4, atol=1e-7)
    assert schedule.alphas[0] == 0.0 and schedule.sigmas[0] == 1.0


@pytest.mark.parametrize("spacing", ["karras", "leading", "trailing", "linspace"])
def test_karras_levels_lead_down_from_pure_noise(spacing):
    path = VariancePreserving(zero_terminal_snr=True)
    schedule = make_schedule(path, 12, spacing, convention=Convention(karras=spacing != "karras"))
    assert schedule.num_steps == 12 and schedule.sigmas.isfinite().all()
    # "leading" never reaches the last timestep
    assert (schedule.alphas[0] == 0.0) == (spacing != "leading")


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_a_run_may_end_at_the_first_timestep(spacing):
    schedule = make_schedule(VP, 20, spacing, convention=Convention(ends_at_data=False))
    assert schedule.at(schedule.num_steps)[1] == pytest.approx(float(VP.alphas_cumprod[0].sqrt()), abs=1e-15)
    assert schedule.at(schedule.num_steps)[0] == 0.001


@pytest.mark.parametrize("convention", [{"steps_offset": 0}, {"steps_offset": 0, "karras": True}])
def test_a_step_that_leads_nowhere_is_left_out(convention):
    # timestep 0 is where such a run ends
    to_data = make_schedule(VP, 20, "leading", convention=Convention(**convention))
    short = make_schedule(VP, 20, "leading", convention=Convention(**convention, ends_at_data=False))
    assert short.num_steps == 19 and torch.equal(short.times, to_data.times[:-1])


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("path", [VariancePreserving(), LinearInterpolation()], ids=str)
def test_every_schedule_falls_to_clean_data(spacing, path):
    if spacing in DISCRETE_SPACINGS and path.kind == "linear-interpolation":
        with pytest.raises(ConfigError, match="discrete timesteps"):
            make_schedule(path, 7, spacing)
        return
    for num_steps in (1, 7):
        schedule = make_schedule(path, num_steps, spacing)
        assert schedule.num_steps == num_steps and schedule.at(num_steps) == (0.0, 1.0, 0.0)
        assert (schedule.times.diff() < 0).all() and not schedule.unit_start


def test_a_shift_moves_times_towards_noise_and_keeps_the_ends():
    plain, shifted = (make_schedule(LinearInterpolation(), 8, shift=shift).times for shift in (1.0, 3.0))
    assert (shifted[1:-1] > plain[1:-1]).all() and shifted[0] == 1 and shifted[-1] == 0


@pytest.mark.parametrize(
    ("num_steps", "spacing", "said"),
    [
        (0, None, "at least 1 step"),
        (2000, "leading", "at most 1000"),
        (5, "leadin", "did you mean 'leading'"),
        (51, "lcm", "at most 50"),
    ],
)
def test_impossible_schedules_are_refused(num_steps, spacing, said):
    with pytest.raises(ConfigError, match=said):
        make_schedule(VariancePreserving(), num_steps, spacing)


@pytest.mark.parametrize(
    ("spacing", "details", "most"),
    [
        ("leading", {"steps_offset": 1}, 999),
        ("leading", {"laid_over": "borders"}, 998),
        ("leading", {"steps_offset": 0, "laid_over": "borders"}, 999),
        ("linspace", {"whole_timesteps": True, "laid_over": "borders"}, 999),
    ],
)
def test_more_steps_than_a_layout_has_room_for_are_refused(spacing, details, most):
    with pytest.raises(ConfigError, match=rf"1000 steps do not fit into this model's 1000 timesteps .* at most {most}\."):
        make_schedule(VP, 1000, spacing, convention=Convention(**details))
    assert make_schedule(VP, most, spacing, convention=Convention(**details)).num_steps == most


@pytest.mark.parametrize("num_steps", [1, 2, 20])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_karras_levels_over_borders_are_the_log_snr_peers_whatever_the_spacing(spacing, num_steps):
    for kind in (DPMSolverMultistepScheduler, UniPCMultistepScheduler):
        peer = kind(**BETAS, use_karras_sigmas=True, timestep_spacing=spacing, steps_offset=1)
        peer.set_timesteps(num_steps)
        schedule = make_schedule(VP, num_steps, spacing, convention=Convention(karras=True, laid_over="borders"))
        torch.testing.assert_close((schedule.sigmas / schedule.alphas).float(), peer.sigmas, rtol=2e-5, atol=0.0)
        # the peers round
        torch.testing.assert_close(timesteps(schedule).float(), peer.timesteps.float(), rtol=0.0, atol=0.51)


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"steps_offset": 2}, "by 0 or 1"),
        ({"laid_over": "ends"}, "'steps' or 'borders'"),
        ({"original_steps": 0}, "at least 1"),
    ],
)
def test_impossible_conventions_are_refused(details, said, shapes_unchecked):
    with pytest.raises(ConfigError, match=said):
        Convention(**details)


@pytest.mark.parametrize(
    ("spacing", "details"),
    [
        ("uniform", {"ends_at_data": False}),
        ("trailing", {"steps_offset": 0}),
        ("leading", {"whole_timesteps": True}),
        ("karras", {"karras": True}),
        ("lcm", {"laid_over": "borders"}),
        ("leading", {"original_steps": 50}),
    ],
)
def test_a_detail_that_a_spacing_would_not_read_is_refused(spacing, details):
    with pytest.raises(ConfigError, match=f"{spacing!r} does not read {next(iter(details))}"):
        make_schedule(VP, 5, spacing, convention=Convention(**details))


def test_a_distilled_path_has_as_many_timesteps():
    with pytest.raises(ConfigError, match="has 1000 timesteps, but original_steps=2000"):
        make_schedule(VP, 5, "lcm", convention=Convention(original_steps=2000))


def test_rising_times_are_refused():
    with pytest.raises(ConfigError, match="fall"):
        Schedule.along(LinearInterpolation(), torch.tensor([0.5, 0.7, 0.0]))
