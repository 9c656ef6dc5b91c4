"""An engine that tests drive: sessions opened, waited for, meddled with."""

import io
from contextlib import contextmanager

import torch
from PIL import Image

from ildm.session.events import (
    RunFinished,
)

PATIENT = 120.0  # seconds until a test that hangs fails


@contextmanager
def meddling(model, hook):
    """`hook(noised)` is called in every step, in the middle of it."""
    inner = model._predict

    def predict(noised, time, conditioning):
        hook(noised)
        return inner(noised, time, conditioning)

    model._predict = predict
    yield
    model._predict = inner


def opened(engine, settings, **how):
    return engine.open(settings, **how).result(PATIENT)


def done(engine, session_id):
    """The log of a session once it rests."""
    assert engine.wait(session_id, PATIENT)
    return engine.on_thread(lambda: list(engine.session(session_id).log.events)).result(PATIENT)


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def finals(events):
    return [event.latent_hash for event in of(RunFinished, events)]


def when(engine, session_id, kind, act, where=lambda _: True):
    """`act(event)` on the engine's thread, right after the first event of a kind."""
    waiting = [True]

    def hear(event):
        if waiting and isinstance(event, kind) and where(event):
            waiting.clear()
            act(event)

    engine.listen(session_id, hear)


def at_step(step):
    return lambda event: event.step == step


def png():
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return file.getvalue()


class Frames:
    """A previewer that keeps what it is shown."""

    def __init__(self):
        self.shown = []

    def offer(self, session_id, node, estimate, *_):
        assert torch.isfinite(estimate).all()
        self.shown.append((session_id, node))
