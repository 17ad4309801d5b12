"""Calls on their way to the upstream and back. Synchronous throughout."""

from collections.abc import Callable

import trio

from bridge.contract.upstream import Answered, Call, Cancel, Progress
from bridge.errors import (
    BridgeError,
    FrameInvalid,
    LinkBusy,
    LinkError,
    SessionLost,
    UpstreamLost,
)
from bridge.observe.status import RoundTrip
from bridge.protocol.frame import Frame, members
from bridge.upstream import faults
from bridge.upstream.admission import Admission
from bridge.upstream.alarms import Alarm, Alarms
from bridge.upstream.calls import (
    CallTable,
    Flight,
    Pending,
    answer_of,
    outgoing_frame,
)
from bridge.upstream.connection import Connection
from bridge.upstream.news import ProgressGate, integer
from bridge.upstream.throttle import Throttle
from bridge.wire.link import Outgoing

#: So long a call that may be repeated waits for a new connection, in s.
REPEAT_WITHIN = 10.0


def _once_more(flight: Flight, fault: BridgeError) -> Pending:
    """For one repetition; ``fault`` is its outcome if that gets no answer."""
    until = trio.current_time() + REPEAT_WITHIN
    return flight.again(repeated=True, until=until, fault=fault)


def _nobody_asks(_flight: Flight) -> None:
    """No question can belong to it yet."""


def _none(_call: Call) -> None:
    """Whatever the upstream offers may be called."""


