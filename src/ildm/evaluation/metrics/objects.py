"""Metric: is the object there that the prompt names?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ildm.evaluation.estimates import share
from ildm.evaluation.images import Images
from ildm.evaluation.metric import EvaluationSet, Figure
from ildm.evaluation.network import RESIZE
from ildm.evaluation.recogniser import hits

_RANKS = (1, 5)
_OF_STYLE = {
    "network": "EfficientNet-Lite0, mean and deviation of the last maps of strides 2 to 32",
    "recogniser": "nearest style mean by cosine, textures whitened within styles, learnt from real renders",
}


class PromptAccuracy:
    """How often a recogniser of all concepts, shown an image with one object, ranks the one asked for first, or in the top 5."""

    requires = frozenset({"one object", "generated", "recogniser", "things"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Two figures, `object-top-1` and `object-top-5`, with the shares for each style and each concept."""
        assert samples.real.samples is not None
        return accuracies(samples, "object", [sample.objects[0].concept for sample in samples.real.samples], _RANKS)


def accuracies(
    samples: EvaluationSet,
    name: str,
    names: Sequence[str],
    ranks: Sequence[int],
    *,
    control: str = "shuffled prompts",
    of_style: bool = False,
) -> list[Figure]:
    """A figure `NAME-top-RANK` for each rank: how often a recogniser finds what an image of one object should show.

    Args:
        names: what that is, one for each image.
        control: how to call the figure of images that are judged by what another one should show.
        of_style: ask the recogniser of styles, who looks at textures, and not that of concepts.
    """
    recognise = samples.style_recogniser if of_style else samples.recogniser
    assert samples.generated is not None and recognise is not None and samples.real.samples is not None
    recogniser = recognise()
    things = [sample.objects[0] for sample in samples.real.samples]
    wanted = recogniser.indices(names)
    ours = recogniser.scores(samples.generated.textures if of_style else samples.generated.features)
    others = {
        words: recogniser.scores(images.textures if of_style else images.features) for words, images in beside(samples).items()
    }
    figures = []
    for rank in ranks:
        found = hits(ours, wanted, rank)
        shares = {words: share(hits(scores, wanted, rank)) for words, scores in others.items()}
        shares[control] = share(hits(ours, wanted.roll(1), rank))
        figures.append(
            Figure(
                name=f"{name}-top-{rank}",
                estimate=share(found),
                beside=shares,
                how=how(len(recogniser.labels), control=control) | (_OF_STYLE if of_style else {}),
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


def how(concepts: int, *, control: str = "shuffled prompts") -> dict[str, object]:
    """What one must know of the recogniser to measure an accuracy again."""
    return {
        "network": "EfficientNet-Lite0, 1280 pooled features",
        "resize": RESIZE,
        "recogniser": "nearest concept mean by cosine, features whitened within concepts, learnt from real renders",
        "chooses among": concepts,
        control: "every image judged by what another one should show",
        "interval": "Wilson",
    }


def how_of_things(concepts: int, *, control: str) -> dict[str, object]:
    """The same of an accuracy that counts things of which images hold several."""
    worth = "Wilson, for as many things as those are worth that share images (Kish's design effect)"
    return how(concepts, control=control) | {"interval": worth}


def _by(names: list[str], found: Tensor) -> Mapping[str, float]:
    table = {}
    for name in sorted(set(names)):
        table[name] = found[torch.tensor([other == name for other in names])].double().mean().item()
    return table
