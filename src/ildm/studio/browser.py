"""Opens the studio in the person's browser, where there is one to open."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser

PATIENCE = 30.0
"""Seconds that a server has to answer in."""


def can_open() -> bool:
    """Whether there is a screen. A browser that runs in the terminal is none of use here."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def open_soon(server: str, address: str) -> threading.Thread:
    """Open an address as soon as its server answers, beside whatever else is done. Where that cannot be, nothing happens.

    Args:
        server: its URL.
    """
    thread = threading.Thread(target=_open, args=(server, address), name="ildm-browser", daemon=True)
    thread.start()
    return thread


def answer_of(request: str | urllib.request.Request, timeout: float = 5.0) -> bytes:
    """What a server of this machine answers; no proxy is asked.

    Raises:
        OSError: when it answers nothing, or refuses.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as answer:
        return answer.read()


def _open(server: str, address: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            answer_of(f"{server}/healthz")
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            break
    else:
        return
    with contextlib.suppress(webbrowser.Error, OSError):  # the address was printed, too
        webbrowser.open(address)
