"""The studio as people start it, for benchmarks: a process with a store and a home of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass
class Server:
    """A server as people start it. `began` is when, on the clock of `time.perf_counter`; `seconds` it took until it was ready."""

    port: int
    token: str
    process: psutil.Process
    seconds: float
    began: float

    def get(self, path: str) -> int:
        """The status of a request."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10.0) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def launch(self) -> str:
        """An address that lets a browser in, once."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/launch", b"{}", headers)
        with urllib.request.urlopen(request, timeout=10.0) as answer:
            return f"http://127.0.0.1:{self.port}{json.load(answer)['path']}"


@contextmanager
def serve(model: str, *more: str) -> Generator[Server, None, None]:
    """A server that is ready, in a home of its own."""
    with tempfile.TemporaryDirectory(prefix="ildm-") as home:
        began = time.perf_counter()
        command = [sys.executable, "-m", "ildm", "studio", "--headless", "--port", "0", "--model", model, *more]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | {"ILDM_HOME": home}
        )
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)\.", process.stdout.readline())
        assert found is not None
        token = Path(home, "studio", "token").read_text().strip()
        server = Server(int(found[1]), token, psutil.Process(process.pid), 0.0, began)
        while server.get("/readyz") != 200:
            time.sleep(0.02)
        server.seconds = time.perf_counter() - began
        try:
            yield server
        finally:
            process.terminate()
            process.wait(20.0)
            process.stdout.close()
