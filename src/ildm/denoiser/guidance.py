"""Guidance: denoisers made from denoisers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.shapes import per_sample
from ildm.core.types import Conditioning, Denoiser, Latent, Memory, Times
from ildm.diffusion.path import Path
from ildm.diffusion.prediction import Prediction, convert, data_estimate


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Adaptive projected guidance (Sadat 2024, algorithm 1), on data estimates, one sample at a time.

    The difference between the two estimates is averaged over the steps, shortened where it is long, and loses what points along
    the positive estimate, which is what over-saturates.

    Args:
        eta: how much of the part along the positive estimate is kept; 0 as published, 1 keeps the difference whole.
        norm_threshold: the longest difference, as an L2 norm over a sample's latent; 15 as published for Stable Diffusion XL; 0 =
            any length is left as it is.
        momentum: the weight in (-1, 1) of the former running difference; -0.5 as published for Stable Diffusion XL. Other than 0 it
            needs a memory: see `Guided.under`.
    """

    eta: float = 0.0
    norm_threshold: float = 15.0
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if not -1.0 < self.momentum < 1.0:
            raise ConfigError(f"Guidance momentum lies between -1 and 1, but {self.momentum} was given.")
        if self.norm_threshold < 0.0:
            raise ConfigError(f"A norm threshold is 0 or more, but {self.norm_threshold} was given.")

    def remember(self, difference: Latent, memory: Memory) -> Memory:
        """The running difference with a new one taken in; nothing without momentum."""
        if self.momentum == 0.0:
            return ()
        return (difference + self.momentum * memory[0],) if memory else (difference,)

    def project(self, difference: Latent, positive: Latent) -> Latent:
        """What is left of a difference beside the positive estimate."""
        if self.norm_threshold > 0.0:
            difference = difference * (self.norm_threshold / _norm(difference).clamp_min(1e-12)).clamp_max(1.0)
        direction = positive / _norm(positive).clamp_min(1e-12)
        along = (difference * direction).sum(dim=(1, 2, 3), keepdim=True) * direction
        return difference - (1.0 - self.eta) * along


@dataclass(frozen=True, kw_only=True)
class Rescale:
    """Bring the guided output back to the deviation of the positive one (Lin 2024, sec. 3.4), against over-exposure.

    Args:
        path: what the network was trained on.
        prediction: what it predicts; deviations are compared there, as published, not on data estimates.
        strength: phi in [0, 1], from the guided output as it is to the wholly rescaled one; 0.7 as published.
    """

    path: Path
    prediction: Prediction
    strength: float = 0.7

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 1.0:
            raise ConfigError(f"Guidance is rescaled by a strength in [0, 1], but {self.strength} was given.")

    def rescale(self, guided: Latent, positive: Latent, noised: Latent, t: Times) -> Latent:
        """The guided data estimate, its output's deviation moved towards the positive output's."""
        output, reference = (
            convert(self.path, data, noised, t, source="data", to=self.prediction) for data in (guided, positive)
        )
        deviation, wanted = (part.std(dim=(1, 2, 3), keepdim=True) for part in (output, reference))
        # an output without any deviation has nothing to rescale
        ratio = torch.where(deviation > 0.0, wanted / deviation, 1.0)
        factor = self.strength * ratio + (1.0 - self.strength)
        return data_estimate(self.path, self.prediction, factor * output, noised, t)


