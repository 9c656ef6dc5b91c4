"""What was in memory when the worker was lost is taken up again from its last saved step, running or resting as it was."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Set

from ildm.session.service.messages import ResumeSession
from ildm.session.store import Store
from ildm.studio.refusals import Refused
from ildm.studio.registry import Registry
from ildm.studio.room import Room
from ildm.studio.worker import Worker

_logger = logging.getLogger(__name__)


class Recovery:
    """See above. At a start, what was running when the server ended is taken up as well.

    Args:
        worker: the one that comes after the one that was lost, too.
        store: read once, at the start.
        most: sessions that are taken up at a start.
    """

    def __init__(self, worker: Worker, store: Store, registry: Registry, most: int) -> None:
        self._worker, self._store, self._registry, self._most = worker, store, registry, most
        self._lost: dict[str, bool] = {}
        self._has_read = False

    @property
    def awaited(self) -> Set[str]:
        """Sessions that are yet to be taken up."""
        return self._lost.keys()

    def lose_all(self) -> None:
        """The worker is gone, with all that was open in it."""
        for room in self._registry:
            if room.is_open:
                self._lost[room.id] = room.status == "running"
                room.lose()

    async def take_up_all(self) -> None:
        """Take up what was lost, as long as there is a worker."""
        if not self._has_read:
            await self._read()
        while self._lost and self._worker.is_ready:
            session_id, was_running = self._lost.popitem()
            room = self._registry.get(session_id)
            if room is not None and not room.is_open:
                await self._take_up(room, was_running)

    async def _read(self) -> None:
        """Find out what was running when the server ended."""
        stored = await asyncio.to_thread(self._store.sessions)
        self._has_read = True
        for one in stored:
            if one.status == "running" and len(self._lost) < self._most:
                self._registry.keep(one.id, one.owner)
                self._lost.setdefault(one.id, True)

    async def _take_up(self, room: Room, was_running: bool) -> None:
        try:
            async with room.opening:
                if not room.is_open:  # somebody may have asked for it meanwhile
                    request = ResumeSession(session=room.id, status="running" if was_running else None)
                    await self._worker.ask(request)
        except Refused as problem:
            if problem.code in ("worker-lost", "not-ready"):
                self._lost[room.id] = was_running  # it is taken up when there is a worker again
            else:
                _logger.warning("Session %s cannot be taken up: %s", room.id, problem.text)
                self._registry.fail(room, problem)
