"""Strict forms, bounded lengths, and so much at a time: beyond that a polite refusal, and never a hang."""

import asyncio
import time

import pytest
import websockets
from fake_worker import FakeWorker
from studio_client import Client
from studios import ANNA_TOKEN, OWNER_TOKEN

from ildm.session.commands import (
    Choice,
    Compare,
    DislikeArea,
    RedoArea,
    Resume,
    Rewind,
    SetNumSteps,
    SetPrompt,
    StartOver,
    StepOnce,
)
from ildm.session.envelope import Envelope, Kind
from ildm.session.wire import Mask
from ildm.studio.limits import Limits
from ildm.studio.refusals import Refused

AREA = Mask.rectangle(8, 8, (0.0, 0.0, 0.5, 0.5))
JSON = {"content-type": "application/json"}


@pytest.fixture
def client(studio):
    with studio.client() as client:
        yield client


@pytest.fixture(scope="module")
def session(studio):
    with studio.client() as client:
        return client.post("/api/sessions", json={"paused": True}).json()["id"]


def short(value):
    return repr(value)[:40]


def post(client, path, text):
    return client.post(path, content=text, headers=JSON)


# --- forms -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "opening",
    [
        {"wish": "a"},
        {"code": "import os"},
        {"prompt": "a" * 8193},
        {"negative_prompt": "a" * 8193},
        {"sampler": "a" * 201},
        {"prompt": None},
        {"prompt": 7},
        {"prompt": ["a"]},
        {"num_steps": 0},
        {"num_steps": 2.5},
        {"num_steps": "__import__('os')"},
        {"num_steps": 10**30},
        {"seed": -1},
        {"seed": 10**400},
        {"width": 4097},
        {"width": 7},
        {"guidance_scale": 1e308},
        {"strength": 1.01},
        {"paused": "perhaps"},
        {"image": "/etc/passwd"},
        {"image": "http://evil.example/a.png"},
        {"image": {"upload": ["a"]}},
        {"regions": {"kind": "python", "source": "1"}},
    ],
    ids=short,
)
def test_an_opening_follows_its_form(client, opening):
    told = client.post("/api/sessions", json=opening)
    assert told.status_code in (404, 422), told.text
    assert len(told.json()["error"]["text"]) < 600


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "1" + "0" * 400 + ".0", "-0.5"]
)
@pytest.mark.parametrize("field", ["guidance_scale", "strength", "seed", "num_steps", "width"])
def test_a_number_is_one(client, field, text):
    told = post(client, "/api/sessions", f'{{"{field}": {text}}}')
    assert told.status_code in (400, 422), told.text


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '"a"', "null", "{}{}", '{"a":1,}', "\ufeff{", '{"prompt":"\\ud800"}', '{"\\udfff":1}']
)
def test_a_body_is_an_object(client, session, text):
    for path in ("/api/sessions", f"/api/sessions/{session}/edits"):
        told = post(client, path, text)
        assert told.status_code in (400, 422), told.text
        assert told.json()["error"]["code"] in ("bad-message", "bad-value")


@pytest.mark.parametrize("depth", [13, 150, 900, 1000, 100_000])
@pytest.mark.parametrize(("opens", "closes"), [('{"a":', "}"), ("[", "]")])
def test_what_is_nested_without_end_is_refused(client, session, depth, opens, closes):
    deep = opens * depth + "1" + closes * depth
    for path, text in (
        ("/api/sessions", f'{{"regions": {deep}}}'),
        (f"/api/sessions/{session}/edits", f'{{"command": {{"kind": {deep}}}}}'),
        (f"/api/sessions/{session}/edits", f'{{"wait": {deep}, "command": {{}}}}'),
    ):
        assert post(client, path, text).status_code in (400, 422)
    for kind in ("settings", "regions"):
        told = client.put(f"/api/presets/{kind}/deep", content=f'{{"content": {{"a": {deep}}}}}', headers=JSON)
        assert told.status_code in (400, 422)


@pytest.mark.parametrize(
    "content",
    [
        {"wish": "a"},
        {"prompt": "a" * 8193},
        {"__class__": "os.system", "args": ["true"]},
        {"prompt": "a", "hook": "lambda: 0"},
        {"py/object": "os.system"},
        {"$ref": "file:///etc/passwd"},
        {"num_steps": "${7*7}"},
    ],
    ids=short,
)
def test_a_preset_holds_values_and_nothing_that_runs(client, content):
    for kind in ("settings", "regions"):
        told = client.put(f"/api/presets/{kind}/odd", json={"content": content})
        assert told.status_code == 422, told.text
        assert client.get(f"/api/presets/{kind}/odd").status_code == 404


