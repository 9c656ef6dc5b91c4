"""What a conditioner is, built in or from an extension (`ildm.conditioners`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from jaxtyping import Bool
from torch import Tensor, nn

from ildm.conditioning.prompt import plain_text
from ildm.core.errors import ConfigError
from ildm.core.types import Conditioning

NAMES_LISTED = "`ildm info MODEL --json`"
"""What shows all names that a model is told by, see `ildm.core.errors.nearest`."""


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
        """The conditioning of plain texts, such as captions; the empty one is the unconditional one.

        Args:
            prompts: one per sample.
            size: (width, height) in pixels of the images to be drawn, for models that are told; None = the model's own.
        """

    def read(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """The conditioning of prompts as a person writes them, in prompt syntax (see `ildm.conditioning.prompt`).

        Without syntax it is what `forward` gives. A conditioner that does not know weights need not define this: it is given the words
        alone, and a `BREAK` is a space.

        Args:
            prompts: one per sample, schedules and `AND` already resolved: square brackets only weigh here.
            size: see `forward`.
        """
        return self([plain_text(prompt) for prompt in prompts], size)

    def places(self, prompt: str, word: str) -> Bool[Tensor, " tokens"]:
        """Which tokens of the context that `read` makes of a prompt are those of a word in it.

        Args:
            word: one word, or some that stand together.

        Raises:
            ConfigError: when the word stands nowhere in the prompt, or the conditioner has no tokens to tell.
        """
        raise ConfigError(f"This model does not read words one by one, so it cannot tell where {word!r} is in {prompt!r}.")

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
