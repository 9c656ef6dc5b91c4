"""What belongs to one user is not there for another: whichever way it is asked for, the answer is that of a thing that never was."""

import asyncio

import pytest
from studio_client import Client
from studios import ANNA_TOKEN, OWNER_TOKEN

PAUSE = {"command": {"kind": "pause"}}
MASK = "0" * 64
SHOWN = "b" * 64
ROUTES = [
    ("GET", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "/edits"),
    ("GET", "/events"),
    ("GET", "/stream"),
    ("GET", "/image"),
    ("GET", "/image?form=session-png"),
    ("GET", "/image?node=0&form=jpeg"),
    ("GET", "/thumbnail"),
    ("GET", "/thumbnail?node=0"),
    ("GET", "/words/secret"),
    ("GET", "/frame"),
    ("GET", f"/masks/{MASK}"),
    ("GET", f"/shown/{SHOWN}"),
]
BODIES = {"PATCH": {"title": "mine"}, "POST": PAUSE}


@pytest.fixture(scope="module")
def session(studio):
    with studio.client() as owner:
        return owner.post("/api/sessions", json={"paused": True, "prompt": "a secret"}).json()["id"]


@pytest.fixture
def anna(studio):
    with studio.client(ANNA_TOKEN) as client:
        yield client


def ask(client, method, path):
    return client.request(method, path, json=BODIES.get(method))


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_another_s_session_is_none(studio, session, anna, method, path):
    told = ask(anna, method, f"/api/sessions/{session}{path}")
    never = ask(anna, method, f"/api/sessions/000000000000{path}")
    assert told.status_code == never.status_code == 404
    # the same words, so that nobody learns that it is there
    assert told.text.replace(session, "") == never.text.replace("000000000000", "")
    with studio.client() as owner:
        assert owner.get(f"/api/sessions/{session}").json()["place"]["settings"]["prompt"] == "a secret"


def test_every_route_of_a_session_is_among_those(studio):
    with studio.client() as owner:
        paths = owner.get("/api/openapi.json").json()["paths"]
    known = {
        (method, path.partition("?")[0].replace(MASK, "{mask}").replace(SHOWN, "{picture}").replace("/secret", "/{word}"))
        for method, path in ROUTES
    }
    for path, methods in paths.items():
        if path.startswith("/api/sessions/{session_id}"):
            for method in methods:
                assert (method.upper(), path.removeprefix("/api/sessions/{session_id}")) in known


def test_another_s_session_makes_no_preset(session, anna):
    for kind in ("settings", "regions"):
        told = anna.put(f"/api/presets/{kind}/mine", json={"session": session})
        assert told.status_code == 404 and anna.get(f"/api/presets/{kind}/mine").status_code == 404


def test_everybody_has_presets_of_their_own(studio, anna):
    with studio.client() as owner:
        place = "/api/presets/settings/evening"
        assert owner.put(place, json={"content": {"prompt": "a secret"}}).status_code == 201
        assert anna.get(place).status_code == 404 and anna.delete(place).status_code == 404
        assert anna.post(f"{place}/name", json={"name": "morning"}).status_code == 404
        assert "evening" not in anna.get("/api/presets").text
        assert anna.put(place, json={"content": {"prompt": "hers"}}).status_code == 201
        assert owner.get(place).json()["content"] == {"prompt": "a secret"}


def test_stored_sessions_are_listed_to_their_owner_alone(studio, anna, session):
    told = anna.get("/api/sessions").json()
    assert session not in str(told) and told["total"] == 0
    asked = []
    real = studio.app.state.context.store.sessions

    def sessions(*arguments, owner=None):
        asked.append(owner)
        return real(*arguments, owner=owner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio.app.state.context.store, "sessions", sessions)
        anna.get("/api/sessions?search=secret")
    assert asked == ["anna"]


def test_the_socket_says_the_same_and_stays_where_it_was(studio, session):
    async def work():
        async with (
            await Client.connect(studio.port, ANNA_TOKEN) as anna,
            await Client.connect(studio.port, OWNER_TOKEN) as owner,
        ):
            own = await anna.start(paused=True)
            for wanted in (session, "000000000000"):
                before = len(anna.said)
                await anna.send("hello", client=anna.name, session=wanted)
                await anna.until(lambda n=before: len(anna.said) > n)
                assert anna.said[-1]["code"] == "not-found"
            # what she says now is said to her own
            told = await anna.edit(kind="set-prompt", text="hers")
            assert told["event"]["command"]["text"] == "hers"
            assert {header["session"] for header, _, _ in anna.frames} <= {own}
            await owner.hello(session)
            assert owner.view["place"]["settings"]["prompt"] == "a secret"
            # a client's name, however it is written, is no way into another user's
            for name in (f"/{owner.name}", "../anna/xx", "anna/abcdefgh"):
                before = len(owner.said)
                await owner.send("hello", client=name)
                await owner.until(lambda n=before: len(owner.said) > n)
                assert owner.said[-1]["code"] == "bad-message"

    asyncio.run(work())
