"""The HTTP API with a real engine: what a program can do, from the first request to the last."""

import base64
import io
import json
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from studios import RealStudio

from ildm.session.files import open_session_file
from ildm.studio.limits import Limits


@pytest.fixture(scope="module")
def http(real):
    with real.client() as client:
        yield client


def begin(http, **opening):
    answer = http.post("/api/sessions", json={"prompt": "a red rose", "num_steps": 6, "seed": 3} | opening)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/sessions/{answer.json()['id']}"
    return answer.json()["id"]


def look(http, session):
    return http.get(f"/api/sessions/{session}").json()


def finish(http, session):
    for line in http.get(f"/api/sessions/{session}/events").json()["events"]:
        if line["kind"] == "run-finished":
            return line
    with http.stream("GET", f"/api/sessions/{session}/stream") as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and json.loads(line[5:])["kind"] == "run-finished":
                return json.loads(line[5:])
    raise AssertionError("the stream has ended before the run")


def edit(http, session, wait=10.0, **command):
    return http.post(f"/api/sessions/{session}/edits", json={"command": command, "wait": wait})


def png(array, mode=None):
    buffer = io.BytesIO()
    Image.fromarray(array, mode).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_session_from_its_beginning_to_its_end(http):
    session = begin(http, paused=True)
    assert look(http, session)["place"]["status"] == "paused"
    told = edit(http, session, kind="set-prompt", text="a blue key").json()
    assert told["state"] == "applied" and told["step"] == 0 and told["rev"] == 1
    assert edit(http, session, kind="resume").json()["state"] == "applied"
    finish(http, session)
    view = look(http, session)
    assert view["place"]["step"] == 6 and view["place"]["settings"]["prompt"] == "a blue key"
    assert len(view["tree"]["nodes"]) == 7
    assert edit(http, session, kind="undo").json()["rev"] == 3


def test_an_edit_that_comes_twice_acts_once_and_is_answered_twice(http):
    session = begin(http, paused=True)
    message = {"command": {"kind": "set-prompt", "text": "a blue key"}, "client": "a-program", "op": 7}
    first, second = (http.post(f"/api/sessions/{session}/edits", json=message).json() for _ in range(2))
    assert first == second and first["state"] == "applied" and first["rev"] == 1
    for field in ("client", "op"):  # without its number every message of a client would be its first
        half = {name: value for name, value in message.items() if name != field}
        answer = http.post(f"/api/sessions/{session}/edits", json=half)
        assert answer.status_code == 422 and "client and op" in answer.json()["error"]["text"]


def test_what_does_not_act_says_why(http):
    session = begin(http)
    finish(http, session)
    answer = edit(http, session, kind="resume")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not-now")
    assert "All steps are done" in answer.json()["error"]["text"]
    answer = edit(http, session, kind="set-sampler", name="nothing")
    assert answer.status_code == 422
    for command, said in (
        ({"kind": "dance"}, "there is no 'kind' 'dance'"),
        ({"kind": "set-promt", "text": "a"}, "there is no 'kind' 'set-promt': did you mean 'set-prompt'"),
        ({"text": "a"}, "it needs a 'kind'"),
        ({"kind": "set-prompt", "txt": "a", "text": "a"}, "at set-prompt.txt: there is no field of that name"),
    ):
        answer = edit(http, session, **command)
        assert answer.status_code == 422 and said in answer.json()["error"]["text"], answer.text
    answer = http.post(f"/api/sessions/{session}/edits", content='{"command": ', headers={"content-type": "application/json"})
    assert answer.status_code == 400 and "The body is no JSON: " in answer.json()["error"]["text"]
    answer = http.post(f"/api/sessions/{session}/edits", content="{}", headers={"content-type": "text/plain"})
    assert answer.status_code == 415 and "Content-Type of application/json" in answer.json()["error"]["text"]
    assert edit(http, session, kind="rewind", step=2).status_code == 200


