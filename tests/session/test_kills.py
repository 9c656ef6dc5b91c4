"""Killed at random moments, a session goes on from what was said to be safe, and ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ildm.session import commands
from ildm.session.engine import Engine
from ildm.session.hashes import latent_hash
from ildm.session.store import Store


@pytest.fixture(scope="module")
def killed():
    """The process whose children are killed."""
    script = Path(__file__).with_name("killed.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


@pytest.fixture(scope="module")
def child(load_script):
    """What the children do."""
    return load_script(Path(__file__).with_name("killed.py"))


def kill_after(process, path, seed, count):
    """Start a session and kill it once so many states are safe. Returns the states that were said to be."""
    process.stdin.write(f"{path} s{seed} {seed}\n")
    process.stdin.flush()
    saved, pid = [], None
    for line in process.stdout:
        word, *rest = line.split()
        if word == "pid":
            pid = int(rest[0])
        elif word == "saved":
            saved.append(int(rest[0]))
        elif word == "over":
            break
        if pid is not None and len(saved) >= count:
            os.kill(pid, signal.SIGKILL)
            pid = None
    return saved


def outcome(engine, session_id):
    assert engine.wait(session_id, 60.0)
    logged = engine.session(session_id).logged
    assert logged.cursor.finished
    return latent_hash(logged.run.state(logged.cursor.position.node).latent)


def uninterrupted(model, child, seed):
    with Engine(model) as engine:
        session_id = engine.open(child.settings(seed), paused=True).result()
        for edit in (*child.EDITS, commands.Resume()):
            engine.submit(session_id, edit)
        return outcome(engine, session_id)


def resumed(model, path, session_id):
    with Store(path) as store, Engine(model, keeper=store) as engine:
        stored, events = store.load(session_id), store.events(session_id)
        engine.resume(session_id, stored, events).result()
        return stored, outcome(engine, session_id)


def check(model, process, child, folder, seed, count):
    path = folder / f"{seed}.sqlite"
    saved = kill_after(process, path, seed, count)
    assert len(saved) >= count
    stored, ended = resumed(model, path, f"s{seed}")
    assert set(saved) <= {node.id for node in stored.nodes}
    assert set(saved) <= stored.snapshot_nodes
    assert all(stored.snapshot(node) for node in saved)
    assert ended == uninterrupted(model, child, seed)


def test_nothing_said_to_be_saved_is_lost_and_the_end_is_the_same(model, killed, child, tmp_path):
    chance = random.Random(0)
    for seed in range(4):
        check(model, killed, child, tmp_path, seed, chance.randint(2, 110))


@pytest.mark.slow
def test_twenty_kills(model, killed, child, tmp_path):
    chance = random.Random(1)
    for seed in range(20):
        check(model, killed, child, tmp_path, seed, chance.randint(2, 115))
