"""Counters and gauges in the Prometheus text format, in a registry of their own.

Labels are bounded: upstream names come from the configuration, outcomes and refusals
from closed lists of short codes. No name of a tool, session or person is a label.
"""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from bridge.observe.readings import Readings, ReadingsCollector, Stalls

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# From a quick local answer to the longest call the default deadlines let live.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """What the bridge counts. One per process, handed to the rooms that count."""

    def __init__(self) -> None:
        registry = CollectorRegistry(auto_describe=True)
        self._registry = registry
        self._readings = ReadingsCollector()
        registry.register(self._readings)
        # process_resident_memory_bytes, process_open_fds, process_cpu_seconds_total
        ProcessCollector(registry=registry)
        self._calls = Counter(
            "bridge_calls",
            "Finished calls",
            ["upstream", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "bridge_call_seconds",
            "Time from accepting a call to its answer",
            ["upstream"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._up = Gauge(
            "bridge_upstream_up",
            "1 while the upstream is connected",
            ["upstream"],
            registry=registry,
        )
        self._reconnections = Gauge(
            "bridge_upstream_reconnections",
            "Connections after the first since the start",
            ["upstream"],
            registry=registry,
        )
        self._refusals = Counter(
            "bridge_guard_refusals",
            "Requests refused at the door",
            ["code"],
            registry=registry,
        )
        self._logins = Counter(
            "bridge_oauth_steps",
            "Refreshes of tokens and logins, by how they ended",
            ["upstream", "step", "outcome"],
            registry=registry,
        )
        self._sessions = Gauge(
            "bridge_sessions", "Open downstream sessions", registry=registry
        )
        self._dropped = Gauge(
            "bridge_log_lines_dropped",
            "Log lines lost to a slow or closed reader since the start",
            registry=registry,
        )

    def call_finished(self, upstream: str, outcome: str, *, seconds: float) -> None:
        """Count one finished call; ``outcome`` is a short code of a closed list."""
        self._calls.labels(upstream, outcome).inc()
        self._seconds.labels(upstream).observe(seconds)

    def upstream_is(self, upstream: str, *, up: bool, reconnections: int) -> None:
        """What an upstream says of itself now."""
        self._up.labels(upstream).set(up)
        self._reconnections.labels(upstream).set(reconnections)

    def refused(self, code: str) -> None:
        """Count one refusal; ``code`` is that of the error's class."""
        self._refusals.labels(code).inc()

    def login_step(self, upstream: str, step: str, outcome: str) -> None:
        """Count a "refresh" or a "login"; ``outcome`` is "ok" or an error's code."""
        self._logins.labels(upstream, step, outcome).inc()

    def watch_sessions(self, count: Callable[[], int]) -> None:
        """Ask ``count`` for the open sessions whenever the text is written."""
        self._sessions.set_function(count)

    def watch_dropped_lines(self, count: Callable[[], int]) -> None:
        """Ask ``count`` for the lost log lines whenever the text is written."""
        self._dropped.set_function(count)

    def watch(self, read: Callable[[], Readings]) -> None:
        """Ask ``read`` for the gauges of the bridge whenever the text is written."""
        self._readings.read = read

    def watch_stalls(self, stalls: Callable[[], Stalls]) -> None:
        """Ask ``stalls`` how often the loop was held up."""
        self._readings.stalls = stalls

    def watch_children(self, count: Callable[[], int]) -> None:
        """Ask ``count`` for the child processes whenever the text is written."""
        self._readings.children = count

    def watch_events(self, counts: Callable[[], dict[str, int]]) -> None:
        """Ask ``counts`` how often each event was logged."""
        self._readings.events = counts

    def forget(self, upstream: str) -> None:
        """Drop what a removed upstream left, so that its labels do not pile up."""
        for metric in (
            self._calls,
            self._seconds,
            self._up,
            self._reconnections,
            self._logins,
        ):
            metric.remove_by_labels({"upstream": upstream})

    def text(self) -> bytes:
        """The whole in the Prometheus text format (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)
