"""A picture made and changed in the page while it forms, and what the engine has made of it."""

import numpy as np
import pytest
from playwright.sync_api import expect
from session_data import commands_in, edit, look, picture_at, settings_of, wait_for, wait_for_status
from steering_page import (
    begin,
    go_on,
    open_long,
    pause,
    press_until_step,
    say,
    session_of,
    stage,
    timeline,
    wait_for_model,
    wait_for_session,
    wait_for_step,
    wait_until,
)

LIKE_IT = {"prompt": "a fox", "num_steps": 250, "seed": 3, "width": 256, "height": 256}


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
        [change] = wait_for(lambda: commands_in(client, edited, "set-prompt"))
        step = change["applied_step"]
        assert 3 <= step < 250
        # the page shows what was made under the new words
        wait_until(page, "rev => +document.querySelector('[data-rev]').dataset.rev >= rev", 2)
        wait_for_step(page, step + 1)
        pause(page)
        plain = client.post("/api/sessions", json=LIKE_IT).json()["id"]
        wait_for(lambda: look(client, plain)["place"]["step"] > step)
        edit(client, plain, kind="cancel")
        same = [np.array_equal(picture_at(client, edited, at), picture_at(client, plain, at)) for at in (1, step, step + 1)]
    assert same == [True, True, False]


def test_other_words_over_a_finished_picture_make_another(page, studio):
    begin(page, "a fox", steps=4, seed=8)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    first = session_of(page)
    say(page, "a lion on a plain green background")
    second = wait_for_session(page, first)
    with studio.client() as client:
        wait_for_status(client, second, "finished")
        settings = settings_of(client, second)
        # all but the words is as it was
        assert settings["prompt"] == "a lion on a plain green background"
        assert (settings["num_steps"], settings["seed"]) == (4, 8)
        one, other = [picture_at(client, session, 4) for session in (first, second)]
    assert (one != other).any()


def test_what_is_written_over_a_finished_picture_is_not_said_of_it(page, studio):
    """It is for the next one: the finished one stays what it was made with, in the history and in what is saved."""
    begin(page, "a fox", steps=4, seed=8)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    first = session_of(page)
    words = page.get_by_label("What should it show?")
    words.fill("a lion")
    page.get_by_role("textbox", name="Steps").fill("6")
    page.keyboard.press("Tab")
    expect(page.get_by_text("For the next picture: Enter makes it.")).to_be_visible()
    words.press("Enter")
    second = wait_for_session(page, first)
    with studio.client() as client:
        wait_for_status(client, second, "finished")
        made = [settings_of(client, session) for session in (first, second)]
        assert [(one["prompt"], one["num_steps"]) for one in made] == [("a fox", 4), ("a lion", 6)]
        assert [len(commands_in(client, first, kind)) for kind in ("set-prompt", "set-num-steps")] == [0, 0]
    page.go_back()
    expect(words).to_have_value("a fox")


def test_what_is_chosen_for_the_next_picture_outlives_a_reload_in_its_own_tab(visit):
    here = visit()
    page, steps = here.page, here.page.get_by_role("textbox", name="Steps")
    begin(page, "a fox", steps=4, seed=8)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    for value, tab in (("9", here.open(page.url)), ("6", page)):
        field = tab.get_by_role("textbox", name="Steps")
        expect(field).to_have_value("4")
        field.fill(value)
        tab.keyboard.press("Tab")
    page.reload()
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    expect(steps).to_have_value("6")
    # another picture has its own
    page.get_by_role("button", name="New picture").click()
    begin(page, "a lion", steps=3, seed=8)
    for _ in ("before that one", "the fox"):
        page.go_back()
    expect(steps).to_have_value("4")


def test_words_that_came_too_late_are_for_the_next_picture(page, studio):
    """Those of an Enter in the last step reach a session that is finished: it keeps them for what comes next."""
    begin(page, "a fox", steps=4, seed=8)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    first = session_of(page)
    words = page.get_by_label("What should it show?")
    with studio.client() as client:
        edit(client, first, kind="set-prompt", text="a lion")
        expect(words).to_have_value("a lion")
        expect(page.get_by_text("For the next picture: Enter makes it.")).to_be_visible()
        expect(page).to_have_title("a fox - ildm")
        words.press("Enter")
        second = wait_for_session(page, first)
        wait_for_status(client, second, "finished")
        assert settings_of(client, second)["prompt"] == "a lion"


