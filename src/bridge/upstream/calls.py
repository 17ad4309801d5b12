"""The calls of one upstream: those in flight and those that wait. Never waits itself.

Every entry leaves by exactly one door: its answer, a cancel, its deadline, or the end
of its epoch. Time is an argument.
"""

from collections import deque
from math import inf

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from bridge.config.model import UpstreamConfig
from bridge.contract.upstream import Call
from bridge.errors import BridgeError
from bridge.protocol.frame import Frame, members, raw
from bridge.upstream.news import ProgressGate
from bridge.wire.link import Outgoing

MAXIMUM_TIMES = 5  # decision 15: progress keeps a call alive so many times its timeout
MAXIMUM_AT_LEAST = 300.0


class CallLimits(msgspec.Struct, frozen=True, kw_only=True):
    """``idle``: seconds without news; ``maximum``: seconds at all."""

    in_flight: int = 64
    waiting: int = 256
    idle: float = 60.0

    @property
    def maximum(self) -> float:
        return max(self.idle * MAXIMUM_TIMES, MAXIMUM_AT_LEAST)


def limits_of(config: UpstreamConfig, *, waiting: int) -> CallLimits:
    """What the configuration of an upstream says of its calls."""
    return CallLimits(
        in_flight=config.max_in_flight, waiting=waiting, idle=config.timeout
    )


class Pending:
    """An accepted call that waits for a link. ``until``: its patience.

    ``repeated``: it was handed to a link before, and is handed to one more at most.
    ``fault``: what it ends with if that does not answer; set when it may have run.
    """

    __slots__ = ("call", "fault", "repeated", "until")

    def __init__(
        self,
        call: Call,
        *,
        until: float,
        repeated: bool = False,
        fault: BridgeError | None = None,
    ) -> None:
        self.call = call
        self.until = until
        self.repeated = repeated
        self.fault = fault


class Flight:
    """A call handed to the link. ``due`` moves with progress, ``last`` never."""

    __slots__ = (
        "call",
        "due",
        "fault",
        "gate",
        "last",
        "outgoing",
        "repeated",
        "sent_at",
        "upstream_id",
    )

    def __init__(
        self, pending: Pending, outgoing: Outgoing, *, upstream_id: int
    ) -> None:
        self.call = pending.call
        self.repeated = pending.repeated
        self.fault = pending.fault
        self.outgoing = outgoing
        self.upstream_id = upstream_id
        self.due = inf
        self.last = inf
        self.sent_at = 0.0
        self.gate: ProgressGate | None = None

    @property
    def written(self) -> bool:
        """From here on it may have run."""
        return self.outgoing.written

    def again(
        self,
        *,
        repeated: bool,
        until: float | None = None,
        fault: BridgeError | None = None,
    ) -> Pending:
        """The same call, to be handed to another link."""
        return Pending(
            self.call,
            until=self.due if until is None else min(until, self.due),
            repeated=repeated,
            fault=fault or self.fault,
        )


def outgoing_frame(call: Call, upstream_id: int) -> Frame:
    """The call's frame under the upstream's id, other members untouched.

    With ``wants_progress`` the id is also the progress token (protocol 4.4).
    Raises `FrameInvalid` when ``params`` or ``_meta`` is no object.
    """
    if not call.wants_progress:
        return replace(call.frame, id=upstream_id)
    params = members(call.frame.params)
    meta = members(params.get("_meta", UNSET))
    params["_meta"] = raw({**meta, "progressToken": upstream_id})
    return replace(call.frame, id=upstream_id, params=raw(params))


