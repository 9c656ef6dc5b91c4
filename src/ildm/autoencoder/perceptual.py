"""How different two images look to a network that has seen the world (Zhang 2018, "unreasonable effectiveness").

Features of each layer are normalised along their channels; the distance is their squared difference, averaged over the grid
and added up over the layers with equal weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ildm.autoencoder.backbones import BackboneName, Stages, lite2, squeezenet, vgg16
from ildm.core.types import Image

_BACKBONES = {"squeezenet": squeezenet, "lite2": lite2, "vgg16": vgg16}


class PerceptualDistance(nn.Module):
    """The distance of two images in a frozen backbone's features. Gradients reach the images, never the backbone.

    Args:
        magnification: how many times larger the backbone is shown the images: it has learned from photographs of 200 pixels and more, and
            its first layer already halves what it sees.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: Stages, magnification: int = 1) -> None:
        super().__init__()
        self.magnification = magnification
        self.stages = nn.ModuleList(backbone.stages)
        self.register_buffer("mean", torch.tensor(backbone.mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(backbone.deviation).reshape(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval()

    def train(self, mode: bool = True) -> PerceptualDistance:  # noqa: ARG002
        """A backbone stays in evaluation mode, whatever it is a part of."""
        return super().train(False)

    def features(self, images: Image) -> list[Float[Tensor, "batch channels height width"]]:
        """The channel-normalised features of images in [-1, 1], shallow to deep."""
        if self.magnification > 1:
            images = F.interpolate(images, scale_factor=self.magnification, mode="bilinear", align_corners=False)
        # pooling and the norms along channels are a quarter faster when a pixel's channels lie together
        x = ((images - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x / (x.square().sum(dim=1, keepdim=True) + 1e-10).sqrt())
        return found

    def forward(self, images: Image, references: Image) -> Float[Tensor, " batch"]:
        """One distance per pair of images in [-1, 1]: 0 for equal images."""
        with torch.no_grad():
            wanted = self.features(references)
        layers = zip(self.features(images), wanted, strict=True)
        return torch.stack([(a - b).square().sum(dim=1).mean(dim=(1, 2)) for a, b in layers]).sum(dim=0)


def perceptual_distance(backbone: BackboneName, magnification: int = 1) -> PerceptualDistance | None:
    """The distance over `backbone`, with its published ImageNet weights; None for "none".

    Args:
        magnification: see `PerceptualDistance`.

    Raises:
        ConfigError: when the weights are not on this machine.
        CheckpointError: when they are damaged.
    """
    if backbone == "none":
        return None
    return PerceptualDistance(_BACKBONES[backbone](), magnification)
