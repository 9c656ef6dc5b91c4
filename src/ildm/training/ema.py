"""A smoothed copy of the weights: what is sampled and shipped."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


class EMA(Generic[Module]):
    """Exponential moving average of a module's weights, with a horizon that grows at first.

    Args:
        module: the one in training; never changed here.
        decay: of the average per step; step n uses min(decay, (1 + n) / (10 + n)), so that early noise is forgotten.
    """

    def __init__(self, module: Module, decay: float) -> None:
        self.decay = decay
        self.shadow: Module = copy.deepcopy(module).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, module: Module, step: int) -> None:
        """Follow the module after its step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for shadow, live in zip(self.shadow.parameters(), module.parameters(), strict=True):
            shadow.lerp_(live, 1.0 - decay)
        for shadow, buffer in zip(self.shadow.buffers(), module.buffers(), strict=True):
            shadow.copy_(buffer)
