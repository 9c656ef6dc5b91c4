"""Metric: are both objects of a prompt there, and do they stand as it says?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ildm.data.layout import Relation, relation
from ildm.evaluation.estimates import share
from ildm.evaluation.halves import halves
from ildm.evaluation.images import Images, extract
from ildm.evaluation.metric import EvaluationSet, Figure
from ildm.evaluation.metrics.objects import beside, how
from ildm.evaluation.recogniser import Recogniser, hits

_RANK = 5


class TwoObjects:
    """Scenes with two objects: both found, one in each half (top 5), and each in the half that the relation says."""

    requires = frozenset({"two objects", "generated", "recogniser", "places"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Two figures: `both-objects-found`, and `relation-right` among the images in which both are found."""
        assert samples.generated is not None and samples.recogniser is not None and samples.real.samples is not None
        recogniser = samples.recogniser()
        pairs = [sample.objects for sample in samples.real.samples]
        relations: list[Relation] = [_relation(first.box, second.box) for first, second in pairs]
        wanted = torch.stack([recogniser.indices([thing.concept for thing in pair]) for pair in pairs])
        ours = _scores(samples.generated, relations, recogniser)
        found, right = _judge(ours, wanted)
        others = {words: _judge(_scores(images, relations, recogniser), wanted) for words, images in beside(samples).items()}
        shares = {words: share(there) for words, (there, _) in others.items()}
        shares["shuffled prompts"] = share(_judge(ours, wanted.roll(1, dims=0))[0])
        method = how(len(recogniser.labels)) | {"halves": "cut in the middle, each centred on its border's median colour"}
        return [
            Figure(
                name="both-objects-found",
                estimate=share(found),
                beside=shares,
                how=method | {"found": f"top {_RANK} in a half of its own"},
                details={"share of real renders": share(found).value / max(shares["real renders"].value, 1e-9)},
            ),
            Figure(
                name="relation-right",
                estimate=share(right[found]),
                beside={words: share(order[there]) for words, (there, order) in others.items()},
                how=method | {"chance": 0.5, "among": "images in which both are found"},
            ),
        ]


def _relation(first: tuple[float, ...], second: tuple[float, ...]) -> Relation:
    found = relation(first, second)
    assert found is not None, "scenes with two objects are drawn with a clear relation"
    return found


def _scores(images: Images, relations: Sequence[Relation], recogniser: Recogniser) -> Float[Tensor, "count 2 concepts"]:
    """Of the half where the first object should be, and of that where the second should be."""
    parts = [halves(pixels, way) for pixels, way in zip(images.pixels, relations, strict=True)]
    return recogniser.scores(extract(images.network, torch.cat(parts))).unflatten(0, (-1, 2))


def _judge(
    scores: Float[Tensor, "count 2 concepts"], wanted: Int[Tensor, "count 2"]
) -> tuple[Bool[Tensor, " count"], Bool[Tensor, " count"]]:
    """Whether both are found, in either order, and whether the order asked for fits better than its reverse."""
    first, second = scores.unbind(dim=1)
    one, other = wanted.unbind(dim=1)
    straight = hits(first, one, _RANK) & hits(second, other, _RANK)
    crossed = hits(first, other, _RANK) & hits(second, one, _RANK)
    rows = torch.arange(len(wanted))
    better = first[rows, one] + second[rows, other] > first[rows, other] + second[rows, one]
    return straight | crossed, straight & (better | ~crossed)
