"""A picture made and changed in the page while it forms, and what the engine has made of it."""

import io
import time

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from steering_page import begin, go_on, open_long, pause, say, session_of, stage, wait_for_model, wait_for_step, wait_until


def test_words_become_a_picture(page, studio):
    begin(page, "a fox", steps=10)
    expect(stage(page)).to_have_attribute("data-step", "10")
    expect(stage(page)).to_have_attribute("data-exact", "true")
    with studio.client() as client:
        shown = client.get(f"/api/sessions/{session_of(page)}").json()
    assert shown["place"]["status"] == "finished"
    assert shown["place"]["settings"]["prompt"] == "a fox"


def test_other_words_act_at_the_next_step(page, studio):
    """The engine's own pictures say so: up to the edit they are those of a run without it, and no longer from the step after it."""
    edited = open_long(page, studio)
    go_on(page)
    wait_for_step(page, 3)
    say(page, "a lion on a plain green background")
    with studio.client() as client:
        change = wait_for_event(client, edited, lambda event: event.get("command", {}).get("kind") == "set-prompt")
        step = change["applied_step"]
        assert 3 <= step < 250
        # the page shows what was made under the new words
        wait_until(page, "rev => +document.querySelector('[data-rev]').dataset.rev >= rev", 2)
        wait_for_step(page, step + 1)
        pause(page)
        plain = client.post("/api/sessions", json=LIKE_IT).json()["id"]
        wait_for_event(client, plain, lambda event: event["kind"] == "step-completed" and event["step"] == step + 1)
        client.post(f"/api/sessions/{plain}/edits", json={"command": {"kind": "cancel"}})
        same = [np.array_equal(picture(client, edited, at), picture(client, plain, at)) for at in (1, step, step + 1)]
    assert same == [True, True, False]


LIKE_IT = {"prompt": "a fox", "num_steps": 250, "seed": 3, "width": 256, "height": 256}


def wait_for_event(client, session, is_it):
    """The first event of a session's log that is meant."""
    deadline = time.monotonic() + 30.0
    while True:
        found = [event for event in client.get(f"/api/sessions/{session}/events").json()["events"] if is_it(event)]
        if found:
            return found[0]
        assert time.monotonic() < deadline, "It never happened."


def picture(client, session, step):
    """The picture after so many steps of a session that has one branch."""
    nodes = client.get(f"/api/sessions/{session}").json()["tree"]["nodes"]
    [node] = [one["id"] for one in nodes if one["step"] == step]
    return np.asarray(Image.open(io.BytesIO(client.get(f"/api/sessions/{session}/image?node={node}").content)))


@pytest.mark.parametrize("key", ["Enter", "Control+Enter"])
def test_the_whole_studio_without_a_mouse(page, key):
    wait_for_model(page)
    page.keyboard.press("/")
    page.keyboard.type("a fox")
    page.keyboard.press(key)
    expect(stage(page)).to_have_attribute("data-step", "4")
    page.keyboard.press("Escape")
    page.keyboard.press("Home")
    expect(stage(page)).to_have_attribute("data-step", "0")
    page.keyboard.press("ArrowRight")
    expect(stage(page)).to_have_attribute("data-step", "1")
