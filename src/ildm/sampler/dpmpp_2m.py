"""DPM-Solver++ (2M): second order from one evaluation a step (Lu 2022b, algorithm 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.types import Latent
from ildm.diffusion.published import Manner
from ildm.sampler.base import Move, Sampler, denoise_at
from ildm.sampler.multistep import Estimate, from_history, log_snr, to_history
from ildm.sampler.state import Denoise, SamplerState

SolverType = Literal["midpoint", "heun"]
SHORT_RUN = 15
"""Runs of fewer steps end on a first-order step when `lower_order_final` is set (the authors' released solver)."""


@dataclass(frozen=True)
class DPMpp2M(Sampler):
    """Exponential integrator in the log-SNR, extrapolating the data estimate from the last two steps.

    First order where the log-SNR jumps infinitely: from alpha = 0, to sigma = 0, and on the first step. The history holds the
    former data estimate and the (alpha, sigma) it was made at, so a schedule may change between steps.

    Args:
        order: 2, or 1 to leave the former estimate out.
        solver_type: how the estimates' slope is integrated, "midpoint" (Lu 2022b, eq. 19) or "heun" (its integral exactly).
        lower_order_final: whether the last step of a run of fewer than 15 steps is first order even where sigma stays above 0.
    """

    manner: ClassVar[Manner] = "dpm-solver"

    order: int = 2
    solver_type: SolverType = "midpoint"
    lower_order_final: bool = True

    def __post_init__(self) -> None:
        check_solver(self.order, self.solver_type)

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """One evaluation; Lu 2022b, eq. 19 written in (alpha, sigma), finite at alpha = 0."""
        data = denoise_at(denoise, state.latent, move.t)
        order_one = self.order == 1 or ends_first_order(state, move, self.lower_order_final)
        extrapolated = data if order_one else extrapolate(state, move, data, self.solver_type)
        return exponential_move(state.latent, move, extrapolated), data, to_history([Estimate.at_start(move, data)])


def check_solver(order: int, solver_type: str) -> None:
    """Check that there is such an order, and such a way to integrate.

    Raises:
        ConfigError: when there is not.
    """
    if order not in (1, 2):
        raise ConfigError(f"The order of DPM-Solver++ (2M) is 1 or 2, but {order} was given.")
    if solver_type not in ("midpoint", "heun"):
        raise ConfigError(f"DPM-Solver++ integrates by 'midpoint' or 'heun', but solver_type={solver_type!r} was given.")


def ends_first_order(state: SamplerState, move: Move, lower_order_final: bool) -> bool:
    """Whether the coming step is first order because it is the last."""
    num_steps = state.schedule.num_steps
    return move.sigma_s == 0.0 or (lower_order_final and num_steps < SHORT_RUN and state.step == num_steps - 1)


def exponential_move(latent: Latent, move: Move, data: Latent, eta: float = 0.0) -> Latent:
    """Follow a constant data estimate; with `eta` > 0, the mean of the stochastic move (Lu 2022b, SDE-DPM-Solver++).

    With `h` the log-SNR's rise, `sigma_s / sigma_t * exp(-eta h)` of the latent is kept. `exp(-h)` is written as a quotient of
    the levels, so the move is finite at alpha = 0.
    """
    ratio = move.sigma_s / move.sigma_t * shrinkage(move) ** eta
    return ratio * latent + (move.alpha_s - ratio * move.alpha_t) * data


def shrinkage(move: Move) -> float:
    """exp(-h): by how much the move shrinks sigma / alpha, in [0, 1)."""
    return (move.sigma_s * move.alpha_t) / (move.sigma_t * move.alpha_s)


def extrapolate(state: SamplerState, move: Move, data: Latent, solver_type: SolverType, eta: float = 0.0) -> Latent:
    """The data estimate that is constant over the coming move in effect: this one and its slope since the former step."""
    formers = from_history(state.history)
    if not formers:
        return data
    here = log_snr(move.alpha_t, move.sigma_t)
    step = log_snr(move.alpha_s, move.sigma_s) - here
    share = 0.5
    if solver_type == "heun":
        # the integral of the slope relative to that of a constant, both under exp((1 + eta) lambda)
        rise = (1.0 + eta) * step
        share = 1.0 / -math.expm1(-rise) - 1.0 / rise
    # none from alpha = 0, infinitely far off
    weight = share * step / (here - formers[0].log_snr)
    return (1.0 + weight) * data - weight * formers[0].data
