"""Metric: are the things in their boxes, and do they fill them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ildm.conditioning.layout import Placed, read_layout
from ildm.evaluation.asking import derangement
from ildm.evaluation.crops import crop, score_crops
from ildm.evaluation.estimates import mean_of_things, share_of_things
from ildm.evaluation.foreground import drawn_boxes, foreground, overlap
from ildm.evaluation.images import Images
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure
from ildm.evaluation.metrics.objects import beside, how_of_things
from ildm.evaluation.recogniser import Recogniser, hits

_RANKS = (1, 5)
_CONTROL = "shuffled boxes"
_Layout = Sequence[Placed]


class BoxAccuracy:
    """Of every box that was asked for: whether its thing is found in it, and how well the box of what was drawn fits it."""

    requires = frozenset({"scenes", "generated", "recogniser", "boxes"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Three figures over boxes: the shares `box-found-top-1` and `box-found-top-5`, and the mean `box-iou`."""
        assert samples.generated is not None and samples.recogniser is not None and samples.prompts is not None
        recogniser = samples.recogniser()
        layouts = [read_layout(prompt) for prompt in samples.prompts]
        dealt = [layouts[place] for place in derangement(len(layouts))]
        judged = {words: (images, layouts) for words, images in {"": samples.generated, **beside(samples)}.items()}
        judged[_CONTROL] = (samples.generated, dealt)
        found = {words: _found(images, boxes, recogniser) for words, (images, boxes) in judged.items()}
        fits = {words: _fits(images, boxes) for words, (images, boxes) in judged.items()}
        sizes = {words: [len(layout) for layout in boxes] for words, (_, boxes) in judged.items()}
        crowd = torch.tensor([len(layout) for layout in layouts for _ in layout])
        counts = {"N": "boxes", _CONTROL: "every image judged by the boxes of another one"}
        looking = {"crop": "the box and a sixteenth of it around, on its border's colour"}
        return [
            *(
                _figure(
                    f"box-found-top-{rank}",
                    {words: share_of_things(hit[rank], sizes[words]) for words, hit in found.items()},
                    how_of_things(len(recogniser.labels), control=_CONTROL) | counts | looking,
                    _by_crowd(crowd, found[""][rank].double()),
                )
                for rank in _RANKS
            ),
            _figure(
                "box-iou",
                {words: mean_of_things(fit, sizes[words]) for words, fit in fits.items()},
                counts
                | {
                    "drawn": "the box around all pixels unlike the colours along the image's border, each counted to the nearest box",
                    "judged": "all scenes: every background shows all its colours along the border",
                    "interval": "bootstrap of the mean of all boxes, over images",
                },
                _by_crowd(crowd, fits[""]),
            ),
        ]


def _figure(name: str, estimates: dict[str, Estimate], how: Mapping[str, object], by_crowd: Mapping[str, float]) -> Figure:
    ours = estimates.pop("")
    return Figure(name=name, estimate=ours, beside=estimates, how=how, details={"by boxes in the image": by_crowd})


def _found(images: Images, layouts: Sequence[_Layout], recogniser: Recogniser) -> dict[int, Tensor]:
    """By rank, for each box whether the recogniser finds its thing there, (boxes,)."""
    crops = (crop(pixels, thing.box) for pixels, layout in zip(images.pixels, layouts, strict=True) for thing in layout)
    wanted = recogniser.indices([thing.label for layout in layouts for thing in layout])
    scores = score_crops(recogniser, images.network, crops)
    return {rank: hits(scores, wanted, rank) for rank in _RANKS}


def _fits(images: Images, layouts: Sequence[_Layout]) -> Tensor:
    """For each box the overlap with the box of what was drawn there, (boxes,)."""
    fits = []
    for pixels, layout in zip(images.pixels, layouts, strict=True):
        boxes = [thing.box for thing in layout]
        drawn = drawn_boxes(foreground(pixels), boxes)
        fits += [overlap(one, box) for one, box in zip(drawn, boxes, strict=True)]
    return torch.tensor(fits, dtype=torch.float64)


def _by_crowd(crowd: Tensor, values: Tensor) -> dict[str, float]:
    return {str(count): values[crowd == count].mean().item() for count in crowd.unique().tolist()}
