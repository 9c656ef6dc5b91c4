"""The store: what it acknowledges is there, whatever happens, and it says plainly what is not."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kept import IMAGE, MASK, MASK_ID, begin, everything, fill, flip, node, opened, settings, snapshot, start, step

from ildm.core.errors import ConfigError, ProtocolError, StorageError
from ildm.session.commands import SetPrompt
from ildm.session.events import CommandApplied, RunPaused, SessionOpened
from ildm.session.settings import Region
from ildm.session.storage.records import BranchRecord, NodeRecord, PositionRecord, new_session_id
from ildm.session.store import Store, default_path

DAY = 86400.0


class Clock:
    """Seconds that go by when a test says so."""

    def __init__(self):
        self.now = 1.0e9

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    with Store(tmp_path / "sessions.sqlite", clock=clock) as store:
        yield store


# --- sessions ----------------------------------------------------------------------------------------------------------------


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


# --- lists -------------------------------------------------------------------------------------------------------------------


def test_a_session_is_called_by_its_first_prompt(store):
    begin(store, "one", prompt="")
    assert store.sessions()[0].title == ""
    for seq, text in enumerate(("", "a red rose", "a blue key"), 1):
        edit = CommandApplied(seq=seq, op=seq, command=SetPrompt(text=text), received_step=0, applied_step=0, node=0)
        store.append("one", events=[edit]).result()
    assert store.sessions()[0].title == "a red rose"
    store.rename("one", "for grandmother")
    assert store.sessions()[0].title == "for grandmother"
    store.create("two", opened(), title="my own name").result()
    assert store.load("two").summary.title == "my own name"


def test_the_session_that_changed_last_comes_first_with_its_figures(store, clock):
    for number, session_id in enumerate(("one", "two", "three")):
        clock.now = 1.0e9 + number
        begin(store, session_id)
    clock.now += DAY
    store.append("one", **step(1)).result()
    assert [session.id for session in store.sessions()] == ["one", "three", "two"]
    first = store.sessions()[0]
    assert (first.model, first.num_nodes, first.created, first.updated) == ("emoji-scenes", 2, 1.0e9, clock.now)
    assert 2 * 4096 < first.bytes < 2 * 4096 + 2000


def test_sessions_are_found_by_any_of_their_words(store):
    fill(store, "aaa1")
    begin(store, "bbb2", prompt="Ein GRÜNER Apfel, 100 %")
    found = lambda text: [session.id for session in store.sessions(text)]  # noqa: E731
    assert found("LION") == ["aaa1"]
    assert found("grüner apfel") == ["bbb2"]
    assert found("100 %") == ["bbb2"]
    assert found("bb2") == ["bbb2"]
    assert sorted(found("emoji-SCENES")) == ["aaa1", "bbb2"]
    assert found("heun") == []
    assert len(found("")) == 2
    assert found("apfel grüner") == ["bbb2"], "all of the words, in any order"
    assert found("apfel lion") == []
    painted = settings("a plain grey background", regions=(Region(id="one", prompt="an Orange Fox", mask=None),))
    store.append("bbb2", nodes=[node(1, settings=painted)]).result()
    assert found("orange fox") == ["bbb2"], "what regions say counts"
    assert found("grey fox apfel") == ["bbb2"]
    assert found("one") == [], "a region's name is not said"


def test_an_id_is_known_by_as_much_of_it_as_is_its_alone(store):
    for session_id in ("abc1", "abc2", "ab"):
        begin(store, session_id)
    assert store.find("abc1") == "abc1"
    assert store.find("ab") == "ab"
    with pytest.raises(ConfigError, match=r"2 sessions' ids begin with 'abc' \(abc1, abc2\)"):
        store.find("abc")
    for unknown in ("x", ""):
        with pytest.raises(ConfigError, match="No session's id begins with"):
            store.find(unknown)


# --- several at once ---------------------------------------------------------------------------------------------------------


def test_readers_do_not_wait_for_the_writer(store):
    session_id = fill(store)
    gate, begun = threading.Event(), threading.Event()

    def task(connection):
        connection.exec_driver_sql("DELETE FROM events")
        begun.set()
        assert gate.wait(30)
        raise RuntimeError("never committed")

    future = store.writer.submit(task)
    assert begun.wait(30)
    assert len(store.events(session_id)) == 8
    assert store.load(session_id).snapshot(1) == snapshot(1)
    gate.set()
    with pytest.raises(RuntimeError):
        future.result()


def test_two_programs_write_to_one_store(store):
    with Store(store.path) as other:
        begin(store, "one")
        begin(other, "two")
        for number in range(1, 6):
            waiting = [one.append(name, **step(number)) for one, name in ((store, "one"), (other, "two"))]
            for future in waiting:
                future.result()
        for one in (store, other):
            assert [len(one.events(name)) for name in ("one", "two")] == [6, 6]


def test_the_writing_of_many_sessions_at_once_is_grouped(store):
    names = [f"s{number}" for number in range(50)]
    for name in names:
        store.create(name, opened())
    futures = [store.append(name, **(step(number) if number else start())) for number in range(2) for name in names]
    for future in futures:
        future.result()
    assert store.writer.batches == 150
    assert store.writer.commits < 150
    assert [session.num_nodes for session in store.sessions()] == [2] * 50


# --- damage ------------------------------------------------------------------------------------------------------------------


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


# --- room --------------------------------------------------------------------------------------------------------------------


def test_pruning_keeps_the_latest_and_gives_room_back(store, clock):
    for number in range(6):
        clock.now = 1.0e9 + number * DAY
        fill(store, f"s{number}", size=40_000)
    clock.now = 1.0e9 + 6 * DAY
    assert [session.id for session in store.prunable(keep=4)] == ["s1", "s0"]
    assert [session.id for session in store.prunable(older_than=timedelta(days=2.5))] == ["s3", "s2", "s1", "s0"]
    assert [session.id for session in store.prunable(keep=5, older_than=timedelta(days=2.5))] == ["s0"]
    freed = store.prune(keep=4)
    assert [session.id for session in store.sessions()] == ["s5", "s4", "s3", "s2"]
    assert freed > 2 * 5 * 40_000
    assert store.path.stat().st_size < 5 * 5 * 40_000
    with closing(sqlite3.connect(store.path)) as database:
        rows = [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("snapshots", "blobs", "images")]
        assert rows == [4 * 6, 4, 4]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    store.prune(older_than=timedelta(days=2.5))
    assert [session.id for session in store.sessions()] == ["s5", "s4"]


def test_pruning_snapshots_leaves_all_that_cannot_be_computed_again(store):
    session_id = fill(store, size=40_000)
    before = everything(store, session_id)
    assert store.prune(snapshots_only=True) > 190_000
    assert everything(store, session_id) == before | {"snapshots": {}}


def test_pruning_without_saying_what_is_refused(store):
    fill(store)
    with pytest.raises(ConfigError, match="Nothing says which sessions to prune"):
        store.prune()
    with pytest.raises(ConfigError, match="0 or more, but -1 was given"):
        store.prune(keep=-1)
    with pytest.raises(ConfigError, match="0 or more, but -60 s were given"):
        store.prune(older_than=timedelta(minutes=-1))
    assert len(store.sessions()) == 1


STATE = 500_000


def fill_up(store, session_id, first):
    """Add states until the disk is full. Returns the number of the first that found no room."""
    for number in range(first, first + 500):
        try:
            store.append(session_id, **step(number, STATE)).result()
        except StorageError as error:
            assert "No room left on the disk while saving" in str(error)
            return number
    pytest.fail("the disk never became full")


def test_on_a_full_disk_nothing_is_lost_and_it_goes_on_when_there_is_room(small_disk):
    disk = small_disk(32)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(8_000_000))
    with Store(disk / "sessions.sqlite") as store:
        begin(store, "one")
        refused = fill_up(store, "one", 1)
        assert refused > 10
        # a batch behind it waits for it, even where it is small enough
        with pytest.raises(StorageError, match=rf"cannot be saved before event {refused}|No room left"):
            store.append("one", events=[RunPaused(seq=refused + 1)]).result()
        assert [event.seq for event in store.events("one")] == list(range(refused))
        assert len(store.load("one").nodes) == refused
        ballast.unlink()
        store.append("one", **step(refused, STATE)).result()
        store.append("one", events=[RunPaused(seq=refused + 1)]).result()
    with Store(disk / "sessions.sqlite") as store:
        session = store.load("one")
        assert all(session.snapshot(number) == snapshot(number, STATE) for number in range(1, refused + 1))


def test_a_disk_that_others_have_filled_is_told_as_such(small_disk):
    disk = small_disk(32)
    with Store(disk / "sessions.sqlite") as store:
        begin(store, "one")
        (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 9_000_000))
        refused = fill_up(store, "one", 1)
        (disk / "more ballast").write_bytes(bytes(shutil.disk_usage(disk).free))
        for _ in range(2):
            with pytest.raises(StorageError, match="No room left on the disk"):
                store.append("one", **step(refused, STATE)).result()
        assert len(store.load("one").nodes) == refused
        (disk / "ballast").unlink()
        store.append("one", **step(refused, STATE)).result()


def test_pruning_makes_room_on_a_full_disk(small_disk):
    disk = small_disk(32)
    with Store(disk / "sessions.sqlite") as store:
        begin(store, "one")
        refused = fill_up(store, "one", 1)
        assert store.prune(snapshots_only=True) > 15_000_000
        store.append("one", **step(refused, STATE)).result()
        assert len(store.load("one").nodes) == refused + 1


def test_a_place_that_cannot_be_a_store_is_told(tmp_path):
    (tmp_path / "file").write_text("here first")
    for path in (tmp_path / "file" / "deep" / "sessions.sqlite", Path("/proc/nowhere/sessions.sqlite"), tmp_path):
        with pytest.raises(StorageError, match=r"cannot be written|is a folder"):
            Store(path)


# --- kills -------------------------------------------------------------------------------------------------------------------

CHILD = """
import os, sys
from pathlib import Path
from kept import opened, start, step
from ildm.core.errors import ConfigError
from ildm.session.store import Store

