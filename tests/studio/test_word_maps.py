"""Where a word of the prompt acts, over HTTP: a soft grey picture, and a run that does not notice."""

import io
import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def http(real):
    with real.client() as client:
        yield client


def begin(http, **opening):
    answer = http.post("/api/sessions", json={"prompt": "a red rose, a blue key", "num_steps": 6, "seed": 3} | opening)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def edit(http, session, **command):
    assert http.post(f"/api/sessions/{session}/edits", json={"command": command}).status_code == 200


def step(http, session):
    """One step further, once it is made."""
    edit(http, session, kind="step-once")
    with http.stream("GET", f"/api/sessions/{session}/stream") as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                event = json.loads(line[5:])
                if event["kind"] == "step-completed":
                    return event["node"]
    raise AssertionError("the stream has ended before the step")


def finish(http, session):
    with http.stream("GET", f"/api/sessions/{session}/stream") as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and json.loads(line[5:])["kind"] == "run-finished":
                return json.loads(line[5:])
    raise AssertionError("the stream has ended before the run")


def word(http, session, said, **query):
    return http.get(f"/api/sessions/{session}/words/{said}", params=query)


def refused(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_a_word_acts_somewhere(http):
    session = begin(http, paused=True)
    node = step(http, session)
    answer = word(http, session, "rose")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    assert answer.headers["x-ildm-node"] == str(node)
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.mode, picture.size) == ("L", (64, 64))
    heat = np.asarray(picture)
    # from where it acts least to where most, and much in between: no border was drawn
    assert (heat.min(), heat.max()) == (0, 255) and len(np.unique(heat)) > 32
    assert word(http, session, "blue key").status_code == 200 and word(http, session, "blue key").content != answer.content


def test_it_is_of_the_state_that_was_asked_for(http):
    session = begin(http)
    finish(http, session)
    last, early = word(http, session, "rose"), word(http, session, "rose", node=2)
    assert (last.headers["x-ildm-node"], early.headers["x-ildm-node"]) == ("6", "2")
    assert last.content != early.content
    assert word(http, session, "rose", node=99).status_code in (404, 422)


def test_it_looks_for_what_was_just_written(http):
    session = begin(http, paused=True)
    step(http, session)
    edit(http, session, kind="set-prompt", text="a lion and a fox")
    assert word(http, session, "lion").status_code == 200
    assert refused(word(http, session, "rose")) == (422, "bad-value")


def test_the_run_is_the_same_as_if_nobody_had_asked(http):
    quiet = begin(http)
    hashes = finish(http, quiet)
    asked = begin(http, paused=True)
    step(http, asked)
    edit(http, asked, kind="resume")
    while http.get(f"/api/sessions/{asked}").json()["place"]["status"] != "finished":
        assert word(http, asked, "rose").status_code == 200
    told = finish(http, asked)
    assert (told["latent_hash"], told["image_hash"]) == (hashes["latent_hash"], hashes["image_hash"])


def test_what_cannot_be_shown_says_why(http):
    session = begin(http, paused=True)
    assert refused(word(http, session, "rose")) == (409, "not-now")
    step(http, session)
    answer = word(http, session, "zebra")
    assert refused(answer) == (422, "bad-value") and "'zebra' is no word of the prompt" in answer.json()["error"]["text"]
    assert refused(word(http, session, "a/b?c")) == (422, "bad-value")
    assert word(http, session, "r" * 201).status_code == 422


def test_where_no_words_act_it_says_so(studio):
    with studio.client() as owner:
        session = owner.post("/api/sessions", json={"prompt": "a rose", "paused": True}).json()["id"]
        assert refused(word(owner, session, "rose")) == (422, "unsupported")
