"""A real Chromium without a window, for tests of the page, for its pictures and its figures."""

import shutil

from playwright.sync_api import Browser, Playwright

PATH = shutil.which("chromium")
MISSING = "Chromium is not there: install Debian's package chromium."
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def open_chromium(playwright: Playwright) -> Browser:
    """The browser.

    Raises:
        SystemExit: when there is none on this machine.
    """
    if PATH is None:
        raise SystemExit(MISSING)
    return playwright.chromium.launch(executable_path=PATH, args=_ARGUMENTS)