@pytest.mark.parametrize("name", ["%2e%2e%2f%2e%2e%2fx", "a" * 201, "..", "a%2fb", "%00", "a%0ab"])
def test_a_preset_s_name_is_no_path(studio, client, name):
    told = client.put(f"/api/presets/settings/{name}", json={"content": {"prompt": "a"}})
    assert told.status_code in (201, 401, 404, 405, 422)
    folder = studio.app.state.context.store.path.parent
    assert {path.name.split("-")[0] for path in folder.iterdir()} <= {"sessions.sqlite", "uploads", "sessions.sqlite.lock"}


@pytest.mark.parametrize("name", ["day/night", "/", "..", "."])
def test_a_preset_is_not_called_what_no_address_can_say(client, name):
    """It could be kept or renamed, and never be had again."""
    content = {"content": {"prompt": "a"}}
    assert client.put("/api/presets/settings/good", json=content | {"replace": True}).status_code == 201
    renamed = client.post("/api/presets/settings/good/name", json={"name": name})
    assert renamed.status_code == 422 and "choose another one" in renamed.text
    assert client.get("/api/presets/settings/good").status_code == 200


def test_plain_values_have_a_bound_of_their_own(client):
    """They take many times their bytes in memory."""
    for path, text in (
        ("/api/sessions", '{"regions": [' + "[]," * 3_000_000 + "[]]}"),
        ("/api/presets/settings/x", "[" * 9_000_000),
    ):
        told = client.request("POST" if "sessions" in path else "PUT", path, content=text, headers=JSON)
        assert told.status_code == 413 and "at most 8 MiB" in told.text


def test_a_run_that_came_too_large_makes_no_step():
    limits, small, large = Limits(steps=10, pixels=64 * 64), (64, 64), (128, 64)
    makes_steps = (
        Resume(),
        StepOnce(),
        StartOver(seed=1),
        RedoArea(area=AREA),
        DislikeArea(),
        Compare(choices=(Choice(seed=1), Choice(seed=2))),
    )
    for command in makes_steps:
        limits.check_command(command, 10, small)
        with pytest.raises(Refused, match="at most 10 steps"):
            limits.check_command(command, 11, small)
        with pytest.raises(Refused, match="at most 4096 pixels"):
            limits.check_command(command, 10, large)
    # what makes it smaller, and what makes no step, is taken
    for command in (SetNumSteps(num_steps=8), SetPrompt(text="a"), Rewind(step=0), StartOver(width=64, height=64)):
        limits.check_command(command, 10 if isinstance(command, StartOver) else 11, large)


def test_what_is_asked_for_has_bounds_in_the_address_too(client, session):
    for query in ("limit=501", "limit=0", "offset=-1", "offset=99999999999", f"search={'a' * 201}", "limit=NaN", "limit=1e2"):
        assert client.get(f"/api/sessions?{query}").status_code == 422
    place = f"/api/sessions/{session}"
    for path in (
        f"{place}/events?since=-1",
        f"{place}/events?since={2**53}",
        f"{place}/image?node=-1",
        f"{place}/image?form=svg",
    ):
        assert client.get(path).status_code == 422
    for odd in ("a" * 65, "a b", "a%00", "%2e%2e", "a.b", "é"):
        assert client.get(f"/api/sessions/{odd}").status_code in (404, 422)


@pytest.mark.parametrize("number", ["\xb2", "-1", "x", "9" * 40, "1.5", ""])
def test_a_last_event_that_is_none_begins_anew(client, session, number):
    headers = {"last-event-id": number.encode("latin-1")}
    with client.stream("GET", f"/api/sessions/{session}/stream", headers=headers) as stream:
        assert stream.status_code == 200 and stream.headers["content-type"].startswith("text/event-stream")


