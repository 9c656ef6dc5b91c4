"""A steered run made again from its log alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ildm.core.errors import ConfigError, DataError, ProtocolError, ShapeError
from ildm.core.progress import Progress
from ildm.core.types import Latent
from ildm.model import Model
from ildm.session.commands import FLOW
from ildm.session.cursor import Cursor
from ildm.session.events import AnyEvent, CommandApplied, CursorLeft, CursorMoved, RunFinished, SessionOpened, StepCompleted
from ildm.session.hashes import latent_hash, picture_hash
from ildm.session.log import Log, LoggedCursor, execution_shape, open_log
from ildm.session.run import Run
from ildm.session.same_model import is_same_model


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one finished branch came out.

    Args:
        node: its last state.
        latent_equal, image_equal: whether the hashes are those of the log.
        largest_difference: of the latent from the recorded one, where that is at hand.
    """

    node: int
    latent_equal: bool
    image_equal: bool
    largest_difference: float | None


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A run made again.

    Args:
        run: its tree, with the log's numbers.
        cursors: where those ended that had not left, by number.
        log: the new log.
        outcomes: of every finished branch, in order.
        same_shape: whether this machine executes as the log's did; only then equal bytes are promised.
        same_model: whether the model's weights are the log's.
    """

    run: Run
    cursors: dict[int, LoggedCursor]
    log: Log
    outcomes: tuple[Outcome, ...]
    same_shape: bool
    same_model: bool

    @property
    def exact(self) -> bool:
        """Whether every finished branch came out as in the log, bit for bit."""
        return bool(self.outcomes) and all(one.latent_equal and one.image_equal for one in self.outcomes)


def replay(
    model: Model,
    events: Sequence[AnyEvent],
    *,
    recorded: Callable[[int], Latent | None] = lambda node: None,  # noqa: ARG005
    given: Callable[[str], bytes | None] = lambda name: None,  # noqa: ARG005
    progress: Progress | None = None,
) -> Replayed:
    """Make a run again: the same commands at the same states. When previews came and how long anything took plays no part.

    Args:
        recorded: the latent that was kept of a node, to compare with.
        given: the bytes of a hash, for a run that began with noise of a person's own; all else is in the log.
        progress: called with (events done, all).

    Raises:
        ProtocolError: when the log does not begin as logs do, or leads where it did not lead when it was written.
    """
    if not events or not isinstance(events[0], SessionOpened):
        raise ProtocolError("A session's log begins with its opening, but this one does not: it is damaged or cut.")
    for number, event in enumerate(events):
        if event.seq != number:
            raise ProtocolError(f"Event {number} of the log is missing, event {event.seq} stands there: the log is cut.")
    opened = events[0]
    run, log = Run(model), Log()
    for data in map(given, sorted(opened.settings.blobs)):
        if data is not None:
            run.blobs.put(data)
    cursors = {0: open_log(Cursor.begin(run, opened.settings), log)}
    outcomes: list[Outcome] = []
    for number, event in enumerate(events[1:], start=1):
        try:
            outcomes += _follow(run, log, cursors, event, recorded)
        except (ConfigError, ShapeError, DataError) as error:
            raise ProtocolError(f"Event {number} of the log cannot happen here: {error}") from error
        if progress is not None:
            progress(number + 1, len(events))
    return Replayed(
        run=run,
        cursors=cursors,
        log=log,
        outcomes=tuple(outcomes),
        same_shape=execution_shape(model) == opened.shape,
        same_model=is_same_model(model, opened),
    )


def _follow(
    run: Run, log: Log, cursors: dict[int, LoggedCursor], event: AnyEvent, recorded: Callable[[int], Latent | None]
) -> Iterable[Outcome]:
    match event:
        case CursorMoved(cursor=number) if number not in cursors:
            cursor = Cursor.at(run, event.node, event.branch, number)
            cursors[number] = LoggedCursor(cursor, log)
            cursors[number].tell_position()
        case CommandApplied(command=command) if not isinstance(command, FLOW):
            cursor = _cursor(cursors, event.cursor)
            _check(event.seq, cursor.cursor.position.node, event.node)
            cursor.apply(command, op=event.op, received_step=event.received_step)
        case StepCompleted():
            step = _cursor(cursors, event.cursor).step()
            _check(event.seq, step.node, event.node)
        case CursorLeft(cursor=number):
            _cursor(cursors, number).leave()
            del cursors[number]
        case RunFinished():
            return [_compare(run, event, recorded(event.node))]
        case _:
            pass
    return []


def _compare(run: Run, event: RunFinished, former: Latent | None) -> Outcome:
    latent = run.state(event.node).latent
    difference = None if former is None else float((latent.float().cpu() - former.float().cpu()).abs().max())
    return Outcome(
        node=event.node,
        latent_equal=latent_hash(latent) == event.latent_hash,
        image_equal=picture_hash(run.picture(event.node)) == event.image_hash,
        largest_difference=difference,
    )


def _cursor(cursors: dict[int, LoggedCursor], number: int) -> LoggedCursor:
    if number not in cursors:
        raise ProtocolError(f"The log speaks of cursor {number} before it exists: it is damaged or cut.")
    return cursors[number]


def _check(seq: int, came: int, expected: int) -> None:
    if came != expected:
        raise ProtocolError(
            f"Event {seq} of the log is at state {expected}, but the replay is at {came}: the log is damaged or cut."
        )
