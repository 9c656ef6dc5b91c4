"""What an inpainting model sees beside the noised latent: where to draw, and the picture around it (Rombach 2022, sec. 4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from PIL import Image as PILImage
from torch import Tensor

from ildm.conditioning.hint import Encode, Features, Hint, Pixels, by
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.membrane import membrane
from ildm.core.picture import from_picture, to_floats, to_pictures
from ildm.core.types import Conditioning

Form = Literal["stable-diffusion", "ldm"]


@dataclass(frozen=True, kw_only=True)
class InpaintingConfig:
    """How the picture and its hole are shown.

    Args:
        form: "stable-diffusion" (1.5 and 2 inpainting, 9 channels with latents of 4): the mask, 1 where to draw, then the surroundings;
            "ldm" (7 channels with latents of 3): the surroundings, then the mask in [-1, 1].
        channels: of the latent; filled in from the autoencoder.
    """

    form: Form = "stable-diffusion"
    channels: int = 4
    dropout: ClassVar[float] = 0.0
    """A picture is always shown: without one all of it is drawn."""
    kind: ClassVar[str] = "inpainting"


class Inpainting(Hint):
    """The mask at the latent's resolution, and the latent of the picture with what is to be drawn taken out. Nothing is learned."""

    kind: ClassVar[str] = "inpainting"
    Config: ClassVar[type[InpaintingConfig]] = InpaintingConfig
    keeps_surroundings: ClassVar[bool] = True

    def __init__(self, config: InpaintingConfig) -> None:
        super().__init__()
        self.config = config

    @property
    def concat_channels(self) -> int:
        return 1 + self.config.channels

    def read(self, image: PILImage.Image | None, mask: PILImage.Image | None, size: tuple[int, int]) -> Pixels:
        """See `Hint.read`: the picture in [-1, 1], then where to draw it anew, 1, or keep it, 0: (1, 4, height, width).

        Without a picture it is grey, without a mask all is drawn.

        Args:
            mask: white where to draw; split at one half.
        """
        for given, name in ((image, "image"), (mask, "mask")):
            if given is not None and given.size != size:
                raise ShapeError(f"The {name} is {by(given.size)}, but {by(size)} is drawn: give both in one size.")
        shown = torch.zeros(1, 3, size[1], size[0]) if image is None else to_floats(from_picture(image)[None])
        draw = torch.ones_like(shown[:, :1]) if mask is None else _hole(mask)[None].float()
        if not bool(draw.any()):
            raise ConfigError("The mask has no hole: nothing of it is white, so there is nothing to draw. Paint some of it.")
        return torch.cat([shown, draw], dim=1)

    def pictures(self, pixels: Pixels) -> list[tuple[PILImage.Image, PILImage.Image | None]]:
        """See `Hint.pictures`."""
        draw = (255 * pixels[:, 3]).to(torch.uint8).cpu().numpy()
        return list(zip(to_pictures(pixels[:, :3]), map(PILImage.fromarray, draw), strict=True))

    def features(self, pixels: Pixels, encode: Encode, grid: tuple[int, int]) -> Features:
        """The channels in the order of the form; what lies under the mask is not looked at."""
        draw = pixels[:, 3:]
        # grey, the middle of the range, stands for nothing
        surroundings = encode(pixels[:, :3] * (1.0 - draw))
        drawn = F.interpolate(draw, size=grid).to(surroundings)
        both = [drawn, surroundings] if self.config.form == "stable-diffusion" else [surroundings, 2.0 * drawn - 1.0]
        return torch.cat(both, dim=1)

    def unshown(self, size: tuple[int, int], encode: Encode, grid: tuple[int, int]) -> Features:
        """See `Hint.unshown`: grey, with a hole everywhere."""
        return self.features(self.read(None, None, size), encode, grid)

    def nothing(self, features: Features) -> Features:
        """The same: there is no such thing."""
        return features

    def completed(self, image: PILImage.Image | None, mask: PILImage.Image | None, drawn: PILImage.Image) -> PILImage.Image:
        """See `Hint.completed`: what lies outside the hole stays, byte for byte."""
        return drawn if image is None else composite(image, mask, drawn)

    def forward(self, features: Features) -> Conditioning:
        """See `Hint.forward`."""
        return Conditioning(concat=features)


def composite(image: PILImage.Image, mask: PILImage.Image | None, drawn: PILImage.Image) -> PILImage.Image:
    """What was drawn where the mask is white; everywhere else the picture's own pixels, byte for byte.

    An autoencoder changes what it only passes on, so a drawing alone keeps nothing exactly, and its colours do not meet those at the
    hole's border: what they lack there is added, and fades into the hole as a membrane does, see `ildm.core.membrane`.

    Args:
        image: the picture that was drawn into.
        mask: split at one half, as `Inpainting.read` does; None = all of it was drawn anew.

    Raises:
        ShapeError: when the sizes differ.
    """
    if mask is None:
        return drawn
    if not image.size == mask.size == drawn.size:
        raise ShapeError(
            f"A picture of {by(drawn.size)} was drawn into one of {by(image.size)} under a mask of {by(mask.size)}: "
            "give all three in one size."
        )
    hole, kept = _hole(mask)[0], to_floats(from_picture(image)[None])[0]
    new = to_floats(from_picture(drawn)[None])[0]
    [made] = to_pictures(torch.where(hole, new + membrane(kept - new, hole), kept)[None])
    made.info.update(drawn.info)
    return made


def _hole(mask: PILImage.Image) -> Bool[Tensor, "1 height width"]:
    return from_picture(mask)[:1].float() / 255 >= 0.5
