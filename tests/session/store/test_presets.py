"""Presets, and whose they and the sessions are."""

import pytest
from kept import fill, opened

from ildm.core.errors import ConfigError, StorageError


def test_presets_are_kept_by_kind_and_name(store, clock):
    presets = store.presets
    presets.save("regions", "two columns", b"1")
    presets.save("regions", "three rows", b"22")
    presets.save("settings", "two columns", b"333")
    assert [(preset.name, preset.bytes, preset.updated) for preset in presets.all("regions")] == [
        ("three rows", 2, clock.now),
        ("two columns", 1, clock.now),
    ]
    assert len(presets.all()) == 3
    assert presets.load("settings", "two columns") == b"333"
    with pytest.raises(ConfigError, match="There is a regions preset 'two columns' already"):
        presets.save("regions", "two columns", b"new")
    presets.save("regions", "two columns", b"new", replace=True)
    assert presets.load("regions", "two columns") == b"new"
    with pytest.raises(ConfigError, match="There is a regions preset 'three rows' already"):
        presets.rename("regions", "two columns", "three rows")
    presets.rename("regions", "two columns", "halves")
    presets.delete("regions", "three rows")
    assert [preset.name for preset in presets.all("regions")] == ["halves"]


def test_presets_belong_to_somebody(store):
    anna = store.presets.of("anna")
    anna.save("regions", "mine", b"hers")
    store.presets.save("regions", "mine", b"ours")
    assert (anna.load("regions", "mine"), store.presets.load("regions", "mine")) == (b"hers", b"ours")
    anna.delete("regions", "mine")
    assert anna.all() == [] and [preset.name for preset in store.presets.all()] == ["mine"]


def test_sessions_belong_to_somebody(store):
    for name in ("first", "second"):
        store.create(name, opened())
    store.give("second", "anna").result()
    assert {session.id: session.owner for session in store.sessions()} == {"first": "", "second": "anna"}
    assert [session.id for session in store.sessions(owner="anna")] == ["second"]
    assert store.summary("second").owner == "anna" and store.summary("third") is None


def test_a_session_is_deleted_with_all_that_was_kept_of_it(store):
    fill(store)
    [kept] = store.sessions()
    store.delete(kept.id)
    assert store.sessions() == []
    with pytest.raises(ConfigError, match="There is no session"):
        store.delete(kept.id)


def test_an_unknown_preset_is_told_with_the_nearest(store):
    store.presets.save("regions", "halves", b"1")
    for ask in (
        lambda: store.presets.load("regions", "halvs"),
        lambda: store.presets.delete("regions", "halvs"),
        lambda: store.presets.rename("regions", "halvs", "quarters"),
    ):
        with pytest.raises(ConfigError, match="There is no regions preset 'halvs': did you mean 'halves'"):
            ask()
    for name in ("", " ", "a" * 201):
        with pytest.raises(ConfigError, match="A preset's name has 1 to 200 characters"):
            store.presets.save("regions", name, b"1")


def test_a_damaged_preset_is_told(store):
    store.presets.save("regions", "halves", b"1234")
    store.writer.submit(
        lambda connection: connection.exec_driver_sql("UPDATE presets SET data = x'31323335'").rowcount
    ).result()
    with pytest.raises(StorageError, match="The regions preset 'halves' is damaged"):
        store.presets.load("regions", "halves")
