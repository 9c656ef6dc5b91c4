"""What stage one minimises (Rombach 2022, appendix G; Esser 2021, eq. 7).

`nll = sum((|x - x_hat| + perceptual) / e^logvar + logvar)` over the pixels of a sample, plus a small bottleneck penalty, plus
`w * (-mean D(x_hat))` once the discriminator takes part, where `w` balances the two gradients at the decoder's last layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ildm.autoencoder.backbones import BackboneName
from ildm.autoencoder.perceptual import PerceptualDistance
from ildm.core.errors import ConfigError
from ildm.core.types import Image

MOST_MAGNIFIED = 8


@dataclass(frozen=True, kw_only=True)
class ReconstructionLossConfig:
    """Weights of stage one's loss.

    Args:
        backbone: of the perceptual term; "none" leaves it out.
        perceptual_weight: of the perceptual distance beside the absolute error.
        magnification: how many times larger the backbone is shown the images, 1 to `MOST_MAGNIFIED`; 2 suits pictures of 128 pixels.
        penalty_weight: of the bottleneck's penalty.
        discriminator_weight: times the adaptive weight; 0 = no discriminator.
        discriminator_start: the step at which it begins to act.
        discriminator_ramp: steps over which its weight then grows to full; a sudden start can ruin reconstructions.
    """

    backbone: BackboneName = "squeezenet"
    perceptual_weight: float = 1.0
    magnification: int = 1
    penalty_weight: float = 1e-6
    discriminator_weight: float = 0.5
    discriminator_start: int = 50_001
    discriminator_ramp: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.magnification <= MOST_MAGNIFIED:
            raise ConfigError(
                f"stage_one.loss.magnification is a whole number from 1 to {MOST_MAGNIFIED}, but {self.magnification} was given: "
                "take 2, say."
            )

    def discriminator_scale(self, step: int) -> float:
        """The share of `discriminator_weight` in force at `step`: 0 before the start, then ramped to 1."""
        if self.discriminator_weight == 0 or step < self.discriminator_start:
            return 0.0
        if self.discriminator_ramp == 0:
            return 1.0
        return min(1.0, (step - self.discriminator_start + 1) / self.discriminator_ramp)


class NegativeLogLikelihood(nn.Module):
    """Absolute plus perceptual error under a learned output scale.

    `logvar` is one learned scalar; it must be given to the optimizer together with the autoencoder.
    """

    def __init__(self, perceptual: PerceptualDistance | None, perceptual_weight: float = 1.0) -> None:
        super().__init__()
        self.perceptual = perceptual
        self.perceptual_weight = perceptual_weight
        self.logvar = nn.Parameter(torch.zeros(()))

    def forward(self, reconstructions: Image, images: Image) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The loss, summed over a sample and averaged over the batch, and its parts (averaged over pixels) for the log."""
        absolute = (images - reconstructions).abs()
        error, parts = absolute, {"absolute": absolute.mean().detach()}
        if self.perceptual is not None:
            distance = self.perceptual(reconstructions, images)
            # The distance of a sample counts at each of its pixels, which balances it against their sum.
            error = error + self.perceptual_weight * distance.reshape(-1, 1, 1, 1)
            parts["perceptual"] = distance.mean().detach()
        likelihood = error / self.logvar.exp() + self.logvar
        parts["logvar"] = self.logvar.detach()
        return likelihood.sum() / images.shape[0], parts


def adaptive_weight(
    reconstructions: Image,
    likelihood: Image,
    generator: Image,
    last_layer: Float[Tensor, "..."],
    mean: Callable[[Tensor], Tensor] | None = None,
) -> Float[Tensor, ""]:
    """How strongly the generator term may pull: the ratio of both gradients at the last layer (Esser 2021, eq. 7).

    Args:
        reconstructions: the decoder's output, still in the graph of `last_layer`.
        likelihood, generator: the gradients of both terms with respect to the reconstructions.
        last_layer: the weight at which they are compared.
        mean: over the processes that each have a part of the batch; None = one has it all.

    Returns:
        `|grad likelihood| / (|grad generator| + 1e-4)` at that weight, clamped to [0, 1e4], without gradient.
    """
    sizes = []
    for at_output in (likelihood, generator):
        (gradient,) = torch.autograd.grad(reconstructions, last_layer, at_output, retain_graph=True)
        sizes.append((gradient if mean is None else mean(gradient)).norm())
    return (sizes[0] / (sizes[1] + 1e-4)).clamp(0.0, 1e4)


def hinge_loss(real: Float[Tensor, "..."], fake: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """The discriminator's loss on its logits (Lim & Ye 2017)."""
    return 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean())


def discriminator_accuracy(real: Float[Tensor, "..."], fake: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """The share of patches judged rightly: 0.5 is guessing, near 1 a discriminator that has won."""
    return 0.5 * ((real > 0).float().mean() + (fake < 0).float().mean())
