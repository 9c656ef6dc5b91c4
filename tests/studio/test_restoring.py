"""A picture that comes back restores what it brings along: its session, or the settings that it names."""

import io
import json
import signal

import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.PngImagePlugin import PngInfo
from studios import ANNA_TOKEN, RealStudio

from ildm.core.errors import ProtocolError
from ildm.session.store import Store
from ildm.studio.restoring import restore

CALL = {
    "prompt": "a red rose",
    "negative_prompt": "blurry",
    "num_steps": 12,
    "guidance_scale": 2.5,
    "guidance_rescale": 0.0,
    "sampler": "euler",
    "seed": 7,
    "width": 64,
    "height": 128,
    "model": "emoji-scenes",
    "model_hash": "0" * 64,
}
OPENING = {name: value for name, value in CALL.items() if name not in ("guidance_rescale", "model_hash")}
A1111 = "a red rose\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 512x768, Model: gloss"


def png(**texts):
    info, buffer = PngInfo(), io.BytesIO()
    for keyword, text in texts.items():
        info.add_itxt(keyword.replace("_", "-"), text, zip=True)
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def send(client, data, kind="image/png"):
    answer = client.post("/api/uploads", content=data, headers={"content-type": kind})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def bring(client, data, kind="image/png"):
    return client.post("/api/sessions/restore", json={"upload": send(client, data, kind)})


@pytest.fixture
def owner(studio):
    with studio.client() as client:
        yield client


# --- settings --------------------------------------------------------------------------------------------------------------


def test_a_call_of_ours_becomes_an_opening(owner):
    answer = bring(owner, png(ildm=json.dumps(CALL)))
    assert (answer.status_code, answer.json()) == (200, {"opening": OPENING})
    assert owner.post("/api/sessions", json=answer.json()["opening"] | {"paused": True}).status_code == 201


def test_so_do_the_parameters_of_other_programs(owner):
    said = {"prompt": "a red rose", "negative_prompt": "blurry", "num_steps": 20, "guidance_scale": 7.0, "seed": 3}
    said |= {"sampler": "euler-ancestral", "width": 512, "height": 768}
    expected = {"opening": said, "missing": {"model": "gloss"}}
    assert bring(owner, png(parameters=A1111)).json() == expected
    exif = Image.Exif()
    exif.get_ifd(IFD.Exif)[Base.UserComment] = b"UNICODE\0" + A1111.encode("utf-16-be")
    for form in ("JPEG", "WEBP"):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, form, exif=exif)
        assert bring(owner, buffer.getvalue(), f"image/{form.lower()}").json() == expected


@pytest.mark.parametrize(
    "comment", [b"ASCII\0\0\0in the garden of Anna", b"ASCII\0\0\0Lat: 52.1, Lon: 13.2, Alt: 30", b"ASCII\0\0\0{}"]
)
def test_a_camera_s_comment_is_nobody_s_business(owner, comment):
    exif, buffer = Image.Exif(), io.BytesIO()
    exif.get_ifd(IFD.Exif)[Base.UserComment] = comment
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif)
    assert bring(owner, buffer.getvalue(), "image/jpeg").json() == {"opening": None}


def test_a_picture_may_say_nothing(owner):
    assert bring(owner, png()).json() == {"opening": None}


@pytest.mark.parametrize("value", [-1, 1e99, "NaN", None, [], {}, True, "x" * 9000])
@pytest.mark.parametrize("name", ["num_steps", "guidance_scale", "seed", "width", "prompt", "sampler", "model"])
def test_what_no_opening_takes_is_left_out(owner, name, value):
    told = bring(owner, png(ildm=json.dumps(CALL | {name: value}))).json()["opening"]
    assert told.items() <= (OPENING | {name: value}).items() and told.keys() >= OPENING.keys() - {name}
    answer = owner.post("/api/sessions", json=told | {"paused": True})
    assert answer.status_code == 201 or "at most" in answer.json()["error"]["text"]


def test_what_is_not_here_is_named(owner):
    told = bring(owner, png(ildm=json.dumps(CALL | {"model": "another", "sampler": "dance"}))).json()
    assert told["missing"] == {"model": "another", "sampler": "dance"} and not {"model", "sampler"} & told["opening"].keys()