class CallTable:
    """Who waits for what. One owner; every method returns at once."""

    def __init__(self, limits: CallLimits) -> None:
        self.limits = limits
        self._flights: dict[int, Flight] = {}
        self._by_call: dict[int, int] = {}
        self._waiting: deque[Pending] = deque()

    @property
    def in_flight(self) -> int:
        return len(self._flights)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Nothing is in flight and nothing waits."""
        return not (self._flights or self._waiting)

    @property
    def full(self) -> bool:
        """No further call may wait."""
        return len(self._waiting) >= self.limits.waiting

    @property
    def has_next(self) -> bool:
        """A call waits, and a slot is free for it."""
        return bool(self._waiting) and len(self._flights) < self.limits.in_flight

    def wait(self, pending: Pending) -> None:
        """Put a call at the end of the line; the caller has looked at `full`."""
        self._waiting.append(pending)

    def wait_again(self, entries: list[Pending]) -> None:
        """Put calls that provably did not run back to the head, in their order."""
        self._waiting.extendleft(reversed(entries))

    def next_pending(self) -> Pending | None:
        """Take the first call that waits, if a slot is free."""
        return self._waiting.popleft() if self.has_next else None

    def launch(
        self, pending: Pending, outgoing: Outgoing, *, upstream_id: int
    ) -> Flight:
        """Enter a call as in flight. Time it waited counts towards its deadlines."""
        flight = Flight(pending, outgoing, upstream_id=upstream_id)
        begun = pending.call.received_at
        flight.due = begun + self.limits.idle
        flight.last = begun + self.limits.maximum
        self._flights[upstream_id] = flight
        self._by_call[pending.call.call_id] = upstream_id
        return flight

    def find(self, upstream_id: int | None) -> Flight | None:
        """The call in flight under this id."""
        return None if upstream_id is None else self._flights.get(upstream_id)

    def oldest(self) -> Flight | None:
        """The call that has been in flight the longest."""
        return next(iter(self._flights.values()), None)

    def flights(self) -> list[Flight]:
        """All calls in flight, oldest first."""
        return list(self._flights.values())

    def rearm(self, flight: Flight, now: float) -> None:
        """Progress: the idle deadline starts anew, the maximum stays."""
        flight.due = min(now + self.limits.idle, flight.last)

    def hold(self, flight: Flight, until: float) -> None:
        """A client thinks about its question: the idle deadline waits as long."""
        flight.due = min(max(flight.due, until), flight.last)

    def resume(self, flight: Flight, now: float, *, left: float) -> None:
        """No question is open any more: the idle deadline goes on where it stood."""
        flight.due = min(now + left, flight.last)

    def settle(self, upstream_id: int) -> Flight | None:
        """Take a call out: it has its answer, or its end."""
        flight = self._flights.pop(upstream_id, None)
        if flight is not None:
            self._by_call.pop(flight.call.call_id, None)
        return flight

    def forget(self, call_id: int) -> Flight | Pending | None:
        """Take a call out by the asker's id, wherever it stands."""
        upstream_id = self._by_call.get(call_id)
        if upstream_id is not None:
            return self.settle(upstream_id)
        for pending in self._waiting:
            if pending.call.call_id == call_id:
                self._waiting.remove(pending)
                return pending
        return None

    def overdue(self, now: float) -> list[Flight]:
        """Take out the calls in flight whose deadline has passed."""
        late = [flight for flight in self._flights.values() if flight.due <= now]
        for flight in late:
            self.settle(flight.upstream_id)
        return late

    def impatient(self, now: float) -> list[Pending]:
        """Take out the waiting calls whose patience is over."""
        late = [pending for pending in self._waiting if pending.until <= now]
        for pending in late:
            self._waiting.remove(pending)
        return late

    def next_due(self) -> float:
        """When the next deadline passes."""
        flights = (flight.due for flight in self._flights.values())
        waiting = (pending.until for pending in self._waiting)
        return min(min(flights, default=inf), min(waiting, default=inf))

    def take_flights(self) -> list[Flight]:
        """Empty what is in flight: the epoch has ended."""
        flights = list(self._flights.values())
        self._flights.clear()
        self._by_call.clear()
        return flights

    def take_waiting(self) -> list[Pending]:
        """Empty the line."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting


def answer_of(frame: Frame) -> tuple[Raw | None, Raw | None]:
    """The ``result`` and ``error`` of a response frame."""
    result = None if frame.result is UNSET else frame.result
    error = None if frame.error is UNSET else frame.error
    return result, error
