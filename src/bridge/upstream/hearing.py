"""Sorts what one link after the other brings: answers, requests, notifications, faults.

Synchronous throughout; each thing goes to the one part it concerns.
"""

from typing import assert_never

from bridge.errors import ConnectFailed, SessionLost, Unauthorized
from bridge.observe.status import RoundTrip
from bridge.protocol.frame import Frame
from bridge.upstream.connection import Connection
from bridge.upstream.inbound import Inbound
from bridge.upstream.lifecycle import Lifecycle, event_of
from bridge.upstream.traffic import Traffic
from bridge.upstream.vitals import Vitals
from bridge.wire.link import FrameRefused, LinkEvent, Received, RequestFailed


class Hearing:
    """``dropped`` counts what is nobody's: late, double or foreign. ``proved``: when
    the upstream last answered something of ours, over all its links."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        *,
        traffic: Traffic,
        inbound: Inbound,
        vitals: Vitals,
    ) -> None:
        self._lifecycle = lifecycle
        self._traffic = traffic
        self._inbound = inbound
        self._vitals = vitals
        self.dropped = 0
        self.proved: RoundTrip | None = None

    def heard(self, connection: Connection, event: LinkEvent) -> None:
        """Take one event of the link of ``connection``."""
        match event:
            case Received():
                self._vitals.heard()
                self._received(connection, event)
            case RequestFailed():
                self._request_failed(connection, event)
            case FrameRefused():
                self._inbound.refused(event)
            case _:
                assert_never(event)

    def _received(self, connection: Connection, event: Received) -> None:
        frame = event.frame
        if frame.is_response:
            self._answered(connection, frame)
        elif frame.is_request:
            self._inbound.requested(connection, frame, related=event.related)
        elif frame.is_notification:
            self._inbound.notified(connection, frame, related=event.related)
        else:
            self.dropped += 1  # an error nobody can attribute

    def _answered(self, connection: Connection, frame: Frame) -> None:
        if self._traffic.answer(frame):
            self._vitals.answered()
            self.proved = self._traffic.proved
        elif isinstance(frame.id, int) and connection.settle(frame.id, frame):
            self.proved = connection.proved
        else:
            self.dropped += 1

    def _request_failed(self, connection: Connection, event: RequestFailed) -> None:
        error = event.error
        of_a_call = self._traffic.fail(event.upstream_id, error)
        if not (of_a_call or connection.fail(event.upstream_id, error)):
            self.dropped += 1
        elif isinstance(error, SessionLost):
            self._lifecycle.feed(event_of(error))
        elif of_a_call and isinstance(error, Unauthorized | ConnectFailed):
            self._vitals.doubt()  # this one call, or all of us?
