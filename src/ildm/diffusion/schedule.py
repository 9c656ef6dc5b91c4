"""The sequence of noise levels that a run descends, from noise to data."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import ConfigError, nearest
from ildm.diffusion.path import Path, VariancePreserving


@dataclass(frozen=True, eq=False)
class Schedule:
    """Times and coefficients at the borders of N steps, float64 on the CPU.

    Step i leads from `times[i]` to `times[i + 1]`.

    Args:
        times: (N + 1,), falling, the last one 0 unless the run is meant to stop early.
        alphas: (N + 1,), the data's share at each time.
        sigmas: (N + 1,), the noise's share at each time.
        unit_start: whether a run starts from noise of deviation 1 rather than `sigmas[0]`.
        shares: (N + 1,), which share of the run is done at each border, from 0 to 1; None = i / N, as of every run whose number of
            steps was not changed on the way.
    """

    times: Float[Tensor, " borders"]
    alphas: Float[Tensor, " borders"]
    sigmas: Float[Tensor, " borders"]
    unit_start: bool = False
    shares: Float[Tensor, " borders"] | None = None

    def __post_init__(self) -> None:
        if len(self.times) < 2 or not bool((self.times.diff() < 0).all()):
            raise ConfigError("A schedule has at least one step and its times fall: use more timesteps or fewer steps.")

    @classmethod
    def along(cls, path: Path, times: Float[Tensor, " borders"], *, unit_start: bool = False) -> Schedule:
        """The schedule of a path at given falling times."""
        times = times.double()
        return cls(times, path.alpha(times), path.sigma(times), unit_start)

    @property
    def num_steps(self) -> int:
        """How many steps lead from the first time to the last."""
        return len(self.times) - 1

    @property
    def start_deviation(self) -> float:
        """What unit normal noise is multiplied by to start a run."""
        return 1.0 if self.unit_start else float(self.sigmas[0])

    def share(self, border: int) -> float:
        """Which share of the run is done at a border."""
        return border / self.num_steps if self.shares is None else float(self.shares[border])

    def at(self, border: int) -> tuple[float, float, float]:
        """(t, alpha, sigma) at a border, as plain numbers."""
        return float(self.times[border]), float(self.alphas[border]), float(self.sigmas[border])


@dataclass(frozen=True, kw_only=True)
class Convention:
    """Details in which published samplers lay out their schedules differently. What is left out is as this project does it.

    Args:
        steps_offset: what is added to "leading" timesteps, 0 or 1; None = 1, as the published models are sampled.
        laid_over: what is spread evenly over the timesteps: the starts of the "steps" (DDIM, DDPM, PNDM, Euler; None = so), or all
            "borders", the end among them (DPM-Solver++, UniPC). The same for "trailing".
        whole_timesteps: whether "linspace" is rounded to whole timesteps, as by everyone but Euler and its like.
        karras: whether Karras' levels replace the spacing's own: between its first and last (Euler, Heun), or, laid over borders,
            between the path's own ends, whatever the spacing (DPM-Solver++, UniPC).
        ends_at_data: whether the last border is clean data, or else the first timestep's level (`set_alpha_to_one` false,
            `final_sigmas_type` "sigma_min"). A last step that would then lead nowhere is left out.
        original_steps: of how many evenly spaced timesteps "lcm" chooses its own; None = 50, as Luo 2023 distilled, or all.
        unit_start: whether a run starts from noise of deviation 1 (DDIM, DDPM, PNDM, DPM-Solver++, UniPC, LCM, and Euler on
            "leading", whose sqrt(1 + (sigma / alpha)^2) it is in this frame), or of the noise's share at the first level
            (k-diffusion, and Euler otherwise, whose sigma / alpha it is).
    """

    steps_offset: int | None = None
    laid_over: Literal["steps", "borders"] | None = None
    whole_timesteps: bool = False
    karras: bool = False
    ends_at_data: bool = True
    original_steps: int | None = None
    unit_start: bool = False

    def __post_init__(self) -> None:
        if self.steps_offset not in (None, 0, 1):
            raise ConfigError(f"Timesteps are offset by 0 or 1, but steps_offset={self.steps_offset} was given.")
        if self.laid_over not in (None, "steps", "borders"):
            raise ConfigError(f"Timesteps are laid over 'steps' or 'borders', but laid_over={self.laid_over!r} was given.")
        if self.original_steps is not None and self.original_steps < 1:
            raise ConfigError(f"LCM chooses from at least 1 step, but original_steps={self.original_steps} was given.")


_HEEDED: dict[str, set[str]] = {
    "uniform": {"unit_start"},
    "leading": {"unit_start", "ends_at_data", "karras", "laid_over", "steps_offset"},
    "trailing": {"unit_start", "ends_at_data", "karras", "laid_over"},
    "linspace": {"unit_start", "ends_at_data", "karras", "laid_over", "whole_timesteps"},
    "karras": {"unit_start"},
    "lcm": {"unit_start", "original_steps"},
}
"""What each spacing reads of a convention."""

SPACINGS = tuple(_HEEDED)
DISCRETE_SPACINGS = ("leading", "trailing", "linspace", "lcm")
"""Spacings over a path's own timesteps, for variance preserving paths alone."""


