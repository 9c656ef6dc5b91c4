"""A sampler and its settings in diffusers' words, and in ours: every setting is followed, or refused by name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from ildm.checkpoint.fields import Fields
from ildm.core.errors import CheckpointError

SAMPLERS = {
    "DDIMScheduler": "ddim",
    "DDPMScheduler": "ddpm",
    "PNDMScheduler": "plms",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler-ancestral",
    "HeunDiscreteScheduler": "heun",
    "DPMSolverMultistepScheduler": "dpmpp-2m",
    "UniPCMultistepScheduler": "unipc",
    "LCMScheduler": "lcm",
    "FlowMatchEulerDiscreteScheduler": "euler",
}
_SUBSTITUTE = "dpmpp-2m"

_IN_SIGMA = {"EulerDiscreteScheduler", "HeunDiscreteScheduler"}
_BY_LOG_SNR = {"DPMSolverMultistepScheduler", "UniPCMultistepScheduler"}
# Settings of the schedule that only some classes heed. What a scheduler of another class left in the file says nothing, as in diffusers.
HEEDED_BY: dict[str, set[str]] = {
    "use_karras_sigmas": _IN_SIGMA | _BY_LOG_SNR | {"FlowMatchEulerDiscreteScheduler"},
    "final_sigmas_type": _BY_LOG_SNR | {"EulerDiscreteScheduler"},
    "rescale_betas_zero_snr": set(SAMPLERS) - {"PNDMScheduler", "HeunDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"},
    "clip_sample": {"DDIMScheduler", "DDPMScheduler", "HeunDiscreteScheduler", "LCMScheduler"},
    "skip_prk_steps": {"PNDMScheduler"},
    "steps_offset": set(SAMPLERS) - {"FlowMatchEulerDiscreteScheduler"},
}

# what diffusers' pipelines of Stable Diffusion 1 and 2 set, whatever the file says
_SET_BY_PIPELINE: dict[str, dict[str, Any]] = {
    "StableDiffusionPipeline": {"steps_offset": 1, "clip_sample": False},
    "StableDiffusionImg2ImgPipeline": {"steps_offset": 1, "clip_sample": False},
    "StableDiffusionInpaintPipeline": {"steps_offset": 1, "skip_prk_steps": True},
}

# what a class takes a setting for that is not there, where that differs from the others
_UNSAID: dict[str, dict[str, Any]] = {
    "DDIMScheduler": {"clip_sample": True},
    "DDPMScheduler": {"clip_sample": True},
    "PNDMScheduler": {"set_alpha_to_one": False, "skip_prk_steps": False},
    "HeunDiscreteScheduler": {"beta_start": 0.00085, "beta_end": 0.012},
    "LCMScheduler": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
}

_THRESHOLD = {"thresholding": False}
_LEVELS = {"use_exponential_sigmas": False, "use_beta_sigmas": False}
_ENDS = {"sigma_min": None, "sigma_max": None}
_FLOW = {"use_flow_sigmas": False, "use_dynamic_shifting": False}
# Settings that change what is drawn and have no counterpart here, with the value at which they do nothing, by the class that heeds them:
# folders are full of settings that a scheduler of another class left there.
_NOT_FOLLOWED: dict[str, dict[str, Any]] = {
    "DDIMScheduler": _THRESHOLD,
    "DDPMScheduler": _THRESHOLD,
    "PNDMScheduler": {"skip_prk_steps": True},
    "EulerDiscreteScheduler": _LEVELS | _ENDS | {"interpolation_type": "linear", "timestep_type": "discrete"},
    "HeunDiscreteScheduler": _LEVELS,
    "DPMSolverMultistepScheduler": _THRESHOLD
    | _LEVELS
    | _FLOW
    | {"use_lu_lambdas": False, "lambda_min_clipped": -math.inf, "variance_type": None},
    "UniPCMultistepScheduler": _THRESHOLD
    | _LEVELS
    | _ENDS
    | _FLOW
    | {"predict_x0": True, "disable_corrector": [], "solver_p": None},
    "LCMScheduler": _THRESHOLD,
    "FlowMatchEulerDiscreteScheduler": _LEVELS
    | {"use_karras_sigmas": False, "use_dynamic_shifting": False, "invert_sigmas": False, "shift_terminal": None}
    | {"stochastic_sampling": False},
}
_VARIANCES = {"fixed_small": "fixed_small", "fixed_small_log": "fixed_small", "fixed_large": "fixed_large"}


class SubstitutedSamplerWarning(UserWarning):
    """A folder asks for a sampler that this program does not have."""


class OverriddenSettingWarning(UserWarning):
    """A folder's scheduler has a setting that diffusers' pipeline of this kind puts right."""


def as_said(fields: Fields) -> Fields:
    """A scheduler's configuration with what its class takes for granted, and without what it does not heed."""
    class_name = str(fields.get("_class_name"))
    unheeded = {key for key, classes in HEEDED_BY.items() if class_name in SAMPLERS and class_name not in classes}
    return _UNSAID.get(class_name, {}) | {key: value for key, value in fields.items() if key not in unheeded}