class Traffic:
    """The data path of one upstream.

    ``ended`` is told each call that has left its link; ``objection`` is asked why a
    call must not be sent. ``repeats``: calls that may have run are made once more
    where that does no harm (`Call.repeatable`).
    """

    def __init__(
        self,
        name: str,
        calls: CallTable,
        *,
        alarms: Alarms,
        admission: Admission,
        throttle: Throttle,
        repeats: bool = False,
    ) -> None:
        self._name = name
        self._calls = calls
        self._alarms = alarms
        self._admission = admission
        self._throttle = throttle
        self._repeats = repeats
        self._connection: Connection | None = None
        self._taking = True
        self.ended: Callable[[Flight], None] = _nobody_asks
        self.objection: Callable[[Call], BridgeError | None] = _none
        self.proved: RoundTrip | None = None  # the last call it answered
        self.dropped = 0  # late, duplicate and foreign answers and progress

    @property
    def is_open(self) -> bool:
        """Calls go to a link at once."""
        return self._connection is not None

    def open(self, connection: Connection) -> None:
        """The upstream is ready: whoever waited goes first."""
        self._connection = connection
        self.pump()

    def take_no_more(self) -> None:
        """Refuse calls from now on; those accepted go on."""
        self._taking = False

    def submit(self, call: Call) -> None:
        """Launch a call, let it wait its turn, or refuse it at once."""
        until = self._admission.until(call)
        if self._connection is not None:
            until = call.received_at + self._calls.limits.idle
        if not self._taking:
            call.reply.resolve(self._admission.unavailable())
        elif until <= trio.current_time():
            call.reply.resolve(self._late())
        elif self._calls.full:
            call.reply.resolve(faults.overloaded(self._name, "too many calls wait"))
        elif (refusal := self._refusal()) is not None:
            call.reply.resolve(refusal)
        else:
            self._calls.wait(Pending(call, until=until))
            self._alarms.no_later(Alarm.SWEEP, until)
            self.pump()

    def answer(self, frame: Frame) -> bool:
        """Give an answer to its call. False: no call in flight has this id."""
        flight = self._calls.settle(frame.id) if isinstance(frame.id, int) else None
        if flight is None:
            return False
        now = trio.current_time()
        method = flight.call.frame.method or ""
        self.proved = RoundTrip(by=method, at=now, took=now - flight.sent_at)
        self._flush(flight)
        result, error = answer_of(frame)
        self._throttle.answered(flight, error)
        self._end(flight, Answered(result=result, error=error))
        self.pump()
        return True

    def fail(self, upstream_id: int, error: LinkError) -> bool:
        """One request failed, the link is well. False: it is no call's."""
        flight = self._calls.settle(upstream_id)
        if flight is None:
            return False
        self._throttle.request_failed(flight, error)
        if isinstance(error, SessionLost) and not flight.repeated:
            self._repeat_later(flight)
            return True
        fault = faults.outcome_of(error, name=self._name, written=flight.written)
        if isinstance(fault, UpstreamLost) and self._may_repeat(flight):
            self._repeat(flight, fault)
        else:
            self._end(flight, fault)
        self.pump()
        return True

    def cancel(self, message: Cancel) -> None:
        """The asker has gone."""
        entry = self._calls.forget(message.call_id)
        if isinstance(entry, Flight):
            self._withdraw(entry, message.reason)
            self.pump()

    def progress(self, frame: Frame) -> None:
        """Pass on progress, within its limits; it keeps the call alive."""
        try:
            params = members(frame.params)
        except FrameInvalid:
            self.dropped += 1
            return
        flight = self._calls.find(integer(params.get("progressToken")))
        if flight is None or not flight.call.wants_progress:
            self.dropped += 1
            return
        if flight.gate is None:
            flight.gate = ProgressGate()
        if flight.gate.rises(params):
            self._calls.rearm(flight, trio.current_time())
            self._advance(flight, flight.gate)

    def release_progress(self) -> None:
        """Pass on what the limit held back and may pass now."""
        for flight in self._calls.flights():
            if flight.gate is not None:
                self._advance(flight, flight.gate)

    def sweep(self, now: float) -> None:
        """End the calls whose time is over."""
        for flight in self._calls.overdue(now):
            self._throttle.timed_out(flight)
            written = not flight.outgoing.revoke()
            fault = faults.timed_out(self._name, written=written)
            flight.call.reply.resolve(flight.fault or fault)
            self._withdraw(flight, "the deadline has passed")
        for pending in self._calls.impatient(now):
            pending.call.reply.resolve(pending.fault or self._late())
        self.pump()

    def interrupt(self, reason: str) -> None:
        """The link is gone: resolve what it held, once; keep what may still wait."""
        self._connection = None
        again: list[Pending] = []
        for flight in self._calls.take_flights():
            self._throttle.withdrawn(flight)
            fault = faults.lost(self._name, reason, written=True)
            if not flight.written:
                again.append(flight.again(repeated=flight.repeated))
                self.ended(flight)
            elif self._may_repeat(flight):
                again.append(_once_more(flight, fault))
                self.ended(flight)
            else:
                self._end(flight, fault)
        self._calls.wait_again(again)
        self._keep_the_patient()

    def close(self, reason: str) -> None:
        """Resolve everything: nobody will ask this upstream any more."""
        self._connection = None
        for flight in self._calls.take_flights():
            written = flight.written
            self._end(flight, faults.lost(self._name, reason, written=written))
        for pending in self._calls.take_waiting():
            self._refuse(pending)

    def _may_repeat(self, flight: Flight) -> bool:
        return self._repeats and flight.call.repeatable and not flight.repeated

    def _repeat(self, flight: Flight, fault: BridgeError) -> None:
        """The upstream says that doing it twice does no harm."""
        self.ended(flight)
        pending = _once_more(flight, fault)
        self._calls.wait_again([pending])
        self._alarms.no_later(Alarm.SWEEP, pending.until)

    def _refuse(self, pending: Pending) -> None:
        """It waits no longer for a connection."""
        pending.call.reply.resolve(pending.fault or self._admission.unavailable())

    def _late(self) -> BridgeError:
        """Nothing ran: the upstream was not there, or it was too busy."""
        if self._connection is None:
            return self._admission.unavailable()
        return faults.overloaded(self._name, "no slot became free in time")

    def _keep_the_patient(self) -> None:
        now = trio.current_time()
        for pending in self._calls.take_waiting():
            until = self._admission.until(pending.call)
            if pending.repeated and not self._admission.is_hopeless:
                until = pending.until
            if until <= now:
                self._refuse(pending)
                continue
            pending.until = until
            self._calls.wait(pending)
            self._alarms.no_later(Alarm.SWEEP, until)

    def pump(self) -> None:
        """Give free slots to those who wait."""
        while self._connection is not None and self._calls.has_next:
            refusal = self._throttle.refusal()
            if refusal is None and not self._throttle.admit():
                return
            pending = self._calls.next_pending()
            if pending is None:
                return
            refusal = refusal or self.objection(pending.call)
            if refusal is not None:
                pending.call.reply.resolve(pending.fault or refusal)
            elif pending.call.reply.open:
                self._launch(pending, self._connection)

    def _refusal(self) -> BridgeError | None:
        """Why a call is not even put into the line."""
        refusal = self._throttle.refusal()
        return refusal or self._throttle.over_rate(ahead=self._calls.waiting)

    def _launch(self, pending: Pending, connection: Connection) -> None:
        call = pending.call
        upstream_id = connection.mint()
        try:
            frame = outgoing_frame(call, upstream_id)
            outgoing = Outgoing(frame, upstream_id=upstream_id)
            connection.link.send(outgoing)
        except FrameInvalid as error:
            call.reply.resolve(error)
        except LinkBusy:
            call.reply.resolve(faults.overloaded(self._name, "its link is busy"))
        except LinkError:
            # the link says so in `receive` in a moment; until then nothing more
            self._connection = None
            self._calls.wait_again([pending])
        else:
            connection.carry(call.principal)
            flight = self._calls.launch(pending, outgoing, upstream_id=upstream_id)
            flight.sent_at = trio.current_time()
            self._throttle.sent(flight)
            self._alarms.no_later(Alarm.SWEEP, flight.due)

    def _repeat_later(self, flight: Flight) -> None:
        """The server did not know the session, so it did not run the request."""
        self.ended(flight)
        self._connection = None
        self._calls.wait_again([flight.again(repeated=True)])
        self._alarms.no_later(Alarm.SWEEP, flight.due)

    def _withdraw(self, flight: Flight, reason: str) -> None:
        flight.outgoing.revoke()
        self._throttle.withdrawn(flight)
        self.ended(flight)
        if self._connection is not None:
            self._connection.withdraw(
                flight.upstream_id, reason, unsaid=flight.outgoing.revoked
            )

    def _end(self, flight: Flight, outcome: Answered | BridgeError) -> None:
        if isinstance(outcome, BridgeError) and flight.fault is not None:
            outcome = flight.fault  # whatever became of the repetition
        flight.call.reply.resolve(outcome)
        self.ended(flight)

    def _advance(self, flight: Flight, gate: ProgressGate) -> None:
        params = gate.release(trio.current_time())
        if params is not None:
            flight.call.reply.tell(Progress(params=params))
        elif gate.open_at is not None:
            self._alarms.no_later(Alarm.PROGRESS, gate.open_at)

    def _flush(self, flight: Flight) -> None:
        params = None if flight.gate is None else flight.gate.flush()
        if params is not None:
            flight.call.reply.tell(Progress(params=params))