@dataclass(frozen=True)
class Guided:
    """Classifier-free guidance (Ho & Salimans 2022) within an interval of times (Kynkaanniemi 2024).

    `data = negative + scale * (positive - negative)`; both halves go through the network as one batch.

    Args:
        denoiser: estimates the data under any conditioning.
        negative: what to move away from; one sample, or as many as will be denoised.
        scale: 1 follows the conditioning as it is; higher exaggerates it. A number, or a map of the latent's positions.
        interval: (low, high) times within which guidance acts; outside, `outside` is the scale.
        outside: 1 = there the conditioning alone decides.
        projection: how the difference is tamed; None = it is not.
        rescale: how the result's deviation is tamed; None = it is not.
    """

    denoiser: Denoiser
    negative: Conditioning
    scale: float | Float[Tensor, "1 1 height width"]
    interval: tuple[float, float] = (0.0, 1.0)
    projection: Projection | None = None
    rescale: Rescale | None = None
    outside: float | Float[Tensor, "1 1 height width"] = 1.0
    _joined: list[tuple[Conditioning, Conditioning]] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_interval(self.interval)

    def __call__(self, noised: Latent, t: Times, conditioning: Conditioning) -> Latent:
        """The guided data estimate.

        Raises:
            ConfigError: with momentum, which a call by itself cannot have.
        """
        if self.projection is not None and self.projection.momentum != 0.0:
            raise ConfigError("Guidance with momentum remembers former steps: give a sampler `guided.under(conditioning)`.")
        return self.recall(noised, t, conditioning, ())[0]

    def under(self, conditioning: Conditioning) -> GuidedUnder:
        """This guidance with its conditioning filled in, as samplers call it; the state of a run carries the memory."""
        return GuidedUnder(self, conditioning)

    def recall(self, noised: Latent, t: Times, conditioning: Conditioning, memory: Memory) -> tuple[Latent, Memory]:
        """The guided data estimate, and the memory after it; where guidance does not act, the memory stays."""
        low, high = self.interval
        acts = (t >= low) & (t <= high)
        scale, outside = _ready(self.scale, noised), _ready(self.outside, noised)
        if _is_one(outside) and (_is_one(scale) or not bool(acts.any())):
            return self.denoiser(noised, t, conditioning.expand(noised.shape[0])), memory
        both = self._join(conditioning, noised.shape[0])
        positive, negative = self.denoiser(torch.cat([noised, noised]), torch.cat([t, t]), both).chunk(2)
        plain = positive if _is_one(outside) else torch.lerp(negative, positive, outside)
        if not bool(acts.any()):
            return plain, memory
        if self.projection is None:
            guided, memory = torch.lerp(negative, positive, scale), ()
        else:
            memory = self.projection.remember(positive - negative, memory)
            difference = memory[0] if memory else positive - negative
            guided = positive + (scale - 1.0) * self.projection.project(difference, positive)
        if self.rescale is not None:
            guided = self.rescale.rescale(guided, plain, noised, t)
        if not bool(acts.all()):
            guided = torch.where(per_sample(acts, guided).to(guided.device), guided, plain)
        return guided, memory

    def _join(self, conditioning: Conditioning, batch: int) -> Conditioning:
        # the same value step after step lets the network keep the context's keys and values
        if not self._joined or self._joined[0][0] is not conditioning:
            both = Conditioning.cat([conditioning.expand(batch), self.negative.expand(batch)])
            self._joined[:] = [(conditioning, both)]
        return self._joined[0][1]


@dataclass(frozen=True)
class Told:
    """A denoiser whose network was distilled with guidance (Meng 2023, sec. 3.1): it is told the scale, and evaluated once.

    Args:
        denoiser: of a network that takes `Conditioning.guidance`.
        scale: see `Guided`.
        interval: see `Guided`; outside, the scale that is told is 1.
    """

    denoiser: Denoiser
    scale: float
    interval: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        _check_interval(self.interval)

    def __call__(self, noised: Latent, t: Times, conditioning: Conditioning) -> Latent:
        """The data estimate as if guided by the scale."""
        low, high = self.interval
        scales = torch.where((t >= low) & (t <= high), self.scale, 1.0).float()
        return self.denoiser(noised, t, replace(conditioning, guidance=scales))


@dataclass(frozen=True)
class GuidedUnder:
    """Guidance under one conditioning: (noised, t) -> data estimate, with the memory handed in and out."""

    guided: Guided
    conditioning: Conditioning

    def __call__(self, noised: Latent, t: Times) -> Latent:
        """The guided data estimate; see `Guided`."""
        return self.guided(noised, t, self.conditioning)

    def recall(self, noised: Latent, t: Times, memory: Memory) -> tuple[Latent, Memory]:
        """The guided data estimate, and what to remember from now on."""
        return self.guided.recall(noised, t, self.conditioning, memory)


def _ready(scale: float | Tensor, like: Tensor) -> float | Tensor:
    return scale.to(like) if isinstance(scale, Tensor) else scale


def _is_one(scale: float | Tensor) -> bool:
    return not isinstance(scale, Tensor) and scale == 1.0


def _check_interval(interval: tuple[float, float]) -> None:
    low, high = interval
    if not 0.0 <= low <= high <= 1.0:
        raise ConfigError(f"A guidance interval is two rising times in [0, 1], but {interval} was given.")


def _norm(latent: Latent) -> Tensor:
    return torch.linalg.vector_norm(latent, dim=(1, 2, 3), keepdim=True)
