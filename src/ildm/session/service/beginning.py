"""How a session comes to be what was asked for before anybody hears of it: commands that act together, or none of it is."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue

from ildm.core.errors import ConfigError
from ildm.session.commands import Command, Pause, StartFromImage
from ildm.session.engine import Engine
from ildm.session.events import AnyEvent, CommandApplied, CommandRejected
from ildm.session.refusals import NotNow, Unsupported
from ildm.session.service.messages import Opening


def first_commands(opening: Opening) -> list[Command]:
    """What acts before the first step, and leaves the session paused."""
    first: list[Command] = [] if opening.regions is None else [opening.regions]
    if opening.image is not None:
        first.append(StartFromImage(image=opening.image, strength=opening.strength, change_map=opening.change_map))
        first.append(Pause())  # a run that begins anew goes on by itself
    return first


def have_act(engine: Engine, session: str, commands: Sequence[Command]) -> None:
    """Have commands act at one step boundary, in a session that nobody else has heard of.

    Raises:
        IldmError: when one is refused.
    """
    answers = SimpleQueue[CommandApplied | CommandRejected]()

    def hear(event: AnyEvent) -> None:
        if isinstance(event, CommandApplied | CommandRejected):
            answers.put(event)

    def submit() -> None:
        for command in commands:
            engine.submit(session, command)

    engine.listen(session, hear)
    engine.on_thread(submit).result()
    told = [answers.get() for _ in commands]
    engine.unlisten(session, hear)
    for event in told:
        if isinstance(event, CommandRejected):
            raise _refusal(event)


def _refusal(event: CommandRejected) -> Exception:
    match event.code:
        case "not-now":
            return NotNow(event.text)
        case "unsupported":
            return Unsupported(event.text)
        case "failed":
            return RuntimeError(event.text)
        case _:
            return ConfigError(event.text)
