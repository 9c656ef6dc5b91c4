"""How messages become words: a clause for each kind, and what clauses share."""

from __future__ import annotations

from functools import singledispatch

from ildm.session.wire import Mask, Message

MAX_QUOTED = 100


@singledispatch
def in_words(message: Message) -> str:
    """A command as what it changed, an event as what happened: a clause without a full stop.

    Raises:
        TypeError: for a message that has no words here.
    """
    raise TypeError(f"There are no words for {type(message).__name__}.")


def quoted(text: str) -> str:
    """Someone's words in one line, in quotes, cut after 100 letters."""
    return repr(text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 3]}...")


def count(number: int, noun: str) -> str:
    """ "1 step", "2 steps"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def steps(number: int) -> str:
    """So many steps."""
    return count(number, "step")


def area(mask: Mask | None) -> str:
    """Where something acts; None = everywhere."""
    return "the whole picture" if mask is None else f"an area ({mask.width} x {mask.height} mask)"