def as_drawn(fields: Fields, pipeline: str, *, source: str) -> Fields:
    """The same as a pipeline draws by it; settings that it puts right are told in a warning.

    Args:
        pipeline: the class that a folder's index names.
    """
    said, class_name = as_said(fields), str(fields.get("_class_name"))
    usual = {"steps_offset": 0, "clip_sample": False, "skip_prk_steps": True}
    changed = {
        key: value
        for key, value in _SET_BY_PIPELINE.get(pipeline, {}).items()
        if class_name in HEEDED_BY[key] and said.get(key, usual[key]) != value
    }
    if changed:
        drawn = " and ".join(f"{key}={value!r}" for key, value in changed.items())
        sentence = f"{source} is outdated: the model draws with {drawn}, as in diffusers' {pipeline}."
        warnings.warn(sentence, OverriddenSettingWarning, stacklevel=4)
    return {**said, **changed}


def sampler_from_diffusers(fields: Fields, *, source: str) -> tuple[str, dict[str, Any]]:
    """Our name of a scheduler's sampler, and its options. One that is not here is replaced, with a warning.

    Args:
        fields: as `as_said` gives them.

    Raises:
        CheckpointError: when a setting is not followed; it is named, with the value that does nothing.
    """
    class_name = str(fields.get("_class_name"))
    sampler = SAMPLERS.get(class_name)
    if sampler is None:
        return _substitute(f"{source} asks for {class_name}")
    for key, idle in _NOT_FOLLOWED.get(class_name, {}).items():
        _check_idle(fields, key, idle, source)
    if sampler == "ddpm":
        return sampler, {"variance": _one_of(fields, "variance_type", _VARIANCES, source)} | _clip(fields)
    if sampler == "dpmpp-2m":
        return _dpm_solver(fields, source)
    if sampler == "unipc":
        # a type of DPM-Solver's stands for the default one, there too
        kind = str(fields.get("solver_type"))
        options = {"order": int(fields.get("solver_order", 2)), "solver_type": kind if kind in ("bh1", "bh2") else "bh2"}
        return sampler, options | {"lower_order_final": bool(fields.get("lower_order_final", True))}
    if sampler == "lcm":
        options = {"timestep_scaling": float(fields.get("timestep_scaling", 10.0))}
        return sampler, options | {"num_timesteps": int(fields.get("num_train_timesteps", 1000))} | _clip(fields)
    return sampler, _clip(fields) if sampler in ("ddim", "heun") else {}


def sampler_to_diffusers(sampler: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a scheduler's configuration that say which sampler it is, and how it is set."""
    names = {ours: theirs for theirs, ours in SAMPLERS.items() if "FlowMatch" not in theirs}
    names["dpmpp-2m-sde"] = names["dpmpp-2m"]
    limit = options.get("clip")
    fields: dict[str, Any] = {"_class_name": names.get(sampler, "DDIMScheduler"), "clip_sample": limit is not None}
    if limit is not None:
        fields["clip_sample_range"] = limit
    if sampler == "dpmpp-2m-sde":
        fields["algorithm_type"] = "sde-dpmsolver++"
    theirs = {"order": "solver_order", "variance": "variance_type"}
    same = ("solver_type", "lower_order_final", "timestep_scaling")
    return fields | {theirs.get(key, key): value for key, value in options.items() if key in theirs or key in same}


def _dpm_solver(fields: Fields, source: str) -> tuple[str, dict[str, Any]]:
    algorithm, order = fields.get("algorithm_type", "dpmsolver++"), int(fields.get("solver_order", 2))
    if algorithm not in ("dpmsolver++", "sde-dpmsolver++") or order not in (1, 2):
        return _substitute(f"{source} asks for {algorithm} of order {order}")
    if fields.get("final_sigmas_type", "zero") != "zero":
        _check_idle(fields, "euler_at_final", False, source)
    # a type of UniPC's stands for the default one, there too
    kind = "heun" if fields.get("solver_type") == "heun" else "midpoint"
    options = {"order": order, "solver_type": kind, "lower_order_final": bool(fields.get("lower_order_final", True))}
    return ("dpmpp-2m" if algorithm == "dpmsolver++" else "dpmpp-2m-sde"), options


def _clip(fields: Fields) -> dict[str, float]:
    return {"clip": float(fields.get("clip_sample_range", 1.0))} if fields.get("clip_sample") else {}


def _check_idle(fields: Fields, key: str, idle: Any, source: str) -> None:
    value = fields.get(key, idle)
    if value != idle and not (value is None and idle is False):
        raise CheckpointError(
            f"{source} sets {key} to {value!r}, which this program does not follow: set it to {idle!r} there to draw without it."
        )


def _one_of(fields: Fields, key: str, known: Mapping[str, str], source: str) -> str:
    value = fields.get(key) or next(iter(known))
    if value not in known:
        raise CheckpointError(f"{source} sets {key} to {value!r}, but only {', '.join(known)} are supported.")
    return known[value]


def _substitute(what: str) -> tuple[str, dict[str, Any]]:
    sentence = f"{what}, which this program does not have: {_SUBSTITUTE} is used instead."
    warnings.warn(sentence, SubstitutedSamplerWarning, stacklevel=5)
    return _SUBSTITUTE, {}
