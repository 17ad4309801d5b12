"""When an upstream that is connected is not asked any more for a while. Pure.

It answers, but only with errors: every call would cost its client a wait and the server
work, for nothing. So after failures in a row the circuit *opens*: calls are refused at
once. Later one call may try (*half open*); its outcome closes the circuit or opens it
again, each time for longer.

============  =========================================  ===========
from          event                                      to
============  =========================================  ===========
CLOSED        a failure, the last of too many in a row   OPEN
OPEN          the pause is over, a new connection,       HALF_OPEN
              an answer to an earlier call
HALF_OPEN     an answer                                  CLOSED
HALF_OPEN     the trial fails                            OPEN
HALF_OPEN     the trial ends without a verdict           HALF_OPEN, the next one tries
any           an operator reconnects                     CLOSED
============  =========================================  ===========

A failure is what speaks against the server: no answer in time, a broken answer, HTTP
429 and 5xx, JSON-RPC -32603. Any other answer, an error of the client's or a tool's
``isError`` too, proves that it works and forgives earlier failures. What a client
cancelled, what the bridge did not send, 401 and 403 say nothing. Nor does a refused
connection: the link is asked at once whether the server is there at all.

One broken tool is not a broken server: failures of a single name count only when there
are `LONE` times as many.
"""

from enum import Enum
from math import inf

import msgspec
from mcp_types import INTERNAL_ERROR
from msgspec import Raw
from msgspec.structs import replace

from bridge.config.model import FailoverConfig
from bridge.errors import (
    ConnectFailed,
    DestinationRefused,
    Forbidden,
    LinkBusy,
    LinkError,
    RequestRefused,
    SessionLost,
    Unauthorized,
)
from bridge.upstream.retry import heeded

LONE = 3
#: The pause grows with each opening in a row, up to so many times the first one.
_LONGEST = 10
_SPREAD = 0.1  # many bridges, or sessions, do not come back at once
#: What is said to others while a trial is under way, in s: nobody knows how long.
TRIAL_HINT = 1.0
_TOO_MANY = 429
_SERVER_FAULT = 500
#: What does not connect answers nothing at all: that is the connection's business.
_NO_VERDICT = (
    Unauthorized,
    Forbidden,
    SessionLost,
    LinkBusy,
    ConnectFailed,
    DestinationRefused,
)


class Circuit(Enum):
    """Whether calls get through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """``failures`` in a row open the circuit, 0: nothing does; ``base`` is the first
    pause in seconds."""

    failures: int = 3
    base: float = 30.0


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """``openings`` in a row; ``until``: the pause after the last one ends.

    ``trial`` is the call under way that decides. ``paused_until``: the server itself
    asked for patience, whatever the circuit.
    """

    policy: BreakerPolicy = BreakerPolicy()
    circuit: Circuit = Circuit.CLOSED
    failures: int = 0
    names: frozenset[str] = frozenset()  # of what failed, two at most
    openings: int = 0
    since: float = 0.0
    until: float = -inf
    trial: int | None = None
    paused_until: float = -inf
    reason: str = ""

    @property
    def rests_until(self) -> float:
        """Until when nothing at all is asked of the server."""
        pause = self.until if self.circuit is Circuit.OPEN else -inf
        return max(pause, self.paused_until)


def breaker_policy(failover: FailoverConfig) -> BreakerPolicy:
    """What ``failover`` says of it."""
    return BreakerPolicy(
        failures=failover.max_failures if failover.enabled else 0,
        base=failover.recovery_interval / 2,
    )


def is_fault(error: LinkError) -> bool | None:
    """Whether a request that failed speaks against the server; None: says nothing."""
    match error:
        case RequestRefused():
            return error.status >= _SERVER_FAULT or error.status == _TOO_MANY or None
        case _ if isinstance(error, _NO_VERDICT):
            return None
        case _:
            return True


class _Error(msgspec.Struct):
    code: int = 0


def is_server_error(error: Raw | None) -> bool:
    """Whether an answer with this JSON-RPC ``error`` is the server's own failure."""
    if error is None:
        return False
    try:
        return msgspec.json.decode(error, type=_Error).code == INTERNAL_ERROR
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def patience(breaker: Breaker, now: float) -> float | None:
    """For how long a call is refused now, in seconds; None: it may go."""
    wait = breaker.paused_until - now
    if breaker.circuit is Circuit.OPEN:
        wait = max(wait, breaker.until - now)
    if wait > 0:
        return wait
    return None if breaker.trial is None else TRIAL_HINT


