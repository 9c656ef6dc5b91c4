"""`run(*arguments)` is the command line in this process: its exit code and what it said."""

import sys
from dataclasses import dataclass

import pytest

from ildm.cli.main import main


@dataclass
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ildm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), said.out, said.err)

    return call


@pytest.fixture(scope="session")
def trained(ildm_home, tmp_path_factory):
    """The folder of a model that `ildm train emoji-tiny` made, in a home of its own."""
    folder = tmp_path_factory.mktemp("trained-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ILDM_HOME", str(folder))
        patch.setattr(sys, "argv", ["ildm", "train", "emoji-tiny"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    return folder / "runs" / "emoji-tiny" / "model"
