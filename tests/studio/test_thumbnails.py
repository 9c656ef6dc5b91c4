"""Small pictures for lists: from what there is already, and never at the cost of taking a session up."""

import io
import signal
import time
import zlib
from base64 import urlsafe_b64encode

import numpy as np
import pytest
from PIL import Image
from studios import RealStudio
from tiny_inputs import save_tiny_models

from ildm.session.service.messages import DrawThumbnail, OpenSession
from ildm.studio.refusals import Refused
from ildm.studio.thumbnails import shrink


def file_of(size, form, mode="RGB"):
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert(mode).save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "small"), [((1024, 512), (192, 96)), ((193, 193), (192, 192)), ((64, 64), (64, 64)), ((40, 2000), (4, 192))]
)
@pytest.mark.parametrize(("form", "mode"), [("PNG", "RGB"), ("PNG", "L"), ("PNG", "RGBA"), ("JPEG", "RGB")])
def test_a_picture_gets_small_enough(size, small, form, mode):
    made = Image.open(io.BytesIO(shrink(file_of(size, form, mode))))
    assert (made.format, made.mode, made.size) == ("JPEG", "RGB", small)


def test_one_that_is_small_enough_stays_as_it_is():
    data = file_of((192, 100), "JPEG")
    assert shrink(data) is data


def test_what_is_no_picture_has_none():
    with pytest.raises(Refused, match="no picture to show"):
        shrink(b"no picture")


def begin(http, **opening):
    answer = http.post("/api/sessions", json={"prompt": "a red rose", "num_steps": 4, "seed": 3} | opening)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def edit(http, session, **command):
    assert http.post(f"/api/sessions/{session}/edits", json={"command": command}).status_code == 200


def thumbnail(http, session, **query):
    return http.get(f"/api/sessions/{session}/thumbnail", **query)


def wait_for(met):
    deadline = time.monotonic() + 20.0
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_picture(answer):
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg", answer.text
    return Image.open(io.BytesIO(answer.content)).format == "JPEG"


def test_a_session_has_one_once_there_is_something_to_see(real):
    with real.client() as http:
        session = begin(http, paused=True)
        answer = thumbnail(http, session)
        assert (answer.status_code, answer.content) == (204, b"")
        edit(http, session, kind="step-once")
        wait_for(lambda: thumbnail(http, session).status_code == 200)
        early = thumbnail(http, session)
        assert is_picture(early)
        edit(http, session, kind="resume")
        wait_for(lambda: http.get(f"/api/sessions/{session}").json()["place"]["status"] == "finished")
        late = thumbnail(http, session)
        assert is_picture(late) and late.headers["etag"] != early.headers["etag"]
        assert thumbnail(http, session, params={"node": 1}).content == early.content
        assert thumbnail(http, session, params={"node": 99}).status_code == 204


def test_it_comes_once(real):
    with real.client() as http:
        session = begin(http)
        wait_for(lambda: http.get(f"/api/sessions/{session}").json()["place"]["status"] == "finished")
        whole = http.get(f"/api/sessions/{session}/image").headers["etag"]
        # the picture is kept a moment after the last frame
        wait_for(lambda: thumbnail(http, session).headers["etag"] == whole)
        again = thumbnail(http, session, headers={"if-none-match": whole})
        assert (again.status_code, again.content) == (304, b"")


def test_sessions_that_sleep_are_not_woken(toy_home, tmp_path):
    studio = RealStudio(toy_home, "--store", str(tmp_path / "sessions.sqlite")).wait_ready()
    with studio.client() as http:
        paused, done, fresh = begin(http, paused=True), begin(http), begin(http, paused=True)
        edit(http, paused, kind="step-once")
        wait_for(lambda: http.get(f"/api/sessions/{paused}").json()["place"]["step"] == 1)
        shown = http.get(f"/api/sessions/{paused}/image", params={"form": "jpeg"}).content
        wait_for(lambda: http.get(f"/api/sessions/{done}").json()["place"]["status"] == "finished")
        picture = http.get(f"/api/sessions/{done}/image").content
    assert studio.stop() in (0, -15)
    studio = RealStudio(toy_home, "--store", str(tmp_path / "sessions.sqlite")).wait_ready()
    try:
        with studio.client() as http:
            assert thumbnail(http, paused).content == thumbnail(http, paused, params={"node": 1}).content == shown
            assert thumbnail(http, done).content == shrink(picture)
            assert thumbnail(http, done, params={"node": 2}).status_code == 200
            assert thumbnail(http, fresh).status_code == 204
            assert "ildm_sessions_open 0" in http.get("/metrics").text
    finally:
        studio.stop(signal.SIGKILL)


def test_nothing_is_loaded_for_it(serve):
    with serve() as studio, studio.client() as http:
        session = begin(http, paused=True)
        assert thumbnail(http, session).status_code == 204
        assert [type(one) for one in studio.worker.asked] == [OpenSession, DrawThumbnail]


def red_outside(data):
    """Whether the right half of a JPEG is all red."""
    picture = np.asarray(Image.open(io.BytesIO(data)), int)
    right = picture[:, picture.shape[1] // 2 + 2 :]
    return bool((np.abs(right - (240, 0, 0)) < 12).all())


def test_what_is_drawn_into_a_picture_is_seen_in_it_open_or_not(tmp_path):
    home, file = tmp_path / "home", io.BytesIO()
    save_tiny_models(home, "inpainting-tiny")
    Image.new("RGB", (64, 64), (240, 0, 0)).save(file, "PNG")
    image, hole = file.getvalue(), zlib.compress((b"\xff" * 32 + b"\0" * 32) * 64)
    mask = {"width": 64, "height": 64, "data": urlsafe_b64encode(hole).decode()}
    studio = RealStudio(home, "--model", "inpainting-tiny").wait_ready()
    with studio.client() as http:
        session = begin(http, prompt="", paused=True)
        edit(http, session, kind="step-once")
        edit(http, session, kind="show-image", image=urlsafe_b64encode(image).decode(), mask=mask)
        edit(http, session, kind="step-once")
        wait_for(lambda: http.get(f"/api/sessions/{session}").json()["place"]["step"] == 2)
        before, after = (thumbnail(http, session, params={"node": node}).content for node in (1, 2))
        assert red_outside(after) and not red_outside(before)
    assert studio.stop() in (0, -15)
    studio = RealStudio(home, "--model", "inpainting-tiny").wait_ready()
    try:
        with studio.client() as http:
            assert [thumbnail(http, session, params={"node": node}).content for node in (1, 2)] == [before, after]
            assert "ildm_sessions_open 0" in http.get("/metrics").text
    finally:
        studio.stop(signal.SIGKILL)
