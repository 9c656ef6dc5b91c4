"""What is appended is read back, and nothing half."""

import subprocess
import sys

import pytest
from kept import IMAGE, MASK, MASK_ID, begin, everything, fill, node, opened, settings, snapshot, step

from ildm.core.errors import ConfigError, ProtocolError, StorageError
from ildm.session.events import RunPaused
from ildm.session.storage.records import BranchRecord, PositionRecord
from ildm.session.store import Store, default_path


def test_what_is_appended_is_read_back(store):
    session_id = fill(store)
    session = store.load(session_id)
    assert session.opened == opened()
    assert [node.id for node in session.nodes] == [0, 1, 2, 3, 4, 5]
    assert session.nodes[5].settings.blobs == {MASK_ID}
    assert session.nodes[5].name == "roar"
    assert [(branch.id, branch.tip, branch.name) for branch in session.branches] == [(0, 4, None), (1, 5, "the lion")]
    assert [(position.cursor, position.node) for position in session.positions] == [(0, 5)]
    assert session.last_seq == 7
    assert session.snapshot(3) == snapshot(3)
    assert session.snapshot_nodes == {0, 1, 2, 3, 4, 5}
    assert session.image(5) == IMAGE
    assert session.blob(MASK_ID) == MASK
    assert session.summary.status == "finished"
    assert (session.snapshot(77), session.image(0), session.blob("f" * 64)) == (None, None, None)


def test_events_come_back_in_order_from_any_of_them_on(store):
    session_id = fill(store)
    events = store.events(session_id)
    assert events[0] == opened()
    assert [event.seq for event in events] == list(range(8))
    assert store.events(session_id, since=5) == events[5:]
    assert store.events(session_id, since=8) == []


def test_a_later_record_takes_the_place_of_the_former(store):
    session_id = fill(store)
    store.append(session_id, nodes=[node(1, name="here")], snapshots={1: b"anew"}, status="cancelled").result()
    session = store.load(session_id)
    assert (session.nodes[1].name, session.snapshot(1), session.summary.status) == ("here", b"anew", "cancelled")
    assert session.summary.num_nodes == 6


def test_a_batch_is_written_whole_or_not_at_all(store):
    session_id = fill(store)
    before = everything(store, session_id)
    batch = {"events": [RunPaused(seq=8)], "nodes": [node(6)], "status": "paused"}
    with pytest.raises(ProtocolError, match="a name is their SHA-256"):
        store.append(session_id, **batch, blobs={"0" * 64: b"other bytes"}).result()
    with pytest.raises(StorageError, match="refers to a state or a session that is not there"):
        store.append(session_id, **batch, snapshots={99: b"of no state"}).result()
    assert everything(store, session_id) == before
    assert store.load(session_id).summary.status == "finished"
    store.append(session_id, **batch).result()


def test_a_batch_may_name_a_state_before_its_parent(store):
    session_id = fill(store)
    store.append(session_id, nodes=[node(7, parent=6), node(6)], snapshots={7: b"7", 6: b"6"}).result()
    assert store.load(session_id).snapshot(7) == b"7"


def test_a_log_has_no_gap(store):
    begin(store, "one")
    with pytest.raises(StorageError, match="Event 2 of session one cannot be saved before event 1"):
        store.append("one", **step(2)).result()
    store.append("one", **step(1)).result()
    store.append("one", **step(2)).result()
    assert [event.seq for event in store.events("one")] == [0, 1, 2]


def test_a_batch_may_be_sent_again_but_not_another_in_its_place(store):
    begin(store, "one")
    for _ in range(3):
        store.append("one", **step(1)).result()
    before = everything(store, "one")
    with pytest.raises(ProtocolError, match="another event 1 already: another program goes on with this session"):
        store.append("one", events=[RunPaused(seq=1)]).result()
    assert everything(store, "one") == before


def test_a_session_that_found_no_room_is_made_by_its_first_batch(store):
    store.append("one", events=[opened(), RunPaused(seq=1)], status="paused").result()
    store.append("one", events=[opened()], nodes=[node(0)]).result()
    assert store.load("one").opened == opened()
    assert [(session.id, session.title, session.status) for session in store.sessions()] == [
        ("one", "a cat on a plain green background", "paused")
    ]


def test_there_is_no_writing_to_a_session_that_is_not_there(store):
    with pytest.raises(StorageError, match="There is no session nobody in the store"):
        store.append("nobody", events=[RunPaused(seq=1)]).result()
    with pytest.raises(ConfigError, match="There is no session nobody"):
        store.load("nobody")
    with pytest.raises(ConfigError, match="There is no session nobody"):
        store.rename("nobody", "a title")
    assert store.events("nobody") == []


def test_an_id_is_taken_once_and_is_plain(store):
    begin(store, "one")
    with pytest.raises(ProtocolError, match="There is a session one already"):
        store.create("one", opened("another")).result()
    assert store.load("one").opened == opened()
    for wrong in ("", "a b", "../up", "a" * 65, "ä"):
        with pytest.raises(ProtocolError, match="letters, digits"):
            store.create(wrong, opened())


def test_forgotten_states_take_their_bytes_with_them(store):
    session_id = fill(store)
    gone = BranchRecord(id=1, tip=5, settings=settings("a lion"), deleted=True)
    back = PositionRecord(cursor=0, node=4, branch=0, settings=settings(), following=True)
    store.append(session_id, branches=[gone], positions=[back], forgotten=[5]).result()
    session = store.load(session_id)
    assert [node.id for node in session.nodes] == [0, 1, 2, 3, 4]
    assert (session.snapshot(5), session.image_nodes, session.branches[1].deleted) == (None, set(), True)


def test_bytes_that_nothing_names_any_more_go_and_may_come_again(store):
    session_id, other = fill(store), fill(store, "0129aaaa0000")
    for _ in range(2):  # batches that found no room are sent again, in the same order
        store.append(session_id, blobs={MASK_ID: MASK}).result()
        assert store.load(session_id).blob(MASK_ID) == MASK
        store.append(session_id, unneeded=[MASK_ID]).result()
        assert store.load(session_id).blob_ids == frozenset()
    assert store.load(other).blob_ids == {MASK_ID}


def test_a_state_that_others_come_from_is_not_forgotten_alone(store):
    session_id = fill(store)
    store.append(session_id, forgotten=[1]).result()
    assert [node.id for node in store.load(session_id).nodes] == [0]  # what came from it cannot be without it


def test_no_tensor_library_is_imported():
    code = "import sys, ildm.session.store, ildm.session.archive.transfer, ildm.session.words; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_persons_store_is_in_their_home_and_made_when_it_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    assert default_path() == tmp_path / "home" / "sessions" / "sessions.sqlite"
    assert not default_path().parent.exists()
    with Store() as store:
        assert store.path.exists()
    assert sorted(path.name for path in default_path().parent.iterdir()) == ["sessions.sqlite"]