def test_events_are_followed_from_where_one_was(http):
    session = begin(http)
    finish(http, session)
    everything = http.get(f"/api/sessions/{session}/events").json()["events"]
    assert [event["seq"] for event in everything] == list(range(len(everything)))
    assert (
        http.get(f"/api/sessions/{session}/events", params={"since": 3}).json()["events"][: len(everything) - 3]
        == everything[3:]
    )
    with http.stream("GET", f"/api/sessions/{session}/stream", headers={"last-event-id": "4"}) as stream:
        lines = stream.iter_lines()
        assert [next(lines) for _ in range(2)] == ["id: 5", f"event: {everything[5]['kind']}"]
        assert json.loads(next(lines)[5:]) == everything[5]


def test_a_picture_has_a_tag_and_comes_once(http):
    session = begin(http)
    finish(http, session)
    first = http.get(f"/api/sessions/{session}/image")
    assert first.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(first.content)).size == (64, 64)
    again = http.get(f"/api/sessions/{session}/image", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    before = http.get(f"/api/sessions/{session}/image", params={"node": 2})
    assert before.headers["etag"] != first.headers["etag"]
    preview = http.get(f"/api/sessions/{session}/image", params={"node": 2, "form": "jpeg"})
    assert preview.content.startswith(b"\xff\xd8")
    assert http.get(f"/api/sessions/{session}/image", params={"node": 99}).status_code == 404
    frame = http.get(f"/api/sessions/{session}/frame")
    assert frame.content.startswith(b"\xff\xd8") and frame.headers["x-ildm-node"] == "6"


def test_a_finished_picture_is_kept_beside_its_session(http, real):
    session = begin(http)
    finish(http, session)
    shown = http.get(f"/api/sessions/{session}/image").content
    from ildm.session.store import Store

    with Store(real.home / "sessions" / "sessions.sqlite") as store:
        deadline = time.monotonic() + 10.0
        while (kept := store.load(session).image(6)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert np.array_equal(*(np.asarray(Image.open(io.BytesIO(data))) for data in (kept, shown)))


def test_a_picture_brings_its_session_along(http, tmp_path):
    session = begin(http)
    finish(http, session)
    path = tmp_path / "picture.png"
    path.write_bytes(http.get(f"/api/sessions/{session}/image", params={"form": "session-png"}).content)
    other = http.get(f"/api/sessions/{session}/image", params={"form": "session-png", "node": 2})
    assert other.status_code == 409 and "open that state first" in other.json()["error"]["text"]
    with open_session_file(path) as file:
        assert file.opened.settings.prompt == "a red rose"


def test_uploads_stand_for_pictures_and_masks(http):
    colours = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    image = http.post("/api/uploads", content=png(colours), headers={"content-type": "image/png"}).json()
    assert (image["width"], image["height"]) == (60, 40)
    half = np.zeros((64, 64), np.uint8)
    half[:, 32:] = 255
    mask = http.post("/api/uploads", content=png(half), headers={"content-type": "image/png"}).json()
    session = begin(http, image={"upload": image["id"]}, change_map={"upload": mask["id"]}, strength=0.5, paused=True)
    assert look(http, session)["place"]["status"] == "paused"
    assert edit(http, session, kind="resume").status_code == 200
    finish(http, session)
    settings = look(http, session)["place"]["settings"]
    assert settings["start"]["source"] and len(settings["holds"]) == 1
    region = {"kind": "add-region", "region": {"id": "r", "prompt": "a blue key"}, "mask": {"upload": mask["id"]}}
    assert edit(http, session, kind="rewind", step=3).status_code == 200
    assert edit(http, session, **region).status_code == 200
    deadline = time.monotonic() + 10.0
    while not (regions := look(http, session)["place"]["settings"]["regions"]):
        assert time.monotonic() < deadline  # an edit is answered before its turn is over
    [painted] = regions
    while (answer := http.get(f"/api/sessions/{session}/masks/{painted['mask']}")).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content)).convert("L")), half)
    answer = edit(http, session, kind="start-from-image", image={"upload": "0" * 32})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not-found")
    answer = edit(http, session, kind="set-prompt", text={"upload": mask["id"]})
    assert answer.status_code == 422


def test_what_a_session_begins_from_is_looked_at_before_it_begins(http):
    before = http.get("/api/sessions").json()["total"]
    letters = base64.urlsafe_b64encode(b"no picture at all").decode()
    answer = http.post("/api/sessions", json={"prompt": "a red rose", "image": letters})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad-value"), answer.text
    assert "no PNG, JPEG or WebP" in answer.json()["error"]["text"]
    assert http.get("/api/sessions").json()["total"] == before
    answer = edit(http, begin(http), kind="start-from-image", image=letters)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad-value")


