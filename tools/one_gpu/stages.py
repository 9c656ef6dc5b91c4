"""One step of each stage as a function of tensors alone: no prompts, no CPU, nothing that changes shape."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from telling import condition, ground, read
from torch import Tensor, nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.perceptual import PerceptualDistance
from ildm.conditioning.text import TextConditioner
from ildm.core.masks import Grid
from ildm.core.types import Conditioning
from ildm.denoiser.attended import Attended, token_mask
from ildm.denoiser.attention import project
from ildm.training.auxiliary import Auxiliary, AuxiliaryCosts
from ildm.training.denoising import Losses, Networks

_THING = 20  # tokens that are read of what is said of a thing: of 4,000 scenes the longest has 17


class StageOneLoss(nn.Module):
    """The error under a learned scale, and the bottleneck's penalty, as in `ildm.training.stage_one`.

    Args:
        perceptual: counts `perceptual_weight` times beside the absolute error; None = that alone.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        penalty_weight: float,
        perceptual: PerceptualDistance | None = None,
        perceptual_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.autoencoder, self.penalty_weight = autoencoder, penalty_weight
        self.perceptual, self.perceptual_weight = perceptual, perceptual_weight
        self.logvar = nn.Parameter(torch.zeros(()))

    def encode(self, pixels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images in [-1, 1], raw latents drawn with `noise`, and what the bottleneck charges."""
        images = pixels.float() / 127.5 - 1.0
        with torch.autocast(pixels.device.type, torch.bfloat16):
            posterior = self.autoencoder.posterior(images)
        raw = posterior.sample(noise)
        return images, raw, posterior.penalty().float().mean()

    def error(self, raw: Tensor, images: Tensor) -> Tensor:
        """The likelihood's part of the loss."""
        with torch.autocast(images.device.type, torch.bfloat16):
            rebuilt = self.autoencoder.reconstruct(raw)
            distance = None if self.perceptual is None else self.perceptual(rebuilt, images)
        error = (rebuilt.float() - images).abs()
        if distance is not None:
            error = error + self.perceptual_weight * distance.float()[:, None, None, None]
        return (error / self.logvar.exp() + self.logvar).sum() / len(images)

    def forward(self, pixels: Tensor, noise: Tensor) -> Tensor:
        """The loss of pixels (batch, 3, height, width), 0 to 255."""
        images, raw, penalty = self.encode(pixels, noise)
        return self.error(raw, images) + self.penalty_weight * penalty


class StageTwoLoss(nn.Module):
    """The velocity's squared error on the straight path, and what is learned beside it, as in `ildm.training.denoising`.

    Args:
        helped: whether naming and grounding count at all.
    """

    def __init__(self, networks: Networks, auxiliary: Auxiliary, *, helped: bool) -> None:
        super().__init__()
        self.networks, self.auxiliary, self.helped = networks, auxiliary, helped

    def forward(
        self,
        latents: Tensor,
        tokens: Tensor,
        named: Tensor,
        mask: Tensor,
        features: Tensor,
        maps: Tensor,
        t: Tensor,
        noise: Tensor,
    ) -> Losses:
        """The losses of a batch; `t` is (batch,), `mask` True where a token is real, `named` what it names."""
        share = t[:, None, None, None]
        noised = (1.0 - share) * latents + share * noise
        grounding = ground(self.networks, tokens, named, mask, maps) if self.auxiliary.is_grounded else None
        lesson = self.auxiliary.lesson(grounding, maps, helped=self.helped)
        with torch.autocast(latents.device.type, torch.bfloat16):
            conditioning = condition(self.networks, tokens, mask, features)
            output, inner = self.networks.unet.look_inside(noised, 1000.0 * t, conditioning, lesson.watch)
            beside = lesson.costs(inner, conditioning.context)
        return Losses((output.float() - (noise - latents)).square().mean(), beside)


class InPlacesLoss(nn.Module):
    """The velocity's squared error where each text acts in its own area, as in `ildm.training.in_places`; nothing is named.

    Args:
        grids: (height, width) of every level.
    """

    def __init__(self, networks: Networks, grids: Sequence[Grid]) -> None:
        super().__init__()
        self.networks, self.grids = networks, list(grids)

    def forward(self, latents: Tensor, spoken: Tensor, mask: Tensor, areas: Tensor, t: Tensor, noise: Tensor) -> Losses:
        """The losses of a batch.

        Args:
            spoken, mask: (batch, texts, length), the ground's first; True where a token is real.
            areas: (batch, texts, places of all levels, the finest first).
        """
        unet, reader = self.networks.unet, self.networks.conditioner
        assert isinstance(reader, TextConditioner)
        share = t[:, None, None, None]
        noised = (1.0 - share) * latents + share * noise
        areas = areas.float() / areas.float().sum(dim=1, keepdim=True)  # they were kept roughly
        levels = areas.split([rows * columns for rows, columns in self.grids], dim=2)
        much = levels[0].mean(dim=2)  # they sum to one
        mask = torch.cat([mask[:, :1], mask[:, 1:] & (torch.arange(mask.shape[2], device=mask.device) < _THING)], dim=1)
        with torch.autocast(latents.device.type, torch.bfloat16):
            context, pooled = self._read(reader, spoken, mask)
            whole = (much[..., None] * pooled).sum(dim=1)
            attended = Attended(
                project(unet.cross_attentions(), context.flatten(0, 1)),
                token_mask(mask),
                {grid: level.flatten(0, 1)[..., None] for grid, level in zip(self.grids, levels, strict=True)},
                counts=(spoken.shape[1],) * len(spoken),
            )
            embedding = unet.embed(1000.0 * t, Conditioning(pooled=whole), noised.dtype)
            output = unet.predict(noised, embedding, attended)
        nothing = torch.zeros((), device=latents.device)
        return Losses((output.float() - (noise - latents)).square().mean(), AuxiliaryCosts(nothing, nothing, nothing))

    def _read(self, reader: TextConditioner, spoken: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Context (batch, texts, length, width) and pooled vectors (batch, texts, width). Of things less is said than of the ground."""
        ground, pooled = read(reader, spoken[:, 0], mask[:, 0])
        things, each = read(reader, spoken[:, 1:, :_THING].flatten(0, 1), mask[:, 1:, :_THING].flatten(0, 1))
        things = nn.functional.pad(things, (0, 0, 0, ground.shape[1] - things.shape[1])).unflatten(0, (len(spoken), -1))
        return torch.cat([ground[:, None], things], dim=1), torch.cat(
            [pooled[:, None], each.unflatten(0, (len(spoken), -1))], dim=1
        )
