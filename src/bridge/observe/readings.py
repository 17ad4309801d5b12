"""What is counted at the moment it is asked for: queues, tasks, memory (E7).

Nothing here is kept between two readings, so what belonged to a removed upstream is
gone with it.
"""

from collections.abc import Callable, Iterator

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

Family = GaugeMetricFamily | CounterMetricFamily


class UpstreamReading(msgspec.Struct, frozen=True, kw_only=True):
    """The queues of one upstream."""

    name: str
    mailbox: int = 0
    in_flight: int = 0
    queued: int = 0


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """The bridge at one moment. ``states``: how many upstreams are in each state."""

    ready: bool = False
    uptime: float = 0.0
    tasks: int = 0
    connections: int = 0
    calls_in_flight: int = 0
    router_mailbox: int = 0
    outbox_frames: int = 0
    outbox_bytes: int = 0
    states: dict[str, int] = {}
    upstreams: tuple[UpstreamReading, ...] = ()


class Stalls(msgspec.Struct, frozen=True):
    """How often the event loop was held up, and the longest time."""

    count: int = 0
    longest: float = 0.0


_PLAIN = {
    "ready": "1 while new work is welcome",
    "uptime_seconds": "Seconds since the start",
    "tasks": "Tasks of the event loop",
    "connections": "Open connections of clients",
    "calls_in_flight": "Calls that wait for their upstream",
    "router_mailbox": "Messages that wait for the router",
    "outbox_frames": "Frames that wait for their clients, over all sessions",
    "outbox_bytes": "Bytes of these frames",
}
_OF_UPSTREAM = {
    "mailbox": "Messages that wait for the upstream's actor",
    "in_flight": "Calls the upstream is working on",
    "queued": "Calls that wait for a free slot of the upstream",
}


class ReadingsCollector(Collector):
    """Asks for everything whenever the text is written."""

    def __init__(self) -> None:
        self.read: Callable[[], Readings] = Readings
        self.stalls: Callable[[], Stalls] = Stalls
        self.children: Callable[[], int] = int
        self.events: Callable[[], dict[str, int]] = dict

    def collect(self) -> Iterator[Family]:
        now = self.read()
        yield from self._plain(now)
        yield GaugeMetricFamily(
            "bridge_child_processes",
            "Processes started by the bridge and alive",
            value=self.children(),
        )
        states = GaugeMetricFamily(
            "bridge_upstreams", "Configured servers by state", labels=["state"]
        )
        for state, count in now.states.items():
            states.add_metric([state], count)
        yield states
        yield from self._of_upstreams(now)
        yield from self._of_the_loop()

    def _plain(self, now: Readings) -> Iterator[Family]:
        for name, meaning in _PLAIN.items():
            value = getattr(now, name.removesuffix("_seconds"))
            yield GaugeMetricFamily(f"bridge_{name}", meaning, value=float(value))

    def _of_upstreams(self, now: Readings) -> Iterator[Family]:
        for name, meaning in _OF_UPSTREAM.items():
            family = GaugeMetricFamily(
                f"bridge_upstream_{name}", meaning, labels=["upstream"]
            )
            for each in now.upstreams:
                family.add_metric([each.name], getattr(each, name))
            yield family

    def _of_the_loop(self) -> Iterator[Family]:
        stalls = self.stalls()
        yield CounterMetricFamily(
            "bridge_loop_stalls",
            "Times the event loop was held up for 0.1 s or more",
            value=stalls.count,
        )
        yield GaugeMetricFamily(
            "bridge_loop_longest_stall_seconds",
            "The longest of them since the start",
            value=stalls.longest,
        )
        lines = CounterMetricFamily(
            "bridge_events", "Events logged, by name", labels=["event"]
        )
        for name, count in self.events().items():
            lines.add_metric([name], count)
        yield lines