@pytest.mark.parametrize("paused", [True, False])
def test_a_session_that_has_begun_is_told_as_it_is(http, paused):
    told = http.post("/api/sessions", json={"prompt": "a red rose", "num_steps": 100, "paused": paused}).json()
    assert told["status"] == ("paused" if paused else "running")
    http.delete(f"/api/sessions/{told['id']}")


def test_masks_may_come_as_bytes_in_letters(http):
    session = begin(http, paused=True)
    rows = base64.urlsafe_b64encode(zlib.compress(bytes(64 * 64))).decode()
    area = {"width": 64, "height": 64, "data": rows}
    assert edit(http, session, kind="step-once").status_code == 200
    assert edit(http, session, kind="lock-area", area=area).status_code in (200, 422)


def test_sessions_are_listed_found_named_and_deleted(http):
    session = begin(http, prompt="a most unusual key")
    finish(http, session)
    found = http.get("/api/sessions", params={"search": "UNUSUAL"}).json()
    assert [one["id"] for one in found["sessions"]] == [session] and found["total"] == 1
    named = http.patch(f"/api/sessions/{session}", json={"title": "The key"})
    assert named.json()["title"] == "The key"
    assert named.json()["created"] and named.json()["bytes"]
    deadline = time.monotonic() + 30.0
    # the last states may still be on their way to the disk
    while http.get("/api/sessions", params={"search": "the key"}).json()["sessions"][0]["num_states"] < 7:
        assert time.monotonic() < deadline
    assert http.get("/api/sessions", params={"search": "the key"}).json()["total"] == 1
    assert http.delete(f"/api/sessions/{session}").status_code == 204
    assert http.get(f"/api/sessions/{session}").status_code == 404
    assert http.delete(f"/api/sessions/{session}").status_code == 404
    assert http.get("/api/sessions", params={"search": "UNUSUAL"}).json()["total"] == 0


def test_presets_are_kept_used_renamed_and_removed(http):
    listed = http.get("/api/presets").json()["presets"]
    assert {"kind": "regions", "name": "halves", "origin": "shipped", "problem": None} in listed
    halves = http.get("/api/presets/regions/halves").json()["content"]
    assert http.put("/api/presets/regions/mine", json={"content": halves}).status_code == 201
    assert http.put("/api/presets/regions/mine", json={"content": halves}).status_code == 409
    assert http.put("/api/presets/regions/mine", json={"content": halves, "replace": True}).status_code == 201
    assert http.post("/api/presets/regions/mine/name", json={"name": "ours"}).json()["name"] == "ours"
    assert http.get("/api/presets/regions/mine").status_code == 404
    assert http.delete("/api/presets/regions/halves").status_code == 409
    assert http.delete("/api/presets/regions/ours").status_code == 204
    session = begin(http, paused=True, guidance_scale=4.0)
    assert http.put("/api/presets/settings/quick", json={"session": session}).status_code == 201
    assert http.get("/api/presets/settings/quick").json()["content"]["guidance_scale"] == 4.0
    assert http.put("/api/presets/settings/bad", json={"content": {"num_steps": "many"}}).status_code == 422
    assert http.put("/api/presets/settings/none", json={}).status_code == 422


def test_models_and_the_server_say_what_they_can_do(http):
    models = {model["id"]: model for model in http.get("/api/models").json()}
    assert models["toy"]["concepts"] == ["rose", "key"] and models["toy"]["width"] == 64
    about = http.get("/api/server").json()
    assert about["ready"] and about["model"] == "toy" and about["limits"]["steps"] == Limits().steps
    answer = http.post("/api/sessions", json={"model": "emoji-scenes", "num_steps": 2})
    assert answer.status_code == 201  # another model joins it
    answer = http.post("/api/sessions", json={"model": "emoji-scene", "num_steps": 2})
    assert answer.status_code in (404, 422) and "did you mean 'emoji-scenes'?" in answer.json()["error"]["text"]


