"""A killed process loses nothing that was acknowledged."""

import os
import random
import subprocess
import sys

import pytest
from kept import snapshot

from ildm.session.store import Store

CHILD = """
import os, sys
from pathlib import Path
from kept import opened, start, step
from ildm.core.errors import ConfigError
from ildm.session.store import Store

assert "torch" not in sys.modules

def tell(name, number):
    return lambda future: os.write(1, f"{name} {number}\\n".encode())

with Store(Path(sys.argv[1])) as store:
    ahead = {}
    for name in ("one", "two", "three"):
        try:
            ahead[name] = store.load(name).nodes[-1].id + 1
        except ConfigError:
            store.append(name, **start() | {"events": [opened()]}).result()
            ahead[name] = 1
    os.write(1, b"ready 0\\n")
    while True:
        sent = []
        for _ in range(4):
            for name, number in ahead.items():
                sent.append(store.append(name, **step(number)))
                sent[-1].add_done_callback(tell(name, number))
                ahead[name] += 1
        for future in sent:
            future.result()
"""


@pytest.fixture
def child_environment(repository):
    """For processes that make sessions of `kept`."""
    folders = [str(repository / "tests" / "peers"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1"}


def test_what_was_acknowledged_survives_a_kill_at_any_moment(tmp_path, child_environment):
    path, chance = tmp_path / "sessions.sqlite", random.Random(0)
    latest = {}
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True, env=child_environment
        )
        heard, before = chance.randint(1, 60), dict(latest)
        for line in process.stdout:
            name, number = line.split()
            latest[name] = int(number)
            heard -= 1
            if heard == 0:
                process.kill()
        process.wait(30)
        process.stdout.close()
        assert process.returncode == -9
        assert latest != before
        with Store(path) as store:
            for name in ("one", "two", "three"):
                session = store.load(name)
                count = len(session.nodes)
                assert count > latest.get(name, 0)
                assert [event.seq for event in store.events(name)] == list(range(count))
                assert all(session.snapshot(number) == snapshot(number) for number in range(count))
                assert session.positions[0].node == count - 1


def test_what_was_sent_is_written_even_where_nobody_closed(tmp_path, child_environment):
    path = tmp_path / "sessions.sqlite"
    code = f"""
from pathlib import Path
from kept import opened, step, start
from ildm.session.store import Store
store = Store(Path({str(path)!r}))
store.create("one", opened())
store.append("one", **start())
for number in range(1, 30):
    store.append("one", **step(number))
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=child_environment)
    with Store(path) as store:
        assert len(store.load("one").nodes) == 30