assert "torch" not in sys.modules

def tell(name, number):
    return lambda future: os.write(1, f"{name} {number}\\n".encode())

with Store(Path(sys.argv[1])) as store:
    ahead = {}
    for name in ("one", "two", "three"):
        try:
            ahead[name] = store.load(name).nodes[-1].id + 1
        except ConfigError:
            store.append(name, **start() | {"events": [opened()]}).result()
            ahead[name] = 1
    os.write(1, b"ready 0\\n")
    while True:
        sent = []
        for _ in range(4):
            for name, number in ahead.items():
                sent.append(store.append(name, **step(number)))
                sent[-1].add_done_callback(tell(name, number))
                ahead[name] += 1
        for future in sent:
            future.result()
"""


@pytest.fixture
def child_environment(repository):
    """For processes that make sessions of `kept`."""
    folders = [str(repository / "tests" / "peers"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1"}


def test_what_was_acknowledged_survives_a_kill_at_any_moment(tmp_path, child_environment):
    path, chance = tmp_path / "sessions.sqlite", random.Random(0)
    latest = {}
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True, env=child_environment
        )
        heard, before = chance.randint(1, 60), dict(latest)
        for line in process.stdout:
            name, number = line.split()
            latest[name] = int(number)
            heard -= 1
            if heard == 0:
                process.kill()
        process.wait(30)
        process.stdout.close()
        assert process.returncode == -9
        assert latest != before
        with Store(path) as store:
            for name in ("one", "two", "three"):
                session = store.load(name)
                count = len(session.nodes)
                assert count > latest.get(name, 0)
                assert [event.seq for event in store.events(name)] == list(range(count))
                assert all(session.snapshot(number) == snapshot(number) for number in range(count))
                assert session.positions[0].node == count - 1


def test_what_was_sent_is_written_even_where_nobody_closed(tmp_path, child_environment):
    path = tmp_path / "sessions.sqlite"
    code = f"""
