"""What the sessions together want of an upstream: subscriptions and a log level.

Told to the upstream one request after the other, and again after each reconnect.
"""

import trio
from msgspec import Raw

from bridge.errors import FrameInvalid, LinkBusy, LinkError, LinkLost
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.protocol.dialogue import Ask, Told
from bridge.protocol.frame import members
from bridge.upstream.alarms import Alarm, Alarms
from bridge.upstream.connection import Connection

_PATIENCE = 30.0
_AGAIN = 1.0  # after a busy link


class Wishes:
    """Wanted and told; the difference is the next request."""

    def __init__(self, *, alarms: Alarms, log: Log) -> None:
        self._alarms = alarms
        self._log = log
        self._wanted: frozenset[str] = frozenset()
        self._level: str | None = None
        self._connection: Connection | None = None
        self._asking = False
        self._told: set[str] = set()
        self._told_level: str | None = None

    def open(self, connection: Connection) -> None:
        """The upstream is ready; it knows of nothing yet."""
        self._connection = connection
        self._asking = False
        self._told = set()
        self._told_level = None
        self._go_on()

    def close(self) -> None:
        """It is not ready any more."""
        self._connection = None
        self._alarms.clear(Alarm.WISHES)

    def ring(self) -> None:
        """The alarm: the link may take more by now."""
        self._go_on()

    def subscribe(self, uris: frozenset[str]) -> None:
        """The set of URIs anybody is subscribed to."""
        self._wanted = uris
        self._go_on()

    def log_level(self, level: str | None) -> None:
        """The most talkative level anybody asked for."""
        self._level = level
        self._go_on()

    def _go_on(self) -> None:
        connection = self._connection
        if connection is None or self._asking:
            return
        ask = self._next(connection)
        if ask is None:
            return
        self._asking = True
        due = trio.current_time() + _PATIENCE

        def done(outcome: Told | LinkError) -> None:
            self._asking = False
            unsent = isinstance(outcome, LinkError) and not sent
            if unsent or isinstance(outcome, LinkBusy | LinkLost):
                # it was not sent, and the next one would not be either
                self._unmark(ask)
                self._alarms.set(Alarm.WISHES, trio.current_time() + _AGAIN)
                return
            self._note(ask, outcome)
            self._go_on()

        sent = False  # a link that refuses at once says so before `ask` returns
        connection.ask(ask, due=due, done=done)
        sent = True

    def _next(self, connection: Connection) -> Ask | None:
        if self._level not in {None, self._told_level} and connection.offers("logging"):
            self._told_level = self._level
            return Ask("logging/setLevel", {"level": self._level})
        if not can_subscribe(connection):
            return None
        for uri in sorted(self._told - self._wanted):
            self._told.discard(uri)
            return Ask("resources/unsubscribe", {"uri": uri})
        for uri in sorted(self._wanted - self._told):
            self._told.add(uri)
            return Ask("resources/subscribe", {"uri": uri})
        return None

    def _unmark(self, ask: Ask) -> None:
        """It was not told after all."""
        match ask:
            case Ask("resources/subscribe", {"uri": str() as uri}):
                self._told.discard(uri)
            case Ask("resources/unsubscribe", {"uri": str() as uri}):
                self._told.add(uri)
            case _:
                self._told_level = None

    def _note(self, ask: Ask, outcome: Told | LinkError) -> None:
        """A refusal is not asked again: the next epoch is another chance."""
        error = outcome.message if isinstance(outcome, Told) else outcome.public
        if error:
            self._log.emit(
                events.UPSTREAM_REQUEST_FAILED, method=ask.method, error=error
            )


def can_subscribe(connection: Connection) -> bool:
    """The upstream declared ``resources.subscribe``."""
    agreement = connection.agreement
    if agreement is None or not agreement.offers("resources"):
        return False
    try:
        declared = members(agreement.capabilities["resources"]).get("subscribe")
    except FrameInvalid:
        return False
    return declared == Raw(b"true")
