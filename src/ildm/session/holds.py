"""Differential diffusion (Levin & Fried 2023): parts of a latent that follow a known one for some of the steps, or for all.

One mechanism for starting from an image, strength brushes, locked areas and areas made anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ildm.core.types import Latent
from ildm.diffusion.schedule import Schedule
from ildm.sampler.state import SamplerState

HOLD_STREAM = -2
"""The random stream of the one noise that a held source gets at every step; those of steps and references are others."""


@dataclass(frozen=True, eq=False)
class Held:
    """A hold with its tensors at hand; see `settings.Hold`.

    Args:
        source: (1, channels, height, width), normalised.
        change: (height, width) on the latent's grid, in [0, 1]; 0 = kept to the end.
        noise: (1, channels, height, width), unit normal.
        until: the step before which it still acts, and nothing is written at the end; None = to the end.
    """

    source: Latent
    change: Float[Tensor, "height width"]
    noise: Latent
    until: int | None = None

    def keeps(self, step: int, share: float) -> Bool[Tensor, "height width"]:
        """Where the source rules before step `step` (from 0), at which that share of the run is done: `share < 1 - change`."""
        if self.until is not None and step > self.until:
            return torch.zeros_like(self.change, dtype=torch.bool)
        if self.until is not None:
            return self.change < 1.0
        return share < 1.0 - self.change

    def noised(self, schedule: Schedule, step: int) -> Latent:
        """The source at the level of the border before step `step`."""
        _, alpha, sigma = schedule.at(step)
        return alpha * self.source + sigma * self.noise


def hold(state: SamplerState, holds: list[Held]) -> SamplerState:
    """The state with every held part at its source's noised value; the same object when nothing is held."""
    latent = state.latent
    for held in holds:
        keep = held.keeps(state.step, state.schedule.share(state.step))
        if bool(keep.any()):
            latent = torch.where(keep.to(latent.device), held.noised(state.schedule, state.step).to(latent), latent)
    return state if latent is state.latent else replace(state, latent=latent)


def settle(state: SamplerState, holds: list[Held]) -> SamplerState:
    """A finished state with every source written, bit for bit, where it never was free to change."""
    latent = state.latent
    for held in holds:
        if held.until is None:
            latent = torch.where((held.change == 0.0).to(latent.device), held.source.to(latent), latent)
    return state if latent is state.latent else replace(state, latent=latent)


def implied_noise(latent: Latent, estimate: Latent, schedule: Schedule, step: int) -> Latent:
    """The noise with which `estimate` becomes `latent` at the border before step `step`; where that has none left, zeros."""
    _, alpha, sigma = schedule.at(step)
    return torch.zeros_like(latent) if sigma == 0.0 else (latent - alpha * estimate) / sigma
