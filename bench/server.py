"""The studio's server: how soon an edit is seen, how old frames are when they come, and what it costs while nobody asks anything.

    python bench/server.py --out bench/results/server.json

The server is a process as people start it, with a store and a home of its own; clients live in this one. Where pictures are to cost
nothing the server has a worker without a model, and is a process too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil

# the client and the worker without a model are those of the tests
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "peers"))

from fake_worker import FakeWorker
from studio_client import Client
from studios import OWNER_TOKEN, serving

from ildm.studio.limits import Limits
from parts import Figures, parts_parser, tell_parts
from studio_process import Server, serve

FRAME_INTERVAL = 1 / 29
LAST_EDIT = 150
"""Of the 250 steps of a run: what is changed at its end has no effect that could be seen."""
PROMPTS = ("a red apple", "a cat face", "a castle", "a rocket", "a penguin", "a guitar", "a fox", "a doughnut")


def main() -> None:
    """Run the parts that are asked for, all by default."""
    parser = parts_parser(__doc__)
    parser.add_argument("--edits", type=int, default=60, help="edits whose effect is waited for (default: 60)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each part that watches for a while (default: 15)")
    parser.add_argument("--starts", type=int, default=5, help="starts of the server (default: 5)")
    tell_parts(
        {"start": start, "idle": idle, "edit": edit, "eight": eight, "fifty": fifty, "stalled": stalled}, parser.parse_args()
    )


# --- starting and idling ---------------------------------------------------------------------------------------------------


def start(options: argparse.Namespace) -> Figures:
    """Seconds from the command to a model that is ready (bar: 8)."""
    seconds = list[float]()
    for _ in range(options.starts):
        with serve(options.model) as server:
            seconds.append(server.seconds)
    return {"median, s": statistics.median(seconds), "worst, s": max(seconds), "bar": 8.0}


def idle(options: argparse.Namespace) -> Figures:
    """The share of a core that the processes use while one session rests and one page looks at it (bar: 1 %), and their memory."""

    async def look(server: Server) -> Figures:
        async with await Client.connect(server.port, server.token) as client:
            await client.start(prompt=PROMPTS[0], num_steps=5)
            await client.until(lambda: client.place["status"] == "finished")
            await asyncio.sleep(2.0)
            processes = [server.process, *server.process.children()]
            before = [_cpu(one) for one in processes]
            await asyncio.sleep(options.seconds)
            used = [(_cpu(one) - was) / options.seconds for one, was in zip(processes, before, strict=True)]
            memory = [one.memory_info().rss / 2**20 for one in processes]
        names = ("server", "engine")
        shares = {f"{name}, share of a core": share for name, share in zip(names, used, strict=True)}
        return shares | {f"{name}, MiB": size for name, size in zip(names, memory, strict=True)} | {"bar": 0.01}

    with serve(options.model) as server:
        return asyncio.run(look(server))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


# --- with the model ----------------------------------------------------------------------------------------------------------


def edit(options: argparse.Namespace) -> Figures:
    """From sending a prompt to the first frame made under it, at random moments of a run (bar: p95 of two steps and 50 ms)."""

    async def measure(server: Server) -> Figures:
        rng, waits, applied, steps = random.Random(0), list[float](), list[float](), list[float]()
        async with await Client.connect(server.port, server.token) as client:
            await client.start(prompt=PROMPTS[0], num_steps=250)
            for number in range(options.edits):
                if client.frames and client.frames[-1][0]["step"] > LAST_EDIT:
                    steps += _step_seconds(client)
                    await client.edit(kind="start-over", seed=number)
                await asyncio.sleep(rng.uniform(0.05, 0.3))
                began = time.perf_counter()
                told = await client.edit(kind="set-prompt", text=f"{rng.choice(PROMPTS)} {number}")
                applied.append(time.perf_counter() - began)
                rev = told["rev"]
                await client.until(lambda rev=rev: client.frames and client.frames[-1][0]["rev"] >= rev)
                waits.append(time.perf_counter() - began)
            steps += _step_seconds(client)
        step = statistics.median(steps)
        return {
            "median, ms": 1e3 * statistics.median(waits),
            "p95, ms": 1e3 * _share(waits, 0.95),
            "until it acts, ms": 1e3 * statistics.median(applied),
            "step, ms": 1e3 * step,
            "bar, ms": 1e3 * (2 * step + 0.05),
            "edits": len(waits),
        }

    with serve(options.model) as server:
        return asyncio.run(measure(server))


def eight(options: argparse.Namespace) -> Figures:
    """Eight sessions of the model: how old frames are when they come, and whose (one wrong one is too many)."""
    with serve(options.model) as server:
        return asyncio.run(_many(server.port, server.token, 8, options.seconds))


def stalled(options: argparse.Namespace) -> Figures:
    """The time of a step while a client has stopped reading, over that without one, turn by turn (bar: within 5 %), and memory."""

    async def measure(server: Server) -> Figures:
        ratios, before = list[float](), server.process.memory_info().rss
        async with await Client.connect(server.port, server.token) as client:
            for turn in range(6):
                seconds = {}
                for with_one in (False, True) if turn % 2 else (True, False):
                    session = await client.start(prompt=PROMPTS[turn], num_steps=100, paused=True)
                    other = await _stall(server, session) if with_one else None
                    await client.edit(kind="resume")
                    await client.until(lambda: client.place["status"] == "finished")
                    seconds[with_one] = statistics.median(_step_seconds(client))
                    client.events.clear()
                    if other is not None:
                        other.drop()
                ratios.append(seconds[True] / seconds[False])
        grown = (server.process.memory_info().rss - before) / 2**20
        return {"step, median of the ratios": statistics.median(ratios), "bar": 1.05, "memory grown, MiB": grown}

    with serve(options.model) as server:
        return asyncio.run(measure(server))


async def _stall(server: Server, session: str) -> Client:
    client = await Client.connect(server.port, server.token)
    client._listening.cancel()
    client.socket.transport.pause_reading()
    await client.send("hello", client=client.name, session=session, epoch=None, last_seq=None)
    return client


def _step_seconds(client: Client) -> list[float]:
    events = (one["event"] for one in client.events.values())
    return [event["seconds"] for event in events if event["kind"] == "step-completed" and event["fresh"]]


# --- without one -------------------------------------------------------------------------------------------------------------


def fifty(options: argparse.Namespace) -> Figures:
    """Fifty sessions of 29 frames a second each (bar: 99 % of the frames younger than 250 ms), and one more than there may be."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve_fake, args=(theirs,), daemon=True)
    process.start()
    port = ours.recv()
    try:
        figures = asyncio.run(_many(port, OWNER_TOKEN, 50, options.seconds))
        return figures | {"bar, ms": 250.0, "one too many": asyncio.run(_one_too_many(port))}
    finally:
        ours.send("end")
        process.join(20.0)


