"""How smoothly the studio's page is painted on: a stroke of ten seconds over eight regions of a large picture.

    python bench/painting.py --out bench/results/painting.json

The page is the built one in a real Chromium that draws without a graphics card, at 1280x720. The session is played to it: it stands still,
has 2048x2048 pixels and eight soft regions, and takes every patch of the stroke as a studio does. Times between frames are those of
the browser's own clock, beside those of an empty page in the same browser.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, sync_playwright

# the browser is that of the tests
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "peers"))

from chromium import open_chromium

from ildm.session.envelope import Envelope, Kind, unpack
from interleaved import machine
from studio_process import serve

MEASURE = """() => {
  const times = (window.__times = []);
  let last = performance.now();
  window.__measuring = true;
  const frame = (now) => {
    times.push(now - last);
    last = now;
    if (window.__measuring) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
READ = "() => { window.__measuring = false; return window.__times.slice(2); }"


class StillSession:
    """A session that stands still, played to the page: what a studio says of it, and how it takes strokes."""

    def __init__(self, side: int, num_regions: int) -> None:
        self.side, self.patches, self.bytes = side, 0, 0
        self._seq = 1
        self.masks = {f"{number:064x}": _soft_disc(side, number) for number in range(num_regions)}
        noise = Image.effect_noise((side // 4, side // 4), 60).resize((side, side)).convert("RGB")
        self.picture = _encoded(noise, "JPEG")
        regions = [{"id": f"r{number}", "prompt": f"thing {number}", "mask": mask} for number, mask in enumerate(self.masks)]
        shape = {"prompt": "things", "num_steps": 25, "guidance_scale": 3.0, "sampler": "euler", "seed": 1}
        self.settings = shape | {"width": side, "height": side, "regions": regions, "holds": [], "feedback": []}

    def serve(self, page: Page) -> None:
        """Stand in for the studio, for everything that concerns this session."""
        page.route_web_socket("**/api/socket", self._talk)
        page.route(
            "**/api/sessions/s/masks/*", lambda route: _answer(route, self.masks[route.request.url.rsplit("/", 1)[1]], "png")
        )
        page.route("**/api/sessions/s/events*", lambda route: route.fulfill(json={"events": [self._opened()]}))
        for path in ("image", "thumbnail"):
            page.route(f"**/api/sessions/s/{path}*", lambda route: _answer(route, self.picture, "jpeg"))

    def _talk(self, socket: WebSocketRoute) -> None:
        def hear(message: str | bytes) -> None:
            header = unpack(message if isinstance(message, bytes) else message.encode()).header
            if header["type"] == "hello":
                socket.send(Envelope(Kind.EVENT, self._welcome()).pack())
                frame = {
                    "type": "frame",
                    "number": 1,
                    "session": "s",
                    "node": 1,
                    "step": 1,
                    "branch": 0,
                    "rev": 0,
                    "format": "jpeg",
                }
                whole = frame | {"width": self.side, "height": self.side, "at": 0.0}
                socket.send(Envelope(Kind.FRAME, whole, self.picture).pack())
            elif header["type"] == "mask":
                self.patches += 1
                self.bytes += len(message)
                socket.send(Envelope(Kind.EVENT, self._applied(header)).pack())

        socket.on_message(hear)

    def _opened(self) -> dict[str, Any]:
        return {"seq": 0, "kind": "session-opened", "model": "m", "model_hash": "x", "settings": self.settings}

    def _welcome(self) -> dict[str, Any]:
        place = {"status": "paused", "seq": self._seq, "rev": 0, "node": 1, "branch": 0, "step": 1, "settings": self.settings}
        nodes = [{"id": number, "parent": number - 1 if number else None, "step": number, "name": None} for number in (0, 1)]
        tree = {"nodes": nodes, "branches": [{"id": 0, "tip": 1, "name": None}]}
        view = {"session": "s", "model": "m", "place": place, "tree": tree}
        return {"type": "welcome", "session": "s", "epoch": "e", "op": None, "view": view}

    def _applied(self, header: dict[str, Any]) -> dict[str, Any]:
        patch = {"width": 1, "height": 1, "data": b""}
        command = {"kind": "paint-region", "id": header["region"], "patch": patch, "left": 0, "top": 0, "erase": False}
        event = {"kind": "command-applied", "seq": self._seq, "op": header["op"], "command": command}
        self._seq += 1
        return {
            "type": "event",
            "rev": self.patches,
            "op": header["op"],
            "event": event | {"received_step": 1, "applied_step": 1, "node": 1},
        }


def main() -> None:
    options = read_options()
    with serve(options.model) as server, sync_playwright() as playwright:
        figures = measure(open_chromium(playwright), server.launch(), options)
    told = {"machine": machine(), "side": options.side, "regions": options.regions, "brush": options.brush, **figures}
    for name in ("empty page", "stroke"):
        print("  ".join([f"{name:12}", *(f"{key} {value:6.1f}" for key, value in figures[name].items())]))
    print(f"{figures['patches']} patches, {figures['kib']} KiB; milliseconds between frames, bar: p95 20, none over 50")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def measure(browser: Browser, address: str, options: argparse.Namespace) -> dict[str, Any]:
    """The times of an empty page and of a stroke, in one browser."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    empty = context.new_page()
    empty.evaluate(MEASURE)
    empty.wait_for_timeout(3000)
    figures: dict[str, Any] = {"empty page": _summary(empty.evaluate(READ))}
    empty.close()
    page, session = context.new_page(), StillSession(options.side, options.regions)
    page.goto(address)
    session.serve(page)
    page.goto(re.sub(r"/launch.*", "/#session=s", address))
    page.reload()
    stage = page.locator("[aria-label=Picture][role=application]")
    page.get_by_label(f"What is in region {options.regions // 2}?").click(timeout=60_000)
    page.wait_for_timeout(3000)  # until all masks are there
    stage.focus()
    page.keyboard.press("b")
    box = stage.bounding_box()
    assert box is not None
    while _brush(page) < options.brush:
        page.keyboard.press("]")
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.evaluate(MEASURE)
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < options.seconds:
        turn, reach = 2.2 * elapsed, 150 * abs(math.sin(0.7 * elapsed))
        page.mouse.move(middle[0] + reach * math.cos(turn), middle[1] + reach * math.sin(turn))
    figures["stroke"] = _summary(page.evaluate(READ))
    page.mouse.up()
    return figures | {"patches": session.patches, "kib": session.bytes // 1024}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=2048, help="of the picture, pixels")
    parser.add_argument("--regions", type=int, default=8)
    parser.add_argument("--brush", type=int, default=200, help="its size, pixels of the picture")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the stroke")
    parser.add_argument("--model", default="emoji-scenes", help="the studio's; none of it is used")
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    return parser.parse_args()


def _summary(times: list[float]) -> dict[str, float]:
    found = np.array(times)
    return {
        "frames": len(found),
        "p50": float(np.percentile(found, 50)),
        "p95": float(np.percentile(found, 95)),
        "most": float(found.max()),
        "over 50": int((found > 50).sum()),
    }


def _brush(page: Page) -> float:
    return page.evaluate("() => JSON.parse(localStorage.getItem('ildm-canvas') || '{}').state?.brush?.size ?? 32")


def _soft_disc(side: int, number: int) -> bytes:
    random = np.random.default_rng(number)
    y, x = np.mgrid[:side, :side]
    across, down = random.integers(side // 10, side - side // 10, 2)
    inside = np.clip(255 * (1.2 - np.hypot(x - across, y - down) / (side / 5)), 0, 255).astype(np.uint8)
    return _encoded(Image.fromarray(inside), "PNG")


def _encoded(image: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def _answer(route: Route, body: bytes, form: str) -> None:
    route.fulfill(body=body, content_type=f"image/{form}")


if __name__ == "__main__":
    main()
