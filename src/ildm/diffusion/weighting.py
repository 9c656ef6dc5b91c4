"""Which times are trained on, and how much each counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.types import Times
from ildm.diffusion.path import Path
from ildm.diffusion.prediction import Prediction


@dataclass(frozen=True, kw_only=True)
class TimeDistribution:
    """Where training times are drawn.

    Args:
        kind: "uniform" over [0, 1], or "logit-normal": the logistic function of a normal variable (Esser 2024, eq. 19).
        location, deviation: of that normal variable; a higher location means more noise.
    """

    kind: Literal["uniform", "logit-normal"] = "uniform"
    location: float = 0.0
    deviation: float = 1.0

    def __post_init__(self) -> None:
        if self.deviation <= 0.0:
            raise ConfigError(f"The deviation of logit-normal times is positive, but {self.deviation} was given.")

    def sample(self, batch: int, generator: torch.Generator | None = None) -> Times:
        """Times (batch,) in (0, 1), float32, on the CPU."""
        if self.kind == "uniform":
            return torch.rand(batch, generator=generator).clamp(1e-5, 1.0 - 1e-5)
        return torch.sigmoid(self.location + self.deviation * torch.randn(batch, generator=generator)).clamp(1e-5, 1.0 - 1e-5)


@dataclass(frozen=True, kw_only=True)
class LossWeighting:
    """How much a time's squared error counts.

    Args:
        kind: "uniform" weighs the network's own prediction equally everywhere (eq. 2); "min-snr" clips the weight of easy
            times (Hang 2023, section 3.4).
        gamma: the signal-to-noise ratio above which min-snr clips.
    """

    kind: Literal["uniform", "min-snr"] = "uniform"
    gamma: float = 5.0

    def __call__(self, path: Path, prediction: Prediction, t: Times) -> Float[Tensor, " batch"]:
        """Weights (batch,) of the mean squared error of each sample's prediction."""
        if self.kind == "uniform":
            return torch.ones_like(t)
        alpha, sigma = path.alpha(t), path.sigma(t)
        snr = (alpha / sigma.clamp_min(1e-8)).square()
        clipped = snr.clamp_max(self.gamma)
        if prediction == "data":
            weight = clipped
        elif prediction == "epsilon":
            weight = clipped / snr.clamp_min(1e-8)
        else:
            # the velocity's error is the data's times |d velocity / d data|^2
            weight = clipped / ((snr + 1.0) if path.kind == "variance-preserving" else (1.0 / sigma.clamp_min(1e-8).square()))
        return weight.to(t.dtype)
