"""Pictures and archives that bring their session along."""

import base64
from dataclasses import replace

import pytest
import torch
from driven import PATIENT, done, of
from PIL import Image, PngImagePlugin

from ildm.core.errors import CheckpointError, ConfigError, DataError, ProtocolError
from ildm.session import commands, files
from ildm.session.archive import carried
from ildm.session.archive.carried import MOST_PIECES, PIECE
from ildm.session.archive.transfer import import_session
from ildm.session.engine import Engine
from ildm.session.events import CommandRejected
from ildm.session.files import log_hash, open_session_file
from ildm.session.pictures.file import read_call, write_picture
from ildm.session.pictures.parameters import read_parameters
from ildm.session.replay import replay
from ildm.session.session import Session
from ildm.session.store import Store

CORNER = (0.0, 0.0, 0.5, 0.5)


@pytest.fixture(scope="module")
def session(model):
    """Steered: an area locked, the prompt changed, another future beside it."""
    session = Session(model, "a red rose", seed=3, num_steps=6)
    for _ in range(3):
        session.step()
    session.lock(CORNER)
    session.branch("other").run()
    return session.set_prompt("a blue key").run()


@pytest.fixture(scope="module", params=["lion.png", "lion.ildm"])
def file(session, request, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / request.param
    (session.save if path.suffix == ".png" else session.export)(path)
    return path


def test_a_session_comes_back_where_it_stood(model, session, file):
    again = Session.load(file, model)
    assert torch.equal(again.latent, session.latent) and again.image() == session.image()
    assert (again.settings, again.node) == (session.settings, session.node)
    came = len(session.events)
    assert again.events[:came] == session.events
    # what the branch was made with has stayed behind
    assert [(event.kind, event.cursor) for event in again.events[came:]] == [("cursor-left", 1)]
    assert again.rewind(2).image() == session.rewind(2).image()
    session.rewind(6)


def test_a_session_that_was_written_several_times_is_imported_once(session, tmp_path):
    session.export(tmp_path / "one.ildm")
    session.export(tmp_path / "two.ildm")
    session.save(tmp_path / "three.png")
    with Store(tmp_path / "sessions.sqlite") as store:
        for name in ("one.ildm", "two.ildm", "three.png"):
            with files.archive_in(tmp_path / name) as archive:
                import_session(store, archive)
        [listed] = store.sessions()
    assert listed.status == "finished"


@pytest.mark.parametrize("name", ["other.png", "other.ildm"])
def test_each_of_several_places_comes_back_as_itself(name, model, tmp_path):
    first = Session(model, "a red rose", seed=3, num_steps=4).step()
    other = first.branch("other").set_prompt("a blue key").run()
    first.run()
    for session in (first, other):
        (session.save if name.endswith(".png") else session.export)(tmp_path / name)
        again = Session.load(tmp_path / name, model)
        assert (again.node, again.settings) == (session.node, session.settings)
        assert torch.equal(again.latent, session.latent)


@pytest.mark.parametrize("name", ["other.png", "other.ildm"])
def test_what_a_branch_wrote_goes_on_there_in_the_studio_too(name, model, tmp_path):
    """And nobody stands on the branches of those that have stayed behind: they can be deleted, and the run replayed all the same."""
    first = Session(model, "a red rose", seed=3, num_steps=4).step()
    other = first.branch("other").set_prompt("a blue key").step()
    first.run()
    (other.save if name.endswith(".png") else other.export)(tmp_path / name)
    with Store(tmp_path / "sessions.sqlite") as store, files.archive_in(tmp_path / name) as archive:
        session_id = import_session(store, archive).session_id
        stored = store.load(session_id)
        assert [one.cursor for one in stored.positions] == [1]
        with Engine(model, keeper=store) as engine:
            engine.resume(session_id, stored, store.events(session_id), status="running").result(PATIENT)
            engine.submit(session_id, commands.DeleteBranch(branch=0))
            events = done(engine, session_id)
            cursor = engine.session(session_id).logged.cursor
            assert not of(CommandRejected, events)
            assert (cursor.settings.prompt, cursor.node.step) == ("a blue key", 4)
            assert torch.equal(cursor.run.state(cursor.position.node).latent, other.run().latent)
        with Engine(model, keeper=store) as engine:  # once more, with what was kept
            engine.resume(session_id, store.load(session_id), store.events(session_id)).result(PATIENT)
            engine.submit(session_id, commands.Undo())
            assert not of(CommandRejected, done(engine, session_id))
        assert replay(model, store.events(session_id)).exact
    again = Session.load(tmp_path / name, model)
    assert again.delete_branch(0).tree.timeline.branches.keys() == {1}
    assert replay(model, again.run().events).exact


def test_another_model_of_the_same_name_does_not_go_on_unasked(model, session, tmp_path, monkeypatch):
    path = tmp_path / "lion.ildm"
    session.export(path)
    monkeypatch.setattr("ildm.checkpoint.load.load", lambda _: model)
    assert Session.load(path).node == session.node
    other = replace(model, autoencoder=model.autoencoder)
    monkeypatch.setattr("ildm.checkpoint.load.load", lambda _: other)
    monkeypatch.setitem(other.__dict__, "hash", "0" * 64)
    with pytest.raises(CheckpointError, match="made with another 'toy' than the one here"):
        Session.load(path)
    assert Session.load(path, other).node == session.node


def test_a_session_that_came_back_goes_on(model, file):
    again = Session.load(file, model)
    before = again.latent
    again.rewind(4).set_prompt("a red rose").run()
    assert not torch.equal(again.latent, before)
    assert [event.seq for event in again.events] == list(range(len(again.events)))


def test_its_log_alone_makes_it_again(model, file):
    with open_session_file(file) as opened:
        replayed = replay(model, opened.events, recorded=opened.latent)
    assert replayed.exact and replayed.same_shape and replayed.same_model and len(replayed.outcomes) == 2
    kept = file.suffix == ".ildm"
    assert [one.largest_difference for one in replayed.outcomes] == ([0.0, 0.0] if kept else [None, None])


def test_a_picture_says_how_it_was_made(session, tmp_path):
    path = tmp_path / "lion.png"
    session.save(path)
    call, parameters = read_call(path), read_parameters(path)
    assert (call["prompt"], call["seed"], call["state"]) == ("a blue key", 3, session.node)
    assert call["model_hash"] == session.model.hash and len(call["log_hash"]) == 64
    assert (parameters.prompt, parameters.seed, parameters.size) == ("a blue key", 3, (64, 64))
    with Image.open(path) as picture:
        assert picture.convert("RGB").tobytes() == session.image().tobytes()


def test_the_hash_of_a_log_is_that_of_what_happened_not_of_when(model):
    def steered(text):
        session = Session(model, "a red rose", seed=1, num_steps=2)
        return log_hash(session.step().set_prompt(text).run()._logged.log)

    assert steered("a blue key") == steered("a blue key") != steered("a red key")


def test_a_large_session_comes_in_pieces_that_every_reader_takes(model, session, tmp_path, monkeypatch):
    assert MOST_PIECES * PIECE > files.MAX_CARRIED * 4 / 3 and PIECE < PngImagePlugin.MAX_TEXT_CHUNK
    monkeypatch.setattr(carried, "PIECE", 1000)
    session.save(tmp_path / "lion.png")
    with Image.open(tmp_path / "lion.png") as picture:
        assert {"ildm-session", "ildm-session-2", "ildm-session-3"} <= picture.info.keys()
    assert torch.equal(Session.load(tmp_path / "lion.png", model).latent, session.latent)


def test_a_session_too_large_for_a_picture_is_only_named(session, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_CARRIED", 100)
    session.save(tmp_path / "lion.png")
    assert read_call(tmp_path / "lion.png")["log_hash"]
    with pytest.raises(DataError, match="only names its session"), open_session_file(tmp_path / "lion.png"):
        pass


def test_files_without_a_session_are_told(session, tmp_path):
    with pytest.raises(DataError, match="There is no file"), open_session_file(tmp_path / "none.ildm"):
        pass
    (tmp_path / "text.ildm").write_text("no session")
    with pytest.raises(ProtocolError, match=r"text\.ildm"), open_session_file(tmp_path / "text.ildm"):
        pass
    session.image().save(tmp_path / "plain.png")
    with pytest.raises(DataError, match="carries no session"), open_session_file(tmp_path / "plain.png"):
        pass
    with pytest.raises(ConfigError, match=r"\.ildm"):
        session.export(tmp_path / "lion.zip")


def test_a_damaged_session_in_a_picture_is_told_by_the_pictures_name(session, tmp_path):
    write_picture(session.image(), tmp_path / "cut.png", {}, {carried.ARCHIVE_KEY: base64.b64encode(b"PK cut").decode()})
    with pytest.raises(ProtocolError, match=r"cut\.png"), open_session_file(tmp_path / "cut.png"):
        pass


def test_a_picture_that_carries_a_session_is_a_png(session, tmp_path):
    with pytest.raises(ConfigError, match=r"is a PNG file, but .*lion\.jpg was given"):
        session.save(tmp_path / "lion.jpg")
    assert not (tmp_path / "lion.jpg").exists()
