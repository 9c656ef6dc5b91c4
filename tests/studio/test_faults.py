"""What must hold when something breaks, with real processes, real kills, a real full disk and a real client that stalls."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from studio_client import Client
from studios import RealStudio

from ildm.core.errors import ConfigError
from ildm.session.events import RunFinished
from ildm.session.store import Store
from ildm.studio.sole import sole_studio

OPENING = {"prompt": "a red rose", "num_steps": 150, "sampler": "euler-ancestral", "seed": 5}


def run(work):
    return asyncio.run(work)


def begin(studio, **opening):
    with studio.client() as client:
        answer = client.post("/api/sessions", json=OPENING | opening)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]


def wait_until(studio, session, found, timeout=60.0):
    deadline = time.monotonic() + timeout
    with studio.client() as client:
        while True:
            view = client.get(f"/api/sessions/{session}").json()
            if found(view):
                return view
            assert time.monotonic() < deadline, view
            time.sleep(0.02)


def finished(view):
    return "place" in view and view["place"]["status"] == "finished"


def result(studio, session):
    with studio.client() as client:
        events = client.get(f"/api/sessions/{session}/events").json()["events"]
    return next(event["latent_hash"] for event in reversed(events) if event["kind"] == "run-finished")


@pytest.fixture(scope="module")
def undisturbed(real):
    """What comes of the run that nothing happens to."""
    session = begin(real)
    wait_until(real, session, finished)
    return result(real, session)


def test_a_killed_engine_is_told_and_every_session_goes_on(real, undisturbed):
    async def work():
        async with await Client.connect(real.port, real.token) as client:
            session = await client.start(**OPENING)
            other = await asyncio.to_thread(begin, real, seed=6, paused=True)
            await client.until(lambda: client.frames and client.frames[-1][0]["step"] > 40)
            before = real.engine_pid
            os.kill(before, signal.SIGKILL)
            began = time.monotonic()
            lost = await client.until(lambda: next((one for one in client.said if one["type"] == "error"), None))
            assert lost["code"] == "worker-lost"
            assert time.monotonic() - began < 3.0
            await client.until(lambda: client.place["status"] == "finished", timeout=60.0)
            assert real.engine_pid != before
            return session, other

    session, other = run(work())
    assert result(real, session) == undisturbed
    view = wait_until(real, other, lambda view: "place" in view)
    assert view["place"]["status"] == "paused"


@pytest.fixture
def apart(toy_home, tmp_path):
    """A studio with sessions of its own, beside the one that is `real`; called again, it serves the same ones."""

    def start():
        studio = RealStudio(toy_home, "--store", str(tmp_path / "sessions.sqlite")).wait_ready()
        studio.store = tmp_path / "sessions.sqlite"
        return studio

    return start


def test_sessions_are_served_by_one_studio_at_a_time(real):
    other = subprocess.run(
        [sys.executable, "-m", "ildm", "studio", "--headless", "--port", "0", "--model", "toy"],
        env=os.environ | {"ILDM_HOME": str(real.home)},
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    assert other.returncode == 2 and "Another studio serves" in other.stderr and "Traceback" not in other.stderr


def test_an_engine_that_outlives_its_server_holds_its_sessions(apart):
    studio = apart()
    engine = psutil.Process(studio.engine_pid)
    engine.suspend()
    studio.stop(signal.SIGKILL)
    with pytest.raises(ConfigError, match="Another studio"), sole_studio(studio.store, patience=0.2):
        pass
    engine.resume()
    with sole_studio(studio.store):
        assert not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE


def test_what_a_terminal_sends_to_all_does_not_end_the_engine(real):
    """Such as Ctrl-C while it is starting: that is the server's to deal with."""
    assert os.getpgid(real.engine_pid) != os.getpgid(real.process.pid)


def kill_the_server(apart, expected, seed):
    """Kill a server at a random step; nothing that was said to be safe may be gone, and the run ends as if nothing had been."""
    rng = random.Random(seed)
    studio = apart()
    last = rng.randrange(5, 120)

    async def follow():
        saved = set()
        client = await Client.connect(studio.port, studio.token)
        session = await client.start(**OPENING)
        await client.until(
            lambda: any(
                one["event"]["kind"] == "step-completed" and one["event"]["step"] >= last for one in client.events.values()
            )
        )
        studio.process.send_signal(signal.SIGKILL)
        await asyncio.gather(client._listening, return_exceptions=True)
        for one in client.events.values():
            if one["event"]["kind"] == "state-saved":
                saved.add(one["event"]["node"])
        return session, saved

    session, saved = run(follow())
    studio.stop(signal.SIGKILL)
    with Store(studio.store) as store:
        stored = store.load(session)
        for node in saved:
            assert stored.snapshot(node) is not None  # its bytes are checked against their hash
    again = apart()
    try:
        wait_until(again, session, finished)
        assert result(again, session) == expected
    finally:
        again.stop()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_server_loses_nothing_that_was_said_to_be_safe(apart, undisturbed, seed):
    kill_the_server(apart, undisturbed, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 21))