def rested(breaker: Breaker, now: float) -> Breaker:
    """Time has passed."""
    if breaker.circuit is Circuit.OPEN and now >= breaker.until:
        return replace(breaker, circuit=Circuit.HALF_OPEN, since=now)
    return breaker


def sent(breaker: Breaker, call: int) -> Breaker:
    """A call that was not refused is on its way."""
    if breaker.circuit is Circuit.HALF_OPEN and breaker.trial is None:
        return replace(breaker, trial=call)
    return breaker


def answered(breaker: Breaker, now: float) -> Breaker:
    """The server works."""
    match breaker.circuit:
        case Circuit.CLOSED:
            return _forgiven(breaker)
        case Circuit.OPEN:
            return replace(breaker, circuit=Circuit.HALF_OPEN, since=now)
        case _:
            closed = _forgiven(breaker)
            return replace(closed, circuit=Circuit.CLOSED, since=now, trial=None)


def failed(
    breaker: Breaker, call: int, *, name: str, reason: str, now: float, chance: float
) -> Breaker:
    """The server failed ``call``, which asked for ``name``; ``chance`` in [0, 1)."""
    match breaker.circuit:
        case Circuit.CLOSED:
            return _counted(breaker, name, reason=reason, now=now, chance=chance)
        case Circuit.HALF_OPEN if breaker.trial == call:
            return _opened(breaker, reason, now=now, chance=chance)
        case _:
            return breaker  # sent before; the circuit knows already


def withdrawn(breaker: Breaker, call: int) -> Breaker:
    """A call ended without a verdict: cancelled, or cut off with its connection."""
    return replace(breaker, trial=None) if breaker.trial == call else breaker


def paused(breaker: Breaker, seconds: float | None, now: float) -> Breaker:
    """The server asked for so much patience (Retry-After); junk is none."""
    wish = heeded(seconds)
    if wish is None:
        return breaker
    until = now + wish
    return replace(breaker, paused_until=max(until, breaker.paused_until))


def reconnected(breaker: Breaker, now: float) -> Breaker:
    """A new connection may be to a healed server: let the next call find out."""
    if breaker.circuit is Circuit.OPEN:
        return replace(breaker, circuit=Circuit.HALF_OPEN, since=now)
    return breaker


def _forgiven(breaker: Breaker) -> Breaker:
    """The openings are forgiven by a second answer in a row, not by the trial's."""
    if not (breaker.failures or breaker.openings):
        return breaker
    openings = breaker.openings if breaker.circuit is Circuit.HALF_OPEN else 0
    return replace(breaker, failures=0, names=frozenset(), openings=openings, reason="")


def _counted(
    breaker: Breaker, name: str, *, reason: str, now: float, chance: float
) -> Breaker:
    bound = breaker.policy.failures
    if not bound:
        return breaker
    failures = breaker.failures + 1
    names = breaker.names if len(breaker.names) > 1 else breaker.names | {name}
    counted = replace(breaker, failures=failures, names=names)
    if failures < (bound if len(names) > 1 else bound * LONE):
        return counted
    return _opened(counted, reason, now=now, chance=chance)


def _opened(breaker: Breaker, reason: str, *, now: float, chance: float) -> Breaker:
    openings = breaker.openings + 1
    pause = breaker.policy.base * min(openings, _LONGEST) * (1 + _SPREAD * chance)
    return replace(
        breaker,
        circuit=Circuit.OPEN,
        openings=openings,
        since=now,
        until=now + pause,
        trial=None,
        reason=reason,
    )
