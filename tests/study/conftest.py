"""What the studies' tests share."""

from __future__ import annotations

import sys

import pytest

from ildm.cli.main import main
from ildm.training.stopping import Stop


@pytest.fixture(scope="module", autouse=True)
def looking(small_looks):
    """What a study does with its figures is tested here, and not how good they are."""


@pytest.fixture(scope="session")
def stop_after():
    """`stop_after(times)` is a stop that says so once it was asked so many times."""

    class StopAfter(Stop):
        def __init__(self, times):
            super().__init__()
            self.left = times

        @property
        def reason(self):
            self.left -= 1
            return "test" if self.left < 0 else None

    return StopAfter


@pytest.fixture
def run_command(monkeypatch, capsys, tmp_path):
    """`run_command(study, ...)` is `ildm study` in this process, in a home of its own: its exit code and what it said."""
    monkeypatch.setenv("ILDM_HOME", str(tmp_path))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ildm", "study", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call
