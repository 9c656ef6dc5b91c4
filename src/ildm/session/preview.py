"""Previews: what a latent will look like, as a small picture, so cheaply that a run hardly notices.

A step's data estimate is shown through something far simpler than the model's own decoder and fitted to it once: a linear map from a
cell of the latent to a pixel, here, or a tiny decoder (`ildm.session.previews.tiny_decoder`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ildm.core.errors import ConfigError, ShapeError
from ildm.core.picture import to_bytes
from ildm.core.types import Image, Latent

Pixels = UInt8[Tensor, "3 preview_height preview_width"]
MOST_CHANNELS = 64
"""Of a latent that has previews; a file that asks for more is none of ours."""


@runtime_checkable
class Preview(Protocol):
    """Makes small pictures of latents."""

    def __call__(self, latent: Latent) -> Pixels:
        """RGB pixels (3, height, width) of one normalised latent (1, channels, h, w), on any device."""
        ...


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """The shape of a linear preview.

    Args:
        channels: of the latent, 1 to 64.
        scale: pixels per latent cell and side, 1 to 8; above 1 the grid of cells is enlarged smoothly.
    """

    channels: int
    scale: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.channels <= MOST_CHANNELS or not 1 <= self.scale <= 8:
            raise ConfigError(
                f"A linear preview takes 1 to {MOST_CHANNELS} channels and a scale of 1 to 8, "
                f"but {self.channels} and {self.scale} were given."
            )


class FittedPreview(nn.Module, ABC):
    """A `Preview` with weights, made from a configuration and filled by a fit or from a file."""

    kind: ClassVar[str]
    Config: ClassVar[type[Any]]
    config: Any

    @abstractmethod
    def images(self, latents: Latent) -> Image:
        """Images (batch, 3, height, width) in about [-1, 1] of normalised latents, with gradients.

        Raises:
            ShapeError: for latents of another number of channels.
        """

    @torch.inference_mode()
    def forward(self, latent: Latent) -> Pixels:
        """See `Preview`.

        Raises:
            ShapeError: for more than one latent, or one of another number of channels.
        """
        if latent.shape[0] != 1:
            raise ShapeError(f"One latent is previewed at a time, but {latent.shape[0]} came: call it for each.")
        return to_bytes(self.images(latent.to(next(iter(self.state_dict().values())))))[0]

    def _check(self, latents: Latent) -> None:
        if latents.shape[1] != self.config.channels:
            raise ShapeError(
                f"This preview was made for latents of {self.config.channels} channels, but {latents.shape[1]} came: "
                "take the preview of this model."
            )


class LinearPreview(FittedPreview):
    """`pixel = matrix @ cell + bias`: one pixel per cell of the latent, for the viewer to enlarge, or enlarged by `config.scale`."""

    kind: ClassVar[str] = "linear"
    Config: ClassVar[type[LinearConfig]] = LinearConfig
    matrix: Float[Tensor, "3 channels"]
    bias: Float[Tensor, "3"]

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("matrix", torch.zeros(3, config.channels))
        self.register_buffer("bias", torch.zeros(3))

    @classmethod
    def of(cls, matrix: Float[Tensor, "3 channels"], bias: Float[Tensor, "3"], *, scale: int = 1) -> Self:
        """The preview of a known map from normalised latents to [-1, 1]."""
        preview = cls(LinearConfig(channels=matrix.shape[1], scale=scale))
        preview.load_state_dict({"matrix": matrix.float(), "bias": bias.float()})
        return preview

    def images(self, latents: Latent) -> Image:
        """See `FittedPreview`."""
        self._check(latents)
        pixels = F.conv2d(latents, self.matrix[:, :, None, None], self.bias)  # (B, 3, h, w)
        if self.config.scale == 1:
            return pixels
        return F.interpolate(pixels, scale_factor=float(self.config.scale), mode="bilinear", align_corners=False)


def fit_linear(latents: Latent, images: Image) -> tuple[LinearPreview, float]:
    """The linear preview that comes nearest to images in the mean square, by least squares in float64.

    Args:
        latents: normalised, (count, channels, h, w).
        images: what they decode to, in [-1, 1]; averaged over the area of each cell.

    Returns:
        The preview, and R^2: the share of the averaged images' variance that it explains, at most 1.

    Raises:
        ShapeError: when there are fewer cells than the map has unknowns, or the two are not equally many.
    """
    channels, cells = latents.shape[1], latents.shape[0] * latents.shape[2] * latents.shape[3]
    if len(latents) != len(images):
        raise ShapeError(f"Each latent has its image, but {len(latents)} latents and {len(images)} images came.")
    if cells <= channels:
        raise ShapeError(
            f"A linear preview of {channels} channels needs more than {channels} cells to be fitted to, not {cells}."
        )
    targets = shrunk(images, latents.shape[2], latents.shape[3])
    values, wanted = (x.detach().double().cpu().permute(0, 2, 3, 1).flatten(0, 2) for x in (latents, targets))
    design = torch.cat([values, values.new_ones(cells, 1)], dim=1)  # (cells, channels + 1)
    # gelsd also answers where channels depend on each other: by the smallest map
    solution: Tensor = torch.linalg.lstsq(design, wanted, driver="gelsd").solution  # (channels + 1, 3)
    missed = (design @ solution - wanted).square().sum()
    variance = (wanted - wanted.mean(dim=0)).square().sum()
    explained = 1.0 - float(missed / variance) if variance > 0.0 else 1.0
    return LinearPreview.of(solution[:-1].T, solution[-1]), explained


@torch.inference_mode()
def fidelity(preview: FittedPreview, latents: Latent, images: Image) -> float:
    """How near a preview, smoothly enlarged, comes to whole images: the mean over images of the PSNR in decibels, 99 at most.

    Args:
        latents: normalised, (count, channels, h, w).
        images: what the model's own decoder makes of them, in [-1, 1].
    """
    pixels = torch.cat([preview.images(part) for part in latents.split(16)]).clamp(-1.0, 1.0)
    whole = F.interpolate(pixels, size=images.shape[-2:], mode="bilinear", align_corners=False)
    error = (whole - images).double().square().mean(dim=(1, 2, 3))
    return float((10 * torch.log10(2.0**2 / error)).clamp_max(99.0).mean())


def shrunk(images: Image, height: int, width: int) -> Float[Tensor, "batch 3 {height} {width}"]:
    """Images averaged over areas."""
    return F.interpolate(images, size=(height, width), mode="area")
