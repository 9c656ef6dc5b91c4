"""The frame encoder: newest wins, nobody waits for it, and nothing that goes wrong ends it. Gates decide who is first, never a clock."""

import io
import threading

import pytest
import torch
from PIL import Image

from ildm.core.errors import ConfigError
from ildm.session import frames
from ildm.session.frames import FrameEncoder, to_jpeg
from ildm.session.preview import LinearPreview

LONG = 30  # seconds until a test gives up
FAST = 1e9  # frames a second


def latent(value=0.0):
    return torch.full((1, 1, 4, 6), value)


class Gated:
    """A preview that waits at a gate, so that a test decides when each one is made."""

    def __init__(self):
        self.begun, self.gate = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, latent):
        self.begun.release()
        assert self.gate.acquire(timeout=LONG)
        if latent[0, 0, 0, 0] < 0:
            raise ValueError("negative")
        return torch.full((3, 4, 6), int(latent[0, 0, 0, 0]), dtype=torch.uint8)


class Receiver:
    """What came out, and a way to wait for it."""

    def __init__(self):
        self.frames, self.failures, self._came = [], [], threading.Semaphore(0)

    def deliver(self, frame):
        self.frames.append(frame)
        self._came.release()

    def fail(self, *what):
        self.failures.append(what)
        self._came.release()

    def wait(self):
        assert self._came.acquire(timeout=LONG)

    @property
    def nodes(self):
        return [(frame.session_id, frame.node) for frame in self.frames]


@pytest.fixture
def gated():
    return Gated()


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def encoder(gated, receiver):
    with FrameEncoder(gated, receiver.deliver, receiver.fail, rate=FAST) as encoder:
        yield encoder
        for _ in range(100):
            gated.gate.release()


def begin(encoder, gated, session, node):
    """Offer an estimate and wait until the encoder has it in hand."""
    encoder.offer(session, node, latent())
    assert gated.begun.acquire(timeout=LONG)


def test_the_newest_estimate_wins(encoder, gated, receiver):
    begin(encoder, gated, "a", 1)
    for node in (2, 3, 4):
        encoder.offer("a", node, latent())
    for _ in range(2):
        gated.gate.release()
        receiver.wait()
    assert receiver.nodes == [("a", 1), ("a", 4)]
    assert (encoder.made, encoder.dropped) == (2, 2)


def test_each_session_has_a_slot_and_a_busy_one_makes_no_other_wait(encoder, gated, receiver):
    begin(encoder, gated, "a", 1)
    encoder.offer("a", 2, latent())
    encoder.offer("b", 7, latent())
    encoder.offer("a", 3, latent())
    gated.gate.release()
    gated.gate.release()
    assert gated.begun.acquire(timeout=LONG)  # a's turn, so that its next estimate stands behind b's
    encoder.offer("a", 4, latent())
    receiver.wait()
    receiver.wait()
    gated.gate.release()
    receiver.wait()
    assert receiver.nodes[:2] == [("a", 1), ("a", 3)] and receiver.nodes[2] == ("b", 7) and encoder.dropped == 1


def test_a_picture_is_finished_on_the_encoders_thread(encoder, gated, receiver):
    threads = []

    def finish(pixels):
        threads.append(threading.current_thread().name)
        return pixels[:, :2]

    encoder.offer("a", 1, latent(9.0), finish)
    gated.gate.release()
    receiver.wait()
    [frame] = receiver.frames
    assert (frame.width, frame.height) == (6, 2) and threads == ["ildm-frames"]


def test_a_forgotten_session_gets_no_frame(encoder, gated, receiver):
    begin(encoder, gated, "a", 1)
    encoder.offer("b", 1, latent())
    encoder.offer("c", 1, latent())
    encoder.forget("b")
    encoder.forget("nobody")
    for _ in range(2):
        gated.gate.release()
        receiver.wait()
    assert receiver.nodes == [("a", 1), ("c", 1)] and encoder.dropped == 1


def test_an_error_is_reported_and_the_next_frame_comes(encoder, gated, receiver):
    encoder.offer("a", 1, latent(-1.0))
    gated.gate.release()
    receiver.wait()
    encoder.offer("a", 2, latent())
    gated.gate.release()
    receiver.wait()
    [(session, node, error)] = receiver.failures
    assert (session, node, str(error)) == ("a", 1, "negative") and receiver.nodes == [("a", 2)]


