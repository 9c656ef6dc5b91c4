"""Studios for the tests; see `studios`."""

import signal

import pytest
from studios import RealStudio, serving


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """One for the tests of a file."""
    with serving(tmp_path_factory.mktemp("studio")) as studio:
        yield studio


@pytest.fixture
def serve(tmp_path):
    """`serve(worker=..., limits=...)` is a block with one of its own."""
    return lambda **options: serving(tmp_path, **options)


@pytest.fixture(scope="module")
def real(toy_home):
    """One for the tests of a file."""
    studio = RealStudio(toy_home).wait_ready()
    yield studio
    studio.stop(signal.SIGKILL)
