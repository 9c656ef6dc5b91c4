"""A small picture that is to be drawn larger (Rombach 2022, section 4.4; Saharia 2021, SR3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image as PILImage
from torch import Tensor

from ildm.conditioning.hint import Encode, Features, Hint, Pixels, by
from ildm.core.bounds import MAX_SIDE
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.picture import from_picture, to_floats, to_picture, to_pictures
from ildm.core.types import Conditioning, Image

Degradation = Literal["bicubic", "bsr"]


@dataclass(frozen=True, kw_only=True)
class LowResolutionConfig:
    """How a small picture is shown.

    Args:
        factor: how many times larger it is drawn.
        stride: of the autoencoder, pixels per latent cell and side; filled in from it.
        degradation: how training images are made small: "bicubic", or "bsr", as bad photographs are (Zhang 2021, section 3).
        dropout: share of the pictures that are not shown in training, in [0, 1].
    """

    factor: int = 4
    stride: int = 8
    degradation: Degradation = "bicubic"
    dropout: float = 0.0
    kind: ClassVar[str] = "low-resolution"

    def __post_init__(self) -> None:
        if self.factor < 2 or self.stride < 1 or max(self.factor, self.stride) % min(self.factor, self.stride):
            raise ConfigError(
                "A picture is drawn at least 2 times larger, by a factor that divides the autoencoder's stride or is divided by it, but "
                f"factor {self.factor} and stride {self.stride} were given."
            )
        if not 0.0 <= self.dropout <= 1.0:
            raise ConfigError(f"A dropout rate lies in [0, 1], but {self.dropout} was given.")


class LowResolution(Hint):
    """The pixels of a small picture beside the latent's cell that they belong to. Nothing of it is learned."""

    kind: ClassVar[str] = "low-resolution"
    Config: ClassVar[type[LowResolutionConfig]] = LowResolutionConfig
    is_local: ClassVar[bool] = True

    def __init__(self, config: LowResolutionConfig) -> None:
        super().__init__()
        self.config = config
        self._folded = max(1, config.stride // config.factor)  # rows and columns of the picture in each cell

    @property
    def concat_channels(self) -> int:
        return 3 * self._folded**2

    def size_of(self, image: PILImage.Image) -> tuple[int, int]:
        """The image's size, `factor` times, and up to whole cells of the latent.

        Raises:
            ShapeError: when that is more than is ever drawn.
        """
        factor, stride = self.config.factor, self.config.stride
        if max(image.size) * factor > MAX_SIDE:
            raise ShapeError(
                f"A picture of {by(image.size)} would be drawn {factor} times larger, but at most {MAX_SIDE} pixels a side are drawn: "
                f"give one of at most {MAX_SIDE // factor} pixels a side."
            )
        width, height = (-(-side * factor // stride) * stride for side in image.size)
        return width, height

    def fitted(self, image: PILImage.Image, size: tuple[int, int]) -> PILImage.Image:
        """See `Hint.fitted`: `factor` times smaller than what is drawn."""
        small = (size[0] // self.config.factor, size[1] // self.config.factor)
        return image.resize(small, PILImage.Resampling.BICUBIC)

    def read(self, image: PILImage.Image | None, mask: PILImage.Image | None, size: tuple[int, int]) -> Pixels:
        """See `Hint.read`: bytes of red, green and blue."""
        factor = self.config.factor
        if mask is not None:
            raise ConfigError("This model is shown a small picture and no mask: leave the mask out.")
        if image is None:
            raise ConfigError(f"This model draws a picture {factor} times larger: give it as the image.")
        if self.size_of(image) != size:
            raise ShapeError(
                f"The picture is {image.width}x{image.height}, so it is drawn at {self.size_of(image)[0]}x{self.size_of(image)[1]}, "
                f"but {size[0]}x{size[1]} was asked for: leave the size out."
            )
        pixels = from_picture(image)[None]
        right, below = size[0] // factor - image.width, size[1] // factor - image.height
        # what is drawn beyond the picture's edges is cut away again, see `completed`
        return F.pad(pixels.float(), (0, right, 0, below), mode="replicate").to(pixels.dtype) if right or below else pixels

    def completed(
        self,
        image: PILImage.Image | None,
        mask: PILImage.Image | None,  # noqa: ARG002
        drawn: PILImage.Image,
    ) -> PILImage.Image:
        """See `Hint.completed`: the image's size, `factor` times.

        Where small pictures are made by a clean filter, a drawing that does not become the image again is put right by what it lacks;
        the autoencoder's own error is most of that. What a bad camera and an upload have done to a picture is no truth to keep to.
        """
        if image is None:
            return drawn
        wanted = (image.width * self.config.factor, image.height * self.config.factor)
        made = drawn if drawn.size == wanted else drawn.crop((0, 0, *wanted))
        if self.config.degradation == "bicubic":
            small, large = (to_floats(from_picture(one)[None]) for one in (image, made))
            made = to_pictures(put_right(large, small))[0]
        made.info.update(drawn.info)
        return made

    def pictures(self, pixels: Pixels) -> list[tuple[PILImage.Image, PILImage.Image | None]]:
        """See `Hint.pictures`."""
        return [(to_picture(one), None) for one in pixels]

    def features(self, pixels: Pixels, encode: Encode, grid: tuple[int, int]) -> Features:  # noqa: ARG002 - no latent is needed
        """The picture in [-1, 1], its pixels gathered by cells: (batch, 3 * pixels per cell, rows, columns)."""
        folded = F.pixel_unshuffle(pixels.float() / 127.5 - 1.0, self._folded)
        return folded if folded.shape[2:] == grid else F.interpolate(folded, size=grid, mode="nearest-exact")

    def unshown(self, size: tuple[int, int], encode: Encode, grid: tuple[int, int]) -> Features:  # noqa: ARG002
        """See `Hint.unshown`: grey."""
        return torch.zeros(1, self.concat_channels, *grid)

    def nothing(self, features: Features) -> Features:
        """Grey, the middle of the range."""
        return torch.zeros_like(features)

    def forward(self, features: Features) -> Conditioning:
        """See `Hint.forward`."""
        return Conditioning(concat=features.float())


def put_right(drawn: Image, small: Float[Tensor, "batch 3 rows columns"]) -> Image:
    """A drawing (batch, 3, height, width) once corrected by its difference from a small picture, both in [-1, 1] (Irani 1991)."""
    less = F.interpolate(drawn, size=small.shape[2:], mode="bicubic", antialias=True)
    return drawn + F.interpolate(small - less, size=drawn.shape[2:], mode="bicubic", antialias=True)
