"""The protocol: every event once and in order, the newest frame, and the same state again after whatever happens to the connection."""

import asyncio
import zlib

import pytest
import websockets
from fake_worker import FakeWorker
from studio_client import Client
from studios import ANNA_TOKEN, OWNER_TOKEN

from ildm.session.envelope import Envelope, Kind
from ildm.studio.limits import Limits
from ildm.studio.messages import EVENT_CREDIT, FRAME_CREDIT


def run(work):
    return asyncio.run(work)


async def finished(client):
    await client.until(lambda: client.place and client.place["status"] == "finished")


def test_a_session_is_begun_followed_and_changed(studio):
    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            session = await client.start(prompt="a red rose", num_steps=30)
            assert client.view["session"] == session
            told = await client.edit(kind="set-prompt", text="a blue key")
            assert told["event"]["kind"] == "command-applied"
            assert told["rev"] == 2  # it was resumed before
            await finished(client)
            assert client.place["settings"]["prompt"] == "a blue key"
            first = client.view["place"]["seq"]
            assert sorted(client.events) == list(range(first, first + len(client.events)))
            steps = [one["event"]["step"] for one in client.events.values() if one["event"]["kind"] == "step-completed"]
            assert steps == sorted(steps) and steps[-1] == 30
            assert {header["session"] for header, _, _ in client.frames} == {session}
            await client.until(lambda: client.frames[-1][0]["step"] == 30)
            revs = [header["rev"] for header, _, _ in client.frames]
            assert revs == sorted(revs) and revs[-1] == 2

    run(work())


def test_who_comes_back_gets_what_was_missed_and_nothing_twice(studio):
    async def work():
        client = await Client.connect(studio.port, OWNER_TOKEN)
        session = await client.start(num_steps=60)
        await client.until(lambda: len(client.events) > 10)
        client.drop()
        last, epoch, before = max(client.events), client.epoch, dict(client.events)
        async with await Client.connect(studio.port, OWNER_TOKEN, client.name) as again:
            await again.hello(session, epoch=epoch, last_seq=last)
            await finished(again)
            assert min(again.events) == last + 1
            everything = before | again.events
            assert sorted(everything) == list(range(min(before), max(everything) + 1))
            assert again.view["place"]["seq"] > last and again.frames

    run(work())


def test_who_comes_anew_is_told_how_it_is(studio):
    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            session = await client.start(num_steps=15)
            await finished(client)
        async with await Client.connect(studio.port, OWNER_TOKEN) as other:
            await other.hello(session)
            view = other.view
            assert view["place"]["status"] == "finished" and view["place"]["step"] == 15
            assert [node["id"] for node in view["tree"]["nodes"]] == list(range(16))
            await other.until(lambda: other.frames)
            assert other.frames[0][0]["step"] == 15
            assert other.events == {}

    run(work())


def test_what_is_said_right_after_a_start_acts_on_what_was_started(studio):
    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            await client.hello()
            await client.send("start", op=1, opening={"paused": True})
            await client.send("edit", op=2, set={"kind": "set-prompt", "text": "a blue key"})
            told = await client.until(lambda: client.answer(2) or (client.place or {}).get("rev"))
            assert told == 1 or told["event"]["kind"] == "command-applied"

    run(work())


def test_what_is_meant_for_another_session_does_not_act(studio):
    """Somebody who changes one picture must not change another that has just begun."""

    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            former = await client.start(paused=True)
            session = await client.start(paused=True)
            stroke = {"region": "a", "left": 0, "top": 0, "width": 1, "height": 1}
            await client.send("edit", op=601, session=former, set={"kind": "set-prompt", "text": "no"})
            await client.send("mask", zlib.compress(bytes(1)), Kind.MASK, op=602, session=former, **stroke)
            for op in (601, 602):
                assert (await client.until(lambda op=op: client.answer(op)))["code"] == "not-now"
            await client.send("edit", op=603, session=session, set={"kind": "set-prompt", "text": "yes"})
            told = await client.until(lambda: client.answer(603))
            assert told["event"]["command"]["text"] == "yes" and told["rev"] == 1

    run(work())


def test_a_message_that_comes_twice_acts_once(studio):
    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            session = await client.start(paused=True)
            await client.edit(op=77, kind="set-prompt", text="first")
            client.drop()
            async with await Client.connect(studio.port, OWNER_TOKEN, client.name) as again:
                await again.hello(session)
                await again.edit(op=77, wait=False, kind="set-prompt", text="first")
                told = await again.edit(op=78, kind="set-prompt", text="second")
                assert told["rev"] == 2

    run(work())


