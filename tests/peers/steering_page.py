"""What a person does in the studio's page, for the browser tests."""

import re
import time

from playwright.sync_api import expect

PROMPT = "What should it show?"


def stage(page):
    """The picture's element: it says in `data-` attributes what it shows."""
    return page.locator("[data-rev]").first


def timeline(page):
    """The timeline's element: it says in `data-` attributes where the session stands."""
    return page.get_by_role("region", name="Timeline")


def begin(page, prompt, *, steps=25, seed=7):
    """Make a picture."""
    wait_for_model(page)  # what it has by default has come into the form then
    page.get_by_role("textbox", name="Steps").fill(str(steps))
    page.get_by_role("textbox", name="Seed").fill(str(seed))
    say(page, prompt)
    expect(page).to_have_url(re.compile("#session="))


def open_long(page, studio, **opening):
    """Look at a session that waits to be started and then runs for seconds: long enough for a hand. Its id."""
    asked = {"prompt": "a fox", "num_steps": 250, "seed": 3, "width": 256, "height": 256, "paused": True} | opening
    with studio.client() as client:
        session = client.post("/api/sessions", json=asked).raise_for_status().json()["id"]
    page.goto("about:blank")  # an address that differs after # only is the same page
    page.goto(f"{studio.url}/#session={session}")
    expect(page.get_by_label(PROMPT)).to_have_value(asked["prompt"])
    return session


def open_still(page, studio, **opening):
    """A session that makes no step, to be painted on. Its id."""
    session = open_long(page, studio, **{"num_steps": 8} | opening)
    expect(stage(page)).to_have_attribute("data-unsent", "0")
    expect(stage(page)).to_be_visible()
    return session


def go_on(page):
    """Let it make steps."""
    page.get_by_role("button", name="Go on").click()


def pause(page):
    """Let it make none."""
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()


def say(page, prompt):
    """Type a prompt and press Enter."""
    page.get_by_label(PROMPT).fill(prompt)
    page.get_by_label(PROMPT).press("Enter")


def session_of(page):
    """The session that the page looks at."""
    return re.search(r"#session=([\w-]+)", page.url)[1]


def wait_for_session(page, other_than=""):
    """Until the page looks at a session, or at another one. Its id."""
    wait_until(page, "other => location.hash.startsWith('#session=') && location.hash !== `#session=${other}`", other_than)
    return page.evaluate("location.hash.slice('#session='.length)")


def wait_until(page, script, argument=None, timeout=120.0):
    """Until a function of the page says so. (The browser's own waiting would need a policy that lets pages make code.)"""
    deadline = time.monotonic() + timeout
    while not page.evaluate(script, argument):
        assert time.monotonic() < deadline, f"It never came to {script} ({argument})."
        page.wait_for_timeout(10)


def wait_for_step(page, step):
    """Until so many steps are shown, or more."""
    wait_until(page, "step => +(document.querySelector('[data-rev]')?.dataset.step ?? -1) >= step", step)


def wait_for_model(page):
    """Until the page knows what it can draw with."""
    expect(page.get_by_role("combobox", name="Model")).not_to_have_value("")


def place(page, x, y):
    """Where a place of the picture, in its pixels, lies on the page."""
    box, said = stage(page).bounding_box(), stage(page).evaluate("host => ({...host.dataset})")
    return box["x"] + float(said["left"]) + x * float(said["zoom"]), box["y"] + float(said["top"]) + y * float(said["zoom"])


def drag(page, *places, steps=4):
    """Press the mouse at a place of the picture, go through the others, and let it go."""
    first, *others = [place(page, *one) for one in places]
    page.mouse.move(*first)
    page.mouse.down()
    for one in others:
        page.mouse.move(*one, steps=steps)
    page.mouse.up()


def press_until_step(page, step):
    """Have it make steps one at a time, until so many are done."""
    done = int(timeline(page).get_attribute("data-step"))
    for made in range(done + 1, step + 1):
        page.get_by_role("button", name="One step (.)").click()
        expect(timeline(page)).to_have_attribute("data-step", str(made))
        expect(timeline(page)).to_have_attribute("data-status", re.compile("paused|finished"))
