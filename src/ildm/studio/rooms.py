"""All sessions of a server: those in memory, those that wait for their turn, and those in the store. All of it is the event loop's.

When the worker dies, every session that was open in it is taken up again from its last saved step, running or resting as it was.
"""

from __future__ import annotations

import asyncio
import logging

from ildm.core.errors import ConfigError, StorageError
from ildm.session.commands import Command, Pause
from ildm.session.envelope import Envelope
from ildm.session.service.messages import CloseSession, Opening, PictureForm, Submit
from ildm.session.storage.records import Status
from ildm.session.store import Store
from ildm.studio.background import Background
from ildm.studio.drawing import Drawing
from ildm.studio.limits import Limits
from ildm.studio.logs import log_prompt
from ildm.studio.metrics import Metrics
from ildm.studio.opening import Openings
from ildm.studio.recovery import Recovery
from ildm.studio.refusals import Refused, no_such_session
from ildm.studio.registry import Registry
from ildm.studio.room import Room
from ildm.studio.worker import Reply, Worker

_logger = logging.getLogger(__name__)
_ITSELF = "server"  # among a session's clients


class Rooms:
    """See above. It is the worker's listener, and the one face of its parts.

    Args:
        worker: computes.
        store: the one in which the worker keeps sessions; here it is read.
        model: of sessions that name none.
    """

    def __init__(self, worker: Worker, store: Store, limits: Limits, model: str, metrics: Metrics) -> None:
        self.worker, self.store, self.limits, self.model, self.metrics = worker, store, limits, model, metrics
        self._background = Background()
        self._registry = Registry()
        self._openings = Openings(worker, self._registry, limits, model, self._background)
        self._recovery = Recovery(worker, store, self._registry, limits.open)
        self._drawing = Drawing(worker, self._openings)
        metrics.watch(self)

    # --- finding, changing and deleting ----------------------------------------------------------------------------------------

    async def find(self, user: str, session_id: str) -> Room:
        """A session of a user's, in memory or not.

        Raises:
            Refused: when there is none, or it is somebody else's.
        """
        room = self._registry.get(session_id)
        if room is None:
            summary = await asyncio.to_thread(self.store.summary, session_id)
            if summary is None or summary.owner != user:
                raise no_such_session(session_id)
            room = self._registry.keep(session_id, summary.owner)
            self._registry.forget_resting(self._openings.engaged | self._recovery.awaited)
        self._registry.use(room)
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

    async def edit(self, room: Room, command: Command, client: str, op: int, base_rev: int | None = None) -> int:
        """Have a command act, once however often its message comes. Returns its number in the log.

        Raises:
            Refused: when it cannot be taken.
        """
        with room.used():
            await self.open_again(room)
            return await self._submit(room, command, client, op, base_rev)

    async def _submit(self, room: Room, command: Command, client: str, op: int, base_rev: int | None) -> int:
        known = room.operations.number_of(client, op)
        if known is not None:
            return known
        self.limits.check_command(command, *_extent(room))
        number = room.operations.register(client, op, command, base_rev)
        self.metrics.asked(room.id, number)
        log_prompt(room.id, getattr(command, "text", None))
        try:
            await self.worker.ask(Submit(session=room.id, op=number, command=command))
        except Refused:
            room.operations.forget(client, op)
            self.metrics.not_taken(room.id, number)
            raise
        return number

    async def delete(self, room: Room) -> None:
        """Forget a session.

        Raises:
            Refused: when it cannot be.
        """
        self._openings.withdraw(room)
        async with room.opening:  # one that is being opened is closed once it is open
            if room.is_open:
                await self.worker.ask(CloseSession(session=room.id, keep=False))
        self._registry.remove(room)
        room.close()
        try:
            await asyncio.to_thread(self.store.delete, room.id)
        except ConfigError:
            pass  # it has never begun
        except StorageError as error:
            raise Refused("failed", str(error)) from error
        self._openings.dispatch()

    def status_of(self, session_id: str) -> Status | None:
        """What a session in memory does."""
        room = self._registry.get(session_id)
        return None if room is None else room.status

    @property
    def num_open(self) -> int:
        """Sessions in memory."""
        return sum(room.is_open for room in self._registry)

    # --- beginning, see `Openings` -------------------------------------------------------------------------------------------

    def start(self, user: str, opening: Opening) -> Room:
        """Begin a session, now or when its turn comes."""
        return self._openings.start(user, opening)

    def waiting(self, room: Room) -> int | None:
        """Its place in the queue, from 1; None when it does not wait."""
        return self._openings.waiting(room)

    def waiting_of(self, user: str) -> list[Room]:
        """A user's sessions that wait for their turn, in its order."""
        return self._openings.waiting_of(user)

    def check_begun(self, room: Room) -> None:
        """Refuse what cannot be done while a session waits for its turn."""
        self._openings.check_begun(room)

    async def settled(self, room: Room) -> None:
        """Wait until a session has begun, waits for its turn, or has failed to begin."""
        await self._openings.settled(room)

    async def open_again(self, room: Room) -> None:
        """Have a session in memory that has begun."""
        await self._openings.open_again(room)

    @property
    def num_running(self) -> int:
        """Sessions that make steps, or are about to."""
        return self._openings.num_running

    @property
    def num_waiting(self) -> int:
        """Sessions that wait for their first step."""
        return self._openings.num_waiting

    # --- pictures, see `Drawing` ---------------------------------------------------------------------------------------------

    async def draw(self, room: Room, node: int | None, form: PictureForm) -> Reply:
        """The picture behind a state."""
        return await self._drawing.draw(room, node, form)

    async def draw_word(self, room: Room, word: str, node: int | None) -> Reply:
        """Where a word acts at a state."""
        return await self._drawing.draw_word(room, word, node)

    async def glance(self, room: Room, node: int | None) -> bytes | None:
        """A preview of a state for a list, where there is one."""
        return await self._drawing.glance(room, node)

    # --- for the worker ------------------------------------------------------------------------------------------------------

    def told(self, message: Envelope) -> None:
        """See `Listener`."""
        fields = message.header
        room = self._registry.get(fields["view"]["session"] if fields["tell"] == "seen" else fields["session"])
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
            self._openings.dispatch()
        elif fields["tell"] in ("seen", "moved") and not self.limits.is_within(*_extent(room)):
            # a session that was made elsewhere can lead from a run that may be made here to one that may not
            self._background.run(self._rein_in(room))

    async def _rein_in(self, room: Room) -> None:
        try:
            await self.edit(room, Pause(), _ITSELF, room.rev)
        except Refused as refused:
            _logger.warning("Session %s makes a larger run than it may, and is not paused: %s", room.id, refused)

    def ready(self) -> None:
        """See `Listener`. Those that were open when the worker was lost, or when the server ended, are taken up again."""
        self._background.run(self._recovery.take_up_all())
        self._openings.dispatch()

    def lost(self) -> None:
        """See `Listener`."""
        self.metrics.worker_lost()
        self._recovery.lose_all()


def _extent(room: Room) -> tuple[int, tuple[int, int]]:
    """How many steps the run has on which a session stands, and its pictures' width and height."""
    assert room.place is not None
    settings = room.place["settings"]
    return settings["num_steps"], (settings["width"], settings["height"])
