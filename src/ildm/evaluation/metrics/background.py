"""Metric: is the background of the colour that the prompt names?"""

from __future__ import annotations

from ildm.evaluation.background import background_of, border_colours
from ildm.evaluation.images import Images
from ildm.evaluation.intervals import wilson
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure

_HOW = {
    "judged": "plain, checkered and striped backgrounds; two colours must both be right",
    "reading": "the commonest of the twelve named colours along the border, nearest in RGB",
    "interval": "Wilson",
}


class BackgroundColour:
    """The share of images whose border has the colours that were asked for."""

    requires = frozenset({"generated", "captions"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Two figures, `background-colour` and `plain-background-colour`; none where no background is known."""
        assert samples.generated is not None
        known = {index: found for index, sample in enumerate(samples.real.samples or ()) if (found := background_of(sample))}
        figures = []
        for name, kinds in (("background-colour", None), ("plain-background-colour", ("plain",))):
            asked = {index: colours for index, (kind, colours) in known.items() if kinds is None or kind in kinds}
            if not asked:
                continue
            beside = {
                "real renders": _share(samples.real, asked),
                "shuffled prompts": _share(samples.generated, _shuffled(asked)),
            }
            figures.append(Figure(name=name, estimate=_share(samples.generated, asked), beside=beside, how=_HOW))
        return figures


def _share(images: Images, asked: dict[int, frozenset[str]]) -> Estimate:
    hits = sum(border_colours(images.pixels[index], len(colours)) == colours for index, colours in asked.items())
    return Estimate(value=hits / len(asked), count=len(asked), interval=wilson(hits, len(asked)))


def _shuffled(asked: dict[int, frozenset[str]]) -> dict[int, frozenset[str]]:
    """Every image with the colours of the next one, as if the prompts had been dealt wrongly."""
    colours = list(asked.values())
    return dict(zip(asked, colours[1:] + colours[:1], strict=True))
