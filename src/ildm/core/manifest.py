"""What a model says about itself: the content of `model.json`.

Read from files that anyone may have made, so it is checked here, strictly, before anything else is.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

FORMAT_VERSION = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Defaults(_Strict):
    """How the model draws when nobody says otherwise.

    `sampler_options` are the default sampler's settings; `published`, where given, is an `ildm.diffusion.published.Published` and
    takes the place of `spacing`.
    """

    num_steps: int = Field(default=25, ge=1)
    guidance_scale: float = Field(default=3.0, ge=0.0)
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    guidance_rescale: float = Field(default=0.0, ge=0.0, le=1.0)
    sampler: str = "dpmpp-2m"
    sampler_options: dict[str, Any] = Field(default_factory=dict)
    spacing: str | None = None
    published: dict[str, Any] | None = None
    shift: float = Field(default=1.0, gt=0.0)


class LatentSpaceFields(_Strict):
    """See `ildm.autoencoder.latent_space.LatentSpace`."""

    channels: int
    stride: int
    scale: tuple[float, ...]
    shift: tuple[float, ...]


class SharedFirstStage(_Strict):
    """Whose autoencoder a model uses: that of the model `model`, the fingerprint of whose encoder in half precision is `fingerprint`."""

    model: str
    fingerprint: str


class Manifest(_Strict):
    """Everything about a model but its weights.

    `path`, `autoencoder`, `denoiser`, `conditioner` and `hint` are configurations in JSON form, judged by the parts they configure;
    path, conditioner and hint carry their `kind`. Where `first_stage` is given, the autoencoder's weights are another model's. `files`
    maps each weight and vocabulary file to its SHA-256.
    """

    format: Literal["ildm-model"] = "ildm-model"
    version: int = FORMAT_VERSION
    name: str
    summary: str = ""
    licence: str = ""
    attribution: str = ""
    image_size: tuple[int, int]
    prediction: Literal["epsilon", "velocity", "data"]
    path: dict[str, Any]
    latent_space: LatentSpaceFields
    autoencoder: dict[str, Any]
    denoiser: dict[str, Any]
    conditioner: dict[str, Any] | None = None
    hint: dict[str, Any] | None = None
    first_stage: SharedFirstStage | None = None
    defaults: Defaults = Defaults()
    concepts: tuple[str, ...] = ()
    training: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in name:
                raise ValueError(f"{name!r} lies outside the model's folder")
        return files
