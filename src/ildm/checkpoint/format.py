"""What a checkpoint format is, built in or from an extension (`ildm.checkpoints`)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from ildm.model import Model


@runtime_checkable
class CheckpointFormat(Protocol):
    """Recognises and reads one kind of checkpoint. Entry points name an object of this kind, not a class."""

    def recognises(self, path: Path) -> bool:
        """Whether `path` looks like this format; quick, and never an error."""
        ...

    def load(self, path: Path) -> Model:
        """The model at `path`.

        Raises:
            CheckpointError: when it is damaged.
        """
        ...
