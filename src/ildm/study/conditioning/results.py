"""What the study measured of an arm, as values that survive JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ildm.conditioning.hint import Route
from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError, DataError
from ildm.core.files import write_json
from ildm.evaluation.metric import Estimate

_FILE = "result.json"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One figure.

    Args:
        estimate: of the arm's own images.
        beside: the same of others, such as real images or shuffled maps.
    """

    estimate: Estimate
    beside: Mapping[str, Estimate] = field(default_factory=dict)


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

    def save(self, folder: Path) -> None:
        """Write it into an arm's folder."""
        write_json(folder / _FILE, to_json(self))


def load_result(folder: Path) -> ArmResult | None:
    """What an arm's folder tells; None when it is new.

    Raises:
        DataError: when it is damaged.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        return from_json(ArmResult, json.loads(path.read_text(encoding="utf-8")), where="result")
    except (OSError, ValueError, TypeError, ConfigError) as error:
        raise DataError(f"{path} cannot be read ({error}): remove it, and this arm is measured again.") from error
