"""Whatever comes, the server answers: over the socket with an error or a closed connection, over HTTP with what its description says."""

import asyncio
import copy
import logging
import zlib

import msgpack
import pytest
import schemathesis
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from studio_client import Client
from studios import OWNER_TOKEN

from ildm.session.envelope import Envelope, Kind
from ildm.session.message_schema import message_schema

# the server draws numbers of its own, in its thread
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

CLOSED = (1007, 1008, 1009)
STROKE = {"region": "a", "left": 0, "top": 0, "width": 2, "height": 2, "erase": False}
MESSAGES = [
    (Kind.EVENT, {"type": "hello", "client": "abcdefgh", "session": None, "epoch": "e", "last_seq": 3}, b""),
    (Kind.EVENT, {"type": "start", "op": 1, "opening": {"prompt": "a", "num_steps": 3, "paused": True}}, b""),
    (Kind.EVENT, {"type": "edit", "op": 2, "base_rev": 0, "set": {"kind": "set-prompt", "text": "b"}}, b""),
    (Kind.EVENT, {"type": "edit", "op": 3, "set": {"kind": "set-guidance", "scale": 3.0}}, b""),
    (Kind.EVENT, {"type": "edit", "op": 4, "set": {"kind": "compare", "choices": [{"prompt": "c"}], "step": 0}}, b""),
    (Kind.MASK, {"type": "mask", "op": 5, **STROKE}, zlib.compress(bytes(4))),
    *((Kind.EVENT, {"type": name, "op": 6}, b"") for name in ("pause", "resume", "step", "cancel")),
    (Kind.EVENT, {"type": "rewind", "op": 7, "step": 0}, b""),
    (Kind.EVENT, {"type": "branch", "op": 8, "step": 0, "name": "n"}, b""),
    (Kind.EVENT, {"type": "rate", "op": 9, "every": 2}, b""),
    (Kind.EVENT, {"type": "annotate", "op": 10, "node": 0, "name": "n"}, b""),
    (Kind.EVENT, {"type": "ack", "seq": 5, "frame": 1}, b""),
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.just("a" * 9000)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KINDS = sorted(
    part["properties"]["kind"]["const"]
    for part in message_schema()["$defs"].values()
    if "const" in part.get("properties", {}).get("kind", {})
)
fuzzed = settings(max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def changed_messages(draw):
    """A good message with something else in one place, or with a field more or less."""
    kind, header, payload = draw(st.sampled_from(MESSAGES))
    header = copy.deepcopy(header)
    part = header
    while True:
        name = draw(st.sampled_from(sorted(part)))
        if isinstance(part[name], dict) and draw(st.booleans()):
            part = part[name]
            continue
        match draw(st.integers(0, 2)):
            case 0:
                part[name] = draw(VALUES)
            case 1:
                del part[name]
            case _:
                part[draw(st.text(max_size=8))] = draw(VALUES)
        return Envelope(
            draw(st.sampled_from([kind, kind, kind, *Kind])), header, draw(st.just(payload) | st.binary(max_size=40))
        ).pack()


@st.composite
def changed_bytes(draw):
    """A good message with some of its bytes changed, cut off or said twice."""
    data = bytearray(Envelope(*draw(st.sampled_from(MESSAGES))).pack())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.integers(0, 2)):
            case 0:
                data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del data[place:]
            case _:
                data[place:place] = data[place:]
    return bytes(data)


@st.composite
def odd_headers(draw):
    """A message of a type that is known, with anything in it."""
    header = draw(
        st.dictionaries(
            st.sampled_from(["op", "set", "session", "client", "opening", "step", "node", "name", "seq", "frame", "every"]),
            VALUES,
        )
    )
    header["type"] = draw(st.sampled_from(sorted({header["type"] for _, header, _ in MESSAGES})))
    if draw(st.booleans()):
        header |= {
            "op": draw(st.integers(0, 2**53)),
            "set": draw(st.dictionaries(st.text(max_size=8), VALUES, max_size=4)) | {"kind": draw(st.sampled_from(KINDS))},
        }
    return Envelope(draw(st.sampled_from(list(Kind))), header, draw(st.binary(max_size=30))).pack()


@pytest.fixture
def quiet(caplog):
    """Nothing went wrong in the server, whatever was told to clients."""
    with caplog.at_level(logging.WARNING):
        yield
        bad = [record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert bad == []


async def is_well(port):
    """A session is begun, changed and finished as ever."""
    async with await Client.connect(port, OWNER_TOKEN) as client:
        await client.start(prompt="a red rose", num_steps=2)
        assert (await client.edit(kind="set-prompt", text="a blue key"))["event"]["kind"] == "command-applied"
        await client.until(lambda: client.place["status"] == "finished")


async def say(port, messages, *, greet):
    """Say all of it. Returns the code the connection was closed with; None where it stayed and still answers."""
    client = await Client.connect(port, OWNER_TOKEN)
    try:
        if greet:
            await client.start(paused=True)
        for message in messages:
            await client.socket.send(message)
        # the last thing to be said is answered after all the others
        await client.send("rate", op=2**53 - 7, every=1)
        await client.until(lambda: client.answer(2**53 - 7))
    except (websockets.ConnectionClosed, ConnectionError):
        await asyncio.gather(client._listening, return_exceptions=True)
        return client.socket.close_code
    finally:
        await client.close()
    return None


@pytest.mark.parametrize(
    "messages",
    [st.binary(max_size=60), changed_bytes(), changed_messages(), odd_headers()],
    ids=["bytes", "flips", "fields", "headers"],
)
def test_the_socket_answers_whatever_it_hears(studio, quiet, messages):
    @fuzzed
    @given(st.lists(messages, min_size=1, max_size=12), st.booleans())
    def told(said, greet):
        assert asyncio.run(say(studio.port, said, greet=greet)) in (None, *CLOSED)

    told()
    asyncio.run(is_well(studio.port))


def test_who_is_never_understood_is_sent_away(studio, quiet):
    assert asyncio.run(say(studio.port, [b"nonsense"] * 20, greet=True)) == 1007
    assert asyncio.run(say(studio.port, [bytes(9 * 2**20)], greet=True)) == 1009
    assert asyncio.run(say(studio.port, ["a text"], greet=False)) == 1007


@pytest.fixture(scope="module")
def api(studio):
    with studio.client() as client:
        described = client.get("/api/openapi.json").json()
    return schemathesis.openapi.from_dict(described)


def test_http_answers_as_it_is_described(studio, api, quiet):
    with studio.client() as client:
        session = client.post("/api/sessions", json={"paused": True}).json()["id"]

    for found in api.exclude(path_regex="/stream$").get_all_operations():
        operation = found.ok()

        @settings(max_examples=12, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(), own=st.booleans())
        def told(case, own):
            if own and "session_id" in (case.path_parameters or {}) and case.method != "DELETE":
                case.path_parameters["session_id"] = session
            if isinstance(case.body, dict) and "wait" in case.body:
                case.body["wait"] = 0.0
            answer = case.call(base_url=studio.url, headers={"authorization": f"Bearer {OWNER_TOKEN}"}, timeout=20.0)
            case.validate_response(
                answer,
                checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance],
            )

        told()
    asyncio.run(is_well(studio.port))
