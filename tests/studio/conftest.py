"""Studios for the tests; see `studios`."""

import signal

import pytest
from studios import RealStudio, serving
from toy import build_model

from ildm.checkpoint.native import save_native


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """One for the tests of a file."""
    with serving(tmp_path_factory.mktemp("studio")) as studio:
        yield studio


@pytest.fixture
def serve(tmp_path):
    """`serve(worker=..., limits=...)` is a block with one of its own."""
    return lambda **options: serving(tmp_path, **options)


@pytest.fixture(scope="session")
def toy_home(tmp_path_factory):
    """An `ILDM_HOME` that knows the toy model."""
    home = tmp_path_factory.mktemp("studio-home")
    save_native(build_model(), home / "models" / "toy")
    return home


@pytest.fixture(scope="module")
def real(toy_home):
    """One for the tests of a file."""
    studio = RealStudio(toy_home).wait_ready()
    yield studio
    studio.stop(signal.SIGKILL)
