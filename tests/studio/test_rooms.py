"""Sessions that come and go while others do: deleted as they begin, failed, lost twice, or one user's many."""

import asyncio
import socket

import pytest
from fake_worker import FakeWorker
from studio_client import Client
from studios import ANNA_TOKEN, OWNER_TOKEN

from ildm.session.commands import Pause
from ildm.session.events import ExecutionShape, SessionOpened
from ildm.session.service.messages import CloseSession, Opening, OpenSession, ResumeSession, Submit
from ildm.session.settings import Settings
from ildm.studio import operations, registry
from ildm.studio.limits import Limits
from ildm.studio.operations import Operations
from ildm.studio.refusals import Refused
from ildm.studio.room import Room
from ildm.studio.server import _listen
from ildm.studio.worker import Reply

SETTINGS = Settings(num_steps=20, guidance_scale=2.0, sampler="euler", seed=1, width=64, height=64)
SHAPE = ExecutionShape(device="cpu", dtype="float32", threads=1, torch="none")


class SlowWorker(FakeWorker):
    """Opens a session only when told to."""

    async def ask(self, request):
        if isinstance(request, OpenSession):
            self.gate = asyncio.Event()
            await self.gate.wait()
        return await super().ask(request)


def test_a_session_deleted_while_it_begins_is_gone_everywhere(serve):
    async def work(studio):
        worker, held = studio.worker, studio.app.state.context.rooms

        async def begin_and_delete():
            opening = Opening(paused=True)
            room = held.start("", opening)
            while not hasattr(worker, "gate"):
                await asyncio.sleep(0)
            deleting = asyncio.create_task(held.delete(room))
            await asyncio.sleep(0)
            worker.gate.set()
            await deleting
            return room.id

        gone = asyncio.run_coroutine_threadsafe(begin_and_delete(), studio.loop)
        return await asyncio.wrap_future(gone)

    with serve(worker=SlowWorker()) as studio:
        session = asyncio.run(work(studio))
        assert session not in studio.worker.sessions
        with studio.client() as client:
            assert client.get(f"/api/sessions/{session}").status_code == 404


def test_of_those_that_fail_the_latest_are_remembered(serve, monkeypatch):
    monkeypatch.setattr(registry, "MOST_FAILED", 2)
    with serve() as studio, studio.client() as client:
        for _ in range(4):
            assert client.post("/api/sessions", json={"prompt": "cannot begin"}).status_code == 422
        assert len(studio.app.state.context.rooms._registry) == 2


class DyingWorker(FakeWorker):
    """Dies once more while sessions are taken up."""

    deaths = 0

    async def ask(self, request):
        if isinstance(request, ResumeSession) and self.deaths < 2:
            self.deaths += 1
            self.lose()
            raise Refused("worker-lost", "It is gone.")
        return await super().ask(request)


def test_a_worker_lost_again_meanwhile_leaves_no_session_behind(serve):
    async def work(studio):
        clients = [await Client.connect(studio.port, OWNER_TOKEN) for _ in range(3)]
        for client in clients:
            await client.start(paused=True)
        studio.calls(studio.worker.lose)
        for client in clients:
            told = await client.edit(kind="set-prompt", text="still here")
            while told.get("code") == "worker-lost":
                told = await client.edit(kind="set-prompt", text="still here")
            assert told["event"]["kind"] == "command-applied"
            await client.close()
        assert studio.worker.deaths == 2

    with serve(worker=DyingWorker()) as studio:
        asyncio.run(work(studio))


class ForgetfulWorker(FakeWorker):
    """Takes what is asked of a session and dies before it acts."""

    async def ask(self, request):
        if isinstance(request, Submit) and not self.restarts:
            return Reply(None)
        return await super().ask(request)


def test_what_was_lost_with_a_worker_acts_when_it_is_sent_again(serve):
    with serve(worker=ForgetfulWorker()) as studio, studio.client() as client:
        session = client.post("/api/sessions", json={"paused": True}).json()["id"]

        def send(wait):
            edit = {"client": "a-program", "op": 7, "wait": wait, "command": {"kind": "set-prompt", "text": "a key"}}
            return client.post(f"/api/sessions/{session}/edits", json=edit).json()

        assert send(0)["state"] == "taken"
        studio.calls(studio.worker.lose)
        told = send(10)
        assert (told["state"], told["rev"]) == ("applied", 1)
        assert send(10) == told  # it has acted once


