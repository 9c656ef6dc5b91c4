"""What a diffusers scheduler's configuration says about the path, the prediction and the sampler; and the same written."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal

from ildm.checkpoint.fields import Fields
from ildm.core.config import to_json
from ildm.core.errors import CheckpointError
from ildm.core.manifest import Defaults
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.prediction import Prediction
from ildm.diffusion.published import Published

_PREDICTIONS: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "velocity", "sample": "data"}
_BETAS: dict[str, Literal["linear", "scaled_linear", "cosine"]] = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "squaredcos_cap_v2": "cosine",
}
_SAMPLERS = {
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
_STEPS = {"ddim": 50, "ddpm": 50, "plms": 50, "lcm": 4}
_DEFAULT_STEPS = 25
# settings that change what is drawn and have no counterpart here, with the value at which they do nothing
_UNHEEDED: dict[str, Any] = {
    "clip_sample": False,
    "thresholding": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "use_flow_sigmas": False,
    "use_lu_lambdas": False,
    "euler_at_final": False,
}


class UnheededSettingWarning(UserWarning):
    """A scheduler's setting that this program does not follow."""


def path_from_scheduler(fields: Fields, *, source: str) -> tuple[VariancePreserving | LinearInterpolation, Prediction]:
    """The path and the prediction that a `scheduler_config.json` describes.

    Raises:
        CheckpointError: for a schedule or a prediction that is not known.
    """
    if "FlowMatch" in str(fields.get("_class_name")):
        return LinearInterpolation(), "velocity"
    betas = fields.get("beta_schedule", "linear")
    if betas not in _BETAS or fields.get("trained_betas") is not None:
        raise CheckpointError(f"{source} has the noise schedule {betas!r} with its own betas, which is not supported.")
    kind = fields.get("prediction_type", "epsilon")
    if kind not in _PREDICTIONS:
        raise CheckpointError(f"{source} has the prediction type {kind!r}: known are {', '.join(_PREDICTIONS)}.")
    path = VariancePreserving(
        num_timesteps=int(fields.get("num_train_timesteps", 1000)),
        betas=_BETAS[betas],
        beta_start=float(fields.get("beta_start", 0.0001)),
        beta_end=float(fields.get("beta_end", 0.02)),
        zero_terminal_snr=bool(fields.get("rescale_betas_zero_snr", False)),
    )
    return path, _PREDICTIONS[kind]


def defaults_from_scheduler(fields: Fields, *, guidance_scale: float, source: str) -> Defaults:
    """How a model draws that comes with this `scheduler_config.json`. What is not followed is warned about.

    Args:
        guidance_scale: usual for the model's family; no scheduler says it.
    """
    class_name = str(fields.get("_class_name"))
    sampler = _SAMPLERS.get(class_name)
    options: dict[str, Any] = {}
    if sampler is None:
        _warn(f"{source} asks for {class_name}, which this program does not have: dpmpp-2m is used instead.")
        sampler = "dpmpp-2m"
    elif sampler == "dpmpp-2m":
        sampler, options = _dpm_solver(fields, source)
    elif sampler == "unipc":
        options = {"order": int(fields.get("solver_order", 2)), "solver_type": str(fields.get("solver_type", "bh2"))}
        options |= {"lower_order_final": bool(fields.get("lower_order_final", True))}
    elif sampler == "lcm":
        options = {"timestep_scaling": float(fields.get("timestep_scaling", 10.0))}
    for key, idle in _UNHEEDED.items():
        if fields.get(key, idle) not in (idle, None):
            _warn(f"{source} sets {key} to {fields[key]!r}, which this program does not follow.")
    linear = "FlowMatch" in class_name
    return Defaults(
        num_steps=_STEPS.get(sampler, _DEFAULT_STEPS),
        guidance_scale=1.0 if sampler == "lcm" else guidance_scale,
        sampler=sampler,
        sampler_options=options,
        published=None if linear else to_json(_published(fields)),
        shift=float(fields.get("shift", 1.0)) if linear else 1.0,
    )


def scheduler_to_diffusers(
    path: VariancePreserving | LinearInterpolation, prediction: Prediction, defaults: Defaults
) -> Fields:
    """The `scheduler_config.json` of a path, a prediction and a sampler."""
    if isinstance(path, LinearInterpolation):
        return {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": defaults.shift}
    names = {ours: theirs for theirs, ours in _SAMPLERS.items() if "FlowMatch" not in theirs}
    names["dpmpp-2m-sde"] = names["dpmpp-2m"]
    settings: Mapping[str, Any] = defaults.published or {"steps_offset": 1}
    fields: dict[str, Any] = {
        "_class_name": names.get(defaults.sampler, "DDIMScheduler"),
        "num_train_timesteps": path.num_timesteps,
        "beta_schedule": {ours: theirs for theirs, ours in _BETAS.items()}[path.betas],
        "beta_start": path.beta_start,
        "beta_end": path.beta_end,
        "rescale_betas_zero_snr": path.zero_terminal_snr,
        "prediction_type": {ours: theirs for theirs, ours in _PREDICTIONS.items()}[prediction],
        "steps_offset": settings.get("steps_offset", 0),
        "clip_sample": False,
        "set_alpha_to_one": settings.get("set_alpha_to_one", True),
        "final_sigmas_type": "zero" if settings.get("final_sigma_zero", True) else "sigma_min",
        "use_karras_sigmas": settings.get("karras", False),
        "skip_prk_steps": True,
    }
    if settings.get("spacing"):
        fields["timestep_spacing"] = settings["spacing"]
    if defaults.sampler == "dpmpp-2m-sde":
        fields["algorithm_type"] = "sde-dpmsolver++"
    return fields | {key: value for key, value in defaults.sampler_options.items() if key != "order"}


def _published(fields: Fields) -> Published:
    return Published(
        spacing=fields.get("timestep_spacing"),
        steps_offset=int(fields.get("steps_offset", 0)),
        set_alpha_to_one=bool(fields.get("set_alpha_to_one", True)),
        final_sigma_zero=fields.get("final_sigmas_type", "zero") == "zero",
        karras=bool(fields.get("use_karras_sigmas", False)),
        original_steps=int(fields.get("original_inference_steps", 50)),
    )


def _dpm_solver(fields: Fields, source: str) -> tuple[str, dict[str, Any]]:
    algorithm, order = fields.get("algorithm_type", "dpmsolver++"), int(fields.get("solver_order", 2))
    if algorithm not in ("dpmsolver++", "sde-dpmsolver++") or order not in (1, 2):
        _warn(f"{source} asks for {algorithm} of order {order}, which this program does not have: dpmpp-2m is used instead.")
        return "dpmpp-2m", {}
    if order == 1 and algorithm == "dpmsolver++":
        return "ddim", {}
    options = {"solver_type": str(fields.get("solver_type", "midpoint"))}
    return ("dpmpp-2m" if algorithm == "dpmsolver++" else "dpmpp-2m-sde"), options


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UnheededSettingWarning, stacklevel=4)
