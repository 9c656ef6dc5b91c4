"""The patch discriminator: is each patch of this image real? (Isola 2017, section 3.2)"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ildm.core.types import Image


class PatchDiscriminator(nn.Module):
    """Convolutions whose outputs each judge one patch.

    Args:
        channels: of the first layer; doubled by each further layer up to eight times as many.
        num_layers: strided layers; three see patches of 70 pixels, two of 34.
    """

    def __init__(self, channels: int = 64, num_layers: int = 3, image_channels: int = 3) -> None:
        super().__init__()
        widths = [channels * min(2**i, 8) for i in range(num_layers + 1)]
        layers: list[nn.Module] = [nn.Conv2d(image_channels, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for i in range(1, num_layers + 1):
            stride = 2 if i < num_layers else 1
            layers += [
                nn.Conv2d(widths[i - 1], widths[i], 4, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(widths[i]),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.apply(_initialise)

    def forward(self, images: Image) -> Float[Tensor, "batch 1 rows columns"]:
        """One logit per patch of images (batch, 3, height, width) in [-1, 1]; above zero means real."""
        return self.layers(images)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
