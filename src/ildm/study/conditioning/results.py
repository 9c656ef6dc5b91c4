"""What the study measured of an arm, as values that survive JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ildm.conditioning.hint import Route
from ildm.study.measured import Measured


@dataclass(frozen=True, kw_only=True)
class Point:
    """Samples judged at one moment of a training.

    Args:
        step: of it; seconds: spent on it so far.
        figures: by name.
    """

    step: int
    seconds: float
    figures: Mapping[str, Measured]


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """All that is known of one training so far.

    Args:
        parameters: of all that it trains.
        operations: of one latent's part in a training step, see `ildm.study.operations`.
        points: by step.
    """

    name: str
    route: Route
    seed: int
    parameters: int
    operations: float
    points: tuple[Point, ...] = ()

    def at(self, step: int) -> Point | None:
        """The point at a step, or None where it was not judged."""
        return next((point for point in self.points if point.step == step), None)

    def with_point(self, point: Point) -> ArmResult:
        """The same with one point more."""
        return replace(self, points=tuple(sorted((*self.points, point), key=lambda one: one.step)))