@pytest.mark.parametrize("texts", [{"ildm": "{"}, {"ildm": "[]"}, {"ildm_session": "no base64!"}, {"ildm_session": "AAAA"}])
def test_what_is_damaged_is_said(owner, texts):
    answer = bring(owner, png(**texts))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad-value")
    assert "This picture" in answer.json()["error"]["text"] and "/tmp" not in answer.text


def test_it_takes_one_s_own_upload_alone(studio, owner):
    number = send(owner, png(ildm=json.dumps(CALL)))
    with studio.client(ANNA_TOKEN) as anna:
        assert anna.post("/api/sessions/restore", json={"upload": number}).status_code == 404
    for body in ({}, {"upload": "../x"}, {"upload": number, "more": 1}, {"upload": None}):
        assert owner.post("/api/sessions/restore", json=body).status_code == 422


@pytest.fixture(scope="module")
def real(toy_home, tmp_path_factory):
    """With a store of its own: sessions without a picture would be in the way of whoever lists them in the common one."""
    studio = RealStudio(toy_home, "--store", str(tmp_path_factory.mktemp("store") / "sessions.sqlite")).wait_ready()
    yield studio
    studio.stop(signal.SIGKILL)


# --- sessions --------------------------------------------------------------------------------------------------------------


def make(http):
    """A finished session, and the picture that carries it."""
    session = http.post("/api/sessions", json={"prompt": "a red rose", "num_steps": 4, "seed": 3, "paused": True}).json()["id"]
    http.post(f"/api/sessions/{session}/edits", json={"command": {"kind": "set-prompt", "text": "a blue key"}})
    http.post(f"/api/sessions/{session}/edits", json={"command": {"kind": "resume"}})
    with http.stream("GET", f"/api/sessions/{session}/stream") as stream:
        assert "event: run-finished" in stream.iter_lines()
    return session, http.get(f"/api/sessions/{session}/image", params={"form": "session-png"}).content


def test_a_session_comes_back_from_its_picture(real):
    with real.client() as http:
        session, picture = make(http)
        log = http.get(f"/api/sessions/{session}/events").json()["events"]
        shown = http.get(f"/api/sessions/{session}/image").content
        assert http.delete(f"/api/sessions/{session}").status_code == 204
        answer = bring(http, picture)
        again = answer.json()["session"]
        assert answer.status_code == 200 and answer.json() == {"session": again}
        assert again in [one["id"] for one in http.get("/api/sessions").json()["sessions"]]
        # it is a session as any other: its log, its picture, and what may become of it
        told = http.get(f"/api/sessions/{again}/events").json()["events"]
        assert [one for one in told if one["kind"] != "state-saved"] == [one for one in log if one["kind"] != "state-saved"]
        late = http.get(f"/api/sessions/{again}/events", params={"since": 3}).json()["events"]
        assert late == told[3:] and [one["seq"] for one in told] == list(range(len(told)))
        assert http.get(f"/api/sessions/{again}/events", params={"since": 9999}).json() == {"events": []}
        assert http.get(f"/api/sessions/{again}/image").content == shown
        assert http.get(f"/api/sessions/{again}").json()["place"]["settings"]["prompt"] == "a blue key"
        edited = http.post(f"/api/sessions/{again}/edits", json={"command": {"kind": "rewind", "step": 2}})
        assert edited.json()["state"] == "applied"


def test_one_that_is_here_is_not_doubled(real):
    with real.client() as http:
        _, picture = make(http)
        found = {bring(http, picture).json()["session"] for _ in range(2)}
        assert len(found) == 1


def test_everybody_gets_one_of_their_own(real, tmp_path):
    with real.client() as http:
        _, picture = make(http)
    with Store(tmp_path / "sessions.sqlite") as store:
        ids = [restore(store, owner, picture).session for owner in ("", "anna", "", "anna")]
        assert ids[0] == ids[2] != ids[1] == ids[3]
        assert [store.summary(one).owner for one in ids[:2]] == ["", "anna"]
        # what would have to be in memory whole has a bound
        with pytest.raises(
            ProtocolError, match="This picture cannot be imported: its log and its tree have 0 MiB, and at most"
        ):
            restore(store, "bert", picture, most=1000)