def test_words_are_not_lost_by_a_reload(page, studio):
    wait_for_model(page)
    words = page.get_by_label("What should it show?")
    words.fill("a fox with a")
    page.reload()
    expect(words).to_have_value("a fox with a")
    expect(page.get_by_text("Not said yet: press Enter.")).to_be_visible()
    session = open_long(page, studio, width=64, height=64)
    words.press("End")
    page.keyboard.type(" on fire")
    page.reload()
    expect(words).to_have_value("a fox on fire")
    with studio.client() as client:
        assert settings_of(client, session)["prompt"] == "a fox"
        words.press("Enter")
        wait_for(lambda: settings_of(client, session)["prompt"] == "a fox on fire")
    page.reload()
    expect(words).to_have_value("a fox on fire")
    expect(page.get_by_text("Not said yet: press Enter.")).to_have_count(0)


def test_words_are_not_lost_while_a_picture_begins(page, studio):
    begin(page, "a fox", steps=4)
    expect(timeline(page)).to_have_attribute("data-status", "finished")
    page.get_by_role("button", name="New picture").click()
    words = page.get_by_label("What should it show?")
    for prompt in ("a fox", "a fox on fire"):  # where there was none, and over a finished one
        words.fill(prompt)
        before = session_of(page) if "session=" in page.url else ""
        words.press("Enter")
        page.keyboard.type(" in a red boat", delay=2)
        with studio.client() as client:
            session = wait_for_session(page, before)
            wait_for_status(client, session, "finished")
            assert settings_of(client, session)["prompt"] == prompt
        expect(words).to_have_value(f"{prompt} in a red boat")


def test_back_leads_to_the_page_without_a_picture(page, studio):
    open_long(page, studio, num_steps=4)
    expect(stage(page)).to_be_visible()
    page.get_by_role("button", name="New picture").click()
    say(page, "a lion")
    wait_for_session(page)
    page.go_back()
    expect(page.get_by_role("region", name="Welcome")).to_be_visible()
    assert "#" not in page.url
    page.go_forward()
    expect(page.get_by_label("What should it show?")).to_have_value("a lion")


@pytest.mark.parametrize("typed", ["0", "-64"])
def test_a_side_that_cannot_be_is_refused_in_a_sentence(page, studio, typed):
    wait_for_model(page)
    width = page.get_by_role("textbox", name="Width")
    used = width.input_value()
    width.fill(typed)
    page.keyboard.press("Tab")
    expect(page.get_by_text(f"It stays {used}.")).to_be_visible()
    width.fill("80")
    page.keyboard.press("Tab")
    expect(page.get_by_text("It stays")).to_have_count(0)
    say(page, "a fox")
    with studio.client() as client:
        assert settings_of(client, wait_for_session(page))["width"] == 80


def test_a_number_acts_once_it_is_typed(page, studio):
    """A run of 250 steps in which "30" is typed must not end with the 3."""
    session = open_long(page, studio, width=64, height=64)
    press_until_step(page, 2)
    box = page.get_by_role("textbox", name="Steps")
    with studio.client() as client:

        def said():
            return [event["command"]["num_steps"] for event in commands_in(client, session, "set-num-steps")]

        box.click()
        page.keyboard.press("Control+a")
        page.keyboard.type("30", delay=60)
        assert said() == [] and settings_of(client, session)["num_steps"] == 250
        page.keyboard.press("Enter")
        wait_for(lambda: said() == [30])
        expect(box).to_have_value("30")
        page.keyboard.press("ArrowUp")
        wait_for(lambda: said() == [30, 31])
        expect(box).to_have_value("31")
        page.keyboard.type("5", delay=20)
        page.keyboard.press("Escape")
        expect(box).to_have_value("31")
        page.get_by_label("What should it show?").click()
        press_until_step(page, 3)
        assert said() == [30, 31]


def test_escape_drops_words_that_were_not_said(page, studio):
    session = open_long(page, studio, width=64, height=64)
    words = page.get_by_label("What should it show?")
    words.press("End")
    page.keyboard.type(" on fire")
    page.keyboard.press("Escape")
    expect(words).to_have_value("a fox")
    press_until_step(page, 1)
    with studio.client() as client:
        assert commands_in(client, session, "set-prompt") == []
    # those that are left are said
    words.press("End")
    page.keyboard.type(" on fire")
    page.keyboard.press("Tab")
    with studio.client() as client:
        wait_for(lambda: settings_of(client, session)["prompt"] == "a fox on fire")


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
