"""What a page makes of a reload, a second tab, a lost server and a slow machine: nothing is lost, and it says what happened."""

import os
import shutil
import signal

import numpy as np
from playwright.sync_api import expect
from session_data import events_of, settings_of, wait_for, wait_for_event, wait_for_mask
from steering_page import (
    drag,
    go_on,
    open_long,
    open_still,
    pause,
    press_until_step,
    say,
    session_of,
    stage,
    timeline,
    wait_for_step,
    wait_until,
)
from studios import RealStudio


def test_a_reload_in_mid_run_loses_nothing(page, studio):
    open_long(page, studio)
    go_on(page)
    wait_for_step(page, 8)
    page.reload()
    wait_for_step(page, 250)
    expect(page.get_by_label("What should it show?")).to_have_value("a fox")
    with studio.client() as client:
        events = client.get(f"/api/sessions/{session_of(page)}/events").json()["events"]
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert events[-1]["kind"] in ("run-finished", "state-saved")


def test_two_tabs_are_in_step(visit, studio):
    here = visit()
    open_long(here.page, studio, width=512, height=512)  # steps so large that none of the two is too late for any
    there = here.open(here.page.url)
    press_until_step(there, 2)
    expect(stage(here.page)).to_have_attribute("data-step", "2")
    say(there, "a lion")
    expect(here.page.get_by_label("What should it show?")).to_have_value("a lion")
    go_on(here.page)
    pause(there)
    expect(here.page.get_by_role("button", name="Go on")).to_be_visible()
    step = timeline(here.page).get_attribute("data-step")
    assert 2 < int(step) < 250
    expect(timeline(there)).to_have_attribute("data-step", step)
    for one in (here.page, there):
        expect(stage(one)).to_have_attribute("data-step", step)


def test_a_page_comes_back_to_a_server_that_was_killed(visit, toy_home, tmp_path):
    home = shutil.copytree(toy_home / "models", tmp_path / "models").parent
    former = RealStudio(home).wait_ready()
    here = visit(former)
    page = here.page
    open_long(page, former)
    go_on(page)
    wait_for_step(page, 10)
    former.stop(signal.SIGKILL)
    expect(page.get_by_text("Connecting again")).to_be_visible()
    later = RealStudio(home, "--port", str(former.port))
    try:
        # it is said for a few seconds, which may be over when the model is there
        expect(page.get_by_text("Connected again")).to_be_visible()
        wait_for_step(page, 250)
    finally:
        later.stop(signal.SIGKILL)
    allow_asking_too_early(here)


def test_words_said_while_the_server_was_away_are_said_when_it_is_there(visit, toy_home, tmp_path):
    """They wait for its model, too, and nobody is told to try again."""
    home = shutil.copytree(toy_home / "models", tmp_path / "models").parent
    former = RealStudio(home).wait_ready()
    here = visit(former)
    page = here.page
    session = open_still(page, former, num_steps=40)
    press_until_step(page, 3)
    with former.client() as client:
        wait_for_event(client, session, lambda event: event["kind"] == "state-saved")
    former.stop(signal.SIGKILL)
    expect(page.get_by_text("Connecting again")).to_be_visible()
    say(page, "a lion")
    later = RealStudio(home, "--port", str(former.port))
    try:
        expect(page.get_by_text("Connected again")).to_be_visible()
        page.evaluate("""() => { window.heard = [];
          new MutationObserver(() => heard.push(document.querySelector(".mantine-Notifications-root")?.textContent ?? ""))
            .observe(document.body, { subtree: true, childList: true }) }""")
        with later.wait_ready().client() as client:
            wait_for(lambda: settings_of(client, session)["prompt"] == "a lion")
        expect(page.get_by_label("What should it show?")).to_have_value("a lion")
        assert not any("try" in text for text in page.evaluate("heard"))
    finally:
        later.stop(signal.SIGKILL)
    allow_asking_too_early(here)


def test_a_page_goes_on_with_an_engine_that_was_killed(visit, toy_home, tmp_path):
    """What is painted before and after it is in the session, and nothing else; and what is in the log is told once."""
    studio = RealStudio(shutil.copytree(toy_home / "models", tmp_path / "models").parent).wait_ready()
    try:
        page = visit(studio).page
        session = open_still(page, studio)
        page.keyboard.press("r")
        drag(page, (20, 20), (100, 100))
        with studio.client() as client:
            before = wait_for_mask(client, session, lambda mask: mask[60, 60] == 255)
            wait_for_event(client, session, lambda event: event["kind"] == "state-saved")
            os.kill(studio.engine_pid, signal.SIGKILL)
            wait_for(lambda: client.get("/readyz").status_code != 200)
            wait_for(lambda: client.get("/readyz").status_code == 200)
            drag(page, (140, 140), (220, 220))
            mask = wait_for_mask(client, session, lambda mask: mask[180, 180] == 255)
            assert np.array_equal(mask[:130], before[:130])
            events = events_of(client, session)
        page.get_by_role("tab", name="Events").click()
        told = page.get_by_role("list", name="What has happened").get_by_role("listitem")
        expect(told.filter(has_text="region 1 gained some ground")).to_have_count(2)
        expect(told).to_have_count(4)
        assert [event["seq"] for event in events] == list(range(len(events)))
    finally:
        studio.stop(signal.SIGKILL)


def test_a_slow_page_holds_nobody_up(visit, studio):
    slow, fast = visit(), visit()
    open_long(fast.page, studio, num_steps=40)
    slow.page.goto("about:blank")
    slow.page.goto(fast.page.url)
    expect(slow.page.get_by_label("What should it show?")).to_have_value("a fox")
    slow.context.new_cdp_session(slow.page).send("Emulation.setCPUThrottlingRate", {"rate": 20})
    go_on(fast.page)
    wait_for_step(fast.page, 40)
    wait_until(slow.page, "() => document.querySelector('[data-rev]')?.dataset.step === '40'")


def allow_asking_too_early(visit):
    """Pictures may be asked for before the model is there: the page asks again."""
    visit.problems[:] = [one for one in visit.problems if "503" not in one]
