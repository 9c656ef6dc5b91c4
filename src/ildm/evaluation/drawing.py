"""A model under evaluation, and how it is asked to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from PIL import Image as PILImage
from torch import Tensor

from ildm.conditioning.hint import Given, Hint
from ildm.conditioning.inpainting import composite
from ildm.conditioning.prompt import escape
from ildm.core.errors import ConfigError
from ildm.core.manifest import Manifest
from ildm.core.picture import from_picture, to_picture
from ildm.core.progress import NamedProgress
from ildm.core.seeds import MAX_SEED, check_seed
from ildm.core.types import Latent
from ildm.evaluation.asking import Ask
from ildm.evaluation.images import Pixels

_FURTHER = 2**20  # between the seeds of one turn and the next: more than there are images in a set


@runtime_checkable
class EvaluatedModel(Protocol):
    """What an evaluation needs of a model; `ildm.model.Model` is one."""

    manifest: Manifest

    @property
    def conditioner(self) -> object | None: ...

    @property
    def hint(self) -> Hint | None: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def image_size(self) -> tuple[int, int]: ...

    def encode(self, images: Tensor) -> Latent: ...

    def decode(self, latents: Latent) -> Tensor: ...

    def generate(
        self,
        prompt: str | Sequence[str] = "",
        *,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        seed: int | Sequence[int] | None = None,
        image: Given = None,
        mask: Given = None,
    ) -> list[PILImage.Image]: ...


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How the model is asked to draw; None = the default in its manifest.

    Args:
        seed: of the first image of every set; each further image adds 1.
        batch_size: images drawn at once.
    """

    num_steps: int | None = None
    guidance_scale: float | None = None
    sampler: str | None = None
    seed: int = 0
    batch_size: int = 16

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"The batch size must be 1 or more, but {self.batch_size} was given: take 16, say.")
        if self.num_steps is not None and self.num_steps < 1:
            raise ConfigError(f"A drawing takes 1 step or more, but {self.num_steps} was given: take 25, say.")
        check_seed(self.seed)

    def seeds(self, turn: int, start: int, count: int) -> list[int]:
        """Of `count` images of a set from the one at `start` on, in one of the turns in which the set is drawn."""
        return [self.seed + turn * _FURTHER + start + place for place in range(count)]

    def check_seeds(self, turns: int, count: int) -> None:
        """See that so many turns of sets of so many images have seeds.

        Raises:
            ConfigError: when those of the last turn are too large.
        """
        [last] = self.seeds(turns - 1, count - 1, 1)
        if last > MAX_SEED:
            raise ConfigError(
                f"Seeds from {self.seed} on would reach {last} for {count} images drawn {turns} times, but {MAX_SEED} is the largest: "
                f"take {self.seed - (last - MAX_SEED)} or less."
            )


class Drawer:
    """Draws what is asked, a batch at a time."""

    def __init__(self, model: EvaluatedModel, drawing: Drawing, progress: NamedProgress) -> None:
        self.model, self.drawing, self.progress = model, drawing, progress

    def __call__(self, asks: Sequence[Ask], what: str, *, turn: int = 0) -> Pixels:
        """One image for each.

        Args:
            what: is said of the progress.
            turn: with other seeds than in other turns.
        """
        drawing, drawn = self.drawing, []
        for start in range(0, len(asks), drawing.batch_size):
            batch = asks[start : start + drawing.batch_size]
            images, masks = [ask.image for ask in batch], [ask.mask for ask in batch]
            drawn += self.model.generate(
                [escape(ask.prompt) for ask in batch],  # captions have no syntax
                num_steps=drawing.num_steps,
                guidance_scale=drawing.guidance_scale,
                sampler=drawing.sampler,
                seed=drawing.seeds(turn, start, len(batch)),
                image=None if images[0] is None else images,
                mask=None if masks[0] is None else masks,
            )
            self.progress(what, len(drawn), len(asks))
        return torch.stack([from_picture(image) for image in drawn])


def fill(asks: Sequence[Ask], pixels: Pixels) -> Pixels:
    """Drawn images with the pictures' own pixels, exactly, wherever they were not to be drawn anew; others as they are.

    What is drawn meets its border as in every drawing, see `ildm.conditioning.inpainting.composite`.
    """
    if not asks or asks[0].mask is None:
        return pixels
    return torch.stack([_filled(ask, drawn) for ask, drawn in zip(asks, pixels, strict=True)])


def _filled(ask: Ask, drawn: Tensor) -> Tensor:
    assert ask.image is not None
    return from_picture(composite(ask.image, ask.mask, to_picture(drawn)))
