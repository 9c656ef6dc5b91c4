"""From an image of any shape to a square of a given size, with the same move for its boxes and maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PIL import Image

from ildm.data.sample import Box

Fit = Literal["crop", "pad"]


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """Where the square lies over the image.

    Args:
        width, height: of the image, pixels.
        size: side of the square that comes out, pixels.
        fit: "crop" keeps the middle square, "pad" keeps everything and fills the rest.
    """

    width: int
    height: int
    size: int
    fit: Fit = "crop"

    @property
    def window(self) -> tuple[float, float, float, float]:
        """The square in the image's pixels: left, top, right, bottom; it reaches outside when padding."""
        side = min(self.width, self.height) if self.fit == "crop" else max(self.width, self.height)
        left, top = (self.width - side) / 2, (self.height - side) / 2
        return left, top, left + side, top + side

    def picture(self, picture: Image.Image, behind: tuple[int, int, int]) -> Image.Image:
        """The square, resampled with an antialiasing filter; padding takes the colour `behind`."""
        return self._square(picture, behind, Image.Resampling.LANCZOS)

    def map(self, classes: Image.Image) -> Image.Image:
        """The square of a map, whose values are never mixed; padding is 0."""
        return self._square(classes, 0, Image.Resampling.NEAREST)

    def box(self, box: Box) -> Box | None:
        """A box in fractions of the image as one in fractions of the square; None when nothing of it is left."""
        left, top, right, _ = self.window
        side = right - left
        moved = (
            (box[0] * self.width - left) / side,
            (box[1] * self.height - top) / side,
            (box[2] * self.width - left) / side,
            (box[3] * self.height - top) / side,
        )
        kept = (max(moved[0], 0.0), max(moved[1], 0.0), min(moved[2], 1.0), min(moved[3], 1.0))
        return kept if kept[2] > kept[0] and kept[3] > kept[1] else None

    def _square(self, picture: Image.Image, behind: tuple[int, int, int] | int, filtering: Image.Resampling) -> Image.Image:
        left, top, right, bottom = self.window
        if self.fit == "crop":
            return picture.resize((self.size, self.size), filtering, box=(left, top, right, bottom))
        factor = self.size / (right - left)
        width, height = (max(1, round(side * factor)) for side in picture.size)
        square = Image.new(picture.mode, (self.size, self.size), behind)
        square.paste(picture.resize((width, height), filtering), ((self.size - width) // 2, (self.size - height) // 2))
        return square
