"""Metric: does what was drawn into a hole look like what was there, and does its border show?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Bool
from torch import Tensor

from ildm.core.picture import to_floats
from ildm.data.holes import HOLE_KINDS
from ildm.evaluation.asking import hole_of
from ildm.evaluation.classical import FILLINGS, RADIUS, Filling, fill_hole, opencv_version
from ildm.evaluation.drawing import fill
from ildm.evaluation.estimates import difference, mean
from ildm.evaluation.images import Pixels
from ildm.evaluation.intervals import bootstrap_ratio
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure
from ildm.evaluation.network import RESIZE, Lite0
from ildm.evaluation.reconstruction import perceptual_distances_within
from ildm.evaluation.seam import band_around, seam

_BATCH = 16
_BAND = 1 / 16  # of the side, around a hole
_CEILING, _CONTROL = "reconstructions of real renders", "shuffled surroundings"
_INSIDE, _AROUND = "hole-lite0-distance", "hole-surroundings-lite0-distance"
Holes = Bool[Tensor, "count height width"]


class InpaintingQuality:
    """Perceptual distance inside and around the hole, and the seam along its border, beside OpenCV's two ways to fill holes."""

    requires = frozenset({"scenes", "generated", "shuffled", "reconstructed", "hole"})

    def check(self) -> None:
        """See that OpenCV is there.

        Raises:
            ConfigError: when it is not installed.
        """
        opencv_version()

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """`hole-lite0-distance`, `hole-surroundings-lite0-distance` and `seam-ratio`, over all holes and over those of each kind.

        Raises:
            ConfigError: when OpenCV is not installed.
        """
        assert samples.generated is not None and samples.shuffled is not None and samples.asked is not None
        assert samples.reconstructed is not None
        real, network = samples.real.pixels, samples.real.network
        holes = torch.stack([hole_of(ask) for ask in samples.asked])
        candidates = {
            "": samples.generated.pixels,
            _CEILING: fill(samples.asked, samples.reconstructed.pixels),
            _CONTROL: samples.shuffled.pixels,
            **{f"OpenCV {filling}": _filled(real, holes, filling) for filling in FILLINGS},
        }
        distances = {words: _distances(network, pixels, real, holes) for words, pixels in candidates.items()}
        seams = {words: _seams(pixels, holes) for words, pixels in candidates.items()}
        there = _seams(real, holes)
        kinds = torch.tensor([HOLE_KINDS.index(ask.hole) for ask in samples.asked if ask.hole is not None])
        chosen = {"": torch.ones_like(kinds, dtype=torch.bool)}
        chosen |= {f"-{kind}": kinds == number for number, kind in enumerate(HOLE_KINDS)}
        figures = []
        for suffix, rows in chosen.items():
            for place, name in enumerate((_INSIDE, _AROUND)):
                values = {words: both[place][rows] for words, both in distances.items()}
                figures.append(_distance_figure(f"{name}{suffix}", values))
            if float(there[rows].sum()) > 0:
                figures.append(_seam_figure(f"seam-ratio{suffix}", {w: one[rows] for w, one in seams.items()}, there[rows]))
        return figures


def _filled(real: Pixels, holes: Holes, filling: Filling) -> Pixels:
    return torch.stack([fill_hole(pixels, hole, filling) for pixels, hole in zip(real, holes, strict=True)])


def _distances(network: Lite0, pixels: Pixels, real: Pixels, holes: Holes) -> tuple[Tensor, Tensor]:
    """Inside each hole and around it, (count,) each."""
    bands = torch.stack([band_around(hole, max(1, round(_BAND * hole.shape[-1]))) for hole in holes])
    inside, around = [], []
    with torch.no_grad():
        for ours, theirs, areas in zip(pixels.split(_BATCH), real.split(_BATCH), _areas(network, holes, bands), strict=True):
            device = areas[0].device
            images, targets = to_floats(ours.to(device)), to_floats(theirs.to(device))
            one, other = perceptual_distances_within(network, images, targets, areas)
            inside.append(one)
            around.append(other)
    return torch.cat(inside).double().cpu(), torch.cat(around).double().cpu()


def _areas(network: Lite0, *areas: Holes) -> Iterator[list[Tensor]]:
    device = network.classifier.weight.device
    return ([one.to(device) for one in batch] for batch in zip(*(area.split(_BATCH) for area in areas), strict=True))


def _seams(pixels: Pixels, holes: Holes) -> Tensor:
    return torch.tensor([seam(image, hole) for image, hole in zip(pixels, holes, strict=True)], dtype=torch.float64)


def _distance_figure(name: str, values: Mapping[str, Tensor]) -> Figure:
    ours = values[""]
    others = {words: rows for words, rows in values.items() if words}
    return Figure(
        name=name,
        estimate=mean(ours),
        beside={words: mean(rows) for words, rows in others.items()}
        | {f"minus {words}": difference(ours, rows) for words, rows in others.items() if words.startswith("OpenCV")},
        how=_how()
        | {
            "network": "EfficientNet-Lite0, last maps of strides 2 to 32, unit vectors, equal weights",
            "resize": RESIZE,
            "weights": "of each position: the share of its cell inside the hole, or in a band of a sixteenth of the side around it",
            "interval": "bootstrap of the mean over images; of differences, image by image",
        },
    )


def _seam_figure(name: str, values: Mapping[str, Tensor], there: Tensor) -> Figure:
    ratios = {words: _ratio(rows, there) for words, rows in values.items()}
    return Figure(
        name=name,
        estimate=ratios.pop(""),
        beside=ratios,
        how=_how()
        | {
            "seam": "mean absolute difference of neighbouring pixels across the hole's border",
            "value": "its sum over images, over that of the real images: 1 = as in the real ones",
            "interval": "bootstrap of the ratio over images",
        },
    )


def _ratio(ours: Tensor, there: Tensor) -> Estimate:
    return Estimate(value=(ours.sum() / there.sum()).item(), count=len(ours), interval=bootstrap_ratio(ours, there))


def _how() -> dict[str, object]:
    return {
        "outside the hole": "the real image's own pixels, for all that is compared",
        "at its border": "what is laid in, ceiling and control too, is shifted to meet it and the shift fades inwards (a membrane)",
        _CONTROL: "drawn into the same hole of another real image, then laid into this one",
        "OpenCV": f"{opencv_version()}, radius {RADIUS:g} pixels",
    }