from pathlib import Path
from kept import opened, step, start
from ildm.session.store import Store
store = Store(Path({str(path)!r}))
store.create("one", opened())
store.append("one", **start())
for number in range(1, 30):
    store.append("one", **step(number))
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=child_environment)
    with Store(path) as store:
        assert len(store.load("one").nodes) == 30


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


# --- presets -----------------------------------------------------------------------------------------------------------------


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


# --- any record --------------------------------------------------------------------------------------------------------------

numbers = st.integers(0, 2**53 - 1)
names = st.none() | st.text(min_size=1, max_size=20)
any_settings = st.builds(
    settings,
    st.text(max_size=40),
    negative_prompt=st.text(max_size=10),
    guidance_scale=st.floats(0, 100),
    seed=numbers,
    regions=st.lists(st.builds(Region, id=st.text(min_size=1, max_size=9), prompt=st.text(max_size=9)), max_size=2).map(tuple),
)
any_nodes = st.lists(
    st.builds(NodeRecord, id=numbers, parent=st.none(), step=numbers, origin=st.sampled_from(("start", "step")), name=names,
              settings=any_settings),
    max_size=4,
    unique_by=lambda one: one.id,
)  # fmt: skip
any_branches = st.lists(
    st.builds(BranchRecord, id=numbers, tip=numbers, name=names, deleted=st.booleans(), settings=any_settings),
    max_size=4,
    unique_by=lambda one: one.id,
)
any_content = st.binary(max_size=100)


# the checker of annotations draws an item of each list by chance
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_nodes, any_branches, st.text(max_size=30), st.data())
def test_any_record_comes_back_as_it_was(store, nodes, branches, prompt, data):
    ids = [one.id for one in nodes]
    contents = data.draw(st.dictionaries(st.sampled_from(ids), any_content)) if ids else {}
    positions = [
        PositionRecord(cursor=place, node=number, branch=place, settings=settings(prompt), following=data.draw(st.booleans()))
        for place, number in enumerate(ids)
    ]
    session_id = new_session_id()  # after the last draw, which may end an example
    begun = SessionOpened(**{**dict(opened()), "settings": settings(prompt)})
    store.create(session_id, begun)
    store.append(session_id, nodes=nodes, branches=branches, positions=positions, snapshots=contents, images=contents).result()
    session = store.load(session_id)
    assert session.opened == begun
    assert session.nodes == tuple(sorted(nodes, key=lambda one: one.id))
    assert session.branches == tuple(sorted(branches, key=lambda one: one.id))
    assert session.positions == tuple(positions)
    assert {number: session.snapshot(number) for number in session.snapshot_nodes} == contents
    assert {number: session.image(number) for number in session.image_nodes} == contents
    assert session.summary.title == prompt
