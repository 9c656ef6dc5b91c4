"""A schedule of our own is written so that diffusers draws by it, or it is said that it does not."""

import re
import warnings

import pytest
import torch

from ildm.checkpoint.diffusers_scheduler_written import scheduler_notes, scheduler_to_diffusers
from ildm.core.errors import CheckpointError
from ildm.core.manifest import Defaults
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.schedule import make_schedule

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import diffusers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
VP, ZERO, LINEAR = VariancePreserving(), VariancePreserving(zero_terminal_snr=True), LinearInterpolation()


def written(path=VP, prediction="epsilon", **settings):
    defaults = Defaults(**({"num_steps": 20, "sampler": "euler"} | settings))
    fields = scheduler_to_diffusers(path, prediction, defaults)
    return fields, scheduler_notes(path, defaults, fields)


@pytest.mark.parametrize(
    ("sampler", "spacing"),
    [
        *(("euler", spacing) for spacing in (None, "leading", "trailing", "linspace", "karras")),
        *(("heun", spacing) for spacing in (None, "trailing", "karras")),
        *(("ddim", spacing) for spacing in (None, "leading", "trailing")),
        *(("dpmpp-2m", spacing) for spacing in ("trailing", "karras")),
        *(("unipc", spacing) for spacing in ("trailing", "karras")),
        ("plms", None),
        ("lcm", "lcm"),
    ],
)
def test_the_peer_steps_as_we_do(sampler, spacing):
    fields, notes = written(sampler=sampler, spacing=spacing)
    assert notes == []
    peer = getattr(diffusers, fields["_class_name"]).from_config(fields)
    peer.set_timesteps(20)
    ours = VP.network_time(make_schedule(VP, 20, spacing).times[:-1])
    theirs = torch.as_tensor(peer.timesteps).double().unique().flip(0)  # some call the network twice at one
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=0.51 if spacing == "karras" else 0.01)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"spacing": "uniform"}, "EulerDiscreteScheduler lays its steps out otherwise"),
        ({"sampler": "dpmpp-2m"}, "DPMSolverMultistepScheduler lays its steps out otherwise"),
        ({"sampler": "ddim", "spacing": "karras"}, "DDIMScheduler lays its steps out otherwise"),
        ({"shift": 3.0}, "EulerDiscreteScheduler lays its steps out otherwise"),
        ({"sampler": "ddim", "sampler_options": {"eta": 1.0}}, r"has no place for eta=1\.0, so it is left out"),
        ({"path": ZERO, "sampler": "plms", "prediction": "velocity"}, "PNDMScheduler does not know .* zero terminal SNR"),
        (
            {"path": LINEAR, "prediction": "velocity", "sampler": "dpmpp-2m"},
            "no scheduler for 'dpmpp-2m' .* there 'euler' draws",
        ),
    ],
)
def test_what_comes_out_otherwise_is_said(settings, told):
    _, [note] = written(**settings)
    assert re.search(told, note)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sampler": "lcm", "sampler_options": {"num_timesteps": 20}, "spacing": "lcm", "num_steps": 4}, []),
        ({"sampler": "dpmpp-2m", "num_steps": 19}, ["DPMSolverMultistepScheduler lays its steps out otherwise"]),
        ({"sampler": "somebody-elses"}, ["diffusers has no scheduler for 'somebody-elses' on this path: there 'ddim' draws"]),
    ],
)
def test_a_schedule_that_cannot_be_laid_out_is_written_all_the_same(settings, told):
    """Of 20 timesteps, or of a sampler that is not installed."""
    fields, notes = written(path=VariancePreserving(num_timesteps=20), **settings)
    assert fields["num_train_timesteps"] == 20
    assert len(notes) == len(told) and all(said in note for said, note in zip(told, notes, strict=True))


@pytest.mark.parametrize("sampler", ["euler", "ddim"])
def test_a_straight_path_is_written_for_velocities_alone(sampler):
    fields, notes = written(LINEAR, "velocity", sampler=sampler, shift=3.0)
    assert (fields["_class_name"], fields["shift"], notes) == ("FlowMatchEulerDiscreteScheduler", 3.0, [])
    for prediction in ("epsilon", "data"):
        with pytest.raises(
            CheckpointError, match=f"take what a network predicts for velocity, but this one predicts {prediction}"
        ):
            written(LINEAR, prediction)