def test_short_messages_are_commands(studio):
    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            await client.start(paused=True)
            kinds = {
                "resume": "resume",
                "pause": "pause",
                "step": "step-once",
                "cancel": "cancel",
                ("rewind", "step"): "rewind",
                ("branch", "step"): "branch-off",
                ("rate", "every"): "set-preview-rate",
            }
            for message, kind in kinds.items():
                name, *fields = [message] if isinstance(message, str) else message
                told = await client.short(name, **dict.fromkeys(fields, 0))
                assert told["event"]["command"]["kind"] == kind
            told = await client.short("annotate", node=0, name="here")
            assert told["event"]["command"] == {"kind": "name-node", "version": 1, "node": 0, "name": "here"}
            told = await client.short("annotate", branch=0, name="there")
            assert told["event"]["command"]["kind"] == "name-branch"
            told = await client.short("annotate", name="nothing")
            assert told["code"] == "bad-message"

    run(work())


def test_a_stroke_comes_as_bytes_and_is_inflated_with_a_bound(studio):
    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            await client.start(paused=True)
            stroke = {"region": "a", "left": 2, "top": 3, "width": 4, "height": 5}
            await client.send("mask", zlib.compress(bytes(20)), Kind.MASK, op=501, **stroke)
            told = await client.until(lambda: client.answer(501))
            patch = told["event"]["command"]["patch"]
            assert (patch["width"], patch["height"], told["event"]["command"]["left"]) == (4, 5, 2)
            bomb = zlib.compress(bytes(50_000_000), 9)
            await client.send("mask", bomb, Kind.MASK, op=502, **stroke)
            told = await client.until(lambda: client.answer(502))
            assert told["code"] == "bad-message" and "20 bytes" in told["text"]

    run(work())


def test_two_people_steer_one_session_and_hear_of_each_other(studio):
    async def work():
        async with (
            await Client.connect(studio.port, OWNER_TOKEN) as one,
            await Client.connect(studio.port, OWNER_TOKEN) as two,
        ):
            session = await one.start(paused=True)
            await two.hello(session)
            seen = two.place["rev"]
            await one.edit(kind="set-prompt", text="from one")
            await two.until(lambda: two.place["settings"]["prompt"] == "from one")
            stale = await two.edit(base_rev=seen, kind="set-prompt", text="from two")
            assert stale["code"] == "stale"
            other = await two.edit(base_rev=seen, kind="set-negative-prompt", text="grey")
            assert other["event"]["kind"] == "command-applied"
            # an op belongs to who sent it
            heard = await one.until(lambda: next((e for e in one.events.values() if e["rev"] == 2), None))
            assert heard["op"] is None

    run(work())


def test_a_client_that_does_not_acknowledge_gets_so_much_and_no_more(serve):
    async def work(port):
        async with await Client.connect(port, OWNER_TOKEN) as client:
            client.acknowledges = False
            session = await client.start(num_steps=400)
            async with await Client.connect(port, OWNER_TOKEN) as other:
                await other.hello(session)
                await finished(other)
            await client.until(lambda: len(client.events) == EVENT_CREDIT)
            assert len(client.frames) == FRAME_CREDIT
            client.acknowledges = True
            await client.send("ack", seq=max(client.events), frame=FRAME_CREDIT)
            await finished(client)
            seqs = sorted(client.events)
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
            await client.until(lambda: client.frames[-1][0]["step"] == 400)
            # the frames in between were left out
            assert len(client.frames) < 100

    with serve(worker=FakeWorker(interval=0.001), limits=Limits(steps=400)) as studio:
        run(work(studio.port))


def test_a_lost_worker_is_told_and_the_session_goes_on(serve):
    async def work(studio):
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            await client.start(num_steps=60)
            await client.until(lambda: len(client.events) > 10)
            former = client.epoch
            await asyncio.to_thread(studio.calls, studio.worker.lose)
            lost = await client.until(lambda: next((one for one in client.said if one["type"] == "error"), None))
            assert lost["code"] == "worker-lost"
            await client.until(lambda: client.epoch != former)
            await finished(client)
            first = client.view["place"]["seq"]
            assert sorted(client.events) == list(range(first, first + len(client.events)))

    with serve(worker=FakeWorker()) as studio:
        run(work(studio))


def test_who_looks_at_a_session_that_is_deleted_is_told_so(serve):
    """And not that the engine has ended, from which it would come back."""

    async def work(studio):
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            session = await client.start(paused=True)
            with studio.client() as http:
                await asyncio.to_thread(http.delete, f"/api/sessions/{session}")
            told = await client.until(lambda: next((one for one in client.said if one["type"] == "error"), None))
            assert told["code"] == "not-found" and "There is no session" in told["text"]

    with serve(worker=FakeWorker()) as studio:
        run(work(studio))


def test_what_waits_for_its_turn_is_told_its_place(serve):
    async def work(port):
        clients = [await Client.connect(port, OWNER_TOKEN) for _ in range(3)]
        await clients[0].start(num_steps=50)
        for client in clients[1:]:
            await client.hello()
            await client.send("start", op=1, opening={"num_steps": 2})
        for place, client in enumerate(clients[1:], 1):
            told = await client.until(lambda c=client: next((one for one in c.said if one.get("waiting")), None))
            assert told["waiting"] == place and told["view"] is None if "view" in told else True
        for client in clients:
            await finished(client)
            await client.close()

    with serve(worker=FakeWorker(), limits=Limits(running=1)) as studio:
        run(work(studio.port))


