"""An equal part of every batch: what one of several processes sees of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class _Sliceable(Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> Any: ...


Batch = TypeVar("Batch", bound=_Sliceable)


@dataclass(frozen=True)
class Share:
    """One of several equal parts of a batch, by position.

    What is random belongs to the whole batch: every process draws all of it and takes its own part, so that several processes
    see together what one alone would.

    Args:
        number: which part, from 0.
        count: how many there are.
    """

    number: int = 0
    count: int = 1

    def of(self, whole: Batch) -> Batch:
        """This part of a batch, along its first dimension; the batch has a multiple of `count` entries."""
        size = len(whole) // self.count
        return whole[self.number * size : (self.number + 1) * size]

    def randn(self, shape: Sequence[int], random: torch.Generator) -> Tensor:
        """Unit normal noise for this part.

        Args:
            shape: of this part.
            random: on the CPU; it goes on as if the whole batch had been drawn, which it has.
        """
        first, *rest = shape
        return self.of(torch.randn(self.count * first, *rest, generator=random))


WHOLE = Share()
