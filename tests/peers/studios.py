"""A studio in this process with a worker that needs no model, and one as people start it, with a process of its own for its model."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import uvicorn
from fake_worker import FakeWorker

from ildm.session.store import Store
from ildm.studio.access import Access
from ildm.studio.app import create_app
from ildm.studio.limits import Limits
from ildm.studio.server import StudioServer
from ildm.studio.uploads import Uploads

OWNER_TOKEN, ANNA_TOKEN = "the-owner-s-own-token-for-tests", "anna-s-own-token-for-these-tests"


class Studio:
    """A running server. `calls` runs something on its event loop."""

    def __init__(self, port, app=None, worker=None, loop=None, server=None):
        self.port, self.app, self.worker, self.loop, self.server = port, app, worker, loop, server
        self.url = f"http://127.0.0.1:{port}"

    def client(self, token=OWNER_TOKEN, **headers):
        told = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=told | headers, timeout=30.0, trust_env=False)

    def calls(self, work):
        async def call():
            return work()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10.0)


@contextmanager
def serving(folder, *, worker=None, limits=None, page=None):
    """A studio in a thread, with a worker that needs no model."""
    worker, limits = worker or FakeWorker(), limits or Limits()
    started, held = threading.Event(), {}

    def serve():
        async def main():
            with Store(folder / "sessions.sqlite") as store:
                config = uvicorn.Config(None, port=0, log_config=None, ws="websockets-sansio", ws_max_size=limits.message_bytes)
                listening = config.bind_socket()
                port = listening.getsockname()[1]
                access = Access(
                    hosts=(f"127.0.0.1:{port}", f"localhost:{port}"),
                    origins=(f"http://127.0.0.1:{port}", f"http://localhost:{port}"),
                    tokens={"": OWNER_TOKEN, "anna": ANNA_TOKEN},
                    secret=b"s" * 32,
                    port=port,
                )
                app = create_app(worker, store, access, Uploads(folder / "uploads", limits), limits, "fake", page)
                config.app = app
                server = StudioServer(config, app)
                held.update(studio=Studio(port, app, worker, asyncio.get_running_loop(), server), server=server)
                task = asyncio.create_task(server.serve(sockets=[listening]))
                while not server.started:
                    await asyncio.sleep(0.005)
                started.set()
                await task

        asyncio.run(main())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert started.wait(20.0)
    try:
        yield held["studio"]
    finally:
        held["server"].should_exit = True
        thread.join(20.0)


class RealStudio(Studio):
    """`ildm studio --headless` as a process, with the toy model.

    Args:
        headless: without it, in an environment with `more` in it.
    """

    def __init__(self, home, *options, headless=True, **more):
        self.home = home
        environment = os.environ | {"ILDM_HOME": str(home), "OMP_NUM_THREADS": "1"} | more
        headless = ["--headless"] if headless else []
        command = [sys.executable, "-m", "ildm", "studio", *headless, "--port", "0", "--model", "toy", *options]
        self.log = (home / "log.txt").open("ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, env=environment, text=True)
        first = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)\.", first)
        assert found, f"{first!r} {(home / 'log.txt').read_text()[-2000:]}"
        self.launch = re.search(r"http://\S+/launch\?token=\S+", first)[0]
        super().__init__(int(found[1]))
        self.token = (home / "studio" / "token").read_text().strip()

    def client(self, token=None, **headers):
        return super().client(token or self.token, **headers)

    def wait_ready(self, timeout=60.0):
        deadline = time.monotonic() + timeout
        with self.client() as client:
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline and self.process.poll() is None, (self.home / "log.txt").read_text()[-3000:]
                time.sleep(0.05)
        return self

    @property
    def engine_pid(self):
        children = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        return int(children[0])

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(30.0)
        self.process.stdout.close()
        self.log.close()
        return code
