"""The Inception score (Salimans 2016): are single images of one clear class, and all of them together of many?"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import DataError

SPLITS = 10


def inception_score(logits: Float[Tensor, "count classes"], splits: int = SPLITS) -> Float[Tensor, " splits"]:
    """The score of each of `splits` equal parts, taken in the order given: exp of the mean of KL(p(class | image) || p(class)).

    Computed in float64; 1 at least and the number of classes at most. It grows with the number of images in a part, so compare only figures
    with the same number.

    Args:
        logits: of the classes, before the softmax.

    Raises:
        DataError: for fewer images than parts.
    """
    if len(logits) < splits:
        raise DataError(
            f"The Inception score takes {splits} parts with an image at least in each, but {len(logits)} were given: raise the count."
        )
    log_chances = logits.double().log_softmax(dim=1)
    edges = [len(logits) * part // splits for part in range(splits + 1)]
    parts = [log_chances[start:end] for start, end in pairwise(edges)]
    return torch.stack([_score(part) for part in parts])


def _score(log_chances: Tensor) -> Tensor:
    log_overall = log_chances.logsumexp(dim=0) - math.log(len(log_chances))
    return (log_chances.exp() * (log_chances - log_overall)).sum(dim=1).mean().exp()