def test_what_the_log_answers_is_known_after_a_loss_and_nothing_else():
    """An event may have been heard and not been saved, or saved and not been heard."""

    def applied(seq, op):
        return {"seq": seq, "kind": "command-applied", "op": op}

    room = Room("abc", "")
    view = {"model": "fake", "place": {"status": "paused"}, "tree": {"nodes": [], "branches": []}}
    assert [room.operations.register("a", op, Pause()) for op in (5, 6, 7, 8)] == [0, 1, 2, 3]
    for number in (0, 1):
        room.happened(applied(number, number))
    room.lose()
    room.take_up(view, [applied(0, 0), applied(1, 2)])
    assert [room.operations.number_of("a", op) for op in (5, 6, 7, 8)] == [0, None, 2, None]
    assert room.operations.op_for("a", 2) == 7 and room.operations.op_for("a", 1) is None
    assert room.operations.register("a", 6, Pause()) == 4


def test_who_has_many_sessions_makes_room_among_them(serve):
    with serve(limits=Limits(open=4, open_per_user=2)) as studio, studio.client() as owner, studio.client(ANNA_TOKEN) as anna:
        hers = anna.post("/api/sessions", json={"paused": True}).json()["id"]
        for _ in range(5):
            assert owner.post("/api/sessions", json={"paused": True}).status_code == 201
        assert hers in studio.worker.sessions
        assert len(studio.worker.sessions) == 3


def test_the_session_that_was_used_longest_ago_makes_room(serve):
    with serve(limits=Limits(open=3)) as studio, studio.client() as client:
        first, second, third = (client.post("/api/sessions", json={"paused": True}).json()["id"] for _ in range(3))
        edit = {"command": {"kind": "set-prompt", "text": "a key"}}
        assert client.post(f"/api/sessions/{first}/edits", json=edit).status_code == 200
        assert client.post("/api/sessions", json={"paused": True}).status_code == 201
        assert first in studio.worker.sessions and third in studio.worker.sessions and second not in studio.worker.sessions


class SlowCloser(FakeWorker):
    """Lets a session go only when told to."""

    def __init__(self):
        super().__init__()
        self.closing = self.gate = None

    async def ask(self, request):
        if isinstance(request, CloseSession):
            self.closing.set()
            await self.gate.wait()
        return await super().ask(request)


