"""An engine, short runs, and what comes of one that nobody meddles with."""

from functools import cache

import pytest

from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.log import Log, open_log
from ildm.session.run import Run


@pytest.fixture
def settings(settings):
    return changed(settings, num_steps=8, sampler="euler")


@pytest.fixture
def engine(quick):
    with Engine(quick) as engine:
        yield engine


@pytest.fixture(scope="session")
def alone(quick):
    """The hash of the run of some settings that nobody meddles with."""

    @cache
    def make(settings):
        logged = open_log(Cursor.begin(Run(quick), settings), Log())
        while not logged.cursor.finished:
            logged.step()
        return logged.log.events[-1].latent_hash

    return make
