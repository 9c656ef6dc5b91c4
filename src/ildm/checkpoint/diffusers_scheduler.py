"""What a diffusers scheduler's configuration says about the path, the prediction and the sampler."""

from __future__ import annotations

from typing import Literal

from ildm.checkpoint.diffusers_sampler import SAMPLERS, as_said, sampler_from_diffusers
from ildm.checkpoint.fields import Fields
from ildm.core import extensions
from ildm.core.config import from_json, to_json
from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.manifest import Defaults
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.prediction import Prediction
from ildm.diffusion.published import Published
from ildm.diffusion.schedule import Convention

PREDICTIONS: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "velocity", "sample": "data"}
BETAS: dict[str, Literal["linear", "scaled_linear", "cosine"]] = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "squaredcos_cap_v2": "cosine",
}
_STEPS = {"ddim": 50, "ddpm": 50, "plms": 50, "lcm": 4}
_DEFAULT_STEPS = 25


def path_from_scheduler(fields: Fields, *, source: str) -> tuple[VariancePreserving | LinearInterpolation, Prediction]:
    """The path and the prediction that a `scheduler_config.json` describes.

    Raises:
        CheckpointError: for a schedule or a prediction that is not known.
    """
    fields, class_name = as_said(fields), str(fields.get("_class_name"))
    if "FlowMatch" in class_name:
        return LinearInterpolation(), "velocity"
    if class_name not in SAMPLERS and "beta_schedule" not in fields:
        raise CheckpointError(f"{source} is of {class_name}, whose noise levels are not known to this program.")
    betas = fields.get("beta_schedule", "linear")
    if not isinstance(betas, str) or betas not in BETAS or fields.get("trained_betas") is not None:
        raise CheckpointError(f"{source} has the noise schedule {betas!r} with its own betas, which is not supported.")
    kind = fields.get("prediction_type", "epsilon")
    if not isinstance(kind, str) or kind not in PREDICTIONS:
        raise CheckpointError(f"{source} has the prediction type {kind!r}: known are {', '.join(PREDICTIONS)}.")
    try:
        path = VariancePreserving(
            num_timesteps=int(fields.get("num_train_timesteps", 1000)),
            betas=BETAS[betas],
            beta_start=float(fields.get("beta_start", 0.0001)),
            beta_end=float(fields.get("beta_end", 0.02)),
            zero_terminal_snr=bool(fields.get("rescale_betas_zero_snr", False)),
        )
    except (TypeError, ValueError, OverflowError, ConfigError) as error:
        raise CheckpointError(f"{source} describes a noise schedule that cannot be: {error}") from error
    return path, PREDICTIONS[kind]


def defaults_from_scheduler(fields: Fields, *, guidance_scale: float, is_told: bool = False, source: str) -> Defaults:
    """How a model draws that comes with this `scheduler_config.json`.

    Args:
        guidance_scale: usual for the model's family; no scheduler says it.
        is_told: whether the network is told its guidance scale. Consistency models that are not have it distilled into them.

    Raises:
        CheckpointError: when a setting is not followed; it is named.
    """
    fields = as_said(fields)
    linear = "FlowMatch" in str(fields.get("_class_name"))
    try:
        sampler, options = sampler_from_diffusers(fields, source=source)
        from_json(extensions.load("ildm.samplers", sampler), options, where="sampler_options")  # which judges them
        return Defaults(
            num_steps=_STEPS.get(sampler, _DEFAULT_STEPS),
            guidance_scale=1.0 if sampler == "lcm" and not is_told else guidance_scale,
            sampler=sampler,
            sampler_options=options,
            published=None if linear else to_json(_published(fields)),
            shift=float(fields.get("shift", 1.0)) if linear else 1.0,
        )
    except (TypeError, ValueError, OverflowError, ConfigError) as error:
        raise CheckpointError(f"{source} describes a sampler that cannot be: {error}") from error


def _published(fields: Fields) -> Published:
    found = {
        "spacing": fields.get("timestep_spacing"),
        "steps_offset": int(fields.get("steps_offset", 0)),
        "set_alpha_to_one": bool(fields.get("set_alpha_to_one", True)),
        "final_sigma_zero": fields.get("final_sigmas_type", "zero") == "zero",
        "karras": bool(fields.get("use_karras_sigmas", False)),
        "original_steps": int(fields.get("original_inference_steps", 50)),
    }
    Convention(steps_offset=found["steps_offset"], original_steps=found["original_steps"])  # which judges them
    return from_json(Published, found, where="scheduler_config")
