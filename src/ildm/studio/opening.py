"""Who begins when, and who is in memory: sessions wait in turn, and where there are as many as fit, one that rests makes room."""

from __future__ import annotations

from ildm.session.service.messages import CloseSession, Opening, OpenSession, ResumeSession
from ildm.session.storage.records import new_session_id
from ildm.studio.background import Background
from ildm.studio.fair_queue import FairQueue
from ildm.studio.limits import Limits
from ildm.studio.logs import log_prompt
from ildm.studio.refusals import Refused
from ildm.studio.registry import Registry
from ildm.studio.room import Room
from ildm.studio.worker import Worker


class Openings:
    """See above.

    Args:
        worker: has sessions in memory.
        registry: of all rooms; those that begin are added.
        model: of sessions that name none.
        background: in which they are opened.
    """

    def __init__(self, worker: Worker, registry: Registry, limits: Limits, model: str, background: Background) -> None:
        self._worker, self._registry, self._limits, self._model = worker, registry, limits, model
        self._background = background
        self._waiting: FairQueue[tuple[Room, Opening]] = FairQueue()
        self._beginning = set[str]()

    # --- who waits -----------------------------------------------------------------------------------------------------------

    def start(self, user: str, opening: Opening) -> Room:
        """Begin a session, now or when its turn comes. The room says how that goes.

        Raises:
            Refused: when it is too large, or the queue is full.
        """
        self._limits.check_opening(opening)
        if len(self._waiting) >= self._limits.queue or self._waiting.count(user) >= self._limits.queue_per_user:
            raise Refused(
                "busy", f"{len(self._waiting)} sessions wait for their turn already: try again when some are finished."
            )
        room = self._registry.keep(new_session_id(), user)
        room.title, room.model = opening.prompt, opening.model or self._model
        log_prompt(room.id, opening.prompt)
        self._waiting.put(user, (room, opening))
        self._wake_waiting()
        self.dispatch()
        return room

    def withdraw(self, room: Room) -> None:
        """Let a session wait no more that is not wanted any more."""
        for one in [one for one in self._waiting.order() if one[0] is room]:
            self._waiting.remove(one)
            self._wake_waiting()

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

    @property
    def num_waiting(self) -> int:
        """Sessions that wait for their first step."""
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        """Sessions that make steps, or are about to."""
        return sum(room.status == "running" or room.id in self._beginning for room in self._registry)

    @property
    def engaged(self) -> set[str]:
        """Sessions that are about to be in memory, or wait for that."""
        return self._beginning | {room.id for room, _ in self._waiting.order()}

    # --- beginning -----------------------------------------------------------------------------------------------------------

    def dispatch(self) -> None:
        """Begin what waits, as far as there is room."""
        while self._worker.is_ready and len(self._waiting) and self.num_running < self._limits.running:
            room, opening = self._waiting.take()
            self._beginning.add(room.id)
            self._background.run(self._begin(room, opening))
            self._wake_waiting()

    async def settled(self, room: Room) -> None:
        """Wait until a session has begun, waits for its turn, or has failed to begin.

        Raises:
            Refused: when it has failed.
        """
        with room.used() as woken:
            while room.id in self._beginning or not (room.is_open or room.problem or self.waiting(room)):
                await woken.wait()
                woken.clear()
        room.check()

    async def _begin(self, room: Room, opening: Opening) -> None:
        try:
            async with room.opening:
                await self._make_room(room)
                model = opening.model or self._model
                request = OpenSession(session=room.id, owner=room.owner, model=model, opening=opening)
                await self._worker.ask(request)
        except Refused as problem:
            self._registry.fail(room, problem)
        except Exception:
            # whoever waits for it is told, whatever has gone wrong
            self._registry.fail(room, Refused("failed", "This session could not be begun: the server's log says why."))
            raise
        finally:
            self._beginning.discard(room.id)
            room.wake()
            self.dispatch()

    def _wake_waiting(self) -> None:
        """The queue has changed, and with it the places in it: users take turns, so also when somebody comes."""
        for room, _ in self._waiting.order():
            room.wake()

    # --- memory --------------------------------------------------------------------------------------------------------------

    async def open_again(self, room: Room) -> None:
        """Have a session in memory that has begun.

        Raises:
            Refused: when it cannot be.
        """
        self.check_begun(room)
        if room.id in self._beginning:
            # what is said right after a start comes before the session is begun
            await self.settled(room)
        with room.used():
            async with room.opening:
                if room.is_open:
                    return
                room.check()
                await self._make_room(room)
                await self._worker.ask(ResumeSession(session=room.id))

    async def _make_room(self, wanted: Room) -> None:
        """Let the session go that has rested longest and that nobody follows, where there are as many as there may be.

        Raises:
            Refused: when all are in use.
        """
        in_use = [room for room in self._registry if (room.is_open or room.id in self._beginning) and room is not wanted]
        theirs = [room for room in in_use if room.owner == wanted.owner]
        is_greedy = len(theirs) >= self._limits.open_per_user
        if len(in_use) < self._limits.open and not is_greedy:
            return
        candidates = theirs if is_greedy else in_use  # who has many makes room among them
        room = next((room for room in candidates if room.may_rest), None)
        if room is None:
            raise Refused("busy", f"{len(in_use)} sessions are in use, and no more fit: close one, or try again later.")
        async with room.opening:  # who asks for it meanwhile waits until it is closed, then has it opened again
            room.rest()
            try:
                await self._worker.ask(CloseSession(session=room.id))
            except Refused:
                # it is still where it was
                await self._worker.ask(ResumeSession(session=room.id))
                raise
