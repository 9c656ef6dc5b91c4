"""A path, a prediction and a sampler as a diffusers scheduler's configuration, and what cannot be said in one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from typing import Any

import torch

from ildm.checkpoint.diffusers_sampler import sampler_to_diffusers
from ildm.checkpoint.diffusers_scheduler import BETAS, PREDICTIONS, defaults_from_scheduler, path_from_scheduler
from ildm.checkpoint.fields import Fields
from ildm.core import extensions
from ildm.core.config import from_json
from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.manifest import Defaults
from ildm.diffusion.path import AnyPath, LinearInterpolation
from ildm.diffusion.prediction import Prediction
from ildm.diffusion.published import Published
from ildm.diffusion.schedule import Schedule, make_schedule
from ildm.sampler.base import Sampler

_SOURCE = "what is written"


def scheduler_to_diffusers(path: AnyPath, prediction: Prediction, defaults: Defaults) -> Fields:
    """The `scheduler_config.json` of a path, a prediction and a sampler, as near as it comes; see `scheduler_notes`.

    Raises:
        CheckpointError: when diffusers has no scheduler that reads what the network predicts.
    """
    if isinstance(path, LinearInterpolation):
        if prediction != "velocity":
            raise CheckpointError(
                f"On a straight path diffusers' schedulers take what a network predicts for velocity, but this one predicts {prediction}."
            )
        return {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": defaults.shift}
    settings = defaults.published or _own_settings(defaults.spacing)
    fields = sampler_to_diffusers(defaults.sampler, defaults.sampler_options) | {
        "num_train_timesteps": path.num_timesteps,
        "beta_schedule": {ours: theirs for theirs, ours in BETAS.items()}[path.betas],
        "beta_start": path.beta_start,
        "beta_end": path.beta_end,
        "rescale_betas_zero_snr": path.zero_terminal_snr,
        "prediction_type": {ours: theirs for theirs, ours in PREDICTIONS.items()}[prediction],
        "steps_offset": settings.get("steps_offset", 0),
        "set_alpha_to_one": settings.get("set_alpha_to_one", True),
        "final_sigmas_type": "zero" if settings.get("final_sigma_zero", True) else "sigma_min",
        "use_karras_sigmas": settings.get("karras", False),
        "skip_prk_steps": True,
    }
    if settings.get("spacing"):
        fields["timestep_spacing"] = settings["spacing"]
    if defaults.sampler == "lcm":
        fields["original_inference_steps"] = settings.get("original_steps", min(50, path.num_timesteps))
    return fields


def scheduler_notes(path: AnyPath, defaults: Defaults, fields: Fields) -> list[str]:
    """A sentence for each thing that comes out otherwise where `fields` are read, found by reading them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, _ = path_from_scheduler(fields, source=_SOURCE)
        read = defaults_from_scheduler(fields, guidance_scale=defaults.guidance_scale, source=_SOURCE)
    notes: list[str] = []
    ours, theirs = _sampler(defaults), _sampler(read)
    # on every path these two are one
    if defaults.sampler != read.sampler and not (read.sampler == "euler" and ours == _sampler(Defaults(sampler="ddim"))):
        notes.append(f"diffusers has no scheduler for {defaults.sampler!r} on this path: there {read.sampler!r} draws.")
    elif type(ours) is type(theirs) and ours != theirs:
        lost = [field.name for field in dataclass_fields(ours) if getattr(ours, field.name) != getattr(theirs, field.name)]
        left = ", ".join(f"{name}={getattr(ours, name)!r}" for name in lost)
        notes.append(f"diffusers' scheduler has no place for {left}, so it is left out; its pipelines may take it in a call.")
    if found != path:
        notes.append(
            f"diffusers' {fields['_class_name']} does not know this model's zero terminal SNR: choose another scheduler there."
        )
    elif ours is not None and not _are_laid_out_alike(path, defaults, read, ours):
        notes.append(
            f"diffusers' {fields['_class_name']} lays its steps out otherwise than this model's schedule, so its pictures will be others."
        )
    return notes


def _own_settings(spacing: str | None) -> Mapping[str, Any]:
    """A schedule of our own in the words of published ones, as near as they come."""
    if spacing == "karras":
        return {"spacing": "linspace", "karras": True}
    return {"spacing": spacing if spacing in ("trailing", "linspace") else "leading", "steps_offset": 1}


def _sampler(defaults: Defaults) -> Any:
    """The sampler that a model draws with; None where it is somebody's that is not installed."""
    try:
        kind: type[Sampler] = extensions.load("ildm.samplers", defaults.sampler)
    except ConfigError:
        return None
    return from_json(kind, defaults.sampler_options, where="sampler_options")


def _schedule(path: AnyPath, defaults: Defaults, sampler: Sampler, num_steps: int) -> Schedule:
    spacing, convention = defaults.spacing, None
    if defaults.published is not None:
        spacing, convention = from_json(Published, defaults.published, where="published").layout(sampler.manner)
    return make_schedule(path, num_steps, spacing, shift=defaults.shift, convention=convention)


def _are_laid_out_alike(path: AnyPath, ours: Defaults, theirs: Defaults, sampler: Sampler) -> bool:
    try:
        one, other = (_schedule(path, each, sampler, ours.num_steps) for each in (ours, theirs))
    except ConfigError:  # so many steps cannot be laid out by one of the two
        return False
    return one.num_steps == other.num_steps and torch.allclose(one.times, other.times, rtol=0.0, atol=1e-9)
