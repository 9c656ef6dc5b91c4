"""What Inception-v3 sees in sets of images, taken once for all metrics that ask."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from jaxtyping import Float
from torch import Tensor

from ildm.core.progress import NamedProgress
from ildm.evaluation.images import Images, extract
from ildm.evaluation.inception import Inception


class InceptionFeatures:
    """Takes features and logits of sets of images, and keeps them for as long as the sets are kept.

    Args:
        network: what they are taken from.
        progress: told how many images of a set have been looked at, because a CPU manages only a few in a second.
    """

    def __init__(self, network: Inception, *, progress: NamedProgress | None = None) -> None:
        self.network = network
        self._progress = progress or (lambda *_: None)
        self._kept: WeakKeyDictionary[Images, Tensor] = WeakKeyDictionary()

    def of(self, images: Images) -> Float[Tensor, "count 2048"]:
        """The pooled features, on the CPU."""
        if images not in self._kept:
            # made first, because that has a progress of its own
            pixels = images.pixels
            told = "looking with Inception-v3"
            self._kept[images] = extract(self.network, pixels, progress=lambda done, total: self._progress(told, done, total))
        return self._kept[images]

    def logits(self, images: Images) -> Float[Tensor, "count 1008"]:
        """The scores of the classes without the classifier's bias, on the CPU."""
        features = self.of(images)
        return self.network.logits(features.to(self.network.classifier.weight.device)).cpu()
