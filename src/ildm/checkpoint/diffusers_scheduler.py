"""What a diffusers scheduler's configuration says about the path and the prediction."""

from __future__ import annotations

from typing import Literal

from ildm.checkpoint.fields import Fields
from ildm.core.errors import CheckpointError
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.prediction import Prediction

_PREDICTIONS: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "velocity", "sample": "data"}


def path_from_scheduler(fields: Fields, *, source: str) -> tuple[VariancePreserving | LinearInterpolation, Prediction]:
    """The path and the prediction that a `scheduler_config.json` describes.

    Raises:
        CheckpointError: for a schedule or a prediction that is not known.
    """
    if "FlowMatch" in str(fields.get("_class_name")):
        return LinearInterpolation(), "velocity"
    betas = fields.get("beta_schedule", "linear")
    kinds: dict[str, Literal["linear", "scaled_linear", "cosine"]] = {
        "linear": "linear",
        "scaled_linear": "scaled_linear",
        "squaredcos_cap_v2": "cosine",
    }
    if betas not in kinds or fields.get("trained_betas") is not None:
        raise CheckpointError(f"{source} has the noise schedule {betas!r} with its own betas, which is not supported.")
    kind = fields.get("prediction_type", "epsilon")
    if kind not in _PREDICTIONS:
        raise CheckpointError(f"{source} has the prediction type {kind!r}: known are {', '.join(_PREDICTIONS)}.")
    path = VariancePreserving(
        num_timesteps=int(fields.get("num_train_timesteps", 1000)),
        betas=kinds[betas],
        beta_start=float(fields.get("beta_start", 0.0001)),
        beta_end=float(fields.get("beta_end", 0.02)),
        zero_terminal_snr=bool(fields.get("rescale_betas_zero_snr", False)),
    )
    return path, _PREDICTIONS[kind]
