"""What travels to and from the store: plain values, and their tensors as opaque bytes beside them."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from ildm.core.errors import ProtocolError
from ildm.core.seeds import MAX_SEED
from ildm.session.settings import Settings
from ildm.session.wire import Name

Number = Annotated[int, Field(ge=0, le=MAX_SEED)]
"""Counts and numbers of things: they fit into a column of the store and into a browser."""

Status = Literal["running", "paused", "finished", "cancelled", "failed"]
Origin = Literal["start", "step"]

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _Exact:
    """Fields that a record does not know are refused, not dropped, when it is read from a file."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class NodeRecord(_Exact):
    """A state of the tree.

    Args:
        parent: the state it came from; an earlier one, so its number is smaller.
        step: how many steps were done.
        origin: "step" = one step from its parent; "start" = made from its settings alone.
        settings: those that made it.
        name: given by a person.
    """

    id: Number
    parent: Number | None
    step: Number
    origin: Origin
    settings: Settings
    name: Name | None = None


@dataclass(frozen=True, kw_only=True)
class BranchRecord(_Exact):
    """A way through the tree.

    Args:
        tip: its last state; of a deleted branch, one that may be gone.
        settings: in force after the tip.
        name: given by a person.
        deleted: whether only its number is still taken.
    """

    id: Number
    tip: Number
    settings: Settings
    name: Name | None = None
    deleted: bool = False


@dataclass(frozen=True, kw_only=True)
class PositionRecord(_Exact):
    """Where a cursor stands.

    Args:
        settings: those of its next step.
        following: whether it stands at its branch's tip and grows it, or passes states that are there already.
    """

    cursor: Number
    node: Number
    branch: Number
    settings: Settings
    following: bool


@dataclass(frozen=True, kw_only=True)
class SessionSummary:
    """A session as a list shows it.

    Args:
        title: its first prompt, or the name a person gave it.
        model: the name it loads by.
        created, updated: seconds since 1970.
        num_nodes: states in the tree.
        bytes: of events, snapshots, pictures and what else lies beside them.
        owner: whose it is; "" = the person whose store it is.
    """

    id: str
    title: str
    model: str
    created: float
    updated: float
    status: Status
    num_nodes: int
    bytes: int
    owner: str = ""


@dataclass(frozen=True, kw_only=True)
class PresetSummary:
    """A preset as a list shows it. `updated`: seconds since 1970."""

    kind: str
    name: str
    updated: float
    bytes: int


def new_session_id() -> str:
    """A number for a new session, short enough to type: 12 hex digits."""
    return secrets.token_hex(6)


def check_session_id(session_id: str) -> str:
    """Return `session_id` when it can be one.

    Raises:
        ProtocolError: when it is not 1 to 64 letters, digits, `-` and `_`.
    """
    if not _SESSION_ID.fullmatch(session_id):
        raise ProtocolError(f"A session's id is 1 to 64 letters, digits, '-' or '_', but {session_id[:80]!r} was given.")
    return session_id
