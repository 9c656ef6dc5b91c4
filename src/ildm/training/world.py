"""All processes that train one model together, as a trainer sees them. One alone is the plain case and costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from torch import Tensor, nn

from ildm.core.errors import ConfigError
from ildm.core.share import WHOLE, Share

Told = TypeVar("Told")
Made = TypeVar("Made")


class World:
    """One process alone; `ildm.training.distributed` has several.

    Every process calls each method at the same point of its work.
    """

    share: Share = WHOLE
    """Which part of every batch is this process's."""

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and speaks for all."""
        return self.share.number == 0

    def check(self, key: str, batch_size: int) -> None:
        """See that batches can be shared out.

        Raises:
            ConfigError: when they cannot.
        """
        count = self.share.count
        if batch_size % count:
            raise ConfigError(
                f"{key} is the whole batch's, of which each of the {count} processes takes an equal part, but {batch_size} was given: "
                f"try {batch_size + count - batch_size % count}."
            )

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes of a tensor each has, without gradient."""
        return values

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes of a tensor each has, without gradient."""
        return values

    def gather(self, values: Tensor) -> Tensor:
        """The tensors of all processes, of one shape, one after the other along the first dimension, without gradient."""
        return values

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put the mean over all processes in the place of each gradient."""

    def average(self, figures: Mapping[str, float]) -> dict[str, float]:
        """The mean over all processes of figures each has."""
        return dict(figures)

    def agree(self, reason: str | None) -> str | None:
        """The first process's reason to stop that has one; None when nobody has."""
        return reason

    def once(self, work: Callable[[], Told]) -> Told:
        """Let the first process do something, however long it takes, while the others wait.

        Args:
            work: what only one may do; it returns a JSON value and calls no method of this class.

        Returns:
            What the first process's work returned, to all.

        Raises:
            IldmError: what the work raised, to all.
        """
        return work()

    def after_first(self, work: Callable[[], Made]) -> Made:
        """Let every process do something, the first one before the others, who find what it left on the disk.

        Args:
            work: calls no method of this class.

        Raises:
            IldmError: what the work raised on the first process, to all.
        """
        return work()


ALONE = World()
