"""What lies where, as a picture of class numbers (Rombach 2022, section 4.3.2, "semantic synthesis")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int
from PIL import Image as PILImage
from torch import Tensor, nn

from ildm.conditioning.hint import Encode, Features, Hint, Pixels, Route, by
from ildm.core.errors import ConfigError, ShapeError, nearest
from ildm.core.sinusoidal import sinusoidal
from ildm.core.types import Conditioning


@dataclass(frozen=True, kw_only=True)
class SemanticMapConfig:
    """How a map is shown.

    Args:
        names: of the classes 1, 2, ...; 0 is the background. Filled in from the data when a run begins.
        width: of a class's embedding.
        detail: rows and columns of the map that are looked at in each row and column of the latent.
        route: "concat", beside the latent, or "cross-attention", a token per cell.
        context_width: of those tokens.
        dropout: share of the maps that are not shown in training, in [0, 1].
    """

    names: tuple[str, ...] = ()
    width: int = 8
    detail: int = 2
    route: Route = "concat"
    context_width: int = 192
    dropout: float = 0.1
    kind: ClassVar[str] = "semantic-map"

    def __post_init__(self) -> None:
        if min(self.width, self.detail) < 1 or self.context_width % 4 or not 0.0 <= self.dropout <= 1.0:
            raise ConfigError(
                "A semantic map has a width and a detail of at least 1, a context_width divisible by 4 and a dropout in [0, 1], but "
                f"{self.width}, {self.detail}, {self.context_width} and {self.dropout} were given."
            )


class SemanticMap(Hint):
    """Class numbers to embeddings, several for each cell of the latent, at any size."""

    kind: ClassVar[str] = "semantic-map"
    Config: ClassVar[type[SemanticMapConfig]] = SemanticMapConfig
    reads_numbers: ClassVar[bool] = True
    is_local: ClassVar[bool] = True

    def __init__(self, config: SemanticMapConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.width * config.detail**2
        self.embedding = nn.Embedding(len(config.names) + 2, config.width)  # the background first, nothing last
        self.to_tokens = nn.Linear(channels, config.context_width) if config.route == "cross-attention" else None

    @property
    def concat_channels(self) -> int:
        return self.config.width * self.config.detail**2 if self.config.route == "concat" else 0

    @property
    def context_width(self) -> int | None:
        return self.config.context_width if self.config.route == "cross-attention" else None

    def number(self, name: str) -> int:
        """What stands for a class of that name in a map.

        Raises:
            ConfigError: when there is no such class; the nearest one is told.
        """
        if name not in self.config.names:
            raise ConfigError(f"This model has no class {name!r} for maps: {nearest(name, self.config.names)}")
        return self.config.names.index(name) + 1

    def fitted(self, image: PILImage.Image, size: tuple[int, int]) -> PILImage.Image:
        """See `Hint.fitted`: numbers are never mixed."""
        return image.resize(size, PILImage.Resampling.NEAREST)

    def read(self, image: PILImage.Image | None, mask: PILImage.Image | None, size: tuple[int, int]) -> Pixels:
        """See `Hint.read`: a picture of one channel, each pixel the number of its class."""
        if mask is not None:
            raise ConfigError("This model is shown a semantic map and no mask: leave the mask out.")
        if image is None:
            raise ConfigError("This model draws by a semantic map: give one as the image, each pixel the number of its class.")
        if image.size != size:
            raise ShapeError(f"The map is {by(image.size)}, but {by(size)} is drawn: give it in that size.")
        if image.mode not in ("L", "P", "I", "I;16"):
            raise ConfigError(
                f"A semantic map has one channel with the number of a class in each pixel, but this picture is {image.mode}: "
                "save it as a greyscale or a palette PNG."
            )
        numbers = torch.from_numpy(np.array(image, dtype=np.int64))[None, None]
        self.check(numbers)
        return numbers

    def check_learned(self, pixels: Pixels, concepts: Sequence[str]) -> None:
        """See `Hint.check_learned`: a model has a number for every class that its data have, and may have seen a part of them."""
        for number in pixels.unique().tolist():
            if number and self.config.names[number - 1] not in concepts:
                raise ConfigError(
                    f"The map has the number {number}, {self.config.names[number - 1]!r}, which this model has not learned: "
                    f"`ildm info` lists the {len(concepts)} that it has, with their numbers."
                )

    def pictures(self, pixels: Pixels) -> list[tuple[PILImage.Image, PILImage.Image | None]]:
        """See `Hint.pictures`: of 16 bits."""
        return [(PILImage.fromarray(one[0].cpu().numpy().astype(np.uint16)), None) for one in pixels]

    def check(self, numbers: Int[Tensor, "batch 1 height width"]) -> None:
        """See that all numbers are classes, and that there is something besides the background.

        Raises:
            ConfigError: when not.
        """
        most = len(self.config.names)
        if int(numbers.max()) > most or int(numbers.min()) < 0:
            strange = int(numbers.max()) if int(numbers.max()) > most else int(numbers.min())
            raise ConfigError(
                f"The map has the number {strange}, but this model knows 0 (the background) and the classes 1 to {most}."
            )
        if not bool(numbers.any()):
            raise ConfigError("The map is empty: every pixel is 0, the background. Give at least one other class.")

    def features(self, pixels: Pixels, encode: Encode, grid: tuple[int, int]) -> Features:  # noqa: ARG002 - no latent is needed
        """The numbers at the middle of each part of a cell: (batch, 1, rows * detail, columns * detail), int16."""
        detail = self.config.detail
        looked = F.interpolate(pixels.float(), size=(grid[0] * detail, grid[1] * detail), mode="nearest-exact")
        return looked.to(torch.int16)

    def unshown(self, size: tuple[int, int], encode: Encode, grid: tuple[int, int]) -> Features:  # noqa: ARG002
        """See `Hint.unshown`."""
        detail = self.config.detail
        return self.nothing(torch.zeros(1, 1, grid[0] * detail, grid[1] * detail, dtype=torch.int16))

    def nothing(self, features: Features) -> Features:
        """A number of its own."""
        return torch.full_like(features, len(self.config.names) + 1)

    def forward(self, features: Features) -> Conditioning:
        """See `Hint.forward`."""
        embedded = self.embedding(features[:, 0].long()).permute(0, 3, 1, 2)  # (B, width, rows * detail, columns * detail)
        cells = F.pixel_unshuffle(embedded, self.config.detail)  # (B, width * detail^2, rows, columns)
        if self.to_tokens is None:
            return Conditioning(concat=cells)
        rows, columns = cells.shape[2:]
        tokens = self.to_tokens(cells.flatten(2).mT)  # (B, rows * columns, context_width)
        return Conditioning(context=tokens + _places(rows, columns, tokens))


def _places(rows: int, columns: int, like: Tensor) -> Tensor:
    """Where each cell is, (rows * columns, width): half of it the row, half the column."""
    half = like.shape[-1] // 2
    down, across = (sinusoidal(torch.arange(count, device=like.device).float(), half) for count in (rows, columns))
    both = torch.cat([down[:, None].expand(-1, columns, -1), across[None].expand(rows, -1, -1)], dim=-1)
    return both.flatten(0, 1).to(like.dtype)
