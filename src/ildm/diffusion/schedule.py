"""The sequence of noise levels that a run descends, from noise to data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import ConfigError, nearest
from ildm.diffusion.path import Path, VariancePreserving

SPACINGS = ("uniform", "leading", "trailing", "linspace", "karras")


@dataclass(frozen=True, eq=False)
class Schedule:
    """Times and coefficients at the borders of N steps, float64 on the CPU.

    Step i leads from `times[i]` to `times[i + 1]`.

    Args:
        times: (N + 1,), falling, the last one 0 unless the run is meant to stop early.
        alphas: (N + 1,), the data's share at each time.
        sigmas: (N + 1,), the noise's share at each time.
    """

    times: Float[Tensor, " borders"]
    alphas: Float[Tensor, " borders"]
    sigmas: Float[Tensor, " borders"]

    def __post_init__(self) -> None:
        if len(self.times) < 2 or not bool((self.times.diff() < 0).all()):
            raise ConfigError("A schedule has at least one step and its times fall: use more timesteps or fewer steps.")

    @classmethod
    def along(cls, path: Path, times: Float[Tensor, " borders"]) -> Schedule:
        """The schedule of a path at given falling times."""
        times = times.double()
        return cls(times, path.alpha(times), path.sigma(times))

    @property
    def num_steps(self) -> int:
        """How many steps lead from the first time to the last."""
        return len(self.times) - 1

    def at(self, border: int) -> tuple[float, float, float]:
        """(t, alpha, sigma) at a border, as plain numbers."""
        return float(self.times[border]), float(self.alphas[border]), float(self.sigmas[border])


def make_schedule(path: Path, num_steps: int, spacing: str | None = None, *, shift: float = 1.0) -> Schedule:
    """The schedule of a full run.

    Args:
        spacing: "uniform" in t; "leading", "trailing" and "linspace" over a variance preserving path's own timesteps (Lin 2024,
            table 2); "karras" in (sigma / alpha)^(1/7) (Karras 2022, eq. 5). None: "leading" as in the paper's released sampler
            for discrete paths, "uniform" otherwise.
        shift: moves the times of a run towards noise, t' = shift t / (1 + (shift - 1) t) (Esser 2024, eq. 23); 1 leaves them.

    Raises:
        ConfigError: for fewer than one step, more steps than timesteps, or a spacing the path does not have.
    """
    discrete = isinstance(path, VariancePreserving)
    spacing = spacing or ("leading" if discrete else "uniform")
    if spacing not in SPACINGS:
        raise ConfigError(f"Unknown spacing {spacing!r}: {nearest(spacing, SPACINGS)}")
    if num_steps < 1:
        raise ConfigError(f"A run has at least 1 step, but num_steps={num_steps} was given.")
    if spacing == "uniform":
        times = torch.linspace(1.0, 0.0, num_steps + 1, dtype=torch.float64)
    elif spacing == "karras":
        times = _karras_times(path, num_steps)
    elif isinstance(path, VariancePreserving):
        times = _timesteps(path, num_steps, spacing)
    else:
        raise ConfigError(f"The spacing {spacing!r} is for paths with discrete timesteps: use uniform or karras.")
    return Schedule.along(path, shift * times / (1.0 + (shift - 1.0) * times))


def _timesteps(path: VariancePreserving, num_steps: int, spacing: str) -> Tensor:
    total = path.num_timesteps
    if num_steps > total:
        raise ConfigError(f"This model has {total} timesteps, but num_steps={num_steps} was given: use at most {total}.")
    if spacing == "leading":
        # offset 1, as the published models are sampled
        index = (torch.arange(num_steps, dtype=torch.float64) * (total // num_steps) + 1).clamp_max(total - 1).flip(0)
    elif spacing == "trailing":
        index = (torch.arange(num_steps, 0, -1, dtype=torch.float64) * total / num_steps).round() - 1
    else:
        index = torch.linspace(total - 1, 0, num_steps, dtype=torch.float64)
    return torch.cat([(index + 1) / total, torch.zeros(1, dtype=torch.float64)])


def _karras_times(path: Path, num_steps: int, rho: float = 7.0) -> Tensor:
    borders = torch.tensor([0.999, 0.002] if not isinstance(path, VariancePreserving) else [1.0, 1.0 / path.num_timesteps])
    ratios = path.sigma(borders) / path.alpha(borders).clamp_min(1e-4)
    ends = ratios ** (1.0 / rho)
    ramp = torch.linspace(float(ends[0]), float(ends[1]), num_steps, dtype=torch.float64) ** rho
    return torch.cat([path.time_at(ramp), torch.zeros(1, dtype=torch.float64)])
