"""What the server counts and measures, for Prometheus."""

from __future__ import annotations

import time
from typing import Any, Protocol, runtime_checkable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SHORT = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@runtime_checkable
class _Sessions(Protocol):
    @property
    def num_open(self) -> int: ...
    @property
    def num_running(self) -> int: ...
    @property
    def num_waiting(self) -> int: ...


class Metrics:
    """One server's. Nothing is global, so that two servers in a process do not mix."""

    def __init__(self) -> None:
        self._collected = r = CollectorRegistry()
        self._asked: dict[tuple[str, int], float] = {}
        self._steps = Histogram("ildm_step_seconds", "A denoising step.", buckets=_SHORT, registry=r)
        self._edits = Histogram(
            "ildm_edit_to_applied_seconds", "From a command's arrival to its effect.", buckets=_SHORT, registry=r
        )
        self._saves = Counter("ildm_states_saved", "States that lie on the disk.", registry=r)
        self._made = Counter("ildm_frames_made", "Previews that came from the worker.", registry=r)
        self._bytes = Counter("ildm_frames_made_bytes", "Their bytes.", registry=r)
        self._sent = Counter("ildm_frames_sent", "Previews sent to clients.", registry=r)
        self._skipped = Counter("ildm_frames_skipped", "Previews that a client was too slow for.", registry=r)
        self._overtaken = Gauge(
            "ildm_frames_overtaken", "Previews that a newer one overtook before they were made.", registry=r
        )
        self._restarts = Counter("ildm_worker_restarts", "How often a worker was lost.", registry=r)
        self._sockets = Gauge("ildm_connections", "Sockets and event streams that are open.", registry=r)
        self._refusals = Counter("ildm_refusals", "Requests and messages that were refused.", ["code"], registry=r)

    def watch(self, sessions: _Sessions) -> None:
        """Tell of sessions, when asked."""
        told = (
            ("ildm_sessions_open", "Sessions in memory.", lambda: sessions.num_open),
            ("ildm_sessions_running", "Sessions that make steps.", lambda: sessions.num_running),
            ("ildm_sessions_waiting", "Sessions that wait for their first step.", lambda: sessions.num_waiting),
        )
        for name, about, value in told:
            Gauge(name, about, registry=self._collected).set_function(value)

    def asked(self, session: str, number: int) -> None:
        """A command of that number has come."""
        self._asked[session, number] = time.perf_counter()

    def not_taken(self, session: str, number: int) -> None:
        """It was not taken after all."""
        self._asked.pop((session, number), None)

    def happened(self, session: str, event: dict[str, Any]) -> None:
        """An event of a session's log has come."""
        match event["kind"]:
            case "command-applied" | "command-rejected":
                since = self._asked.pop((session, event["op"]), None)
                if since is not None and event["kind"] == "command-applied":
                    self._edits.observe(time.perf_counter() - since)
            case "step-completed" if event["fresh"]:
                self._steps.observe(event["seconds"])
            case "state-saved":
                self._saves.inc()
            case _:
                pass

    def framed(self, num_bytes: int, overtaken: int) -> None:
        """A preview has come; so many were overtaken until now."""
        self._made.inc()
        self._bytes.inc(num_bytes)
        self._overtaken.set(overtaken)

    def sent_frame(self, skipped: int) -> None:
        """A preview went to a client, which has missed so many since the last one."""
        self._sent.inc()
        self._skipped.inc(skipped)

    def worker_lost(self) -> None:
        """A worker has died, and with it what had been asked of it."""
        self._asked.clear()
        self._restarts.inc()

    def connected(self, by: int) -> None:
        """Connections have come (1) or gone (-1)."""
        self._sockets.inc(by)

    def refused(self, code: str) -> None:
        """Something was refused."""
        self._refusals.labels(code).inc()

    def text(self) -> bytes:
        """All of it in Prometheus' format."""
        return generate_latest(self._collected)
