"""How long somebody waits: from the command to a page that can be used, and from Enter to the first picture.

    python bench/first_picture.py --out bench/results/first_picture.json

A new process of the studio and a new browser for each turn, so that nothing is warm but the machine's own file cache.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

# the browser, and what a person does with the page, are those of the tests
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "peers"))

from chromium import open_chromium
from steering_page import say, stage, wait_for_model, wait_until

from parts import Figures, parts_parser, tell_parts
from studio_process import serve

FINISHED = "() => { const { exact, step } = document.querySelector('[data-rev]')?.dataset ?? {}; return exact === 'true' && +step > 1; }"
SEEN = "() => +(document.querySelector('[data-rev]')?.dataset.step ?? 0) > 0"


def main() -> None:
    """Measure, and tell the figures."""
    parser = parts_parser(__doc__)
    parser.add_argument("--turns", type=int, default=5, help="default: 5")
    parser.add_argument("--prompt", default="a red apple on a plain blue background", help="what is asked for")
    tell_parts({"waiting": waiting}, parser.parse_args())


def waiting(options: argparse.Namespace) -> Figures:
    """Seconds until the page can be used (bar: 8), until something is seen, and until the picture is there (bar: 5 after Enter)."""
    usable, seen, finished = list[float](), list[float](), list[float]()
    with sync_playwright() as playwright:
        for _ in range(options.turns):
            with serve(options.model) as server:
                browser = open_chromium(playwright)
                page = _open(browser, server.launch())
                usable.append(time.perf_counter() - server.began)
                began = time.perf_counter()
                say(page, options.prompt)
                wait_until(page, SEEN)
                seen.append(time.perf_counter() - began)
                wait_until(page, FINISHED)
                finished.append(time.perf_counter() - began)
                steps = int(stage(page).get_attribute("data-step") or 0)
                browser.close()
    return {
        "from the command to a usable page, median, s": statistics.median(usable),
        "worst": max(usable),
        "bar": 8.0,
        "from Enter to something to see, s": statistics.median(seen),
        "to the picture, median, s": statistics.median(finished),
        "its worst": max(finished),
        "its bar": 5.0,
        "steps": steps,
    }


def _open(browser: Browser, address: str) -> Page:
    """A page that knows what it can draw with."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(address)
    wait_for_model(page)
    return page


if __name__ == "__main__":
    main()
