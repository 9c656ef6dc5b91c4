"""Several futures of one state, side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image as PILImage

from ildm.core.errors import ConfigError
from ildm.core.picture import paste_grid
from ildm.session.commands import MAX_CHOICES, Choice, Compare, OpenBranch, OpenNode
from ildm.session.log import LoggedCursor
from ildm.session.wire import checked


class Comparison:
    """Finished futures side by side.

    Args:
        branches: their numbers.
        pictures: one per branch.
        captions: what each differs in.
    """

    def __init__(
        self, branches: Sequence[int], pictures: Sequence[PILImage.Image], captions: Sequence[str], columns: int
    ) -> None:
        self.branches, self.pictures, self.captions, self.columns = tuple(branches), list(pictures), list(captions), columns

    def sheet(self) -> PILImage.Image:
        """All of them on one picture, with captions."""
        return paste_grid(self.pictures, columns=self.columns, captions=self.captions)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.sheet().save(file, "PNG")
        return file.getvalue()


def combinations(values: dict[str, Sequence[Any]]) -> tuple[Choice, ...]:
    """A choice for every combination of the values of one or two settings, the last varying fastest.

    Raises:
        ConfigError: for none, more than two, an empty list, or a setting that cannot be compared.
    """
    known = set(Choice.model_fields) - {"kind", "version"}
    lists = all(isinstance(one, Sequence) and not isinstance(one, str) and len(one) > 0 for one in values.values())
    if not set(values) <= known or not 1 <= len(values) <= 2 or not lists:
        raise ConfigError(f"A comparison takes lists for one or two of {', '.join(sorted(known))}, but {values} came.")
    rows: list[dict[str, Any]] = [{}]
    for key, several in values.items():
        rows = [{**row, key: value} for row in rows for value in several]
    if len(rows) > MAX_CHOICES:
        raise ConfigError(f"A comparison has at most {MAX_CHOICES} pictures, but these values give {len(rows)}: take fewer.")
    return tuple(checked(Choice, row) for row in rows)


def finish_all(logged: LoggedCursor, command: Compare, columns: int) -> Comparison:
    """Make all steps of every future that a comparison begins, and go back to where the run stood.

    Raises:
        ConfigError: when one of them cannot be begun; then none is.
    """
    former = logged.cursor.position
    begun, pictures = logged.apply(command), list[PILImage.Image]()
    for number in begun:
        logged.apply(OpenBranch(branch=number))
        while not logged.cursor.finished:
            logged.step()
        pictures.append(logged.run.picture(logged.cursor.position.node))
    # by its own branch: the new ones lead through this state as well
    logged.apply(OpenBranch(branch=former.branch))
    if logged.cursor.position.node != former.node:
        logged.apply(OpenNode(node=former.node))
    captions = [", ".join(f"{key} {value}" for key, value in one.given().items()) for one in command.choices]
    return Comparison(begun, pictures, captions, columns)
