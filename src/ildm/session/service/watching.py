"""One session of the engine, watched from its own thread: every event as it comes, and where the session stands after each turn."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from PIL.Image import Image

from ildm.session.commands import PaintRegion, SetGuidance, SetNegativePrompt, SetPrompt
from ildm.session.engine import Engine
from ildm.session.envelope import Envelope, Kind
from ildm.session.events import AnyEvent, CommandApplied, CursorMoved, RunFinished, SessionOpened, StateSaved
from ildm.session.live import LiveSession
from ildm.session.service.messages import Happened, Moved, Seen
from ildm.session.view import Place, SessionView, Tree, revision, tree_of

_ONLY_SETTINGS = (SetPrompt, SetNegativePrompt, SetGuidance, PaintRegion)
"""Commands that leave the tree as it is, unless the run stands elsewhere afterwards: those that come by the dozen."""


class Watch:
    """Tells what becomes of a session.

    Args:
        send: takes each message, and must not wait.
        finished: told, on a thread of its own, when the last state of a branch lies on the disk: of which session, which state, and what
            draws its picture on the engine's thread, also where the session has been let go by then.
    """

    def __init__(
        self,
        session_id: str,
        engine: Engine,
        send: Callable[[Envelope], None],
        finished: Callable[[str, Engine, int, Callable[[], Image]], None],
    ) -> None:
        self.session_id, self.engine = session_id, engine
        self._send, self._finished = send, finished
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="ildm-pictures")
        self._ends: set[int] = set()
        self._rev = 0
        self._tree_changed = False
        self._told: tuple[Any, ...] = ()

    def begin(self) -> None:
        """Tell how the session is, and everything from now on. It is told from the engine's thread, so nothing comes in between."""

        def start() -> None:
            session = self.engine.session(self.session_id)
            events = list(session.log.events)
            self._rev = revision(events)
            if self._hear not in session.log.listeners:
                session.log.listeners.append(self._hear)
            session.watch = lambda: self._look(session)
            self._tree_changed, self._told = False, self._mark(session)
            opened = events[0]
            assert isinstance(opened, SessionOpened)
            seen = SessionView(session=self.session_id, model=opened.model, place=self._place(session), tree=_tree(session))
            self._tell(Seen(view=seen, events=[event.model_dump() for event in events]))

        self.engine.on_thread(start).result()

    def _hear(self, event: AnyEvent) -> None:
        match event:
            case CommandApplied(command=command):
                self._rev += 1
                self._tree_changed = self._tree_changed or not isinstance(command, _ONLY_SETTINGS)
            case CursorMoved():
                self._tree_changed = True
            case RunFinished(node=node):
                self._ends.add(node)
            case StateSaved(node=node) if node in self._ends:
                self._ends.discard(node)
                run = self.engine.session(self.session_id).logged.run
                self._beside.submit(self._finished, self.session_id, self.engine, node, partial(run.picture, node))
            case _:
                pass
        self._tell(Happened(session=self.session_id, event=event.model_dump()))

    def _look(self, session: LiveSession) -> None:
        """Tell where the session stands, where that is not what it comes to by its steps."""
        mark = self._mark(session)
        if mark == self._told and not self._tree_changed:
            return
        tree = _tree(session) if self._tree_changed else None
        self._told, self._tree_changed = mark, False
        self._tell(Moved(session=self.session_id, place=self._place(session), tree=tree))

    def _mark(self, session: LiveSession) -> tuple[Any, ...]:
        cursor = session.logged.cursor
        return session.status, cursor.position.branch, id(cursor.settings), self._rev

    def _place(self, session: LiveSession) -> Place:
        cursor = session.logged.cursor
        return Place(
            status=session.status,
            seq=len(session.log.events),
            rev=self._rev,
            node=cursor.position.node,
            branch=cursor.position.branch,
            step=cursor.node.step,
            settings=cursor.settings,
            can_undo=cursor.can_undo,
            can_redo=cursor.can_redo,
        )

    def _tell(self, message: Seen | Happened | Moved) -> None:
        self._send(Envelope(Kind.EVENT, message.model_dump()))


def _tree(session: LiveSession) -> Tree:
    timeline = session.logged.run.timeline
    return tree_of(timeline.nodes.values(), timeline.branches.values())
