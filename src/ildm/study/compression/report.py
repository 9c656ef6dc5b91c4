"""The study's report: everything measured as JSON, and the tables and the verdict as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError, DataError
from ildm.study.compression.config import Bottleneck, CompressionConfig
from ildm.study.compression.results import ArmResult, Distances
from ildm.study.compression.verdict import Finding, Outcome, overall
from ildm.study.keeping import FORMAT, VERSION

Table = Literal["equal steps", "equal compute"]
TABLES: tuple[Table, ...] = ("equal steps", "equal compute")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A finding, and in which table and for which bottleneck it was made."""

    table: Table
    bottleneck: Bottleneck
    finding: Finding


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """Every figure of a compression study, finished or not.

    Args:
        config: as it was run, with the steps that the budget allowed.
        asked: (stage one, stage two), the steps before the budget cut them.
        budget: seconds; None = none. spent: seconds, over all sittings.
        machine, versions: where and with what it was run last.
        floor: of real images against the reference. control: of blank ones.
        steps: at which all arms are judged alike. compute: for each arm, where it has spent the same operations; 0 = nowhere.
        arms: what was measured of each.
        cut: what is missing and why, in sentences; empty when nothing is.
        claims: the paper's ordering, judged.
    """

    kind: ClassVar[str] = "compression"

    config: CompressionConfig
    asked: tuple[int, int]
    budget: float | None
    spent: float
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    floor: Distances
    control: Distances
    steps: tuple[int, ...]
    compute: Mapping[str, tuple[int, ...]]
    arms: tuple[ArmResult, ...]
    cut: tuple[str, ...]
    claims: tuple[Claim, ...]

    def ordering(self, table: Table, bottleneck: Bottleneck) -> Outcome:
        """Whether the paper's ordering holds as a whole."""
        return overall([claim.finding for claim in self.claims if (claim.table, claim.bottleneck) == (table, bottleneck)])

    def places(self, table: Table, arm: str) -> tuple[int, ...]:
        """The steps at which an arm is judged in a table."""
        return self.steps if table == "equal steps" else self.compute[arm]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        orderings = {
            bottleneck: {table: self.ordering(table, bottleneck) for table in TABLES} for bottleneck in self.config.bottlenecks
        }
        return {"format": FORMAT, "version": VERSION, **to_json(self), "ordering": orderings}


def read_report(path: Path) -> StudyReport:
    """A report as it was written.

    Raises:
        DataError: when it is missing or damaged, or another program's.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if (values.pop("format", None), values.pop("version", None)) != (FORMAT, VERSION):
            raise ConfigError(f"it is no {FORMAT} of version {VERSION}")
        values.pop("ordering")
        return from_json(StudyReport, values, where="report")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ConfigError) as error:
        raise DataError(f"{path} is no report of a compression study ({error}): run the study again.") from error
