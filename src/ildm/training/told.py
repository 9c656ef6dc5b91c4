"""What a model in training is told of each sample: its class, its layout or its captions, and a hint beside them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.hint import Encode, Hint
from ildm.conditioning.inpainting import Inpainting, InpaintingConfig
from ildm.conditioning.label import LabelConditioner, LabelConfig, LabelRoute
from ildm.conditioning.layout import LayoutConditioner, LayoutConfig
from ildm.conditioning.low_resolution import LowResolution, LowResolutionConfig
from ildm.conditioning.semantic_map import SemanticMap, SemanticMapConfig
from ildm.conditioning.text import TextEncoderConfig
from ildm.core.errors import ConfigError
from ildm.data.encoding import Look, Told, Wordings
from ildm.data.labels import check_classes, map_names, style_names, thing_names
from ildm.data.sample import ImageDataset, Sample
from ildm.data.telling import ClassOf, Layouts, pixels_of
from ildm.denoiser.config import UNetConfig

HintConfig = SemanticMapConfig | LowResolutionConfig | InpaintingConfig


@dataclass(frozen=True, kw_only=True)
class ClassesConfig:
    """How a model is told a class.

    Args:
        of: "concept", what the first thing in an image is, or "style", how it is drawn.
        names: of the classes; filled in from the data when a run begins.
        route, width: see `LabelConfig`.
    """

    of: Literal["concept", "style"] = "concept"
    names: tuple[str, ...] = ()
    route: LabelRoute = "class-embedding"
    width: int = 192

    @property
    def labels(self) -> LabelConfig:
        """In the conditioner's form: the last class is none of them."""
        count = len(self.names) + 1
        return LabelConfig(count=count, names=self.names, unconditional=count - 1, route=self.route, width=self.width)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a recipe tells its model beside captions.

    Args:
        classes, layout: at most one of them.
        hint: may stand beside either, beside captions, or alone.
    """

    classes: ClassesConfig | None = None
    layout: LayoutConfig | None = None
    hint: HintConfig | None = None

    def __post_init__(self) -> None:
        if self.classes is not None and self.layout is not None:
            raise ConfigError(
                "A model is told classes or layouts, but both were given: set condition.classes or condition.layout to null."
            )

    def fitted(self, channels: int, stride: int) -> Condition:
        """The same for latents of so many channels and an autoencoder of this stride."""
        hint = self.hint
        if isinstance(hint, LowResolutionConfig):
            hint = replace(hint, stride=stride)
        elif isinstance(hint, InpaintingConfig):
            hint = replace(hint, channels=channels)
        return replace(self, hint=hint)

    def fit(self, denoiser: UNetConfig, text: TextEncoderConfig | None, channels: int) -> UNetConfig:
        """A denoiser that takes what this and the text encoder give.

        Raises:
            ConfigError: when two of them cannot stand side by side.
        """
        classes, layout, hint = self.classes, self.layout, self.make_hint()
        if text is not None and (classes is not None or layout is not None):
            raise ConfigError(
                "A model reads captions, classes or layouts, but two of them were given: set text=null for the others."
            )
        route = None if classes is None else classes.route
        widths = {
            "text.width": None if text is None else text.width,
            "condition.layout.width": None if layout is None else layout.width,
            "condition.classes.width": classes.width if classes is not None and route == "cross-attention" else None,
            "condition.hint.context_width": None if hint is None else hint.context_width,
        }
        given = {key: width for key, width in widths.items() if width is not None}
        if len(set(given.values())) > 1:
            raise ConfigError(f"All that is read by cross-attention has one width, but {given} were given.")
        pooled = [
            text.width if text is not None and text.pooled else None,
            layout.width if layout is not None and layout.pooled else None,
            classes.width if classes is not None and route == "pooled" else None,
        ]
        return replace(
            denoiser,
            in_channels=channels,
            out_channels=channels,
            concat_channels=0 if hint is None else hint.concat_channels,
            context_width=next(iter(given.values()), None),
            pooled_width=next((width for width in pooled if width is not None), None),
            labels=classes.labels.count if classes is not None and route == "class-embedding" else None,
        )

    def settled(self, dataset: ImageDataset) -> Condition:
        """The same with the names that the data has.

        Raises:
            DataError: when the data lacks what the model is to be told.
        """
        classes, layout, hint = self.classes, self.layout, self.hint
        if classes is not None and not classes.names:
            names = thing_names(dataset) if classes.of == "concept" else style_names(dataset)
            check_classes(dataset)
            classes = replace(classes, names=names)
        if layout is not None and not layout.names:
            layout = replace(layout, names=thing_names(dataset))
        if isinstance(hint, SemanticMapConfig) and not hint.names:
            hint = replace(hint, names=map_names(dataset))
        return Condition(classes=classes, layout=layout, hint=hint)

    def conditioner(self) -> Conditioner | None:
        """What reads classes or layouts; None where neither is told."""
        if self.layout is not None:
            return LayoutConditioner(self.layout)
        return None if self.classes is None else LabelConditioner(self.classes.labels)

    def make_hint(self) -> Hint | None:
        """What is shown; None where nothing is."""
        if isinstance(self.hint, SemanticMapConfig):
            return SemanticMap(self.hint)
        if isinstance(self.hint, LowResolutionConfig):
            return LowResolution(self.hint)
        return None if self.hint is None else Inpainting(self.hint)

    def told(self, encode: Encode) -> Told:
        """How a sample is turned into what a run keeps of it."""
        hint = self.make_hint()
        return Told(
            wordings=self._wordings(),
            look=None if hint is None else _Shown(hint, encode),
            name="" if self == Condition() else repr(self),
        )

    def _wordings(self) -> Wordings | None:
        if self.layout is not None:
            return Layouts(self.layout.max_objects)
        return None if self.classes is None else ClassOf(self.classes.of)


class _Shown(Look):
    """Samples as `Hint.read` would understand them."""

    def __init__(self, hint: Hint, encode: Encode) -> None:
        self._hint, self._encode = hint, encode
        self._pixels = pixels_of(hint)

    def __getstate__(self) -> dict[str, object]:
        # workers make pixels alone
        return {"_pixels": self._pixels}

    def pixels(self, sample: Sample, random: random.Random) -> Tensor:
        return self._pixels(sample, random)

    @torch.inference_mode()
    def features(self, pixels: Tensor, grid: tuple[int, int]) -> Tensor:
        return self._hint.features(pixels, self._encode, grid)
