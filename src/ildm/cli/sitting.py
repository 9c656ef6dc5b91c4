"""One sitting of a study: it goes on until it is done or stopped, then what it found is written and told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import typer

if TYPE_CHECKING:
    from ildm.training.stopping import Stop


def folder_of(name: str) -> Path:
    """Of the study of that name."""
    from ildm.core.files import home
    from ildm.core.names import check_name

    return home() / "studies" / check_name(name, "a study")


class Sitting(NamedTuple):
    """What a study is given to go on with.

    Args:
        stop: asked between its parts; a budget is its time limit.
        say: told how far it is, a line at a time.
        spent: seconds so far, over all sittings.
    """

    stop: Stop
    say: Callable[[str], None]
    spent: Callable[[], float]


class _Told(Protocol):
    def to_json(self) -> dict[str, Any]: ...


_Report = TypeVar("_Report", bound=_Told)


def carry_out(
    folder: Path,
    budget: float | None,
    begin: Callable[[Sitting], Callable[[], _Report]],
    write: Callable[[_Report, Path], Sequence[Path]],
    *,
    as_json: bool,
) -> None:
    """Go on with a study, once it is seen that its report can be written, until it is done or stopped; then write it and tell.

    Args:
        budget: seconds, over all sittings.
    """
    from rich.console import Console

    from ildm.core.files import check_writable
    from ildm.study.clock import Clock
    from ildm.study.plotting import check_plots
    from ildm.training.stopping import Stop

    check_plots()
    check_writable(folder, folder=True)
    clock, console = Clock(folder / "clock.json"), Console(stderr=True)

    def say(line: str) -> None:
        clock.note()
        console.print(line, highlight=False, soft_wrap=True)

    stop = Stop(clock.left(budget))
    study = begin(Sitting(stop, say, lambda: clock.seconds))
    with stop.on_signals():
        report = study()
    clock.note()
    _tell(report.to_json(), write(report, folder), stop.reason, as_json=as_json)


def show_config(config: object) -> None:
    """As JSON."""
    import json

    from ildm.core.config import to_json

    typer.echo(json.dumps(to_json(config), indent=1))


def _tell(report: dict[str, Any], paths: Sequence[Path], stopped_by: str | None, *, as_json: bool) -> None:
    """What a study found, and where it was written: the data first, then the page."""
    import json

    if as_json:
        typer.echo(json.dumps(report | {"written": [str(path) for path in paths]}, ensure_ascii=False))
        return
    typer.echo(paths[1].read_text(encoding="utf-8"))
    for path in paths:
        typer.echo(str(path))
    if stopped_by is not None:
        typer.echo(
            f"Stopped by {stopped_by} before all was done; the same command goes on, with a longer budget where that is spent."
        )
