"""The toy model, and a folder with it that a test may damage."""

import pytest
from toy import build_model

from ildm.checkpoint.native import save_native


@pytest.fixture(scope="session")
def model():
    return build_model()


@pytest.fixture
def folder(model, tmp_path):
    """A freshly saved native folder that a test may damage."""
    save_native(model, tmp_path / "toy")
    return tmp_path / "toy"
