"""One step of each stage as a function of tensors alone: no prompts, no CPU, nothing that changes shape."""

from __future__ import annotations

import torch
from telling import condition, ground
from torch import Tensor, nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.training.alignment import SemanticHead, naming_loss
from ildm.training.grounding import GroundingLoss
from ildm.training.stage_two import Losses, Networks


class StageOneLoss(nn.Module):
    """The absolute error under a learned scale, and the bottleneck's penalty, as in `ildm.training.stage_one`."""

    def __init__(self, autoencoder: Autoencoder, penalty_weight: float) -> None:
        super().__init__()
        self.autoencoder, self.penalty_weight = autoencoder, penalty_weight
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
        error = (rebuilt.float() - images).abs()
        return (error / self.logvar.exp() + self.logvar).sum() / len(images)

    def forward(self, pixels: Tensor, noise: Tensor) -> Tensor:
        """The loss of pixels (batch, 3, height, width), 0 to 255."""
        images, raw, penalty = self.encode(pixels, noise)
        return self.error(raw, images) + self.penalty_weight * penalty


class StageTwoLoss(nn.Module):
    """The velocity's squared error on the straight path, and what it is helped by: naming what lies where, and looking at its words.

    As in `ildm.training.stage_two`.

    Args:
        head: None = nothing is named.
        grounded: whether cross-attention is taught.
    """

    def __init__(self, networks: Networks, head: SemanticHead | None, *, grounded: bool) -> None:
        super().__init__()
        self.networks, self.head, self.grounded = networks, head, grounded

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
        naming = grounding = torch.zeros((), device=latents.device)
        watch = GroundingLoss(ground(self.networks, tokens, named, mask, maps)) if self.grounded else None
        with torch.autocast(latents.device.type, torch.bfloat16):
            conditioning = condition(self.networks, tokens, mask, features)
            output, inner = self.networks.unet.look_inside(noised, 1000.0 * t, conditioning, watch)
            if self.head is not None:
                naming = naming_loss(self.head(inner), maps).mean()
            if watch is not None:
                grounding = watch.mean()
        return Losses((output.float() - (noise - latents)).square().mean(), naming, grounding)
