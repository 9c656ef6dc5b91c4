"""Metric: does what was drawn lie where the map says, and is it what the map says?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from ildm.data.sample import Sample
from ildm.evaluation.asking import derangement
from ildm.evaluation.crops import crop, score_crops
from ildm.evaluation.estimates import mean, mean_of_things, share_of_things
from ildm.evaluation.foreground import foreground
from ildm.evaluation.images import Images
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure
from ildm.evaluation.metrics.objects import beside, how_of_things
from ildm.evaluation.recogniser import Recogniser, hits
from ildm.evaluation.seam import band_around

_RANKS = (1, 5)
_CONTROL = "shuffled maps"
_BAND = 1 / 16  # of the side, around an instance


class MapAgreement:
    """By colour, whether foreground and background lie as in the map; by instance, whether each thing stands out and is found there."""

    requires = frozenset({"scenes", "generated", "recogniser", "map"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """`map-agreement` over images; `map-instance-contrast`, `map-instance-top-1` and `map-instance-top-5` over instances."""
        assert samples.generated is not None and samples.recogniser is not None and samples.real.samples is not None
        recogniser, asked = samples.recogniser(), samples.real.samples
        dealt = [asked[place] for place in derangement(len(asked))]
        judged = {words: (images, asked) for words, images in {"": samples.generated, **beside(samples)}.items()}
        judged[_CONTROL] = (samples.generated, dealt)
        by_colour = {words: _by_colour(images, scenes) for words, (images, scenes) in judged.items()}
        sizes = {words: [len(scene.objects) for scene in scenes] for words, (_, scenes) in judged.items()}
        found = {words: _found(images, scenes, recogniser) for words, (images, scenes) in judged.items()}
        reading = {
            "foreground": "pixels unlike the colours along the image's border",
            "score": "mean of the share of the region's pixels that are foreground and of the others that are not: nothing drawn has 0.5",
            _CONTROL: "every image judged by the map of another one",
        }
        agreement = {words: mean(whole) for words, (whole, _) in by_colour.items()}
        contrast = {words: mean_of_things(parts, sizes[words]) for words, (_, parts) in by_colour.items()}
        counts = {"N": "instances"}
        looking = {"crop": "the instance's own pixels on the colour around them"}
        return [
            _figure("map-agreement", agreement, reading | {"interval": "bootstrap of the mean over images"}),
            _figure(
                "map-instance-contrast",
                contrast,
                reading
                | counts
                | {
                    "others": "the background in a band around the instance, a sixteenth of the side wide",
                    "interval": "bootstrap of the mean of all instances, over images",
                },
            ),
            *(
                _figure(
                    f"map-instance-top-{rank}",
                    {words: share_of_things(hit[rank], sizes[words]) for words, hit in found.items()},
                    how_of_things(len(recogniser.labels), control=_CONTROL) | counts | looking,
                )
                for rank in _RANKS
            ),
        ]


def _figure(name: str, estimates: dict[str, Estimate], how: Mapping[str, object]) -> Figure:
    return Figure(name=name, estimate=estimates.pop(""), beside=estimates, how=how)


def _by_colour(images: Images, scenes: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    """How well each image agrees with its map, (images,), and each instance with its surroundings, (instances,)."""
    whole, parts = [], []
    for pixels, scene in zip(images.pixels, scenes, strict=True):
        found, background = foreground(pixels), _map(scene) == 0
        whole.append(_balanced(found, ~background, background))
        width = max(1, round(_BAND * pixels.shape[-1]))
        for thing in scene.objects:
            own = _map(scene) == thing.instance
            parts.append(_balanced(found, own, band_around(own, width) & background))
    return torch.tensor(whole, dtype=torch.float64), torch.tensor(parts, dtype=torch.float64)


def _balanced(found: Bool[Tensor, "height width"], own: Tensor, others: Tensor) -> float:
    """Half for what is found where it should be, half for what is not found where it should not."""
    shares = [found[own].double().mean().item()] if bool(own.any()) else []
    shares += [(~found[others]).double().mean().item()] if bool(others.any()) else []
    return sum(shares) / max(1, len(shares))


def _found(images: Images, scenes: Sequence[Sample], recogniser: Recogniser) -> dict[int, Tensor]:
    """By rank, for each instance whether the recogniser finds its thing in its own pixels, (instances,)."""
    crops = (
        crop(pixels, thing.box, _map(scene) == thing.instance)
        for pixels, scene in zip(images.pixels, scenes, strict=True)
        for thing in scene.objects
    )
    wanted = recogniser.indices([thing.concept for scene in scenes for thing in scene.objects])
    scores = score_crops(recogniser, images.network, crops)
    return {rank: hits(scores, wanted, rank) for rank in _RANKS}


def _map(scene: Sample) -> Tensor:
    assert scene.instance_map is not None, "the scenes of an evaluation have maps"
    return scene.instance_map