def test_twenty_killed_servers_lose_nothing(apart, undisturbed, seed):
    kill_the_server(apart, undisturbed, seed)


def test_a_stopped_server_saves_and_says_goodbye(apart, undisturbed):
    studio = apart()

    async def work():
        client = await Client.connect(studio.port, studio.token)
        session = await client.start(**OPENING)
        await client.until(lambda: len(client.frames) > 3)
        studio.process.send_signal(signal.SIGTERM)
        await client._listening  # until the last word
        assert client.socket.close_code == 1012
        assert any(one["type"] == "bye" for one in client.said)
        return session

    began = time.monotonic()
    session = run(work())
    assert studio.process.wait(10.0) in (0, -signal.SIGTERM)
    assert time.monotonic() - began < 20.0
    studio.stop()
    with Store(studio.store) as store:
        stored, events = store.load(session), store.events(session)
        assert stored.summary.status == "running"
        steps = [event for event in events if event.kind == "step-completed"]
        assert stored.snapshot(steps[-1].node) is not None
        assert not any(isinstance(event, RunFinished) for event in events)
    again = apart()
    wait_until(again, session, finished)
    assert result(again, session) == undisturbed
    assert again.stop() in (0, -signal.SIGTERM)


def test_a_server_that_is_told_twice_ends_at_once(apart):
    studio = apart()
    begin(studio)
    studio.process.send_signal(signal.SIGTERM)
    studio.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    studio.process.wait(10.0)
    assert time.monotonic() - began < 3.0
    studio.stop()


def test_a_full_disk_pauses_the_run_until_there_is_room(toy_home, small_disk):
    folder = small_disk(4)
    studio = RealStudio(toy_home, "--store", str(folder / "sessions.sqlite")).wait_ready()
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(2 * 2**20))
    try:
        session = begin(studio, num_steps=250, width=256, height=256)
        view = wait_until(
            studio, session, lambda view: view["place"]["status"] == "paused" or events_of(studio, session, "run-paused")
        )
        [pause, *_] = events_of(studio, session, "run-paused")
        assert "No room left" in pause["reason"]
        assert view["place"]["step"] < 250
        ballast.unlink()
        wait_until(studio, session, lambda view: events_of(studio, session, "run-resumed")[1:] or finished(view))
    finally:
        engine = psutil.Process(studio.engine_pid)
        studio.stop()
        engine.wait(20.0)


def events_of(studio, session, kind):
    with studio.client() as client:
        events = client.get(f"/api/sessions/{session}/events").json()["events"]
    return [event for event in events if event["kind"] == kind]


def test_a_stalled_client_costs_next_to_nothing(real):
    """A browser that has stopped reading, in the middle of a run with frames of its own."""
    process = psutil.Process(real.process.pid)

    async def stall(session):
        client = await Client.connect(real.port, real.token)
        client._listening.cancel()
        client.socket.transport.pause_reading()
        client.socket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await client.send("hello", client=client.name, session=session, epoch=None, last_seq=None)
        before = process.memory_info().rss
        await asyncio.to_thread(wait_until, real, session, finished)
        grown = process.memory_info().rss - before
        client.drop()
        return grown

    wait_until(real, begin(real, num_steps=20), finished)  # what every first run needs once
    session = begin(real, num_steps=250)
    assert run(stall(session)) < 5e6


def test_a_page_that_is_loaded_anew_sees_the_run_at_once(real):
    async def work():
        async with await Client.connect(real.port, real.token) as client:
            session = await client.start(**OPENING | {"num_steps": 250})
            await client.until(lambda: client.frames)
            client.drop()
            async with await Client.connect(real.port, real.token) as again:
                began = time.monotonic()
                await again.hello(session)
                shown = again.view["place"]["step"]
                await again.until(lambda: again.frames)
                assert time.monotonic() - began < 1.0
                assert again.frames[0][0]["step"] >= shown - 5
                await again.until(lambda: again.place["status"] == "finished")
                first = again.view["place"]["seq"]
                assert sorted(again.events) == list(range(first, first + len(again.events)))

    run(work())
