"""Pictures of a session that the worker is asked for: of a state, of where a word acts, and small ones for lists."""

from __future__ import annotations

from ildm.session.service.messages import DrawPicture, DrawThumbnail, DrawWord, PictureForm
from ildm.studio.opening import Openings
from ildm.studio.refusals import Refused
from ildm.studio.room import Room
from ildm.studio.worker import Reply, Worker


class Drawing:
    """See above.

    Args:
        worker: draws.
        openings: takes into memory what is to be drawn.
    """

    def __init__(self, worker: Worker, openings: Openings) -> None:
        self._worker, self._openings = worker, openings

    async def draw(self, room: Room, node: int | None, form: PictureForm) -> Reply:
        """The picture behind a state, see `DrawPicture`.

        Raises:
            Refused: when there is nothing to see.
        """
        return await self._ask(room, DrawPicture(session=room.id, node=node, form=form))

    async def draw_word(self, room: Room, word: str, node: int | None) -> Reply:
        """Where a word acts at a state, see `DrawWord`.

        Raises:
            Refused: when there is no such word, or nothing to see yet, or the model cannot tell.
        """
        return await self._ask(room, DrawWord(session=room.id, word=word, node=node))

    async def glance(self, room: Room, node: int | None) -> bytes | None:
        """A preview of a state for a list, see `DrawThumbnail`; None where there is none, for whatever reason."""
        newest = room.frame
        if node is None and room.place is not None and newest is not None:
            # a run is never far ahead of its newest frame
            is_current = room.status == "running" or newest.header["node"] == room.place["node"]
            if is_current:
                return newest.data
        try:
            # nothing is taken into memory for a list
            return (await self._worker.ask(DrawThumbnail(session=room.id, node=node))).payload
        except Refused:
            return None

    async def _ask(self, room: Room, request: DrawPicture | DrawWord) -> Reply:
        with room.used():
            await self._openings.open_again(room)
            return await self._worker.ask(request)
