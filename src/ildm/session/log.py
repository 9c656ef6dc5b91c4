"""The log of a session, and cursors whose every move is in it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from itertools import chain
from threading import Lock
from typing import Any

import torch

from ildm import __version__
from ildm.model import Model
from ildm.session.ahead import locate
from ildm.session.applying import apply
from ildm.session.commands import AddRegionFromWord, Command, DeleteBranch, StartFromImage
from ildm.session.cursor import Cursor
from ildm.session.events import (
    LEADS_ELSEWHERE,
    AnyEvent,
    CommandApplied,
    CommandRejected,
    CursorLeft,
    CursorMoved,
    Event,
    ExecutionShape,
    RunFinished,
    SessionOpened,
    StepCompleted,
)
from ildm.session.hashes import latent_hash, picture_hash
from ildm.session.refusals import NotNow
from ildm.session.run import Run
from ildm.session.settings import named_in
from ildm.session.timeline import Branch, Node

Listener = Callable[[AnyEvent], None]

_ANSWERS = (CommandApplied, CommandRejected)
_logger = logging.getLogger(__name__)


class Log:
    """Events in order, numbered without a gap.

    `cursors` are those that write into it, by number.

    Args:
        events: those of an earlier sitting.
        clock: seconds since 1970.
    """

    def __init__(self, events: Sequence[AnyEvent] = (), *, clock: Callable[[], float] = time.time) -> None:
        self.events: list[AnyEvent] = list(events)
        self.listeners: list[Listener] = []
        self.cursors: dict[int, LoggedCursor] = {}
        self._clock = clock
        self._numbering = Lock()
        self._ops = max((event.op for event in events if isinstance(event, _ANSWERS)), default=-1) + 1

    def add(self, kind: type[Event], **fields: Any) -> Any:
        """Append an event of a kind, and tell the listeners. Returns the event."""
        event = kind(seq=len(self.events), at=self._clock(), **fields)
        self.events.append(event)  # type: ignore[arg-type]
        if isinstance(event, _ANSWERS):
            with self._numbering:
                self._ops = max(self._ops, event.op + 1)
        for listener in list(self.listeners):
            try:
                listener(event)  # type: ignore[arg-type]
            except Exception:
                _logger.exception("A listener of a session failed, and hears no more of it.")
                self.listeners.remove(listener)
        return event

    def next_op(self) -> int:
        """A number for a command that came without one. May be called from any thread."""
        with self._numbering:
            self._ops += 1
            return self._ops - 1


class LoggedCursor:
    """A cursor and the log of all it does.

    Args:
        cursor: not to be moved by anybody else.
        log: shared by the cursors of one tree.
    """

    def __init__(self, cursor: Cursor, log: Log) -> None:
        self.cursor = cursor
        self.log = log
        log.cursors[cursor.number] = self

    @property
    def run(self) -> Run:
        """The tree."""
        return self.cursor.run

    def apply(self, command: Command, *, op: int | None = None, received_step: int | None = None) -> tuple[int, ...]:
        """Let a command act here and now. Returns the branches that a comparison has begun.

        Args:
            op: the number it was sent under; None = the next free one.
            received_step: how many steps were done when it came; None = now.

        Raises:
            ConfigError, ShapeError, DataError: when it cannot act; then nothing is logged.
        """
        cursor = self.cursor
        before, step = cursor.position, cursor.node.step
        if isinstance(command, DeleteBranch) and command.branch in cursor.branches_of_others:
            raise NotNow("Another session of this tree stands on that branch: let it open another one first.")
        if isinstance(command, AddRegionFromWord) and command.mask is None:
            # what is logged says where the word was, so that nothing has to be looked for again
            command = locate(cursor.run.steering, cursor.run.state(before.node), cursor.settings, command)
        begun = apply(cursor, command)
        self.log.add(
            CommandApplied,
            cursor=cursor.number,
            op=self.log.next_op() if op is None else op,
            command=command,
            received_step=step if received_step is None else received_step,
            applied_step=step,
            node=before.node,
            left=cursor.settings if isinstance(command, LEADS_ELSEWHERE) else None,
        )
        if (cursor.position.node, cursor.position.branch) != (before.node, before.branch):
            self.tell_position()
        if isinstance(command, StartFromImage) and cursor.finished:
            # nothing was to be made anew, so no step will tell
            self.tell_result()
        if self.run.blobs.have_grown:
            self.run.blobs.keep_only(self.named | self._remembered())
        return begun

    def step(self) -> StepCompleted:
        """One step on; after a branch's last one its result is logged, too.

        Raises:
            ConfigError: when all steps are done.
        """
        cursor, began = self.cursor, time.perf_counter()
        parent = cursor.position.node
        node, fresh = cursor.step()
        event: StepCompleted = self.log.add(
            StepCompleted,
            cursor=cursor.number,
            node=node.id,
            parent=parent,
            branch=cursor.position.branch,
            step=node.step,
            num_steps=node.settings.num_steps,
            fresh=fresh,
            seconds=time.perf_counter() - began,
        )
        if fresh and cursor.finished:
            self.tell_result()
        return event

    def leave(self) -> None:
        """Be no more, and log that."""
        self.cursor.leave()
        del self.log.cursors[self.cursor.number]
        self.log.add(CursorLeft, cursor=self.cursor.number)

    @property
    def named(self) -> set[str]:
        """The hashes of all that states, branches, cursors and the opening refer to. What only a change refers to, such as a mask that was
        painted over, is in the log, from which it can be made again.
        """
        timeline = self.run.timeline
        lines: tuple[Node | Branch, ...] = (*timeline.nodes.values(), *timeline.branches.values())
        places = (one.cursor.position for one in self.log.cursors.values())
        opened = (event for event in self.log.events[:1] if isinstance(event, SessionOpened))
        return named_in(one.settings for one in (*lines, *places, *opened))

    def _remembered(self) -> set[str]:
        """The hashes of what an undo or a redo may come back to."""
        cursors = (one.cursor for one in self.log.cursors.values())
        return named_in(place.settings for one in cursors for place in chain(*one.remembered))

    def tell_position(self) -> None:
        """Log where the cursor stands."""
        position = self.cursor.position
        self.log.add(
            CursorMoved, cursor=self.cursor.number, node=position.node, branch=position.branch, step=self.cursor.node.step
        )

    def tell_result(self) -> None:
        """Log what the branch's last state is."""
        cursor, node = self.cursor, self.cursor.position.node
        self.log.add(
            RunFinished,
            cursor=cursor.number,
            node=node,
            branch=cursor.position.branch,
            latent_hash=latent_hash(cursor.run.state(node).latent),
            image_hash=picture_hash(cursor.run.picture(node)),
        )


def open_log(cursor: Cursor, log: Log) -> LoggedCursor:
    """Begin a session's log with what it starts from."""
    model = cursor.run.model
    log.add(
        SessionOpened,
        model=model.manifest.name,
        model_hash=model.hash,
        settings=cursor.settings,
        shape=execution_shape(model),
    )
    return LoggedCursor(cursor, log)


def execution_shape(model: Model) -> ExecutionShape:
    """What rounding depends on, here and now."""
    return ExecutionShape(
        device=model.device.type,
        dtype=str(model.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        compiled=model.compiled,
        ildm=__version__,
    )
