"""What a hint is: an image-shaped condition that a model is shown beside words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Shaped
from PIL import Image as PILImage
from torch import Tensor, nn

from ildm.core.errors import ShapeError
from ildm.core.share import WHOLE, Share
from ildm.core.types import Conditioning, Image, Latent

Route = Literal["concat", "cross-attention"]
Encode = Callable[[Image], Latent]
"""From images in [-1, 1] to normalised latents."""
Pixels = Shaped[Tensor, "batch channels height width"]
Features = Shaped[Tensor, "batch features rows columns"]


class Hint(nn.Module, ABC):
    """A module that turns a picture into a `Conditioning`, in three steps.

    `read` understands what a person gives, `features` is what nothing of it is learned in, so that training does it once per image,
    and `forward` is learned. `kind` names it in a manifest, and `Config` is the frozen dataclass that describes its graph.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[Any]]
    reads_numbers: ClassVar[bool] = False
    """Whether the pixels of its image are numbers of classes and not colours."""
    is_local: ClassVar[bool] = False
    """Whether what is to be drawn at a place follows from what is shown around it: then large pictures are drawn through windows."""
    keeps_surroundings: ClassVar[bool] = False
    """Whether `completed` puts the image's own pixels back wherever nothing was to be drawn."""
    config: Any

    @property
    @abstractmethod
    def concat_channels(self) -> int:
        """How many channels stand beside the noised latent; 0 = it takes another route."""

    @property
    def context_width(self) -> int | None:
        """Of the tokens that cross-attention reads; None = it takes another route."""
        return None

    def size_of(self, image: PILImage.Image) -> tuple[int, int]:
        """The (width, height) in pixels that is drawn for an image when nobody says otherwise."""
        return image.size

    def fitted(self, image: PILImage.Image, size: tuple[int, int]) -> PILImage.Image:
        """An image scaled to what `read` takes where (width, height) pixels are drawn."""
        return image.resize(size, PILImage.Resampling.LANCZOS)

    @abstractmethod
    def read(self, image: PILImage.Image | None, mask: PILImage.Image | None, size: tuple[int, int]) -> Pixels:
        """What a person shows, as (1, channels, height, width).

        Args:
            size: (width, height) in pixels of what is drawn.

        Raises:
            ConfigError: when something is missing that the model cannot draw without, or given that it has no use for.
            ShapeError: when a picture has a size that does not fit.
        """

    def check_learned(self, pixels: Pixels, concepts: Sequence[str]) -> None:
        """See that what was read names nothing but what a model of these concepts has learned.

        Raises:
            ConfigError: when it does.
        """

    @abstractmethod
    def pictures(self, pixels: Pixels) -> list[tuple[PILImage.Image, PILImage.Image | None]]:
        """The image and the mask that `read` would make each of these of."""

    @abstractmethod
    def features(self, pixels: Pixels, encode: Encode, grid: tuple[int, int]) -> Features:
        """What the learned part is given.

        Args:
            grid: (rows, columns) of the latent.
        """

    @abstractmethod
    def unshown(self, size: tuple[int, int], encode: Encode, grid: tuple[int, int]) -> Features:
        """The features of one picture of (width, height) pixels whose model is shown nothing. See `features`."""

    @abstractmethod
    def nothing(self, features: Features) -> Features:
        """The features of a model that is shown nothing, in the shape of others."""

    def completed(
        self,
        image: PILImage.Image | None,  # noqa: ARG002
        mask: PILImage.Image | None,  # noqa: ARG002
        drawn: PILImage.Image,
    ) -> PILImage.Image:
        """What a person gets of a drawing for which these were shown: the drawing, unless some of the picture is to stay as it is."""
        return drawn

    @abstractmethod
    def forward(self, features: Features) -> Conditioning:
        """The conditioning of features: `concat`, (batch, channels, rows, columns), or a `context`."""


