"""What it costs to denoise one batch of latents (Rombach 2022, eq. 3), and what is learned beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.dropout import drop_prompts
from ildm.conditioning.hint import Features, Hint, drop_features
from ildm.conditioning.text import TextConditioner
from ildm.core.share import WHOLE, Share
from ildm.core.types import Conditioning, Latent
from ildm.denoiser.unet import UNet
from ildm.diffusion.path import add_noise
from ildm.diffusion.prediction import target
from ildm.training.auxiliary import Auxiliary, AuxiliaryCosts
from ildm.training.grounding import Ground
from ildm.training.in_places import InPlaces
from ildm.training.precision import autocast
from ildm.training.stage_two_config import StageTwoConfig


@dataclass(frozen=True)
class CaptionedLatents:
    """What one step sees.

    Args:
        latents: (batch, channels, height, width), normalised.
        captions: one per latent.
        maps: (batch, height, width), the class of every latent's cell; only what is learned beside denoising needs them.
        features: (batch, features, rows, columns), what the hint is made of; only models with one need them.
    """

    latents: Latent
    captions: Sequence[str]
    maps: Int[Tensor, "batch height width"] | None = None
    features: Features | None = None


class Networks(nn.Module):
    """What stage two trains: the denoising network, what reads words, and what turns a hint into a conditioning."""

    def __init__(self, unet: UNet, conditioner: Conditioner | None, hint: Hint | None = None) -> None:
        super().__init__()
        self.unet = unet
        self.conditioner = conditioner
        self.hint = hint

    def condition(self, captions: Sequence[str], features: Features | None = None) -> Conditioning:
        """The conditioning of words and of a hint's features; empty where the networks take neither."""
        words = Conditioning() if self.conditioner is None else self.conditioner(captions)
        if self.hint is None:
            return words
        assert features is not None
        return words.beside(self.hint(features))


class Losses(NamedTuple):
    """What one batch costs.

    Args:
        denoising: the weighted squared error of the network's prediction.
        beside: what is learned together with it.
    """

    denoising: Float[Tensor, ""]
    beside: AuxiliaryCosts

    def weighted(self, config: StageTwoConfig, helped: float | Tensor = 1.0) -> Float[Tensor, ""]:
        """All together.

        Args:
            helped: see `StageTwoConfig.help_at`.
        """
        naming, grounding, placing = self.beside
        return self.denoising + helped * (config.alignment * naming + config.grounding * grounding) + config.placing * placing


def losses(
    networks: Networks,
    config: StageTwoConfig,
    batch: CaptionedLatents,
    random: torch.Generator,
    auxiliary: Auxiliary,
    ground: Ground | None = None,
    in_places: InPlaces | None = None,
    *,
    helped: bool = True,
    share: Share = WHOLE,
) -> Losses:
    """Eq. 3 on one batch, and what is learned beside it.

    Args:
        batch: its captions are dropped here at the configured rate.
        random: of times, noise and dropout, on the CPU.
        ground: binds prompts to places; needed where `auxiliary` is grounded.
        in_places: given in the steps in which words are read only where their things lie; nothing is grounded then.
        helped: see `Auxiliary.lesson`.
        share: which part of the step's whole batch `batch` is.
    """
    device = next(networks.parameters()).device
    latents = batch.latents
    prompts = drop_prompts(batch.captions, config.dropout, random, share)
    t = share.of(config.times.sample(share.count * len(latents), random)).double()
    noise = share.randn(latents.shape, random).to(device)
    features = None if batch.features is None else batch.features.to(device)
    if networks.hint is not None and features is not None:
        features = drop_features(networks.hint, features, networks.hint.config.dropout, random, share)
    latents = latents.to(device)
    noised = add_noise(config.path, latents, noise, t)
    wanted = target(config.path, config.prediction, latents, noise, t)
    grounding = None
    if auxiliary.is_grounded and in_places is None:
        assert ground is not None
        grounding = ground(prompts, batch.maps, (latents.shape[2], latents.shape[3])).to(device)
    lesson = auxiliary.lesson(grounding, None if batch.maps is None else batch.maps.to(device), helped=helped)
    with autocast(config.precision, device):
        time = config.path.network_time(t).to(noised)
        if in_places is None:
            conditioning = networks.condition(prompts, features)
        else:
            assert isinstance(networks.conditioner, TextConditioner) and networks.hint is None and batch.maps is not None
            conditioning = in_places(networks.conditioner, prompts, batch.maps, random, share)
        output, inner = networks.unet.look_inside(noised, time, conditioning, lesson.watch)
        beside = lesson.costs(inner, conditioning.context)
    error = (output.float() - wanted).square().mean(dim=(1, 2, 3))
    denoising = (config.weighting(config.path, config.prediction, t).to(error) * error).mean()
    return Losses(denoising, beside)
