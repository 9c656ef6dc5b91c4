"""What multistep solvers share: the log-SNR they step in, and the earlier estimates with the levels these were made at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ildm.core.types import Latent
from ildm.sampler.base import Move


def log_snr(alpha: float, sigma: float) -> float:
    """lambda = log(alpha / sigma) (Lu 2022a, sec. 3.1): minus infinity in pure noise, infinity in clean data."""
    if alpha == 0.0:
        return -math.inf
    return math.inf if sigma == 0.0 else math.log(alpha / sigma)


@dataclass(frozen=True)
class Estimate:
    """A data estimate and the level (alpha, sigma) of the latent it was made from."""

    data: Latent
    alpha: float
    sigma: float

    @classmethod
    def at_start(cls, move: Move, data: Latent) -> Estimate:
        """The estimate that a step starts from."""
        return cls(data, move.alpha_t, move.sigma_t)

    @property
    def log_snr(self) -> float:
        """Of the latent it was made from."""
        return log_snr(self.alpha, self.sigma)

    @property
    def has_slope(self) -> bool:
        """Whether differences to it say how the data move with the log-SNR; from pure noise, infinitely far off, they do not."""
        return self.alpha > 0.0


def to_history(estimates: list[Estimate]) -> tuple[Tensor, ...]:
    """Estimates, newest first, as a state keeps them: the data, then (estimates, 2) levels. A schedule may change in between."""
    levels = torch.tensor([(estimate.alpha, estimate.sigma) for estimate in estimates], dtype=torch.float64)
    return (*(estimate.data for estimate in estimates), levels)


def from_history(history: tuple[Tensor, ...]) -> list[Estimate]:
    """What `to_history` kept; nothing of an empty history."""
    if not history:
        return []
    *data, levels = history
    return [Estimate(part, float(level[0]), float(level[1])) for part, level in zip(data, levels, strict=True)]