def test_it_counts_what_it_does(http):
    session = begin(http, paused=True)
    edit(http, session, kind="set-guidance", scale=3.0)
    told = http.get("/metrics").text
    for name in (
        "ildm_step_seconds_count",
        "ildm_states_saved_total",
        "ildm_frames_made_total",
        "ildm_edit_to_applied_seconds_count",
    ):
        value = next(float(line.split()[1]) for line in told.splitlines() if line.startswith(f"{name} "))
        assert value > 0.0, name
    assert "ildm_sessions_open" in told and "ildm_worker_restarts_total" in told


def test_what_is_kept_is_for_nobody_else_s_eyes(http, real):
    upload = http.post("/api/uploads", content=png(np.zeros((8, 8, 3), np.uint8)), headers={"content-type": "image/png"}).json()
    [picture] = (real.home / "studio").rglob(f"{upload['id']}.png")
    for path in (real.home / "studio", picture.parent, picture, real.home / "sessions" / "sessions.sqlite"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_log_names_no_prompt_unless_asked_to(toy_home, tmp_path):
    store = ("--store", str(tmp_path / "sessions.sqlite"))
    for options, expected in (((), False), (("--log-prompts",), True)):
        studio = RealStudio(toy_home, *store, *options).wait_ready()
        with studio.client() as client:
            begin(client, prompt=f"a secret wish {len(options)}")
        studio.stop()
        lines = (toy_home / "log.txt").read_text().splitlines()
        said = [line for line in lines if f"a secret wish {len(options)}" in line]
        assert bool(said) is expected
        assert all(json.loads(line)["level"] for line in lines if line.startswith("{"))


def test_what_is_over_a_limit_waits_and_then_is_refused(serve):
    from fake_worker import FakeWorker

    limits = Limits(running=1, queue=3, queue_per_user=2)
    with serve(worker=FakeWorker(interval=0.05), limits=limits) as studio, studio.client() as client:
        told = [client.post("/api/sessions", json={"num_steps": 100}).status_code for _ in range(4)]
        assert told == [201, 202, 202, 429]
        listed = client.get("/api/sessions").json()
        assert [one["waiting"] for one in listed["sessions"]] == [1, 2]  # nothing of a fake worker's is in the store


def test_a_session_that_waits_is_there_and_says_so(serve):
    from fake_worker import FakeWorker

    with serve(worker=FakeWorker(interval=30.0), limits=Limits(running=1)) as studio, studio.client() as client:
        first, second, third = (
            client.post("/api/sessions", json={"prompt": prompt}).json()["id"] for prompt in ("a rose", "a key", "cannot begin")
        )
        [listed] = client.get("/api/sessions", params={"search": "KEY"}).json()["sessions"]
        assert (listed["id"], listed["title"], listed["status"], listed["waiting"]) == (second, "a key", "waiting", 1)
        place = f"/api/sessions/{second}"
        for answer in (
            client.get(f"{place}/image"),
            client.get(f"{place}/frame"),
            client.patch(place, json={"title": "The key"}),
            client.put("/api/presets/settings/waiting", json={"session": second}),
            client.put("/api/presets/regions/waiting", json={"session": second}),
            client.post(f"{place}/edits", json={"command": {"kind": "pause"}}),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not-now"), answer.text
        with client.stream("GET", f"/api/sessions/{third}/stream") as stream:
            for one in (first, second):
                assert client.delete(f"/api/sessions/{one}").status_code == 204
            assert [line for line in stream.iter_lines() if line.startswith("event:")] == ["event: failed"]


def test_who_follows_by_http_hears_of_a_lost_engine(serve):
    with serve() as studio, studio.client() as client:
        session = client.post("/api/sessions", json={"paused": True}).json()["id"]
        with client.stream("GET", f"/api/sessions/{session}/stream") as stream:
            lines = stream.iter_lines()
            next(line for line in lines if line == "event: session-opened")
            studio.calls(studio.worker.lose)
            assert next(line for line in lines if line.startswith("event:")) in ("event: worker-lost", "event: restored")


def test_the_studio_computes_nothing():
    import subprocess
    import sys

    code = "import sys, ildm.studio.server, ildm.cli.studio; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
