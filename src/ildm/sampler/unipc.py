"""UniPC: a predictor and a corrector that share one evaluation a step (Zhao 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.types import Latent
from ildm.diffusion.published import Manner
from ildm.sampler.base import Move, Sampler, denoise_at
from ildm.sampler.multistep import Estimate, from_history, log_snr, to_history
from ildm.sampler.state import Denoise, SamplerState


@dataclass(frozen=True)
class UniPC(Sampler):
    """Multistep UniPC on the data estimate (Zhao 2023, sec. 3, B(h) version).

    The estimate made at the start of a step first corrects the move that led there, then predicts the next one; the last
    prediction stays uncorrected, and so does what was put into the latent between two steps. First order to sigma = 0, and from
    alpha = 0, where an infinite stretch of log-SNR has no slope.
    The history holds the latest corrected latent, then the former estimates with their levels.

    Args:
        order: of the predictor, 1 to 3; the corrector adds one. 2 suits guided drawing, 3 unguided.
        solver_type: the function B(h), "bh1" for h or "bh2" for exp(h) - 1.
        lower_order_final: whether the order falls to 1 towards the end of the run, which steadies runs of few steps.
    """

    manner: ClassVar[Manner] = "dpm-solver"

    order: int = 2
    solver_type: Literal["bh1", "bh2"] = "bh2"
    lower_order_final: bool = True

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise ConfigError(f"UniPC's order is 1, 2 or 3, but {self.order} was given.")
        if self.solver_type not in ("bh1", "bh2"):
            raise ConfigError(f"UniPC's solver_type is 'bh1' or 'bh2', but {self.solver_type!r} was given.")

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """One evaluation, which corrects the former move and predicts the next."""
        data = denoise_at(denoise, state.latent, move.t)
        here = Estimate.at_start(move, data)
        formers = from_history(state.history[1:])
        latent = self._correct(state, formers, here) if formers else state.latent
        order = 1 if move.sigma_s == 0.0 else self._order_at(state, state.step)
        slopes = [former for former in formers if former.has_slope][: order - 1]
        predicted = self._move(latent, here, move.alpha_s, move.sigma_s, slopes)
        return predicted, data, (latent, *to_history([here, *formers][: self.order]))

    def _correct(self, state: SamplerState, formers: list[Estimate], here: Estimate) -> Latent:
        base, *older = formers
        if not base.has_slope and self.solver_type == "bh1":
            return state.latent  # h is infinite there, and bh1 weighs by it
        slopes = [former for former in older if former.has_slope][: self._order_at(state, state.step - 1) - 1]
        predicted, corrected = (
            self._move(state.history[0], base, here.alpha, here.sigma, others) for others in (slopes, [*slopes, here])
        )
        # where the latent is not what was predicted somebody has put something else there, and that is led on from
        return torch.where(state.latent == predicted, corrected, state.latent)

    def _order_at(self, state: SamplerState, step: int) -> int:
        return min(self.order, state.schedule.num_steps - step) if self.lower_order_final else self.order

    def _move(self, latent: Latent, base: Estimate, alpha: float, sigma: float, others: list[Estimate]) -> Latent:
        """From `base`'s level to (alpha, sigma), by the base estimate and its differences to others (Zhao 2023, UniP and UniC)."""
        ratio = sigma / base.sigma
        by_data = alpha - ratio * base.alpha
        moved = ratio * latent + by_data * base.data
        if not others:
            return moved
        step = log_snr(alpha, sigma) - base.log_snr
        # -alpha B(-h)
        by_slope = by_data if self.solver_type == "bh2" else alpha * step
        places = [1.0 if math.isinf(step) else (other.log_snr - base.log_snr) / step for other in others]
        for other, place, weight in zip(others, places, self._weights(places, step), strict=True):
            moved = moved + by_slope * weight / place * (other.data - base.data)
        return moved

    def _weights(self, places: list[float], step: float) -> list[float]:
        """What makes the move exact for polynomials (Zhao 2023, theorem 3.1, -h for h); one difference alone weighs 1/2."""
        if len(places) == 1:
            return [0.5]
        scale = math.expm1(-step) if self.solver_type == "bh2" else -step
        # phi_1(-h), then by recursion phi_k+1 = (phi_k - 1 / k!) / -h
        phi, sums = math.expm1(-step) / -step, list[float]()
        for k in range(1, len(places) + 1):
            phi = (phi - 1.0 / math.factorial(k)) / -step
            sums.append(-step * phi * math.factorial(k) / scale)
        powers = torch.tensor([[place**k for place in places] for k in range(len(places))], dtype=torch.float64)
        return [float(weight) for weight in powers.inverse() @ torch.tensor(sums, dtype=torch.float64)]
