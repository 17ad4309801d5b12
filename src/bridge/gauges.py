"""Reads the gauges of one bridge from its parts (E7)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import trio

from bridge.actor.mailbox import Mailbox
from bridge.observe.readings import Readings, UpstreamReading
from bridge.observe.status import BridgeStatus
from bridge.router.outbox import Outbox
from bridge.router.session import Session, Sessions


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at; ``mailboxes`` are those of the upstreams, by name."""

    status: Callable[[], BridgeStatus]
    sessions: Sessions
    router: Mailbox[Any]
    mailboxes: Callable[[], Mapping[str, Mailbox[Any]]]
    calls_in_flight: Callable[[], int]
    connections: Callable[[], int]

    def read(self) -> Readings:
        """Everything at this moment."""
        status, mailboxes = self.status(), self.mailboxes()
        outboxes = {id(box): box for box in _outboxes(self.sessions)}.values()
        return Readings(
            ready=status.ready,
            uptime=status.uptime,
            tasks=trio.lowlevel.current_statistics().tasks_living,
            connections=self.connections(),
            calls_in_flight=self.calls_in_flight(),
            router_mailbox=self.router.depth,
            outbox_frames=sum(box.queued for box in outboxes),
            outbox_bytes=sum(box.queued_bytes for box in outboxes),
            states=status.states,
            upstreams=tuple(
                UpstreamReading(
                    name=each.name,
                    mailbox=mailboxes[each.name].depth,
                    in_flight=each.in_flight,
                    queued=each.queued,
                )
                for each in status.upstreams
                if each.name in mailboxes
            ),
        )


def _outboxes(sessions: Sessions) -> Iterator[Outbox]:
    """The stream of each session, and those single requests are answered on."""
    for session in sessions.all():
        yield session.outbox
        yield from _sinks(session)


def _sinks(session: Session) -> Iterator[Outbox]:
    return (call.sink for call in session.in_flight.values())
