"""The tables of a store, version 3. Whatever is worth keeping lies in one file.

sessions ─┬─ events       the log, one message a row
          ├─ nodes ─┬─ snapshots   states of samplers, can be computed again
          │         └─ images      finished pictures
          ├─ branches
          ├─ positions    where its cursors stand
          └─ blobs        masks, pictures and latents that settings name by hash
presets

Sessions and presets belong to somebody: to the person whose store it is (""), or to a user of their server, by name.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, ForeignKeyConstraint, Integer, LargeBinary, MetaData, Table, Text

VERSION = 3

metadata = MetaData()


def _session() -> Column[str]:
    return Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)


def _content() -> list[Column[bytes]]:
    """Bytes and their SHA-256; the bytes last, so that a row's other columns are read without them."""
    return [Column("sha256", LargeBinary, nullable=False), Column("data", LargeBinary, nullable=False)]


def _node(*columns: str) -> ForeignKeyConstraint:
    # checked at the commit, so that the rows of a batch may come in any order
    return ForeignKeyConstraint(
        ["session_id", *columns],
        ["nodes.session_id", "nodes.id"],
        ondelete="CASCADE",
        deferrable=True,
        initially="DEFERRED",
    )


sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("status", Text, nullable=False),
    Column("owner", Text, nullable=False, server_default=""),
)

events = Table(
    "events",
    metadata,
    _session(),
    Column("seq", Integer, primary_key=True),
    *_content(),
)

nodes = Table(
    "nodes",
    metadata,
    _session(),
    Column("id", Integer, primary_key=True),
    Column("parent", Integer),
    Column("step", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("name", Text),
    Column("settings", Text, nullable=False),
    _node("parent"),
)

branches = Table(
    "branches",
    metadata,
    _session(),
    Column("id", Integer, primary_key=True),
    Column("tip", Integer, nullable=False),
    Column("name", Text),
    Column("deleted", Boolean, nullable=False),
    Column("settings", Text, nullable=False),
)

positions = Table(
    "positions",
    metadata,
    _session(),
    Column("cursor", Integer, primary_key=True),
    Column("node", Integer, nullable=False),
    Column("branch", Integer, nullable=False),
    Column("following", Boolean, nullable=False),
    Column("settings", Text, nullable=False),
    _node("node"),
)

snapshots = Table("snapshots", metadata, _session(), Column("node", Integer, primary_key=True), *_content(), _node("node"))

images = Table("images", metadata, _session(), Column("node", Integer, primary_key=True), *_content(), _node("node"))

blobs = Table("blobs", metadata, _session(), Column("id", Text, primary_key=True), *_content())

presets = Table(
    "presets",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("updated", Float, nullable=False),
    *_content(),
)
