"""All sessions of a server: those in memory, those that wait for their turn, and those in the store. All of it is the event loop's.

When the worker dies, every session that was open in it is taken up again from its last saved step, running or resting as it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Coroutine
from typing import Any

from ildm.core.errors import ConfigError, StorageError
from ildm.session.commands import Command
from ildm.session.envelope import Envelope
from ildm.session.service.messages import (
    CloseSession,
    DrawPicture,
    DrawThumbnail,
    DrawWord,
    Opening,
    OpenSession,
    PictureForm,
    ResumeSession,
    Submit,
)
from ildm.session.storage.records import Status, new_session_id
from ildm.session.store import Store
from ildm.studio.fair_queue import FairQueue
from ildm.studio.limits import Limits
from ildm.studio.logs import PROMPT_LOGGER
from ildm.studio.metrics import Metrics
from ildm.studio.refusals import Refused, no_such_session
from ildm.studio.room import Room
from ildm.studio.worker import Reply, Worker

_logger, _words = logging.getLogger(__name__), logging.getLogger(PROMPT_LOGGER)
MOST_FAILED, MOST_RESTING = 256, 256
"""Sessions that are remembered without being in memory: those that cannot be had, and those that somebody has asked for."""


class Rooms:
    """See above. It is the worker's listener.

    Args:
        worker: computes.
        store: the one in which the worker keeps sessions; here it is read.
        model: of sessions that name none.
    """

    def __init__(self, worker: Worker, store: Store, limits: Limits, model: str, metrics: Metrics) -> None:
        self.worker, self.store, self.limits, self.model, self.metrics = worker, store, limits, model, metrics
        self._rooms: OrderedDict[str, Room] = OrderedDict()  # who was asked for last is last
        self._waiting: FairQueue[tuple[Room, Opening]] = FairQueue()
        self._opening = set[str]()
        self._lost: dict[str, bool] = {}
        self._failed = deque[str]()
        self._known = False
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.watch(self)

    # --- for clients -------------------------------------------------------------------------------------------------------

    def start(self, user: str, opening: Opening) -> Room:
        """Begin a session, now or when its turn comes. The room says how that goes.

        Raises:
            Refused: when it is too large, or the queue is full.
        """
        self.limits.check_opening(opening)
        if len(self._waiting) >= self.limits.queue or self._waiting.count(user) >= self.limits.queue_per_user:
            raise Refused(
                "busy", f"{len(self._waiting)} sessions wait for their turn already: try again when some are finished."
            )
        room = Room(new_session_id(), user)
        room.title, room.model = opening.prompt, opening.model or self.model
        self._rooms[room.id] = room
        _tell_words(room, opening.prompt)
        self._waiting.put(user, (room, opening))
        self._wake_waiting()
        self._dispatch()
        return room

    def waiting(self, room: Room) -> int | None:
        """Its place in the queue, from 1; None when it does not wait."""
        places = [one.id for one, _ in self._waiting.order()]
        return places.index(room.id) + 1 if room.id in places else None

    def waiting_of(self, user: str) -> list[Room]:
        """A user's sessions that wait for their turn, in its order."""
        return [room for room, _ in self._waiting.order() if room.owner == user]

    def check_begun(self, room: Room) -> None:
        """Refuse what cannot be done yet.

        Raises:
            Refused: when a session waits for its turn.
        """
        if self.waiting(room) is not None:
            raise Refused("not-now", "This session waits for its turn: do this once it has begun, or begin it anew.")

    async def settled(self, room: Room) -> None:
        """Wait until a session has begun, waits for its turn, or has failed to begin.

        Raises:
            Refused: when it has failed.
        """
        with room.used() as woken:
            while room.id in self._opening or not (room.is_open or room.problem or self.waiting(room)):
                await woken.wait()
                woken.clear()
        room.check()

    async def find(self, user: str, session_id: str) -> Room:
        """A session of a user's, in memory or not.

        Raises:
            Refused: when there is none, or it is somebody else's.
        """
        room = self._rooms.get(session_id)
        if room is None:
            summary = await asyncio.to_thread(self.store.summary, session_id)
            if summary is None or summary.owner != user:
                raise no_such_session(session_id)
            room = self._rooms.setdefault(session_id, Room(session_id, summary.owner))
            self._forget_resting()
        self._rooms.move_to_end(session_id)
        if room.owner != user or room.gone:
            raise no_such_session(session_id)
        return room

    async def enter(self, user: str, session_id: str) -> Room:
        """A session of a user's, taken into memory where it waits for no turn.

        Raises:
            Refused: when there is none, it is somebody else's, or it cannot be taken up.
        """
        room = await self.find(user, session_id)
        if self.waiting(room) is None and room.problem is None:
            await self.open_again(room)
        return room

    async def open_again(self, room: Room) -> None:
        """Have a session in memory that has begun.

        Raises:
            Refused: when it cannot be.
        """
        self.check_begun(room)
        if room.id in self._opening:
            # what is said right after a start comes before the session is begun
            await self.settled(room)
        with room.used():
            async with room.opening:
                if room.is_open:
                    return
                room.check()
                await self._make_room(room)
                await self.worker.ask(ResumeSession(session=room.id))

    async def edit(self, room: Room, command: Command, client: str, op: int, base_rev: int | None = None) -> int:
        """Have a command act, once however often its message comes. Returns its number in the log.

        Raises:
            Refused: when it cannot be taken.
        """
        with room.used():
            await self.open_again(room)
            return await self._submit(room, command, client, op, base_rev)

    async def _submit(self, room: Room, command: Command, client: str, op: int, base_rev: int | None) -> int:
        known = room.number_of(client, op)
        if known is not None:
            return known
        assert room.place is not None
        settings = room.place["settings"]
        self.limits.check_command(command, (settings["width"], settings["height"]))
        number = room.register(client, op, command, base_rev)
        self.metrics.asked(room.id, number)
        _tell_words(room, getattr(command, "text", None))
        try:
            await self.worker.ask(Submit(session=room.id, op=number, command=command))
        except Refused:
            room.forget(client, op)
            self.metrics.not_taken(room.id, number)
            raise
        return number

    async def draw(self, room: Room, node: int | None, form: PictureForm) -> Reply:
        """The picture behind a state, see `DrawPicture`.

        Raises:
            Refused: when there is nothing to see.
        """
        with room.used():
            await self.open_again(room)
            return await self.worker.ask(DrawPicture(session=room.id, node=node, form=form))

    async def draw_word(self, room: Room, word: str, node: int | None) -> Reply:
        """Where a word acts at a state, see `DrawWord`.

        Raises:
            Refused: when there is no such word, or nothing to see yet, or the model cannot tell.
        """
        with room.used():
            await self.open_again(room)
            return await self.worker.ask(DrawWord(session=room.id, word=word, node=node))

    async def glance(self, room: Room, node: int | None) -> bytes:
        """A preview of a state for a list, see `DrawThumbnail`.

        Raises:
            Refused: when there is none, for whatever reason.
        """
        newest = room.frame
        if node is None and room.place is not None and newest is not None:
            # a run is never far ahead of its newest frame
            is_current = room.status == "running" or newest.header["node"] == room.place["node"]
            if is_current:
                return newest.data
        try:
            return (await self.worker.ask(DrawThumbnail(session=room.id, node=node))).payload
        except Refused as problem:
            raise Refused("not-found", "This session has no picture to show in a list.") from problem

    async def delete(self, room: Room) -> None:
        """Forget a session.

        Raises:
            Refused: when it cannot be.
        """
        for waiting in [one for one in self._waiting.order() if one[0] is room]:
            self._waiting.remove(waiting)
            self._wake_waiting()
        async with room.opening:  # one that is being opened is closed once it is open
            if room.is_open:
                await self.worker.ask(CloseSession(session=room.id))
        self._rooms.pop(room.id, None)
        room.close()
        try:
            await asyncio.to_thread(self.store.delete, room.id)
        except ConfigError:
            pass  # it has never begun
        except StorageError as error:
            raise Refused("failed", str(error)) from error
        self._dispatch()

    def status_of(self, session_id: str) -> Status | None:
        """What a session in memory does."""
        room = self._rooms.get(session_id)
        return None if room is None else room.status

    @property
    def num_open(self) -> int:
        """Sessions in memory."""
        return sum(room.is_open for room in self._rooms.values())

    @property
    def num_running(self) -> int:
        """Sessions that make steps, or are about to."""
        return sum(room.status == "running" or room.id in self._opening for room in self._rooms.values())

    @property
    def num_waiting(self) -> int:
        """Sessions that wait for their first step."""
        return len(self._waiting)

    # --- for the worker ------------------------------------------------------------------------------------------------------

    def told(self, message: Envelope) -> None:
        """See `Listener`."""
        fields = message.header
        room = self._rooms.get(fields["view"]["session"] if fields["tell"] == "seen" else fields["session"])
        if room is None or not (room.is_open or fields["tell"] == "seen"):
            return
        match fields["tell"]:
            case "seen":
                room.take_up(fields["view"], fields["events"])
            case "happened":
                self.metrics.happened(room.id, fields["event"])
                room.happened(fields["event"])
            case "moved":
                room.moved(fields["place"], fields["tree"])
            case "framed":
                self.metrics.framed(len(message.payload), fields["dropped"])
                room.show(fields, message.payload)
            case _:
                _logger.warning("The worker says something unknown: %r", fields["tell"])
        if room.status != "running":
            self._dispatch()

    def ready(self) -> None:
        """See `Listener`. Those that were open when the worker was lost, or when the server ended, are taken up again."""
        self._run(self._take_up_all())
        self._dispatch()

    def lost(self) -> None:
        """See `Listener`."""
        self.metrics.worker_lost()
        for room in self._rooms.values():
            if room.is_open:
                self._lost[room.id] = room.status == "running"
                room.lose()

    # --- opening and closing ---------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Begin what waits, as far as there is room."""
        while self.worker.is_ready and len(self._waiting) and self.num_running < self.limits.running:
            room, opening = self._waiting.take()
            self._opening.add(room.id)
            self._run(self._open(room, opening))
            self._wake_waiting()

    def _wake_waiting(self) -> None:
        """The queue has changed, and with it the places in it: users take turns, so also when somebody comes."""
        for room, _ in self._waiting.order():
            room.wake()

    async def _open(self, room: Room, opening: Opening) -> None:
        try:
            async with room.opening:
                await self._make_room(room)
                model = opening.model or self.model
                request = OpenSession(session=room.id, owner=room.owner, model=model, opening=opening)
                await self.worker.ask(request)
        except Refused as problem:
            self._fail(room, problem)
        except Exception:
            # whoever waits for it is told, whatever has gone wrong
            self._fail(room, Refused("failed", "This session could not be begun: the server's log says why."))
            raise
        finally:
            self._opening.discard(room.id)
            room.wake()
            self._dispatch()

    async def _make_room(self, wanted: Room) -> None:
        """Let the session go that has rested longest and that nobody follows, where there are as many as there may be.

        Raises:
            Refused: when all are in use.
        """
        in_use = [room for room in self._rooms.values() if (room.is_open or room.id in self._opening) and room is not wanted]
        theirs = [room for room in in_use if room.owner == wanted.owner]
        is_greedy = len(theirs) >= self.limits.open_per_user
        if len(in_use) < self.limits.open and not is_greedy:
            return
        candidates = theirs if is_greedy else in_use  # who has many makes room among them
        room = next((room for room in candidates if room.may_rest), None)
        if room is None:
            raise Refused("busy", f"{len(in_use)} sessions are in use, and no more fit: close one, or try again later.")
        async with room.opening:  # who asks for it meanwhile waits until it is closed, then has it opened again
            room.rest()
            await self.worker.ask(CloseSession(session=room.id))

    def _forget_resting(self) -> None:
        """Of the rooms that nobody has anything to do with, remember the latest."""
        engaged = self._opening | self._lost.keys() | {room.id for room, _ in self._waiting.order()}
        resting = [room for room in self._rooms.values() if room.is_idle and room.id not in engaged]
        for room in resting[:-MOST_RESTING]:
            del self._rooms[room.id]

    async def _take_up_all(self) -> None:
        """Take up the sessions that were open before, and at a start those that were running."""
        if not self._known:
            stored = await asyncio.to_thread(self.store.sessions)
            self._known = True
            for one in stored:
                if one.status == "running" and len(self._lost) < self.limits.open:
                    self._rooms.setdefault(one.id, Room(one.id, one.owner))
                    self._lost.setdefault(one.id, True)
        while self._lost and self.worker.is_ready:
            session_id, was_running = self._lost.popitem()
            room = self._rooms.get(session_id)
            if room is None or room.is_open:
                continue
            try:
                async with room.opening:
                    if not room.is_open:  # somebody may have asked for it meanwhile
                        request = ResumeSession(session=session_id, status="running" if was_running else None)
                        await self.worker.ask(request)
            except Refused as problem:
                if problem.code in ("worker-lost", "not-ready"):
                    self._lost[session_id] = was_running  # it is taken up when there is a worker again
                else:
                    _logger.warning("Session %s cannot be taken up: %s", session_id, problem.text)
                    self._fail(room, problem)

    def _fail(self, room: Room, problem: Refused) -> None:
        """Say why a session cannot be had. Of those that fail, the latest are remembered."""
        room.problem = problem
        room.wake()
        self._failed.append(room.id)
        while len(self._failed) > MOST_FAILED:
            self._rooms.pop(self._failed.popleft(), None)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _logger.error("Something went wrong beside the requests.", exc_info=task.exception())


def _tell_words(room: Room, text: str | None) -> None:
    """Put into the log what somebody asks for, where that is wanted."""
    if text:
        _words.info("prompt", extra={"fields": {"session": room.id, "prompt": text}})
