"""What was asked for over a finished picture, taken along to another of its states."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from ildm.session.editing import changed
from ildm.session.settings import Hold, Settings


@dataclass(frozen=True)
class _Members:
    """How the members of a setting that is a list are told apart.

    Args:
        identity: what stays of a member that is changed.
        come_anew: whether one that was changed comes along to where it is not.
    """

    identity: Callable[[Any], Hashable]
    come_anew: bool = False


_LISTS = {
    # whoever paints a region anew wants it there, but of what is kept a part can only be let go
    "regions": _Members(lambda region: region.id, come_anew=True),
    "holds": _Members(lambda hold: _without_area(hold)),
    "feedback": _Members(lambda judged: judged),
}


def taken_along(there: Settings, made: Settings, asked: Settings) -> Settings:
    """The settings of a state, with what was asked for over a finished picture.

    Args:
        there: the state's own.
        made: those that the finished picture was made with.
        asked: those that were in force over it.
    """
    fields: dict[str, Any] = {}
    for name, value in asked:
        former = getattr(made, name)
        if value == former or (name == "holds" and there.size != made.size):
            # what is held is of the size that the picture has
            continue
        fields[name] = _joined(_LISTS[name], getattr(there, name), former, value) if name in _LISTS else value
    return changed(there, **fields) if fields else there


def _joined(members: _Members, there: Sequence[Any], made: Sequence[Any], asked: Sequence[Any]) -> tuple[Any, ...]:
    """A list with what was added to, changed in and taken out of another one."""
    result, gone = list(there), [one for one in made if one not in asked]
    for one in asked:
        if one in made:
            continue
        former = _find(members, gone, one)
        if former is None:
            result.append(one)
            continue
        place = _find(members, result, gone.pop(former))
        if place is not None:
            result[place] = one
        elif members.come_anew:
            result.append(one)
    for one in gone:
        place = _find(members, result, one)
        if place is not None:
            del result[place]
    order = [members.identity(one) for one in asked]
    common = [members.identity(one) for one in made if members.identity(one) in order]
    if common != [one for one in order if one in common]:
        ranks = {one: rank for rank, one in enumerate(order)}
        result.sort(key=lambda one: ranks.get(members.identity(one), len(order)))
    return tuple(result)


def _find(members: _Members, among: Sequence[Any], one: Any) -> int | None:
    """Where a member is: it itself, or else what it was changed from or to."""
    if one in among:
        return among.index(one)
    identity = members.identity(one)
    return next((place for place, other in enumerate(among) if members.identity(other) == identity), None)


def _without_area(hold: Hold) -> Hashable:
    return hold.source, hold.seed, hold.noise, hold.until, hold.locked
