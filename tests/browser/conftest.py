"""The studio in a real browser: a server of its own for each file, and pages that must behave."""

import os
import re
import signal
from urllib.parse import urlsplit

import pytest
from chromium import MISSING, PATH, open_chromium
from playwright.sync_api import expect, sync_playwright
from studios import RealStudio

LOST = re.compile(r"WebSocket connection to|net::ERR_(CONNECTION|SOCKET|EMPTY_RESPONSE|INCOMPLETE|CONTENT_LENGTH|INVALID_HTTP)")
"""What the browser itself writes when a server goes away, at whatever moment of an answer: the tests that kill one expect it."""

expect.set_options(timeout=20_000)  # a slow machine takes longer than the usual five seconds


@pytest.fixture(scope="module")
def chromium():
    """A real Chromium, without a window. One for the tests of a file: as long as it is open, an event loop runs in this thread."""
    if PATH is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = open_chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def studio(toy_home):
    """One for the tests of a file."""
    studio = RealStudio(toy_home).wait_ready()
    yield studio
    studio.stop(signal.SIGKILL)


class Visit:
    """A browser of its own in a studio. `page` is its first page; `open` opens another one, as a second tab.

    `problems` are errors that the pages wrote, `requests` the addresses they asked.
    """

    def __init__(self, browser, studio, **options):
        self.studio, self.problems, self.requests = studio, [], []
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 720}} | options)
        self.context.set_default_timeout(20_000)
        self.page = self.open(self._link())

    def open(self, address=None):
        page = self.context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(address or self.studio.url)
        return page

    def close(self):
        self.context.close()

    def _link(self):
        with self.studio.client() as client:
            path = client.post("/api/launch", json={}).json()["path"]
        return f"{self.studio.url}{path}"

    def _hear(self, message):
        if message.type in ("error", "warning") and not LOST.search(message.text):
            self.problems.append(f"{message.type}: {message.text}")


@pytest.fixture
def visit(chromium, studio):
    """`visit(**options)` opens the studio in a browser of its own; every page must be without errors and ask no one else."""
    visits = []

    def visit(at=studio, **options):
        visits.append(Visit(chromium, at, **options))
        return visits[-1]

    yield visit
    for one in visits:
        one.close()
        assert one.problems == []
        hosts = {urlsplit(address).hostname for address in one.requests if address.startswith(("http", "ws"))}
        assert hosts <= {"127.0.0.1"}


@pytest.fixture
def page(visit):
    """A page of the studio, before any picture."""
    return visit().page


@pytest.fixture(scope="module")
def axe(repository):
    """The code of axe, which a page can be asked with."""
    path = repository / "web/node_modules/axe-core/axe.min.js"
    if not path.is_file():
        pytest.skip("The check of the page for everybody needs axe-core: run npm ci in web.")
    return path.read_text(encoding="utf-8")
