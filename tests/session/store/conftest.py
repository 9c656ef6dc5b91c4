"""A store of its own for each test, and a clock that goes on when told to."""

import pytest

from ildm.session.store import Store


class Clock:
    """Seconds that go by when a test says so."""

    def __init__(self):
        self.now = 1.0e9

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    with Store(tmp_path / "sessions.sqlite", clock=clock) as store:
        yield store
