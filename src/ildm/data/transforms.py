"""Changes of a sample that training asks for."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from ildm.core.errors import ShapeError
from ildm.data.sample import Box, Sample, SceneObject


@dataclass(frozen=True)
class RandomCrop:
    """Cut a random square of `size` pixels; boxes and maps follow, objects that fall outside are dropped.

    Raises:
        ShapeError: when an image is smaller than `size`.
    """

    size: int

    def __call__(self, sample: Sample, rng: random.Random) -> Sample:
        height, width = sample.image.shape[-2:]
        if min(height, width) < self.size:
            raise ShapeError(
                f"A crop of {self.size} pixels was asked for, but an image is only {width}x{height}: choose a smaller crop."
            )
        top, left = int(rng.random() * (height - self.size + 1)), int(rng.random() * (width - self.size + 1))
        rows, columns = slice(top, top + self.size), slice(left, left + self.size)
        cropped = [_move(one, left, top, width, height, self.size) for one in sample.objects]
        return replace(
            sample,
            image=sample.image[:, rows, columns],
            objects=tuple(one for one in cropped if one is not None),
            instance_map=None if sample.instance_map is None else sample.instance_map[rows, columns],
            semantic_map=None if sample.semantic_map is None else sample.semantic_map[rows, columns],
        )


def _move(one: SceneObject, left: int, top: int, width: int, height: int, size: int) -> SceneObject | None:
    corners = (one.box[0] * width - left, one.box[1] * height - top, one.box[2] * width - left, one.box[3] * height - top)
    box: Box = tuple(min(max(corner / size, 0.0), 1.0) for corner in corners)  # type: ignore[assignment]
    return replace(one, box=box) if box[2] > box[0] and box[3] > box[1] else None
