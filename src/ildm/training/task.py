"""What the loop needs of a stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from PIL import Image as PILImage
from torch import Tensor

from ildm.training.run_state import RunState

Metrics = dict[str, Tensor]
"""Scalars by name, left on the device: reading one makes the host wait. "loss" is always among them."""


@runtime_checkable
class Task(Protocol):
    """A stage in training."""

    @property
    def batch_size(self) -> int:
        """Samples per step, of all processes together."""
        ...

    def batches(self, position: int, /) -> Iterator[Any]:
        """Batches from a data position (in samples) on, the same ones whether or not the run was interrupted.

        Where several processes train, this one's part of each.
        """
        ...

    def train_step(self, step: int, batch: Any) -> Metrics:
        """One update, step counted from 0."""
        ...

    def state(self) -> dict[str, Any]:
        """All that training changes: weights, optimizers, averages."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned."""
        ...

    def sample_sheet(self) -> PILImage.Image | None:
        """A picture of where training stands."""
        ...

    def export(self, state: RunState) -> None:
        """Write what others can use so far; `state` says how far that is."""
        ...

    @property
    def is_sound(self) -> bool:
        """Whether the last look found nothing bad: only then is a state one to come back to."""
        ...

    def judge(self, metrics: dict[str, float]) -> str | None:
        """A sentence when metrics averaged over steps and processes say that the stage has collapsed and must roll back, else None."""
        ...