class Beside(NamedTuple):
    """What a model is shown, and what stands in its place where it is moved away from that.

    Args:
        shown: beside the prompt.
        hidden: beside the negative prompt: nothing, for models that have learned to draw without; the same for others.
    """

    shown: Conditioning
    hidden: Conditioning

    def expand(self, batch: int) -> Beside:
        """The same for so many pictures."""
        return Beside(self.shown.expand(batch), self.hidden.expand(batch))

    def of(self, rows: slice) -> Beside:
        """What some pictures of several are shown."""
        return Beside(self.shown[rows], self.hidden[rows])

    def alike(self, one: int, other: int) -> bool:
        """Whether two pictures are shown the same."""
        first, second = (_tensors(self.of(slice(place, place + 1))) for place in (one, other))
        return all(torch.equal(mine, its) for mine, its in zip(first, second, strict=True))


UNSHOWN = Beside(Conditioning(), Conditioning())
"""For models that are shown nothing."""


def _tensors(beside: Beside) -> list[Tensor]:
    found: list[Tensor] = []
    for conditioning in beside:
        conditioning.map(lambda tensor: found.append(tensor) or tensor)
    return found


Given = PILImage.Image | Sequence[PILImage.Image | None] | None
"""One picture for all that is drawn, one for each, or none."""


def show(
    hint: Hint,
    image: Given,
    mask: Given,
    size: tuple[int, int],
    grid: tuple[int, int],
    encode: Encode,
    device: torch.device,
    count: int,
    concepts: Sequence[str] = (),
) -> Beside:
    """What a model with this hint is shown for `count` pictures.

    Args:
        size: (width, height) in pixels of what is drawn.
        grid: (rows, columns) of its latent.
        concepts: all that the model has learned by name; none = nobody has said.

    Raises:
        ConfigError, ShapeError: see `Hint.read` and `Hint.check_learned`; also for lists of other lengths.
    """
    images, masks = _listed(image, count, "images"), _listed(mask, count, "masks")
    rows = max(len(images), len(masks))
    pairs = zip(images * (rows // len(images)), masks * (rows // len(masks)), strict=True)
    pixels = torch.cat([hint.read(one, other, size) for one, other in pairs])
    if concepts:
        hint.check_learned(pixels, concepts)
    pixels = pixels.to(device)
    features = hint.features(pixels, encode, grid)
    shown = hint(features)
    hidden = hint(hint.nothing(features)) if hint.config.dropout > 0.0 else shown
    return Beside(shown, hidden).expand(count)


def complete(hint: Hint, image: Given, mask: Given, drawn: Sequence[PILImage.Image]) -> list[PILImage.Image]:
    """Drawings as a person gets them, see `Hint.completed`. Image and mask are those that `show` took."""
    count = len(drawn)
    images, masks = _listed(image, count, "images"), _listed(mask, count, "masks")
    shown = zip(images * (count // len(images)), masks * (count // len(masks)), strict=True)
    return [hint.completed(one, other, made) for (one, other), made in zip(shown, drawn, strict=True)]


def by(size: tuple[int, int]) -> str:
    """A (width, height) in a sentence."""
    return f"{size[0]}x{size[1]}"


def _listed(given: Given, count: int, name: str) -> list[PILImage.Image | None]:
    """One for all, or one for each."""
    if given is None or isinstance(given, PILImage.Image):
        return [given]
    if len(given) != count:
        raise ShapeError(f"{count} pictures are drawn, but {len(given)} {name} came: give one, or as many.")
    return list(given)


def drop_features(hint: Hint, features: Features, rate: float, generator: torch.Generator, share: Share = WHOLE) -> Features:
    """Show nothing in place of each with probability `rate`, independently.

    Args:
        share: which part of their batch the features are.
    """
    dropped = (share.of(torch.rand(share.count * len(features), generator=generator)) < rate).to(features.device)
    return torch.where(dropped[:, None, None, None], hint.nothing(features), features)
