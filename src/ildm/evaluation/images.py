"""Images as an evaluation holds them: bytes, as in files, made and looked at by the network once and only when needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ildm.core.picture import to_floats
from ildm.core.progress import Progress
from ildm.data.sample import Sample
from ildm.evaluation.inception import Inception
from ildm.evaluation.network import Lite0

Pixels = UInt8[Tensor, "count 3 height width"]

# small, because the network's first feature maps are 75 times the size of a 128-pixel image
_BATCH = 16


class Images:
    """A set of images, made when first looked at.

    Args:
        make: makes the pixels, (count, 3, height, width), RGB.
        network: what the features are taken from.
        samples: what is known of each image, where it was rendered.
    """

    def __init__(self, make: Callable[[], Pixels], network: Lite0, samples: Sequence[Sample] | None = None) -> None:
        self._make = make
        self.network = network
        self.samples = samples

    @staticmethod
    def of(samples: Sequence[Sample], network: Lite0) -> Images:
        """The images of rendered samples."""
        return Images(lambda: torch.stack([sample.image for sample in samples]), network, samples)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def made(self) -> bool:
        """Whether anything has looked at the pixels yet."""
        return "pixels" in self.__dict__

    @cached_property
    def pixels(self) -> Pixels:
        """(count, 3, height, width), RGB."""
        return self._make()

    @cached_property
    def features(self) -> Float[Tensor, "count 1280"]:
        """The pooled features of EfficientNet-Lite0, on the CPU."""
        return extract(self.network, self.pixels)

    @cached_property
    def textures(self) -> Float[Tensor, "count 1024"]:
        """The statistics of EfficientNet-Lite0's feature maps, on the CPU."""
        return extract(self.network, self.pixels, look=self.network.textures)


def extract(
    network: Lite0 | Inception,
    pixels: Pixels,
    *,
    look: Callable[[Tensor], Tensor] | None = None,
    progress: Progress | None = None,
) -> Float[Tensor, "count features"]:
    """The features of any number of images, on the CPU.

    Args:
        look: what the network takes of images in [-1, 1]; None = its pooled features.
    """
    device = network.classifier.weight.device
    look = look or network.features
    parts, done = [], 0
    # no_grad, not inference mode: those tensors could not enter a later computation that records gradients
    with torch.no_grad():
        for batch in pixels.split(_BATCH):
            parts.append(look(to_floats(batch.to(device))).cpu())
            done += len(batch)
            if progress is not None:
                progress(done, len(pixels))
    return torch.cat(parts)
