"""Whether a latent, its times and a conditioning fit a U-Net, answered in sentences before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from ildm.core.errors import ShapeError
from ildm.core.types import Conditioning, References

if TYPE_CHECKING:
    from ildm.denoiser.config import UNetConfig


def check_inputs(config: UNetConfig, noised: Tensor, timestep: Tensor, conditioning: Conditioning) -> None:
    """Check everything a U-Net of this configuration is called with.

    Raises:
        ShapeError: saying what was given, what fits, and what to do.
    """
    _check_latent(config, noised)
    batch = noised.shape[0]
    if tuple(timestep.shape) != (batch,):
        raise ShapeError(
            f"The U-Net needs one time per sample, shape ({batch},), but times of shape {_shape(timestep)} were given."
        )
    if conditioning.batch not in (None, batch):
        raise ShapeError(
            f"{batch} latents were given with a conditioning for {conditioning.batch}: their batches must be equal."
        )
    _check_concat(config, noised, conditioning.concat)
    _check_context(config, conditioning)
    _check_references(noised, conditioning.references)
    _check_vector("pooled", config.pooled_width, conditioning.pooled, "pooled_width")
    if (config.labels is None) != (conditioning.label is None):
        raise ShapeError(_presence("label", config.labels is not None, "labels"))
    if (config.guidance_width is None) != (conditioning.guidance is None):
        raise ShapeError(_presence("guidance", config.guidance_width is not None, "guidance_width"))


def _check_latent(config: UNetConfig, noised: Tensor) -> None:
    if noised.ndim != 4 or noised.shape[1] != config.in_channels:
        raise ShapeError(
            f"This U-Net takes noised latents (batch, {config.in_channels}, height, width), but {_shape(noised)} was given."
        )
    factor = config.multiple
    height, width = noised.shape[2:]
    if height % factor or width % factor or not height or not width:
        fitting_height, fitting_width = (max(1, round(side / factor)) * factor for side in (height, width))
        raise ShapeError(
            f"A latent of {height}x{width} was given, but a U-Net of {config.levels} levels needs both sides to be multiples of "
            f"{factor}: try {fitting_height}x{fitting_width}."
        )


def _check_concat(config: UNetConfig, noised: Tensor, concat: Tensor | None) -> None:
    if concat is None and config.concat_channels == 0:
        return
    if concat is None or config.concat_channels == 0:
        raise ShapeError(_presence("concat", config.concat_channels > 0, "concat_channels"))
    expected = (noised.shape[0], config.concat_channels, *noised.shape[2:])
    if tuple(concat.shape) != expected:
        raise ShapeError(f"This U-Net takes concatenated channels of shape {expected}, but {_shape(concat)} was given.")


def _check_context(config: UNetConfig, conditioning: Conditioning) -> None:
    contexts = {"context": conditioning.context, "regions": conditioning.regions and conditioning.regions.context}
    given = {name: context for name, context in contexts.items() if context is not None}
    if bool(given) != (config.context_width is not None):
        raise ShapeError(_presence("context", config.context_width is not None, "context_width"))
    for name, context in given.items():
        if context.shape[-1] != config.context_width:
            raise ShapeError(
                f"This U-Net reads context tokens of width {config.context_width}, but the {name} given has tokens of width "
                f"{context.shape[-1]} (shape {_shape(context)}): use the text encoder it was trained with."
            )
    regions = conditioning.regions
    if regions is not None and regions.weights.shape[:2] != regions.context.shape[:2]:
        raise ShapeError(
            f"Regions need one weight map per context, but weights of shape {_shape(regions.weights)} were given with contexts of "
            f"shape {_shape(regions.context)}."
        )


def _check_references(noised: Tensor, references: References | None) -> None:
    if references is None:
        return
    batch, count = references.latents.shape[:2]
    if batch != noised.shape[0] or references.latents.shape[2:] != noised.shape[1:]:
        raise ShapeError(
            f"References have the shape of the latents that they go with, {(noised.shape[0], count, *noised.shape[1:])} here, but "
            f"{_shape(references.latents)} was given: encode their pictures at the size that is drawn."
        )


def _check_vector(name: str, width: int | None, given: Tensor | None, key: str) -> None:
    if (width is None) != (given is None):
        raise ShapeError(_presence(name, width is not None, key))
    if given is not None and given.shape[-1] != width:
        raise ShapeError(f"This U-Net takes a {name} vector of {width} features, but {_shape(given)} was given.")


def _presence(field: str, wanted: bool, key: str) -> str:
    if wanted:
        return f"This U-Net needs a conditioning with `{field}`, but none was given: it was built with {key}."
    return f"This U-Net takes no `{field}`, but the conditioning carries one: leave it out, or build the U-Net with {key}."


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
