"""Damage is told, and what is whole is still there."""

import os
import sqlite3
from contextlib import closing

import pytest
from kept import IMAGE, MASK, MASK_ID, fill, flip, snapshot

from ildm.core.errors import StorageError
from ildm.session.store import Store


@pytest.mark.parametrize(
    ("piece", "read", "said"),
    [
        (
            snapshot(3)[1000:1100],
            lambda session: session.snapshot(3),
            "The snapshot of state 3 of session 0123abcd4567 is damaged",
        ),
        (MASK, lambda session: session.blob(MASK_ID), f"The data {MASK_ID} of session 0123abcd4567 is damaged"),
        (IMAGE[:50], lambda session: session.image(5), "The picture of state 5 of session 0123abcd4567 is damaged"),
    ],
    ids=["snapshot", "blob", "image"],
)
def test_a_flipped_bit_is_told_and_the_rest_is_there(tmp_path, piece, read, said):
    path = tmp_path / "sessions.sqlite"
    with Store(path) as store:
        fill(store)
    if path.read_bytes().count(piece) > 1:  # what repeats itself is changed where it begins
        piece = path.read_bytes()[path.read_bytes().index(piece) - 16 :][: len(piece)]
    flip(path, piece)
    with Store(path) as store:
        session = store.load("0123abcd4567")
        with pytest.raises(StorageError, match=said):
            read(session)
        assert session.snapshot(2) == snapshot(2)
        assert len(store.events("0123abcd4567")) == 8


def test_a_flipped_bit_in_an_event_or_a_state_is_told(tmp_path):
    path = tmp_path / "sessions.sqlite"
    with Store(path) as store:
        fill(store)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE events SET data = CAST(replace(data, 'a lion', 'a bird') AS BLOB) WHERE seq = 5")
    with Store(path) as store:
        with pytest.raises(StorageError, match="Event 5 of session 0123abcd4567 is damaged"):
            store.events("0123abcd4567")
        assert len(store.load("0123abcd4567").nodes) == 6
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE nodes SET settings = replace(settings, 'heun', '') WHERE id = 2")
    with Store(path) as store:
        with pytest.raises(
            StorageError, match="State 2 of session 0123abcd4567 is damaged on the disk: A message does not follow"
        ):
            store.load("0123abcd4567")
        assert [session.id for session in store.sessions("lion")] == ["0123abcd4567"]


def test_a_store_whose_pages_are_damaged_says_so(tmp_path):
    path = tmp_path / "sessions.sqlite"
    with Store(path) as store:
        fill(store, steps=40)
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    with Store(path) as store, pytest.raises(StorageError, match=r"session store .* is damaged .* put a backup of it back"):
        store.sessions()