def make_schedule(
    path: Path, num_steps: int, spacing: str | None = None, *, shift: float = 1.0, convention: Convention | None = None
) -> Schedule:
    """The schedule of a full run.

    Args:
        spacing: "uniform" in t; "leading", "trailing" and "linspace" over a variance preserving path's own timesteps (Lin 2024,
            table 2); "karras" in (sigma / alpha)^(1/7) from the path's last timestep to its first (Karras 2022, eq. 5); "lcm"
            over the timesteps that a consistency model was distilled on (Luo 2023). None: "leading" as in the paper's released
            sampler for discrete paths, "uniform" otherwise.
        shift: moves the times of a run towards noise, t' = shift t / (1 + (shift - 1) t) (Esser 2024, eq. 23); 1 leaves them.
        convention: details of the layout; None = `Convention()`.

    Raises:
        ConfigError: for fewer than one step, more steps than timesteps, a spacing the path does not have, or a detail that the
            spacing does not.
    """
    discrete = isinstance(path, VariancePreserving)
    spacing = spacing or ("leading" if discrete else "uniform")
    convention = convention or Convention()
    if spacing not in SPACINGS:
        raise ConfigError(f"Unknown spacing {spacing!r}: {nearest(spacing, SPACINGS)}")
    if num_steps < 1:
        raise ConfigError(f"A run has at least 1 step, but num_steps={num_steps} was given.")
    _check_heeded(spacing, convention)
    if spacing == "uniform":
        times = torch.linspace(1.0, 0.0, num_steps + 1, dtype=torch.float64)
    elif isinstance(path, VariancePreserving):
        times = _discrete_times(path, num_steps, spacing, convention)
    elif spacing == "karras":
        times = _with_end(_karras_times(path, num_steps, 0.999, 0.002), 0.0)
    else:
        raise ConfigError(f"The spacing {spacing!r} is for paths with discrete timesteps: use uniform or karras.")
    return Schedule.along(path, shift * times / (1.0 + (shift - 1.0) * times), unit_start=convention.unit_start)


def relaid(path: Path, schedule: Schedule, step: int, num_steps: int) -> Schedule:
    """The schedule of a run that stands after `step` steps and is to have another number of them in all.

    The borders passed stay; those to come are spread along the same curve of times, down to the same end.

    Raises:
        ConfigError: when no step would be left.
    """
    if not step < num_steps or not step < schedule.num_steps:
        raise ConfigError(f"{step} of {schedule.num_steps} steps are done, so the run cannot have {num_steps} steps in all.")
    index = torch.linspace(step, schedule.num_steps, num_steps - step + 1, dtype=torch.float64)
    low = index.floor().clamp_max(schedule.num_steps - 1).long()
    done = torch.tensor([schedule.share(border) for border in range(schedule.num_steps + 1)], dtype=torch.float64)
    times, shares = (
        torch.cat([curve[:step], torch.lerp(curve[low], curve[low + 1], index - low)]) for curve in (schedule.times, done)
    )
    return replace(Schedule.along(path, times, unit_start=schedule.unit_start), shares=shares)


def _check_heeded(spacing: str, convention: Convention) -> None:
    for field in fields(convention):
        value = getattr(convention, field.name)
        if value != field.default and field.name not in _HEEDED[spacing]:
            raise ConfigError(
                f"The spacing {spacing!r} does not read {field.name}={value!r}: leave it out, or use another spacing."
            )


