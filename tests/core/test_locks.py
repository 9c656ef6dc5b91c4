"""Locks: one holds them, until it closes them or ends."""

import os
import subprocess
import sys

import pytest

from ildm.core.locks import lock

HOLDS = """import os, sys
from ildm.core.locks import lock
print(lock(os.open(sys.argv[1], os.O_RDONLY)), flush=True)
sys.stdin.read()"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_only_one_has_it(kind, tmp_path):
    path = tmp_path / "place"
    path.mkdir() if kind == "folder" else path.write_text("")
    first, second = (os.open(path, os.O_RDONLY) for _ in range(2))
    assert lock(first) is True
    assert lock(second) is False
    os.close(first)
    assert lock(second, wait=True) is True
    os.close(second)


def test_a_program_that_is_killed_holds_nothing(tmp_path):
    holds = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(holds, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "True"
        descriptor = os.open(tmp_path, os.O_RDONLY)
        assert lock(descriptor) is False
        process.kill()
        process.wait()
        assert lock(descriptor) is True
        os.close(descriptor)


def test_where_the_disk_knows_no_locks_nobody_can_tell():
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    assert lock(writing) is None
