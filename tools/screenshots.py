"""Takes the pictures of the studio that the guide shows, and those that somebody should look at after a change of the page.

    python tools/screenshots.py            all, into docs/pictures and build/screenshots
    python tools/screenshots.py mid-run    the named ones

Each state is a function of a page; `TOUR` are the ones that docs/studio.md shows. It starts a studio of its own in an empty folder,
with the shipped model and Debian's Chromium.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

# the browser is that of the tests
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "peers"))

from chromium import open_chromium  # pyright: ignore[reportMissingImports]

ROOT = Path(__file__).resolve().parent.parent
PICTURES, OTHERS = ROOT / "docs" / "pictures", ROOT / "build" / "screenshots"
SIZE = {"width": 1280, "height": 720}
PATIENCE = 60_000


@dataclass
class Studio:
    """A running server. `ask` calls its API, `link` is a new way in."""

    url: str
    token: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a call, as JSON."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.request(method, self.url + path, json=body, headers=headers, timeout=120.0).raise_for_status().json()

    def link(self) -> str:
        """An address that lets a browser in, once."""
        return self.url + self.ask("POST", "/api/launch", {})["path"]

    def begun(self, **opening: Any) -> str:
        """A session, finished unless it is opened paused."""
        session = self.ask("POST", "/api/sessions", {"seed": 7} | opening)["id"]
        self.rest(session)
        return session

    def rest(self, session: str) -> None:
        """Wait until a session makes no steps."""
        while self.ask("GET", f"/api/sessions/{session}")["place"]["status"] == "running":
            time.sleep(0.2)

    def edit(self, session: str, kind: str, **fields: Any) -> None:
        """Have a command act."""
        self.ask("POST", f"/api/sessions/{session}/edits", {"command": {"kind": kind} | fields})


State = Callable[[Page, Studio], None]


def welcome(page: Page, studio: Studio) -> None:
    """Nothing yet."""


def forming(page: Page, studio: Studio) -> None:
    """A picture half-way, its prompt changed at step 8."""
    session = studio.begun(prompt="a cat face on a plain green background", num_steps=25, paused=True)
    steps_of(studio, session, 8)
    studio.edit(session, "set-prompt", text="a lion on a plain green background")
    steps_of(studio, session, 7)
    look(page, studio, session)
    tab(page, "Events")


def regions(page: Page, studio: Studio) -> None:
    """Two regions, one of them chosen."""
    session = studio.begun(prompt="a plain blue background", num_steps=25, regions=two_regions())
    look(page, studio, session)
    page.get_by_label("What is in region 2?").click()


def areas(page: Page, studio: Studio) -> None:
    """An area that is marked."""
    session = studio.begun(prompt="a red apple on a plain blue background", num_steps=25)
    look(page, studio, session)
    page.get_by_role("button", name="Mark an area").click()
    drag(page, stage(page), (0.3, 0.3), (0.6, 0.5))


def maps(page: Page, studio: Studio) -> None:
    """A map, and what was drawn by it."""
    session = studio.begun(model="emoji-maps", num_steps=25, paused=True)
    studio.edit(session, "show-image", image=painted_map(studio))
    studio.edit(session, "resume")
    studio.rest(session)
    look(page, studio, session)


def branches(page: Page, studio: Studio) -> None:
    """Three futures of one state."""
    look(page, studio, branched(studio))


def comparing(page: Page, studio: Studio) -> None:
    """Two of them beside each other."""
    look(page, studio, branched(studio))
    page.locator("#compare").click()
    page.get_by_role("menuitem", name="Two states side by side").click()
    page.wait_for_timeout(1500)


def history(page: Page, studio: Studio) -> None:
    """What was made before."""
    for number, prompt in enumerate(("a penguin on a plain pink background", "a rocket and a star", "a pizza, flat style")):
        studio.begun(prompt=prompt, num_steps=20, seed=number)
    look(page, studio, studio.begun(prompt="a castle on a plain white background", num_steps=20))
    tab(page, "History")


def presets(page: Page, studio: Studio) -> None:
    """What is kept under a name."""
    tab(page, "Presets")


def help_page(page: Page, studio: Studio) -> None:
    """The help page."""
    page.get_by_role("button", name=re.compile("^Help")).click()


def keyboard(page: Page, studio: Studio) -> None:
    """The map of the keys."""
    page.get_by_role("button", name="Keyboard").click()


def models(page: Page, studio: Studio) -> None:
    """The models and their folder."""
    page.get_by_role("button", name=re.compile("models?", re.IGNORECASE)).last.click()


def long_prompt(page: Page, studio: Studio) -> None:
    """More words than there is room for."""
    look(page, studio, studio.begun(prompt="a fox, " * 60, num_steps=10))


def many_regions(page: Page, studio: Studio) -> None:
    """Thirty of them."""
    session = studio.begun(prompt="a plain blue background", num_steps=10)
    for number in range(30):
        studio.edit(session, "add-region", region={"id": f"r{number}", "prompt": f"a thing of the number {number}"})
    look(page, studio, session)


def many_steps(page: Page, studio: Studio) -> None:
    """Two hundred steps."""
    look(page, studio, studio.begun(prompt="a sunflower on a plain teal background", num_steps=200))


def many_branches(page: Page, studio: Studio) -> None:
    """Sixty branches."""
    session = studio.begun(prompt="a sunflower on a plain teal background", num_steps=20, paused=True)
    steps_of(studio, session, 3)
    for _ in range(60):
        studio.edit(session, "branch-off", step=2)
        steps_of(studio, session, 1)
    look(page, studio, session)


def failed(page: Page, studio: Studio) -> None:
    """A session that is not there."""
    page.goto(f"{studio.url}/#session=nothing-here")
    page.reload()


def unknown_browser(page: Page, studio: Studio) -> None:
    """A browser that the server does not know."""
    page.context.clear_cookies()
    page.goto(studio.url)


TOUR: dict[str, State] = {
    "welcome": welcome,
    "mid-run": forming,
    "regions": regions,
    "areas": areas,
    "maps": maps,
    "branches": branches,
    "comparing": comparing,
    "history": history,
}
STATES: dict[str, State] = TOUR | {
    "presets": presets,
    "help": help_page,
    "keyboard": keyboard,
    "models": models,
    "long-prompt": long_prompt,
    "regions-30": many_regions,
    "steps-200": many_steps,
    "branches-60": many_branches,
    "failed": failed,
    "unknown-browser": unknown_browser,
}


# --- what a person does ----------------------------------------------------------------------------------------------------


def look(page: Page, studio: Studio, session: str) -> None:
    """Look at a session, and wait until its picture is there."""
    page.goto(f"{studio.url}/#session={session}")
    page.reload()
    expect(stage(page)).to_have_attribute("data-exact", "true", timeout=PATIENCE)


def stage(page: Page) -> Locator:
    """The picture's element."""
    return page.locator("[data-rev]").first


