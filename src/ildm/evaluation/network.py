"""EfficientNet-Lite0: the network whose features every distance and every recogniser here is measured in.

Trained on ImageNet by its authors and never used by a training loss of ours, so it can judge what those losses bought.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ildm.core.efficientnet_lite import LITE0, EfficientNetLite
from ildm.core.types import Image

SIDE = 224
RESIZE = f"bilinear, antialiased, to {SIDE}x{SIDE}"


class Lite0(EfficientNetLite):
    """EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation), for measuring only.

    Every method takes images in [-1, 1] of any size, (B, 3, H, W), and resizes them as `RESIZE` says.
    """

    def __init__(self) -> None:
        super().__init__(LITE0.stages)

    def features(self, images: Image) -> Float[Tensor, "batch 1280"]:
        """The pooled features behind the classifier, all >= 0."""
        x = self._stem(images)
        for block in self.blocks:
            x = block(x)
        return F.relu6(self.head(x)).mean(dim=(2, 3))

    def logits(self, images: Image) -> Float[Tensor, "batch 1000"]:
        """The scores of the 1,000 ImageNet classes."""
        return self.classifier(self.features(images))

    def maps(self, images: Image) -> list[Float[Tensor, "batch channels height width"]]:
        """The last feature map at each of the strides 2, 4, 8, 16 and 32."""
        x, maps = self._stem(images), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index + 1 in self.resolutions:
                maps.append(x)
        return maps

    def textures(self, images: Image) -> Float[Tensor, "batch 1024"]:
        """The mean and the deviation over positions of every channel of the maps: how an image is drawn, more than what it shows.

        Statistics of feature maps stand for style since Gatys 2016, section 2.2, who takes all products of channels.
        """
        maps = self.maps(images)
        return torch.cat([part for one in maps for part in (one.mean(dim=(2, 3)), one.std(dim=(2, 3)))], dim=1)

    def _stem(self, images: Tensor) -> Tensor:
        return F.relu6(self.stem(prepare(images)))


def prepare(images: Image) -> Float[Tensor, "batch 3 side side"]:
    """Images in [-1, 1] at the network's size, on its scale: (255 x - 127) / 128 for x in [0, 1]."""
    if images.shape[-2:] != (SIDE, SIDE):
        images = F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    return (images * 127.5 + 0.5) / 128


@cache
def load_lite0(device: str | torch.device = "cpu") -> Lite0:
    """The pretrained network, frozen, in evaluation mode.

    Raises:
        ConfigError: when the weights' package is not installed.
        CheckpointError: when the weights' file is not the published one.
    """
    network = Lite0()
    network.load(LITE0)
    return network.eval().requires_grad_(False).to(device)
