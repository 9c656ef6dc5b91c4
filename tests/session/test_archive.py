"""Archives: a session travels whole, and nothing that a hostile file does gets into the store."""

import hashlib
import json
import shutil
import struct
import zipfile

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kept import IMAGE, MASK, MASK_ID, begin, everything, fill, flip, opened, snapshot, step

from ildm.core.errors import ConfigError, IldmError, ProtocolError, StorageError
from ildm.session.archive import file as archive_file
from ildm.session.archive.content import content_of
from ildm.session.archive.transfer import Imported, export_session, import_session
from ildm.session.events import RunPaused
from ildm.session.store import Store
from ildm.session.wire import to_msgpack

ID = "0123abcd4567"


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "sessions.sqlite") as store:
        fill(store, ID)
        yield store


@pytest.fixture
def other(tmp_path):
    with Store(tmp_path / "elsewhere" / "sessions.sqlite") as store:
        yield store


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A good archive."""
    folder = tmp_path_factory.mktemp("exported")
    with Store(folder / "sessions.sqlite") as store:
        fill(store, ID)
        export_session(store, ID, folder / "lion.ildm")
    return folder / "lion.ildm"


def members(path):
    with zipfile.ZipFile(path) as source:
        return {name: source.read(name) for name in source.namelist()}


def manifest(pieces):
    return json.loads(pieces["manifest.json"])


def write(path, pieces, *, described=True):
    """An archive of these members; the manifest is made to fit, unless it is meant not to."""
    if described:
        told = manifest(pieces)
        told["members"] = {name: digest(data) for name, data in pieces.items() if name != "manifest.json"}
        pieces = pieces | {"manifest.json": json.dumps(told).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in pieces.items():
            target.writestr(name, data)
    return path


def digest(data):
    return hashlib.sha256(data).hexdigest()


# --- there and back ----------------------------------------------------------------------------------------------------------


def test_a_session_arrives_as_it_was(store, other, tmp_path):
    seen = []
    path = tmp_path / "lion.ildm"
    assert export_session(store, ID, path, progress=lambda *at: seen.append(at)) == []
    assert seen == [(number, 8) for number in range(1, 9)]
    imported = import_session(other, path, progress=lambda *at: seen.append(at))
    assert (imported.session_id, imported.is_new) == (ID, True)
    assert seen[8:] == seen[:8]
    assert everything(other, ID) == everything(store, ID)
    ours, theirs = store.load(ID).summary, other.load(ID).summary
    assert (theirs.title, theirs.model, theirs.created, theirs.num_nodes) == (
        ours.title,
        ours.model,
        ours.created,
        ours.num_nodes,
    )
    assert theirs.updated > ours.updated
    assert theirs.status == "paused"


def test_the_same_session_makes_the_same_file(store, tmp_path):
    for name in ("one.ildm", "two.ildm"):
        export_session(store, ID, tmp_path / name)
    assert (tmp_path / "one.ildm").read_bytes() == (tmp_path / "two.ildm").read_bytes()
    told = manifest(members(tmp_path / "one.ildm"))
    assert (told["format"], told["version"], told["session"], told["model"]) == ("ildm-session", 1, ID, "emoji-scenes")
    assert told["members"][f"blobs/{MASK_ID}"] == MASK_ID


def test_without_snapshots_the_file_is_small_and_has_all_the_rest(store, other, tmp_path):
    export_session(store, ID, tmp_path / "whole.ildm")
    export_session(store, ID, tmp_path / "small.ildm", snapshots=False)
    assert (tmp_path / "small.ildm").stat().st_size < 6000 < (tmp_path / "whole.ildm").stat().st_size / 4
    import_session(other, tmp_path / "small.ildm")
    assert everything(other, ID) == everything(store, ID) | {"snapshots": {}}


def test_a_session_is_imported_once(store, other, exported):
    assert not import_session(store, exported).is_new
    assert import_session(other, exported).is_new
    assert not import_session(other, exported).is_new
    for one in (store, other):
        assert [session.id for session in one.sessions()] == [ID]


@pytest.mark.parametrize(("steps", "status"), [(25, "finished"), (24, "paused")])
def test_a_finished_session_arrives_finished(steps, status, other, tmp_path):
    with Store(tmp_path / "sessions.sqlite") as store:
        begin(store, ID)
        for number in range(1, steps + 1):
            store.append(ID, **step(number, size=8)).result()
        export_session(store, ID, tmp_path / "lion.ildm")
    import_session(other, tmp_path / "lion.ildm")
    [listed] = other.sessions()
    assert listed.status == status


def test_what_was_pruned_comes_back(store, exported):
    before = everything(store, ID)
    store.prune(snapshots_only=True)
    assert not import_session(store, exported).is_new
    assert everything(store, ID) == before


def test_an_id_that_is_taken_by_another_session_is_left_alone(other, exported):
    begin(other, ID, prompt="another session of the same id")
    before = everything(other, ID)
    first = import_session(other, exported)
    assert (first.is_new, first.beside) == (True, ID)
    assert first.session_id != ID
    assert everything(other, ID) == before
    assert other.load(first.session_id).image(5) == IMAGE
    assert import_session(other, exported) == Imported(session_id=first.session_id, is_new=False)


def test_a_session_that_has_gone_on_since_gets_what_it_was_beside_it(other, exported):
    import_session(other, exported)
    other.append(ID, events=[RunPaused(seq=8)]).result()
    went_on = everything(other, ID)
    copy = import_session(other, exported)
    assert (copy.is_new, copy.beside) == (True, ID)
    assert everything(other, ID) == went_on
    assert import_session(other, exported) == Imported(session_id=copy.session_id, is_new=False)
    assert len(other.sessions()) == 2


def test_a_session_that_was_exported_under_several_ids_is_imported_once(other, exported, tmp_path):
    pieces = members(exported)
    renamed = json.dumps(manifest(pieces) | {"session": "9999ffff0000"}).encode()
    assert import_session(other, exported).session_id == ID
    again = import_session(other, write(tmp_path / "again.ildm", pieces | {"manifest.json": renamed}))
    assert again == Imported(session_id=ID, is_new=False)


def test_a_session_that_runs_meanwhile_is_taken_as_it_was(store):
    session = store.load(ID)
    before = content_of(store, session)
    store.append(ID, events=[RunPaused(seq=8)]).result()
    assert content_of(store, session) == before


def test_what_is_painted_over_during_an_export_is_in_it_all_the_same(store, other, tmp_path):
    """The mask goes, and its snapshot with it, when half of the file is written."""
    before = store.load(ID)

    def paint(done, _):
        if done == 1:
            store.append(ID, unneeded=sorted(before.blob_ids), forgotten=[5]).result()

    assert export_session(store, ID, tmp_path / "lion.ildm", progress=paint) == []
    assert store.load(ID).blob_ids == frozenset()
    import_session(other, tmp_path / "lion.ildm")
    after = other.load(ID)
    assert (after.blob_ids, after.snapshot_nodes) == (before.blob_ids, before.snapshot_nodes)
    assert after.blob(MASK_ID) == MASK


def test_a_damaged_snapshot_is_left_out_and_told(tmp_path, other):
    path = tmp_path / "damaged.sqlite"
    with Store(path) as store:
        fill(store, ID)
    flip(path, snapshot(3)[1000:1100])
    with Store(path) as store:
        [told] = export_session(store, ID, tmp_path / "lion.ildm")
    assert told.startswith(f"The snapshot of state 3 of session {ID} is damaged")
    import_session(other, tmp_path / "lion.ildm")
    assert other.load(ID).snapshot_nodes == {0, 1, 2, 4, 5}


def test_a_damaged_mask_stops_the_export(tmp_path):
    path = tmp_path / "damaged.sqlite"
    with Store(path) as store:
        fill(store, ID)
    flip(path, MASK)
    with Store(path) as store, pytest.raises(StorageError, match=f"The data {MASK_ID} of session {ID} is damaged"):
        export_session(store, ID, tmp_path / "lion.ildm")
    assert not (tmp_path / "lion.ildm").exists()


def test_names_of_files_and_sessions_are_judged(store, tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"ends in \.ildm, but .*diary\.txt was given"):
        export_session(store, ID, tmp_path / "diary.txt")
    assert (tmp_path / "diary.txt").read_text() == "mine"
    with pytest.raises(ConfigError, match="There is no session nobody"):
        export_session(store, "nobody", tmp_path / "nobody.ildm")
    with pytest.raises(StorageError, match="is a folder, but a file is to be written there"):
        (tmp_path / "folder.ildm").mkdir()
        export_session(store, ID, tmp_path / "folder.ildm")


def test_what_import_would_refuse_is_not_exported(store, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_file, "MAX_BYTES", 20_000)
    with pytest.raises(StorageError, match="export the session without its snapshots"):
        export_session(store, ID, tmp_path / "lion.ildm")
    assert not (tmp_path / "lion.ildm").exists()
    export_session(store, ID, tmp_path / "lion.ildm", snapshots=False)


def test_a_full_disk_leaves_no_half_archive_and_no_half_session(tmp_path, small_disk, exported):
    with Store(tmp_path / "sessions.sqlite") as store:
        begin(store, "big")
        store.append("big", **step(1, 3_000_000)).result()
        disk = small_disk(2)
        with pytest.raises(StorageError, match="No room left on the disk while saving"):
            export_session(store, "big", disk / "big.ildm")
        assert list(disk.iterdir()) == []
        export_session(store, "big", tmp_path / "big.ildm")
    with Store(disk / "sessions.sqlite") as full:
        with pytest.raises(StorageError, match="No room left on the disk while saving"):
            import_session(full, tmp_path / "big.ildm")
        assert full.sessions() == []
        assert import_session(full, exported).is_new


# --- hostile files -----------------------------------------------------------------------------------------------------------


def changed(**values):
    """Another manifest."""
    return lambda pieces: pieces | {"manifest.json": json.dumps(manifest(pieces) | values).encode()}


def with_member(name, data=b"x"):
    return lambda pieces: pieces | {name: data}


def without(name):
    return lambda pieces: {key: data for key, data in pieces.items() if key != name}


def table(name, **values):
    """Other values in the last record of a table."""

    def change(pieces):
        records = json.loads(pieces[name])
        records[-1] |= values
        return pieces | {name: json.dumps(records).encode()}

    return change


def events(*log):
    """Another log."""
    messages = [to_msgpack(event) for event in log]
    stream = b"".join(struct.pack("<I", len(message)) + message for message in messages)
    return lambda pieces: pieces | {"events.msgpack": stream}


LIES_OF_THE_MANIFEST = {
    "no log": (without("events.msgpack"), "'events.msgpack' is missing"),
    "no tree": (without("nodes.json"), "'nodes.json' is missing"),
    "no manifest": (without("manifest.json"), "has no manifest.json"),
    "another program's": (changed(format="other-session"), "manifest is no session's"),
    "a newer version": (changed(version=2), r"a newer ildm wrote it \(archive version 2, this one reads 1\)"),
    "an older version": (changed(version=0), "manifest is no session's"),
    "a surplus key": (changed(command="rm"), "manifest is no session's .*command"),
    "an id that climbs": (changed(session="../up"), "manifest is no session's .*session"),
    "no number": (changed(created=float("nan")), "manifest is no session's .*created"),
    "a manifest of no JSON": (with_member("manifest.json", b"{"), "manifest is no session's"),
    "a manifest of another kind": (with_member("manifest.json", b"[]"), "manifest is no session's"),
}
LIES = {
    "a name that climbs": (with_member("../../evil"), "has a member '../../evil', which no session archive has"),
    "an absolute name": (with_member("/etc/evil"), "has a member '/etc/evil'"),
    "a name that climbs out of a folder": (with_member("snapshots/../5"), "has a member 'snapshots/../5'"),
    "a number with zeros before it": (with_member("snapshots/05"), "has a member 'snapshots/05'"),
    "another folder": (with_member("scripts/run.py"), "has a member 'scripts/run.py'"),
    "a snapshot of no state": (with_member("snapshots/77"), "refers to state 77, which it does not have"),
    "a picture of no state": (with_member("images/77"), "refers to state 77, which it does not have"),
    "data under a wrong name": (with_member("blobs/" + "0" * 64), "blobs/0{64} is not what its name says"),
    "a state without its parent": (table("nodes.json", parent=77), "state 5 comes from state 77, which is not before it"),
    "a state that comes from itself": (table("nodes.json", parent=5), "state 5 comes from state 5, which is not before it"),
    "two states of one number": (table("nodes.json", id=4), "two of its states have the same number"),
    "a number beyond all": (table("nodes.json", id=2**70), "does not follow its form at 5.id"),
    "an unknown field": (table("nodes.json", run="x"), "does not follow its form at 5.run"),
    "a branch to nowhere": (table("branches.json", tip=77), "refers to state 77"),
    "two branches of one number": (table("branches.json", id=0), "two of its branches have the same number"),
    "a cursor off the tree": (table("positions.json", node=77), "refers to state 77"),
    "a cursor on no branch": (table("positions.json", branch=77), "refers to branch 77"),
    "a mask that is not there": (without(f"blobs/{MASK_ID}"), f"refers to the bytes {MASK_ID[:12]}..., which it does not have"),
    "a tree of no JSON": (with_member("nodes.json", b"{"), "does not follow its form"),
    "deep JSON": (with_member("nodes.json", b"[" * 100_000), "does not follow its form"),
    "an empty log": (events(), "log does not begin with the opening of a session"),
    "a log without its opening": (events(RunPaused(seq=0)), "log does not begin with the opening of a session"),
    "a log with a gap": (events(opened(), RunPaused(seq=2)), "its log has a gap"),
    "a log that breaks off": (with_member("events.msgpack", b"\xff\0\0\0abc"), "ends in the middle of an event"),
    "a log that breaks off early": (with_member("events.msgpack", b"\xff"), "ends in the middle of an event"),
    "a log of something else": (with_member("events.msgpack", b"\x01\0\0\0\xc1"), "are no msgpack message"),
}


def refuse(store, path, said):
    """Import a bad archive: one sentence, and the store stays as it was."""
    before = [session.id for session in store.sessions()]
    with pytest.raises(ProtocolError, match=said) as told:
        import_session(store, path)
    assert str(told.value).startswith(f"{path} cannot be imported: ")
    assert str(told.value).count("\n") == 0
    assert [session.id for session in store.sessions()] == before


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_session_is_refused(lie, other, exported, tmp_path):
    change, said = LIES[lie]
    refuse(other, write(tmp_path / "bad.ildm", change(members(exported))), said)


@pytest.mark.parametrize("lie", LIES_OF_THE_MANIFEST)
def test_a_manifest_that_lies_is_refused(lie, other, exported, tmp_path):
    change, said = LIES_OF_THE_MANIFEST[lie]
    refuse(other, write(tmp_path / "bad.ildm", change(members(exported)), described=False), said)


def test_bytes_that_were_changed_are_refused(other, exported, tmp_path):
    pieces = members(exported)
    for name in ("events.msgpack", "branches.json", "snapshots/3", f"blobs/{MASK_ID}", "images/5"):
        data = bytearray(pieces[name])
        data[len(data) // 2] ^= 1
        bad = write(tmp_path / "bad.ildm", pieces | {name: bytes(data)}, described=False)
        refuse(other, bad, f"{name} is damaged, or was changed after it was written")


def test_members_that_nobody_named_and_promises_that_nobody_kept_are_refused(other, exported, tmp_path):
    pieces = members(exported)
    refuse(
        other, write(tmp_path / "surplus.ildm", pieces | {"snapshots/1": b"x", "images/3": b"x"}, described=False), "images/3"
    )
    told = manifest(pieces)
    told["members"]["images/3"] = "0" * 64
    bad = write(tmp_path / "missing.ildm", pieces | {"manifest.json": json.dumps(told).encode()}, described=False)
    refuse(other, bad, "'images/3' is missing")
    told["members"]["../up"] = told["members"].pop("images/3")
    bad = write(tmp_path / "climbs.ildm", pieces | {"manifest.json": json.dumps(told).encode()}, described=False)
    refuse(other, bad, r"'\.\./up' is missing")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(other, exported, tmp_path):
    path = tmp_path / "twice.ildm"
    shutil.copy(exported, path)
    with zipfile.ZipFile(path, "a") as target:
        target.writestr("nodes.json", b"[]")
    refuse(other, path, "two of its members have the same name")


def test_a_file_that_is_cut_off_is_refused(other, exported, tmp_path):
    data = exported.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.ildm").write_bytes(data[:length])
        refuse(other, tmp_path / "cut.ildm", "it is no whole zip file")
    (tmp_path / "text.ildm").write_text("Dear diary")
    refuse(other, tmp_path / "text.ildm", "it is no whole zip file")
    with pytest.raises(ProtocolError, match="There is no file"):
        import_session(other, tmp_path / "nowhere.ildm")
    with pytest.raises(ProtocolError, match="There is no file"):
        import_session(other, tmp_path)


def test_a_bomb_is_seen_before_it_is_inflated(other, exported, tmp_path, monkeypatch):
    bomb = write(tmp_path / "bomb.ildm", members(exported) | {"snapshots/3": bytes(20_000_000)})
    assert bomb.stat().st_size < 60_000
    monkeypatch.setattr(archive_file, "_ALWAYS_FINE", 1_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("something was inflated"))
    refuse(other, bomb, "would grow to 200.* bytes, far more than a session archive of its size")
    monkeypatch.setattr(archive_file, "MAX_MEMBER_BYTES", 1_000_000)
    refuse(other, bomb, "snapshots/3 claims 20000000 bytes, and a member has at most 1000000")
    monkeypatch.setattr(archive_file, "MAX_MEMBERS", 3)
    refuse(other, bomb, "it has 13 members, and an archive has at most 3")
    monkeypatch.setattr(archive_file, "MAX_BYTES", 1000)
    refuse(other, bomb, "it is larger than an archive may be")


def test_a_member_that_is_larger_than_it_claims_is_not_inflated_further(other, exported, tmp_path):
    path = write(tmp_path / "bomb.ildm", members(exported) | {"snapshots/3": bytes(5_000_000)})
    data = path.read_bytes()
    true, claimed = struct.pack("<I", 5_000_000), struct.pack("<I", 4096)
    assert data.count(true) == 2  # before the member, and in the directory at the end
    path.write_bytes(data.replace(true, claimed))
    refuse(other, path, "it is no whole zip file|snapshots/3 has another size|snapshots/3 is damaged")


def test_encrypted_and_oddly_packed_members_are_refused(other, exported, tmp_path):
    pieces = members(exported)
    path = tmp_path / "odd.ildm"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as target:
        for name, data in pieces.items():
            target.writestr(name, data)
    refuse(other, path, "is encrypted, or packed in another way than ildm packs")
    data = bytearray(exported.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 8] |= 1
    path.write_bytes(data)
    refuse(other, path, "is encrypted, or packed in another way than ildm packs")


@pytest.fixture(scope="module")
def one_store(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("fuzzed") / "sessions.sqlite") as store:
        yield store


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_damage_is_a_sentence_or_does_no_harm(one_store, exported, tmp_path, damage):
    data = bytearray(exported.read_bytes())
    for place, value in damage:
        data[int(place * len(data))] = value
    path = tmp_path / "fuzzed.ildm"
    path.write_bytes(data)
    try:
        imported = import_session(one_store, path)
    except IldmError as error:
        assert str(error).startswith(f"{path} cannot be imported: ")
    else:  # a date, a way of packing: what does not count
        assert one_store.load(imported.session_id).image(5) == IMAGE
        assert len(one_store.events(imported.session_id)) == 8


def test_the_checksum_of_the_zip_is_not_what_is_relied_on(other, exported, tmp_path):
    pieces = members(exported)
    changed_bytes = bytearray(pieces["snapshots/3"])
    changed_bytes[0] ^= 1
    bad = write(tmp_path / "bad.ildm", pieces | {"snapshots/3": bytes(changed_bytes)}, described=False)
    with zipfile.ZipFile(bad) as source:
        assert source.testzip() is None
        assert source.read("snapshots/3") == bytes(changed_bytes)
    refuse(other, bad, "snapshots/3 is damaged, or was changed after it was written")