def test_who_waits_hears_of_every_change_of_the_queue(serve):
    """Also of those that no session's beginning brings about: somebody comes and takes turns, or goes away."""

    async def wait_in_line(port, token):
        client = await Client.connect(port, token)
        await client.hello()
        await client.send("start", op=1, opening={})
        await client.until(lambda: places(client))
        return client

    def places(client):
        return [one["waiting"] for one in client.said if one.get("waiting")]

    async def work(studio):
        async with await Client.connect(studio.port, OWNER_TOKEN) as running:
            await running.start()
            first, second = [await wait_in_line(studio.port, OWNER_TOKEN) for _ in range(2)]
            anna = await wait_in_line(studio.port, ANNA_TOKEN)
            await second.until(lambda: places(second) == [2, 3])
            with studio.client() as http:
                await asyncio.to_thread(http.delete, f"/api/sessions/{first.session}")
                await second.until(lambda: places(second) == [2, 3, 1])
                await asyncio.to_thread(http.delete, f"/api/sessions/{second.session}")
                await anna.until(lambda: places(anna) == [2, 1])
            for client in (first, second, anna):
                await client.close()

    with serve(worker=FakeWorker(interval=30.0), limits=Limits(running=1)) as studio:
        run(work(studio))


def test_a_session_that_cannot_begin_says_why(studio):
    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            await client.hello()
            await client.send("start", op=3, opening={"prompt": "cannot begin"})
            told = await client.until(lambda: next((one for one in client.said if one.get("op") == 3), None))
            assert told["problem"] == "This cannot begin."
            await client.send("start", op=4, opening={"num_steps": 1000})
            told = await client.until(lambda: client.answer(4))
            assert told["code"] == "bad-value" and "250 steps" in told["text"]

    run(work())


def test_nobody_follows_somebody_else_s_session(studio):
    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            session = await client.start(paused=True)
            async with await Client.connect(studio.port, ANNA_TOKEN) as anna:
                await anna.send("hello", client=client.name, session=session)
                told = await anna.until(lambda: next((one for one in anna.said if one["type"] == "error"), None))
                assert told["code"] == "not-found"
                refused = await anna.edit(kind="set-prompt", text="mine")
                assert refused["code"] in ("bad-message", "not-now")
            assert client.place["settings"]["prompt"] == ""

    run(work())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "at least 8 bytes"),
        (b"\x02" + bytes(7), "version 1"),
        (b"\x01\x09" + bytes(6), "kind 1 to 3"),
        (Envelope(Kind.EVENT, {"type": "dance"}).pack(), "does not follow its form"),
        (Envelope(Kind.EVENT, {"type": "pause"}).pack(), "does not follow its form"),
        (Envelope(Kind.MASK, {"type": "pause", "op": 901}).pack(), "kind 'mask'"),
        (b"\x01\x01\x00\x00\xff\xff\xff\x7f", "was announced"),
        (b"\x01\x01\x00\x00\x01\x00\x00\x00\x93", "no msgpack"),
    ],
)
def test_what_cannot_be_understood_is_told_and_the_connection_stays(studio, data, why):
    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            await client.hello()
            await client.socket.send(data)
            told = await client.until(lambda: next((one for one in client.said if one["type"] == "error"), None))
            assert told["code"] == "bad-message" and why in told["text"]
            assert await client.start(paused=True)

    run(work())


@pytest.mark.parametrize(("message", "code"), [("a text", 1007), (bytes(9 * 2**20), 1009)])
def test_text_and_too_much_close_the_connection_with_the_code_for_it(studio, message, code):
    async def work():
        client = await Client.connect(studio.port, OWNER_TOKEN)
        await client.hello()
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.socket.send(message)
            async with asyncio.timeout(10.0):
                await client.socket.wait_closed()
            raise websockets.ConnectionClosed(client.socket.protocol.close_rcvd, None)
        assert closed.value.rcvd.code == code

    run(work())


def test_a_flood_of_messages_closes_the_connection(serve):
    async def work(port):
        client = await Client.connect(port, OWNER_TOKEN)
        await client.hello()
        for _ in range(300):
            await client.send("pause", op=1)
        async with asyncio.timeout(10.0):
            await client.socket.wait_closed()
        assert client.socket.close_code == 1008

    with serve(limits=Limits(messages_per_second=50)) as studio:
        run(work(studio.port))


def test_goodbye_is_said_however_soon_the_server_closes(serve):
    """As when the signal to stop comes just before the server looks for one."""

    async def work(studio):
        client = await Client.connect(studio.port, OWNER_TOKEN)
        await client.start(num_steps=60)
        studio.calls(lambda: setattr(studio.server, "should_exit", True))
        async with asyncio.timeout(10.0):
            await client._listening
        assert client.socket.close_code == 1012
        assert [one["reason"] for one in client.said if one["type"] == "bye"] == ["The server is stopped."]

    with serve() as studio:
        run(work(studio))
