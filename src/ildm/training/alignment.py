"""Semantic alignment: while it learns to denoise, the U-Net also learns to say what lies where.

After representation alignment (Yu 2024, REPA), with the data's own maps in place of another network's features: to name what is at a
place under noise the network has to read the caption, so words are bound to things much earlier. The head is thrown away after training.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class SemanticHead(nn.Module):
    """Names the class of every cell from the U-Net's features.

    Args:
        channels: of the features.
        num_classes: the background among them.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.conv_out = nn.Conv2d(channels, num_classes, 1)

    def forward(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch num_classes height width"]:
        """The classes' logits."""
        return self.conv_out(self.norm(features))


def naming_loss(
    logits: Float[Tensor, "batch num_classes height width"], maps: Int[Tensor, "batch height width"]
) -> Float[Tensor, " batch"]:
    """The cross-entropy of every image in nats per cell, with the cells of things and those of the background weighing the same."""
    losses = F.cross_entropy(logits.float(), maps, reduction="none")  # (B, h, w)
    things = (maps > 0).float()
    shares = [kind / kind.sum(dim=(1, 2), keepdim=True).clamp(min=1.0) for kind in (things, 1.0 - things)]
    return 0.5 * (losses * (shares[0] + shares[1])).sum(dim=(1, 2))