def tab(page: Page, name: str) -> None:
    """Open a tab on the right."""
    page.get_by_role("tab", name=name).click()


def drag(page: Page, place: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a line over an element, in shares of its size."""
    box = place.bounding_box()
    assert box is not None
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=20)
    page.mouse.up()


def steps_of(studio: Studio, session: str, count: int) -> None:
    """Make so many steps of a session that waits."""
    for _ in range(count):
        studio.edit(session, "step-once")


def branched(studio: Studio) -> str:
    """A session with three branches."""
    session = studio.begun(prompt="a cat face on a plain green background", num_steps=25)
    for prompt in ("a lion on a plain green background", "a panda on a plain green background"):
        studio.edit(session, "rewind", step=6)
        studio.edit(session, "set-prompt", text=prompt)
        studio.edit(session, "resume")
        studio.rest(session)
    return session


def painted_map(studio: Studio) -> str:
    """A sunflower before a pizza and a rocket, as a map in a PNG file, in base64."""
    models = {model["id"]: model for model in studio.ask("GET", "/api/models")}
    names = models["emoji-maps"]["shows"]["names"]
    painted = Image.new("I;16", (128, 128))
    pen = ImageDraw.Draw(painted)
    pen.ellipse((66, 12, 120, 66), fill=1 + names.index("pizza"))
    pen.polygon([(98, 68), (116, 90), (116, 118), (80, 118), (80, 90)], fill=1 + names.index("rocket"))
    pen.ellipse((8, 40, 72, 104), fill=1 + names.index("sunflower"))
    file = io.BytesIO()
    painted.save(file, "PNG")
    return urlsafe_b64encode(file.getvalue()).decode()


def two_regions() -> dict[str, Any]:
    """A fox on the left, a cat on the right."""
    inside, outside = b"\xff" * 64, b"\0" * 64
    halves = {"a fox": inside + outside, "a cat face": outside + inside}
    placed = [
        {
            "region": {"id": name.split()[-1], "prompt": f"{name} on a plain {colour} background"},
            "mask": {"width": 128, "height": 128, "data": urlsafe_b64encode(zlib.compress(halves[name] * 128)).decode()},
        }
        for name, colour in (("a fox", "orange"), ("a cat face", "blue"))
    ]
    return {"kind": "replace-regions", "regions": placed}


# --- taking them -------------------------------------------------------------------------------------------------------------


@contextmanager
def running_studio() -> Generator[Studio]:
    """`ildm studio` with the shipped model, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ildm", "studio", "--headless", "--port", "0"]
        server = subprocess.Popen(
            command, env=os.environ | {"ILDM_HOME": folder}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert server.stdout is not None
        url = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
        assert url is not None, "The studio did not start."
        try:
            while httpx.get(f"{url[0]}/readyz").status_code != 200:
                time.sleep(0.2)
            yield Studio(url[0], (Path(folder) / "studio" / "token").read_text().strip())
        finally:
            server.terminate()
            server.wait(30)


def take(browser: Browser, studio: Studio, name: str, scheme: Any) -> None:
    """One state, in one colour scheme."""
    context = browser.new_context(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(studio.link())
    if name != "unknown-browser":
        expect(page.get_by_role("textbox").first).to_be_visible(timeout=PATIENCE)
    STATES[name](page, studio)
    page.wait_for_timeout(1200)
    folder = PICTURES if name in TOUR else OTHERS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{scheme}.jpg"
    page.screenshot(path=path, type="jpeg", quality=88)
    print(path)
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *STATES], help="states to take; none = all")
    chosen = parser.parse_args().names or list(STATES)
    with running_studio() as studio, sync_playwright() as playwright:
        browser = open_chromium(playwright)
        for name in chosen:
            for scheme in ("light", "dark"):
                take(browser, studio, name, scheme)


if __name__ == "__main__":
    main()
