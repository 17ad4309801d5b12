"""Looks inside the bridge: bounds while it runs, emptiness when it rests or ended."""

# pyright: reportPrivateUsage=false

from bridge.app import Bridge
from bridge.config.model import LimitsConfig
from bridge.router.relay import MAX_ASKED
from bridge.router.session import Session
from bridge.upstream.actor import UpstreamActor
from kit.network import Address
from sim.host import Host
from sim.network import SimulatedInternet
from sim.trace import Trace

#: List-changed flags fit an outbox always; there is one per kind.
FLAG_BYTES = 1024
FLAGS = 3


class Watch:
    """An observer of one bridge. ``actors`` are all its upstream actors so far."""

    every = 0.5

    def __init__(
        self,
        bridge: Bridge,
        *,
        limits: LimitsConfig,
        actors: list[UpstreamActor],
        trace: Trace,
    ) -> None:
        self._bridge = bridge
        self._limits = limits
        self._actors = actors
        self._trace = trace

    @property
    def down(self) -> list[str]:
        """The upstreams that are not connected."""
        shown = self._bridge.control.status().upstreams
        return [
            f"{each.name} is {each.state}"
            for each in shown
            if each.state != "connected"
        ]

    def look(self) -> None:
        """Check the bounds; to be done every `Watch.every` virtual seconds."""
        for session in self._bridge._sessions.all():
            self._look_at_session(session)
        for actor in self._actors:
            calls = actor._calls
            self._bound("in flight", calls.in_flight, calls.limits.in_flight)
            self._bound("waiting", calls.waiting, calls.limits.waiting)
            self._bound("mailbox", actor._mailbox.counted, self._limits.mailbox)
        router = self._bridge._to_router.depth
        self._bound("router mailbox", router, 1024)

    def _look_at_session(self, session: Session) -> None:
        limits = self._limits
        self._bound("calls", len(session.in_flight), limits.calls_per_session)
        self._bound("outbox", session.outbox.queued, limits.outbox_frames + FLAGS)
        self._bound("asked", len(session.asked), MAX_ASKED)
        # one frame may stand above the bound, and flags fit always
        sizes = sorted(len(slot.data) for slot in session.outbox._slots)
        self._bound("outbox bytes", sum(sizes[:-1]), limits.outbox_bytes + FLAG_BYTES)

    def _bound(self, what: str, size: int, bound: int) -> None:
        if size > bound:
            self._trace.breach("bounds", f"{what}: {size} of {bound}")

    def check_idle(self) -> None:
        """Nobody asks anything: nothing may be held."""
        sessions = len(self._bridge._sessions)
        held = {
            "sessions": sessions,
            "calls of sessions": self._bridge._dispatcher.in_flight,
            "calls of upstreams": sum(
                actor._calls.in_flight + actor._calls.waiting for actor in self._actors
            ),
            "questions": sum(not actor._inbound.idle for actor in self._actors),
        }
        for what, number in held.items():
            if number:
                self._trace.breach("idle", f"{number} {what} left with nobody there")

    def check_ended(
        self,
        *,
        network: SimulatedInternet,
        host: Host,
        served: Address,
        cut: bool,
    ) -> None:
        """The bridge has stopped: it may hold nothing of the world.

        ``cut``: it was not given the time to end its sessions, which end with it.
        """
        if not cut:
            self.check_idle()
        for actor in self._actors:
            if not (actor.at_rest and actor._mailbox.sealed):
                self._trace.breach("drain", f"{actor.address.name} is not at rest")
        running = [each.pid for each in host.processes.started if each.status is None]
        if running:
            self._trace.breach("drain", f"processes left: {running}")
        for place in () if cut else host.network.left_open:
            self._trace.breach("drain", f"a connection to {place} is left")
        if left := sum(each.open_at_server for each in network.open_to(served)):
            self._trace.breach("drain", f"{left} client connections left")
