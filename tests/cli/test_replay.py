"""`ildm replay`: a run made again, and compared."""

import json

import pytest

from ildm.checkpoint.load import load
from ildm.session.session import Session


@pytest.fixture(scope="module")
def steered(trained, tmp_path_factory):
    """A steered session of the trained toy, as a picture and as an archive."""
    folder = tmp_path_factory.mktemp("steered")
    session = Session(load(trained, dtype="float32"), "a rose", seed=2, num_steps=4)
    session.step().set_prompt("a key").run()
    session.save(folder / "key.png")
    session.export(folder / "key.ildm")
    return folder


@pytest.mark.parametrize("name", ["key.png", "key.ildm"])
def test_a_run_comes_out_as_it_was(run, trained, steered, name):
    done = run("replay", steered / name, "--model", trained, "--dtype", "float32", "--verify")
    assert (done.code, done.out.strip()) == (0, "state 4: the same, bit for bit")


def test_the_outcome_as_json_and_the_picture(run, trained, steered, tmp_path):
    done = run(
        "replay", steered / "key.ildm", "--model", trained, "--dtype", "float32", "--json", "--out", tmp_path / "again.png"
    )
    fields = json.loads(done.out)
    assert fields["exact"] and fields["outcomes"][0]["largest_difference"] == 0.0
    assert (tmp_path / "again.png").read_bytes()[:4] == b"\x89PNG"
    assert run("replay", tmp_path / "again.png", "--model", trained, "--dtype", "float32", "--verify").code == 0


def test_another_number_format_is_told_with_the_difference(run, trained, steered):
    done = run("replay", steered / "key.ildm", "--model", trained, "--dtype", "bfloat16", "--verify")
    assert done.code == 0 and "differs, by at most" in done.out and "executes otherwise" in done.out


def test_a_changed_log_is_refused(run, trained, steered, tmp_path):
    from ildm.session import files, wire
    from ildm.session.events import RunFinished

    with files.open_session_file(steered / "key.ildm") as opened:
        logged = opened.restore(load(trained))
    events = logged.log.events
    place = next(number for number, event in enumerate(events) if isinstance(event, RunFinished))
    events[place] = wire.checked(RunFinished, {**events[place].model_dump(), "latent_hash": "0" * 64})
    files.export_session(logged, tmp_path / "changed.ildm")
    done = run("replay", tmp_path / "changed.ildm", "--model", trained, "--dtype", "float32", "--verify")
    assert done.code == 2 and "have been changed" in done.err and len(done.err.strip().splitlines()) == 1


def test_bad_files_are_one_sentence(run, trained, tmp_path):
    (tmp_path / "x.ildm").write_bytes(b"PK\x03\x04 nothing")
    for path in (tmp_path / "x.ildm", tmp_path / "none.ildm"):
        done = run("replay", path, "--model", trained)
        assert done.code == 2 and len(done.err.strip().splitlines()) == 1
