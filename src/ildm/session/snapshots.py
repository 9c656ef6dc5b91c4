"""Sampler states by node, within a byte budget. What falls out can be computed again from what stays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import torch

from ildm.sampler.state import SamplerState

KEPT_EVERY = 4
"""States after a multiple of so many steps go last, so that no state is far from one that stays."""


class Snapshots:
    """The most recently used states.

    Args:
        budget: bytes of tensors at most; the latest state stays whatever its size.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.bytes = 0
        self._states: OrderedDict[int, tuple[SamplerState, int]] = OrderedDict()

    def __contains__(self, node: int) -> bool:
        return node in self._states

    def __len__(self) -> int:
        return len(self._states)

    def get(self, node: int) -> SamplerState | None:
        """The state at a node, if it is still here."""
        if node not in self._states:
            return None
        self._states.move_to_end(node)
        return self._states[node][0]

    def put(self, node: int, state: SamplerState) -> None:
        """Keep a state; others may go."""
        self.drop([node])
        size = _size(state)
        self._states[node] = (state, size)
        self.bytes += size
        if self.bytes > self.budget:
            self._evict(node)

    def drop(self, nodes: Iterable[int]) -> None:
        """Forget states."""
        for node in nodes:
            if node in self._states:
                self.bytes -= self._states.pop(node)[1]

    def clear(self) -> None:
        """Forget all."""
        self._states.clear()
        self.bytes = 0

    def _evict(self, newest: int) -> None:
        order = list(self._states)
        between = [node for node in order if self._states[node][0].step % KEPT_EVERY]
        landmarks = [node for node in order if not self._states[node][0].step % KEPT_EVERY]
        for node in (*between, *landmarks):
            if self.bytes <= self.budget:
                return
            if node != newest:
                self.drop([node])


def _size(state: SamplerState) -> int:
    """Bytes of a state's tensors; one that is there twice, such as an estimate in the history, counts once."""
    tensors: list[torch.Tensor | None] = [state.latent, state.estimate, *state.history, *state.memory]
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors if tensor is not None
    }
    return sum(storages.values())
