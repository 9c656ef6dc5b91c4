"""What a conditioner is, built in or from an extension (`ildm.conditioners`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from ildm.core.types import Conditioning


@runtime_checkable
class Conditioner(Protocol):
    """A module that turns what a person says into a `Conditioning`. Entry points name its class.

    `kind` is its name among the entry points; `Config` the frozen dataclass that describes its graph. Its weights travel as tensors;
    whatever else it needs, such as a vocabulary, it writes into and reads from the checkpoint's folder itself.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[Any]]
    config: Any

    def __call__(self, prompts: Sequence[str]) -> Conditioning:
        """The conditioning of prompts; the empty prompt is the unconditional one."""
        ...

    @classmethod
    def restore(cls, config: Any, folder: Path) -> Self:
        """The conditioner whose other files lie in `folder`, its weights still to be filled in."""
        ...

    def write_files(self, folder: Path) -> None:
        """Write what `restore` needs besides the configuration and the weights."""
        ...
