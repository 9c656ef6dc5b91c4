"""The study's report: everything measured at every setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ildm.core.config import to_json
from ildm.study.keeping import FORMAT, VERSION
from ildm.study.measured import Measured
from ildm.study.sampling.config import Axis, SamplingConfig, Setting


@dataclass(frozen=True, kw_only=True)
class Point:
    """A model judged at one setting.

    Args:
        figures: by name; those of scenes with one or with two objects say so where scenes as they are have one of that name.
        prompts: what the first pictures were asked for.
    """

    setting: Setting
    figures: Mapping[str, Measured]
    prompts: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class SamplingReport:
    """Every figure of a study, finished or not.

    Args:
        config: as it was run.
        spent: seconds, over all sittings.
        machine, versions: where and with what it was run last.
        points: what was measured, the base first.
        missing: names of settings that were not judged; empty when all were.
    """

    kind: ClassVar[str] = "sampling"

    config: SamplingConfig
    spent: float
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    points: tuple[Point, ...]
    missing: tuple[str, ...]

    @property
    def base(self) -> Point | None:
        """The model's own setting, beside which the others stand; None where it was not judged."""
        return next((point for point in self.points if point.setting == self.config.base), None)

    def along(self, axis: Axis) -> tuple[Point, ...]:
        """What was measured along an axis, in its order; empty where nothing was to be changed."""
        measured = {point.setting: point for point in self.points}
        return tuple(measured[setting] for setting in self.config.axis(axis) if setting in measured)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {"format": FORMAT, "version": VERSION, **to_json(self)}
