"""From conditionings to what a sampler calls: plain guidance, or several prompts in one picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.masks import Grid
from ildm.core.types import Conditioning, Denoiser
from ildm.denoiser.guidance import Guided, GuidedUnder, Projection, Rescale, Told
from ildm.denoiser.regional import Blended, Parts, by_attention
from ildm.diffusion.path import Path
from ildm.diffusion.prediction import Prediction


@dataclass(frozen=True, kw_only=True)
class Guide:
    """A denoiser, and how it is guided.

    Args:
        model: its name, for people.
        path, prediction: what its network was trained on, and what it predicts.
        scale, interval, rescale: the guidance where a call does not say; see `Guided` and `Rescale`.
        told: the network was distilled with guidance: it is told the scale, and knows no negative prompt.
    """

    model: str
    denoiser: Denoiser
    path: Path
    prediction: Prediction
    scale: float
    interval: tuple[float, float] = (0.0, 1.0)
    rescale: float = 0.0
    told: bool = False

    def guided(
        self,
        negative: Conditioning,
        scale: float | Float[Tensor, "1 1 height width"] | None = None,
        *,
        rescale: float | None = None,
        projection: Projection | None = None,
    ) -> Guided:
        """The denoiser under classifier-free guidance, or told its scale.

        Args:
            scale: a number, or a map of the latent's positions, of which a network that is told gets the mean.
            rescale: how far the result's deviation is brought back to the positive one's, in [0, 1] (see `Rescale`).
            projection: see `Projection`; None = none.

        Raises:
            ConfigError: for a rescaling or projection where there is but one estimate.
        """
        scale = self.scale if scale is None else scale
        tamed = self._rescaled(rescale)
        if self.told:
            if tamed is not None or projection is not None:
                raise self.refuse_told("there is no second estimate to rescale or project by: leave that out")
            return Guided(Told(self.denoiser, float(torch.as_tensor(scale).mean()), self.interval), negative, 1.0)
        return Guided(self.denoiser, negative, scale, self.interval, projection, tamed)

    def follow(
        self,
        parts: Parts,
        mode: Literal["attention", "latent"],
        grid: Grid,
        *,
        rescale: float | None = None,
        projection: Projection | None = None,
    ) -> GuidedUnder | Blended:
        """What a sampler calls to draw parts, each where it belongs.

        Args:
            grid: (height, width) of the latent.
            rescale, projection: see `guided`.

        Raises:
            ConfigError: when that cannot be done.
        """
        parts = parts.merged()
        if self.told and rescale:
            raise self.refuse_told("there is no second estimate to rescale by: leave that out")
        if parts.weights is None or mode == "attention":
            positive, negative, scale, share = by_attention(parts, grid)
            if self.told and not (isinstance(share, float | int) and share == 1.0):
                guidance = sum(
                    value * much for value, much in zip(parts.guidances, parts.maps.mean(dim=(1, 2)).tolist(), strict=True)
                )
                return Guided(Told(self.denoiser, guidance, self.interval), negative, share, outside=share).under(positive)
            guided = self.guided(negative, scale, rescale=rescale, projection=projection)
            return replace(guided, outside=share).under(positive)
        if projection is not None:
            raise ConfigError("Projected guidance needs one difference, but mixed estimates have many: leave it out.")
        return Blended(self.denoiser, parts, grid, self.interval, self.told, self._rescaled(rescale))

    def refuse_told(self, what: str) -> ConfigError:
        """That a network which is told its scale cannot do something."""
        return ConfigError(f"The model {self.model!r} is told its guidance scale and evaluated once, so {what}.")

    def _rescaled(self, strength: float | None) -> Rescale | None:
        strength = self.rescale if strength is None else strength
        return Rescale(path=self.path, prediction=self.prediction, strength=strength) if strength else None