def test_neither_a_failing_receiver_nor_a_failing_reporter_ends_it(caplog):
    preview, came = LinearPreview.of(torch.zeros(3, 1), torch.zeros(3)), Receiver()

    def deliver(frame):
        if frame.node == 1:
            raise RuntimeError("the socket is gone")
        came.deliver(frame)

    def fail(*_):
        came.fail("told")
        raise RuntimeError("and nobody listens")

    with FrameEncoder(preview, deliver, fail, rate=FAST) as encoder:
        encoder.offer("a", 1, latent())
        came.wait()
        encoder.offer("a", 2, latent())
        came.wait()
    assert came.nodes == [("a", 2)] and came.failures == [("told",)] and "so did telling so" in caplog.text


def test_without_a_reporter_the_log_is_told(gated, receiver, caplog):
    encoder = FrameEncoder(gated, receiver.deliver, rate=FAST)
    encoder.offer("a", 5, latent(-1.0))
    assert gated.begun.acquire(timeout=LONG)
    gated.gate.release()
    encoder.close()
    assert "node 5 of session a: negative" in caplog.text and not receiver.frames


def test_close_ends_the_thread_and_drops_what_waits(gated, receiver):
    encoder = FrameEncoder(gated, receiver.deliver, rate=FAST)
    begin(encoder, gated, "a", 1)
    encoder.offer("a", 2, latent())
    closing = threading.Thread(target=encoder.close)
    closing.start()
    gated.gate.release()
    closing.join(LONG)
    assert not closing.is_alive() and not encoder._thread.is_alive()
    encoder.offer("a", 3, latent())
    encoder.close()
    assert receiver.nodes == [("a", 1)] and encoder.dropped == 2


def test_it_can_be_closed_by_what_it_calls():
    closed = threading.Event()

    def deliver(_):
        encoder.close()
        closed.set()

    encoder = FrameEncoder(LinearPreview.of(torch.zeros(3, 1), torch.zeros(3)), deliver, rate=FAST)
    encoder.offer("a", 1, latent())
    assert closed.wait(LONG)
    encoder._thread.join(LONG)
    assert not encoder._thread.is_alive()


@pytest.mark.parametrize("with_simplejpeg", [True, False])
def test_a_frame_is_a_jpeg_of_the_preview(with_simplejpeg, monkeypatch, receiver):
    if with_simplejpeg:
        assert frames.simplejpeg is not None
    else:
        monkeypatch.setattr(frames, "simplejpeg", None)
    preview = LinearPreview.of(torch.tensor([[1.0], [0.0], [-1.0]]), torch.zeros(3), scale=4)
    with FrameEncoder(preview, receiver.deliver, rate=FAST) as encoder:
        encoder.offer("a", 1, latent(0.5))
        receiver.wait()
    [frame] = receiver.frames
    picture = Image.open(io.BytesIO(frame.data))
    assert picture.format == "JPEG" and picture.size == (frame.width, frame.height) == (24, 16)
    assert picture.getpixel((12, 8)) == pytest.approx((191, 128, 64), abs=3)


def test_quality_has_bounds():
    with pytest.raises(ConfigError, match="between 1 and 100, but 0"):
        FrameEncoder(LinearPreview.of(torch.zeros(3, 1), torch.zeros(3)), lambda _: None, quality=0)
    noisy = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert len(to_jpeg(noisy, 20)) < len(to_jpeg(noisy))


def test_frames_come_no_faster_than_the_rate_and_the_newest_is_not_lost(receiver):
    """At two frames an hour the second one waits; whoever closes does not wait for it."""
    preview = LinearPreview.of(torch.zeros(3, 1), torch.zeros(3))
    with FrameEncoder(preview, receiver.deliver, rate=2 / 3600) as encoder:
        encoder.offer("a", 1, latent())
        receiver.wait()
        for node in (2, 3):
            encoder.offer("a", node, latent())
        encoder.offer("b", 4, latent())
        receiver.wait()
        assert receiver.nodes == [("a", 1), ("b", 4)]
    assert (encoder.made, encoder.dropped) == (2, 2)
    with pytest.raises(ConfigError, match="rate above 0"):
        FrameEncoder(preview, receiver.deliver, rate=0.0)
