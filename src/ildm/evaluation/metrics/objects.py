"""Metric: is the object there that the prompt names?"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ildm.evaluation.images import Images
from ildm.evaluation.intervals import wilson
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure
from ildm.evaluation.network import RESIZE
from ildm.evaluation.recogniser import hits

_RANKS = (1, 5)


class PromptAccuracy:
    """How often a recogniser of all concepts, shown an image with one object, ranks the one asked for first, or in the top 5."""

    requires = frozenset({"one object", "generated", "recogniser"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Two figures, `object-top-1` and `object-top-5`, with the shares for each style and each concept."""
        assert samples.generated is not None and samples.recogniser is not None and samples.real.samples is not None
        recogniser = samples.recogniser()
        things = [sample.objects[0] for sample in samples.real.samples]
        wanted = recogniser.indices([thing.concept for thing in things])
        ours = recogniser.scores(samples.generated.features)
        others = {words: recogniser.scores(images.features) for words, images in beside(samples).items()}
        figures = []
        for rank in _RANKS:
            found = hits(ours, wanted, rank)
            shares = {words: share(hits(scores, wanted, rank)) for words, scores in others.items()}
            shares["shuffled prompts"] = share(hits(ours, wanted.roll(1), rank))
            figures.append(
                Figure(
                    name=f"object-top-{rank}",
                    estimate=share(found),
                    beside=shares,
                    how=how(len(recogniser.labels)),
                    details={
                        "share of real renders": share(found).value / max(shares["real renders"].value, 1e-9),
                        "by style": _by([thing.style for thing in things], found),
                        "by concept": _by([thing.concept for thing in things], found),
                    },
                )
            )
        return figures


def beside(samples: EvaluationSet) -> dict[str, Images]:
    """The images that an accuracy is also measured on: the ceiling, and what the autoencoder leaves of it."""
    others = {"real renders": samples.real}
    if samples.reconstructed is not None:
        others["reconstructions of real renders"] = samples.reconstructed
    return others


def share(found: Tensor) -> Estimate:
    """The share of True in (count,)."""
    count, right = len(found), int(found.sum())
    return Estimate(value=right / max(1, count), count=count, interval=wilson(right, count))


def how(concepts: int) -> dict[str, object]:
    """What one must know of the recogniser to measure an accuracy again."""
    return {
        "network": "EfficientNet-Lite0, 1280 pooled features",
        "resize": RESIZE,
        "recogniser": "nearest concept mean by cosine, features whitened within concepts, learnt from real renders",
        "chooses among": concepts,
        "shuffled prompts": "every image judged by the prompt of another one",
        "interval": "Wilson",
    }


def _by(names: list[str], found: Tensor) -> Mapping[str, float]:
    table = {}
    for name in sorted(set(names)):
        table[name] = found[torch.tensor([other == name for other in names])].double().mean().item()
    return table
