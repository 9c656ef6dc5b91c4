"""Records as rows of the store, and back. Bytes travel with their SHA-256, since a disk may give other bytes than it was given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ildm.core.errors import ProtocolError, StorageError
from ildm.session.events import AnyEvent
from ildm.session.settings import Settings
from ildm.session.storage.records import BranchRecord, NodeRecord, PositionRecord
from ildm.session.wire import from_json, from_msgpack, to_json, to_msgpack

Row = dict[str, Any]
Read = Mapping[Any, Any]
"""A row as it comes from the database."""


def event_row(event: AnyEvent) -> Row:
    """An event as a row."""
    return {"seq": event.seq, **content_row(to_msgpack(event))}


def node_row(node: NodeRecord) -> Row:
    """A state as a row."""
    return {
        "id": node.id,
        "parent": node.parent,
        "step": node.step,
        "origin": node.origin,
        "name": node.name,
        "settings": to_json(node.settings),
    }


def branch_row(branch: BranchRecord) -> Row:
    """A branch as a row."""
    return {
        "id": branch.id,
        "tip": branch.tip,
        "name": branch.name,
        "deleted": branch.deleted,
        "settings": to_json(branch.settings),
    }


def position_row(position: PositionRecord) -> Row:
    """A cursor's place as a row."""
    return {
        "cursor": position.cursor,
        "node": position.node,
        "branch": position.branch,
        "following": position.following,
        "settings": to_json(position.settings),
    }


def content_row(data: bytes) -> Row:
    """Some bytes as part of a row."""
    return {"sha256": hashlib.sha256(data).digest(), "data": data}


def read_event(row: Read, what: str) -> AnyEvent:
    """The event of a row; `what` names it in a sentence.

    Raises:
        StorageError: when it is damaged. So do the other readers here.
    """
    try:
        return from_msgpack(AnyEvent, read_content(row, what))
    except ProtocolError as error:
        raise _damaged(what, str(error)) from error


def read_node(row: Read, what: str) -> NodeRecord:
    """The state of a row."""
    return NodeRecord(
        id=row["id"],
        parent=row["parent"],
        step=row["step"],
        origin=row["origin"],
        name=row["name"],
        settings=_settings(row, what),
    )


def read_branch(row: Read, what: str) -> BranchRecord:
    """The branch of a row."""
    return BranchRecord(
        id=row["id"], tip=row["tip"], name=row["name"], deleted=bool(row["deleted"]), settings=_settings(row, what)
    )


def read_position(row: Read, what: str) -> PositionRecord:
    """The cursor's place of a row."""
    return PositionRecord(
        cursor=row["cursor"],
        node=row["node"],
        branch=row["branch"],
        following=bool(row["following"]),
        settings=_settings(row, what),
    )


def read_content(row: Read, what: str) -> bytes:
    """The bytes of a row, after checking every one of them."""
    if hashlib.sha256(row["data"]).digest() != row["sha256"]:
        raise _damaged(what, "its bytes are not those that were saved")
    return row["data"]


def _settings(row: Read, what: str) -> Settings:
    try:
        return from_json(Settings, row["settings"])
    except ProtocolError as error:
        raise _damaged(what, str(error)) from error


def _damaged(what: str, why: str) -> StorageError:
    return StorageError(f"{what} is damaged on the disk: {why.rstrip('.')}.")
