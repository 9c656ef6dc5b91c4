"""Names the object in an image, by comparing its features with those of real renders of every concept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ildm.core.errors import ConfigError, DataError, nearest
from ildm.evaluation.distances import Features

# of the within-concept covariance, towards a multiple of the identity: chosen on real renders
SHRINKAGE = 0.1


@dataclass(frozen=True, kw_only=True)
class Recogniser:
    """A nearest-mean classifier in whitened features.

    The features are centred and whitened by what varies *within* a concept (style, place, size, background), as linear
    discriminant analysis does, so that these count for little. An image's scores are the cosines of its whitened
    features with each concept's mean.

    Args:
        labels: the concepts, in the order of the scores.
        centre: (width,), mean of the gallery.
        whitening: (width, width).
        means: (concepts, width), unit vectors.
    """

    labels: tuple[str, ...]
    centre: Float[Tensor, " width"]
    whitening: Float[Tensor, "width width"]
    means: Float[Tensor, "concepts width"]

    def scores(self, features: Features) -> Float[Tensor, "count concepts"]:
        """The cosine of each image with each concept, in [-1, 1]."""
        return F.normalize((features - self.centre) @ self.whitening, dim=1) @ self.means.T

    def among(self, labels: Sequence[str]) -> Recogniser:
        """The same, but it chooses among these labels alone.

        Raises:
            ConfigError: for one that the gallery does not hold (nearest match named).
        """
        return replace(self, labels=tuple(labels), means=self.means[self.indices(labels)])

    def indices(self, labels: Sequence[str]) -> Int[Tensor, " count"]:
        """Where in the scores each concept is.

        Raises:
            ConfigError: for a concept that the gallery does not hold (nearest match named).
        """
        places = {label: index for index, label in enumerate(self.labels)}
        for label in labels:
            if label not in places:
                raise ConfigError(f"The gallery holds no concept {label!r}: {nearest(label, places)}")
        return torch.tensor([places[label] for label in labels])


def fit(features: Features, classes: Int[Tensor, " count"], labels: Sequence[str]) -> Recogniser:
    """A recogniser from a gallery.

    Args:
        features: of the gallery's images.
        classes: which of `labels` each image shows.
        labels: one per concept.

    Raises:
        DataError: when a concept has no image, or none has two.
    """
    rows = features.double()
    counts = torch.bincount(classes, minlength=len(labels))
    if counts.min() == 0 or counts.max() < 2:
        missing = next((label for label, count in zip(labels, counts.tolist(), strict=True) if count == 0), labels[0])
        raise DataError(f"The gallery shows {missing!r} too rarely to learn it: make the gallery larger.")
    means = torch.zeros(len(labels), rows.shape[1], dtype=rows.dtype).index_add_(0, classes, rows) / counts[:, None]
    whitening = _whitening(rows - means[classes], len(labels))
    centre = rows.mean(dim=0)
    whitened = F.normalize((rows - centre) @ whitening, dim=1)
    directions = torch.zeros_like(means).index_add_(0, classes, whitened)
    return Recogniser(
        labels=tuple(labels),
        centre=centre.float(),
        whitening=whitening.float(),
        means=F.normalize(directions, dim=1).float(),
    )


def hits(scores: Float[Tensor, "count concepts"], wanted: Int[Tensor, " count"], k: int) -> Bool[Tensor, " count"]:
    """True where the wanted concept is among the `k` best."""
    return (scores.topk(min(k, scores.shape[1]), dim=1).indices == wanted[:, None]).any(dim=1)


def _whitening(within: Tensor, concepts: int) -> Tensor:
    covariance = within.T @ within / max(1, len(within) - concepts)
    width = covariance.shape[0]
    round_one = covariance.trace() / width * torch.eye(width, dtype=covariance.dtype)
    factor = torch.linalg.cholesky((1 - SHRINKAGE) * covariance + SHRINKAGE * round_one)
    # any whitening serves, because cosines do not see rotations, and a triangular one is the cheapest
    return torch.linalg.solve_triangular(factor, torch.eye(width, dtype=factor.dtype), upper=False).T
