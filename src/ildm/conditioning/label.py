"""Classes by number or name, embedded in the U-Net itself or here."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
from torch import nn

from ildm.conditioning.conditioner import NAMES_LISTED, Conditioner
from ildm.conditioning.prompt import plain_text
from ildm.core.errors import ConfigError, nearest
from ildm.core.types import Conditioning

_MOST_DIGITS = 100
LabelRoute = Literal["class-embedding", "cross-attention", "pooled"]


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """The classes of a model.

    Args:
        count: how many the network embeds.
        names: of the first of them, in order; may be empty.
        unconditional: the number that stands for no class; None = there is none.
        route: "class-embedding", inside the U-Net; "cross-attention", a context of one token, as in the paper; or "pooled".
        width: of the token or the pooled vector.
    """

    count: int
    names: tuple[str, ...] = ()
    unconditional: int | None = None
    route: LabelRoute = "class-embedding"
    width: int = 192

    def __post_init__(self) -> None:
        if self.count < 1 or len(self.names) > self.count or self.unconditional not in (None, *range(self.count)):
            raise ConfigError(
                f"A model of {self.count} classes has at least one, at most as many names, and an unconditional one among them, but "
                f"{len(self.names)} names and {self.unconditional} were given."
            )


class LabelConditioner(Conditioner):
    """A prompt is the number or the name of a class; the empty one is the unconditional class."""

    kind: ClassVar[str] = "label"
    Config: ClassVar[type[LabelConfig]] = LabelConfig

    def __init__(self, config: LabelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = None if config.route == "class-embedding" else nn.Embedding(config.count, config.width)
        self._numbers = {name.strip().lower(): number for number, name in reversed(list(enumerate(config.names)))}

    def forward(
        self,
        prompts: Sequence[str],
        size: tuple[int, int] | None = None,  # noqa: ARG002 - classes are drawn alike at any size
    ) -> Conditioning:
        """The labels of prompts, (batch,), or what they are embedded as: a context (batch, 1, width) or a pooled (batch, width).

        Raises:
            ConfigError: for a class that there is not (nearest name named), or for none where the model does not know that.
        """
        labels = torch.tensor([self._number(prompt.strip()) for prompt in prompts])
        if self.embedding is None:
            return Conditioning(label=labels)
        embedded = self.embedding(labels.to(self.embedding.weight.device))  # (B, width)
        return Conditioning(pooled=embedded) if self.config.route == "pooled" else Conditioning(context=embedded[:, None])

    def read(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """The same: brackets belong to the name of a class, unless it was made by `ildm.conditioning.prompt.escape`."""
        return self([prompt if prompt.strip().lower() in self._numbers else plain_text(prompt) for prompt in prompts], size)

    @classmethod
    def restore(cls, config: LabelConfig, folder: Path) -> Self:  # noqa: ARG003 - nothing lies there
        """The conditioner of a configuration, which is all there is to it."""
        return cls(config)

    def write_files(self, folder: Path) -> None:
        """Nothing: the configuration says it all."""

    def _number(self, prompt: str) -> int:
        config = self.config
        if not prompt:
            if config.unconditional is None:
                raise ConfigError(
                    "This model draws classes and was not trained without one: name a class, and draw at guidance_scale 1."
                )
            return config.unconditional
        # Python reads no more than some thousand digits
        if prompt.isdecimal() and len(prompt) <= _MOST_DIGITS and int(prompt) < config.count:
            return int(prompt)
        if prompt.lower() in self._numbers:
            return self._numbers[prompt.lower()]
        known = f" {nearest(prompt, config.names, listed=NAMES_LISTED)}" if config.names else ""
        raise ConfigError(f"This model has the classes 0 to {config.count - 1}, but {reprlib.repr(prompt)} was given.{known}")
