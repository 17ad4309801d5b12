"""Whether a call may go to its upstream now: its circuit, its own wishes, our limit.

Drives `bridge.upstream.breaker` and a token bucket. Never waits itself.
"""

import random  # noqa: TID251 - only the type; the generator is handed in
from collections.abc import Callable

import trio
from msgspec import Raw

from bridge.actor.bucket import Bucket
from bridge.config.model import FailoverConfig, UpstreamConfig
from bridge.contract.upstream import Call
from bridge.errors import (
    BridgeError,
    CircuitOpen,
    FrameInvalid,
    LinkError,
    RateLimited,
    UpstreamPaused,
)
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.protocol.frame import members, text
from bridge.upstream import breaker
from bridge.upstream.alarms import Alarm, Alarms
from bridge.upstream.breaker import Breaker, Circuit
from bridge.upstream.calls import Flight
from bridge.upstream.faults import asks_patience

#: So long a call waits for ``rateLimit`` to let it go, rather than be refused.
RATE_PATIENCE = 1.0
_NAME_LENGTH = 200


class Throttle:
    """``changed(rests_until)`` is told when the circuit or a pause has changed; until
    that time nothing is asked of the upstream."""

    def __init__(
        self,
        config: UpstreamConfig,
        failover: FailoverConfig,
        *,
        alarms: Alarms,
        rng: random.Random,
        log: Log,
        changed: Callable[[float], None],
    ) -> None:
        self._name = config.name
        self._rate = config.rate_limit
        self._alarms = alarms
        self._rng = rng
        self._log = log
        self._changed = changed
        self._breaker = Breaker(policy=breaker.breaker_policy(failover))
        self._bucket: Bucket | None = None

    @property
    def circuit(self) -> Circuit:
        return self._breaker.circuit

    @property
    def rests_until(self) -> float | None:
        """Until when nothing is asked of the upstream; None: it may be asked."""
        until = self._breaker.rests_until
        return until if until > trio.current_time() else None

    # --- before a call ---

    def refusal(self) -> BridgeError | None:
        """Why a call may not go now; None: it may."""
        now = trio.current_time()
        wait = breaker.patience(self._breaker, now)
        if wait is None:
            return None
        if self._breaker.paused_until > now:
            return UpstreamPaused(
                f"{self._name} asked for patience; nothing ran: try again in"
                f" {wait:.1f} s",
                upstream=self._name,
                state="connected",
                retry_after=wait,
            )
        return CircuitOpen(
            f"{self._name} is left alone: it answered only errors"
            f" ({self._breaker.reason}); its circuit has been"
            f" {self.circuit.value.replace('_', ' ')} for"
            f" {now - self._breaker.since:.0f} s; nothing ran, try again in"
            f" {wait:.1f} s",
            upstream=self._name,
            state="connected",
            retry_after=wait,
        )

    def over_rate(self, *, ahead: int) -> BridgeError | None:
        """Why a call behind ``ahead`` others is refused: it would wait too long."""
        if not self._rate:
            return None
        wait = self._bucket_now().wait(trio.current_time(), ahead=ahead)
        if wait <= RATE_PATIENCE:
            return None
        return RateLimited(
            f"{self._name} takes {self._rate:g} calls a second; nothing ran: try again"
            f" in {wait:.1f} s",
            upstream=self._name,
            retry_after=wait,
        )

    def admit(self) -> bool:
        """Count a call that goes now. False: it waits, and an alarm rings then."""
        if not self._rate:
            return True
        now = trio.current_time()
        bucket = self._bucket_now()
        if bucket.take(now):
            return True
        self._alarms.no_later(Alarm.RATE, now + bucket.wait(now))
        return False

    def _bucket_now(self) -> Bucket:
        if self._bucket is None:
            self._bucket = Bucket(self._rate, now=trio.current_time())
        return self._bucket

    # --- what became of it ---

    def sent(self, flight: Flight) -> None:
        """A call is on its way."""
        self._breaker = breaker.sent(self._breaker, flight.upstream_id)

    def answered(self, flight: Flight, error: Raw | None) -> None:
        """The upstream answered, maybe with an ``error``."""
        if breaker.is_server_error(error):
            self._failed(flight, "internal error (-32603)")
        else:
            self._take(breaker.answered(self._breaker, trio.current_time()))

    def request_failed(self, flight: Flight, error: LinkError) -> None:
        """The request alone failed."""
        now = trio.current_time()
        self._take(breaker.paused(self._breaker, asks_patience(error), now))
        if breaker.is_fault(error):
            self._failed(flight, error.public)
        else:
            self.withdrawn(flight)

    def timed_out(self, flight: Flight) -> None:
        """No answer came in time."""
        self._failed(flight, "no answer in time")

    def withdrawn(self, flight: Flight) -> None:
        """It ended without a verdict."""
        self._breaker = breaker.withdrawn(self._breaker, flight.upstream_id)

    def reconnected(self) -> None:
        """There is a new connection."""
        self._take(breaker.reconnected(self._breaker, trio.current_time()))

    def forget(self) -> None:
        """An operator wants a fresh start."""
        self._take(Breaker(policy=self._breaker.policy))

    def ring(self) -> None:
        """The alarm: the pause is over."""
        self._take(breaker.rested(self._breaker, trio.current_time()))

    def _failed(self, flight: Flight, reason: str) -> None:
        self._take(
            breaker.failed(
                self._breaker,
                flight.upstream_id,
                name=_asked_for(flight.call),
                reason=reason,
                now=trio.current_time(),
                chance=self._rng.random(),
            )
        )

    def _take(self, after: Breaker) -> None:
        before, self._breaker = self._breaker, after
        if after.circuit is Circuit.OPEN:
            self._alarms.no_later(Alarm.CIRCUIT, after.until)
        if after.circuit is not before.circuit:
            self._say(before, after)
        elif after.paused_until == before.paused_until:
            return
        self._changed(after.rests_until)

    def _say(self, before: Breaker, after: Breaker) -> None:
        if after.circuit is Circuit.OPEN:
            self._log.emit(
                events.UPSTREAM_CIRCUIT_OPENED,
                reason=after.reason,
                failures=after.failures,
                openings=after.openings,
                retry_in=round(after.until - after.since, 1),
            )
        elif after.circuit is Circuit.CLOSED:
            seconds = round(trio.current_time() - before.since, 1)
            self._log.emit(events.UPSTREAM_CIRCUIT_CLOSED, seconds=seconds)


def _asked_for(call: Call) -> str:
    """What tells one tool, prompt or resource from another."""
    try:
        params = members(call.frame.params)
    except FrameInvalid:
        params = {}
    name = text(params.get("name")) or text(params.get("uri")) or ""
    return f"{call.frame.method} {name[:_NAME_LENGTH]}"