def test_msgpack_without_end_is_told_and_the_connection_stays(studio):
    async def work():
        async with await Client.connect(studio.port, OWNER_TOKEN) as client:
            await client.hello()
            packed = Envelope(Kind.EVENT, {"type": "edit", "op": 900, "set": {"kind": "pause"}}).pack()
            for deep in (
                b"\x81\xa1a" * 1000,
                b"\x91" * 1000,
                b"\x91" * 500 + b"\xc0",
                b"\xdd\xff\xff\xff\xff",
                b"\xdf\xff\xff\xff\xff",
            ):
                header = b"\x81\xa3set" + deep
                before = len(client.said)
                await client.socket.send(packed[:4] + len(header).to_bytes(4, "little") + header)
                await client.until(lambda n=before: len(client.said) > n)
                assert client.said[-1]["code"] == "bad-message"
            for fields in (
                {"type": "hello", "client": "a" * 65},
                {"type": "edit", "op": 2**53, "set": {"kind": "pause"}},
                {"type": "edit", "op": 900, "set": {"kind": "set-guidance", "scale": float("nan")}},
                {"type": "edit", "op": 900, "set": {"kind": "set-prompt", "text": "a" * 8193}},
                {"type": "edit", "op": 900, "set": {"kind": "set-prompt", "text": "a", "more": 1}},
                {"type": "rewind", "op": 900, "step": -1},
                {"type": "hello", "client": "abcdefgh", "epoch": "a" * 10_000},
            ):
                before = len(client.said)
                await client.socket.send(Envelope(Kind.EVENT, fields).pack())
                await client.until(lambda n=before: len(client.said) > n)
                assert client.said[-1]["code"] == "bad-message", fields
            assert await client.start(paused=True)

    asyncio.run(work())


# --- so much at a time -------------------------------------------------------------------------------------------------------


def start(client, **opening):
    return client.post("/api/sessions", json={"num_steps": 200, **opening})


def test_the_queue_has_an_end_for_each_and_for_all(serve):
    limits = Limits(running=1, queue=3, queue_per_user=2)

    async def over_the_socket(port):
        async with await Client.connect(port, ANNA_TOKEN) as client:
            await client.hello()
            await client.send("start", op=1, opening={})
            return await client.until(lambda: client.answer(1))

    with (
        serve(worker=FakeWorker(interval=30.0), limits=limits) as studio,
        studio.client() as owner,
        studio.client(ANNA_TOKEN) as anna,
    ):
        assert [start(owner).status_code for _ in range(3)] == [201, 202, 202]
        refused = start(owner)
        assert refused.status_code == 429 and refused.json()["error"]["code"] == "busy" and refused.headers["retry-after"]
        assert [start(anna).status_code for _ in range(2)] == [202, 429]
        assert asyncio.run(over_the_socket(studio.port))["code"] == "busy"


def test_users_take_turns(serve):
    with (
        serve(worker=FakeWorker(interval=30.0), limits=Limits(running=1)) as studio,
        studio.client() as owner,
        studio.client(ANNA_TOKEN) as anna,
    ):
        first = start(owner).json()["id"]
        theirs = [start(owner).json()["id"] for _ in range(4)]
        hers = [start(anna).json()["id"] for _ in range(2)]
        # she came after four of theirs, and is not after them
        places = {one: owner.get(f"/api/sessions/{one}").json()["waiting"] for one in theirs}
        places |= {one: anna.get(f"/api/sessions/{one}").json()["waiting"] for one in hers}
        assert sorted(places, key=places.get) == [theirs[0], hers[0], theirs[1], hers[1], theirs[2], theirs[3]]
        assert owner.delete(f"/api/sessions/{theirs[0]}").status_code == 204
        assert anna.get(f"/api/sessions/{hers[0]}").json()["waiting"] == 2
        assert owner.delete(f"/api/sessions/{first}").status_code == 204
        assert owner.get(f"/api/sessions/{theirs[1]}").json()["place"]["status"] == "running"
        assert anna.get(f"/api/sessions/{hers[0]}").json()["waiting"] == 1
        assert owner.delete(f"/api/sessions/{theirs[1]}").status_code == 204
        assert anna.get(f"/api/sessions/{hers[0]}").json()["place"]["status"] == "running"


def test_sessions_in_memory_are_few_and_those_in_use_stay(serve):
    with serve(worker=FakeWorker(interval=30.0), limits=Limits(running=3, open=2)) as studio, studio.client() as client:
        assert [start(client).status_code for _ in range(2)] == [201, 201]
        assert start(client).status_code == 429


def test_several_that_begin_at_once_take_the_places_of_several(serve, caplog):
    async def work(port):
        async with await Client.connect(port, OWNER_TOKEN) as client:
            await client.hello()
            for op in (1, 2, 3):
                await client.send("start", op=op, opening={"paused": True})
            told = await client.until(lambda: next((one for one in client.said if one.get("op") == 3), None))
            assert told["view"] is not None

    with serve(limits=Limits(open=4)) as studio, studio.client() as client:
        assert [start(client, paused=True).status_code for _ in range(4)] == [201] * 4
        asyncio.run(work(studio.port))
        assert studio.app.state.context.rooms.num_open == 4
    assert not [record.getMessage() for record in caplog.records if record.exc_info]


