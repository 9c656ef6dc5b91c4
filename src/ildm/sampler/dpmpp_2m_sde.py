"""DPM-Solver++ (2M) of the reverse SDE: second order in the mean, with fresh noise at every step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.types import Latent
from ildm.diffusion.published import Manner
from ildm.sampler.base import Move, Sampler, denoise_at, step_noise
from ildm.sampler.dpmpp_2m import (
    SolverType,
    check_solver,
    ends_first_order,
    exponential_move,
    extrapolate,
    shrinkage,
)
from ildm.sampler.multistep import Estimate, to_history
from ildm.sampler.state import Denoise, SamplerState


@dataclass(frozen=True)
class DPMpp2MSDE(Sampler):
    """SDE-DPM-Solver++ (2M) (Lu 2022b), with the midpoint step that k-diffusion made common.

    The exact solution adds the Brownian motion's increment over the step's own stretch of log-SNR. Increments of consecutive
    stretches are independent, so each step's own unit normal stands in for its increment; unlike a Brownian tree's, it is not
    the same noise when the run is cut into other steps. First order where `DPMpp2M` is.

    Args:
        eta: how much of the noise is renewed; 1 is the reverse SDE, 0 is `DPMpp2M`; 0 or more.
        order: see `DPMpp2M`.
        solver_type: see `DPMpp2M`.
        lower_order_final: see `DPMpp2M`.
    """

    manner: ClassVar[Manner] = "dpm-solver"

    eta: float = 1.0
    order: int = 2
    solver_type: SolverType = "midpoint"
    lower_order_final: bool = True

    def __post_init__(self) -> None:
        check_solver(self.order, self.solver_type)
        if not 0.0 <= self.eta < math.inf:
            raise ConfigError(f"DPM-Solver++'s eta is 0 or more, but {self.eta} was given.")

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """One evaluation, a second-order move of the mean, and noise up to the level sigma_s."""
        data = denoise_at(denoise, state.latent, move.t)
        order_one = self.order == 1 or ends_first_order(state, move, self.lower_order_final)
        extrapolated = data if order_one else extrapolate(state, move, data, self.solver_type, self.eta)
        latent = exponential_move(state.latent, move, extrapolated, self.eta)
        if self.eta > 0.0 and move.sigma_s > 0.0:
            latent = latent + move.sigma_s * (1.0 - shrinkage(move) ** (2.0 * self.eta)) ** 0.5 * step_noise(state)
        return latent, data, to_history([Estimate.at_start(move, data)])
