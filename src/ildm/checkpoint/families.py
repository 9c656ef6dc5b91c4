"""The published families of single files: what each is recognised by, and what its weights do not say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ildm.checkpoint.predicted import agreed
from ildm.checkpoint.text_layout import STABLE_DIFFUSION_1, STABLE_DIFFUSION_2, XL, XL_REFINER
from ildm.checkpoint.weights import Weights
from ildm.conditioning.clip import ClipConfig
from ildm.conditioning.clip_pair import ClipPairConfig
from ildm.core.config import to_json
from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.manifest import Defaults
from ildm.diffusion.path import BETA_RANGES, VariancePreserving
from ildm.diffusion.prediction import Prediction
from ildm.diffusion.published import Published

UNET, AUTOENCODER, AVERAGED = "model.diffusion_model.", "first_stage_model.", "model_ema."

TOLD_GUIDANCE = 8.5
"""What latent consistency models are told by the pipeline they were published with."""

# Marks that fine-tuners put into a file, whose values say nothing.
VELOCITY_MARK, ZERO_SNR_MARK = "v_pred", "ztsnr"

SET_ASIDE = (
    # the noise schedule, which follows from its ends
    "betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_variance",
    "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2", "lvlb_weights", "denoiser.sigmas",
    # what training needed
    "logvar", "scale_factor", "cond_stage_model.logit_scale", "cond_stage_model.model.logit_scale", "first_stage_model.loss.",
    "model_ema.decay", "model_ema.num_updates",
    # marks
    VELOCITY_MARK, ZERO_SNR_MARK,
)  # fmt: skip
"""Names, or beginnings of names where they end with a dot, that real files carry and no network here reads."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of published model.

    Args:
        name: for people.
        text: prefixes of its text encoders in a file.
        image_size: the side it draws at, pixels.
        latent_scale: of its latents.
        prediction: what every published model of the family predicts; None = some this, some that.
        pooled: whether it is told a pooled vector of its text, and the image's size.
        guidance_scale: usual for it.
        spacing: of the schedules it is published with; None = each sampler's own.
    """

    name: str
    text: tuple[str, ...]
    image_size: int
    latent_scale: float
    prediction: Prediction | None
    pooled: bool = False
    guidance_scale: float = 7.5
    spacing: Literal["leading", "trailing", "linspace"] | None = None

    def defaults(self, *, is_told: bool) -> Defaults:
        """How its models draw when nobody says otherwise.

        Args:
            is_told: whether the network is told its guidance scale, as latent consistency models are.
        """
        published = to_json(Published(spacing=self.spacing, steps_offset=1, set_alpha_to_one=False))
        if is_told:
            return Defaults(num_steps=4, guidance_scale=TOLD_GUIDANCE, sampler="lcm", published=published)
        return Defaults(num_steps=25, guidance_scale=self.guidance_scale, sampler="dpmpp-2m", published=published)

    def image_side(self, prediction: Prediction) -> int:
        """The side of its images: where the family has models of both predictions, those of epsilon are the smaller ones."""
        return 512 if self.prediction is None and prediction == "epsilon" else self.image_size


_ONE = Family(name="Stable Diffusion 1", text=(STABLE_DIFFUSION_1,), image_size=512, latent_scale=0.18215, prediction="epsilon")
_TWO = replace(_ONE, name="Stable Diffusion 2", text=(STABLE_DIFFUSION_2,), image_size=768, prediction=None)
_XL = Family(
    name="Stable Diffusion XL",
    text=XL,
    image_size=1024,
    latent_scale=0.13025,
    prediction="epsilon",
    pooled=True,
    guidance_scale=5.0,
    spacing="leading",
)
_REFINER = replace(_XL, name="Stable Diffusion XL refiner", text=(XL_REFINER,))
FAMILIES = (_ONE, _TWO, _XL, _REFINER)


def find_family(weights: Weights) -> Family:
    """The family of a whole checkpoint in one file.

    Raises:
        CheckpointError: when its text encoders are of no known family.
    """
    for family in FAMILIES:
        if all(any(name.startswith(prefix) for name in weights) for prefix in family.text):
            return family
    raise CheckpointError(f"{weights.source} {_what_else(weights)}")


def _what_else(weights: Weights) -> str:
    """What a file holds that is no whole model, and what it is good for."""
    names = list(weights)
    whole = any(name.startswith(UNET) for name in names), any(name.startswith(AUTOENCODER) for name in names)
    if any("lora" in name.lower() for name in names):
        return "is an adapter (LoRA), not a model: give a model, and this file as --lora."
    if all(whole):
        known = ", ".join(family.name for family in FAMILIES)
        return f"has no text encoder of a known family: known are {known}."
    if whole[0] or any(name in names for name in ("input_blocks.0.0.weight", "conv_in.weight")):
        return "holds a U-Net alone: give a whole model of its family, and this file as --unet."
    if whole[1] or any(name.startswith(("encoder.", "decoder.")) for name in names):
        return "holds an autoencoder alone: give a whole model of its family, and this file as --vae."
    return "holds no model that is known: no U-Net, no autoencoder."


def family_of(config: ClipConfig | ClipPairConfig) -> Family:
    """The family whose files have text encoders of this kind."""
    if isinstance(config, ClipPairConfig):
        return _REFINER if config.first is None else _XL
    return _TWO if config.encoder.activation == "gelu" else _ONE


def settle_prediction(family: Family, weights: Weights, told: Prediction | None, *, concat: bool = False) -> Prediction:
    """What the network of a file predicts: as told, as its mark says, or as the whole family does.

    Args:
        concat: whether the network takes more channels than the latent's: those all predict epsilon.

    Raises:
        ConfigError: when it cannot be known, or is told otherwise than its mark says.
    """
    if VELOCITY_MARK in weights:
        return agreed("velocity", told, source=weights.source)
    if told is not None:
        return told
    if concat:
        return "epsilon"
    if family.prediction is not None:
        return family.prediction
    raise ConfigError(
        f"{weights.source} is a {family.name} model, and its file does not say what it predicts: give --prediction velocity for a "
        "768-pixel model, or --prediction epsilon for a 512-pixel (base) one."
    )


def path_of(weights: Weights) -> VariancePreserving:
    """The path that all these families were trained on, rescaled to zero terminal SNR where the file is marked so."""
    start, end = BETA_RANGES["text"]
    return VariancePreserving(beta_start=start, beta_end=end, zero_terminal_snr=ZERO_SNR_MARK in weights)


def is_set_aside(name: str) -> bool:
    """Whether a tensor of a real file is one that no network here reads."""
    return any(name == known or (known.endswith(".") and name.startswith(known)) for known in SET_ASIDE)