def _discrete_times(path: VariancePreserving, num_steps: int, spacing: str, convention: Convention) -> Tensor:
    total = path.num_timesteps
    if num_steps > total:
        raise ConfigError(f"This model has {total} timesteps, but num_steps={num_steps} was given: use at most {total}.")
    if spacing == "karras":
        return _with_end(_discrete_karras_times(path, num_steps, 1.0, 1.0 / total), 0.0)
    end = 0.0 if convention.ends_at_data else 1.0 / total
    if convention.karras and convention.laid_over == "borders":
        return _with_end(_discrete_karras_times(path, num_steps, 1.0, 1.0 / total), end)
    index = _timesteps(total, num_steps, spacing, convention)
    if not _falls(index):
        fewer = next(count for count in range(num_steps - 1, 0, -1) if _falls(_timesteps(total, count, spacing, convention)))
        raise ConfigError(
            f"{num_steps} steps do not fit into this model's {total} timesteps as this sampler lays them out: use at most {fewer}."
        )
    times = _times_at(path, index)
    if convention.karras:
        times = _discrete_karras_times(path, num_steps, float(times[0]), float(times[-1]))
    return _with_end(times, end)


def _falls(index: Tensor) -> bool:
    return bool((index.diff() < 0).all())


def _times_at(path: VariancePreserving, index: Tensor) -> Tensor:
    """Times of timesteps; between two of them sigma / alpha is interpolated, as Euler does, and not its logarithm."""
    total = path.num_timesteps
    low = index.floor()
    below, above = ((low + step + 1.0) / total for step in (0.0, 1.0))
    low_ratio, high_ratio = (path.sigma(times) / path.alpha(times) for times in (below, above.clamp_max(1.0)))
    return torch.where(index == low, below, path.time_at(torch.lerp(low_ratio, high_ratio, index - low)))


def _with_end(times: Tensor, end: float) -> Tensor:
    # a step that starts at the end leads nowhere
    return torch.cat([times[times > end], torch.tensor([end], dtype=torch.float64)])


def _timesteps(total: int, num_steps: int, spacing: str, convention: Convention) -> Tensor:
    """Where each step starts, as falling indices 0 .. total - 1."""
    if spacing == "lcm":
        return _distilled_timesteps(total, num_steps, convention.original_steps or min(50, total))
    # with the end among the points there is one more, the lowest, and no step starts there
    extra = 1 if convention.laid_over == "borders" else 0
    steps = torch.arange(num_steps + extra, dtype=torch.float64).flip(0)[:num_steps]
    if spacing == "leading":
        offset = 1 if convention.steps_offset is None else convention.steps_offset
        return (steps * (total // (num_steps + extra)) + offset).clamp_max(total - 1)
    if spacing == "trailing":
        # written so that ties, and what falls just beside one, round to the timesteps of the published layout
        stride = (total - total / num_steps) - total
        return (total + torch.arange(num_steps, dtype=torch.float64) * stride).round() - 1.0
    if num_steps + extra == 1:
        return torch.tensor([total - 1.0], dtype=torch.float64)
    index = steps * ((total - 1) / (num_steps + extra - 1))
    return index.round() if convention.whole_timesteps else index


def _distilled_timesteps(total: int, num_steps: int, original_steps: int) -> Tensor:
    if original_steps > total:
        raise ConfigError(f"This model has {total} timesteps, but original_steps={original_steps} was given.")
    if num_steps > original_steps:
        raise ConfigError(
            f"This spacing chooses from {original_steps} steps, but num_steps={num_steps} was given: use at most {original_steps}."
        )
    distilled = torch.arange(original_steps, 0, -1, dtype=torch.float64) * (total // original_steps) - 1.0
    chosen = torch.arange(num_steps, dtype=torch.float64) * (original_steps / num_steps)
    return distilled[chosen.long()]


def _karras_times(path: Path, num_steps: int, noisiest: float, cleanest: float, rho: float = 7.0) -> Tensor:
    """Times whose (sigma / alpha)^(1 / rho) fall evenly."""
    ends = torch.tensor([noisiest, cleanest], dtype=torch.float64)
    roots = (path.sigma(ends) / path.alpha(ends)) ** (1.0 / rho)
    times = path.time_at(torch.linspace(float(roots[0]), float(roots[1]), num_steps, dtype=torch.float64) ** rho)
    # the ends as given, not as rounded on the way through the ratios
    times[-1:] = ends[1]
    times[:1] = ends[0]
    return times


def _discrete_karras_times(path: VariancePreserving, num_steps: int, noisiest: float, cleanest: float) -> Tensor:
    start = torch.tensor([noisiest], dtype=torch.float64)
    if bool(path.alpha(start) > 0.0):
        return _karras_times(path, num_steps, noisiest, cleanest)
    # no ramp starts at an infinite ratio: the first step leads from pure noise to the timestep below
    return torch.cat([start, _karras_times(path, num_steps - 1, noisiest - 1.0 / path.num_timesteps, cleanest)])