def test_a_session_that_is_asked_for_while_it_is_let_go_is_opened_after_that(serve):
    async def ask(studio, session):
        worker, held = studio.worker, studio.app.state.context.rooms
        worker.closing, worker.gate = asyncio.Event(), asyncio.Event()
        making_room = asyncio.create_task(held.settled(held.start("", Opening(paused=True))))
        await worker.closing.wait()
        room = held._registry.get(session)
        asking = [asyncio.create_task(held.open_again(room)) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert not any(isinstance(one, ResumeSession) for one in worker.asked)
        worker.gate.set()
        await making_room
        await asyncio.gather(*asking)
        assert held._registry.get(session) is room

    with serve(worker=SlowCloser(), limits=Limits(open=2)) as studio, studio.client() as client:
        session, _ = (client.post("/api/sessions", json={"paused": True}).json()["id"] for _ in range(2))
        kept = dict(studio.worker.sessions)
        studio.worker.sessions = Kept(kept)
        asyncio.run_coroutine_threadsafe(ask(studio, session), studio.loop).result(10.0)
        assert [type(one) for one in studio.worker.asked][-1] is ResumeSession


class FullDisk(FakeWorker):
    """Lets no session go, unless it is to be forgotten."""

    async def ask(self, request):
        if isinstance(request, CloseSession) and request.keep:
            self.asked.append(request)
            raise Refused("failed", "It stays open: there is no room left on the disk.")
        return await super().ask(request)


def test_a_session_that_cannot_be_kept_stays_open_and_can_be_forgotten(serve):
    with serve(worker=FullDisk(), limits=Limits(open=2)) as studio, studio.client() as client:
        first, second = (client.post("/api/sessions", json={"paused": True}).json()["id"] for _ in range(2))
        refused = client.post("/api/sessions", json={"paused": True})
        assert "no room left on the disk" in refused.text
        # nobody has lost it
        assert set(studio.worker.sessions) == {first, second}
        edit = {"command": {"kind": "set-prompt", "text": "a key"}}
        assert client.post(f"/api/sessions/{first}/edits", json=edit).status_code == 200
        assert client.delete(f"/api/sessions/{first}").status_code == 204
        assert client.post("/api/sessions", json={"paused": True}).status_code == 201


class Kept(dict):
    """Sessions as a store has them: what is let go can be had again."""

    def pop(self, key):
        return self[key]


def test_rooms_that_nobody_uses_are_forgotten(serve, monkeypatch):
    monkeypatch.setattr(registry, "MOST_RESTING", 2)
    with serve() as studio, studio.client() as client:
        context = studio.app.state.context
        for number in range(5):
            opened = SessionOpened(seq=0, at=0.0, model="fake", model_hash="0" * 64, settings=SETTINGS, shape=SHAPE)
            context.store.create(f"kept-{number}", opened).result()
            assert client.get(f"/api/sessions/kept-{number}/events").json()["events"]
        assert [room.id for room in context.rooms._registry] == ["kept-3", "kept-4"]


def test_pictures_are_not_held_up_on_their_way():
    """asyncio turns the delay off only on sockets that name their protocol, and accepted ones have that of the listening one."""
    with _listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_two_may_wait_for_one_answer():
    """And the one who loses patience first takes nothing from the other."""

    async def work():
        room = Room("abc", "")
        answers = [room.answer_to(0), room.answer_to(0)]
        room.give_up(0, answers[0])
        answers[0].cancel()
        event = {"seq": 0, "kind": "command-rejected", "op": 0}
        room.happened(event)
        assert await answers[1] == event
        assert await room.answer_to(0) == event
        late = room.answer_to(1)
        room.give_up(1, late)
        assert not room.operations._waiting

    asyncio.run(work())


def test_an_answer_comes_when_what_was_done_can_be_seen():
    async def work():
        room = Room("abc", "")
        await room.stand(1)  # nothing is known of where it stands
        room.moved({"rev": 0}, None)
        seen = asyncio.create_task(room.stand(1))
        room.happened({"seq": 0, "kind": "command-applied", "op": 0})
        await asyncio.sleep(0)
        assert not seen.done()
        room.moved({"rev": 1}, None)
        await asyncio.wait_for(seen, 5)
        lost = asyncio.create_task(room.stand(2))
        await asyncio.sleep(0)
        room.lose()
        await asyncio.wait_for(lost, 5)
        assert not room.followers

    asyncio.run(work())


def test_so_many_commands_wait_to_act_and_no_more(monkeypatch):
    monkeypatch.setattr(operations, "MOST_PENDING", 3)
    commands = Operations()
    for op in range(3):
        assert commands.register("a", op, Pause()) == op
    with pytest.raises(Refused, match="wait to act") as refused:
        commands.register("a", 3, Pause())
    assert refused.value.code == "busy"
    commands.answered({"kind": "command-rejected", "op": 0}, 0)
    assert commands.register("a", 3, Pause()) == 3
    commands.forget("a", 3)
    assert commands.register("a", 3, Pause()) == 4
    commands.lose()
    assert commands.register("a", 5, Pause()) == 5


def test_a_session_that_cannot_be_had_may_be_asked_for_for_ever(serve):
    with serve() as studio, studio.client() as client:
        assert client.post("/api/sessions", json={"prompt": "cannot begin"}).status_code == 422
        [room] = studio.app.state.context.rooms._registry
        for _ in range(3):
            answer = client.get(f"/api/sessions/{room.id}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad-value")

        def depth():
            trace, found = room.problem.__traceback__, 0
            while trace is not None:
                trace, found = trace.tb_next, found + 1
            return found

        before = depth()
        client.get(f"/api/sessions/{room.id}")
        assert depth() == before
