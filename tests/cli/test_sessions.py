"""`ildm sessions`: what is kept, told in words and as JSON, carried from one store to another, and tidied up."""

import json

import pytest
from kept import begin, everything, fill

from ildm.session.events import RunPaused
from ildm.session.store import Store

ID = "0123abcd4567"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def filled(home):
    with Store() as store:
        begin(store, "0129aaaa0000", prompt="a red rose")
        fill(store, ID)


@pytest.mark.usefixtures("filled")
def test_the_list_has_the_latest_first(run):
    first, second = run("sessions", "list").out.splitlines()
    assert first.startswith(f"{ID} ")
    assert first.endswith("a cat on a plain green background")
    assert "finished" in first
    assert " 6 states" in first
    assert " kB " in first
    assert second.endswith("a red rose")
    found = json.loads(run("sessions", "list", "--json", "--search", "LION").out)
    assert [(session["id"], session["status"], session["num_nodes"]) for session in found] == [(ID, "finished", 6)]
    assert run("sessions", "list", "--search", "zebra").out == "No session holds 'zebra'.\n"


def test_without_a_store_there_are_no_sessions_and_none_is_made(run, home):
    assert run("sessions", "list").out == "No sessions yet.\n"
    assert json.loads(run("sessions", "list", "--json").out) == []
    assert not home.exists()


@pytest.mark.usefixtures("filled")
def test_a_session_is_shown_in_words(run):
    told = run("sessions", "show", "0123").out
    head, log = told.split("\n\n")
    assert f"id       {ID}" in head
    assert "states   6" in head
    assert "branches 2" in head
    assert "6 snapshots, 1 pictures" in head
    assert [line.strip() for line in log.splitlines()] == [
        "0  opened with 'a cat on a plain green background': 'emoji-scenes', 25 steps of 'heun', guidance 3, seed 7, 64 x 64 pixels",
        "5  step 2: the prompt became 'a lion'",
        "6  step 2: branch 1 was named 'the lion'",
        "7  finished with state 5 on branch 1, picture 222222222222",
    ]
    assert "step 4 of 25: done, state 4 on branch 0" in run("sessions", "show", ID, "--all").out
    as_json = json.loads(run("sessions", "show", ID, "--json").out)
    assert as_json["title"] == "a cat on a plain green background"
    assert [event["kind"] for event in as_json["events"]][-3:] == ["command-applied", "command-applied", "run-finished"]


def test_letters_that_steer_a_terminal_are_not_passed_on(run, home):
    with Store() as store:
        begin(store, "one", prompt="a\x1b[2Jcat")
    for words in (("list",), ("show", "one")):
        told = run("sessions", *words)
        assert told.code == 0
        assert "\x1b" not in told.out


@pytest.mark.usefixtures("filled")
def test_a_session_is_carried_to_another_store(run, tmp_path):
    file, elsewhere = tmp_path / "lion.ildm", tmp_path / "elsewhere.sqlite"
    assert run("sessions", "export", "0123", file).out.startswith(f"Session {ID} is in {file} (")
    assert run("sessions", "import", file, "--store", elsewhere).out == f"Session {ID} is imported.\n"
    again = json.loads(run("sessions", "import", file, "--store", elsewhere, "--json").out)
    assert again == {"session_id": ID, "is_new": False, "beside": None}
    assert run("sessions", "import", file).out == f"Session {ID} is here already.\n"
    with Store() as one, Store(elsewhere) as other:
        assert everything(one, ID) == everything(other, ID)
    size = file.stat().st_size
    run("sessions", "export", ID, file, "--without-snapshots")
    assert file.stat().st_size < size / 4
    assert json.loads(run("sessions", "list", "--store", elsewhere, "--json").out)[0]["id"] == ID


@pytest.mark.usefixtures("filled")
def test_a_session_that_has_gone_on_gets_a_copy_beside_it_and_that_is_said(run, tmp_path):
    file = tmp_path / "lion.ildm"
    run("sessions", "export", ID, file)
    with Store() as store:
        store.append(ID, events=[RunPaused(seq=8)]).result()
    said = run("sessions", "import", file).out
    [copy] = [
        session["id"]
        for session in json.loads(run("sessions", "list", "--json").out)
        if session["id"][:4] not in ("0123", "0129")
    ]
    assert said == f"Session {ID} is here already, with other content: what is in {file} is now session {copy}.\n"
    assert run("sessions", "import", file).out == f"Session {copy} is here already.\n"


@pytest.mark.usefixtures("filled")
def test_pruning_says_what_goes_and_does_it(run):
    told = run("sessions", "prune", "--keep", 1, "--dry-run").out.splitlines()
    assert told[0].startswith("0129aaaa0000")
    assert told[1:] == ["Would delete 1 session."]
    assert len(json.loads(run("sessions", "list", "--json").out)) == 2
    assert run("sessions", "prune", "--older-than", "30d").out.startswith("Deleted 0 sessions: ")
    assert run("sessions", "prune", "--snapshots-only").out.startswith("Deleted the snapshots of 2 sessions: ")
    freed = json.loads(run("sessions", "prune", "--keep", 1, "--json").out)
    assert freed["sessions"] == ["0129aaaa0000"]
    assert [session["id"] for session in json.loads(run("sessions", "list", "--json").out)] == [ID]


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "012"), "2 sessions' ids begin with '012' (0123abcd4567, 0129aaaa0000): give more of the one you mean."),
        (("show", "zebra"), "No session's id begins with 'zebra': `ildm sessions list` shows those there are."),
        (("export", "0123", "lion.zip"), "A session is exported to a file that ends in .ildm, but lion.zip was given."),
        (("import", "nowhere.ildm"), "There is no file nowhere.ildm."),
        (("prune",), "Nothing says which sessions to prune"),
        (("prune", "--older-than", "soon"), "A duration reads like"),
        (("prune", "--older-than", "9999999999d"), "--older-than takes at most 999999999d, but '9999999999d' was given."),
        (("prune", "--keep", "-1"), "takes a whole number of 0 or more, but '-1' was given"),
        (("show", "0123", "--store", "nowhere.sqlite"), "There is no session store nowhere.sqlite"),
        (("lst",), "ildm sessions has no command 'lst': did you mean 'list'?"),
    ],
)
def test_bad_calls_are_one_sentence(run, words, said):
    ended = run("sessions", *words)
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err


def test_a_file_that_is_no_store_is_told(run, tmp_path):
    (tmp_path / "diary.txt").write_text("Dear diary, " * 20)
    ended = run("sessions", "list", "--store", tmp_path / "diary.txt")
    assert ended.code == 2
    assert "is no session store" in ended.err


def test_every_command_shows_an_example(run):
    for name in ("list", "show", "export", "import", "prune"):
        told = run("sessions", name, "--help")
        assert told.code == 0
        assert f"ildm sessions {name}" in " ".join(told.out.split())


def test_a_picture_brings_its_session_along(run, home, tmp_path):
    from toy import build_model

    from ildm.session.session import Session

    Session(build_model(), "a red rose", seed=3, num_steps=2).run().save(tmp_path / "rose.png")
    assert "is imported" in run("sessions", "import", tmp_path / "rose.png").out
    assert run("sessions", "list").out.endswith("a red rose\n")
    (tmp_path / "bare.png").write_bytes(b"\x89PNG")
    ended = run("sessions", "import", tmp_path / "bare.png")
    assert ended.code == 2 and "bare.png" in ended.err and home.is_dir()
