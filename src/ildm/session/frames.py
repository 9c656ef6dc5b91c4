"""From data estimates to encoded frames, off the engine's thread: whatever a picture costs, no step waits for it."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image as PILImage

from ildm.core.errors import ConfigError
from ildm.core.threads import compute_alone
from ildm.core.types import Latent
from ildm.session.preview import Pixels, Preview
from ildm.session.shown import Finish

try:
    import simplejpeg
except ImportError:  # Pillow does the same in ten times the time
    simplejpeg = None

QUALITY = 85
"""Of the JPEG; above it files grow faster than anybody can see."""
RATE = 15.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """An encoded preview.

    Args:
        session_id: whose run it shows.
        node: the state that it shows.
        data: a JPEG file's bytes.
        width, height: of the picture, pixels.
    """

    session_id: str
    node: int
    data: bytes
    width: int
    height: int


Deliver = Callable[[Frame], None]
Fail = Callable[[str, int, Exception], None]
"""Called with the session, the node and what went wrong."""


class FrameEncoder:
    """Makes frames on one thread of its own. Every method may be called from any thread.

    Each session has a mailbox with one slot: a newer estimate takes the place of one that nobody has begun to encode. Sessions are
    served in the order in which their oldest estimate came, so that none waits for ever. After `close`, what is offered is dropped.

    Args:
        preview: makes the pictures.
        deliver: given each frame, on the encoder's thread.
        fail: told of each estimate that could not be made a frame, or whose frame could not be delivered; None = the log is.
        quality: of the JPEG, 1 to 100.
        rate: frames a second and session at most; what comes faster waits, and the newest wins.

    Raises:
        ConfigError: for a quality or rate out of range.
    """

    def __init__(
        self, preview: Preview, deliver: Deliver, fail: Fail | None = None, *, quality: int = QUALITY, rate: float = RATE
    ) -> None:
        if not 1 <= quality <= 100:
            raise ConfigError(f"The quality of a JPEG lies between 1 and 100, but {quality} was given.")
        if not rate > 0.0:
            raise ConfigError(f"Frames come at a rate above 0 a second, but {rate} was given.")
        self._interval = 1.0 / rate
        self._due: dict[str, float] = {}
        self._preview, self._deliver, self._fail, self._quality = preview, deliver, fail or _log, quality
        self._waiting: dict[str, tuple[int, Latent, Finish | None]] = {}
        self._wake = threading.Condition()
        self._closed = False
        self._made = self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="ildm-frames", daemon=True)
        self._thread.start()

    @property
    def preview(self) -> Preview:
        """What makes the pictures."""
        return self._preview

    @property
    def made(self) -> int:
        """How many frames were encoded."""
        return self._made

    @property
    def dropped(self) -> int:
        """How many estimates never became frames: overtaken by newer ones, forgotten, or too late."""
        return self._dropped

    def offer(self, session_id: str, node: int, estimate: Latent, finish: Finish | None = None) -> None:
        """Take an estimate, normalised, (1, channels, h, w), which must not change from now on. Returns at once.

        Args:
            finish: is given its picture, on the encoder's thread, and makes what is shown.
        """
        with self._wake:
            if self._closed:
                self._dropped += 1
                return
            self._dropped += session_id in self._waiting
            self._waiting[session_id] = (node, estimate, finish)  # a key that is there keeps its place
            self._wake.notify()

    def forget(self, session_id: str) -> None:
        """Drop what waits for a session that is no longer there."""
        with self._wake:
            self._dropped += self._waiting.pop(session_id, None) is not None
            self._due.pop(session_id, None)

    def close(self) -> None:
        """Finish the frame in hand, drop what waits, and end the thread."""
        with self._wake:
            self._closed = True
            self._dropped += len(self._waiting)
            self._waiting.clear()
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> FrameEncoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        compute_alone()
        while True:
            with self._wake:
                session_id = self._next()
                while session_id is None and not self._closed:
                    self._wake.wait(self._until_due())
                    session_id = self._next()
                if self._closed or session_id is None:
                    return
                node, estimate, finish = self._waiting.pop(session_id)
                self._due[session_id] = time.monotonic() + self._interval
            self._make(session_id, node, estimate, finish)

    def _next(self) -> str | None:
        """The session that has waited longest of those whose next frame is due."""
        now = time.monotonic()
        return next((one for one in self._waiting if self._due.get(one, 0.0) <= now), None)

    def _until_due(self) -> float | None:
        """Seconds until the next frame is due; None while nothing waits."""
        now = time.monotonic()
        return min((max(0.0, self._due.get(one, 0.0) - now) for one in self._waiting), default=None)

    def _make(self, session_id: str, node: int, estimate: Latent, finish: Finish | None) -> None:
        try:
            pixels = make_preview(self._preview, estimate, finish)
            frame = Frame(
                session_id=session_id,
                node=node,
                data=to_jpeg(pixels, self._quality),
                width=pixels.shape[-1],
                height=pixels.shape[-2],
            )
            self._made += 1
            self._deliver(frame)
        except Exception as error:  # whatever happens to one frame, the next one comes
            self._tell(session_id, node, error)

    def _tell(self, session_id: str, node: int, error: Exception) -> None:
        try:
            self._fail(session_id, node, error)
        except Exception:
            _logger.exception("A preview failed, and so did telling so.")


def make_preview(preview: Preview, estimate: Latent, finish: Finish | None) -> Pixels:
    """The small picture of an estimate as a person sees it."""
    pixels = preview(estimate)
    return pixels if finish is None else finish(pixels)


def to_jpeg(pixels: Pixels, quality: int = QUALITY) -> bytes:
    """A JPEG file of RGB pixels (3, height, width), colours at full resolution."""
    rows = pixels.permute(1, 2, 0).cpu().contiguous().numpy()  # (height, width, 3)
    if simplejpeg is not None:
        return simplejpeg.encode_jpeg(rows, quality=quality, colorspace="RGB", colorsubsampling="444")
    buffer = io.BytesIO()
    PILImage.fromarray(rows).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _log(session_id: str, node: int, error: Exception) -> None:
    _logger.error("No preview of node %d of session %s: %s", node, session_id, error)
