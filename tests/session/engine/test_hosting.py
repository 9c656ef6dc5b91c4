"""An engine's process seen from outside, here a thread: what is open stays open, and a finished picture is kept however soon it goes."""

import socket
import threading
from queue import Queue

import pytest
from driven import PATIENT, done, opened

from ildm.session import commands
from ildm.session.engine import Engine
from ildm.session.envelope import Envelope, Kind
from ildm.session.events import RunFinished
from ildm.session.previews.files import fallback_preview
from ildm.session.service.channel import Channel
from ildm.session.service.host import Host
from ildm.session.service.messages import CloseSession, Opening, OpenSession, Stop, Submit
from ildm.session.service.watching import Watch
from ildm.session.store import Store


class Asker:
    def __init__(self, channel):
        self.channel, self.number, self.messages = channel, 0, iter(channel)

    def ask(self, request):
        """What is wrong with it, None = nothing."""
        self.number += 1
        self.channel.send(Envelope(Kind.EVENT, request.model_dump() | {"request": self.number}))
        answer = next(one.header for one in self.messages if one.header.get("request") == self.number)
        return answer["problem"] and answer["problem"]["text"]


@pytest.fixture
def asker(quick, tmp_path, monkeypatch):
    monkeypatch.setattr("ildm.session.service.engines.known_names", lambda: ["quick", "other"])
    monkeypatch.setattr("ildm.session.service.engines.find_preview", lambda model, _: fallback_preview(model))
    ours, theirs = socket.socketpair()
    host = Host(Channel(theirs), Store(tmp_path / "sessions.db"), "quick", read=lambda _: quick)
    serving = threading.Thread(target=host.serve)
    serving.start()
    channel = Channel(ours)
    asker = Asker(channel)
    yield asker
    asker.ask(Stop())
    serving.join(PATIENT)
    channel.close()
    assert not serving.is_alive()


@pytest.mark.parametrize("model", ["quick", "other"])
def test_an_id_that_is_taken_leaves_the_session_open_that_has_it(model, asker):
    def opening(name):
        return OpenSession(session="mine", owner="me", model=name, opening=Opening(num_steps=4, paused=True))

    assert asker.ask(opening("quick")) is None
    assert "a session 'mine' already" in asker.ask(opening(model))
    assert asker.ask(Submit(session="mine", op=1, command=commands.StepOnce())) is None
    assert asker.ask(CloseSession(session="mine")) is None
    assert "no open session 'mine'" in asker.ask(Submit(session="mine", op=2, command=commands.StepOnce()))


def test_a_finished_picture_is_drawn_though_its_session_has_been_let_go(quick, settings, tmp_path):
    with Store(tmp_path / "sessions.db") as store, Engine(quick, keeper=store) as engine:
        finished, gone = Queue(), threading.Event()

        def keep(session, _, node, draw):
            gone.wait(PATIENT)
            finished.put((session, node, engine.on_thread(draw).result(PATIENT)))

        session_id = opened(engine, settings, paused=True)
        Watch(session_id, engine, lambda _: None, keep).begin()
        engine.submit(session_id, commands.Resume())
        node = next(event.node for event in done(engine, session_id) if isinstance(event, RunFinished))
        expected = engine.on_thread(lambda: engine.session(session_id).logged.run.picture(node)).result(PATIENT)
        engine.close_session(session_id).result(PATIENT)
        gone.set()
        assert finished.get(timeout=PATIENT) == (session_id, node, expected)
