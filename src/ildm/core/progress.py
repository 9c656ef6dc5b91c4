"""Progress: what a long job calls, and bars on standard error that are silent where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""

NamedProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""


def make_bar(console: Console, *fields: str, transient: bool = False) -> Bar:
    """A bar with its title, how many are done, what `fields` (rich's markup) add, and the time left.

    Args:
        transient: whether it vanishes at its end.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *(TextColumn(field) for field in fields),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=transient,
    )


@contextmanager
def steps_bar(title: str) -> Generator[Progress, None, None]:
    """Yield a function (done, all) that moves the bar."""
    from rich.console import Console

    with make_bar(Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def named_bars() -> Generator[NamedProgress, None, None]:
    """Yield a function (what, done, all) that moves the bar of `what`, one below the other."""
    from rich.console import Console

    with make_bar(Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show