def _serve_fake(pipe: Any) -> None:
    limits = Limits(running=50, open=50, open_per_user=50, queue=50, queue_per_user=50, steps=1000)
    with (
        tempfile.TemporaryDirectory(prefix="ildm-") as folder,
        serving(Path(folder), worker=FakeWorker(FRAME_INTERVAL, 20_000), limits=limits) as studio,
    ):
        pipe.send(studio.port)
        pipe.recv()


async def _one_too_many(port: int) -> str:
    """What somebody is told for whom there is no room: all may run that may, and all may wait that may."""
    body = json.dumps({"num_steps": 1000}).encode()
    headers = {"authorization": f"Bearer {OWNER_TOKEN}", "content-type": "application/json"}

    def ask() -> int:
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"http://127.0.0.1:{port}/api/sessions", body, headers)
            ) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    told = [await asyncio.to_thread(ask) for _ in range(101)]
    return f"{told.count(201)} begun, {told.count(202)} waiting, {told.count(429)} refused"


async def _many(port: int, token: str, count: int, seconds: float) -> Figures:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(await Client.connect(port, token)) for _ in range(count)]
        sessions = [
            await client.start(prompt=PROMPTS[number % len(PROMPTS)], num_steps=250 if count <= 8 else 1000)
            for number, client in enumerate(clients)
        ]
        await asyncio.sleep(seconds)
        for client, session in zip(clients, sessions, strict=True):
            await client.send("pause", op=10**6)
            assert client.session == session
        frames = [(session, *frame) for session, client in zip(sessions, clients, strict=True) for frame in client.frames]
    ages = [1e3 * (came - header["at"]) for _, header, _, came in frames]
    wrong = sum(header["session"] != session for session, header, _, _ in frames)
    wrong += sum(not data.startswith((b"\xff\xd8", session.encode())) for session, _, data, _ in frames)
    shares = [len(client.frames) for client in clients]
    return {
        "frames": len(frames),
        "age, median, ms": statistics.median(ages),
        "p99, ms": _share(ages, 0.99),
        "of another session": wrong,
        "fewest and most frames": f"{min(shares)}-{max(shares)}",
    }


def _share(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    main()