def test_a_session_that_cannot_begin_for_no_known_reason_keeps_nobody_waiting(serve, monkeypatch, caplog):
    with serve() as studio, studio.client() as client:

        async def ask(_):
            raise RuntimeError("something nobody thought of")

        monkeypatch.setattr(studio.worker, "ask", ask)
        told = start(client)
        assert told.status_code == 500 and told.json()["error"]["code"] == "failed"
    assert [record.message for record in caplog.records if record.exc_info] == ["Something went wrong beside the requests."]


def test_a_run_has_so_many_steps_and_pixels(serve):
    with serve(limits=Limits(steps=50, pixels=512 * 512)) as studio, studio.client() as client:
        for opening in (
            {"num_steps": 51},
            {"width": 520, "height": 512},
            {"width": 4096},
            {"height": 4096},
            {"width": 4096, "height": 4096},
        ):
            told = client.post("/api/sessions", json=opening)
            assert told.status_code == 422 and "at most" in told.json()["error"]["text"], opening
        session = client.post("/api/sessions", json={"num_steps": 50, "width": 512, "paused": True}).json()["id"]
        for command in (
            {"kind": "set-num-steps", "num_steps": 51},
            {"kind": "start-over", "width": 4096, "height": 4096},
            {"kind": "start-over", "width": 4096, "height": 72},
            {"kind": "compare", "choices": [{"prompt": "a"}, {"num_steps": 51}]},
        ):
            told = client.post(f"/api/sessions/{session}/edits", json={"command": command})
            assert told.status_code == 422 and "at most" in told.json()["error"]["text"], told.text


def test_a_run_that_is_led_to_where_it_is_too_large_is_paused(serve):
    """A session that was made elsewhere may have a branch that is, and any command may open it."""
    with serve(worker=FakeWorker(interval=0.02), limits=Limits(steps=50)) as studio, studio.client() as client:
        id_ = client.post("/api/sessions", json={"num_steps": 50}).json()["id"]
        session = studio.worker.sessions[id_]
        studio.calls(lambda: session.apply(SetNumSteps(num_steps=1000)))
        deadline = time.monotonic() + 20.0
        while session.status != "paused":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert session.step < 50
        told = client.post(f"/api/sessions/{id_}/edits", json={"command": {"kind": "resume"}})
        assert told.status_code == 422 and "at most 50 steps" in told.json()["error"]["text"]


def test_changes_over_http_come_only_so_fast(serve):
    with serve(limits=Limits(requests_per_second=3)) as studio, studio.client() as client, studio.client(ANNA_TOKEN) as anna:
        answers = [client.post("/api/launch", json={}) for _ in range(20)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert [answer.status_code for answer in answers[:6]] == [201] * 6
        assert len(refused) > 5
        assert refused[0].json()["error"] == {
            "code": "busy",
            "text": "More than 3 changes a second were asked for: slow down.",
        }
        assert refused[0].headers["retry-after"] == "5"
        # nobody else is held up, and looking costs nothing
        assert anna.post("/api/launch", json={}).status_code == 201
        assert client.get("/api/sessions").status_code == 200


def test_connections_are_counted_sockets_and_streams_alike(serve):
    async def one_more(port, token):
        client = await Client.connect(port, token)
        try:
            await client.hello()
            return client
        except (ConnectionError, websockets.ConnectionClosed):
            await asyncio.gather(client._listening, return_exceptions=True)
            return client.said[0]["code"], client.socket.close_code

    async def work(studio, session):
        sockets = [await one_more(studio.port, OWNER_TOKEN) for _ in range(2)]
        assert await one_more(studio.port, OWNER_TOKEN) == ("busy", 1013)
        with studio.client() as client:
            told = await asyncio.to_thread(client.get, f"/api/sessions/{session}/stream")
            assert told.status_code == 429 and told.json()["error"]["code"] == "busy"
        sockets.append(await one_more(studio.port, ANNA_TOKEN))
        assert await one_more(studio.port, ANNA_TOKEN) == ("busy", 1013)  # there are three in all
        await sockets[0].close()
        again = await one_more(studio.port, OWNER_TOKEN)
        assert again.said[0]["type"] == "welcome"
        for socket in (*sockets[1:], again):
            await socket.close()

    with serve(limits=Limits(connections=3, connections_per_user=2)) as studio:
        with studio.client() as client:
            session = client.post("/api/sessions", json={"paused": True}).json()["id"]
        asyncio.run(work(studio, session))


def test_every_change_may_come_too_fast_and_the_description_says_so(client):
    paths = client.get("/api/openapi.json").json()["paths"]
    changes = [(path, method) for path, ways in paths.items() for method in ways if method != "get"]
    assert len(changes) > 8
    assert [change for change in changes if "429" not in paths[change[0]][change[1]]["responses"]] == []
