"""The browser is opened once the server answers; where there is none, the address that was printed is all there is."""

import json
import shutil
import time
import webbrowser

import httpx
import pytest
from studios import RealStudio

from ildm.studio import browser
from ildm.studio.config import StudioConfig


@pytest.fixture
def opened(monkeypatch):
    addresses = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    return addresses


def test_it_opens_when_the_server_answers(studio, opened, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody asks it about this machine
    browser.open_soon(studio.url, "an address").join(10.0)
    assert opened == ["an address"]


def test_it_does_not_open_where_nothing_answers(opened, monkeypatch):
    monkeypatch.setattr(browser, "PATIENCE", 0.3)
    browser.open_soon("http://127.0.0.1:9", "an address").join(10.0)
    assert opened == []


@pytest.mark.parametrize("problem", [webbrowser.Error("none"), FileNotFoundError("xdg-open")])
def test_a_browser_that_fails_is_no_failure(studio, monkeypatch, problem):
    def fail(address):
        raise problem

    monkeypatch.setattr(webbrowser, "open", fail)
    thread = browser.open_soon(studio.url, "an address")
    thread.join(10.0)  # what a thread raises would fail this test
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("platform", "screen", "can"), [("linux", None, False), ("linux", "DISPLAY", True), ("darwin", None, True)]
)
def test_a_browser_needs_a_screen(monkeypatch, platform, screen, can):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", platform)
    if screen:
        monkeypatch.setenv(screen, ":0")
    assert browser.can_open() is can


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80"), ("localhost", "http://localhost:80")]
)
def test_it_is_reached_by_the_name_it_was_given(host, url):
    assert StudioConfig(host=host).url(80) == url


def test_a_person_gets_one_address_and_their_browser_another(toy_home, tmp_path):
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/asked.part && mv {tmp_path}/asked.part {tmp_path}/asked\n')
    script.chmod(0o755)
    home = shutil.copytree(toy_home / "models", tmp_path / "home" / "models").parent  # another's log would have more in it
    studio = RealStudio(home, headless=False, BROWSER=f"{script} %s")
    try:
        deadline = time.monotonic() + 30.0
        while not (tmp_path / "asked").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        asked = (tmp_path / "asked").read_text()
        assert asked.startswith(f"{studio.url}/launch?token=") and asked != studio.launch
        for address in (asked, studio.launch):
            assert httpx.get(address, trust_env=False).status_code == 303
    finally:
        assert studio.stop() in (0, -15)
    for line in (home / "log.txt").read_text().splitlines():
        assert json.loads(line)["level"] != "info"
