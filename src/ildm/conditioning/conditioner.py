"""What a conditioner is, built in or from an extension (`ildm.conditioners`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from torch import nn

from ildm.core.types import Conditioning


class Conditioner(nn.Module, ABC):
    """A module that turns what a person says into a `Conditioning`. Entry points name its class.

    `kind` is its name among the entry points; `Config` the frozen dataclass that describes its graph. Its weights travel as tensors;
    whatever else it needs, such as a vocabulary, it writes into and reads from the checkpoint's folder itself.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[Any]]
    config: Any

    @abstractmethod
    def forward(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """The conditioning of prompts; the empty prompt is the unconditional one.

        Args:
            prompts: one per sample.
            size: (width, height) in pixels of the images to be drawn, for models that are told; None = the model's own.
        """

    @classmethod
    @abstractmethod
    def restore(cls, config: Any, folder: Path) -> Self:
        """The conditioner whose other files lie in `folder`, its weights still to be filled in.

        Raises:
            CheckpointError: when they are missing or damaged.
        """

    @abstractmethod
    def write_files(self, folder: Path) -> None:
        """Write what `restore` needs besides the configuration and the weights."""
