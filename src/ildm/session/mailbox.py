"""Commands on their way to a session: those that have come, and those that wait for a prompt to be encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from typing import get_args

from ildm.core.types import Conditioning
from ildm.session.commands import (
    RESTARTS,
    BranchOff,
    Command,
    Compare,
    DislikeArea,
    NameBranch,
    NameNode,
    OpenBranch,
    OpenNode,
    Pause,
    Redo,
    RedoArea,
    Rewind,
    SetNegativePrompt,
    SetPreviewRate,
    SetPrompt,
    StartFromImage,
    StartOver,
    Undo,
)
from ildm.session.conditions import Key
from ildm.session.region_commands import RegionCommand
from ildm.session.settings import Settings

_LATEST_WINS = (SetPrompt, SetNegativePrompt)
"""Commands of which one that still waits for an encoding when a later one of its kind acts does not act any more."""
_REGIONS = get_args(RegionCommand)
_MADE_OF_WHAT_IS_ASKED = (Undo, Redo, BranchOff, Compare, StartOver, StartFromImage, RedoArea, DislikeArea)
_MOVES = (*_MADE_OF_WHAT_IS_ASKED, Rewind, OpenNode, OpenBranch)
_EVERY = get_args(get_args(Command)[0])
_HOLDS_UP: tuple[tuple[tuple[type[Command], ...], tuple[type[Command], ...]], ...] = (
    (_LATEST_WINS, _MADE_OF_WHAT_IS_ASKED),
    (_REGIONS, (*_REGIONS, *_MOVES)),
    (_MOVES, tuple(kind for kind in _EVERY if kind not in (Pause, SetPreviewRate, NameNode, NameBranch))),
    (RESTARTS, (Pause,)),
)
"""Which commands, as long as they wait, hold up which that came behind them: those that would mean something else before them.

A prompt is on its way for however long its encoder takes, and what it does not concern acts meanwhile. Whoever rewinds meanwhile wants
the new prompt there. Whoever pauses behind a new start wants that paused, which would go on by itself.
"""

Encoding = list[Future[Conditioning]]


@dataclass
class Received:
    """A command in the mailbox.

    Args:
        op: the number it was sent under.
        step: how many steps were done when it came.
        foreseen: the settings that those before it were to leave, as it looked then.
        ahead: what was begun to be encoded then, for it to act under these.
        encoded: the prompts it waits for; None = nobody has looked yet.
        asked_under: the settings under which these are all that it needs.
        made: the command in the form in which it acts, where that must be found out first; None = as it is.
        place: among all that have come.
    """

    op: int
    command: Command
    step: int
    foreseen: Settings
    ahead: Mapping[Key, Future[Conditioning]] = field(default_factory=dict)
    encoded: Encoding | None = None
    asked_under: Settings | None = None
    made: Future[Command] | None = None
    place: int = 0

    @property
    def ready(self) -> bool:
        """Whether it can act at once."""
        known = self.made is None or self.made.done()
        return known and self.encoded is not None and all(future.done() for future in self.encoded)


class Mailbox:
    """Takes commands from any thread; everything else is the engine's."""

    def __init__(self) -> None:
        self._arrived: deque[Received] = deque()
        self._waiting: list[Received] = []
        self._places = count()
        self._lock = Lock()

    def __bool__(self) -> bool:
        """Whether any command is yet to act."""
        return bool(self._arrived) or bool(self._waiting)

    @property
    def has_ready(self) -> bool:
        """Whether a look would find something."""
        return bool(self._arrived) or any(_in_order(self._waiting))

    def put(self, one: Received) -> None:
        """Take a command, from any thread."""
        with self._lock:
            one.place = next(self._places)
            self._arrived.append(one)

    def put_back(self, several: Iterable[Received]) -> None:
        """Let commands that were taken wait once more, in the places they had."""
        self._waiting = sorted([*self._waiting, *several], key=lambda one: one.place)

    def take(self, look: Callable[[Received], None], patience: float) -> tuple[list[Received], list[Received]]:
        """What can act now, and what never will because a later command of its kind came to be ready before it; each in order.

        Args:
            look: finds out what a command that has come waits for.
            patience: seconds to wait at most for what is being encoded; for what else a command waits, nobody does.
        """
        with self._lock:
            arrived, self._arrived = list(self._arrived), deque()
        for one in arrived:
            look(one)
        self._waiting += arrived
        pending = [future for one in self._waiting for future in one.encoded or () if not future.done()]
        if pending:
            wait(pending, timeout=max(0.0, patience))
        can_act = _in_order(self._waiting)
        ready, overtaken, still = list[Received](), list[Received](), list[Received]()
        for place, one in enumerate(self._waiting):
            later = (two for two, acts in zip(self._waiting[place + 1 :], can_act[place + 1 :], strict=True) if acts)
            (ready if can_act[place] else overtaken if _overtaken(one, later) else still).append(one)
        self._waiting = still
        return ready, overtaken


def _in_order(waiting: Iterable[Received]) -> list[bool]:
    """Which commands can act: those that are ready and wait for none that came before."""
    can_act, held = list[bool](), set[type[Command]]()
    for one in waiting:
        kind = type(one.command)
        acts = one.ready and kind not in held
        if not acts:
            held.update(*(behind for before, behind in _HOLDS_UP if kind in before))
        can_act.append(acts)
    return can_act


def _overtaken(one: Received, later: Iterable[Received]) -> bool:
    return isinstance(one.command, _LATEST_WINS) and any(type(two.command) is type(one.command) for two in later)
