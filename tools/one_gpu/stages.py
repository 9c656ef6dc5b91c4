"""One step of each stage as a function of tensors alone: no prompts, no CPU, nothing that changes shape."""

from __future__ import annotations

import torch
from telling import condition
from torch import Tensor, nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.training.alignment import SemanticHead, naming_loss
from ildm.training.stage_two import Networks


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
    """The velocity's squared error on the straight path, and how badly the network names what lies where.

    As in `ildm.training.stage_two`.

    Args:
        head: None = nothing is named.
    """

    def __init__(self, networks: Networks, head: SemanticHead | None) -> None:
        super().__init__()
        self.networks, self.head = networks, head

    def forward(
        self, latents: Tensor, tokens: Tensor, mask: Tensor, features: Tensor, maps: Tensor, t: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The two losses of a batch; `t` is (batch,), `mask` True where a token is real."""
        share = t[:, None, None, None]
        noised = (1.0 - share) * latents + share * noise
        naming = torch.zeros((), device=latents.device)
        with torch.autocast(latents.device.type, torch.bfloat16):
            conditioning = condition(self.networks, tokens, mask, features)
            if self.head is None:
                output = self.networks.unet(noised, 1000.0 * t, conditioning)
            else:
                output, inner = self.networks.unet.look_inside(noised, 1000.0 * t, conditioning)
                naming = naming_loss(self.head(inner), maps).mean()
        error = (output.float() - (noise - latents)).square().mean()
        return error, naming
