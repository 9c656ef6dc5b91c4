"""What a checkpoint format is, built in or from an extension (`ildm.checkpoints`)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from ildm.core.manifest import Manifest
from ildm.diffusion.prediction import Prediction
from ildm.model import Model


@runtime_checkable
class CheckpointFormat(Protocol):
    """Recognises and reads one kind of checkpoint. Entry points name an object of this kind, not a class."""

    def recognises(self, path: Path) -> bool:
        """Whether `path` looks like this format; quick, and never an error."""
        ...

    def load(self, path: Path, *, prediction: Prediction | None = None) -> Model:
        """The model at `path`.

        Args:
            prediction: what its network predicts, as the user says where the files do not; None = what they say.

        Raises:
            CheckpointError: when it is damaged.
            ConfigError: when what it predicts cannot be known and was not said, or was said otherwise than the files do.
        """
        ...

    def describe(self, path: Path, *, prediction: Prediction | None = None) -> Manifest:
        """What the model says about itself, without reading its weights.

        Raises:
            CheckpointError: when it is damaged.
        """
        ...
