"""What a page makes of a reload, a second tab, a lost server and a slow machine: nothing is lost, and it says what happened."""

import shutil
import signal

from playwright.sync_api import expect
from steering_page import go_on, open_long, pause, say, session_of, stage, wait_for_step, wait_until
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
    open_long(here.page, studio)
    there = here.open(here.page.url)
    go_on(there)
    wait_for_step(here.page, 5)
    say(there, "a lion")
    expect(here.page.get_by_label("What should it show?")).to_have_value("a lion")
    pause(here.page)
    expect(there.get_by_role("button", name="Go on")).to_be_visible()
    steps = [stage(one).get_attribute("data-step") for one in (here.page, there)]
    assert steps[0] == steps[1]


def test_a_page_comes_back_to_a_server_that_was_killed(visit, toy_home, tmp_path):
    home = shutil.copytree(toy_home / "models", tmp_path / "models").parent
    former = RealStudio(home).wait_ready()
    page = visit(former).page
    open_long(page, former)
    go_on(page)
    wait_for_step(page, 10)
    former.stop(signal.SIGKILL)
    expect(page.get_by_text("Connecting again")).to_be_visible()
    later = RealStudio(home, "--port", str(former.port)).wait_ready()
    try:
        expect(page.get_by_text("Connected again")).to_be_visible(timeout=20_000)
        wait_for_step(page, 250)
    finally:
        later.stop(signal.SIGKILL)


def test_a_slow_page_holds_nobody_up(visit, studio):
    slow, fast = visit(), visit()
    open_long(fast.page, studio)
    slow.context.new_cdp_session(slow.page).send("Emulation.setCPUThrottlingRate", {"rate": 20})
    slow.page.goto(fast.page.url)
    slow.page.reload()
    expect(slow.page.get_by_label("What should it show?")).to_have_value("a fox", timeout=30_000)
    go_on(fast.page)
    wait_for_step(fast.page, 250)
    wait_until(slow.page, "() => document.querySelector('[data-rev]')?.dataset.step === '250'", timeout=60.0)
